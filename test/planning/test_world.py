"""Where a named thing is: from facts whose points are middles, whatever else was measured of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_world import TinyWorld, block, camera_pose, plate

from spatialvlm_ros.geometry.rigid import FloatArray, RigidTransform
from spatialvlm_ros.planning.world import CENTRE_RELATIONS, GRIPPER, SeenBox, bind_names, point_of
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS

SHIFT = RigidTransform(np.eye(3), np.array([1.0, 2.0, 3.0]))
MIDDLE, ELSEWHERE = np.array([0.4, 0.1, 0.2]), np.array([0.4, 0.1, 0.7])


def from_frame(frame_id: str, stamp_ns: int) -> RigidTransform:
    """planning_from_camera; other frames are not known, and nothing is known at stamp 13."""
    if frame_id != "camera" or stamp_ns == 13:
        raise LookupError(frame_id)
    return SHIFT


def fact(
    query: Query, stamp_ns: int, point: FloatArray, *, frame_id: str = "camera", status: Status = Status.OK
) -> dict[Query, SpatialFact]:
    nowhere = np.full(3, np.nan)
    on_subject = query.subject == GRIPPER
    points = (point, nowhere) if on_subject else (nowhere, point)
    return {query: SpatialFact(query, status, Source.TF, stamp_ns, frame_id, 0.1, 0.01, "m", *points)}


KNOWN = fact(Query("distance", GRIPPER, "cup"), 5, MIDDLE)


@pytest.mark.parametrize("name", [name for name in RELATIONS if name not in CENTRE_RELATIONS])
@pytest.mark.parametrize("turned", [False, True])
def test_points_that_are_no_middles_do_not_move_the_gripper(name: str, turned: bool) -> None:
    amount_m = 0.5 if RELATIONS[name].takes_amount else 0.0
    query = Query(name, "cup", GRIPPER, "", amount_m) if turned else Query(name, GRIPPER, "", "", amount_m)
    newer = fact(query, 9, ELSEWHERE)
    assert point_of(GRIPPER, {**KNOWN, **newer}, from_frame) == pytest.approx(SHIFT.apply(MIDDLE))
    assert point_of(GRIPPER, newer, from_frame) is None


@pytest.mark.parametrize("name", sorted(CENTRE_RELATIONS))
def test_the_newest_middle_counts_but_none_with_a_view(name: str) -> None:
    newer = fact(Query(name, GRIPPER, "cup"), 9, ELSEWHERE)
    assert point_of(GRIPPER, {**KNOWN, **newer}, from_frame) == pytest.approx(SHIFT.apply(ELSEWHERE))
    for view in ("canonical", "camera"):
        seen_from = fact(Query(name, GRIPPER, "cup", view=view), 9, ELSEWHERE, frame_id=view)
        assert point_of(GRIPPER, {**seen_from, **KNOWN}, from_frame) == pytest.approx(SHIFT.apply(MIDDLE))


@pytest.mark.parametrize(
    "newer",
    [
        fact(Query("elevation", GRIPPER), 9, ELSEWHERE, frame_id="odom"),
        fact(Query("elevation", GRIPPER), 13, ELSEWHERE),
        fact(Query("elevation", GRIPPER), 9, np.full(3, np.nan)),
        fact(Query("elevation", GRIPPER), 9, ELSEWHERE, status=Status.NOT_FOUND),
    ],
    ids=["unknown frame", "frame not known then", "no point", "not found"],
)
def test_a_fact_that_does_not_tell_leaves_it_to_the_next(newer: dict[Query, SpatialFact]) -> None:
    assert point_of(GRIPPER, {**newer, **KNOWN}, from_frame) == pytest.approx(SHIFT.apply(MIDDLE))
    assert point_of(GRIPPER, newer, from_frame) is None


@pytest.mark.parametrize("name", sorted(CENTRE_RELATIONS))
def test_points_of_these_relations_are_the_middles_of_the_registry(name: str) -> None:
    world = TinyWorld([block("red block", 0.45, 0.1, yaw=0.3), plate("green plate", 0.45, -0.15)])
    query = Query(name, "red block", "green plate" if RELATIONS[name].arity == 2 else "")
    (measured,) = world.facts([query])
    for thing in query.names:
        found = point_of(thing, {query: measured}, lambda frame_id, stamp_ns: camera_pose())
        assert found == pytest.approx(world.find(thing).centre)


def test_a_name_is_not_bound_to_the_box_beside_by_a_point_of_another_relation() -> None:
    boxes = [
        SeenBox(1, "mug", RigidTransform(np.eye(3), MIDDLE), np.full(3, 0.05), 0.002),
        SeenBox(2, "jar", RigidTransform(np.eye(3), ELSEWHERE), np.full(3, 0.05), 0.002),
    ]
    query = Query("point_above", "cup", "", "", 0.5)
    above = SpatialFact(query, Status.OK, Source.DEPTH, 9, "camera", 0.1, 0.01, "m", ELSEWHERE)
    elevation = replace(above, query=Query("elevation", "cup"), stamp_ns=5, subject_point=MIDDLE)
    facts = {one.query: one for one in (above, elevation)}
    things = bind_names(["cup"], boxes, facts, from_frame, SHIFT)
    assert things["cup"].centre == pytest.approx(SHIFT.apply(MIDDLE)) and set(things) == {"cup", "jar"}
