"""Which pieces of surface are one thing: a learnt judgement of neighbours, the surest joined first and judged anew.

The judgement is a sum of small trees (``models/joints``; the card there tells what they were fitted on), in plain NumPy. It
was fitted by ``python -m spatialvlm_ros.training.joints``.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .grid import Grid, Surface
from .joint_features import features_of
from .mend import IntMap
from .piece_sums import COUNT, LAB, LAB_SQUARED, PieceSums, sums_of
from .pieces import look_at, pieces_of

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

FOLDER = Path(__file__).resolve().parents[1] / "models" / "joints"
FILE = "trees.json"
# Each round joins those that are each other's best, and judges again. Most images need less than twenty.
_MOST_ROUNDS = 100
# More pieces than that are texture, or an image of noise: the pairs of all would take long to tell apart.
_MOST_PIECES = 600
# Added to the logarithm of the odds where nothing but colour parts two pieces, and they are printed: rendered scenes have more
# flush stacks and less print than real ones. Taken off where a valley or a step parts printed ones. So much of a piece must be in
# one part that neither cuts.
_PRINTED_ODDS, _PARTED_ODDS, _MOST = 4.0, 1.0, 0.9
# Taken off it for twins, of which rendered scenes have none: two things of one kind, side by side. Largest difference of the
# logarithms of their pixels, least share that each fills of its hull, least valley and largest step of depth between them.
_TWIN_ODDS, _TWIN_SIZES, _CONVEX, _TWIN_VALLEY, _TWIN_STEP_M = 6.0, 0.5, 0.85, 1.5, 0.015
# A thing is for this share above the plane: the rest is what it encloses.
_LEAST_ABOVE = 0.3


@dataclass(frozen=True)
class Trees:
    """A sum of T trees that ask the same D questions of everybody, so that a tree is a table of 2**D numbers.

    Attributes:
        names: of the features, in their order.
        start: the sum before the first tree.
        feature, above: (T, D) which feature each question is about, and above what the answer is yes.
        log_odds: (T, 2**D) what a tree adds; the first question's answer is the highest bit.
    """

    names: tuple[str, ...]
    start: float
    feature: IntArray
    above: FloatArray
    log_odds: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """(m,) logarithm of the odds that both are one thing, of features (m, F)."""
        count, depth = self.feature.shape
        answers = features[:, self.feature.ravel()].reshape(len(features), count, depth) > self.above
        leaf = (answers * (1 << np.arange(depth)[::-1])).sum(axis=2)
        return np.asarray(self.start + self.log_odds[np.arange(count), leaf].sum(axis=1))

    def to_json(self) -> str:
        """One line an entry; what ``from_json`` reads."""
        entries = {
            "names": list(self.names), "start": self.start, "feature": self.feature.tolist(), "above": self.above.tolist(),
            "log_odds": self.log_odds.tolist(),
        }  # fmt: skip
        return "{\n" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in entries.items()) + "\n}\n"

    @staticmethod
    def from_json(text: str) -> Trees:
        """Raises ValueError for what are no trees."""
        try:
            entries = json.loads(text)
            trees = Trees(
                tuple(entries["names"]), float(entries["start"]), np.asarray(entries["feature"], dtype=np.intp),
                np.asarray(entries["above"], dtype=np.float64), np.asarray(entries["log_odds"], dtype=np.float64),
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise ValueError(f"no trees: {error!r}") from error
        count, depth = trees.feature.shape
        if trees.above.shape != (count, depth) or trees.log_odds.shape != (count, 2**depth):
            raise ValueError(f"trees of {trees.feature.shape}, {trees.above.shape} and {trees.log_odds.shape} do not fit")
        return trees


@lru_cache(maxsize=1)
def shipped_trees() -> Trees:
    """The trees of this package. Raises ValueError where the file is not the one of its SHA256SUMS."""
    data = (FOLDER / FILE).read_bytes()
    known = (FOLDER / "SHA256SUMS").read_text(encoding="utf-8").split()[0]
    if hashlib.sha256(data).hexdigest() != known:
        raise ValueError(f"{FOLDER / FILE} is not the file of its SHA256SUMS: install the package again")
    return Trees.from_json(data.decode())


def joined_things(grid: Grid, surface: Surface, config: TabletopConfig, trees: Trees | None = None) -> IntMap:
    """(h, w) labels 1..n of what stands above the plane, 0 elsewhere; the shipped trees judge unless others are given.

    Raises:
        ValueError: for trees that were fitted on other features.
    """
    labels = np.zeros(grid.depth.shape, dtype=np.int32)
    look = look_at(grid, surface, config)
    if look is None:
        return labels
    pieces = pieces_of(look, config.parts.piece_valley, config.parts.piece_edge)
    if not 0 < pieces.max() <= _MOST_PIECES:
        labels[look.window] = pieces
        return labels
    judge = trees or shipped_trees()
    least = math.log(config.parts.one_thing / (1 - config.parts.one_thing))
    sums, whole = sums_of(look, pieces), _majority(pieces, look.uncut)
    for _ in range(_MOST_ROUNDS):
        if not len(sums.pairs):
            break
        names, features = features_of(look, sums)
        if names != judge.names:
            raise ValueError("the trees were fitted on other features: run spatialvlm_ros.training.joints again")
        odds = judge(features)
        part, other = whole[sums.pairs].T
        printed = print_shares(sums) > config.parts.printed
        parted = (part != other) & (part > 0) & (other > 0)
        odds[(part == other) & printed] += _PRINTED_ODDS
        odds[parted & printed] -= _PARTED_ODDS
        odds[parted & _are_twins(names, features, config.min_height_m)] -= _TWIN_ODDS
        chosen = _surest(sums.pairs, odds, least, len(sums.sums))
        if not len(chosen):
            break
        into = grouped(chosen, len(sums.sums))
        pieces, sums = into[pieces].astype(np.int32), sums.joined(into)
        whole = _majority(pieces, look.uncut)
    labels[look.window] = _standing(pieces, look.above)
    return labels


def _are_twins(names: tuple[str, ...], features: FloatArray, level_m: float) -> npt.NDArray[np.bool_]:
    """(m,) whether a pair is of alike things side by side: convex, as high and as large as each other, with a valley between."""
    column = dict(zip(names, features.T, strict=True))
    alike = np.abs(column["upper_pixels"] - column["lower_pixels"]) < _TWIN_SIZES
    level = (np.abs(column["tops_apart_m"]) < level_m) & (np.abs(column["bases_apart_m"]) < level_m)
    convex = np.minimum(column["upper_fills"], column["lower_fills"]) > _CONVEX
    return np.asarray(alike & level & convex & (column["valley"] > _TWIN_VALLEY) & (column["step_m"] < _TWIN_STEP_M), dtype=bool)


def print_shares(sums: PieceSums) -> FloatArray:
    """(m,) spread of tints within each pair's two as a share of how far their colours are apart: large where one is printed."""
    count = np.maximum(sums.sums[:, COUNT, None], 1)
    mean = sums.sums[:, LAB] / count
    variance = np.maximum(sums.sums[:, LAB_SQUARED] / count - np.square(mean), 0)[:, 1:].sum(axis=1)
    first, second = sums.pairs.T
    first_count, second_count = count[first, 0], count[second, 0]
    pooled = (first_count * variance[first] + second_count * variance[second]) / (first_count + second_count)
    apart = np.linalg.norm(mean[first] - mean[second], axis=1)
    return np.asarray(np.sqrt(pooled) / np.maximum(apart, 1e-6))


