"""Identity over time: stable while seen, hidden where covered, gone where seen to be empty, forgotten in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.scene import SceneObject

CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)
FIXED = RigidTransform.identity()
MS = 1_000_000
FAR, NEAR = 3.0, 0.3


class Stream:
    """A memory fed with things that are seen, over a background of one depth. Coordinates are the camera's."""

    def __init__(self, config: MemoryConfig | None = None) -> None:
        self.memory = ObjectMemory(config or MemoryConfig())
        self.hidden: list[SceneObject] = []

    def see(
        self,
        stamp_ms: int,
        things: list[SceneObject],
        *,
        depth: float = FAR,
        tool: RigidTransform | None = None,
        robot: np.ndarray | None = None,
        camera: RigidTransform = FIXED,
    ) -> list[int]:
        """Ids of the things, in order; what is hidden is in ``hidden``."""
        image = np.full((120, 160), depth, np.float32)
        frame = RGBDFrame(stamp_ms * MS, np.zeros((120, 160, 3), np.uint8), image, CAMERA, "camera")
        stamped = [replace(thing, last_seen_ns=stamp_ms * MS) for thing in things]
        seen, self.hidden = self.memory.update(stamped, frame, camera, tool, robot)
        assert len(seen) == len(things)
        assert all(np.array_equal(a.centre, b.centre) for a, b in zip(seen, things, strict=True))
        return [thing.id for thing in seen]


def red(x: float, y: float = 0.0, z: float = 1.0) -> SceneObject:
    return box((x, y, z), label="red block")


def blue(x: float, y: float = 0.0, z: float = 1.0) -> SceneObject:
    return box((x, y, z), label="blue block")


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


def test_a_held_thing_moves_with_the_tool_while_it_is_hidden() -> None:
    stream = Stream()
    start = RigidTransform(Rotation.from_euler("x", 180, degrees=True).as_matrix(), np.array([0.1, 0.0, 0.98]))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)], tool=start)
    in_tool = start.inverse().apply([0.1, 0, 1.0])
    for step in range(1, 6):
        turn = Rotation.from_euler("xz", [180, 10 * step], degrees=True).as_matrix()
        now = RigidTransform(turn, np.array([0.1 + 0.1 * step, 0.02, 0.9]))
        stream.see(100 + 100 * step, [], depth=NEAR, tool=now)
        assert np.allclose(stream.hidden[0].centre, now.apply(in_tool), atol=1e-9)
        assert np.allclose(stream.hidden[0].axes, now.rotation @ start.rotation.T, atol=1e-9)
    # Put down there and seen again, far from where it was grasped, it is the same thing.
    assert stream.see(700, [box(now.apply(in_tool) + np.array([0.01, 0, 0]))], tool=now) == [1]


def test_a_thing_away_from_the_tool_stays_where_it_was() -> None:
    stream = Stream(MemoryConfig(grip_m=0.01))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)], tool=RigidTransform(np.eye(3), np.array([0.14, 0.0, 1.0])))
    stream.see(200, [], depth=NEAR, tool=RigidTransform(np.eye(3), np.array([0.5, 0.0, 1.0])))
    assert np.allclose(stream.hidden[0].centre, (0.1, 0, 1))


@pytest.mark.parametrize(
    ("extents", "above_m", "is_held"), [((0.05, 0.05, 0.2), 0.07, True), ((0.15, 0.15, 0.012), 0.027, False)]
)
def test_held_is_what_the_tool_point_is_in(extents: tuple[float, float, float], above_m: float, is_held: bool) -> None:
    """A carton is taken near its lid; a plate under a held block is nearer to the tool by its middle, and is not held."""
    stream = Stream()
    thing = box((0.0, 0.0, 1.0), extents)
    for stamp in (0, 100):
        stream.see(stamp, [thing], tool=RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0 - above_m])))
    stream.see(200, [], depth=NEAR, tool=RigidTransform(np.eye(3), np.array([0.3, 0.0, 0.8])))
    expected = (0.3, 0.0, 0.8 + above_m) if is_held else (0.0, 0.0, 1.0)
    assert np.allclose(stream.hidden[0].centre, expected)


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


