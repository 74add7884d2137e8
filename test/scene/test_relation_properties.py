"""Laws that hold for relations whatever their formulas: symmetry, scale, motion, polarity, and no surprise from odd things.

Loops run over the whole registry, so that a new relation is held to them from its first day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.contact import HELD_M, WALL_M
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, RADIAN, Query, Status
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.relations import RELATIONS, Kind, Measurement
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject

OPPOSITES = [("left", "right"), ("front", "behind"), ("above", "below"), ("tall", "short"), ("wide", "thin"), ("big", "small")]
SYMMETRIC = ("distance", "gap", "horizontal_distance", "vertical_distance", "path_width", "touching")
# Their rules have lengths of their own, in metres.
ABSOLUTE = ("on", "contained", "fits_into", "touching", "held")
FEW = settings(max_examples=60)
seeds = st.integers(0, 2**32 - 1)
AMOUNT_M = 0.3


def thing(rng: np.random.Generator, number: int) -> SceneObject:
    """An upright box with an anisotropic error, half of its surface, in canonical coordinates."""
    turn = Rotation.from_euler("z", rng.uniform(-3, 3)).as_matrix()
    error = Rotation.random(random_state=rng).as_matrix()
    covariance = error @ np.diag(rng.uniform(0.001, 0.05, 3) ** 2) @ error.T
    whole = box(rng.uniform([0.4, -0.4, 0.05], [1.2, 0.4, 0.4]), rng.uniform(0.04, 0.3, 3), turn, covariance=covariance)
    # Shrunk unevenly, so that no two pairs of points are nearest alike.
    some = whole.points[rng.permutation(len(whole.points))[:150]]
    some = (whole.centre + (some - whole.centre) * rng.uniform(0.98, 1, (150, 1))).astype(np.float32)
    return replace(
        whole, id=number, label=f"thing {number}", points=some,
        extents_std=rng.uniform(0.001, 0.02, 3), point_std_m=float(rng.uniform(0.001, 0.01)),
    )  # fmt: skip


def random_view(rng: np.random.Generator) -> tuple[Scene, RigidTransform]:
    """A scene without things, and its camera_from_canonical."""
    pose = camera_over_table(rng.uniform(-80, 80), rng.uniform(-45, 45), rng.uniform(0.3, 1.2))
    up = pose.rotation[:, 2]
    plane = np.append(up, -up @ pose.translation)
    robot = RigidTransform(Rotation.from_euler("ZYX", rng.uniform(-1, 1, 3)).as_matrix(), rng.normal(size=3))
    canonical = canonical_from_up(up, plane, 0.002, "plane")
    return replace(scene({}), canonical=canonical, support_plane=plane, views={"base_link": pose @ robot}), pose


def situation(seed: int, count: int = 3) -> tuple[Scene, list[SceneObject]]:
    rng = np.random.default_rng(seed)
    view, pose = random_view(rng)
    return view, [placed(thing(rng, number), pose) for number in range(1, count + 1)]


def arguments(name: str, things: Sequence[SceneObject], amount: float = AMOUNT_M) -> list[object]:
    """What a relation's measure takes after the scene."""
    relation = RELATIONS[name]
    found: list[object] = list(things[: relation.arity])
    if relation.of_all:
        found = [tuple(things[:2]), *things[2 : 1 + relation.arity]]
    return [*found, amount] if relation.takes_amount else found


def measure(name: str, view: Scene, *things: SceneObject, amount: float = AMOUNT_M) -> Measurement:
    return RELATIONS[name].measure(view, *arguments(name, things, amount))


def as_transform(pose: RigidTransform | str) -> RigidTransform:
    assert isinstance(pose, RigidTransform)
    return pose


def moved(view: Scene, motion: RigidTransform) -> Scene:
    """The scene in other coordinates: up, plane and views move along."""
    assert view.canonical is not None
    canonical = replace(view.canonical, scene_from_canonical=motion @ view.canonical.scene_from_canonical)
    normal = motion.rotation @ view.support_plane[:3]
    plane = np.append(normal, view.support_plane[3] - normal @ motion.translation)
    views = {name: motion @ as_transform(pose) for name, pose in view.views.items()}
    return replace(view, canonical=canonical, support_plane=plane, views=views)


