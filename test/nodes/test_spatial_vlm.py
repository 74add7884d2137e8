"""spatial_node with a vision-language model: names by what it sees, and facts that flow whatever becomes of it."""

from __future__ import annotations

import json
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from table_camera import BASE_FROM_CAMERA, CAMERA, TRUE_DISTANCE_M, Bench, table_picture

sys.path.append(str(Path(__file__).resolve().parents[1] / "vlm"))
from tiny_vlms import idefics3

from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.engine import RobotState, SpatialEngine
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.vlm.transformers_backend import TransformersVlm

GIZMO = ["height; gizmo", "distance; red block; blue block"]


def box_of(name: str) -> list[int]:
    """Where a thing is on the camera's picture, in thousandths, as a model says it."""
    color, depth = table_picture()
    frame = RGBDFrame(1, color, depth.astype(np.float32) / 1000, CAMERA, "camera")
    scene = SpatialEngine().observe(frame, [name], RobotState(up=BASE_FROM_CAMERA.rotation[2]))
    thing = scene.find(name).thing
    assert thing is not None and scene.labels is not None
    rows, columns = np.nonzero(scene.labels == thing.id)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / [0.32, 0.24, 0.32, 0.24]
    return [int(x) for x in box.round()]


def says_blue() -> str:
    return json.dumps([{"bbox_2d": box_of("blue block"), "label": "gizmo"}])


def fact_of(bench: Bench, relation: str) -> Any:
    """The newest fact of a relation."""
    newest = bench.facts.messages[-1].facts if bench.facts.messages else []
    return next((fact for fact in newest if fact.relation == relation), None)


def value(bench: Bench, key: str) -> str:
    report = bench.report()
    return "" if report is None else {item.key: item.value for item in report.values}.get(key, "")


def test_a_model_in_step_says_what_a_name_means(ros: Any, tmp_path: Path) -> None:
    folder = idefics3(tmp_path / "idefics3", [says_blue()])
    bench = Bench(ros, queries=GIZMO, vlm=str(folder), vlm_device="cpu", vlm_pace="image").start()
    bench.next_fact()
    height, distance = fact_of(bench, "height"), fact_of(bench, "distance")
    assert height.status == SpatialFact.STATUS_OK and height.source == SpatialFact.SOURCE_DEPTH and height.value > 0.03
    assert distance.status == SpatialFact.STATUS_AMBIGUOUS, "to this model every name is the blue block"
    bench.shoot_until(lambda: "idefics3@" in value(bench, "vlm"), "the model in /diagnostics")
    assert value(bench, "vlm_problem") == ""


def test_weights_go_with_cleanup(ros: Any, tmp_path: Path) -> None:
    """... and with a configure that fails: the next one must not hold two models."""
    folder = idefics3(tmp_path / "idefics3", [says_blue()])
    node = Bench(ros, camera=False, vlm=str(folder), vlm_device="cpu").node
    held = []
    for _ in range(2):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        held.append(weakref.ref(node._model.vlm.loaded.model))
        assert held[-1]() is not None
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert held[-1]() is None


