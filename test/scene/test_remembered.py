"""A thing's size as earlier images told it, where one image hides an end of it or adds a part of something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_stream import CAMERA, FAR, FIXED, MS
from things import box

from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.remembered import KnownLength, KnownSize, as_large_as_before, as_tall_as_before
from spatialvlm_ros.scene.scene import SceneObject
from spatialvlm_ros.scene.trust import ends_std_m, merged_std_m

HEIGHT, WIDE, SURE = 0.06, 0.05, 0.002
UP = np.array([0.0, 0.0, 1.0])


def seen(
    foot: float, top: float, foot_std: float = 0.001, top_std: float = 0.0012, shows: tuple[float, float] | None = None
) -> SceneObject:
    """A block between two heights, each with its deviation, and points from where to where it ``shows``."""
    variance = foot_std**2 + top_std**2
    thing = box((0.0, 0.0, (foot + top) / 2), (0.05, 0.05, top - foot))
    covariance = np.diag([1e-6, 1e-6, variance / 4])
    lean = np.array([0.0, 0.0, (top_std**2 - foot_std**2) / variance])
    low, high = shows or (foot, top)
    points = np.column_stack([np.full(50, 0.025), np.zeros(50), np.linspace(low, high, 50)]).astype(np.float32)
    stds = np.array([0.002, 0.002, np.sqrt(variance)])
    return replace(thing, covariance=covariance, extents_std=stds, lean=lean, points=points, scale_std=0.0)


def known(height: float = HEIGHT, std: float = SURE, images: int = 5) -> KnownLength:
    found = KnownLength()
    for _ in range(images):
        found = found.after(height, std)
    return found


def known_size(height: float = HEIGHT, short: float = WIDE, long: float = WIDE) -> KnownSize:
    found = KnownSize()
    for _ in range(5):
        thing = seen(0.0, height)
        found = found.after(replace(thing, extents=np.array([short, long, height]), extents_std=np.full(3, SURE)))
    return found


def suspected(thing: SceneObject, chance: float) -> SceneObject:
    """As ``trust.trusted`` makes it of a thing that may be two on each other."""
    spread, variance = 2 * merged_std_m(float(thing.extents[2]), chance) ** 2, float(thing.extents_std[2]) ** 2
    stds = np.array([*thing.extents_std[:2], np.sqrt(variance + spread)])
    lean = thing.lean * variance / (variance + spread)
    covariance = thing.covariance + np.diag([0.0, 0.0, spread / 4])
    return replace(thing, extents_std=stds, lean=lean, covariance=covariance, suspect=chance)


def ends(thing: SceneObject) -> tuple[float, float]:
    return float(thing.centre[2] - thing.extents[2] / 2), float(thing.centre[2] + thing.extents[2] / 2)


def test_where_the_top_shows_the_known_height_tells_the_foot() -> None:
    thing = seen(0.02, 0.10, foot_std=0.03, shows=(0.06, 0.10))
    told = as_tall_as_before(thing, known(), is_held=False)
    assert ends(told) == pytest.approx((0.04, 0.10), abs=0.001)
    assert told.extents_std[2] == pytest.approx(SURE, rel=0.05)
    assert np.sqrt(told.own_covariance[2, 2]) < 0.002 < np.sqrt(thing.own_covariance[2, 2])
    assert np.array_equal(told.covariance[:2, :2], thing.covariance[:2, :2]) and abs(told.lean[2]) <= 1.0


def test_where_the_foot_shows_the_known_height_tells_the_top() -> None:
    told = as_tall_as_before(seen(0.0, 0.03, top_std=0.04, shows=(0.0, 0.02)), known(), is_held=False)
    assert ends(told) == pytest.approx((0.0, HEIGHT), abs=0.001)


@pytest.mark.parametrize(("foot_std", "top_std"), [(0.03, 0.001), (0.001, 0.02), (0.02, 0.01)])
def test_the_stated_deviations_are_those_of_the_errors(foot_std: float, top_std: float) -> None:
    rng = np.random.default_rng(0)
    off = []
    for _ in range(1500):
        foot, top, height = rng.normal((0.0, HEIGHT, HEIGHT), (foot_std, top_std, SURE))
        if top - foot < 0.001:
            continue
        thing = seen(foot, top, foot_std, top_std, shows=(0.02, 0.04))
        told = as_tall_as_before(thing, known(height), is_held=False)
        if told is thing:
            continue  # too far off to be the same height
        errors = told.extents[2] - HEIGHT, told.centre[2] - HEIGHT / 2
        covariance = np.array([
            [told.extents_std[2] ** 2, told.extents_covariance[2]], [told.extents_covariance[2], told.own_covariance[2, 2]],
        ])  # fmt: skip
        off.append(np.linalg.solve(np.linalg.cholesky(covariance), errors))
    assert len(off) > 1000
    assert np.std(off, axis=0) == pytest.approx([1.0, 1.0], abs=0.12)
    assert abs(np.corrcoef(np.array(off).T)[0, 1]) < 0.08


def test_a_thing_does_not_grow_by_what_stands_on_it() -> None:
    thing = seen(0.0, 0.085)
    told = as_tall_as_before(thing, known(), is_held=False)
    assert ends(told) == pytest.approx((0.0, HEIGHT), abs=1e-6)
    assert told.points[:, 2].max() < HEIGHT + 3 * SURE and 20 < len(told.points) < len(thing.points)
    assert told.extents_std[2] == pytest.approx(SURE, rel=0.01)
    assert 0 < told.own_covariance[2, 2] < thing.extents_std[2] ** 2 + SURE**2


def test_what_hangs_between_fingers_may_hang_askew() -> None:
    thing = seen(0.02, 0.10, foot_std=0.03, shows=(0.06, 0.10))
    lying, held = (as_tall_as_before(thing, known(), is_held) for is_held in (False, True))
    assert held.extents_std[2] > 2 * lying.extents_std[2]
    assert held.extents_std[2] < thing.extents_std[2]


@pytest.mark.parametrize(
    ("thing", "history"),
    [
        (seen(0.02, 0.10, foot_std=0.03), KnownLength()),
        (seen(0.02, 0.10, foot_std=0.03), known(images=4)),
        (replace(seen(0.02, 0.10, foot_std=0.03), lean=np.zeros(3)), known()),
        (seen(0.0, 0.062), known()),
        (seen(0.0, 0.03), known()),
        (seen(0.0, 0.09, foot_std=0.03, shows=(0.05, 0.09)), known(std=0.03)),
    ],
    ids=["first image", "few images", "up unknown", "well seen", "shorter", "no better known"],
)  # fmt: skip
def test_else_a_thing_is_as_it_was_measured(thing: SceneObject, history: KnownLength) -> None:
    assert as_tall_as_before(thing, history, is_held=False) is thing


def test_another_height_counts_once_five_images_are_of_one_mind() -> None:
    history = known()
    for height in (0.12, 0.09, 0.12, 0.09, 0.12, 0.09):
        history = history.after(height, SURE)
    assert history.length_m == pytest.approx(HEIGHT)
    for _ in range(5):
        assert history.length_m == pytest.approx(HEIGHT)
        history = history.after(0.12, SURE)
    assert history.is_known and history.length_m == pytest.approx(0.12)


@pytest.mark.parametrize("change", [{"truncated": True}, {"suspect": 0.5}], ids=["at the edge", "may be two"])
def test_an_image_that_tells_no_size_teaches_none(change: dict[str, object]) -> None:
    assert KnownSize().after(replace(seen(0.0, 0.1), **change)) == KnownSize()  # type: ignore[arg-type]


def test_what_a_hand_covers_of_a_thing_is_no_more_than_the_rest_of_its_known_size() -> None:
    rng, off, stated = np.random.default_rng(0), [], []
    history = known_size(short=0.05, long=0.08)
    for _ in range(2000):
        hidden, side = rng.uniform(0.0, 0.05), rng.choice([-0.5, 0.5])
        length, moved = 0.08 - hidden + rng.normal(0.0, SURE), side * hidden + rng.normal(0.0, SURE / 2)
        thing = replace(
            seen(0.0, HEIGHT), extents=np.array([length, 0.05, HEIGHT]), extents_std=np.array([0.06, 0.06, 0.0016]),
            covariance=np.diag([0.03**2, 0.03**2, 0.0008**2]),
        )  # fmt: skip
        told = as_large_as_before(thing, history, is_held=True)
        off.append(abs(moved))
        stated.append(float(np.sqrt(told.own_covariance[0, 0])))
        assert abs(length - 0.08) < 1.01 * told.extents_std[0]
    assert np.mean(np.array(off) <= 1.1 * np.array(stated)) > 0.7
    assert np.mean(np.array(off) <= 2 * np.array(stated)) > 0.95
    assert np.mean(stated) < 0.015


def test_a_bound_along_one_axis_leaves_the_correlation_with_the_other() -> None:
    """Whatever is bounded, no direction gets a variance below 0."""
    thing = seen(0.0, HEIGHT)
    alike = np.array([[4e-4, 1.2e-5, 0.0], [1.2e-5, 1e-6, 0.0], [0.0, 0.0, 1e-6]])
    covered = replace(thing, covariance=alike, extents_std=np.array([0.04, 0.002, 0.002]))
    told = as_large_as_before(covered, known_size(), is_held=False).own_covariance
    assert told[0, 0] < 0.1 * alike[0, 0] and np.linalg.eigvalsh(told).min() > 0
    before, after = (found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]) for found in (alike, told))
    assert after == pytest.approx(before)


def test_what_is_known_of_a_size_makes_no_image_surer_than_it_is() -> None:
    thing = seen(0.0, HEIGHT)
    assert as_large_as_before(thing, known_size(), is_held=False) is thing
    larger = replace(thing, extents=np.array([0.15, 0.12, 0.2]), extents_std=np.full(3, 0.02), covariance=np.eye(3) * 0.01**2)
    assert as_large_as_before(larger, known_size(), is_held=False).extents_std[0] == pytest.approx(0.02)


@pytest.mark.parametrize(("foot_std", "top_std"), [(0.002, 0.05), (0.05, 0.002), (0.04, 0.05)])
def test_neither_end_of_a_thing_is_off_by_more_than_its_height(foot_std: float, top_std: float) -> None:
    thing = seen(0.0, HEIGHT - 0.01, foot_std, top_std)
    told = as_large_as_before(thing, known_size(), is_held=False)
    most = np.hypot(0.01, SURE)
    for before, after in zip((foot_std, top_std), ends_std_m(told), strict=True):
        assert after <= min(before, most) * 1.01


def test_a_thing_that_is_as_tall_as_ever_is_not_taken_for_two() -> None:
    history, single = known_size(), seen(0.0, HEIGHT + 0.001, 0.002, 0.002)
    told = as_large_as_before(suspected(single, 0.15), history, is_held=False)
    assert told.suspect < 0.03
    assert told.extents_std[2] < 2 * single.extents_std[2]
    assert suspected(single, 0.15).extents_std[2] > 5 * told.extents_std[2]
    assert np.allclose(told.covariance[:2], single.covariance[:2])
    twice = as_large_as_before(suspected(seen(0.0, HEIGHT + 0.03, 0.002, 0.002), 0.3), history, is_held=False)
    assert twice.suspect > 0.9


def test_suspicion_stays_where_no_height_is_known() -> None:
    thing = suspected(seen(0.0, HEIGHT), 0.3)
    assert as_large_as_before(thing, KnownSize(), is_held=False) is thing


def test_the_memory_of_things_knows_their_heights() -> None:
    memory = ObjectMemory(MemoryConfig())
    heights = []
    for stamp, top in enumerate((*[HEIGHT] * 6, 0.09, HEIGHT, 0.10)):
        frame = RGBDFrame(
            stamp * 100 * MS, np.zeros((120, 160, 3), np.uint8), np.full((120, 160), FAR, np.float32), CAMERA, "camera"
        )
        thing = seen(1.0, 1.0 + top)
        (shown,), _ = memory.update([replace(thing, last_seen_ns=frame.stamp_ns)], frame, FIXED, None, None)
        heights.append(float(shown.extents[2]))
    assert heights == pytest.approx([HEIGHT] * 9, abs=1e-6)
