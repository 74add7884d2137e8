"""``spatialvlm demo``: a simulated robot is measured, rewarded and planned for by the real nodes; then the recording is judged.

The judge (truth on /sim/ground_truth) is read from the recording, after the fact: no node listens to it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bringup import Supervisor, ending_by_sigterm, graph, ros_environment
from ..evaluation.benchmark_file import versions, write_json
from ..scene.facts import Query

QUESTIONS = (
    "How far is the gripper from the red block?",
    "Which object is nearest to the green plate?",
    "Would the red block fit between the blue block and the tall green can?",
)
INSTRUCTION = "pick up the red block and put it on the green plate"
RESULTS = ("episode.mcap", "summary.json", "reward.png", "overlay.mp4")
PACKAGES = ("rclpy", "numpy", "scipy", "opencv-python-headless", "mujoco", "py_trees", "rosbags")
_CAMERA = "/camera/camera"
TOPICS = (
    f"{_CAMERA}/color/image_raw", f"{_CAMERA}/aligned_depth_to_color/image_raw",
    f"{_CAMERA}/aligned_depth_to_color/camera_info", "/tf", "/tf_static", "/joint_states", "/clock", "/sim/ground_truth",
    "/spatial_node/facts", "/spatial_node/scene", "/reward_node/reward", "/diagnostics",
)  # fmt: skip


@dataclass(frozen=True)
class DemoOptions:
    """What to run, and where its results go. ``vlm`` is spatial_node's parameter, "" for its own choice."""

    out: Path = Path("out/demo")
    seed: int = 0
    instruction: str = INSTRUCTION
    timeout_s: float = 150.0
    pictures: bool = True
    quiet: bool = False
    vlm: str = ""
    domain_id: int = field(default_factory=lambda: int(os.environ.get("ROS_DOMAIN_ID") or 1 + os.getpid() % 100))

    def tell(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)


def run_demo(options: DemoOptions) -> dict[str, Any]:
    """Run one episode; leaves episode.mcap, summary.json, reward.png and overlay.mp4 in ``options.out``. Returns the summary.

    Raises:
        DemoError: when a node dies or does not answer; its text names the log to read.
        ValueError: for an instruction that no task can be made from, and a directory that holds something else.
    """
    from ..reward.builder import find_task
    from ..share import config_file

    started = time.monotonic()
    find_task(options.instruction, config_file("tasks"))  # what nobody understands is said before anything starts
    claim(options.out)
    for name in RESULTS:  # beside a demo that fails, those of an earlier one would be taken for its own
        (options.out / name).unlink(missing_ok=True)
    bag = options.out / "episode.mcap"
    with ending_by_sigterm():
        outcome, stages = _run_episode(options, bag)
    said = "success" if outcome.success else f"failed: {outcome.error_msg}"
    options.tell(f"planner: {said} ({', '.join(outcome.steps) or 'no step'})")
    from .judge import judge_episode

    options.tell("judging the recording against the simulator's truth ...")
    summary = judge_episode(bag, _goals(options.instruction), options.out if options.pictures else None)
    summary = {
        "task_success": bool(outcome.success and summary["goal_holds_in_truth"] is not False),
        "instruction": options.instruction, "vlm": options.vlm,
        "planner_success": outcome.success, "error_code": outcome.error_code, "error_msg": outcome.error_msg,
        "steps": list(outcome.steps), "stages": stages, "task_duration_s": outcome.duration_s,
        **summary,
        "wall_s": time.monotonic() - started, "seed": options.seed, "source": "simulation (synthetic)",
        "versions": versions(PACKAGES),
    }  # fmt: skip
    write_json(options.out / "summary.json", summary)
    return summary


# A slow machine may take long to start all nodes; one that ends is noticed at once.
_START_S = 120.0
_MARKER = ".spatialvlm-demo"


def claim(out: Path) -> None:
    """Make a directory for results. Raises ValueError for one that holds something else, which results would overwrite."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / _MARKER).exists() and any(out.iterdir()):
        raise ValueError(f"--out {out} holds files that are no results of a demo; name a new or an empty directory")
    (out / _MARKER).touch()


def episode_line(summary: Mapping[str, Any]) -> str:
    """The figures of a summary in a line; "-" for what was not measured."""

    def figure(value: float | None, digits: int, factor: float = 1.0) -> str:
        return "-" if value is None else f"{factor * value:.{digits}f}"

    latency = summary["latency_ms"]
    return (
        f"{summary['frames']} frames, {summary['dropped']} dropped | "
        f"distance error {figure(summary['distance_mae_m'], 1, 1e3)} mm | "
        f"tau_1cm {figure(summary['tau_1cm'], 3)} | voc {figure(summary['voc'], 3)} | "
        f"latency {figure(latency['p50'], 0)} / {figure(latency['p95'], 0)} ms (p50 / p95) | {figure(summary['wall_s'], 0)} s"
    )


def _goals(instruction: str) -> list[Query]:
    """What the instruction wants to hold; empty when it is not understood (the planner says so)."""
    from ..language.instruction import InstructionError, parse_instruction

    try:
        goals = parse_instruction(instruction).goals
    except InstructionError:
        return []
    return [Query(goal.name, goal.subject, goal.object) for goal in goals]


def _run_episode(options: DemoOptions, bag: Path) -> tuple[Any, list[str]]:
    """Start everything, carry the task out, stop everything. The recorder is stopped first so that its file is whole."""
    environment = {**ros_environment(), "ROS_DOMAIN_ID": str(options.domain_id), "ROS_PYTHON_CHECK_FIELDS": "1"}
    environment.setdefault("MUJOCO_GL", "egl")
    # This process is a participant too, and reads its settings from its own environment.
    os.environ.update({key: value for key, value in environment.items() if key.startswith(("ROS_", "FAST"))})
    from .client import DemoClient, DemoError

    logs = options.out / "logs"
    supervisor = Supervisor(environment, logs)

    def alive() -> None:
        for name, code in supervisor.ended().items():
            raise DemoError(f"{name} ended with exit code {code}; see {logs / (name + '.log')}")

    try:
        recorder = [sys.executable, "-m", "spatialvlm_ros.recording.recorder", "--overwrite", "-o", str(bag), *TOPICS]
        supervisor.start("recorder", [*recorder, "--ros-args", "-p", "use_sim_time:=true"])
        for node in graph("sim", None, sim_seed=options.seed, allow_motion=True, vlm=options.vlm):
            supervisor.start(node.executable, node.command())
        options.tell(f"started {', '.join(supervisor.processes)} (ROS_DOMAIN_ID {options.domain_id}, logs in {logs})")
        with DemoClient(alive) as client:
            scene = client.wait_for_scene(_START_S)
            options.tell("spatial_node sees: " + ", ".join(sorted(thing.label for thing in scene.objects)))
            for question in QUESTIONS:
                options.tell(f"{question}  {client.ask(question)}")
            stages = client.set_task(options.instruction)
            options.tell(f"task: {options.instruction}  (stages {', '.join(stages)})")
            outcome = client.execute(options.instruction, options.timeout_s, options.tell)
            time.sleep(1.0)  # the last frames of the settled scene belong to the episode
    finally:
        if "recorder" in supervisor.processes:
            supervisor.stop(["recorder"], grace_s=20.0)
        codes = supervisor.stop()
    if codes["recorder"] != 0:  # a full disk; what there is of the recording is no whole episode
        raise DemoError(f"the recorder ended with exit code {codes['recorder']}: is the disk full? See {logs / 'recorder.log'}")
    return outcome, stages
