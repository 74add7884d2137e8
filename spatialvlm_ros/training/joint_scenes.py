"""Rendered scenes for ``joints.py``: stacks and crowds as several kinds of depth cameras see them, some of them painted anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray, Plane
from ..perception.enclosures import without_walls
from ..perception.grid import Grid, Surface, make_grid
from ..perception.tabletop import TabletopConfig
from ..scene.noise import PRESETS
from ..simulation.depth_effects import field
from ..simulation.depth_noise import FAMILIES, add_noise
from ..simulation.random_scene import SceneSampling, random_scene
from ..simulation.raycast import SUPPORT_LABEL, frame_of, render

__all__ = ["BoolArray", "JointScene", "scene_of"]

# The preset of the engine that a user of such a camera would choose.
PRESET_OF = {
    "structured_light": "structured_light", "stereo": "stereo", "time_of_flight": "time_of_flight",
    "correlated_stereo": "stereo", "tof_multipath": "time_of_flight", "kinect_quantised": "structured_light",
}  # fmt: skip
_MAX_DISTANCE_M, _WIDTH_PX, _STEP = 3.0, 320, 2
# Depth is kept in tenths of millimetres.
_UNIT_M = np.float32(1e-4)
_FAMILIES_EACH = 2


@dataclass(frozen=True)
class JointScene:
    """A scene at working resolution.

    Attributes:
        depth: (K, h, w) uint16, tenths of millimetres, as K cameras measure it; 0 where invalid.
        presets: K names of noise presets.
        color: (h, w, 3) uint8 RGB. labels: (h, w) int8, thing + 1, negative for structure, 0 for nothing.
        up: (3,) in the optical frame. focal_px, first_ray: of the grid; the latter (2,) is x / z and y / z of pixel (0, 0).
    """

    depth: npt.NDArray[np.uint16]
    presets: tuple[str, ...]
    color: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int8]
    up: npt.NDArray[np.float64]
    focal_px: float
    first_ray: npt.NDArray[np.float32]

    def seen(self, rng: np.random.Generator) -> tuple[Grid, Surface, TabletopConfig]:
        """One of its images with the surface that things stand on; two of three painted anew."""
        index = int(rng.integers(len(self.depth)))
        color = painted(self.color, self.labels, rng) if rng.random() < 0.65 else self.color
        depth = self.depth[index].astype(np.float32) * _UNIT_M
        height, width = depth.shape
        rays = np.empty((height, width, 2), np.float32)
        rays[..., 0] = self.first_ray[0] + np.arange(width) / self.focal_px
        rays[..., 1] = self.first_ray[1] + np.arange(height)[:, None] / self.focal_px
        xyz = np.dstack([rays * depth[..., None], depth]).astype(np.float32)
        blocked = np.zeros((height, width), dtype=bool)
        grid = Grid(_STEP, depth, rays, xyz, depth > 0, self.focal_px, color, blocked)
        config = TabletopConfig(noise=PRESETS[self.presets[index]])
        support = grid.xyz[grid.valid & (self.labels == SUPPORT_LABEL)].astype(np.float64)
        offset = -float(np.median(support @ self.up)) if len(support) else 0.0
        plane = Plane(self.up, offset, config.support.tilt_floor_rad)
        surface = grid.surface(plane, config.noise, config.min_height_m, config.height_sigmas)
        return grid, without_walls(grid, surface, config), config


def scene_of(seed: int, renders: Path | None = None) -> JointScene:
    """The scene of a seed, from the folder ``renders`` where it is there; else it is put there if there is a folder."""
    path = None if renders is None else renders / f"{seed}.npz"
    if path is not None and path.exists():
        with np.load(path) as kept:
            return JointScene(
                kept["depth"], _families(seed)[1], kept["color"], kept["label"], kept["up"], float(kept["focal"]), kept["ray0"]
            )
    sampling, presets, families, rng = _drawn(seed)
    scene = random_scene(seed, sampling)
    rendering = render(scene)
    measured = []
    for family in families:
        depth = add_noise(rendering.depth_m, scene.camera, family, seed=seed)
        if rng.random() < 0.4:
            depth = _worse(depth, rng)
        grid = make_grid(frame_of(scene, rendering, depth_m=depth), None, _MAX_DISTANCE_M, _WIDTH_PX)
        measured.append(np.round(grid.depth / _UNIT_M).astype(np.uint16))
    labels = _of_nearest(rendering.depth_m, rendering.labels).astype(np.int8)
    made = JointScene(
        np.array(measured), presets, grid.color, labels, scene.world_from_camera.rotation[2], grid.focal_px, grid.rays[0, 0]
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path, depth=made.depth, color=made.color, label=labels, up=made.up, focal=made.focal_px, ray0=made.first_ray
        )
    return made


def _families(seed: int) -> tuple[list[str], tuple[str, ...]]:
    _, presets, families, _ = _drawn(seed)
    return families, presets


def _drawn(seed: int) -> tuple[SceneSampling, tuple[str, ...], list[str], np.random.Generator]:
    """What a scene is drawn from, the presets for its cameras, their families of noise, and the generator that goes on."""
    rng = np.random.default_rng([seed, 9])
    stacks = rng.random() < 0.6
    sampling = SceneSampling(
        num_things=(3, 14),
        things_spacing_m=float(rng.choice([0.0, 0.001, 0.004, 0.01])),
        share_stacked=float(rng.uniform(0.5, 0.9)) if stacks else 0.2,
        share_lying=0.25,
        crowding=float(rng.uniform(0.2, 1.0)),
        camera_distance_m=(0.4, 1.4),
        pitch_deg=(-45.0, -8.0) if stacks else (-85.0, -15.0),
        roll_deg=(-20.0, 20.0),
        fx_px=(440.0, 660.0),
    )
    families = [str(family) for family in rng.permutation(FAMILIES)[:_FAMILIES_EACH]]
    return sampling, tuple(PRESET_OF[family] for family in families), families, rng


def _worse(depth_m: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Depth (H, W) with waves of another length, and holes, as no family has them."""
    near = np.nan_to_num(depth_m, nan=1.0)
    for _ in range(int(rng.integers(1, 3))):
        share, sigma_px = float(rng.uniform(0.0003, 0.002)), float(np.exp(rng.uniform(np.log(0.8), np.log(20))))
        depth_m = depth_m + np.float32(share) * near * near * field(rng, depth_m.shape, sigma_px)
    if rng.random() < 0.3:
        depth_m[field(rng, depth_m.shape, float(rng.uniform(2, 6))) > 2.8] = np.nan
    return np.asarray(depth_m, dtype=np.float32)


