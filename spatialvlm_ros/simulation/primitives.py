"""Primitive shapes: one description serves the MJCF text and the self-filter capsules."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vec3 = tuple[float, float, float]
FloatArray = NDArray[np.float64]


def numbers(values: object) -> str:
    """Space-separated text of a number sequence, as MJCF attributes want it."""
    return " ".join(f"{float(value):.9g}" for value in np.atleast_1d(np.asarray(values, dtype=np.float64)))


@dataclass(frozen=True)
class Primitive:
    """A box, sphere, capsule or cylinder in the frame of its body.

    Attributes:
        kind: "box", "sphere", "capsule" or "cylinder".
        size_m: MuJoCo half sizes: box (hx, hy, hz); sphere (r,); capsule and cylinder (r, half length).
        pos_m: centre in the body frame.
        axis: unit direction of a capsule's or cylinder's axis in the body frame. Boxes may turn about z with `yaw_rad`.
        rgba: colour, 0..1.
        material: MJCF material name, "" for the default one.
        geom_class: MJCF default class: contact parameters, or "visual" for no contact.
        yaw_rad: rotation of a box about the body's z axis.
    """

    kind: str
    size_m: tuple[float, ...]
    pos_m: Vec3 = (0.0, 0.0, 0.0)
    axis: Vec3 = (0.0, 0.0, 1.0)
    rgba: tuple[float, float, float, float] = (0.8, 0.8, 0.8, 1.0)
    material: str = ""
    geom_class: str = "visual"
    yaw_rad: float = 0.0

    def mjcf(self, name: str = "", mass_kg: float | None = None) -> str:
        """The `<geom>` element."""
        parts = [f'type="{self.kind}"', f'size="{numbers(self.size_m)}"', f'pos="{numbers(self.pos_m)}"']
        parts.append(f'class="{self.geom_class}"')
        parts.append(f'rgba="{numbers(self.rgba)}"')
        if name:
            parts.append(f'name="{name}"')
        if self.kind in ("capsule", "cylinder"):
            parts.append(f'zaxis="{numbers(self.axis)}"')
        elif self.yaw_rad:
            parts.append(f'quat="{math.cos(self.yaw_rad / 2):.9g} 0 0 {math.sin(self.yaw_rad / 2):.9g}"')
        if self.material:
            parts.append(f'material="{self.material}"')
        if mass_kg is not None:
            parts.append(f'mass="{mass_kg:.6g}"')
        return f"<geom {' '.join(parts)}/>"


@dataclass(frozen=True)
class RobotCapsule:
    """All points within `radius_m` of the segment `p0`..`p1`, both (3,) in metres in link frame `frame`."""

    frame: str
    p0: FloatArray
    p1: FloatArray
    radius_m: float


def covering_capsules(frame: str, shape: Primitive) -> list[RobotCapsule]:
    """Capsules whose union contains `shape`, with a few millimetres of slack for boxes.

    A cylinder's capsule bulges by its radius beyond both flat ends.
    """
    centre = np.asarray(shape.pos_m, dtype=np.float64)
    if shape.kind == "sphere":
        return [RobotCapsule(frame, centre, centre.copy(), shape.size_m[0])]
    if shape.kind in ("capsule", "cylinder"):
        half = np.asarray(shape.axis, dtype=np.float64) * shape.size_m[1]
        return [RobotCapsule(frame, centre - half, centre + half, shape.size_m[0])]
    if shape.kind != "box" or shape.yaw_rad:
        raise ValueError(f"no capsule cover for {shape.kind} with yaw {shape.yaw_rad}")
    return _cover_box(frame, centre, np.asarray(shape.size_m, dtype=np.float64))


def _cover_box(frame: str, centre: FloatArray, half_m: FloatArray) -> list[RobotCapsule]:
    """Parallel capsules along the longest side, as many as make the cross-section of each about square."""
    short, middle, long = (int(index) for index in np.argsort(half_m))
    count = max(1, math.ceil(half_m[middle] / half_m[short] - 1e-9))
    strip = half_m[middle] / count
    corner = math.hypot(half_m[short], strip)
    # 10 % more radius lets the round ends stop short of the flat ends: less bulge into what the fingers touch.
    radius = 1.1 * corner
    reach = max(0.0, half_m[long] - math.sqrt(radius**2 - corner**2))
    capsules = []
    for index in range(count):
        offset = np.zeros(3)
        offset[middle] = -half_m[middle] + strip * (2 * index + 1)
        along = np.zeros(3)
        along[long] = reach
        capsules.append(RobotCapsule(frame, centre + offset - along, centre + offset + along, radius))
    return capsules
