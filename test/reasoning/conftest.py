"""The tiny model, made once a test run, and its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from talks import conversations
from tiny_server import TinyServer, train


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that knows the conversations of talks.py."""
    return train(tmp_path_factory.mktemp("tiny"), conversations())


@pytest.fixture(scope="session")
def start_server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], TinyServer]]:
    """Start a server process of the tiny model; all of them end with the test run."""
    started: list[TinyServer] = []

    def start() -> TinyServer:
        server = TinyServer(tiny_model, tmp_path_factory.mktemp("server") / "log.txt")
        started.append(server)
        server.wait()
        return server

    yield start
    for server in started:
        server.end()


@pytest.fixture(scope="session")
def tiny_server(start_server: Callable[[], TinyServer]) -> TinyServer:
    """A server that all tests share: none may end it."""
    return start_server()
