"""A query on a scene to the fact that answers it, with its sentence: a number, or a status and the reason why there is none."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.facts import Query, Source, SpatialFact, Status
from ..scene.relations import RELATIONS, Measurement, Relation
from ..scene.scene import Binding, Scene, SceneObject, not_looked_for
from .names import plain_name
from .sentences import fact_sentence

_COUNT_WORDS = {1: "is about one thing", 2: "relates two things", 3: "relates three things"}


# The same queries come with every image.
@lru_cache(maxsize=4096)
def check_query(query: Query) -> str | None:
    """What is wrong with a query, as a sentence, or None."""
    relation = RELATIONS.get(query.relation)
    if relation is None:
        return f"unknown relation '{query.relation}'; known are {', '.join(RELATIONS)}"
    if not query.subject.strip():
        return f"relation '{query.relation}' needs a subject, e.g. 'red block'"
    given = (query.subject, query.object, query.third)
    what = f"relation '{query.relation}' {_COUNT_WORDS[relation.arity]}"
    for position, role in ((1, "object"), (2, "third")):
        if relation.arity > position and not given[position].strip():
            return f"{what}; the {role}'s name is empty: give one"
        if relation.arity <= position and given[position]:
            return f"{what}; leave the {role} empty (got '{given[position]}')"
    names = [plain_name(name) for name in given[: relation.arity]]
    if not relation.of_all and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return f"{what}; two names are '{twice}': name different things"
    if relation.takes_amount and not (math.isfinite(query.amount) and query.amount > 0):
        return f"relation '{query.relation}' needs a length in metres above 0 as its amount (got {query.amount:g})"
    if not relation.takes_amount and query.amount != 0:
        return f"relation '{query.relation}' takes no amount; leave it 0 (got {query.amount:g})"
    return None


def measure_query(scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None) -> SpatialFact:
    """The fact that answers a query on a scene.

    Args:
        output: (frame name, output_from_scene) for the fact's points; a query with a view has them in that view's frame.
    """
    return measure_with_error(scene, query, output)[0]


def measure_with_error(
    scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
) -> tuple[SpatialFact, Measurement | None]:
    """The same with the measurement that it was made from, None where there is no value; its points are the scene's."""
    frame_id = query.view or (scene.frame_id if output is None else output[0])
    relation = RELATIONS.get(query.relation)

    def without(status: Status, text: str) -> tuple[SpatialFact, None]:
        unit = "" if relation is None else relation.unit
        return SpatialFact(query, status, Source.UNKNOWN, scene.stamp_ns, frame_id, unit=unit, text=text), None

    problem = check_query(query)
    if relation is None or problem is not None:
        return without(Status.BAD_QUERY, problem or "")
    about = _about(scene, query.names, relation.of_all)
    if (refused := about.refused or _refused(scene, relation, about)) is not None:
        return without(*refused)
    seen = scene.seen_from(query.view)
    if isinstance(seen, str) and relation.frame != "viewer" and isinstance(scene.views.get(query.view), RigidTransform):
        seen = scene  # it looks straight up, but only the points are told in its frame
    if isinstance(seen, str):
        return without(Status.NOT_CANONICAL if query.view == "canonical" else Status.NO_TRANSFORM, seen)
    measured = relation.measure(seen, *about.arguments, *((query.amount,) if relation.takes_amount else ()))
    if not math.isfinite(measured.value):
        text = measured.note or f"'{relation.name}' cannot be measured: no support plane is known"
        return without(measured.status or Status.NO_DEPTH, text)
    status = about.status if measured.status is None else _worse(measured.status, about.status)
    points = _points(seen, query.view, measured, output)
    fact = SpatialFact(
        query, status, about.source, scene.stamp_ns, frame_id, measured.value, measured.std, relation.unit, *points
    )  # fmt: skip
    # Its sentence is told from the rest of it; nobody has seen it yet, and to make it anew takes longer than all else here.
    object.__setattr__(fact, "text", fact_sentence(fact, relation, measured))
    return fact, measured


# Relations of which nothing counts but the things themselves, which way is up and what they stand on.
_OF_THINGS = frozenset(
    name
    for name, relation in RELATIONS.items()
    if name in ("distance", "gap", "horizontal_distance", "height", "width", "elevation", "on", "touching")
    or (name.endswith("_difference") and relation.arity == 2)
)

# So many queries' facts are remembered: a robot asks a few again and again.
_MOST_FACTS = 1000


class RepeatedFacts:
    """The facts of one stream of images: where nothing that one is about was looked at anew, it is told again."""

    def __init__(self) -> None:
        self._known: dict[Query, tuple[tuple[object, ...], tuple[str, RigidTransform] | None, SpatialFact]] = {}

    def of(self, scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None) -> SpatialFact:
        """As ``measure_query`` tells it."""
        if query.relation not in _OF_THINGS or query.view:
            return measure_query(scene, query, output)
        bindings = [scene.find(name) for name in query.names]
        things = [binding.thing for binding in bindings if binding.thing is not None]
        if len(things) < len(bindings):
            return measure_query(scene, query, output)
        setting = (scene.canonical, scene.support_plane, scene.noise)
        about = (*(thing.shape_of for thing in things), *(binding.status for binding in bindings), *setting)
        known = self._known.get(query)
        if known is not None and all(map(operator.is_, known[0], about)) and _is_same_frame(known[1], output):
            return replace(known[2], stamp_ns=scene.stamp_ns)
        fact = measure_query(scene, query, output)
        # Two names of one thing are not the same as two of two.
        if len({thing.id for thing in things}) == len(things):
            if len(self._known) >= _MOST_FACTS:
                self._known.clear()
            self._known[query] = about, output, fact
        return fact