def _of_nearest(depth_m: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """(h, w) label of the nearest pixel of each block."""
    height, width = depth_m.shape[0] // _STEP, depth_m.shape[1] // _STEP

    def blocks(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        tiles = image[: height * _STEP, : width * _STEP].reshape(height, _STEP, width, _STEP)
        return tiles.transpose(0, 2, 1, 3).reshape(height, width, _STEP * _STEP)

    nearest = blocks(np.nan_to_num(depth_m, nan=np.inf)).argmin(axis=2)
    return np.asarray(np.take_along_axis(blocks(labels), nearest[..., None], axis=2)[..., 0], dtype=np.int32)


def painted(color: npt.NDArray[np.uint8], labels: npt.NDArray[np.int8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The picture (h, w, 3) with other colours on most things, few in all or many, and prints on some; light and shade stay."""
    result = color.astype(np.float32)
    palette, few = rng.uniform(20, 240, (int(rng.integers(1, 4)), 3)), rng.random() < 0.5
    unlike = rng.uniform(0, 8)
    printed = rng.choice([0.0, 0.3, 0.9])
    for number in np.unique(labels):
        if number == 0 or rng.random() < (0.2 if number > 0 else 0.6):
            continue
        mask = labels == number
        shade = result[mask].mean(axis=1, keepdims=True)
        shade = shade / max(float(shade.mean()), 8.0)
        paint = palette[rng.integers(len(palette))] + rng.normal(0, unlike, 3) if few else rng.uniform(10, 245, 3)
        cover = np.tile(paint, (len(shade), 1))
        if number > 0 and rng.random() < printed:
            for _ in range(int(rng.integers(1, 6))):
                share = _print(mask, rng) * rng.uniform(0.4, 1)
                cover = cover * (1 - share) + rng.uniform(10, 245, 3) * share
        result[mask] = shade * cover
    if rng.random() < 0.1:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    result = (result - 128) * rng.uniform(0.7, 1.2) + 128 + rng.uniform(-20, 20)
    result += rng.normal(0, rng.uniform(0, 6), result.shape)
    return np.clip(result, 0, 255).astype(np.uint8)


def _print(mask: BoolArray, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(N, 1) share of another colour on the pixels of a mask (h, w): two halves, or blots of some size, soft or sharp."""
    import cv2

    rows, columns = np.nonzero(mask)
    top, left = int(rows.min()), int(columns.min())
    size = (int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
    if rng.random() < 0.2:
        angle, at = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8)
        along = (columns - left) / size[0] * np.cos(angle) + (rows - top) / size[1] * np.sin(angle)
        return np.asarray(along > along.min() + at * np.ptp(along), dtype=np.float64)[:, None]
    most = int(rng.choice([4, 8, 16, 24]))
    blots = rng.uniform(0, 1, (int(rng.integers(2, most)), int(rng.integers(2, most)))).astype(np.float32)
    pattern = cv2.resize(blots, size, interpolation=int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR])))
    if rng.random() < 0.6:
        pattern = (pattern > rng.uniform(0.3, 0.7)).astype(np.float32)
    return np.asarray(pattern[rows - top, columns - left], dtype=np.float64)[:, None]
