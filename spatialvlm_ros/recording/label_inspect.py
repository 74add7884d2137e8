"""``--dry-run``: what a bag holds, what would be read of it and why, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .bag_reader import BagError
from .label import LabelError, LabelOptions, check_gripper, frames_of, load_task_of, missing_frames, missing_topics
from .label_salvage import open_bag
from .label_topics import TF_TYPES, candidates, choose
from .label_vectors import COMMAND_TYPES, JOINT_STATE
from .robot_file import RobotFile

DONE, BAD_INPUT = 0, 2


def inspect_bags(bags: Sequence[Path], options: LabelOptions, say: Callable[[str], None]) -> int:
    """Say everything about each bag; 0 when all can be labelled, else 2.

    Raises TaskError, TaskFileError, InstructionError or RobotFileError for arguments that no bag could be labelled with.
    """
    from ..engine import EngineConfig

    task, robot = load_task_of(options), RobotFile(options.robot)
    say(f"task '{task.name}': stages {', '.join(task.stage_names())}")
    for query in task.queries():
        say(f"  measures {query}")
    problems = 0
    try:
        check_gripper(EngineConfig(), task, robot, options.robot)
    except LabelError as error:
        problems += 1
        say(f"MISSING: {error}")
    for bag in bags:
        say(f"{bag}:")
        missing = _inspect(bag, options, robot, say)
        for text in missing:
            say(f"  MISSING: {text}")
        problems += len(missing)
    say("can be labelled" if not problems else f"cannot be labelled: {problems} things are missing")
    return BAD_INPUT if problems else DONE


def _inspect(bag: Path, options: LabelOptions, robot: RobotFile, say: Callable[[str], None]) -> list[str]:
    """Say what a bag holds; sentences on what is missing."""
    try:
        reader, losses = open_bag(bag)
    except (BagError, OSError) as error:
        return [str(error)]
    missing: list[str] = []
    with reader:
        for loss in losses:
            say(f"  damaged: {loss}")
        found = candidates(reader)
        for candidate in found:
            say(f"  {candidate}" + (f" (cannot be used: {candidate.problem})" if candidate.problem else ""))
        try:
            for reason in choose(bag, found, options.topics).reasons:
                say(f"  reads {reason}")
        except BagError as error:
            missing.append(str(error))
        tf = [topic for topic, kind in sorted(reader.topics().items()) if kind in TF_TYPES]
        say(f"  tf: {', '.join(tf) or 'none'}")
        for what, types in (("joint states", (JOINT_STATE,)), ("possible commands (--action-topic)", COMMAND_TYPES)):
            found_topics = [topic for topic, kind in sorted(reader.topics().items()) if kind in types]
            say(f"  {what}: {', '.join(found_topics) or 'none'}")
        absent, known = missing_frames(reader, robot)
        for frame, parameter in frames_of(robot).items():
            if frame not in absent:
                say(f"  tf frame '{frame}' ({parameter}) is there")
        some = ", ".join(sorted(known)[:20]) or "no frames"
        missing += [f"tf frame '{frame}', which is {parameter} of --robot; tf has {some}" for frame, parameter in absent.items()]
        missing += [f"topic {topic} for {by}" for topic, by in missing_topics(reader, robot, options).items()]
    return missing
