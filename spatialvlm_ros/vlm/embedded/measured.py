"""Regions of an image as measured things, for the decoder: as the engine measures them, without its memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...geometry.plane import Plane
from ...geometry.rigid import FloatArray
from ...scene.canonical import canonical_from_up
from ...scene.frame import BoolArray, Region, RGBDFrame
from ...scene.measure import MeasureConfig, measure_regions
from ...scene.noise import DepthNoise
from ...scene.scene import Canonical, Scene, SceneObject

#: What tf's up is worth, as the engine's RobotState has it.
UP_STD_RAD = float(np.deg2rad(0.5))
_PLANE_TILT_STD_RAD = float(np.deg2rad(0.5))


def canonical_of(plane: Plane | None, up: FloatArray | None) -> Canonical | None:
    """The gravity-aligned frame, by up where it is given, else by the plane's normal; None without either."""
    coefficients = None if plane is None else plane.coefficients
    if up is not None:
        return canonical_from_up(np.asarray(up, np.float64), coefficients, UP_STD_RAD, "tf")
    if plane is None or coefficients is None:
        return None
    tilt = plane.tilt_std_rad if np.isfinite(plane.tilt_std_rad) else _PLANE_TILT_STD_RAD
    return canonical_from_up(plane.normal, coefficients, tilt, "plane")


def bare_scene(
    frame: RGBDFrame, plane: Plane | None, up: FloatArray | None, noise: DepthNoise, robot: BoolArray | None = None
) -> Scene:
    """A scene without things, for their directions."""
    canonical = canonical_of(plane, up)
    return Scene(
        stamp_ns=frame.stamp_ns, frame_id=frame.frame_id, objects=(), canonical=canonical,
        canonical_reason="" if canonical is not None else "neither up nor a plane is known",
        support_plane=np.full(4, np.nan) if plane is None else plane.coefficients,
        depth_coverage=float(frame.valid.mean()), scale_std=noise.scale, robot=robot, noise=noise,
    )  # fmt: skip


def measure(frame: RGBDFrame, region: Region, scene: Scene, noise: DepthNoise, number: int) -> SceneObject | None:
    """One region as a thing of a scene; None where its depth does not tell."""
    return measure_each(frame, [region], scene, noise, [number])[0]


def measure_each(
    frame: RGBDFrame, regions: Sequence[Region], scene: Scene, noise: DepthNoise, numbers: Sequence[int]
) -> list[SceneObject | None]:
    """``measure`` of each region, whose things get these numbers; quicker than one by one."""
    config, canonical, plane = MeasureConfig(), scene.canonical, scene.support_plane
    found = measure_regions(frame, regions, canonical, plane, noise, config, robot=scene.robot)
    return [thing and thing.called(id=number) for thing, number in zip(found, numbers, strict=True)]
