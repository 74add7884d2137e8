"""What tf says about the robot at an image's stamp: tool pose, capsules of its links, gravity, fixed frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..engine import RobotState
from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import TransformError
from ..language.names import plain_name
from ..perception.self_filter import Capsule
from ..scene.facts import Status
from .parameters import Param

ROBOT_PARAMS = (
    Param("tool_frame", "", "tf frame of the point between the finger tips; it is what 'gripper' means. Empty: no gripper."),
    Param("gravity_frame", "", "tf frame whose z axis points up (e.g. base_link). Empty: up is taken from the IMU or the plane."),
    Param("world_frame", "", "tf frame that does not move, for a moving camera. Empty: the camera is fixed."),
    Param(
        "output_frame",
        "",
        "tf frame of the points in facts; for rewards one that does not move. Empty: world_frame, and without one the camera's "
        "optical frame.",
    ),
    Param("tf_timeout_s", 0.1, "Longest wait for transforms at an image's stamp.", 0.0, 5.0),
    Param("named_frames", [""], "Names for the origins of tf frames: strings 'name = frame', e.g. 'robot = base_link'."),
    Param(
        "robot_capsules",
        [""],
        "Shape of the robot, kept out of the scene: strings 'frame x0 y0 z0 x1 y1 z1 radius', metres in the frame.",
    ),
)


class Parameters(Protocol):
    """Who knows the values of ROBOT_PARAMS: a ManagedNode, or a parameter file."""

    def param(self, name: str) -> Any: ...


class Transforms(Protocol):
    """Transforms at the stamp of an image: from tf, or from the tf of a bag."""

    def lookup(self, target: str, source: str) -> RigidTransform:
        """``target_from_source``. Raises TransformError."""
        ...


def output_frame(parameters: Parameters) -> str:
    """The tf frame of the points in facts; "" for the camera's own.

    In the frame of a camera that moves, a thing that lies still would seem to move, and its reward with it.
    """
    return str(parameters.param("output_frame") or parameters.param("world_frame"))


@dataclass(frozen=True)
class LinkCapsule:
    """A capsule fixed to a tf frame: ends (3,) in that frame, metres."""

    frame_id: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius_m: float

    @staticmethod
    def parse(text: str) -> LinkCapsule:
        """From 'frame x0 y0 z0 x1 y1 z1 radius'. Raises ValueError with the text."""
        words = text.split()
        try:
            numbers = [float(word) for word in words[1:]]
        except ValueError:
            numbers = []
        if len(numbers) != 7 or not all(map(math.isfinite, numbers)) or numbers[6] <= 0:
            raise ValueError(f"robot_capsules: '{text}' is not 'frame x0 y0 z0 x1 y1 z1 radius' in metres with a radius above 0")
        return LinkCapsule(words[0], (numbers[0], numbers[1], numbers[2]), (numbers[3], numbers[4], numbers[5]), numbers[6])


def _named_frame(text: str) -> tuple[str, str]:
    """(name, frame) of 'name = frame'. Raises ValueError with the text."""
    name, _, frame = (part.strip() for part in text.partition("="))
    if not name or not frame:
        raise ValueError(f"named_frames: '{text}' is not 'name = frame', e.g. 'robot = base_link'")
    return plain_name(name), frame


class RobotStateReader:
    """Owned by whoever knows ROBOT_PARAMS. Raises ValueError on a capsule or name it cannot read."""

    def __init__(self, parameters: Parameters, transforms: Transforms) -> None:
        self._transforms = transforms
        self._tool_frame = parameters.param("tool_frame")
        self._gravity_frame = parameters.param("gravity_frame")
        self._world_frame = parameters.param("world_frame")
        self._capsules = [LinkCapsule.parse(text) for text in parameters.param("robot_capsules") if text.strip()]
        own = self._capsules
        # Frames, the number of each capsule's, and the capsules' ends (K, 2, 3) in it: all are placed at once.
        self._frames = tuple(dict.fromkeys(capsule.frame_id for capsule in own))
        self._frame_of = np.array([self._frames.index(capsule.frame_id) for capsule in own], dtype=np.intp)
        self._ends = np.array([(capsule.start, capsule.end) for capsule in own], dtype=np.float64).reshape(-1, 2, 3)
        self._radii_m = [capsule.radius_m for capsule in own]
        self._places = dict(_named_frame(text) for text in parameters.param("named_frames") if text.strip())
        self.problem: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names for the origins of tf frames."""
        return tuple(self._places)

    def read(self, camera_frame: str, views: Iterable[str] = ()) -> RobotState:
        """The state at the stamp of the image that ``transforms`` has begun, with the frames that queries are seen from.

        What tf does not give is left out and said in ``problem``; it never raises.
        """
        own = (self._tool_frame, *(c.frame_id for c in self._capsules), self._gravity_frame, self._world_frame)
        # A view may be named as things are: "seen from the robot".
        seen_from = {view: self._places.get(plain_name(view), view) for view in views if view not in ("", "canonical")}
        wanted = dict.fromkeys(frame for frame in (*own, *seen_from.values(), *self._places.values()) if frame)
        poses = {frame: self._lookup(camera_frame, frame) for frame in wanted}
        self.problem = next((pose for frame in own if isinstance(pose := poses.get(frame), str)), None)
        tool, tool_error = _split(poses.get(self._tool_frame))
        status, text = Status.NOT_FOUND, "no gripper: set parameter tool_frame to the tf frame of the tool point"
        if tool_error is not None:
            status, text = Status.NO_TRANSFORM, f"gripper: {tool_error}"
        gravity, gravity_error = _split(poses.get(self._gravity_frame))
        world, _ = _split(poses.get(self._world_frame))
        return RobotState(
            camera_from_tool=tool,
            tool_status=status,
            tool_text=text,
            capsules=self._place_capsules(poses),
            up=None if gravity is None else gravity.rotation[:, 2],
            up_problem="" if gravity_error is None else f"gravity_frame: {gravity_error}",
            world_from_camera=RigidTransform.identity() if world is None else world.inverse(),
            frames={view: poses[frame] for view, frame in seen_from.items()},
            places={name: poses[frame] for name, frame in self._places.items()},
        )

    def _lookup(self, camera_frame: str, frame: str) -> RigidTransform | str:
        """Pose of a frame in the camera's, or why it is not known."""
        try:
            return self._transforms.lookup(camera_frame, frame)
        except TransformError as error:
            return str(error)

    def _place_capsules(self, poses: Mapping[str, RigidTransform | str]) -> list[Capsule]:
        found = [pose if isinstance(pose := poses[frame], RigidTransform) else None for frame in self._frames]
        if not any(found):
            return []
        nowhere = RigidTransform.identity()
        turned = np.array([(pose or nowhere).rotation for pose in found])[self._frame_of]
        moved = np.array([(pose or nowhere).translation for pose in found])[self._frame_of]
        ends = self._ends @ turned.transpose(0, 2, 1) + moved[:, None]
        capsules = [Capsule(start, end, radius_m) for (start, end), radius_m in zip(ends, self._radii_m, strict=True)]
        if all(found):
            return capsules
        return [capsule for capsule, number in zip(capsules, self._frame_of, strict=True) if found[number] is not None]


def _split(pose: RigidTransform | str | None) -> tuple[RigidTransform | None, str | None]:
    """(pose, None), (None, why there is none), or (None, None) for a frame that is not set."""
    return (None, pose) if isinstance(pose, str) else (pose, None)
