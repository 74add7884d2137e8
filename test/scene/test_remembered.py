"""A thing's height as earlier images told it, where one image hides an end of it or adds a part of something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_stream import CAMERA, FAR, FIXED, MS
from things import box

from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.remembered import KnownHeight, as_tall_as_before
from spatialvlm_ros.scene.scene import SceneObject

HEIGHT, SURE = 0.06, 0.002
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


def known(height: float = HEIGHT, std: float = SURE, images: int = 5) -> KnownHeight:
    found = KnownHeight()
    for _ in range(images):
        found = found.after(seen(0.0, height, std / np.sqrt(2), std / np.sqrt(2) * 1.001))
    return found


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
        (seen(0.02, 0.10, foot_std=0.03), KnownHeight()),
        (seen(0.02, 0.10, foot_std=0.03), known(images=4)),
        (replace(seen(0.02, 0.10, foot_std=0.03), lean=np.zeros(3)), known()),
        (seen(0.0, 0.062), known()),
        (seen(0.0, 0.03), known()),
        (seen(0.0, 0.09, foot_std=0.03, shows=(0.05, 0.09)), known(std=0.03)),
    ],
    ids=["first image", "few images", "up unknown", "well seen", "shorter", "no better known"],
)  # fmt: skip
def test_else_a_thing_is_as_it_was_measured(thing: SceneObject, history: KnownHeight) -> None:
    assert as_tall_as_before(thing, history, is_held=False) is thing


def test_another_height_counts_once_five_images_are_of_one_mind() -> None:
    history = known()
    for height in (0.12, 0.09, 0.12, 0.09, 0.12, 0.09):
        history = history.after(seen(0.0, height))
    assert history.height_m == pytest.approx(HEIGHT)
    for _ in range(5):
        assert history.height_m == pytest.approx(HEIGHT)
        history = history.after(seen(0.0, 0.12))
    assert history.is_known and history.height_m == pytest.approx(0.12)


@pytest.mark.parametrize("change", [{"truncated": True}, {"suspect": 0.5}], ids=["at the edge", "may be two"])
def test_an_image_that_tells_no_height_teaches_none(change: dict[str, object]) -> None:
    assert KnownHeight().after(replace(seen(0.0, 0.1), **change)) == KnownHeight()  # type: ignore[arg-type]


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
