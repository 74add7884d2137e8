"""Regions of RGB-D images as small pictures of one size: what the network sees of a thing.

One code for training and use, and for one image or many: a square window around each region is sampled from colour and points,
turned so that its axes are the viewer's right, away and up, and freed from place and size; what was taken away comes beside it
as scalars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

#: Edge of a picture, pixels.
SIZE_PX = 64
#: Of a picture: red, green, blue, right, away, up, whether depth is valid, whether the pixel belongs to the region.
CHANNELS = 8
#: In order, all dimensionless or logarithms of metres.
SCALARS = (
    "log_radius",
    "log_right",
    "log_away",
    "log_up",
    "log_distance",
    "base_height",
    "top_height",
    "up_known",
    "plane_known",
    "log_share",
    "valid_share",
    "touches_edge",
    "log_side_px",
    "pitch",
    "white_red",
    "white_green",
    "white_blue",
)
#: The window is this much larger than the region's box.
MARGIN = 1.5
_LEAST_SIDE_PX = 12.0
#: Most levels of an image, each half as large as the one before.
LEVELS = 4
# Points farther from the middle than this, in radii, belong to something else; where exactly does not matter.
REACH = 2.5
# Points are told apart to this share of REACH: as they are kept for training.
XYZ_STEPS = 127.0
_LEAST_RADIUS_M = 0.004


@dataclass(frozen=True)
class Images:
    """RGB-D images of one size, ready to be sampled.

    Attributes:
        levels: (B * h * w, 7) float32 each, halved in size from one to the next: red, green, blue (0 to 1, of white), then
            x, y, z in the optical frame (metres times validity) and validity.
        sizes: (h, w) of each level.
        white: (B, 3) what white looks like.
        height_m: (B,) of the camera above the support plane, NaN where that is not known.
        up_known: (B,) bool.
        pitch_rad: (B,) of the optical axis against the horizontal, negative looks down; 0 where up is not known.
        rotation: (B, 3, 3) from the optical frame to right, away, up.
    """

    levels: tuple[Tensor, ...]
    sizes: tuple[tuple[int, int], ...]
    white: Tensor
    height_m: Tensor
    up_known: Tensor
    pitch_rad: Tensor
    rotation: Tensor

    @property
    def device(self) -> torch.device:
        return self.white.device


@dataclass(frozen=True)
class Patches:
    """Windows of images as sampled, before a region is taken out of them.

    Attributes:
        color: (N, 3, 64, 64) float32, 0 to 1 relative to white, 0 outside the image.
        xyz: (N, 3, 64, 64) float32 metres along right, away and up from the camera, 0 where not valid.
        valid: (N, 64, 64) bool.
        inside: (N, 64, 64) bool, inside the image.
        side_px: (N,) edge of the window in the image's pixels.
        image: (N,) long, which image each is from.
        images: the images.
    """

    color: Tensor
    xyz: Tensor
    valid: Tensor
    inside: Tensor
    side_px: Tensor
    image: Tensor
    images: Images


def white_points(color: Tensor) -> Tensor:
    """(B, 3) what white looks like on images (B, H, W, 3) uint8: as perception/colors.py reckons it, 0 to 1."""
    sparse = color[:, ::8, ::8].reshape(color.shape[0], -1, 3)
    place = 0.97 * (sparse.shape[1] - 1)
    # A quantile so near the end is quicker found from there than by sorting.
    top = torch.topk(sparse, sparse.shape[1] - math.floor(place), dim=1).values.float() / 255
    bright = torch.lerp(top[:, -1], top[:, -2] if top.shape[1] > 1 else top[:, -1], place - math.floor(place))
    level = bright.amax(dim=1, keepdim=True).clamp(0.4, 1.0)
    return torch.minimum(torch.maximum(bright, 0.9 * level), level)


def view_rotation(up: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) from optical frames to right, away, up, given up (B, 3) in them; NaN where up is not known.

    Also (B,) bool whether up is known. Where it is not, the image's own upward direction stands in.
    """
    known = torch.isfinite(up).all(dim=1) & (torch.nan_to_num(up).norm(dim=1) > 1e-6)
    upward = torch.where(known[:, None], torch.nan_to_num(up), up.new_tensor([0.0, -1.0, 0.0]))
    upward = upward / upward.norm(dim=1, keepdim=True)
    # Away is where the optical axis points, seen from above; where the image's top is when the camera looks straight down.
    axis = up.new_tensor([0.0, 0.0, 1.0]).expand_as(upward)
    top = up.new_tensor([0.0, -1.0, 0.0]).expand_as(upward)
    steep = upward[:, 2:3].abs() > 0.99
    away = torch.where(steep, top, axis)
    away = away - (away * upward).sum(dim=1, keepdim=True) * upward
    away = away / away.norm(dim=1, keepdim=True).clamp_min(1e-6)
    right = torch.linalg.cross(away, upward)
    return torch.stack([right, away, upward], dim=1), known


