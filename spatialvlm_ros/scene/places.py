"""Directions, points in free space, and questions about all things of a description.

A point in space comes with a collision check against the whole cloud of the image: how far the nearest surface is, and whether
the camera sees past the point at all. What nobody sees is not called free.
"""

from __future__ import annotations

import math

import numpy as np

from ..geometry.rigid import FloatArray
from .facts import COUNT, RADIAN, Status
from .footprint import footprint, way_out
from .relation import (
    Kind,
    Measurement,
    along,
    apart,
    extent_std,
    leaning,
    length,
    pair_covariance,
    register,
    side_std,
    up_axis,
    viewer_axes,
)
from .scene import Scene, SceneObject

# Neighbouring pixels whose depths differ by less belong to one surface.
_ONE_SURFACE_M = 0.02
# So many pixels are in the patch around one; with this share of them missing it is wholly at an edge. Points whose spread across
# is less than that share of their spread along, squared, tell no plane. An edge lies anywhere in a pixel (uniform).
_PATCH, _AT_EDGE, _FLAT, _LATERAL_PX = 25, 0.3, 1e-3, 0.3
# One standard deviation of such a plane, in those of a pixel, and that of an edge, in lateral errors of one that averaging leaves
# (of seeds 670000 to 670059).
_OF_PLANE, _EDGES = 0.45, 2.2
# An outline's farthest reach straight towards the camera or away from it errs more than the surfaces between which a gap is, by
# this share (of seeds 677000 to 677069).
_ALONG_SIGHT = 0.13
_HOUR_RAD = math.pi / 6
# Cosine with up below which a direction is along the ground.
_LEVEL = 1e-6


@register(
    "direction", Kind.ESTIMATE, 2, "The {a} is at {word} from the {b} ({value}).", canonical=True, frame="viewer", unit=RADIAN
)  # fmt: skip
def _direction(scene: Scene, a: SceneObject, b: SceneObject) -> Measurement:
    """Bearing of a from b along the ground: 0 straight away from the viewer, positive to the left (REP 103), in (-pi, pi].

    In words by the clock: 12 o'clock is straight away, 3 o'clock to the right.
    """
    right, away = viewer_axes(scene)
    offset = a.centre - b.centre
    forward, left = float(offset @ away), float(-offset @ right)
    reach = math.hypot(forward, left)
    across = (-forward * right - left * away) / reach if reach > 1e-9 else -right
    aside = along(across, pair_covariance(scene, a, b))
    std = math.atan2(aside, reach)
    bearing = math.atan2(left, forward)
    hour = round(-bearing / _HOUR_RAD) % 12 or 12
    error = apart(a, b, across * (std / max(aside, 1e-9)))
    return Measurement(bearing, std, a.centre, b.centre, word=f"{hour} o'clock", error=error)


# -- points in free space ---------------------------------------------------------------------------------------------


