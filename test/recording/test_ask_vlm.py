"""``spatialvlm ask`` and ``label`` with a vision-language model: what a name means, and what stands in for the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from label_bags import TASK, robot_file

sys.path.append(str(Path(__file__).resolve().parents[1] / "vlm"))
from table_views import BLUE, RED, SMALL, picture_of
from tiny_render import Solid
from tiny_vlms import idefics3

from spatialvlm_ros.cli import main
from spatialvlm_ros.recording.ask import AskOptions, ask
from spatialvlm_ros.recording.label import LabelOptions, load_task_of, model_of
from spatialvlm_ros.recording.label_folder import inputs_document
from spatialvlm_ros.recording.robot_file import RobotFile
from spatialvlm_ros.scene.facts import Source
from spatialvlm_ros.vlm.options import VlmOptions

QUESTION = "How tall is the gizmo?"


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one pair of images: a red and a blue block."""
    return write_frame(tmp_path_factory.mktemp("frame"), [RED, BLUE])


def write_frame(folder: Path, solids: list[Solid]) -> Path:
    picture = picture_of(solids)
    cv2.imwrite(str(folder / "a-color.png"), picture.frame.color[..., ::-1])
    depth = np.nan_to_num(picture.frame.depth_m * 1000).round().astype(np.uint16)
    cv2.imwrite(str(folder / "a-depth.png"), depth)
    intrinsics = {"fx": SMALL.fx, "fy": SMALL.fy, "cx": SMALL.cx, "cy": SMALL.cy, "depth_unit": "mm"}
    (folder / "intrinsics.json").write_text(json.dumps(intrinsics))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    box = np.array(picture_of([RED, BLUE]).region(1).box) / [0.32, 0.24, 0.32, 0.24]
    says = json.dumps([{"bbox_2d": box.round().astype(int).tolist()}])
    return idefics3(tmp_path_factory.mktemp("model") / "idefics3", [says])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["ask", *arguments])
    return code, capsys.readouterr().out


def test_ask_names_things_by_the_model_and_says_which(frame: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (QUESTION, "--frame", str(frame), "--vlm", str(model), "--vlm-device", "cpu")
    code, out = run(capsys, *arguments)
    assert code == 0 and "model: idefics3@" in out.splitlines()[-1]
    told = json.loads(run(capsys, *arguments, "--json")[1])
    assert told["value"] == pytest.approx(0.06, abs=0.01) and told["source"] == "DEPTH"
    assert told["vlm"].startswith("idefics3@") and told["vlm_problem"] == ""
    code, out = run(capsys, QUESTION, "--frame", str(frame), "--vlm", "off")
    assert code == 1 and "gizmo" in out and "model:" not in out


def test_ask_goes_on_with_words_where_the_model_cannot_be_had(frame: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "How tall is the red block?", "--frame", str(frame), "--vlm", "/no/such/model")
    assert code == 0 and "m ± " in out and "names by words alone" in out.splitlines()[-1] and "no such folder" in out
    code, out = run(capsys, "How tall is the red block?", "--frame", str(frame), "--vlm", "http://127.0.0.1:9/v1#nobody")
    assert code == 0 and "nothing listens at http://127.0.0.1:9" in out.splitlines()[-1]


def test_labels_say_which_model_named_things(model: Path, tmp_path: Path) -> None:
    """The model is a part of what labels are made from: another one's are not gone on with."""
    task = LabelOptions(TASK)
    documents = []
    for vlm in ("", "off", "/no/such/model", str(model)):
        options = LabelOptions(TASK, vlm=vlm, vlm_device="cpu")
        chosen = model_of(options, RobotFile(robot_file(tmp_path)))
        documents.append(inputs_document([], options, str(load_task_of(task)), ("parquet",), chosen.text)["options"]["vlm"])
    assert documents[1] == "off" and "no such folder" in documents[2] and documents[3].startswith("idefics3@")
    robot = tmp_path / "named.yaml"
    robot.write_text(f"/**/spatial_node:\n  ros__parameters:\n    vlm: {model}\n")
    chosen = model_of(LabelOptions(TASK, robot=robot, vlm_device="cpu"), RobotFile(robot))
    assert chosen.vlm is not None and chosen.text == documents[3]


def test_a_robot_file_runs_its_model_as_the_live_node_does(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(
        "/**/spatial_node:\n  ros__parameters:\n    vlm: /a/model\n    vlm_device: cpu\n    vlm_dtype: bfloat16\n"
        "    vlm_quantization: 8bit\n    vlm_adapter: /an/adapter\n    vlm_segmenter: /a/segmenter\n    vlm_timeout_s: 3.0\n"
        "    vlm_recheck_s: 7.0\n    vlm_min_period_s: 0.5\n    vlm_pace: own\n    vlm_allow_download: true\n"
    )
    robot = RobotFile(path)
    asked = VlmOptions(
        "cpu", "bfloat16", "8bit", adapter="/an/adapter", segmenter="/a/segmenter", timeout_s=3.0, allow_download=True
    )
    assert robot.model(None, VlmOptions()) == robot.model("/a/model", VlmOptions()) == ("/a/model", asked)
    assert robot.model("", VlmOptions(device="cuda:1"))[1].device == "cuda:1", "what is asked for beside the file goes first"
    assert robot.model("/b/model", VlmOptions()) == ("/b/model", VlmOptions()), "the file speaks of its own model"
    assert (robot.naming.recheck_s, robot.naming.min_period_s, robot.naming.own_pace) == (7.0, 0.5, False)
    assert RobotFile(None).model(None, VlmOptions()) == ("off", VlmOptions())


def test_a_robot_file_says_whether_the_models_numbers_count(tmp_path: Path) -> None:
    """As ~/ask does: with vlm_answers false depth's numbers stand alone."""
    folder = idefics3(tmp_path / "idefics3", ["0.058 meters", "0.062 meters"])
    (tmp_path / "frame").mkdir()
    frame = write_frame(tmp_path / "frame", [RED])
    sources = []
    for answers in ("true", "false"):
        robot = tmp_path / f"{answers}.yaml"
        params = f"    vlm: {folder}\n    vlm_answers: {answers}\n    vlm_device: cpu\n"
        robot.write_text(f"/**/spatial_node:\n  ros__parameters:\n{params}")
        reply = ask(AskOptions("How tall is the object?", frame=frame, robot=robot))
        sources.append(reply.answer.source)
        assert reply.vlm.startswith("idefics3@"), reply.problem
    assert sources == [Source.FUSED, Source.DEPTH]
