"""Facts that are measured once and told in many ways."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pictures import rendered
from things import box, scene

from spatialvlm_ros.language.answers import measure_with_error
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Binding
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.facts import MORE_TYPES, PAPER_TYPES, FactLimits, SceneFacts, Told, dimension_of
from spatialvlm_ros.synthesis.lift import lift

EVERYTHING = AskOptions(relations=(*PAPER_TYPES, *MORE_TYPES), exact_share=0.2)


@pytest.mark.parametrize(("seed", "noise", "truth"), [(41, "stereo", False), (49, "", True)])
def test_facts_are_those_of_the_registry(seed: int, noise: str, truth: bool) -> None:
    """What is measured once and told in many ways equals what each query measures on its own."""
    picture = rendered(seed, noise, truth)
    example, scene = make_example(picture, EVERYTHING, 5), lift(picture).scene
    bound = replace(scene, bindings={thing.label: Binding(Status.OK, thing) for thing in scene.objects})
    assert {pair.query.relation for pair in example.pairs} >= set(PAPER_TYPES)
    for pair in example.pairs[::4]:
        names = [info.caption for info in pair.objects]
        query = replace(pair.query, **dict(zip(("subject", "object", "third"), names, strict=False)))
        fact, _ = measure_with_error(bound, query)
        assert fact.value == pytest.approx(pair.value, abs=1e-9), query
        assert fact.std == pytest.approx(pair.std, abs=1e-9, nan_ok=True) and fact.status.name.lower() == pair.status


def told(apart_m: float, relation: str, limits: FactLimits | None = None) -> Told | str:
    """A fact of two boxes side by side, each with 2 mm of error; no up is known."""
    things = {"a": box((0.0, 0.0, 1.0), number=1), "b": box((apart_m, 0.0, 1.0), number=2)}
    return SceneFacts(scene(things), limits or FactLimits()).told(relation, (0, 1))


def test_a_comparison_is_told_when_it_is_sure_or_close_and_not_in_between() -> None:
    std = 0.002 * math.sqrt(2)
    sure, close = told(3.2 * std, "left"), told(1.5 * std, "left")
    assert isinstance(sure, Told) and sure.verdict is True and isinstance(close, Told) and close.verdict is None
    assert told(2.5 * std, "left") == "fact_barely_decided"
    assert told(1.5 * std, "left", FactLimits(unsure=False)) == "fact_unsure"


def test_too_close_to_call_is_said_of_things_and_not_of_a_bad_measurement() -> None:
    blurred = FactLimits(max_std_m=0.001, max_relative_std=0.25)
    assert told(0.004, "left", blurred) == "fact_too_uncertain"


def test_a_side_that_is_not_sure_is_not_told() -> None:
    assert told(0.004, "left_difference") == "fact_side_unsure"
    found = told(0.1, "right_difference")
    assert isinstance(found, Told) and found.verdict is False and found.value == pytest.approx(-0.1)


def test_what_needs_up_is_not_told_without() -> None:
    assert told(0.1, "above") == "fact_not_canonical" and told(0.1, "horizontal_distance") == "fact_not_canonical"


def test_relations_know_their_margin() -> None:
    assert dimension_of("which_right") == ("left_or_right", -1.0) and dimension_of("front_difference") == (
        "behind_or_front",
        -1.0,
    )
    assert dimension_of("below_difference") == ("above_or_below", -1.0) and dimension_of("big_or_small") == ("big_or_small", 1.0)
    assert dimension_of("distance") is None and dimension_of("between") is None
