"""The box of a thing: what shows of it, what is known of the rest, and how far each of its faces may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..geometry.quantiles import linear_quantiles
from ..geometry.rigid import FloatArray, norm
from .ball import Ball, find_ball
from .box import UP, Box, box_axes
from .disc import Disc, Outline, discs_of
from .foot import Below, down_in_image, is_at_robot, looked_down_on_rad, surfaces_below
from .hidden import COVERED, missing_depth, on_top, top_is_low, top_is_narrow, unsteady_std_m, within_sight
from .hidden_half import farther_by_m
from .region_points import SIDES
from .scene import Canonical
from .seen import MeasureConfig, Seen, Setting, mean_of

# Share of a thing's lower rim that something in front covers, from which on its foot is not seen.
_FOOT_COVERED = 0.25
# Share of the lower rim right below which one surface is seen, from which on a thing may stand on it, from which on it does
# when it ends there, and from which on even when it ends higher up, or the surface is so low that it may stand on the table, too.
_MAY_STAND, _CARRIES, _STANDS = 0.3, 0.5, 0.75
# What is seen right below a thing ends so much above its visible end, and in standard deviations, where it is in front of it.
_IN_FRONT_M, _IN_FRONT_STDS = 0.006, 3.0
# From this steep on the sides of a thing show too little of themselves to tell where they end.
_FROM_ABOVE_RAD = math.radians(60.0)
# A thing that is seen from the side hides no more of itself below its lowest visible points than this share of its top's height.
_HIDES_SHARE = 0.45
# How many standard deviations it is from its lowest visible points down to where its foot may be, and back up.
_TO_TABLE, _FROM_TABLE = 1.4, 1.4
# Share of the points below what counts as the bottom of a thing when it is asked whether it stands on the ground: noise alone
# brings the lowest few of a thing on a plate that far down.
_BOTTOM_SHARE = 0.01
# What is not known of the far side of a thing that is covered from the left or the right, as a share of its size.
_DEEP_SHARE = 0.5
# Where the camera may look past what is guessed behind a thing, as shares of its height: near the foot of one with a narrow
# top, at half of its height where the camera hardly sees its top, and at its top, too, where another thing stands on that.
_BEHIND_NARROW, _BEHIND_LOW, _BEHIND_COVERED = (0.1,), (0.5,), (0.5, 0.95)
# Share of a side behind which more of a thing may lie, from which on its circle is told from a short arc; and how far the
# outline's last pixels fall short of a round far side, as a share of how far they do of a flat one.
_MAY_BE_HIDDEN, _FAR_SHARE = 0.1, 0.5
# Fewer points than this tell no circle.
_FEW_POINTS = 60
# How much less a thing's height suffers from its not being a box than its width does.
_UPRIGHT_MISFIT = 0.25
# Factors of what is done to all three axes of a box, to the two level ones only, and to the third one less.
_ALL, _LEVEL, _MISFITS = np.ones(3), np.array([1.0, 1.0, 0.0]), np.array([1.0, 1.0, _UPRIGHT_MISFIT])


class Boxed(NamedTuple):
    """The box of a thing, and the ball that it is, if it is one."""

    box: Box
    ball: Ball | None


class Visible(NamedTuple):
    """The box of the visible points of a thing, those along its axes (3, N), and between which ends nearly all lie (2, 3)."""

    box: Box
    along: FloatArray
    ends: FloatArray


def boxes_of(seen: Sequence[Seen], setting: Setting) -> list[Boxed]:
    """The box of each thing. Each step is taken for all of them at once: most of the time for one would be the calls."""
    canonical, noise, config = setting.canonical, setting.noise, setting.config
    upright, up = canonical is not None, None if canonical is None else canonical.up
    plane = setting.plane if upright and np.isfinite(setting.plane).all() else None
    axes = [box_axes(one.outline[: len(one.thinned)], canonical, _is_hidden(one)) for one in seen]
    visible = [_visible_box(own, one.outline, setting, upright) for own, one in zip(axes, seen, strict=True)]
    balls = [find_ball(one.thinned, box.high - box.low, up, plane, noise) for one, (box, _, _) in zip(seen, visible, strict=True)]
    boxes = [box if ball is None else _around(ball, box) for (box, _, _), ball in zip(visible, balls, strict=True)]
    discs = [None] * len(seen) if not upright else _discs(setting, seen, balls, visible)
    for index, disc in enumerate(discs):
        if disc is not None:
            boxes[index] = _round(boxes[index], disc)
    if plane is not None and canonical is not None:
        for index, (one, ball, (_, along, _)) in enumerate(zip(seen, balls, visible, strict=True)):
            if ball is None and discs[index] is None:
                boxes[index] = _completed(setting, one, along, boxes[index], canonical, plane)
        shown = [n for n, one in enumerate(seen) if balls[n] is None or one.covered[3] < _FOOT_COVERED]
        standing = _standing([seen[n] for n in shown], [boxes[n] for n in shown], [balls[n] for n in shown], setting, canonical)
        for index, box in zip(shown, standing, strict=True):
            boxes[index] = box
    for index, (one, ball, (_, along, _)) in enumerate(zip(seen, balls, visible, strict=True)):
        if ball is None and discs[index] is None:
            boxes[index] = _with_misfit(boxes[index], along[:, : len(one.thinned)], one.thinned_std_m, config, upright)
    return [
        Boxed(_with_hidden_faces(box, one.mean, one.covered, ball, disc, config, plane), ball)
        for one, box, ball, disc in zip(seen, boxes, balls, discs, strict=True)
    ]


def _discs(setting: Setting, seen: Sequence[Seen], balls: Sequence[Ball | None], visible: Sequence[Visible]) -> list[Disc | None]:
    """The circle from above of each thing that is no ball, where there is one."""
    found: list[Disc | None] = [None] * len(seen)
    asked = [n for n, ball in enumerate(balls) if ball is None and visible[n].along.shape[1] >= _FEW_POINTS]
    outlines = [_outline(setting, seen[index], visible[index]) for index in asked]
    for index, disc in zip(asked, discs_of(setting.frame, outlines), strict=True):
        found[index] = disc
    return found


def _outline(setting: Setting, seen: Seen, visible: Visible) -> Outline:
    """What shows of a thing from above, and how its ends are read."""
    noise, config, along, ends = setting.noise, setting.config, visible.along, visible.ends
    inside = np.logical_and.reduce((along[:UP] >= ends[0, :UP, None]) & (along[:UP] <= ends[1, :UP, None]))
    axes, distance_m = visible.box.axes, float(seen.mean[2])
    std_m, footprint_m = float(noise.pixel_std_m(distance_m)), distance_m / setting.frame.camera.fx
    return Outline(
        axes, along.compress(inside, axis=1), _is_hidden(seen), (axes.T @ (seen.mean / norm(seen.mean)))[:UP],
        std_m, _FAR_SHARE * config.far_px * footprint_m, config.outermost_stds * std_m, std_m * noise.averaged,
        noise.lateral_px * 2 * noise.averaged * footprint_m,
    )  # fmt: skip


def _is_hidden(seen: Seen) -> bool:
    return bool(float(seen.covered.max()) > _MAY_BE_HIDDEN or seen.region.truncated)


def _round(box: Box, disc: Disc) -> Box:
    """The box of the visible points with the circle's level edges."""
    low, high, faces = box.low.copy(), box.high.copy(), box.faces_std.copy()
    low[:UP], high[:UP] = disc.centre - disc.radius_m, disc.centre + disc.radius_m
    faces[:UP] = np.hypot(faces[:UP], disc.faces_std_m)
    return replace(box, low=low, high=high, faces_std=faces)


