"""What tf says about the robot at an image's stamp, and how long an image waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from table_camera import transform
from tf2_msgs.msg import TFMessage

from spatialvlm_ros.engine import RobotState
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.geometry.transform_buffer import ExtrapolationError, UnknownFrameError
from spatialvlm_ros.nodes.robot_state import ROBOT_PARAMS, RobotStateReader
from spatialvlm_ros.nodes.tf_listener import ImageTransforms, TransformListener

CAMERA = "camera"
MS = 1_000_000
PERIOD_NS = 33 * MS
# Far above the hiccups of a busy machine, far below twenty waits one after the other.
TIMEOUT_S = 0.3


class Node:
    """As much of a node as the reader needs: values of parameters, and streams on which nothing comes by itself."""

    def __init__(self, **params: Any) -> None:
        self._params = {param.name: param.default for param in ROBOT_PARAMS} | params

    def param(self, name: str) -> Any:
        return self._params[name]

    def own_stream(self, kind: type, topic: str, callback: Any, qos: Any) -> str:
        return topic


class Images:
    """Reads the robot's state image after image, with tf that says what the test says."""

    def __init__(self, timeout_s: float = TIMEOUT_S, **params: Any) -> None:
        node: Any = Node(**params)
        self.listener = TransformListener(node)
        self.transforms = ImageTransforms(self.listener, timeout_s)
        self.reader = RobotStateReader(node, self.transforms)
        self.stamp_ns = 1_700_000_000_000_000_000
        self.waited_s = 0.0

    def hear(self, child: str, stamp_ns: int = 0, x: float = 0.0, *, static: bool = False) -> None:
        pose = RigidTransform(np.eye(3), np.array([x, 0.0, 0.0]))
        self.listener._receive(TFMessage(transforms=[transform(CAMERA, child, stamp_ns, pose)]), static)

    def read(self, *views: str) -> RobotState:
        self.stamp_ns += PERIOD_NS
        started = time.monotonic()
        self.transforms.begin(self.stamp_ns)
        state = self.reader.read(CAMERA, views)
        self.waited_s = time.monotonic() - started
        return state

    @contextmanager
    def late(self, child: str, x: float) -> Iterator[None]:
        """The moving frame's transform comes 20 ms after the next image, and is a little newer."""
        message = threading.Timer(0.02, self.hear, (child, self.stamp_ns + PERIOD_NS + 5 * MS, x))
        message.start()
        yield
        message.join()


def x_of(pose: Any) -> float:
    assert isinstance(pose, RigidTransform), pose
    return float(pose.translation[0])


def test_a_moving_frame_that_was_missed_is_waited_for_again() -> None:
    images = Images(timeout_s=2.0, named_frames=["hand = tool0"])
    images.hear("tool0", images.stamp_ns - PERIOD_NS, 1.0)
    images.transforms._timeout_s = 0.02
    assert "newer than the newest" in str(images.read("tool0").places["hand"])
    images.transforms._timeout_s = 2.0
    for _ in range(10):
        with images.late("tool0", 1.0):
            state = images.read("tool0")
        assert x_of(state.places["hand"]) == x_of(state.frames["tool0"]) == pytest.approx(1.0)
        assert images.waited_s < 2.0


def test_a_frame_that_nobody_knew_is_waited_for_once_it_is_heard_of() -> None:
    images = Images(timeout_s=2.0, named_frames=["hand = tool0"])
    images.transforms._timeout_s = 0.02
    assert "tf has no frame" in str(images.read().places["hand"])
    images.transforms._timeout_s = 2.0
    images.hear("tool0", images.stamp_ns, 0.5)
    with images.late("tool0", 0.5):
        assert x_of(images.read().places["hand"]) == pytest.approx(0.5)


@pytest.mark.parametrize("moving", [False, True])
def test_all_missing_frames_of_an_image_share_one_wait(moving: bool) -> None:
    images = Images(named_frames=[f"place {i} = place_{i}" for i in range(5)], tool_frame="tool0")
    views = [f"view_{i}" for i in range(20)]
    if moving:
        for frame in (*views, "tool0", *(f"place_{i}" for i in range(5))):
            images.hear(frame, images.stamp_ns - PERIOD_NS)
    state = images.read(*views)
    assert TIMEOUT_S <= images.waited_s < 3 * TIMEOUT_S
    assert len(state.frames) == 20 and len(state.places) == 5
    assert all(isinstance(pose, str) for pose in (*state.frames.values(), *state.places.values()))
    assert state.camera_from_tool is None and images.reader.problem is not None


def test_what_tf_never_heard_of_costs_one_wait_and_comes_back_by_itself() -> None:
    images = Images(tool_frame="tool0")
    images.read("moon_base")
    assert images.waited_s >= TIMEOUT_S
    for _ in range(3):
        state = images.read("moon_base")
        assert images.waited_s < TIMEOUT_S / 2 and isinstance(state.frames["moon_base"], str)
    images.hear("moon_base", x=2.0, static=True)
    images.hear("tool0", x=3.0, static=True)
    state = images.read("moon_base")
    assert x_of(state.frames["moon_base"]) == 2.0 and x_of(state.camera_from_tool) == 3.0
    assert images.reader.problem is None and images.waited_s < TIMEOUT_S / 2


def test_names_that_nobody_asks_for_any_more_are_forgotten() -> None:
    images = Images(timeout_s=0.0)
    for index in range(50):
        images.read(f"view_{index}")
    assert len(images.transforms._unknown) <= 2
    images.transforms._timeout_s = TIMEOUT_S
    images.read("view_0")
    assert images.waited_s >= TIMEOUT_S, "asked anew, waited for anew"


def test_a_stamp_before_the_oldest_transform_is_not_waited_for() -> None:
    images = Images()
    images.hear("tool0", images.stamp_ns + 10 * PERIOD_NS)
    assert "older than the oldest" in str(images.read("tool0").frames["tool0"])
    assert images.waited_s < TIMEOUT_S / 2
    with pytest.raises(ExtrapolationError, match="older"):
        images.transforms.lookup(CAMERA, "tool0")
    with pytest.raises(UnknownFrameError, match="nowhere"):
        images.transforms.lookup(CAMERA, "nowhere")


def test_the_problem_is_of_the_robots_own_frames_and_capsules_go_where_they_are() -> None:
    images = Images(timeout_s=0.02, robot_capsules=["link 0 0 0 0 0 0.1 0.05", "lost 0 0 0 0 0 1 0.1"], gravity_frame="base")
    images.hear("link", x=0.4, static=True)
    images.hear("base", x=1.0, static=True)
    state = images.read("moon_base")
    assert images.reader.problem is not None and "'lost'" in images.reader.problem
    assert [(capsule.start.tolist(), capsule.radius_m) for capsule in state.capsules] == [([0.4, 0.0, 0.0], 0.05)]
    assert state.up is not None and np.allclose(state.up, (0, 0, 1)) and state.up_problem == ""
    images.hear("lost", static=True)
    assert len(images.read("moon_base").capsules) == 2 and images.reader.problem is None


def test_a_view_may_be_named_as_things_are() -> None:
    """ "Seen from the robot" is seen from the frame that has this name; a name that has none is a frame's own."""
    images = Images(named_frames=["robot = base_link"])
    images.hear("base_link", static=True, x=0.5)
    state = images.read("robot", "base_link", "nowhere")
    for view in ("robot", "base_link"):
        pose = state.frames[view]
        assert isinstance(pose, RigidTransform) and pose.translation[0] == 0.5
    assert "nowhere" in str(state.frames["nowhere"])