def _majority(pieces: IntMap, parts: IntMap) -> IntArray:
    """(n + 1,) the part (h, w) that nearly all of each piece (h, w) is in; minus the piece's number where there is none."""
    count, width = int(pieces.max()) + 1, int(parts.max()) + 1
    votes = np.bincount(pieces.ravel().astype(np.intp) * width + parts.ravel(), minlength=count * width).reshape(count, width)
    best = votes.argmax(axis=1)
    sure = (best > 0) & (votes.max(axis=1) > _MOST * votes.sum(axis=1))
    return np.where(sure, best, -np.arange(count))


def _surest(pairs: IntArray, odds: FloatArray, least: float, count: int) -> IntArray:
    """(k, 2) pairs whose logarithm of odds is above ``least`` and for both of them the best there is."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, pairs[:, 0], odds)
    np.maximum.at(best, pairs[:, 1], odds)
    return pairs[(odds > least) & (odds >= best[pairs[:, 0]]) & (odds >= best[pairs[:, 1]])]


def grouped(pairs: IntArray, count: int) -> IntArray:
    """(count,) numbers 0..k without gaps: those of a pair have the same; 0 keeps its own."""
    # So few pairs that a graph library would take longer to be called.
    first = list(range(count))

    def root(name: int) -> int:
        while first[name] != name:
            name = first[name]
        return name

    for one, other in pairs.tolist():
        low, high = sorted((root(one), root(other)))
        first[high] = low
    _, numbers = np.unique([root(name) for name in range(count)], return_inverse=True)
    return np.asarray(numbers.reshape(-1), dtype=np.intp)


def _standing(pieces: IntMap, above: npt.NDArray[np.bool_]) -> IntMap:
    """Without those pieces (h, w) that are nothing but the plane that others enclose."""
    count = int(pieces.max()) + 1
    risen, size = np.bincount(pieces[above], minlength=count), np.bincount(pieces.ravel(), minlength=count)
    keep = np.where(risen > _LEAST_ABOVE * size, np.arange(count), 0)
    keep[0] = 0
    return np.asarray(keep[pieces], dtype=np.int32)
