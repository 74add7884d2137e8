"""In which order rows of several data sets are trained on: shares that are kept at every moment, each row once an epoch.

Never changes: the order depends on sizes, weights, length and seed alone, so a run that goes on sees what it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Turn:
    """One place in the order: which data set, which of its rows, and for which time (from 0)."""

    data_set: int
    row: int
    epoch: int


def shares_of(weights: Sequence[float], spatial: Sequence[bool], spatial_share: float | None) -> list[float]:
    """Share of each data set in a mixture; they sum to 1.

    Args:
        weights: how often each is drawn, against those of its own kind when ``spatial_share`` is given, else against all.
        spatial: which ones are spatial questions.
        spatial_share: of all of these together; the paper's is about 0.05. None leaves it to the weights.

    Raises:
        ValueError: weights that are not above 0, a share outside of 0 .. 1, or no data set of a kind that has a share.
    """
    if not weights or not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise ValueError(f"weights of data sets must be numbers above 0, got {list(weights)}")
    if spatial_share is None:
        return [weight / sum(weights) for weight in weights]
    if not 0 <= spatial_share <= 1:
        raise ValueError(f"the spatial share {spatial_share} must lie in 0 .. 1")
    shares = [0.0] * len(weights)
    for kind, share in ((True, spatial_share), (False, 1 - spatial_share)):
        members = [at for at, is_spatial in enumerate(spatial) if is_spatial is kind]
        if share and not members:
            missing = "spatial questions (a data set of 'spatialvlm synthesize')" if kind else "anything else"
            raise ValueError(f"{share:.0%} of the mixture should be {missing}, and no data set given is: add one with --data")
        total = sum(weights[at] for at in members)
        for at in members:
            shares[at] = share * weights[at] / total
    return shares


def schedule(sizes: Sequence[int], shares: Sequence[float], length: int, seed: int) -> list[Turn]:
    """``length`` turns: after any number of them each data set was drawn its share of it, to less than one turn a data set.

    Raises:
        ValueError: a data set with a share that has no rows.
    """
    for at, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        if share and size < 1:
            raise ValueError(f"data set {at} has no rows to train on; the share of its images for evaluation may be too large")
    wanted = np.asarray(shares, np.float64)
    drawn = np.zeros(len(sizes), np.int64)
    orders: list[tuple[int, npt.NDArray[np.int64]]] = [(-1, np.zeros(0, np.int64)) for _ in sizes]
    turns: list[Turn] = []
    for at in range(1, length + 1):
        # Whoever is furthest behind its share; the first of those that are equally far.
        chosen = int(np.argmax(np.where(wanted > 0, wanted * at - drawn, -np.inf)))
        epoch, place = divmod(int(drawn[chosen]), sizes[chosen])
        if orders[chosen][0] != epoch:
            orders[chosen] = (epoch, np.random.default_rng([seed, chosen, epoch]).permutation(sizes[chosen]))
        turns.append(Turn(chosen, int(orders[chosen][1][place]), epoch))
        drawn[chosen] += 1
    return turns
