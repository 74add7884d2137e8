"""Launch files cannot run without a ROS installation; what can go wrong in them without one is checked here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from spatialvlm_ros.bringup import camera_preset, graph
from spatialvlm_ros.nodes.node_types import NODES
from spatialvlm_ros.share import config_file

LAUNCH = Path(__file__).resolve().parents[1] / "launch"
FILES = ("spatialvlm.launch.py", "demo.launch.py")


def keywords(path: Path, name: str) -> list[ast.expr]:
    """Values of a keyword argument in all calls of a file."""
    tree = ast.parse(path.read_text(), str(path))
    return [word.value for call in ast.walk(tree) if isinstance(call, ast.Call) for word in call.keywords if word.arg == name]


def strings(path: Path, name: str) -> list[str]:
    return [value.value for value in keywords(path, name) if isinstance(value, ast.Constant)]


def remappings(executable: str) -> ast.List:
    """Of the node that the launch file starts from an executable."""
    tree = ast.parse((LAUNCH / FILES[0]).read_text())
    for call in ast.walk(tree):
        words = {word.arg: word.value for word in call.keywords} if isinstance(call, ast.Call) else {}
        if "executable" in words and ast.literal_eval(words["executable"]) == executable:
            assert isinstance(words["remappings"], ast.List)
            return words["remappings"]
    raise AssertionError(f"{executable} is not started")


def ours(name: str) -> list[str]:
    """Executables of this package that a launch file starts."""
    return [executable for executable in strings(LAUNCH / name, "executable") if executable != "rviz2"]


@pytest.mark.parametrize("name", FILES)
def test_launch_files_start_executables_that_exist(name: str) -> None:
    executables = ours(name)
    assert executables and set(executables) <= set(NODES)
    assert set(executables) <= set(strings(LAUNCH / name, "name"))  # topics are named after the nodes


def test_the_demo_launch_file_starts_the_same_nodes_as_the_demo() -> None:
    launched = {executable for name in FILES for executable in ours(name)}
    assert launched == {node.executable for node in graph("sim", None)}


def test_rviz_shows_what_the_nodes_publish_and_the_launch_file_names_its_topics() -> None:
    """RViz's file names the simulated robot's topics, for which the launch file puts those of the camera."""
    shown = yaml.safe_load(config_file("spatialvlm.rviz").read_text(encoding="utf-8"))["Visualization Manager"]["Displays"]
    topics = {value for display in shown for key, value in display.items() if key.endswith("Topic") and isinstance(value, str)}
    topics |= {display["Topic"]["Value"] for display in shown if "Topic" in display}
    camera = camera_preset("sim")
    own = {f"/spatial_node/{topic}" for topic in ("markers", "debug_image")}
    assert topics == {camera["color"], camera["depth"]} | own
    node = (LAUNCH.parent / "spatialvlm_ros" / "nodes" / "spatial_node.py").read_text(encoding="utf-8")
    assert all(f'"~/{topic.rsplit("/", 1)[1]}"' in node for topic in own)
    remapped = remappings("rviz2")
    assert all(f"shown['{kind}'], camera['{kind}']" in ast.unparse(remapped) for kind in ("color", "depth", "info"))


def test_the_launch_file_remaps_what_bringup_remaps() -> None:
    remapped = remappings("spatial_node")
    pairs = [ast.literal_eval(pair.elts[0]) for pair in remapped.elts if isinstance(pair, ast.Tuple)]
    spatial = next(node for node in graph("realsense", None) if node.executable == "spatial_node")
    assert set(pairs) == set(spatial.remaps)


def test_every_node_has_its_parameter_file() -> None:
    for name in NODES:
        assert config_file(f"{name}.yaml").is_file()
