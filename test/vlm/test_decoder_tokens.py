"""Object tokens: what a row of features says of a thing, and what becomes of things that cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, scene, tool

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.vlm.embedded.object_tokens import AWAY, FIELDS, NUM_FEATURES, RIGHT, UP, object_tokens

POSE = camera_over_table(pitch_deg=50.0, roll_deg=8.0, height_m=0.7)


def on_table(x: float, y: float, size: tuple[float, float, float], yaw_deg: float = 0.0, number: int = 1) -> SceneObject:
    """A box on the table, in the camera's frame; x away, y left, in the canonical frame."""
    turned = Rotation.from_euler("z", yaw_deg, degrees=True).as_matrix()
    return box(POSE.apply([x, y, size[2] / 2]), size, POSE.rotation @ turned, number=number)


def table_scene(**things: SceneObject) -> Scene:
    return scene(dict(things), POSE)


def get(row: np.ndarray, name: str) -> np.ndarray:
    return row[FIELDS[name]]


def test_a_row_tells_place_size_and_deviation_in_the_viewers_directions() -> None:
    thing = on_table(0.5, 0.2, (0.08, 0.04, 0.1), 30.0)
    rows, valid = object_tokens(table_scene(a=thing), [thing])
    assert rows.shape == (1, NUM_FEATURES) and rows.dtype == np.float32 and valid.tolist() == [True]
    row = rows[0]
    # Right is against the canonical y, up from the camera at 0.7 m.
    np.testing.assert_allclose(get(row, "position"), [-0.2, 0.5, 0.05 - 0.7], atol=1e-6)
    np.testing.assert_allclose(get(row, "height"), [0.05], atol=1e-6)
    np.testing.assert_allclose(get(row, "extents"), [0.08, 0.04, 0.1], atol=1e-6)
    c, s = np.cos(np.deg2rad(30)), np.sin(np.deg2rad(30))
    np.testing.assert_allclose(get(row, "box"), [0.08 * s + 0.04 * c, 0.08 * c + 0.04 * s, 0.1], atol=1e-6)
    np.testing.assert_allclose(get(row, "std"), 0.002, atol=1e-7)
    assert get(row, "kind").tolist() == [1, 1, 1, 1, 1]


def test_the_reach_of_a_surface_gives_the_registrys_width_and_height() -> None:
    thing = on_table(0.6, -0.1, (0.12, 0.05, 0.07), 20.0)
    shown = table_scene(a=thing)
    reach = get(object_tokens(shown, [thing])[0][0], "reach")
    assert 2 * reach[RIGHT] == pytest.approx(RELATIONS["width"].measure(shown, thing).value, abs=1e-5)
    assert 2 * reach[UP] == pytest.approx(RELATIONS["height"].measure(shown, thing).value, abs=1e-5)
    assert 2 * reach[AWAY] == pytest.approx(get(object_tokens(shown, [thing])[0][0], "box")[1], abs=1e-5)


def test_who_looks_turns_the_directions() -> None:
    thing = on_table(0.5, 0.2, (0.05, 0.05, 0.05))
    # A frame that looks along the table to the camera's left.
    frame = POSE @ RigidTransform(Rotation.from_euler("z", 90, degrees=True).as_matrix(), np.zeros(3))
    seen = replace(table_scene(a=thing), views={"robot": frame}).seen_from("robot")
    assert isinstance(seen, Scene)
    np.testing.assert_allclose(get(object_tokens(seen, [thing])[0][0], "position"), [0.5, 0.2, 0.05 / 2 - 0.7], atol=1e-6)


def test_without_up_the_optical_axes_are_taken_and_said() -> None:
    thing = box([0.1, 0.2, 0.8])
    row = object_tokens(scene({"a": thing}), [thing])[0][0]
    np.testing.assert_allclose(get(row, "position"), [0.1, 0.8, -0.2], atol=1e-6)
    assert get(row, "kind").tolist() == [1, 1, 1, 0, 0] and get(row, "height") == 0


def test_a_tool_is_a_point_without_size_that_no_camera_sees() -> None:
    gripper = tool([0.0, 0.1, 0.6])
    row = object_tokens(table_scene(gripper=gripper), [gripper])[0][0]
    assert get(row, "kind")[:2].tolist() == [0, 0]
    assert not get(row, "extents").any() and not get(row, "reach").any() and get(row, "size") == 0
    assert get(row, "sight").tolist() == [0, 0, 0]


def test_things_that_are_hidden_or_cut_are_marked() -> None:
    thing = replace(on_table(0.5, 0.0, (0.05, 0.05, 0.05)), status=Status.OCCLUDED, truncated=True, visible_share=0.4)
    row = object_tokens(table_scene(a=thing), [thing])[0][0]
    assert get(row, "kind")[2] == 0
    np.testing.assert_allclose(get(row, "sight"), [0.4, 1, 1])


@pytest.mark.parametrize("field", ["centre", "extents", "axes"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_thing_whose_place_or_size_is_no_number_is_invalid_and_all_zeros(field: str, wrong: float) -> None:
    good = on_table(0.5, 0.1, (0.05, 0.05, 0.05))
    value = np.array(getattr(good, field), np.float64)
    value.flat[1] = wrong
    bad = replace(good, **{field: value})
    with np.errstate(all="ignore"):
        rows, valid = object_tokens(table_scene(a=good), [bad, good])
    assert valid.tolist() == [False, True]
    assert not rows[0].any() and np.isfinite(rows).all()


def test_other_numbers_that_are_not_known_become_zeros_and_far_ones_are_cut() -> None:
    odd = replace(
        on_table(0.5, 0.1, (0.05, 0.05, 0.05)),
        covariance=np.full((3, 3), np.nan),
        extents_std=np.full(3, np.inf),
        point_std_m=np.nan,
    )
    far = box([0.0, 0.0, 1e6], number=2)
    with np.errstate(all="ignore"):
        rows, valid = object_tokens(table_scene(a=odd), [odd, far])
    assert valid.all() and np.isfinite(rows).all() and np.abs(rows).max() <= 20.0


def test_no_things_give_no_rows() -> None:
    rows, valid = object_tokens(table_scene(), [])
    assert rows.shape == (0, NUM_FEATURES) and valid.shape == (0,)