def _is_same_frame(one: tuple[str, RigidTransform] | None, other: tuple[str, RigidTransform] | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        one[0] == other[0]
        and np.array_equal(one[1].translation, other[1].translation)
        and np.array_equal(one[1].rotation, other[1].rotation)
    )


class _About(NamedTuple):
    """What is the same of all relations between the things of some names.

    Attributes:
        arguments: of a relation's ``measure``, before an amount.
        refused: why nothing about them can be measured; None when it can.
        point: a name of a thing that is known as a point, without a size; "" for none.
        status, source: of a value between them.
    """

    arguments: tuple[object, ...] = ()
    refused: tuple[Status, str] | None = None
    point: str = ""
    status: Status = Status.OK
    source: Source = Source.UNKNOWN


def _about(scene: Scene, names: tuple[str, ...], of_all: bool) -> _About:
    """Worked out once for all that is asked about these names; the first one is of all things that answer to it, or of one."""
    key = (_about, names, of_all)
    known = scene.worked_out.get(key)
    if known is None:
        known = scene.worked_out[key] = names, _about_anew(scene, names, of_all)
    about: _About = known[1]
    return about


def _about_anew(scene: Scene, names: tuple[str, ...], of_all: bool) -> _About:
    bindings = [scene.find(name) for name in names]
    if (refused := _unbound(scene, bindings, names, of_all)) is not None:
        return _About(refused=refused)
    things = tuple([binding.thing for binding in bindings[of_all:] if binding.thing is not None])
    answering = bindings[0].answering or () if of_all else ()
    status = Status.OK
    for thing in (*things, *answering):
        status = _worse(status, thing.status)
    # For three numbers NumPy's own any takes thrice as long.
    points = (name for name, thing in zip(names[of_all:], things, strict=True) if not any(thing.extents.tolist()))
    arguments = (answering, *things) if of_all else things
    return _About(arguments, None, next(points, ""), status, _source_of([*things, *answering]))


def _unbound(scene: Scene, bindings: Sequence[Binding], names: Sequence[str], of_all: bool) -> tuple[Status, str] | None:
    """Why nothing can be measured between what these names stand for, or None when it can."""
    for index, binding in enumerate(bindings):
        if of_all and index == 0:
            if binding.answering is None:
                text = binding.text or f"'{names[0]}' is one thing; a description of things is needed, e.g. 'red block' or 'can'"
                if scene.canonical is None:
                    text = not_looked_for(scene.canonical_reason)
                return Status.NOT_FOUND, text
        elif binding.thing is None:
            return binding.status, binding.text
    ids = [binding.thing.id for binding in bindings[of_all:] if binding.thing is not None]
    if len(set(ids)) < len(ids):
        said = " and ".join(f"'{name}'" for name in names)
        return Status.AMBIGUOUS, f"{said} cannot be told apart: one thing on the image answers to more than one of them"
    return None


def _refused(scene: Scene, relation: Relation, about: _About) -> tuple[Status, str] | None:
    """Why this relation cannot be measured although others of the same things may be, or None when it can."""
    if relation.needs_extent and about.point:
        return Status.NO_DEPTH, f"the {plain_name(about.point)} is known as a point, without a size"
    if relation.needs_canonical and scene.canonical is None:
        return Status.NOT_CANONICAL, f"'{relation.name}' needs the up direction, which is not known: {scene.canonical_reason}"
    return None


def _worse(status: Status, other: Status) -> Status:
    return other if _SEVERITY.get(other, _WORST) > _SEVERITY.get(status, _WORST) else status


def _source_of(things: Sequence[SceneObject]) -> Source:
    """Of a value between things: depth's, unless tf knows all of them, or a model where one is."""
    if all(thing.source is Source.DEPTH for thing in things):
        return Source.DEPTH
    sources = {thing.source for thing in things}
    if sources in ({Source.TF}, {Source.VLM}):
        return next(iter(sources))
    return Source.FUSED if Source.VLM in sources else Source.DEPTH


def _points(
    scene: Scene, view: str, measured: Measurement, output: tuple[str, RigidTransform] | None
) -> tuple[FloatArray, FloatArray]:
    """Subject's and object's point in the frame of the fact."""
    transform = None if output is None else output[1]
    if view == "canonical" and scene.canonical is not None:
        transform = scene.canonical.scene_from_canonical.inverse()
    elif view:
        pose = scene.views[view]
        transform = pose.inverse() if isinstance(pose, RigidTransform) else None
    subject, object_ = measured.subject_point, measured.object_point
    return (subject, object_) if transform is None else (transform.apply(subject), transform.apply(object_))


_SEVERITY: Mapping[Status, int] = {Status.OK: 0, Status.OCCLUDED: 1, Status.STALE: 2}
_WORST = len(_SEVERITY)
