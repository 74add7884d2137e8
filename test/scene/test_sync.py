"""Colour, depth and camera_info of one exposure come together by their stamps, and only the newest waits."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.scene.sync import FrameSynchronizer, NewestSlot

MS = 1_000_000


@pytest.fixture
def sync() -> FrameSynchronizer:
    made = FrameSynchronizer(slop_s=0.02, queue_size=5)
    made.add_info("info")
    return made


def test_equal_stamps_match_in_either_order(sync: FrameSynchronizer) -> None:
    assert sync.add_color(0, "c0") is None
    first = sync.add_depth(0, "d0")
    assert first is not None and (first.stamp_ns, first.color, first.depth, first.info) == (0, "c0", "d0", "info")
    assert sync.add_depth(33 * MS, "d1") is None
    second = sync.add_color(33 * MS, "c1")
    assert second is not None and (second.color, second.depth) == ("c1", "d1")
    assert sync.unmatched == 0


@pytest.mark.parametrize(("offset_ms", "matches"), [(-20, True), (-21, False), (20, True), (21, False)])
def test_the_slop_is_inclusive_and_the_stamp_is_colours(sync: FrameSynchronizer, offset_ms: int, matches: bool) -> None:
    sync.add_color(100 * MS, "c")
    triple = sync.add_depth((100 + offset_ms) * MS, "d")
    assert (triple is not None) == matches
    if triple is not None:
        assert triple.stamp_ns == 100 * MS


def test_the_nearest_of_several_is_taken(sync: FrameSynchronizer) -> None:
    for stamp_ms in (0, 10, 20):
        sync.add_color(stamp_ms * MS, stamp_ms)
    triple = sync.add_depth(12 * MS, "d")
    assert triple is not None and triple.color == 10


def test_out_of_order_arrival_matches(sync: FrameSynchronizer) -> None:
    assert sync.add_color(33 * MS, "c1") is None
    assert sync.add_color(0, "c0") is None
    first = sync.add_depth(0, "d0")
    second = sync.add_depth(33 * MS, "d1")
    assert first is not None and first.color == "c0"
    assert second is not None and second.color == "c1"
    assert sync.jumps == 0


def test_depth_at_a_lower_rate_matches_every_time(sync: FrameSynchronizer) -> None:
    matched = 0
    for index in range(90):
        stamp_ns = index * 33 * MS
        sync.add_color(stamp_ns, index)
        if index % 3 == 0:
            triple = sync.add_depth(stamp_ns + 5 * MS, index)
            assert triple is not None and triple.color == index
            matched += 1
    assert matched == 30
    # Two of three colour images find no depth; the last two may still wait.
    assert 58 <= sync.unmatched <= 60


def test_nothing_matches_without_info_and_the_next_image_does_with_it() -> None:
    sync = FrameSynchronizer()
    sync.add_color(0, "c")
    assert sync.add_depth(0, "d") is None and not sync.has_info
    sync.add_info("late")
    assert sync.has_info
    sync.add_color(33 * MS, "c")
    triple = sync.add_depth(33 * MS, "d")
    assert triple is not None and triple.info == "late"


def test_a_backward_jump_clears_and_counts(sync: FrameSynchronizer) -> None:
    sync.add_color(10_000 * MS, "old")
    assert sync.add_depth(9_000 * MS, "after the loop") is None
    assert sync.jumps == 1
    assert sync.add_depth(10_000 * MS, "d") is None, "what came before the jump must be gone"
    sync.add_color(9_000 * MS, "c")  # more than half a second before 10 s: another jump
    assert sync.jumps == 2
    triple = sync.add_depth(9_000 * MS, "d")
    assert triple is not None and triple.color == "c" and triple.info == "info"


def test_a_small_step_back_is_no_jump(sync: FrameSynchronizer) -> None:
    sync.add_color(1_000 * MS, "c")
    sync.add_color(501 * MS, "late")
    assert sync.jumps == 0
    assert sync.add_depth(1_000 * MS, "d") is not None


def test_queues_are_bounded_and_what_falls_out_is_counted(sync: FrameSynchronizer) -> None:
    for index in range(1000):
        sync.add_color(index * 33 * MS, index)
    assert len(sync._color) == 5 and sync.unmatched == 995
    assert sync.add_depth(0, "d") is None  # a jump, and nothing left to match


def test_an_unmatched_depth_image_is_counted_when_a_later_pair_matches(sync: FrameSynchronizer) -> None:
    sync.add_depth(0, "lonely")
    sync.add_color(100 * MS, "c")
    assert sync.add_depth(100 * MS, "d") is not None
    assert sync.unmatched == 1


def test_clear_forgets_images_but_not_the_camera(sync: FrameSynchronizer) -> None:
    sync.add_color(0, "c")
    sync.clear()
    assert sync.add_depth(0, "d") is None and sync.has_info


def camera(fx: float) -> SimpleNamespace:
    header = SimpleNamespace(frame_id="camera")
    return SimpleNamespace(width=4, height=3, distortion_model="", header=header, k=[fx], d=[], p=[])


def exposure(sync: FrameSynchronizer, index: int, info: Any = None, first: bool = False) -> list[Any]:
    """(index, fx) of the triples that an exposure gives, whose camera_info comes before or after its images, or not at all."""
    stamp_ns, found = index * 33 * MS, []
    if info is not None and first:
        found += sync.add_info(info, stamp_ns)
    sync.add_color(stamp_ns, index)
    found += [triple for triple in [sync.add_depth(stamp_ns, index)] if triple is not None]
    if info is not None and not first:
        found += sync.add_info(info, stamp_ns)
    return [(triple.color, triple.info.k[0]) for triple in found]


@pytest.mark.parametrize("first", [True, False])
def test_an_image_is_measured_with_the_camera_of_its_own_stamp(first: bool) -> None:
    sync = FrameSynchronizer()
    sync.add_info(camera(1.0))
    found = [one for index in range(20) for one in exposure(sync, index, camera(1.0 if index < 10 else 2.0), first)]
    assert found == [(index, 1.0 if index < 10 else 2.0) for index in range(20)]
    assert sync.unmatched == 0


def test_a_lost_camera_info_costs_an_image_only_where_the_camera_changed() -> None:
    sync = FrameSynchronizer()
    sync.add_info(camera(1.0))
    lost = {5, 10}
    found = [
        one
        for index in range(20)
        for one in exposure(sync, index, None if index in lost else camera(1.0 if index < 10 else 2.0), index % 2 == 0)
    ]
    assert found == [(index, 1.0 if index < 10 else 2.0) for index in range(20) if index != 10]
    assert sync.unmatched == 2


def test_a_camera_info_that_is_latched_slow_or_never_of_an_image_holds_nothing_up() -> None:
    latched, slow, odd = FrameSynchronizer(), FrameSynchronizer(), FrameSynchronizer()
    for sync in (latched, slow, odd):
        sync.add_info(camera(1.0), 0)
    for index in range(1, 60):
        assert exposure(latched, index) == [(index, 1.0)]
        assert exposure(slow, index, camera(1.0) if index % 2 else None) == [(index, 1.0)], "of every other image"
        odd.add_info(camera(1.0), index * 33 * MS - 1)
        assert exposure(odd, index) == [(index, 1.0)]


def test_images_go_on_when_camera_infos_end_and_wait_again_when_they_are_back() -> None:
    sync = FrameSynchronizer(queue_size=5)
    sync.add_info(camera(1.0))
    found = [one for index in range(40) for one in exposure(sync, index, camera(1.0) if not 10 <= index < 30 else None)]
    assert [index for index, _ in found] == [*range(10), *range(15, 40)]
    assert exposure(sync, 40) == [] and sync.add_info(camera(2.0), 40 * 33 * MS)[0].info.k == [2.0]
    sync.clear()
    assert exposure(sync, 41) == []
    sync.clear()
    assert sync.add_info(camera(2.0), 41 * 33 * MS) == [], "what was forgotten does not come back"


@pytest.mark.parametrize("first", [True, False])
def test_a_time_that_begins_anew_has_its_own_camera(first: bool) -> None:
    sync = FrameSynchronizer()
    sync.add_info(camera(1.0))
    for fx in (1.0, 2.0, 3.0):
        found = [one for index in range(30) for one in exposure(sync, index, camera(fx), first)]
        assert found == [(index, fx) for index in range(30)]


def test_random_arrivals_match_each_image_at_most_once_and_within_the_slop() -> None:
    rng = np.random.default_rng(0)
    sync = FrameSynchronizer(slop_s=0.02)
    sync.add_info("K")
    colors = [(int(i * 33 * MS + rng.integers(-3 * MS, 3 * MS)), "color") for i in range(200) if rng.random() > 0.1]
    depths = [(int(i * 33 * MS + rng.integers(-3 * MS, 3 * MS)), "depth") for i in range(200) if rng.random() > 0.1]
    arrivals = sorted(colors + depths, key=lambda item: item[0] + rng.integers(0, 25 * MS))
    triples = [sync.add_color(s, s) if kind == "color" else sync.add_depth(s, s) for s, kind in arrivals]
    found = [triple for triple in triples if triple is not None]
    assert len(found) > 140
    assert len({t.color for t in found}) == len({t.depth for t in found}) == len(found)
    assert all(t.stamp_ns == t.color and abs(t.color - t.depth) <= 20 * MS for t in found)
    assert [t.stamp_ns for t in found] == sorted(t.stamp_ns for t in found)


def test_the_slot_keeps_the_newest_and_counts_drops() -> None:
    slot: NewestSlot[int] = NewestSlot()
    for item in range(5):
        slot.put(item)
    assert slot.take(0.0) == 4 and slot.dropped == 4
    assert slot.take(0.01) is None
    slot.put(5)
    slot.clear()
    assert slot.take(0.01) is None and slot.dropped == 4


def test_a_waiter_is_woken_by_an_item_and_by_close() -> None:
    slot: NewestSlot[str] = NewestSlot()
    taken: list[str | None] = []

    def worker() -> None:
        taken.append(slot.take(20.0))
        taken.append(slot.take(20.0))

    thread = threading.Thread(target=worker)
    thread.start()
    begun = time.monotonic()
    slot.put("item")
    deadline = begun + 10.0
    while not taken and time.monotonic() < deadline:
        time.sleep(0.005)
    slot.close()
    thread.join(10.0)
    assert not thread.is_alive() and taken == ["item", None]
    assert time.monotonic() - begun < 10.0
    slot.put("too late")
    assert slot.take(0.0) is None
