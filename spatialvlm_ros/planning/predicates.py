"""Conditions on the world as the facts tell them: true, false or unknown, each with its reason.

No spatial relation is computed here: a predicate is a constraint as rewards have them, and is judged by the same rule, with a
margin of two standard deviations. A fact that is missing, without a value, hidden for long or older than ``max_fact_age_s`` makes
a condition unknown, never false.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.rigid import FloatArray
from ..language.instruction import BESIDE, HAND_EMPTY, HELD, ON, ON_TABLE, Predicate
from ..reward.readings import truth_of
from ..reward.task import Constraint, at_least, at_most, is_true
from ..scene.facts import PROBABILITY, Query, SpatialFact, Status, Truth
from .config import PlanningConfig
from .world import GRIPPER, Thing, World

CLEAR = "clear"
# Goal predicate -> relation of the registry with the same meaning.
_RELATION_OF = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "behind"}
_UNKNOWN = 0.5
# What the fingers hold is no further from them than this.
_NEXT_TO_M = 0.03


@dataclass(frozen=True)
class Belief:
    """What the facts say of one predicate."""

    predicate: Predicate
    truth: Truth
    why: str

    @property
    def verdict(self) -> bool | None:
        """True, False, or None for unknown."""
        return self.truth.verdict

    def __str__(self) -> str:
        word = {True: "true", False: "false", None: "unknown"}[self.verdict]
        return f"{self.predicate}: {word}, p = {self.truth.probability:.3f} ({self.why})"


class Beliefs:
    """Judges predicates on one World."""

    def __init__(self, world: World, config: PlanningConfig) -> None:
        self.world = world
        self._config = config

    def of(self, predicate: Predicate) -> Belief:
        """The belief in a predicate. Raises ValueError for a name that is not one."""
        subject, other = predicate.subject, predicate.object
        if predicate.name == HELD:
            return self._held(predicate)
        if predicate.name == "grasped":
            return self._from_fact(predicate, Query("held", subject, GRIPPER))
        if predicate.name == HAND_EMPTY:
            return self._hand_empty(predicate)
        if predicate.name == CLEAR:
            return self._clear(predicate)
        if predicate.name == ON:
            return self._from_fact(predicate, Query("on", subject, other))
        if predicate.name == ON_TABLE:
            return self._limit(predicate, Query("elevation", subject), self._config.rest_tolerance_m, below=True)
        if predicate.name == "next_to":
            return self._limit(predicate, Query("gap", subject, other), self._config.next_to_m, below=True)
        if predicate.name in _RELATION_OF:
            return self._from_fact(predicate, Query(_RELATION_OF[predicate.name], subject, other))
        raise ValueError(f"'{predicate.name}' is not a predicate that facts can decide")

    def verdict(self, predicate: Predicate) -> bool | None:
        return self.of(predicate).verdict

    # -- one predicate each ---------------------------------------------------------------------------------------------

    def _held(self, predicate: Predicate) -> Belief:
        """Between the fingers and off the table: open fingers around a thing that lies do not hold it."""
        if self.world.fingers_hold is False:
            return Belief(predicate, Truth(0.0), "the fingers have nothing between them")
        grasped = self._from_fact(predicate, Query("held", predicate.subject, GRIPPER))
        if grasped.verdict is False:
            return grasped
        lifted = self._limit(predicate, Query("elevation", predicate.subject), self._config.lifted_m, below=False)
        return min((grasped, lifted), key=lambda belief: belief.truth.probability)

    def _hand_empty(self, predicate: Predicate) -> Belief:
        """Nothing that can be asked for is held. What is seen elsewhere is not, though nothing answers to its label."""
        worst = Belief(predicate, Truth(1.0), "nothing is held")
        for thing in self.world.things.values():
            if not thing.askable:
                continue
            fact = self.world.fact("held", thing.name, GRIPPER)
            is_nameless = fact is not None and fact.status is Status.NOT_FOUND
            if is_nameless and self.world.gripper is not None and not could_be_at(thing, self.world.gripper):
                continue
            held = self.of(Predicate(HELD, thing.name))
            if 1 - held.truth.probability < worst.truth.probability:
                worst = Belief(predicate, Truth(1 - held.truth.probability), f"{thing.name}: {held.why}")
        return worst

    def _clear(self, predicate: Predicate) -> Belief:
        worst = Belief(predicate, Truth(1.0), "nothing lies on it")
        for thing in self.possibly_on(predicate.subject):
            if self.verdict(Predicate(HELD, thing.name)):
                continue
            on = self.of(Predicate(ON, thing.name, predicate.subject))
            if 1 - on.truth.probability < worst.truth.probability:
                worst = Belief(predicate, Truth(1 - on.truth.probability), f"{thing.name}: {on.why}")
        return worst

    def possibly_on(self, name: str) -> list[Thing]:
        """Things whose box could stand on a thing's box, with two standard deviations of room. Only these are asked about."""
        below = self.world.things.get(name)
        if below is None:
            return []
        return [thing for thing in self.world.things.values() if thing.name != name and could_be_on(thing, below)]

    def seen(self, name: str) -> bool:
        """Whether a thing is on the newest image and its facts are fresh and measured."""
        if name not in self.world.things:
            return False
        return any(
            self._fresh_value(self.world.fact(relation, *names)) is not None
            for relation, *names in (("elevation", name), ("distance", GRIPPER, name))
        )

    # -- facts ----------------------------------------------------------------------------------------------------------

    def problem(self, fact: SpatialFact | None) -> str:
        """Why a fact decides nothing; "" when it can."""
        if fact is None:
            return "not measured yet"
        if not self.world.age_s(fact.stamp_ns) <= self._config.max_fact_age_s:
            return f"the fact is {self.world.age_s(fact.stamp_ns):.2f} s old"
        if fact.status in (Status.OK, Status.OCCLUDED) and math.isfinite(fact.value):
            return ""
        return fact.text or fact.status.name.lower().replace("_", " ")

    def _fresh_value(self, fact: SpatialFact | None) -> SpatialFact | None:
        return None if self.problem(fact) else fact

    def _from_fact(self, predicate: Predicate, query: Query) -> Belief:
        """Whether a predicate of the registry holds."""
        return self._judged(predicate, query, is_true(query), "")

    def _limit(self, predicate: Predicate, query: Query, limit_m: float, *, below: bool) -> Belief:
        """Whether an estimate lies below (or above) a limit."""
        constraint = at_most(query, limit_m) if below else at_least(query, limit_m)
        return self._judged(predicate, query, constraint, f", wanted {'<' if below else '>'} {limit_m:.3f}")

    def _judged(self, predicate: Predicate, query: Query, constraint: Constraint, wanted: str) -> Belief:
        fact = self.world.facts.get(query)
        problem = self.problem(fact)
        if problem or fact is None:
            return Belief(predicate, Truth(_UNKNOWN), f"{query}: {problem}")
        truth = truth_of(constraint, [fact])
        if truth is None:
            return Belief(
                predicate, Truth(_UNKNOWN), f"{query}: {fact.value:g} {fact.unit} +- {fact.std:g} is no such measurement"
            )
        doubt = "" if fact.unit == PROBABILITY else f" m +- {fact.std:.3f}"
        return Belief(predicate, truth, f"{query} = {fact.value:.3f}{doubt}{wanted}")


