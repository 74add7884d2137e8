"""Every registered relation against a second formulation on random boxes, and the laws that must hold whatever the formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from scipy.stats import norm
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.expressions.samples import SharedErrors
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import METRE, PROBABILITY
from spatialvlm_ros.scene.relations import RELATIONS, Kind, Measurement
from spatialvlm_ros.scene.scene import Scene, SceneObject

ESTIMATES = [
    "distance", "gap", "horizontal_distance", "vertical_distance", "height", "width", "elevation", "left_difference",
    "right_difference", "behind_difference", "front_difference", "above_difference", "below_difference",
]  # fmt: skip
SYMMETRIC = ["distance", "gap", "horizontal_distance", "vertical_distance"]
OPPOSITES = [("left", "right"), ("front", "behind"), ("above", "below"), ("tall", "short"), ("wide", "thin"), ("big", "small")]
# SpatialVLM's 43 question types: 12 predicates, 12 choices, 6 classifications, 13 estimates.
WORDS = [word for pair in OPPOSITES for word in pair]
CHOICES = [f"which_{word}" for word in WORDS]
CLASSES = ["left_or_right", "behind_or_front", "above_or_below", "tall_or_short", "wide_or_thin", "big_or_small"]
# Those beyond the paper have their oracles in test_contact_oracle.py and test_places.py; these two stand here.
PREDICATES = [*WORDS, "on", "held"]
HERE = [*ESTIMATES, *PREDICATES, *CHOICES, *CLASSES]
PAIRS = [name for name in HERE if RELATIONS[name].arity == 2]
NEED_UP = {
    "horizontal_distance", "vertical_distance", "height", "elevation", "above_difference", "below_difference", "on",
    "above", "below", "tall", "short", "which_above", "which_below", "which_tall", "which_short", "above_or_below",
    "tall_or_short",
}  # fmt: skip
CENTRE_DISTANCES = ["distance", "horizontal_distance", "vertical_distance"]


def random_covariance(rng: np.random.Generator, size: float = 0.005) -> np.ndarray:
    turn = Rotation.random(random_state=rng).as_matrix()
    return turn @ np.diag(rng.uniform(0.2, 1, 3) * size**2) @ turn.T


def random_box(rng: np.random.Generator, number: int = 1, *, upright: bool = False) -> SceneObject:
    """In canonical coordinates."""
    turn = Rotation.from_euler("z", rng.uniform(-3, 3)) if upright else Rotation.random(random_state=rng)
    centre = rng.uniform([0.4, -0.4, 0.0], [1.2, 0.4, 0.5])
    return box(centre, rng.uniform(0.02, 0.2, 3), turn.as_matrix(), number=number, covariance=random_covariance(rng))


def measure(name: str, view: Scene, *things: SceneObject) -> Measurement:
    return RELATIONS[name].measure(view, *things[: RELATIONS[name].arity])


def situations(count: int = 25) -> list[tuple[SceneObject, SceneObject, Scene, RigidTransform]]:
    """Two random things in canonical coordinates, the scene of a random camera, and its camera_from_canonical."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(count):
        pose = camera_over_table(rng.uniform(-20, 80), rng.uniform(-45, 45), rng.uniform(0.3, 1.2))
        found.append((random_box(rng), random_box(rng, 2), scene({}, pose), pose))
    return found


