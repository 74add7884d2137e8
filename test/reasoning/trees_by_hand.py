"""What each kind of composed question asks for, written down once more by hand, for things called "aa" to "dd".

Not by the tables that the grammar is made of: a condition, a frame or a kind that says one thing and means another is found here.
"""

from __future__ import annotations

from collections.abc import Callable

from spatialvlm_ros.expressions.tree import All, Apply, Fold, Number, Several, Thing, ThingSet, Tree, Variable

A, B, C, D = Thing("aa"), Thing("bb"), Thing("cc"), Thing("dd")
X, Y, S, T = Variable("x"), Variable("y"), Variable("s"), Variable("t")
NAMES = {"a": "aa", "b": "bb", "c": "cc", "d": "dd", "g": "red block", "h": "can"}
AMOUNTS = {"n": 0.25, "m": 0.75, "k": 3.0}
N, M, K = Number(0.25, "m"), Number(0.75, "m"), Number(3.0)
ALIKE = Number(0.02, "m")
ABC, AB = Several(("aa", "bb", "cc")), Several(("aa", "bb"))
G, H, EVERYTHING = All("red block"), All("can"), All("object")
THREE = All("red block", "z", Apply("eq", (Apply("count", (Thing("red block"),)), Number(3.0))))


def t(op: str, *args: Tree) -> Apply:
    return Apply(op, args)


def dist(a: Tree, b: Tree) -> Apply:
    return t("distance", a, b)


def reach(a: Tree, b: Tree) -> Apply:
    return Apply("reachable", (a, b), 0.25)


def no(tree: Tree) -> Apply:
    return t("not", tree)


def each(op: str, over: ThingSet, of: Tree | None, rank: int = 1) -> Fold:
    return Fold(op, over, ("x",), of, rank)


def pair(op: str, over: ThingSet) -> Fold:
    return Fold(op, over, ("x", "y"), dist(X, Y))


def how_many(kind: str) -> Apply:
    return t("count", Thing(kind))


# -- superlatives -----------------------------------------------------------------------------------------------------


def most(op: str, over: ThingSet, of: Tree) -> Fold:
    return Fold(op, over, ("s",), of)


def most_related(relation: str) -> Callable[[ThingSet], Fold]:
    return lambda over: most("argmax", over, Fold("count", over, ("t",), t(relation, S, T)))


SUPERLATIVE: dict[str, Callable[[ThingSet], Fold]] = {
    "tallest": lambda over: most("argmax", over, t("height", S)),
    "shortest": lambda over: most("argmin", over, t("height", S)),
    "widest": lambda over: most("argmax", over, t("width", S)),
    "thinnest": lambda over: most("argmin", over, t("width", S)),
    "biggest": most_related("big"),
    "smallest": most_related("small"),
    "highest": most_related("above"),
    "lowest": most_related("below"),
    "leftmost": most_related("left"),
    "rightmost": most_related("right"),
    "frontmost": most_related("front"),
    "rearmost": most_related("behind"),
}


def nearest(over: ThingSet, to: Tree) -> Fold:
    return most("argmin", over, dist(S, to))


def farthest(over: ThingSet, to: Tree) -> Fold:
    return most("argmax", over, dist(S, to))


# -- triangles --------------------------------------------------------------------------------------------------------

_AB, _BC, _CA = dist(A, B), dist(B, C), dist(C, A)
_HALF = t("mul", Number(0.5), t("add", _AB, _BC, _CA))
_ZERO = Number(0.0, "m")
AREA = t(
    "sqrt",
    t(
        "mul",
        _HALF,
        t("max", t("sub", _HALF, _AB), _ZERO),
        t("max", t("sub", _HALF, _BC), _ZERO),
        t("max", t("sub", _HALF, _CA), _ZERO),
    ),
)
OFF_LINE = t("ratio", t("mul", Number(2.0), AREA), t("max", _AB, _BC, _CA))


def two_alike(within: Number) -> Tree:
    return t("or", t("near", _AB, _BC, within), t("near", _BC, _CA, within), t("near", _CA, _AB, within))


def all_alike(over: ThingSet, within: Number) -> Tree:
    return t("lt", t("sub", pair("max", over), pair("min", over)), within)


_APEX = t("sub", Fold("max", THREE, ("y",), dist(X, Y)), Fold("min", THREE, ("y",), dist(X, Y)))
_RIGHT_SIDE = t("sqrt", t("add", t("mul", dist(A, B), dist(A, B)), t("mul", dist(A, C), dist(A, C))))

# -- kinds without conditions ------------------------------------------------------------------------------------------

