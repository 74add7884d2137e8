"""Identity over time: stable while seen, hidden where covered, gone where seen to be empty, forgotten in the end."""

from __future__ import annotations

import numpy as np
import pytest
from memory_stream import FAR, FIXED, NEAR, Stream, blue, red
from scipy.spatial.transform import Rotation
from things import box

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.memory import MemoryConfig


def test_ids_start_at_one_and_are_stable_under_motion_and_order() -> None:
    rng = np.random.default_rng(0)
    stream = Stream()
    places = rng.uniform(-0.4, 0.4, (5, 2)) + np.arange(5)[:, None] * 0.02
    ids = stream.see(0, [red(*place) for place in places])
    assert sorted(ids) == [1, 2, 3, 4, 5]
    by_id = dict(zip(ids, range(5), strict=True))
    velocity = rng.uniform(-0.1, 0.1, (5, 2))
    for step in range(1, 20):
        places = places + 0.1 * velocity
        order = rng.permutation(5)
        found = stream.see(100 * step, [red(*places[i]) for i in order])
        spread = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(5, dtype=bool)].min()
        assert spread > 0.02
        assert [by_id[number] for number in found] == order.tolist()


def test_a_moving_camera_does_not_change_ids_or_places() -> None:
    stream = Stream()
    rng = np.random.default_rng(1)
    in_world = [np.array([0.1, 0.0, 1.0]), np.array([-0.2, 0.1, 1.2])]
    first = None
    for step in range(10):
        world_from_camera = RigidTransform(Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix(), rng.normal(0, 0.3, 3))
        things = [box(world_from_camera.inverse().apply(p)) for p in in_world]
        ids = stream.see(100 * step, things, camera=world_from_camera)
        first = first or ids
        assert ids == first
    # Hidden, it is reported in the frame of the present camera.
    turned = RigidTransform(Rotation.from_rotvec([0, 0.1, 0]).as_matrix(), np.array([0.3, 0, 0]))
    stream.see(1050, [box(turned.inverse().apply(in_world[0]))], depth=NEAR, camera=turned)
    assert np.allclose(stream.hidden[0].centre, turned.inverse().apply(in_world[1]), atol=1e-9)


def test_a_jump_beyond_the_gate_is_another_thing() -> None:
    stream = Stream(MemoryConfig(gate_m=0.05, max_speed_m_s=0.5))
    assert stream.see(0, [red(0.0)]) == [1]
    assert stream.see(100, [red(0.09)]) == [1]  # 5 cm and 0.1 s at 0.5 m/s
    assert stream.see(200, [red(0.25)]) == [2]


def test_what_is_covered_is_occluded_then_stale_then_forgotten() -> None:
    stream = Stream(MemoryConfig(occluded_s=1.0, forget_s=10.0, hidden_std_m=0.01, drift_m_s=0.02))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    statuses, spreads = [], []
    for stamp in (200, 1000, 1100, 1200, 10_100):
        assert stream.see(stamp, [], depth=NEAR) == []
        (thing,) = stream.hidden
        assert thing.id == 1 and thing.label == "red block" and thing.num_points == 0 and thing.visible_share == 0
        assert np.allclose(thing.centre, (0.1, 0, 1))
        statuses.append(thing.status)
        age_s = stamp / 1000 - 0.1
        spreads.append(thing.covariance[0, 0] - 0.002**2 - (0.01 + 0.02 * age_s) ** 2)
    assert statuses == [Status.OCCLUDED, Status.OCCLUDED, Status.OCCLUDED, Status.STALE, Status.STALE]
    assert np.allclose(spreads, 0, atol=1e-12)
    stream.see(10_101, [], depth=NEAR)
    assert stream.hidden == []
    assert stream.see(10_200, [red(0.1)]) == [2]


def test_a_hidden_thing_that_comes_back_near_its_place_keeps_its_id() -> None:
    stream = Stream()
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.see(200, [], depth=NEAR)
    assert stream.see(300, [red(0.12)]) == [1]
    assert stream.hidden == []


def test_what_is_seen_to_be_empty_is_gone() -> None:
    stream = Stream()
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.see(200, [], depth=FAR)
    assert stream.hidden == []
    assert stream.see(300, [red(0.1)]) == [2]