def prepare_images(color: Tensor, xyz: Tensor, up: Tensor, height_m: Tensor, white: Tensor | None = None) -> Images:
    """Ready images for sampling.

    Args:
        color: (B, H, W, 3) uint8 RGB.
        xyz: (B, H, W, 3) float32 points in the optical frame, metres, NaN where depth is not valid.
        up: (B, 3) against gravity in the optical frame, NaN where it is not known.
        height_m: (B,) of the camera above the support plane, NaN where there is none.
        white: (B, 3) where the images are parts of others; None for that of the images themselves.
    """
    batch, height, width, _ = color.shape
    bare = bare_images(up, height_m, white_points(color) if white is None else white)
    white = bare.white
    planes = torch.empty(batch, 7, height, width, device=color.device)
    torch.mul(color.movedim(-1, 1), (1 / (255 * white))[:, :, None, None], out=planes[:, :3]).clamp_(max=1.0)
    points = xyz.movedim(-1, 1)
    # A sum is finite where all its parts are.
    valid = torch.isfinite(points[:, 0] + points[:, 1] + points[:, 2])
    # Points are turned when they are sampled: there are fewer of them then.
    torch.where(valid[:, None], points, points.new_zeros(()), out=planes[:, 3:6])
    planes[:, 6] = valid
    table = _interleaved(planes)
    levels = [table.reshape(-1, 7)]
    sizes = level_sizes((height, width))
    for _ in sizes[1:]:
        table = _halved(table)
        levels.append(table.reshape(-1, 7))
    return replace(bare, levels=tuple(levels), sizes=sizes)


def bare_images(up: Tensor, height_m: Tensor, white: Tensor) -> Images:
    """Images without levels, as far as they are known by that: see ``prepare_images``."""
    rotation, known = view_rotation(up.float())
    # The optical axis is z, so its rise is what z has of up.
    pitch = torch.where(known, torch.asin(rotation[:, 2, 2].clamp(-1, 1)), torch.zeros_like(height_m, dtype=torch.float32))
    return Images((), (), white, height_m.float(), known, pitch, rotation)


