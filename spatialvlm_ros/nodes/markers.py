"""A scene and its facts as RViz markers: boxes, names, distance lines with their numbers, contact points of gaps."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from ..geometry.rigid import RigidTransform
from ..language.sentences import number
from ..scene.drawing import points_in_scene
from ..scene.facts import METRE, SpatialFact, Status
from ..scene.scene import Scene, SceneObject
from .conversions import header, point_to_msg, pose_to_msg

_WHITE = (1.0, 1.0, 1.0)
_BOX = (0.2, 0.75, 1.0)
_HIDDEN = (1.0, 0.6, 0.1)
_LINE = (1.0, 0.9, 0.2)


def clear_markers() -> MarkerArray:
    """Removes everything, as after a jump of time."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


def scene_markers(scene: Scene, facts: list[SpatialFact], period_s: float) -> MarkerArray:
    """Markers with stable (ns, id): an object keeps its own, a fact the one of its place in the query list.

    ``period_s``: time between scenes; markers live for three of them, so that they neither blink nor stay.
    """
    made: list[Marker] = []
    for thing in scene.objects:
        if not thing.extents.any():
            continue
        color = _BOX if thing.status is Status.OK else _HIDDEN
        made.append(_box(scene, thing, color))
        top = thing.centre + _up(scene) * (float(thing.extents.max()) / 2 + 0.03)
        made.append(_text(scene, "name", thing.id, top, thing.label, 0.025))
    for index, fact in enumerate(facts):
        if fact.unit == METRE and fact.status.has_value and np.isfinite(fact.object_point).all():
            made.extend(_fact_markers(scene, fact, index))
    lifetime = Duration(sec=int(3 * period_s), nanosec=int((3 * period_s % 1) * 1e9))
    for marker in made:
        marker.lifetime = lifetime
    return MarkerArray(markers=made)


def _up(scene: Scene) -> npt.NDArray[np.float64]:
    return np.array([0.0, -1.0, 0.0]) if scene.canonical is None else scene.canonical.up


def _marker(
    stamp_ns: int, frame_id: str, namespace: str, marker_id: int, kind: int, color: tuple[float, ...], alpha: float
) -> Marker:
    marker = Marker(header=header(stamp_ns, frame_id), ns=namespace, id=int(marker_id), type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.color = ColorRGBA(r=color[0], g=color[1], b=color[2], a=alpha)
    return marker


def _box(scene: Scene, thing: SceneObject, color: tuple[float, float, float]) -> Marker:
    marker = _marker(scene.stamp_ns, scene.frame_id, "box", thing.id, Marker.CUBE, color, 0.35)
    marker.pose = pose_to_msg(RigidTransform(thing.axes, thing.centre))
    x, y, z = (max(float(v), 1e-3) for v in thing.extents)
    marker.scale = Vector3(x=x, y=y, z=z)
    return marker


def _text(scene: Scene, namespace: str, marker_id: int, place: npt.NDArray[np.float64], text: str, size_m: float) -> Marker:
    marker = _marker(scene.stamp_ns, scene.frame_id, namespace, marker_id, Marker.TEXT_VIEW_FACING, _WHITE, 1.0)
    marker.pose.position = point_to_msg(place)
    marker.scale.z = size_m
    marker.text = text
    return marker


def _fact_markers(scene: Scene, fact: SpatialFact, index: int) -> list[Marker]:
    frame_id, points = scene.frame_id, points_in_scene(scene, fact)
    if points is None:  # the output frame, which tf knows
        frame_id, points = fact.frame_id, np.stack([fact.subject_point, fact.object_point])
    line = _marker(fact.stamp_ns, frame_id, "line", index, Marker.LINE_LIST, _LINE, 0.9)
    line.scale.x = 0.003
    line.points = [point_to_msg(point) for point in points]
    ends = _marker(fact.stamp_ns, frame_id, "contact", index, Marker.SPHERE_LIST, _LINE, 0.9)
    ends.scale = Vector3(x=0.012, y=0.012, z=0.012)
    ends.points = list(line.points)
    label = number(fact.value, 0.0 if math.isnan(fact.std) else fact.std, fact.unit)
    text = _marker(fact.stamp_ns, frame_id, "number", index, Marker.TEXT_VIEW_FACING, _LINE, 1.0)
    text.pose.position = point_to_msg(points.mean(axis=0))
    text.scale.z = 0.02
    text.text = label
    return [line, ends, text]
