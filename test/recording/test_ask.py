"""``spatialvlm ask``: questions about images of folders and bags, and what is said of inputs that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.recording.ask import AskError, AskOptions, ask
from spatialvlm_ros.recording.rgbd_folder import FolderError, read_one
from spatialvlm_ros.recording.robot_file import RobotFile, RobotFileError

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MOSD, BAG = DATA / "pcl_mosd", DATA / "bags" / "apc_real_frames_ros2"
TALLEST = "What is the tallest object?"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["ask", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_real_frame_is_asked_by_name_and_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, TALLEST, "--frame", str(MOSD / "learn44"))
    assert code == 0 and "can" in out.splitlines()[0], out
    assert "question: What is the tallest object?" in out and "argmax" in out and " m ± " in out and "[DEPTH, " in out
    for name in ("learn44-color.png", "learn44-depth.png"):
        assert run(capsys, TALLEST, "--frame", str(MOSD / name))[1] == out


def test_json_holds_everything_and_is_the_same_twice(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("How many objects are there?", "--frame", str(MOSD / "learn44"), "--json")
    code, out, _ = run(capsys, *arguments)
    told = json.loads(out)
    assert code == 0 and told["value"] == 3.0 and told["unit"] == "count" and told["decided"] is True
    assert told["stamp_ns"] > 0 and told["frame_id"] and told["tree"] and told["facts"][0]["relation"] == "count"
    assert run(capsys, *arguments)[1] == out


def test_the_value_is_what_the_labels_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """Height of the tallest thing against the labelled pixels' own height over the labelled table."""
    _, out, _ = run(capsys, "How tall is the tallest object?", "--frame", str(MOSD / "learn44"), "--json")
    told = json.loads(out)
    item = read_one(MOSD / "learn44")
    assert item.labels is not None
    cloud = item.frame.camera.back_project(item.frame.depth_m)
    table = cloud[(item.labels >= 1) & (item.labels < 10) & np.isfinite(item.frame.depth_m)]
    middle = table.mean(axis=0)
    normal = np.linalg.svd(table - middle, full_matrices=False)[2][2]
    heights = []
    for number in np.unique(item.labels[item.labels >= 20] // 10):
        points = cloud[(item.labels // 10 == number) & np.isfinite(item.frame.depth_m)]
        heights.append(np.percentile(np.abs((points - middle) @ normal), 99.5))
    assert told["value"] == pytest.approx(max(heights), abs=0.015)


def test_a_bag_is_asked_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Its tf gives gravity; without it these frames are refused with the reason, which is no answer."""
    code, out, _ = run(capsys, "How many objects are there?", "--bag", str(BAG), "--at", "0.5")
    assert code == 1 and "no horizontal surface" in out
    stamps = []
    for at in ("0", "0.5", "0.6", "2"):
        out = run(capsys, "How many objects are there?", "--bag", str(BAG), "--at", at, "--json")[1]
        stamps.append(json.loads(out)["stamp_ns"])
    assert stamps[0] < stamps[1] == stamps[2] < stamps[3]


def test_a_bag_that_was_cut_off_is_asked_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = next(BAG.glob("*.mcap")).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) * 2 // 3])
    question = ("How many objects are there?", "--bag")
    _, out, err = run(capsys, *question, str(tmp_path / "cut.mcap"), "--json")
    assert "note: cut.mcap: it" in err and json.loads(out)["notes"]
    assert json.loads(out)["stamp_ns"] == json.loads(run(capsys, *question, str(BAG), "--json")[1])["stamp_ns"]


def test_a_robot_file_gives_gravity_and_the_gripper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robot = tmp_path / "robot.yaml"
    robot.write_text('/**/spatial_node:\n  ros__parameters:\n    gravity_frame: world\n    named_frames: ["base = world"]\n')
    code, out, _ = run(capsys, "How many objects are there?", "--bag", str(BAG), "--robot", str(robot))
    assert "may be a wall" not in out and code in (0, 1)
    options = AskOptions("How far is the base from the gripper?", bag=BAG, robot=robot)
    reply = ask(options)
    answer, plan = reply.answer, reply.plan
    assert not answer.answered and "set parameter tool_frame" in answer.text and plan is not None
    robot.write_text("/**/spatial_node:\n  ros__parameters:\n    gravity_frame: wrld\n")
    assert "note: " in (err := run(capsys, "How many objects are there?", "--bag", str(BAG), "--robot", str(robot))[2])
    assert "no frame 'wrld'" in err


def test_a_folder_has_no_gripper_and_says_so() -> None:
    answer = ask(AskOptions("How far is the gripper from the tallest object?", frame=MOSD / "learn44")).answer
    assert not answer.answered and "there is no tf beside a folder" in answer.text
    answer = ask(AskOptions("Is the brown box left of the orange box?", frame=MOSD / "learn44", view="base_link")).answer
    assert not answer.answered and answer.text


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("What is the meaning of life?", "--frame", str(MOSD / "learn44")), ("What is the meaning of life?",)),
        (("", "--frame", str(MOSD / "learn44")), ("empty",)),
        ((TALLEST, "--frame", str(MOSD)), ("5 pairs of images", "learn0", "give one as")),
        ((TALLEST, "--frame", str(MOSD / "nothing")), ("names no pair", "learn0")),
        ((TALLEST, "--frame", "/nowhere/at/all"), ("/nowhere/at/all does not exist",)),
        ((TALLEST, "--bag", "/nowhere.mcap"), ("/nowhere.mcap does not exist",)),
        ((TALLEST, "--bag", str(BAG), "--at", "nan"), ("the time is nan s",)),
        ((TALLEST, "--bag", str(BAG), "--at=-1"), ("the time is -1.0 s",)),
        ((TALLEST, "--bag", str(BAG), "--at", "100"), ("no image of", "at 100 s; the nearest one is that at 2.000 s")),
        ((TALLEST, "--frame", str(MOSD / "learn0"), "--depth-unit-m", "-0.001"), ("a depth unit of -0.001 m cannot be",)),
        ((TALLEST, "--bag", str(DATA / "bags" / "jsk_watercan.bag")), ("no colour and no depth",)),
        ((TALLEST, "--frame", str(MOSD / "learn0"), "--depth-noise", "sonar"), ("'sonar'", "structured_light")),
        ((TALLEST, "--bag", str(BAG), "--robot", str(MOSD / "learn0-color.png")), ("cannot be read as a parameter file",)),
        ((TALLEST, "--frame", str(MOSD / "learn0"), "--llm-url", "ftp://x"), ("ftp://x",)),
    ],
)
def test_an_input_that_cannot_be_used_is_named(
    arguments: tuple[str, ...], texts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and not out and err.startswith("error: ")
    for text in texts:
        assert text in err, err


def test_a_robot_file_with_a_wrong_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    for text, problem in (
        ("- 1\n", "no parameters for spatial_node"),
        ("/**/spatial_node:\n  ros__parameters:\n    tool_frame: 3\n", "tool_frame is 3; give text"),
        ("/**/spatial_node:\n  ros__parameters:\n    named_frames: robot\n", "named_frames is 'robot'; give a list of strings"),
        ("a: [\n", "cannot be read as a parameter file"),
        ("/**/spatial_node:\n  ros__parameters:\n    vlm: off\n", "vlm is False; give text, in quotes"),
        ("/**/spatial_node:\n  ros__parameters:\n    vlm_recheck_s: 1\n", "vlm_recheck_s is 1; give a number with a point"),
        ("/**/spatial_node:\n  ros__parameters:\n    vlm_timeout_s: -2.0\n", "vlm_timeout_s is -2.0; give a number from 0.1 to"),
        ("/**/spatial_node:\n  ros__parameters:\n    vlm_quantization: 2bit\n", "vlm_quantization is '2bit'; give one of none"),
        ("/**/spatial_node:\n  ros__parameters:\n    vlm_answers: 1\n", "vlm_answers is 1; give true or false"),
        ("/**/spatial_node:\n  ros__parameters:\n    tool_fram: tool0\n", "no parameter 'tool_fram'; did you mean 'tool_frame'"),
    ):
        path.write_text(text)
        with pytest.raises(RobotFileError, match=problem):
            RobotFile(path)
    with pytest.raises(RobotFileError, match="cannot be read"):
        RobotFile(tmp_path / "none.yaml")


def test_all_sections_of_a_robot_file_that_are_for_the_node_count(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    shared = "/**:\n  ros__parameters:\n    use_sim_time: true\n    of_another_node: 1\n    tool_frame: hand\n"
    path.write_text(shared + "spatial_node:\n  ros__parameters:\n    tool_frame: tool0\n    use_sim_time: true\n")
    assert RobotFile(path).param("tool_frame") == "tool0"


def test_without_an_image_there_is_nothing_to_ask() -> None:
    with pytest.raises(AskError, match="--frame"):
        ask(AskOptions(TALLEST))


def test_a_folder_with_one_pair_needs_no_name(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a-color.png"), np.zeros((6, 8, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a-depth.png"), np.full((6, 8), 900, np.uint16))
    with pytest.raises(FolderError, match="no intrinsics"):
        read_one(tmp_path)
    (tmp_path / "intrinsics.json").write_text('{"fx": 10, "fy": 10, "cx": 3.5, "cy": 2.5, "depth_unit": "mm"}')
    assert read_one(tmp_path).name == "a"
    answer = ask(AskOptions(TALLEST, frame=tmp_path)).answer
    assert not answer.answered and answer.text
