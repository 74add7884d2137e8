"""What robots publish as lists of numbers, joint states and commands, at the stamps of images.

What never changes: a value is the newest one whose stamp is not after the image's; nothing is interpolated or guessed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from .bag_reader import BagError, BagReader

JOINT_STATE = "sensor_msgs/msg/JointState"
COMMAND_TYPES = (
    JOINT_STATE,
    "trajectory_msgs/msg/JointTrajectory",
    "std_msgs/msg/Float64MultiArray",
    "std_msgs/msg/Float32MultiArray",
    "std_msgs/msg/Float64",
    "geometry_msgs/msg/Twist",
    "geometry_msgs/msg/TwistStamped",
    "geometry_msgs/msg/PoseStamped",
)
# An image waits about a second for its transforms; this is several seconds at 500 Hz.
_KEPT = 4096

Stamped = tuple[int, float]
"""Stamp in nanoseconds and value."""
Values = Mapping[str, Stamped]
"""By name (joint, or part of a command), in the order in which the names were first heard."""


class VectorMemory:
    """The last values of each name. ``is_command``: of a JointState without positions, velocities or efforts count."""

    def __init__(self, is_command: bool = False) -> None:
        self._is_command = is_command
        self._stamps: dict[str, list[int]] = {}
        self._values: dict[str, list[float]] = {}

    def add(self, message: Any, stamp_ns: int) -> None:
        """A message of COMMAND_TYPES. Raises ValueError for one that holds no numbers."""
        found = list(_entries(message, self._is_command))
        if not found:
            raise ValueError(f"a message of type {type(message).__name__} holds no numbers")
        for name, value in found:
            if not math.isfinite(value):
                raise ValueError(f"'{name}' is {value}")
        for name, value in found:
            stamps, values = self._stamps.setdefault(name, []), self._values.setdefault(name, [])
            place = bisect_right(stamps, stamp_ns)
            stamps.insert(place, stamp_ns)
            values.insert(place, value)
            if len(stamps) > _KEPT:
                del stamps[: _KEPT // 2], values[: _KEPT // 2]

    def at(self, stamp_ns: int) -> dict[str, Stamped]:
        """The newest value of each name that is not after a stamp."""
        found = {}
        for name, stamps in self._stamps.items():
            place = bisect_right(stamps, stamp_ns) - 1
            if place >= 0:
                found[name] = (stamps[place], self._values[name][place])
        return found

    def clear(self) -> None:
        """After a jump of time."""
        self._stamps.clear()
        self._values.clear()


def _entries(message: Any, is_command: bool) -> Iterator[tuple[str, float]]:
    """Names and numbers of a message."""
    if hasattr(message, "position") and hasattr(message, "name"):
        kinds = ("position", "velocity", "effort") if is_command else ("position",)
        numbers = next((getattr(message, kind) for kind in kinds if len(getattr(message, kind))), ())
        yield from _paired(message.name, numbers)
    elif hasattr(message, "joint_names"):
        if len(message.points):
            yield from _paired(message.joint_names, message.points[-1].positions)
    elif hasattr(message, "twist") or hasattr(message, "linear"):
        twist = getattr(message, "twist", message)
        for part, vector in (("linear", twist.linear), ("angular", twist.angular)):
            yield from ((f"{part}.{axis}", float(getattr(vector, axis))) for axis in "xyz")
    elif hasattr(message, "pose"):
        position, orientation = message.pose.position, message.pose.orientation
        yield from ((f"{axis}_m", float(getattr(position, axis))) for axis in "xyz")
        yield from ((f"q{axis}", float(getattr(orientation, axis))) for axis in "xyzw")
    elif hasattr(message, "data"):
        data = message.data
        numbers = [float(data)] if isinstance(data, float | int) else [float(value) for value in data]
        yield from ((f"command_{index}", value) for index, value in enumerate(numbers))


def _paired(names: Any, numbers: Any) -> Iterator[tuple[str, float]]:
    if len(names) != len(numbers):
        raise ValueError(f"it names {len(names)} joints but holds {len(numbers)} numbers")
    yield from ((str(name), float(number)) for name, number in zip(names, numbers, strict=True))


def joint_topic(path: Any, reader: BagReader, named: str) -> str:
    """The topic of joint states: the named one, else the only one, else the one called joint_states; "" for none.

    Raises BagError for a named one that is not there or is of another type, and for several of which none is called so.
    """
    topics = reader.topics()
    if named:
        return _named(path, topics, named, (JOINT_STATE,), "--joint-topic")
    found = reader.topics_of(JOINT_STATE)
    best = [topic for topic in found if topic.rsplit("/", 1)[-1] == "joint_states"] or found
    if len(best) > 1:
        raise BagError(f"{path} has several topics of joint states ({', '.join(best)}); say which one by --joint-topic")
    return best[0] if best else ""


def command_topic(path: Any, reader: BagReader, named: str) -> str:
    """The topic of commands, which nothing tells from others unless it is named; "" for none. Raises BagError as above."""
    return _named(path, reader.topics(), named, COMMAND_TYPES, "--action-topic") if named else ""


def _named(path: Any, topics: Mapping[str, str], named: str, types: tuple[str, ...], option: str) -> str:
    if named not in topics:
        listed = ", ".join(sorted(topics))
        raise BagError(f"{path} has no topic {named} ({option}); it holds {listed}")
    if topics[named] not in types:
        raise BagError(f"{path}: {named} ({option}) is of type {topics[named]}; use a topic of {' or '.join(types)}")
    return named
