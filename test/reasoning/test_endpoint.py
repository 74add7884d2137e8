"""The client of language models: against a real server, and against servers that break the protocol."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_server import BadServer, bad_server
from talks import NAMES, TREE_TALKS
from tiny_server import Script, TinyServer

from spatialvlm_ros.chat.endpoint import (
    Endpoint,
    EndpointConfig,
    EndpointConfigError,
    EndpointError,
    EndpointProtocolError,
    EndpointStatusError,
    EndpointTimeoutError,
    EndpointUnreachableError,
)
from spatialvlm_ros.chat.http_post import MAX_ANSWER_BYTES
from spatialvlm_ros.reasoning.proposer import TreeProposer

KEY = "sk-very-secret-0123456789"
HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {"op": {"type": "string"}}}
# What a call may take beyond its time-out on a busy machine.
GRACE_S = 1.0


@pytest.fixture(scope="module")
def foreign() -> Iterator[BadServer]:
    with bad_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPATIALVLM_API_KEY", raising=False)


def endpoint(foreign: BadServer, way: str, **changes: Any) -> Endpoint:
    return Endpoint(EndpointConfig(**{"url": foreign.url(way), "model": "tiny", "timeout_s": 5.0, **changes}))


def learnt(question: str) -> list[dict[str, str]]:
    """What the proposer sends for a question that the tiny model knows."""
    script = Script(TREE_TALKS[question][:1])
    TreeProposer(script).propose(question, NAMES)
    return script.conversations[0][:-1]


QUESTION = "Is the red mug within 20 cm of the blue can?"


def test_a_real_server_answers(tiny_server: TinyServer) -> None:
    for url in (tiny_server.url, f"{tiny_server.url}/v1/", f"{tiny_server.url}/v1/chat/completions"):
        said = Endpoint(tiny_server.config(url=url)).chat(learnt(QUESTION), schema=SCHEMA)
        assert said == TREE_TALKS[QUESTION][0]


def test_a_real_server_stops_at_max_tokens(tiny_server: TinyServer) -> None:
    said = Endpoint(tiny_server.config(max_tokens=2)).chat(learnt(QUESTION), schema=None)
    assert TREE_TALKS[QUESTION][0].startswith(said) and len(said) < len(TREE_TALKS[QUESTION][0])


def test_a_real_server_tells_what_it_does_not_like(tiny_server: TinyServer) -> None:
    with pytest.raises(EndpointStatusError, match=r"status 400: .*pinned.*some-model") as caught:
        Endpoint(tiny_server.config(model="some-model")).chat(HELLO, schema=SCHEMA)
    assert caught.value.status == 400


def test_an_empty_answer_of_a_real_server_is_an_error(tiny_server: TinyServer) -> None:
    with pytest.raises(EndpointProtocolError, match="has no text"):
        TreeProposer(Endpoint(tiny_server.config())).propose("Why?", NAMES)


def test_a_server_that_hangs_is_given_up_and_asked_again_later(tiny_server: TinyServer) -> None:
    asked = Endpoint(tiny_server.config())
    with tiny_server.stopped():
        start = time.monotonic()
        with pytest.raises(EndpointTimeoutError, match=r"0\.5 s.*timeout_s"):
            asked.chat(learnt(QUESTION), schema=None, timeout_s=0.5)
        assert time.monotonic() - start < 0.5 + GRACE_S
    assert asked.chat(learnt(QUESTION), schema=None) == TREE_TALKS[QUESTION][0]


def test_a_server_that_dies_is_unreachable_at_once_and_afterwards(start_server: Callable[[], TinyServer]) -> None:
    server = start_server()
    asked = Endpoint(server.config(timeout_s=60.0))
    errors: list[EndpointError] = []

    def ask() -> None:
        with pytest.raises(EndpointUnreachableError) as caught:
            asked.chat(learnt(QUESTION), schema=None)
        errors.append(caught.value)

    with server.stopped():  # so that it dies with the question in its hands
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.3)
        server.kill()
        thread.join(10.0)
    assert len(errors) == 1 and "the connection" in str(errors[0])
    with pytest.raises(EndpointUnreachableError, match=f"nothing listens at {server.url}.*start the server"):
        asked.chat(HELLO, schema=None)


@pytest.mark.parametrize("way", ["silent", "drip_head", "drip_body"])
def test_the_timeout_is_for_the_whole_answer(foreign: BadServer, way: str) -> None:
    start = time.monotonic()
    with pytest.raises(EndpointTimeoutError, match=r"0\.4 s"):
        endpoint(foreign, way, timeout_s=0.4).chat(HELLO, schema=None)
    assert time.monotonic() - start < 0.4 + GRACE_S
    deadline = time.monotonic() + GRACE_S
    while any(thread.name == "endpoint-request" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the request goes on although nobody waits for it"
        time.sleep(0.01)


def test_the_timeout_holds_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        release.wait(10.0)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asked = Endpoint(EndpointConfig("http://robot-server.example", "tiny", timeout_s=0.3))
    with pytest.raises(EndpointTimeoutError):
        asked.chat(HELLO, schema=None)
    release.set()
    with pytest.raises(EndpointUnreachableError, match=r"robot-server\.example.*is not known"):
        asked.chat(HELLO, schema=None, timeout_s=5.0)


def test_both_tries_share_one_timeout(foreign: BadServer) -> None:
    with pytest.raises(EndpointTimeoutError):
        endpoint(foreign, "refuse_slowly", timeout_s=0.8).chat(HELLO, schema=SCHEMA)


def test_no_time_left_is_a_timeout(foreign: BadServer) -> None:
    sent = len(foreign.requests)
    with pytest.raises(EndpointTimeoutError, match="no time is left"):
        endpoint(foreign, "echo").chat(HELLO, schema=None, timeout_s=0.0)
    assert len(foreign.requests) == sent


def test_what_is_sent(foreign: BadServer) -> None:
    asked = endpoint(foreign, "echo", max_tokens=77, temperature=0.5)
    assert asked.chat(HELLO, schema=SCHEMA) == "hello"
    request = foreign.requests[-1]
    assert request.path == "/echo/v1/chat/completions" and "authorization" not in request.headers
    form = request.body.pop("response_format")
    assert form["type"] == "json_schema" and form["json_schema"]["schema"] == SCHEMA and form["json_schema"]["name"]
    expected = {"model": "tiny", "messages": HELLO, "max_tokens": 77, "temperature": 0.5, "stream": False}
    assert request.body == expected
    asked.chat(HELLO, schema=None)
    assert foreign.requests[-1].body == expected


@pytest.mark.parametrize("way", ["refuse_400", "refuse_422"])
def test_a_server_without_schemas_is_asked_without_from_then_on(foreign: BadServer, way: str) -> None:
    asked, before = endpoint(foreign, way), len(foreign.requests)
    assert asked.chat(HELLO, schema=SCHEMA) == "hello" and asked.chat(HELLO, schema=SCHEMA) == "hello"
    assert ["response_format" in request.body for request in foreign.requests[before:]] == [True, False, False]


def test_a_refusal_for_another_reason_does_not_count_against_schemas(foreign: BadServer) -> None:
    asked, before = endpoint(foreign, "bad_request"), len(foreign.requests)
    for _ in range(2):
        with pytest.raises(EndpointStatusError, match="status 400: 'no such model'; check the model's name"):
            asked.chat(HELLO, schema=SCHEMA)
    assert ["response_format" in request.body for request in foreign.requests[before:]] == [True, False, True, False]


def test_redirects_are_not_followed(foreign: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALVLM_API_KEY", KEY)
    before = len(foreign.requests)
    with pytest.raises(EndpointStatusError, match=r"redirects \(307\) to '.*/echo/.*final address") as caught:
        endpoint(foreign, "redirect").chat(HELLO, schema=None)
    assert caught.value.status == 307 and len(foreign.requests) == before + 1


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("huge", f"larger than {MAX_ANSWER_BYTES} bytes"),
        ("packed", "coding 'gzip' unasked"),
        ("no_http", "does not speak HTTP.*host and port"),
        ("html", "not answer with JSON but with '<html>It works!</html>'"),
        ("deep", "not answer with JSON"),
        ("list", "no choices"),
        ("no_choices", "no choices"),
        ("no_message", "no choices.*old protocol"),
        ("no_content", "has no text"),
        ("parts", "has no text"),
        ("thought_too_long", "has no text.*'length'.*raise max_tokens above 1024"),
    ],
)
def test_answers_outside_the_protocol(foreign: BadServer, way: str, said: str) -> None:
    with pytest.raises(EndpointProtocolError, match=said) as caught:
        endpoint(foreign, way).chat(HELLO, schema=None)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("way", ["break_off", "hang_up"])
def test_a_connection_that_breaks_off_is_unreachable(foreign: BadServer, way: str) -> None:
    with pytest.raises(EndpointUnreachableError, match=r"the connection to .* failed"):
        endpoint(foreign, way).chat(HELLO, schema=None)


def test_a_long_reason_is_cut(foreign: BadServer) -> None:
    with pytest.raises(EndpointStatusError, match=r"status 503: 'the flux capacitor.*see the server's log") as caught:
        endpoint(foreign, "overload").chat(HELLO, schema=None)
    assert len(str(caught.value)) < 500


def test_text_can_always_be_written_on(foreign: BadServer) -> None:
    endpoint(foreign, "half_a_pair").chat(HELLO, schema=None).encode("utf-8")


def test_the_key_goes_to_the_server_and_into_no_error(foreign: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    asked = endpoint(foreign, "deny", api_key_env="MY_KEY")
    with pytest.raises(EndpointStatusError, match=r"wrong key: .*variable MY_KEY") as caught:
        asked.chat(HELLO, schema=None)
    assert foreign.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(caught.value) + repr(asked.config)


def test_a_key_that_is_none_is_not_shown(foreign: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALVLM_API_KEY", f"{KEY}\nX-Other: 1")
    with pytest.raises(EndpointConfigError, match="SPATIALVLM_API_KEY") as caught:
        endpoint(foreign, "echo").chat(HELLO, schema=None)
    assert KEY not in str(caught.value)


def test_nothing_of_the_surroundings_is_used(foreign: BadServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the passwords of netrc, nor, for a server on this machine, a proxy."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert endpoint(foreign, "echo").chat(HELLO, schema=None) == "hello"
    assert "authorization" not in foreign.requests[-1].headers


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "127.0.0.1:8000"}, "no http or https address"),
        ({"url": "file:///etc/passwd"}, "no http or https address"),
        ({"url": "http://"}, "no http or https address"),
        ({"url": "http://host:99999"}, "cannot be read"),
        ({"url": "http://[::1"}, "cannot be read"),
        ({"url": f"http://me:{KEY}@host"}, "keys belong into the environment"),
        ({"url": f"http://host/v1?key={KEY}"}, "query"),
        ({"model": " "}, "model is empty"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
    ],
)
def test_settings_are_checked_before_anything_is_sent(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(EndpointConfigError, match=said) as caught:
        EndpointConfig(**{"url": "http://host:8000", "model": "tiny", **changes})
    assert KEY not in str(caught.value)


def test_the_address_is_found_from_any_form_of_the_url() -> None:
    forms = ("http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/v1/", "http://host:1/v1/chat/completions")
    assert {EndpointConfig(form, "tiny").chat_url for form in forms} == {"http://host:1/v1/chat/completions"}
    assert EndpointConfig("https://host/openai", "tiny").chat_url == "https://host/openai/v1/chat/completions"


def test_many_threads_may_ask_at_once(foreign: BadServer) -> None:
    asked, said = endpoint(foreign, "refuse_422"), {}

    def ask(index: int) -> None:
        said[index] = asked.chat([{"role": "user", "content": json.dumps(index)}], schema=SCHEMA)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert said == {index: str(index) for index in range(12)}
