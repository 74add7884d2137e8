"""Which pieces of surface are one thing: a learnt judgement of neighbours, the surest joined first and judged anew.

The judgement is a sum of small trees (``models/joints``; the card there tells what they were fitted on), in plain NumPy. It
was fitted by ``python -m spatialvlm_ros.training.joints``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..scene.frame import SURE_ODDS
from ..scene.shipped import an_entry_a_line, shipped_text
from .grid import Grid, Surface
from .joint_features import Joints, features_of
from .mend import IntMap
from .piece_sums import PieceSums, sums_of
from .pieces import Look, look_at, pieces_of

if TYPE_CHECKING:
    from .tabletop import TabletopConfig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

FOLDER = Path(__file__).resolve().parents[1] / "models" / "joints"
FILE = "trees.json"
# More pieces than that are texture, or an image of noise: the pairs of all would take long to tell apart.
_MOST_PIECES = 600
# Added to the logarithm of the odds where nothing but colour parts two pieces, and they are printed: rendered scenes have more
# flush stacks and less print than real ones. Taken off where a valley or a step parts printed ones. So much of a piece must be in
# one part that neither cuts. Two pieces of one part may have a step between them all the same, which it goes around: where that
# is so many standard deviations of depth (printed cartons have up to 2.9), it parts them, too.
_PRINTED_ODDS, _PARTED_ODDS, _MOST, _STEP_SIGMAS = 4.0, 1.0, 0.9, 4.0
# An image is one without colours where no piece is further from gray than this; how much spread of lightness counts there.
_GRAY_CHROMA, _OF_LIGHTNESS = 1.0, 0.3
# Added where one of the two has fewer camera pixels than that: it is sooner a scrap of the other than a thing.
_SCRAP_ODDS, _SCRAP_PX = 1.0, 240
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
        # All first questions, then all second ones: whole rows are compared, which takes a fraction of the time.
        asked = np.ascontiguousarray(features.T).take(self.feature.T.ravel(), axis=0).reshape(depth, count, len(features))
        answers = asked > self.above.T[:, :, None]
        leaf: npt.NDArray[np.integer] = np.zeros(answers.shape[1:], dtype=np.uint16)
        for answer in answers:
            leaf = (leaf << 1) | answer
        row = np.arange(0, self.log_odds.size, self.log_odds.shape[1])
        return np.asarray(self.start + self.log_odds.ravel().take(leaf + row[:, None]).sum(axis=0))

    def to_json(self) -> str:
        """One line an entry; what ``from_json`` reads."""
        entries = {
            "names": list(self.names), "start": self.start, "feature": self.feature.tolist(), "above": self.above.tolist(),
            "log_odds": self.log_odds.tolist(),
        }  # fmt: skip
        return an_entry_a_line(entries)

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


@dataclass(frozen=True)
class Joined:
    """Labels of what was judged to be one thing each, and how sure that was, as natural logarithms of odds.

    Attributes:
        labels: (h, w) int32, 1..n, 0 elsewhere; not every number has pixels.
        odds: (n + 1,) the least at which any two of one's pieces were joined, within +-``SURE_ODDS``, which is what has one piece
            only; NaN where nobody judged.
        pairs: (m, 2) neighbours that were not joined.
        pair_odds: (m,) theirs, within +-``SURE_ODDS``.
    """

    labels: IntMap
    odds: FloatArray
    pairs: IntArray
    pair_odds: FloatArray

    @staticmethod
    def by_nobody(labels: IntMap) -> Joined:
        """What nobody judged."""
        return Joined(labels, np.full(int(labels.max()) + 1, np.nan), np.zeros((0, 2), np.intp), np.zeros(0))


@lru_cache(maxsize=1)
def shipped_trees() -> Trees:
    """The trees of this package. Raises ValueError where the file is not the one of its SHA256SUMS."""
    return Trees.from_json(shipped_text(FOLDER, FILE))


def joined_things(grid: Grid, surface: Surface, config: TabletopConfig, trees: Trees | None = None) -> Joined:
    """Labels 1..n of what stands above the plane; the shipped trees judge unless others are given.

    Raises:
        ValueError: for trees that were fitted on other features.
    """
    labels = np.zeros(grid.depth.shape, dtype=np.int32)
    look = look_at(grid, surface, config)
    if look is None:
        return Joined.by_nobody(labels)
    pieces = pieces_of(look, config.parts.piece_valley, config.parts.piece_edge)
    if not 0 < pieces.max() <= _MOST_PIECES:
        labels[look.window] = pieces
        return Joined.by_nobody(labels)
    judge = trees or shipped_trees()
    least = math.log(config.parts.one_thing / (1 - config.parts.one_thing))
    sums = sums_of(look, pieces)
    into, weakest = np.arange(len(sums.sums)), np.full(len(sums.sums), SURE_ODDS)
    while True:
        odds = _odds(look, sums, judge) if len(sums.pairs) else np.zeros(0)
        chosen = _surest(sums.pairs, odds, least, len(sums.sums))
        if not chosen.any():
            break
        step = grouped(sums.pairs[chosen], len(sums.sums))
        weakest = _weakest(weakest, step, sums.pairs[chosen], odds[chosen])
        into, sums = step[into], sums.joined(step)
    labels[look.window] = _standing(look, into.take(pieces.ravel().take(look.pixels)))
    return Joined(labels, weakest, sums.pairs, np.clip(odds, -SURE_ODDS, SURE_ODDS))


def _odds(look: Look, sums: PieceSums, judge: Trees) -> FloatArray:
    """(m,) logarithm of the odds that a pair is one thing."""
    joints = Joints.of(look, sums)
    values = features_of(joints)
    if tuple(values) != judge.names:
        raise ValueError("the trees were fitted on other features: run spatialvlm_ros.training.joints again")
    odds = judge(np.concatenate(list(values.values())).reshape(len(values), -1).T)
    part, other = _majority(sums.parts)[sums.pairs].T
    printed = _print_shares(joints, values) > look.config.parts.printed
    parted = (part != other) & (part > 0) & (other > 0)
    flush = (part == other) & (values["step_sigmas"] < _STEP_SIGMAS)
    odds += _PRINTED_ODDS * (flush & printed) - _PARTED_ODDS * (parted & printed)
    scrap = np.minimum(joints.upper.count, joints.lower.count) * look.grid.step**2 < _SCRAP_PX
    odds += _SCRAP_ODDS * scrap
    odds -= _TWIN_ODDS * (parted & _are_twins(values, look.config.min_height_m))
    return odds


def _weakest(before: FloatArray, into: IntArray, chosen: IntArray, odds: FloatArray) -> FloatArray:
    """(k + 1,) least logarithm of odds of any joint in each piece, after chosen pairs (c, 2) with ``odds`` (c,) were joined."""
    least = np.full(int(into.max()) + 1, SURE_ODDS)
    np.minimum.at(least, into, before)
    np.minimum.at(least, into[chosen[:, 0]], np.clip(odds, -SURE_ODDS, SURE_ODDS))
    return least


def _are_twins(values: dict[str, FloatArray], level_m: float) -> npt.NDArray[np.bool_]:
    """(m,) whether a pair is of alike things side by side: convex, as high and as large as each other, with a valley between."""
    alike = np.abs(values["upper_pixels"] - values["lower_pixels"]) < _TWIN_SIZES
    level = (np.abs(values["tops_apart_m"]) < level_m) & (np.abs(values["bases_apart_m"]) < level_m)
    convex = np.minimum(values["upper_fills"], values["lower_fills"]) > _CONVEX
    return np.asarray(alike & level & convex & (values["valley"] > _TWIN_VALLEY) & (values["step_m"] < _TWIN_STEP_M), dtype=bool)


def _print_shares(joints: Joints, values: dict[str, FloatArray]) -> FloatArray:
    """(m,) spread of colours within each pair's two as a share of how far their colours are apart: large where one is printed."""
    upper, lower = joints.upper, joints.lower
    # Shade spreads the lightness of what is plain: it counts, and little, where an image has nothing else.
    of_lightness = _OF_LIGHTNESS if float(joints.faces.chroma[1:].max(initial=0)) < _GRAY_CHROMA else 0.0
    spread = [of.tint_variance + of_lightness * (np.square(of.lab_std) - of.tint_variance) for of in (upper, lower)]
    pooled = (upper.count * spread[0] + lower.count * spread[1]) / (upper.count + lower.count)
    return np.asarray(np.sqrt(pooled) / np.maximum(values["colors_apart"], 1e-6))


