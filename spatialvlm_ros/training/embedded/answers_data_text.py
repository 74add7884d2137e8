"""All questions and answers that the decoder learns, as numbers of words: templates, free wordings, verdicts, sentences.

Never changes: the words are those of ``language``; a question's wording says nothing about its answer; the wordings that are kept
for judging are never in a training table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ...language.answer_templates import answer_templates
from ...language.question_forms import free_forms
from ...language.question_templates import QUESTION_TEMPLATES, VIEW_ENDINGS
from ...language.questions import QuestionError, parse_question
from ...language.template_text import fill
from ...scene.relations import RELATIONS, Kind
from ...vlm.embedded.decoder_sentences import ANSWERED, answer_text, is_full, verdict_word
from ...vlm.embedded.decoder_words import END, POINTERS, Words, vocabulary

TYPES = ANSWERED
ARITY = {relation: RELATIONS[relation].arity for relation in TYPES}
_FREE_A_RELATION = 60
_SEED, _JUDGED_SEED = 4, 5
_MANY = "scissors"
_VIEWS = ("the robot", "base_link", "the front of the table", "frame tool0")
_PARTS = re.compile(r"\{[a-z]+(?::[a-z]+)?\}|[(|)]|[^\s(|){}]+")
_YES_NO = frozenset(("is", "are", "was", "can", "could", "do", "does", "has", "have", "will", "would", "should", "may"))


@dataclass(frozen=True)
class Asked:
    """A question with pointers. ``order[i]`` is which of the relation's things (0 = a, 1 = b, 2 = c) pointer i stands for."""

    relation: str
    text: str
    order: tuple[int, ...]


def _pointed(relation: str, template: str, plurals: str = "") -> Asked:
    keys = list(dict.fromkeys(re.findall(r"\{([abc])\}", template)))
    said = {key: POINTERS[at] for at, key in enumerate(keys)}
    text = fill(template, said, dict.fromkeys(plurals, _MANY))
    return Asked(relation, text, tuple("abc".index(key) for key in keys))


def template_questions(relation: str) -> list[Asked]:
    """All templates of a relation, for single things and for plurals."""
    found = []
    for at, template in enumerate(QUESTION_TEMPLATES[relation]):
        if RELATIONS[relation].kind is Kind.ESTIMATE and template.split()[0].lower() in _YES_NO:
            continue
        found += [_pointed(relation, template, plurals) for plurals in ("", "a", "b")]
        if at % 4 == 0:
            # Who looks is settled with the tokens; its words change nothing.
            ending = VIEW_ENDINGS[at // 4 % len(VIEW_ENDINGS)].replace("{view}", _VIEWS[at // 4 % len(_VIEWS)])
            found.append(_pointed(relation, f"{template[:-1]}{ending}{template[-1]}"))
    return list(dict.fromkeys(found))


def free_questions(relation: str, count: int, generator: np.random.Generator) -> list[Asked]:
    """Wordings of the grammar's free forms, each of which is read back as the relation."""
    forms = [text for name, texts in free_forms() if name == relation for text in texts]
    names = ("mug", "can", "ball")
    found: list[Asked] = []
    for _ in range(8 * count):
        if len(found) >= count:
            break
        text = " ".join(_drawn(forms[int(generator.integers(len(forms)))], generator))
        if ":" in text.replace(":owner", "") or (RELATIONS[relation].kind is Kind.ESTIMATE and text.split()[0] in _YES_NO):
            continue
        template = text.replace("{a:owner}", "{a}'s").replace("{b:owner}", "{b}'s")
        said = template.format(a=f"the {names[0]}", b=f"the {names[1]}", c=f"the {names[2]}")
        try:
            query = parse_question(said)
        except QuestionError:
            continue
        if (query.relation, query.names) == (relation, names[: ARITY[relation]]):
            found.append(_pointed(relation, template + ("?" if generator.random() < 0.8 else "")))
    return list(dict.fromkeys(found))


def _drawn(form: str, generator: np.random.Generator) -> list[str]:
    """The words of one sentence of a form in the notation of ``language.patterns``."""
    parts = _PARTS.findall(form)

    def choice(at: int) -> tuple[list[str], int]:
        ways: list[list[str]] = [[]]
        while at < len(parts) and parts[at] != ")":
            if parts[at] == "|":
                ways.append([])
            elif parts[at] == "(":
                words, at = choice(at + 1)
                ways[-1] += words
            else:
                ways[-1].append(parts[at])
            at += 1
        return ways[int(generator.integers(len(ways)))], at

    return choice(0)[0]


@dataclass(frozen=True)
class QuestionTable:
    """Questions as rows: ``ids`` (Q, L) int64 with 0 behind the end, ``relation`` (Q,) index in TYPES, ``order`` (Q, 3) int64."""

    ids: npt.NDArray[np.int64]
    relation: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]

    @cached_property
    def rows(self) -> list[npt.NDArray[np.int64]]:
        """Indices of the questions of each type."""
        return [np.flatnonzero(self.relation == at) for at in range(len(TYPES))]


