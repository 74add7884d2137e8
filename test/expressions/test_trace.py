"""Evaluators as a whole: the same again, every node in the trace, no surprise from any tree, and in milliseconds."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from erring_things import random_scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import X, Y, ask, fold, metres, on_table, scene_of, tree
from stopwatch import quickest_s
from table import CAN, CUP, YES, table, valued
from things import camera_over_table, scene
from trees_at_random import trees

from spatialvlm_ros.expressions.evaluate import Evaluation, Evaluator, Step
from spatialvlm_ros.expressions.tree import All, Apply, ExpressionError, Fold, Thing, Tree, Variable, to_text
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.expressions.values import Value
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Scene

# -- evaluator and trace -----------------------------------------------------------------------------------------------


def summary(found: Evaluation) -> tuple[object, ...]:
    samples = None if found.value is None else found.value.samples.tobytes()
    return found.status, found.missing, samples, tuple((step.text, step.depth, step.missing) for step in found.steps)


def test_the_same_tree_twice_gives_the_same_and_is_measured_once() -> None:
    asked: list[str] = []

    def measure(view: Scene, query: object, output: object) -> object:
        from spatialvlm_ros.language.answers import measure_with_error

        asked.append(str(query))
        return measure_with_error(view, query, output)  # type: ignore[arg-type]

    node = tree("lt", tree("distance", "cup", "can"), fold("max", tree("sub", tree("height", X), tree("distance", "cup", "can"))))
    evaluator = Evaluator(table(), measure=measure)  # type: ignore[arg-type]
    first, second = evaluator.evaluate(node), evaluator.evaluate(node)
    assert summary(first) == summary(second)
    assert max(Counter(asked).values()) == 1
    assert summary(ask(table(), node)) == summary(first)


def nodes_with_steps(found: Evaluation) -> list[tuple[Tree, tuple[tuple[str, str], ...]]]:
    return [(step.node, tuple(sorted(step.bound.items()))) for step in found.steps]


def test_a_trace_has_each_node_once_with_what_it_became() -> None:
    node = tree(
        "and", tree("lt", tree("distance", "cup", "can"), metres(1)), tree("gt", tree("distance", "cup", "can"), metres(0.1))
    )
    found = ask(table(), node)
    assert [(step.depth, step.text) for step in found.steps] == [
        (0, to_text(node)), (1, "lt(distance(cup, can), 1 m)"), (2, "distance(cup, can)"), (1, "gt(distance(cup, can), 0.1 m)"),
    ]  # fmt: skip
    assert all(step.value is not None and not step.missing for step in found.steps)
    assert [step.fact is not None for step in found.steps] == [False, False, True, False]
    assert found.facts == (found.steps[2].fact,)


def test_a_trace_names_the_things_that_variables_stand_for() -> None:
    found = ask(table(), fold("max", tree("sub", tree("height", X), tree("distance", "cup", "can"))))
    texts = [step.text for step in found.steps[1:]]
    assert texts == [
        "sub(height(cup), distance(cup, can))", "height(cup)", "distance(cup, can)", "sub(height(can), distance(cup, can))",
        "height(can)", "sub(height(box), distance(cup, can))", "height(box)",
    ]  # fmt: skip


def test_a_trace_says_where_a_value_was_lost() -> None:
    found = ask(table(), tree("add", tree("height", "cup"), tree("height", "unicorn")))
    assert [(step.text, step.value is None, step.missing) for step in found.steps] == [
        ("add(height(cup), height(unicorn))", True, "NOT_FOUND: no unicorn on the image"),
        ("height(cup)", False, ""),
        ("height(unicorn)", True, "NOT_FOUND: no unicorn on the image"),
    ]
    assert [fact.status for fact in found.facts] == [Status.OK, Status.NOT_FOUND]


def test_too_many_steps_are_refused() -> None:
    things = [on_table(0.5 + 0.02 * i, 0.0, number=i, label=f"thing {i}") for i in range(1, 40)]
    node = Fold(
        "all", All(), ("x", "y"), Fold("any", All(), ("z",), tree("or", tree("left", X, Y), tree("left", Variable("z"), X)))
    )
    with pytest.raises(ExpressionError, match="needs more than 1500 steps on this scene; ask about fewer things"):
        ask(scene_of(*things), node)


def test_a_tree_that_is_not_well_typed_is_refused() -> None:
    with pytest.raises(ExpressionError, match=r"args\[0\]: "):
        ask(table(), tree("not", tree("and", YES)))


SCENES = [
    random_scene(1, 3, with_gripper=True),
    random_scene(2, 3, std_m=(0.1, 0.3), with_gripper=True),
    replace(random_scene(3, 3, with_gripper=True), canonical=None, support_plane=np.full(4, np.nan)),
    replace(random_scene(4, 0), bindings={}),
    replace(random_scene(5, 3), support_plane=np.full(4, np.nan)),
]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(), st.sampled_from(range(len(SCENES))))
def test_a_checked_tree_never_raises_and_leaves_a_whole_trace(node: Tree, number: int) -> None:
    try:
        kind = check(node)
    except ExpressionError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            found = ask(SCENES[number], node, num_samples=200)
        except ExpressionError as error:
            assert "more than 1500 steps" in str(error)
            return
    assert found.type == kind
    assert (found.value is None) == (found.status.has_value is False)
    assert bool(found.missing) == (found.value is None)
    check_trace(found)
    if found.value is not None:
        check_value(found.value, found, kind.what)


def check_value(value: Value, found: Evaluation, what: str) -> None:
    assert value.type == found.type
    assert len(value.samples) == 201
    if what == "number":
        assert np.isfinite(value.samples).all()
        assert np.isfinite(value.std)
    elif what == "truth":
        assert value.samples.dtype == np.bool_
        assert 0 <= value.probability <= 1
    else:
        assert value.samples.max() < len(found.names)
        assert value.value >= 0


def check_trace(found: Evaluation) -> None:
    """Operators and relations once each, the root first, every step with a value or a reason."""
    steps: tuple[Step, ...] = found.steps
    assert all((step.value is None) == bool(step.missing) for step in steps)
    if isinstance(found.tree, (Apply, Fold)):
        assert (steps[0].node, steps[0].depth) == (found.tree, 0)
        assert all(step.depth > 0 for step in steps[1:])
    counts = Counter(
        key for key in nodes_with_steps(found) if not all(isinstance(arg, Thing) for arg in getattr(key[0], "args", ()))
    )
    assert not counts or max(counts.values()) == 1


# -- speed -------------------------------------------------------------------------------------------------------------

SPEED = [
    ("a comparison", tree("lt", tree("distance", "thing 1", "thing 2"), tree("distance", "thing 1", "thing 3")), 3.0),
    ("the least of all", fold("argmin", tree("distance", X, "thing 1")), 6.0),
    ("all pairs", Fold("argmin", All(), ("x", "y"), tree("gap", X, Y)), 50.0),
]


@pytest.mark.parametrize(("what", "node", "limit_ms"), SPEED, ids=[one[0] for one in SPEED])
def test_trees_take_milliseconds(what: str, node: Tree, limit_ms: float) -> None:
    """Four times what is wanted, for slow and busy machines."""
    view = random_scene(7, 8)
    limit_s = 4e-3 * limit_ms
    assert quickest_s(lambda: Evaluator(view).evaluate(node), limit_s) < limit_s, what


def test_the_camera_may_look_from_anywhere() -> None:
    view = random_scene(9, 2)
    turned = scene({"a": CUP, "b": CAN}, camera_over_table(30.0, 15.0))
    assert ask(view, tree("distance", "thing 1", "thing 2")).status is Status.OK
    assert valued(tree("distance", "a", "b"), turned).value == pytest.approx(0.3002, abs=1e-3)
