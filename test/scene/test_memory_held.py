"""What the hand holds or hides: it moves along, and is let go only when the fingers show to be empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from memory_stream import FAR, NEAR, Stream, red
from scipy.spatial.transform import Rotation
from things import box

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.memory import MemoryConfig


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


def test_what_the_fingers_open_on_stays_where_they_let_it_go() -> None:
    stream = Stream()

    def tool(x: float) -> RigidTransform:
        return RigidTransform(np.eye(3), np.array([x, 0.0, 1.0]))

    for stamp, opening_m in ((0, 0.04), (100, 0.02)):
        stream.see(stamp, [red(0.0)], tool=tool(0.0), opening_m=opening_m)
    # Carried out of sight, with fingers that give by a millimetre.
    for step in range(1, 4):
        stream.see(100 + 100 * step, [], depth=NEAR, tool=tool(0.1 * step), opening_m=0.021)
    assert np.allclose(stream.hidden[0].centre, (0.3, 0.0, 1.0))
    before = stream.hidden[0].covariance
    stream.see(500, [], depth=NEAR, tool=tool(0.3), opening_m=0.03)
    for step in range(1, 4):
        stream.see(500 + 100 * step, [], depth=NEAR, tool=tool(0.3 + 0.1 * step), opening_m=0.04)
    assert np.allclose(stream.hidden[0].centre, (0.3, 0.0, 1.0))
    # Where it was put is known as of then, not as of when it was seen last.
    config = MemoryConfig()
    assert stream.hidden[0].covariance[0, 0] < before[0, 0] + (config.hidden_std_m + 0.3 * config.drift_m_s) ** 2
    assert stream.see(900, [red(0.31)], tool=tool(0.6), opening_m=0.04) == [1]


def test_fingers_of_which_nobody_knows_how_far_they_are_open_hold_on() -> None:
    stream = Stream()
    at_it, away = (RigidTransform(np.eye(3), np.array([x, 0.0, 1.0])) for x in (0.0, 0.3))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.0)], tool=at_it, opening_m=0.02)
    stream.see(200, [], depth=NEAR, tool=away)
    assert np.allclose(stream.hidden[0].centre, (0.3, 0.0, 1.0))


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


def test_a_part_that_shows_between_the_fingers_is_held_like_the_whole() -> None:
    stream = Stream()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    for stamp in (0, 100, 200):
        stream.see(stamp, [red(0.0)], tool=tool)
    assert stream.see(300, [box((0.02, 0.0, 1.0), (0.01, 0.05, 0.05), label="red box")], tool=tool) == [1]
    stream.see(400, [], depth=NEAR, tool=RigidTransform(np.eye(3), np.array([0.3, 0.0, 1.0])))
    assert np.allclose(stream.hidden[0].centre, (0.32, 0.0, 1.0))


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


@pytest.mark.parametrize(("sightings", "kept"), [(2, 1), (7, 0)])
def test_what_was_known_well_is_let_go_when_its_surface_is_seen_through(sightings: int, kept: int) -> None:
    """A tall thing hangs beside the hand, which hides the tool point; then only what is far behind is seen there."""
    stream = Stream()
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    for stamp in range(0, 100 * sightings, 100):
        stream.see(stamp, [box((0.03, 0.0, 1.0), (0.05, 0.05, 0.05))], tool=tool)
    robot = np.zeros((120, 160), np.bool_)
    robot[:, :82] = True
    stream.see(100 * sightings, [], depth=FAR, tool=tool, robot=robot)
    assert len(stream.hidden) == kept


def test_what_is_held_slips_no_further_than_its_size_lets_it() -> None:
    stream = Stream(MemoryConfig(hidden_std_m=0.01, drift_m_s=0.02, forget_s=10.0))
    robot = np.ones((120, 160), np.bool_)
    tool = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    thing, other = box((0.0, 0.0, 1.0), (0.04, 0.05, 0.06)), box((0.3, 0.0, 1.0), (0.04, 0.05, 0.06))
    for stamp in (0, 100):
        stream.see(stamp, [thing, other], tool=tool)
    stds = []
    for stamp in (200, 2200, 8200):
        stream.see(stamp, [], depth=NEAR, tool=tool, robot=robot)
        stds.append([float(np.sqrt(hidden.covariance[0, 0] - thing.covariance[0, 0])) for hidden in stream.hidden])
    (held_soon, lying_soon), (held, lying), (held_late, lying_late) = stds
    # A quarter of its least edge from the start on: what is not between the fingers is soon worse known than that.
    assert held_soon == held == held_late == pytest.approx(0.01, abs=1e-6)
    assert lying_soon == pytest.approx(0.012, abs=1e-6) and lying_late > lying > 2 * held


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


@pytest.mark.parametrize(
    ("closed_m", "kept"), [(0.02, 1), (math.nan, 1), (0.04, 0)], ids=["closed", "nobody knows", "still open"]
)
def test_what_the_hand_took_out_of_sight_moves_with_it(closed_m: float, kept: int) -> None:
    """The arm hid the thing before the fingers came there; when they leave, its place is empty. Open ones took nothing."""
    stream = Stream()
    open_m = closed_m if math.isnan(closed_m) else 0.04
    robot = np.ones((120, 160), np.bool_)
    place = np.array([0.1, 0.0, 1.0])
    above, at = (RigidTransform(np.eye(3), place - (0, 0, height)) for height in (0.12, 0.01))
    for stamp in (0, 100):
        stream.see(stamp, [red(0.1)], tool=above, opening_m=open_m)
    for stamp, tool, opening_m in ((200, above, open_m), (300, at, open_m), (400, at, closed_m)):
        stream.see(stamp, [], depth=FAR, tool=tool, robot=robot, opening_m=opening_m)
        assert np.allclose(stream.hidden[0].centre, place)  # nobody knows yet
    away = RigidTransform(np.eye(3), np.array([-0.2, 0.05, 0.8]))
    at_tool = np.zeros_like(robot)
    at_tool[:, :80] = True
    stream.see(500, [], depth=FAR, tool=away, robot=at_tool, opening_m=closed_m)
    assert [thing.id for thing in stream.hidden] == [1] * kept
    if not kept:
        return
    assert np.allclose(stream.hidden[0].centre, away.apply(np.array([0, 0, 0.01])))
    # Put down there and seen again, it is the same thing.
    assert stream.see(600, [box(away.translation)], tool=away, robot=at_tool, opening_m=closed_m) == [1]


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


def test_a_block_with_fingers_taken_for_it_is_not_held_yet() -> None:
    """On the last image before the hand hid it the block reached up to the tool, for the fingers were taken for a part of it."""
    stream = Stream()
    hand = np.ones((120, 160), np.bool_)

    def tool(y: float) -> RigidTransform:
        return RigidTransform(np.eye(3), np.array([0.0, y, 1.0]))

    block = box((0.0, 0.0, 1.0), (0.05, 0.05, 0.05))
    for stamp in range(0, 800, 100):
        stream.see(stamp, [block], tool=tool(-0.2))
    assert stream.see(800, [box((0.0, -0.02, 1.0), (0.09, 0.1, 0.09))], tool=tool(-0.05)) == [1]
    stream.see(900, [], depth=NEAR, tool=tool(0.0), robot=hand)
    (hidden,) = stream.hidden
    assert np.allclose(hidden.centre, (0.0, 0.0, 1.0)) and np.allclose(hidden.extents, 0.05)
    # Its place shows to be empty when the hand has gone up: the hand has it, by its middle.
    high = np.zeros((120, 160), np.bool_)
    high[:40] = True
    stream.see(1000, [], tool=tool(-0.2), robot=high)
    (hidden,) = stream.hidden
    assert np.allclose(hidden.centre, (0.0, -0.2, 1.0), atol=0.001)
