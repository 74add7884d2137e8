"""Regions as a segmenter might propose them, cut out of rendered scenes: the shards that the tower learns from.

Most proposals are the things' true masks, spoiled as segmenters spoil them: too small, too large, torn, cut off, leaking into a
neighbour. A share comes from the real segmenter on the same images, matched with things by overlap. Some show no thing at all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ...geometry.camera import CameraModel
from ...perception.tabletop import TabletopSegmenter
from ...scene.frame import RGBDFrame
from ...vlm.embedded.crops import (
    SCALARS,
    SIZE_PX,
    Images,
    assemble,
    mask_boxes,
    prepare_images,
    sample_masks,
    sample_windows,
    window_grid,
    windows,
)
from ...vlm.embedded.gripper_head import MAPS, small_images
from .pool import GRIPPER, NOTHING, THING, RegionShard, join, pack_pictures
from .render import RenderedBatch, Renderer
from .scenes import CROWDED, GRIPPER_ID, SceneConfig
from .vocabulary import CONCEPTS

# Pixels of a window by which a mask's edge wanders, at most about.
_WANDER = 0.35
_LEAK, _CUT, _HOLES = 0.12, 0.12, 0.5


def spoiled(generator: torch.Generator, truth: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """Masks (N, 64, 64) bool in windows as a segmenter might give them.

    Args:
        generator: its numbers alone decide, so that the same state gives the same masks.
        truth: (N, 64, 64) bool, pixels of the things.
        labels: (N, 64, 64) int, what each pixel shows; numbers above 0 are things.
        valid: (N, 64, 64) bool, where there is depth.
    """
    count, device = len(truth), truth.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    # A mask's soft edge, pushed in and out by smooth noise.
    soft = functional.avg_pool2d(truth.float()[:, None], 9, stride=1, padding=4)[:, 0]
    coarse = torch.randn(count, 1, 9, 9, generator=generator).to(device)
    noise = functional.interpolate(coarse, size=(SIZE_PX, SIZE_PX), mode="bicubic")[:, 0]
    bias = (uniform(count, 1, 1) - 0.5) * 0.6
    mask = soft + bias + noise * (_WANDER * uniform(count, 1, 1) ** 2) > 0.5
    half = _half_planes(uniform(count, 2), uniform(count, 1), truth)
    leaks = uniform(count, 1, 1) < _LEAK
    mask = mask | (leaks & half & (labels == _neighbours(labels, truth)[:, None, None]))
    cut = uniform(count, 1, 1) < _CUT
    mask = mask & ~(cut & _half_planes(uniform(count, 2), 0.3 + 0.5 * uniform(count, 1), truth))
    mask = mask & (valid | (uniform(count, 1, 1) > _HOLES))
    # What is spoiled to nothing stays as it was.
    kept = (mask & truth).flatten(1).sum(1) * 3 > truth.flatten(1).sum(1)
    return torch.where(kept[:, None, None], mask, truth)


def _half_planes(direction: Tensor, place: Tensor, truth: Tensor) -> Tensor:
    """(N, 64, 64) bool: one side of a line in direction (N, 2) 0..1 that passes the thing at a share (N, 1) of its breadth."""
    angle = direction[:, :1] * 2 * torch.pi
    steps = torch.linspace(-1, 1, SIZE_PX, device=truth.device)
    along = torch.cos(angle)[:, :, None] * steps + torch.sin(angle)[:, :, None] * steps[:, None]
    inside = along.masked_fill(~truth, torch.inf).flatten(1).amin(1, keepdim=True)
    outside = along.masked_fill(~truth, -torch.inf).flatten(1).amax(1, keepdim=True)
    inside, outside = torch.nan_to_num(inside, posinf=0.0), torch.nan_to_num(outside, neginf=0.0)
    return along > (inside + place * (outside - inside))[:, :, None]


def _neighbours(labels: Tensor, truth: Tensor) -> Tensor:
    """(N,) the other thing with the most pixels in each window, -9 where there is none."""
    most = int(labels.max()) + 1 if labels.numel() else 1
    others = labels.masked_fill(truth | (labels <= 0), 0).flatten(1).long()
    counts = functional.one_hot(others, max(most, 2)).sum(1)
    counts[:, 0] = 0
    best = counts.argmax(1)
    return torch.where(counts.amax(1) > 8, best, torch.full_like(best, -9))


@dataclass(frozen=True)
class DataConfig:
    """What shards are made of.

    Attributes:
        seed: of everything; shard n of the same seed is always the same.
        scenes: of a shard.
        batch: scenes rendered at once.
        segmented: share of the scenes whose proposals come from the real segmenter.
        no_up: share of the images without a known up; half of the others know no plane.
        fine_every: every so-manieth shard is of images of twice the width and height, as most cameras give them; 0 none.
        min_pixels: of a thing, at the image's size; on fine images four times as many.
        scene: what is drawn.
        device: of renderer and crops.
    """

    seed: int = 0
    scenes: int = 256
    batch: int = 32
    segmented: float = 0.75
    no_up: float = 0.12
    no_plane: float = 0.05
    fine_every: int = 2
    min_pixels: int = 60
    min_visible: float = 0.15
    scene: SceneConfig = CROWDED
    device: str = "cpu"

    def meta(self) -> dict[str, object]:
        """What a pool of such shards depends on."""
        return {**asdict(self), "device": "", "concepts": list(CONCEPTS), "scalars": list(SCALARS)}


@dataclass(frozen=True)
class _Proposed:
    """Proposals of a batch: image (N,), thing (N,) index in the batch, -1 for nothing, -2 for a gripper; masks (N, H, W) bool."""

    image: Tensor
    thing: Tensor
    masks: Tensor
    spoil: Tensor


def make_shard(renderer: Renderer, config: DataConfig, number: int) -> tuple[RegionShard, dict[str, Tensor]]:
    """The regions of shard ``number``, and its whole images for the gripper's head (every scene once)."""
    config = _fine(config) if config.fine_every and number % config.fine_every == config.fine_every - 1 else config
    first = (config.seed * 100_000 + number) * config.scenes
    shards, whole = [], []
    for start in range(0, config.scenes, config.batch):
        seeds = range(first + start, first + min(start + config.batch, config.scenes))
        batch = renderer.batch(list(seeds), config.scene)
        images = noisy_images(batch, config, np.random.default_rng([config.seed, number, start]))
        generator = torch.Generator().manual_seed((config.seed * 1_000_003 + number) * 1009 + start)
        shards.append(cut_batch(batch, images, config, generator))
        whole.append(_whole(batch, images))
    return join(shards), {name: torch.cat([part[name] for part in whole]) for name in whole[0]}


