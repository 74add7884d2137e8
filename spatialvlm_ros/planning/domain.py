"""Tabletop manipulation as STRIPS: pick, place, look and open, grounded on what is believed now.

An unknown condition is neither true nor false; only a look can settle it. The plan assumes that the look will tell what the task
needs, and the task plans anew after every look.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..language.instruction import BESIDE, HAND_EMPTY, HELD, ON, ON_TABLE, TABLE, Predicate
from .config import PlanningConfig
from .errors import ErrorCode, TaskError
from .placing import has_room
from .predicates import CLEAR, Belief, Beliefs, goal_names
from .strips import Action, Problem
from .world import GRIPPER, Thing

KNOWN, OFF, FINGERS_OPEN, LOOSE = "known", "off", "fingers_open", "loose"


@dataclass(frozen=True)
class Step:
    """One step of a plan: pick(x), place(x, y), place(x, table), place(x, left_of, y), look(x) or open."""

    kind: str
    subject: str = ""
    relation: str = ""
    object: str = ""

    def __str__(self) -> str:
        relation = "" if self.relation == ON else self.relation
        parts = ", ".join(part for part in (self.subject, relation, self.object) if part)
        return f"{self.kind}({parts})"


@dataclass(frozen=True)
class Plan:
    """Steps to the goals; ``trace`` says what was believed and what the search did, a line each."""

    steps: tuple[Step, ...]
    goals: tuple[Predicate, ...]
    trace: tuple[str, ...]


@dataclass
class Tabletop:
    """Beliefs turned into an initial state. ``names`` are the things that matter, in order of discovery."""

    beliefs: Beliefs
    config: PlanningConfig
    goals: tuple[Predicate, ...]
    looked: frozenset[str] = frozenset()
    names: list[str] = field(default_factory=list)
    wide: set[str] = field(default_factory=set)
    state: set[Predicate] = field(default_factory=set)
    unknown: dict[Predicate, Belief] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._collect_names()
        self.wide = {goal.object for goal in self.goals if goal.name == ON and self._has_room(goal)}
        self._judge_hand()
        for name in self.names:
            self._judge_thing(name)
        for goal in self.goals:
            self._judge_goal(goal)

    def _has_room(self, goal: Predicate) -> bool:
        """Whether a support is so wide that a thing fits beside what lies on it already (a tray)."""
        things = self.beliefs.world.things
        return (
            goal.subject in things
            and goal.object in things
            and has_room(things[goal.subject], things[goal.object], things, self.config)
        )

    def _collect_names(self) -> None:
        """The goals' things, what may lie on them, what may lie on that ..., and what may be in the hand."""
        held = [name for name in self.beliefs.world.things if self.beliefs.verdict(Predicate(HELD, name))]
        queue = [*goal_names(self.goals), *held]
        while queue:
            name = queue.pop(0)
            if name in self.names:
                continue
            self.names.append(name)
            for thing in self.beliefs.possibly_on(name):
                if self.beliefs.verdict(Predicate(ON, thing.name, name)) is not False:
                    queue.append(thing.name)

    def _believe(self, predicate: Predicate) -> bool | None:
        belief = self.beliefs.of(predicate)
        self.trace.append(str(belief))
        if belief.verdict is None:
            self.unknown[predicate] = belief
        elif belief.verdict:
            self.state.add(predicate)
        return belief.verdict

    def _judge_hand(self) -> None:
        self._believe(Predicate(HAND_EMPTY))

    def _judge_thing(self, name: str) -> None:
        held = self._believe(Predicate(HELD, name)) is True
        if self._believe(Predicate(CLEAR, name)) and held:
            self.state.discard(Predicate(CLEAR, name))  # nothing can be put on a thing in the hand
        below = []
        for other in self.names:
            if other == name:
                continue
            on = self.beliefs.verdict(Predicate(ON, name, other)) if self._may_lie_on(name, other) else False
            if on and not held:
                below.append(other)
                self.state.add(Predicate(ON, name, other))
            elif on is False or held:
                self.state.add(Predicate(OFF, name, other))
        if not held and not below:
            self.state.add(Predicate(LOOSE, name))
        if self.beliefs.seen(name):
            self.state.add(Predicate(KNOWN, name))

    def _may_lie_on(self, name: str, other: str) -> bool:
        return any(thing.name == name for thing in self.beliefs.possibly_on(other))

    def _judge_goal(self, goal: Predicate) -> None:
        verdict = self.beliefs.verdict(goal)
        if goal.name not in (HELD, HAND_EMPTY):
            self._believe(goal)
        if Predicate(HELD, goal.subject) in self.state and goal.name != HELD:
            self.state.discard(goal)
        # Ask before acting: a goal that may hold already is looked at first, but not for ever.
        if verdict is None and goal.subject and goal.subject not in self.looked:
            self.state.discard(Predicate(KNOWN, goal.subject))


