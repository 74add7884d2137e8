"""What the fingers let go in the air does not stay there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.plane import Plane
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.dropped import dropped, off_fall
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory

TABLE = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
IN_AIR = box(np.array([0.7, 0.0, 0.225]), (0.05, 0.05, 0.05), label="red block")
STEP_NS = 100_000_000


def test_it_falls_on_the_table_and_may_roll_as_far_as_it_fell_is_high() -> None:
    fallen = dropped(IN_AIR, [], TABLE)
    assert fallen.centre == pytest.approx([0.7, 0.0, 0.025])
    assert np.sqrt(np.diag(fallen.covariance - IN_AIR.covariance)) == pytest.approx([0.1, 0.1, 0.0])
    assert fallen.points[:, 2].min() == pytest.approx(IN_AIR.points[:, 2].min() - 0.2, abs=1e-6)


def test_it_falls_on_what_is_under_its_middle() -> None:
    under = box(np.array([0.72, 0.01, 0.03]), (0.08, 0.08, 0.06))
    beside, above = (replace(under, centre=np.array(centre)) for centre in ([0.8, 0.0, 0.03], [0.7, 0.0, 0.4]))
    assert dropped(IN_AIR, [beside, under, above], TABLE).centre[2] == pytest.approx(0.06 + 0.025)
    assert dropped(IN_AIR, [beside, above], TABLE).centre[2] == pytest.approx(0.025)


def test_what_was_put_down_stays_and_so_does_all_without_a_table() -> None:
    under = box(np.array([0.7, 0.0, 0.095]), (0.08, 0.08, 0.19))
    assert dropped(IN_AIR, [under], TABLE) is IN_AIR
    assert dropped(replace(IN_AIR, centre=np.array([0.7, 0.0, 0.04])), [], TABLE).centre[2] == 0.04
    assert dropped(IN_AIR, [], None) is IN_AIR


@pytest.mark.parametrize("knows_table", [True, False])
def test_a_hand_that_opens_out_of_sight_lets_it_fall(knows_table: bool) -> None:
    camera, pose = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5), camera_over_table(40.0, height_m=0.6)
    memory, down = ObjectMemory(MemoryConfig()), Rotation.from_euler("x", 180, degrees=True).as_matrix()
    plane = np.append(pose.rotation[:, 2], -pose.rotation[:, 2] @ pose.translation) if knows_table else None
    hidden = []
    for index, opening in enumerate((0.026, 0.026, 0.026, 0.026, 0.04)):
        seen = [placed(IN_AIR, pose)] if index < 3 else []
        blank = np.zeros((120, 160, 3), np.uint8), np.full((120, 160), 0.3, np.float32)
        frame = RGBDFrame(index * STEP_NS, *blank, camera, "camera")
        tool = pose @ RigidTransform(down, IN_AIR.centre)
        robot = np.full((120, 160), index >= 3)
        _, hidden = memory.update(seen, frame, RigidTransform.identity(), tool, robot, opening_m=opening, plane=plane)
    (thing,) = hidden
    height_m = float((pose.inverse().apply(thing.centre))[2])
    assert height_m == pytest.approx(0.025 if knows_table else 0.225, abs=1e-6)


def test_what_stopped_it_on_its_way_is_near_the_way() -> None:
    fallen = dropped(IN_AIR, [], TABLE)
    points = np.array([[0.7, 0.0, 0.1], [0.74, 0.03, 0.1], [0.7, 0.0, 0.0], [0.7, 0.0, 0.325]])
    assert off_fall(points, IN_AIR, fallen) == pytest.approx([0.0, 0.05, 0.025, 0.1])
    assert off_fall(points[:1], IN_AIR, IN_AIR) == pytest.approx([0.125])


def test_a_thing_that_a_hidden_ledge_stopped_is_the_one_that_fell() -> None:
    camera, pose = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5), camera_over_table(40.0, height_m=0.6)
    memory, down = ObjectMemory(MemoryConfig()), Rotation.from_euler("x", 180, degrees=True).as_matrix()
    plane = np.append(pose.rotation[:, 2], -pose.rotation[:, 2] @ pose.translation)
    on_ledge = box(np.array([0.71, 0.0, 0.115]), (0.05, 0.05, 0.05), label="red block")
    ids = []
    for index, opening in enumerate((0.026, 0.026, 0.026, 0.026, 0.04, 0.04)):
        thing = IN_AIR if index < 3 else on_ledge
        seen = [placed(thing, pose)] if index not in (3, 4) else []
        blank = np.zeros((120, 160, 3), np.uint8), np.full((120, 160), 0.3, np.float32)
        frame = RGBDFrame(index * STEP_NS, *blank, camera, "camera")
        robot = np.full((120, 160), index in (3, 4))
        tool = pose @ RigidTransform(down, IN_AIR.centre)
        shown, _ = memory.update(seen, frame, RigidTransform.identity(), tool, robot, opening_m=opening, plane=plane)
        ids += [thing.id for thing in shown]
    assert ids == [1, 1, 1, 1]
