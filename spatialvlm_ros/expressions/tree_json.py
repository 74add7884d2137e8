"""Expression trees as JSON, both ways, and the JSON schema that a language model is given.

``tree_from_json(tree_to_json(tree)) == tree`` for every tree that ``typing.check`` accepts. What comes from outside is data:
unknown keys, wrong types and trees that are too large are refused with the path of the node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

from .operators import FOLDS, NONE, operator_names, parse_unit, unit_text
from .tree import (
    MAX_DEPTH,
    MAX_NAME,
    MAX_NODES,
    MAX_NUMBER,
    All,
    Apply,
    ExpressionError,
    Fold,
    Number,
    Several,
    Thing,
    ThingSet,
    Tree,
    Variable,
)
from .typing import check

_APPLY_KEYS, _FOLD_KEYS = ("op", "args", "amount", "view"), ("op", "over", "as", "of", "rank")


def tree_to_json(node: Tree | ThingSet) -> Any:
    """Plain dicts, lists, strings and numbers."""
    if isinstance(node, Number):
        return {"value": node.value, "unit": node.unit}
    if isinstance(node, Thing):
        return node.name
    if isinstance(node, Variable):
        return f"${node.name}"
    if isinstance(node, Several):
        return {"things": list(node.names)}
    if isinstance(node, All):
        where = {} if node.where is None else {"as": node.variable, "where": tree_to_json(node.where)}
        return {"all": node.description, **where}
    if isinstance(node, Fold):
        bound = node.variables[0] if len(node.variables) == 1 else list(node.variables)
        of = {} if node.of is None else {"of": tree_to_json(node.of)}
        return {
            "op": node.op,
            "over": tree_to_json(node.over),
            "as": bound,
            **of,
            **({"rank": node.rank} if node.rank != 1 else {}),
        }
    extra: dict[str, Any] = {"amount": node.amount} if node.amount else {}
    return {
        "op": node.op,
        "args": [tree_to_json(child) for child in node.args],
        **extra,
        **({"view": node.view} if node.view else {}),
    }


def tree_from_json(value: object) -> Tree:
    """The tree of a JSON value, checked.

    Raises:
        ExpressionError: for whatever is wrong, with the path of the node.
    """
    tree = _Reader().tree(value, "", 1)
    check(tree)
    return tree


class _Reader:
    """Counts nodes while it reads, so that a huge document costs no more than a large one."""

    def __init__(self) -> None:
        self._nodes = 0

    def _enter(self, path: str, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise ExpressionError(path[:80], f"the tree is more than {MAX_DEPTH} levels deep; ask in parts")
        if self._nodes > MAX_NODES:
            raise ExpressionError(path[:80], f"the tree has more than {MAX_NODES} nodes; ask in parts")

    def tree(self, value: object, path: str, depth: int) -> Tree:
        self._enter(path, depth)
        if isinstance(value, str):
            text = _text(value, path)
            return Variable(text[1:]) if text.startswith("$") else Thing(text)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Number(_finite(value, path))
        if not isinstance(value, Mapping):
            raise ExpressionError(
                path, f"{_shown(value)} is no node; give a name, a number with its unit, or an object with 'op'"
            )
        if "op" in value:
            return self._operation(value, path, depth)
        if "value" in value:
            _only(value, ("value", "unit"), path)
            return _constant(value, path)
        if "all" in value or "things" in value:
            raise ExpressionError(
                path, "a set of things has no value by itself; put it into the 'over' of one of " + ", ".join(FOLDS)
            )
        raise ExpressionError(path, f"the object has the keys {_keys(value)}; it needs 'op' or 'value'")

    def _operation(self, value: Mapping[Any, Any], path: str, depth: int) -> Tree:
        op = _text(value["op"], f"{path}.op".lstrip("."))
        if "over" in value:
            _only(value, _FOLD_KEYS, path)
            of = None if value.get("of") is None else self.tree(value["of"], _at(path, "of"), depth + 1)
            over = self._set(value["over"], _at(path, "over"), depth + 1)
            rank = value.get("rank", 1)
            if isinstance(rank, bool) or not isinstance(rank, int):
                raise ExpressionError(path, f"'rank' is {_shown(rank)}; give a whole number")
            return Fold(op, over, _variables(value.get("as", "x"), path), of, rank)
        _only(value, _APPLY_KEYS, path)
        args = value.get("args")
        if not isinstance(args, (list, tuple)):
            raise ExpressionError(path, f"'{op[:40]}' needs 'args', a list (got {_shown(args)})")
        parts = tuple(self.tree(part, _at(path, f"args[{i}]"), depth + 1) for i, part in enumerate(args))
        amount = value.get("amount", 0.0)
        if isinstance(amount, Mapping):
            given = _constant(amount, _at(path, "amount"))
            if given.unit != "m":
                raise ExpressionError(_at(path, "amount"), f"an amount is a length (got unit '{given.unit}')")
            amount = given.value
        return Apply(op, parts, _finite(amount, _at(path, "amount")), _text(value.get("view", ""), _at(path, "view")))

    def _set(self, value: object, path: str, depth: int) -> ThingSet:
        self._enter(path, depth)
        if not isinstance(value, Mapping) or ("all" in value) == ("things" in value):
            raise ExpressionError(path, f"{_shown(value)} is no set; give {{'all': description}} or {{'things': [names]}}")
        if "things" in value:
            _only(value, ("things",), path)
            if not isinstance(value["things"], (list, tuple)) or len(value["things"]) > MAX_NODES:
                raise ExpressionError(path, f"'things' is a list of up to {MAX_NODES} names (got {_shown(value['things'])})")
            return Several(tuple(_name(name, path) for name in value["things"]))
        _only(value, ("all", "as", "where"), path)
        if value.get("where") is None:
            return All(_name(value["all"], path))
        where = self.tree(value["where"], _at(path, "where"), depth + 1)
        names = _variables(value.get("as", "x"), path)
        if len(names) != 1:
            raise ExpressionError(path, f"'as' of a set with 'where' is one name (got {_shown(value['as'])})")
        return All(_name(value["all"], path), names[0], where)


def _at(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def _shown(value: object) -> str:
    """A value in a few characters, whatever it is; large ones by their type."""
    small = value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**18)
    return repr(value) if small or (isinstance(value, str) and len(value) < 60) else type(value).__name__


def _keys(value: Mapping[Any, Any]) -> str:
    return ", ".join(_shown(key) for key in islice(value, 6)) or "none"


def _only(value: Mapping[Any, Any], known: tuple[str, ...], path: str) -> None:
    for key in value:
        if key not in known:
            raise ExpressionError(path, f"key {_shown(key)} is not known here; known are {', '.join(known)}")


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ExpressionError(path, f"{_shown(value)} is no text of up to {MAX_NAME} characters")
    return value.strip()


def _name(value: object, path: str) -> str:
    name = _text(value, path)
    if name.startswith("$"):
        raise ExpressionError(path, f"variable '{name[:40]}' cannot stand here; give a name")
    return name


def _finite(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ExpressionError(path, f"{_shown(value)} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= MAX_NUMBER:
        raise ExpressionError(path, f"{_shown(value)} is no number between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
    return number


def _constant(value: Mapping[Any, Any], path: str) -> Number:
    _only(value, ("value", "unit"), path)
    number = _finite(value.get("value"), path)
    try:
        worth, powers = parse_unit(_text(value.get("unit", ""), path))
    except ExpressionError:
        raise
    except ValueError as error:
        raise ExpressionError(path, str(error)) from error
    return Number(number * worth if worth != 1.0 else number, unit_text(powers) if powers != NONE else "")


def _variables(value: object, path: str) -> tuple[str, ...]:
    names = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_text(name, path).removeprefix("$") for name in names[:3])


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of trees; what it cannot say (units, numbers of arguments) ``check`` does."""
    ref = {"$ref": "#/$defs/node"}
    name = {"type": "string", "maxLength": MAX_NAME}
    variables = {"anyOf": [name, {"type": "array", "items": name, "minItems": 1, "maxItems": 2}]}
    constant = _object({"value": {"type": "number"}, "unit": name}, ["value", "unit"])
    apply = _object(
        {
            "op": {"enum": list(operator_names())},
            "args": {"type": "array", "items": ref},
            "amount": {"type": "number"},
            "view": name,
        },
        ["op", "args"],
    )
    fold = _object(
        {"op": {"enum": list(FOLDS)}, "over": {"$ref": "#/$defs/set"}, "as": variables, "of": ref, "rank": {"type": "integer"}},
        ["op", "over"],
    )
    things = _object({"things": {"type": "array", "items": name, "minItems": 2}}, ["things"])
    described = _object({"all": name, "as": name, "where": ref}, ["all"])
    return {
        "$defs": {"node": {"anyOf": [name, constant, apply, fold]}, "set": {"anyOf": [things, described]}},
        "anyOf": [apply, fold],
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
