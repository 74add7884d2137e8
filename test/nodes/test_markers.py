"""Markers and pictures of facts: everything refers to a frame that tf knows, whatever the facts are seen from."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from table_camera import BASE_FROM_CAMERA, CAMERA, FRAME, look, table_picture
from visualization_msgs.msg import Marker

from spatialvlm_ros.engine import RobotState, SpatialEngine
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.markers import scene_markers
from spatialvlm_ros.scene.drawing import draw_scene, points_in_scene
from spatialvlm_ros.scene.facts import Query, SpatialFact, Status
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.scene import Scene

VIEWS = ("", "canonical", "arm_base", FRAME)
DISTANCE = Query("distance", "red block", "blue block")


@cache
def table() -> tuple[RGBDFrame, Scene, SpatialEngine]:
    """The two blocks, seen by a camera whose robot stands elsewhere and whose view from 'lost' tf does not know."""
    color, depth_mm = table_picture()
    depth_m = np.where(depth_mm > 0, depth_mm / 1000.0, np.nan).astype(np.float32)
    frame = RGBDFrame(5, color, depth_m, CAMERA, FRAME)
    engine = SpatialEngine()
    views = {"arm_base": look().inverse(), FRAME: RigidTransform.identity(), "lost": "tf has no frame 'lost'"}
    return frame, engine.observe(frame, DISTANCE.names, RobotState(frames=views)), engine


def fact_of(view: str, output: Any = None) -> SpatialFact:
    _, scene, engine = table()
    return engine.facts(scene, [replace(DISTANCE, view=view)], output)[0]


def of_fact(fact: SpatialFact) -> dict[str, Any]:
    """The markers of a fact by their namespace."""
    return {m.ns: m for m in scene_markers(table()[1], [fact], 0.1).markers if m.ns in ("line", "contact", "number")}


def array(points: Any) -> np.ndarray:
    return np.array([[p.x, p.y, p.z] for p in points])


@pytest.mark.parametrize("view", VIEWS)
def test_a_fact_of_any_view_is_drawn_in_the_scenes_frame(view: str) -> None:
    frame, scene, _ = table()
    fact, plain = fact_of(view), fact_of("")
    assert fact.status is Status.OK and fact.frame_id == (view or FRAME)
    if view in ("canonical", "arm_base"):
        assert not np.allclose(fact.subject_point, plain.subject_point, atol=0.1), "the fact's own points are elsewhere"
    markers, wanted = of_fact(fact), of_fact(plain)
    assert {m.header.frame_id for m in markers.values()} == {FRAME} and markers.keys() == {"line", "contact", "number"}
    for name in ("line", "contact"):
        assert np.allclose(array(markers[name].points), array(wanted[name].points), atol=1e-9)
    ends = array(markers["line"].points)
    assert (
        np.allclose(array([markers["number"].pose.position])[0], ends.mean(axis=0)) and markers["line"].type == Marker.LINE_LIST
    )
    assert np.allclose(ends, np.stack([plain.subject_point, plain.object_point]), atol=1e-9)
    picture = draw_scene(frame, scene, [fact])
    assert np.array_equal(picture, draw_scene(frame, scene, [plain]))
    assert np.count_nonzero(picture != draw_scene(frame, scene)) > 500


def test_a_fact_in_the_output_frame_keeps_it() -> None:
    frame, scene, _ = table()
    fact = fact_of("", ("base_link", BASE_FROM_CAMERA))
    assert points_in_scene(scene, fact) is None
    markers = of_fact(fact)
    assert {m.header.frame_id for m in markers.values()} == {"base_link"}
    assert np.allclose(array(markers["line"].points), np.stack([fact.subject_point, fact.object_point]))
    assert np.array_equal(draw_scene(frame, scene, [fact]), draw_scene(frame, scene))


def test_a_fact_without_a_value_is_not_drawn() -> None:
    frame, scene, _ = table()
    lost = fact_of("lost")
    assert lost.status is Status.NO_TRANSFORM and of_fact(lost) == {} and points_in_scene(scene, lost) is None
    assert np.array_equal(draw_scene(frame, scene, [lost]), draw_scene(frame, scene))
    # Up is lost: what was measured in the canonical frame has no place any more.
    assert points_in_scene(replace(scene, canonical=None), fact_of("canonical")) is None


@pytest.mark.parametrize("z_m", [2e-6, -0.5, 0.0])
def test_a_point_beside_or_behind_the_camera_is_no_line(z_m: float) -> None:
    frame, scene, _ = table()
    fact = replace(fact_of(""), subject_point=np.array([5.0, 1.0, z_m]))
    assert np.array_equal(draw_scene(frame, scene, [fact]), draw_scene(frame, scene))
