"""``spatialvlm evaluate --benchmark``: a model behind a server that sees the pictures' colours, and copies that are not whole."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from public_copies import COLOURS, MAKERS, encoded, lines, parquet, realworldqa, write

sys.path.append(str(Path(__file__).resolve().parents[1] / "vlm"))
from tiny_vlms import idefics3

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.benchmarks.catalog import BENCHMARKS
from spatialvlm_ros.evaluation.benchmarks.item import BenchmarkDataError, LoadOptions
from spatialvlm_ros.evaluation.benchmarks.run import words_of
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.vlm.interface import ModelAnswer


def letter_of(request: dict[str, Any]) -> str:
    """The letter whose colour the middle of the sent picture has."""
    uri = next(part["image_url"]["url"] for part in request["messages"][-1]["content"] if part["type"] == "image_url")
    color = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    middle = color[color.shape[0] // 2, color.shape[1] // 2].astype(int)
    return min(COLOURS, key=lambda letter: int(np.abs(middle - COLOURS[letter]).sum()))


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where a server listens that says the letter of the colour that it sees, and the requests that it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append(request)
            message = {"role": "assistant", "content": f"{letter_of(request)}. It is <b>so</b>"}
            data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/v1#seer", got
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_a_model_that_sees_gets_what_its_sight_is_worth(
    server: tuple[str, list[dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MAKERS["embspatial"](tmp_path / "copy")
    out = tmp_path / "out"
    asked = ["evaluate", "--benchmark", "embspatial", "--data", str(tmp_path / "copy"), "--model", server[0], "--out", str(out)]
    assert main(asked) == 0
    report = json.loads((out / "report.json").read_text())
    # Three of the four pictures have the right letter's colour.
    assert report["scores"]["model"]["overall"] == {"overall": 0.75} and report["answered"] == 4
    assert report["scores"]["random choice"]["overall"] == {"overall": 0.25} and report["problems"] == {}
    assert report["licence_of_the_data"] and report["rules"]
    assert len(report["data"]["sha256"]["embspatial_bench.json"]) == 64
    page, said = (out / "report.html").read_text(), (out / "answers.jsonl").read_text()
    assert "75.0 %" in page and "<b>so</b>" not in page and "&lt;b&gt;so" in page and not re.search(r'src="https?:', page)
    assert [json.loads(line)["score"] for line in said.splitlines()] == [1.0, 1.0, 1.0, 0.0]
    assert "75.0 %" in capsys.readouterr().out
    # The likeliest words, once a question.
    assert len(server[1]) == 4 and all(request["temperature"] == 0 for request in server[1])
    first = (out / "answers.jsonl").read_bytes(), report["scores"]
    assert main(asked) == 0
    assert first == ((out / "answers.jsonl").read_bytes(), json.loads((out / "report.json").read_text())["scores"])


def test_views_of_one_scene_reach_the_model_on_one_picture(server: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    MAKERS["vsi-bench"](tmp_path / "copy")
    arguments = ["evaluate", "--benchmark", "vsi-bench", "--data", str(tmp_path / "copy"), "--model", server[0]]
    assert main([*arguments, "--frames", "1", "--limit", "1", "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    # One film, five questions; its first frame has the colour of A.
    assert (report["images"], report["questions"], report["frames"]) == (1, 5, 1)
    assert report["scores"]["model"]["by_group"]["object_rel_direction_easy"]["score"] == 1.0
    assert report["scores"]["model"]["overall"]["object_rel_direction"] == 0.5


def test_a_model_without_words_is_refused_before_it_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MAKERS["robospatial"](tmp_path / "copy")
    arguments = ["evaluate", "--benchmark", "robospatial", "--data", str(tmp_path / "copy"), "--model", "words"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "answers no questions" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_server_that_is_down_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    MAKERS["omnispatial"](tmp_path / "copy")
    arguments = ["evaluate", "--benchmark", "omnispatial", "--data", str(tmp_path / "copy"), "--limit", "1"]
    assert main([*arguments, "--model", "http://127.0.0.1:9/v1#none", "--out", str(tmp_path / "out")]) == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["answered"] == 0 and sum(report["problems"].values()) == 2 and report["scores"]["model"]["read"] == 0


@pytest.mark.parametrize(("name", "code", "lost"), [("embspatial", 0, 1), ("vsi-bench", 1, 5)])
def test_a_picture_that_cannot_be_read_costs_its_questions_and_is_told(
    name: str, code: int, lost: int, tmp_path: Path, server: tuple[str, list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    MAKERS[name](tmp_path / "copy")
    spoil = spoiled_image if name == "embspatial" else cut("scannet/scene0000_00.mp4")
    spoil(tmp_path / "copy")
    arguments = ["evaluate", "--benchmark", name, "--data", str(tmp_path / "copy"), "--model", server[0]]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == code
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["questions"] - report["answered"] == lost == sum(report["problems"].values())
    assert re.search(r"is the copy whole", next(iter(report["problems"])))
    assert f"{lost} questions without an answer" in capsys.readouterr().out


def test_a_real_model_of_a_hub_class_is_asked(tmp_path: Path) -> None:
    MAKERS["embspatial"](tmp_path / "copy")
    model = idefics3(tmp_path / "model", ["B) under it"])
    arguments = ["evaluate", "--benchmark", "embspatial", "--data", str(tmp_path / "copy"), "--device", "cpu"]
    assert main([*arguments, "--model", str(model), "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["answered"] == 4 and report["scores"]["model"]["by_group"]["under"]["score"] == 1.0
    assert report["scores"]["model"]["overall"] == {"overall": 0.25}


def test_a_reason_is_not_taken_for_an_answer() -> None:
    refused = ModelAnswer("A. the words were not understood", Status.BAD_QUERY)
    assert words_of(refused, own_words=False) == "" and words_of(refused, own_words=True) == refused.text
    assert words_of(ModelAnswer("no depth", Status.NO_DEPTH), own_words=True) == ""


# -- copies that cannot be scored ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_what_is_missing_is_named_with_its_cure(name: str, tmp_path: Path) -> None:
    benchmark = BENCHMARKS[name]
    with pytest.raises(BenchmarkDataError, match=rf"(?s){benchmark.title}.*no folder.*{tmp_path.name}.*Get "):
        benchmark.load(tmp_path / "nowhere", LoadOptions())
    with pytest.raises(BenchmarkDataError, match=r"(?s)none of .* lies in .*Get "):
        benchmark.load(tmp_path, LoadOptions())
    with pytest.raises(BenchmarkDataError, match=f"no split 'val'; give one of {benchmark.splits[0]}"):
        benchmark.load(tmp_path, LoadOptions(split="val"))


def dropped_column(folder: Path) -> None:
    rows = json.loads((folder / "embspatial_bench.json").read_text())
    del rows[1]["relation"]
    write(folder / "embspatial_bench.json", json.dumps(rows))


def spoiled_image(folder: Path) -> None:
    rows = json.loads((folder / "embspatial_bench.json").read_text())
    rows[0]["image"] = base64.b64encode(b"no image").decode()
    write(folder / "embspatial_bench.json", json.dumps(rows))


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: write(folder / name, (folder / name).read_bytes()[:60])


def escaping(folder: Path) -> None:
    write(folder.parent / "secret.png", encoded("A"))
    rows = json.loads((folder / "annotations.json").read_text())
    rows[0]["img"] = "../secret.png"
    write(folder / "annotations.json", json.dumps(rows))


def other_answer(folder: Path) -> None:
    rows = json.loads((folder / "data.json").read_text())
    rows[0]["answer"] = 7
    write(folder / "data.json", json.dumps(rows))


def strange_rows(folder: Path) -> None:
    lines(folder / "raw" / "MindCube_tinybench.jsonl", [])


def odd_category(folder: Path) -> None:
    rows = json.loads((folder / "SpatialRGPT-Bench_v1.json").read_text())
    rows[0]["qa_info"]["category"] = "colour_predicate"
    write(folder / "SpatialRGPT-Bench_v1.json", json.dumps(rows))


def fewer_columns(folder: Path) -> None:
    parquet(
        folder / "data" / "test-00000-of-00001.parquet", [{"image": {"bytes": encoded("A"), "path": ""}, "question": "What?"}]
    )


@pytest.mark.parametrize(
    ("name", "spoil", "problem"),
    [
        ("embspatial", dropped_column, r"row 1: no 'relation'.*authors' own files"),
        ("realworldqa", fewer_columns, r"no column 'answer'; there are image, question.*authors' own files"),
        ("realworldqa", cut("data/test-00000-of-00001.parquet"), r"cannot be read.*is the copy whole"),
        ("omnispatial", removed("Perspective_Taking/0.png"), r"'Perspective_Taking/0.png' is in none of .*put the benchmark's"),
        ("omnispatial", other_answer, r"answer 7 is no index of 3 options"),
        ("mindcube", removed("other_all_image/rotation_y_q2/1.png"), r"rotation_y_q2: the picture .* is in none of"),
        ("mindcube", strange_rows, r"holds no questions"),
        ("vsi-bench", removed("scannet/scene0000_00.mp4"), r"scene0000_00.mp4 is not there; unzip scannet.zip"),
        ("robospatial", escaping, r"lies outside of"),
        ("spatialrgpt", odd_category, r"row0: a qualitative question of category 'colour_predicate' is not known"),
    ],
)  # fmt: skip
def test_a_spoiled_copy_says_where_and_what_to_do(
    name: str,
    spoil: Callable[[Path], None],
    problem: str,
    tmp_path: Path,
    server: tuple[str, list[Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    MAKERS[name](tmp_path / "copy")
    spoil(tmp_path / "copy")
    arguments = ["evaluate", "--benchmark", name, "--data", str(tmp_path / "copy"), "--model", server[0]]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert re.search(problem, error), error
    assert not (tmp_path / "out").exists() and "Traceback" not in error


def test_pictures_that_the_copy_may_not_hold_are_asked_for(tmp_path: Path) -> None:
    MAKERS["q-spatial"](tmp_path)
    (tmp_path / "QSpatial_scannet" / "images" / "scene0.png").unlink()
    with pytest.raises(BenchmarkDataError, match=r"scene0.png' is in none of"):
        BENCHMARKS["q-spatial"].load(tmp_path, LoadOptions(split="QSpatial_scannet"))


def test_other_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    realworldqa(tmp_path)
    arguments = ["evaluate", "--data", str(tmp_path), "--model", "words", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--benchmark", "gqa"]) == 2
    assert "'gqa' is not known; give one of spatialrgpt" in capsys.readouterr().err
    assert main([*arguments, "--benchmark", "realworldqa", "--frames", "0"]) == 2
    assert "give 1 to 64" in capsys.readouterr().err
