"""What bringup would start: the command lines, read back by ROS itself where it is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.bringup import NodeProcess, Supervisor, camera_preset, graph, main, ros_environment, spatial_node
from spatialvlm_ros.scene.noise import PRESETS
from spatialvlm_ros.share import config_file, share_directory

CAMERAS = ("realsense", "zed", "zed_before_5_1", "orbbec", "azure_kinect", "sim")


def options(command: list[str], flag: str) -> dict[str, str]:
    """Values behind each -p or -r, by name."""
    pairs = [command[i + 1] for i, word in enumerate(command) if word == flag]
    return dict(pair.split(":=", 1) for pair in pairs)


def test_every_preset_is_complete_and_its_noise_is_known() -> None:
    presets = yaml.safe_load(config_file("cameras.yaml").read_text())
    assert set(presets) == set(CAMERAS)
    for name in presets:
        preset = camera_preset(name)
        assert set(preset) == {"color", "depth", "info", "depth_noise"}
        assert preset["depth_noise"] in PRESETS
        topics = [preset[key] for key in ("color", "depth", "info")]
        assert all(topic.startswith("/") and not topic.endswith("/") for topic in topics) and len(set(topics)) == 3


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'kinect9'") as caught:
        camera_preset("kinect9")
    assert all(name in str(caught.value) for name in CAMERAS)


def test_a_preset_that_lacks_a_topic_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cameras.yaml").write_text("mine: {color: /c, depth: /d, depth_noise: stereo}\n")
    monkeypatch.setattr("spatialvlm_ros.bringup.config_file", lambda name: tmp_path / name)
    with pytest.raises(ValueError, match=r"camera 'mine' of config/cameras\.yaml lacks info"):
        camera_preset("mine")


@pytest.mark.parametrize("camera", CAMERAS)
def test_spatial_node_gets_the_presets_topics_and_noise(camera: str) -> None:
    preset = camera_preset(camera)
    command = spatial_node(camera, Path("/tmp/my robot.yaml"), use_sim_time=True).command()
    assert command[:4] == [sys.executable, "-m", "spatialvlm_ros.nodes.spatial_node", "--ros-args"]
    assert command[command.index("--params-file") + 1] == "/tmp/my robot.yaml"
    remaps = options(command, "-r")
    assert remaps["color/image_raw"] == preset["color"]
    assert remaps["depth/image_raw"] == preset["depth"]
    assert remaps["depth/camera_info"] == preset["info"]
    parameters = {name: yaml.safe_load(value) for name, value in options(command, "-p").items()}
    assert parameters == {"depth_noise": preset["depth_noise"], "use_sim_time": True}


def test_every_process_is_a_module_that_exists() -> None:
    import importlib.util

    for node in graph("sim", None):
        assert importlib.util.find_spec(f"spatialvlm_ros.nodes.{node.executable}") is not None


def test_the_simulation_runs_on_its_own_clock_with_its_own_robot() -> None:
    nodes = {node.executable: node for node in graph("sim", None, "pick up the red block", sim_seed=7)}
    assert list(nodes) == ["sim_robot_node", "spatial_node", "reward_node", "planner_node"]
    assert nodes["sim_robot_node"].parameters == {"seed": 7}
    assert nodes["spatial_node"].parameter_files == (config_file("robots", "sim.yaml"),)
    assert all(nodes[name].parameters["use_sim_time"] is True for name in list(nodes)[1:])
    assert nodes["planner_node"].last_parameters["executor"] == "sim"
    assert nodes["reward_node"].last_parameters["task"] == "pick up the red block"


def test_a_real_camera_starts_no_simulation_and_moves_nothing_unasked() -> None:
    nodes = {node.executable: node for node in graph("realsense", None)}
    assert "sim_robot_node" not in nodes
    assert "executor" not in nodes["planner_node"].last_parameters
    assert nodes["planner_node"].last_parameters["allow_motion"] is False
    assert all(node.parameters["use_sim_time"] is False for node in nodes.values())
    moving = {node.executable: node for node in graph("realsense", None, allow_motion=True)}
    assert moving["planner_node"].last_parameters["allow_motion"] is True


@pytest.mark.parametrize("section", ["/**/planner_node", "/planner_node", "planner_node", "/**"])
def test_a_robots_file_speaks_to_all_nodes_but_moves_none(section: str, tmp_path: Path) -> None:
    """As rcl reads the command line: the workspace is the file's, whether anything moves is not."""
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    robot = tmp_path / "robot.yaml"
    robot.write_text(
        "/**/spatial_node: {ros__parameters: {tool_frame: tool0}}\n/**/reward_node: {ros__parameters: {task: reach(mug)}}\n"
        f"{section}: {{ros__parameters: {{planning_frame: world, executor: cartesian, allow_motion: true}}}}\n"
    )
    found = {}
    for process in graph("realsense", robot):
        command, context = process.command(), Context()
        rclpy.init(args=command[command.index("--ros-args") :], context=context)
        node = Node(process.executable, context=context, automatically_declare_parameters_from_overrides=True)
        found |= {name: node.get_parameter(name).value for name in node._parameters}
        node.destroy_node()
        context.shutdown()
    assert found["tool_frame"] == "tool0" and found["task"] == "reach(mug)"
    assert (found["planning_frame"], found["executor"], found["allow_motion"]) == ("world", "cartesian", False)


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=30)


