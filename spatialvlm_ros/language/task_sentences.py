"""Sentences that say what is to be rewarded: instructions, pushing and reaching, what is to be kept, and what is to become true.

More can be rewarded than planned: a planner gets ``instruction.parse_instruction`` alone. Like that one this is a grammar, and
refuses what it does not cover with the nearest forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import instruction as words
from .instruction import ImpossibleGoalError, Predicate, not_understood, thing_name
from .lengths import EXAMPLES, parse_length

REACHED, OPEN_NEAR, IN = "reached", "open_near", "in"
PUSHED = {
    "next_to": "pushed_to", "left_of": "pushed_left_of", "right_of": "pushed_right_of", "in_front_of": "pushed_in_front_of",
    "behind": "pushed_behind",
}  # fmt: skip
"""Where something is pushed: the place in the words of an instruction, and the goal's name."""
GRIPPER = "gripper"
TASK_FORMS = (
    *words.FORMS, "put X in Y",
    "push X to Y", "push X to the left of Y", "stack X on Y", "move the gripper to X", "open the gripper near X",
    "keep X at least 10 cm from Y", "stay at least 10 cm away from Y", "make sure that X is left of Y",
)  # fmt: skip

_PUSH = r"(?:push|slide|shove|drag|nudge)"
_KEEP = r"(?:always )?(?:keep|stay|remain)(?:ing)?"
_NEVER = r"(?:never|do not|don't)"
_ENSURE = r"(?:make sure|ensure|see to it)"
_PUT_IN = r"(?:put|place|set|move|lay|bring|drop|transfer|insert|stow)"
_MORE_VERBS = rf"{_PUSH}|{_KEEP}|{_NEVER}|{_ENSURE}|{_PUT_IN}|reach|approach|touch|go to|move to|open"
_ROBOT = rf"(?:(?:{words.ARTICLES} )?(?:robot |robot's )?(?:gripper|hand|fingers?|arm|tool|end effector))"
_REACH_RE = re.compile(
    rf"(?:(?:move|bring|guide) {_ROBOT} (?:to|near(?: to)?|next to|close to|towards?)"
    # "Go" is gone by then, as in "go and get it".
    rf"|(?:reach(?: for| to)?|approach|touch|(?:(?:go|move) )?to)) (?P<x>.+)"
)
_IN_RE = re.compile(rf"{_PUT_IN}(?: down)? (?P<x>.+?) (?:into|inside(?: of)?|in(?! front\b)) (?P<y>.+)")
_OPEN_NEAR_RE = re.compile(rf"open(?: up)? {_ROBOT} (?:near(?: to)?|next to|close to|beside|by|at|above|over) (?P<x>.+)")
_PUSH_RE = re.compile(rf"{_PUSH} (?P<rest>.+)")
_TO_RE = re.compile(r"\b(?:to|towards?|up to|against)\b(?! the (?:left|right|front)\b)")
_FAR = r"at least|no less than|not less than|more than|further than|farther than|a minimum of"
_CLOSE = r"within|at most|no more than|not more than|less than|closer than|nearer than|no further than|no farther than"
_KEEP_RE = re.compile(
    rf"{_KEEP}(?: (?P<x>.+?))? (?:(?P<far>{_FAR})|(?P<close>{_CLOSE}))\s+(?P<length>.+?)"
    r"(?: away| apart| clear| distance)?(?: from| of| to| between it and) (?P<y>.+)"
)
_NEVER_RE = re.compile(
    rf"{_NEVER}(?:(?: let| allow| move| bring) (?P<x>.+?))?(?: to)?(?: come| get| go| be| pass| move)? "
    r"(?:closer than|nearer than|within|less than)\s+(?P<length>.+?)(?: away)?(?: from| of| to) (?P<y>.+)"
)
_SO_FAR_RE = re.compile(r"(?:stay|keep) (?P<length>.+?) (?:away|clear) (?:from|of) (?P<y>.+)")
_NUMBER_RE = re.compile(rf"{_KEEP}\b.*\d.*\b(?:from|of|to) .+")
_AWAY_RE = re.compile(rf"{_KEEP}\b.*\b(?:away|clear|apart|close|near)\b.*")
_STATEMENT_RE = re.compile(rf"{_ENSURE}(?: that)? (?P<x>.+?) (?P<verb>is|are|stays|remains) (?P<rest>.+)")


@dataclass(frozen=True)
class Keep:
    """Two things are to stay at least, or at most, so many metres apart, surface to surface. "gripper" is its tool point."""

    subject: str
    object: str
    at_least: bool
    distance_m: float


@dataclass(frozen=True)
class Condition:
    """Something that has to be true in the end, as a question ("Is the mug closer to the gripper than the can?")."""

    question: str


@dataclass(frozen=True)
class TaskSentence:
    """``goals`` in the order in which they were said, ``keeps`` that hold all the while; ``text`` is what was said."""

    goals: tuple[Predicate | Condition, ...]
    keeps: tuple[Keep, ...]
    text: str