def _face(scene: Scene, thing: SceneObject, direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The point (3,) where a ray from a thing's centre leaves it, and its covariance (3, 3) without the scale error.

    Along the ground it leaves the outline of the thing, so that a plate is as wide to all sides; else its box.
    """
    reach = float("nan")
    canonical = scene.canonical
    is_level = canonical is not None and abs(float(direction @ canonical.up)) < _LEVEL
    if canonical is not None and is_level and len(thing.points):
        basis = canonical.scene_from_canonical.rotation[:, :2]
        reach = way_out(footprint(thing, basis) - thing.centre @ basis, direction @ basis)
    if math.isnan(reach):
        in_box = np.abs(thing.axes.T @ direction)
        with np.errstate(divide="ignore"):
            reach = float(np.min(np.where(in_box > 1e-9, thing.extents / 2 / np.maximum(in_box, 1e-9), np.inf)))
    own, face = thing.own_covariance, thing.centre + reach * direction
    if canonical is not None and is_level:
        along_sight = float(direction @ canonical.scene_from_canonical.rotation[:, 0])
        side = (1 + _ALONG_SIGHT * along_sight**2) * side_std(thing, direction)
        across = np.eye(3) - np.outer(direction, direction)
        return face, across @ own @ across + side**2 * np.outer(direction, direction)
    edge, spread = extent_std(thing, direction) / 2, along(direction, own)
    # What goes with the size is the part of the centre's error along the direction, wherever else that leads.
    cross = np.outer((leaning(thing, direction) / 2 / max(spread**2, 1e-18)) * (own @ direction), direction)
    return face, own + edge**2 * np.outer(direction, direction) + cross + cross.T


def _nearest_surface(scene: Scene, point: FloatArray) -> tuple[float, FloatArray, float]:
    """Distance from a point (3,) to the nearest surface point (3,) on the image, NaN without any; and one standard deviation of
    where the edge is on which that lies, metres, 0 where it lies on none.

    The robot's own surface and what hangs in the air between two surfaces are left out.

    Over all pixels: every fourth would miss a rod as thin as a finger at three metres.
    """
    frame = scene.frame
    if frame is None:
        return math.nan, np.full(3, np.nan), 0.0
    xyz = frame.xyz
    squared = sum((xyz[..., i] - np.float32(point[i])) ** 2 for i in range(3))
    squared = np.where(frame.on_surface if scene.robot is None else frame.on_surface & ~scene.robot, squared, np.inf)
    row, column = np.unravel_index(int(np.argmin(squared)), squared.shape)
    if not np.isfinite(squared[row, column]):
        return math.nan, np.full(3, np.nan), 0.0
    # The nearest of many noisy pixels is nearer than the surface: the plane through those around it is not. It is taken where the
    # pixel looks, for at the edge of a thing the mean of what is around lies inside.
    around = (slice(max(row - 2, 0), row + 3), slice(max(column - 2, 0), column + 3))
    patch = xyz[around][np.isfinite(squared[around])].astype(np.float64)
    patch = patch[np.abs(patch[:, 2] - float(xyz[row, column, 2])) < _ONE_SURFACE_M]
    nearest = _on_plane(patch, np.append(frame.camera.rays[row, column], 1.0))
    at_edge = min(max((1 - len(patch) / _PATCH) / _AT_EDGE, 0.0), 1.0)
    lateral_px = _LATERAL_PX if scene.noise is None else scene.noise.lateral_px * _EDGES * scene.noise.averaged
    return float(np.linalg.norm(nearest - point)), nearest, at_edge * lateral_px * float(nearest[2]) / frame.camera.fx


def _on_plane(patch: FloatArray, ray: FloatArray) -> FloatArray:
    """The point (3,) where a ray (3,) of unit depth meets the plane through points (N, 3), whose inverse depth is linear over the
    image; at their mean depth where they tell no plane.
    """
    mean_m = float(patch[:, 2].mean())
    inverse = 1 / patch[:, 2]
    on_image = patch * inverse[:, None]
    middle = on_image.mean(axis=0)
    across, down = (on_image - middle)[:, :2].T
    (xx, xy, yy), (xz, yz) = (across @ across, across @ down, down @ down), (across @ inverse, down @ inverse)
    size = xx * yy - xy * xy
    if size <= _FLAT * (xx + yy) ** 2:
        return ray * mean_m
    x, y = (ray - middle)[:2].tolist()
    at = float(inverse.mean()) + (x * (yy * xz - xy * yz) + y * (xx * yz - xy * xz)) / size
    # Noise alone turns the plane through few points.
    return ray * (1 / at if abs(1 / at - mean_m) < _ONE_SURFACE_M else mean_m) if at > 0 else ray * mean_m


def _unseen(scene: Scene, point: FloatArray) -> str:
    """Why nobody sees a point (3,) of the scene's frame, in words; "" for a point that the camera sees past."""
    frame = scene.frame
    if frame is None:
        return "not checked against an image"
    # Nearer than a millimetre a pixel is no place any more.
    pixel = frame.camera.project(point[None])[0] if point[2] > 1e-3 else np.full(2, np.nan)
    height, width = frame.depth_m.shape
    if not np.isfinite(pixel).all() or not (0 <= round(pixel[0]) < width and 0 <= round(pixel[1]) < height):
        return "outside of the image"
    u, v = round(pixel[0]), round(pixel[1])
    around = (slice(max(v - 2, 0), v + 3), slice(max(u - 2, 0), u + 3))
    usable = frame.valid[around] if scene.robot is None else frame.valid[around] & ~scene.robot[around]
    if not usable.any():
        return "where the image has no depth" if not frame.valid[around].any() else "hidden by the robot"
    return "behind a surface" if float(np.median(frame.depth_m[around][usable])) < point[2] else ""


def _point(scene: Scene, thing: SceneObject, direction: FloatArray, amount: float) -> Measurement:
    """The point ``amount`` metres off a thing's face; its value is the distance to the nearest surface of anything."""
    face, covariance = _face(scene, thing, direction)
    point = face + amount * direction
    value, nearest, edge_m = _nearest_surface(scene, point)
    if math.isnan(value):
        note = "there is no surface on the image to check the point against"
        return Measurement(value, math.hypot(along(direction, covariance), thing.point_std_m), point, nearest, note=note)
    # The nearest surface is at about the same distance from the camera as the face is, and errs with it.
    moved = thing.scale_std * (face - nearest)
    # Only what leads to or from the surface changes how far it is.
    of_surface_m = thing.point_std_m
    if scene.noise is not None:
        of_surface_m = _OF_PLANE * float(scene.noise.pixel_std_m(nearest[2]))
    std = math.hypot(length(point - nearest, covariance + np.outer(moved, moved)).std, math.hypot(of_surface_m, edge_m))
    unseen = _unseen(scene, point)
    note = f"{unseen}, so nobody knows whether it is free" if unseen else "free" if value > 2 * std else "touched by a surface"
    return Measurement(value, std, point, nearest, Status.OCCLUDED if unseen else None, f"the point is {note}")


def _register_point(word: str, phrase: str, axis: str, sign: float, canonical: bool) -> None:
    sentence = f"The nearest surface to the point {{amount}} {phrase} the {{a}} is {{value}} away."

    @register(
        f"point_{word}", Kind.ESTIMATE, 1, sentence, canonical=canonical, amount=True, frame="gravity" if canonical else "viewer"
    )  # fmt: skip
    def measure(scene: Scene, thing: SceneObject, amount: float) -> Measurement:
        if axis == "up":
            return _point(scene, thing, sign * up_axis(scene), amount)
        right, away = viewer_axes(scene)
        return _point(scene, thing, sign * (right if axis == "right" else away), amount)


_register_point("above", "above", "up", 1.0, True)
_register_point("below", "below", "up", -1.0, True)
_register_point("left", "left of", "right", -1.0, False)
_register_point("right", "right of", "right", 1.0, False)
_register_point("behind", "behind", "away", 1.0, False)
_register_point("front", "in front of", "away", -1.0, False)


# -- all things of a description --------------------------------------------------------------------------------------


@register("count", Kind.ESTIMATE, 1, "There {are} {value} {things} in sight that {answer} to '{a}'.", unit=COUNT, of_all=True)
def _count(scene: Scene, things: tuple[SceneObject, ...]) -> Measurement:
    """How many things in sight answer to a description. What is hidden whole is not counted."""
    return Measurement(float(len(things)), 0.0, note=", ".join(f"#{thing.id} {thing.label}" for thing in things))


@register("nearest", Kind.ESTIMATE, 2, "Of all that answer to '{a}', {word} is nearest to the {b}, {value} away.", of_all=True)
def _nearest(scene: Scene, things: tuple[SceneObject, ...], b: SceneObject) -> Measurement:
    """Centre distance of the nearest thing of a description, other than b itself; which one, in words."""
    others = [thing for thing in things if thing.id != b.id]
    lengths = [length(thing.centre - b.centre, pair_covariance(scene, thing, b), (b, thing)) for thing in others]
    order = sorted(range(len(others)), key=lambda i: lengths[i][:2])
    if not order:
        return Measurement(math.nan, math.nan, status=Status.NOT_FOUND, note="nothing else answers to the description")
    index = order[0]
    value, std, error = lengths[index]
    note = ""
    if len(order) > 1:
        runner_up = order[1]
        second, second_std, _ = lengths[runner_up]
        # b's own error moves both alike, so that this errs towards "too close to call".
        if second - value < 2 * math.hypot(std, second_std):
            note = f"too close to call against #{others[runner_up].id} {others[runner_up].label} at {second:.3f} m"
    thing = others[index]
    return Measurement(value, std, thing.centre, b.centre, note=note, word=f"#{thing.id} {thing.label}", error=error)
