"""Labels one bag: its images through the live engine and the live annotator, in their order, into rows.

What never changes: the numbers are those that spatial_node and reward_node publish for the same images; the same bag, task and
options give the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..engine import EngineConfig, SpatialEngine
from ..language.names import plain_name
from ..nodes.image_facts import facts_of, frame_of, output_of
from ..nodes.robot_state import output_frame
from ..perception.focus import needs_all
from ..reward.annotator import RewardAnnotator, RewardSample, RewardStatus
from ..reward.builder import find_task
from ..reward.task import TaskSpec
from ..scene.noise import PRESETS
from ..scene.scene import Scene
from ..share import config_file
from ..vlm.factory import ChosenVlm, choose_vlm
from ..vlm.options import VlmOptions
from .bag_reader import BagError, BagReader, pass_over
from .label_ahead import AheadEngine
from .label_dataset import DatasetSource
from .label_frames import HEADER, RECORDED, STATIC, FrameOptions, FrameStream, Shot, fully_qualified
from .label_losses import Losses
from .label_rows import LabelledFrame, Material, cause_of
from .label_salvage import open_bag
from .label_steps import DatasetOptions
from .label_topics import TF_TYPES, CameraTopics, Wanted, candidates, choose
from .robot_file import RobotFile

_MOST_LABELS = 20


class LabelError(ValueError):
    """A bag that cannot be labelled as asked; the text says what to change."""


@dataclass(frozen=True)
class LabelOptions:
    """Everything that changes the labels; see the arguments of ``spatialvlm label``.

    Attributes:
        task: an instruction, a name of config/tasks with its parameters, or a path.
        robot: parameter file of spatial_node: gripper, gravity, shape, output frame.
        gamma, nominal_dt_s: the learner's discount and step; 0: the task's own.
        depth_noise: a preset of scene.noise; empty: the robot file's, else "stereo".
        episode_gap_s: a longer pause of the images begins an episode; 0: none does.
        stamps: "header", or "recorded" for bags whose driver stamped nothing.
        vlm: which vision-language model says what names mean, as of vlm/factory.py; empty: the robot file's, else the default.
        vlm_device: where it runs.
        focus_s: as spatial_node's parameter; None: the robot file's.
    """

    task: str
    robot: Path | None = None
    task_directory: Path | None = None
    gamma: float = 0.0
    nominal_dt_s: float = 0.0
    depth_noise: str = ""
    topics: Wanted = field(default_factory=Wanted)
    slop_s: float = 0.02
    stamps: str = HEADER
    episode_gap_s: float = 0.0
    episode_topic: str = ""
    vlm: str = ""
    vlm_device: str = "auto"
    focus_s: float | None = None

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("--gamma", self.gamma, 0.0, 1.0), ("--dt", self.nominal_dt_s, 0.0, 60.0), ("--slop", self.slop_s, 0.0, 1.0),
            ("--episode-gap-s", self.episode_gap_s, 0.0, 1e6), ("--focus-s", self.focus_s or 0.0, 0.0, 10.0),
        ):  # fmt: skip
            if not low <= value <= high:
                raise LabelError(f"{name} is {value!r}; give a number from {low:g} to {high:g}")
        if self.stamps not in (HEADER, RECORDED):
            raise LabelError(f"--stamps is '{self.stamps}'; use {HEADER} or {RECORDED}")
        if self.depth_noise and self.depth_noise not in PRESETS:
            raise LabelError(f"depth noise '{self.depth_noise}' is not known; use one of {', '.join(PRESETS)}")


def load_task_of(options: LabelOptions) -> TaskSpec:
    """The task as reward_node would load it. Raises TaskError, TaskFileError or InstructionError."""
    task = find_task(options.task, options.task_directory or config_file("tasks"))
    if options.gamma > 0:
        task = replace(task, gamma=options.gamma)
    return replace(task, nominal_dt_s=options.nominal_dt_s) if options.nominal_dt_s > 0 else task


@dataclass
class Counts:
    """What has become of the images so far."""

    frames: int = 0
    measured: int = 0
    color_images: int = 0
    total: int = 0
    last_ns: int = 0
    spanned_ns: int = 0
    unmeasured: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    not_found: dict[str, str] = field(default_factory=dict)
    seen: dict[str, None] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Time that the images span; where stamps jump back, that before and after."""
        return self.spanned_ns * 1e-9