def _around(ball: Ball, box: Box) -> Box:
    centre = box.axes.T @ ball.centre
    return replace(box, low=centre - ball.radius_m, high=centre + ball.radius_m)


def _standing(
    seen: Sequence[Seen], boxes: Sequence[Box], balls: Sequence[Ball | None], setting: Setting, canonical: Canonical
) -> list[Box]:
    """Each box down to what the thing stands on."""
    plane, centres = setting.plane, [box.centre for box in boxes]
    downs, distances_m = [down_in_image(centre, canonical) for centre in centres], [float(centre[2]) for centre in centres]
    below = surfaces_below(setting.frame, [one.region for one in seen], downs, plane, setting.noise, distances_m)
    heights_m = [None if ball is not None else one.outline @ plane[:3] + plane[3] for one, ball in zip(seen, balls, strict=True)]
    held = [is_at_robot(one.region, setting.robot) for one in seen]
    return [
        _with_foot(box, own_m, under, one.covered, is_held, canonical, plane, setting.config)
        for box, own_m, under, one, is_held in zip(boxes, heights_m, below, seen, held, strict=True)
    ]


def _visible_box(axes: FloatArray, outline: FloatArray, setting: Setting, upright: bool) -> Visible:
    """The box of the visible points (N, 3) with the noise of its faces."""
    noise, config, focal_px = setting.noise, setting.config, setting.frame.camera.fx
    along = np.ascontiguousarray((outline @ axes).T)
    ends = linear_quantiles(along, (config.trim_share, 1 - config.trim_share))
    low, high = ends
    mean = mean_of(outline)
    distance_m = float(mean[2])
    # Positive for an axis that points away from the camera.
    turned, pixel_std_m = axes.T @ (mean / norm(mean)), float(noise.pixel_std_m(mean[2]))
    # What makes neighbouring pixels err alike widens and narrows masks, too.
    across = noise.lateral_px * 2 * noise.averaged * distance_m / focal_px
    edge = np.hypot(np.abs(turned) * pixel_std_m * noise.averaged, np.sqrt(np.maximum(1 - turned**2, 0)) * across)
    faces = np.column_stack([edge, edge])
    # The outermost points of a face that is turned to the camera are its noisiest ones.
    outermost = config.outermost_stds * pixel_std_m
    away, towards = np.maximum(turned, 0), np.maximum(-turned, 0)
    low, high = low + outermost * away, high - outermost * towards
    # A rim is seen at a slant, and its last pixels are half something else: it ends short of a face that nobody sees.
    footprint_m = distance_m / focal_px
    beyond = config.far_px * footprint_m * (_LEVEL if upright else _ALL)
    low, high = low - beyond * towards, high + beyond * away
    if upright:
        high[UP] -= config.top_px * footprint_m
        # For what stands somewhere its foot is told by that.
        faces[UP, 0] = math.hypot(float(faces[UP, 0]), config.foot_px * footprint_m)
    return Visible(Box(axes, low, high, faces), along, ends)


