"""
One POST to a server that is not ours, within a time that the caller sets.

The time-outs of HTTP libraries count from one received byte to the next, so a server that drips can hold its caller for
hours. Here the request runs in a thread of its own, the caller waits for the time it gave and no longer, and then the
connection is cut, which ends the thread too. What never changes: one request, no redirect followed, no more than
`MAX_ANSWER_BYTES` kept, credentials only from the headers given here, and each failure is an EndpointError.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import math
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

MAX_ANSWER_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
# The clock of the caller decides; that of the socket only ends a thread whose connection could not be cut.
_SOCKET_GRACE_S = 1.0


class EndpointError(Exception):
    """A language model's server gave no usable answer. The text says what happened and what to do."""


class EndpointConfigError(EndpointError, ValueError):
    """The request cannot even be made: a setting, the key or a missing package."""


class EndpointUnreachableError(EndpointError):
    """Nobody answers at the address, or the connection broke off."""


class EndpointTimeoutError(EndpointError):
    """No complete answer within the time given."""


class EndpointProtocolError(EndpointError):
    """An answer came that is not what the protocol says."""


@dataclass(frozen=True)
class Reply:
    """What came back: the HTTP status, the header fields in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Line:
    """The connections of one request, which another thread can cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def add(self, connected: socket.socket) -> None:
        """Take a connection; one that comes after the cut is cut at once, so nothing is sent over it."""
        with self._lock:
            self._sockets.append(connected)
            is_late = self._is_cut
        if is_late:
            self.cut()

    def cut(self) -> None:
        """End all connections. A thread that waits for one of them wakes up with an error."""
        with self._lock:
            self._is_cut = True
            sockets = list(self._sockets)
        for connected in sockets:
            with contextlib.suppress(OSError):  # it has ended already
                connected.shutdown(socket.SHUT_RDWR)


def check_url(url: str) -> None:
    """Raise EndpointConfigError unless `url` is a plain http or https address of a host."""
    cure = "give one like http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EndpointConfigError(f"the endpoint's url {url!r} cannot be read ({error}); {cure}") from None
    if parts.username is not None or parts.password is not None:
        raise EndpointConfigError("the endpoint's url has a user name or a password in it; keys belong into the environment")
    if parts.query or parts.fragment:
        raise EndpointConfigError(f"the endpoint's url has a query or a fragment in it; {cure}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointConfigError(f"the endpoint's url {url!r} is no http or https address; {cure}")
    if port == 0:
        raise EndpointConfigError(f"the endpoint's url {url!r} has no usable port; {cure}")


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Reply:
    """Send `body` to `url` and return what comes back.

    Args:
        headers: header fields in ASCII, credentials among them; nothing is added from netrc or cookies.
        timeout_s: from the call to the last byte of the answer, name look-up included.

    Raises:
        EndpointConfigError: the package `requests` is missing, or the url is none.
        EndpointUnreachableError: no connection, or it broke off.
        EndpointTimeoutError: the time is over.
        EndpointProtocolError: no HTTP, a coding that was not asked for, or more than `MAX_ANSWER_BYTES`.
    """
    check_url(url)
    try:
        import requests  # noqa: F401  here, because in the thread its absence would look like a failure of the server
    except ImportError as error:
        raise EndpointConfigError("endpoints need the package 'requests': pip install 'spatialvlm_ros[llm]'") from error
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise EndpointTimeoutError(f"no time is left to ask {url}: raise the time-out")
    line = _Line()
    outcome: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(_send(url, body, headers, timeout_s + _SOCKET_GRACE_S, line))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=work, name="endpoint-request", daemon=True).start()
    try:
        result = outcome.get(timeout=timeout_s)
    except queue.Empty:
        text = f"{url} gave no complete answer in {timeout_s:.3g} s; is it busy or stuck? Else raise timeout_s"
        raise EndpointTimeoutError(text) from None
    finally:
        line.cut()
    if isinstance(result, Reply):
        return result
    if isinstance(result, EndpointError):
        raise result
    raise _named(url, result) from result


def _send(url: str, body: bytes, headers: Mapping[str, str], socket_timeout_s: float, line: _Line) -> Reply:
    """Do the request in the calling thread."""
    with _session(line) as session:
        # The proxies of the environment lead out of this machine, never to a server on it.
        proxies = {"no_proxy": urlsplit(url).hostname or ""} if _is_this_machine(url) else {}
        with session.post(
            url,
            data=body,
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=socket_timeout_s,
            allow_redirects=False,
            stream=True,
            proxies=proxies,
        ) as response:
            fields = {name.lower(): value for name, value in response.headers.items()}
            # A few packed bytes can unpack to gigabytes, before anybody can count them.
            if (coding := fields.get("content-encoding", "identity")) != "identity":
                raise EndpointProtocolError(f"{url} answered in the coding {coding[:40]!r} unasked; it must send plain bytes")
            return Reply(response.status_code, fields, b"".join(_chunks(url, response)))


def _chunks(url: str, response: Response) -> Iterator[bytes]:
    """Yield the body and stop where it gets too large."""
    received = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        received += len(chunk)
        if received > MAX_ANSWER_BYTES:
            raise EndpointProtocolError(f"the answer of {url} is larger than {MAX_ANSWER_BYTES} bytes; is it a chat endpoint?")
        yield chunk


def _session(line: _Line) -> Session:
    """A session that reports its connections to `line` and takes no credentials from anywhere."""
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def reporting(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        class Connection(pool.ConnectionCls):  # type: ignore[name-defined,misc]
            def connect(self) -> None:
                super().connect()
                line.add(self.sock)

        return type(f"Reporting{pool.__name__}", (pool,), {"ConnectionCls": Connection})

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            pools = {"http": reporting(HTTPConnectionPool), "https": reporting(HTTPSConnectionPool)}
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
            return manager

    class HeadersAsGiven(AuthBase):
        # requests looks into netrc unless it is given something of this kind.
        def __call__(self, request: PreparedRequest) -> PreparedRequest:
            return request

    session = requests.Session()
    session.auth = HeadersAsGiven()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _named(url: str, error: Exception) -> EndpointError:
    """The error of ours that one of the HTTP library stands for."""
    import requests

    chain = list(_chain(error))
    reason = " ".join(str(chain[-1]).split())[:200] or type(chain[-1]).__name__
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader | requests.exceptions.InvalidSchema):
        return EndpointConfigError(f"no request can be made for {url}; check the endpoint's url")
    if any(isinstance(link, http.client.HTTPException) and not _is_break(link) for link in chain):
        return EndpointProtocolError(f"{url} does not speak HTTP ({reason}); check host and port")
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return EndpointUnreachableError(f"nothing listens at {url} ({reason}); start the server or correct the url")
    if any(isinstance(link, socket.gaierror) for link in chain):
        return EndpointUnreachableError(f"the host of {url} is not known ({reason}); correct the url or the name service")
    return EndpointUnreachableError(f"the connection to {url} failed ({reason}); see whether the server runs and its log")


def _is_break(error: BaseException) -> bool:
    """Whether it only says that the other side is gone."""
    return isinstance(error, ConnectionError | http.client.IncompleteRead)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, down to the first cause."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