@cache
def all_questions(judged: bool = False) -> tuple[tuple[Asked, float], ...]:
    """Every question with its weight. ``judged``: free wordings that are in no training table, and nothing else."""
    found: list[tuple[Asked, float]] = []
    for relation in TYPES:
        seed = [TYPES.index(relation), _SEED]
        free = free_questions(relation, _FREE_A_RELATION, np.random.default_rng(seed))
        if judged:
            others = free_questions(relation, _FREE_A_RELATION, np.random.default_rng([*seed[:1], _JUDGED_SEED]))
            known = {asked.text for asked in (*free, *template_questions(relation))}
            found += [(asked, 1.0) for asked in others if asked.text not in known][:20]
            continue
        plain = template_questions(relation)
        found += [(asked, 0.6 / len(plain)) for asked in plain] + [(asked, 0.4 / max(len(free), 1)) for asked in free]
    return tuple(found)


def question_table(questions: Sequence[tuple[Asked, float]], words: Words, longest: int) -> QuestionTable:
    """Longer questions are cut to ``longest`` words."""
    ids = np.zeros((len(questions), longest), np.int64)
    order = np.zeros((len(questions), 3), np.int64)
    for row, (asked, _) in enumerate(questions):
        said = words.ids_of(asked.text)[:longest]
        ids[row, : len(said)] = said
        order[row] = [*asked.order, *range(len(asked.order), 3)]
    relation = np.array([TYPES.index(asked.relation) for asked, _ in questions], np.int64)
    return QuestionTable(ids, relation, order, np.array([share for _, share in questions]))


# Rows of words, and where the share of each ends.
_Sentences: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


class AnswerTable:
    """Sentences of answers by relation, verdict, order of the pointers and style."""

    def __init__(self, words: Words, longest: int) -> None:
        self._words, self._longest = words, longest
        self._known: dict[tuple[str, bool | None, tuple[int, ...], bool], _Sentences] = {}

    def draw(
        self, relation: str, verdict: bool | None, order: tuple[int, ...], is_long: bool, share: float
    ) -> npt.NDArray[np.int64]:
        """(longest,) the verdict's word, the sentence, <end>, and 0 behind; the one at ``share`` in [0, 1) of their weight."""
        key = (relation, verdict, order, is_long)
        if key not in self._known:
            self._known[key] = self._rows(*key)
        rows, ends = self._known[key]
        row: npt.NDArray[np.int64] = rows[int(np.searchsorted(ends, share, side="right"))]
        return row

    def _rows(self, relation: str, verdict: bool | None, order: tuple[int, ...], is_long: bool) -> _Sentences:
        templates = answer_templates(relation, verdict)
        chosen = [one for one in templates if is_full(one) == is_long] or list(templates)
        rows = np.zeros((len(chosen), self._longest), np.int64)
        first = self._words.id(verdict_word(relation, verdict, order))
        for row, template in zip(rows, chosen, strict=True):
            said = self._words.ids_of(answer_text(template.text, verdict, order))[: self._longest - 2]
            row[: len(said) + 2] = [first, *said, self._words.id(END)]
        weights = np.array([template.weight for template in chosen]) ** 2
        return rows, np.append(np.cumsum(weights / weights.sum())[:-1], 1.0)


def all_words() -> tuple[str, ...]:
    """The vocabulary of all questions and answers."""
    texts = [asked.text for asked, _ in all_questions()]
    for relation in TYPES:
        order = tuple(range(ARITY[relation]))
        kinds: tuple[bool | None, ...] = (True, False) if RELATIONS[relation].kind is Kind.ESTIMATE else (True, False, None)
        for verdict in kinds:
            texts += [answer_text(one.text, verdict, order) for one in answer_templates(relation, verdict)]
    return vocabulary(texts)
