"""Which of the things seen is which of those known, at the least cost altogether."""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import FloatArray
from .frame import BoolArray


def assigned(cost: FloatArray, possible: BoolArray) -> list[tuple[int, int]]:
    """Row and column of the pairs that cost least altogether, of costs (N, M).

    A row of which no pair is ``possible`` (N, M) has to cost the same in every column, and no pair may cost more than that.
    """
    rows = np.flatnonzero(possible.any(axis=1))
    columns = cost[rows].argmin(axis=1)
    # Where no two rows want the same one, each has its own: that is almost always, and spares loading the solver.
    if len(set(columns.tolist())) < len(rows):
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def warm_up() -> None:
    """Load the solver, for whoever has the time before the first images: it takes a tenth of a second."""
    assigned(np.zeros((2, 2)), np.ones((2, 2), dtype=bool))
