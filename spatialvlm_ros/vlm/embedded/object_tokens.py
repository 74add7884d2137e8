"""Things as numbers that a network reads: one row of features for each thing, in the directions of whoever looks.

No torch here, so that any part can build them. Never changes: a row holds what was measured and how certain it is, in metres;
what is not known is 0 with a flag that says so; a thing whose place is not a number gives a row of zeros, marked as invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

import numpy as np
import numpy.typing as npt

from ...geometry.rigid import FloatArray
from ...scene.facts import Source, Status
from ...scene.relation import support_offset, viewer_axes
from ...scene.scene import Scene, SceneObject

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

# Lengths beyond are cut: a table-top scene has none.
MAX_M = 20.0
# Correlation of the errors of a thing's edges in "size_std", as it was when the shipped weights were trained on it.
_EDGES_ALIKE = 0.3
# The other two axes of each axis, in order.
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def _directions() -> FloatArray:
    """(25, 3) unit vectors, one of each pair of opposites: twelve level ones, up, and twelve half way up."""
    level = np.deg2rad(15.0 * np.arange(12))
    slope = np.deg2rad(30.0 * np.arange(12))
    around = np.column_stack([np.cos(level), np.sin(level), np.zeros(12)])
    half = np.column_stack([np.cos(slope), np.sin(slope), np.ones(12)]) / np.sqrt(2)
    return np.concatenate([around, [[0.0, 0.0, 1.0]], half])


#: (25, 3) the directions along which a surface's reach from its thing's centre is told: [0] is right, [6] away, [12] up.
DIRECTIONS = _directions()
RIGHT, AWAY, UP = 0, 6, 12

_SIZES: Mapping[str, int] = {
    "position": 3,  # from the camera along right, away, up
    "height": 1,  # of the centre above the support under it
    "box": 3,  # extents of the box along right, away, up
    "extents": 3,  # edge lengths of the box
    "size": 1,  # cube root of its volume
    "reach": len(DIRECTIONS),  # of its surface, half an extent each
    "std": 3,  # of the centre along right, away, up, without the scale error
    "cross": 3,  # correlations right-away, right-up, away-up
    "box_std": 3,
    "extents_std": 3,
    "size_std": 1,
    "shared": 3,  # scale_std, tilt_std_rad, point_std_m
    "sight": 3,  # visible share, whether it is known, whether the image's edge cuts the thing
    "points": 1,  # log10 of one more than the number of depth pixels
    "kind": 5,  # has a size, is seen by the camera, is seen now, up is known, the support is known
}


def _slices() -> dict[str, slice]:
    ends = np.cumsum([0, *_SIZES.values()])
    return {name: slice(int(start), int(end)) for name, start, end in zip(_SIZES, ends[:-1], ends[1:], strict=True)}


#: Where in a row each group of features is.
FIELDS: Mapping[str, slice] = _slices()
NUM_FEATURES = sum(_SIZES.values())


@dataclass(frozen=True)
class ThingArrays:
    """Things as arrays with any leading axes (...), in the viewer's directions (right, away, up), metres.

    Attributes:
        centre: (..., 3) from the camera.
        own_covariance: (..., 3, 3) of it, without the scale error.
        axes: (..., 3, 3) columns are the box's axes.
        extents, extents_std: (..., 3) along those axes.
        reach: (..., 25) of the surface along ``DIRECTIONS``; NaN to take the box's.
        height: (...) of the centre above the support under it; NaN when unknown.
        scale_std, tilt_std_rad, point_std_m, visible_share, num_points: (...), as of ``SceneObject`` and ``Canonical``.
        truncated, seen_by_camera, seen_now, up_known: (...) bool.
    """

    centre: npt.NDArray[np.floating[Any]]
    own_covariance: npt.NDArray[np.floating[Any]]
    axes: npt.NDArray[np.floating[Any]]
    extents: npt.NDArray[np.floating[Any]]
    extents_std: npt.NDArray[np.floating[Any]]
    reach: npt.NDArray[np.floating[Any]]
    height: npt.NDArray[np.floating[Any]]
    scale_std: npt.NDArray[np.floating[Any]]
    tilt_std_rad: npt.NDArray[np.floating[Any]]
    point_std_m: npt.NDArray[np.floating[Any]]
    visible_share: npt.NDArray[np.floating[Any]]
    num_points: npt.NDArray[np.floating[Any]]
    truncated: BoolArray
    seen_by_camera: BoolArray
    seen_now: BoolArray
    up_known: BoolArray


def viewer_basis(scene: Scene) -> FloatArray:
    """(3, 3) rows: right, away and up of who looks, in the scene's frame; those of the optical frame where up is not known."""
    right, away = viewer_axes(scene)
    # The cross product by hand: for three numbers NumPy's takes ten times as long.
    return np.stack([right, away, right[_NEXT] * away[_LAST] - right[_LAST] * away[_NEXT]])