class BagLabeller:
    """One bag, opened and looked at; ``frames`` labels it once. Use it in a ``with`` block.

    With ``helpers`` so many processes segment ahead. With ``pictures`` each image comes with its material; with ``dataset`` also
    with joint states and commands, of which ``dataset`` then knows more. Raises FileNotFoundError, BagError, RobotFileError,
    DatasetError or LabelError for what cannot be used.
    """

    def __init__(
        self,
        bag: Path,
        options: LabelOptions,
        task: TaskSpec,
        *,
        pictures: bool = False,
        dataset: DatasetOptions | None = None,
        helpers: int = 0,
    ) -> None:
        if not bag.exists():  # before what else may be wrong: a slip of the pen
            raise FileNotFoundError(f"bag {bag} does not exist")
        self._helpers = helpers
        self.bag, self.options, self.task = bag, options, task
        self._pictures = pictures or dataset is not None
        self.dataset: DatasetSource | None = None
        self.robot = RobotFile(options.robot)
        preset = options.depth_noise or self.robot.depth_noise or "stereo"
        if preset not in PRESETS:
            raise LabelError(f"{options.robot}: depth_noise is '{preset}'; use one of {', '.join(PRESETS)}")
        focus_s = float(self.robot.param("focus_s")) if options.focus_s is None else options.focus_s
        self._config = EngineConfig(noise=PRESETS[preset], naming=self.robot.naming, focus_s=focus_s)
        check_gripper(self._config, task, self.robot, options.robot)
        self.model = model_of(options, self.robot)
        self._model_problem = self.model.problem
        self.reader, self.damage = open_bag(bag)
        try:
            self.topics = choose(bag, candidates(self.reader), options.topics)
            check_tf(bag, self.reader, self.robot)
            if absent := missing_topics(self.reader, self.robot, options):
                topic, wanted_by = next(iter(absent.items()))
                listed = ", ".join(sorted(self.reader.topics()))
                raise LabelError(f"{bag} has no topic {topic} for {wanted_by}; it holds {listed}")
            if dataset is not None:
                self.dataset = DatasetSource(bag, self.reader, self.robot, dataset, self.topics.color.topic, options.stamps)
        except BaseException:
            self.reader.close()
            raise
        views = tuple(dict.fromkeys(query.view for query in task.queries()))
        joints, commands = ("", "") if self.dataset is None else self.dataset.listened
        frame_options = FrameOptions(options.slop_s, options.stamps, options.episode_topic, views, joints, commands)
        self.stream = FrameStream(self.reader, self.topics, self.robot, frame_options)
        self.counts = Counts(total=self.topics.color.count)
        self.episodes: list[dict[str, Any]] = []

    def __enter__(self) -> BagLabeller:
        return self

    def __exit__(self, *error: object) -> None:
        self.reader.close()

    def frames(self) -> Iterator[LabelledFrame]:
        """Every image that can be used, labelled.

        Raises LabelError at the end when none could, or when the task could not be measured on any: the text says why.
        """
        only_named = not needs_all(self.task.queries())
        with AheadEngine(self._config, self.model.vlm, self._helpers) as engine:
            yield from self._frames(engine, engine.ahead(self.stream.shots(), only_named), only_named)
        self.counts.color_images = self.stream.color_images
        self._judge()

    def _frames(self, engine: SpatialEngine, shots: Iterator[Shot], only_named: bool) -> Iterator[LabelledFrame]:
        annotator = RewardAnnotator(self.task)
        queries = self.task.queries()
        names = [name for query in queries for name in query.names]
        points_frame = output_frame(self.robot)
        breaks = ""
        for shot in shots:
            breaks = shot.breaks or breaks
            begins = self._begins(shot, breaks)
            if begins not in ("", "stamp went back"):
                engine.reset()
                annotator.reset()
            try:
                scene = engine.observe(shot.frame, names, shot.robot, only_named=only_named)
                output, problem = output_of(scene, points_frame, shot.transforms)
                facts = facts_of(engine, scene, queries, output, problem)
            except Exception as error:  # as in the live node, one image must not cost the others
                cause = f"image failed: {type(error).__name__}: {error}"
                self.stream.losses.add(cause, shot.frame.stamp_ns)
                continue
            breaks = ""
            self._model_problem = self._model_problem or engine.problem
            sample = annotator.update(scene.stamp_ns, facts)
            self._count(sample, scene, begins)
            episode = self.episodes[-1]
            material = None
            if self._pictures:
                material = Material(shot.frame, scene, shot.robot, output, problem, shot.joints, shot.command)
            frame = LabelledFrame(
                len(self.episodes) - 1, episode["frames"] - 1, episode["first_stamp_ns"], frame_of(facts, scene), facts, sample,
                material,
            )  # fmt: skip
            if sample.status is not RewardStatus.OK:
                self.counts.unmeasured[cause_of(frame)] += 1
            yield frame

    def _begins(self, shot: Shot, breaks: str) -> str:
        """Why an episode begins with an image, or an empty text."""
        if not self.episodes:
            return "first image"
        if breaks:
            return breaks
        pause_ns = shot.frame.stamp_ns - self.counts.last_ns
        if self.options.episode_gap_s > 0 and pause_ns > self.options.episode_gap_s * 1e9:
            return "gap"
        # The annotator sees this by itself and begins anew; live, nothing else does.
        return "stamp went back" if pause_ns < 0 else ""

    def _count(self, sample: RewardSample, scene: Scene, begins: str) -> None:
        counts = self.counts
        if begins == "stamp went back":
            self.stream.losses.add("stamp before that of the image before it", sample.stamp_ns)
        if begins:
            self.episodes.append({"begins": begins, "first_stamp_ns": sample.stamp_ns, "frames": 0})
        counts.spanned_ns += max(0, sample.stamp_ns - counts.last_ns) if counts.frames else 0
        counts.last_ns = sample.stamp_ns
        counts.frames += 1
        counts.measured += sample.status is RewardStatus.OK
        for name, binding in scene.bindings.items():
            counts.found[name] += binding.thing is not None
            if binding.thing is None:
                counts.not_found.setdefault(name, f"{binding.status.name}: {binding.text}")
        if len(counts.seen) < _MOST_LABELS:
            counts.seen.update(dict.fromkeys(thing.label for thing in scene.objects if thing.label))
        self.episodes[-1] |= {
            "frames": self.episodes[-1]["frames"] + 1, "last_stamp_ns": sample.stamp_ns, "success": sample.success,
            "potential": sample.potential, "coverage": sample.coverage,
        }  # fmt: skip

    def never_found(self) -> list[str]:
        """A sentence for each name of the task that no image shows."""
        seen = ", ".join(self.counts.seen) or "nothing"
        return [
            f"no image of {self.bag.name} shows '{name}' ({why}); in sight were: {seen}. Does the task name it as it looks?"
            for name, why in self.counts.not_found.items()
            if not self.counts.found[name]
        ]

    def _judge(self) -> None:
        counts, losses = self.counts, self.stream.losses
        if counts.frames == 0:
            raise LabelError(self._nothing(losses))
        if counts.measured == 0:
            causes = "; ".join(f"{cause} on {count}" for cause, count in counts.unmeasured.most_common(3))
            found = " ".join(self.never_found())
            raise LabelError(
                f"{self.bag}: task '{self.task.name}' could be measured on none of {counts.frames} images ({causes}). "
                + (found or "Do --robot, tf and the task fit to this bag?")
            )

    def _nothing(self, losses: Losses) -> str:
        main = losses.main()
        if "header stamp is zero" in main:
            return (
                f"{self.bag}: the header stamps of {self.topics.color.topic} are zero ({losses.counts[main]} images): its "
                f"driver does not stamp; --stamps {RECORDED} takes the time of recording instead"
            )
        why = "; ".join(losses.lines()[:3]) or f"{self.topics.color.topic} and {self.topics.depth.topic} hold no pair"
        return f"{self.bag}: no image could be labelled: {why}"

    def document(self) -> Mapping[str, Any]:
        """What became of the bag, for provenance; complete when ``frames`` has ended."""
        counts, stream = self.counts, self.stream
        return {
            "topics": topics_document(self.topics),
            "color_images": counts.color_images, "frames": counts.frames, "measured": counts.measured,
            "seconds": counts.seconds, "episodes": self.episodes,
            "losses": {"bag": self.damage, "images": stream.losses.document(), "names": self.never_found()},
            "unmeasured": dict(sorted(counts.unmeasured.items())), "transforms_ignored": stream.tf_losses.document(),
            "vlm": {"model": self.model.text, "problem": self._model_problem},
            "stamp_jumps": [{"from_ns": before, "to_ns": after} for before, after in stream.jumps],
        }  # fmt: skip

    def losses(self) -> list[str]:
        """Sentences on everything that was lost."""
        jumps = [
            f"stamps jumped back from {before * 1e-9:.3f} s to {after * 1e-9:.3f} s: a new episode begins there"
            for before, after in self.stream.jumps
        ]
        wanted = (self.options.vlm or self.robot.vlm) and self._model_problem
        added = [f"names were found by words alone on some or all images: {self._model_problem}"] if wanted else []
        if (late := self.stream.late_tf) and any("NO_TRANSFORM" in cause for cause in self.counts.unmeasured):
            wait_s = self.robot.param("tf_timeout_s")
            added.append(f"{late} x image for which tf came later than tf_timeout_s of --robot ({wait_s:g} s), or never")
        return [*self.damage, *self.stream.losses.lines(), *jumps, *added, *self.never_found()]


