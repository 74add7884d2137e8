"""A tree's value in words and numbers: what is said, what is too close to call, what is missing, and the trace of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.expressions.evaluate import Evaluator
from spatialvlm_ros.expressions.tree_json import tree_from_json
from spatialvlm_ros.reasoning.answer import Answer, answer_of
from spatialvlm_ros.scene.facts import Source, Status
from spatialvlm_ros.scene.scene import Binding, Scene

POSE = camera_over_table()
# Canonical coordinates (forward, left, up), metres; all boxes stand on the table.
PLACES = {
    "red block": ((0.60, 0.20, 0.05), (0.05, 0.05, 0.10)),
    "blue block": ((0.60, 0.00, 0.03), (0.05, 0.05, 0.06)),
    "green block": ((0.60, -0.2, 0.03), (0.05, 0.05, 0.06)),
}


Point = tuple[float, float, float]


def table(*, sizes: Mapping[str, Point] | None = None, **moved: Point) -> Scene:
    """Three blocks and the gripper; "block" and "object" answer to the blocks."""
    things = {}
    for number, (name, (centre, known)) in enumerate(PLACES.items(), 1):
        at, extents = moved.get(name.split()[0], centre), (sizes or {}).get(name, known)
        things[name] = placed(box(at, extents, number=number, label=name), POSE)
    things["gripper"] = placed(tool((0.6, 0.2, 0.3)), POSE)
    made = scene(things, POSE)
    blocks = tuple(thing for thing in made.objects if thing.id > 0)
    several = Binding(Status.AMBIGUOUS, text="several", answering=blocks)
    return replace(made, bindings={**made.bindings, "block": several, "object": several})


def answer(tree: object, on: Scene | None = None) -> Answer:
    return answer_of("q", Evaluator(on or table()).evaluate(tree_from_json(tree)))


def distance(a: str, b: str) -> dict[str, object]:
    return {"op": "distance", "args": [a, b]}


def test_a_single_fact_says_what_the_fact_says() -> None:
    told = answer(distance("red block", "blue block"))
    (fact,) = told.facts
    assert told.text == fact.text and (told.value, told.unit, told.status) == (fact.value, "m", Status.OK)
    assert told.std == pytest.approx(fact.std, rel=1e-9)
    assert (told.kind, told.verdict, told.decided, told.source) == ("number", None, True, Source.DEPTH)


def test_a_truth_has_a_verdict_with_its_probability() -> None:
    near = {"op": "lt", "args": [distance("red block", "blue block"), {"value": 30, "unit": "cm"}]}
    told = answer(near)
    assert (told.kind, told.verdict, told.decided, told.unit) == ("truth", True, True, "probability")
    assert told.text == "Yes (over 99.9 %)." and told.value == 1.0 and math.isnan(told.std)
    told = answer({"op": "not", "args": [near]})
    assert told.verdict is False and told.text == "No (over 99.9 %)." and told.value == 0.0


def test_what_is_too_close_to_call_is_said_so() -> None:
    told = answer({"op": "tall", "args": ["blue block", "green block"]})
    assert told.verdict is None and not told.decided and "too close to call" in told.text
    told = answer({"op": "lt", "args": [{"op": "height", "args": ["blue block"]}, {"op": "height", "args": ["green block"]}]})
    assert told.verdict is None and not told.decided and told.answered
    assert told.text.startswith("Too close to call: perhaps") and told.value == pytest.approx(0.5, abs=0.05)


def test_what_is_no_more_than_probable_is_said_so() -> None:
    """Whoever acts on it gets no verdict; whoever reads it is told the likelier side."""
    height = {"op": "height", "args": ["blue block"]}
    known = answer(height)
    limit = {"value": known.value + known.std, "unit": "m"}
    for op, text in (("gt", "Probably no ("), ("lt", "Probably yes (")):
        told = answer({"op": op, "args": [height, limit]})
        assert told.verdict is None and not told.decided and told.answered
        assert told.text.startswith(text) and max(told.value, 1 - told.value) == pytest.approx(0.84, abs=0.05)


def test_a_thing_that_is_no_more_than_probable_is_named_before_the_others() -> None:
    height = answer({"op": "height", "args": ["blue block"]})
    lowest = {"op": "argmin", "over": {"all": "block"}, "as": "x", "of": {"op": "height", "args": ["$x"]}}
    higher = tuple(float(each) for each in np.add(PLACES["green block"][1], (0, 0, 1.4 * height.std)))
    told = answer(lowest, table(sizes={"green block": higher}))
    assert told.things == ("blue block",) and not told.decided and 2 / 3 <= told.value < 0.97
    assert told.text.startswith("Probably the blue block (") and ", else the green block (" in told.text


def test_a_thing_is_named_with_its_share() -> None:
    tallest = {"op": "argmax", "over": {"all": "block"}, "as": "x", "of": {"op": "height", "args": ["$x"]}}
    told = answer(tallest)
    assert (told.kind, told.things, told.decided, told.text) == ("thing", ("red block",), True, "The red block (over 99.9 %).")
    lowest = {**tallest, "op": "argmin"}
    told = answer(lowest)
    assert not told.decided and told.things[0] in ("blue block", "green block")
    assert told.text.startswith("Too close to call: the ") and "the blue block" in told.text and "the green block" in told.text


def test_a_pair_is_named_by_both() -> None:
    nearest = {"op": "argmin", "over": {"all": "block"}, "as": ["x", "y"], "of": distance("$x", "$y")}
    told = answer(nearest, table(green=(0.6, -0.1, 0.03)))
    assert told.kind == "pair" and set(told.things) == {"blue block", "green block"} and " and the " in told.text


def test_counts_and_ratios_and_areas_have_their_units() -> None:
    taller = {"op": "gt", "args": [{"op": "height", "args": ["$x"]}, 0.08]}
    count = {"op": "count", "over": {"all": "block"}, "as": "x", "of": taller}
    with pytest.raises(ValueError, match="one unit"):
        answer(count)
    taller["args"][1] = {"value": 8, "unit": "cm"}  # type: ignore[index]
    told = answer(count)
    assert (told.value, told.unit, told.text) == (1.0, "count", "1.")
    ratio = {"op": "ratio", "args": [{"op": "height", "args": ["red block"]}, {"op": "height", "args": ["blue block"]}]}
    told = answer(ratio)
    assert told.unit == "" and told.value == pytest.approx(10 / 6, rel=1e-6) and told.text.startswith("1.67 ± ")
    area = {"op": "mul", "args": [{"op": "width", "args": ["red block"]}, {"op": "height", "args": ["red block"]}]}
    assert answer(area).unit == "m^2" and "m^2" in answer(area).text


def test_a_ratio_of_two_errorless_sizes_is_still_no_count() -> None:
    exact = table()
    still = {k: replace(b, thing=replace(b.thing, extents_std=np.zeros(3))) for k, b in exact.bindings.items() if b.thing}
    tree = {"op": "ratio", "args": [{"op": "height", "args": ["blue block"]}, {"op": "height", "args": ["green block"]}]}
    told = answer(tree, replace(exact, bindings=still))
    assert told.unit == "" and told.value == pytest.approx(1.0)


def test_a_side_is_said_in_words() -> None:
    told = answer({"op": "left_or_right", "args": ["red block", "blue block"]})
    assert told.kind == "side" and "left of" in told.text and told.decided


def test_a_missing_thing_leaves_no_number() -> None:
    told = answer({"op": "lt", "args": [distance("red block", "unicorn"), distance("red block", "blue block")]})
    assert told.status is Status.NOT_FOUND and not told.answered and "unicorn" in told.text
    assert math.isnan(told.value) and told.verdict is None and not told.decided and told.unit == ""
    assert any("missing" in line and "unicorn" in line for line in told.trace)


def test_the_trace_tells_every_step_with_value_source_and_frame() -> None:
    told = answer({"op": "lt", "args": [distance("gripper", "red block"), distance("gripper", "blue block")]})
    assert len(told.trace) == 3
    assert told.trace[0].startswith("lt(distance(gripper, red block), distance(gripper, blue block)) = yes")
    assert told.trace[1].startswith("  distance(gripper, red block) = 0.250 m ± ") and told.trace[1].endswith("[DEPTH, camera]")


def test_a_stale_thing_makes_the_answer_stale() -> None:
    made = table()
    red = made.bindings["red block"]
    assert red.thing is not None
    stale = Binding(Status.STALE, replace(red.thing, status=Status.STALE))
    told = answer(distance("red block", "blue block"), replace(made, bindings={**made.bindings, "red block": stale}))
    assert told.status is Status.STALE and told.answered