@given(st.one_of(st.booleans(), st.integers(-(2**31), 2**31), printable, st.lists(printable, max_size=4)))
def test_parameters_survive_yaml(value: bool | int | str | list[str]) -> None:
    command = NodeProcess("spatial_node", parameters={"it": value}).command()
    assert yaml.safe_load(options(command, "-p")["it"]) == value


STRINGS = (
    "pick up the red block", "1", "1.5", "true", "null", "", "it's", 'a "b" c', "a: b", "#1", "- x", "[1, 2]", "a\\b", "é ü", "~",
    "a\nb",
)  # fmt: skip


def test_rcl_reads_the_parameters_that_were_meant() -> None:
    """One node that gets every kind of value, through the same parser as a started process."""
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    wanted = {f"s{index}": text for index, text in enumerate(STRINGS)}
    wanted |= {"flag": True, "count": 3, "ratio": 0.25, "tiny": 1e-05, "whole": 2.0, "names": ["red block", "1", "true"]}
    command = NodeProcess("spatial_node", parameters=wanted).command()
    context = Context()
    rclpy.init(args=command[command.index("--ros-args") :], context=context)
    try:
        node = Node("reader", context=context, automatically_declare_parameters_from_overrides=True)
        found = {name: node.get_parameter(name).value for name in wanted}
        node.destroy_node()
    finally:
        context.shutdown()
    assert found == wanted
    assert all(type(found[name]) is type(value) for name, value in wanted.items())


def test_environment_stays_on_this_machine_and_keeps_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.delenv(name, raising=False)
    found = ros_environment()
    assert Path(found["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert found["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    assert ros_environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


@pytest.mark.parametrize("arguments", [["--camera", "kinect9"], ["--robot", "/nowhere/robot.yaml"]])
def test_a_wrong_argument_ends_before_anything_starts(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def sleeper(body: str) -> list[str]:
    return [sys.executable, "-c", f"import signal, time, sys\n{body}\nprint('ready', flush=True)\ntime.sleep(60)"]


def wait_for_log(directory: Path, name: str) -> None:
    deadline = time.monotonic() + 20
    while "ready" not in (directory / f"{name}.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_end_together_and_the_deaf_one_is_killed(tmp_path: Path) -> None:
    supervisor = Supervisor(dict(os.environ), tmp_path)
    polite = "signal.signal(signal.SIGINT, lambda *a: sys.exit(5))"
    deaf = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    for name, body in (("polite", polite), ("deaf", deaf)):
        supervisor.start(name, sleeper(body))
        wait_for_log(tmp_path, name)
    assert supervisor.ended() == {}
    assert supervisor.stop(grace_s=1.0) == {"polite": 5, "deaf": -signal.SIGKILL}
    assert supervisor.ended() == {"polite": 5, "deaf": -signal.SIGKILL}


def test_one_process_can_be_ended_alone(tmp_path: Path) -> None:
    supervisor = Supervisor(dict(os.environ), tmp_path)
    for name in ("a", "b"):
        supervisor.start(name, sleeper("signal.signal(signal.SIGINT, lambda *a: sys.exit(0))"))
        wait_for_log(tmp_path, name)
    try:
        assert supervisor.stop(["a"]) == {"a": 0}
        assert supervisor.ended() == {"a": 0}
    finally:
        supervisor.stop()


def test_the_share_directory_holds_what_launch_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = share_directory()
    assert (share / "package.xml").is_file() and (share / "launch").is_dir()
    assert config_file("robots", "sim.yaml").parent.parent == share / "config"
    with pytest.raises(FileNotFoundError, match=r"robots/none\.yaml does not exist"):
        config_file("robots", "none.yaml")
    # Installed, it lies in a prefix; the error names every place.
    import spatialvlm_ros.share as module

    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages" / "spatialvlm_ros" / "share.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}")
    with pytest.raises(FileNotFoundError) as caught:
        share_directory()
    assert all(place in str(caught.value) for place in ("one", "two", "venv"))
    place = tmp_path / "two" / "share" / "spatialvlm_ros"
    (place / "config").mkdir(parents=True)
    (place / "package.xml").touch()
    assert share_directory() == place


def test_values_are_json_so_that_quotes_survive() -> None:
    assert json.loads(options(NodeProcess("x", parameters={"t": 'say "1"'}).command(), "-p")["t"]) == 'say "1"'


def test_sigterm_ends_what_a_demo_started(tmp_path: Path) -> None:
    """A simulated robot that outlives its demo would go on publishing, and take a core."""
    program = (
        "import os, sys, time\nfrom pathlib import Path\nfrom spatialvlm_ros.bringup import Supervisor, ending_by_sigterm\n"
        f"supervisor = Supervisor(dict(os.environ), Path({str(tmp_path)!r}))\n"
        "with ending_by_sigterm():\n"
        "    try:\n"
        f"        supervisor.start('child', {sleeper('')!r})\n"
        "        print(supervisor.processes['child'].pid, flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        supervisor.stop(grace_s=1.0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_for_log(tmp_path, "child")
        parent.terminate()
        assert parent.wait(20) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