def vertices(thing: SceneObject) -> np.ndarray:
    """(8, 3) corners by their own loop."""
    steps = [(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    return np.array(
        [thing.centre + sum(s * e / 2 * a for s, e, a in zip(step, thing.extents, thing.axes.T, strict=True)) for step in steps]
    )


def second_formulation(name: str, a: SceneObject, b: SceneObject) -> float:
    """In canonical coordinates (x forward, y left, z up, table at z = 0), where everything is a coordinate."""
    d = a.centre - b.centre
    both = a.covariance + b.covariance
    if name in ("left", "right", "behind", "front", "above", "below"):
        axis, sign = {"left": (1, 1), "right": (1, -1), "behind": (0, 1), "front": (0, -1), "above": (2, 1), "below": (2, -1)}[
            name
        ]
        # A frame that leans makes a level way go up or down, and an upright one aside.
        leaning = situations(1)[0][2].canonical.tilt_std_rad * (math.hypot(d[0], d[1]) if axis == 2 else d[2])
        return float(norm.cdf(sign * d[axis] / math.hypot(math.sqrt(both[axis, axis]), leaning)))
    values = {
        "distance": lambda: math.dist(a.centre, b.centre),
        "gap": lambda: cdist(a.points, b.points).min(),
        "horizontal_distance": lambda: math.hypot(d[0], d[1]),
        "vertical_distance": lambda: abs(d[2]),
        "height": lambda: np.ptp(vertices(a)[:, 2]),
        "width": lambda: np.ptp(vertices(a)[:, 1]),
        "elevation": lambda: vertices(a)[:, 2].min(),
        "left_difference": lambda: d[1],
        "right_difference": lambda: -d[1],
        "behind_difference": lambda: d[0],
        "front_difference": lambda: -d[0],
        "above_difference": lambda: vertices(a)[:, 2].min() - vertices(b)[:, 2].min(),
        "below_difference": lambda: vertices(b)[:, 2].min() - vertices(a)[:, 2].min(),
    }
    return float(values[name]())


def size(word: str, thing: SceneObject) -> float:
    """What a word of size compares, from the box's corners and edges; negative for the smaller one's word."""
    spans = np.ptp(vertices(thing), axis=0)
    values = {"tall": spans[2], "wide": spans[1], "big": thing.extents[0] * thing.extents[1] * thing.extents[2]}
    opposite = {"short": "tall", "thin": "wide", "small": "big"}
    return float(values[word]) if word in values else -float(values[opposite[word]])


@pytest.mark.parametrize("word", ["tall", "short", "wide", "thin", "big", "small"])
def test_size_words_side_with_the_true_sizes(word: str) -> None:
    checked = 0
    for a, b, view, pose in situations():
        found = measure(word, view, placed(a, pose), placed(b, pose)).value
        assert (found > 0.5) == (size(word, a) > size(word, b))
        checked += abs(found - 0.5) > 0.45
    assert checked > 10


@pytest.mark.parametrize("word", WORDS)
def test_choices_and_classifications_read_the_predicates_margin(word: str) -> None:
    first, second = next(pair for pair in OPPOSITES if word in pair)
    classification = f"{first}_or_{second}" if f"{first}_or_{second}" in RELATIONS else f"{second}_or_{first}"
    side = 0 if classification.startswith(word) else 1
    for a, b, view, pose in situations(8):
        a, b = placed(a, pose), placed(b, pose)
        truth = measure(word, view, a, b).value
        assert measure(f"which_{word}", view, a, b).value == truth
        assert measure(f"which_{word}", view, b, a).value == pytest.approx(1 - truth, abs=1e-12)
        classified = measure(classification, view, a, b).value
        assert classified == pytest.approx(truth if side == 0 else 1 - truth, abs=1e-12)


def test_the_registry_holds_the_papers_43_question_types() -> None:
    kinds = {kind: {name for name, relation in RELATIONS.items() if relation.kind is kind} for kind in Kind}
    assert kinds[Kind.PREDICATE] >= set(WORDS) and kinds[Kind.ESTIMATE] >= set(ESTIMATES)
    assert kinds[Kind.CHOICE] == set(CHOICES) and kinds[Kind.CLASSIFY] == set(CLASSES)
    assert [len(group) for group in (WORDS, CHOICES, CLASSES, ESTIMATES)] == [12, 12, 6, 13]


@pytest.mark.parametrize("name", [*ESTIMATES, "left", "right", "behind", "front", "above", "below"])
def test_value_is_that_of_the_second_formulation(name: str) -> None:
    for a, b, view, pose in situations():
        found = measure(name, view, placed(a, pose), placed(b, pose))
        assert found.value == pytest.approx(second_formulation(name, a, b), abs=1e-6)


@pytest.mark.parametrize("name", HERE)
def test_registry_says_what_it_gives(name: str) -> None:
    relation = RELATIONS[name]
    assert relation.name == name and relation.arity in (1, 2)
    a, b, view, pose = situations(1)[0]
    found = measure(name, view, placed(a, pose), placed(b, pose))
    if relation.kind is not Kind.ESTIMATE:
        assert relation.unit == PROBABILITY and 0 <= found.value <= 1 and math.isnan(found.std)
        assert "{verdict}" in relation.sentence
        assert ("{side}" in relation.sentence) == (relation.kind is Kind.CLASSIFY) == all(relation.sides)
    else:
        assert relation.unit == METRE and found.std > 0
        assert "{value}" in relation.sentence
    first, second = ("{chosen}", "{other}") if relation.kind is Kind.CHOICE else ("{a}", "{b}")
    assert first in relation.sentence and (second in relation.sentence) == (relation.arity == 2)
    assert np.isfinite(found.subject_point).all()
    assert np.isfinite(found.object_point).all() == (relation.arity == 2)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_distances_are_symmetric_in_value_and_deviation(name: str) -> None:
    for a, b, view, pose in situations():
        one, other = (
            measure(name, view, *pair) for pair in ((placed(a, pose), placed(b, pose)), (placed(b, pose), placed(a, pose)))
        )
        assert one.value == pytest.approx(other.value, abs=1e-9) and one.std == pytest.approx(other.std, abs=1e-9)
        assert np.allclose(one.subject_point, other.object_point) and np.allclose(one.object_point, other.subject_point)


@pytest.mark.parametrize(("name", "opposite"), OPPOSITES)
def test_opposite_predicates_mirror_each_other(name: str, opposite: str) -> None:
    for a, b, view, pose in situations():
        a, b = placed(a, pose), placed(b, pose)
        truth = measure(name, view, a, b).value
        assert measure(name, view, b, a).value == pytest.approx(1 - truth, abs=1e-12)
        assert measure(opposite, view, a, b).value == pytest.approx(1 - truth, abs=1e-12)
        assert measure(opposite, view, b, a).value == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("name", HERE)
def test_no_value_depends_on_the_camera_frame_that_all_is_given_in(name: str) -> None:
    """The same things, canonical frame and plane in any other coordinates measure the same."""
    rng = np.random.default_rng(2)
    for a, b, view, pose in situations(10):
        a, b = placed(a, pose), placed(b, pose)
        before = measure(name, view, a, b)
        motion = RigidTransform(Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3))
        after = measure(name, scene({}, motion @ pose), placed(a, motion), placed(b, motion))
        assert after.value == pytest.approx(before.value, abs=1e-5)
        assert after.std == pytest.approx(before.std, abs=1e-6, nan_ok=True)
        assert np.allclose(after.subject_point, motion.apply(before.subject_point), atol=1e-5)


@pytest.mark.parametrize("name", CENTRE_DISTANCES)
def test_centre_distances_obey_the_triangle_inequality(name: str) -> None:
    rng = np.random.default_rng(3)
    view, pose = scene({}, camera_over_table()), camera_over_table()
    for _ in range(50):
        a, b, c = (placed(random_box(rng, i), pose) for i in range(3))
        ab, bc, ac = (measure(name, view, *pair).value for pair in ((a, b), (b, c), (a, c)))
        assert ac <= ab + bc + 1e-12


def test_the_three_centre_distances_are_a_right_triangle() -> None:
    for a, b, view, pose in situations():
        whole, along, up = (measure(name, view, placed(a, pose), placed(b, pose)).value for name in CENTRE_DISTANCES)
        assert whole**2 == pytest.approx(along**2 + up**2)


@pytest.mark.parametrize("name", CENTRE_DISTANCES)
def test_stated_deviation_is_that_of_sampled_centres(name: str) -> None:
    """Within 20 % of Monte Carlo over both centres, for things further apart than their noise."""
    rng = np.random.default_rng(6)
    checked = 0
    for a, b, view, pose in situations(40):
        a, b = placed(a, pose), placed(b, pose)
        stated = measure(name, view, a, b)
        if stated.value < 0.05:
            continue
        line = stated.object_point - stated.subject_point
        shift = rng.multivariate_normal(np.zeros(3), a.covariance + b.covariance, 4000)
        up = pose.rotation[:, 2]
        sampled = {
            "distance": lambda line=line, shift=shift: np.linalg.norm(line + shift, axis=1),
            "horizontal_distance": lambda line=line, shift=shift, up=up: np.linalg.norm(np.cross(line + shift, up), axis=1),
            "vertical_distance": lambda line=line, shift=shift, up=up: np.abs((line + shift) @ up),
        }[name]()
        assert stated.std == pytest.approx(sampled.std(), rel=0.2)
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("name", ["distance", "horizontal_distance"])
def test_deviation_is_of_the_right_size_where_centres_nearly_meet(name: str) -> None:
    """The error of a length within its noise is no Gaussian; its root mean square must still be stated within a factor of two."""
    rng = np.random.default_rng(8)
    pose = camera_over_table()
    covariance = 0.005**2 * np.eye(3)
    for apart in (0.0, 0.002, 0.006, 0.012):
        a, b = (placed(box((0.7 + dx, 0, 0.1), covariance=covariance), pose) for dx in (0.0, apart))
        stated = measure(name, scene({}, pose), a, b)
        shift = rng.multivariate_normal([apart, 0, 0], 2 * covariance, 20_000)
        lengths = np.linalg.norm(shift if name == "distance" else shift[:, :2], axis=1)
        # What is sampled around is the true vector; stated.value is its length.
        assert 0.5 < stated.std / np.sqrt(np.mean((lengths - apart) ** 2)) < 2


def test_predicates_are_as_often_true_as_they_say() -> None:
    rng = np.random.default_rng(9)
    view, pose = scene({}, camera_over_table()), camera_over_table()
    covariance = 0.01**2 * np.eye(3)
    a, b = box((0.7, 0.012, 0.1), covariance=covariance), box((0.7, 0.0, 0.1), covariance=covariance)
    stated = measure("left", view, placed(a, pose), placed(b, pose)).value
    drawn = rng.multivariate_normal(a.centre - b.centre, 2 * covariance, 100_000)[:, 1] > 0
    assert stated == pytest.approx(drawn.mean(), abs=0.01)


@pytest.mark.parametrize("name", HERE)
def test_relations_that_need_up_say_so_and_the_others_do_without(name: str) -> None:
    relation = RELATIONS[name]
    a, b, _, _ = situations(1)[0]
    blind = scene({})
    assert relation.needs_canonical == (name in NEED_UP)
    if relation.needs_canonical:
        with pytest.raises(ValueError, match="up is not known"):
            measure(name, blind, a, b)
    else:
        assert math.isfinite(measure(name, blind, a, b).value)


def test_without_up_left_and_front_follow_the_image() -> None:
    blind, here = scene({}), box((0, 0, 1.0))
    for name, place in {"right": (0.1, 0, 1), "left": (-0.1, 0, 1), "behind": (0, 0, 1.1), "front": (0, 0, 0.9)}.items():
        assert measure(name, blind, box(place), here).value > 0.999
    wide = box((0, 0, 1.0), (0.2, 0.1, 0.05))
    assert measure("width", blind, wide).value == pytest.approx(0.2)


def test_elevation_needs_the_table_and_height_does_not() -> None:
    pose = camera_over_table()
    no_table = scene({}, pose, plane=False)
    thing = placed(box((0.7, 0, 0.1)), pose)
    assert math.isnan(measure("elevation", no_table, thing).value)
    assert measure("height", no_table, thing).value == pytest.approx(0.05)


@pytest.mark.parametrize("side", [1, -1])
def test_a_gap_to_a_side_that_is_seen_errs_as_edges_do_and_to_one_that_nobody_sees_more_than_centres_do(side: int) -> None:
    """The oracle draws centres and edges, and moves the side that counts by its shares of both."""
    std_m, rng = 0.01, np.random.default_rng(8)
    whole = box((0.7, 0.0, 0.05), (0.1, 0.1, 0.1), covariance=std_m**2 * np.eye(3))
    seen = whole.points[np.isclose(whole.points[:, 0], 0.7 + side * 0.05)]
    block = replace(whole, points=seen)
    hand = replace(tool((0.95, 0.0, 0.05)), covariance=np.zeros((3, 3)))
    measured = measure("gap", scene(), block, hand)
    shift, longer = rng.normal(0.0, std_m, 2000), rng.normal(0.0, block.extents_std[0], 2000)
    ends = 0.75 + (0.3 * shift + 0.4 * longer if side > 0 else 1.5 * shift)
    sampled = np.hypot(np.std(0.95 - ends), block.point_std_m)
    assert measured.value == pytest.approx(0.2, abs=0.001)
    assert measured.std == pytest.approx(sampled, rel=0.05)
    drawn = SharedErrors(scene({"block": block, "hand": hand})).noise(measured.error, measured.std, "block hand", measured.value)
    assert np.std(drawn) == pytest.approx(sampled, rel=0.05)


def test_a_width_between_that_of_the_surface_and_that_of_the_box_is_less_certain() -> None:
    square = box((0.7, 0.0, 0.05), (0.1, 0.1, 0.1))
    inner = replace(square, points=square.points[np.abs(square.points[:, 0] - 0.7) < 0.03])
    full, cut = (measure("width", scene(), thing) for thing in (square, inner))
    assert cut.value < full.value - 0.01
    assert cut.std**2 - full.std**2 == pytest.approx((1.5 * full.std) ** 2, rel=1e-6)
    little = measure("width", scene(), replace(inner, extents_std=np.full(3, 0.05)))
    assert little.std**2 - 0.05**2 == pytest.approx((0.33 * (full.value - cut.value)) ** 2, rel=1e-6)


def test_sizes_err_by_more_than_edges_that_err_apart_would_make_them() -> None:
    """Drawn: edges whose errors have a correlation of 0.8."""
    thing, other = box((0.7, 0.0, 0.05), (0.1, 0.06, 0.04)), replace(box((0.7, 0.3, 0.05), number=2), extents_std=np.zeros(3))
    alike = 0.8 + 0.2 * np.eye(3)
    edges = np.random.default_rng(9).multivariate_normal(thing.extents, alike * thing.extents_std[0] ** 2, 20000)
    margin = measure("big", scene(), thing, other).margin
    assert margin is not None and margin.std == pytest.approx(np.std(np.cbrt(edges.prod(axis=1))), rel=0.03)


def test_gap_to_the_tool_point_is_to_the_nearest_surface() -> None:
    pose = camera_over_table()
    block, hand = placed(box((0.7, 0, 0.05), (0.1, 0.1, 0.1)), pose), placed(tool((0.7, 0, 0.25)), pose)
    view = scene({}, pose)
    assert measure("gap", view, hand, block).value == pytest.approx(0.15, abs=0.001)
    assert measure("distance", view, hand, block).value == pytest.approx(0.2)


def test_gaps_are_worked_out_anew_for_a_thing_that_is_another_one_in_any_way() -> None:
    rng = np.random.default_rng(3)
    a, b = box((0.5, 0.0, 0.03)), box((0.7, 0.1, 0.04))

    def gap(one: SceneObject, other: SceneObject) -> float:
        return RELATIONS["gap"].measure(scene({"a": one, "b": other}), one, other).value

    first = gap(a, b)
    assert gap(replace(a, label="cup", last_seen_ns=5), b) == first
    for _ in range(20):
        by = rng.normal(0, 0.05, 3)
        moved = replace(b, centre=b.centre + by, points=(b.points + by).astype(np.float32))
        points, others = a.surface, moved.surface
        assert gap(a, moved) == pytest.approx(float(cdist(points, others).min()), abs=1e-6)
        # The same centre with other points is another thing, too.
        turned = replace(moved, points=(2 * moved.centre - moved.points).astype(np.float32)[::2])
        assert gap(a, turned) == pytest.approx(float(cdist(points, turned.surface).min()), abs=1e-6)
    assert gap(a, b) == first


@pytest.mark.parametrize(("raised_m", "source", "turned"), [(0.0, "plane", False), (0.05, "plane", True), (0.0, "tf", True)])
def test_an_up_that_errs_moves_no_heights_of_what_stands_on_the_plane_that_tells_it(
    raised_m: float, source: str, turned: bool
) -> None:
    pose = camera_over_table(pitch_deg=35.0)
    a = box(pose.apply([0.5, 0.1, 0.05]), (0.08, 0.05, 0.1), pose.rotation, number=1)
    b = box(pose.apply([0.9, -0.15, 0.03 + raised_m]), (0.05, 0.12, 0.06), pose.rotation, number=2)
    stds = []
    for tilt_std_rad in (0.0, 0.02):
        view = scene({"a": a, "b": b}, pose)
        assert view.canonical is not None
        view = replace(view, canonical=replace(view.canonical, tilt_std_rad=tilt_std_rad, source=source))
        stds.append(measure("vertical_distance", view, a, b).std)
    # Half a metre apart, an up that is off by 0.02 rad would make a centimetre of difference.
    assert (stds[1] > stds[0] + 0.005) == turned and (turned or stds[1] == stds[0])
