"""What tells whether two neighbouring pieces of surface are one thing: their border, their faces, colours, sizes and outlines.

After Richtsfeld et al. (2012), "Segmentation of unknown objects in indoor environments", who judge pairs of patches by the like,
and Nunez-Iglesias et al. (2013), "Machine learning of hierarchical clustering to segment 2D and 3D images", who judge again what
has been joined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class Faces:
    """Pieces 0..n, row 0 is nobody, as far as their sums tell.

    Attributes:
        count: (n + 1,) pixels.
        plane: (n + 1, 3) inverse depth, 1/m, as plane[0] * u + plane[1] * v + plane[2]: what is flat shows so.
        normal: (n + 1, 3) of that plane, towards the camera.
        lab, lab_std: (n + 1, 3) and (n + 1,) colour and its spread.
        flat_m: (n + 1, 2) middle in the support plane.
        height_m, depth_m, pixel_m: (n + 1,) middle height and depth, and how long a pixel is there.
        off_m: (n + 1,) how far the pixels lie off the plane, rms.
        hull_px: (n + 1,) area of the outline in the image.
    """

    count: FloatArray
    plane: FloatArray
    normal: FloatArray
    lab: FloatArray
    lab_std: FloatArray
    flat_m: FloatArray
    height_m: FloatArray
    depth_m: FloatArray
    pixel_m: FloatArray
    off_m: FloatArray
    hull_px: FloatArray

    @staticmethod
    def of(look: Look, pieces: PieceSums) -> Faces:
        count = np.maximum(pieces.sums[:, of_sums.COUNT], 1)
        mean = pieces.sums / count[:, None]
        plane, off = _planes(mean)
        focal = look.grid.focal_px
        # Of the plane n . p + d = 0 the inverse depth is -(n . ray) / d: its slope over the image and its value give n.
        n_x, n_y = plane[:, 0] * focal, plane[:, 1] * focal
        n_z = mean[:, of_sums.INVERSE] - n_x * mean[:, of_sums.RAY][:, 0] - n_y * mean[:, of_sums.RAY][:, 1]
        normal = -np.stack([n_x, n_y, n_z], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        spread = np.sqrt(np.maximum(mean[:, of_sums.LAB_SQUARED] - np.square(mean[:, of_sums.LAB]), 0).sum(axis=1))
        hull = np.array([1.0, *(_area(hull) for hull in pieces.hulls[1:])])
        depth = mean[:, of_sums.DEPTH]
        flat, height = mean[:, of_sums.FLAT], mean[:, of_sums.HEIGHT]
        return Faces(count, plane, normal, mean[:, of_sums.LAB], spread, flat, height, depth, depth / focal, off, hull)


def _planes(mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least squares of inverse depth over the pixels, (n, 3), and how far they lie off that plane, (n,) metres, rms.

    ``mean`` (n, C) are mean sums. A pixel's own width keeps lines and dots finite.
    """
    u, v, w = mean[:, of_sums.U], mean[:, of_sums.V], mean[:, of_sums.INVERSE]
    uu, vv = mean[:, of_sums.UU] - u * u + 1 / 12, mean[:, of_sums.VV] - v * v + 1 / 12
    uv, ww = mean[:, of_sums.UV] - u * v, mean[:, of_sums.INVERSE_SQUARED] - w * w
    uw, vw = mean[:, of_sums.U_INVERSE] - u * w, mean[:, of_sums.V_INVERSE] - v * w
    determinant = np.maximum(uu * vv - uv * uv, 1e-9)
    along_u, along_v = (vv * uw - uv * vw) / determinant, (uu * vw - uv * uw) / determinant
    off = np.sqrt(np.maximum(ww - along_u * uw - along_v * vw, 0)) / np.maximum(w, 1e-3) ** 2
    return np.stack([along_u, along_v, w - along_u * u - along_v * v], axis=1), off


def _area(hull: npt.NDArray[np.int32]) -> float:
    """Pixels of an outline through the middles of its pixels."""
    import cv2

    return float(cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1)


