"""The truth of every relation from true shapes and poses alone: a second formulation that shares no code with the registry.

It follows the conventions that ``scene/relations.py`` states in words and works on meshes, not on boxes read off a depth image:
heights are those of vertices, gaps are between triangles, widths are extents of the mesh itself. "Centre" is the middle of the
smallest upright box around the true mesh. A predicate's truth is a signed margin: it holds when the margin is above 0.

A new relation of the registry gets its line in ``TRUTHS``; the benchmark reports every relation that has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .engine_solids import Solid, inside_outline, narrowest, outlines_apart, room_inside, surface_gap

# Things that a physical scene puts on each other touch exactly; this covers the rounding of a mesh.
_TOUCH_M = 0.003
# Lengths that the relations' definitions name: contact in words, the margin round a held thing, the wall of a thing that holds
# another one, and the share of a thing's height that lies below the rim of what it is in.
_CONTACT_M = 0.015
_HELD_MARGIN_M = 0.015
_WALL_M = 0.003
_SUNK_SHARE = 0.25


@dataclass(frozen=True)
class TrueScene:
    """What is there: all coordinates in a frame whose z is up, metres.

    Attributes:
        solids: the things.
        support_height_m: height of the surface they stand on.
        world_from_camera: pose of the optical frame (x right, y down, z forward).
        seen: (N, 3) what the camera sees of anything, without noise; for relations about the surfaces on the image.
    """

    solids: tuple[Solid, ...]
    support_height_m: float
    world_from_camera: RigidTransform
    seen: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    _gaps: dict[tuple[Solid, Solid], float] = field(default_factory=dict, repr=False, compare=False)

    def gap_m(self, a: Solid, b: Solid) -> float:
        """Least distance of two surfaces, metres; worked out once."""
        pair = (a, b) if (a, b) in self._gaps else (b, a)
        if pair not in self._gaps:
            self._gaps[pair] = surface_gap(*pair)[0]
        return self._gaps[pair]

    @property
    def up(self) -> FloatArray:
        """(3,) up, in the camera's optical frame."""
        return np.asarray(self.world_from_camera.rotation[2])

    @property
    def away(self) -> FloatArray:
        """(3,) the line of sight made level; the top of the image where the camera looks within a degree of straight down."""
        sight = self.world_from_camera.rotation[:, 2]
        if np.hypot(sight[0], sight[1]) < np.sin(np.deg2rad(1.0)):
            sight = -self.world_from_camera.rotation[:, 1]
        level = np.array([sight[0], sight[1], 0.0])
        return np.asarray(level / np.linalg.norm(level))

    @property
    def right(self) -> FloatArray:
        """(3,) level, at right angles to ``away``."""
        away = self.away
        return np.array([away[1], -away[0], 0.0])

    @property
    def camera_height_m(self) -> float:
        """Above the support."""
        return float(self.world_from_camera.translation[2]) - self.support_height_m


Truth2 = Callable[[TrueScene, Solid, Solid], float]
TRUTHS: dict[str, Callable[..., float]] = {}


# -- numbers ------------------------------------------------------------------------------------------------------------


def _between_middles(a: Solid, b: Solid) -> FloatArray:
    return np.asarray(b.middle - a.middle)


def _distance(scene: TrueScene, a: Solid, b: Solid) -> float:
    return float(np.linalg.norm(_between_middles(a, b)))


def _gap(scene: TrueScene, a: Solid, b: Solid) -> float:
    return scene.gap_m(a, b)


def _horizontal_distance(scene: TrueScene, a: Solid, b: Solid) -> float:
    return float(np.hypot(*_between_middles(a, b)[:2]))


def _vertical_distance(scene: TrueScene, a: Solid, b: Solid) -> float:
    return abs(float(_between_middles(a, b)[2]))


def _height(scene: TrueScene, a: Solid) -> float:
    return a.high_m - a.low_m


def _width(scene: TrueScene, a: Solid) -> float:
    return a.extent_m(scene.right)


