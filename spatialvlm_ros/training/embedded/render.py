"""Batches of rendered scenes with all that is true about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .noise import NoiseConfig, NoisePool, measure_depth, photograph
from .render_hits import Hits, View, cast
from .render_pack import Packed, pack
from .render_truth import Seen, attributes_of
from .scenes import Scene, SceneConfig, random_scene
from .shading import lights_of, shade

_CPU_SCENES = 4


@dataclass
class RenderedBatch:
    """B images of H x W pixels with N things in all; tensors on the renderer's device, the rest NumPy. Camera frame: optical.

    Attributes:
        color: (B, H, W, 3) uint8 sRGB. depth_m, true_depth_m: (B, H, W) float32, NaN where nothing was measured / is.
        ids: (B, H, W) int32: 0 nothing, i + 1 the image's i-th thing, -1 support, -2 other structure, -3 gripper.
        intrinsics: (B, 4) float64 fx, fy, cx, cy. camera_from_world: (B, 4, 4) float64; the world's z is up, 0 the support.
        up: (B, 3) float64 in the camera frame. plane: (B, 4) support plane (normal up; normal . p + offset is the height).
        image, index: (N,) int64: image of a thing, and its place there (its id - 1). support: (N,) index of what carries it in
            its image, -1 the table, -2 the gripper. kinds: (N,) index in vocabulary.KIND_NAMES.
        attributes: (N, C) float32 by vocabulary.CONCEPTS: 1, 0, NaN open.
        turn: (N, 3, 3) camera_from_thing. center_m: (N, 3) of its box in the camera frame. extents_m: (N, 3) full sizes of its
            box along its own axes (the last one up unless held).
        visible_px, full_px: (N,) int64: pixels shown / pixels with nothing before it, half an image beyond the image included.
        tip_m: (B, 3) point between the finger tips in the camera frame, NaN without a gripper. gripper_kind: "" without one.
        depth_kind: kind of depth camera, one an image.
    """

    color: torch.Tensor
    depth_m: torch.Tensor
    true_depth_m: torch.Tensor
    ids: torch.Tensor
    intrinsics: npt.NDArray[np.float64]
    camera_from_world: npt.NDArray[np.float64]
    image: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    support: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    attributes: npt.NDArray[np.float32]
    turn: npt.NDArray[np.float64]
    center_m: npt.NDArray[np.float64]
    extents_m: npt.NDArray[np.float64]
    visible_px: npt.NDArray[np.int64]
    full_px: npt.NDArray[np.int64]
    tip_m: npt.NDArray[np.float64]
    gripper_kind: list[str]
    depth_kind: list[str]

    @property
    def up(self) -> npt.NDArray[np.float64]:
        return self.camera_from_world[:, :3, 2]

    @property
    def plane(self) -> npt.NDArray[np.float64]:
        offset = -np.einsum("bi,bi->b", self.up, self.camera_from_world[:, :3, 3])
        return np.concatenate([self.up, offset[:, None]], axis=1)

    @property
    def visible_share(self) -> npt.NDArray[np.float64]:
        """(N,) in [0, 1]; 0 for what lies wholly elsewhere."""
        return self.visible_px / np.maximum(self.full_px, 1)


class Renderer:
    """Renders scenes on a device. The same seed gives the same bytes on the same kind of device."""

    def __init__(self, device: torch.device | str = "cpu", noise: NoiseConfig | None = None) -> None:
        self.device = torch.device(device)
        self.noise = noise or NoiseConfig()
        self.pool = NoisePool(self.device)

    def batch(self, seeds: Sequence[int], config: SceneConfig | None = None) -> RenderedBatch:
        """Random scenes, one a seed, and their images. An image depends on its own seed alone.

        In another batch the last bits of sums may differ; the same batch gives the same bytes.
        """
        return self.render([random_scene(np.random.default_rng(seed), config) for seed in seeds], seeds)

    def render(self, scenes: Sequence[Scene], seeds: Sequence[int]) -> RenderedBatch:
        """Images of scenes; `seeds` are those of the cameras' noise, one a scene.

        Raises:
            ValueError: for no scenes, scenes of differing image sizes, or another number of seeds.
        """
        if not scenes or len(scenes) != len(seeds):
            raise ValueError(f"expected at least one scene and as many seeds, got {len(scenes)} and {len(seeds)}")
        # Few at a time on a CPU, so that what is in between stays in the cache.
        step = _CPU_SCENES if self.device.type == "cpu" else len(scenes)
        parts = [self._render(scenes[i : i + step], seeds[i : i + step]) for i in range(0, len(scenes), step)]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _render(self, scenes: Sequence[Scene], seeds: Sequence[int]) -> RenderedBatch:
        with torch.no_grad():
            packed = pack(scenes, self.device)
            view = View(packed.intrinsics, scenes[0].width_px, scenes[0].height_px)
            hits = cast(packed, view)
            shaded = shade(packed, hits, view, lights_of(packed))
            shape = (len(scenes), view.height, view.width)
            rngs = [np.random.default_rng([seed, 7]) for seed in seeds]
            color = photograph(shaded.linear.view(shape[0], 3, *shape[1:]), rngs, self.pool, self.noise)
            true_depth = hits.depth_m.view(shape)
            brightness = shaded.linear.mean(1).view(shape)
            focal = packed.intrinsics[:, 0].float()
            facing, gloss = shaded.facing.view(shape), shaded.gloss.view(shape)
            depth, kinds = measure_depth(true_depth, facing, brightness, gloss, focal, rngs, self.pool, self.noise)
            return _batch(packed, hits, shaded.second.view(-1), color, depth, true_depth, kinds)


def joined(parts: Sequence[RenderedBatch]) -> RenderedBatch:
    """Batches of one image size as one."""
    values: dict[str, Any] = {}
    first = 0
    for field in fields(RenderedBatch):
        own = [getattr(part, field.name) for part in parts]
        if isinstance(own[0], list):
            values[field.name] = [x for part in own for x in part]
        elif isinstance(own[0], torch.Tensor):
            values[field.name] = torch.cat(own)
        else:
            values[field.name] = np.concatenate(own)
    image = []
    for part in parts:
        image.append(part.image + first)
        first += len(part.color)
    values["image"] = np.concatenate(image)
    return RenderedBatch(**values)


def _batch(
    packed: Packed, hits: Hits, second: torch.Tensor, color: torch.Tensor, depth: torch.Tensor, true_depth: torch.Tensor,
    depth_kinds: list[str],
) -> RenderedBatch:  # fmt: skip
    scenes = packed.scenes
    label = torch.where(hits.element >= 0, packed.label[hits.element.clamp(min=0)], 0).to(torch.int32)
    camera = packed.camera_from_world.cpu().numpy()
    placed = [p for s in scenes for p in s.things]
    own = camera[packed.thing_image]
    seen = Seen.of(packed, hits, second)
    index = np.array([i for s in scenes for i in range(len(s.things))], dtype=np.int64)
    turn = own[:, :3, :3] @ (np.stack([p.turn for p in placed]) if placed else np.zeros((0, 3, 3)))
    center = np.array([p.at + p.turn @ ((p.design.low + p.design.high) / 2) for p in placed]).reshape(-1, 3)
    tips = np.stack([s.tip_world_m for s in scenes])
    return RenderedBatch(
        color, depth, true_depth.masked_fill(torch.isinf(true_depth), torch.nan), label.view(true_depth.shape),
        packed.intrinsics.cpu().numpy(), camera, packed.thing_image, index,
        np.array([p.support for p in placed], dtype=np.int64), np.array([p.design.kind for p in placed], dtype=np.int64),
        attributes_of(packed, placed, seen), turn,
        np.einsum("nij,nj->ni", own[:, :3, :3], center) + own[:, :3, 3],
        np.array([p.design.high - p.design.low for p in placed]).reshape(-1, 3),
        seen.visible_px, hits.full_pixels.cpu().numpy(),
        np.einsum("bij,bj->bi", camera[:, :3, :3], tips) + camera[:, :3, 3],
        [s.gripper.kind if s.gripper else "" for s in scenes], depth_kinds,
    )  # fmt: skip
