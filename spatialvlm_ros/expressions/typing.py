"""Types and units of expression trees: what a tree gives, or what is wrong with it, before anything is measured."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches

from ..language.answers import check_query
from ..language.names import plain_name
from ..scene.facts import Query
from ..scene.relations import RELATIONS, Relation
from .operators import (
    CHOOSING_FOLDS,
    FOLDS,
    OPERATORS,
    PAIR,
    THING,
    TRUTH,
    TRUTH_FOLDS,
    Type,
    TypeProblem,
    number,
    operator_names,
    parse_unit,
    relation_type,
    unit_text,
)
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
    children,
    to_text,
)

MAX_RANK = 100


def check(tree: Tree) -> Type:
    """The type of a tree.

    Raises:
        ExpressionError: for the first node that cannot be used, by its path, with what to do.
    """
    _check_size(tree)
    return _check(tree, "", frozenset())


def _check_size(tree: Tree) -> None:
    count, stack = 0, [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise ExpressionError("", f"the tree is more than {MAX_DEPTH} levels deep; ask in parts")
        if count > MAX_NODES:
            raise ExpressionError("", f"the tree has more than {MAX_NODES} nodes; ask in parts")
        stack.extend((child, depth + 1) for _, child in children(node))  # type: ignore[misc]


def _at(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def _check(node: Tree, path: str, bound: frozenset[str]) -> Type:
    if isinstance(node, Number):
        return _check_number(node, path)
    if isinstance(node, Thing):
        _check_name(node.name, path)
        return THING
    if isinstance(node, Variable):
        if node.name not in bound:
            known = ", ".join(f"${name}" for name in sorted(bound)) or "none here"
            raise ExpressionError(path, f"variable '${node.name[:40]}' is not bound; bound are: {known}")
        return THING
    if isinstance(node, Fold):
        return _check_fold(node, path, bound)
    if isinstance(node, Apply):
        return _check_apply(node, path, bound)
    raise ExpressionError(path, f"{type(node).__name__} is no node that has a value; sets stand in 'over' only")


def _check_number(node: Number, path: str) -> Type:
    if not abs(node.value) <= MAX_NUMBER:
        raise ExpressionError(path, f"{node.value:g} is no number between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
    try:
        worth, unit = parse_unit(node.unit)
    except ValueError as error:
        raise ExpressionError(path, str(error)) from error
    if worth != 1.0:
        raise ExpressionError(path, f"a number is kept in SI, not in '{node.unit}'; convert it first")
    if node.unit != unit_text(unit):
        raise ExpressionError(path, f"unit '{node.unit}' is written '{unit_text(unit)}'")
    return number(unit)


def _check_name(name: str, path: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise ExpressionError(path, f"a thing's name has 1 to {MAX_NAME} characters (got {len(name.strip())})")
    _check_text(name, path)
    if name.startswith("$"):
        raise ExpressionError(path, f"'{name[:40]}' is a variable; a thing's name does not begin with '$'")


def _check_text(text: str, path: str) -> None:
    """What can be written and read again as it is."""
    if text != text.strip():
        raise ExpressionError(path, f"'{text.strip()[:40]}' has blanks around it; leave them out")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ExpressionError(path, f"{text[:40]!r} holds control characters or half characters; leave them out")


def _check_variable(name: str, path: str, bound: frozenset[str]) -> None:
    if not name.isidentifier() or len(name) > 40:
        raise ExpressionError(path, f"variable '{name[:40]}' is no name; use one word of letters, digits and _")
    if name in bound:
        raise ExpressionError(path, f"variable '${name}' is bound already; choose another name")


def _check_apply(node: Apply, path: str, bound: frozenset[str]) -> Type:
    types = [_check(child, _at(path, f"args[{i}]"), bound) for i, child in enumerate(node.args)]
    relation = RELATIONS.get(node.op)
    if relation is not None:
        return _check_relation(node, relation, types, path)
    if node.amount or node.view:
        raise ExpressionError(path, f"'{node.op}' is no relation; leave out 'amount' and 'view'")
    operator = OPERATORS.get(node.op)
    if operator is None:
        near = get_close_matches(node.op[:40], [*operator_names(), *FOLDS], 4, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(operator_names())}"
        folded = " It is an operator over a set: give it 'over'." if node.op in FOLDS else ""
        raise ExpressionError(path, f"operator '{node.op[:40]}' is not known here.{folded} {hint}")
    if not operator.least <= len(types) <= operator.most:
        some = str(operator.least) if operator.least == operator.most else f"{operator.least} to {operator.most}"
        raise ExpressionError(path, f"'{node.op}' takes {some} arguments (got {len(types)})")
    try:
        result = operator.result(types)
    except TypeProblem as error:
        raise ExpressionError(path, f"'{node.op}': {error}") from error
    if node.op == "eq" and types[0].unit != (0, 0):
        raise ExpressionError(path, f"'eq' compares counts; two measured values ({types[0]}) are never equal: use 'near'")
    return result


def _check_relation(node: Apply, relation: Relation, types: list[Type], path: str) -> Type:
    for index, given in enumerate(types):
        if given != THING:
            raise ExpressionError(_at(path, f"args[{index}]"), f"'{node.op}' is about things; this is {given}")
    if len(node.view) > MAX_NAME:
        raise ExpressionError(path, f"the view's name has more than {MAX_NAME} characters")
    _check_text(node.view, path)
    if abs(node.amount) > MAX_NUMBER:
        raise ExpressionError(path, f"an amount of {node.amount:g} m is larger than {MAX_NUMBER:g} m")
    if relation.of_all and node.args and not isinstance(node.args[0], Thing):
        raise ExpressionError(
            _at(path, "args[0]"), f"'{node.op}' takes a description in words here; use a fold over a set instead"
        )
    things = node.args[1:] if relation.of_all else node.args
    if (twice := next((arg for index, arg in enumerate(things) if arg in things[:index]), None)) is not None:
        raise ExpressionError(path, f"'{node.op}' relates {to_text(twice)} to itself; name different things")
    # What only the scene tells is told apart there; here it only has to be there.
    names = [arg.name if isinstance(arg, Thing) else f"${index}" for index, arg in enumerate(node.args)]
    if len(names) > 3:
        raise ExpressionError(path, f"'{node.op}' takes {relation.arity} things (got {len(names)})")
    subject, other, third = [*names, "", "", ""][:3]
    if not names:
        raise ExpressionError(path, f"'{node.op}' takes {relation.arity} things (got none)")
    if (problem := check_query(Query(node.op, subject, other, third, node.amount, node.view))) is not None:
        raise ExpressionError(path, problem)
    return relation_type(relation)


def _check_fold(node: Fold, path: str, bound: frozenset[str]) -> Type:
    if node.op not in FOLDS:
        near = get_close_matches(node.op[:40], FOLDS, 3, 0.5) or list(FOLDS)
        raise ExpressionError(path, f"'{node.op[:40]}' is no operator over a set; use one of {', '.join(near)}")
    _check_set(node.over, _at(path, "over"), bound)
    _check_variables(node, path, bound)
    if not 1 <= node.rank <= MAX_RANK or (node.rank != 1 and node.op not in CHOOSING_FOLDS):
        given = node.rank if abs(node.rank) < 1_000_000 else "too large"
        raise ExpressionError(path, f"'rank' is {given}; it is 1 to {MAX_RANK}, for {' and '.join(CHOOSING_FOLDS)}")
    if node.of is None:
        if node.op != "count":
            raise ExpressionError(path, f"'{node.op}' needs 'of': what of each thing")
        return number((0, 0))
    of = _check(node.of, _at(path, "of"), bound | set(node.variables))
    if node.op in TRUTH_FOLDS:
        if of != TRUTH:
            raise ExpressionError(_at(path, "of"), f"'{node.op}' needs something true or false of each thing; this is {of}")
        return number((0, 0)) if node.op == "count" else TRUTH
    if of.what != "number":
        raise ExpressionError(_at(path, "of"), f"'{node.op}' needs a number of each thing; this is {of}")
    if node.op in CHOOSING_FOLDS:
        return PAIR if len(node.variables) == 2 else THING
    return of


def _check_variables(node: Fold, path: str, bound: frozenset[str]) -> None:
    names = node.variables
    if not 1 <= len(names) <= 2 or len(set(names)) != len(names):
        raise ExpressionError(path, f"'as' is one name, or two different ones for pairs (got {', '.join(names)[:80] or 'none'})")
    for name in names:
        _check_variable(name, path, bound)


def _check_set(node: ThingSet, path: str, bound: frozenset[str]) -> None:
    if isinstance(node, Several):
        if len(node.names) < 2:
            raise ExpressionError(path, f"a list of things has two at least (got {len(node.names)})")
        if len(node.names) > MAX_NODES:
            raise ExpressionError(path, f"a list of things has {MAX_NODES} at most (got {len(node.names)})")
        for name in node.names:
            _check_name(name, path)
        if len({plain_name(name) for name in node.names}) < len(node.names):
            raise ExpressionError(path, "a name stands twice in the list; name different things")
        return
    if not isinstance(node, All):
        raise ExpressionError(path, "a set of things is needed: {'things': [names]} or {'all': description}")
    _check_name(node.description, path)
    if node.where is None:
        if node.variable:
            raise ExpressionError(path, "a set without 'where' needs no variable; leave out 'as'")
        return
    _check_variable(node.variable, path, bound)
    given = _check(node.where, _at(path, "where"), bound | {node.variable})
    if given != TRUTH:
        raise ExpressionError(_at(path, "where"), f"'where' has to be true or false of each thing; this is {given}")
