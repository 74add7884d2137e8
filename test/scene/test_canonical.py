"""The canonical frame is REP 103's for any camera: x forward, y left, z up, origin on the plane. Roll is where others fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene

from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Canonical

pitches, rolls, heights = st.floats(-80, 80), st.floats(-45, 45), st.floats(0.2, 2.0)


def found_from_plane(pitch: float, roll: float, height: float, source: str = "plane") -> Canonical:
    """The frame as the engine makes it: out of up and a plane in the optical frame."""
    pose = camera_over_table(pitch, roll, height)
    up = pose.rotation[:, 2]
    plane = np.append(up, -up @ pose.translation)
    canonical = canonical_from_up(up, plane, 0.002, source)
    assert canonical is not None
    return canonical


@given(pitches, rolls, heights)
def test_it_is_the_pose_that_the_camera_was_given(pitch: float, roll: float, height: float) -> None:
    canonical = found_from_plane(pitch, roll, height)
    assert np.allclose(canonical.scene_from_canonical.matrix(), camera_over_table(pitch, roll, height).matrix(), atol=1e-9)
    assert canonical.source == "plane" and canonical.tilt_std_rad == 0.002


@given(pitches, rolls, heights)
def test_it_is_right_handed_with_its_origin_on_the_plane_below_the_camera(pitch: float, roll: float, height: float) -> None:
    canonical = found_from_plane(pitch, roll, height)
    pose = canonical.scene_from_canonical
    assert np.allclose(pose.rotation.T @ pose.rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose.rotation) == pytest.approx(1)
    # The camera, at the optical frame's origin, stands straight above the canonical origin.
    assert np.allclose(pose.inverse().apply([0, 0, 0]), [0, 0, height], atol=1e-9)
    assert np.allclose(canonical.up, pose.rotation[:, 2])


@given(st.floats(-80, 80), rolls)
def test_what_the_image_shows_ahead_lies_at_positive_x(pitch: float, roll: float) -> None:
    pose = found_from_plane(pitch, roll, 1.0).scene_from_canonical.inverse()
    assert pose.apply([0, 0, 2.0])[0] > 0  # along the optical axis: forward, not backward
    assert abs(pose.apply([0, 0, 2.0])[1]) < 1e-9


@given(st.floats(-60, 60), st.floats(-44, 44))
def test_what_the_image_shows_left_and_high_is_left_and_high(pitch: float, roll: float) -> None:
    pose = found_from_plane(pitch, roll, 1.0).scene_from_canonical.inverse()
    middle = pose.apply([0, 0, 1.0])
    assert pose.apply([-0.1, 0, 1.0])[1] > middle[1]  # optical x points right
    assert pose.apply([0, -0.1, 1.0])[2] > middle[2]  # optical y points down


# Offsets in the canonical frame (forward, left, up) and what is true of the thing there, seen from the viewer.
PLACES = {
    "left": (0.0, 0.1, 0.0),
    "right": (0.0, -0.1, 0.0),
    "behind": (0.1, 0.0, 0.0),
    "front": (-0.1, 0.0, 0.0),
    "above": (0.0, 0.0, 0.1),
    "below": (0.0, 0.0, -0.1),
}
OPPOSITE = {"left": "right", "behind": "front", "above": "below"} | {"right": "left", "front": "behind", "below": "above"}


@pytest.mark.parametrize("pitch", [-30, 0, 15, 45, 75])
@pytest.mark.parametrize("roll", [-45, -20, 0, 10, 45])
def test_six_directions_have_the_right_sign_under_pitch_and_roll(pitch: float, roll: float) -> None:
    pose = camera_over_table(pitch, roll, 0.8)
    middle = np.array([0.9, 0.05, 0.3])
    here = placed(box(middle), pose)
    view = scene({}, found_from_plane(pitch, roll, 0.8).scene_from_canonical)
    for name, offset in PLACES.items():
        there = placed(box(middle + offset, number=2), pose)
        assert RELATIONS[name].measure(view, there, here).value > 0.999, name
        assert RELATIONS[name].measure(view, here, there).value < 0.001, name
        assert RELATIONS[OPPOSITE[name]].measure(view, there, here).value < 0.001, name
        # Nothing can be said across the offset.
        others = [other for other in PLACES if other not in (name, OPPOSITE[name])]
        assert all(0.4 < RELATIONS[other].measure(view, there, here).value < 0.6 for other in others), name


@pytest.mark.parametrize("pitch", [89.5, 90.0])
def test_a_camera_that_looks_straight_down_has_its_image_top_ahead(pitch: float) -> None:
    pose = found_from_plane(pitch, 0.0, 0.7).scene_from_canonical.inverse()
    assert pose.apply([0, -0.1, 0.7])[0] > 0.09
    assert pose.apply([-0.1, 0, 0.7])[1] > 0.09


def test_up_need_not_have_unit_length() -> None:
    up = camera_over_table(30, 10).rotation[:, 2]
    long = canonical_from_up(7 * up, None, 0.01, "tf")
    unit = canonical_from_up(up, None, 0.01, "tf")
    assert long is not None and unit is not None
    assert np.allclose(long.scene_from_canonical.matrix(), unit.scene_from_canonical.matrix())


def test_without_a_plane_the_origin_is_the_camera() -> None:
    canonical = canonical_from_up(camera_over_table(30, 10).rotation[:, 2], None, 0.01, "tf")
    assert canonical is not None and canonical.source == "tf"
    assert np.array_equal(canonical.scene_from_canonical.translation, np.zeros(3))


@pytest.mark.parametrize(("source", "std"), [("imu", 0.02), ("tf", 0.009), ("plane", 0.002)])
def test_it_says_where_up_comes_from_and_how_well_it_is_known(source: str, std: float) -> None:
    canonical = canonical_from_up(camera_over_table(30, 10).rotation[:, 2], None, std, source)
    assert canonical is not None and (canonical.source, canonical.tilt_std_rad) == (source, std)


def test_gravity_of_tf_moves_the_origin_along_gravity_onto_a_tilted_plane() -> None:
    up, normal = camera_over_table(30).rotation[:, 2], camera_over_table(33).rotation[:, 2]
    canonical = canonical_from_up(up, np.append(normal, 0.8), 0.01, "tf")
    assert canonical is not None
    origin = canonical.scene_from_canonical.translation
    assert normal @ origin + 0.8 == pytest.approx(0, abs=1e-12)
    assert np.allclose(np.cross(origin, up), 0, atol=1e-12)


@given(pitches, rolls, st.floats(-1, 1), st.floats(-1, 1))
def test_an_error_of_up_turns_the_frame_about_its_tilt_axes(pitch: float, roll: float, about_x: float, about_y: float) -> None:
    canonical = found_from_plane(pitch, roll, 1.0)
    rotation, step = canonical.scene_from_canonical.rotation, 1e-5
    turned_up = canonical.up + np.cross(step * (about_x * rotation[:, 0] + about_y * rotation[:, 1]), canonical.up)
    other = canonical_from_up(turned_up, None, 0.002, "tf")
    assert other is not None
    told = Rotation.from_rotvec(step * (np.array([about_x, about_y]) @ canonical.tilt_axes)).as_matrix() @ rotation
    steep = 1 + abs(canonical.turn)
    assert np.allclose(other.scene_from_canonical.rotation, told, atol=20 * (step * steep) ** 2)
    # A frame that did not turn would not pass.
    if abs(about_x) > 0.5 and abs(canonical.turn) > 0.5:
        assert not np.allclose(rotation, told, atol=20 * (step * steep) ** 2)
