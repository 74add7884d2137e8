"""Starts the nodes as separate processes, for a machine without ros2 launch; launch/ does the same with ROS's own tool.

    python -m spatialvlm_ros.bringup --camera realsense --task "pick up the red block"
    python -m spatialvlm_ros.bringup --camera sim

What never changes: the processes are the same executables with the same remaps as from the launch files, and none outlives this
one when it ends by a signal.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import yaml

from .share import config_file

Value = bool | int | float | str | list[str]


@dataclass(frozen=True)
class NodeProcess:
    """One node to run: executable, parameter files, single parameters before and after them (later ones win), remaps."""

    executable: str
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remaps: Mapping[str, str] = field(default_factory=dict)
    last_parameters: Mapping[str, Value] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Its command line."""
        words = [sys.executable, "-m", f"spatialvlm_ros.nodes.{self.executable}", "--ros-args"]
        words += _single(self.parameters)
        # Later ones win, and what is in a robot's own file is meant.
        for path in self.parameter_files:
            words += ["--params-file", str(path)]
        # rcl lets a file's section for a node win over what is said to all nodes, wherever it stands.
        words += _single(self.last_parameters, f"{self.executable}:")
        for source, target in self.remaps.items():
            words += ["-r", f"{source}:={target}"]
        return words


def _single(parameters: Mapping[str, Value], node: str = "") -> list[str]:
    # JSON is YAML, which rcl parses behind -p; its quotes keep a string from turning into a number.
    pairs = [f"{node}{name}:={json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items()]
    return [word for pair in pairs for word in ("-p", pair)]


def camera_presets() -> dict[str, dict[str, str]]:
    """All of config/cameras.yaml, by name."""
    presets: dict[str, dict[str, str]] = yaml.safe_load(config_file("cameras.yaml").read_text(encoding="utf-8"))
    return presets


def camera_preset(name: str) -> dict[str, str]:
    """Topics of a camera in config/cameras.yaml. Raises ValueError with the known names, or with what a preset lacks."""
    presets = camera_presets()
    if name not in presets:
        raise ValueError(f"camera '{name}' has no preset; known are {', '.join(presets)} (config/cameras.yaml)")
    lacking = [key for key in ("color", "depth", "info", "depth_noise") if not (presets[name] or {}).get(key)]
    if lacking:
        raise ValueError(
            f"camera '{name}' of config/cameras.yaml lacks {', '.join(lacking)}; the presets beside it have all four"
        )
    return presets[name]


def spatial_node(camera: str, robot: Path | None, **parameters: Value) -> NodeProcess:
    """spatial_node behind a camera preset, with the robot's parameter file."""
    preset = camera_preset(camera)
    remaps = {
        "color/image_raw": preset["color"],
        "depth/image_raw": preset["depth"],
        "depth/camera_info": preset["info"],
        "color/image_raw/compressed": preset["color"] + "/compressed",
        "depth/image_raw/compressedDepth": preset["depth"] + "/compressedDepth",
    }
    files = () if robot is None else (robot,)
    return NodeProcess("spatial_node", files, {"depth_noise": preset["depth_noise"], **parameters}, remaps)


def graph(
    camera: str, robot: Path | None, task: str = "", *, sim_seed: int = 0, allow_motion: bool = False, vlm: str = ""
) -> list[NodeProcess]:
    """The whole system. Camera "sim" adds the simulated robot, its parameters and simulated time; ``vlm`` "" leaves spatial_node
    its own choice of a model. A robot's file may have a section for each node; whether anything moves is not its to say.
    """
    simulated = camera == "sim"
    clock: dict[str, Value] = {"use_sim_time": simulated}
    if simulated and robot is None:
        robot = config_file("robots", "sim.yaml")
    files = () if robot is None else (robot,)
    moving: dict[str, Value] = {"allow_motion": allow_motion, **({"executor": "sim"} if simulated else {})}
    nodes = [
        spatial_node(camera, robot, **clock, **({"vlm": vlm} if vlm else {})),
        NodeProcess("reward_node", files, clock, last_parameters={"task": task} if task else {}),
        NodeProcess("planner_node", files, clock, last_parameters=moving),
    ]
    if simulated:
        nodes.insert(0, NodeProcess("sim_robot_node", parameters={"seed": sim_seed}))
    return nodes


def ros_environment() -> dict[str, str]:
    """This process' environment with the shared-memory profile that images need, and no discovery beyond this machine."""
    environment = dict(os.environ)
    profile = str(config_file("fastdds.xml"))
    environment.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", profile)
    environment.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", profile)
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.setdefault("PYTHONUNBUFFERED", "1")
    # One thread a library: several nodes share few cores, and BLAS threads that spin while they wait take them away.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        environment.setdefault(name, "1")
    if not environment.get("HOME") and not environment.get("ROS_LOG_DIR"):
        environment["ROS_LOG_DIR"] = str(Path.cwd() / "log")
    return environment


class Supervisor:
    """Runs processes and ends them together: SIGINT, then SIGKILL for whoever does not stop."""

    def __init__(self, environment: Mapping[str, str], log_directory: Path | None = None) -> None:
        self._environment, self._log_directory = dict(environment), log_directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> None:
        """Start one; its output goes to <log directory>/<name>.log, or to this terminal."""
        if self._log_directory is None:
            self.processes[name] = subprocess.Popen(command, env=self._environment)
            return
        self._log_directory.mkdir(parents=True, exist_ok=True)
        with (self._log_directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def ended(self) -> dict[str, int]:
        """Exit codes of processes that ended, by name."""
        return {name: code for name, process in self.processes.items() if (code := process.poll()) is not None}

    def stop(self, names: Iterable[str] | None = None, grace_s: float = 8.0) -> dict[str, int]:
        """End the named processes (default: all, in the order they were started) and return their exit codes."""
        chosen = list(self.processes) if names is None else list(names)
        for name in chosen:
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(signal.SIGINT)
        deadline = time.monotonic() + grace_s
        codes = {}
        for name in chosen:
            try:
                codes[name] = self.processes[name].wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.processes[name].kill()
                codes[name] = self.processes[name].wait()
        return codes


def main(arguments: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m spatialvlm_ros.bringup", description="Start spatialvlm_ros' nodes.")
    parser.add_argument("--camera", default="realsense", help="preset of config/cameras.yaml, or sim (default: realsense)")
    parser.add_argument("--robot", type=Path, help="parameters of the nodes: spatial_node's tool_frame, robot_capsules ...")
    parser.add_argument("--task", default="", help="task that reward_node rewards from the start")
    parser.add_argument("--seed", type=int, default=0, help="scene of the simulation (camera sim)")
    parser.add_argument("--allow-motion", action="store_true", help="let planner_node move the robot")
    chosen = parser.parse_args(arguments)
    if chosen.robot is not None and not chosen.robot.is_file():
        parser.error(f"--robot {chosen.robot}: no such file")
    try:
        nodes = graph(chosen.camera, chosen.robot, chosen.task, sim_seed=chosen.seed, allow_motion=chosen.allow_motion)
    except ValueError as error:
        parser.error(str(error))
    return _run(Supervisor(ros_environment()), nodes)


@contextmanager
def ending_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as ctrl-C does, so that what it started is stopped with it. Only the main thread gets signals."""

    def end(number: int, stack: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(supervisor: Supervisor, nodes: list[NodeProcess]) -> int:
    with ending_by_sigterm():
        return _run_until_ended(supervisor, nodes)


def _run_until_ended(supervisor: Supervisor, nodes: list[NodeProcess]) -> int:
    try:
        for node in nodes:
            supervisor.start(node.executable, node.command())
        while not supervisor.ended():
            time.sleep(0.2)
        for name, code in supervisor.ended().items():
            print(f"{name} ended with exit code {code}; stopping the others", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        supervisor.stop()


if __name__ == "__main__":
    sys.exit(main())
