"""Queries, facts and scenes to messages and back."""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import Vector3

from spatialvlm_msgs.msg import Scene as SceneMsg
from spatialvlm_msgs.msg import SceneObject as SceneObjectMsg
from spatialvlm_msgs.msg import SpatialFact as SpatialFactMsg
from spatialvlm_msgs.msg import SpatialFactArray, SpatialQuery

from ..geometry.rigid import RigidTransform
from ..scene.facts import Query, Source, SpatialFact, Status
from ..scene.scene import Scene, SceneObject
from .conversions import (
    header,
    nan_pose,
    point_from_msg,
    point_to_msg,
    pose_to_msg,
    stamp_to_ns,
)


def query_to_msg(query: Query) -> SpatialQuery:
    return SpatialQuery(
        relation=query.relation, subject=query.subject, object=query.object, third=query.third,
        amount=float(query.amount), view=query.view,
    )  # fmt: skip


def query_from_msg(message: SpatialQuery) -> Query:
    names = (message.subject.strip(), message.object.strip(), message.third.strip())
    return Query(message.relation.strip(), *names, message.amount, message.view.strip())


def fact_to_msg(fact: SpatialFact) -> SpatialFactMsg:
    return SpatialFactMsg(
        header=header(fact.stamp_ns, fact.frame_id),
        relation=fact.query.relation, subject=fact.query.subject, object=fact.query.object, third=fact.query.third,
        amount=float(fact.query.amount), view=fact.query.view,
        value=float(fact.value), std=float(fact.std), unit=fact.unit,
        source=int(fact.source), status=int(fact.status),
        subject_point=point_to_msg(fact.subject_point), object_point=point_to_msg(fact.object_point),
        text=fact.text,
    )  # fmt: skip


def query_of_fact(message: SpatialFactMsg) -> Query:
    """The query that a fact answers."""
    return Query(message.relation, message.subject, message.object, message.third, message.amount, message.view)


def fact_from_msg(message: SpatialFactMsg) -> SpatialFact:
    """A fact of a message. Raises ValueError for a source or status that is not one of SpatialFact's constants."""
    return SpatialFact(
        query=query_of_fact(message),
        status=Status(message.status), source=Source(message.source),
        stamp_ns=stamp_to_ns(message.header.stamp), frame_id=message.header.frame_id,
        value=message.value, std=message.std, unit=message.unit,
        subject_point=point_from_msg(message.subject_point), object_point=point_from_msg(message.object_point),
        text=message.text,
    )  # fmt: skip


def facts_to_msg(facts: list[SpatialFact], stamp_ns: int, frame_id: str) -> SpatialFactArray:
    return SpatialFactArray(header=header(stamp_ns, frame_id), facts=[fact_to_msg(fact) for fact in facts])


def object_to_msg(thing: SceneObject, stamp_ns: int) -> SceneObjectMsg:
    x, y, z = (float(v) for v in thing.extents)
    return SceneObjectMsg(
        id=int(thing.id), label=thing.label, score=float(thing.score),
        pose=pose_to_msg(RigidTransform(thing.axes, thing.centre)),
        extents=Vector3(x=x, y=y, z=z),
        covariance=np.ascontiguousarray(thing.covariance, dtype=np.float64).ravel(),
        surface_point=point_to_msg(thing.surface_point),
        visible_share=float(thing.visible_share), truncated=bool(thing.truncated), num_points=int(thing.num_points),
        age_s=max(0.0, (stamp_ns - thing.last_seen_ns) * 1e-9),
        source=int(thing.source), status=int(thing.status),
    )  # fmt: skip


def scene_to_msg(scene: Scene) -> SceneMsg:
    message = SceneMsg(header=header(scene.stamp_ns, scene.frame_id))
    message.objects = [object_to_msg(thing, scene.stamp_ns) for thing in scene.objects]
    message.is_canonical = scene.canonical is not None
    canonical = scene.canonical
    message.canonical_pose = nan_pose() if canonical is None else pose_to_msg(canonical.scene_from_canonical)
    message.canonical_source = scene.canonical_reason if canonical is None else canonical.source
    message.support_plane = np.asarray(scene.support_plane, dtype=np.float64)
    message.depth_coverage = float(scene.depth_coverage) if math.isfinite(scene.depth_coverage) else 0.0
    return message
