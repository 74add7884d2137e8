"""How wrong one depth pixel is: the noise of RGB-D cameras as a function of depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .frame import BoolArray, RGBDFrame

# Blocks of the support that tell what averaging leaves of noise: their side, how many are looked at, how few tell nothing.
_BLOCK_PX, _MOST_BLOCKS, _FEW_BLOCKS = 8, 80, 20
# Share of a block that has to lie on the support, and the share of errors that one standard deviation covers.
_FULL, _ONE_SIGMA = 0.7, 0.6827


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

    def pixel_std_m(self, depth_m: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Independent part of one pixel's error, same shape as ``depth_m``."""
        z = np.asarray(depth_m, dtype=np.float64)
        return np.asarray(self.floor_m + self.quadratic_per_m * z * z)

    @property
    def averaged(self) -> float:
        """Error of a face's place, from many pixels, in standard deviations of one pixel: half of one, and what they share."""
        return float(np.hypot(0.5, self.shared))


def noise_on_plane(frame: RGBDFrame, plane: FloatArray, on_plane: BoolArray, noise: DepthNoise) -> DepthNoise:
    """The noise with what neighbouring pixels share of it, read off the support: how far the means of small blocks lie off it.

    Stereo's matching window and light that took another way make errors that averaging leaves. No preset tells them, but the
    image does.

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
    mean_depth_m = np.where(counts, depth_m, 0.0).sum(axis=(1, 2))[full] / number[full]
    means = np.nansum(off, axis=(1, 2))[full] / number[full] / noise.pixel_std_m(mean_depth_m)
    return replace(noise, shared=float(np.quantile(np.abs(means), _ONE_SIGMA)))


PRESETS: dict[str, DepthNoise] = {
    "structured_light": DepthNoise(0.0012, 0.0019, 0.004),
    "stereo": DepthNoise(0.0010, 0.0025, 0.004),
    "time_of_flight": DepthNoise(0.0025, 0.0006, 0.003),
    # A simulator's rendered depth: no error but that a pixel is a ray, so an outline ends anywhere in one (uniform: 0.29 pixels).
    "exact": DepthNoise(0.0005, 0.0, 0.0, 0.3),
}
