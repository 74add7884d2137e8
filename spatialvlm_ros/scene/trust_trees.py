"""The trees of ``trust.py``: several sums over what shows of a thing, of small trees that are all asked at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from .shipped import an_entry_a_line, shipped_text

IntArray = npt.NDArray[np.intp]

FOLDER = Path(__file__).resolve().parents[1] / "models" / "trust"
FILE = "trees.json"
# The sums, in their order: logarithms of the factors of three deviations, of how much more the surface errs at an end of an axis,
# and of the odds that a region is two things.
SUMS = ("centre", "edges", "height", "side", "merged")


@dataclass(frozen=True)
class TrustTrees:
    """Sums of T trees in all that ask the same D questions of everybody, so that a tree is a table of 2**D numbers.

    Attributes:
        names: (F) of what the questions are about, in the order of ``trust.NAMES``.
        usual: (3,) factors of the deviations of the centre along the ground, of the level edges and of the height where nothing
            shows.
        elsewhere: (4,) what is added to the first four sums where noise is wholly another one than its law says.
        start: (K,) each of ``SUMS`` before its first tree.
        first: (K,) index of each one's first tree.
        feature, above: (T, D) which evidence each question is about, and above what the answer is yes.
        added: (T, 2**D) what a tree adds; the first question's answer is the highest bit.
    """

    names: tuple[str, ...]
    usual: tuple[float, ...]
    elsewhere: FloatArray
    start: FloatArray
    first: IntArray
    feature: IntArray
    above: FloatArray
    added: FloatArray

    def __call__(self, evidence: FloatArray) -> FloatArray:
        """(A, K) the sums at the evidence (A, F) of a thing's axes."""
        count, depth = self.feature.shape
        answers = evidence.take(self.feature, axis=1) > self.above
        leaf = answers @ (1 << np.arange(depth)[::-1])
        added = self.added.ravel().take(leaf + np.arange(0, count << depth, 1 << depth))
        return np.asarray(self.start + np.add.reduceat(added, self.first, axis=1))

    def to_json(self) -> str:
        """One line an entry; what ``from_json`` reads."""
        entries = {
            "names": list(self.names), "usual": list(self.usual), "elsewhere": self.elsewhere.tolist(),
            "start": self.start.tolist(), "first": self.first.tolist(), "feature": self.feature.tolist(),
            "above": self.above.tolist(), "added": self.added.tolist(),
        }  # fmt: skip
        return an_entry_a_line(entries)

    @staticmethod
    def from_json(text: str) -> TrustTrees:
        """Raises ValueError for what are no trees."""
        try:
            entries = json.loads(text)
            trees = TrustTrees(
                tuple(entries["names"]), tuple(entries["usual"]), np.asarray(entries["elsewhere"], dtype=np.float64),
                np.asarray(entries["start"], dtype=np.float64), np.asarray(entries["first"], dtype=np.intp),
                np.asarray(entries["feature"], dtype=np.intp), np.asarray(entries["above"], dtype=np.float64),
                np.asarray(entries["added"], dtype=np.float64),
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise ValueError(f"no trees: {error!r}") from error
        if trees.feature.ndim != 2 or trees.start.shape != (len(SUMS),) or trees.first.shape != (len(SUMS),):
            raise ValueError(f"trees of {len(trees.start)} sums, not of {len(SUMS)}")
        if trees.elsewhere.shape != (len(SUMS) - 1,):
            raise ValueError(f"elsewhere has {trees.elsewhere.shape} numbers, not {len(SUMS) - 1}")
        count, depth = trees.feature.shape
        if trees.above.shape != (count, depth) or trees.added.shape != (count, 2**depth):
            raise ValueError(f"trees of {trees.feature.shape}, {trees.above.shape} and {trees.added.shape} do not fit")
        return trees


@lru_cache(maxsize=1)
def shipped_trust() -> TrustTrees:
    """The trees of this package. Raises ValueError where the file is not the one of its SHA256SUMS."""
    return TrustTrees.from_json(shipped_text(FOLDER, FILE))
