"""How sure a mean over many answers is: 95 % intervals by drawing images again, since answers about one image go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000


class ByImage:
    """Draws of images with replacement; the same images and seed give the same draws."""

    def __init__(self, images: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> None:
        """``images`` (N,): of each answer."""
        keys, self._group = np.unique(np.array(images, dtype=str), return_inverse=True)
        self.num_images = len(keys)
        draws = np.random.default_rng([seed, 97]).integers(0, max(self.num_images, 1), (resamples, self.num_images))
        self._weights: Floats = np.stack([np.bincount(row, minlength=self.num_images) for row in draws]).astype(np.float64)

    def interval(self, values: npt.ArrayLike, which: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """95 % interval of the mean of ``values`` (N,) over ``which`` (N,); NaN where nothing is chosen."""
        kept: Floats = np.asarray(values, dtype=np.float64)[which]
        group = self._group[which]
        if not len(kept):
            return float("nan"), float("nan")
        sums = self._weights @ np.bincount(group, weights=kept, minlength=self.num_images)
        counts = self._weights @ np.bincount(group, minlength=self.num_images)
        means = sums[counts > 0] / counts[counts > 0]
        low, high = np.quantile(means, (0.025, 0.975)) if len(means) else (np.nan, np.nan)
        return float(low), float(high)