def _fine(config: DataConfig) -> DataConfig:
    """The same with images of twice the width and height."""
    scene = replace(config.scene, width_px=2 * config.scene.width_px, height_px=2 * config.scene.height_px)
    return replace(config, scene=scene, min_pixels=4 * config.min_pixels)


def noisy_images(batch: RenderedBatch, config: DataConfig, rng: np.random.Generator) -> Images:
    """Images with what is known of up and the plane, as wrong as it is in life."""
    count, device = len(batch.color), batch.color.device
    up = batch.up + rng.normal(0, np.radians(0.7), (count, 3))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    height = batch.plane[:, 3] + rng.normal(0, 0.003, count)
    draw = rng.random(count)
    up[draw < config.no_up] = np.nan
    height[draw < config.no_up + config.no_plane] = np.nan
    xyz = _points(batch.depth_m, batch.intrinsics)
    return prepare_images(
        batch.color,
        xyz,
        torch.tensor(up, dtype=torch.float32, device=device),
        torch.tensor(height, dtype=torch.float32, device=device),
    )


def _points(depth_m: Tensor, intrinsics: npt.NDArray[np.float64]) -> Tensor:
    """(B, H, W, 3) points of depth images (B, H, W) in the optical frame."""
    _, height, width = depth_m.shape
    k = torch.tensor(intrinsics, dtype=torch.float32, device=depth_m.device)[:, :, None, None]
    v, u = torch.meshgrid(torch.arange(height, device=depth_m.device), torch.arange(width, device=depth_m.device), indexing="ij")
    return torch.stack([(u - k[:, 2]) / k[:, 0] * depth_m, (v - k[:, 3]) / k[:, 1] * depth_m, depth_m], dim=-1)


