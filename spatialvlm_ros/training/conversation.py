"""One conversation about images, as chat templates take it: how a row of a data set becomes one, and how it is cut to length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Message = dict[str, Any]
ROLES = ("system", "user", "assistant")


class BadRow(ValueError):
    """A row that cannot be trained on. ``cause`` is short and stable, the text says more."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


def normalised(messages: Sequence[Mapping[str, Any]] | None, num_images: int) -> list[Message]:
    """Messages with contents as lists of parts that hold no more than they need ("type", and "text" for a text).

    Images that no part stands for are put before the first question, as TRL does.

    Raises:
        BadRow: "no_messages", "unknown_role", "unknown_part", "no_answer", "no_question", "images_differ" or "late_image" (one
            behind the first answer: which tokens an answer has could not be told then).
    """
    if not messages:
        raise BadRow("no_messages", "the row has no messages")
    found: list[Message] = [{"role": _role(message), "content": _parts(message.get("content"))} for message in messages]
    answers = [at for at, message in enumerate(found) if message["role"] == "assistant"]
    questions = [at for at, message in enumerate(found) if message["role"] == "user"]
    if not questions or (answers and questions[0] > answers[0]):
        raise BadRow("no_question", "no message of the user stands before the first answer")
    if not answers or not any(_text(found[at]).strip() for at in answers):
        raise BadRow("no_answer", "the conversation holds no answer of the assistant to learn from")
    places = [at for at, message in enumerate(found) for part in message["content"] if part["type"] == "image"]
    if not places and num_images:
        first = found[questions[0]]
        first["content"] = [{"type": "image"}] * num_images + first["content"]
        places = [questions[0]] * num_images
    if len(places) != num_images:
        raise BadRow("images_differ", f"{len(places)} images are spoken of and {num_images} are there")
    if places and places[-1] > answers[0]:
        raise BadRow("late_image", "an image stands behind the first answer; put all images before it")
    return found


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role"))
    if role not in ROLES:
        raise BadRow("unknown_role", f"role '{role}' is none of {', '.join(ROLES)}")
    return role


def _parts(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts: list[Message] = []
    for part in content or []:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text":
            parts.append({"type": "text", "text": str(part.get("text") or "")})
        elif kind == "image":
            parts.append({"type": "image"})
        else:
            raise BadRow("unknown_part", f"a part of type '{kind}' is neither text nor image")
    return parts


def _text(message: Message) -> str:
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def rounds(messages: Sequence[Message]) -> list[tuple[int, int]]:
    """Where each question and its answers begin and end: (first message, one past the last); without the system's."""
    starts = [
        at for at, message in enumerate(messages) if message["role"] == "user" and (at == 0 or messages[at - 1]["role"] != "user")
    ]
    return list(zip(starts, [*starts[1:], len(messages)], strict=True))


def window(messages: Sequence[Message], most: int, generator: np.random.Generator) -> list[Message]:
    """At most ``most`` questions with their answers, from a random one on and around the end; 0 for all.

    What stands before the first question, and the images, come first.
    """
    found = rounds(messages)
    if not most or len(found) <= most:
        return list(messages)
    begin = int(generator.integers(len(found)))
    chosen = [found[(begin + at) % len(found)] for at in range(most)]
    return cut(messages, chosen)


def cut(messages: Sequence[Message], chosen: Sequence[tuple[int, int]]) -> list[Message]:
    """The chosen rounds, in order, with the images before the first of them."""
    head = list(messages[: rounds(messages)[0][0]])
    images = [part for message in messages for part in message["content"] if part["type"] == "image"]
    body = [
        {"role": message["role"], "content": [part for part in message["content"] if part["type"] != "image"]}
        for first, end in chosen
        for message in messages[first:end]
    ]
    body[0]["content"] = images + body[0]["content"]
    return head + body
