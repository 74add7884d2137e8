"""What a region looks like in words: colour, size, shape. The nouns and adjectives that names are matched against.

Scores, not decisions: half a block behind a gripper is still somewhat of a block, and the matcher (names.py) weighs
them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..geometry.plane import BoolArray, Plane
from ..geometry.rigid import FloatArray
from ..scene.frame import Region, RGBDFrame
from .colors import FloatArray as Float32Array
from .colors import color_shares_of_each, white_point
from .edges import trusted_pixels
from .grid import Window
from .shapes import ShapeMeasure, measure_shape, shape_scores
from .tabletop import SupportPlane

SIZES = ("small", "large", "tall", "short", "flat", "wide", "thin")
# Pixels that are looked at per region: enough for shares to a few %, and quick.
_COLOR_PIXELS, _SHAPE_PIXELS = 1500, 600
# From these scores on a word is worth saying.
NAMED_COLOR, NAMED_SHAPE, NAMED_SIZE = 0.35, 0.45, 0.6


@dataclass(frozen=True)
class Appearance:
    """One region in words and metres.

    Attributes:
        colors: share of its pixels for each colour word, they add up to 1 (all 0 for an empty region).
        shapes: score in [0, 1] for block, can, ball, plate, cup, bowl; all 0 when depth does not tell.
        sizes: score in [0, 1] for small, large, tall, short, flat, wide, thin, relative to the other things.
        height_m: of its top above its base.
        base_m: of its lowest visible point above the plane (a held thing is high).
        length_m, width_m: footprint of what is visible, length >= width.
        roundness: of the footprint: 1 a disc, 0 a rectangle or thinner.
        centre: (3,) middle of the visible points in the optical frame. All metres NaN without depth.
        form: what the shapes are judged by; None when depth does not tell.
    """

    colors: Mapping[str, float]
    shapes: Mapping[str, float]
    height_m: float = math.nan
    base_m: float = math.nan
    length_m: float = math.nan
    width_m: float = math.nan
    roundness: float = math.nan
    centre: FloatArray = field(default_factory=lambda: np.full(3, np.nan))
    sizes: Mapping[str, float] = field(default_factory=dict)
    form: ShapeMeasure | None = None

    @property
    def volume_m3(self) -> float:
        """Of the box around what is visible."""
        return self.height_m * self.length_m * self.width_m

    def color_words(self) -> list[str]:
        """The colours worth naming, strongest first: one, or two of a thing that has two."""
        ranked = sorted(self.colors.items(), key=lambda item: -item[1])
        if not ranked or ranked[0][1] < 0.2:
            return []
        strong = [name for name, share in ranked[:2] if share >= NAMED_COLOR]
        return strong or [ranked[0][0]]

    def shape_word(self) -> str:
        """Its noun, "object" when no shape fits."""
        name, score = max(self.shapes.items(), key=lambda item: item[1], default=("object", 0.0))
        if score < NAMED_SHAPE:
            return "object"
        return "box" if name == "block" and self.length_m > 0.1 else name

    def label(self) -> str:
        """Words for it, e.g. "tall green can". ``match`` finds it by them."""
        shape = self.shape_word()
        size = "tall" if self.sizes.get("tall", 0.0) >= NAMED_SIZE and shape not in ("plate", "ball") else ""
        return " ".join(word for word in (size, " and ".join(self.color_words()), shape) if word)


def describe(
    frame: RGBDFrame, region: Region, plane: SupportPlane | Plane | None, white: Float32Array | None = None
) -> Appearance:
    """One region on its own (no size words; see ``describe_scene``). ``plane`` None: colours only."""
    return describe_each(frame, [region], plane, white)[0]


def describe_each(
    frame: RGBDFrame, regions: Sequence[Region], plane: SupportPlane | Plane | None, white: Float32Array | None = None
) -> list[Appearance]:
    """Regions without size words. All at once is faster than one by one."""
    if not regions:
        return []
    looks = [trusted_pixels(frame, region) for region in regions]
    # Colour is misaligned and mixed along the rim, too.
    pixels = [frame.color[_some_pixels(inner, window, _COLOR_PIXELS)] for window, inner, _ in looks]
    colors = color_shares_of_each(pixels, white_point(frame.color) if white is None else white)
    flat = plane.plane if isinstance(plane, SupportPlane) else plane
    if flat is None:
        return [Appearance(shares, {}) for shares in colors]
    axes = np.vstack([flat.basis(), flat.normal])
    return [
        _shaped(frame, axes, flat.offset_m, shares, window, trusted)
        for shares, (window, _, trusted) in zip(colors, looks, strict=True)
    ]


def _shaped(
    frame: RGBDFrame, axes: FloatArray, height_m: float, colors: Mapping[str, float], window: Window, trusted: BoolArray
) -> Appearance:
    """The appearance of a region with known colours and trusted pixels (h, w) in its window; see ``measure_shape``."""
    seen = _some_pixels(trusted, window, _SHAPE_PIXELS)
    depth, rays = frame.depth_m[seen], frame.camera.rays[seen]
    points = np.stack([rays[:, 0] * depth, rays[:, 1] * depth, depth])
    shape = measure_shape(points, axes, height_m)
    if shape is None:
        return Appearance(colors, {})
    return Appearance(
        colors,
        shape_scores(shape),
        height_m=shape.height_m,
        base_m=shape.base_m,
        length_m=shape.length_m,
        width_m=shape.width_m,
        roundness=shape.roundness,
        centre=np.asarray((points.min(axis=1) + points.max(axis=1)) / 2, dtype=np.float64),
        form=shape,
    )


def _some_pixels(mask: BoolArray, window: Window, most: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns (N,) in the image of about ``most`` evenly chosen pixels of a mask (h, w) of one of its windows."""
    pixels = np.flatnonzero(mask)
    pixels = pixels[:: max(1, len(pixels) // most)]
    rows, columns = np.divmod(pixels, mask.shape[1])
    return rows + window[0].start, columns + window[1].start


def describe_scene(frame: RGBDFrame, regions: Sequence[Region], plane: SupportPlane | Plane | None) -> list[Appearance]:
    """All regions of an image, with size words relative to each other."""
    return with_sizes(describe_each(frame, regions, plane))


def with_sizes(appearances: Sequence[Appearance]) -> list[Appearance]:
    """The same things with size words: by their own proportions, and beside the median of the others."""
    result = []
    for i, a in enumerate(appearances):
        if not math.isfinite(a.volume_m3):
            result.append(a)
            continue
        others = [b for j, b in enumerate(appearances) if j != i and math.isfinite(b.volume_m3)]
        # Twice the volume of the others is clearly large, 1.5 times their height clearly tall.
        large = _beyond(a.volume_m3, statistics.median(b.volume_m3 for b in others), 2.0) if others else 0.0
        high = _beyond(a.height_m, statistics.median(b.height_m for b in others), 1.5) if others else 0.0
        slender = math.log(max(a.height_m, 1e-3) / max(math.sqrt(a.length_m * a.width_m), 1e-3)) / math.log(1.5)
        long = math.log(max(a.length_m, 1e-3) / max(a.width_m, 1e-3)) / math.log(2.5)
        sizes = {
            "small": -large,
            "large": large,
            "tall": min(slender, max(high, 0.5) if others else 1.0),
            "short": max(-high, -slender - 0.5),
            "flat": -slender / 2,
            "wide": max(-slender / 2, large / 2),
            "thin": max(long, slender - 0.5),
        }
        result.append(replace(a, sizes={name: min(max(score, 0.0), 1.0) for name, score in sizes.items()}))
    return result


def _beyond(value: float, reference: float, ratio: float) -> float:
    """1 where value is ``ratio`` times the reference, -1 where it is one ``ratio``-th of it, 0 where equal."""
    return min(max(math.log(max(value, 1e-9) / max(reference, 1e-9)) / math.log(ratio), -1.0), 1.0)


__all__ = ["Appearance", "ShapeMeasure", "describe", "describe_each", "describe_scene", "with_sizes"]
