"""Rendered things as small crops with what is true of them: what the ablations learn from and are judged on.

Crops keep their metric points where the tower's are freed from place and size, because here places must come out of the pixels.
All scenes are of the training renderer, with seeds that the shipped weights never see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ...vlm.embedded.crops import mask_boxes, prepare_images, sample_masks, sample_windows, windows
from ...vlm.embedded.object_tokens import FIELDS, NUM_FEATURES
from .answers_data import PosedThings
from .answers_data_layouts import BOX, Shapes, truths
from .render import RenderedBatch, Renderer
from .scenes import SceneConfig

#: Edge of a crop, pixels.
EDGE_PX = 32
#: Unit vector to the window's middle, log of its angular edge, unit vector of the optical axis: what is known without depth.
SIGHTS = 7
#: Scenes from this number on are judged on, those below it are learnt from.
JUDGED_FROM = 1_000_000
# Neither the pool's seeds nor those of any benchmark.
_FIRST_SEED = 1_900_000_000
_LEAST_PX, _LEAST_SHARE, _UPRIGHT = 80, 0.6, 0.98
_TRIPLES = 6
_VALID, _MASK = 1, 2
_BATCH = 32


@dataclass(frozen=True)
class Crops:
    """N things of many images.

    Attributes:
        color: (N, 3, 32, 32) uint8, relative to white.
        xyz: (N, 3, 32, 32) float16, metres to the right, away and up from the camera.
        flags: (N, 32, 32) uint8 of valid depth (1) and the thing's own pixels (2).
        sight: (N, SIGHTS) float32.
        concepts: (N, C) int8 of vocabulary.CONCEPTS: 1, 0, -1 open.
        triples: (T, 3) int64, things of one image in random order.
        centre, size: (N, 3) float32 of its upright box, metres, as ``Shapes``; yaw, ground: (N,).
    """

    color: Tensor
    xyz: Tensor
    flags: Tensor
    sight: Tensor
    concepts: Tensor
    triples: Tensor
    centre: Tensor
    size: Tensor
    yaw: Tensor
    ground: Tensor

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def pictures(self, index: Tensor, inputs: str) -> Tensor:
        """(n, 8, 32, 32) float32 of some things; see ``INPUTS`` for what the middle channels hold."""
        bits = torch.stack([(self.flags[index] & _VALID) > 0, (self.flags[index] & _MASK) > 0], 1).float()
        color = self.color[index].float() / 127.5 - 1
        xyz = self.xyz[index].float()
        if inputs == RGB:
            xyz, bits[:, 0] = torch.zeros_like(xyz), 0.0
        elif inputs == RGBD:
            depth = torch.einsum("nihw,ni->nhw", xyz, self.sight[index, 4:])
            xyz = torch.stack([torch.zeros_like(depth), torch.zeros_like(depth), depth], 1)
        elif inputs != XYZ:
            raise ValueError(f"inputs '{inputs}' are none of {', '.join(INPUTS)}")
        return torch.cat([color, xyz, bits], 1)


RGB, RGBD, XYZ = "rgb", "rgbd", "xyz"
#: Colour alone; colour and depth along the optical axis; colour and metric points.
INPUTS = (RGB, RGBD, XYZ)


def render_crops(first: int, count: int, *, width_px: int = 240, device: str = "cpu") -> Crops:
    """Things of ``count`` scenes from number ``first`` on; the same numbers give the same crops."""
    renderer = Renderer(device)
    config = SceneConfig(width_px=width_px, height_px=width_px * 3 // 4, things=(4, 8), stacked=0.2)
    parts = []
    for start in range(first, first + count, _BATCH):
        seeds = range(_FIRST_SEED + start, _FIRST_SEED + min(start + _BATCH, first + count))
        part = _crops_of(renderer.batch(list(seeds), config), start)
        if part is not None:
            parts.append(part)
    return joined(parts)


def joined(parts: Sequence[Crops]) -> Crops:
    """Several sets as one. Raises ValueError for none."""
    if not parts:
        raise ValueError("no scene shows three things: render more of them")
    offsets = np.cumsum([0, *(len(part.color) for part in parts[:-1])])
    moved = [{**part.tensors(), "triples": part.triples + int(first)} for part, first in zip(parts, offsets, strict=True)]
    return Crops(**{name: torch.cat([part[name] for part in moved]) for name in moved[0]})


def _crops_of(batch: RenderedBatch, seed: int) -> Crops | None:
    """Crops of a batch's upright things that are well seen; None when no image has three of them."""
    xyz = _points(batch.depth_m, batch.intrinsics)
    images = prepare_images(
        batch.color.cpu(), xyz, torch.tensor(batch.up, dtype=torch.float32), torch.tensor(batch.plane[:, 3], dtype=torch.float32)
    )
    rotation = images.rotation.numpy().astype(np.float64)[batch.image]
    axes = rotation @ batch.turn
    good = (batch.visible_px >= _LEAST_PX) & (batch.visible_share >= _LEAST_SHARE) & (axes[:, 2, 2] > _UPRIGHT)
    rows = np.flatnonzero(good)
    triples = _triples(batch.image[rows], np.random.default_rng([_FIRST_SEED, seed]))
    if not len(triples):
        return None
    image = torch.from_numpy(batch.image[rows])
    masks = batch.ids.cpu()[image] == torch.from_numpy(batch.index[rows] + 1)[:, None, None]
    middle, side = windows(mask_boxes(masks))
    patches = sample_windows(images, image, middle, side)
    own = sample_masks(masks, middle, side)
    flags = patches.valid[:, ::2, ::2].to(torch.uint8) * _VALID + own[:, ::2, ::2].to(torch.uint8) * _MASK
    color = functional.avg_pool2d(patches.color * patches.inside[:, None], 2)
    return Crops(
        color=(color * 255).round().to(torch.uint8), xyz=patches.xyz[:, :, ::2, ::2].half(), flags=flags,
        sight=_sights(images.rotation[image], torch.tensor(batch.intrinsics[batch.image[rows]]), middle, side),
        concepts=torch.tensor(np.nan_to_num(batch.attributes[rows], nan=-1.0)).to(torch.int8), triples=torch.from_numpy(triples),
        centre=torch.tensor(np.einsum("nij,nj->ni", rotation[rows], batch.center_m[rows]), dtype=torch.float32),
        size=torch.tensor(batch.extents_m[rows], dtype=torch.float32),
        yaw=torch.tensor(np.arctan2(axes[rows, 1, 0], axes[rows, 0, 0]), dtype=torch.float32),
        ground=torch.tensor(-batch.plane[batch.image[rows], 3], dtype=torch.float32),
    )  # fmt: skip