def parse_task_sentence(text: str) -> TaskSentence:
    """What a sentence asks for.

    Raises:
        EmptyInstructionError: no words.
        NotUnderstoodError: no known form; lists the nearest ones.
        ImpossibleGoalError: the goals contradict themselves.
    """
    said = words.normalise(text)
    if not said:
        raise words.EmptyInstructionError('the task is empty; say for example "pick up the red block"')
    moved: list[Predicate] = []
    goals: list[Predicate | Condition] = []
    keeps: list[Keep] = []
    last = ""
    for clause in words.clauses(said, _MORE_VERBS):
        part = _part(clause, last)
        if isinstance(part, Keep):
            keeps.append(part)
            last = part.subject if part.subject != GRIPPER else last
        elif isinstance(part, Condition):
            goals.append(part)
        else:
            last = part.subject or last
            if part.name in words.GOAL_NAMES:
                # "Pick up X and put it on Y" is one goal; what is said first in such a pair is dropped here as well.
                before = set(moved)
                words.check_goal(part)
                words.add_goal(moved, part)
                goals = [goal for goal in goals if not (goal in before and goal not in moved)]
            elif part.name == IN:
                goals = [goal for goal in goals if goal != Predicate(words.HELD, part.subject)]
            goals.append(part)
    words.check_together(moved)
    return TaskSentence(tuple(dict.fromkeys(goals)), tuple(keeps), text.strip())


def _part(clause: str, last: str) -> Predicate | Keep | Condition:
    """What one clause asks for; ``last`` is what "it" means."""
    if re.match(rf"(?:{_KEEP}|{_NEVER})\b", clause):
        return _keep(clause, last)
    if match := _STATEMENT_RE.fullmatch(clause):
        return Condition(f"{'Are' if match['verb'] == 'are' else 'Is'} {match['x']} {match['rest']}?")
    if match := _OPEN_NEAR_RE.fullmatch(clause):
        return Predicate(OPEN_NEAR, _thing(match["x"], last, clause))
    if match := _REACH_RE.fullmatch(clause):
        return Predicate(REACHED, _thing(match["x"], last, clause))
    if match := _PUSH_RE.fullmatch(clause):
        return _pushing(match["rest"], last, clause)
    if match := _IN_RE.fullmatch(clause):
        return _inside(match["x"], match["y"], last, clause)
    try:
        return words.clause_goal(clause, last)
    except words.NotUnderstoodError as error:
        if error.forms and str(error).partition("The nearest known forms")[0].rstrip().endswith("is not understood."):
            raise not_understood(clause, forms=TASK_FORMS) from error
        raise


def _inside(thing: str, container: str, last: str, clause: str) -> Predicate:
    if place := words.PLACE_RE.search(f"{thing} {container}"):
        raise not_understood(clause, f"it names more than one place ('in' and '{place[0]}')", TASK_FORMS)
    goal = Predicate(IN, _thing(thing, last, clause), _thing(container, last, clause))
    words.check_goal(goal)
    return goal


def _keep(clause: str, last: str) -> Keep:
    match, at_least = _KEEP_RE.fullmatch(clause), True
    if match is not None:
        at_least = match["far"] is not None
    else:
        match = _NEVER_RE.fullmatch(clause)
    if match is None and (so_far := _SO_FAR_RE.fullmatch(clause)):
        # "Stay 10 cm away from it": who is further away still does.
        return _keep(f"keep at least {so_far['length']} from {so_far['y']}", last)
    if match is None:
        why = "say how far, with a unit: 'keep X at least 10 cm from Y'" if _AWAY_RE.fullmatch(clause) else ""
        if _NUMBER_RE.fullmatch(clause):
            why = "say whether that is 'at least' or 'at most': 'keep X at least 10 cm from Y'"
        raise not_understood(clause, why, TASK_FORMS)
    try:
        distance_m = parse_length(match["length"]).value
    except ValueError as error:
        raise not_understood(clause, f"'{match['length']}' is no length; say {EXAMPLES}", TASK_FORMS) from error
    if not distance_m > 0:
        raise not_understood(clause, f"{match['length']} is not above 0", TASK_FORMS)
    subject = match["x"] or ""
    apart = re.fullmatch(r"(.+?) and (.+)", subject) if match["y"] in ("each other", "one another") else None
    if apart:
        return _checked(Keep(_end(apart[1], last, clause), _end(apart[2], last, clause), at_least, distance_m))
    first = _end(subject, last, clause) if subject else GRIPPER
    return _checked(Keep(first, _end(match["y"], last, clause), at_least, distance_m))


def _checked(keep: Keep) -> Keep:
    if keep.subject == keep.object:
        raise ImpossibleGoalError(f"the {keep.subject} has no distance to itself; name two different things")
    return keep


def _end(text: str, last: str, clause: str) -> str:
    """One end of a distance: a thing, or the gripper by any of its names."""
    return GRIPPER if re.fullmatch(_ROBOT, text.strip()) else _thing(text, last, clause)


def _thing(text: str, last: str, clause: str) -> str:
    name = thing_name(text, last, clause)
    if name == words.TABLE:
        raise not_understood(clause, "the table is not one thing with a place; name a thing on it", TASK_FORMS)
    return name


def _pushing(rest: str, last: str, clause: str) -> Predicate:
    places = [place for place in words.PLACE_RE.finditer(rest) if place.lastgroup in PUSHED]
    if len(places) == 1:
        name, first, second = PUSHED[str(places[0].lastgroup)], rest[: places[0].start()], rest[places[0].end() :]
    else:
        to = list(_TO_RE.finditer(rest))
        if len(to) != 1 or places:
            raise not_understood(clause, "say what to push and to which one place: 'push X to Y'", TASK_FORMS)
        name, first, second = PUSHED["next_to"], rest[: to[0].start()], rest[to[0].end() :]
    goal = Predicate(name, _thing(first, last, clause), _thing(second, last, clause))
    words.check_goal(goal)
    return goal