def _majority(parts: FloatArray) -> IntArray:
    """(n + 1,) the part that nearly all of each piece is in, of its pixels in parts (n + 1, P); minus its number for none."""
    best = parts.argmax(axis=1)
    sure = (best > 0) & (parts.max(axis=1) > _MOST * parts.sum(axis=1))
    return np.where(sure, best, -np.arange(len(parts)))


def _surest(pairs: IntArray, odds: FloatArray, least: float, count: int) -> npt.NDArray[np.bool_]:
    """(m,) bool, pairs whose logarithm of odds is above ``least`` and for both of them the best there is."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, pairs[:, 0], odds)
    np.maximum.at(best, pairs[:, 1], odds)
    return np.asarray((odds > least) & (odds >= best[pairs[:, 0]]) & (odds >= best[pairs[:, 1]]), dtype=bool)


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
    for name in pairs.ravel().tolist():
        first[name] = root(name)
    roots = np.array(first, dtype=np.intp)
    # Those that stay are counted in their order.
    return np.asarray((np.cumsum(roots == np.arange(count)) - 1)[roots], dtype=np.intp)


def _standing(look: Look, name: IntArray) -> IntMap:
    """(h, w) the pieces (N,) of the domain's pixels, without those that are nothing but the plane that others enclose."""
    size, risen = np.bincount(name), np.bincount(name, weights=look.above.ravel().take(look.pixels))
    keep = np.where(risen > _LEAST_ABOVE * size, np.arange(len(size), dtype=np.int32), 0)
    keep[0] = 0
    labels = np.zeros(look.domain.shape, dtype=np.int32)
    labels.ravel()[look.pixels] = keep[name]
    return labels
