"""All questions that some things allow, those of one margin together."""

from __future__ import annotations

from collections import Counter

import numpy as np

from spatialvlm_ros.synthesis.facts import MORE_TYPES, PAPER_TYPES
from spatialvlm_ros.synthesis.units import units_of


def flat(relations: tuple[str, ...], indices: list[int], both: bool = False, seed: int = 0) -> list[tuple[str, tuple[int, ...]]]:
    units = units_of(relations, indices, both_orders=both, generator=np.random.default_rng(seed))
    return [asked for unit in units for asked in unit]


def test_every_relation_is_asked_of_every_pair_of_things_once() -> None:
    asked = Counter((relation, frozenset(things)) for relation, things in flat(PAPER_TYPES, [1, 4, 7]))
    assert set(asked.values()) == {1}
    # 40 types of two things for three pairs, three of one thing for three things.
    assert len(asked) == 3 * 40 + 3 * 3
    assert len(flat(PAPER_TYPES, [1, 4, 7], both=True)) == 2 * 3 * 40 + 3 * 3


def test_either_order_is_as_likely() -> None:
    orders = Counter(things for seed in range(400) for _, things in flat(("left",), [1, 4], seed=seed))
    assert set(orders) == {(1, 4), (4, 1)} and abs(orders[1, 4] - 200) < 60


def test_what_reads_one_margin_is_one_unit() -> None:
    units = units_of(PAPER_TYPES, [0, 1], both_orders=False, generator=np.random.default_rng(0))
    groups = [{relation for relation, _ in unit} for unit in units]
    assert {"left", "right", "which_left", "which_right", "left_or_right", "left_difference", "right_difference"} in groups
    assert {"above", "below", "which_above", "which_below", "above_or_below"} in groups and {"above_difference"} in groups


def test_three_things_are_asked_about_no_more_often_than_two() -> None:
    assert "between" in MORE_TYPES
    asked = flat(("between",), [0, 1, 2, 3, 4])
    assert 0 < len(asked) <= 10 and all(len(set(things)) == 3 for _, things in asked)
    assert flat(("between",), [0, 1]) == []
