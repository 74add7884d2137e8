"""Random scenes as cameras of several kinds would see them, with all that is true about them. Synthetic."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..scene.frame import RGBDFrame
from ..simulation.depth_noise import add_noise
from ..simulation.random_scene import RandomScene, SceneSampling, random_scene
from ..simulation.raycast import Rendering, frame_of, render
from .engine_solids import Solid
from .engine_truth import TrueScene

# The families of noise that the engine's model describes, and those that it does not with the nearest model it has.
IN_FAMILY = {name: name for name in ("structured_light", "stereo", "time_of_flight")}
OUT_OF_FAMILY = {"correlated_stereo": "stereo", "tof_multipath": "time_of_flight", "kinect_quantised": "structured_light"}
FAMILY_NAMES = (*IN_FAMILY, *OUT_OF_FAMILY)
# No noise at all, as a simulator's depth has it; of the engine's presets it is the one of the same name. It is in no benchmark.
EXACT = "exact"
# A thing with fewer visible pixels is not asked for.
MIN_PIXELS = 150


@dataclass(frozen=True)
class Rendered:
    """A scene as the camera would see it without noise, with its truth.

    Attributes:
        truth: with the things in sight, whose numbers in the rendering are ``numbers``.
        known: truths worked out already, for the next image of the same scene.
    """

    scene: RandomScene
    rendering: Rendering
    truth: TrueScene
    numbers: tuple[int, ...]
    known: dict[tuple[str, tuple[int, ...], float], float] = field(default_factory=dict)


def render_scene(seed: int, sampling: SceneSampling) -> Rendered:
    """The scene of a seed, and all that is true about it."""
    scene = random_scene(seed, sampling)
    rendering = render(scene)
    pixels = np.bincount(rendering.labels[rendering.labels > 0].ravel(), minlength=len(scene.things) + 1)
    numbers = tuple(number for number in range(1, len(scene.things) + 1) if pixels[number] >= MIN_PIXELS)
    solids = tuple(
        Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles)
        for thing in (scene.things[number - 1] for number in numbers)
    )
    cloud = scene.camera.back_project(rendering.depth_m)
    seen = scene.world_from_camera.apply(cloud[np.isfinite(rendering.depth_m)])
    truth = TrueScene(solids, scene.support_height_m, scene.world_from_camera, seen)
    return Rendered(scene, rendering, truth, numbers)


def noisy_frame(rendered: Rendered, family: str, *, scale_error: bool = True) -> RGBDFrame:
    """The image of a scene with a family's noise on its depth (``EXACT``: none), with or without the scale error that all its
    pixels share.
    """
    scene, rendering = rendered.scene, rendered.rendering
    if family == EXACT:
        return frame_of(scene, rendering)
    depth = add_noise(rendering.depth_m, scene.camera, family, seed=scene.seed, scale_error=scale_error)
    return frame_of(scene, rendering, depth_m=depth)
