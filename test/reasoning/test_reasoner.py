"""The friend game as the reasoner plays it: what it asks for, what it answers, and that the asker's view holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from test_answer import table

from spatialvlm_ros.chat.endpoint import EndpointConfig
from spatialvlm_ros.language.patterns import NotUnderstoodError
from spatialvlm_ros.reasoning.answer import Answer, without_output
from spatialvlm_ros.reasoning.reasoner import FRIEND, Plan, Reasoner
from spatialvlm_ros.scene.facts import Status

MOVES = ["ASK: Is the red block left of the blue block?", "ASK: How tall is the red block?", "ANSWER: Yes, and 10 cm tall."]


@pytest.fixture
def url() -> Iterator[str]:
    """A server whose model makes the moves one after the other."""
    moves = iter(MOVES)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"choices": [{"message": {"content": next(moves)}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_friend_measures_what_the_model_asks_as_seen_by_who_asked(url: str) -> None:
    reasoner, plans = Reasoner(FRIEND, EndpointConfig(url, "m")), []

    def ask(plan: Plan) -> Answer:
        plans.append(plan)
        return reasoner.answer(plan, table())

    told = reasoner.converse("Is the red thing on the left, and how tall is it?", ask, view="canonical")
    assert [plan.views for plan in plans] == [("canonical",), ("canonical",)]
    assert told.text == "Yes, and 10 cm tall. (the model's own words, from 2 measured answers)"
    assert (told.status, told.kind, told.decided) == (Status.OK, "words", False)
    assert [fact.query.relation for fact in told.facts] == ["left", "height"]


def test_a_game_without_a_measured_reply_has_no_answer(url: str) -> None:
    def ask(plan: Plan) -> Answer:
        return Answer(plan.question, "there is no image", Status.UNKNOWN)

    with pytest.raises(NotUnderstoodError, match="came to no answer"):
        Reasoner(FRIEND, EndpointConfig(url, "m")).converse("Is it tall?", ask)


def test_only_facts_without_a_view_need_the_output_frame() -> None:
    reasoner = Reasoner()

    def answer(question: str, view: str = "") -> Answer:
        return reasoner.answer(reasoner.plan(question, view=view), table())

    missing, seen = answer("Which unicorn is the tallest?"), answer("How tall is the red block?", "canonical")
    assert without_output(missing, "no transform") is missing and without_output(seen, "no transform") is seen
    lost = without_output(answer("How far is the red block from the blue block?"), "no transform")
    assert (lost.status, lost.text, lost.answered) == (Status.NO_TRANSFORM, "no transform", False)
