"""Things of a picture that shows nothing for them to stand on: their names, and how unsure it is where they end.

Seen are faces of them. Where they go on is not known where depth beside them has a hole, and below them nobody tells a thing from
its reflection in a bare metal floor. So what is told rests on where they are, with that doubt in its deviation, and nothing on
their height, their foot or how deep they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..geometry.rigid import FloatArray
from ..perception.appearance import NAMED_COLOR, describe_scene
from ..perception.tabletop import TabletopConfig
from ..perception.unsupported import SOURCE, STEPS, Ends, colors_elsewhere, ends_of, find_unsupported
from ..scene.frame import Region, RGBDFrame
from ..scene.noise import DepthNoise
from ..scene.scene import SceneObject
from .record import NamedRegion
from .unseen import Unseen

# Of a thing that has another one's colour to so much, that colour is told as well.
_SHARED_COLOR = 0.15
# A thing of which no colour is so much is called this.
MULTICOLORED = "multicolored"
# Of a mirrored thing half of what is seen is true, so that its middle is a quarter of it off: two standard deviations.
_MIRRORED = 1 / 8
# A face alone may be of what is as deep as it is wide or high, whichever is less, so that its middle is half of that behind it.
_BEHIND_FACE = 1 / 4
# The hole beside a rim may be all of the thing, which moves its middle by half of it: two standard deviations.
_IN_HOLE = 1 / 4
# A side's rim does not show where the thing ends when so much of it is hidden, or the hole is so wide, as a share of the image.
_HIDDEN, _WIDE_HOLE = 0.25, 0.02


def unsupported_regions(frame: RGBDFrame, config: TabletopConfig) -> tuple[list[NamedRegion], list[str]]:
    """Things that stand out, under their colours; and captions of what else is in sight that has one of those."""
    things = find_unsupported(frame, config)
    shares = [look.colors for look in describe_scene(frame, things, None)]
    rivals = colors_elsewhere(frame, things, [_strongest(one) for one in shares])
    captions = [f"{' and '.join(words)} object" for words in _color_words(shares, rivals)]
    named = [NamedRegion(thing.mask, caption, thing.score, SOURCE) for thing, caption in zip(things, captions, strict=True)]
    return named, [f"{color} object" for color in rivals]


def _strongest(shares: Mapping[str, float]) -> str:
    name, share = max(shares.items(), key=lambda item: item[1])
    return name if share >= NAMED_COLOR else ""


def _color_words(shares: Sequence[Mapping[str, float]], rivals: Sequence[str]) -> list[list[str]]:
    """The words of each thing: its own colours, and what it has of the colour that another thing goes by.

    A colour of ``rivals`` is nobody's name.
    """
    strongest = [_strongest(one) for one in shares]
    names = set(strongest).difference(rivals)
    found = []
    for own, main in zip(shares, strongest, strict=True):
        if not main:
            found.append([MULTICOLORED])
            continue
        ranked = sorted(own, key=lambda name: -own[name])
        words = [name for name in ranked[:2] if own[name] >= NAMED_COLOR]
        shared = [name for name in ranked if name in names and own[name] >= _SHARED_COLOR and name not in words]
        found.append(words + shared)
    return found


def with_open_ends(frame: RGBDFrame, region: Region, thing: SceneObject, noise: DepthNoise, *, is_upright: bool) -> SceneObject:
    """The thing with the doubt about where it ends in the covariance of its middle.

    Args:
        is_upright: it was measured as an upright box, which counts what is hidden behind its front.
    """
    points = thing.points.astype(np.float64)
    if len(points) < 3:
        return thing
    ends = ends_of(frame, region, noise)
    covariance = thing.covariance.copy()
    if not is_upright:
        least, side_m, _ = np.sort(thing.extents)
        ray = thing.centre / np.linalg.norm(thing.centre)
        covariance += (_BEHIND_FACE * (side_m - least)) ** 2 * np.outer(ray, ray)
    lengths_m = (0.0, 0.0, 0.0, _length_down(points))
    for hole_m, (down, right), length_m in zip(ends.hole_m, STEPS, lengths_m, strict=True):
        along = _along_surface(points, right, down)
        std = np.hypot(_IN_HOLE * hole_m, _MIRRORED * length_m)
        covariance += std**2 * np.outer(along, along)
    return replace(thing, covariance=covariance)


def _length_down(points: FloatArray) -> float:
    low, high = np.quantile(points @ _along_surface(points, 0, 1), (0.02, 0.98))
    return float(high - low)


def _along_surface(points: FloatArray, right: int, down: int) -> FloatArray:
    """(3,) unit vector that goes one way in the image and stays on the plane through points (N, 3)."""
    own = points - points.mean(axis=0)
    slope = np.linalg.lstsq(own[:, :2], own[:, 2], rcond=None)[0]
    along = np.array([right, down, slope @ (right, down)])
    return np.asarray(along / np.linalg.norm(along))


def unseen_ends(frame: RGBDFrame, regions: Sequence[Region], noise: DepthNoise) -> Unseen:
    """What is out of sight of things without a support: foot, middle and depth of all, sides by what their rims show."""
    everything = frozenset(range(len(regions)))
    sides = frozenset(at for at, region in enumerate(regions) if _side_is_open(frame, ends_of(frame, region, noise)))
    return Unseen(foot=everything, side=sides, depth=everything, middle=everything)


def _side_is_open(frame: RGBDFrame, ends: Ends) -> bool:
    beside = slice(0, 2)
    widest_m = _WIDE_HOLE * frame.camera.width / frame.camera.fx
    return bool(np.any(ends.nearer[beside] > _HIDDEN) or np.any(ends.hole_m[beside] > widest_m * ends.depth_m))
