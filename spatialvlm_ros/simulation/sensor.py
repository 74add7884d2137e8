"""Noise of an active-stereo RGB-D camera, applied to rendered images.

The depth model follows the error law that the maker of the D400 cameras gives for planar targets,

    sigma_z = z^2 * subpixel / (focal * baseline),

with D435-like values: baseline 50 mm, focal length 424 px at 848 px width, subpixel RMS 0.08 px. That is 0.9 mm at
0.5 m, 2.4 mm at 0.8 m and 3.8 mm at 1 m. Disparities come in steps of 1/32 px, depth in whole millimetres, and pixels
which only one of the two imagers sees have no depth. Not modelled: calibration bias, smear of depth edges over the
matching window, reflections and dark or textureless surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BANK_MARGIN_PX = 64


@dataclass(frozen=True)
class SensorParameters:
    """Parameters of the noise model; lengths in metres unless the name says pixels.

    Attributes:
        baseline_m: distance between the two imagers, which lie side by side along the image's x axis.
        stereo_focal_px: focal length of the imagers, where disparity is measured.
        subpixel_rms_px: standard deviation of the disparity.
        disparity_step_px: quantisation of the disparity.
        correlation_px: standard deviation of the Gaussian that smooths the noise across neighbouring pixels.
        min_range_m, max_range_m: outside there is no depth.
        dropout_blobs: mean number of small holes per image at random places.
        dropout_share: share of single pixels without depth.
        color_sigma: standard deviation of the colour noise, grey levels.
    """

    baseline_m: float = 0.05
    stereo_focal_px: float = 424.0
    subpixel_rms_px: float = 0.08
    disparity_step_px: float = 1.0 / 32.0
    correlation_px: float = 0.8
    min_range_m: float = 0.2
    max_range_m: float = 4.0
    dropout_blobs: float = 12.0
    dropout_share: float = 0.0005
    color_sigma: float = 2.0


class SensorModel:
    """Turns noiseless renderings into what a camera would deliver. The output depends on input, seed and frame only."""

    def __init__(
        self, width: int, height: int, focal_px: float, parameters: SensorParameters | None = None, seed: int = 0
    ) -> None:
        """`focal_px` is the horizontal focal length of the rendered images."""
        self.parameters = parameters or SensorParameters()
        self._shape = (height, width)
        self._focal_px = focal_px
        self._seed = seed
        self._columns = np.arange(width, dtype=np.float32)
        rng = np.random.default_rng([seed, 2])
        # A million normal numbers for every image would cost more than all else: shifted windows of one bank do.
        size = (height + _BANK_MARGIN_PX, width + _BANK_MARGIN_PX, 3)
        self._color_bank = np.rint(rng.normal(0.0, self.parameters.color_sigma, size)).astype(np.int8)
        self._noise_gain = _blur_gain(self.parameters.correlation_px)

    def sigma_m(self, depth_m: float) -> float:
        """Standard deviation in metres of the depth of a surface at `depth_m`, before quantisation."""
        p = self.parameters
        return depth_m**2 * p.subpixel_rms_px / (p.stereo_focal_px * p.baseline_m)

    def color(self, color: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        """Noisy copy of an RGB image (H, W, 3) uint8."""
        import cv2

        rng = np.random.default_rng([self._seed, frame, 3])
        top, left = (int(value) for value in rng.integers(0, _BANK_MARGIN_PX, 2))
        noise = self._color_bank[top : top + self._shape[0], left : left + self._shape[1]]
        noisy: NDArray[np.uint8] = cv2.add(color, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
        return noisy

    def depth_mm(self, depth_m: NDArray[np.float32], frame: int) -> NDArray[np.uint16]:
        """Noisy depth (H, W) in whole millimetres, 0 where there is none, from true depth (H, W) in metres."""
        import cv2

        p = self.parameters
        rng = np.random.default_rng([self._seed, frame, 4])
        native = np.float32(p.stereo_focal_px * p.baseline_m)
        noise = rng.standard_normal(self._shape, dtype=np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), p.correlation_px, borderType=cv2.BORDER_REFLECT_101)
        steps = native / depth_m
        steps += noise * np.float32(self._noise_gain * p.subpixel_rms_px)
        steps *= np.float32(1.0 / p.disparity_step_px)
        np.rint(steps, out=steps)
        # At least one step of disparity: what would be infinitely far falls out of range below.
        np.maximum(steps, 1.0, out=steps)
        measured = np.float32(native / p.disparity_step_px) / steps
        invalid = self.occluded(depth_m)
        invalid |= (measured < p.min_range_m) | (measured > p.max_range_m)
        self._drop(invalid, rng)
        measured *= 1000.0
        measured += 0.5
        result = measured.astype(np.uint16)
        result[invalid] = 0
        return result

    def occluded(self, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(H, W) mask of pixels that the second imager, a baseline to the right, cannot see.

        A pixel is hidden if something right of it lands left of it, or on it, in the second image.
        """
        scale = np.float32(self._focal_px * self.parameters.baseline_m)
        landing = self._columns - scale / depth_m
        first_to_right = np.minimum.accumulate(landing[:, ::-1], axis=1)[:, ::-1]
        # Half a pixel of tolerance: a slanted surface may compress without hiding itself.
        hidden: NDArray[np.bool_] = landing > first_to_right + np.float32(0.5)
        return hidden

    def _drop(self, invalid: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Mark small random holes in `invalid`, in place."""
        height, width = self._shape
        count = int(rng.poisson(self.parameters.dropout_share * height * width))
        np.put(invalid, rng.integers(0, height * width, count), True)
        for _ in range(int(rng.poisson(self.parameters.dropout_blobs))):
            row, column = int(rng.integers(height)), int(rng.integers(width))
            tall, wide = (int(value) for value in rng.integers(2, 6, 2))
            invalid[row : row + tall, column : column + wide] = True


def _blur_gain(sigma_px: float) -> float:
    """Factor that restores unit variance after cv2.GaussianBlur with automatic kernel size on float images."""
    import cv2

    size = int(round(sigma_px * 8 + 1)) | 1
    kernel = cv2.getGaussianKernel(size, sigma_px)
    return float(1.0 / np.sum(kernel**2))
