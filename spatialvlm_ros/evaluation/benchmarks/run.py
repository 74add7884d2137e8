"""A model asked a whole benchmark, and its marks beside those of a guess and of the best constant answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...scene.facts import Status
from ...vlm.interface import ModelAnswer, Question, SpatialVlm, View, VlmError
from ..vqa_bootstrap import ByImage
from .item import Benchmark, BenchmarkDataError, Item, Mark

MODEL, CONSTANT, GUESS = "model", "best constant", "random choice"
# References that are tried as constants, the most frequent first.
_CONSTANTS = 40


@dataclass(frozen=True)
class Asked:
    """What a model said to all questions.

    Attributes:
        texts: one an item, "" where it said nothing.
        problems: why it failed, each sentence with how many questions it cost.
        images: how many pictures it looked at.
    """

    texts: tuple[str, ...]
    problems: dict[str, int]
    images: int


def limited(items: Sequence[Item], images: int) -> list[Item]:
    """The items of the first ``images`` images; all for 0."""
    kept = list(dict.fromkeys(item.image for item in items))
    chosen = set(kept[:images] if images else kept)
    return [item for item in items if item.image in chosen]


def ask(vlm: SpatialVlm, items: Sequence[Item], tell: Callable[[str], None] | None = None) -> Asked:
    """Ask everything, picture by picture. A picture that cannot be read costs its questions, and is told in ``problems``.

    Raises:
        BenchmarkDataError: the model does not answer questions.
    """
    if not vlm.answers:
        raise BenchmarkDataError(f"{vlm.version} finds things and answers no questions; give a model that answers in words")
    by_image: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        by_image.setdefault(item.image, []).append(at)
    texts, problems = [""] * len(items), Counter[str]()
    own_words = speaks_freely(vlm)
    for number, places in enumerate(by_image.values()):
        if tell:
            tell(f"{number + 1} of {len(by_image)} images")
        try:
            picture = items[places[0]].show()
            answers = vlm.look(View(picture)).answer([Question(items[at].prompt, verbatim=True) for at in places])
        except (BenchmarkDataError, VlmError) as error:  # hours of answers are not thrown away for one picture
            problems[str(error)] += len(places)
            continue
        for at, answer in zip(places, answers, strict=True):
            texts[at] = words_of(answer, own_words)
            if not texts[at]:
                problems[answer.text or answer.status.name.lower()] += 1
    return Asked(tuple(texts), dict(problems), len(by_image))


def speaks_freely(vlm: SpatialVlm) -> bool:
    """Whether the text of an answer without a value is the model's own words; ours gives the reason there instead."""
    from ...vlm.server_backend import ServerVlm
    from ...vlm.transformers_backend import TransformersVlm

    return isinstance(vlm, ServerVlm | TransformersVlm)


def words_of(answer: ModelAnswer, own_words: bool) -> str:
    """What the model said, "" where it said nothing."""
    return answer.text if answer.status.has_value or (own_words and answer.status is Status.BAD_QUERY) else ""


# -- scores -----------------------------------------------------------------------------------------------------------------


def scores_of(benchmark: Benchmark, items: Sequence[Item], texts: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """Of the model, of the best constant and of a guess: totals, and by group with 95 % intervals."""
    by_image = ByImage([item.image for item in items], seed=seed)
    marks = [benchmark.mark(item, text) for item, text in zip(items, texts, strict=True)]
    return {
        MODEL: _scores(benchmark, items, marks, by_image),
        CONSTANT: _scores(benchmark, items, best_constant(benchmark, items), by_image),
        GUESS: _scores(benchmark, items, [_guess(benchmark, item) for item in items], by_image),
    }


def best_constant(benchmark: Benchmark, items: Sequence[Item]) -> list[Mark]:
    """Of each group, the marks of the one answer that does best on it: it has seen the truths, and no picture."""
    marks: dict[int, Mark] = {}
    for group in dict.fromkeys(item.group for item in items):
        places = [at for at, item in enumerate(items) if item.group == group]
        references = Counter(items[at].reference for at in places)
        tried = [[benchmark.mark(items[at], text) for at in places] for text, _ in references.most_common(_CONSTANTS)]
        best = max(tried, key=lambda row: sum(one.score for one in row))
        marks |= dict(zip(places, best, strict=True))
    return [marks[at] for at in range(len(items))]


def _guess(benchmark: Benchmark, item: Item) -> Mark:
    """The expected mark of one of the choices at random; 0 where answers are free."""
    marks = [benchmark.mark(item, choice).score for choice in item.choices]
    return Mark(float(np.mean(marks)) if marks else 0.0)


def _scores(benchmark: Benchmark, items: Sequence[Item], marks: Sequence[Mark], by_image: ByImage) -> dict[str, Any]:
    groups = np.array([item.group for item in items], dtype=str)
    values = np.array([mark.score for mark in marks], float)
    names = list(dict.fromkeys(groups.tolist()))
    everything = np.ones(len(items), bool)
    return {
        "overall": benchmark.overall({name: values[groups == name].tolist() for name in names}),
        "all_questions": {"n": len(items), "score": float(values.mean()), "ci95": by_image.interval(values, everything)},
        "read": int(sum(bool(mark.read) for mark in marks)),
        "by_group": {
            name: {
                "n": int((groups == name).sum()), "score": float(values[groups == name].mean()),
                "ci95": by_image.interval(values, groups == name),
            }
            for name in names
        },
        "figures": _figures(marks),
    }  # fmt: skip


def _figures(marks: Sequence[Mark]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for mark in marks for name in mark.figures)
    found = {name: [mark.figures[name] for mark in marks if name in mark.figures] for name in names}
    return {
        name: {"n": len(values), "mean": float(np.mean(values)), "median": float(np.median(values))}
        for name, values in found.items()
    }
