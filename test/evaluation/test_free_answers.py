"""The score of the list of free answers: what counts as right, and what as wrong in silence."""

from __future__ import annotations

import math
from typing import Any

import pytest

from spatialvlm_ros.evaluation.free_answers import score_free_answers


def test_the_score_counts_a_wrong_value_as_silent() -> None:
    entries = [
        {"text": "45 cm", "outcome": "value", "value": 0.45, "unit": "m"},
        {"text": "45 cm", "outcome": "value", "value": 0.54, "unit": "m"},
        {"text": "45 cm", "outcome": "value", "value": 0.45, "unit": "rad"},
        {"text": "45 cm", "outcome": "refused"},
        {"text": "no idea", "outcome": "value", "value": 0.45, "unit": "m"},
        {"text": "No, 2 m", "outcome": "no", "value": 3.0, "unit": "m"},
    ]
    score = score_free_answers(entries)
    assert (score.total, score.right, score.silently_wrong, len(score.failures)) == (6, 1, 3, 5)
    assert score.failures[0].startswith("SILENTLY WRONG: '45 cm': expected value 0.54 m")
    assert math.isnan(score_free_answers([]).share_right)


@pytest.mark.parametrize(
    "entry",
    [
        {"outcome": "yes"},
        {"text": "x", "outcome": "perhaps"},
        {"text": "x", "outcome": "value"},
        {"text": "x", "outcome": "no", "value": 1},
    ],
)
def test_a_broken_entry_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        score_free_answers([entry])
