"""The table from one image to the next: it stays where it was when a robot or a hand comes, goes or hides what stood on it."""

from __future__ import annotations

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray, RigidTransform
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
        self._normal: FloatArray | None = None
        self._offset_m, self._stamp_ns = 0.0, 0

    def sighted(self, frame: RGBDFrame, robot: RobotState, sighting: Sighting) -> Sighting:
        """What an image shows, given what it shows by itself: the same where that has a support plane.

        What tells a table from the floor under it, things on it or a hand above it, comes and goes; the table does not. Where
        the image shows a level surface in the very place it is the table still.
        """
        if not self._stamp_ns <= frame.stamp_ns <= self._stamp_ns + _FORGET_NS:
            self.clear()
        if sighting.segmentation.plane is None and self._normal is not None and not robot.up_problem:
            again = sight(frame, robot, self._segment, self._measure, self._in(robot.world_from_camera, self._normal))
            sighting = sighting if again.segmentation.plane is None else again
        if sighting.segmentation.plane is not None:
            plane, pose = sighting.segmentation.plane.plane, robot.world_from_camera
            self._normal = pose.rotation @ plane.normal
            self._offset_m = plane.offset_m - float(self._normal @ pose.translation)
            self._stamp_ns = frame.stamp_ns
        return sighting

    def _in(self, world_from_camera: RigidTransform, normal: FloatArray) -> Plane:
        """The plane in the optical frame of a camera."""
        offset_m = self._offset_m + float(normal @ world_from_camera.translation)
        return Plane(world_from_camera.rotation.T @ normal, offset_m)
