"""Trees in tasks: margins against plain logic, values against hand-written arithmetic, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from facts_by_hand import fact, run
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.expressions.tree import All, Apply, ExpressionError, Fold, Number, Thing, Variable
from spatialvlm_ros.reasoning.grammar import parse
from spatialvlm_ros.reward.annotator import RewardStatus
from spatialvlm_ros.reward.readings import verdict
from spatialvlm_ros.reward.task import Stage, TaskError, TaskSpec, at_least, at_most, is_false, is_true
from spatialvlm_ros.reward.task_file import TaskFileError, dump_task, load_task_text
from spatialvlm_ros.reward.trees import MARGIN, Reading, leaf, leaf_query, margin_tree, read_tree, tree_queries, unit_of
from spatialvlm_ros.scene.facts import Query, Status

A = Query("distance", "gripper", "mug")
B = Query("distance", "gripper", "can")
HEIGHT = Query("height", "mug")
LEFT = Query("left", "mug", "can")
COUNT = Query("count", "block")


def op(name, *args):
    return Apply(name, tuple(leaf(arg) if isinstance(arg, Query) else arg for arg in args))


def metres(value):
    return Number(value, "m")


def readings(**values):
    queries = {"a": A, "b": B, "height": HEIGHT, "left": LEFT, "count": COUNT}
    return {queries[name]: Reading(value, value, 0.0 if name == "left" else 0.004) for name, value in values.items()}


# -- values ---------------------------------------------------------------------------------------------------------------


def test_a_tree_of_one_relation_says_what_the_fact_says() -> None:
    assert read_tree(leaf(A), readings(a=0.2)) == Reading(0.2, 0.2, 0.004)
    assert leaf_query(leaf(A)) == A and unit_of(leaf(A)) == "m"
    assert unit_of(leaf(LEFT)) == "probability" and unit_of(leaf(COUNT)) == "count"


def test_a_difference_has_the_deviation_of_independent_errors() -> None:
    found = read_tree(op("sub", A, B), readings(a=0.5, b=0.2))
    assert found is not None and found.value == pytest.approx(0.3)
    assert found.std == pytest.approx(math.hypot(0.004, 0.004), rel=0.05)


def test_filtered_and_own_values_go_through_the_tree_alike() -> None:
    both = {A: Reading(0.5, 0.4, 0.0), B: Reading(0.1, 0.2, 0.0)}
    found = read_tree(op("ratio", A, B), both)
    assert found is not None and (found.raw, found.value) == (pytest.approx(5.0), pytest.approx(2.0))
    assert unit_of(op("ratio", A, B)) == "count"


def test_what_lacks_a_fact_is_missing_unless_it_does_not_matter() -> None:
    assert read_tree(op("sub", A, B), readings(a=0.5)) is None
    assert read_tree(op("lt", A, B), readings(b=0.5)) is None


def test_a_hidden_thing_makes_the_tree_hidden() -> None:
    hidden = {A: Reading(0.5, 0.5, 0.01, True), B: Reading(0.2, 0.2, 0.01)}
    found = read_tree(op("sub", A, B), hidden)
    assert found is not None and found.hidden


# -- margins --------------------------------------------------------------------------------------------------------------

_LENGTH = st.floats(0.0, 1.0).map(lambda v: round(v, 3))


def truths():
    """Random composed truths, each with the same thing said in plain Python."""
    limits = st.integers(1, 99).map(lambda n: n / 100 + 0.0005)
    simple = st.one_of(
        limits.map(lambda x: (op("lt", A, metres(x)), lambda v, x=x: v["a"] < x)),
        limits.map(lambda x: (op("gt", B, metres(x)), lambda v, x=x: v["b"] > x)),
        st.just((op("lt", A, B), lambda v: v["a"] < v["b"])),
        limits.map(lambda x: (op("near", A, B, metres(x)), lambda v, x=x: abs(v["a"] - v["b"]) < x)),
        st.just((leaf(LEFT), lambda v: v["left"] > 0.5)),
    )

    def composed(inner):
        pairs = st.tuples(inner, inner)
        return st.one_of(
            inner.map(lambda one: (op("not", one[0]), lambda v: not one[1](v))),
            pairs.map(lambda two: (op("and", two[0][0], two[1][0]), lambda v: two[0][1](v) and two[1][1](v))),
            pairs.map(lambda two: (op("or", two[0][0], two[1][0]), lambda v: two[0][1](v) or two[1][1](v))),
        )

    return st.recursive(simple, composed, max_leaves=5)


@settings(max_examples=80, deadline=None)
@given(said=truths(), a=_LENGTH, b=_LENGTH, left=st.sampled_from([0.02, 0.3, 0.7, 0.98]))
def test_the_margins_sign_is_the_truth(said, a, b, left) -> None:
    tree, plain = said
    values = {"a": a, "b": b, "left": left}
    found = read_tree(margin_tree(tree), {A: Reading(a, a, 0.0), B: Reading(b, b, 0.0), LEFT: Reading(left, left, 0.0)})
    assert found is not None
    if abs(found.value) > 1e-9:
        assert (found.value > 0) == plain(values)


def test_margins_have_a_scale_of_their_own() -> None:
    """5 cm of a length weigh as much as one of a count, so that "and" compares like with like."""
    tree = op("and", op("lt", A, metres(0.2)), op("gt", COUNT, Number(1.0)))
    found = read_tree(margin_tree(tree), readings(a=0.1, count=2.0))
    assert found is not None and found.value == pytest.approx(min(0.1 / 0.05, 1.0))
    assert unit_of(tree) == MARGIN


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (Fold("min", All("block"), ("x",), Apply("distance", (Thing("gripper"), Variable("x")))), "name each thing"),
        (Fold("count", All("block")), "name each thing"),
        (Number(1.0, "m"), "measures nothing"),
        (op("mul", A, B), "a length, an angle, a plain number or a truth"),
        (op("add", A, LEFT), "a number is needed"),
        (op("lt", op("mul", A, B), op("mul", B, A)), "compare lengths"),
        (op("lt", A, Number(3.0)), "one unit"),
        (Thing("mug"), "measures nothing"),
        (Apply("distance", (Fold("argmin", All("block"), ("x",), leaf(A)), Thing("can"))), "name"),
    ],
)
def test_what_a_task_cannot_use_is_refused(tree, problem) -> None:
    with pytest.raises(ExpressionError, match=problem):
        unit_of(tree)


# -- in tasks -------------------------------------------------------------------------------------------------------------


def one_stage(*goals, keeps=(), **changes):
    return TaskSpec("t", (Stage("one", goals, keeps),), filter_frames=1, success_frames=1, **changes)


def test_a_tree_is_potential_success_and_guard() -> None:
    closer = is_true(op("lt", A, B), scale=1.0)
    task = one_stage(closer)
    samples = run(task, [{A: a, B: 0.3} for a in (0.6, 0.5, 0.4, 0.31, 0.25)])
    potentials = [sample.potential for sample in samples]
    # The error falls from 6 scales to none.
    assert potentials == pytest.approx([0.05, 0.05 + 0.95 * 2 / 6, 0.05 + 0.95 * 4 / 6, 0.05 + 0.95 * 5.8 / 6, 1.0])
    assert [sample.success for sample in samples] == [False] * 4 + [True]
    assert samples[0].terms[0].name == "one/lt(distance(gripper, mug), distance(gripper, can))"
    facts = [[fact(A, a), fact(B, 0.3)] for a in (0.25, 0.299, 0.6)]
    assert [verdict(closer, found) for found in facts] == [True, None, False]
    assert verdict(closer, [fact(A, 0.25)]) is None


def test_guards_of_facts_have_three_values() -> None:
    limit, on_left = at_most(A, 0.2), is_false(LEFT)
    values = {0.1: True, 0.199: None, 0.21: False}
    assert {value: verdict(limit, [fact(A, value)]) for value in values} == values
    assert verdict(limit, [fact(A, 0.1, status=Status.STALE)]) is None
    assert [verdict(on_left, [fact(LEFT, p)]) for p in (0.0, 0.5, 1.0)] == [True, None, False]
    assert verdict(at_least(A, 0.2), [fact(A, 0.3)]) is True


def test_a_tree_that_lacks_a_fact_holds_the_potential() -> None:
    samples = run(one_stage(at_most(op("sub", A, B), 0.0)), [{A: 0.5, B: 0.3}, {A: 0.4}, {A: 0.3, B: 0.3}])
    assert [sample.status for sample in samples] == [RewardStatus.OK, RewardStatus.HELD, RewardStatus.OK]
    assert samples[1].potential == samples[0].potential and samples[2].success


def test_trees_and_questions_in_task_files() -> None:
    text = """
