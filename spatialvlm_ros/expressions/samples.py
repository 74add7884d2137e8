"""Random errors of a scene, shared by all numbers made of it: what errs alike in two numbers cancels in their difference.

A measured value comes with the terms of its first-order error (``scene.relation.ErrorTerm``). Here each thing's centre and edge
lengths, the camera's scale and the tilt of up get one set of samples each, and a value's samples are its terms times those. What
the terms leave of its standard deviation is drawn apart, so that a value alone has the very deviation that its fact states.

The same thing of the same scene has the same samples whatever is asked and in whatever order.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TypeVar

import numpy as np

from ..geometry.rigid import FloatArray
from ..scene.relation import ErrorOf, ErrorTerm
from ..scene.scene import Scene, SceneObject

NUM_SAMPLES = 2000
MIN_SAMPLES = 100
# First numbers of the keys of random streams.
_SHARED, _ALONE = range(2)
# Rows of samples: three that all things share (two of tilt, one of scale), then each thing's.
_SHARED_ROWS, _THING_ROWS = 3, 6
# The rows of so many things are drawn at a time: images of the same view then mostly share them.
_THINGS_AT_A_TIME = 8
# A share of a value's variance that is no more than rounding.
_ROUNDING = 1e-9
# A loading that cancels to within rounding.
_NO_LOADING = 1e-6
_Key = TypeVar("_Key")


@lru_cache(maxsize=16)
def _shared_normals(seed: int, rows: int, count: int) -> FloatArray:
    """(rows, count) standard normal numbers, uncorrelated to the letter, each row of mean 0 and variance 1 (for an even count).

    The first rows are the same whatever ``rows`` is.
    """
    half = (count + 1) // 2
    drawn = np.random.default_rng((seed, _SHARED)).standard_normal((rows, half))
    # No more than half as many rows as there are samples can be made orthogonal and remain random.
    size = max(half // 2, 1)
    for start in range(0, rows, size):
        turned, upper = np.linalg.qr(drawn[start : start + size].T)
        drawn[start : start + size] = (turned * np.sign(np.diag(upper))).T * np.sqrt(half)
    return _mirrored(drawn, count)


@lru_cache(maxsize=1024)
def _lone_normals(seed: int, name: str, count: int) -> FloatArray:
    """(count,) standard normal numbers, the same for the same name."""
    key = (seed, _ALONE, zlib.crc32(name.encode("utf-8", "surrogatepass")))
    return _mirrored(np.random.default_rng(key).standard_normal((count + 1) // 2), count)


def _mirrored(drawn: FloatArray, count: int) -> FloatArray:
    """``count`` samples of which the second half is the first with the opposite sign, so that their mean is 0. Read only."""
    both = np.concatenate([drawn, -drawn], axis=-1)[..., :count]
    both.setflags(write=False)
    return both


class SharedErrors:
    """The samples of one scene. Raises ValueError for fewer than ``MIN_SAMPLES``."""

    def __init__(self, scene: Scene, count: int = NUM_SAMPLES, seed: int = 0) -> None:
        if count < MIN_SAMPLES:
            raise ValueError(f"{count} samples tell no probability; draw {MIN_SAMPLES} at least")
        self.count = count
        self._seed = seed
        bound = [binding.thing for binding in scene.bindings.values() if binding.thing is not None]
        answering = [thing for binding in scene.bindings.values() for thing in binding.answering or ()]
        self._places = {number: i for i, number in enumerate(sorted({t.id for t in (*scene.objects, *bound, *answering)}))}
        things = -(-len(self._places) // _THINGS_AT_A_TIME) * _THINGS_AT_A_TIME
        self._normals = _shared_normals(seed, _SHARED_ROWS + _THING_ROWS * things, count)
        self._roots: dict[int, FloatArray] = {}
        canonical = scene.canonical
        tilts = canonical is not None and np.isfinite(canonical.tilt_std_rad)
        self._tilt_std_rad = canonical.tilt_std_rad if canonical is not None and tilts else 0.0
        self._tilt_axes = np.zeros((2, 3)) if canonical is None else canonical.tilt_axes

    def noise(self, error: tuple[ErrorTerm, ...], std: float, name: str, value: float) -> FloatArray:
        """(count,) samples of an error with the given standard deviation.

        Args:
            name: the things that the value is about. What its terms leave of its error is drawn by this and by how much it is,
                with the sign of the terms: what stands to the same things in the same way, or the opposite one, errs alike.
            value: stands in for the terms where there are none.
        """
        if not (std > 0 and np.isfinite(std)):
            return np.zeros(self.count)
        rows, loadings = self._loadings(error)
        explained = float(loadings @ loadings)
        if not np.isfinite(explained):
            rows, loadings, explained = rows[:0], loadings[:0], 0.0
        normals = self._normals[rows]
        total = np.asarray(loadings @ normals)
        rest = std**2 - explained
        if rest < -_ROUNDING * std**2:
            return np.asarray(total * (std / np.sqrt(explained)))
        if rest < _ROUNDING * std**2:
            return total
        sign = _sign(error)
        if sign:
            name = f"{name} {np.sqrt(rest):.6g}"
        else:
            name, sign = f"{name} {abs(value):.9g} {std:.6g}", -1.0 if value < 0 else 1.0
        alone = _lone_normals(self._seed, name, self.count)
        alone = alone - (normals @ alone / self.count) @ normals
        return np.asarray(total + sign * np.sqrt(rest / np.mean(alone**2)) * alone)

    def _loadings(self, error: tuple[ErrorTerm, ...]) -> tuple[list[int], FloatArray]:
        """Numbers of rows of samples, in order, and what they are multiplied by."""
        found: dict[int, FloatArray] = {}
        for of, thing, loading in error:
            start = _SHARED_ROWS + _THING_ROWS * self._places[thing.id]
            if of is ErrorOf.EXTENTS:
                scaled = loading * thing.extents_std
                if thing.lean.any():
                    _add(found, start, (scaled * thing.lean) @ self._unit_root(thing))
                    scaled = scaled * np.sqrt(np.maximum(1 - thing.lean**2, 0.0))
                _add(found, start + 3, scaled)
                continue
            _add(found, start, loading @ self._root(thing))
            if of is ErrorOf.CENTRE:
                turned = self._tilt_std_rad * np.cross(self._tilt_axes, thing.centre) @ loading
                _add(found, 0, np.append(turned, thing.scale_std * float(loading @ thing.centre)))
        starts = sorted(found)
        rows = [row for start in starts for row in range(start, start + 3)]
        return rows, np.concatenate([found[start] for start in starts]) if starts else np.zeros(0)

    def _root(self, thing: SceneObject) -> FloatArray:
        """(3, 3) of which the product with its transpose is the covariance of the centre without what is shared."""
        root = self._roots.get(thing.id)
        if root is None:
            values, vectors = np.linalg.eigh(thing.own_covariance)
            root = self._roots[thing.id] = vectors * np.sqrt(np.maximum(values, 0.0))
        return root

    def _unit_root(self, thing: SceneObject) -> FloatArray:
        """(3, 3) of which row i gives the error of the centre along the box's axis i in its own standard deviations."""
        rows = thing.axes.T @ self._root(thing)
        unit: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit


def _sign(error: tuple[ErrorTerm, ...]) -> float:
    """1 or -1, and the other one for the opposite terms in whatever order; 0 without any."""
    found: dict[tuple[int, str], FloatArray] = {}
    for of, thing, loading in error:
        _add(found, (thing.id, of.value), loading)
    parts = np.concatenate([found[key] for key in sorted(found)]) if found else np.zeros(0)
    large = parts[np.abs(parts) > _NO_LOADING]
    return float(np.sign(large[0])) if len(large) else 0.0


def _add(found: dict[_Key, FloatArray], key: _Key, loading: FloatArray) -> None:
    found[key] = found[key] + loading if key in found else loading
