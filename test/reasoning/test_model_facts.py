"""A model as one more source of facts: sharpening depth's, standing in for it, and never pulling it where it does not belong."""

from __future__ import annotations

import math

import pytest
from test_answer import PLACES, distance, table

from spatialvlm_ros.expressions.evaluate import Evaluator
from spatialvlm_ros.expressions.tree_json import tree_from_json
from spatialvlm_ros.reasoning.model_facts import Said, fuse, with_model
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status, truth_from_margin
from spatialvlm_ros.scene.relation import Measurement
from spatialvlm_ros.scene.scene import Scene

PAIR = Query("distance", "red block", "blue block")


def told(value: float, std: float = math.nan, query: Query = PAIR) -> object:
    """Who says this of one query, and nothing of others."""

    def said(scene: Scene, asked: Query) -> Said | None:
        return Said(value, std) if asked == query else None

    return said


def fused(said: object, query: Query = PAIR):
    measure = with_model(said)  # type: ignore[arg-type]
    return measure(table(), query, None)


def test_two_numbers_that_agree_are_weighted_by_their_variances() -> None:
    depth, measurement = fused(lambda scene, query: None)
    both, _ = fused(told(depth.value + depth.std, depth.std))
    assert both.source is Source.FUSED and depth.source is Source.DEPTH and measurement is not None
    assert both.value == pytest.approx(depth.value + depth.std / 2) and both.std == pytest.approx(depth.std / math.sqrt(2))
    unsure, _ = fused(told(depth.value + depth.std, 1e3 * depth.std))
    assert unsure.value == pytest.approx(depth.value, abs=1e-5) and unsure.std == pytest.approx(depth.std, rel=1e-5)


def test_a_model_that_reads_the_same_depth_moves_a_number_and_leaves_its_deviation() -> None:
    depth, alone = fused(lambda scene, query: None)
    for factor in (0.5, 1.0, 3.0):
        said = told(depth.value + depth.std, factor * depth.std)
        both, measurement = with_model(said, reads_depth=True)(table(), PAIR, None)  # type: ignore[arg-type]
        assert both.value == pytest.approx(depth.value + depth.std / (1 + factor**2))
        assert both.source is Source.FUSED and measurement is not None and both.std == measurement.std == depth.std
        assert alone is not None and measurement.error
        for one, other in zip(measurement.error, alone.error, strict=True):
            assert one.of is other.of and one.loading.tolist() == other.loading.tolist()


def test_a_model_that_disagrees_is_told_and_not_used() -> None:
    depth, _ = fused(lambda scene, query: None)
    both, _ = fused(told(depth.value + 0.5, 0.05))
    assert (both.value, both.std, both.source) == (depth.value, depth.std, Source.DEPTH)
    assert "The model says" in both.text and "sigma off; not used" in both.text


def test_a_model_stands_in_where_depth_finds_nothing() -> None:
    lost = Query("distance", "unicorn", "blue block")
    depth, _ = fused(lambda scene, query: None, lost)
    assert depth.status is Status.NOT_FOUND
    alone, measurement = fused(told(0.4, 0.1, lost), lost)
    assert (alone.status, alone.source, alone.value, alone.std) == (Status.OK, Source.VLM, 0.4, 0.1)
    assert "unicorn" in alone.text and measurement is not None


def test_a_model_cures_no_ambiguity_and_no_bad_query() -> None:
    for query in (
        Query("distance", "block", "red block"),
        Query("distance", "red block", "red block"),
        Query("farness", "a", "b"),
    ):
        before, _ = fused(lambda scene, asked: None, query)
        after, measurement = fused(told(0.4, 0.1, query), query)
        assert math.isnan(after.value) and (after.status, after.text) == (before.status, before.text)
        assert measurement is None


def test_a_probability_of_the_model_stands_in_for_a_predicate_only_where_depth_has_none() -> None:
    lost, known = Query("left", "unicorn", "blue block"), Query("left", "red block", "blue block")
    alone, measurement = fused(told(0.9, query=lost), lost)
    assert (alone.value, alone.source) == (0.9, Source.VLM) and measurement is not None and measurement.margin is not None
    depth, _ = fused(lambda scene, query: None, known)
    beside, _ = fused(told(0.1, query=known), known)
    assert (beside.value, beside.source, beside.text) == (depth.value, Source.DEPTH, depth.text)


CLOSE = Query("behind", "red block", "blue block")


def behind(probability: float, **options: object) -> tuple[SpatialFact, Measurement]:
    """Of a red block that is probably behind the blue one, by a little more than one standard deviation."""
    on = table(red=(PLACES["red block"][0][0] + 0.004, *PLACES["red block"][0][1:]))
    fact, measurement = with_model(told(probability, query=CLOSE), **options)(on, CLOSE, None)  # type: ignore[arg-type]
    assert measurement is not None and measurement.margin is not None
    return fact, measurement


