"""Questions in words to expression trees, without a model: tier 1 of reasoning.

A question about one relation is read as ``language.questions`` reads it and becomes one leaf. Composed questions (comparisons,
superlatives, sums, triangles, conditions with counts and logic) have patterns of their own, and all of them are matched at once,
so that one ranking decides between the ways to read a text. Things may be told by superlatives anywhere: "the second tallest
block", "the can nearest to the mug".

Never changes: a question without one certain meaning is refused, with the nearest known forms; nothing is guessed. Every tree
that is returned passes ``expressions.typing.check``.

Conventions:
- "within 20 cm of" and "20 cm from" are distances from center to center; what is said with "reach", "radius" or "range" is the
  relation "reachable", from the nearest surface.
- "Isn't A left of B?" asks what "Is A left of B?" asks. "Is A not left of B?" asks for the opposite.
- "The three cans" are all cans in sight if there are three; with another number there is no answer.
- "About the same" without a tolerance is to ``SAME_M``, "in a line" to ``LINE_M``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from ..expressions.tree import Apply, ExpressionError, Fold, Several, Thing, Tree, Variable, to_text, walk
from ..expressions.typing import check
from ..language.foreign_units import KNOWN_LENGTHS, foreign_unit
from ..language.names import plain_name, plural, with_article
from ..language.patterns import Matcher, NotUnderstoodError, Pattern, Reading, Slot
from ..language.questions import QUESTION_PATTERNS
from ..language.slots import NUMBER_WORDS, name_spans
from ..language.thing_phrases import NEAREST, QUANTIFIERS, SpansOf, best_spans, sort_spans, sorts_spans
from ..language.tokens import COMMA, Token, raw_tokens
from ..scene.facts import Query
from ..scene.relations import RELATIONS
from .build import described, reaching, told
from .frames import frame_groups, frame_patterns
from .kinds import Kind, ListPattern, kinds_of, pattern_of
from .questions_comparisons import COMPARISONS
from .questions_conditions import CONDITION_FRAMES
from .questions_kinds import KIND_FRAMES
from .questions_sets import SETS
from .questions_space import SPACE
from .questions_totals import TOTALS
from .questions_triangles import TRIANGLES

__all__ = ["Kind", "composed_kinds", "parse", "query_tree", "render"]

_GROUPS = (*COMPARISONS, *SETS, *TOTALS, *SPACE, *TRIANGLES)
_FRAMES = (*CONDITION_FRAMES, *KIND_FRAMES)


def query_tree(query: Query) -> Tree:
    """The tree of a query: its leaf, or for "nearest" a choice among all things, whose answer is a thing and how sure it is."""
    if query.relation == "nearest":
        return reaching(NEAREST, described(query.subject), Thing(query.object))
    return Apply(query.relation, tuple(Thing(name) for name in query.names), query.amount, query.view)


def parse(text: str, known: Collection[str] = ()) -> Tree:
    """The tree that a question asks for.

    Args:
        known: names of things that are there; they decide between readings that are equally good.

    Raises:
        EmptyQuestionError: no words.
        NotUnderstoodError: no form fits, with the nearest ones; or what is said cannot be asked of things, and why.
        AmbiguousQuestionError: more than one reading is as good as the best one.
    """
    if (unit := foreign_unit(text, known)) is not None:
        raise NotUnderstoodError(
            f"'{unit}' is no unit of length that is known; known are {KNOWN_LENGTHS}. Where it is a part of a name, put the name "
            "in double quotes"
        )
    try:
        tree = _matcher().match(text, known)
    except NotUnderstoodError as refused:
        if (half := _FROM_WHAT_RE.fullmatch(" ".join(text.split()))) is None:
            raise
        what = f"'{' '.join(text.split())}' does not say from what; ask e.g. 'How far is {half['thing']} from the gripper?'"
        raise NotUnderstoodError(f"{what}, or from another thing or named frame", refused.forms) from None
    problem = _problem(tree)
    if problem:
        shown = " ".join(text.split())
        raise NotUnderstoodError(f"the question '{shown}' is read as {to_text(tree)}, which cannot be asked: {problem}")
    return tree


def _problem(tree: Tree) -> str:
    """What is wrong with a tree that a text was read as, or ""."""
    try:
        check(tree)
    except ExpressionError as error:
        return str(error)
    for _, node in walk(tree):
        if isinstance(node, Thing) and _NO_ONE_RE.match(node.name):
            return f"'{node.name}' names no one thing"
        if isinstance(node, Fold) and isinstance(node.over, Several):
            relations = [
                part for _, part in walk(node) if isinstance(part, Apply) and set(part.args) & set(map(Variable, node.variables))
            ]
            others = {part.name for each in relations for part in each.args if isinstance(part, Thing)}
            if twice := sorted(others & set(node.over.names)):
                return f"'{twice[0]}' is to be related to itself; name different things"
    return ""


# A length that has one end.
_FROM_WHAT_RE = re.compile(
    r"(?:how (?:far|distant|close|near)(?: away| off)?|how many \w+ (?:away|off)|what is the distance (?:of|to|from))"
    r"(?: is| are|) "
    r"(?P<thing>(?:(?! from | to | and )[^?!]){1,60}?)(?: away| off)?\s*[?!.]*",
    re.IGNORECASE,
)
# "Most blocks", "two blocks", "10 kg", "half of the blocks", "one of the two" are no names, and "1 wide robot" lacks its unit.
_NO_ONE_RE = re.compile(
    rf"({'|'.join(sorted(QUANTIFIERS))}|half of|.* one of)\b|.* and back$|[-+]?[\d.]+ \w+$|"
    rf"({'|'.join(NUMBER_WORDS)}|[\d.]+) ((wide|tall|long|high|broad|thick)\b|\w+s$)"
)


# -- patterns ---------------------------------------------------------------------------------------------------------

_NAME_SLOT_RE = re.compile(r"\{([abc])\}")
_KIND_SLOT_RE = re.compile(r"\{a(?::kind)?\}")


class _Grammar(Matcher[Tree]):
    """All patterns, and what a text's commas decide: "left of A, behind B and on C" are three conditions only with one."""

    def _readings(self, tokens: Sequence[Token]) -> list[Reading[Tree]]:
        found = super()._readings(tokens)
        if not any(token.word == COMMA and not token.quoted for token in tokens):
            found = [reading for reading in found if not isinstance(reading.pattern, ListPattern)]
        return found


