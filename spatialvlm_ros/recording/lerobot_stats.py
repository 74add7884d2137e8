"""Statistics of a data set's features as LeRobot normalises by them: min, max, mean, std, count, quantiles.

Of one episode they are exact (pixels are sampled); those of several are put together by count: mean and deviation exactly (Chan,
Golub and LeVeque 1979), quantiles as the mean of the episodes' own, as LeRobot does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
NAMES = ("min", "max", "mean", "std", *(f"q{round(100 * share):02d}" for share in QUANTILES))
PLACES = tuple(name for name in NAMES if name != "std")
"""Those that move when all values do."""
# Of pictures every so many pixels of every so many steps.
_PIXEL_STRIDE, _STEP_STRIDE = 4, 8

Stats = Mapping[str, npt.NDArray[np.float64]]
"""NAMES and "count" to arrays: (N,) of a vector, (3, 1, 1) of pictures with values in [0, 1], (1, 1, 1) of depth in
millimetres; count is (1,)."""


def vector_stats(rows: npt.ArrayLike) -> Stats:
    """Of (M, N) numbers, M at least 1."""
    values = np.asarray(rows, dtype=np.float64)
    values = values.reshape(len(values), -1)
    found = {"min": values.min(axis=0), "max": values.max(axis=0), "mean": values.mean(axis=0), "std": values.std(axis=0)}
    quantiles = np.quantile(values, QUANTILES, axis=0)
    return {**found, **dict(zip(NAMES[4:], quantiles, strict=True)), "count": np.array([len(values)], np.float64)}


class PictureStats:
    """Counts of the values of each channel over the pictures of one episode.

    ``levels`` values from 0 count as themselves times ``unit``.
    """

    def __init__(self, channels: int = 3, levels: int = 256, unit: float = 1 / 255) -> None:
        self._channels, self._levels, self._unit = channels, levels, unit
        self._clear()

    def _clear(self) -> None:
        self._counts = np.zeros((self._channels, self._levels), np.int64)
        self._seen = self._used = 0

    def add(self, picture: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
        """(H, W, channels) unsigned; some of those added count."""
        if self._seen % _STEP_STRIDE == 0:
            few = picture[::_PIXEL_STRIDE, ::_PIXEL_STRIDE]
            for channel in range(self._channels):
                self._counts[channel] += np.bincount(few[..., channel].ravel(), minlength=self._levels)
            self._used += 1
        self._seen += 1

    def take(self) -> Stats:
        """Of what was added since the last call, which was at least one picture."""
        values = np.arange(self._levels) * self._unit
        total = self._counts.sum(axis=1, keepdims=True)
        mean = (self._counts * values).sum(axis=1, keepdims=True) / total
        variance = (self._counts * (values - mean) ** 2).sum(axis=1, keepdims=True) / total
        there = self._counts > 0
        below = np.cumsum(self._counts, axis=1) / total
        found = {
            "min": values[there.argmax(axis=1)], "max": values[self._levels - 1 - there[:, ::-1].argmax(axis=1)], "mean": mean,
            "std": np.sqrt(variance),
            **{name: values[(below >= share).argmax(axis=1)] for name, share in zip(NAMES[4:], QUANTILES, strict=True)},
        }  # fmt: skip
        count = np.array([self._used], np.float64)
        self._clear()
        return {**{name: value.reshape(self._channels, 1, 1) for name, value in found.items()}, "count": count}


def together(parts: Sequence[Stats]) -> Stats:
    """Of several episodes, or of several such summaries; at least one."""
    counts = np.array([part["count"][0] for part in parts])
    shares = (counts / counts.sum()).reshape(-1, *([1] * parts[0]["mean"].ndim))
    stacked = {name: np.stack([part[name] for part in parts]) for name in NAMES}
    mean = (stacked["mean"] * shares).sum(axis=0)
    variance = ((stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2) * shares).sum(axis=0)
    quantiles = {name: (stacked[name] * shares).sum(axis=0) for name in NAMES[4:]}
    return {
        "min": stacked["min"].min(axis=0), "max": stacked["max"].max(axis=0), "mean": mean, "std": np.sqrt(variance),
        **quantiles, "count": np.array([counts.sum()]),
    }  # fmt: skip


def plain_stats(stats: Mapping[str, Stats]) -> dict[str, Any]:
    """For stats.json: feature to name to lists."""
    return {feature: {name: _listed(name, value) for name, value in one.items()} for feature, one in stats.items()}


def read_stats(document: Mapping[str, Any]) -> dict[str, Stats]:
    """Back from stats.json."""
    return {feature: {name: np.array(value, np.float64) for name, value in one.items()} for feature, one in document.items()}


def _listed(name: str, value: npt.NDArray[np.float64]) -> Any:
    return [int(value[0])] if name == "count" else value.tolist()
