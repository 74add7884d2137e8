"""Conversations to tensors, with the assistant's words alone in the loss.

Chat templates of most models do not mark what the assistant says. Here it is found in the text that the template makes, and
carried over to the tokens from the end backwards, since images stand before the first answer and grow to many tokens only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .conversation import Message, cut, rounds

IGNORED = -100


class UnfitModelError(ValueError):
    """A model whose template or tokenizer cannot tell answers from questions, or has no room for one of them."""


def answer_spans(processor: Any, messages: Sequence[Message]) -> tuple[str, list[tuple[int, int]]]:
    """The text of a conversation and where in it the assistant's words are, each with what closes its turn; half open.

    Raises:
        UnfitModelError: the template does not write one turn behind another.
    """
    text = _templated(processor, messages)
    spans: list[tuple[int, int]] = []
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _templated(processor, messages[:at]) if at else ""
        upto = _templated(processor, messages[: at + 1])
        said = "".join(part["text"] for part in message["content"] if part["type"] == "text").strip()
        begin = upto.find(said, _common(before, upto))
        end = _common(upto, text)
        if begin < 0 or end < begin + len(said):
            raise UnfitModelError(
                "the chat template does not write answers one behind another as they are, so that they cannot be told from "
                "questions; give the model's folder a plainer chat_template.jinja"
            )
        spans.append((begin, end))
    return text, spans


def _templated(processor: Any, messages: Sequence[Message]) -> str:
    return str(processor.apply_chat_template(list(messages), tokenize=False))


def _common(one: str, other: str) -> int:
    """How many characters both begin with. Some templates close the last turn in a way of its own."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)


def answer_labels(ids: Sequence[int], text: str, spans: Sequence[tuple[int, int]], tokenizer: Any) -> list[int]:
    """The ids of a conversation (images included) with IGNORED for all that is not an answer.

    Raises:
        UnfitModelError: the tokenizer does not say where its tokens stand, or the answers are not found among the ids.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise UnfitModelError("the tokenizer does not say where its tokens stand in a text; the folder needs tokenizer.json")
    plain = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    same = 0
    for own, other in zip(reversed(plain["input_ids"]), reversed(ids), strict=False):
        if own != other:
            break
        same += 1
    begin_plain, begin = len(plain["input_ids"]) - same, len(ids) - same
    labels = [IGNORED] * len(ids)
    pending = list(spans)
    for at, (first, last) in enumerate(plain["offset_mapping"]):
        while pending and pending[0][1] <= first:
            pending.pop(0)
        if pending and last > pending[0][0] and last > first:
            if at < begin_plain:
                raise UnfitModelError(
                    "the processor writes answers in other tokens than the tokenizer; they cannot be told apart"
                )
            labels[begin + at - begin_plain] = ids[begin + at - begin_plain]
    return labels


class ChatCollator:
    """Batches for the trainer. Conversations that are too long lose their last questions, never a part of an image."""

    def __init__(self, processor: Any, *, max_tokens: int, image_size_px: int) -> None:
        """
        Args:
            max_tokens: of one conversation, its images included; 0 for no limit.
            image_size_px: longest edge of images before the processor sees them; 0 leaves them as they are.
        """
        self._processor, self._max_tokens, self._size_px = processor, max_tokens, image_size_px
        self._tokenizer = processor.tokenizer
        self._tokenizer.padding_side = "right"

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors of samples {"messages", "images"}: what the processor makes, and "labels" (B, T) int64."""
        import torch

        fitted = [self._fitted(sample["messages"], [self._resized(image) for image in sample["images"]]) for sample in samples]
        batch = dict(self._tensors([_with_images(messages, images) for messages, images in fitted]))
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for at, (messages, _) in enumerate(fitted):
            text, spans = answer_spans(self._processor, messages)
            real = batch["attention_mask"][at].bool()
            row = answer_labels(batch["input_ids"][at][real].tolist(), text, spans, self._tokenizer)
            labels[at, real] = torch.tensor(row, dtype=labels.dtype)
        batch["labels"] = labels
        return batch

    def _tensors(self, conversations: list[list[Message]]) -> Any:
        return self._processor.apply_chat_template(
            conversations, tokenize=True, return_dict=True, return_tensors="pt", processor_kwargs={"padding": True}
        )

    def _fitted(self, messages: list[Message], images: list[Any]) -> tuple[list[Message], list[Any]]:
        while self._max_tokens:
            length = self._tensors([_with_images(messages, images)])["input_ids"].shape[1]
            found = rounds(messages)
            if length <= self._max_tokens:
                break
            if len(found) < 2:
                raise UnfitModelError(
                    f"one question with its images takes {length} tokens and {self._max_tokens} are allowed: "
                    "give a larger --max-tokens or a smaller --image-size-px"
                )
            # By proportion, so that long conversations need few tries.
            keep = min(len(found) - 1, max(1, int(len(found) * self._max_tokens / length)))
            messages = cut(messages, found[:keep])
        return messages, images

    def _resized(self, image: Any) -> Any:
        longest = max(image.size)
        if not self._size_px or longest <= self._size_px:
            return image
        scale = self._size_px / longest
        return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _with_images(messages: Sequence[Message], images: Sequence[Any]) -> list[Message]:
    """Messages whose image parts hold the images, in order."""
    waiting = iter(images)
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "image", "image": next(waiting)} if part["type"] == "image" else part for part in message["content"]
            ],
        }
        for message in messages
    ]