task: t
parameters: [subject, object]
stages:
  - name: one
    goal:
      - {ask: "Is the {subject} closer to the gripper than the {object}?", is: true}
      - tree: {op: sub, args: [{op: height, args: ["{subject}"]}, {op: height, args: ["{object}"]}]}
        at_least: 2 cm
    keep:
      - {ask: "How far is the {subject} from the {object}?", at_least: 10 cm}
"""
    open_task = load_task_text(text)
    assert load_task_text(dump_task(open_task)) == open_task
    task = open_task.bind({"subject": "mug", "object": "can"})
    assert task.stages[0].goals[0].tree == parse("Is the mug closer to the gripper than the can?")
    assert task.stages[0].goals[1].target == pytest.approx(0.02) and task.stages[0].goals[1].unit == "m"
    assert task.stages[0].keeps[0].query == Query("distance", "mug", "can")
    assert len(task.queries()) == 5 and tree_queries(task.stages[0].goals[0].tree) == task.queries()[:2]


def test_parameters_stand_in_trees() -> None:
    text = """
task: t
parameters: [subject]
stages:
  - name: one
    goal:
      - tree: {op: sub, args: [{op: distance, args: ["{subject}", gripper]}, {op: distance, args: ["{subject}", can]}]}
        at_most: 0 m