def test_a_model_that_reads_depth_may_be_surer_of_the_side_that_depth_sees() -> None:
    depth, measured = behind(0.5)
    assert depth.truth.verdict is None and "probably" in depth.text
    likelier = depth.value > 0.5
    both, sharper = behind(0.99 if likelier else 0.01, reads_depth=True)
    assert both.truth.verdict is likelier and both.source is Source.FUSED and "probably" not in both.text
    assert f"By depth alone it is probable: {max(depth.value, 1 - depth.value):.0%}" in both.text
    assert sharper.margin.value == measured.margin.value
    # The margin's own probability is the one that is told, for trees that are made of it.
    assert truth_from_margin(sharper.margin.value, sharper.margin.std).probability == pytest.approx(both.value, abs=1e-6)
    share = sharper.margin.std / measured.margin.std
    for (_, _, before), (_, _, after) in zip(measured.margin.error, sharper.margin.error, strict=True):
        assert after == pytest.approx(share * before)


def test_it_turns_no_verdict_of_depth_and_makes_none_weaker() -> None:
    depth, _ = behind(0.5)
    for probability in (1 - depth.value, 0.5, 0.001 if depth.value > 0.5 else 0.999, (depth.value + 0.5) / 2):
        beside, _ = behind(probability, reads_depth=True)
        assert (beside.value, beside.source, beside.text) == (depth.value, Source.DEPTH, depth.text)
    other, _ = behind(0.999 if depth.value > 0.5 else 0.001)
    assert (other.value, other.source) == (depth.value, Source.DEPTH)


def test_what_depth_and_the_model_are_worth_together_is_told_where_it_was_fitted() -> None:
    depth, measured = behind(0.5)
    heard: list[tuple[Query, float, float]] = []

    def together(query: Query, margin: float, own: float) -> float | None:
        heard.append((query, margin, own))
        return 0.98

    both, _ = behind(0.6, joined=together, reads_depth=True)
    assert both.value == 0.98 and depth.value > 0.5
    assert heard == [(CLOSE, pytest.approx(measured.margin.value / measured.margin.std), 0.6)]
    # The other side, or less than depth knows alone, it is not made; and where nothing was fitted the model's own word counts.
    for told_together, value in ((0.01, depth.value), (0.5 + 0.1 * (depth.value - 0.5), depth.value), (None, 0.99)):
        other, _ = behind(0.99, joined=lambda *_, it=told_together: it, reads_depth=True)
        assert other.value == value


def test_a_number_for_a_predicate_is_not_taken() -> None:
    known = Query("left", "unicorn", "blue block")
    fact, _ = fused(told(0.3, 0.1, known), known)
    assert fact.status is Status.NOT_FOUND


def test_fused_facts_go_through_trees() -> None:
    tree = tree_from_json({"op": "lt", "args": [distance("red block", "blue block"), {"value": 30, "unit": "cm"}]})
    depth = Evaluator(table()).evaluate(tree)
    assert depth.value is not None
    (fact,) = depth.facts
    both = Evaluator(table(), measure=with_model(told(fact.value, fact.std))).evaluate(tree)  # type: ignore[arg-type]
    assert both.value is not None and both.value.origin.source is Source.FUSED
    assert both.facts[0].std == pytest.approx(fact.std / math.sqrt(2))


def test_a_model_answers_for_a_thing_that_depth_lost_in_a_tree() -> None:
    lost = Query("distance", "unicorn", "blue block")
    tree = tree_from_json({"op": "lt", "args": [distance("unicorn", "blue block"), {"value": 30, "unit": "cm"}]})
    found = Evaluator(table(), measure=with_model(told(0.1, 0.02, lost))).evaluate(tree)  # type: ignore[arg-type]
    assert found.value is not None and bool(found.value.value) and found.value.origin.source is Source.VLM


@pytest.mark.parametrize("probability", [-0.1, 1.7])
def test_a_value_without_its_std_is_a_probability_or_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="no probability from 0 to 1"):
        Said(probability)


def test_bearings_on_both_sides_of_straight_behind_agree() -> None:
    fact = SpatialFact(Query("bearing", "can"), Status.OK, Source.DEPTH, 0, "cam", value=3.13, std=0.1, unit="rad")
    both, measurement = fuse(fact, Measurement(3.13, 0.1), Said(-3.13, 0.1))
    assert both.source is Source.FUSED and abs(both.value) == pytest.approx(math.pi) and measurement.value == both.value
    both, _ = fuse(fact, Measurement(3.13, 0.1), Said(-3.03, 0.1))
    assert both.value == pytest.approx(-2 * math.pi + (3.13 + 2 * math.pi - 3.03) / 2)


@pytest.mark.parametrize(("value", "std"), [(math.nan, 0.1), (math.inf, 0.1), (0.3, 0.0), (0.3, -1.0), (0.3, math.inf)])
def test_numbers_that_are_none_are_refused(value: float, std: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Said(value, std)
