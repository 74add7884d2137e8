"""Batches of questions about things, with true answers: of drawn layouts, or of things as they were measured on renders.

Never changes: a batch depends on its seed alone; the answer is the registry's on the true things, the tokens are of the measured
ones; no type of question and no wording is drawn more often for what its answer is, but for relations that seldom hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...scene.relations import RELATIONS, Kind
from ...synthesis.facts import dimension_of
from ...vlm.embedded.decoder_sentences import verdict_word
from ...vlm.embedded.decoder_words import ASK, BRIEF, CLOSE, FULL, MAX_THINGS, NUMBER, Words
from ...vlm.embedded.object_tokens import FIELDS, NUM_FEATURES, token_features
from .answers_data_layouts import draw_shapes, measured, truths
from .answers_data_text import ARITY, TYPES, AnswerTable, QuestionTable
from .measured_pool import OF_ONE, OF_THREE, OF_TWO, read_shard

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# Relations that seldom hold are drawn so that they hold in so many questions.
_RARE = {"on": 0.4, "between": 0.4, "touching": 0.4}
# How often a type is drawn, against others: which way a difference is signed is learnt from differences alone.
_OFTEN = np.array([2.5 if name.endswith("_difference") else 1.0 for name in TYPES])
# Share of the sentences of comparisons that say "too close to call".
_CLOSE_SHARE = 0.25
_HAS_SIZE = FIELDS["kind"].start


def number_of(relation: str) -> tuple[str, float]:
    """(name, sign): which of the numbers of ``measured_pool`` a relation reads, and turned which way."""
    known = (*OF_ONE, *OF_TWO, *OF_THREE)
    if relation in known:
        return relation, 1.0
    if relation == "below_difference":
        return "above_difference", -1.0
    side = dimension_of(relation)
    if side is None:
        raise KeyError(f"relation '{relation}' is not among {', '.join(TYPES)}")
    margins = {"left_or_right": "left_difference", "behind_or_front": "behind_difference"}
    return margins.get(side[0], side[0].split("_or_")[0]), side[1]


@dataclass(frozen=True)
class PosedThings:
    """Things, groups of them that may be asked about, and the numbers of each group.

    Attributes:
        features: (N, NUM_FEATURES) of the measured things; ``valid`` (N,).
        groups: by number of things (1, 2, 3): (G, k) indices of things.
        true: the registry's number of each group on the true things, by name (G,); NaN where there is none.
        said: the same on the measured things with their standard deviations (G, 2); empty for drawn layouts.
        image: (G,) by number of things: which image a group is of.
    """

    features: Float32Array
    valid: npt.NDArray[np.bool_]
    groups: Mapping[int, IntArray]
    true: Mapping[str, Float32Array]
    said: Mapping[str, Float32Array] = field(default_factory=dict)
    image: Mapping[int, IntArray] = field(default_factory=dict)


def drawn_things(generator: np.random.Generator, count: int) -> PosedThings:
    """Layouts of three things each."""
    shapes = draw_shapes(generator, count, generator.random(count) < 0.4)
    features, valid = token_features(measured(shapes, generator))
    first = 3 * np.arange(count)[:, None]
    groups = {many: first + np.arange(many) for many in (1, 2, 3)}
    true = {name: value.astype(np.float32) for name, value in truths(shapes).items()}
    return PosedThings(features.reshape(-1, NUM_FEATURES), valid.reshape(-1), groups, true)


def pool_things(shards: Iterable[Path]) -> PosedThings:
    """All things and groups of some shards of ``measured_pool``. Raises ValueError without any."""
    features: list[Float32Array] = []
    valid: list[npt.NDArray[np.bool_]] = []
    groups: dict[int, list[IntArray]] = {1: [], 2: [], 3: []}
    images: dict[int, list[IntArray]] = {1: [], 2: [], 3: []}
    numbers: dict[str, list[Float32Array]] = {}
    start = image = 0
    for shard in shards:
        for one in read_shard(shard):
            count = len(one.features)
            features.append(one.features)
            valid.append(one.valid)
            pairs = np.array([(i, j) for i in range(count) for j in range(count) if i != j], np.int64).reshape(-1, 2)
            for many, found in ((1, np.arange(count)[:, None]), (2, pairs), (3, one.triples)):
                groups[many].append(found + start)
                images[many].append(np.full(len(found), image))
            for who, tables in (("true", one.true), ("said", one.said)):
                by_group = (tables["one"], tables["two"][pairs[:, 0], pairs[:, 1]], tables["three"])
                table = dict(zip((OF_ONE, OF_TWO, OF_THREE), by_group, strict=True))
                for names, rows in table.items():
                    for at, name in enumerate(names):
                        numbers.setdefault(f"{who} {name}", []).append(rows[:, at])
            start, image = start + count, image + 1
    if not features:
        raise ValueError("no shard of measured things was given")
    joined = {name: np.concatenate(found) for name, found in numbers.items()}
    known = (*OF_ONE, *OF_TWO, *OF_THREE)
    return PosedThings(
        np.concatenate(features), np.concatenate(valid), {many: np.concatenate(found) for many, found in groups.items()},
        {name: joined[f"true {name}"][:, 0] for name in known}, {name: joined[f"said {name}"] for name in known},
        {many: np.concatenate(found) for many, found in images.items()},
    )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Questions as a decoder reads them, with what is true.

    Attributes:
        objects: (B, 3, NUM_FEATURES), ``present`` (B, 3), in the order of the pointers.
        question: (B, L) int64, the last two words <brief> or <full>, and <ask>.
        verdict: (B,) int64 the answer's first word.
        value: (B,) metres, NaN for comparisons.
        weight: (B,) 0 where nothing is decided.
        answer: (B, T) int64 verdict, sentence, <end>, 0 behind; all 0 for questions without a sentence.
        relation: (B,) index in TYPES; ``group`` (B,) row in the groups of its arity; ``holds`` (B,) bool of a comparison.
    """

    objects: Float32Array
    present: npt.NDArray[np.bool_]
    question: IntArray
    verdict: IntArray
    value: Float32Array
    weight: Float32Array
    answer: IntArray
    relation: IntArray
    group: IntArray
    holds: npt.NDArray[np.bool_]