def test_a_part_that_shows_between_the_fingers_is_held_like_the_whole() -> None:
    stream = Stream()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    for stamp in (0, 100, 200):
        stream.see(stamp, [red(0.0)], tool=tool)
    assert stream.see(300, [box((0.02, 0.0, 1.0), (0.01, 0.05, 0.05), label="red box")], tool=tool) == [1]
    stream.see(400, [], depth=NEAR, tool=RigidTransform(np.eye(3), np.array([0.3, 0.0, 1.0])))
    assert np.allclose(stream.hidden[0].centre, (0.32, 0.0, 1.0))


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


@pytest.mark.parametrize(("covered", "kept"), [("all", 1), ("tool", 1), ("nothing", 0)])
def test_what_is_held_is_lost_only_when_the_fingers_show_to_be_empty(covered: str, kept: int) -> None:
    """Of a held thing only an edge was seen, so that its place is off; the hand is before the tool point, or is not."""
    stream = Stream()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    for stamp in (0, 100):
        stream.see(stamp, [box((0.03, 0.0, 1.0), (0.05, 0.05, 0.05))], tool=tool)
    robot = np.full((120, 160), covered == "all", np.bool_)
    robot[:, :82] = covered != "nothing"
    stream.see(200, [], depth=FAR, tool=tool, robot=robot)
    assert len(stream.hidden) == kept


def test_a_missed_grasp_does_not_make_a_ghost_between_the_fingers() -> None:
    """The hand hid the thing, went up without it, and the thing lies where it lay: it is the same thing, seen."""
    stream = Stream()
    robot = np.ones((120, 160), np.bool_)
    tools = [RigidTransform(np.eye(3), np.array([0.1, -0.03 * step, 1.0])) for step in range(8)]
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)], tool=tools[0])
    for step in range(1, 7):
        stream.see(100 + 100 * step, [], depth=NEAR, tool=tools[step], robot=robot)
    assert stream.see(800, [red(0.1)], tool=tools[7], robot=robot) == [1]
    assert stream.hidden == []


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


def test_what_the_hand_took_out_of_sight_moves_with_it() -> None:
    """The arm hid the thing before the fingers came there; when they leave, its place shows to be empty."""
    stream = Stream()
    robot = np.ones((120, 160), np.bool_)
    place = np.array([0.1, 0.0, 1.0])
    above, at = (RigidTransform(np.eye(3), place - (0, 0, height)) for height in (0.12, 0.01))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)], tool=above)
    for stamp, tool in ((200, above), (300, at), (400, at)):
        stream.see(stamp, [], depth=FAR, tool=tool, robot=robot)
        assert np.allclose(stream.hidden[0].centre, place)  # nobody knows yet
    away = RigidTransform(np.eye(3), np.array([-0.2, 0.05, 0.8]))
    at_tool = np.zeros_like(robot)
    at_tool[:, :80] = True
    stream.see(500, [], depth=FAR, tool=away, robot=at_tool)
    assert [thing.id for thing in stream.hidden] == [1]
    assert np.allclose(stream.hidden[0].centre, away.apply(np.array([0, 0, 0.01])))
    # Put down there and seen again, it is the same thing.
    assert stream.see(600, [box(away.translation)], tool=away, robot=at_tool) == [1]


@pytest.mark.parametrize("nearest_m", [0.0, 0.05])
def test_what_is_neither_in_its_place_nor_between_the_fingers_is_gone(nearest_m: float) -> None:
    """Empty fingers that show, and a hand that did not come near enough to take anything."""
    stream = Stream()
    robot = np.ones((120, 160), np.bool_)
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)])
    stream.see(200, [], depth=FAR, tool=RigidTransform(np.eye(3), np.array([0.1, nearest_m, 1.0])), robot=robot)
    assert len(stream.hidden) == 1
    seen = np.zeros_like(robot) if nearest_m == 0.0 else np.arange(160)[None].repeat(120, 0) < 80
    stream.see(300, [], depth=FAR, tool=RigidTransform(np.eye(3), np.array([-0.2, 0.0, 0.8])), robot=seen)
    assert stream.hidden == []
