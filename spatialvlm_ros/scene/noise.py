"""How wrong one depth pixel is: the noise of RGB-D cameras as a function of depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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

    def pixel_std_m(self, depth_m: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Independent part of one pixel's error, same shape as ``depth_m``."""
        z = np.asarray(depth_m, dtype=np.float64)
        return np.asarray(self.floor_m + self.quadratic_per_m * z * z)


PRESETS: dict[str, DepthNoise] = {
    "structured_light": DepthNoise(0.0012, 0.0019, 0.004),
    "stereo": DepthNoise(0.0010, 0.0025, 0.004),
    "time_of_flight": DepthNoise(0.0025, 0.0006, 0.003),
}
