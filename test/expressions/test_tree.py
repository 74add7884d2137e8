"""Trees as data: what is in them, and how they read."""

from __future__ import annotations

import pytest
from scenes import X, Y, fold, metres, tree

from spatialvlm_ros.expressions.tree import (
    All,
    Apply,
    ExpressionError,
    Fold,
    Several,
    Thing,
    free_variables,
    names_of,
    to_text,
    views_of,
    walk,
    with_view,
)

CLOSE = tree("lt", tree("distance", "gripper", "red mug"), metres(0.3))
LEFT = All("can", "y", tree("left", Y, "red mug", view="base_link"))


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (CLOSE, "lt(distance(gripper, red mug), 0.3 m)"),
        (tree("reachable", "can", "robot", amount=0.8), "reachable(can, robot, 0.8 m)"),
        (tree("left", "a", "b", view="base_link"), "left(a, b) seen from base_link"),
        (fold("count", over=LEFT), "count($x in all 'can' as $y where left($y, red mug) seen from base_link)"),
        (Fold("argmax", Several(("a", "b")), ("x",), tree("height", X), 2), "argmax #2($x in {a, b} of height($x))"),
        (
            Fold("argmin", All(), ("x", "y"), tree("gap", X, Y)),
            "argmin($x, $y in all 'object' of gap($x, $y))",
        ),
    ],
)
def test_a_tree_reads_as_one_line(node: Apply | Fold, text: str) -> None:
    assert to_text(node) == text


def test_variables_read_as_the_things_that_they_stand_for() -> None:
    node = tree("gap", X, Thing("$ shop"))
    longer = Fold("count", All(), ("xy",), tree("gap", X, Y))
    assert to_text(node, {"x": "red mug"}) == "gap(red mug, $ shop)"
    assert to_text(longer, {"x": "jar of $y"}) == "count($xy in all 'object' of gap(jar of $y, $y))"


def test_walk_gives_every_node_with_its_path() -> None:
    node = Fold("min", LEFT, ("x",), tree("add", tree("distance", X, "can"), metres(1)))
    assert [path for path, _ in walk(node)] == [
        "", "over", "over.where", "over.where.args[0]", "over.where.args[1]", "of", "of.args[0]", "of.args[0].args[0]",
        "of.args[0].args[1]", "of.args[1]",
    ]  # fmt: skip


def test_names_and_views_are_found_once_in_the_order_of_the_tree() -> None:
    node = tree("and", CLOSE, Fold("any", LEFT, ("x",), tree("near", tree("distance", X, "red mug"), metres(1), metres(0.1))))
    assert names_of(node) == ("gripper", "red mug", "can")
    assert names_of(Fold("count", Several(("b", "a")))) == ("b", "a")
    assert views_of(node) == ("base_link",)


def test_a_view_is_given_to_relations_that_have_none() -> None:
    node = tree("and", tree("left", "a", "b"), Fold("any", LEFT, ("x",), tree("right", X, "a")))
    seen = with_view(node, "camera_link")
    assert views_of(seen) == ("camera_link", "base_link")
    assert with_view(node, "") is node
    assert isinstance(seen, Apply) and seen.view == ""


def test_free_variables_are_those_that_are_not_bound_below() -> None:
    inner = Fold("any", All("can", "y", tree("left", Y, X)), ("z",), tree("near", tree("gap", X, Y), metres(1), metres(1)))
    assert free_variables(inner) == {"x", "y"}
    assert free_variables(Fold("count", All(), ("x", "y"), tree("and", inner, CLOSE))) == frozenset()


def test_an_error_names_the_path_and_the_root() -> None:
    assert str(ExpressionError("args[0].of", "is wrong")) == "args[0].of: is wrong"
    assert str(ExpressionError("", "is wrong")) == "root: is wrong"
