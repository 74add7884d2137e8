"""Arguments of ``spatialvlm label`` and of ``ros2 run spatialvlm_ros label_bag``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..vlm.factory import DEFAULT_VLM, HELP

DESCRIPTION = (
    "Labels recorded RGB-D with dense metric rewards: the numbers that the live nodes would publish, one row an image. "
    "Bags are read only. Exit code: 0 everything labelled, 1 finished but something was lost (it is said "
    "what), 2 a bag or an argument cannot be used, 3 could not run, 130 interrupted; of several bags the worst one counts."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = DESCRIPTION
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help=".mcap, .db3, ROS 1 .bag, or a rosbag2 folder")
    parser.add_argument(
        "--task", required=True, metavar="T", help="an instruction, a name as 'pick(red block)', or a path to a task file"
    )
    parser.add_argument("--robot", type=Path, metavar="YAML", help="parameters of spatial_node: gripper, gravity, shape")
    parser.add_argument("--out", type=Path, default=Path("out/labels"), help="where results go (default: out/labels)")
    parser.add_argument(
        "--to",
        default="parquet",
        metavar="LIST",
        help="parquet,csv,jsonl,sarm,bag,facts,lerobot,robomimic: any of these (default: parquet)",
    )
    parser.add_argument("--plot", action="store_true", help="also draw each episode: reward_000.png ...")
    parser.add_argument("--video", action="store_true", help="also its video with what was measured: overlay_000.mp4 ...")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be read, and why, and what is missing")

    source = parser.add_argument_group("what is read")
    source.add_argument("--color", default="", metavar="TOPIC", help="the colour topic (default: found by type)")
    source.add_argument("--depth", default="", metavar="TOPIC", help="the depth topic, aligned to colour")
    source.add_argument("--info", default="", metavar="TOPIC", help="the camera_info topic")
    source.add_argument("--slop", type=float, default=0.02, metavar="S", help="longest difference of stamps of a pair (0.02)")
    source.add_argument(
        "--stamps",
        default="header",
        metavar="KIND",
        help="header, or recorded where the driver does not stamp (default: header)",
    )
    source.add_argument("--depth-noise", default="", metavar="NAME", help="structured_light, stereo, time_of_flight or exact")
    source.add_argument("--vlm", default="", metavar="MODEL", help=f"{HELP} Default: the robot file's, else {DEFAULT_VLM}.")
    source.add_argument("--vlm-device", default="auto", metavar="NAME", help="where the model runs (default: auto)")
    source.add_argument(
        "--episode-gap-s", type=float, default=0.0, metavar="S", help="a longer pause begins an episode (default: none does)"
    )
    source.add_argument(
        "--episode-topic",
        default="",
        metavar="TOPIC",
        help="each message, or call of a service by its events, begins an episode; a Bool or SetBool that is false ends one",
    )
    source.add_argument(
        "--focus-s",
        type=float,
        metavar="S",
        help="take an image whole every S seconds, and look on those between where the things of the task are: several times as "
        "fast; less often while nothing but the robot and those things moves (default: the robot file's focus_s, else 0: every "
        "image is whole)",
    )
    reward = parser.add_argument_group("the reward")
    reward.add_argument("--task-directory", type=Path, metavar="DIR", help="task files by name (default: config/tasks)")
    reward.add_argument("--gamma", type=float, default=0.0, metavar="G", help="the learner's discount (default: the task's)")
    reward.add_argument("--dt", type=float, default=0.0, metavar="S", help="the learner's time step (default: the task's)")

    made = parser.add_argument_group("data sets (lerobot, robomimic)")
    made.add_argument("--fps", type=int, default=0, metavar="N", help="steps a second, exactly (default: the camera's, rounded)")
    made.add_argument(
        "--max-age-s",
        type=float,
        default=0.0,
        metavar="S",
        help="longest from a step to its image; beyond, an episode ends (2 steps)",
    )
    made.add_argument("--dataset-depth", action="store_true", help="depth images as well, 16 bit, millimetres, 0 for unknown")
    made.add_argument(
        "--joint-topic", default="", metavar="TOPIC", help="the state beside the tool pose (default: found by type)"
    )
    made.add_argument(
        "--action-topic", default="", metavar="TOPIC", help="commands, as actions (default: lerobot the next state)"
    )

    many = parser.add_argument_group("many bags")
    many.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes: a bag each; more than bags help on each bag, without --focus-s (default: 1)",
    )
    many.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS", help="on a Ray cluster: auto, HOST:PORT, or none for a local one"
    )
    many.add_argument("--num-shards", type=int, default=1, metavar="N", help="of so many runs, perhaps on other machines,")
    many.add_argument("--shard-index", type=int, default=0, metavar="I", help="this is number I, from 0")
    again = many.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on after whatever end: finished bags stay")
    again.add_argument("--overwrite", action="store_true", help="label again what is there")


def run(options: argparse.Namespace) -> int:
    """Label, or look only. Raises ValueError, OSError or ImportError for arguments that cannot be used."""
    from .bag_files import hashed_early

    # Before all that takes long to load. One bag is labelled by this process, which hashes it meanwhile.
    mine = options.bags[max(0, options.shard_index) :: max(1, options.num_shards)]
    is_parallel = options.workers > 1 and len(mine) > 1 and options.ray is None and not options.dry_run
    with hashed_early(mine if is_parallel else ()):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from .label import LabelOptions
    from .label_run import RunOptions, run_labels
    from .label_steps import DatasetOptions
    from .label_topics import Wanted

    label = LabelOptions(
        options.task, options.robot, options.task_directory, options.gamma, options.dt, options.depth_noise,
        Wanted(options.color, options.depth, options.info), options.slop, options.stamps,
        options.episode_gap_s, options.episode_topic, options.vlm, options.vlm_device, options.focus_s,
    )  # fmt: skip
    formats = tuple(dict.fromkeys(name.strip() for name in options.to.split(",") if name.strip()))
    run_options = RunOptions(
        tuple(options.bags), options.out, label, formats, options.plot, options.workers, options.num_shards,
        options.shard_index, options.resume, options.overwrite, options.video,
        DatasetOptions(options.fps, options.max_age_s, options.dataset_depth, options.joint_topic, options.action_topic),
        options.ray,
    )  # fmt: skip
    if options.dry_run:
        from .label_inspect import inspect_bags

        return inspect_bags(run_options.bags, label, print)
    return run_labels(run_options, lambda text: print(text, file=sys.stderr, flush=True))
