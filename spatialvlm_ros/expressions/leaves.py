"""The leaves of trees on one scene: what names and descriptions stand for, and the facts between things with their samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import numpy as np

from ..geometry.rigid import RigidTransform
from ..language.names import plain_name
from ..scene.facts import Query, Source, SpatialFact, Status
from ..scene.relation import Reckoned
from ..scene.relations import Kind, Measurement, Relation
from ..scene.scene import Binding, Scene, SceneObject, not_looked_for
from .operators import SIDE, THING, relation_type
from .samples import SharedErrors
from .tree import All, Apply, Thing
from .values import Origin, Value

# The least deviation of a margin, as in ``scene.facts.truth_from_margin``: what is equal to the letter holds in half the samples.
_LEAST_STD = 1e-9
Measure = Callable[[Scene, Query, "tuple[str, RigidTransform] | None"], "tuple[SpatialFact, Measurement | None]"]


class Missing(Exception):
    """A node has no value. ``text`` says why; ``fact`` is the one that has none, where it is one."""

    def __init__(self, status: Status, text: str, fact: SpatialFact | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.fact = status, text, fact


class Leaves:
    """Things are numbered in the order in which they are met; ``names`` holds what each is called."""

    def __init__(self, scene: Scene, output: tuple[str, RigidTransform] | None, measure: Measure, errors: SharedErrors) -> None:
        self._output, self._measure, self._errors = output, measure, errors
        # Things of sets are measured by names of their own, which are added to those that were asked for; what a name of a
        # tree stands for is looked up among the latter alone, so that no question changes what the next one means.
        self._asked = scene
        self._bindings = dict(scene.bindings)
        self._scene = replace(scene, bindings=self._bindings)
        # None for a name that stands for nothing here: a model may still know a fact about it.
        self._things: list[SceneObject | None] = []
        self._numbers: dict[str, int] = {}
        self._facts: dict[Query, tuple[SpatialFact, Value | Missing]] = {}
        self.names: list[str] = []

    # -- facts ------------------------------------------------------------------------------------------------------------

    def leaf(self, node: Apply, relation: Relation, things: tuple[int, ...]) -> tuple[Value, SpatialFact]:
        """A relation between things by number, measured once. Raises Missing where it has no value."""
        words = [node.args[0].name] if relation.of_all and isinstance(node.args[0], Thing) else []
        names = [*words, *(self.names[index] for index in things)]
        subject, other, third = [*names, "", "", ""][:3]
        query = Query(node.op, subject, other, third, node.amount, node.view)
        if query not in self._facts:
            fact, measurement = self._measure(self._scene, query, self._output)
            if measurement is None or not fact.status.has_value:
                self._facts[query] = fact, Missing(fact.status, fact.text, fact)
            else:
                self._facts[query] = fact, self._sampled(fact, measurement, relation, things)
        fact, value = self._facts[query]
        if isinstance(value, Missing):
            raise value
        return value, fact

    def _sampled(self, fact: SpatialFact, measurement: Measurement, relation: Relation, things: tuple[int, ...]) -> Value:
        origin = Origin(frozenset({fact.source}), frozenset({fact.frame_id}), fact.status)
        kind, margin, about = relation_type(relation), measurement.margin, self._identities(things)
        if margin is None:
            noise = self._errors.noise(measurement.error, measurement.std, about, measurement.value)
            return Value(kind, np.append(measurement.value, measurement.value + noise), origin)
        if not (np.isfinite(margin.value) and np.isfinite(margin.std)):
            margin = Reckoned(0.0, 1.0)  # nothing is known, as the fact's probability says
        noise = self._errors.noise(margin.error, max(margin.std, _LEAST_STD), about, margin.value)
        holds = np.append(margin.value, margin.value + noise) > 0
        if relation.kind is Kind.CHOICE:
            probability = measurement.value if holds[0] else 1.0 - measurement.value
            return Value(THING, np.where(holds, things[0], things[1]), origin, exact_probability=probability)
        return Value(kind, holds, origin, relation.sides if kind == SIDE else ("", ""), measurement.value)

    def _identities(self, things: tuple[int, ...]) -> str:
        """What stays the same of some things whatever they are called and in whatever order they are named."""
        known = [(self._things[index], self.names[index]) for index in things]
        return " ".join(sorted(f"'{plain_name(name)}'" if thing is None else f"#{thing.id}" for thing, name in known))

    # -- things -----------------------------------------------------------------------------------------------------------

    def number_of(self, name: str, *, required: bool = True) -> int:
        """A named thing's number. Two names of one thing have one number, so that it is not related to itself.

        Raises Missing for a name that stands for no thing, if it is ``required``.
        """
        binding = self._asked.find(name)
        if required and binding.thing is None:
            raise Missing(binding.status, binding.text or f"'{name}' is not known")
        if name not in self._numbers:
            same = None if binding.thing is None else self._known(binding.thing)
            self._numbers[name] = self._enter(binding.thing, name, binding) if same is None else same
        return self._numbers[name]

    def answering(self, over: All) -> list[int]:
        """Numbers of all things in sight that answer to a description, by their ids."""
        binding = self._asked.find(over.description)
        if binding.answering is None:
            text = binding.text or f"'{over.description}' is no description of things here; say e.g. 'red block' or 'object'"
            if self._scene.canonical is None:
                text = not_looked_for(self._scene.canonical_reason)
            raise Missing(Status.NOT_FOUND, text)
        found = sorted((thing for thing in binding.answering if thing.source is not Source.TF), key=lambda thing: thing.id)
        return [self._number_found(thing) for thing in found]

    def _number_found(self, thing: SceneObject) -> int:
        """The number of a thing of a set, under its label where that is its alone."""
        known = self._known(thing)
        if known is not None:
            return known
        word = plain_name(thing.label)
        alike = any(plain_name(other.label) == word and other.id != thing.id for other in self._asked.objects)
        named = self._asked.bindings.items()
        others = {plain_name(name) for name, asked in named if asked.thing is None or asked.thing.id != thing.id}
        name = f"{thing.label} #{thing.id}" if alike or word in others else thing.label
        return self._enter(thing, name, Binding(thing.status, thing), others)

    def origin_of(self, things: Iterable[int]) -> Origin:
        """Where it comes from that some things are there."""
        known = [thing for index in things if (thing := self._things[index]) is not None]
        origin = Origin(frozenset({Source.DEPTH}) if not known else frozenset())
        for thing in known:
            origin = origin | Origin(frozenset({thing.source}), frozenset(), thing.status)
        return origin

    def _known(self, thing: SceneObject) -> int | None:
        return next((i for i, other in enumerate(self._things) if other is not None and other.id == thing.id), None)

    def _enter(self, thing: SceneObject | None, name: str, binding: Binding, others: Collection[str] = ()) -> int:
        """Number a thing under a name that no other one has, not even with another article; nor is it one of ``others``."""
        said, taken = name, {*others, *map(plain_name, self.names)}
        tries = 1 if thing is None else thing.id
        while plain_name(name) in taken:
            name, tries = f"{said} #{tries}", tries + 1
        self._bindings.setdefault(name, binding if thing is None else replace(binding, thing=thing.called(label=name)))
        self._things.append(thing)
        self.names.append(name)
        return len(self._things) - 1