def test_weights_go_when_configuring_fails(ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = idefics3(tmp_path / "idefics3", [says_blue()])
    node = Bench(ros, camera=False, vlm=str(folder), vlm_device="cpu", robot_capsules=["wrist 0 0"]).node
    held, closed = [], []

    def close(vlm: Any) -> None:
        held.append(weakref.ref(vlm.loaded.model))
        closed.append(True)

    monkeypatch.setattr(TransformersVlm, "close", close)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert closed == [True] and held[0]() is None


@pytest.mark.parametrize("vlm", ["/no/such/folder", "hub:nobody/nothing", "http://127.0.0.1:8000/v1"])
def test_a_model_that_cannot_be_had_leaves_names_to_words(ros: Any, vlm: str) -> None:
    bench = Bench(ros, vlm=vlm, request_timeout_s=30.0).start()
    fact = bench.next_fact()
    assert fact.status == SpatialFact.STATUS_OK and fact.value == pytest.approx(TRUE_DISTANCE_M, abs=0.02)
    bench.shoot_until(lambda: "words alone" in value(bench, "vlm"), "the reason in /diagnostics")
    assert bench.node.active and value(bench, "vlm_problem") and "words alone" in bench.report().message
    _, error, result = bench.ask("How tall is the red block?")
    assert error == "NONE" and result.value > 0


class Server:
    """A model's server that takes its time, and may die in mid-answer."""

    def __init__(self, say: str) -> None:
        self.delay_s, self.dies, self.asked = 0.0, False, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked += 1
                question = body["messages"][0]["content"][-1]["text"]
                text = say if "bbox_2d" in question else f"It is {TRUE_DISTANCE_M + 0.001 * (outer.asked % 5):.3f} meters."
                data = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
                time.sleep(outer.delay_s)
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:10] if outer.dies else data)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.spec = f"http://127.0.0.1:{self._server.server_port}/v1#some-vlm"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(says_blue())
    yield made
    made.close()


def test_a_slow_model_does_not_hold_up_the_camera(ros: Any, server: Server) -> None:
    """Facts come at the camera's pace while it thinks; what it said then holds for the things it was said of."""
    server.delay_s = 1.0
    bench = Bench(ros, queries=["height; gizmo"], vlm=server.spec, request_timeout_s=30.0).start()
    bench.shoot_until(lambda: server.asked, "a question to the server")
    begun, count = time.monotonic(), len(bench.facts.messages)
    bench.shoot_until(lambda: len(bench.facts.messages) >= count + 3, "facts while the model thinks")
    during = fact_of(bench, "height")
    if time.monotonic() - begun < 0.8:
        assert during.status == SpatialFact.STATUS_NOT_FOUND
    found = bench.shoot_until(
        lambda: (fact := fact_of(bench, "height")) is not None and fact.status == SpatialFact.STATUS_OK and fact, "the gizmo"
    )
    assert found.value > 0.03
    _, error, result = bench.measure("height", "doodad")
    assert error == "NONE" and result.fact.value == pytest.approx(found.value, abs=0.01), "the request waited for the model"


def test_an_answer_is_fused_and_says_so(ros: Any, server: Server) -> None:
    bench = Bench(ros, vlm=server.spec, vlm_pace="own", request_timeout_s=30.0, queries=["height; red block"]).start()
    server.dies = True
    _, error, result = bench.ask("How far is the red block from the blue block?")
    assert error == "NONE" and result.facts[0].source == SpatialFact.SOURCE_DEPTH, "no server, so words and depth"
    bench.shoot_until(lambda: "gave no answer" in value(bench, "vlm_problem"), "the reason in /diagnostics")
    assert bench.node.active and "words alone" in bench.report().message


def test_answers_of_the_model_join_depths(ros: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that boxes both blocks under their own names: its number is fused, with the source FUSED."""
    both = {name: box_of(name) for name in ("red block", "blue block")}
    handler = server._server.RequestHandlerClass

    def do_POST(self: Any) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked += 1
        question = body["messages"][0]["content"][-1]["text"]
        name = next((name for name in both if f'"{name}"' in question), "")
        text = json.dumps([{"bbox_2d": both[name]}]) if name else f"{TRUE_DISTANCE_M + 0.002 * (server.asked % 3):.3f} m"
        data = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    monkeypatch.setattr(handler, "do_POST", do_POST)
    bench = Bench(ros, vlm=server.spec, request_timeout_s=30.0).start()
    _, error, result = bench.ask("How far is the red block from the blue block?")
    assert error == "NONE" and result.facts[0].source == SpatialFact.SOURCE_FUSED
    assert result.value == pytest.approx(TRUE_DISTANCE_M, abs=0.02) and "FUSED" in result.trace
    assert bench.next_fact().source == SpatialFact.SOURCE_DEPTH, "what is published for learning is depth's alone"