def graspable(thing: Thing, config: PlanningConfig) -> bool:
    """Whether the fingers open wide enough, in favour of trying by two standard deviations."""
    return thing.short_m - 2 * thing.std_m <= config.gripper.max_opening_m - 0.002


def ground(table: Tabletop) -> list[Action[Step, Predicate]]:
    """All actions on the things that matter."""
    actions: list[Action[Step, Predicate]] = []
    things = table.beliefs.world.things
    for name in table.names:
        if name in things and graspable(things[name], table.config):
            actions += _picks(table, name)
            actions += _places(table, name)
        actions += _looks(table, name)
    if Predicate(HAND_EMPTY) in table.goals:
        actions.append(_action(Step("open"), {Predicate(HAND_EMPTY)}, {Predicate(FINGERS_OPEN)}, set()))
    if Predicate(HAND_EMPTY) in table.unknown and GRIPPER not in table.looked:
        actions.append(_action(Step("look", GRIPPER), set(), {Predicate(HAND_EMPTY)}, set()))
    return actions


def _action(step: Step, pre: set[Predicate], adds: set[Predicate], deletes: set[Predicate]) -> Action[Step, Predicate]:
    return Action(step, frozenset(pre), frozenset(adds), frozenset(deletes))


def _free(table: Tabletop, name: str) -> set[Predicate]:
    """Atoms that say that nothing lies on a thing."""
    if name not in table.wide:
        return {Predicate(CLEAR, name)}
    return {Predicate(OFF, other, name) for other in table.names if other != name}


def _picks(table: Tabletop, name: str) -> list[Action[Step, Predicate]]:
    before = {Predicate(HAND_EMPTY), Predicate(KNOWN, name), *_free(table, name)}
    adds = {Predicate(HELD, name)}
    deletes = {Predicate(HAND_EMPTY), Predicate(FINGERS_OPEN), Predicate(CLEAR, name), Predicate(ON_TABLE, name)}
    deletes |= {goal for goal in table.goals if goal.name in BESIDE and name in (goal.subject, goal.object)}
    found = [_action(Step("pick", name), before | {Predicate(LOOSE, name)}, adds, deletes | {Predicate(LOOSE, name)})]
    for below in table.names:
        on = Predicate(ON, name, below)
        if below != name and _could_carry(table, below):
            freed = adds | {Predicate(CLEAR, below), Predicate(OFF, name, below)}
            found.append(_action(Step("pick", name), before | {on}, freed, deletes | {on}))
    return found


def _could_carry(table: Tabletop, below: str) -> bool:
    """Whether anything lies on it now or shall: all other pairs would only slow the search."""
    return any(atom.name == ON and atom.object == below for atom in (*table.state, *table.goals))