ALONE: dict[str, Tree] = {
    "distance_longer": t("gt", dist(A, B), dist(C, D)),
    "distance_shorter": t("lt", dist(A, B), dist(C, D)),
    "how_much_closer": t("sub", dist(C, B), dist(A, B)),
    "how_much_farther": t("sub", dist(A, B), dist(C, B)),
    "how_much_closer_to": t("sub", dist(A, C), dist(A, B)),
    "times_as_far": t("ratio", dist(A, B), dist(C, B)),
    "ratio_distances": t("ratio", dist(A, B), dist(C, D)),
    "difference_distances": t("abs", t("sub", dist(A, B), dist(C, D))),
    "same_distance": t("near", dist(A, B), dist(C, B), ALIKE),
    "same_distance_within": t("near", dist(A, B), dist(C, B), N),
    "gap_more": t("gt", t("gap", A, B), N),
    "gap_less": t("lt", t("gap", A, B), N),
    "gap_least": no(t("lt", t("gap", A, B), N)),
    "gap_most": no(t("gt", t("gap", A, B), N)),
    "gap_wider": t("gt", t("gap", A, B), t("gap", C, D)),
    "gap_narrower": t("lt", t("gap", A, B), t("gap", C, D)),
    "gap_wider_than_thing": t("gt", t("gap", A, B), t("width", C)),
    "gap_narrower_than_thing": t("lt", t("gap", A, B), t("width", C)),
    "how_much_taller": t("sub", t("height", A), t("height", B)),
    "how_much_shorter": t("sub", t("height", B), t("height", A)),
    "how_much_wider": t("sub", t("width", A), t("width", B)),
    "how_much_narrower": t("sub", t("width", B), t("width", A)),
    "difference_height": t("abs", t("sub", t("height", A), t("height", B))),
    "difference_width": t("abs", t("sub", t("width", A), t("width", B))),
    "times_height": t("ratio", t("height", A), t("height", B)),
    "times_width": t("ratio", t("width", A), t("width", B)),
    "same_height": t("near", t("height", A), t("height", B), ALIKE),
    "same_height_within": t("near", t("height", A), t("height", B), N),
    "same_width": t("near", t("width", A), t("width", B), ALIKE),
    "same_width_within": t("near", t("width", A), t("width", B), N),
    "same_elevation": t("near", t("elevation", A), t("elevation", B), ALIKE),
    "taller_than_wide": t("gt", t("height", A), t("width", A)),
    "wider_than_tall": t("gt", t("width", A), t("height", A)),
    "nearest_of_named": nearest(ABC, D),
    "farthest_of_named": farthest(ABC, D),
    "nearest_of_two": nearest(AB, D),
    "farthest_of_two": farthest(AB, D),
    "nearest_of_counted": nearest(THREE, A),
    "farthest_of_counted": farthest(THREE, A),
    "farthest_of_all": farthest(G, A),
    "nearest_distance": each("min", G, dist(X, A)),
    "farthest_distance": each("max", G, dist(X, A)),
    "is_nearest": t("same", A, nearest(G, B)),
    "is_farthest": t("same", A, farthest(G, B)),
    "also_nearest": t("same", SUPERLATIVE["tallest"](G), nearest(G, B)),
    "also_farthest": t("same", SUPERLATIVE["tallest"](G), farthest(G, B)),
    "second": Fold("argmax", G, ("s",), t("height", S), 2),
    "closest_pair": pair("argmin", G),
    "closest_pair_of_named": pair("argmin", ABC),
    "closest_pair_distance": pair("min", G),
    "farthest_pair": pair("argmax", G),
    "farthest_pair_of_named": pair("argmax", ABC),
    "farthest_pair_distance": pair("max", G),
    "total_height": each("sum", ABC, t("height", X)),
    "total_width": each("sum", ABC, t("width", X)),
    "total_height_of_all": each("sum", G, t("height", X)),
    "total_width_of_all": each("sum", G, t("width", X)),
    "mean_height": each("mean", ABC, t("height", X)),
    "mean_width": each("mean", ABC, t("width", X)),
    "mean_height_of_all": each("mean", G, t("height", X)),
    "mean_width_of_all": each("mean", G, t("width", X)),
    "max_height": each("max", ABC, t("height", X)),
    "max_width": each("max", ABC, t("width", X)),
    "max_height_of_all": each("max", G, t("height", X)),
    "max_width_of_all": each("max", G, t("width", X)),
    "min_height": each("min", ABC, t("height", X)),
    "min_width": each("min", ABC, t("width", X)),
    "min_height_of_all": each("min", G, t("height", X)),
    "min_width_of_all": each("min", G, t("width", X)),
    "mean_distance": each("mean", G, dist(X, A)),
    "total_distance": each("sum", G, dist(X, A)),
    "more_things": t("gt", how_many("red block"), how_many("can")),
    "fewer_things": t("lt", how_many("red block"), how_many("can")),
    "as_many": t("eq", how_many("red block"), how_many("can")),
    "how_many_more": t("sub", how_many("red block"), how_many("can")),
    "how_many_together": t("add", how_many("red block"), how_many("can")),
    "number/more_than": t("gt", how_many("red block"), K),
    "number/fewer_than": t("lt", how_many("red block"), K),
    "number/at_least": no(t("lt", how_many("red block"), K)),
    "number/at_most": no(t("gt", how_many("red block"), K)),
    "number/exactly": t("eq", how_many("red block"), K),
    "count_fit_into": each("count", G, t("fits_into", X, A)),
    "count_fit_between": each("count", G, t("fits_through", X, A, B)),
    "way": t("add", dist(A, B), dist(B, C)),
    "way_over": t("add", dist(A, B), dist(B, C)),
    "way_of_four": t("add", dist(A, B), dist(B, C), dist(C, D)),
    "round_trip": t("add", dist(A, B), dist(B, C), dist(C, A)),
    "detour": t("sub", t("add", dist(A, B), dist(B, C)), dist(A, C)),
    "way_longer": t("gt", t("add", dist(A, B), dist(B, C)), N),
    "way_shorter": t("lt", t("add", dist(A, B), dist(B, C)), N),
    "way_longer_than_way": t("gt", t("add", dist(A, C), dist(C, B)), t("add", dist(A, D), dist(D, B))),
    "way_shorter_than_way": t("lt", t("add", dist(A, C), dist(C, B)), t("add", dist(A, D), dist(D, B))),
    "stack_height": each("sum", ABC, t("height", X)),
    "stack_taller": t("gt", each("sum", ABC, t("height", X)), N),
    "stack_taller_than_thing": t("gt", each("sum", ABC, t("height", X)), t("height", D)),
    "stack_height_of_all": each("sum", G, t("height", X)),
    "stack_taller_of_all": t("gt", each("sum", G, t("height", X)), N),
    "stack_taller_than_thing_of_all": t("gt", each("sum", G, t("height", X)), t("height", D)),
    "isosceles": two_alike(ALIKE),
    "isosceles_within": two_alike(N),
    "isosceles_by_rule": all_alike(ABC, N),
    "isosceles_of_three": t("lt", each("min", THREE, _APEX), ALIKE),
    "isosceles_of_three_by_rule": all_alike(THREE, N),
    "equilateral": all_alike(ABC, ALIKE),
    "equilateral_within": all_alike(ABC, N),
    "equilateral_of_three": all_alike(THREE, ALIKE),
    "longest_side": pair("argmax", ABC),
    "shortest_side": pair("argmin", ABC),
    "longest_side_length": pair("max", ABC),
    "shortest_side_length": pair("min", ABC),
    "perimeter": t("add", _AB, _BC, _CA),
    "area": AREA,
    "right_angle": t("near", _RIGHT_SIDE, dist(B, C), ALIKE),
    "in_line": t("lt", OFF_LINE, Number(0.05, "m")),
    "in_line_within": t("lt", OFF_LINE, N),
    "pass_width": t("gt", t("path_width", A, B), N),
    "pass_spare": t("sub", t("path_width", A, B), N),
    "passage_wider": t("gt", t("path_width", A, B), t("path_width", C, D)),
    "passage_narrower": t("lt", t("path_width", A, B), t("path_width", C, D)),
    "side_by_side": t("lt", t("add", t("width", A), t("width", B)), t("path_width", C, D)),
    "total_side_by_side": each("sum", ABC, t("width", X)),
    "fits_under": t("lt", t("height", A), t("elevation", B)),
    "keeps_away": each("all", EVERYTHING, no(t("lt", t("gap", X, A), N))),
    "reaches_both": t("and", reach(A, C), reach(B, C)),
    **{f"superlative/{word}": of(G) for word, of in SUPERLATIVE.items()},
    **{f"superlative_named/{word}": of(ABC) for word, of in SUPERLATIVE.items()},
    **{f"is_superlative/{word}": t("same", A, of(G)) for word, of in SUPERLATIVE.items()},
    **{f"is_superlative_of_everything/{word}": t("same", A, of(EVERYTHING)) for word, of in SUPERLATIVE.items()},
    **{f"is_superlative_named/{word}": t("same", D, of(ABC)) for word, of in SUPERLATIVE.items()},
    **{
        f"also_superlative/{word}": t("same", SUPERLATIVE["tallest"](G), of(G))
        for word, of in SUPERLATIVE.items()
        if word != "tallest"
    },
}
