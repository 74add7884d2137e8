"""What can be asked of some things: relations in groups that share one measurement, for every pair of things."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..scene.relations import RELATIONS
from .facts import dimension_of

Unit = list[tuple[str, tuple[int, ...]]]
# As many triples of things as pairs are asked about at most: there are far more of them.
_TRIPLES_PER_PAIR = 1.0


def units_of(
    relations: Sequence[str], indices: Sequence[int], *, both_orders: bool, generator: np.random.Generator
) -> list[Unit]:
    """(relation, indices of its things) in groups that read one margin.

    Args:
        both_orders: each relation of two things for either order; else for one, by chance.
    """
    by_arity = {arity: [name for name in relations if RELATIONS[name].arity == arity] for arity in (1, 2, 3)}
    units: list[Unit] = [[(name, (index,))] for index in indices for name in by_arity[1]]
    groups = _groups(by_arity[2])
    pairs = list(combinations(indices, 2))
    swapped = generator.random((len(pairs), len(by_arity[2]))) < 0.5
    place = {name: at for at, name in enumerate(by_arity[2])}
    for row, (i, j) in zip(swapped.tolist(), pairs, strict=True):
        for group in groups:
            if both_orders:
                units.append([(name, order) for name in group for order in ((i, j), (j, i))])
            else:
                units.append([(name, (j, i) if row[place[name]] else (i, j)) for name in group])
    return units + _of_three(by_arity[3], indices, len(pairs), generator)


def _groups(relations: Sequence[str]) -> list[list[str]]:
    """Relations of two things, those of one margin together."""
    groups: dict[str, list[str]] = {}
    for name in relations:
        side = dimension_of(name)
        # The differences in height are of bottoms, where "above" is of centres.
        shared = side is not None and not name.startswith(("above_difference", "below_difference"))
        groups.setdefault(side[0] if side is not None and shared else name, []).append(name)
    return list(groups.values())


def _of_three(relations: Sequence[str], indices: Sequence[int], num_pairs: int, generator: np.random.Generator) -> list[Unit]:
    if not relations or len(indices) < 3:
        return []
    count = max(1, round(_TRIPLES_PER_PAIR * num_pairs))
    drawn = dict.fromkeys(
        tuple(int(index) for index in generator.choice(np.asarray(indices), 3, replace=False)) for _ in range(count)
    )
    return [[(name, triple)] for triple in drawn for name in relations]
