"""A model behind a server: a real one answers; one that is busy is asked again; one that breaks is a VlmError."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from table_views import BLUE, RED, picture_of
from tiny_vlms import idefics3

sys.path.append(str(Path(__file__).resolve().parents[1] / "reasoning"))
from bad_server import bad_server
from tiny_server import TinyServer

from spatialvlm_ros.scene.facts import METRE, Query, Status
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.vlm.interface import Question, View, VlmError
from spatialvlm_ros.vlm.options import VlmOptions
from spatialvlm_ros.vlm.server_backend import ServerVlm

DISTANCE = Question("How far is the red block from the blue block?", Query("distance", "red block", "blue block"))


@pytest.fixture(scope="module")
def view() -> View:
    picture = picture_of([RED, BLUE])
    return View(picture.frame.color, picture.frame, tuple(Region(picture.owner == i) for i in (0, 1)), picture.plane)


def options(**changes: object) -> VlmOptions:
    return VlmOptions(**{"retries": 0, "timeout_s": 5.0, "samples": 2, **changes})  # type: ignore[arg-type]


Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def scripted(reply: Callable[[int, dict[str, Any]], Reply]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers the n-th request as told; its address, and the requests it got."""
    got: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(got)
                got.append({**body, "path": self.path})
            status, headers, data = reply(number, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(text: str) -> Reply:
    body = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return 200, {}, json.dumps(body).encode()


# -- a real server ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(view: View, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    """`transformers serve` with a tiny model that sees; it answers every picture and question with one box and one length."""
    x0, y0, x1, y1 = np.divide(view.proposals[1].box, [0.32, 0.24, 0.32, 0.24]).round().astype(int).tolist()
    says = json.dumps([{"bbox_2d": [x0, y0, x1, y1], "label": "0.5 m"}])
    folder = idefics3(tmp_path_factory.mktemp("served") / "idefics3", [says])
    server = TinyServer(folder, folder.parent / "log.txt")
    try:
        server.wait()
        yield server
    finally:
        server.end()


def test_a_real_server_finds_and_answers(served: TinyServer, view: View) -> None:
    vlm = ServerVlm.from_url(served.url, str(served.model), options(timeout_s=60.0))
    glance = vlm.look(view)
    red, strange = glance.ground(["red block", "!?"])
    assert red.proposals == (1,) and red.present > 0.5 and not strange.understood
    (answer,) = glance.answer([DISTANCE])
    assert "bbox_2d" in answer.text and answer.samples == 2
    with served.stopped(), pytest.raises(VlmError, match="gave no complete answer in"):
        ServerVlm.from_url(served.url, str(served.model), options(timeout_s=0.3)).look(view).answer([DISTANCE])
    vlm.close()


# -- what is sent -------------------------------------------------------------------------------------------------------------


def test_the_picture_goes_along_with_every_question(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALVLM_API_KEY", "a-key")
    with scripted(lambda number, body: saying("0.5 m")) as (url, got):
        vlm = ServerVlm.from_url(url, "some-vlm", options(samples=3, seed=7, temperature=0.6))
        (answer,) = vlm.look(view).answer([DISTANCE])
        vlm.close()
    assert (answer.status, answer.unit, answer.samples) == (Status.OK, METRE, 3) and answer.value == pytest.approx(0.5)
    assert sorted(request["seed"] for request in got) == [7, 8, 9] and {request["temperature"] for request in got} == {0.6}
    image, text = got[0]["messages"][0]["content"]
    assert text["type"] == "text" and DISTANCE.text in text["text"] and got[0]["path"] == "/v1/chat/completions"
    kind, data = image["image_url"]["url"].split(",", 1)
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert kind == "data:image/jpeg;base64" and seen.shape == view.color.shape
    assert np.abs(seen.astype(int) - view.color).mean() < 6


def test_large_pictures_shrink_and_qwens_fit_its_cells(view: View) -> None:
    large = View(cv2.resize(view.color, (3000, 2250)))

    def box(number: int, body: dict[str, Any]) -> Reply:
        data = body["messages"][0]["content"][0]["image_url"]["url"].split(",", 1)[1]
        height, width = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).shape[:2]
        sizes.append((width, height))
        return saying(json.dumps([{"bbox_2d": [width // 4, height // 4, width // 2, height // 2]}]))

    sizes: list[tuple[int, int]] = []
    with scripted(box) as (url, _):
        for name in ("qwen2.5-vl-7b", "some-vlm"):
            vlm = ServerVlm.from_url(url, name, options())
            (found,) = vlm.look(large).ground(["block"])
            vlm.close()
            if name.startswith("qwen"):
                assert np.allclose(found.regions[0].box, [750, 562, 1500, 1125], atol=3)
    assert max(sizes[0]) <= 1288 and sizes[0][0] % 28 == 0 and sizes[0][1] % 28 == 0 and sizes[1] == (1280, 960)


def test_requests_run_beside_each_other_up_to_the_limit(view: View) -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def slow(number: int, body: dict[str, Any]) -> Reply:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return saying(f"0.{body['seed'] + 1} m")

    with scripted(slow) as (url, got):
        vlm = ServerVlm.from_url(url, "some-vlm", options(concurrency=3, samples=2))
        answers = vlm.look(view).answer([DISTANCE] * 4)
        vlm.close()
    assert len(got) == 8 and most[0] == 3
    assert all(answer.value == pytest.approx(0.15) for answer in answers), "each answer to its own question"


# -- servers that fail --------------------------------------------------------------------------------------------------------


def failing(statuses: Sequence[int], **headers: str) -> Callable[[int, dict[str, Any]], Reply]:
    def reply(number: int, body: dict[str, Any]) -> Reply:
        if number < len(statuses):
            return statuses[number], {name.replace("_", "-"): value for name, value in headers.items()}, b'{"error": "busy"}'
        return saying("0.5 m")

    return reply


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(view: View, status: int) -> None:
    with scripted(failing([status])) as (url, got):
        vlm = ServerVlm.from_url(url, "some-vlm", options(retries=2, samples=1))
        (answer,) = vlm.look(view).answer([DISTANCE])
        vlm.close()
    assert answer.value == pytest.approx(0.5) and len(got) == 2


def test_patience_ends(view: View) -> None:
    with scripted(failing([503] * 9)) as (url, got), pytest.raises(VlmError, match="status 503: 'busy'"):
        ServerVlm.from_url(url, "some-vlm", options(retries=1, samples=1)).look(view).answer([DISTANCE])
    assert len(got) == 2
    patient = options(retries=3, samples=1, timeout_s=3600.0)
    busy = scripted(failing([429], Retry_After="3600"))
    with busy as (url, got), pytest.raises(VlmError, match="wants to be left alone for 3600 s"):
        ServerVlm.from_url(url, "some-vlm", patient).look(view).answer([DISTANCE])
    assert len(got) == 1
    unknown = pytest.raises(VlmError, match="check the url and the model's name 'some-vlm'")
    with scripted(failing([404] * 2)) as (url, got), unknown:
        ServerVlm.from_url(url, "some-vlm", options(retries=3)).look(view).answer([DISTANCE])


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("break_off", "failed"),
        ("hang_up", "failed"),
        ("silent", "gave no complete answer in"),
        ("drip_body", "gave no complete answer in"),
        ("huge", "larger than"),
        ("html", "did not answer with JSON"),
        ("no_content", "has no text"),
        ("deny", "SPATIALVLM_API_KEY"),
    ],
)
def test_a_server_that_dies_or_babbles_is_a_named_error(view: View, way: str, said: str) -> None:
    begun = time.monotonic()
    with bad_server() as server:
        vlm = ServerVlm.from_url(server.url(way), "some-vlm", options(timeout_s=1.0))
        for ask in (lambda: vlm.look(view).answer([DISTANCE]), lambda: vlm.look(view).ground(["red block"])):
            with pytest.raises(VlmError, match=said):
                ask()
        vlm.close()
    assert time.monotonic() - begun < 20.0


def test_nobody_there(view: View) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(VlmError, match="nothing listens at"):
        ServerVlm.from_url(f"http://127.0.0.1:{port}/v1", "some-vlm", options()).look(view).ground(["red block"])
    for url, model in (("ftp://host", "m"), ("http://user:key@host/v1", "m"), ("http://host/v1", " ")):
        with pytest.raises(VlmError, match="cannot be used"):
            ServerVlm.from_url(url, model, options())


def test_a_picture_that_is_none() -> None:
    with pytest.raises(VlmError, match="picture"):
        ServerVlm.from_url("http://127.0.0.1:9/v1", "m", options()).look(View(np.zeros((0, 4, 3), np.uint8)))
