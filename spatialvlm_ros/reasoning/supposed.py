"""What a question supposes: that each thing it names is in sight, and is one.

To find a name is to say whether anything answers to it at all; a question has said so already. Where nothing, or more than one
thing, answers to a name well enough to be bound, a question is answered for the thing that it most likely means, if that is
likely enough, and the answer says so. A number's standard deviation then holds what the number would be of another thing; a
comparison is one of the thing that is named in the answer.

Never changes: a name that is bound keeps its thing; facts that robots act on suppose nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..expressions.leaves import Measure
from ..geometry.rigid import RigidTransform
from ..language.answers import measure_query, measure_with_error
from ..language.names import with_article
from ..language.sentences import number
from ..scene.facts import PROBABILITY, RADIAN, Query, SpatialFact, Status
from ..scene.parted import APart
from ..scene.relation import Measurement
from ..scene.relations import RELATIONS
from ..scene.scene import Binding, Scene, SceneObject

#: What a name that is not bound most likely means, and how likely that is; None where nothing is likely enough.
#: The third argument are ids of things that it does not mean.
Meant = Callable[[Scene, str, Collection[int]], tuple[SceneObject, float] | None]


#: A part that a name that is not bound most likely means; None where none is likelier than what ``Meant`` says.
Parted = Callable[[Scene, str], APart | None]


def nothing_meant(scene: Scene, name: str, others: Collection[int] = ()) -> None:
    """Of whoever supposes nothing."""


def nothing_parted(scene: Scene, name: str) -> None:
    """Of whoever takes nothing for a part."""


@dataclass(frozen=True)
class Supposed:
    """A scene with things for names that have none by themselves, each with the probability that it is meant.

    ``parts``: of names that are taken for a part of a thing, the id of that thing.
    """

    scene: Scene
    taken: Mapping[str, float]
    parts: Mapping[str, int] = field(default_factory=dict)


def suppose(
    scene: Scene, names: Iterable[str], meant: Meant, parted: Parted = nothing_parted, *, together: bool = True
) -> Supposed:
    """What a question about names supposes of a scene: each of them that is bound to nothing gets what it most likely means.

    Args:
        together: they are of one question, and so of different things; else each is of a question of its own.
    """
    bindings: dict[str, Binding] = {}
    taken: dict[str, float] = {}
    parts: dict[str, int] = {}
    names = list(dict.fromkeys(names))
    known = {thing.id for name in names if together and (thing := scene.find(name).thing) is not None}
    for name in names:
        binding = scene.find(name)
        found = meant(scene, name, known) if binding.thing is None else None
        part = parted(scene, name) if binding.thing is None else None
        if part is not None:
            scene, found, parts[name] = part.scene, (part.thing, part.likely), part.whole
        if found is not None:
            thing, taken[name] = found
            known |= {thing.id} if together else set()
            named = thing.called(label=name, score=taken[name])
            bindings[name] = replace(binding, status=Status.OK, thing=named, text="")
    return Supposed(_with(scene, bindings) if taken else scene, taken, parts)


def supposing(measure: Measure, meant: Meant, parted: Parted = nothing_parted) -> Measure:
    """``measure`` with what a question supposes, where there is no value without."""

    def measured(
        scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
    ) -> tuple[SpatialFact, Measurement | None]:
        fact, measurement = measure(scene, query, output)
        if fact.status not in (Status.NOT_FOUND, Status.AMBIGUOUS):
            return fact, measurement
        supposed = suppose(scene, query.names[RELATIONS[query.relation].of_all :], meant, parted)
        if not supposed.taken:
            return fact, measurement
        second, known = measure(supposed.scene, query, output)
        if known is None or not second.status.has_value:
            return fact, measurement
        return _doubted(second, known, supposed)

    return measured


def certain(measure: Measure) -> Measure:
    """``measure`` for who acts on the value: what had to be supposed is refused, with the reason."""

    def measured(
        scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
    ) -> tuple[SpatialFact, Measurement | None]:
        fact, measurement = measure(scene, query, output)
        return measure_with_error(scene, query, output) if fact.doubt else (fact, measurement)

    return measured


def _with(scene: Scene, bindings: Mapping[str, Binding]) -> Scene:
    return replace(scene, bindings={**scene.bindings, **bindings})


def _doubted(fact: SpatialFact, known: Measurement, supposed: Supposed) -> tuple[SpatialFact, Measurement]:
    """The fact with its doubt in words and, of a number, in its standard deviation."""
    labels = {thing.id: thing.label for thing in supposed.scene.objects}
    said = []
    for name, likely in supposed.taken.items():
        thing = supposed.scene.find(name).thing
        assert thing is not None
        what = f"#{thing.id}, which looks like a {labels[thing.id]}"
        if name in supposed.parts:
            what = f"a part of #{supposed.parts[name]}, which looks like a {labels[supposed.parts[name]]} with it"
        said.append(f"{with_article(name)} is taken for {what} ({min(likely, 0.99):.0%})")
    doubt = f"Here {' and '.join(said)}."
    if fact.unit == PROBABILITY or not math.isfinite(known.std):
        return replace(fact, doubt=doubt, text=f"{fact.text} {doubt}"), known
    # The terms of the error stay: what is added has nothing to do with how things were measured.
    std = math.hypot(known.std, *(_of_others(fact, supposed, name) for name in supposed.taken))
    text = f"{fact.text} {doubt} With that doubt: {number(known.value, std, fact.unit)}."
    return replace(fact, std=std, doubt=doubt, text=text), replace(known, std=std)


def _of_others(fact: SpatialFact, supposed: Supposed, name: str) -> float:
    """Standard deviation from what a number would be if a name meant another thing in sight, each as likely."""
    scene, doubt = supposed.scene, 1.0 - supposed.taken[name]
    asked = {thing.id for other in fact.query.names if (thing := scene.find(other).thing) is not None}
    squares = []
    for thing in scene.objects:
        if thing.id > 0 and thing.id not in asked and thing.status is Status.OK:
            other = measure_query(_with(scene, {name: Binding(Status.OK, thing)}), fact.query)
            if other.status.has_value and math.isfinite(other.value):
                apart = other.value - fact.value
                squares.append((math.remainder(apart, math.tau) if fact.unit == RADIAN else apart) ** 2)
    return math.sqrt(doubt * sum(squares) / len(squares)) if squares else 0.0
