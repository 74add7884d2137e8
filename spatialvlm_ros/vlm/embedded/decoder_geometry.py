"""What lies between two things, from their tokens: differences, distances, their deviations, and how they compare.

Formulas of ``scene/relations.py`` on whole batches, for the network to read and to copy numbers from. Lengths in metres.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .object_tokens import AWAY, DIRECTIONS, FIELDS, RIGHT, UP

# Names of what ``pair_lengths`` and ``thing_lengths`` give, in order.
PAIR_LENGTHS = (
    "right", "away", "up", "distance", "level", "apart_up", "bottoms", "tops", "heights", "widths", "sizes", "gap", "level_gap",
    "box_widths",
)  # fmt: skip
THING_LENGTHS = ("width", "box_width", "depth", "height", "long", "short", "third", "size", "bottom", "middle")


def field(tokens: Tensor, name: str) -> Tensor:
    """(..., n) a group of features of tokens (..., NUM_FEATURES)."""
    return tokens[..., FIELDS[name]]


def thing_lengths(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 10) lengths of each thing and one standard deviation of each."""
    box, box_std, std = field(tokens, "box"), field(tokens, "box_std"), field(tokens, "std")
    reach, height = field(tokens, "reach"), field(tokens, "height")[..., 0]
    long, short = torch.maximum(*_level(tokens)), torch.minimum(*_level(tokens))
    values = [
        2 * reach[..., RIGHT], box[..., 0], 2 * reach[..., AWAY], box[..., 2], long, short, field(tokens, "extents")[..., 2],
        field(tokens, "size")[..., 0], height - box[..., 2] / 2, height,
    ]  # fmt: skip
    extents_std = field(tokens, "extents_std")
    edge = torch.hypot(std[..., 2], box_std[..., 2] / 2)
    deviations = [
        box_std[..., 0], box_std[..., 0], box_std[..., 1], box_std[..., 2], extents_std[..., :2].amax(-1),
        extents_std[..., :2].amax(-1), extents_std[..., 2], field(tokens, "size_std")[..., 0], edge, std[..., 2],
    ]  # fmt: skip
    return torch.stack(values, -1), torch.stack(deviations, -1)


def _level(tokens: Tensor) -> tuple[Tensor, Tensor]:
    extents = field(tokens, "extents")
    return extents[..., 0], extents[..., 1]


def pair_lengths(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 14) signed lengths of a against b and one standard deviation of each, of tokens (..., NUM_FEATURES)."""
    way = field(a, "position") - field(b, "position")
    covariance = _covariance(a) + _covariance(b) + _shared(a, b, way)
    variance = torch.diagonal(covariance, dim1=-2, dim2=-1).clamp_min(1e-10)
    std = variance.sqrt()
    distance, level = way.norm(dim=-1), way[..., :2].norm(dim=-1)
    box_a, box_b = field(a, "box"), field(b, "box")
    reach_a, reach_b = field(a, "reach"), field(b, "reach")
    box_std = torch.hypot(field(a, "box_std"), field(b, "box_std"))
    apart = (way @ way.new_tensor(DIRECTIONS).T).abs() - reach_a - reach_b
    point = torch.hypot(field(a, "shared")[..., 2], field(b, "shared")[..., 2])
    edges = torch.hypot(std[..., 2], box_std[..., 2] / 2)
    along, along_level = _along(way, covariance, distance), _along(way[..., :2], covariance[..., :2, :2], level)
    values = [
        *way.unbind(-1), distance, level, way[..., 2].abs(), way[..., 2] - (box_a - box_b)[..., 2] / 2,
        way[..., 2] + (box_a - box_b)[..., 2] / 2, (box_a - box_b)[..., 2], 2 * (reach_a - reach_b)[..., RIGHT],
        field(a, "size")[..., 0] - field(b, "size")[..., 0], apart.amax(-1), apart[..., :UP].amax(-1), (box_a - box_b)[..., 0],
    ]  # fmt: skip
    deviations = [
        *std.unbind(-1), along, along_level, std[..., 2], edges, edges, box_std[..., 2], box_std[..., 0],
        torch.hypot(field(a, "size_std"), field(b, "size_std"))[..., 0], torch.hypot(along, point),
        torch.hypot(along_level, point), box_std[..., 0],
    ]  # fmt: skip
    return torch.stack(values, -1), torch.stack(deviations, -1)


def _covariance(tokens: Tensor) -> Tensor:
    """(..., 3, 3) of the centre without what all things share."""
    std, cross = field(tokens, "std"), field(tokens, "cross")
    ra, ru, au = cross.unbind(-1)
    one = torch.ones_like(ra)
    rows = [torch.stack(row, -1) for row in ((one, ra, ru), (ra, one, au), (ru, au, one))]
    return torch.stack(rows, -2) * std[..., :, None] * std[..., None, :]


def _shared(a: Tensor, b: Tensor, way: Tensor) -> Tensor:
    """(..., 3, 3) what the scale error and a tilted up add to the way between two things."""
    moved = field(a, "shared")[..., :1] * field(a, "position") - field(b, "shared")[..., :1] * field(b, "position")
    tilt = torch.maximum(field(a, "shared")[..., 1], field(b, "shared")[..., 1])[..., None]
    right, away, up = way.unbind(-1)
    nothing = torch.zeros_like(right)
    # Cross products of the two level axes with the way.
    turns = (torch.stack([nothing, -up, away], -1), torch.stack([up, nothing, -right], -1))
    total = moved[..., :, None] * moved[..., None, :]
    for turn in turns:
        total = total + (tilt * turn)[..., :, None] * (tilt * turn)[..., None, :]
    return total


def _along(way: Tensor, covariance: Tensor, length: Tensor) -> Tensor:
    """(...) one standard deviation of the length of a vector: along it, isotropic within its noise."""
    unit = way / length.clamp_min(1e-6)[..., None]
    along = torch.einsum("...i,...ij,...j->...", unit, covariance, unit).clamp_min(1e-10).sqrt()
    spread = (torch.diagonal(covariance, dim1=-2, dim2=-1).sum(-1) / way.shape[-1]).clamp_min(1e-10).sqrt()
    return torch.where(length < 2 * spread, spread, along)
