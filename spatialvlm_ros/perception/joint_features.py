"""What tells whether two neighbouring pieces of surface are one thing: their border, their faces, colours, sizes and outlines.

After Richtsfeld et al. (2012), "Segmentation of unknown objects in indoor environments", who judge pairs of patches by the like,
and Nunez-Iglesias et al. (2013), "Machine learning of hierarchical clustering to segment 2D and 3D images", who judge again what
has been joined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import piece_sums as of_sums
from .piece_sums import PieceSums
from .pieces import Look

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

# What is further tells no more than that: metres off a face, in deviations of one pixel's depth, and in units of Lab.
_MOST_OFF_M, _MOST_OFF_SIGMAS, _MOST_LAB = 0.1, 30.0, 200.0
# Gray in 8-bit Lab's a and b.
_GRAY = 128.0


# Rows of Faces.table.
_ROWS: dict[str, int | slice] = {
    "count": 0, "plane": slice(1, 4), "normal": slice(4, 7), "up": 7, "lab": slice(8, 11), "lab_std": 11, "chroma": 12,
    "tint_variance": 13, "flat_m": slice(14, 16), "height_m": 16, "low_m": 17, "high_m": 18, "depth_m": 19, "pixel_m": 20,
    "size": 21, "off_m": 22, "hull_px": 23, "filled": 24, "rim_px": 25,
}  # fmt: skip
_ROW_COUNT = 26


@dataclass(frozen=True)
class Faces:
    """Some pieces (n,), as far as their sums tell: each attribute is a row, or some, of the ``table`` (R, n).

    Attributes:
        count: (n,) pixels.
        plane: (3, n) inverse depth, 1/m, as plane[0] * u + plane[1] * v + plane[2]: what is flat shows so.
        normal, up: (3, n) of that plane, towards the camera, and (n,) how much of it is along the support plane's.
        lab, lab_std: (3, n) and (n,) colour and its spread.
        chroma, tint_variance: (n,) how far the colour is from gray, and the variance of its a and b.
        flat_m: (2, n) middle in the support plane.
        height_m, low_m, high_m: (n,) middle height above the plane; least and greatest one but for a few pixels.
        depth_m, pixel_m: (n,) middle depth, and how long a pixel is there.
        size: (n,) logarithm of the root of the area that so many pixels have, metres.
        off_m: (n,) how far the pixels lie off the plane, rms.
        hull_px, filled: (n,) area of the outline's hull in the image, and the share of it that the pixels are.
        rim_px: (n,) length of the outline, sides of pixels.
    """

    table: FloatArray
    count: FloatArray
    plane: FloatArray
    normal: FloatArray
    up: FloatArray
    lab: FloatArray
    lab_std: FloatArray
    chroma: FloatArray
    tint_variance: FloatArray
    flat_m: FloatArray
    height_m: FloatArray
    low_m: FloatArray
    high_m: FloatArray
    depth_m: FloatArray
    pixel_m: FloatArray
    size: FloatArray
    off_m: FloatArray
    hull_px: FloatArray
    filled: FloatArray
    rim_px: FloatArray

    def at(self, index: IntArray) -> Faces:
        """Those of numbers ``index`` (m,)."""
        return _faces(self.table.take(index, axis=1))


def _faces(table: FloatArray) -> Faces:
    return Faces(table, **{name: table[rows] for name, rows in _ROWS.items()})


def _faces_of(look: Look, pieces: PieceSums, mean: FloatArray, plane: FloatArray, off_m: FloatArray) -> Faces:
    """The pieces 0..n, of which row 0 is nobody, from means (C, n + 1) and ``_planes`` of these."""
    count, focal = np.maximum(pieces.sums[:, of_sums.COUNT], 1), look.grid.focal_px
    # Of the plane n . p + d = 0 the inverse depth is -(n . ray) / d: its slope over the image and its value give n.
    normal = plane * -focal
    normal[2] = -mean[of_sums.INVERSE] - (normal[:2] * mean[of_sums.RAY]).sum(axis=0)
    normal /= _length(normal) + 1e-9
    lab = mean[of_sums.LAB]
    variance = np.maximum(mean[of_sums.LAB_SQUARED] - np.square(lab), 0)
    tint_variance = variance[1] + variance[2]
    pixel_m = mean[of_sums.DEPTH] / focal
    values = {
        "count": count, "plane": plane, "normal": normal, "up": look.surface.plane.normal @ normal, "lab": lab,
        "lab_std": np.sqrt(variance[0] + tint_variance), "chroma": _length(lab[1:] - _GRAY), "tint_variance": tint_variance,
        "flat_m": mean[of_sums.FLAT], "height_m": mean[of_sums.HEIGHT], "low_m": pieces.low, "high_m": pieces.high,
        "depth_m": mean[of_sums.DEPTH], "pixel_m": pixel_m, "size": np.log(np.sqrt(count) * np.maximum(pixel_m, 1e-6)),
        "off_m": off_m, "hull_px": pieces.hull_px, "filled": np.minimum(count / pieces.hull_px, 1),
        "rim_px": np.maximum(pieces.sums[:, of_sums.RIM], 1),
    }  # fmt: skip
    return _faces(np.concatenate([values[name].ravel() for name in _ROWS]).reshape(_ROW_COUNT, -1))


def _length(vectors: FloatArray) -> FloatArray:
    """(n,) of vectors (k, n)."""
    return np.asarray(np.sqrt(np.square(vectors).sum(axis=0)))


def _planes(mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least squares of inverse depth over the pixels, (3, n), and how far they lie off that plane, (n,) metres, rms.

    ``mean`` (C, n) are mean sums. A pixel's own width keeps lines and dots finite.
    """
    u, v, w = mean[of_sums.U], mean[of_sums.V], mean[of_sums.INVERSE]
    uu, vv = mean[of_sums.UU] - u * u + 1 / 12, mean[of_sums.VV] - v * v + 1 / 12
    uv, ww = mean[of_sums.UV] - u * v, mean[of_sums.INVERSE_SQUARED] - w * w
    uw, vw = mean[of_sums.U_INVERSE] - u * w, mean[of_sums.V_INVERSE] - v * w
    determinant = np.maximum(uu * vv - uv * uv, 1e-9)
    along_u, along_v = (vv * uw - uv * vw) / determinant, (uu * vw - uv * uw) / determinant
    off = np.sqrt(np.maximum(ww - along_u * uw - along_v * vw, 0)) / np.square(np.maximum(w, 1e-3))
    return np.array([along_u, along_v, w - along_u * u - along_v * v]), off


