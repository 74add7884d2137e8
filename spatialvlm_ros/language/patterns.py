"""Patterns of questions, and the matcher that finds all the ways in which a text can be read by them.

Notation: words, alternatives and slots, ``how far (away|) is {a} (away|) from {b}``. ``{a}`` takes a name of 1 to 24 tokens,
``{n:length}`` a length in metres, ``{k:number}`` a number, ``{names:list}`` two or more names, ``{v:view}`` who looks,
``{a:owner}`` a name with its "'s", ``{a:kind}`` the name of one where many are said, ``{a:thing}`` a name or a thing told by
a superlative, ``{a:best}`` the latter alone, ``{a:sort}`` a kind of things by its looks alone, ``{a:sorts}`` many of them,
``{names:several}`` a list without superlatives (thing_phrases.py). Commas of the text may stand anywhere between words and
slots. Politeness is gone before a text is matched (see tokens.py), so a pattern does not say "please" or "tell me".

Never changes: all readings are found, and when the best ones mean different things none is chosen. Time is bounded: each
state of the automaton is looked at once for each token of the text, and keeps its best ``KEPT`` readings.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from .names import plain_name
from .slots import SPANS as _SIMPLE_SPANS
from .slots import Slot, Span
from .thing_phrases import PHRASE_SPANS
from .tokens import COMMA, MAX_CHARS, MAX_TOKENS, Token, tokenize, without_fillers

__all__ = [
    "AmbiguousQuestionError",
    "EmptyQuestionError",
    "Matcher",
    "NotUnderstoodError",
    "Pattern",
    "QuestionError",
    "Reading",
    "Slot",
]

T = TypeVar("T")
SPANS = {**_SIMPLE_SPANS, **PHRASE_SPANS}
KEPT = 24
NUM_FORMS = 5


class QuestionError(ValueError):
    """A question that has no one meaning. The text says why and what to say instead."""


class EmptyQuestionError(QuestionError):
    """Nothing was asked."""


class NotUnderstoodError(QuestionError):
    """No known form fits. ``forms`` are the nearest known ones."""

    def __init__(self, text: str, forms: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.forms = forms


class AmbiguousQuestionError(QuestionError):
    """More than one reading is as good as the best one. ``readings`` are their meanings, in words."""

    def __init__(self, text: str, readings: tuple[str, ...]) -> None:
        super().__init__(text)
        self.readings = readings


@dataclass(frozen=True)
class Pattern(Generic[T]):
    """``text`` in the notation above; ``build`` makes the meaning of its slots, or raises ValueError to reject a reading.

    ``example`` is told to people whose question is not understood, e.g. "How far is A from B?".
    """

    text: str
    build: Callable[[Mapping[str, Slot]], T]
    example: str


@dataclass(frozen=True)
class Reading(Generic[T]):
    """One way to read a text.

    Attributes:
        literals: words of the text that are the pattern's own.
        rank: smaller is better; see ``Matcher``.
        names: the names of things in its slots.
    """

    meaning: T
    pattern: Pattern[T]
    slots: Mapping[str, Slot]
    literals: int
    rank: tuple[int, int, int]
    names: tuple[str, ...]


# -- notation ---------------------------------------------------------------------------------------------------------

_SlotKey: TypeAlias = tuple[str, str]  # name, kind
_PART_RE = re.compile(r"\{(?P<slot>[a-z_][a-z0-9_]*)(?::(?P<kind>[a-z]+))?\}|(?P<mark>[(|)])|(?P<word>[^\s(|){},]+)|,")


class _Automaton:
    """Nodes with edges for words and slots, and free edges; patterns share nothing here, states of the search do."""

    def __init__(self) -> None:
        self.free: list[tuple[int, ...]] = []
        self.edges: list[tuple[str | _SlotKey, int] | None] = []
        self.accepts: list[int] = []  # index of the pattern that ends here, or -1

    def node(self, free: tuple[int, ...] = (), edge: tuple[str | _SlotKey, int] | None = None, accepts: int = -1) -> int:
        self.free.append(free)
        self.edges.append(edge)
        self.accepts.append(accepts)
        return len(self.free) - 1

    def add(self, text: str, index: int) -> int:
        """First node of a pattern. Raises ValueError for a text that breaks the notation."""
        parts = list(_parts(text))
        position = 0

        def alternatives() -> list[list[object]]:
            nonlocal position
            found: list[list[object]] = [[]]
            while position < len(parts) and parts[position] != ")":
                part = parts[position]
                position += 1
                if part == "|":
                    found.append([])
                elif part == "(":
                    found[-1].append(alternatives())
                    if position == len(parts):
                        raise ValueError(f"pattern '{text}' has a '(' that is not closed")
                    position += 1
                else:
                    found[-1].append(part)
            return found

        tree = alternatives()
        if position < len(parts):
            raise ValueError(f"pattern '{text}' has a ')' too many")
        return self._compile(tree, self.node(accepts=index))

    def _compile(self, alternatives: list[list[object]], after: int) -> int:
        starts = []
        for sequence in alternatives:
            node = after
            for item in reversed(_words_merged(sequence)):
                if isinstance(item, list):
                    node = self._compile(item, node)
                else:
                    node = self.node(edge=(item, node))  # type: ignore[arg-type]
            starts.append(node)
        return starts[0] if len(starts) == 1 else self.node(free=tuple(starts))

    def closure(self, nodes: Iterable[int]) -> frozenset[int]:
        """The nodes with words, slots or an end that free edges lead to."""
        seen: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(self.free[node])
        return frozenset(node for node in seen if not self.free[node])


def _parts(text: str) -> Iterator[str | _SlotKey]:
    """Words, marks and slots of a pattern."""
    end = 0
    for found in _PART_RE.finditer(text):
        if text[end : found.start()].strip():
            raise ValueError(f"pattern '{text}' has '{text[end : found.start()].strip()}', which is no word, slot or alternative")
        end = found.end()
        if found["slot"]:
            kind = found["kind"] or "name"
            if kind not in SPANS:
                raise ValueError(f"pattern '{text}' has a slot of kind '{kind}'; known are {', '.join(SPANS)}")
            yield found["slot"], kind
        elif found["mark"] or found["word"]:
            yield found["mark"] or found["word"].lower()
    if text[end:].strip():
        raise ValueError(f"pattern '{text}' has '{text[end:].strip()}', which is no word, slot or alternative")


def _words_merged(sequence: list[object]) -> list[object]:
    """A sequence with its runs of words as they are left of a text."""
    merged: list[object] = []
    run: list[str] = []
    for item in [*sequence, None]:
        if isinstance(item, str):
            run.append(item)
            continue
        merged.extend(without_fillers(run))
        run = []
        if item is not None:
            merged.append(item)
    return merged


# -- search -----------------------------------------------------------------------------------------------------------


class _State:
    """All nodes that the same words and slots lead to; where they lead on is worked out when it is first asked."""

    __slots__ = ("_intern", "_next", "accepts", "slots", "words")

    def __init__(self, automaton: _Automaton, nodes: frozenset[int], intern: Callable[[Iterable[int]], _State]) -> None:
        self.words: dict[str, list[int]] = {}
        self.slots: dict[_SlotKey, list[int]] = {}
        accepts = set()
        for node in sorted(nodes):
            if automaton.accepts[node] >= 0:
                accepts.add(automaton.accepts[node])
            edge = automaton.edges[node]
            if edge is not None and isinstance(edge[0], str):
                self.words.setdefault(edge[0], []).append(edge[1])
            elif edge is not None:
                self.slots.setdefault(edge[0], []).append(edge[1])  # type: ignore[arg-type]
        self.accepts = tuple(sorted(accepts))
        self._next: dict[str | _SlotKey, _State] = {}
        self._intern = intern

    def after(self, edge: str | _SlotKey) -> _State:
        """The state behind an edge that is there."""
        found = self._next.get(edge)
        if found is None:
            nodes = self.words[edge] if isinstance(edge, str) else self.slots[edge]
            found = self._next[edge] = self._intern(nodes)  # the same one for every thread
        return found


# Slots of a reading from the first to the last, then the index of its pattern.
_Tail: TypeAlias = "tuple[str, Span, _Tail] | int"
_Partial: TypeAlias = tuple[int, int, int, _Tail]  # joints, -literals, -marked


class _Search:
    """Readings of one text."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.skip = list(range(len(tokens) + 1))
        for at in range(len(tokens) - 1, -1, -1):
            if tokens[at].word == COMMA and not tokens[at].quoted:
                self.skip[at] = self.skip[at + 1]
        self.memo: dict[tuple[int, int], list[_Partial]] = {}
        self.spans: dict[tuple[str, int], list[Span]] = {}

    def best(self, state: _State, start: int) -> list[_Partial]:
        """The best readings of the tokens from ``start`` on, best first."""
        key = id(state), start
        if key in self.memo:
            return self.memo[key]
        at = self.skip[start]
        found: list[_Partial] = []
        if at == len(self.tokens):
            found.extend((0, 0, 0, index) for index in state.accepts)
        else:
            token = self.tokens[at]
            if token.word in state.words and not token.quoted:
                rest = self.best(state.after(token.word), at + 1)
                found.extend((joints, literals - 1, marked, tail) for joints, literals, marked, tail in rest)
            for slot in state.slots:
                found.extend(self._slot(state.after(slot), slot, at))
        found.sort(key=lambda partial: partial[:3])
        self.memo[key] = found[:KEPT]
        return self.memo[key]

    def _slot(self, after: _State, slot: _SlotKey, at: int) -> Iterator[_Partial]:
        for span in self._spans(slot[1], at):
            end = self.skip[span.end]
            if end == len(self.tokens):
                if not after.accepts:
                    continue
            elif self.tokens[end].word not in after.words and not after.slots:
                continue
            for joints, literals, marked, tail in self.best(after, span.end):
                yield joints + span.joints, literals - span.literals, marked - span.marked, (slot[0], span, tail)

    def _spans(self, kind: str, at: int) -> list[Span]:
        key = kind, at
        if key not in self.spans:
            self.spans[key] = list(SPANS[kind](self.tokens, at))
        return self.spans[key]