def _places(table: Tabletop, name: str) -> list[Action[Step, Predicate]]:
    held = Predicate(HELD, name)
    adds = {Predicate(HAND_EMPTY), Predicate(FINGERS_OPEN), Predicate(CLEAR, name)}
    down = adds | {Predicate(ON_TABLE, name), Predicate(LOOSE, name)}
    found = [_action(Step("place", name, ON, TABLE), {held}, down, {held})]
    for goal in table.goals:
        if goal.subject != name:
            continue
        if goal.name == ON:
            room = set() if goal.object in table.wide else {Predicate(CLEAR, goal.object)}
            gone = {held, Predicate(CLEAR, goal.object), Predicate(OFF, name, goal.object)}
            # What is in the hand or not seen carries nothing.
            ready = {held, *room, Predicate(KNOWN, goal.object)}
            found.append(_action(Step("place", name, ON, goal.object), ready, adds | {goal}, gone))
        elif goal.name in BESIDE:
            ready = {held, Predicate(KNOWN, goal.object)}
            found.append(_action(Step("place", name, goal.name, goal.object), ready, down | {goal}, {held}))
    return found


def _looks(table: Tabletop, name: str) -> list[Action[Step, Predicate]]:
    if name in table.looked:
        return []
    learnt = {atom for atom in table.unknown if atom.name == CLEAR and atom.subject == name}
    if Predicate(KNOWN, name) not in table.state:
        learnt.add(Predicate(KNOWN, name))
    return [_action(Step("look", name), set(), learnt, set())] if learnt else []


def make_plan(
    beliefs: Beliefs, goals: tuple[Predicate, ...], config: PlanningConfig, looked: frozenset[str] = frozenset()
) -> Plan:
    """Steps from what is believed to the goals.

    Args:
        looked: names that were looked at often enough; what is unknown of them stays unknown.

    Raises:
        TaskError: IMPOSSIBLE_GOAL when no sequence of steps reaches the goals, with the reason.
    """
    table = Tabletop(beliefs, config, goals, looked)
    wanted = set(goals) | ({Predicate(FINGERS_OPEN)} if Predicate(HAND_EMPTY) in goals else set())
    problem = Problem(ground(table), wanted, table.state)
    result = problem.solve()
    trace = [*table.trace, f"search: {result.expanded} states expanded, cost {result.cost}"]
    if result.labels is None:
        raise TaskError(ErrorCode.IMPOSSIBLE_GOAL, _why_not(table, problem.unreachable_goals()))
    # Looks need nothing and may change everything after them: before anything is touched is the time for them.
    steps = sorted(result.labels, key=lambda step: step.kind != "look")
    return Plan(tuple(steps), goals, tuple(trace))


def _why_not(table: Tabletop, unreachable: list[Predicate]) -> str:
    """One sentence for the first thing that stands in the way."""
    goal = unreachable[0] if unreachable else table.goals[0]
    things, config = table.beliefs.world.things, table.config
    moved = [goal.subject, *(name for name in table.names if _stands_in_way(table, name, goal))]
    for name in moved:
        if name in things and not graspable(things[name], config):
            return (
                f"{goal} is out of the question: the {name} is {things[name].short_m:.3f} m wide and the fingers open to "
                f"{config.gripper.max_opening_m:.3f} m; choose a smaller thing or clear it by hand"
            )
    for predicate, belief in table.unknown.items():
        if predicate.subject in ("", goal.subject, goal.object):
            return (
                f"{goal} cannot be planned because {predicate} is not known ({belief.why}); "
                "move the camera or the thing and try again"
            )
    return f"no sequence of picks and places reaches {goal}; change the goal or clear the table by hand"


def _stands_in_way(table: Tabletop, name: str, goal: Predicate) -> bool:
    """Whether a thing lies, directly or not, on one of the goal's things."""
    seen, queue = set(), [name]
    while queue:
        current = queue.pop()
        for atom in table.state:
            if atom.name == ON and atom.subject == current and atom.object not in seen:
                if atom.object in (goal.subject, goal.object):
                    return True
                seen.add(atom.object)
                queue.append(atom.object)
    return False