@pytest.mark.parametrize("depth", [np.nan, 1.0])
def test_a_place_that_shows_nothing_behind_is_not_empty(depth: float) -> None:
    """No depth is no evidence, and a surface at the thing's own depth may be the thing."""
    stream = Stream()
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.see(200, [], depth=depth)
    assert [thing.status for thing in stream.hidden] == [Status.OCCLUDED]


@pytest.mark.parametrize("place", [(0.0, 0.0, -1.0), (3.0, 0.0, 1.0)])
def test_a_thing_out_of_view_is_not_gone(place: tuple[float, float, float]) -> None:
    stream = Stream()
    aside = RigidTransform(np.eye(3), np.array(place) - (0, 0, 1.0))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.0)], camera=aside)
    stream.see(200, [], camera=FIXED)
    assert [thing.status for thing in stream.hidden] == [Status.OCCLUDED]


def test_the_robot_before_a_place_hides_it_whatever_depth_says() -> None:
    stream = Stream()
    robot = np.ones((120, 160), np.bool_)
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.see(200, [], depth=FAR, robot=robot)
    assert [thing.status for thing in stream.hidden] == [Status.OCCLUDED]
    stream.see(300, [], depth=FAR, robot=np.zeros_like(robot))
    assert stream.hidden == []


def test_one_sighting_is_not_remembered() -> None:
    stream = Stream()
    stream.see(0, [red(0.1)])
    stream.see(100, [], depth=NEAR)
    assert stream.hidden == []


def test_two_things_taken_for_one_do_not_take_a_name_away() -> None:
    """A block and its plate are one region on an image, a rest of it stays on the next: the plate is the one of its size."""
    plate, rest = box((0.0, 0.04, 1.01), (0.15, 0.15, 0.02), label="green plate"), (0.09, 0.09, 0.03)
    stream = Stream()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.98]))
    for stamp in (0, 100, 200):
        assert stream.see(stamp, [plate, red(0.0, 0.0, 0.98)], tool=tool) == [1, 2]
    assert stream.see(300, [box((0.0, 0.0, 0.99), (0.14, 0.16, 0.11), label="green box")], depth=NEAR, tool=tool) == [1]
    seen = [red(0.0, 0.0, 0.98), box((0.0, 0.015, 1.01), rest, label="green box"), plate]
    assert stream.see(400, seen, tool=tool)[::2] == [2, 1]


@pytest.mark.parametrize(
    ("label", "edge_m", "same"), [("yellow box", 0.05, True), ("red box", 0.02, True), ("yellow box", 0.02, False)]
)
def test_another_colour_and_another_size_at_once_are_another_thing(label: str, edge_m: float, same: bool) -> None:
    """What the hand hides must not lend its name to a speck of noise nearby."""
    stream = Stream()
    for stamp in (0, 100):
        stream.see(stamp, [red(0.0)])
    ids = stream.see(200, [box((0.01, 0.0, 1.0), (edge_m,) * 3, label=label)], depth=NEAR)
    assert (ids == [1]) is same


def test_a_size_word_is_no_colour() -> None:
    stream = Stream()
    assert stream.see(0, [box((0.0, 0.0, 1.0), label="tall red can"), box((0.02, 0.0, 1.0), label="tall blue can")]) == [1, 2]
    assert stream.see(100, [box((0.02, 0.0, 1.0), label="red can"), box((0.0, 0.0, 1.0), label="blue can")]) == [1, 2]


@pytest.mark.parametrize(("label", "x", "hidden"), [("blue block", 0.02, 0), ("red block", 0.02, 1), ("blue block", 0.05, 1)])
def test_a_part_that_was_taken_for_a_thing_is_not_hidden_in_it(label: str, x: float, hidden: int) -> None:
    """A strip of a block was all that stood out below another one; the whole block must not stay nameless for its sake."""
    whole, strip = box((0.0, 0.0, 1.0), (0.07, 0.07, 0.05), label=label), box((x, 0.0, 1.0), (0.02, 0.02, 0.05), label="blue box")
    stream = Stream()
    for stamp in (0, 100):
        assert stream.see(stamp, [whole, strip]) == [1, 2]
    assert stream.see(200, [whole], depth=1.0) == [1]
    assert len(stream.hidden) == hidden