def scaled(one: SceneObject, scale: float) -> SceneObject:
    return replace(
        one, centre=scale * one.centre, covariance=scale**2 * one.covariance, extents=scale * one.extents,
        extents_std=scale * one.extents_std, points=(scale * one.points.astype(np.float64)).astype(np.float32),
        point_std_m=scale * one.point_std_m,
    )  # fmt: skip


def scaled_view(view: Scene, scale: float) -> Scene:
    assert view.canonical is not None
    pose = view.canonical.scene_from_canonical
    canonical = replace(view.canonical, scene_from_canonical=RigidTransform(pose.rotation, scale * pose.translation))
    return replace(view, canonical=canonical, support_plane=view.support_plane * [1, 1, 1, scale])


def same(found: float, expected: float, tolerance: float) -> bool:
    return (math.isnan(found) and math.isnan(expected)) or abs(found - expected) <= tolerance


# -- one law each -----------------------------------------------------------------------------------------------------


@FEW
@given(seeds)
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric(name: str, seed: int) -> None:
    view, (a, b, _) = situation(seed)
    one, other = measure(name, view, a, b), measure(name, view, b, a)
    assert other.value == pytest.approx(one.value, abs=1e-7) and same(other.std, one.std, 1e-7)


@FEW
@given(seeds)
def test_between_and_fits_through_do_not_mind_which_end_is_first(seed: int) -> None:
    view, (a, b, c) = situation(seed)
    for name in ("between", "fits_through"):
        assert measure(name, view, a, c, b).value == pytest.approx(measure(name, view, a, b, c).value, abs=1e-6)


@FEW
@given(seeds)
def test_triangle_inequality(seed: int) -> None:
    view, things = situation(seed, 3)
    for name in ("distance", "horizontal_distance", "vertical_distance"):
        ab, bc, ac = (measure(name, view, things[i], things[j]).value for i, j in ((0, 1), (1, 2), (0, 2)))
        assert ac <= ab + bc + 1e-12


@FEW
@given(seeds)
def test_a_way_is_no_wider_than_the_gap_and_the_gap_no_wider_than_any_pair_of_points(seed: int) -> None:
    view, (a, b, _) = situation(seed)
    gap = measure("gap", view, a, b).value
    assert measure("path_width", view, a, b).value <= gap + 1e-6
    assert gap <= np.linalg.norm(a.points[0] - b.points[0]) + 1e-9


@FEW
@given(seeds, st.floats(0.2, 20))
@example(973471744, 5.0)  # a seen point and a mirrored one that are all but equally near
def test_lengths_scale_and_comparisons_do_not(seed: int, scale: float) -> None:
    view, things = situation(seed)
    larger_view, larger = scaled_view(view, scale), [scaled(one, scale) for one in things]
    for name in RELATIONS:
        if name in ABSOLUTE:
            continue
        before, after = measure(name, view, *things), measure(name, larger_view, *larger, amount=scale * AMOUNT_M)
        factor = scale if RELATIONS[name].unit == METRE else 1.0
        assert same(after.value, factor * before.value, 2e-5 * max(factor, 1)), name
        assert same(after.std, factor * before.std, 2e-5 * max(factor, 1)), name
        assert np.allclose(after.subject_point, scale * before.subject_point, atol=2e-5 * max(scale, 1), equal_nan=True), name


@FEW
@given(seeds, seeds)
def test_a_motion_of_everything_changes_no_relation(seed: int, motion_seed: int) -> None:
    view, things = situation(seed)
    rng = np.random.default_rng(motion_seed)
    motion = RigidTransform(Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3))
    placed_anew = [placed(one, motion) for one in things]
    for looks in ("", "base_link"):
        here, there = view.seen_from(looks), moved(view, motion).seen_from(looks)
        assert isinstance(here, Scene) and isinstance(there, Scene)
        for name, relation in RELATIONS.items():
            before, after = measure(name, here, *things), measure(name, there, *placed_anew)
            turn = 2 * math.pi if relation.unit == RADIAN else 0.0  # half a turn to the left is half a turn to the right
            assert same(after.value, before.value, 1e-5) or same(abs(after.value - before.value), turn, 1e-5), name
            assert same(after.std, before.std, 1e-5), name
            assert (after.word, after.status, after.note) == (before.word, before.status, before.note), name
            for point, was in ((after.subject_point, before.subject_point), (after.object_point, before.object_point)):
                assert np.allclose(point, motion.apply(was), atol=2e-5, equal_nan=True), name


