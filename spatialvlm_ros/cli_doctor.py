"""``spatialvlm doctor``: its arguments, and its lines."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from .doctor.finding import Finding, Level, verdict
from .doctor.installed import installed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Says what is installed and, with --camera or --topics, what a running camera and robot send: a line for each thing, "
        "with what to do about it. Nothing is changed and nothing moves. Exit code: 0 no error, 1 errors, 2 wrong arguments."
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--camera", metavar="PRESET", help="look at the topics of a preset of config/cameras.yaml, as camera:=")
    camera.add_argument("--topics", nargs=3, metavar=("COLOR", "DEPTH", "INFO"), help="look at these topics instead")
    parser.add_argument("--robot", type=Path, metavar="YAML", help="parameters of spatial_node: its frames are looked up in tf")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="how long to listen (default: 5)")
    parser.add_argument("--use-sim-time", action="store_true", help="as use_sim_time:=true: the time comes from /clock")
    parser.add_argument("--slop", type=float, default=0.02, metavar="S", help="as spatial_node's sync_slop_s (default: 0.02)")
    parser.add_argument("--image-transport", choices=("raw", "compressed"), default="raw", help="of colour (default: raw)")
    parser.add_argument("--depth-image-transport", choices=("raw", "compressedDepth"), default="raw", help="(default: raw)")
    parser.add_argument("--json", action="store_true", help="everything as one JSON array")


def run(options: argparse.Namespace) -> int:
    """Raises ValueError for arguments that cannot be."""
    if not (math.isfinite(options.seconds) and 0.5 <= options.seconds <= 600):
        raise ValueError(f"--seconds is {options.seconds}; give 0.5 to 600")
    topics = _topics(options)
    if topics is None and (options.robot or options.use_sim_time):
        raise ValueError("--robot and --use-sim-time are about a running camera: name it with --camera or --topics")
    findings = installed()
    if not options.json:  # what is installed may say why a live look fails
        print("\n".join(map(str, findings)), flush=True)
    live = [] if topics is None else _live(options, topics)
    findings += live
    if options.json:
        print(json.dumps([{"level": f.level.value, "what": f.topic, "seen": f.seen, "cure": f.cure} for f in findings], indent=1))
    else:
        print("\n".join([*map(str, live), verdict(findings)]))
    return 1 if any(finding.level is Level.ERROR for finding in findings) else 0


def _topics(options: argparse.Namespace) -> tuple[str, str, str] | None:
    if options.topics:
        return tuple(options.topics)
    if options.camera is None:
        return None
    from .bringup import camera_preset

    preset = camera_preset(options.camera)
    return preset["color"], preset["depth"], preset["info"]


def _live(options: argparse.Namespace, topics: tuple[str, str, str]) -> list[Finding]:
    try:
        from .doctor.judge import judge
        from .doctor.listen import LookOptions, listen
    except ImportError as problem:
        raise ValueError(f"a live look needs ROS: {problem}; see the lines of spatialvlm doctor without --camera") from problem
    look = LookOptions(
        *topics, robot=options.robot, seconds=options.seconds, use_sim_time=options.use_sim_time, slop_s=options.slop,
        image_transport=options.image_transport, depth_image_transport=options.depth_image_transport,
    )  # fmt: skip
    return judge(listen(look))