@dataclass(frozen=True)
class Joints:
    """Pairs of neighbours, seen as the ``upper`` (m,) and the ``lower`` (m,) of the two by their middle height."""

    look: Look
    pieces: PieceSums
    faces: Faces
    upper: IntArray
    lower: IntArray
    swapped: npt.NDArray[np.bool_]

    @staticmethod
    def of(look: Look, pieces: PieceSums) -> Joints:
        faces = Faces.of(look, pieces)
        first, second = pieces.pairs.T
        swapped = faces.height_m[first] < faces.height_m[second]
        return Joints(look, pieces, faces, np.where(swapped, second, first), np.where(swapped, first, second), swapped)

    @cached_property
    def mean(self) -> FloatArray:
        """(m, B) means over the borders."""
        return self.pieces.border / self.pieces.border[:, of_sums.B_COUNT, None]

    def both(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of the upper and the lower one (m,) each, what pieces have (n + 1,)."""
        return values[self.upper], values[self.lower]

    @cached_property
    def pixel_m(self) -> FloatArray:
        """(m,) how long a pixel is there, metres."""
        upper, lower = self.both(self.faces.pixel_m)
        return np.asarray(np.sqrt(upper * lower))

    @cached_property
    def sigma_m(self) -> FloatArray:
        """(m,) standard deviation of one pixel's depth, metres."""
        noise = self.look.config.noise
        return np.asarray(noise.floor_m + noise.quadratic_per_m * self.faces.depth_m[self.upper] ** 2)


def _border(j: Joints) -> dict[str, FloatArray]:
    """How depth and colour go over the border, and how long that is."""
    mean, faces = j.mean, j.faces
    count, touch = j.pieces.border[:, of_sums.B_COUNT], j.pieces.border[:, of_sums.B_TOUCH]
    rim = np.maximum(j.pieces.sums[:, of_sums.RIM], 1)
    least = np.minimum(*j.both(faces.count))
    return {
        "border_by_size": count / (2 * of_sums.REACH_PX) / np.sqrt(least),
        "border_of_upper": touch / rim[j.upper],
        "border_of_lower": touch / rim[j.lower],
        "valley": mean[:, of_sums.B_VALLEY],
        "deepest_valley": mean[:, of_sums.B_DEEPEST],
        "wide_valley": mean[:, of_sums.B_WIDE],
        "step_sigmas": mean[:, of_sums.B_SIGMAS],
        "step_m": mean[:, of_sums.B_STEP],
        "edge": mean[:, of_sums.B_EDGE],
        "lab_over_border": np.linalg.norm(mean[:, of_sums.B_LAB], axis=1),
    }


def _planarity(j: Joints) -> dict[str, FloatArray]:
    """How far each one's border lies behind the other's face, metres; which way the faces look."""
    mean, faces = j.mean, j.faces

    def behind(of: IntArray, side: FloatArray) -> FloatArray:
        plane = faces.plane[of]
        expected = plane[:, 0] * side[:, 0] + plane[:, 1] * side[:, 1] + plane[:, 2]
        return np.asarray(np.clip((expected - side[:, 2]) / np.square(side[:, 2]), -_MOST_OFF_M, _MOST_OFF_M))

    first, second = j.pieces.pairs.T
    of_first, of_second = behind(first, mean[:, of_sums.B_SECOND]), behind(second, mean[:, of_sums.B_FIRST])
    off = np.abs(np.stack([of_first, of_second]))
    sums = j.pieces.sums[first] + j.pieces.sums[second]
    together = _planes(sums / sums[:, of_sums.COUNT, None])[1]
    up = faces.normal @ j.look.surface.plane.normal
    return {
        "behind_upper_m": np.where(j.swapped, of_second, of_first),
        "behind_lower_m": np.where(j.swapped, of_first, of_second),
        "less_off_m": off.min(axis=0),
        "more_off_m": off.max(axis=0),
        "less_off_sigmas": np.minimum(off.min(axis=0) / j.sigma_m, _MOST_OFF_SIGMAS),
        "off_together_m": np.minimum(together, _MOST_OFF_M),
        "off_together_sigmas": np.minimum(together / j.sigma_m, _MOST_OFF_SIGMAS),
        "off_apart_m": np.minimum(np.maximum(*j.both(faces.off_m)), _MOST_OFF_M),
        "upper_faces_up": up[j.upper],
        "lower_faces_up": up[j.lower],
        "faces_alike": np.einsum("ij,ij->i", faces.normal[j.upper], faces.normal[j.lower]),
    }


def _colors(j: Joints) -> dict[str, FloatArray]:
    """Colours of the two, and how near one's colour is to that of others that the other one touches: stripes, prints."""
    faces = j.faces
    difference = faces.lab[j.upper] - faces.lab[j.lower]
    chroma = np.linalg.norm(faces.lab[:, 1:] - _GRAY, axis=1)
    apart = np.linalg.norm(faces.lab[:, None] - faces.lab[None], axis=2)
    near = np.zeros(apart.shape, dtype=bool)
    near[j.upper, j.lower] = near[j.lower, j.upper] = True
    row = np.arange(len(j.upper))

    def elsewhere(one: IntArray, beside: IntArray) -> FloatArray:
        others = np.where(near[beside], apart[one], np.inf)
        others[row, one] = np.inf
        return np.asarray(np.minimum(others.min(axis=1, initial=np.inf), _MOST_LAB))

    return {
        "lightness_apart": np.abs(difference[:, 0]),
        "tints_apart": np.linalg.norm(difference[:, 1:], axis=1),
        "colors_apart": np.linalg.norm(difference, axis=1),
        "upper_chroma": chroma[j.upper],
        "lower_chroma": chroma[j.lower],
        "upper_spread": faces.lab_std[j.upper],
        "lower_spread": faces.lab_std[j.lower],
        "upper_elsewhere": elsewhere(j.upper, j.lower),
        "lower_elsewhere": elsewhere(j.lower, j.upper),
    }


def _places(j: Joints) -> dict[str, FloatArray]:
    """Sizes, and heights above the plane."""
    faces, low, high = j.faces, j.pieces.low, j.pieces.high
    size_m = np.log(np.sqrt(faces.count) * np.maximum(faces.pixel_m, 1e-6))
    (base, under_base), (top, under_top) = j.both(low), j.both(high)
    return {
        "upper_pixels": np.log(faces.count[j.upper]),
        "lower_pixels": np.log(faces.count[j.lower]),
        "upper_size": size_m[j.upper],
        "lower_size": size_m[j.lower],
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
        "apart_m": np.linalg.norm(faces.flat_m[j.upper] - faces.flat_m[j.lower], axis=1),
    }


def _outlines(j: Joints) -> dict[str, FloatArray]:
    """How much of its outline's hull each one fills in the image, and both together: what is one thing is seldom hollow."""
    import cv2

    faces, hulls = j.faces, j.pieces.hulls
    both = np.array([_area(cv2.convexHull(np.concatenate([hulls[a], hulls[b]]))) for a, b in j.pieces.pairs.tolist()])
    own = np.minimum(faces.count / faces.hull_px, 1.0)
    upper, lower = j.both(faces.count)
    together = (upper + lower) / both
    return {
        "upper_fills": own[j.upper],
        "lower_fills": own[j.lower],
        "both_fill": together,
        "fill_gained": together - (own[j.upper] * upper + own[j.lower] * lower) / (upper + lower),
        "hull_grown": both / np.maximum(*j.both(faces.hull_px)),
    }


_GROUPS: tuple[Callable[[Joints], dict[str, FloatArray]], ...] = (_border, _planarity, _colors, _places, _outlines)


def features_of(look: Look, pieces: PieceSums) -> tuple[tuple[str, ...], FloatArray]:
    """Names (F,) and values (m, F) of what tells about each of the pieces' pairs, of which there is at least one."""
    joints = Joints.of(look, pieces)
    values: dict[str, FloatArray] = {}
    for group in _GROUPS:
        values.update(group(joints))
    return tuple(values), np.stack(list(values.values()), axis=1)