def _elevation(scene: TrueScene, a: Solid) -> float:
    return a.low_m - scene.support_height_m


def _further_right(scene: TrueScene, a: Solid, b: Solid) -> float:
    return float((a.middle - b.middle) @ scene.right)


def _further_behind(scene: TrueScene, a: Solid, b: Solid) -> float:
    return float((a.middle - b.middle) @ scene.away)


def _bottom_higher(scene: TrueScene, a: Solid, b: Solid) -> float:
    return a.low_m - b.low_m


TRUTHS.update(
    distance=_distance,
    gap=_gap,
    horizontal_distance=_horizontal_distance,
    vertical_distance=_vertical_distance,
    height=_height,
    width=_width,
    elevation=_elevation,
    right_difference=_further_right,
    left_difference=lambda scene, a, b: _further_right(scene, b, a),
    behind_difference=_further_behind,
    front_difference=lambda scene, a, b: _further_behind(scene, b, a),
    above_difference=_bottom_higher,
    below_difference=lambda scene, a, b: _bottom_higher(scene, b, a),
)


# -- the six dimensions: predicate, choice and classification have one margin ------------------------------------------------


def _middle_higher(scene: TrueScene, a: Solid, b: Solid) -> float:
    return float(a.middle[2] - b.middle[2])


def _taller(scene: TrueScene, a: Solid, b: Solid) -> float:
    return _height(scene, a) - _height(scene, b)


def _wider(scene: TrueScene, a: Solid, b: Solid) -> float:
    return _width(scene, a) - _width(scene, b)


def _bigger(scene: TrueScene, a: Solid, b: Solid) -> float:
    return a.size_m - b.size_m


def _enter_dimension(words: tuple[str, str], margin: Truth2) -> None:
    def opposite(scene: TrueScene, a: Solid, b: Solid) -> float:
        return -margin(scene, a, b)

    for word, truth in zip(words, (margin, opposite), strict=True):
        TRUTHS[word] = truth
        TRUTHS[f"which_{word}"] = truth
    TRUTHS["_or_".join(words)] = margin


_enter_dimension(("left", "right"), lambda scene, a, b: -_further_right(scene, a, b))
_enter_dimension(("above", "below"), _middle_higher)
_enter_dimension(("behind", "front"), _further_behind)
_enter_dimension(("tall", "short"), _taller)
_enter_dimension(("wide", "thin"), _wider)
_enter_dimension(("big", "small"), _bigger)


# -- contact --------------------------------------------------------------------------------------------------------------


def _on(scene: TrueScene, a: Solid, b: Solid) -> float:
    """a's bottom is at b's top, touches it, and a's middle is over b's outline. Margin 1 or -1: it holds or it does not."""
    at_top = abs(a.low_m - b.high_m) <= _TOUCH_M
    holds = at_top and inside_outline(a.middle[:2], b.outline) and scene.gap_m(a, b) <= _TOUCH_M
    return 1.0 if holds else -1.0


def _held(scene: TrueScene, a: Solid, tool: Solid) -> float:
    """The tool point is inside a's box, grown by a finger's margin."""
    centre, axes, size = a.box
    offset = tool.middle - centre
    in_box = np.append(axes @ offset[:2], offset[2])
    return float(np.min(size / 2 + _HELD_MARGIN_M - np.abs(in_box)))


def _touching(scene: TrueScene, a: Solid, b: Solid) -> float:
    return _CONTACT_M - _gap(scene, a, b)


def _contained(scene: TrueScene, a: Solid, b: Solid) -> float:
    """a's middle over b's outline, a no wider than b, its bottom above b's and low enough for its share below b's rim."""
    sunk = b.high_m - a.low_m - _SUNK_SHARE * (a.high_m - a.low_m)
    wide_a, wide_b = np.sort(a.box[2][:2]), np.sort(b.box[2][:2])
    holds = sunk > 0 and a.low_m >= b.low_m - _TOUCH_M and bool((wide_a < wide_b).all())
    return 1.0 if holds and inside_outline(a.middle[:2], b.outline) else -1.0