def cut_batch(batch: RenderedBatch, images: Images, config: DataConfig, generator: torch.Generator) -> RegionShard:
    """The proposals of a batch as a shard."""
    segmented = torch.rand(len(batch.color), generator=generator) < config.segmented
    parts = [_true_proposals(batch, config, ~segmented, generator), *_segmented(batch, config, segmented)]
    image = torch.cat([part.image for part in parts])
    order = torch.argsort(image, stable=True)
    image = image[order]
    thing, spoil = torch.cat([part.thing for part in parts])[order], torch.cat([part.spoil for part in parts])[order]
    masks = torch.cat([part.masks for part in parts])[order]
    middle, side = windows(mask_boxes(masks))
    # Boxes of spoiled masks are off, too.
    jitter = (torch.rand(len(image), 3, generator=generator).to(masks.device) - 0.5) * spoil[:, None]
    middle = middle + side[:, None] * 0.16 * jitter[:, :2]
    side = side * torch.exp(0.3 * jitter[:, 2])
    patches = sample_windows(images, image, middle, side)
    region = sample_masks(masks, middle, side)
    labels = _sample_labels(batch.ids, image, middle, side)
    index = torch.tensor(batch.index, device=image.device)
    own = torch.where(thing >= 0, index[thing.clamp_min(0)] + 1, torch.where(thing == -2, GRIPPER_ID, -99))
    truth = labels == own[:, None, None]
    region = torch.where(spoil[:, None, None], spoiled(generator, truth, labels, patches.valid), region)
    pictures, scalars = assemble(patches, region)
    attributes = torch.tensor(np.nan_to_num(batch.attributes, nan=-1.0)).to(torch.int8)
    concepts = torch.where((thing >= 0)[:, None].cpu(), attributes[thing.clamp_min(0).cpu()], torch.zeros(1, dtype=torch.int8))
    kind = torch.where(thing >= 0, THING, torch.where(thing == -2, GRIPPER, NOTHING)).to(torch.uint8)
    tensors = {**pack_pictures(pictures, truth, patches.inside), "scalars": scalars, "concepts": concepts, "kind": kind}
    return RegionShard(**{name: value.cpu() for name, value in tensors.items()}, scene=image.to(torch.int32).cpu())


def _true_proposals(batch: RenderedBatch, config: DataConfig, wanted: Tensor, generator: torch.Generator) -> _Proposed:
    """True masks of things and grippers, and pieces of the room, of the wanted images."""
    device = batch.ids.device
    good = (batch.visible_px >= config.min_pixels) & (batch.visible_share >= config.min_visible) & wanted.numpy()[batch.image]
    things = np.flatnonzero(good)
    image, thing = torch.tensor(batch.image[things], device=device), torch.tensor(things, device=device)
    masks = batch.ids[image] == torch.tensor(batch.index[things] + 1, device=device)[:, None, None]
    grip = batch.ids == GRIPPER_ID
    with_grip = torch.nonzero((grip.flatten(1).sum(1) >= 2 * config.min_pixels) & wanted.to(device)).flatten()
    empty, empty_masks = _pieces(batch, wanted, generator)
    images = [image, with_grip, empty]
    things_ = [thing, torch.full_like(with_grip, -2), torch.full_like(empty, -1)]
    spoil = [
        torch.ones_like(image, dtype=torch.bool),
        torch.ones_like(with_grip, dtype=torch.bool),
        torch.zeros_like(empty, dtype=torch.bool),
    ]
    return _Proposed(torch.cat(images), torch.cat(things_), torch.cat([masks, grip[with_grip], empty_masks]), torch.cat(spoil))