def test_a_sliver_named_after_the_table_keeps_the_colours_of_its_thing() -> None:
    """Beside the hand a part of a red block was seen with table around it; a bump of the table there is not the block."""
    stream = Stream()
    for stamp in range(0, 700, 100):
        assert stream.see(stamp, [red(0.0)]) == [1]
    assert stream.see(700, [box((0.0, 0.0, 1.0), (0.05, 0.04, 0.05), label="yellow and red box")]) == [1]
    assert stream.see(800, [box((0.01, 0.0, 1.0), (0.05, 0.02, 0.01), label="yellow and white block")], depth=NEAR) == [2]


def test_a_backward_stamp_clears_the_memory() -> None:
    stream = Stream()
    for stamp in (5000, 5100):
        stream.see(stamp, [red(0.1)])
    assert stream.see(100, [], depth=NEAR) == []
    assert stream.hidden == []
    assert stream.see(200, [red(0.1)]) == [2]  # an id is never used twice


def test_the_same_stamp_again_is_no_jump() -> None:
    stream = Stream()
    assert stream.see(100, [red(0.1)]) == stream.see(100, [red(0.1)]) == [1]


def test_clear_forgets() -> None:
    stream = Stream()
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.memory.clear()
    stream.see(200, [], depth=NEAR)
    assert stream.hidden == []


def test_labels_that_swap_far_apart_are_a_flicker_and_ids_stay() -> None:
    stream = Stream()
    assert stream.see(0, [red(-0.1), blue(0.1)]) == [1, 2]
    assert stream.see(100, [blue(-0.1), red(0.1)]) == [1, 2]


def test_labels_that_swap_close_by_are_a_motion_and_ids_follow_the_colour() -> None:
    stream = Stream()
    assert stream.see(0, [red(-0.015), blue(0.015)]) == [1, 2]
    assert stream.see(100, [blue(-0.015), red(0.015)]) == [2, 1]


def test_a_newcomer_far_off_does_not_disturb_who_stays() -> None:
    """One thing goes, one stays, one comes, all on a line: the sum of distances alone would shift the names along it."""
    stream = Stream()
    assert stream.see(0, [red(0.0), red(0.12)]) == [1, 2]
    assert stream.see(100, [red(0.119), red(0.6)]) == [2, 3]


def test_ids_are_optimal_under_the_gate_by_brute_force() -> None:
    """Independent formulation: over all partial matchings, least sum of distances with a missing match costing one gate."""
    from itertools import permutations

    rng = np.random.default_rng(4)
    gate = 0.05 + 0.5 * 0.1
    for _ in range(40):
        before, after = rng.uniform(-0.15, 0.15, (3, 2)), rng.uniform(-0.15, 0.15, (3, 2))
        stream = Stream()
        stream.see(0, [red(*place) for place in before])
        found = stream.see(100, [red(*place) for place in after])
        distance = np.linalg.norm(after[:, None] - before[None], axis=-1)

        def cost(order: tuple[int, ...], distance: np.ndarray = distance) -> float:
            return sum(min(distance[i, j], gate) for i, j in enumerate(order))

        best = min(permutations(range(3)), key=cost)
        expected = [j + 1 if distance[i, j] <= gate else None for i, j in enumerate(best)]
        assert [number if number <= 3 else None for number in found] == expected


def test_a_scrap_beside_the_hand_does_not_move_the_thing_behind_it() -> None:
    """The hand came over a block, and a corner of it was seen last: its middle is not the block's, and is soon seen through."""
    stream = Stream()
    for stamp in range(0, 800, 100):
        stream.see(stamp, [red(0.0)])
    scrap = box((0.055, 0.0, 1.0), (0.02, 0.05, 0.03), label="red block")
    hand = np.zeros((120, 160), np.bool_)
    hand[:, 60:85] = True
    assert stream.see(800, [scrap], robot=hand) == [1]
    stream.see(900, [], robot=hand)
    (hidden,) = stream.hidden
    assert hidden.id == 1 and np.allclose(hidden.centre, (0.0, 0.0, 1.0)) and np.allclose(hidden.extents, 0.05)
    # Where the hand shows that it is not there either, it is gone.
    stream.see(1000, [])
    assert stream.hidden == []