"""
    task = load_task_text(text)
    assert load_task_text(dump_task(task)) == task
    bound = task.bind({"subject": "mug"})
    assert bound.queries() == (Query("distance", "mug", "gripper"), Query("distance", "mug", "can"))


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ("{tree: {op: lt, args: [1, 2]}, is: true}", "measures nothing"),
        ("{tree: {op: frob, args: [a]}, is: true}", "frob"),
        ("{tree: {op: distance, args: [gripper, mug]}, is: true}", "at_most"),
        ("{ask: 'Is the mug left of the can?', at_most: 3 cm}", "'is: true'"),
        ("{ask: 'What is love?', is: true}", "no known form"),
        ("{ask: 'How many blocks are left of the can?', at_least: 2}", "name each thing"),
        ("{ask: 'Is the mug closer to the gripper than the can?', is: true, probability: 0.9}", "one relation only"),
        ("{ask: 'Is the mug left of the can?', subject: mug, is: true}", "leave it out"),
        ("{ask: 'Is the mug left of the can?', relation: left, is: true}", "give one of them"),
        ("{tree: {op: distance, args: ['{thing}', mug]}, at_most: 3 cm}", "'thing' is not in the task's parameters"),
    ],
)
def test_mistakes_in_trees_are_refused_with_the_field(constraint, problem) -> None:
    with pytest.raises(TaskFileError, match=problem) as refused:
        load_task_text(f"task: t\nstages: [{{name: one, goal: [{constraint}]}}]", "mine.yaml")
    assert "mine.yaml" in str(refused.value) and "stages[0].goal[0]" in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"anchored": ("table",)}, "name a thing that a stage measures"), ({"anchor_tolerance_m": 0.0}, "greater than 0")],
)
def test_anchors_are_checked(changes, problem) -> None:
    with pytest.raises(TaskError, match=problem):
        one_stage(at_most(A, 0.1), **changes)


def test_the_deviation_of_a_trees_potential_is_that_of_noisy_runs() -> None:
    task = one_stage(at_most(op("sub", A, B), 0.0))
    rng = np.random.default_rng(3)

    def potential(a, b):
        return run(task, [{A: 0.7, B: 0.2}, [fact(A, a, std=0.01), fact(B, b, std=0.01)]])[1]

    noisy = [potential(0.5 + x, 0.2 + y).potential for x, y in rng.normal(0, 0.01, (150, 2))]
    assert potential(0.5, 0.2).potential_std == pytest.approx(np.std(noisy), rel=0.2)