def level_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(h, w) of each level of images of a size."""
    sizes = [size]
    while len(sizes) < LEVELS and min(sizes[-1]) >= 2:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return tuple(sizes)


def level_of(side: Tensor, count: int) -> Tensor:
    """(N,) long: which of ``count`` levels windows with these edges (N,) are sampled from."""
    return torch.floor(torch.log2((side / SIZE_PX).clamp_min(1.0))).long().clamp(max=count - 1)


def _interleaved(planes: Tensor) -> Tensor:
    """(B, H, W, C) in one piece of (B, C, H, W)."""
    if planes.device.type != "cpu":
        return planes.movedim(1, -1).contiguous()
    import cv2

    # OpenCV's is quicker than torch's.
    merged = [cv2.merge(list(image)) for image in planes.numpy()]
    return torch.from_numpy(merged[0][None] if len(merged) == 1 else np.stack(merged))


def _halved(table: Tensor) -> Tensor:
    """(B, H // 2, W // 2, C) means of the fours of (B, H, W, C)."""
    height, width = table.shape[1] // 2 * 2, table.shape[2] // 2 * 2
    upper, lower = table[:, 0:height:2], table[:, 1:height:2]
    total = upper[:, :, 0:width:2] + upper[:, :, 1:width:2]
    return total.add_(lower[:, :, 0:width:2]).add_(lower[:, :, 1:width:2]).mul_(0.25)


def turned(xyz: Tensor, rotation: Tensor) -> Tensor:
    """(N, 3, H, W) points of the optical frame (N, 3, H, W) along right, away and up, by ``Images.rotation`` (N, 3, 3)."""
    return torch.bmm(rotation, xyz.flatten(2)).reshape(xyz.shape)


def mask_boxes(masks: Tensor) -> Tensor:
    """(N, 4) float32 u0, v0, u1, v1, half open, of masks (N, H, W) bool; all 0 for empty ones."""
    columns, rows = masks.any(dim=1), masks.any(dim=2)
    width, height = columns.shape[1], rows.shape[1]
    first_u, first_v = columns.float().argmax(dim=1), rows.float().argmax(dim=1)
    last_u = width - columns.flip(1).float().argmax(dim=1)
    last_v = height - rows.flip(1).float().argmax(dim=1)
    boxes = torch.stack([first_u, first_v, last_u, last_v], dim=1).float()
    return torch.where(columns.any(dim=1)[:, None], boxes, torch.zeros_like(boxes))


def windows(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Middles (N, 2) and edges (N,) in pixels of the square windows around boxes (N, 4)."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1) * MARGIN
    return middle, side.clamp_min(_LEAST_SIDE_PX)


def window_grid(middle: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """Image coordinates u, v (N, 64) of a window's columns and rows; pixel centres are at halves."""
    steps = (torch.arange(SIZE_PX, device=middle.device) + 0.5) / SIZE_PX - 0.5
    return middle[:, :1] + side[:, None] * steps, middle[:, 1:] + side[:, None] * steps


def sample_windows(images: Images, image: Tensor, middle: Tensor, side: Tensor) -> Patches:
    """Sample windows (``windows``) of the images number ``image`` (N,) long."""
    out = torch.zeros(len(side), SIZE_PX * SIZE_PX, 7, device=images.device)
    level = level_of(side, len(images.levels))
    u, v = window_grid(middle, side)
    for number, (table, size) in enumerate(zip(images.levels, images.sizes, strict=True)):
        chosen = torch.nonzero(level == number).flatten()
        if len(chosen):
            scale = 0.5**number
            out[chosen] = _bilinear(table, size, image[chosen], u[chosen] * scale - 0.5, v[chosen] * scale - 0.5)
    sampled = out.reshape(len(side), SIZE_PX, SIZE_PX, 7).permute(0, 3, 1, 2)
    return patches_of(sampled, images, image, (u, v), side, images.sizes[0])


def patches_of(
    sampled: Tensor, images: Images, image: Tensor, grid: tuple[Tensor, Tensor], side: Tensor, size: tuple[int, int]
) -> Patches:
    """Windows as patches.

    Args:
        sampled: (N, 7, 64, 64) as of ``Images.levels``. grid: of ``window_grid``. size: (h, w) of the images.
    """
    (u, v), (height, width) = grid, size
    inside = ((v >= 0) & (v < height))[:, :, None] & ((u >= 0) & (u < width))[:, None, :]
    out = sampled * inside[:, None]
    weight = out[:, 6:]
    valid = weight > 0.5
    xyz = torch.where(valid, out[:, 3:6] / weight.clamp_min(1e-6), torch.zeros_like(weight))
    return Patches(out[:, :3], turned(xyz, images.rotation[image]), valid[:, 0], inside, side, image, images)


def _bilinear(table: Tensor, size: tuple[int, int], image: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """(n, 64 * 64, 7) of a level at columns u (n, 64) and rows v (n, 64); beyond the border the border's value."""
    height, width = size
    u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
    left, top = u.floor(), v.floor()
    across, down = u - left, v - top
    left, top = left.long(), top.long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    base = (image * (height * width))[:, None, None]
    total = torch.zeros(len(u), SIZE_PX * SIZE_PX, table.shape[1], device=table.device)
    for row, row_weight in ((top, 1 - down), (bottom, down)):
        for column, column_weight in ((left, 1 - across), (right, across)):
            index = (base + row[:, :, None] * width + column[:, None, :]).reshape(-1)
            weight = (row_weight[:, :, None] * column_weight[:, None, :]).reshape(len(u), -1, 1)
            total += table.index_select(0, index).reshape(len(u), -1, table.shape[1]) * weight
    return total


def sample_masks(masks: Tensor, middle: Tensor, side: Tensor) -> Tensor:
    """(N, 64, 64) bool: masks (N, H, W) bool in their windows, False outside the image."""
    _, height, width = masks.shape
    u, v = window_grid(middle, side)
    column, row = u.floor().long(), v.floor().long()
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    number = torch.arange(len(masks), device=masks.device)[:, None, None]
    return masks[number, row.clamp(0, height - 1)[:, :, None], column.clamp(0, width - 1)[:, None, :]] & inside


def assemble(patches: Patches, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 8, 64, 64) float32 in -1 .. 1 and scalars (N, 17) float32 of regions (N, 64, 64) bool in windows."""
    body = mask & patches.valid
    # A quarter of the pixels tells where the middle is as well as all do.
    some, points = body[:, ::2, ::2].flatten(1), patches.xyz[:, :, ::2, ::2].flatten(2)
    few = points.masked_fill(~some[:, None], math.nan)
    known = some.any(dim=1)
    quantile = torch.nanquantile(few, torch.tensor([0.03, 0.5, 0.97], device=few.device), dim=2)
    low, middle, high = torch.nan_to_num(quantile).unbind(0)
    extent = (high - low).clamp_min(1e-3)
    radius = (extent.norm(dim=1) / 2).clamp_min(_LEAST_RADIUS_M)
    relative = (patches.xyz - middle[:, :, None, None]) / radius[:, None, None, None]
    relative = relative.clamp(-REACH, REACH) * patches.valid[:, None] * known[:, None, None, None]
    color = (patches.color * 2 - 1) * patches.inside[:, None]
    xyz = (relative / REACH * XYZ_STEPS).round() / XYZ_STEPS
    valid = patches.valid[:, None].float()
    picture = torch.cat([color, xyz, valid, mask[:, None].float()], dim=1)
    return picture, _scalars(patches, mask, body, (low, middle, high), radius, known)


def _scalars(
    patches: Patches, mask: Tensor, body: Tensor, spread: tuple[Tensor, Tensor, Tensor], radius: Tensor, known: Tensor
) -> Tensor:
    """(N, 17), see SCALARS. ``spread``: (N, 3) low, middle and high of the region's points; ``known`` (N,) whether it has any."""
    low, middle, high = spread
    images, image = patches.images, patches.image
    height = images.height_m[image]
    plane = torch.isfinite(height) & known
    height = torch.nan_to_num(height)
    has, white = known.float(), images.white[image].clamp_min(0.05)
    extent = (high - low).clamp_min(1e-3)
    area = mask.flatten(1).float().sum(dim=1).clamp_min(1.0)
    rim = mask & ~_shifted_inside(patches.inside)
    columns = [
        (radius / 0.06).log() * has,
        *((extent / 0.06).log() * has[:, None]).unbind(1),
        (middle.norm(dim=1).clamp_min(0.05) / 0.8).log() * has,
        ((low[:, 2] + height) / 0.1).clamp(-3, 3) * plane,
        ((high[:, 2] + height) / 0.1).clamp(-3, 3) * plane,
        images.up_known[image].float(),
        plane.float(),
        (area / SIZE_PX**2).log() + 1.5,
        body.flatten(1).float().sum(dim=1) / area,
        rim.flatten(1).any(dim=1).float(),
        (patches.side_px / 64).log(),
        images.pitch_rad[image],
        *white.log().unbind(1),
    ]
    return torch.stack(columns, dim=1)


def _shifted_inside(inside: Tensor) -> Tensor:
    """Pixels (N, 64, 64) whose neighbours all lie inside the image: what lies inside is a rectangle."""
    rows, columns = (functional.max_pool1d((~inside.any(dim=of)).float(), 5, stride=1, padding=2) < 0.5 for of in (2, 1))
    return rows[:, :, None] & columns[:, None, :]


def paste_mask(probability: Tensor, middle: Tensor, side: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) float32: the map (64, 64) of a window (middle (2,), edge ()) put back into an image of ``size``, 0 outside of it."""
    height, width = size
    v = (torch.arange(height, device=side.device) + 0.5 - middle[1]) / (side / 2)
    u = (torch.arange(width, device=side.device) + 0.5 - middle[0]) / (side / 2)
    rows, columns = torch.nonzero(v.abs() <= 1).flatten(), torch.nonzero(u.abs() <= 1).flatten()
    out = torch.zeros(height, width, device=side.device)
    if not (len(rows) and len(columns)):
        return out
    own_v, own_u = v[rows], u[columns]
    grid = torch.stack([own_u[None].expand(len(rows), -1), own_v[:, None].expand(-1, len(columns))], dim=-1)[None]
    found = functional.grid_sample(probability[None, None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = found[0, 0]
    return out
