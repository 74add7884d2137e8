"""What is true of the things of a scene, for the truths of composed questions: measures and margins with their play.

Built on ``engine_truth`` and on meshes; nothing of the registry or of expression trees is used, so that two formulations are
compared. A truth is a ``Range``: where the registry states another quantity for a shape (it takes what is not seen for the mirror
image of what is, which a mug is not), both ends of the range are right by one of the two definitions. An answer is judged
where the whole range says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray
from .engine_solids import Solid, narrowest, outlines_apart, room_inside
from .engine_truth import TRUTHS, TrueScene

GRIPPER = -1
# Points of a surface that stand for all of it are so far apart at most that a gap of nothing may read as this.
_BETWEEN_POINTS_M = 0.003
# Outlines and surfaces that differ by less from their mirror images are their own mirror images.
_MIRROR_M = 0.0003
_CONTACT_M, _SUNK_SHARE = 0.015, 0.25
# Fits are tried at whole degrees.
_FIT_STEP_RAD, _FIT_PLAY_M = np.deg2rad(0.5), 0.0015
_DIRECTIONS = 48


@dataclass(frozen=True)
class Range:
    """A number, or a margin that is above 0 where something holds, and how far another definition may put it."""

    value: float
    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.value + other.value, self.low + other.low, self.high + other.high)

    def __neg__(self) -> Range:
        return Range(-self.value, -self.high, -self.low)

    def __sub__(self, other: Range) -> Range:
        return self + -other

    def __abs__(self) -> Range:
        ends = abs(self.low), abs(self.high)
        return Range(abs(self.value), 0.0 if self.low < 0 < self.high else min(ends), max(ends))

    def times(self, factor: float) -> Range:
        """The same times a number that is not negative."""
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def over(self, other: Range) -> Range:
        """One length over another one above 0."""
        if other.low <= 0:
            return Range(self.value / other.value if other.value else np.nan, -np.inf, np.inf)
        return Range(self.value / other.value, self.low / other.high, self.high / other.low)

    @property
    def holds(self) -> bool:
        return self.value > 0

    @property
    def margin(self) -> float:
        """How far it is from being the other way round by any definition; below 0 where the definitions do not agree."""
        return self.low if self.holds else -self.high


def exactly(value: float) -> Range:
    return Range(float(value), float(value), float(value))


def total(parts: Iterable[Range]) -> Range:
    return sum(parts, exactly(0.0))


def least(parts: Iterable[Range]) -> Range:
    """The least of some: of margins, whether all hold."""
    found = list(parts)
    return Range(min(p.value for p in found), min(p.low for p in found), min(p.high for p in found))


def greatest(parts: Iterable[Range]) -> Range:
    """The greatest of some: of margins, whether one holds."""
    found = list(parts)
    return Range(max(p.value for p in found), max(p.low for p in found), max(p.high for p in found))


class World:
    """The things of a scene by their numbers; ``GRIPPER`` is the tool, a point."""

    def __init__(self, truth: TrueScene, tool: Solid) -> None:
        self.truth, self.tool = truth, tool
        self._known: dict[tuple[object, ...], Range] = {}
        self._even: dict[tuple[int, int], bool] = {}

    def solid(self, thing: int) -> Solid:
        return self.tool if thing == GRIPPER else self.truth.solids[thing]

    def of(self, name: str, *things: int, amount: float = 0.0) -> Range:
        """The number or the margin of a relation, by its name in the registry; worked out once."""
        key = (name, amount, *things)
        if key not in self._known:
            self._known[key] = self._worked_out(name, things, amount)
        return self._known[key]

    def _worked_out(self, name: str, things: tuple[int, ...], amount: float) -> Range:
        solids = [self.solid(thing) for thing in things]
        if name == "width":
            return self._width(things[0])
        if name == "gap":
            return self._gap(*things)
        if name == "path_width":
            return self._path_width(*things)
        if name == "fits_through":
            a = solids[0]
            narrow = narrowest(a.outline)
            return self.of("path_width", *things[1:]) - Range(narrow, narrow, max(narrow, float(a.box[2][:2].min())))
        if name == "fits_into":
            return self._fits_into(*things)
        if name == "touching":
            return exactly(_CONTACT_M) - self.of("gap", *things)
        if name in ("wide", "thin"):
            wider = self.of("width", things[0]) - self.of("width", things[1])
            return wider if name == "wide" else -wider
        if name in ("on", "contained"):
            return _by_both(TRUTHS[name](self.truth, *solids), _on_box(*solids) if name == "on" else _in_box(*solids))
        value = TRUTHS[name](self.truth, *solids, *([amount] if amount else []))
        if name == "reachable":
            return Range(value, amount - float(np.hypot(amount - value, _BETWEEN_POINTS_M)), value)
        return exactly(value)

    def _width(self, thing: int) -> Range:
        """A thing that is its own mirror image is as wide as its surface; of another one the box may be wider."""
        solid = self.solid(thing)
        surface = solid.extent_m(self.truth.right)
        _, axes, size = solid.box
        box = float(np.abs(axes @ self.truth.right[:2]) @ size[:2])
        return Range(surface, surface, surface if self._is_even(thing, 2) else max(box, surface))

    def _gap(self, a: int, b: int) -> Range:
        gap = self.truth.gap_m(self.solid(a), self.solid(b))
        least_gap = gap if self._is_even(a, 3) and self._is_even(b, 3) else min(gap, _boxes_apart(self.solid(a), self.solid(b)))
        return Range(gap, least_gap, float(np.hypot(gap, _BETWEEN_POINTS_M)))

    def _path_width(self, a: int, b: int) -> Range:
        first, second = self.solid(a), self.solid(b)
        way = outlines_apart(first.outline, second.outline)
        even = self._is_even(a, 2) and self._is_even(b, 2)
        return Range(way, way if even else min(way, outlines_apart(_rectangle(first), _rectangle(second))), way)

    def _fits_into(self, a: int, b: int) -> Range:
        room = room_inside(self.solid(a).outline, self.solid(b).outline, _FIT_STEP_RAD) - 0.003
        play = _FIT_PLAY_M if self._is_even(a, 2) and self._is_even(b, 2) else np.inf
        return Range(room, room - play, room + play)

    def _is_even(self, thing: int, dimensions: int) -> bool:
        """Whether a thing (its level outline, for 2) reaches as far one way from the middle of its box as the other way."""
        key = thing, dimensions
        if key not in self._even:
            solid = self.solid(thing)
            around = (solid.vertices - solid.middle)[:, :dimensions]
            along = around @ _directions(dimensions).T
            self._even[key] = bool(np.abs(along.max(axis=0) + along.min(axis=0)).max() < _MIRROR_M)
        return self._even[key]


def _directions(dimensions: int) -> FloatArray:
    """(N, dimensions) unit vectors all around."""
    if dimensions == 2:
        angles = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
        return np.column_stack([np.cos(angles), np.sin(angles)])
    drawn = np.random.default_rng(0).normal(size=(4 * _DIRECTIONS, 3))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _by_both(truth: float, by_box: float) -> Range:
    """What holds or not as things are; ``by_box`` is the margin with the play that is given to a camera."""
    return Range(1.0, by_box, 1.0) if truth > 0 else Range(-1.0, -1.0, by_box)


def _over_box(a: Solid, b: Solid) -> float:
    """How far a's middle lies within the sides of b's box, metres."""
    centre, axes, size = b.box
    return float((size[:2] / 2 - np.abs(axes @ (a.middle - centre)[:2])).min())


def _on_box(a: Solid, b: Solid) -> float:
    return min(_CONTACT_M - abs(a.low_m - b.high_m), _over_box(a, b), float(a.middle[2] - b.middle[2]))


def _in_box(a: Solid, b: Solid) -> float:
    sunk = b.high_m - a.low_m - _SUNK_SHARE * (a.high_m - a.low_m)
    narrower = float((np.sort(b.box[2][:2]) - np.sort(a.box[2][:2])).min())
    return min(sunk, a.low_m - b.low_m + _CONTACT_M, _over_box(a, b), narrower)


def _rectangle(solid: Solid) -> FloatArray:
    """(4, 2) corners of the level outline of a thing's box, counter-clockwise; a point's own position."""
    if not len(solid.triangles):
        return solid.vertices[:, :2]
    centre, axes, size = solid.box
    signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return np.asarray(centre[:2] + (signs * size[:2]) @ axes)


def _boxes_apart(a: Solid, b: Solid) -> float:
    level = outlines_apart(_rectangle(a), _rectangle(b))
    return float(np.hypot(level, max(0.0, a.low_m - b.high_m, b.low_m - a.high_m)))