@FEW
@given(seeds)
def test_polarity(seed: int) -> None:
    view, (a, b, _) = situation(seed)
    for word, opposite in OPPOSITES:
        truth = measure(word, view, a, b).value
        assert measure(opposite, view, a, b).value == pytest.approx(1 - truth, abs=1e-12)
        assert measure(opposite, view, b, a).value == pytest.approx(truth, abs=1e-12)
        for choice in (f"which_{word}", f"which_{opposite}"):
            assert measure(choice, view, a, b).value == pytest.approx(1 - measure(choice, view, b, a).value, abs=1e-12)
        assert measure(f"which_{word}", view, a, b).value == truth
        first, second = (word, opposite) if f"{word}_or_{opposite}" in RELATIONS else (opposite, word)
        assert measure(f"{first}_or_{second}", view, a, b).value == measure(first, view, a, b).value
    for name, opposite in (("left", "right"), ("behind", "front"), ("above", "below")):
        difference = measure(f"{name}_difference", view, a, b).value
        assert measure(f"{opposite}_difference", view, a, b).value == pytest.approx(-difference, abs=1e-12)
        assert measure(f"{name}_difference", view, b, a).value == pytest.approx(-difference, abs=1e-12)


@FEW
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-60, 80), st.floats(-45, 45))
def test_what_fits_by_a_hair_fits_however_it_stands(yaw_a: float, yaw_b: float, pitch: float, roll: float) -> None:
    """A long block and an opening around it with a tenth of a millimetre to spare on each side, and one that lacks it."""
    pose = camera_over_table(pitch, roll)
    view, turns = scene({}, pose), [Rotation.from_euler("z", yaw).as_matrix() for yaw in (yaw_a, yaw_b)]
    block = box((0.8, 0.3, 0.1), (0.2, 0.03, 0.05), turns[0], covariance=np.zeros((3, 3)))
    for spare, fits in ((1e-4, True), (-1e-4, False)):
        opening = box((0.8, -0.3, 0.1), (0.2 + 2 * (WALL_M + spare), 0.03 + 2 * (WALL_M + spare), 0.1), turns[1], number=2)
        pair = (placed(replace(one, extents_std=np.full(3, 1e-6)), pose) for one in (block, opening))
        assert (measure("fits_into", view, *pair).value > 0.5) == fits


@FEW
@given(seeds, st.floats(0.01, 2.0), st.floats(0.01, 2.0))
def test_more_reach_reaches_no_less(seed: int, one: float, other: float) -> None:
    view, (a, b, _) = situation(seed)
    near, far = (measure("reachable", view, a, b, amount=amount).value for amount in sorted((one, other)))
    assert near <= far


@pytest.mark.parametrize("name", ["on", "held"])
def test_probability_at_an_edge_is_the_share_of_draws_within_it(name: str) -> None:
    """A centre whose error is a long thin cloud, near a face of a turned box: only the error across that face counts."""
    rng = np.random.default_rng(80)
    for _ in range(12):
        view, pose = random_view(rng)
        yaw = rng.uniform(-3, 3)
        axes = Rotation.from_euler("z", yaw).as_matrix()
        stretch = rng.choice([[0.012, 0.002, 0.001], [0.002, 0.012, 0.001]])
        covariance = axes @ np.diag(stretch) ** 2 @ axes.T
        reach = 0.05 if name == "on" else 0.05 + HELD_M / 2
        inset = rng.uniform(-0.01, 0.01)
        offset = np.array([reach - inset, 0.0, 0.025 + 0.05 if name == "on" else 0.0])
        plate = box((1.0, 0.1, 0.1), (0.1, 0.3, 0.05), axes, number=2, covariance=1e-12 * np.eye(3))
        block = box(plate.centre + axes @ offset, (0.1, 0.1, 0.1), axes, covariance=covariance)
        plate, block = (placed(replace(thing, extents_std=np.full(3, 1e-4)), pose) for thing in (plate, block))
        found = measure(name, view, *((block, plate) if name == "on" else (plate, block))).value
        drawn = offset[0] + rng.normal(0, math.hypot(stretch[0], 5e-5), 20000)
        assert found == pytest.approx(np.mean(np.abs(drawn) < reach), abs=0.02)


# -- odd things -------------------------------------------------------------------------------------------------------


def image(depth: np.ndarray) -> RGBDFrame:
    camera = CameraModel(16, 12, 14.0, 14.0, 7.5, 5.5)
    return RGBDFrame(7, np.zeros((12, 16, 3), np.uint8), depth.astype(np.float32), camera, "camera")


