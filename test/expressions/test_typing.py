"""What trees are refused, with where and why, before anything is measured."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from scenes import X, Y, fold, metres, tree
from stopwatch import quickest_s
from trees_at_random import trees

from spatialvlm_ros.expressions.operators import (
    FOLDS,
    OPERATORS,
    PAIR,
    SIDE,
    THING,
    TRUTH,
    Type,
    number,
    parse_unit,
    relation_type,
    unit_text,
)
from spatialvlm_ros.expressions.tree import (
    MAX_NODES,
    All,
    Apply,
    ExpressionError,
    Fold,
    Number,
    Several,
    Thing,
    Tree,
    Variable,
)
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.scene.relations import RELATIONS, Kind

LENGTH, ANGLE, PLAIN = tree("distance", "a", "b"), tree("direction", "a", "b"), Number(2.0)
HOLDS, WHICH, SIDED = tree("left", "a", "b"), tree("which_left", "a", "b"), tree("left_or_right", "a", "b")
CLOSEST = Fold("argmin", All(), ("x", "y"), tree("gap", X, Y))
# A well-typed list of arguments for each operator, and the type of the result.
GOOD: dict[str, tuple[tuple[Tree, ...], Type]] = {
    "add": ((LENGTH, metres(1), LENGTH), number((1, 0))),
    "sub": ((ANGLE, ANGLE), number((0, 1))),
    "mul": ((LENGTH, LENGTH, ANGLE), number((2, 1))),
    "ratio": ((LENGTH, ANGLE), number((1, -1))),
    "abs": ((ANGLE,), number((0, 1))),
    "neg": ((PLAIN,), number((0, 0))),
    "sqrt": ((tree("mul", LENGTH, LENGTH),), number((1, 0))),
    "min": ((LENGTH, LENGTH), number((1, 0))),
    "max": ((PLAIN, PLAIN), number((0, 0))),
    "mean": ((LENGTH, LENGTH), number((1, 0))),
    "lt": ((LENGTH, metres(1)), TRUTH),
    "gt": ((PLAIN, PLAIN), TRUTH),
    "near": ((LENGTH, LENGTH, metres(0.1)), TRUTH),
    "eq": ((fold("count"), PLAIN), TRUTH),
    "and": ((HOLDS, HOLDS), TRUTH),
    "or": ((HOLDS, tree("not", HOLDS)), TRUTH),
    "not": ((HOLDS,), TRUTH),
    "same": ((WHICH, Thing("a")), TRUTH),
    "if": ((HOLDS, LENGTH, metres(0)), number((1, 0))),
}


def refused(node: object) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        check(node)  # type: ignore[arg-type]
    return caught.value


def test_every_operator_is_tried() -> None:
    assert set(GOOD) == set(OPERATORS)


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_give_their_type(op: str) -> None:
    args, kind = GOOD[op]
    assert check(Apply(op, args)) == kind


@pytest.mark.parametrize("op", OPERATORS)
def test_a_wrong_number_of_arguments_is_refused(op: str) -> None:
    args, _ = GOOD[op]
    operator = OPERATORS[op]
    for count in (0, operator.least - 1, operator.most + 1):
        error = refused(Apply(op, (args * 40)[:count]))
        assert (error.path, error.problem.split("(")[-1]) == ("", f"got {count})")
        assert f"'{op}' takes" in error.problem


@pytest.mark.parametrize("op", OPERATORS)
def test_an_argument_of_a_wrong_type_is_refused(op: str) -> None:
    args, _ = GOOD[op]
    wrong: Tree = LENGTH if args[0] in (HOLDS, WHICH) else HOLDS
    error = refused(tree("not", Apply(op, (wrong, *args[1:]))))
    assert error.path == "args[0]"
    assert error.problem.startswith(f"'{op}': ")
    assert "is needed" in error.problem


@pytest.mark.parametrize("op", ["add", "sub", "min", "max", "mean", "lt", "gt", "near"])
def test_two_units_are_refused(op: str) -> None:
    args = [LENGTH] * OPERATORS[op].least
    args[-1] = ANGLE
    error = refused(tree("abs", tree("abs", Apply(op, tuple(args)))))
    assert error.path == "args[0].args[0]"
    assert error.problem == (
        f"'{op}': argument 0 is a number in m and argument {len(args) - 1} is a number in rad; give all of them one unit"
    )


@pytest.mark.parametrize(
    ("node", "path", "problem"),
    [
        (tree("sqrt", LENGTH), "", "square root of a number in m has no unit"),
        (tree("mul", *[LENGTH] * 7), "", "would be in m^7; no power above 6"),
        (tree("eq", LENGTH, LENGTH), "", "two measured values (a number in m) are never equal: use 'near'"),
        (tree("if", LENGTH, PLAIN, PLAIN), "", "the condition is a number in m"),
        (tree("if", HOLDS, PLAIN, LENGTH), "", "one branch is a plain number, the other a number in m"),
        (tree("if", HOLDS, SIDED, SIDED), "", "a side cannot be chosen between"),
        (tree("same", CLOSEST, CLOSEST), "", "argument 0 is a pair of things; a thing is needed"),
        (tree("distanse", "a", "b"), "", "operator 'distanse' is not known here. did you mean distance"),
        (tree("count_all", "a"), "", "did you mean count"),
        (tree("sum", LENGTH), "", "It is an operator over a set: give it 'over'."),
        (tree("argmax", LENGTH), "", "give it 'over'"),
        (tree("add", LENGTH, LENGTH, amount=1.0), "", "'add' is no relation; leave out 'amount' and 'view'"),
        (tree("add", LENGTH, LENGTH, view="base"), "", "'add' is no relation"),
        (tree("distance", "a", PLAIN), "args[1]", "'distance' is about things; this is a plain number"),
        (tree("distance", "a", CLOSEST), "args[1]", "this is a pair of things"),
        (tree("distance", "a"), "", "the object's name is empty"),
        (tree("distance", "a", "b", "c"), "", "leave the third empty"),
        (tree("distance", "a", "b", "c", "d"), "", "'distance' takes 2 things (got 4)"),
        (Apply("distance", ()), "", "'distance' takes 2 things (got none)"),
        (tree("distance", "The mug", "mug"), "", "two names are 'mug': name different things"),
        (fold("min", tree("distance", X, X)), "of", "'distance' relates $x to itself"),
        (tree("distance", WHICH, WHICH), "", "relates which_left(a, b) to itself"),
        (tree("reachable", "a", "b"), "", "needs a length in metres above 0"),
        (tree("reachable", "a", "b", amount=-1.0), "", "needs a length"),
        (tree("reachable", "a", "b", amount=float("nan")), "", "needs a length"),
        (tree("reachable", "a", "b", amount=1e13), "", "larger than 1e+12 m"),
        (tree("distance", "a", "b", amount=1.0), "", "takes no amount"),
        (tree("left", "a", "b", view="v" * 300), "", "view's name has more than 256"),
        (tree("left", "a", "b", view=" base"), "", "blanks around it"),
        (tree("count", WHICH), "args[0]", "takes a description in words here; use a fold over a set"),
        (tree("nearest", WHICH, "a"), "args[0]", "takes a description in words"),
        (Thing(""), "", "a thing's name has 1 to 256 characters (got 0)"),
        (tree("abs", tree("height", "  ")), "args[0].args[0]", "1 to 256 characters"),
        (Thing("m" * 257), "", "1 to 256 characters (got 257)"),
        (Thing("$x"), "", "is a variable"),
        (Thing("mug\n"), "", "blanks around it"),
        (Thing("a\x00b"), "", "control characters"),
        (Thing("\ud800"), "", "half characters"),
        (X, "", "variable '$x' is not bound; bound are: none here"),
        (fold("min", tree("height", Y)), "of.args[0]", "variable '$y' is not bound; bound are: $x"),
        (Number(float("nan"), "m"), "", "nan is no number between"),
        (Number(float("inf")), "", "inf is no number between"),
        (Number(2e12), "", "2e+12 is no number between"),
        (Number(1.0, "cm"), "", "kept in SI, not in 'cm'"),
        (Number(1.0, "deg"), "", "kept in SI"),
        (Number(1.0, "parsec"), "", "unit 'parsec' is not known; use one of m, cm"),
        (Number(1.0, "count"), "", "unit 'count' is written ''"),
        (Number(1.0, " M"), "", "unit ' M' is written 'm'"),
        (Fold("product", All(), ("x",), LENGTH), "", "'product' is no operator over a set"),
        (Fold("sum", All()), "", "'sum' needs 'of'"),
        (Fold("sum", All(), ("x",), HOLDS), "of", "needs a number of each thing; this is true or false"),
        (Fold("argmin", All(), ("x",), WHICH), "of", "needs a number of each thing; this is a thing"),
        (Fold("any", All(), ("x",), LENGTH), "of", "needs something true or false of each thing"),
        (Fold("count", All(), ("x",), LENGTH), "of", "needs something true or false of each thing"),
        (Fold("count", All(), ()), "", "(got none)"),
        (Fold("count", All(), ("x", "x")), "", "two different ones for pairs (got x, x)"),
        (Fold("count", All(), ("x", "y", "z")), "", "(got x, y, z)"),
        (Fold("count", All(), ("1x",)), "", "variable '1x' is no name"),
        (Fold("count", All(), ("x" * 41,)), "", "is no name"),
        (Fold("any", All(), ("x",), Fold("any", All(), ("x",), HOLDS)), "of", "'$x' is bound already"),
        (Fold("argmin", All(), ("x",), LENGTH, 0), "", "'rank' is 0; it is 1 to 100, for argmin and argmax"),
        (Fold("argmin", All(), ("x",), LENGTH, 101), "", "'rank' is 101"),
        (Fold("argmin", All(), ("x",), LENGTH, 10**5000), "", "'rank' is too large"),
        (Fold("min", All(), ("x",), LENGTH, 2), "", "'rank' is 2"),
        (Fold("count", Several(("a",))), "over", "a list of things has two at least (got 1)"),
        (Fold("count", Several(tuple(map(str, range(401))))), "over", "400 at most (got 401)"),
        (Fold("count", Several(("a", " "))), "over", "1 to 256 characters"),
        (Fold("count", Several(("mug", "The Mug"))), "over", "a name stands twice"),
        (Fold("count", All("")), "over", "1 to 256 characters"),
        (Fold("count", All("can", "y")), "over", "without 'where' needs no variable"),
        (Fold("count", All("can", "", HOLDS)), "over", "variable '' is no name"),
        (Fold("any", All(), ("x",), Fold("count", All("can", "x", HOLDS))), "of.over", "'$x' is bound already"),
        (Fold("count", All("can", "y", LENGTH)), "over.where", "'where' has to be true or false of each thing"),
        (Fold("count", LENGTH), "over", "a set of things is needed"),  # type: ignore[arg-type]
        (All(), "", "All is no node that has a value; sets stand in 'over' only"),
        (tree("not", Several(("a", "b"))), "args[0]", "Several is no node that has a value"),  # type: ignore[arg-type]
        (Apply("not", (None,)), "args[0]", "NoneType is no node"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_a_tree_that_cannot_be_used_is_refused_with_its_path(node: object, path: str, problem: str) -> None:
    error = refused(node)
    assert error.path == path
    assert problem in error.problem


@pytest.mark.parametrize("name", RELATIONS)
def test_relations_have_the_type_of_their_kind(name: str) -> None:
    relation = RELATIONS[name]
    args = [Thing(f"thing {i}") for i in range(relation.arity)]
    given = check(Apply(name, tuple(args), 0.2 if relation.takes_amount else 0.0, "base_link"))
    expected = {Kind.PREDICATE: TRUTH, Kind.CHOICE: THING, Kind.CLASSIFY: SIDE}
    assert given == expected.get(relation.kind, relation_type(relation))
    if relation.kind is Kind.ESTIMATE:
        assert unit_text(given.unit) == {"m": "m", "rad": "rad", "count": ""}[relation.unit]


@pytest.mark.parametrize("op", FOLDS)
def test_folds_give_their_type(op: str) -> None:
    truth = op in ("count", "any", "all")
    expected = {"count": number((0, 0)), "any": TRUTH, "all": TRUTH, "argmin": THING, "argmax": THING}
    single = fold(op, tree("left", X, "b") if truth else tree("height", X))
    assert check(single) == expected.get(op, number((1, 0)))
    pairs = Fold(op, All(), ("x", "y"), tree("left", X, Y) if truth else tree("gap", X, Y))
    assert check(pairs) == (PAIR if op.startswith("arg") else expected.get(op, number((1, 0))))


def test_things_may_be_arguments_however_they_are_found() -> None:
    node = tree("distance", WHICH, tree("if", HOLDS, "a", fold("argmax", tree("height", X))))
    assert check(node) == number((1, 0))


def test_variables_of_siblings_may_have_one_name() -> None:
    filtered = All("can", "x", tree("left", X, "b"))
    assert check(tree("add", fold("count", over=filtered), fold("count", over=filtered))) == number((0, 0))


@pytest.mark.parametrize(
    ("text", "worth", "powers"),
    [
        ("", 1.0, (0, 0)), ("count", 1.0, (0, 0)), ("m", 1.0, (1, 0)), ("M", 1.0, (1, 0)), (" cm ", 0.01, (1, 0)),
        ("cm^2", 1e-4, (2, 0)), ("ft^3", 0.3048**3, (3, 0)), ("in", 0.0254, (1, 0)), ("rad", 1.0, (0, 1)),
        ("deg", 3.141592653589793 / 180, (0, 1)),
    ],
)  # fmt: skip
def test_units_are_known_by_their_names(text: str, worth: float, powers: tuple[int, int]) -> None:
    assert parse_unit(text) == (pytest.approx(worth), powers)


@pytest.mark.parametrize("text", ["m^4", "m^0", "m2", "s", "m/s", "rad^2", "m m", "^2", "mile", "m^2^2", "\u212am^"])
def test_units_that_are_not_known_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not known; use one of m, cm"):
        parse_unit(text)


def test_trees_too_deep_or_too_large_are_refused_at_once() -> None:
    deep: Tree = HOLDS
    for _ in range(10_000):
        deep = Apply("not", (deep,))
    wide = Apply("or", (HOLDS,) * 100_000)
    very_wide: Tree = HOLDS
    for _ in range(23):
        very_wide = Apply("or", (very_wide,) * 30)
    assert refused(deep).problem == "the tree is more than 24 levels deep; ask in parts"
    assert refused(wide).problem == f"the tree has more than {MAX_NODES} nodes; ask in parts"
    assert refused(very_wide).problem.endswith("ask in parts")
    assert quickest_s(lambda: [refused(node) for node in (deep, wide, very_wide)], 1.0) < 1.0


def test_a_long_word_is_no_reason_to_wait() -> None:
    word = "z" * 2_000_000
    for node in (Apply(word, (HOLDS,)), Fold(word, All(), ("x",), HOLDS), Variable(word), Thing(word), Number(1.0, word)):
        assert len(str(refused(node))) < 1500
        assert quickest_s(partial(refused, node), 0.5) < 0.5


@settings(max_examples=150, deadline=None)
@given(trees())
def test_random_trees_are_well_typed(node: Tree) -> None:
    """The generator that other tests build on keeps to the rules; what it may miss is only that two things are one."""
    try:
        kind = check(node)
    except ExpressionError as error:
        assert (
            "to itself" in error.problem
            or "two names are" in error.problem
            or "nodes" in error.problem
            or "stands twice" in str(error)
        )
    else:
        assert kind in (TRUTH, THING) or kind.what == "number"
