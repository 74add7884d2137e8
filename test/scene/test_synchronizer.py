"""Triples of one exposure, and the slot in which the newest waits."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from spatialvlm_ros.scene.sync import FrameSynchronizer, NewestSlot, Triple

MS = 1_000_000


def ready(**options: float) -> FrameSynchronizer:
    sync = FrameSynchronizer(**options)  # type: ignore[arg-type]
    sync.add_info("K")
    return sync


@pytest.mark.parametrize("color_first", [True, False])
def test_colour_and_depth_of_one_stamp_make_a_triple_in_either_order(color_first: bool) -> None:
    sync = ready()
    calls = [(sync.add_color, "c"), (sync.add_depth, "d")]
    first, second = calls if color_first else calls[::-1]
    assert first[0](5 * MS, first[1]) is None
    assert second[0](5 * MS, second[1]) == Triple(5 * MS, "c", "d", "K")


def test_the_stamp_is_colours() -> None:
    sync = ready()
    sync.add_depth(107 * MS, "d")
    assert sync.add_color(100 * MS, "c") == Triple(100 * MS, "c", "d", "K")
    sync.add_color(200 * MS, "c2")
    assert sync.add_depth(193 * MS, "d2") == Triple(200 * MS, "c2", "d2", "K")


def test_images_further_apart_than_the_slop_do_not_match() -> None:
    sync = ready(slop_s=0.02)
    sync.add_color(0, "c")
    assert sync.add_depth(20 * MS + 1, "d") is None
    assert sync.add_color(40 * MS + 1, "c2") == Triple(40 * MS + 1, "c2", "d", "K")


def test_the_nearest_partner_is_taken() -> None:
    sync = ready(slop_s=0.05)
    for stamp in (0, 30, 60):
        sync.add_color(stamp * MS, stamp)
    matched = sync.add_depth(35 * MS, "d")
    assert matched is not None and matched.color == 30


def test_nothing_comes_without_camera_info() -> None:
    sync = FrameSynchronizer()
    assert not sync.has_info
    sync.add_color(0, "c")
    assert sync.add_depth(0, "d") is None
    sync.add_info("K")
    sync.add_color(100 * MS, "c")
    assert sync.has_info and sync.add_depth(100 * MS, "d") is not None


def test_a_backward_jump_starts_over_and_counts() -> None:
    sync = ready(jump_s=0.5)
    for stamp in range(0, 2000, 100):
        sync.add_color(stamp * MS, "c")
        sync.add_depth(stamp * MS, "d")
    sync.add_color(2000 * MS, "old")
    assert sync.add_color(0, "new") is None and sync.jumps == 1
    assert sync.add_depth(0, "d") == Triple(0, "new", "d", "K")


def test_what_waits_is_bounded_and_what_goes_is_counted() -> None:
    sync = ready(queue_size=5)
    for index in range(12):
        sync.add_color(index * 100 * MS, index)
    assert sync.unmatched == 7
    assert sync.add_depth(600 * MS, "d") is None
    assert sync.add_depth(1100 * MS, "d") == Triple(1100 * MS, 11, "d", "K")


def test_random_arrivals_match_each_image_at_most_once_and_within_the_slop() -> None:
    rng = np.random.default_rng(0)
    sync = ready(slop_s=0.02)
    colors = [(int(i * 33 * MS + rng.integers(-3 * MS, 3 * MS)), "color") for i in range(200) if rng.random() > 0.1]
    depths = [(int(i * 33 * MS + rng.integers(-3 * MS, 3 * MS)), "depth") for i in range(200) if rng.random() > 0.1]
    arrivals = sorted(colors + depths, key=lambda item: item[0] + rng.integers(0, 25 * MS))
    triples = [sync.add_color(s, s) if kind == "color" else sync.add_depth(s, s) for s, kind in arrivals]
    found = [triple for triple in triples if triple is not None]
    assert len(found) > 140
    assert len({t.color for t in found}) == len({t.depth for t in found}) == len(found)
    assert all(t.stamp_ns == t.color and abs(t.color - t.depth) <= 20 * MS for t in found)
    assert [t.stamp_ns for t in found] == sorted(t.stamp_ns for t in found)


def test_the_slot_keeps_the_newest_and_counts_the_dropped() -> None:
    slot: NewestSlot[int] = NewestSlot()
    assert slot.take(0.0) is None
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.dropped == 2
    assert slot.take() == 3 and slot.take(0.0) is None
    slot.put(4)
    slot.clear()
    assert slot.take(0.0) is None and slot.dropped == 2


def test_closing_the_slot_wakes_who_waits() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    time.sleep(0.05)
    slot.close()
    thread.join(5)
    assert taken == [None]
    slot.put(1)
    assert slot.take() is None