def _points(depth_m: Tensor, intrinsics: npt.NDArray[np.float64]) -> Tensor:
    """(B, H, W, 3) points of depth images (B, H, W) in the optical frame."""
    _, height, width = depth_m.shape
    fx, fy, cx, cy = torch.tensor(intrinsics, dtype=torch.float32)[:, :, None, None].unbind(1)
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    depth = depth_m.cpu()
    return torch.stack([(u - cx) / fx * depth, (v - cy) / fy * depth, depth], dim=-1)


def _triples(image: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(T, 3) things of one image each, at most _TRIPLES an image, in random order."""
    found: list[npt.NDArray[np.int64]] = []
    for number in np.unique(image):
        members = np.flatnonzero(image == number)
        every = np.array(list(combinations(members, 3)), np.int64).reshape(-1, 3)
        chosen = every[rng.permutation(len(every))[:_TRIPLES]]
        found += [rng.permutation(triple) for triple in chosen]
    return np.array(found, np.int64).reshape(-1, 3)


def _sights(rotation: Tensor, intrinsics: Tensor, middle: Tensor, side: Tensor) -> Tensor:
    """(N, SIGHTS), see there."""
    fx, fy, cx, cy = intrinsics.float().unbind(1)
    ray = torch.stack([(middle[:, 0] - 0.5 - cx) / fx, (middle[:, 1] - 0.5 - cy) / fy, torch.ones_like(fx)], 1)
    turned = torch.einsum("nij,nj->ni", rotation, ray)
    return torch.cat([functional.normalize(turned, dim=1), (side / fx).log()[:, None], rotation[:, :, 2]], 1)


def posed(crops: Crops) -> PosedThings:
    """Triples as things that can be asked about. The first feature of each is the number of its crop, the others say nothing."""
    index = crops.triples.numpy()
    count = len(index)
    shapes = Shapes(
        np.full((count, 3), BOX), crops.size.double().numpy()[index], crops.centre.double().numpy()[index],
        crops.yaw.double().numpy()[index], np.zeros((count, 3)), crops.ground.double().numpy()[index[:, 0]],
    )  # fmt: skip
    features = np.zeros((3 * count, NUM_FEATURES), np.float32)
    features[:, 0] = index.reshape(-1)
    features[:, FIELDS["kind"].start] = 1.0
    first = 3 * np.arange(count)[:, None]
    groups = {many: first + np.arange(many) for many in (1, 2, 3)}
    true = {name: value.astype(np.float32) for name, value in truths(shapes).items()}
    return PosedThings(features, np.ones(3 * count, np.bool_), groups, true)
