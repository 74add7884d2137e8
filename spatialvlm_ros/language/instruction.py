"""Instructions ("pick up the red block and put it on the green plate") to goals, and goals back to sentences.

A grammar, not a model: what moves a robot must mean one thing, and a sentence that it does not cover is refused with the
forms that it does cover. Never changes: ``parse_instruction(goal_text(goals)).goals == goals`` for goals it can return.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAME_CHARS = 256
TABLE = "table"


class InstructionError(ValueError):
    """An instruction that gives no goal. The text says why and what to say instead."""


class EmptyInstructionError(InstructionError):
    """Nothing was said."""


class NotUnderstoodError(InstructionError):
    """No known form fits. ``forms`` are the nearest known ones."""

    def __init__(self, text: str, forms: tuple[str, ...]) -> None:
        super().__init__(text)
        self.forms = forms


class ImpossibleGoalError(InstructionError):
    """The sentence is clear, but nothing can fulfil it."""


@dataclass(frozen=True, order=True)
class Predicate:
    """A condition on named things, e.g. on(red block, green plate). Unused names are ""."""

    name: str
    subject: str = ""
    object: str = ""

    def __str__(self) -> str:
        names = ", ".join(name for name in (self.subject, self.object) if name)
        return f"{self.name}({names})" if names else self.name


@dataclass(frozen=True)
class Instruction:
    """``goals`` hold together when the task is done; ``text`` is what was said."""

    goals: tuple[Predicate, ...]
    text: str


HELD, HAND_EMPTY, ON, ON_TABLE = "held", "hand_empty", "on", "on_table"
BESIDE = ("next_to", "left_of", "right_of", "in_front_of", "behind")
GOAL_NAMES = (HELD, HAND_EMPTY, ON, ON_TABLE, *BESIDE)

FORMS = (
    "pick up X",
    "put X on Y",
    "pick up X and put it on Y",
    "put X on the table",
    "put down X",
    "put X next to Y",
    "put X to the left of Y",
    "put X to the right of Y",
    "put X in front of Y",
    "put X behind Y",
    "open the gripper",
)
_SENTENCES = {
    HELD: "pick up the {x}",
    HAND_EMPTY: "open the gripper",
    ON: "put the {x} on the {y}",
    ON_TABLE: "put the {x} on the table",
    "next_to": "put the {x} next to the {y}",
    "left_of": "put the {x} to the left of the {y}",
    "right_of": "put the {x} to the right of the {y}",
    "in_front_of": "put the {x} in front of the {y}",
    "behind": "put the {x} behind the {y}",
}
# Where a thing goes, longest wording first so that "on the left of" is not read as "on".
_SIDE = r"(?:(?:on|to|at) (?:the )?|on your )?{side}(?: hand)?(?: side)? of"
_PLACES = (
    (_SIDE.format(side="left"), "left_of"),
    (_SIDE.format(side="right"), "right_of"),
    (r"(?:in|to the|at the) front of", "in_front_of"),
    (r"behind|in back of|at the back of", "behind"),
    (r"next to|beside|alongside|close to|near(?: to)?|by the side of", "next_to"),
    (r"on(?: the)? top of|on to|onto|upon|atop|on", ON),
)
_UNKNOWN_PLACES = r"into|inside|in|under|underneath|below|beneath|between|above|over|against|around|through"
PLACE_RE = re.compile("|".join(rf"(?P<{name}>\b(?:{words})\b)" for words, name in _PLACES))
_UNKNOWN_PLACE_RE = re.compile(rf"\b(?P<word>{_UNKNOWN_PLACES})\b")

_PUT = r"(?:put|place|set|move|stack|lay|position|bring|drop|transfer|shift|pile)"
_PICK = r"(?:pick up|pick|grasp|grab|lift up|lift|take|get|hold|fetch|seize|raise)"
HAND = r"(?:gripper|hand|fingers?)"
_VERB = rf"(?:{_PICK}|{_PUT}|open|release|let go|empty)"
ARTICLES = r"(?:the|a|an|this|that|my|your|our)"
POLITE_RE = re.compile(
    r"^(?:(?:please|now|ok|okay|hey|robot|first|kindly|just|can you|could you|would you|will you|i want you to|"
    r"i would like you to|go and|go)\b[ ,]*)+"
)
_LENGTH = r"\d[\d.,]* ?(?:mm|cm|m|in|inch(?:es)?|f(?:oo|ee)t|(?:milli|centi)?met(?:er|re)s?)"
_NAME_RE = re.compile(r"[\w'#][\w\s'#\-]*")


def parse_instruction(text: str) -> Instruction:
    """The goal of a sentence.

    Raises:
        EmptyInstructionError: no words.
        NotUnderstoodError: no known form; lists the nearest ones.
        ImpossibleGoalError: the goals contradict themselves.
    """
    words = normalise(text)
    if not words:
        raise EmptyInstructionError('the instruction is empty; say for example "pick up the red block"')
    goals: list[Predicate] = []
    last = ""
    for clause in clauses(words):
        goal = clause_goal(clause, last)
        last = goal.subject or last
        check_goal(goal)
        add_goal(goals, goal)
    check_together(goals)
    return Instruction(tuple(goals), text.strip())


def goal_text(goals: tuple[Predicate, ...]) -> str:
    """A sentence that says the goals, in an order that ``parse_instruction`` reads back. "" for no goals."""
    return " and ".join(_SENTENCES[goal.name].format(x=goal.subject, y=goal.object) for goal in goals)


def normalise(text: str) -> str:
    words = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    words = re.sub(r"[\"\u201c\u201d`]", "", words)
    words = re.sub(r"\s+", " ", words).strip(" .!?,;:")
    return POLITE_RE.sub("", words).removesuffix(" please").strip(" .!?,;:")


def clauses(words: str, more_verbs: str = "") -> list[str]:
    """The clauses of normalised text: it is parted where a word like "and" or a mark stands before a verb.

    ``more_verbs``: a regular expression of verbs beside those of this grammar.
    """
    verb = rf"(?:{_VERB}|{more_verbs})" if more_verbs else _VERB
    joints = r"and then|and after that|and|then|after that" + (r"|while|but" if more_verbs else "")
    split = re.compile(rf"\s*(?:[;,.]\s*)?\b(?:{joints})\b,?(?=\s+(?:please )?{verb}\b)|\s*[;,.](?=\s+(?:please )?{verb}\b)")
    parts = (POLITE_RE.sub("", part.strip(" ,")).strip(" ,") for part in split.split(words))
    return [part for part in parts if part]


def clause_goal(clause: str, last: str) -> Predicate:
    """The goal of one clause; ``last`` is what "it" means."""
    if re.fullmatch(rf"(?:open|release|empty)(?: up)? (?:{ARTICLES} )?{HAND}", clause):
        return Predicate(HAND_EMPTY)
    if match := re.fullmatch(
        r"(?:(?:put|set|lay|place) down (?P<a>.+)|(?:put|set|lay|place) (?P<b>.+) down|drop (?P<c>.+))", clause
    ):
        thing = match["a"] or match["b"] or match["c"]
        if not PLACE_RE.search(thing) and not _UNKNOWN_PLACE_RE.search(thing):
            return Predicate(ON_TABLE, thing_name(thing, last, clause))
        clause = f"put {thing}"
    if match := re.fullmatch(r"(?:release|let go of) (?P<x>.+)", clause):
        return Predicate(ON_TABLE, thing_name(match["x"], last, clause))
    if match := re.fullmatch(rf"{_PUT}(?: down)? (?P<rest>.+)", clause):
        return _placing(match["rest"], last, clause)
    if match := re.fullmatch(r"(?:pick|lift|take) (?P<x>(?!up\b).+) up", clause) or re.fullmatch(rf"{_PICK} (?P<x>.+)", clause):
        thing = re.sub(r"\s(?:up )?(?:from|off)(?: of)? .*$", "", match["x"])
        if clause.startswith("hold ") and (place := PLACE_RE.search(thing) or _UNKNOWN_PLACE_RE.search(thing)):
            raise not_understood(clause, f"it says to hold a thing, and where ('{place[0]}'); say 'pick up X'")
        return Predicate(HELD, thing_name(thing, last, clause))
    raise not_understood(clause)


def _placing(rest: str, last: str, clause: str) -> Predicate:
    rest = re.sub(r"\bdown (?=on\b|onto\b|upon\b|next\b|beside\b)", "", rest)
    places = list(PLACE_RE.finditer(rest))
    unknown = _UNKNOWN_PLACE_RE.search(PLACE_RE.sub(" ", rest))
    if unknown:
        raise not_understood(clause, f"'{unknown['word']}' is not a place that can be measured here")
    if not places:
        raise not_understood(clause, "it says what to move but not where to")
    if len(places) > 1:
        said = " and ".join(f"'{place[0]}'" for place in places)
        raise not_understood(clause, f"it names more than one place ({said})")
    place = places[0]
    relation = str(place.lastgroup)
    thing, target = thing_name(rest[: place.start()], last, clause), thing_name(rest[place.end() :], last, clause)
    if target == TABLE:
        if relation == ON:
            return Predicate(ON_TABLE, thing)
        raise ImpossibleGoalError(
            f"the {thing} cannot be put {_words(relation)} the table; say where on the table, by a thing on it"
        )
    return Predicate(relation, thing, target)


def thing_name(text: str, last: str, clause: str) -> str:
    """The words of one thing without article, "it" resolved."""
    name = re.sub(rf"^{ARTICLES}\s+", "", text.strip(" ,"))
    if name in ("it", "that", "this") or text.strip() in ("that", "this"):
        if not last:
            raise not_understood(clause, f"'{name}' does not say which thing; name it")
        return last
    if not name or name in ("the", "something", "anything", "them") or re.search(r"^(?:up|down)\b|\b(?:up|down)$", name):
        raise not_understood(clause, "a thing is not named")
    if re.match(r"(?:all|every|everything|both|each|two|three|four|five|some|any|no|not)\b", name):
        raise not_understood(clause, f"'{name}' is not one thing; name one thing at a time")
    if re.search(rf"\bor\b|\band {ARTICLES} ", name):
        raise not_understood(clause, f"'{name}' is more than one thing; name one thing at a time")
    if joint := re.search(r"\b(?:while|without|until|unless|before|after|because|if|but|then)\b", name):
        raise not_understood(clause, f"what '{joint[0]}' adds is not understood; leave it out or say it in a sentence of its own")
    if aside := re.search(rf"\b(?:(?:(?:to|by|within|at) )*{_LENGTH}|by (?:its|their) .+)$", name):
        raise not_understood(clause, f"'{aside[0]}' is no part of a name; leave it out")
    if len(name) > MAX_NAME_CHARS or not _NAME_RE.fullmatch(name):
        raise not_understood(
            clause, f"'{name[:40]}' is not a name of words, digits and hyphens up to {MAX_NAME_CHARS} characters"
        )
    if name in (TABLE, "tabletop", "table top", "desk", "counter", "workbench", "work surface"):
        return TABLE
    return name


def check_goal(goal: Predicate) -> None:
    """Raise ImpossibleGoalError for a goal that nothing can fulfil."""
    if goal.subject == TABLE:
        raise ImpossibleGoalError("the table cannot be moved; name a thing that lies on it")
    for name in (goal.subject, goal.object):
        if name in ("gripper", "hand", "fingers", "robot", "arm", "camera"):
            raise ImpossibleGoalError(f"the {name} is part of the robot and cannot be picked up or built upon; name a thing")
    if goal.object and goal.subject == goal.object:
        raise ImpossibleGoalError(f"the {goal.subject} cannot be put {_words(goal.name)} itself; name two different things")


def add_goal(goals: list[Predicate], goal: Predicate) -> None:
    """Add a goal. A thing that is placed is held no more: "pick up X and put it on Y" ends with X on Y."""
    if goal.name in (ON, ON_TABLE, *BESIDE):
        held = Predicate(HELD, goal.subject)
        if held in goals:
            goals.remove(held)
    if goal not in goals:
        goals.append(goal)


def check_together(goals: list[Predicate]) -> None:
    held = [goal.subject for goal in goals if goal.name == HELD]
    if len(set(held)) > 1:
        raise ImpossibleGoalError(
            f"the gripper holds one thing, not both the {held[0]} and the {held[1]}; say where to put the first"
        )
    if held and any(goal.name == HAND_EMPTY for goal in goals):
        raise ImpossibleGoalError(f"the gripper cannot hold the {held[0]} and be open; say where to put the {held[0]}")
    under: dict[str, str] = {}
    for goal in goals:
        if goal.name not in (ON, ON_TABLE):
            continue
        below = goal.object or TABLE
        if under.setdefault(goal.subject, below) != below:
            raise ImpossibleGoalError(
                f"the {goal.subject} cannot lie both on the {under[goal.subject]} and on the {below}; "
                "give the two one after the other"
            )
    for goal in goals:
        if held and held[0] in (goal.object, goal.subject) and goal.name != HELD:
            raise ImpossibleGoalError(
                f"{goal} cannot hold while the gripper holds the {held[0]}; give the two one after the other"
            )
        if goal.name in BESIDE and under.get(goal.subject) not in (None, TABLE):
            raise ImpossibleGoalError(
                f"the {goal.subject} is put next to something and on something; give one place for each thing"
            )
    for start in under:
        _check_loop(start, under)


def _check_loop(start: str, under: dict[str, str]) -> None:
    name, chain = under[start], [start]
    while name in under:
        if name in chain:
            raise ImpossibleGoalError(f"{' on '.join([*chain, name])} is a circle; one thing has to be the lowest")
        chain.append(name)
        name = under[name]


def _words(relation: str) -> str:
    return {"left_of": "to the left of", "right_of": "to the right of"}.get(relation, relation.replace("_", " "))


def not_understood(clause: str, why: str = "", forms: Sequence[str] = FORMS) -> NotUnderstoodError:
    """The error with the three known forms that are nearest in words."""
    wanted = set(clause.split())
    ranked = sorted(
        forms,
        key=lambda form: (-len(wanted & set(form.split())), -difflib.SequenceMatcher(None, clause, form).ratio()),
    )
    nearest = tuple(ranked[:3])
    listed = ", ".join(f'"{form}"' for form in nearest)
    reason = f": {why}" if why else ""
    return NotUnderstoodError(f"'{clause[:120]}' is not understood{reason}. The nearest known forms are {listed}", nearest)