@cache
def _model(spec: str, options: VlmOptions) -> ChosenVlm:
    """One for all bags of a process."""
    return choose_vlm(spec, options)


def model_of(options: LabelOptions, robot: RobotFile) -> ChosenVlm:
    """The model that names are found by, or why words have to do."""
    return _model(*robot.model(options.vlm, VlmOptions(device=options.vlm_device)))


def topics_document(topics: CameraTopics) -> Mapping[str, Any]:
    """The chosen topics and why."""
    chosen = {"color": topics.color, "depth": topics.depth, "camera_info": topics.info}
    return {**{name: candidate.topic for name, candidate in chosen.items()}, "reasons": list(topics.reasons)}


def check_gripper(config: EngineConfig, task: TaskSpec, robot: RobotFile, file: Path | None) -> None:
    """Raises LabelError for a task about the gripper without a tool frame."""
    if robot.param("tool_frame"):
        return
    names = {name for query in task.queries() for name in query.names}
    if tools := sorted(name for name in names if plain_name(name) in config.tool_names):
        where = f"{file} sets no tool_frame" if file is not None else "no --robot file was given"
        raise LabelError(
            f"task '{task.name}' is about '{tools[0]}', but {where}: give --robot YAML with the parameters of spatial_node, "
            "in which tool_frame is the tf frame of the point between the finger tips (config/robots/sim.yaml is one)"
        )