@dataclass(frozen=True)
class Joints:
    """Pairs of neighbours, seen as the upper and the lower of the two by their middle height.

    Attributes:
        pieces, faces: all pieces 0..n.
        of_upper, of_lower: (m,) which of them are the two.
        upper, lower: (m,) their faces.
        swapped: (m,) bool, whether the upper one is the second of ``pieces.pairs``.
        off_together_m: (m,) how far the pixels of both lie off one plane, rms.
        border: (B, m) means over the borders.
        pixel_m, sigma_m: (m,) how long a pixel is there, and standard deviation of one pixel's depth, metres.
    """

    pieces: PieceSums
    faces: Faces
    of_upper: IntArray
    of_lower: IntArray
    upper: Faces
    lower: Faces
    swapped: npt.NDArray[np.bool_]
    off_together_m: FloatArray
    border: FloatArray
    pixel_m: FloatArray
    sigma_m: FloatArray

    @staticmethod
    def of(look: Look, pieces: PieceSums) -> Joints:
        first, second = pieces.pairs.T
        sums, noise, count = pieces.sums, look.config.noise, len(pieces.sums)
        sums = np.concatenate([sums, sums[first] + sums[second]]).T
        mean = np.divide(sums, np.maximum(sums[of_sums.COUNT], 1), order="C")
        plane, off_m = _planes(mean)
        faces = _faces_of(look, pieces, mean[:, :count], plane[:, :count], off_m[:count])
        swapped = faces.height_m[first] < faces.height_m[second]
        of_upper, of_lower = np.where(swapped, second, first), np.where(swapped, first, second)
        upper, lower = faces.at(of_upper), faces.at(of_lower)
        border = np.divide(pieces.border.T, pieces.border[:, of_sums.B_COUNT], order="C")
        pixel_m = np.sqrt(upper.pixel_m * lower.pixel_m)
        sigma_m = noise.floor_m + noise.quadratic_per_m * np.square(upper.depth_m)
        return Joints(
            pieces, faces, of_upper, of_lower, upper, lower, swapped, off_m[count:], border, pixel_m, sigma_m
        )  # fmt: skip


