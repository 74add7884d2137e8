"""The error terms of measurements: what they explain of the standard deviation, and what they say when a thing does err.

The oracle knows nothing of the terms: it moves, stretches, scales or turns what is in the scene and measures again.
"""

from __future__ import annotations

import numpy as np
import pytest
from erring_things import level_axes, moved, random_scene, stretched, turned_up, with_things
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import query_for

from spatialvlm_ros.geometry.rigid import FloatArray
from spatialvlm_ros.language.answers import measure_query, measure_with_error
from spatialvlm_ros.scene.dimensions import DIMENSIONS
from spatialvlm_ros.scene.relation import ErrorOf, ErrorTerm, Reckoned
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene, SceneObject

SIDES = [f"{word}_difference" for word in ("left", "right", "behind", "front", "above", "below")]
DIMENSION_WORDS = [word for dimension in DIMENSIONS for word in dimension.words]
COMPARISONS = [*DIMENSION_WORDS, *(f"which_{word}" for word in DIMENSION_WORDS), *("_or_".join(d.words) for d in DIMENSIONS)]
# Of widths and volumes the shape of the outline, and how much edges err alike, are not known beside it.
OF_SHAPE = [name for name in COMPARISONS if any(word in name for word in ("wide", "thin", "big", "small"))]
# All of their error is shared with other numbers on the image.
WHOLE = [
    "distance",
    "horizontal_distance",
    "vertical_distance",
    "height",
    "elevation",
    "direction",
    *SIDES,
    *(name for name in COMPARISONS if name not in OF_SHAPE),
]
# What nobody knows of them beside that: the noise of single pixels, the shape of an outline.
IN_PART = [
    "gap", "path_width", "touching", "reachable", "on", "contained", "fits_into", "fits_through", "held", "between", "nearest",
    "width", *OF_SHAPE,
]  # fmt: skip
# Distances of free points to the nearest surface, and counts.
NOT_SHARED = ["count", *(name for name in RELATIONS if name.startswith("point_"))]
# What a centre that moves does to them is not taken to first order: outlines may turn, and lines swing around their other end.
ROUGH = ("fits_into", "between")
FEW = settings(max_examples=15)
seeds = st.integers(0, 2**32 - 1)
STEP = 2e-4


def reckoned(view: Scene, name: str) -> Reckoned | None:
    """The number whose error is told, of a relation between the first things of a scene; None where it cannot be measured."""
    relation = RELATIONS[name]
    names = [f"thing {i + 1}" for i in range(relation.arity)]
    query = query_for(name, *(["object", "thing 1"] if relation.of_all else names))
    _, measurement = measure_with_error(view, query)
    if measurement is None:
        return None
    return measurement.margin or Reckoned(measurement.value, measurement.std, measurement.error)


def sums(error: tuple[ErrorTerm, ...]) -> dict[tuple[ErrorOf, int], FloatArray]:
    """All loadings on one error together."""
    found: dict[tuple[ErrorOf, int], FloatArray] = {}
    for of, thing, loading in error:
        found[of, thing.id] = found.get((of, thing.id), np.zeros(3)) + loading
    return found


def explained_variance(view: Scene, error: tuple[ErrorTerm, ...]) -> float:
    """Variance of the terms' sum, by the covariances themselves."""
    by_id = {thing.id: thing for thing in view.objects}
    total, scale, tilt = 0.0, 0.0, np.zeros(2)
    own: dict[int, FloatArray] = {}
    for (of, number), loading in sums(error).items():
        thing = by_id[number]
        if of is ErrorOf.EXTENTS:
            total += float(np.sum((loading * thing.extents_std) ** 2))
            continue
        own[number] = own.get(number, np.zeros(3)) + loading
        if of is ErrorOf.CENTRE:
            scale += thing.scale_std * float(loading @ thing.centre)
            tilt += np.array([loading @ np.cross(axis, thing.centre) for axis in level_axes(view)])
    total += sum(float(loading @ by_id[number].own_covariance @ loading) for number, loading in own.items())
    assert view.canonical is not None
    return total + scale**2 + view.canonical.tilt_std_rad**2 * float(tilt @ tilt)


