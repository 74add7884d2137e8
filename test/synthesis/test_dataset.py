"""Which candidates stay: shares and caps, and that a cap does not undo a balance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from examples import example
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.synthesis.balance import Group, group_of
from spatialvlm_ros.synthesis.dataset import GROUP_COLUMNS, DatasetMaker
from spatialvlm_ros.synthesis.output import OutFolder
from spatialvlm_ros.synthesis.schema import candidate_table

EXAMPLES = [example(number, 40) for number in range(30)]
TABLE = candidate_table(EXAMPLES)
GROUPS = sorted({group_of(pair) for one in EXAMPLES for pair in one.pairs})


def maker(shares: dict[Group, float], cap: int) -> DatasetMaker:
    """One that only selects."""
    return DatasetMaker(OutFolder(Path("nowhere"), ""), shares, cap, "parquet", 1)


def test_group_columns_are_what_pairs_are_grouped_by() -> None:
    """The same parts in the same order as balance.group_of has them."""
    pair = EXAMPLES[0].pairs[1]
    assert group_of(pair) == (pair.query.relation, pair.kind, pair.polarity, pair.cue, pair.prior)
    assert GROUP_COLUMNS == ("relation", "kind", "polarity", "cue", "prior")


@given(st.lists(st.floats(0.0, 1.0), min_size=len(GROUPS), max_size=len(GROUPS)))
@settings(max_examples=20, deadline=None)
def test_without_a_cap_those_pairs_stay_whose_key_is_below_the_share(values: list[float]) -> None:
    """Exactly those, whichever worker asks, and rows without any go."""
    shares = dict(zip(GROUPS, values, strict=True))
    table, counts = maker(shares, 0).select(TABLE)
    wanted = {one.key: {pair.question for pair in one.pairs if pair.order_key < shares[group_of(pair)]} for one in EXAMPLES}
    found = {row["key"]: {pair["question"] for pair in row["pairs"]} for row in table.to_pylist()}
    assert found == {key: questions for key, questions in wanted.items() if questions}
    assert counts.total() == sum(map(len, wanted.values()))


def test_messages_are_the_pairs_in_their_order() -> None:
    """Every question is followed by its own answer."""
    table, _ = maker(dict.fromkeys(GROUPS, 1.0), 5).select(TABLE)
    for row in table.to_pylist():
        texts = [part["text"] for turn in row["messages"] for part in turn["content"] if part["type"] == "text"]
        assert texts == [text for pair in row["pairs"] for text in (pair["question"], pair["answer"])]
        assert len(row["pairs"]) == 5


def test_a_cap_keeps_the_proportions_of_the_shares() -> None:
    """A group of which a tenth stays has the smallest keys; it must not win every place."""
    rare = next(group for group in GROUPS if group[2] == "yes")
    shares = {**dict.fromkeys(GROUPS, 1.0), rare: 0.1}
    _, counts = maker(shares, 8).select(TABLE)
    everything = Counter(group_of(pair) for one in EXAMPLES for pair in one.pairs)
    weights = {group: everything[group] * shares[group] for group in GROUPS}
    expected = counts.total() * weights[rare] / sum(weights.values())
    assert counts.total() == 8 * len(EXAMPLES)
    # Of 240 places 7.5 are the rare group's by right; sorted by the bare key it would have had about a hundred.
    assert abs(counts[rare] - expected) < 3 * np.sqrt(expected) + 1


def test_groups_without_a_share_and_tables_without_rows_give_nothing() -> None:
    """And no error."""
    assert maker({}, 0).select(TABLE)[0].num_rows == 0
    assert maker({}, 0).select(TABLE.slice(0, 0))[0].num_rows == 0