def object_tokens(scene: Scene, things: Sequence[SceneObject]) -> tuple[Float32Array, BoolArray]:
    """Features of things of a scene, for questions about them as the scene's viewer sees them.

    Returns:
        (N, NUM_FEATURES) float32, and (N,) bool: which of them are valid.
    """
    return object_tokens_of_each([(scene, things)])[0]


def object_tokens_of_each(asked: Sequence[tuple[Scene, Sequence[SceneObject]]]) -> list[tuple[Float32Array, BoolArray]]:
    """``object_tokens`` of several scenes; all at once is faster than one by one, and none is reckoned twice."""
    first: dict[tuple[int, ...], tuple[int, Scene, SceneObject]] = {}
    rows: list[int] = []
    for scene, things in asked:
        # All of a scene that ``_arrays_of`` reads.
        seen = id(scene.canonical), id(scene.viewer), id(scene.support_plane)
        rows += [first.setdefault((*seen, id(thing)), (len(first), scene, thing))[0] for thing in things]
    if not rows:
        return [(np.zeros((0, NUM_FEATURES), np.float32), np.zeros(0, np.bool_)) for _ in asked]
    parts = [_arrays_of(scene, [thing]) for _, scene, thing in first.values()]
    joined = ThingArrays(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields_of(ThingArrays)))
    features, valid = token_features(joined)
    ends = np.cumsum([len(things) for _, things in asked])[:-1]
    return list(zip(np.split(features[rows], ends), np.split(valid[rows], ends), strict=True))


def _arrays_of(scene: Scene, things: Sequence[SceneObject]) -> ThingArrays:
    basis = viewer_basis(scene)
    canonical = scene.canonical
    tilt = canonical.tilt_std_rad if canonical is not None else 0.0

    def stack(values: Sequence[object]) -> FloatArray:
        return np.asarray(values, np.float64)

    return ThingArrays(
        centre=stack([basis @ thing.centre for thing in things]),
        own_covariance=stack([basis @ thing.own_covariance @ basis.T for thing in things]),
        axes=stack([basis @ thing.axes for thing in things]),
        extents=stack([thing.extents for thing in things]),
        extents_std=stack([thing.extents_std for thing in things]),
        reach=stack([surface_reach(thing, basis) for thing in things]),
        height=stack([_height(scene, thing) for thing in things]),
        scale_std=stack([thing.scale_std for thing in things]),
        tilt_std_rad=np.full(len(things), tilt),
        point_std_m=stack([thing.point_std_m for thing in things]),
        visible_share=stack([thing.visible_share for thing in things]),
        num_points=stack([thing.num_points for thing in things]),
        truncated=np.array([thing.truncated for thing in things], np.bool_),
        seen_by_camera=np.array([thing.source is not Source.TF for thing in things], np.bool_),
        seen_now=np.array([thing.status is Status.OK for thing in things], np.bool_),
        up_known=np.full(len(things), canonical is not None),
    )