TRUTHS.update(on=_on, held=_held, touching=_touching, contained=_contained)


# -- ways, fits and reach -------------------------------------------------------------------------------------------------


def _path_width(scene: TrueScene, a: Solid, b: Solid) -> float:
    return outlines_apart(a.outline, b.outline)


def _fits_through(scene: TrueScene, a: Solid, b: Solid, c: Solid) -> float:
    return _path_width(scene, b, c) - narrowest(a.outline)


def _fits_into(scene: TrueScene, a: Solid, b: Solid) -> float:
    return room_inside(a.outline, b.outline) - _WALL_M


def _between(scene: TrueScene, a: Solid, b: Solid, c: Solid) -> float:
    """Along the ground: a's middle projects between b's and c's, nearer to their line than half sizes reach."""
    line, offset = (c.middle - b.middle)[:2], (a.middle - b.middle)[:2]
    span = float(np.hypot(*line))
    if span < 1e-9:
        return -1.0
    at = float(offset @ line) / span
    off = abs(float(line[0] * offset[1] - line[1] * offset[0])) / span
    half_a, half_b, half_c = (float(np.sort(thing.box[2])[:2].mean()) / 2 for thing in (a, b, c))
    return min(at, span - at, half_a + (half_b + half_c) / 2 - off)


def _reachable(scene: TrueScene, a: Solid, b: Solid, amount: float) -> float:
    return amount - float(np.linalg.norm(a.nearest(b.middle) - b.middle))


def _direction(scene: TrueScene, a: Solid, b: Solid) -> float:
    """Bearing, radians: 0 straight away from the viewer, positive to the left."""
    return float(np.arctan2(-_further_right(scene, a, b), _further_behind(scene, a, b)))


def _nearest(scene: TrueScene, b: Solid) -> float:
    """Distance of the thing whose middle is nearest to b's; infinite where there is no other."""
    return min((_distance(scene, thing, b) for thing in scene.solids if thing is not b), default=np.inf)


def _count(scene: TrueScene) -> float:
    return float(len(scene.solids))


TRUTHS.update(
    path_width=_path_width, fits_through=_fits_through, fits_into=_fits_into, between=_between, reachable=_reachable,
    direction=_direction, nearest=_nearest, count=_count,
)  # fmt: skip


# -- points in free space ---------------------------------------------------------------------------------------------------


def _point(direction: Callable[[TrueScene], FloatArray]) -> Callable[[TrueScene, Solid, float], float]:
    """Distance to the nearest seen surface of the point an amount off the place where a ray from the middle leaves the thing: its
    top or bottom, or its outline on the ground.
    """

    def truth(scene: TrueScene, thing: Solid, amount: float) -> float:
        towards = direction(scene)
        reach = thing.box[2][2] / 2 if abs(towards[2]) > 0.5 else _way_out(thing, towards[:2])
        point = thing.middle + (reach + amount) * towards
        return float(np.sqrt(np.square(scene.seen - point).sum(axis=1).min()))

    return truth


def _way_out(thing: Solid, towards: FloatArray) -> float:
    """How far from its middle a thing's outline reaches along a level unit vector (2,): where a ray meets the farthest side."""
    corners = thing.outline - thing.middle[:2]
    reaches = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        system = np.column_stack([towards, start - end])
        if abs(np.linalg.det(system)) < 1e-15:
            continue
        far, share = np.linalg.solve(system, start)
        if -1e-9 <= share <= 1 + 1e-9:
            reaches.append(float(far))
    return max(reaches)


_UP = np.array([0.0, 0.0, 1.0])
TRUTHS.update(
    point_above=_point(lambda scene: _UP), point_below=_point(lambda scene: -_UP),
    point_right=_point(lambda scene: scene.right), point_left=_point(lambda scene: -scene.right),
    point_behind=_point(lambda scene: scene.away), point_front=_point(lambda scene: -scene.away),
)  # fmt: skip

# A new relation's truth goes here, or in a section of its own above.