def missing_topics(reader: BagReader, robot: RobotFile, options: LabelOptions) -> dict[str, str]:
    """Topics beside the camera and tf that were asked for and are not in the bag, with what asks for each."""
    imu = str(robot.param("imu_topic"))
    wanted = {options.episode_topic: "--episode-topic", fully_qualified(imu) if imu else "": "imu_topic of --robot"}
    return {topic: by for topic, by in wanted.items() if topic and topic not in reader.topics()}


def frames_of(robot: RobotFile) -> dict[str, str]:
    """tf frames that a robot file needs, with the parameter that names each."""
    named = {str(robot.param(name)): name for name in ("output_frame", "world_frame", "gravity_frame", "tool_frame")}
    capsules = {text.split()[0]: "robot_capsules" for text in robot.param("robot_capsules") if text.strip()}
    places = {text.partition("=")[2].strip(): "named_frames" for text in robot.param("named_frames") if text.strip()}
    return {frame: parameter for frame, parameter in {**capsules, **places, **named}.items() if frame}


def missing_frames(reader: BagReader, robot: RobotFile) -> tuple[dict[str, str], set[str]]:
    """Frames of the robot file that no transform of the bag names, and those that the bag has, as far as was read."""
    topics = [topic for topic, kind in reader.topics().items() if kind in TF_TYPES]
    wanted, known = frames_of(robot), set[str]()
    for group in ([t for t in topics if t.endswith(STATIC)], [t for t in topics if not t.endswith(STATIC)]):
        if not group or wanted.keys() <= known:
            continue
        try:
            for item in reader.messages(group, pass_over):
                for transform in item.message.transforms:
                    known |= {str(transform.header.frame_id).lstrip("/"), str(transform.child_frame_id).lstrip("/")}
                if wanted.keys() <= known:
                    break
        except Exception:  # a broken end, which is reported when the bag is read; see FrameStream
            continue
    return {frame: parameter for frame, parameter in wanted.items() if frame not in known}, known


def check_tf(bag: Path, reader: BagReader, robot: RobotFile) -> None:
    """Raises BagError when the bag's tf lacks a frame of the robot file."""
    if not frames_of(robot):
        return
    missing, known = missing_frames(reader, robot)
    if not known:
        frame, parameter = next(reversed(missing.items()))
        raise BagError(
            f"{bag} has no tf ({TF_TYPES[0]}), but --robot names frames in it ({parameter} is '{frame}'): record /tf and "
            "/tf_static with the images"
        )
    if missing:
        frame, parameter = next(reversed(missing.items()))
        raise BagError(
            f"{bag}: tf has no frame '{frame}', which is the robot file's {parameter}; it has "
            f"{', '.join(sorted(known)[:20])}. Does --robot fit to this bag?"
        )