NO_POINTS = np.empty((0, 3), np.float32)
ODD = {
    "a point": lambda one: replace(tool(one.centre), id=one.id),
    "one surface point": lambda one: replace(one, points=one.points[:1]),
    "no surface points": lambda one: replace(one, points=NO_POINTS),
    "two surface points": lambda one: replace(one, points=one.points[:2]),
    "the same surface point many times": lambda one: replace(one, points=np.repeat(one.points[:1], 9, axis=0)),
    "flat": lambda one: replace(one, extents=one.extents * [1, 1, 0], points=NO_POINTS),
    "a line": lambda one: replace(one, extents=one.extents * [1, 0, 0], points=NO_POINTS),
    "no size, but points": lambda one: replace(one, extents=np.zeros(3)),
    "all at one place": lambda one: replace(one, centre=np.array([0.1, 0.2, 0.9])),
    "all at the camera": lambda one: replace(one, centre=np.zeros(3), points=np.zeros((3, 3), np.float32)),
    "without error": lambda one: replace(one, covariance=np.zeros((3, 3)), extents_std=np.zeros(3), point_std_m=0.0),
    "far away": lambda one: replace(one, centre=one.centre + 1e7, points=one.points + np.float32(1e7)),
    "huge": lambda one: scaled(one, 1e6),
    "tiny": lambda one: scaled(one, 1e-6),
    "with a covariance that rounding made indefinite": lambda one: replace(one, covariance=np.diag([1e-6, 1e-6, -1e-18])),
}  # fmt: skip


def sound(name: str, value: float, std: float, why: str = "") -> None:
    """A probability in [0, 1]; a number with a deviation >= 0; or no number and a reason."""
    if math.isnan(value):
        assert why
    elif RELATIONS[name].unit == PROBABILITY:
        assert 0 <= value <= 1 and math.isnan(std)
    else:
        assert math.isfinite(value) and math.isfinite(std) and std >= 0


@pytest.mark.parametrize("odd", ODD)
def test_odd_things_give_sound_numbers_and_no_exception(odd: str) -> None:
    for seed, pattern in enumerate((0, 1, 2, 4, 6)):  # which of the three are odd; 0 is all
        view, things = situation(seed)
        things = [ODD[odd](one) if pattern >> i & 1 or pattern == 0 else one for i, one in enumerate(things)]
        for frame in (None, image(np.full((12, 16), 0.9)), image(np.full((12, 16), np.nan))):
            for name in RELATIONS:
                found = measure(name, replace(view, frame=frame), *things)
                sound(name, found.value, found.std, found.note)


@pytest.mark.parametrize("odd", ODD)
def test_odd_things_give_a_fact_with_a_number_or_with_a_reason(odd: str) -> None:
    for seed in range(3):
        view, things = situation(seed)
        things = [ODD[odd](one) for one in things]
        bound = {f"name {i}": Binding(Status.OK, one, answering=tuple(things)) for i, one in enumerate(things)}
        for known in (
            view,
            replace(view, canonical=None, canonical_reason="no plane"),
            replace(view, frame=image(np.full((12, 16), 0.9))),
        ):
            for name, relation in RELATIONS.items():
                names = (*[f"name {i}" for i in range(relation.arity)], "", "")[:3]
                query = Query(name, *names, amount=AMOUNT_M if relation.takes_amount else 0.0)
                fact = measure_query(replace(known, bindings=bound), query)
                assert fact.text and math.isfinite(fact.value) == fact.status.has_value
                sound(name, fact.value, fact.std, "" if fact.status.has_value else fact.text)


@FEW
@given(seeds)
def test_probabilities_and_deviations_are_sound(seed: int) -> None:
    view, things = situation(seed)
    for name in RELATIONS:
        found = measure(name, view, *things)
        sound(name, found.value, found.std, found.note)
        assert math.isfinite(found.value) or name.startswith("point_")


def test_every_relation_says_what_its_sentence_needs() -> None:
    for name, relation in RELATIONS.items():
        assert (relation.unit == PROBABILITY) == (relation.kind is not Kind.ESTIMATE)
        assert ("{amount}" in relation.sentence) == relation.takes_amount
        assert ("{c}" in relation.sentence) == (relation.arity == 3)
        assert relation.frame in ("viewer", "gravity", "none")
        assert relation.frame != "gravity" or relation.needs_canonical, name
