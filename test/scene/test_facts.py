"""Facts: enumerations as in the messages, verdicts only beyond two standard deviations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from spatialvlm_msgs.msg import SpatialFact as SpatialFactMsg
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, Query, Source, SpatialFact, Status, Truth, truth_from_margin


@pytest.mark.parametrize(("enumeration", "prefix"), [(Source, "SOURCE_"), (Status, "STATUS_")])
def test_enumerations_carry_the_numbers_of_the_message(enumeration: type, prefix: str) -> None:
    message = SpatialFactMsg
    names = [name for name in dir(type(message)) + dir(message) if name.startswith(prefix)]
    assert {name.removeprefix(prefix): getattr(message, name) for name in names} == {
        member.name: member.value for member in enumeration
    }


def test_a_value_comes_with_three_statuses_only() -> None:
    assert {status for status in Status if status.has_value} == {Status.OK, Status.OCCLUDED, Status.STALE}


@given(st.floats(-1, 1), st.floats(1e-4, 1))
def test_probability_of_a_margin_is_the_gaussians(margin: float, std: float) -> None:
    assert truth_from_margin(margin, std).probability == pytest.approx(norm.cdf(margin / std), abs=1e-12)


@pytest.mark.parametrize(
    ("sigmas", "verdict"), [(2.01, True), (2.0, True), (1.9, None), (0, None), (-1.9, None), (-2.0, False), (-9, False)]
)
def test_a_verdict_needs_two_standard_deviations(sigmas: float, verdict: bool | None) -> None:
    assert truth_from_margin(0.01 * sigmas, 0.01).verdict is verdict


def test_a_margin_without_error_is_certain_and_one_without_value_is_unknown() -> None:
    assert truth_from_margin(1e-6, 0.0).verdict is True
    assert truth_from_margin(0.0, 0.0).verdict is None
    for margin, std in ((math.nan, 0.1), (0.1, math.nan), (math.inf, 0.1), (0.1, math.inf)):
        assert truth_from_margin(margin, std) == Truth(0.5)


def fact(value: float, unit: str) -> SpatialFact:
    return SpatialFact(Query("on", "a", "b"), Status.OK, Source.DEPTH, 0, "camera", value, unit=unit)


def test_the_truth_of_a_fact_without_a_probability_is_unknown() -> None:
    assert fact(0.99, PROBABILITY).truth.verdict is True
    assert fact(math.nan, PROBABILITY).truth == Truth(0.5)
    assert fact(0.99, METRE).truth == Truth(0.5)


def test_an_empty_fact_has_no_numbers() -> None:
    empty = SpatialFact(Query("distance", "a", "b"), Status.NOT_FOUND, Source.UNKNOWN, 3, "camera")
    assert math.isnan(empty.value) and math.isnan(empty.std)
    assert np.isnan(empty.subject_point).all() and np.isnan(empty.object_point).all()


def test_queries_print_sort_and_hash() -> None:
    assert str(Query("distance", "gripper", "red block")) == "distance(gripper, red block)"
    assert str(Query("height", "red block")) == "height(red block)"
    assert len({Query("height", "a"), Query("height", "a"), Query("height", "b")}) == 2
    assert sorted([Query("width", "a"), Query("gap", "b", "c"), Query("gap", "a", "c")])[0] == Query("gap", "a", "c")
