"""A foreign HTTP server that breaks the chat protocol in a way that the url's first folder names. It keeps what it gets."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DRIP_S = 0.03
HUGE_BYTES = 3_000_000
LONG_REASON = "the flux capacitor is empty. " * 100


@dataclass(frozen=True)
class Request:
    """One POST: its path, header fields in lower case, and the JSON in it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def completion(content: object, **choice: object) -> dict[str, object]:
    """A chat completion with this content."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, **choice}]}


class BadServer:
    """Serves in threads of its own until it is closed."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                headers = {name.lower(): value for name, value in self.headers.items()}
                owner.requests.append(Request(self.path, headers, body))
                self.close_connection = True
                with contextlib.suppress(OSError):  # the other side hung up
                    WAYS[self.path.split("/")[1]](owner, self, owner.requests[-1])

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, way: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{way}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


Way = Callable[[BadServer, BaseHTTPRequestHandler, Request], None]


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def saying(status: int, answer: object) -> Way:
    """A way that always sends this JSON."""
    return lambda server, handler, request: send(handler, status, json.dumps(answer).encode())


def echo(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    send(handler, 200, json.dumps(completion(request.body["messages"][-1]["content"])).encode())


def drip(server: BadServer, handler: BaseHTTPRequestHandler, start: bytes) -> None:
    handler.wfile.write(start)
    while not server.closing.wait(DRIP_S):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def refuse_schema(status: int) -> Way:
    def way(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
        if "response_format" in request.body:
            send(handler, status, b'{"detail": "response_format is not supported"}')
        else:
            echo(server, handler, request)

    return way


def refuse_schema_slowly(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    server.closing.wait(0.5)
    refuse_schema(400)(server, handler, request)


def huge(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(HUGE_BYTES // 1000):
        handler.wfile.write(b" " * 1000)


def redirect(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    send(handler, 307, b"", Location=server.url("echo") + "/v1/chat/completions")


def packed(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    send(handler, 200, gzip.compress(json.dumps(completion("hello")).encode()), Content_Encoding="gzip")


def deny(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    key = request.headers.get("authorization", "")
    send(handler, 401, json.dumps({"error": {"message": f"wrong key: {key}", "code": 7}}).encode())


def break_off(server: BadServer, handler: BaseHTTPRequestHandler, request: Request) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices"')


WAYS: dict[str, Way] = {
    "echo": echo,
    "silent": lambda server, handler, request: time.sleep(0) if server.closing.wait(30.0) else None,
    "drip_body": lambda server, handler, request: drip(server, handler, b"HTTP/1.1 200 OK\r\n\r\n"),
    "drip_head": lambda server, handler, request: drip(server, handler, b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "refuse_400": refuse_schema(400),
    "refuse_422": refuse_schema(422),
    "refuse_slowly": refuse_schema_slowly,
    "bad_request": saying(400, {"error": "no such model"}),
    "huge": huge,
    "redirect": redirect,
    "packed": packed,
    "deny": deny,
    "break_off": break_off,
    "hang_up": lambda server, handler, request: None,
    "no_http": lambda server, handler, request: handler.wfile.write(b"SSH-2.0-Tin_1.0\r\n\r\n") and None,
    "html": lambda server, handler, request: send(handler, 200, b"<html>It works!</html>"),
    "overload": lambda server, handler, request: send(handler, 503, LONG_REASON.encode()),
    "deep": lambda server, handler, request: send(handler, 200, b"[" * 200_000),
    "list": saying(200, ["choices"]),
    "no_choices": saying(200, {"choices": []}),
    "no_message": saying(200, {"choices": [{"text": "old protocol"}]}),
    "no_content": saying(200, completion(None)),
    "parts": saying(200, completion([{"type": "text", "text": "hello"}])),
    "thought_too_long": saying(200, completion("", finish_reason="length")),
    "half_a_pair": saying(200, completion("far\ud83d")),
}


@contextlib.contextmanager
def bad_server() -> Iterator[BadServer]:
    server = BadServer()
    try:
        yield server
    finally:
        server.close()
