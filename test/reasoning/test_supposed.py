"""Questions about names that nothing, or more than one thing, answers to: what is supposed, and what is told of it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest
from test_answer import distance, table

from spatialvlm_ros.expressions.evaluate import Evaluator
from spatialvlm_ros.expressions.tree_json import tree_from_json
from spatialvlm_ros.language.answers import measure_query, measure_with_error
from spatialvlm_ros.reasoning.answer import answer_of
from spatialvlm_ros.reasoning.supposed import Meant, certain, nothing_meant, suppose, supposing
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject


def lost() -> Scene:
    """The table of test_answer with names that nothing answers to well enough; "block" is of three things."""
    made = table()
    absent = {name: Binding(Status.NOT_FOUND, text=f"no {name}") for name in ("crimson cube", "navy cube")}
    return replace(made, bindings={**made.bindings, **absent})


def meaning(**ids: tuple[int, float]) -> Meant:
    """Words with an underscore for a space, and the id and probability of what they mean."""

    def meant(scene: Scene, name: str, others: Collection[int] = ()) -> tuple[SceneObject, float] | None:
        number, likely = ids.get(name.replace(" ", "_"), (0, 0.0))
        things = [each for each in scene.objects if each.id == number > 0 and number not in others]
        return (things[0], likely) if things else None

    return meant


def test_a_number_is_of_what_is_likeliest_and_says_so() -> None:
    on, query = lost(), Query("distance", "crimson cube", "green block")
    measure = supposing(measure_with_error, meaning(crimson_cube=(1, 0.8)))
    known = measure_query(on, Query("distance", "red block", "green block"))
    fact, measurement = measure(on, query, None)
    assert fact.status is Status.OK and fact.value == known.value and measurement is not None
    assert "the crimson cube is taken for #1, which looks like a red block (80%)" in fact.doubt and fact.doubt in fact.text
    # It may be the blue one, the only other thing: two parts in ten.
    other = measure_query(on, Query("distance", "blue block", "green block")).value
    assert abs(other - known.value) > 0.1
    assert (
        fact.std == measurement.std == pytest.approx(math.hypot(known.std, math.sqrt(0.2) * abs(other - known.value)), rel=1e-6)
    )
    assert f"{fact.std:.3f} m" in fact.text
    _, plain = measure_with_error(on, Query("distance", "red block", "green block"))
    assert plain is not None and repr(measurement.error).count("ErrorTerm") == repr(plain.error).count("ErrorTerm")
    for (_, _, loading), (_, _, before) in zip(measurement.error, plain.error, strict=True):
        assert np.array_equal(loading, before), "the doubt is nobody else's"


def test_a_comparison_is_of_the_thing_that_is_named_in_the_answer() -> None:
    on = lost()
    fact, _ = supposing(measure_with_error, meaning(crimson_cube=(1, 0.6)))(on, Query("tall", "crimson cube", "blue block"), None)
    known = measure_query(on, Query("tall", "red block", "blue block"))
    assert fact.value == known.value and fact.truth.verdict is True and fact.text.endswith(fact.doubt) and "(60%)" in fact.doubt


def test_what_is_bound_keeps_its_thing_and_nothing_is_made_up() -> None:
    on = lost()
    measure = supposing(measure_with_error, meaning(red_block=(3, 1.0), crimson_cube=(1, 0.9), navy_cube=(1, 0.9)))
    plain = Query("distance", "red block", "blue block")
    assert repr(measure(on, plain, None)) == repr(measure_with_error(on, plain))
    for query in (
        Query("distance", "navy cube", "red block"),  # it means what is asked about already
        Query("distance", "navy cube", "crimson cube"),  # both mean one thing
        Query("distance", "crimson cube", "unicorn"),
        Query("distance", "block", "blue block"),
        Query("farness", "crimson cube", "blue block"),
    ):
        fact, measurement = measure(on, query, None)
        assert measurement is None and fact.doubt == "" and repr(fact) == repr(measure_query(on, query)), query
    alone = suppose(on, ["navy cube", "crimson cube"], meaning(crimson_cube=(1, 0.9), navy_cube=(1, 0.9)), together=False)
    assert {name: alone.scene.find(name).thing.id for name in alone.taken} == {"navy cube": 1, "crimson cube": 1}  # type: ignore[union-attr]
    assert suppose(on, ["crimson cube"], nothing_meant).scene is on


def test_who_acts_on_a_value_gets_none_that_was_supposed() -> None:
    on, query = lost(), Query("distance", "crimson cube", "blue block")
    measure = certain(supposing(measure_with_error, meaning(crimson_cube=(1, 0.9))))
    fact, measurement = measure(on, query, None)
    assert measurement is None and (fact.status, fact.text) == (Status.NOT_FOUND, "no crimson cube")
    known = Query("distance", "red block", "blue block")
    assert repr(measure(on, known, None)) == repr(measure_with_error(on, known))


def test_the_description_of_a_set_is_no_thing() -> None:
    """... and keeps all that answer to it, whatever one of them may be meant by another name."""
    on, query = lost(), Query("nearest", "block", "navy cube")
    fact, _ = supposing(measure_with_error, meaning(block=(1, 1.0), navy_cube=(2, 0.9)))(on, query, None)
    known = measure_query(on, replace(query, object="blue block"))
    assert known.status is Status.OK and fact.value == known.value and "navy cube is taken for #2" in fact.text, fact.text


def test_answers_of_many_facts_tell_what_was_supposed_once() -> None:
    tree = tree_from_json({"op": "lt", "args": [distance("crimson cube", "blue block"), distance("crimson cube", "green block")]})
    measure = supposing(measure_with_error, meaning(crimson_cube=(1, 0.9)))
    # Composed of facts, whose things need not be bound for their names to be known.
    told = answer_of("q", Evaluator(lost(), measure=measure).evaluate(tree))
    assert told.text.count("is taken for #1") == 1 and told.text.startswith(("Yes", "No", "Too close")), told.text
    sure = answer_of("q", Evaluator(lost(), measure=measure).evaluate(tree_from_json(distance("red block", "blue block"))))
    assert "taken" not in sure.text and np.isfinite(sure.value)