@cache
def _matcher() -> _Grammar:
    composed = [pattern_of(group.build, group.forms) for group in _GROUPS if not group.known]
    return _Grammar([*map(_single, QUESTION_PATTERNS), *composed, *frame_patterns(_FRAMES)], to_text)


def _single(pattern: Pattern[Query]) -> Pattern[Tree]:
    """A pattern of one relation, whose things may be told by superlatives."""

    def build(slots: Mapping[str, Slot]) -> Tree:
        # Told things go through the query under names that no text has.
        told_by = {f"{{{key}}}": told(value) for key, value in slots.items() if isinstance(value, tuple)}
        named = {key: f"{{{key}}}" if isinstance(value, tuple) else value for key, value in slots.items()}
        return _with(query_tree(pattern.build(named)), told_by)

    text = pattern.text
    if RELATIONS[pattern.build({"a": "a", "b": "b", "c": "c", "amount": 1.0}).relation].of_all:
        text = _KIND_SLOT_RE.sub("{a:sort}", text)
    return Pattern(_NAME_SLOT_RE.sub(r"{\1:thing}", text), build, pattern.example)


def _with(tree: Tree, told_by: Mapping[str, Tree]) -> Tree:
    """A query's tree with some names replaced by trees."""
    if isinstance(tree, Thing):
        return told_by.get(tree.name, tree)
    if isinstance(tree, Apply):
        return replace(tree, args=tuple(_with(arg, told_by) for arg in tree.args))
    if isinstance(tree, Fold) and tree.of is not None:
        return replace(tree, of=_with(tree.of, told_by))
    return tree


# -- kinds ------------------------------------------------------------------------------------------------------------


@cache
def composed_kinds() -> Mapping[str, Kind]:
    """Kinds of questions by their ids. Made when somebody asks for them: who only reads questions needs none."""
    return MappingProxyType({kind.id: kind for kind in kinds_of((*_GROUPS, *frame_groups(_FRAMES))).values()})


def render(kind_id: str, wording_index: int, names: Mapping[str, str], amounts: Mapping[str, float]) -> str:
    """A question of a kind: its ``wording_index``-th wording, counted around, with its fields filled in.

    Args:
        names: of "a" to "d", and of the kinds of things "g" and "h" as of one ("red block").
        amounts: metres for "n" and "m" (n below m where both are there), a number for "k".

    Raises:
        KeyError: for an unknown kind, or a field that is not given.
    """
    wordings = composed_kinds()[kind_id].wordings
    wording = wordings[wording_index % len(wordings)]

    def said(found: re.Match[str]) -> str:
        field = found[1]
        if field in ("n", "m"):
            return f"{amounts[field]:.12g} m"
        if field == "k":
            return f"{amounts[field]:.12g}"
        if field[0] in "gh":
            return _said_kind(names[field[0]], len(field) == 2)
        return _said_name(names[field])

    text = re.sub(r"\{(\w+)\}", said, wording)
    return text[:1].upper() + text[1:]


def _said_name(name: str) -> str:
    """A name with its article, in quotes where its words could be read as more than a name."""
    plain = plain_name(name)
    if plain.startswith("#"):
        return plain
    return with_article(plain) if _is_sure(plain, plain, name_spans) else f'the "{plain}"'


def _said_kind(name: str, many: bool) -> str:
    """One or many of a kind, in quotes where its words could be read as more than its looks."""
    plain = plain_name(name)
    text, spans = (plural(plain), sorts_spans) if many else (plain, sort_spans)
    return text if _is_sure(text, plain, spans) else f'"{plain}"'


def _is_sure(text: str, name: str, spans: SpansOf) -> bool:
    """Whether a text can be read as this name alone."""
    tokens = raw_tokens(text)
    if not tokens or _PARTING_RE.search(name) or any(True for _ in best_spans(tokens, 0)):
        return False
    return any(span.end == len(tokens) and span.value == name and not span.joints for span in spans(tokens, 0))


_PARTING_RE = re.compile(
    r"\b(and|or|of|on|in|at|by|with|within|to|from|above|below|under|over|behind|between|beside|left|right|front|for|next|near|"
    r"via|then|also|too|both|but|while|who|wide|tall|long|high|apart|together|back)\b|[,;:]"
)