def surface_reach(thing: SceneObject, basis: FloatArray) -> FloatArray:
    """(25,) how far a thing's surface and its mirror image reach from its centre along ``DIRECTIONS``; NaN without points."""
    if len(thing.points) < 2:
        return np.full(len(DIRECTIONS), np.nan)
    from_centre = thing.points.astype(np.float64) - thing.centre
    reach: FloatArray = np.abs(from_centre @ (DIRECTIONS @ basis).T).max(axis=0)
    return reach


def _height(scene: Scene, thing: SceneObject) -> float:
    if scene.canonical is None:
        return float("nan")
    return float(scene.canonical.up @ thing.centre) - support_offset(scene, thing)


def _size_std(size: npt.NDArray[Any], shares: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(...) of cube roots of volumes (...), by deviations of the edges (..., 3) as shares of them."""
    squared = (1 - _EDGES_ALIKE) * (shares**2).sum(-1) + _EDGES_ALIKE * shares.sum(-1) ** 2
    return np.asarray(size / 3 * np.sqrt(squared))


def token_features(things: ThingArrays) -> tuple[Float32Array, BoolArray]:
    """(..., NUM_FEATURES) float32 features, and (...) bool: False where a thing's place or size is not a number."""
    lead = things.centre.shape[:-1]
    rows = np.zeros((*lead, NUM_FEATURES), np.float64)
    valid: BoolArray = (
        np.isfinite(things.centre).all(-1) & np.isfinite(things.extents).all(-1) & np.isfinite(things.axes).all((-1, -2))
    )
    extents = np.maximum(things.extents, 0.0)
    edge = np.abs(things.axes)
    box = (edge * extents[..., None, :]).sum(-1)
    half = np.abs(np.einsum("kj,...ji->...ki", DIRECTIONS, things.axes))
    box_reach = (half * extents[..., None, :]).sum(-1) / 2
    variance = np.maximum(np.diagonal(things.own_covariance, axis1=-2, axis2=-1), 0.0)
    std = np.sqrt(variance)
    crosses = np.stack([things.own_covariance[..., i, j] for i, j in ((0, 1), (0, 2), (1, 2))], axis=-1)
    scales = np.stack([std[..., i] * std[..., j] for i, j in ((0, 1), (0, 2), (1, 2))], axis=-1)
    least = np.maximum(extents, 1e-4)
    has_size = extents.any(-1)
    size = np.where(has_size, np.cbrt(least.prod(-1)), 0.0)
    fields: dict[str, npt.NDArray[Any]] = {
        "position": things.centre,
        "height": things.height[..., None],
        "box": box,
        "extents": extents,
        "size": size[..., None],
        "reach": np.fmin(things.reach, box_reach),
        "std": std,
        "cross": np.clip(crosses / np.maximum(scales, 1e-12), -1.0, 1.0),
        "box_std": np.sqrt((things.axes**2 * things.extents_std[..., None, :] ** 2).sum(-1)),
        "extents_std": things.extents_std,
        "size_std": _size_std(size, things.extents_std / least)[..., None],
        "shared": np.stack([things.scale_std, things.tilt_std_rad, things.point_std_m], axis=-1),
        "sight": np.stack([things.visible_share, np.isfinite(things.visible_share), things.truncated], axis=-1),
        "points": np.log10(1 + np.maximum(things.num_points, 0))[..., None],
        "kind": np.stack(
            [has_size, things.seen_by_camera, things.seen_now, things.up_known, np.isfinite(things.height)], axis=-1
        ),
    }  # fmt: skip
    for name, value in fields.items():
        rows[..., FIELDS[name]] = value
    rows = np.clip(np.nan_to_num(rows, nan=0.0, posinf=MAX_M, neginf=-MAX_M), -MAX_M, MAX_M)
    rows[~valid] = 0.0
    return rows.astype(np.float32), valid