def _pieces(batch: RenderedBatch, wanted: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (M,) and masks (M, H, W) of ellipses on table, walls and boxes, on about every second wanted image."""
    count, height, width = batch.ids.shape
    draw = torch.rand(count, 6, generator=generator)
    middle_u, middle_v = draw[:, 0] * width, draw[:, 1] * height
    radius_u, radius_v = 6 + draw[:, 2] * 0.12 * width, 6 + draw[:, 3] * 0.12 * width
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = (u - middle_u[:, None, None]) / radius_u[:, None, None]
    down = (v - middle_v[:, None, None]) / radius_v[:, None, None]
    ids = batch.ids.cpu()
    masks = (across**2 + down**2 < 1) & (ids <= 0) & (ids != GRIPPER_ID)
    chosen = torch.nonzero((draw[:, 4] < 0.5) & wanted & (masks.flatten(1).sum(1) >= 80)).flatten()
    return chosen.to(batch.ids.device), masks[chosen].to(batch.ids.device)


def _segmented(batch: RenderedBatch, config: DataConfig, wanted: Tensor) -> list[_Proposed]:
    """Proposals of the real segmenter on the wanted images, with the things they show."""
    found = []
    for image in torch.nonzero(wanted).flatten().tolist():
        fx, fy, cx, cy = (float(value) for value in batch.intrinsics[image])
        camera = CameraModel(batch.color.shape[2], batch.color.shape[1], fx, fy, cx, cy)
        frame = RGBDFrame(0, batch.color[image].cpu().numpy(), batch.depth_m[image].cpu().numpy(), camera, "")
        regions = TabletopSegmenter().segment(frame, up=batch.up[image]).regions
        if not regions:
            continue
        masks = np.stack([region.mask for region in regions])
        ids = batch.ids[image].cpu().numpy()
        first = int(np.flatnonzero(batch.image == image)[0]) if (batch.image == image).any() else 0
        things = [owner_of(ids, mask, config.min_pixels) for mask in masks]
        # What covers a thing by half is neither it nor nothing.
        clear = [i for i, owner in enumerate(things) if owner is not None]
        owners = torch.tensor([_index(things[i], first) for i in clear], dtype=torch.long)
        spoil = torch.zeros(len(clear), dtype=torch.bool)
        places = torch.full((len(clear),), image, dtype=torch.long)
        device = batch.ids.device
        found.append(_Proposed(places.to(device), owners.to(device), torch.from_numpy(masks[clear]).to(device), spoil.to(device)))
    return found


def _index(owner: int | None, first: int) -> int:
    return first + owner if owner is not None and owner >= 0 else -1


def owner_of(ids: npt.NDArray[np.int32], mask: npt.NDArray[np.bool_], min_pixels: int) -> int | None:
    """Which thing of its image a mask shows, -1 for none, None where that is open."""
    inside = ids[mask]
    inside = inside[inside > 0]
    if len(inside) < 0.1 * np.count_nonzero(mask):
        return -1
    number = int(np.bincount(inside).argmax())
    truth = ids == number
    overlap = np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)
    return number - 1 if overlap >= 0.4 and np.count_nonzero(truth) >= min_pixels else None


def _sample_labels(ids: Tensor, image: Tensor, middle: Tensor, side: Tensor) -> Tensor:
    """(N, 64, 64) int32: what the pixels of windows show, 0 outside the image."""
    _, height, width = ids.shape
    u, v = window_grid(middle, side)
    column, row = u.floor().long(), v.floor().long()
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    found = ids[image[:, None, None], row.clamp(0, height - 1)[:, :, None], column.clamp(0, width - 1)[:, None, :]]
    return torch.where(inside, found, torch.zeros_like(found))


def _whole(batch: RenderedBatch, images: Images) -> dict[str, Tensor]:
    """Small whole images and what is true of their grippers; see train_gripper.py."""
    small, xyz = small_images(images)
    grip = (batch.ids == GRIPPER_ID).float()[:, None]
    cells = functional.adaptive_avg_pool2d(grip, MAPS)[:, 0]
    rotation = images.rotation.double().cpu()
    tip = torch.einsum("bij,bj->bi", rotation, torch.tensor(batch.tip_m)).float()
    present = grip.flatten(1).sum(1) >= 40
    tip = torch.where(present.cpu()[:, None], tip, torch.nan)
    return {
        "small": small.half().cpu(),
        "xyz": xyz.half().cpu(),
        "mask": (cells * 255).round().to(torch.uint8).cpu(),
        "tip": tip,
        "present": present.to(torch.uint8).cpu(),
    }
