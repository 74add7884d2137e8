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
from .language.sentences import fact_sentence
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
from .scene.relations import RELATIONS, Relation
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
    """What tf says at the image's stamp. All poses in the camera's optical frame.

    Attributes:
        camera_from_tool: pose of the tool point, or None with ``tool_status`` and ``tool_text`` saying why.
        capsules: shape of the robot, to be kept out of the scene.
        up: (3,) unit vector against gravity, or None when tf does not give one.
        world_from_camera: pose of the camera in a frame that does not move; identity for a fixed camera.
    """

    camera_from_tool: RigidTransform | None = None
    tool_status: Status = Status.NOT_FOUND
    tool_text: str = "no gripper: set tool_frame to the tf frame of the tool point"
    capsules: Sequence[Capsule] = ()
    up: FloatArray | None = None
    world_from_camera: RigidTransform = field(default_factory=RigidTransform.identity)


class SpatialEngine:
    """Images in order of time in, scenes and facts out. Not thread-safe."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self._segmenter = TabletopSegmenter(self.config.segment)
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
        canonical = _canonical(segmentation, plane, robot.up)
        seen, regions, appearances = self._measure_all(frame, segmentation, canonical, plane)
        camera_from_tool = robot.camera_from_tool
        world_from_tool = None if camera_from_tool is None else robot.world_from_camera @ camera_from_tool
        seen, hidden = self._memory.update(seen, frame, robot.world_from_camera, world_from_tool, mask)
        tool = self._tool(robot, frame.stamp_ns)
        bindings = {name: self._bind(name, seen, hidden, appearances, tool, robot) for name in dict.fromkeys(names)}
        return Scene(
            stamp_ns=frame.stamp_ns, frame_id=frame.frame_id,
            objects=(*seen, *hidden, *([tool] if tool is not None else [])),
            canonical=canonical, canonical_reason=segmentation.reason, support_plane=plane,
            depth_coverage=float(np.count_nonzero(frame.valid) / frame.valid.size),
            bindings=bindings, labels=_label_image(frame, segmentation, regions, seen),
        )  # fmt: skip

    def _measure_all(
        self, frame: RGBDFrame, segmentation: TabletopSegmentation, canonical: Canonical | None, plane: FloatArray
    ) -> tuple[list[SceneObject], list[Region], list[Appearance]]:
        """Measured things with the regions and appearances they come from, index by index: what fails goes from all three."""
        measured = [
            (thing, region)
            for region in segmentation.regions
            if (thing := measure_region(frame, region, canonical, plane, self.config.noise, self.config.measure)) is not None
        ]
        regions = [region for _, region in measured]
        appearances = self._appearances.describe(frame, regions, segmentation.plane)
        things = [replace(thing, label=look.label()) for (thing, _), look in zip(measured, appearances, strict=True)]
        return things, regions, appearances

    def _tool(self, robot: RobotState, stamp_ns: int) -> SceneObject | None:
        pose = robot.camera_from_tool
        if pose is None:
            return None
        return SceneObject(
            id=TOOL_ID, label=self.config.tool_names[0], score=1.0, centre=pose.translation,
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
    ) -> Binding:
        """What a name stands for: the tool, a number ("#3"), or words.

        A thing that bore the name and is hidden keeps it: a look-alike must not inherit it.
        """
        if _plain(name) in self.config.tool_names:
            if tool is not None:
                return Binding(Status.OK, tool)
            return Binding(robot.tool_status, text=robot.tool_text)
        if name.startswith("#"):
            return _by_number(name, [*seen, *hidden])
        prior_id = self._ids_by_name.get(name)
        prior_index = next((index for index, thing in enumerate(seen) if thing.id == prior_id), None)
        found = match(name, appearances, prior_index)
        if prior_index is None:
            held_back = next((thing for thing in hidden if thing.id == prior_id), None)
            if held_back is not None:
                return Binding(held_back.status, replace(held_back, label=name))
        if found.status is not Status.OK:
            return Binding(found.status, text=found.text)
        thing = seen[found.index]
        self._ids_by_name[name] = thing.id
        return Binding(Status.OK, replace(thing, label=name, score=float(found.score)))

    # -- facts ----------------------------------------------------------------------------------------------------------

    def facts(
        self, scene: Scene, queries: Iterable[Query], output: tuple[str, RigidTransform] | None = None
    ) -> list[SpatialFact]:
        """One fact a query, in order. ``output`` is (frame name, output_from_scene) for the facts' points."""
        return [measure_query(scene, query, output) for query in queries]