def _border(j: Joints) -> dict[str, FloatArray]:
    """How depth and colour go over the border, and how long that is."""
    count, touch = j.pieces.border[:, of_sums.B_COUNT], j.pieces.border[:, of_sums.B_TOUCH]
    least = np.minimum(j.upper.count, j.lower.count)
    return {
        "border_by_size": count / (2 * of_sums.REACH_PX) / np.sqrt(least),
        "border_of_upper": touch / j.upper.rim_px,
        "border_of_lower": touch / j.lower.rim_px,
        "valley": j.border[of_sums.B_VALLEY],
        "deepest_valley": j.border[of_sums.B_DEEPEST],
        "wide_valley": j.border[of_sums.B_WIDE],
        "step_sigmas": j.border[of_sums.B_SIGMAS],
        "step_m": j.border[of_sums.B_STEP],
        "edge": j.border[of_sums.B_EDGE],
        "lab_over_border": _length(j.border[of_sums.B_LAB]),
    }


def _seams(j: Joints) -> dict[str, FloatArray]:
    """Where the border is in the world: a thing ends at its top, level, what is printed on it anywhere."""
    height = j.border[of_sums.B_HEIGHT]
    return {
        "border_height_m": height,
        "border_rises_m": np.sqrt(np.maximum(j.border[of_sums.B_HEIGHT_SQUARED] - np.square(height), 0)),
        "border_under_top_m": j.lower.high_m - height,
        "border_over_base_m": height - j.upper.low_m,
    }


def _hues(j: Joints) -> dict[str, FloatArray]:
    """Whether the tints are of one hue, which shade leaves as it is, and how plain the two are."""
    (a, b), (c, d) = j.upper.lab[1:] - _GRAY, j.lower.lab[1:] - _GRAY
    one, other = j.upper.tint_variance, j.lower.tint_variance
    pooled = (j.upper.count * one + j.lower.count * other) / (j.upper.count + j.lower.count)
    tints = np.sqrt(np.square(a - c) + np.square(b - d))
    return {
        "hues_apart_rad": np.arctan2(np.abs(a * d - b * c), a * c + b * d),
        "less_chroma": np.minimum(j.upper.chroma, j.lower.chroma),
        "across_tints": np.abs(a * d - b * c) / np.maximum(np.maximum(j.upper.chroma, j.lower.chroma), 1.0),
        "upper_tint_spread": np.sqrt(one),
        "lower_tint_spread": np.sqrt(other),
        "printed": np.minimum(np.sqrt(pooled) / np.maximum(tints, 1e-6), 5.0),
    }


def _planarity(j: Joints) -> dict[str, FloatArray]:
    """How far each one's border lies behind the other's face, metres; which way the faces look."""
    first, second = j.border[of_sums.B_FIRST], j.border[of_sums.B_SECOND]

    def behind(face: Faces, side: FloatArray) -> FloatArray:
        expected = face.plane[0] * side[0] + face.plane[1] * side[1] + face.plane[2]
        return np.asarray(np.minimum(np.maximum((expected - side[2]) / np.square(side[2]), -_MOST_OFF_M), _MOST_OFF_M))

    behind_upper = behind(j.upper, np.where(j.swapped, first, second))
    behind_lower = behind(j.lower, np.where(j.swapped, second, first))
    off, other_off = np.abs(behind_upper), np.abs(behind_lower)
    less, more = np.minimum(off, other_off), np.maximum(off, other_off)
    return {
        "behind_upper_m": behind_upper,
        "behind_lower_m": behind_lower,
        "less_off_m": less,
        "more_off_m": more,
        "less_off_sigmas": np.minimum(less / j.sigma_m, _MOST_OFF_SIGMAS),
        "off_together_m": np.minimum(j.off_together_m, _MOST_OFF_M),
        "off_together_sigmas": np.minimum(j.off_together_m / j.sigma_m, _MOST_OFF_SIGMAS),
        "off_apart_m": np.minimum(np.maximum(j.upper.off_m, j.lower.off_m), _MOST_OFF_M),
        "upper_faces_up": j.upper.up,
        "lower_faces_up": j.lower.up,
        "faces_alike": (j.upper.normal * j.lower.normal).sum(axis=0),
    }


