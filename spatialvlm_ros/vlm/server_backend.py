"""A vision-language model behind the chat protocol of OpenAI (vLLM, SGLang, llama.cpp, Ollama, `transformers serve`).

The picture goes along as a data URI. Questions run beside each other up to a limit; "too many requests", errors of the server and
broken connections are tried again after a growing pause; whatever remains is a VlmError, within a time that is known beforehand.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ..chat.endpoint import Endpoint, EndpointConfig, EndpointError, EndpointStatusError, EndpointUnreachableError
from ..perception.models.pixels import UInt8Array, as_rgb
from ..perception.models.segmenter import Segmenter
from .grounding_formats import Picture, format_for, format_of
from .hub_model import as_vlm_error, load_segmenter
from .interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View, VlmError
from .numbers import prompt_of, read_answers
from .options import VlmOptions
from .regions import ground_places

_JPEG_QUALITY = 92
_MAX_SIDE_PX = 1280
# Qwen2.5-VL counts in pixels of the picture that it is brought to: one of a multiple of this stays as it is.
_QWEN_CELL_PX = 28
_PLACE_TOKENS = 256
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_AGAIN = frozenset((408, 429, 500, 502, 503, 504))


class ServerVlm(SpatialVlm):
    """See the module."""

    def __init__(self, config: EndpointConfig, options: VlmOptions | None = None, segmenter: Segmenter | None = None) -> None:
        """Raises VlmError for an unknown format of places."""
        self.options = options or VlmOptions()
        self.segmenter = segmenter
        self.grounding = format_of(self.options.grounding) if self.options.grounding else format_for(config.model)
        o = self.options
        greedy = replace(config, temperature=0.0, max_tokens=max(_PLACE_TOKENS, o.max_new_tokens), timeout_s=o.timeout_s)
        self.likeliest = Endpoint(greedy)
        drawing = replace(greedy, temperature=o.temperature if o.samples > 1 else 0.0, max_tokens=o.max_new_tokens)
        self.drawn = Endpoint(drawing)
        self._pool: ThreadPoolExecutor | None = None
        self.version = (
            f"{config.model} at {config.url} ({o.samples} draws at {o.temperature:g}, seed {o.seed}, {o.max_new_tokens} tokens, "
            f"{self.grounding.name} places{', outlined by ' + segmenter.version if segmenter is not None else ''})"
        )

    @staticmethod
    def from_url(url: str, model: str, options: VlmOptions | None = None) -> ServerVlm:
        """Raises VlmError for a URL or name that cannot be used. Whether anybody listens shows with the first question."""
        options = options or VlmOptions()
        try:
            config = EndpointConfig(url, model, timeout_s=options.timeout_s, max_tokens=options.max_new_tokens)
        except EndpointError as error:
            raise VlmError(f"the model's server cannot be used: {error}") from error
        return ServerVlm(config, options, load_segmenter(options))

    def look(self, view: View) -> ServerGlance:
        with as_vlm_error("this picture cannot be sent to the model's server"):
            return ServerGlance(self, view)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def ask_all(self, endpoint: Endpoint, asked: Sequence[tuple[list[dict[str, Any]], int]]) -> list[str]:
        """What the server says to messages with a seed each, in order. Raises VlmError when one of them stays unanswered."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="vlm-server")
        # Nobody waits longer than for one answer that is tried as often as it may be.
        deadline_s = time.monotonic() + (self.options.retries + 1) * (self.options.timeout_s + _LONGEST_PAUSE_S) * (
            1 + len(asked) // self.options.concurrency
        )
        futures = [self._pool.submit(self._ask, endpoint, messages, seed, deadline_s) for messages, seed in asked]
        try:
            return [future.result() for future in futures]
        except EndpointError as error:
            raise VlmError(f"the model's server gave no answer: {error}") from error
        finally:
            for future in futures:
                future.cancel()

    def _ask(self, endpoint: Endpoint, messages: list[dict[str, Any]], seed: int, deadline_s: float) -> str:
        """One answer, asked for again where that may help."""
        pause_s = _FIRST_PAUSE_S
        for left in reversed(range(self.options.retries + 1)):
            try:
                return endpoint.chat(messages, schema=None, seed=seed)
            except (EndpointStatusError, EndpointUnreachableError) as error:
                status = error.status if isinstance(error, EndpointStatusError) else 0
                wait_s = max(pause_s, error.wait_s if isinstance(error, EndpointStatusError) else 0.0)
                if left == 0 or (status and status not in _AGAIN) or time.monotonic() + wait_s > deadline_s:
                    raise
                if wait_s > _LONGEST_PAUSE_S:
                    raise VlmError(f"the model's server wants to be left alone for {wait_s:.0f} s: {error}") from error
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")


class ServerGlance(Glance):
    """One picture, encoded once as JPEG; the server sees it with every question."""

    def __init__(self, vlm: ServerVlm, view: View) -> None:
        self._vlm, self._view = vlm, view
        picture = as_rgb(view.color)
        sent = _resized(picture, cell_px=_QWEN_CELL_PX if vlm.grounding.name == "qwen2.5" else 1)
        height, width = picture.shape[:2]
        self._sizes = Picture((width, height), (sent.shape[1], sent.shape[0]))
        self._uri = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(sent)).decode('ascii')}"

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        asked = list(dict.fromkeys(name for name in names if any(letter.isalnum() for letter in name)))
        form = self._vlm.grounding
        texts = self._vlm.ask_all(self._vlm.likeliest, [(self._turn(form.request(name)), 0) for name in asked])
        found = {name: self._grounding(name, text) for name, text in zip(asked, texts, strict=True)}
        return [found.get(name) or Grounding(name, (), 0.0, understood=False) for name in names]

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        count, seed = self._vlm.options.samples, self._vlm.options.seed
        asked = [(self._turn(prompt_of(question)), seed + number) for question in questions for number in range(count)]
        texts = [text.strip() for text in self._vlm.ask_all(self._vlm.drawn, asked)]
        rows = [texts[start : start + count] for start in range(0, len(texts), count)]
        return [read_answers(row, question) for row, question in zip(rows, questions, strict=True)]

    def _turn(self, text: str) -> list[dict[str, Any]]:
        parts = [{"type": "image_url", "image_url": {"url": self._uri}}, {"type": "text", "text": text}]
        return [{"role": "user", "content": parts}]

    def _grounding(self, name: str, text: str) -> Grounding:
        """Servers do not say how sure a model is; a single answer counts by Jeffreys' rule, as in numbers.py."""
        with as_vlm_error("what the model's server said cannot be used"):
            places = [(place, 0.75) for place in self._vlm.grounding.places(text, self._sizes)]
            present = 0.75 if places else 0.25
            found = ground_places(self._view, name, places, present, "server", self._vlm.segmenter)
            return replace(found, several=self._vlm.grounding.several(len(found.regions)))


def _resized(picture: UInt8Array, cell_px: int) -> UInt8Array:
    """No side longer than the limit, and both a multiple of a cell."""
    height, width = picture.shape[:2]
    scale = min(1.0, _MAX_SIDE_PX / max(height, width))
    wanted = tuple(max(cell_px, round(side * scale / cell_px) * cell_px) for side in (width, height))
    if wanted == (width, height):
        return picture
    import cv2

    return np.asarray(cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _jpeg(picture: UInt8Array) -> bytes:
    import cv2

    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise VlmError(f"a picture of {picture.shape[1]} x {picture.shape[0]} cannot be written as JPEG")
    return bytes(data)
