"""Fits what tells whether two neighbouring pieces of surface are one thing (``perception/joints.py``), on rendered scenes.

``python -m spatialvlm_ros.training.joints --out FOLDER`` renders them, fits and writes the trees; that takes one core about five
minutes. Depth has the noise of six families of cameras and more; two of three images are painted anew, with prints
that say nothing of where things end, for real goods are printed. Pieces are judged as they are cut, and after some of those that
are one thing were joined, as they come up at work.

The trees are boosted one after another (Friedman 2001, "Greedy function approximation: a gradient boosting machine"); each asks
the same questions of everybody (Dorogush et al. 2018, "CatBoost").
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..perception.joint_features import Joints, features_of
from ..perception.joints import FILE, FloatArray, Trees, grouped
from ..perception.piece_sums import COUNT, sums_of
from ..perception.pieces import Look, look_at, numbered, pieces_of
from ..scene.shipped import write_shipped
from .joint_scenes import BoolArray, JointScene, scene_of
from .joint_trees import Boosting, boosted

FIRST_SEED, SCENES, TREES = 680_000, 1_080, 600
# A piece must show one thing for this share, or it is nobody's example.
_PURE = 0.8
# Pixels of a piece that counts as one example; larger ones count more and smaller ones less, within limits.
_ONE_EXAMPLE_PX, _LEAST_WEIGHT, _MOST_WEIGHT = 50.0, 0.3, 3.0
# Pieces of walls and floors matter less.
_BACKGROUND_WEIGHT = 0.3
_MOST_PIECES = 250
_HELD_OUT = 0.15


@dataclass(frozen=True)
class Examples:
    """Neighbours of many scenes: features (N, F), whether they are one thing, weights and seeds (N,)."""

    names: tuple[str, ...]
    features: FloatArray
    same: BoolArray
    weight: FloatArray
    seed: FloatArray


def examples_of(seeds: Sequence[int], renders: Path | None = None) -> Examples:
    """All examples of the scenes; ``renders`` keeps their images from one run to the next."""
    rows: list[tuple[FloatArray, BoolArray, FloatArray]] = []
    of_seed: list[FloatArray] = []
    names: tuple[str, ...] = ()
    for seed in seeds:
        for row in _rows(scene_of(seed, renders), np.random.default_rng([seed, 3])):
            names = row[0]
            rows.append(row[1:])
            of_seed.append(np.full(len(row[2]), float(seed)))
    features, same, weight = (np.concatenate([row[i] for row in rows]) for i in range(3))
    return Examples(names, features, same.astype(bool), weight, np.concatenate(of_seed))


def _rows(scene: JointScene, rng: np.random.Generator) -> Iterator[tuple[tuple[str, ...], FloatArray, BoolArray, FloatArray]]:
    """Names, features, whether both are one thing, and weights: of the pieces as cut, and twice after some were joined."""
    grid, surface, config = scene.seen(rng)
    look = look_at(grid, surface, config)
    if look is None:
        return
    pieces = pieces_of(look, rng.uniform(0.45, 0.8), rng.uniform(8.0, 13.0))
    if not 0 < pieces.max() <= _MOST_PIECES:
        return
    sums, owner = sums_of(look, pieces), _Owners.of(look, pieces, scene.labels)
    for _ in range(3):
        if not len(sums.pairs):
            return
        values = features_of(Joints.of(look, sums))
        names, features = tuple(values), np.stack(list(values.values()), axis=1)
        first, second = sums.pairs.T
        same = owner.number[first] == owner.number[second]
        background = (owner.number[first] <= 0) & (owner.number[second] <= 0)
        clear = owner.pure[first] & owner.pure[second] & ~(background & ~same)
        size = np.minimum(sums.sums[first, COUNT], sums.sums[second, COUNT])
        weight = np.sqrt(size / _ONE_EXAMPLE_PX).clip(_LEAST_WEIGHT, _MOST_WEIGHT) * np.where(background, _BACKGROUND_WEIGHT, 1.0)
        if clear.any():
            yield names, features[clear], same[clear], weight[clear]
        candidates = np.flatnonzero(same & clear)
        chosen = candidates[rng.random(len(candidates)) < rng.uniform(0.3, 1.0)]
        if not len(chosen):
            return
        into = grouped(sums.pairs[chosen], len(sums.sums))
        pieces = numbered(into[pieces].astype(np.int32))
        sums, owner = sums.joined(into), _Owners.of(look, pieces, scene.labels)


@dataclass(frozen=True)
class _Owners:
    """Whose pieces 0..n are: number of the thing, 0 or less for the background, and whether it is nearly all of the piece."""

    number: FloatArray
    pure: BoolArray

    @staticmethod
    def of(look: Look, pieces: np.ndarray, labels: np.ndarray) -> _Owners:
        own = labels[look.window].astype(np.int64)
        # Where nothing was hit, nobody is.
        low = int(own.min())
        known = (pieces > 0) & (own != 0)
        votes = np.zeros((int(pieces.max()) + 1, int(own.max()) - low + 1))
        np.add.at(votes, (pieces[known], own[known] - low), 1)
        share = votes.max(axis=1) / np.maximum(votes.sum(axis=1), 1)
        return _Owners((votes.argmax(axis=1) + low).astype(np.float64), share > _PURE)


def fitted(examples: Examples, boosting: Boosting) -> tuple[Trees, dict[str, float]]:
    """The trees, and how often they err on the scenes with the last seeds, which they were not fitted on."""
    held = examples.seed > np.quantile(examples.seed, 1 - _HELD_OUT)
    start, feature, above, log_odds = boosted(examples.features[~held], examples.same[~held], examples.weight[~held], boosting)
    trees = Trees(examples.names, start, feature, above, log_odds)
    # As the file has them.
    trees = Trees.from_json(trees.to_json())
    said, same = trees(examples.features[held]) > 0, examples.same[held]
    figures = {
        "pairs": float(len(examples.same)),
        "pairs_held_out": float(np.count_nonzero(held)),
        "one_thing_parted": float(np.mean(~said[same])) if same.any() else float("nan"),
        "two_things_joined": float(np.mean(said[~same])) if not same.all() else float("nan"),
    }
    return trees, figures


def main() -> None:
    """Render, fit, write ``trees.json`` with its SHA256SUMS, and print the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the trees")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many scenes")
    parser.add_argument("--trees", type=int, default=TREES, help="how many trees")
    parser.add_argument("--renders", type=Path, help="folder that keeps the rendered images for another run")
    chosen = parser.parse_args()
    examples = examples_of(range(chosen.first, chosen.first + chosen.scenes), chosen.renders)
    trees, figures = fitted(examples, Boosting(trees=chosen.trees))
    write_shipped(chosen.out, FILE, trees.to_json())
    for name, value in figures.items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