def could_be_on(above: Thing, below: Thing) -> bool:
    """Whether one box's middle may lie over another's footprint and higher than its middle, within two standard deviations."""
    slack = 2 * math.hypot(above.std_m, below.std_m)
    apart = float(np.linalg.norm(above.centre[:2] - below.centre[:2]))
    return apart <= below.radius_m + slack and float(above.centre[2] - below.centre[2]) > -slack


def could_be_at(thing: Thing, point: FloatArray) -> bool:
    """Whether a point (3,) may lie in a thing's box, or next to it, within two standard deviations."""
    slack = _NEXT_TO_M + 2 * thing.std_m
    beside, above = np.linalg.norm(point[:2] - thing.centre[:2]), abs(float(point[2] - thing.centre[2]))
    return bool(beside <= thing.radius_m + slack and above <= thing.height_m / 2 + slack)


def queries_for(goals: Sequence[Predicate], things: Iterable[Thing] = (), most: int = 256) -> list[Query]:
    """What spatial_node is to measure for these goals and for the things on the image, most needed first.

    Without ``things`` (nothing seen yet) only what the goals name is asked for, which also makes spatial_node look for it.
    """
    named = goal_names(goals)
    seen = [thing for thing in things if thing.askable]
    names = [*named, *(thing.name for thing in seen if thing.name not in named)]
    queries: list[Query] = []
    for goal in goals:
        if goal.name == ON:
            queries.append(Query("on", goal.subject, goal.object))
        elif goal.name == "next_to":
            queries.append(Query("gap", goal.subject, goal.object))
        elif goal.name in BESIDE:
            queries.append(Query(_RELATION_OF[goal.name], goal.subject, goal.object))
    for name in names:
        queries += [Query("distance", GRIPPER, name), Query("elevation", name), Query("held", name, GRIPPER)]
    queries += [
        Query("on", above.name, below.name)
        for below in seen
        for above in seen
        if above.name != below.name and could_be_on(above, below)
    ]
    return list(dict.fromkeys(queries))[:most]


def goal_names(goals: Sequence[Predicate]) -> list[str]:
    """Names in the goals, in order, without repeats."""
    return list(dict.fromkeys(name for goal in goals for name in (goal.subject, goal.object) if name))