@pytest.mark.parametrize("name", WHOLE)
@FEW
@given(seeds)
def test_simple_relations_tell_all_of_their_error(name: str, seed: int) -> None:
    view = random_scene(seed)
    found = reckoned(view, name)
    assert found is not None
    if found.error:  # a length within its noise has no direction
        assert np.sqrt(explained_variance(view, found.error)) == pytest.approx(found.std, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", IN_PART)
@FEW
@given(seeds)
def test_terms_never_explain_more_than_there_is(name: str, seed: int) -> None:
    view = random_scene(seed)
    found = reckoned(view, name)
    assert found is not None
    assert explained_variance(view, found.error) <= found.std**2 * 1.02 + 1e-18


@pytest.mark.parametrize("name", IN_PART)
def test_terms_are_there_where_errors_are_shared(name: str) -> None:
    """In most scenes: in the others a length is within its noise."""
    found = [reckoned(random_scene(seed), name) for seed in range(10)]
    assert sum(bool(one and one.error) for one in found) >= 8


def test_every_relation_is_in_one_of_the_lists() -> None:
    assert sorted([*WHOLE, *IN_PART, *NOT_SHARED]) == sorted(RELATIONS)


@FEW
@given(seeds)
def test_a_length_within_its_noise_has_no_terms(seed: int) -> None:
    """Which way it points is not known, so that nothing cancels in it. A surface that is seen errs by a third of the middle."""
    for names, std_m in ((("distance", "horizontal_distance"), (0.5, 0.6)), (("gap", "touching"), (2.0, 2.4))):
        view = random_scene(seed, std_m=std_m)
        for name in names:
            found = reckoned(view, name)
            assert found is not None
            assert found.error == ()
            assert found.std > 0.4


# -- against measuring again -------------------------------------------------------------------------------------------


def change(view: Scene, other: Scene, name: str) -> float | None:
    """By how much a number is larger on another scene; None where another of its margins decides there, or outlines overlap."""
    before, after = reckoned(view, name), reckoned(other, name)
    assert before is not None and after is not None
    pair = {"path_width": ("thing 1", "thing 2"), "fits_through": ("thing 2", "thing 3")}.get(name)
    if pair and 0 in [measure_query(one, query_for("path_width", *pair)).value for one in (view, other)]:
        return None
    shapes = [
        [(of, thing.id, np.sign(np.round(loading, 6)).tolist()) for of, thing, loading in one.error] for one in (before, after)
    ]
    return after.value - before.value if shapes[0] == shapes[1] else None


def near_enough(found: float | None, expected: float, size: float) -> bool:
    return found is None or abs(found - expected) <= 0.03 * size + 2e-7


MOVABLE = [name for name in [*WHOLE, *IN_PART] if name not in ROUGH]


@pytest.mark.parametrize("name", MOVABLE)
@FEW
@given(seeds)
def test_a_thing_that_moves_changes_a_number_as_told(name: str, seed: int) -> None:
    view = random_scene(seed)
    found = reckoned(view, name)
    assert found is not None
    if not found.error:
        return
    if name == "direction" and found.std > 0.1:
        return
    loadings = sums(found.error)
    # How much more or less a surface errs than its centre is no motion of the thing as a whole.
    kinds = (ErrorOf.CENTRE,) if name in ("gap", "touching") else (ErrorOf.CENTRE, ErrorOf.OWN_CENTRE)
    rng = np.random.default_rng(seed)
    for thing in view.objects:
        by = rng.normal(size=3)
        by *= STEP / np.linalg.norm(by)
        if name == "elevation":  # the plane under a thing is another one elsewhere
            up = view.support_plane[:3]
            by = up * float(by @ up)
        told = sum(float(by @ loadings.get((of, thing.id), np.zeros(3))) for of in kinds)
        size = STEP * max(np.linalg.norm(one) for one in loadings.values())
        # A gap is the least of many; a whole step may bring another pair of points nearest, a tenth of one then does not.
        assert any(
            near_enough(change(view, with_things(view, {thing.id: moved(thing, share * by)}), name), share * told, share * size)
            for share in (1.0, 0.1)
        )


def test_a_thing_between_two_others_that_moves_changes_that_as_told() -> None:
    checked = 0
    for seed in range(60):
        view = random_scene(seed)
        found = reckoned(view, "between")
        assert found is not None
        thing = next(one for one in view.objects if one.id == 1)
        by = np.random.default_rng(seed).normal(size=3) * STEP
        loading = sums(found.error).get((ErrorOf.CENTRE, 1))
        if loading is not None:
            checked += 1
            changed = change(view, with_things(view, {1: moved(thing, by)}), "between")
            assert near_enough(changed, float(by @ loading), float(np.linalg.norm(by)))
    assert checked > 40


SIZES = ("tall", "short", "wide", "thin", "big", "small")
SIZED = [
    "height", "width", "elevation", "on", "contained", "fits_through", "held", "above_difference", "below_difference",
    *SIZES, *(f"which_{word}" for word in SIZES),
]  # fmt: skip


@pytest.mark.parametrize("name", SIZED)
@FEW
@given(seeds)
def test_a_thing_that_grows_changes_a_number_as_told(name: str, seed: int) -> None:
    view = random_scene(seed)
    found = reckoned(view, name)
    assert found is not None
    loadings = sums(found.error)
    rng = np.random.default_rng(seed)
    for thing in view.objects:
        by = rng.uniform(-1, 1, 3) * STEP
        if name == "fits_through" and thing.id != 1:
            continue  # of the two that stand beside, only where they are is told
        told = float(by @ loadings.get((ErrorOf.EXTENTS, thing.id), np.zeros(3)))
        changed = change(view, with_things(view, {thing.id: stretched(thing, by)}), name)
        # The points of a thing lie a little inside of its faces, and its width may be read from them.
        assert near_enough(changed, told, 2 * STEP)


@FEW
@given(seeds)
def test_a_wider_opening_and_a_narrower_thing_fit_better(seed: int) -> None:
    view = random_scene(seed)
    found = reckoned(view, "fits_into")
    assert found is not None
    loadings = sums(found.error)
    for number, sign in ((1, -1.0), (2, 1.0)):
        thing = next(one for one in view.objects if one.id == number)
        changed = change(view, with_things(view, {number: stretched(thing, np.array([STEP, STEP, 0.0]))}), "fits_into")
        assert changed is not None
        told = float(loadings[ErrorOf.EXTENTS, number] @ [STEP, STEP, 0.0])
        assert np.sign(told) == sign
        assert -1e-7 <= sign * changed <= 2.5 * abs(told)


def own_places(view: Scene, by: float) -> dict[int, SceneObject]:
    """All things moved along their rays by one share, as another scale of depth does."""
    return {thing.id: moved(thing, by * thing.centre) for thing in view.objects if thing.scale_std > 0}


SCALED = [
    "distance",
    "gap",
    "horizontal_distance",
    "vertical_distance",
    "path_width",
    "direction",
    "touching",
    *SIDES,
    *DIMENSION_WORDS,
]


@pytest.mark.parametrize("name", SCALED)
@FEW
@given(seeds)
def test_another_scale_changes_a_number_as_told(name: str, seed: int) -> None:
    view = random_scene(seed, with_gripper=True)
    found = reckoned(view, name)
    assert found is not None
    if not found.error or (name == "direction" and found.std > 0.1):
        return
    by_id = {thing.id: thing for thing in view.objects}
    by = STEP
    told = sum(
        by * float(loading @ by_id[number].centre) for (of, number), loading in sums(found.error).items() if of is ErrorOf.CENTRE
    )
    assert near_enough(change(view, with_things(view, own_places(view, by)), name), told, STEP)


def test_the_gripper_has_no_part_in_the_scale() -> None:
    """tf places it, not the camera."""
    view = random_scene(3, scale_std=0.05, tilt_std_rad=0.0, std_m=(1e-6, 2e-6), with_gripper=True)
    _, measurement = measure_with_error(view, query_for("left_difference", "gripper", "thing 1"))
    assert measurement is not None
    thing = next(one for one in view.objects if one.id == 1)
    loading = next(term.loading for term in measurement.error if term.thing.id == 1)
    assert measurement.std == pytest.approx(0.05 * abs(float(loading @ thing.centre)), abs=0.003)


TURNED = ["horizontal_distance", "vertical_distance", "direction", *SIDES, "left", "right", "above", "below", "behind", "front"]


@pytest.mark.parametrize("name", TURNED)
@FEW
@given(seeds)
def test_another_up_changes_a_number_as_told(name: str, seed: int) -> None:
    """Up that is turned one way is, for the numbers, the things turned the other way about the camera."""
    view = random_scene(seed)
    found = reckoned(view, name)
    assert found is not None
    if not found.error or (name == "direction" and found.std > 0.1):  # an angle is not known to a whole turn
        return
    by_id = {thing.id: thing for thing in view.objects}
    for axis in level_axes(view):
        told = sum(
            STEP * float(loading @ np.cross(axis, by_id[number].centre))
            for (of, number), loading in sums(found.error).items()
            if of is ErrorOf.CENTRE
        )
        assert near_enough(change(view, turned_up(view, -STEP * axis), name), told, STEP)