def _completed(setting: Setting, seen: Seen, along: FloatArray, box: Box, canonical: Canonical, plane: FloatArray) -> Box:
    """The box grown to the depth that nobody sees, where the visible points do not tell how deep the thing is."""
    top_m = float(plane[:3] @ box.centre) + float(plane[3]) + float(box.extents[2]) / 2
    is_low = top_is_low(plane, box.centre, top_m)
    is_narrow = top_is_narrow(along, box.low, box.high)
    if not (is_low or is_narrow or on_top(setting.frame, seen.region, plane, top_m) > COVERED):
        return box
    grown = missing_depth(box.extents, box.axes, canonical.scene_from_canonical.rotation[:, 0])
    if grown is None:
        return box
    levels = _BEHIND_NARROW if is_narrow else _BEHIND_LOW if is_low else _BEHIND_COVERED
    axis, end, missing, std = within_sight(setting.frame, box, grown, levels, farther_by_m(seen.pixel_std_m))
    low, high, faces = box.low.copy(), box.high.copy(), box.faces_std.copy()
    (high if end else low)[axis] += missing if end else -missing
    faces[axis, end] = math.hypot(faces[axis, end], std)
    return Box(box.axes, low, high, faces)


def _with_misfit(box: Box, along: FloatArray, pixel_std_m: float, config: MeasureConfig, upright: bool) -> Box:
    """The box with faces the less certain the less the points lie on them: round things, handles, hollow things.

    The foot and the top of an upright box are seen whatever its shape is. The sides of round things are seen at a slant where
    they turn away, which costs pixels: their box is a little larger than its points.

    Args:
        along: (3, N) the points along its axes.
        pixel_std_m: standard deviation of one pixel's depth there.
    """
    off = np.minimum(np.abs(along - box.low[:, None]), np.abs(box.high[:, None] - along)).min(axis=0)
    misfit = math.sqrt(max(float(np.add.reduce(off * off)) / len(off) - pixel_std_m**2 / 4, 0.0))
    weights = _MISFITS if upright else _ALL
    wider = config.round_share * misfit * (_LEVEL if upright else _ALL)
    faces = np.hypot(box.faces_std, config.misfit_share * misfit * weights[:, None])
    return replace(box, low=box.low - wider, high=box.high + wider, faces_std=faces)


