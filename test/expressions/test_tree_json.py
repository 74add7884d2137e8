"""Trees from JSON and back: what comes from outside is data, and whatever is wrong with it is said with its path."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from scenes import X, Y, fold, metres, tree
from stopwatch import quickest_s
from trees_at_random import trees

from spatialvlm_ros.expressions.operators import OPERATORS
from spatialvlm_ros.expressions.tree import All, Apply, ExpressionError, Fold, Number, Several, Thing, Tree, Variable, names_of
from spatialvlm_ros.expressions.tree_json import json_schema, tree_from_json, tree_to_json
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.scene.relations import RELATIONS

LEFT = All("can", "y", tree("left", Y, "red mug", view="base_link"))
TREES: list[Tree] = [
    tree("lt", tree("distance", "gripper", "red mug"), metres(0.3)),
    tree("reachable", "Tasse für Öl ☕", "#3", amount=0.1 + 0.2),
    fold("count", over=LEFT),
    Fold("argmax", Several(("a", "b", "c")), ("x",), tree("height", X), 2),
    Fold("argmin", All(), ("x", "y"), tree("gap", X, Y)),
    Fold("any", LEFT, ("x",), tree("near", tree("direction", X, "a"), Number(1 / 3, "rad"), Number(1e-12, "rad"))),
    tree("gt", tree("mul", tree("width", "a"), tree("height", "a")), Number(-0.25, "m^2")),
    Thing("red mug"),
]


def refused(document: object) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        tree_from_json(document)
    return caught.value


def checked(node: Tree) -> bool:
    try:
        check(node)
    except ExpressionError:
        return False
    return True


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", TREES)
def test_a_tree_comes_back_as_it_was(node: Tree) -> None:
    assert tree_from_json(json.loads(json.dumps(tree_to_json(node)))) == node


@settings(max_examples=200, deadline=None)
@given(trees().filter(checked))
def test_random_trees_come_back_as_they_were(node: Tree) -> None:
    document = json.loads(json.dumps(tree_to_json(node)))
    assert tree_from_json(document) == node
    if isinstance(node, (Apply, Fold)):
        jsonschema.validate(document, json_schema())


def test_the_schema_is_one_and_knows_every_operator() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    for name in (*OPERATORS, *RELATIONS):
        jsonschema.validate({"op": name, "args": ["a"]}, schema)
    for document in ({"op": "nope", "args": []}, {"op": "add"}, {"op": "sum", "over": []}, {"all": "can"}, "mug", 3, None):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schema)


def test_numbers_are_brought_to_si() -> None:
    found = tree_from_json(
        {"op": "near", "args": [{"op": "distance", "args": ["a", "b"]}, {"value": 30, "unit": "cm"}, {"value": 2, "unit": "in"}]}
    )
    assert found == tree("near", tree("distance", "a", "b"), metres(0.3), metres(0.0508))
    assert tree_from_json({"value": 90, "unit": "deg"}) == Number(pytest.approx(1.5707963267948966), "rad")  # type: ignore[arg-type]
    assert tree_from_json({"value": 3}) == tree_from_json(3) == Number(3.0)
    assert tree_from_json({"value": 3, "unit": "count"}) == Number(3.0)


def test_amounts_may_have_a_unit_of_length() -> None:
    document = {"op": "reachable", "args": ["a", "robot"], "amount": {"value": 80, "unit": "cm"}}
    assert tree_from_json(document) == tree("reachable", "a", "robot", amount=0.8)
    wrong = {**document, "amount": {"value": 80, "unit": "deg"}}
    assert str(refused(wrong)) == "amount: an amount is a length (got unit 'rad')"


def test_what_may_be_left_out_has_its_usual_value() -> None:
    found = tree_from_json(
        {
            "op": "argmin",
            "over": {"all": "can", "where": {"op": "left", "args": ["$x", "b"]}},
            "of": {"op": "height", "args": ["$x"]},
        }
    )
    assert found == Fold("argmin", All("can", "x", tree("left", X, "b")), ("x",), tree("height", X))
    assert tree_from_json({"op": "count", "over": {"all": "can", "where": None}, "of": None}) == Fold("count", All("can"))
    assert tree_from_json({"op": "count", "over": {"things": ["a", "b"]}, "as": ["$p", "q"]}) == Fold(
        "count", Several(("a", "b")), ("p", "q")
    )


def test_names_lose_the_blanks_around_them() -> None:
    assert names_of(tree_from_json({"op": "distance", "args": [" mug ", "can\n"]})) == ("mug", "can")
    assert refused({"op": "height", "args": [" $x"]}).problem == "variable '$x' is not bound; bound are: none here"


# -- what is wrong -----------------------------------------------------------------------------------------------------

GOOD = {"op": "left", "args": ["a", "b"]}
SET = {"all": "can"}


MALFORMED: list[tuple[object, str, str]] = [
    (None, "", "None is no node; give a name, a number with its unit, or an object with 'op'"),
    (True, "", "True is no node"),
    ([GOOD], "", "list is no node"),
    ({}, "", "the object has the keys none; it needs 'op' or 'value'"),
    ({"operator": "left"}, "", "the object has the keys 'operator'"),
    ({"op": 3, "args": []}, "op", "3 is no text"),
    ({"op": "left"}, "", "'left' needs 'args', a list (got None)"),
    ({"op": "left", "args": "ab"}, "", "'left' needs 'args', a list (got 'ab')"),
    ({"op": "left", "args": {"a": 1}}, "", "(got dict)"),
    ({"op": "left", "args": ["a", None]}, "args[1]", "None is no node"),
    ({"op": "left", "args": ["a", ""]}, "args[1]", "a thing's name has 1 to 256"),
    ({"op": "left", "args": ["a", "b"], "extra": 1}, "", "key 'extra' is not known here; known are op, args, amount, view"),
    ({"op": "left", "args": ["a", "b"], "view": 7}, "view", "7 is no text"),
    ({"op": "left", "args": ["a", "b"], "view": "v" * 300}, "view", "str is no text of up to 256"),
    ({"op": "left", "args": ["a", "b"], "amount": "x"}, "amount", "'x' is no number"),
    ({"op": "left", "args": ["a", "b"], "amount": True}, "amount", "True is no number"),
    ({"op": "left", "args": ["a", "b"], "amount": {"value": 1, "unit": "m", "x": 1}}, "amount", "key 'x' is not known"),
    ({"op": "left", "args": ["a", "b"], "over": SET}, "", "key 'args' is not known here"),
    ({"op": "nope", "args": []}, "", "operator 'nope' is not known here"),
    ({"op": "not", "args": [{"op": "nope", "args": []}]}, "args[0]", "operator 'nope'"),
    ({"value": "3"}, "", "'3' is no number"),
    ({"value": None}, "", "None is no number"),
    ({"value": float("nan")}, "", "nan is no number between"),
    ({"value": float("inf")}, "", "inf is no number between"),
    ({"value": 10**400}, "", "int is no number between"),
    ({"value": 10**5000}, "", "int is no number between"),
    (1e13, "", "10000000000000.0 is no number between"),
    ({"value": 1e12, "unit": "km"}, "", "is no number between"),
    ({"value": 1, "unit": "parsec"}, "", "unit 'parsec' is not known"),
    ({"value": 1, "unit": 5}, "", "5 is no text"),
    ({"value": 1, "units": "m"}, "", "key 'units' is not known here; known are value, unit"),
    (SET, "", "a set of things has no value by itself; put it into the 'over' of one of count"),
    ({"things": ["a", "b"]}, "", "a set of things has no value by itself"),
    ({"op": "not", "args": [SET]}, "args[0]", "a set of things has no value"),
    ({"op": "count", "over": "can"}, "over", "'can' is no set"),
    ({"op": "count", "over": None}, "over", "None is no set"),
    ({"op": "count", "over": {}}, "over", "dict is no set"),
    ({"op": "count", "over": {"all": "can", "things": ["a", "b"]}}, "over", "dict is no set"),
    ({"op": "count", "over": {"things": "ab"}}, "over", "'things' is a list of up to 400 names (got 'ab')"),
    ({"op": "count", "over": {"things": ["a"] * 401}}, "over", "'things' is a list of up to 400 names (got list)"),
    ({"op": "count", "over": {"things": ["a", 3]}}, "over", "3 is no text"),
    ({"op": "count", "over": {"things": ["a", "$x"]}}, "over", "variable '$x' cannot stand here; give a name"),
    ({"op": "count", "over": {"things": ["a", "b"], "where": GOOD}}, "over", "key 'where' is not known here"),
    ({"op": "count", "over": {"all": 3}}, "over", "3 is no text"),
    ({"op": "count", "over": {"all": "$x"}}, "over", "variable '$x' cannot stand here"),
    ({"op": "count", "over": {"all": "can", "as": [], "where": GOOD}}, "over", "is one name (got list)"),
    ({"op": "count", "over": {"all": "can", "as": ["x", "y"], "where": GOOD}}, "over", "is one name (got list)"),
    ({"op": "count", "over": {"all": "can", "as": None, "where": GOOD}}, "over", "None is no text"),
    ({"op": "count", "over": {"all": "can", "where": "a"}}, "over.where", "'where' has to be true or false"),
    ({"op": "count", "over": SET, "as": []}, "", "'as' is one name, or two different ones for pairs (got none)"),
    ({"op": "count", "over": SET, "as": 3}, "", "3 is no text"),
    ({"op": "count", "over": SET, "as": ["x", "y", "z", "w"]}, "", "(got x, y, z)"),
    ({"op": "count", "over": SET, "rank": 1.5}, "", "'rank' is 1.5; give a whole number"),
    ({"op": "count", "over": SET, "rank": True}, "", "'rank' is True; give a whole number"),
    ({"op": "count", "over": SET, "rank": 10**5000}, "", "'rank' is too large"),
    ({"op": "sum", "over": SET, "of": {"op": "height", "args": ["$y"]}}, "of.args[0]", "variable '$y' is not bound"),
    ({"op": "count", "over": SET, "of": {"value": 1, "unit": "m"}}, "of", "needs something true or false"),
    ("\ud800", "", "half characters"),
    ("$", "", "variable '$' is not bound"),
    ("x" * 10_000_000, "", "str is no text of up to 256 characters"),
    ({"x" * 10_000_000: 1}, "", "the object has the keys str"),
    ({"value": 1, 10**5000: 1}, "", "key int is not known here"),
    (b"left", "", "bytes is no node"),
    (1j, "", "complex is no node"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_a_malformed_document_is_refused_with_its_path(number: int) -> None:
    document, path, problem = MALFORMED[number]
    error = refused(document)
    assert quickest_s(lambda: refused(document), 0.3) < 0.3
    assert error.path == path
    assert problem in error.problem
    assert len(str(error)) < 2000


def nested(levels: int, wrap: Callable[[object], object], inner: object = "a") -> object:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(nested(10_000, lambda below: {"op": "not", "args": [below]}), id="operators"),
        pytest.param(nested(10_000, lambda below: {"op": "count", "over": SET, "of": below}), id="folds"),
        pytest.param(nested(10_000, lambda below: {"op": "count", "over": {"all": "a", "where": below}}), id="filters"),
        pytest.param(nested(10_000, lambda below: [below]), id="lists"),
        pytest.param({"op": "and", "args": [GOOD] * 1_000_000}, id="a million arguments"),
        pytest.param({"op": "count", "over": {"things": ["a"] * 1_000_000}}, id="a million things"),
        pytest.param(nested(20, lambda below: {"op": "and", "args": [below] * 20}, GOOD), id="twenty to the twentieth"),
        pytest.param({"op": "left", "args": ["a", "b"], **{f"key {i}": i for i in range(100_000)}}, id="many keys"),
    ],
)
def test_a_huge_document_is_refused_at_once(document: object) -> None:
    error = refused(document)
    assert quickest_s(lambda: refused(document), 0.3) < 0.3
    assert len(str(error)) < 500


# -- whatever comes ----------------------------------------------------------------------------------------------------

WORDS = [
    "left", "distance", "add", "sum", "count", "argmin", "if", "near", "a", "b", "$x", "$", "", "m", "cm", "deg", "object",
    "\x00", "\ud83d", "é" * 300, "op", "args", "over", "all", "things", "as", "of", "where", "rank", "amount", "view", "value",
    "unit",
]  # fmt: skip
ODD: list[Any] = [None, True, False, 0, -1, 1e308, float("nan"), float("-inf"), 10**30, 10**4500, 2.5, [], {}, [[]], b"x", 1j, ()]
KEYS = ["op", "args", "over", "as", "of", "rank", "amount", "view", "value", "unit", "all", "things", "where", "odd"]


def random_document(rng: random.Random, depth: int) -> Any:
    """Mostly the shape of a tree, with anything anywhere."""
    way = rng.random()
    if depth == 0 or way < 0.25:
        return rng.choice(WORDS if rng.random() < 0.7 else ODD)
    if way < 0.35:
        return [random_document(rng, depth - 1) for _ in range(rng.randrange(4))]
    if way < 0.65:
        return {
            "op": rng.choice([*OPERATORS, *RELATIONS]),
            "args": [random_document(rng, depth - 1) for _ in range(rng.randrange(4))],
        }
    if way < 0.8:
        of = random_document(rng, depth - 1)
        return {"op": rng.choice(["count", "sum", "argmin", "any"]), "over": random_document(rng, depth - 1), "as": "x", "of": of}
    return {rng.choice(KEYS): random_document(rng, depth - 1) for _ in range(rng.randrange(6))}


def mutated(rng: random.Random, document: Any) -> Any:
    """A good document with one part replaced."""
    if isinstance(document, dict) and document and rng.random() < 0.85:
        key = rng.choice(list(document))
        return {**document, key: mutated(rng, document[key])}
    if isinstance(document, list) and document and rng.random() < 0.85:
        index = rng.randrange(len(document))
        return [*document[:index], mutated(rng, document[index]), *document[index + 1 :]]
    return random_document(rng, 2)


def _read_or_refused(document: object) -> None:
    with contextlib.suppress(ExpressionError):
        tree_from_json(document)


def test_fuzzed_documents_give_a_tree_or_an_expression_error() -> None:
    rng = random.Random(4)
    good = [tree_to_json(node) for node in TREES]
    accepted = 0
    for number in range(2000):
        document = random_document(rng, 5) if number % 2 else mutated(rng, rng.choice(good))
        try:
            found = tree_from_json(document)
        except ExpressionError as error:
            assert str(error)
        else:
            accepted += 1
            assert tree_from_json(tree_to_json(found)) == found
        assert quickest_s(partial(_read_or_refused, document), 0.1) < 0.1
    assert accepted > 20


def test_variables_are_told_from_names() -> None:
    found = tree_from_json({"op": "max", "over": SET, "as": "thing", "of": {"op": "distance", "args": ["$thing", "thing"]}})
    assert isinstance(found, Fold) and isinstance(found.of, Apply)
    assert found.of.args == (Variable("thing"), Thing("thing"))
