"""The one object that both edges drive: frame and names in, scene out; scene and queries in, facts out.

The live node and the bag tools feed it the same arrays and get the same numbers. It holds the only state there is between
images (the memory of things and of the table), and knows nothing of ROS. A vision-language model, where there is one, says which
thing a name means and adds its own number to the answers of questions; without one words do, and nothing else changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from .geometry.camera import CameraModel
from .geometry.rigid import RigidTransform
from .language.answers import RepeatedFacts, measure_with_error
from .language.names import plain_name
from .perception.appearance import Appearance
from .perception.appearance_cache import AppearanceCache
from .perception.focus import Focus, Glance
from .perception.known_support import KnownSupport
from .perception.named_parts import part_by_names
from .perception.names import match, parse
from .perception.robot_state import RobotState
from .perception.sighting import LabelImages, Sighting, sight, sight_part, with_wholes
from .perception.tabletop import TabletopConfig
from .reasoning.model_facts import Said, with_model
from .reasoning.supposed import Meant, Supposed, nothing_meant, nothing_parted, suppose, supposing
from .scene.facts import Query, Source, SpatialFact, Status
from .scene.frame import Region, RGBDFrame
from .scene.measure import MeasureConfig, measure_region
from .scene.memory import MemoryConfig, ObjectMemory
from .scene.noise import DepthNoise
from .scene.relation import Measurement
from .scene.scene import Binding, Scene, SceneObject, bind_by_number, not_looked_for
from .vlm.interface import SpatialVlm, View
from .vlm.judge import NameJudge, NamingConfig
from .vlm.model_names import ModelNames, shown
from .vlm.naming import bind_by_judgement
from .vlm.scene_answers import SceneAnswers

TOOL_ID = 0

__all__ = ["TOOL_ID", "EngineConfig", "RobotState", "SpatialEngine", "warm_up"]


@dataclass(frozen=True)
class EngineConfig:
    """Everything that changes the engine's numbers.

    ``focus_s``: where only named things count, images between whole ones, so many seconds apart, are looked at where these
    are (perception/focus.py), and up to four times as long where nothing but the robot and they move; 0 takes every image whole.
    """

    noise: DepthNoise = field(default_factory=DepthNoise)
    segment: TabletopConfig = field(default_factory=TabletopConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    tool_names: tuple[str, ...] = ("gripper", "hand", "robot gripper", "robot hand", "end effector", "gripper fingers")
    tool_std_m: float = 0.002
    naming: NamingConfig = field(default_factory=NamingConfig)
    focus_s: float = 0.0


class SpatialEngine:
    """Images in order of time in, scenes and facts out. Not thread-safe.

    Args:
        vlm: says which thing a name means; None leaves that to words. The engine does not close it.
    """

    def __init__(self, config: EngineConfig | None = None, vlm: SpatialVlm | None = None) -> None:
        self.config = config or EngineConfig()
        self.vlm = vlm
        self._judge = None if vlm is None else NameJudge(vlm, self.config.naming)
        names = None if self._judge is None or not self._judge.vlm.grounds else ModelNames(self._judge, self.config.measure)
        self._model_names, self._parted = names, nothing_parted if names is None else names.parts
        self._answers = None if self._judge is None else SceneAnswers(self._judge, self.config.tool_names)
        both = None if vlm is None else with_model(self._said, joined=vlm.joined_verdict, reads_depth=vlm.reads_depth)
        self._meant: Meant = nothing_meant if self._judge is None else self._judge.meant
        self._measure = measure_with_error if both is None else supposing(both, self._meant, self._parted)
        self._segment = replace(self.config.segment, noise=self.config.noise)
        self._memory = ObjectMemory(self.config.memory)
        self._appearances, self._labels, self._facts = AppearanceCache(), LabelImages(), RepeatedFacts()
        self._support = KnownSupport(self._segment, self.config.measure)
        # A model looks at whole images.
        self._focus = Focus(self.config.focus_s, self._segment) if vlm is None and self.config.focus_s > 0 else None
        self._ids_by_name: dict[str, int] = {}
        self._words: list[str] = []

    def reset(self) -> None:
        """Forget all things, as after a jump of time or a new episode."""
        for memory in (self._memory, self._appearances, self._support):
            memory.clear()
        self._ids_by_name.clear()
        if self._focus is not None:
            self._focus.clear()
        if self._model_names is not None:
            self._model_names.clear()
        if self._answers is not None and not self.config.naming.own_pace:
            self._answers.clear()

    # -- scene ----------------------------------------------------------------------------------------------------------

    def observe(
        self, frame: RGBDFrame, names: Iterable[str], robot: RobotState | None = None, *, only_named: bool = False
    ) -> Scene:
        """Everything on one image, and what each name stands for. Never raises on what an image may hold.

        ``only_named``: what is asked of the scene is about the things of these names alone (see ``focus.needs_all``), so that
        with ``EngineConfig.focus_s`` the others may stay as they were.
        """
        robot = robot or RobotState()
        names = list(dict.fromkeys(names))
        self._words = words = [name for name in names if self._is_words(name, robot)]
        found = self._glance(frame, names, robot) if only_named else None
        sighting, glance = (self._support.sighted(frame, robot, self._sight(frame, robot)), None) if found is None else found[:2]
        sighting, view, own = self._first_look(frame, sighting, words)
        segmentation, plane, mask, canonical = sighting.segmentation, sighting.plane, sighting.robot, sighting.canonical
        seen, regions, appearances = self._measure_all(frame, sighting, own, view) if found is None else found[2]
        measured = {id(region): thing for region, thing in zip(regions, seen, strict=True)}
        view.things.update((n, measured[id(region)]) for n, region in enumerate(view.proposals) if id(region) in measured)
        world_from_tool = None if robot.camera_from_tool is None else robot.world_from_camera @ robot.camera_from_tool
        looked_for, opening_m = None if glance is None else glance.looked_for, robot.opening_m
        known = (frame, robot.world_from_camera, world_from_tool, mask, looked_for, sighting.still, opening_m, plane)
        seen, hidden = self._memory.update(seen, *known)
        self._second_look(view, words, seen, hidden, regions, frame.stamp_ns)
        tool = self._tool(robot, frame.stamp_ns) or self._tool_by_model(names, view, robot, frame.stamp_ns)
        reason = robot.up_problem or segmentation.reason
        unsought = "" if segmentation.plane is not None else not_looked_for(reason)
        bound = {name: self._bind(name, seen, hidden, appearances, tool, robot, frame.stamp_ns, unsought) for name in names}
        pairs = list(zip(seen, regions, strict=True))
        if self._focus is not None:
            things = {name: binding for name, binding in bound.items() if not self._is_of_robot(name, robot)}
            self._focus.remember(frame, names, robot, sighting, glance, things, pairs, hidden)
        others = [] if glance is None else list(glance.others)
        return Scene(
            stamp_ns=frame.stamp_ns, frame_id=frame.frame_id,
            objects=(*seen, *hidden, *(thing for thing, _ in others), *([tool] if tool is not None else [])),
            canonical=canonical, canonical_reason=reason, support_plane=plane,
            depth_coverage=frame.coverage, pairs=self._memory.pairs,
            bindings=bound, draw_labels=self._labels.later(frame, segmentation, [*others, *pairs]),
            views=robot.frames, scale_std=self.config.noise.scale, frame=frame, robot=mask, noise=sighting.noise,
        )  # fmt: skip

    def _glance(
        self, frame: RGBDFrame, names: Sequence[str], robot: RobotState
    ) -> tuple[Sighting, Glance, tuple[list[SceneObject], list[Region], list[Appearance]]] | None:
        """A look at where the named things are, and what was measured there; None where the image is to be taken whole."""
        glance = None if self._focus is None else self._focus.glance(frame, names, robot)
        sighting = None if glance is None else sight_part(frame, robot, glance, self._segment, self.config.measure)
        if sighting is None or glance is None:
            return None
        for before, now in glance.shifted:
            self._appearances.follow(before, now)
        measured = self._measure_all(frame, sighting, [])
        return (sighting, glance, measured) if glance.all_found(measured[0]) else None

    def _sight(self, frame: RGBDFrame, robot: RobotState) -> Sighting:
        """What the image shows by itself."""
        return sight(frame, robot, self._segment, self.config.measure)

    def _measure_all(
        self, frame: RGBDFrame, sighting: Sighting, own: Sequence[Region], view: View | None = None
    ) -> tuple[list[SceneObject], list[Region], list[Appearance]]:
        """Measured things with the regions and appearances they come from, index by index: what fails goes from all three.

        ``own`` are regions that a model found beside those of the segmentation, ``view`` is what it looked at.
        """
        things = [*sighting.things, *(self._measure_one(frame, region, sighting) for region in own)]
        candidates = zip(things, [*sighting.segmentation.regions, *own], strict=True)
        measured = [(thing, region) for thing, region in candidates if thing is not None]
        plane, described = sighting.segmentation.plane, {} if view is None else view.described
        appearances = self._appearances.describe(frame, [region for _, region in measured], plane, sighting.still, described)
        parted = self._parted_by_names(frame, sighting, measured, appearances)
        if parted is not measured:
            measured, appearances = parted, self._appearances.describe(frame, [region for _, region in parted], plane)
        labelled = [thing.called(label=look.label()) for (thing, _), look in zip(measured, appearances, strict=True)]
        return labelled, [region for _, region in measured], appearances

    def _measure_one(self, frame: RGBDFrame, region: Region, sighting: Sighting) -> SceneObject | None:
        canonical, plane, noise = sighting.canonical, sighting.plane, sighting.noise
        return measure_region(frame, region, canonical, plane, noise, self.config.measure, robot=sighting.robot)

    def _parted_by_names(
        self, frame: RGBDFrame, sighting: Sighting, measured: list[tuple[SceneObject, Region]], appearances: list[Appearance]
    ) -> list[tuple[SceneObject, Region]]:
        """The same list, or one with the parts of what two names share in its place."""
        regions, result = [region for _, region in measured], measured
        names = self._model_names
        may_mean = None if names is None else names.may_mean
        for index, parts in part_by_names(frame, regions, appearances, self._words, may_mean).items():
            known = [(thing, part) for part in parts if (thing := self._measure_one(frame, part, sighting)) is not None]
            if len(known) == len(parts):
                result = [*(pair for pair in result if pair[1] is not regions[index]), *known]
                if names is not None:
                    names.parted(regions[index])
        return result

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
        unsought: str,
    ) -> Binding:
        """What a name stands for: the tool, a named tf frame, a number ("#3"), or words.

        ``unsought`` says why things were not looked for at all; "" where they were.
        """
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
            return bind_by_number(name, [*seen, *hidden])
        bound = self._bind_words(name, seen, hidden, appearances, not unsought)
        return replace(bound, text=unsought) if unsought and bound.status is Status.NOT_FOUND and bound.thing is None else bound

    def _bind_words(
        self, name: str, seen: list[SceneObject], hidden: list[SceneObject], appearances: list[Appearance], looked: bool
    ) -> Binding:
        """The one thing that a description means, and all that answer to it when things were ``looked`` for at all.

        A thing that bore the name and is hidden keeps it: a look-alike must not inherit it.
        """
        prior_id = self._ids_by_name.get(name)
        judgement = None if self._judge is None else self._judge.of(name)
        if judgement is not None:
            bound = bind_by_judgement(name, judgement, seen, hidden, appearances, prior_id, looked)
            if bound.status is Status.OK and bound.thing is not None:
                self._ids_by_name[name] = bound.thing.id
            return bound
        prior_index = next((index for index, thing in enumerate(seen) if thing.id == prior_id), None)
        found = match(name, appearances, prior_index)
        answering = tuple(seen[index] for index in found.rivals) if found.understood and looked else None
        if prior_index is None:
            held_back = next((thing for thing in hidden if thing.id == prior_id), None)
            if held_back is not None:
                return Binding(held_back.status, held_back.called(label=name), answering=answering)
        if found.status is not Status.OK:
            return Binding(found.status, text=found.text + self._why_words(), answering=answering)
        thing = seen[found.index]
        self._ids_by_name[name] = thing.id
        return Binding(Status.OK, thing.called(label=name, score=float(found.score)), answering=answering)

    # -- the model ------------------------------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why the model is not used just now, or not for answers; "" when it works, or there is none."""
        return self.names_problem or ("" if self._judge is None else self._judge.answer_problem)

    @property
    def names_problem(self) -> str:
        """Why names are found by words alone although there is a model; "" when they are not."""
        return "" if self._judge is None else self._judge.problem

    def pending(self, names: Iterable[str]) -> list[str]:
        """Names that a model with a pace of its own has not spoken of yet; words stand in for it meanwhile."""
        if self._judge is None or self._model_names is None or not self._judge.config.own_pace:
            return []
        return [name for name in dict.fromkeys(names) if name in self._words and self._judge.is_pending(name)]

    def on_model_thread(self, work: Callable[[], None]) -> bool:
        """Have ``work``, which calls ``measure``, done on the thread of a model with a pace of its own; False without one."""
        return self._judge is not None and self._judge.on_model_thread(work) is not None

    def close(self) -> None:
        """End the thread of a model with a pace of its own."""
        if self._judge is not None:
            self._judge.close()

    def _is_of_robot(self, name: str, robot: RobotState) -> bool:
        """Whether a name is the tool's or that of a tf frame."""
        plain = plain_name(name)
        return plain in self.config.tool_names or plain in robot.places

    def _is_words(self, name: str, robot: RobotState) -> bool:
        """Whether a name is one for a model: words for a thing, and not just any thing of some size, which is measured."""
        if not plain_name(name) or self._is_of_robot(name, robot) or name.startswith("#"):
            return False
        return bool((phrase := parse(name)).colors or phrase.shapes or phrase.unknown or phrase.strange)

    def _first_look(self, frame: RGBDFrame, sighting: Sighting, words: Sequence[str]) -> tuple[Sighting, View, list[Region]]:
        """What the model is shown, with pieces put together that its names say are one, and the regions that it finds itself."""
        if self._model_names is None:
            return sighting, shown(frame, sighting), []
        whole = partial(with_wholes, segment=self._segment, measure=self.config.measure)
        return self._model_names.look(frame, sighting, words, self._ids_by_name, whole)

    def _second_look(
        self,
        view: View,
        words: Sequence[str],
        seen: Sequence[SceneObject],
        hidden: Sequence[SceneObject],
        regions: Sequence[Region],
        stamp_ns: int,
    ) -> None:
        if self._model_names is None:
            return
        known = {id(region): thing.id for region, thing in zip(regions, seen, strict=True)}
        ids = [known.pop(id(region), 0) for region in view.proposals]
        own = [(region, known[id(region)]) for region in regions if id(region) in known]
        behind = [thing.id for thing in hidden]
        self._model_names.finish(view, words, self._ids_by_name, ids, own, behind, stamp_ns)

    def _tool_by_model(self, names: Sequence[str], view: View, robot: RobotState, stamp_ns: int) -> SceneObject | None:
        """The gripper by the image, if it is asked for and tf is not to say; a gap of tf is not filled from another source."""
        is_asked = any(plain_name(name) in self.config.tool_names for name in names)
        if self._model_names is None or not is_asked or robot.tool_status is not Status.NOT_FOUND:
            return None
        found = self._model_names.gripper(view, stamp_ns)
        if found is None:
            return None
        pose = RigidTransform(np.eye(3), found.tip)
        point = self._point(TOOL_ID, self.config.tool_names[0], pose, stamp_ns)
        return replace(point, score=found.present, covariance=found.covariance, source=Source.VLM)

    def _why_words(self) -> str:
        return f" (by words alone, for the model failed: {self.names_problem})" if self.names_problem else ""

    def supposed(self, scene: Scene, names: Iterable[str]) -> Supposed:
        """The scene as questions about each of these names suppose it to be; see reasoning/supposed.py."""
        return suppose(scene, names, self._meant, self._parted, together=False)

    def _said(self, scene: Scene, query: Query) -> Said | None:
        """The model's own number for a query, with the deviation that is its own; a probability without one."""
        answer = None if self._answers is None else self._answers.of(scene, [query])[0]
        return None if answer is None else Said(answer.value, answer.own_std)

    # -- facts ----------------------------------------------------------------------------------------------------------

    def measure(
        self, scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
    ) -> tuple[SpatialFact, Measurement | None]:
        """One fact for the answer of a question: depth's number, fused with the model's where it has one (see reasoning/)."""
        return self._measure(scene, query, output)

    def measure_all(
        self, scene: Scene, queries: Sequence[Query], output: tuple[str, RigidTransform] | None = None
    ) -> list[tuple[SpatialFact, Measurement | None]]:
        """``measure`` of each query; the model is asked for all of them at once."""
        if self._answers is not None:
            self._answers.of(self.supposed(scene, [name for query in queries for name in query.names]).scene, queries)
        return [self._measure(scene, query, output) for query in queries]

    def facts(
        self, scene: Scene, queries: Iterable[Query], output: tuple[str, RigidTransform] | None = None
    ) -> list[SpatialFact]:
        """One fact a query, in order. ``output`` is (frame name, output_from_scene) for the facts' points.

        Depth's numbers alone, whatever a model may say: what is learnt from has one source from one image to the next.
        """
        return [self._facts.of(scene, query, output) for query in queries]


def warm_up(config: EngineConfig | None = None) -> None:
    """Look at two made-up blocks on a table: libraries and learnt tables load when first needed, which takes a second.

    Whoever has the time to do it beforehand loses no images to that.
    """
    v, u = np.mgrid[:240, :320]
    on_block = (abs(v - 120) < 20) & (abs(u - 160) < 30)
    color = np.where(on_block[..., None], np.where(u[..., None] < 160, (200, 30, 30), (30, 30, 200)), 120).astype(np.uint8)
    depth_m = np.where(on_block, 0.75, 0.8).astype(np.float32)
    engine = SpatialEngine(config)
    # Twice: only a thing that was seen before is looked for again.
    for stamp_ns in (1, 2):
        frame = RGBDFrame(stamp_ns, color, depth_m, CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5), "camera")
        scene = engine.observe(frame, ["red block", "blue block"], RobotState(up=np.array([0.0, 0.0, -1.0])))
    engine.facts(scene, [Query("gap", "red block", "blue block")])
