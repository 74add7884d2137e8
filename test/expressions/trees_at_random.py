"""Random trees that are well typed, for laws that hold for every tree."""

from __future__ import annotations

from hypothesis import strategies as st

from spatialvlm_ros.expressions.operators import FOLDS, METRE, NONE, RADIAN, THING, TRUTH, Type, number, relation_type, unit_text
from spatialvlm_ros.expressions.tree import All, Apply, Fold, Number, Several, Thing, ThingSet, Tree, Variable
from spatialvlm_ros.scene.relations import RELATIONS, Relation

# Of a scene of ``erring_things.random_scene`` with a gripper, and names that stand for nothing there.
FOUND = ("thing 1", "thing 2", "thing 3", "gripper")
NAMES = (*FOUND * 12, "unicorn", "the thing 1", "Tasse für Öl ☕")
SAME = (Thing("thing 1"), Thing("the thing 1"))
DESCRIPTIONS = (*["object"] * 12, "thing 1", "dragon")
VIEWS = (*[""] * 12, "canonical", "canonical", "nowhere")
NUMBERS = [number(NONE), number(METRE), number(RADIAN), number((2, 0))]
LENGTH = st.floats(-2.0, 2.0)


@st.composite
def trees(draw: st.DrawFn, kind: Type | None = None, depth: int = 4, bound: tuple[str, ...] = ()) -> Tree:
    """A tree of a type, or of any, that ``typing.check`` accepts unless a thing is related to itself by name."""
    if kind is None:
        kind = draw(st.sampled_from([TRUTH, THING, *NUMBERS]))
    if kind == THING:
        return draw(things(depth, bound))
    return draw(truths(depth, bound) if kind == TRUTH else numbers(kind, depth, bound))


def leaf_things(bound: tuple[str, ...]) -> st.SearchStrategy[Tree]:
    names: st.SearchStrategy[Tree] = st.sampled_from(NAMES).map(Thing)
    return names if not bound else st.one_of(names, st.sampled_from(bound).map(Variable), st.sampled_from(bound).map(Variable))


@st.composite
def things(draw: st.DrawFn, depth: int, bound: tuple[str, ...]) -> Tree:
    way = draw(st.integers(0, 7)) if depth > 1 else 0
    if way < 4:
        return draw(leaf_things(bound))
    if way == 4:
        return draw(relations([name for name, one in RELATIONS.items() if relation_type(one) == THING], depth, bound))
    if way == 5:
        return Apply("if", (draw(trees(TRUTH, depth - 1, bound)), draw(things(depth - 1, bound)), draw(things(depth - 1, bound))))
    return draw(folds(draw(st.sampled_from(["argmin", "argmax"])), depth, bound, 1))


@st.composite
def relations(draw: st.DrawFn, names: list[str], depth: int, bound: tuple[str, ...]) -> Tree:
    relation: Relation = RELATIONS[draw(st.sampled_from(names))]
    words = [Thing(draw(st.sampled_from(DESCRIPTIONS)))] if relation.of_all else []
    args: list[Tree] = []
    free: list[Tree] = [*map(Thing, NAMES), *map(Variable, (*bound, *bound, *bound))]
    while len(args) < relation.arity - len(words):
        if depth > 2 and draw(st.integers(0, 5)) == 5:
            args.append(draw(things(depth - 1, bound)))
            continue
        arg = draw(st.sampled_from(free))
        args.append(arg)
        # "the thing 1" and "thing 1" are refused as one name.
        free = [one for one in free if one != arg and not (isinstance(arg, Thing) and "thing 1" in arg.name and one in SAME)]
    amount = draw(st.floats(0.01, 2.0)) if relation.takes_amount else 0.0
    return Apply(relation.name, (*words, *args), amount, draw(st.sampled_from(VIEWS)))


