"""The one object that both edges drive: frame and names in, scene out; scene and queries in, facts out.

The live node and the bag tools feed it the same arrays and get the same numbers. It holds the only state there is between
images (the memory of things), and knows nothing of ROS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .geometry.rigid import FloatArray, RigidTransform
from .language.answers import measure_query
from .language.names import plain_name
from .perception.appearance import Appearance
from .perception.appearance_cache import AppearanceCache
from .perception.names import match
from .perception.self_filter import Capsule, robot_mask
from .perception.tabletop import TabletopConfig, TabletopSegmentation, TabletopSegmenter
from .scene.canonical import canonical_from_up
from .scene.facts import Query, Source, SpatialFact, Status
from .scene.frame import BoolArray, Region, RGBDFrame
from .scene.measure import MeasureConfig, measure_region
from .scene.memory import MemoryConfig, ObjectMemory
from .scene.noise import DepthNoise
from .scene.scene import Binding, Canonical, Scene, SceneObject

TOOL_ID = 0


@dataclass(frozen=True)
class EngineConfig:
    """Everything that changes the engine's numbers."""

    noise: DepthNoise = field(default_factory=DepthNoise)
    segment: TabletopConfig = field(default_factory=TabletopConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    tool_names: tuple[str, ...] = ("gripper", "hand", "robot gripper", "end effector")
    tool_std_m: float = 0.002


@dataclass(frozen=True)
class RobotState:
    """What tf and the IMU say at the image's stamp. All poses in the camera's optical frame.

    Attributes:
        camera_from_tool: pose of the tool point, or None with ``tool_status`` and ``tool_text`` saying why.
        capsules: shape of the robot, to be kept out of the scene.
        up: (3,) vector against gravity, of any length, or None when neither gives one.
        up_source: where ``up`` comes from, "tf" or "imu".
        up_std_rad: one standard deviation of its tilt. tf is as good as the extrinsics: 0.5 degree is a careful calibration.
        up_problem: why there is no ``up`` although one was asked for. The scene then has no canonical frame: a plane's normal in
            its stead would be another source from one image to the next.

    Raises:
        ValueError: for an ``up`` without a direction, its deviation not above 0, or a pose that is not finite.
        world_from_camera: pose of the camera in a frame that does not move; identity for a fixed camera.
        frames: pose of each tf frame that a query may be seen from, or the reason why it is not known.
        places: the same for names that stand for the origin of a tf frame ("robot").
    """

    camera_from_tool: RigidTransform | None = None
    tool_status: Status = Status.NOT_FOUND
    tool_text: str = "no gripper: set tool_frame to the tf frame of the tool point"
    capsules: Sequence[Capsule] = ()
    up: FloatArray | None = None
    up_source: str = "tf"
    up_std_rad: float = math.radians(0.5)
    up_problem: str = ""
    world_from_camera: RigidTransform = field(default_factory=RigidTransform.identity)
    frames: Mapping[str, RigidTransform | str] = field(default_factory=dict)
    places: Mapping[str, RigidTransform | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.up is not None:
            up = np.asarray(self.up, dtype=np.float64)
            if up.shape != (3,) or not np.isfinite(up).all() or np.linalg.norm(up) < 1e-9:
                raise ValueError(f"up is {up.tolist()}, expected three finite numbers with a length above 0")
        if not (math.isfinite(self.up_std_rad) and self.up_std_rad > 0):
            raise ValueError(f"up_std_rad is {self.up_std_rad}, expected a finite number above 0")
        poses = {"camera_from_tool": self.camera_from_tool, "world_from_camera": self.world_from_camera}
        for name, pose in {**poses, **self.frames, **self.places}.items():
            if isinstance(pose, RigidTransform) and not np.isfinite(pose.matrix()).all():
                raise ValueError(f"{name} is not a pose of finite numbers: {pose.matrix().tolist()}")
        for capsule in self.capsules:
            if not np.isfinite([*capsule.start, *capsule.end, capsule.radius_m]).all():
                raise ValueError(f"a capsule of the robot is not finite: {capsule}")


class SpatialEngine:
    """Images in order of time in, scenes and facts out. Not thread-safe."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self._segmenter = TabletopSegmenter(replace(self.config.segment, noise=self.config.noise))
        self._memory = ObjectMemory(self.config.memory)
        self._appearances = AppearanceCache()
        self._ids_by_name: dict[str, int] = {}

    def reset(self) -> None:
        """Forget all things, as after a jump of time or a new episode."""
        self._memory.clear()
        self._appearances.clear()
        self._ids_by_name.clear()

    # -- scene ----------------------------------------------------------------------------------------------------------

    def observe(self, frame: RGBDFrame, names: Iterable[str], robot: RobotState | None = None) -> Scene:
        """Everything on one image, and what each name stands for. Never raises on what an image may hold."""
        robot = robot or RobotState()
        mask = robot_mask(frame, robot.capsules) if robot.capsules else None
        segmentation = self._segmenter.segment(frame, up=robot.up, ignore=mask)
        plane = np.full(4, np.nan)
        if segmentation.plane is not None:
            plane = segmentation.plane.coefficients
        if robot.up_problem:
            plane = np.full(4, np.nan)
        canonical = _canonical(segmentation, plane, robot)
        seen, regions, appearances = self._measure_all(frame, segmentation, canonical, plane, mask)
        camera_from_tool = robot.camera_from_tool
        world_from_tool = None if camera_from_tool is None else robot.world_from_camera @ camera_from_tool
        seen, hidden = self._memory.update(seen, frame, robot.world_from_camera, world_from_tool, mask)
        tool = self._tool(robot, frame.stamp_ns)
        looked = segmentation.plane is not None
        bound = {
            name: self._bind(name, seen, hidden, appearances, tool, robot, frame.stamp_ns, looked)
            for name in dict.fromkeys(names)
        }
        return Scene(
            stamp_ns=frame.stamp_ns, frame_id=frame.frame_id,
            objects=(*seen, *hidden, *([tool] if tool is not None else [])),
            canonical=canonical, canonical_reason=robot.up_problem or segmentation.reason, support_plane=plane,
            depth_coverage=float(np.count_nonzero(frame.valid) / frame.valid.size),
            bindings=bound, labels=_label_image(frame, segmentation, regions, seen),
            views=robot.frames, scale_std=self.config.noise.scale, frame=frame, robot=mask,
        )  # fmt: skip

    def _measure_all(
        self,
        frame: RGBDFrame,
        segmentation: TabletopSegmentation,
        canonical: Canonical | None,
        plane: FloatArray,
        robot: BoolArray | None,
    ) -> tuple[list[SceneObject], list[Region], list[Appearance]]:
        """Measured things with the regions and appearances they come from, index by index: what fails goes from all three."""
        noise, config = self.config.noise, self.config.measure
        candidates = (
            (measure_region(frame, region, canonical, plane, noise, config, robot=robot), region)
            for region in segmentation.regions
        )
        measured = [(thing, region) for thing, region in candidates if thing is not None]
        regions = [region for _, region in measured]
        appearances = self._appearances.describe(frame, regions, segmentation.plane)
        things = [replace(thing, label=look.label()) for (thing, _), look in zip(measured, appearances, strict=True)]
        return things, regions, appearances

    def _tool(self, robot: RobotState, stamp_ns: int) -> SceneObject | None:
        pose = robot.camera_from_tool
        return None if pose is None else self._point(TOOL_ID, self.config.tool_names[0], pose, stamp_ns)

    def _point(self, thing_id: int, label: str, pose: RigidTransform, stamp_ns: int) -> SceneObject:
        """The origin of a tf frame as a thing without a size."""
        return SceneObject(
            id=thing_id, label=label, score=1.0, centre=pose.translation,
            covariance=self.config.tool_std_m**2 * np.eye(3), axes=pose.rotation, extents=np.zeros(3),
            extents_std=np.zeros(3), surface_point=np.full(3, np.nan), points=np.empty((0, 3), np.float32),
            point_std_m=0.0, visible_share=math.nan, truncated=False, num_points=0, last_seen_ns=stamp_ns,
            source=Source.TF, status=Status.OK,
        )  # fmt: skip

    def _bind(
        self,
        name: str,
        seen: list[SceneObject],
        hidden: list[SceneObject],
        appearances: list[Appearance],
        tool: SceneObject | None,
        robot: RobotState,
        stamp_ns: int,
        looked: bool,
    ) -> Binding:
        """What a name stands for: the tool, a named tf frame, a number ("#3"), or words."""
        if plain_name(name) in self.config.tool_names:
            if tool is not None:
                return Binding(Status.OK, tool)
            return Binding(robot.tool_status, text=robot.tool_text)
        if (place := robot.places.get(plain_name(name))) is not None:
            if isinstance(place, str):
                return Binding(Status.NO_TRANSFORM, text=place)
            # Below the tool's, one for each, so that two places are two things.
            place_id = -1 - list(robot.places).index(plain_name(name))
            return Binding(Status.OK, self._point(place_id, name, place, stamp_ns))
        if name.startswith("#"):
            return _by_number(name, [*seen, *hidden])
        return self._bind_words(name, seen, hidden, appearances, looked)

    def _bind_words(
        self, name: str, seen: list[SceneObject], hidden: list[SceneObject], appearances: list[Appearance], looked: bool
    ) -> Binding:
        """The one thing that a description means, and all that answer to it when things were ``looked`` for at all.

        A thing that bore the name and is hidden keeps it: a look-alike must not inherit it.
        """
        prior_id = self._ids_by_name.get(name)
        prior_index = next((index for index, thing in enumerate(seen) if thing.id == prior_id), None)
        found = match(name, appearances, prior_index)
        answering = tuple(seen[index] for index in found.rivals) if found.understood and looked else None
        if prior_index is None:
            held_back = next((thing for thing in hidden if thing.id == prior_id), None)
            if held_back is not None:
                return Binding(held_back.status, replace(held_back, label=name), answering=answering)
        if found.status is not Status.OK:
            return Binding(found.status, text=found.text, answering=answering)
        thing = seen[found.index]
        self._ids_by_name[name] = thing.id
        return Binding(Status.OK, replace(thing, label=name, score=float(found.score)), answering=answering)

    # -- facts ----------------------------------------------------------------------------------------------------------

    def facts(
        self, scene: Scene, queries: Iterable[Query], output: tuple[str, RigidTransform] | None = None
    ) -> list[SpatialFact]:
        """One fact a query, in order. ``output`` is (frame name, output_from_scene) for the facts' points."""
        return [measure_query(scene, query, output) for query in queries]


def _by_number(name: str, things: list[SceneObject]) -> Binding:
    """The thing of an id, for names like "#3"."""
    thing = next((thing for thing in things if f"#{thing.id}" == name), None)
    if thing is None:
        return Binding(Status.NOT_FOUND, text=f"no thing has number {name}; there are " + ", ".join(f"#{t.id}" for t in things))
    return Binding(thing.status, replace(thing, label=name))


def _canonical(segmentation: TabletopSegmentation, plane: FloatArray, robot: RobotState) -> Canonical | None:
    found = segmentation.plane
    if robot.up_problem:
        return None
    if robot.up is not None:
        return canonical_from_up(robot.up, plane if found is not None else None, robot.up_std_rad, robot.up_source)
    if found is None:
        return None
    return canonical_from_up(found.normal, plane, found.tilt_std_rad, "plane")


def _label_image(
    frame: RGBDFrame, segmentation: TabletopSegmentation, regions: list[Region], seen: list[SceneObject]
) -> np.ndarray:
    """(H, W) int32: object id, -1 support plane, 0 neither."""
    labels = np.zeros(frame.depth_m.shape, np.int32)
    if segmentation.plane is not None:
        inliers: BoolArray = segmentation.plane.inliers
        labels[inliers] = -1
    for region, thing in zip(regions, seen, strict=True):
        labels[region.mask] = thing.id
    return labels
