"""What a bag offers a data set beside its images, and the outputs that are data sets."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ..reward.task import TaskSpec
from .bag_reader import BagReader
from .label_frames import RECORDED
from .label_steps import DatasetOptions, Source, StepMaker
from .label_vectors import command_topic, joint_topic
from .lerobot_dataset import LeRobotOutput
from .robomimic_file import NO_ACTIONS, RobomimicOutput
from .robot_file import RobotFile

LEROBOT, ROBOMIMIC = "lerobot", "robomimic"
DATASETS = (LEROBOT, ROBOMIMIC)
ROBOMIMIC_FILE = "robomimic.hdf5"
# Images by whose spacing the camera's rate is known.
_RATE_IMAGES = 100


def rate_hz(reader: BagReader, topic: str, stamps: str) -> float:
    """Images a second by the median spacing of the first ones; NaN for less than two."""
    messages = islice(reader.messages([topic], lambda broken, log_ns: None), _RATE_IMAGES)
    taken = []
    try:
        for item in messages:
            taken.append(item.log_ns if stamps == RECORDED else item.stamp_ns)
    except Exception:  # a broken end, which is reported when the bag is read; see FrameStream
        pass
    spacings = [after - before for before, after in pairwise(taken) if after > before]
    return 1e9 / median(spacings) if spacings else math.nan


class DatasetSource:
    """Data sets of one bag: where their states and actions come from. Raises BagError or DatasetError for what cannot be used."""

    def __init__(
        self, bag: Path, reader: BagReader, robot: RobotFile, options: DatasetOptions, color_topic: str, stamps: str
    ) -> None:
        self.topics = Source(
            joint_topic(bag, reader, options.joint_topic),
            command_topic(bag, reader, options.action_topic),
            bool(robot.param("tool_frame")),
        )
        self.options = options.settled(rate_hz(reader, color_topic, stamps))

    @property
    def listened(self) -> tuple[str, str]:
        """Topics of joint states and of commands; empty for none."""
        return self.topics.joint_topic, self.topics.action_topic

    def steps(self, task: TaskSpec) -> StepMaker:
        return StepMaker(self.options, task, self.topics)


def open_dataset(kind: str, folder: Path, source: DatasetSource, task: TaskSpec, sentence: str) -> Any:
    """An output of DATASETS into a folder. ``sentence`` is the task in words."""
    if kind == LEROBOT:
        return LeRobotOutput(folder / LEROBOT, sentence, source.steps(task))
    return RobomimicOutput(folder / ROBOMIMIC_FILE, sentence, source.steps(task))


def task_sentence(text: str, task: TaskSpec) -> str:
    """The task in words: the instruction itself where there is one, else the task's name."""
    plain = " ".join(text.split())
    return plain if " " in plain and "(" not in plain and not plain.endswith((".yaml", ".yml")) else task.name


def dataset_losses(kind: str, document: Any) -> list[str]:
    """Sentences on what a data set lacks."""
    said = [f"{kind}: {count} x {cause}" for cause, count in document["images_left_out"].items()]
    if not document["episodes"]:
        said.append(f"{kind}: no episode of two steps or more: the data set is empty")
    return said


def dataset_notes(kind: str, document: Any) -> list[str]:
    """Sentences on where its episodes end and where actions come from, which are no losses."""
    said = [f"{kind}: {count} x {cause}: an episode ends there" for cause, count in document["episodes_parted"].items()]
    if kind == ROBOMIMIC and not document["action"]:
        said.append(f"{kind}: {NO_ACTIONS}")
    elif document["actions_from"] == "next state":
        said.append(f"{kind}: actions are the states of the next steps, for no commands were named (--action-topic)")
    elif document["actions_from"] == "nothing":
        said.append(
            f"{kind}: the bag has neither joint states nor a tool pose, and no commands were named (--action-topic): there "
            "are no actions, so policies cannot be trained on it"
        )
    return said