class Matcher(Generic[T]):
    """Reads texts by patterns.

    A reading is better with fewer words inside its names that could as well part two names ("and", "from", "between", "to");
    then with more words that are the pattern's own; then with more names that are certain to be names (an article, quotes,
    "#3", the gripper).
    """

    def __init__(self, patterns: Iterable[Pattern[T]], describe: Callable[[T], str] = str) -> None:
        self.patterns = tuple(patterns)
        self._describe = describe
        self._automaton = _Automaton()
        self._states: dict[frozenset[int], _State] = {}
        starts = [self._automaton.add(pattern.text, index) for index, pattern in enumerate(self.patterns)]
        self._root = self._intern(starts)
        self._forms = _Forms(tuple(dict.fromkeys(pattern.example for pattern in self.patterns)))

    def _intern(self, nodes: Iterable[int]) -> _State:
        closed = self._automaton.closure(nodes)
        found = self._states.get(closed)
        # Texts are read by several threads. One state alone may stand for these nodes: searches know states by their ids.
        return self._states.setdefault(closed, _State(self._automaton, closed, self._intern)) if found is None else found

    def readings(self, text: str) -> list[Reading[T]]:
        """All readings, best first; none for a text of more than 1024 characters or 120 tokens."""
        tokens = tokenize(text) if len(text) <= MAX_CHARS else []
        return self._readings(tokens) if len(tokens) <= MAX_TOKENS else []

    def _readings(self, tokens: Sequence[Token]) -> list[Reading[T]]:
        found: list[Reading[T]] = []
        for joints, literals, marked, tail in _Search(tokens).best(self._root, 0):
            slots: dict[str, Slot] = {}
            names: list[str] = []
            while not isinstance(tail, int):
                name, span, tail = tail
                slots[name] = span.value
                names.extend(span.names)
            pattern = self.patterns[tail]
            try:
                meaning = pattern.build(slots)
            except ValueError:
                continue
            found.append(Reading(meaning, pattern, slots, -literals, (joints, literals, marked), tuple(names)))
        return found

    def match(self, text: str, known: Collection[str] = ()) -> T:
        """The one meaning of a text.

        Args:
            known: names of things that are there; they decide between readings that are equally good.

        Raises:
            EmptyQuestionError: no words.
            NotUnderstoodError: no pattern fits; with the nearest examples.
            AmbiguousQuestionError: the best readings mean different things.
        """
        shown = " ".join(text.split())
        tokens = tokenize(text[:MAX_CHARS])
        if not tokens:
            raise EmptyQuestionError("the question is empty; ask e.g. 'How far is the gripper from the red block?'")
        if len(text) > MAX_CHARS or len(tokens) > MAX_TOKENS:
            raise NotUnderstoodError(
                f"the question '{shown[:60]}...' is too long: at most {MAX_CHARS} characters and {MAX_TOKENS} words are read"
            )
        readings = self._readings(tokens)
        if not readings:
            forms = self._forms.nearest(text)
            listed = " | ".join(forms)
            raise NotUnderstoodError(f"the question '{shown}' has no known form; the nearest known forms are: {listed}", forms)
        best = [reading for reading in readings if reading.rank == readings[0].rank]
        if known and len({reading.meaning for reading in best}) > 1:
            there = {plain_name(name) for name in known}
            best = [reading for reading in best if there.issuperset(reading.names)] or best
        meanings = list(dict.fromkeys(reading.meaning for reading in best))
        if len(meanings) > 1:
            said = tuple(self._describe(meaning) for meaning in meanings)
            what = f"the question '{shown}' can be read as {', or as '.join(said)}"
            raise AmbiguousQuestionError(f"{what}; put the names in double quotes to say which", said)
        return meanings[0]


class _Forms:
    """Finds the examples that share the most telling words with a text."""

    def __init__(self, examples: tuple[str, ...]) -> None:
        self.examples = examples
        self.words = [_content(example) for example in examples]
        counts = Counter(word for words in self.words for word in words)
        self.weight = {word: 1.0 / math.sqrt(count) for word, count in counts.items()}

    def nearest(self, text: str) -> tuple[str, ...]:
        asked = _content(text)
        scores = []
        for index, words in enumerate(self.words):
            shared = sum(self.weight[word] for word in words & asked)
            missing = sum(self.weight[word] for word in words - asked)
            scores.append((-(shared - 0.3 * missing), len(words), index))
        return tuple(self.examples[index] for _, _, index in sorted(scores)[:NUM_FORMS])


def _content(text: str) -> frozenset[str]:
    return frozenset(token.word for token in tokenize(text) if token.word not in ("a", "b", "c", "the", COMMA))
