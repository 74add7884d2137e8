"""Rendered pictures as the renderer's source gives them, each with all that is true about it. Synthetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..scene.noise import PRESETS
from ..simulation.depth_noise import add_noise
from ..simulation.random_scene import RandomScene, SceneSampling, random_scene
from ..synthesis.record import Dropped, MaskRle, Picture
from ..synthesis.sources import RenderSource
from .engine_accuracy import model_of
from .engine_solids import Solid
from .engine_truth import TrueScene


@dataclass(frozen=True)
class Viewed:
    """One scene with its picture without noise, each region under its true name.

    Attributes:
        things: by mask, which of the scene's things a region shows.
    """

    scene: RandomScene
    picture: Picture
    things: dict[MaskRle, int]

    @cached_property
    def truth(self) -> TrueScene:
        """All things of the scene, in sight or not, and what the camera sees without noise."""
        solids = tuple(
            Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles) for thing in self.scene.things
        )
        depth, camera = self.picture.depth_m, self.picture.camera
        assert depth is not None and camera is not None
        cloud = camera.back_project(depth)[np.isfinite(depth)].astype(np.float64)
        pose = self.scene.world_from_camera
        return TrueScene(solids, self.scene.support_height_m, pose, pose.apply(cloud))

    def noisy(self, family: str) -> Picture:
        """The picture as the source gives it with a family's noise, or with that of the nearest model."""
        depth = self.picture.depth_m
        assert depth is not None
        noisy = add_noise(depth, self.scene.camera, family, seed=self.scene.seed)
        return replace(self.picture, depth_m=noisy, noise=PRESETS[model_of(family)])

    def called(self, captions: Sequence[str]) -> Picture:
        """The picture without noise with other captions, one for each region."""
        regions = zip(self.picture.regions, captions, strict=True)
        return replace(self.picture, regions=tuple(replace(region, caption=caption) for region, caption in regions))


def viewed(seed: int, sampling: SceneSampling | None = None) -> Viewed | None:
    """The scene of a seed; None where the source drops its picture."""
    item = next(_items(seed, sampling))
    if isinstance(item, Dropped):
        return None
    scene = random_scene(seed, sampling)
    numbers = {thing.name: number for number, thing in enumerate(scene.things)}
    things = {MaskRle.of(region.mask): numbers[region.caption] for region in item.regions}
    return Viewed(scene, item, things)


def _items(seed: int, sampling: SceneSampling | None) -> Iterator[Picture | Dropped]:
    return RenderSource(seed, 1, sampling).items(0, 1)