def _with_foot(
    box: Box,
    heights_m: FloatArray | None,
    below: Below,
    covered: FloatArray,
    held: bool,
    canonical: Canonical,
    plane: FloatArray,
    config: MeasureConfig,
) -> Box:
    """The box down to what the thing stands on: the surface that is seen right below it if there is one, else the ground.

    Where its foot does not show, down to where it stands for all that is known, else with a foot that may be there. What hides a
    foot may hide what the thing stands on, and a hand may hold it.

    Args:
        heights_m: (N,) of its visible points above the plane; None for a ball, whose lowest points are never seen.
        below: what is seen right below it.
        covered: (4,) share of each of ``SIDES`` behind which more of it may lie.
        held: whether a hand may hold it.
    """
    centre = box.centre
    thin = 0 < below.height_m < 2 * config.ground_snap_m
    stands_on = below.share >= (_STANDS if thin else _CARRIES)
    seen = stands_on if thin else below.share >= _MAY_STAND
    # Something in front that hides the foot is seen right below it, too, but the thing goes on behind it.
    in_front = seen and below.drop_m < -max(_IN_FRONT_M, _IN_FRONT_STDS * below.std_m)
    onto, onto_std = (below.height_m, below.std_m) if seen and not in_front else (0.0, 0.0)
    box = replace(box, sheet_m=below.sheet_m if seen and not in_front else 0.0)
    gap = _foot_m(box, plane) - onto
    if heights_m is not None:
        lowest, bottom = (float(x) - onto for x in linear_quantiles(heights_m, (config.trim_share, _BOTTOM_SHARE)))
        if abs(bottom) < config.ground_snap_m and (stands_on or onto == 0):
            # A hand may hold it as high as it seems to end.
            lifted = np.nanmax([bottom, below.drop_m, 0.0]) if held else 0.0
            faces_std = norm(np.array([config.ground_std_m, onto_std, lifted / _FROM_TABLE]))
            return box.moved_down(lowest, faces_std)
    if gap < config.ground_snap_m:
        # Few of its points are as low as that. A hand may hold it there, but nothing else.
        if gap < config.ground_std_m:
            return box
        return _in_the_air(box, gap) if held else box.moved_down(gap, gap / _FROM_TABLE)
    if covered[3] >= _FOOT_COVERED:
        return box.moved_down(gap, gap / _FROM_TABLE)
    from_above = looked_down_on_rad(centre, canonical.up) > _FROM_ABOVE_RAD
    # Where nothing that may carry it is seen below (a table's edge), its top alone does not tell how tall it is.
    untold = from_above and math.isnan(below.height_m)
    if (below.share < _MAY_STAND and not untold) or in_front or (held and not from_above):
        return _in_the_air(box)
    if held:
        # From above only its top tells of it, and that it is taller than wide is as far as one has to think.
        return _in_the_air(box, min(gap, float(box.extents.max())))
    if from_above and below.share >= _STANDS:
        return box.moved_down(gap, gap / _FROM_TABLE)
    if not from_above and gap > _HIDES_SHARE * (gap + float(box.extents[2])):
        return _in_the_air(box)
    faces = box.faces_std.copy()
    faces[UP, 0] = math.hypot(faces[UP, 0], gap / _TO_TABLE)
    return replace(box, faces_std=faces)


def _in_the_air(box: Box, down_m: float = 0.0) -> Box:
    """The box of a thing that hangs, or that may stand so much lower all the same."""
    faces = box.faces_std.copy()
    faces[UP, 0] = math.hypot(faces[UP, 0], down_m / _FROM_TABLE)
    return replace(box, faces_std=faces, sheet_m=math.inf)


def _foot_m(box: Box, plane: FloatArray) -> float:
    """How high the middle of an upright box's lower face is above a plane (4,), metres."""
    return float(plane[:3] @ (box.axes @ np.append((box.low + box.high)[:2] / 2, box.low[UP]))) + float(plane[3])


def _with_hidden_faces(
    box: Box,
    mean: FloatArray,
    covered: FloatArray,
    ball: Ball | None,
    disc: Disc | None,
    config: MeasureConfig,
    plane: FloatArray | None,
) -> Box:
    """The box with what is not known of faces turned away from the camera and of faces on covered sides of the image.

    Args:
        mean: (3,) of the visible points, optical frame.
        covered: (4,) share of each of ``SIDES`` behind which more of it may lie.
        plane: (4,) n, d of what all stands on, below which nothing reaches; None where that or up is not known.
    """
    above_m = math.inf if plane is None else max(_foot_m(box, plane), 0.0)
    ray = mean / norm(mean)
    faces, most = box.faces_std.copy(), float(covered[:2].max())
    unsteady = unsteady_std_m(box.extents)
    extents = [float(extent) for extent in box.extents]
    for axis, extent in enumerate(extents):
        # A sliver of a thing tells less of how wide it is than the rest of it does. How tall it is shows all the same.
        size = extent if axis == UP else max(extent, sum(extents) / 3)
        deep = 0.0 if axis == UP or disc is not None else math.hypot(_DEEP_SHARE * most * size, unsteady)
        for end, sign in ((0, -1.0), (1, 1.0)):
            normal = sign * box.axes[:, axis]
            turned = max(float(normal @ ray), 0.0)
            unseen = (config.hidden_share * extent + deep if ball is None else ball.far_std_m) * turned
            # Where the face lies on the image, seen from the thing's middle.
            on_image = normal[:2] - ray[:2] / ray[2] * normal[2]
            behind = np.maximum(SIDES @ on_image, 0.0) ** 2
            known = disc is not None and axis != UP
            more = 0.0 if known else config.covered_share * size * float(np.sqrt(np.minimum(behind, 1.0) @ covered**2))
            if axis == UP and end == 0:
                unseen, more = min(unseen, above_m), min(more, above_m)
            faces[axis, end] = norm(np.array([faces[axis, end], unseen, more]))
    return replace(box, faces_std=faces)
