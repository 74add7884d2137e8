"""Samples of values: each alone as its fact says, all together as if everything in the scene had been drawn and measured anew."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
from erring_things import drawn, random_scene
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import query_for
from scenes import X, ask, fold, metres, on_table, scene_of, tree

from spatialvlm_ros.expressions.evaluate import Evaluation, Evaluator
from spatialvlm_ros.expressions.samples import MIN_SAMPLES, SharedErrors
from spatialvlm_ros.expressions.tree import Apply, Several, Tree
from spatialvlm_ros.expressions.values import Value
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.facts import Query, SpatialFact
from spatialvlm_ros.scene.relation import ErrorOf, ErrorTerm, Reckoned
from spatialvlm_ros.scene.relations import RELATIONS, Kind, Measurement
from spatialvlm_ros.scene.scene import Scene

TEST = Path(__file__).resolve().parents[1]
FEW = settings(max_examples=8, deadline=None)
seeds = st.integers(0, 2**32 - 1)
NUM_DRAWS = 2000
T = ("thing 1", "thing 2", "thing 3", "thing 4")
OPPOSITES = [("left", "right"), ("above", "below"), ("behind", "front"), ("tall", "short"), ("wide", "thin"), ("big", "small")]


def valued(found: Evaluation) -> Value:
    assert found.value is not None, found.missing
    return found.value


def leaf(name: str, *names: str) -> Apply:
    query = query_for(name, *names)
    return tree(name, *query.names, amount=query.amount)


# -- one leaf alone ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RELATIONS)
@FEW
@given(seed=seeds)
def test_a_leaf_says_what_its_fact_says(name: str, seed: int) -> None:
    view = random_scene(seed, 3)
    names = ["object", "thing 1"] if RELATIONS[name].of_all else ["thing 1", "thing 2", "thing 3"]
    fact = measure_query(view, query_for(name, *names))
    found = ask(view, leaf(name, *names))
    assert found.status is fact.status
    if not fact.status.has_value:
        assert (found.value, found.missing) == (None, fact.text)
        return
    value = valued(found)
    assert (value.origin.source, value.origin.frame_id) == (fact.source, fact.frame_id)
    if RELATIONS[name].kind is Kind.ESTIMATE:
        assert (value.value, value.std) == (fact.value, pytest.approx(fact.std, rel=1e-9, abs=1e-12))
        assert value.samples[1:].mean() == pytest.approx(fact.value, abs=1e-9)
        return
    first = not (RELATIONS[name].kind is Kind.CHOICE and found.names[int(value.value)] != "thing 1")
    assert value.probability == pytest.approx(fact.value if first else 1 - fact.value)
    shares = value.samples[1:] == value.samples[0] if RELATIONS[name].kind is Kind.CHOICE else value.samples[1:]
    assert np.mean(shares) == pytest.approx(value.probability, abs=0.05)


def test_sides_that_are_equal_to_the_letter_are_open() -> None:
    """Things of one height that are known without any error: neither is taller, and no combination makes it sure."""
    cup, can = (on_table(0.7, y, number=i, label=label) for i, y, label in ((1, 0.1, "cup"), (2, -0.1, "can")))
    exact = {"extents_std": np.zeros(3), "covariance": np.zeros((3, 3))}
    view = scene_of(replace(cup, **exact), replace(can, **exact))
    assert valued(ask(view, tree("tall", "cup", "can"))).probability == 0.5
    either = valued(ask(view, tree("or", tree("tall", "cup", "can"), tree("short", "cup", "can"))))
    assert either.probability == 1.0
    both = valued(ask(view, tree("and", tree("tall", "cup", "can"), tree("left", "cup", "can"))))
    assert both.probability == pytest.approx(0.5, abs=0.05)
    assert valued(ask(view, tree("not", tree("tall", "cup", "can")))).probability == 0.5


def test_margins_that_are_no_numbers_say_nothing() -> None:
    def measure(view: Scene, query: Query, output: object) -> tuple[SpatialFact, Measurement]:
        fact = measure_query(view, query)
        return replace(fact, value=0.5), Measurement(0.5, float("nan"), margin=Reckoned(float("nan"), 1.0))

    view = random_scene(8)
    left, tall = leaf("left", *T[:2]), leaf("tall", *T[:2])
    assert valued(ask(view, left, measure=measure)).probability == 0.5
    assert 0.2 < valued(ask(view, tree("and", left, tall), measure=measure)).probability < 0.8


# -- what is common ----------------------------------------------------------------------------------------------------


def far_things(gripper_std_m: float) -> Scene:
    """Two blocks in one direction from a third that is badly known."""
    return scene_of(
        on_table(0.5, 0.0, number=1, label="base", std_m=gripper_std_m),
        on_table(1.5, 0.02, number=2, label="near block", std_m=0.001),
        on_table(1.9, -0.02, number=3, label="far block", std_m=0.001),
    )


def test_an_error_common_to_both_distances_cancels_in_their_difference() -> None:
    view = far_things(0.1)
    one, other = (tree("distance", "base", name) for name in ("near block", "far block"))
    assert valued(ask(view, one)).std > 0.09
    assert valued(ask(view, tree("sub", other, one))).std < 0.01
    assert valued(ask(view, tree("lt", one, other))).probability == 1.0
    assert valued(ask(view, tree("add", other, one))).std > 0.19


def test_the_scale_cancels_in_a_ratio_of_distances() -> None:
    view = random_scene(5, 3, scale_std=0.1, tilt_std_rad=0.0, std_m=(1e-5, 2e-5))
    one, other = tree("distance", "thing 1", "thing 2"), tree("distance", "thing 2", "thing 3")
    single = valued(ask(view, one))
    ratio = valued(ask(view, tree("ratio", one, other)))
    assert single.std / single.value == pytest.approx(0.1, rel=0.01)
    assert ratio.std / ratio.value < 0.001


def test_edge_lengths_err_apart_but_the_same_one_alike() -> None:
    view = random_scene(6, 3)
    tall, short = tree("height", "thing 1"), tree("height", "thing 2")
    stds = [valued(ask(view, one)).std for one in (tall, short)]
    assert valued(ask(view, tree("sub", tall, short))).std == pytest.approx(np.hypot(*stds), rel=1e-9)
    doubled = tree("sub", tree("add", tall, tall), tree("mul", tree("ratio", metres(2), metres(1)), tall))
    assert np.abs(valued(ask(view, doubled)).samples).max() < 1e-12


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tree("distance", "thing 1", "thing 2"), tree("distance", "thing 2", "thing 1")),
        (tree("gap", "thing 1", "thing 2"), tree("gap", "thing 2", "thing 1")),
        (tree("path_width", "thing 1", "thing 2"), tree("path_width", "thing 2", "thing 1")),
        (tree("left_difference", "thing 1", "thing 2"), tree("right_difference", "thing 2", "thing 1")),
        (tree("above_difference", "thing 1", "thing 2"), tree("below_difference", "thing 2", "thing 1")),
        (tree("gap", "thing 1", "thing 2"), tree("gap", "thing 1", "thing 2", view="canonical")),
    ],
)
@pytest.mark.parametrize("std_m", [(0.001, 0.008), (0.4, 0.6)], ids=["well known", "within the noise"])
def test_one_quantity_said_in_two_ways_has_one_error(one: Tree, other: Tree, std_m: tuple[float, float]) -> None:
    for seed in range(5):
        view = random_scene(seed, 3, std_m=std_m)
        assert np.abs(valued(ask(view, tree("sub", one, other))).samples).max() < 1e-9


def test_touching_is_a_gap_below_its_limit() -> None:
    """The noise of the surfaces, which no other number shares, is one for both."""
    for seed in range(5):
        view = random_scene(seed, 2)
        gap = valued(ask(view, tree("gap", "thing 1", "thing 2"))).value
        touching = tree("touching", "thing 1", "thing 2")
        closer = tree("lt", tree("gap", "thing 1", "thing 2"), metres(0.015))
        if gap > 0.05:
            same = tree("or", tree("and", touching, closer), tree("and", tree("not", touching), tree("not", closer)))
            assert valued(ask(view, same)).samples.all()


def test_what_is_within_reach_is_within_a_longer_one() -> None:
    for seed in range(5):
        view = random_scene(seed, 2)
        distance = valued(ask(view, tree("gap", "thing 1", "thing 2"))).value
        short = tree("reachable", "thing 1", "thing 2", amount=distance)
        long = tree("reachable", "thing 1", "thing 2", amount=distance + 0.002)
        assert not valued(ask(view, tree("and", short, tree("not", long)))).samples.any()


@pytest.mark.parametrize(("one", "other"), OPPOSITES)
@FEW
@given(seed=seeds)
def test_opposites_are_complementary_in_every_sample(one: str, other: str, seed: int) -> None:
    view = random_scene(seed, 2)
    evaluator = Evaluator(view)
    for names in (("thing 1", "thing 2"), ("thing 2", "thing 1")):
        a, b = tree(one, *names), tree(other, *names)
        assert not valued(evaluator.evaluate(tree("and", a, b))).samples.any()
        assert valued(evaluator.evaluate(tree("or", a, b))).samples.all()
        swapped = tree(one, *names[::-1])
        assert (valued(evaluator.evaluate(b)).samples == valued(evaluator.evaluate(swapped)).samples).all()
        which = valued(evaluator.evaluate(tree(f"which_{one}", *names)))
        assert (
            (which.samples == which.samples[0]) == (valued(evaluator.evaluate(a)).samples == bool(valued(ask(view, a)).value))
        ).all()


# -- against drawing everything ---------------------------------------------------------------------------------------

Measured = Callable[..., float]


@lru_cache(maxsize=4)
def draws(make: Callable[[], Scene]) -> list[Scene]:
    rng, view = np.random.default_rng(1), make()
    return [drawn(view, rng) for _ in range(NUM_DRAWS)]


def by_draws(make: Callable[[], Scene], reckon: Callable[[Measured], float], count: int = NUM_DRAWS) -> np.ndarray:
    """What is reckoned from measured values, for ``count`` scenes as they may truly be."""

    def measure(view: Scene, name: str, *names: str) -> float:
        return float(measure_query(view, query_for(name, *names)).value)

    return np.array([reckon(partial(measure, view)) for view in draws(make)[:count]])


D12, D13, D14, D23 = (leaf("distance", T[a], T[b]) for a, b in ((0, 1), (0, 2), (0, 3), (1, 2)))


def erring() -> Scene:
    return random_scene(11, 4, scale_std=0.02, tilt_std_rad=0.02)


def erring_apart() -> Scene:
    """The plane, from which things are elevated, is drawn nowhere."""
    return random_scene(11, 4, scale_std=0.0, tilt_std_rad=0.0)


SUMS: dict[str, tuple[Tree, Callable[[Measured], float]]] = {
    "sum": (tree("add", D12, D13, D23), lambda m: m("distance", *T[:2]) + m("distance", T[0], T[2]) + m("distance", *T[1:3])),
    "difference": (tree("sub", D12, D13), lambda m: m("distance", *T[:2]) - m("distance", T[0], T[2])),
    "product": (tree("mul", leaf("height", T[0]), leaf("width", T[1])), lambda m: m("height", T[0]) * m("width", T[1])),
    "least": (tree("min", D12, D13, D14), lambda m: min(m("distance", T[0], other) for other in T[1:])),
    "gaps": (tree("max", leaf("gap", *T[:2]), leaf("gap", T[0], T[2])), lambda m: max(m("gap", T[0], one) for one in T[1:3])),
    "ratio": (tree("ratio", D12, D23), lambda m: m("distance", *T[:2]) / m("distance", *T[1:3])),
}


@pytest.mark.parametrize("name", SUMS)
def test_numbers_vary_as_those_of_scenes_drawn_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In drawn scenes things move as a whole: their surfaces err as their centres do.
    monkeypatch.setattr("spatialvlm_ros.scene.relation.end_shares", lambda thing, index, towards: (1.0, 0.0))
    node, reckon = SUMS[name]
    found, value = by_draws(erring, reckon, 800 if name == "gaps" else NUM_DRAWS), valued(ask(erring(), node))
    assert value.std == pytest.approx(found.std(), rel=0.09)
    assert value.samples[1:].mean() == pytest.approx(found.mean(), abs=0.15 * found.std())


def test_the_height_of_a_top_above_the_table_varies_as_in_scenes_drawn_anew() -> None:
    """A longer edge brings the bottom down and the top up."""
    node = tree("add", leaf("height", T[0]), leaf("elevation", T[0]))
    found = by_draws(erring_apart, lambda m: m("height", T[0]) + m("elevation", T[0]))
    assert valued(ask(erring_apart(), node)).std == pytest.approx(found.std(), rel=0.09)


def close_scene() -> Scene:
    """Things of which none is surely the nearest, the tallest or the leftmost."""
    return scene_of(
        on_table(0.7, 0.00, (0.06, 0.06, 0.100), number=1, label="thing 1", std_m=0.01),
        on_table(0.9, 0.02, (0.06, 0.06, 0.101), number=2, label="thing 2", std_m=0.02),
        on_table(0.71, 0.21, (0.06, 0.06, 0.099), number=3, label="thing 3", std_m=0.01),
        on_table(0.8, -0.19, (0.06, 0.06, 0.102), number=4, label="thing 4", std_m=0.01),
    )


TRUTHS: dict[str, tuple[Tree, Callable[[Measured], bool]]] = {
    "lt": (tree("lt", D12, D13), lambda m: m("distance", *T[:2]) < m("distance", T[0], T[2])),
    "near": (
        tree("near", D12, D13, metres(0.01)),
        lambda m: abs(m("distance", *T[:2]) - m("distance", T[0], T[2])) <= 0.01,
    ),
    "and": (
        tree("and", tree("lt", D12, D13), leaf("left", *T[:2])),
        lambda m: m("distance", *T[:2]) < m("distance", T[0], T[2]) and m("left", *T[:2]) > 0.5,
    ),
    "or": (
        tree("or", tree("lt", D13, D12), leaf("tall", *T[:2])),
        lambda m: m("distance", T[0], T[2]) < m("distance", *T[:2]) or m("tall", *T[:2]) > 0.5,
    ),
    "min": (
        tree("lt", fold("min", tree("distance", X, T[0])), metres(0.2)),
        lambda m: min(m("distance", T[0], other) for other in T[1:]) < 0.2,
    ),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_truths_hold_as_often_as_in_scenes_drawn_anew(name: str) -> None:
    node, holds = TRUTHS[name]
    share = by_draws(close_scene, holds).mean()
    assert 0.05 < share < 0.95
    assert valued(ask(close_scene(), node)).probability == pytest.approx(share, abs=0.045)


def test_the_nearest_is_each_thing_as_often_as_in_scenes_drawn_anew() -> None:
    found = ask(close_scene(), fold("argmin", tree("distance", X, T[0])))
    nearest = by_draws(close_scene, lambda m: int(np.argmin([m("distance", T[0], other) for other in T[1:]])))
    value = valued(found)
    for index, name in enumerate(T[1:]):
        share = np.mean(value.samples[1:] == found.names.index(name))
        assert share == pytest.approx(np.mean(nearest == index), abs=0.045)


# -- the same every time -----------------------------------------------------------------------------------------------

QUESTIONS = [
    D12, leaf("gap", *T[:2]), leaf("left", *T[:2]), tree("sub", D12, D13), fold("max", tree("height", X)),
    leaf("touching", *T[1:3]), fold("mean", tree("distance", X, T[0])), leaf("fits_into", *T[:2]),
    fold("count", tree("left", X, T[1])),
]  # fmt: skip


def digest(order: list[int]) -> list[str]:
    evaluator = Evaluator(random_scene(21))
    found = {index: valued(evaluator.evaluate(QUESTIONS[index])).samples.tobytes() for index in order}
    return [hashlib.sha256(found[index]).hexdigest() for index in sorted(found)]


def test_samples_are_the_same_twice_and_in_any_order() -> None:
    first = digest(list(range(len(QUESTIONS))))
    assert digest(list(range(len(QUESTIONS)))) == first
    assert digest(list(reversed(range(len(QUESTIONS))))) == first


def test_samples_are_the_same_in_another_process() -> None:
    code = "import test_samples as t; print(t.digest(list(range(len(t.QUESTIONS)))))"
    folders = [str(TEST), str(TEST / "expressions"), str(TEST.parent)]
    script = f"import sys; sys.path[:0] = {folders!r}; {code}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    assert result.stdout.strip() == str(digest(list(range(len(QUESTIONS)))))


def test_a_thing_has_the_same_samples_whatever_else_is_asked_for() -> None:
    view = random_scene(8)
    named = replace(view, bindings={name: view.bindings[name] for name in T[:2]})
    assert (valued(ask(view, D12)).samples == valued(ask(named, D12)).samples).all()


def test_another_seed_draws_other_samples_of_the_same_spread() -> None:
    view = random_scene(8)
    one, other = (valued(ask(view, D12, seed=seed)) for seed in (0, 1))
    assert not np.array_equal(one.samples, other.samples)
    assert one.std == pytest.approx(other.std)


def test_more_samples_do_not_change_the_value() -> None:
    view = random_scene(8)
    few, many = (valued(ask(view, leaf("gap", *T[:2]), num_samples=count)) for count in (MIN_SAMPLES, 5000))
    assert (few.value, few.std) == (many.value, pytest.approx(many.std))
    assert (len(few.samples), len(many.samples)) == (MIN_SAMPLES + 1, 5001)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="99 samples tell no probability; draw 100"):
        Evaluator(random_scene(8), num_samples=99)


# -- the errors themselves --------------------------------------------------------------------------------------------


def test_errors_of_many_things_are_uncorrelated_to_the_letter() -> None:
    view = random_scene(4, 9)
    errors = SharedErrors(view)
    rows = [
        errors.noise((ErrorTerm(ErrorOf.EXTENTS, thing, axis),), float(axis @ thing.extents_std), "", 0.0)
        / float(axis @ thing.extents_std)
        for thing in view.objects
        for axis in np.eye(3)
    ]
    assert np.allclose(np.array(rows) @ np.array(rows).T / errors.count, np.eye(27), atol=1e-9)


def test_terms_that_explain_more_than_the_deviation_are_cut_to_it() -> None:
    view = random_scene(4, 2)
    thing = view.objects[0]
    noise = SharedErrors(view).noise(
        (ErrorTerm(ErrorOf.EXTENTS, thing, np.array([1.0, 0, 0])),), thing.extents_std[0] / 2, "", 0.0
    )
    assert noise.std() == pytest.approx(thing.extents_std[0] / 2)


@pytest.mark.parametrize("std", [0.0, float("nan"), float("inf"), -1.0])
def test_no_known_deviation_gives_no_noise(std: float) -> None:
    assert not SharedErrors(random_scene(4, 2)).noise((), std, "", 1.0).any()


def test_covariances_that_rounding_made_negative_are_taken() -> None:
    """What is left of a covariance without the scale may be below zero by rounding."""
    cup = on_table(0.7, 0.1, number=1, label="cup")
    scale = 0.01
    cup = replace(cup, scale_std=scale, covariance=scale**2 * np.outer(cup.centre, cup.centre) * (1 - 1e-9))
    found = valued(ask(scene_of(cup, on_table(0.7, -0.1, number=2, label="can")), tree("distance", "cup", "can")))
    assert np.isfinite(found.samples).all()


def test_things_of_an_image_with_many_things_err_apart() -> None:
    things = [on_table(0.5 + 0.01 * i, 0.0, number=1000 + i, label=f"thing {i}") for i in range(200)]
    view = scene_of(*things)
    pair = Several(("thing 0", "thing 199"))
    spread = valued(ask(view, fold("sum", tree("height", X), over=pair), num_samples=400))
    assert spread.std == pytest.approx(np.sqrt(2) * 0.002, rel=0.2)
