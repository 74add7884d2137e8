"""
A language model, perhaps one that sees, behind the chat protocol of OpenAI, which vLLM, llama.cpp, Ollama, SGLang and
`transformers serve` speak.

The server is somebody else's: it may be down, slow, wrong or misled. What never changes: a call ends within its time-out with
the model's text or with a named error; a server that does not take a schema is asked once more without it; the key comes
from the environment, goes to the one configured address, and stands in no error.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .http_post import (
    EndpointConfigError,
    EndpointError,
    EndpointProtocolError,
    EndpointTimeoutError,
    EndpointUnreachableError,
    Reply,
    check_url,
    post,
)

__all__ = [
    "Endpoint",
    "EndpointConfig",
    "EndpointConfigError",
    "EndpointError",
    "EndpointProtocolError",
    "EndpointStatusError",
    "EndpointTimeoutError",
    "EndpointUnreachableError",
]

_PATH = "/chat/completions"
_MAX_TEMPERATURE = 2.0
_MAX_QUOTED_CHARS = 300
# What servers answer to a field that they do not know or cannot serve.
_REFUSALS = frozenset((400, 422))


class EndpointStatusError(EndpointError):
    """The server answered with an HTTP status other than success.

    `status` has it; `wait_s` is how long the server wants to be left alone, 0 where it does not say.
    """

    def __init__(self, status: int, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.status, self.wait_s = status, wait_s


@dataclass(frozen=True)
class EndpointConfig:
    """Where a model is and how it is asked.

    Attributes:
        url: the server, with or without the /v1 at its end.
        model: the name that the server knows it by.
        timeout_s: for one answer, in wall time.
        max_tokens: the longest answer.
        api_key_env: the environment variable with the key; servers that want none need none.

    Raises:
        EndpointConfigError: a value is of no use.
    """

    url: str
    model: str
    timeout_s: float = 20.0
    max_tokens: int = 1024
    api_key_env: str = "SPATIALVLM_API_KEY"
    temperature: float = 0.0

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.model.strip():
            raise EndpointConfigError("the endpoint's model is empty; give the name that the server lists at /v1/models")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise EndpointConfigError(f"the endpoint's timeout_s must be above 0 (got {self.timeout_s})")
        if self.max_tokens < 1:
            raise EndpointConfigError(f"the endpoint's max_tokens must be at least 1 (got {self.max_tokens})")
        if not 0.0 <= self.temperature <= _MAX_TEMPERATURE:
            raise EndpointConfigError(f"the endpoint's temperature must be in [0, {_MAX_TEMPERATURE}] (got {self.temperature})")

    @property
    def chat_url(self) -> str:
        """The address that questions go to."""
        base = self.url.rstrip("/").removesuffix(_PATH).rstrip("/")
        return base + ("" if urlsplit(base).path.endswith("/v1") else "/v1") + _PATH


class Endpoint:
    """A model that can be asked, from any thread."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self._takes_schema = True

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        schema: Mapping[str, Any] | None,
        timeout_s: float | None = None,
        seed: int | None = None,
    ) -> str:
        """Return what the model says to `messages`, each with a `role` and a `content`: text, or parts (text, pictures).

        Args:
            schema: JSON schema that the answer should follow. A server may ignore it, so the answer has to be checked.
            timeout_s: where less than the configured time is left.
            seed: of the server's draws, for servers that take one; not sent when None.

        Raises:
            EndpointError: by its subclass the server is unreachable, late, refuses, or answers outside the protocol; or
                the key or a package is missing.
        """
        given_s = self.config.timeout_s if timeout_s is None else min(timeout_s, self.config.timeout_s)
        deadline_s = time.monotonic() + given_s
        payload: dict[str, Any] = {
            "model": self.config.model,
            "messages": [dict(message) for message in messages],
            "max_tokens": self.config.max_tokens,
            "temperature": self.config.temperature,
            "stream": False,
            **({} if seed is None else {"seed": seed}),
        }
        if schema is not None and self._takes_schema:
            form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}
            reply = self._post({**payload, "response_format": form}, deadline_s)
            if reply.status not in _REFUSALS:
                return self._content(reply)
        reply = self._post(payload, deadline_s)
        text = self._content(reply)
        # Only now is it known that the schema was the reason, and not, say, the model's name.
        self._takes_schema = self._takes_schema and schema is None
        return text

    def _post(self, payload: Mapping[str, Any], deadline_s: float) -> Reply:
        key = self._key()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps(payload, allow_nan=False).encode("ascii")
        return post(self.config.chat_url, body, headers, deadline_s - time.monotonic())

    def _key(self) -> str:
        key = os.environ.get(self.config.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            text = f"the key in the environment variable {self.config.api_key_env} has characters that no key has; set it anew"
            raise EndpointConfigError(text)
        return key

    def _content(self, reply: Reply) -> str:
        """The model's text in the server's answer."""
        where = self.config.chat_url
        if not 200 <= reply.status < 300:
            raise EndpointStatusError(reply.status, self._status_text(reply), _wait_s(reply))
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            said = self._quoted(reply.body.decode("utf-8", "replace"))
            raise EndpointProtocolError(f"{where} did not answer with JSON but with {said}; is it a chat endpoint?") from None
        choices = answer.get("choices") if isinstance(answer, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            said = self._quoted(reply.body.decode("utf-8", "replace"))
            raise EndpointProtocolError(f"the answer of {where} has no choices[0].message: {said}; is it a chat endpoint?")
        content = message.get("content")
        if not isinstance(content, str) or not content.strip():
            ended = choice.get("finish_reason")
            cure = f"raise max_tokens above {self.config.max_tokens}" if ended == "length" else "ask again"
            text = f"the answer of {where} has no text (finish_reason {self._quoted(str(ended))}); {cure} or try another model"
            raise EndpointProtocolError(text)
        # Half a surrogate pair is legal in JSON and breaks whoever writes the text on.
        return content.encode("utf-8", "replace").decode("utf-8")

    def _status_text(self, reply: Reply) -> str:
        """What a status other than success means, with the server's own words."""
        config, status = self.config, reply.status
        if 300 <= status < 400:
            to = self._quoted(reply.headers.get("location", "nowhere"))
            return f"{config.chat_url} redirects ({status}) to {to}, which is not followed; put the final address into the url"
        cures = {
            401: f"put the key into the environment variable {config.api_key_env}",
            403: f"put a key with the right to it into the environment variable {config.api_key_env}",
            404: f"check the url and the model's name {config.model!r}",
            429: "ask less often or raise the server's limit",
        }
        cure = cures.get(status, "see the server's log" if status >= 500 else "check the model's name and the server")
        return f"{config.chat_url} answered with status {status}: {self._quoted(_server_message(reply.body))}; {cure}"

    def _quoted(self, text: str) -> str:
        """Somebody else's words on one line, cut short and without the key."""
        key = self._key()
        words = " ".join(text.split())
        words = words.replace(key, "***") if key else words
        return repr(words if len(words) <= _MAX_QUOTED_CHARS else words[:_MAX_QUOTED_CHARS] + "...")


def _wait_s(reply: Reply) -> float:
    """The seconds of the header Retry-After; 0 without it, and for a date in it."""
    text = reply.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _server_message(body: bytes) -> str:
    """The words of an error: servers put them into `error.message`, `error`, `detail` or `message`."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "detail", "message"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else text
