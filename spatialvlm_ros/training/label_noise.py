"""Noise on the lengths that a model is taught: the paper's ablation of how exact labels have to be.

The number of a pair as it was before rounding is moved by a normal deviate and said anew, by the template that it was said with.
Only lengths are moved; verdicts, sides and angles stay as they are. Never changes: the same pair and seed give the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..language.answer_templates import answer_templates
from ..scene.facts import METRE, Query
from ..synthesis import speak
from ..synthesis.record import generator_of


def moved_length(value_m: float, std_m: float, deviate: float, *, signed: bool) -> float:
    """A length with noise of ``std_m``, metres.

    Args:
        deviate: of the standard normal distribution.
        signed: a difference, which may change its side; any other length is mirrored at 0, for nothing is shorter than nothing.
    """
    moved = value_m + std_m * deviate
    return moved if signed else abs(moved)


def noisy_answer(pair: Mapping[str, Any], std_m: float, seed: int, key: str) -> str:
    """The answer of a pair (a row of ``schema.pair_type``) with noise on its length; as it is where it states none.

    Args:
        key: of the picture; pairs of one picture and seed have noise of their own.
    """
    value_m = pair["value"]
    if std_m == 0 or pair["unit"] != METRE or value_m is None:
        return str(pair["answer"])
    query = query_of(pair)
    generator = generator_of(seed, key, "\x1f".join(("label noise", query.relation, *query.names, str(query.amount))))
    deviate, share = float(generator.standard_normal()), float(generator.random())
    signed = query.relation.endswith("_difference")
    said_m = moved_length(float(value_m), std_m, deviate, signed=signed)
    deviation_m = np.hypot(pair["std"] or 0.0, std_m)
    text = speak.length_text(abs(said_m), float(deviation_m), share, exact=pair["style"] == "exact")
    verdict = said_m > 0 if signed else True
    # A difference that changed its side is said by a template of the other side.
    index = int(pair["answer_index"]) % len(answer_templates(query.relation, verdict))
    return speak.answer(query, verdict, index, [speak.name_of(name) for name in query.names], text)


def query_of(pair: Mapping[str, Any]) -> Query:
    """What a pair asks for."""
    return Query(pair["relation"], pair["subject"], pair["object"], pair["third"], pair["amount"], pair["view"])


def noisy_messages(
    messages: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]], std_m: float, seed: int, key: str
) -> list[dict[str, Any]]:
    """A conversation (``schema.messages_of``) with noise on its lengths.

    Raises:
        ValueError: the turns are not those of the pairs.
    """
    answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    if len(answers) != len(pairs):
        raise ValueError(f"{key}: {len(answers)} answers and {len(pairs)} pairs; noise needs the numbers of each answer")
    noisy = [dict(message) for message in messages]
    for at, pair in zip(answers, pairs, strict=True):
        noisy[at]["content"] = [{"type": "text", "text": noisy_answer(pair, std_m, seed, key)}]
    return noisy