def check_query(query: Query) -> str | None:
    """What is wrong with a query, as a sentence, or None."""
    relation = RELATIONS.get(query.relation)
    if relation is None:
        return f"unknown relation '{query.relation}'; known are {', '.join(RELATIONS)}"
    if not query.subject:
        return f"relation '{query.relation}' needs a subject, e.g. 'red block'"
    if relation.arity == 2 and not query.object:
        return f"relation '{query.relation}' relates two things; the object's name is empty"
    if relation.arity == 2 and _plain(query.subject) == _plain(query.object):
        return f"relation '{query.relation}' relates two things; both names are '{query.subject}'"
    if relation.arity == 1 and query.object:
        return f"relation '{query.relation}' is about one thing; leave the object empty (got '{query.object}')"
    return None


def measure_query(scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None) -> SpatialFact:
    """The fact that answers a query on a scene: a number, or a status and a sentence that say why there is none."""
    frame_id = scene.frame_id if output is None else output[0]
    unit = RELATIONS[query.relation].unit if query.relation in RELATIONS else ""
    empty = SpatialFact(query, Status.BAD_QUERY, Source.UNKNOWN, scene.stamp_ns, frame_id, unit=unit)
    if (problem := check_query(query)) is not None:
        return replace(empty, text=problem)
    relation = RELATIONS[query.relation]
    names = [query.subject, query.object][: relation.arity]
    bindings = [scene.find(name) for name in names]
    for binding in bindings:
        if binding.thing is None:
            return replace(empty, status=binding.status, text=binding.text)
    if len({binding.thing.id for binding in bindings if binding.thing is not None}) < len(bindings):
        text = f"'{query.subject}' and '{query.object}' cannot be told apart: one thing on the image answers to both"
        return replace(empty, status=Status.AMBIGUOUS, text=text)
    if relation.needs_extent:
        for name, binding in zip(names, bindings, strict=True):
            if binding.thing is not None and not binding.thing.extents.any():
                return replace(empty, status=Status.NO_DEPTH, text=f"the {_plain(name)} is known as a point, without a size")
    if relation.needs_canonical and scene.canonical is None:
        text = f"'{relation.name}' needs the up direction, which is not known: {scene.canonical_reason}"
        return replace(empty, status=Status.NOT_CANONICAL, text=text)
    things = [binding.thing for binding in bindings if binding.thing is not None]
    return _measured(scene, relation, empty, things, None if output is None else output[1])


def _measured(
    scene: Scene,
    relation: Relation,
    empty: SpatialFact,
    things: list[SceneObject],
    output_from_scene: RigidTransform | None,
) -> SpatialFact:
    measured = relation.measure(scene, *things)
    if not math.isfinite(measured.value):
        return replace(empty, status=Status.NO_DEPTH, text=f"'{relation.name}' cannot be measured: no support plane is known")
    points = [measured.subject_point, measured.object_point]
    if output_from_scene is not None:
        points = [output_from_scene.apply(point) for point in points]
    status = max((thing.status for thing in things), key=_SEVERITY.__getitem__)
    source = Source.TF if all(thing.source is Source.TF for thing in things) else Source.DEPTH
    fact = replace(
        empty, status=status, source=source, value=measured.value, std=measured.std,
        subject_point=points[0], object_point=points[1],
    )  # fmt: skip
    return replace(fact, text=fact_sentence(fact, relation.sentence, relation.sides))


_SEVERITY: Mapping[Status, int] = {Status.OK: 0, Status.OCCLUDED: 1, Status.STALE: 2}


def _by_number(name: str, things: list[SceneObject]) -> Binding:
    """The thing of an id, for names like "#3"."""
    thing = next((thing for thing in things if f"#{thing.id}" == name), None)
    if thing is None:
        return Binding(Status.NOT_FOUND, text=f"no thing has number {name}; there are " + ", ".join(f"#{t.id}" for t in things))
    return Binding(thing.status, replace(thing, label=name))


def _plain(name: str) -> str:
    words = name.lower().split()
    return " ".join(words[1:] if words and words[0] in ("the", "a", "an") else words)


def _canonical(segmentation: TabletopSegmentation, plane: FloatArray, up: FloatArray | None) -> Canonical | None:
    found = segmentation.plane
    if up is not None:
        # Gravity through tf: as good as the extrinsics, for which 0.5 degree is a careful calibration.
        return canonical_from_up(up, plane if found is not None else None, math.radians(0.5), "tf")
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
