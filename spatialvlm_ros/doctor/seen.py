"""What was seen and heard of a running graph in some seconds, for ``judge`` to judge. Knows no ROS."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..scene.frame import RGBDFrame


@dataclass
class Topic:
    """One topic that is listened to.

    Attributes:
        kind: the message type that is expected, as "sensor_msgs/msg/Image".
        kinds: those that somebody publishes.
        publishers: names of the nodes that publish it.
        misfits: for each publisher whose quality of service does not fit, why.
        arrivals_s: monotonic times; stamps_ns: the headers', of the same messages.
        ages_s: ROS time of arrival minus the stamp, where the clock is known.
    """

    name: str
    kind: str
    kinds: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    arrivals_s: list[float] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    encodings: Counter[str] = field(default_factory=Counter)


@dataclass
class FrameLooked:
    """How a tf frame of the robot's file was found at the stamps of the images."""

    parameter: str
    found: int = 0
    problem: str = ""
    missed: int = 0
    # Stamps of each edge on its way to the camera that moves.
    edges: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class Seen:
    """Everything. ``problems`` counts why pairs of images could not be used; ``frame`` is the last one that could."""

    seconds: float
    color: Topic
    depth: Topic
    info: Topic
    tf: Topic
    tf_static: Topic
    use_sim_time: bool
    clock_messages: int = 0
    clock_publishers: int = 0
    slop_s: float = 0.02
    pairs: int = 0
    spreads_s: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    frame: RGBDFrame | None = None
    coverages: list[float] = field(default_factory=list)
    info_message: Any = None
    depth_in_metres: bool = False
    rectified: bool = False
    frames: dict[str, FrameLooked] = field(default_factory=dict)
    imu_problem: str | None = None
    imu_topic: str = ""
    known_frames: tuple[str, ...] = ()
    image_topics: tuple[str, ...] = ()
    fitting_presets: tuple[str, ...] = ()