class Questions:
    """Draws batches of questions.

    Args:
        longest: words of a question; ``answer_words`` of an answer.
        noise_m: standard deviation of an error that is added to the lengths that are learnt (an ablation of the paper).
    """

    def __init__(self, table: QuestionTable, words: Words, answer_words: int, noise_m: float = 0.0) -> None:
        self._table, self._words, self._noise_m = table, words, noise_m
        self._answers = AnswerTable(words, answer_words)
        self._answer_words = answer_words
        self._ends = [np.cumsum(table.share[rows] / table.share[rows].sum()) if len(rows) else rows for rows in table.rows]

    def draw(
        self,
        things: PosedThings,
        generator: np.random.Generator,
        count: int,
        *,
        sentences: float = 0.0,
        types: IntArray | None = None,
    ) -> Batch:
        """A batch of ``count`` questions of all types, or of ``types`` (count,).

        Args:
            sentences: share of them that come with a sentence.
        """
        relation = generator.choice(len(TYPES), size=count, p=_OFTEN / _OFTEN.sum()) if types is None else types
        group, question = np.zeros(count, np.int64), np.zeros(count, np.int64)
        true = np.zeros(count, np.float32)
        for at in np.unique(relation):
            rows = np.flatnonzero(relation == at)
            group[rows], true[rows] = self._groups(things, TYPES[at], generator, len(rows))
            drawn = np.searchsorted(self._ends[at], generator.random(len(rows)), side="right")
            question[rows] = self._table.rows[at][np.minimum(drawn, len(self._table.rows[at]) - 1)]
        return self._batch(things, generator, relation, group, question, true, sentences)

    def _groups(
        self, things: PosedThings, relation: str, generator: np.random.Generator, count: int
    ) -> tuple[IntArray, Float32Array]:
        name, sign = number_of(relation)
        rows = usable(things, relation)
        if not len(rows):
            raise ValueError(f"no group of things can be asked about '{relation}'")
        found = rows[generator.integers(len(rows), size=count)]
        if relation in _RARE:
            holding = rows[things.true[name][rows] > 0]
            if len(holding):
                drawn = holding[generator.integers(len(holding), size=count)]
                found = np.where(generator.random(count) < _RARE[relation], drawn, found)
        return found, np.float32(sign) * things.true[name][found]

    def _batch(
        self, things: PosedThings, generator: np.random.Generator, relation: IntArray, group: IntArray, question: IntArray,
        true: Float32Array, sentences: float,
    ) -> Batch:  # fmt: skip
        count, words = len(relation), self._words
        order = self._table.order[question]
        objects = np.zeros((count, MAX_THINGS, NUM_FEATURES), np.float32)
        present = np.zeros((count, MAX_THINGS), np.bool_)
        arity = np.array([ARITY[name] for name in TYPES])[relation]
        for many in (1, 2, 3):
            rows = np.flatnonzero(arity == many)
            indices = np.take_along_axis(things.groups[many][group[rows]], order[rows, :many], axis=1)
            objects[rows, :many], present[rows, :many] = things.features[indices], True
        is_number = np.array([RELATIONS[name].kind is Kind.ESTIMATE for name in TYPES])[relation]
        holds = true > 0
        value = np.where(is_number, true, np.nan).astype(np.float32)
        if self._noise_m:
            noisy = value + generator.normal(0, self._noise_m, count).astype(np.float32)
            signed = np.array([name.endswith("_difference") for name in TYPES])[relation]
            value = np.where(signed, noisy, np.abs(noisy))
        full = generator.random(count) < 0.5
        said = generator.random(count) < sentences
        draws, unsure = generator.random(count), generator.random(count) < _CLOSE_SHARE
        verdict = np.zeros(count, np.int64)
        answer = np.zeros((count, self._answer_words), np.int64)
        number = words.id(NUMBER)
        for row in range(count):
            name = TYPES[relation[row]]
            turns = tuple(int(index) for index in order[row, : arity[row]])
            verdict[row] = number if is_number[row] else words.id(verdict_word(name, bool(holds[row]), turns))
            if said[row]:
                told = None if unsure[row] and not is_number[row] else bool(holds[row]) or (is_number[row] and true[row] == 0)
                answer[row] = self._answers.draw(name, told, turns, bool(full[row]), float(draws[row]))
        ids = self._table.ids[question]
        ids = ids[:, : max(int((ids != 0).sum(1).max()), 1)]
        ends = np.stack([np.where(full, words.id(FULL), words.id(BRIEF)), np.full(count, words.id(ASK))], 1)
        weight = (is_number | (np.abs(true) > 1e-6)).astype(np.float32)
        return Batch(objects, present, np.concatenate([ids, ends], 1), verdict, value, weight, answer, relation, group, holds)


def usable(things: PosedThings, relation: str) -> IntArray:
    """Groups that may be asked a question: the number is known, the things are valid, and have sizes where sizes are compared."""
    many = ARITY[relation]
    groups = things.groups[many]
    good = np.isfinite(things.true[number_of(relation)[0]]) & things.valid[groups].all(-1)
    if RELATIONS[relation].needs_extent:
        good &= things.features[groups, _HAS_SIZE].all(-1) > 0
    return np.flatnonzero(good)


__all__ = ["CLOSE", "Batch", "PosedThings", "Questions", "drawn_things", "number_of", "pool_things", "usable"]