def _colors(j: Joints) -> dict[str, FloatArray]:
    """Colours of the two, and how near one's colour is to that of others that the other one touches: stripes, prints."""
    difference = j.upper.lab - j.lower.lab
    squared = np.square(difference)
    light, a, b = j.faces.lab
    apart = np.square(light[:, None] - light) + np.square(a[:, None] - a) + np.square(b[:, None] - b)
    np.fill_diagonal(apart, np.inf)
    near = np.zeros(apart.shape, dtype=bool)
    near[j.of_upper, j.of_lower] = near[j.of_lower, j.of_upper] = True
    one, beside = np.concatenate([j.of_upper, j.of_lower]), np.concatenate([j.of_lower, j.of_upper])
    others = np.sqrt(np.where(near.take(beside, axis=0), apart.take(one, axis=0), np.inf).min(axis=1, initial=np.inf))
    upper_elsewhere, lower_elsewhere = np.split(np.minimum(others, _MOST_LAB), 2)
    return {
        "lightness_apart": np.abs(difference[0]),
        "tints_apart": np.sqrt(squared[1] + squared[2]),
        "colors_apart": np.sqrt(squared.sum(axis=0)),
        "upper_chroma": j.upper.chroma,
        "lower_chroma": j.lower.chroma,
        "upper_spread": j.upper.lab_std,
        "lower_spread": j.lower.lab_std,
        "upper_elsewhere": upper_elsewhere,
        "lower_elsewhere": lower_elsewhere,
    }


def _places(j: Joints) -> dict[str, FloatArray]:
    """Sizes, and heights above the plane."""
    base, under_base, top, under_top = j.upper.low_m, j.lower.low_m, j.upper.high_m, j.lower.high_m
    return {
        "upper_pixels": np.log(j.upper.count),
        "lower_pixels": np.log(j.lower.count),
        "upper_size": j.upper.size,
        "lower_size": j.lower.size,
        "pixel_m": j.pixel_m,
        "sigma_m": j.sigma_m,
        "upper_base_m": base,
        "lower_base_m": under_base,
        "upper_top_m": top,
        "lower_top_m": under_top,
        "gap_in_height_m": base - under_top,
        "tops_apart_m": top - under_top,
        "bases_apart_m": base - under_base,
        "gap_by_height": (base - under_top) / (top - base + under_top - under_base + 0.01),
        "apart_m": _length(j.upper.flat_m - j.lower.flat_m),
    }


def _outlines(j: Joints) -> dict[str, FloatArray]:
    """How much of its outline's hull each one fills in the image, and both together: what is one thing is seldom hollow."""
    count = j.upper.count + j.lower.count
    together = count / j.pieces.both_px
    return {
        "upper_fills": j.upper.filled,
        "lower_fills": j.lower.filled,
        "both_fill": together,
        "fill_gained": together - (j.upper.filled * j.upper.count + j.lower.filled * j.lower.count) / count,
        "hull_grown": j.pieces.both_px / np.maximum(j.upper.hull_px, j.lower.hull_px),
    }


_GROUPS: tuple[Callable[[Joints], dict[str, FloatArray]], ...] = (_border, _planarity, _colors, _places, _outlines, _seams, _hues)


def features_of(joints: Joints) -> dict[str, FloatArray]:
    """What tells about each of the pairs (m,), by name."""
    values: dict[str, FloatArray] = {}
    for group in _GROUPS:
        values.update(group(joints))
    return values
