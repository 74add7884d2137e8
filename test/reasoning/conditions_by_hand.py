"""What each condition and each frame of composed questions asks for, written down once more by hand."""

from __future__ import annotations

from collections.abc import Callable

from trees_by_hand import ABC, ALIKE, EVERYTHING, THREE, A, B, C, G, H, K, M, N, X, dist, each, no, reach, t

from spatialvlm_ros.expressions.tree import Number, Thing, Tree

# A condition of a thing, with the things b and c that it names.
CONDITION: dict[str, Callable[[Tree, Tree, Tree], Tree]] = {
    "left": lambda x, b, c: t("left", x, b),
    "right": lambda x, b, c: t("right", x, b),
    "behind": lambda x, b, c: t("behind", x, b),
    "front": lambda x, b, c: t("front", x, b),
    "above": lambda x, b, c: t("above", x, b),
    "below": lambda x, b, c: t("below", x, b),
    "on": lambda x, b, c: t("on", x, b),
    "contained": lambda x, b, c: t("contained", x, b),
    "touching": lambda x, b, c: t("touching", x, b),
    "held": lambda x, b, c: t("held", x, b),
    "tall": lambda x, b, c: t("tall", x, b),
    "short": lambda x, b, c: t("short", x, b),
    "wide": lambda x, b, c: t("wide", x, b),
    "thin": lambda x, b, c: t("thin", x, b),
    "big": lambda x, b, c: t("big", x, b),
    "small": lambda x, b, c: t("small", x, b),
    "left_both": lambda x, b, c: t("and", t("left", x, b), t("left", x, c)),
    "right_both": lambda x, b, c: t("and", t("right", x, b), t("right", x, c)),
    "behind_both": lambda x, b, c: t("and", t("behind", x, b), t("behind", x, c)),
    "front_both": lambda x, b, c: t("and", t("front", x, b), t("front", x, c)),
    "above_both": lambda x, b, c: t("and", t("above", x, b), t("above", x, c)),
    "below_both": lambda x, b, c: t("and", t("below", x, b), t("below", x, c)),
    "touching_both": lambda x, b, c: t("and", t("touching", x, b), t("touching", x, c)),
    "tall_both": lambda x, b, c: t("and", t("tall", x, b), t("tall", x, c)),
    "short_both": lambda x, b, c: t("and", t("short", x, b), t("short", x, c)),
    "wide_both": lambda x, b, c: t("and", t("wide", x, b), t("wide", x, c)),
    "thin_both": lambda x, b, c: t("and", t("thin", x, b), t("thin", x, c)),
    "big_both": lambda x, b, c: t("and", t("big", x, b), t("big", x, c)),
    "small_both": lambda x, b, c: t("and", t("small", x, b), t("small", x, c)),
    "no_tall": lambda x, b, c: no(t("tall", x, b)),
    "no_short": lambda x, b, c: no(t("short", x, b)),
    "no_wide": lambda x, b, c: no(t("wide", x, b)),
    "no_thin": lambda x, b, c: no(t("thin", x, b)),
    "no_big": lambda x, b, c: no(t("big", x, b)),
    "no_small": lambda x, b, c: no(t("small", x, b)),
    "between": lambda x, b, c: t("between", x, b, c),
    "reachable": lambda x, b, c: reach(x, b),
    "height_more": lambda x, b, c: t("gt", t("height", x), N),
    "height_less": lambda x, b, c: t("lt", t("height", x), N),
    "height_least": lambda x, b, c: no(t("lt", t("height", x), N)),
    "height_most": lambda x, b, c: no(t("gt", t("height", x), N)),
    "height_range": lambda x, b, c: t("and", no(t("lt", t("height", x), N)), no(t("gt", t("height", x), M))),
    "height_by": lambda x, b, c: t("gt", t("sub", t("height", x), t("height", b)), N),
    "height_by_least": lambda x, b, c: no(t("lt", t("sub", t("height", x), t("height", b)), N)),
    "height_times": lambda x, b, c: t("gt", t("height", x), t("mul", K, t("height", b))),
    "height_times_least": lambda x, b, c: no(t("lt", t("height", x), t("mul", K, t("height", b)))),
    "height_same": lambda x, b, c: t("near", t("height", x), t("height", b), ALIKE),
    "height_same_within": lambda x, b, c: t("near", t("height", x), t("height", b), N),
    "width_more": lambda x, b, c: t("gt", t("width", x), N),
    "width_less": lambda x, b, c: t("lt", t("width", x), N),
    "width_least": lambda x, b, c: no(t("lt", t("width", x), N)),
    "width_most": lambda x, b, c: no(t("gt", t("width", x), N)),
    "width_range": lambda x, b, c: t("and", no(t("lt", t("width", x), N)), no(t("gt", t("width", x), M))),
    "width_by": lambda x, b, c: t("gt", t("sub", t("width", x), t("width", b)), N),
    "width_by_least": lambda x, b, c: no(t("lt", t("sub", t("width", x), t("width", b)), N)),
    "width_times": lambda x, b, c: t("gt", t("width", x), t("mul", K, t("width", b))),
    "width_times_least": lambda x, b, c: no(t("lt", t("width", x), t("mul", K, t("width", b)))),
    "width_same": lambda x, b, c: t("near", t("width", x), t("width", b), ALIKE),
    "width_same_within": lambda x, b, c: t("near", t("width", x), t("width", b), N),
    "elevation_more": lambda x, b, c: t("gt", t("elevation", x), N),
    "elevation_less": lambda x, b, c: t("lt", t("elevation", x), N),
    "elevation_least": lambda x, b, c: no(t("lt", t("elevation", x), N)),
    "elevation_most": lambda x, b, c: no(t("gt", t("elevation", x), N)),
    "distance_more": lambda x, b, c: t("gt", dist(x, b), N),
    "distance_less": lambda x, b, c: t("lt", dist(x, b), N),
    "distance_least": lambda x, b, c: no(t("lt", dist(x, b), N)),
    "distance_most": lambda x, b, c: no(t("gt", dist(x, b), N)),
    "distance_range": lambda x, b, c: t("and", no(t("lt", dist(x, b), N)), no(t("gt", dist(x, b), M))),
    "closer": lambda x, b, c: t("lt", dist(x, b), dist(c, b)),
    "farther": lambda x, b, c: t("gt", dist(x, b), dist(c, b)),
    "closer_to": lambda x, b, c: t("lt", dist(x, b), dist(x, c)),
    "farther_from": lambda x, b, c: t("gt", dist(x, b), dist(x, c)),
    "closer_by": lambda x, b, c: t("gt", t("sub", dist(c, b), dist(x, b)), N),
    "far_times": lambda x, b, c: t("gt", dist(x, b), t("mul", K, dist(c, b))),
    "far_same": lambda x, b, c: t("near", dist(x, b), dist(c, b), ALIKE),
    "left_by": lambda x, b, c: t("gt", t("left_difference", x, b), N),
    "right_by": lambda x, b, c: t("gt", t("right_difference", x, b), N),
    "behind_by": lambda x, b, c: t("gt", t("behind_difference", x, b), N),
    "front_by": lambda x, b, c: t("gt", t("front_difference", x, b), N),
    "above_by": lambda x, b, c: t("gt", t("above_difference", x, b), N),
    "below_by": lambda x, b, c: t("gt", t("below_difference", x, b), N),
    "left_by_least": lambda x, b, c: no(t("lt", t("left_difference", x, b), N)),
    "right_by_least": lambda x, b, c: no(t("lt", t("right_difference", x, b), N)),
    "behind_by_least": lambda x, b, c: no(t("lt", t("behind_difference", x, b), N)),
    "front_by_least": lambda x, b, c: no(t("lt", t("front_difference", x, b), N)),
    "above_by_least": lambda x, b, c: no(t("lt", t("above_difference", x, b), N)),
    "below_by_least": lambda x, b, c: no(t("lt", t("below_difference", x, b), N)),
    "tall_wide": lambda x, b, c: t("gt", t("height", x), t("width", b)),
    "wide_tall": lambda x, b, c: t("gt", t("width", x), t("height", b)),
}
# How many things a condition names, where it is not one.
NUM_THINGS = {key: 0 for key in CONDITION if key.startswith(("height_", "width_", "elevation_"))}
NUM_THINGS |= {key: 1 for key in CONDITION if key.startswith(("height_", "width_")) and ("_by" in key or "_times" in key)}
NUM_THINGS |= {key: 1 for key in CONDITION if key.endswith(("_same", "_same_within"))}
NUM_THINGS |= {key: 2 for key in CONDITION if key.endswith("_both")}
NUM_THINGS |= dict.fromkeys(
    ("between", "closer", "farther", "closer_to", "farther_from", "closer_by", "far_times", "far_same"), 2
)

