"""How wrong one depth pixel is: the noise of RGB-D cameras as a function of depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .frame import BoolArray, RGBDFrame

# Blocks of the support that tell what averaging leaves of noise: their side, how many are looked at, how few tell nothing.
_BLOCK_PX, _MOST_BLOCKS, _FEW_BLOCKS = 8, 80, 20
# Share of a block that has to lie on the support, and the share of errors that one standard deviation covers.
_FULL, _ONE_SIGMA = 0.7, 0.6827
# Noise is another one than the preset's as neighbours differ less than it says, and as whole blocks lie off the support by more,
# in shares of what it says: from the first one on, wholly from the second one on. With less than so much of its standard
# deviation depth is exact.
_DIFFER, _LIE_OFF, _EXACT = (0.9, 0.7), (1.5, 2.5), 0.05


@dataclass(frozen=True)
class DepthNoise:
    """Standard deviation of depth: sqrt((floor + quadratic * z^2)^2 + (scale * z)^2), metres.

    The quadratic term is the disparity error of triangulating cameras (Nguyen et al. 2012 measured 0.0012 + 0.0019 (z -
    0.4)^2 for a Kinect). ``scale`` is a calibration error that all pixels of an image share; it does not average out.
    """

    floor_m: float = 0.001
    quadratic_per_m: float = 0.0019
    scale: float = 0.003
    # Lateral error of a mask's edge, pixels.
    lateral_px: float = 0.8
    # Standard deviation of what neighbouring pixels share of their errors, as a share of one pixel's, beyond the scale error.
    shared: float = 0.0
    # What the law says of noise within a small block: how much of it differs from one pixel to the next, and how far the block's
    # mean is off for each standard deviation of it. 0 and infinite: nothing.
    differing: float = 0.0
    off_block: float = math.inf
    # How far the noise on an image is another one than the law says, from 0 to 1.
    unlike: float = 0.0

    def pixel_std_m(self, depth_m: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Independent part of one pixel's error, same shape as ``depth_m``."""
        z = np.asarray(depth_m, dtype=np.float64)
        return np.asarray(self.floor_m + self.quadratic_per_m * z * z)

    @property
    def averaged(self) -> float:
        """Error of a face's place, from many pixels, in standard deviations of one pixel: half of one, and what they share."""
        return float(np.hypot(0.5, self.shared))


def noise_on_plane(frame: RGBDFrame, plane: FloatArray, on_plane: BoolArray, noise: DepthNoise) -> DepthNoise:
    """The noise with what neighbouring pixels share of it, and how far it is another one than its law says, read off the support.

    Stereo's matching window and light that took another way make errors that averaging leaves: the means of small blocks lie off
    the support. Coarse steps of disparity and smooth errors make neighbours alike. No preset tells them, but the image does.

    Args:
        plane: (4,) n, d of the support plane in the optical frame, metres.
        on_plane: (H, W) bool, pixels that lie on it.

    Returns:
        ``noise`` as it is where too little of the support shows.
    """
    rows, columns = (length // _BLOCK_PX - 1 for length in on_plane.shape)
    half = _BLOCK_PX // 2
    corners = np.argwhere(on_plane[half::_BLOCK_PX, half::_BLOCK_PX][: max(rows, 0), : max(columns, 0)]) * _BLOCK_PX
    corners = corners[:: max(1, len(corners) // _MOST_BLOCKS)]
    inside = np.arange(_BLOCK_PX)
    v, u = np.broadcast_arrays(corners[:, 0, None, None] + inside[:, None], corners[:, 1, None, None] + inside)
    depth_m = frame.depth_m[v, u]
    counts = on_plane[v, u] & np.isfinite(depth_m)
    slope = frame.camera.rays[v, u] @ plane[:2] + plane[2]
    off = np.where(counts, depth_m + plane[3] / np.where(np.abs(slope) > 1e-6, slope, np.nan), 0.0)
    number = counts.sum(axis=(1, 2))
    full = number >= _FULL * _BLOCK_PX**2
    if np.count_nonzero(full) < _FEW_BLOCKS:
        return noise
    counts, off = counts[full], off[full]
    stds_m = noise.pixel_std_m(np.where(counts, depth_m[full], 0.0).sum(axis=(1, 2)) / number[full])
    off = off / stds_m[:, None, None]
    means = np.nansum(off, axis=(1, 2)) / number[full]
    shared = float(np.quantile(np.abs(means), _ONE_SIGMA))
    both = counts[..., 1:] & counts[..., :-1]
    differing, within = _one_sigma(np.diff(off, axis=2)[both]) / math.sqrt(2), _one_sigma((off - means[:, None, None])[counts])
    return replace(noise, shared=shared, unlike=_unlike(noise, differing, within, shared))


def _one_sigma(errors: FloatArray) -> float:
    """What one standard deviation's share of errors (N,) is within."""
    at = int(_ONE_SIGMA * len(errors))
    return float(np.partition(np.abs(errors), at)[at]) if len(errors) else 0.0


def _unlike(noise: DepthNoise, differing: float, within: float, shared: float) -> float:
    """From 0 to 1, by what differs from one pixel to the next, errors within blocks and their means, in standard deviations."""
    if within < _EXACT:
        return 0.0
    differs = differing / within / noise.differing if noise.differing else math.inf
    steps = ((differs, _DIFFER), (shared / within / noise.off_block, _LIE_OFF))
    return max(min(max((share - begin) / (full - begin), 0.0), 1.0) for share, (begin, full) in steps)


PRESETS: dict[str, DepthNoise] = {
    "structured_light": DepthNoise(0.0012, 0.0019, 0.004, differing=1.0, off_block=0.2),
    # Sub-pixel errors of a matching window go on over some pixels.
    "stereo": DepthNoise(0.0010, 0.0025, 0.004, differing=0.6, off_block=0.37),
    "time_of_flight": DepthNoise(0.0025, 0.0006, 0.003, differing=1.0, off_block=0.2),
    # A simulator's rendered depth: no error but that a pixel is a ray, so an outline ends anywhere in one (uniform: 0.29 pixels).
    "exact": DepthNoise(0.0005, 0.0, 0.0, 0.3),
}
