"""The table from one image to the next: it stays where it was when a robot or a hand comes, goes or hides what stood on it."""

from __future__ import annotations

from ..geometry.plane import Plane
from ..scene.frame import RGBDFrame
from ..scene.measure import MeasureConfig
from .robot_state import RobotState
from .sighting import Sighting, sight
from .tabletop import TabletopConfig

# A table that was not seen for so long is looked for anew.
_FORGET_NS = 10_000_000_000


class KnownSupport:
    """Of one stream of images: where its support plane was when an image showed it last. Arguments as ``sight`` takes them."""

    def __init__(self, segment: TabletopConfig, measure: MeasureConfig) -> None:
        self._segment, self._measure = segment, measure
        self.clear()

    def clear(self) -> None:
        """Forget it, as after a jump of time."""
        self._in_world: Plane | None = None
        self._stamp_ns = 0

    def sighted(self, frame: RGBDFrame, robot: RobotState, sighting: Sighting) -> Sighting:
        """What an image shows, given what it shows by itself: the same where that has a support plane.

        What tells a table from the floor under it, things on it or a hand above it, comes and goes; the table does not. Where
        the image shows a level surface in the very place it is the table still.
        """
        if not self._stamp_ns <= frame.stamp_ns <= self._stamp_ns + _FORGET_NS:
            self.clear()
        pose = robot.world_from_camera
        if sighting.segmentation.plane is None and self._in_world is not None and not robot.up_problem:
            again = sight(frame, robot, self._segment, self._measure, self._in_world.moved(pose.inverse()))
            sighting = sighting if again.segmentation.plane is None else again
        if sighting.segmentation.plane is not None:
            self._in_world, self._stamp_ns = sighting.segmentation.plane.plane.moved(pose), frame.stamp_ns
        return sighting