@st.composite
def numbers(draw: st.DrawFn, kind: Type, depth: int, bound: tuple[str, ...]) -> Tree:
    leaves = [name for name, one in RELATIONS.items() if relation_type(one) == kind]
    way = draw(st.integers(0, 8)) if depth > 1 else draw(st.integers(0, 1))
    if way == 0 or (way == 1 and not leaves):
        return Number(draw(LENGTH), unit_text(kind.unit))
    if way <= 2 and leaves:
        return draw(relations(leaves, depth, bound))
    below = numbers(kind, depth - 1, bound)
    if way == 3:
        return Apply(draw(st.sampled_from(["add", "min", "max", "mean"])), tuple(draw(st.lists(below, min_size=2, max_size=3))))
    if way == 4:
        return Apply(draw(st.sampled_from(["sub"])), (draw(below), draw(below)))
    if way == 5:
        return Apply(draw(st.sampled_from(["abs", "neg"])), (draw(below),))
    if way == 6:
        return Apply("if", (draw(trees(TRUTH, depth - 1, bound)), draw(below), draw(below)))
    if way == 7:
        return draw(mixed(kind, depth, bound))
    ops = ["sum", "mean", "min", "max"] + (["count"] if kind == number(NONE) else [])
    return draw(folds(draw(st.sampled_from(ops)), depth, bound, draw(st.integers(1, 2)), kind))


@st.composite
def mixed(draw: st.DrawFn, kind: Type, depth: int, bound: tuple[str, ...]) -> Tree:
    """Products, quotients and roots that give a unit."""
    length = numbers(number(METRE), depth - 1, bound)
    if kind == number((2, 0)):
        return Apply("mul", (draw(length), draw(length)))
    if kind == number(METRE):
        area = numbers(number((2, 0)), depth - 1, bound)
        return Apply("sqrt", (draw(area),)) if draw(st.booleans()) else Apply("ratio", (draw(area), draw(length)))
    plain = Apply("ratio", (draw(length), draw(length)))
    return plain if kind == number(NONE) else Apply("mul", (plain, draw(numbers(kind, depth - 1, bound))))


@st.composite
def truths(draw: st.DrawFn, depth: int, bound: tuple[str, ...]) -> Tree:
    way = draw(st.integers(0, 8)) if depth > 1 else 0
    if way <= 2:
        return draw(relations([name for name, one in RELATIONS.items() if relation_type(one) == TRUTH], depth, bound))
    if way == 3:
        below = numbers(draw(st.sampled_from(NUMBERS)), depth - 1, bound)
        op = draw(st.sampled_from(["lt", "gt", "near"]))
        return Apply(op, tuple(draw(below) for _ in range(3 if op == "near" else 2)))
    if way == 4:
        op = draw(st.sampled_from(["and", "or"]))
        return Apply(op, tuple(draw(st.lists(truths(depth - 1, bound), min_size=2, max_size=3))))
    if way == 5:
        return Apply("not", (draw(truths(depth - 1, bound)),))
    if way == 6:
        return Apply("same", (draw(things(depth - 1, bound)), draw(things(depth - 1, bound))))
    if way == 7:
        return Apply("eq", (draw(numbers(number(NONE), depth - 1, bound)), draw(numbers(number(NONE), depth - 1, bound))))
    return draw(folds(draw(st.sampled_from(["any", "all"])), depth, bound, draw(st.integers(1, 2))))


@st.composite
def sets(draw: st.DrawFn, depth: int, bound: tuple[str, ...]) -> ThingSet:
    if draw(st.integers(0, 2)) == 0:
        return Several(tuple(draw(st.lists(st.sampled_from((*FOUND, "unicorn")), min_size=2, max_size=4, unique=True))))
    described = draw(st.sampled_from(DESCRIPTIONS))
    if depth > 2 and draw(st.booleans()):
        name = f"v{len(bound)}"
        return All(described, name, draw(truths(depth - 1, (*bound, name))))
    return All(described)


@st.composite
def folds(draw: st.DrawFn, op: str, depth: int, bound: tuple[str, ...], variables: int, kind: Type | None = None) -> Tree:
    assert op in FOLDS
    names = tuple(f"v{len(bound) + i}" for i in range(variables))
    over, inner = draw(sets(depth - 1, bound)), (*bound, *names)
    if op in ("count", "any", "all"):
        of = None if op == "count" and draw(st.booleans()) else draw(truths(depth - 1, inner))
    else:
        of = draw(numbers(kind or draw(st.sampled_from(NUMBERS)), depth - 1, inner))
    rank = draw(st.integers(1, 3)) if op in ("argmin", "argmax") else 1
    return Fold(op, over, names, of, rank)