Test = Callable[[Tree], Tree]


def without(test: Test) -> Test:
    """Not the condition; a "not" of a "not" is none."""

    def opposite(x: Tree) -> Tree:
        tree = test(x)
        return tree.args[0] if getattr(tree, "op", "") == "not" else no(tree)  # type: ignore[union-attr]

    return opposite


# How many of the things a, b, c a frame names itself, and what it asks for.
FRAME: dict[str, tuple[int, Callable[..., Tree]]] = {
    "is": (1, lambda p: p(A)),
    "not": (1, lambda p: without(p)(A)),
    "count": (0, lambda p: each("count", G, p(X))),
    "count_not": (0, lambda p: each("count", G, without(p)(X))),
    "all_counted": (0, lambda p: each("all", THREE, p(X))),
    "any": (0, lambda p: each("any", G, p(X))),
    "anything": (0, lambda p: each("any", EVERYTHING, p(X))),
    "all": (0, lambda p: each("all", G, p(X))),
    "everything": (0, lambda p: each("all", EVERYTHING, p(X))),
    "none": (0, lambda p: no(each("any", G, p(X)))),
    "nothing": (0, lambda p: no(each("any", EVERYTHING, p(X)))),
    "not_all": (0, lambda p: no(each("all", G, p(X)))),
    "any_not": (0, lambda p: each("any", G, without(p)(X))),
    "share": (0, lambda p: t("ratio", each("count", G, p(X)), each("count", G, None))),
    "more_than": (0, lambda p: t("gt", each("count", G, p(X)), K)),
    "fewer_than": (0, lambda p: t("lt", each("count", G, p(X)), K)),
    "at_least": (0, lambda p: no(t("lt", each("count", G, p(X)), K))),
    "at_most": (0, lambda p: no(t("gt", each("count", G, p(X)), K))),
    "exactly": (0, lambda p: t("eq", each("count", G, p(X)), K)),
    "exactly_one": (0, lambda p: t("eq", each("count", G, p(X)), Number(1.0))),
    "more_than_one": (0, lambda p: t("gt", each("count", G, p(X)), Number(1.0))),
    "more_of": (0, lambda p: t("gt", each("count", G, p(X)), each("count", H, p(X)))),
    "count_and": (0, lambda p, q: each("count", G, t("and", p(X), q(X)))),
    "count_but_not": (0, lambda p, q: each("count", G, t("and", p(X), without(q)(X)))),
    "count_or": (0, lambda p, q: each("count", G, t("or", p(X), q(X)))),
    "any_and": (0, lambda p, q: each("any", G, t("and", p(X), q(X)))),
    "and": (1, lambda p, q: t("and", p(A), q(A))),
    "or": (1, lambda p, q: t("or", p(A), q(A))),
    "but_not": (1, lambda p, q: t("and", p(A), without(q)(A))),
    "neither": (1, lambda p, q: no(t("or", p(A), q(A)))),
    "and_three": (1, lambda p, q, r: t("and", p(A), q(A), r(A))),
    "both_things": (2, lambda p: t("and", p(A), p(B))),
    "either_thing": (2, lambda p: t("or", p(A), p(B))),
    "neither_thing": (2, lambda p: no(t("or", p(A), p(B)))),
    "each_of": (3, lambda p: each("all", ABC, p(X))),
    "any_of": (3, lambda p: each("any", ABC, p(X))),
    "none_of": (3, lambda p: no(each("any", ABC, p(X)))),
    "one_of": (3, lambda p: t("eq", each("count", ABC, p(X)), Number(1.0))),
    "count_of": (3, lambda p: each("count", ABC, p(X))),
    "if_distance": (3, lambda p: t("if", p(A), dist(C, A), dist(C, B))),
    "if_height": (2, lambda p: t("if", p(A), t("height", A), t("height", B))),
}


def tree_of_frame(kind_id: str) -> Tree:
    """What "frame/condition" or "frame/condition+condition" asks for; the conditions name the things that are left, in order."""
    frame, _, keys = kind_id.partition("/")
    own, build = FRAME[frame]
    # A frame about all of a kind leaves "a" out, too.
    free = [Thing(name) for name in ("aa", "bb", "cc", "dd")[max(own, 1) :]]
    tests: list[Test] = []
    for key in keys.split("+"):
        count = NUM_THINGS.get(key, 1)
        named, free = free[:count], free[count:]
        b, c = [*named, Thing("none"), Thing("none")][:2]
        tests.append(lambda x, key=key, b=b, c=c: CONDITION[key](x, b, c))  # type: ignore[misc]
    return build(*tests)
