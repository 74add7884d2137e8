"""A question about one image of a folder or a bag, by the code that answers the action ``~/ask`` on a live one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..expressions.tree_json import tree_to_json
from ..language.answers import measure_with_error
from ..nodes.image_facts import Output, output_of
from ..nodes.robot_state import RobotStateReader, output_frame
from ..reasoning.answer import Answer, without_output
from ..reasoning.reasoner import FRIEND, Plan, Reasoner
from ..scene.facts import SpatialFact
from ..scene.frame import RGBDFrame
from ..scene.noise import PRESETS
from ..vlm.factory import choose_vlm
from ..vlm.options import VlmOptions
from .bag_transforms import BagTransforms
from .rgbd_bag import read_bag_frames
from .rgbd_folder import read_one
from .robot_file import RobotFile

# An image that is farther from the time that was asked for is another moment.
_FARTHEST_S = 1.0


class AskError(ValueError):
    """A question that cannot be put to this input; the text says what to change."""


@dataclass(frozen=True)
class AskOptions:
    """What is asked, and of which image.

    Attributes:
        frame: a pair of RGB-D images, or the folder that holds it; or None.
        bag: a bag, with ``at_s`` seconds after its first image; or None.
        view: whose left, right, front and behind, and the frame of points.
        robot: parameter file of spatial_node that says what the gripper is and which way is up; for bags.
        depth_noise: a preset of scene.noise; None: the robot file's, else "stereo".
        depth_unit_m: metres of one count of depth, where a folder does not say.
        reasoner: reads the question; what it measures with is set here.
        vlm: which vision-language model says what names mean, as of vlm/factory.py; None: the robot file's, else the default.
        vlm_options: how it is run; what they leave at its default is the robot file's.
    """

    question: str
    frame: Path | None = None
    bag: Path | None = None
    at_s: float = 0.0
    view: str = ""
    robot: Path | None = None
    depth_noise: str | None = None
    depth_unit_m: float | None = None
    reasoner: Reasoner = field(default_factory=Reasoner)
    vlm: str | None = None
    vlm_options: VlmOptions = field(default_factory=VlmOptions)


class Asked:
    """One image that questions are put to."""

    def __init__(self, options: AskOptions) -> None:
        self._options = options
        robot = RobotFile(options.robot)
        preset = options.depth_noise or robot.depth_noise or "stereo"
        if preset not in PRESETS:
            raise AskError(f"depth noise '{preset}' is not known; use one of {', '.join(PRESETS)}")
        self._config = EngineConfig(noise=PRESETS[preset], naming=robot.naming)
        self.model = choose_vlm(*robot.model(options.vlm, options.vlm_options))
        self._is_fused = bool(robot.param("vlm_answers"))
        self._output_frame = output_frame(robot)
        self.problem = self.model.problem
        self.notes: list[str] = []
        self._transforms: BagTransforms | None = None
        self._reader: RobotStateReader | None = None
        if not (math.isfinite(options.at_s) and options.at_s >= 0):
            raise AskError(f"the time is {options.at_s} s; give seconds after the bag's first image, 0 or more")
        if options.bag is not None:
            self.frame = _frame_at(options.bag, options.at_s, self.notes.append)
            self._transforms = BagTransforms(options.bag)
            self._transforms.begin(self.frame.stamp_ns)
            self._reader = RobotStateReader(robot, self._transforms)
        elif options.frame is not None:
            self.frame = read_one(options.frame, options.depth_unit_m).frame
        else:
            raise AskError("no image: give --frame FOLDER/NAME, or --bag BAG with --at SECONDS")

    def known(self) -> tuple[str, ...]:
        """Names that questions may hold: the tool's, named frames', and labels of what is in sight."""
        scene = SpatialEngine(self._config).observe(self.frame, (), self._robot(()))
        places = () if self._reader is None else self._reader.names
        return (*self._config.tool_names, *places, *(thing.label for thing in scene.objects))

    def answer(self, plan: Plan) -> Answer:
        """The answer to a plan on this image."""
        engine = SpatialEngine(self._config, self.model.vlm)
        scene = engine.observe(self.frame, plan.names, self._robot(plan.views))
        output: Output = None
        problem = ""
        if self._transforms is not None:
            output, problem = output_of(scene, self._output_frame, self._transforms)
        measure = engine.measure if self._is_fused else measure_with_error
        answer = self._options.reasoner.measuring(measure).answer(plan, scene, output)
        self.problem = engine.problem or self.problem
        return without_output(answer, problem) if problem else answer

    def _robot(self, views: tuple[str, ...]) -> RobotState:
        if self._reader is not None:
            robot = self._reader.read(self.frame.frame_id, views)
            if self._reader.problem is not None:
                self.notes.append(self._reader.problem)
            return robot
        why = "there is no tf beside a folder of images; ask a bag"
        return RobotState(frames={view: why for view in views if view != "canonical"}, tool_text=f"no gripper: {why}")


def _frame_at(bag: Path, at_s: float, tell: Callable[[str], None]) -> RGBDFrame:
    """The image of a bag whose stamp is nearest to ``at_s`` seconds after the first one; none that is far from it.

    Images that cannot be used are passed over, and told of.
    """
    best: RGBDFrame | None = None
    wanted_ns = 0
    refused: list[str] = []
    for _, frame in read_bag_frames(bag, tell=tell, bad_frame=lambda index, why: refused.append(why)):
        if best is None:
            best, wanted_ns = frame, frame.stamp_ns + round(at_s * 1e9)
        elif abs(frame.stamp_ns - wanted_ns) < abs(best.stamp_ns - wanted_ns):
            best = frame
        elif frame.stamp_ns > wanted_ns:
            break
    if best is None and refused:
        raise AskError(f"{bag}: none of its {len(refused)} images can be used: {refused[0]}")
    if refused:
        tell(f"{len(refused)} of its images cannot be used: {refused[0]}")
    if best is None:
        raise AskError(f"{bag} holds no pair of colour and depth images whose stamps fit together")
    if abs(away_s := (best.stamp_ns - wanted_ns) * 1e-9) > _FARTHEST_S:
        raise AskError(f"no image of {bag} was taken at {at_s:g} s; the nearest one is that at {at_s + away_s:.3f} s (--at)")
    return best


@dataclass(frozen=True)
class Reply:
    """An answer, the plan it came from (None for a model's own words), the image, and the model that names were found by.

    Attributes:
        notes: sentences on what a broken bag has lost, and on what tf does not tell of the robot.
        problem: why names were found by words alone although a model was asked for; "" otherwise.
    """

    answer: Answer
    plan: Plan | None
    frame: RGBDFrame
    vlm: str = "off"
    problem: str = ""
    notes: tuple[str, ...] = ()


def ask(options: AskOptions) -> Reply:
    """The answer to a question.

    Raises:
        QuestionError: for a question that cannot be read.
        AskError, RobotFileError, FolderError, BagError, FileNotFoundError: for an input that cannot.
    """
    asked = Asked(options)
    known = asked.known()
    reasoner = options.reasoner
    plan: Plan | None = None
    if reasoner.mode == FRIEND and not reasoner.reads(options.question, known):
        answer = reasoner.converse(options.question, asked.answer, known, options.view)
    else:
        plan = reasoner.plan(options.question, known, options.view)
        answer = asked.answer(plan)
    return Reply(answer, plan, asked.frame, asked.model.text, asked.problem, tuple(dict.fromkeys(asked.notes)))


def answer_document(reply: Reply) -> dict[str, Any]:
    """The answer as plain data for JSON; NaN becomes None where it is written."""
    answer, plan, frame = reply.answer, reply.plan, reply.frame
    return {
        "question": answer.question,
        "answer": answer.text,
        "status": answer.status.name,
        "kind": answer.kind,
        "value": answer.value,
        "std": answer.std,
        "unit": answer.unit,
        "verdict": answer.verdict,
        "things": answer.things,
        "decided": answer.decided,
        "source": answer.source.name,
        "frame_id": answer.frame_id,
        "stamp_ns": frame.stamp_ns,
        "tree": None if plan is None else tree_to_json(plan.tree),
        "facts": [_fact_document(fact) for fact in answer.facts],
        "trace": answer.trace,
        "vlm": reply.vlm,
        "vlm_problem": reply.problem,
        "notes": reply.notes,
    }


def _fact_document(fact: SpatialFact) -> dict[str, Any]:
    return {
        "relation": fact.query.relation,
        "names": fact.query.names,
        "amount_m": fact.query.amount,
        "view": fact.query.view,
        "value": fact.value,
        "std": fact.std,
        "unit": fact.unit,
        "status": fact.status.name,
        "source": fact.source.name,
        "frame_id": fact.frame_id,
        "subject_point_m": fact.subject_point,
        "object_point_m": fact.object_point,
        "text": fact.text,
    }
