"""Rendering of scenes against geometry worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.frame import FrameError
from spatialvlm_ros.simulation import solids
from spatialvlm_ros.simulation.random_layout import rotation_about_z
from spatialvlm_ros.simulation.random_scene import (
    Light,
    RandomScene,
    SceneSampling,
    StructurePart,
    Texture,
    Thing,
    random_scene,
)
from spatialvlm_ros.simulation.raycast import OPTICAL_FRAME, STRUCTURE_LABEL, SUPPORT_LABEL, cast_depth, frame_of, render

CAMERA = CameraModel(160, 120, 140.0, 140.0, 79.5, 59.5)
PLAIN = Texture("plain", 0.1, 0.0, np.zeros(3, np.uint8))
# A camera in the world's axes: looks along +x, its right is -y.
ALONG_X = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def block(
    name: str, color: tuple[int, int, int], size_m: tuple[float, float, float], middle_m: tuple[float, float, float]
) -> Thing:
    pose = RigidTransform(np.eye(3), np.array(middle_m))
    return Thing(name, "block", np.array(color, np.uint8), PLAIN, solids.box(size_m), pose)


def scene_of(*things: Thing, camera: CameraModel = CAMERA, lamp_m: tuple[float, float, float] = (0.4, 0.0, 1.5)) -> RandomScene:
    """Things on a floor at z = 0 before a wall at x = 2, seen from 0.3 m above the origin."""
    slab = RigidTransform(np.eye(3), np.array([0.0, 0.0, -0.05]))
    upright = RigidTransform(np.eye(3), np.array([2.05, 0.0, 0.0]))
    pale = np.full(3, 200, np.uint8)
    structure = (
        StructurePart("floor", pale, PLAIN, solids.box((10.0, 10.0, 0.1)), slab, is_support=True),
        StructurePart("wall", pale, PLAIN, solids.box((0.1, 1.0, 1.0)), upright),
    )
    light = Light(np.array(lamp_m), 0.05, 0.3, np.ones(3))
    eye = RigidTransform(ALONG_X, np.array([0.0, 0.0, 0.3]))
    return RandomScene(0, "floor", things, structure, eye, camera, 0.0, light)


FRONT = block("red block", (200, 30, 30), (0.1, 0.1, 0.2), (0.8, 0.0, 0.1))
BEHIND = block("blue block", (30, 60, 200), (0.1, 0.2, 0.3), (1.2, 0.0, 0.15))


def test_depth_of_a_box_is_that_of_its_front() -> None:
    pose = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0]))
    depth = cast_depth(solids.box((0.4, 0.2, 0.3)), pose, CAMERA)
    seen = np.isfinite(depth)
    assert np.allclose(depth[seen], 0.85, atol=1e-6)
    # Pixel centres within +-0.2 and +-0.1 at 0.85 m.
    x, y = CAMERA.rays[..., 0] * 0.85, CAMERA.rays[..., 1] * 0.85
    assert np.array_equal(seen, (np.abs(x) < 0.2) & (np.abs(y) < 0.1))


def test_depth_of_a_slanted_plane() -> None:
    angle = 0.6
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    depth = cast_depth(solids.box((4.0, 4.0, 0.02)), RigidTransform(turn, np.array([0.0, 0.0, 1.0])), CAMERA)
    normal = turn[:, 2]
    offset = normal @ (0, 0, 1.0) - 0.01
    rays = np.dstack([CAMERA.rays, np.ones(CAMERA.rays.shape[:2])])
    assert np.allclose(depth, offset / (rays @ normal), rtol=1e-6, atol=0)


def test_depth_of_a_ball() -> None:
    middle, radius = np.array([0.05, -0.03, 0.6]), 0.1
    depth = cast_depth(solids.sphere(radius), RigidTransform(np.eye(3), middle), CAMERA)
    rays = np.dstack([CAMERA.rays, np.ones(CAMERA.rays.shape[:2])]).astype(np.float64)
    a, b, c = (rays**2).sum(axis=-1), rays @ middle, middle @ middle - radius**2
    inside = b * b - a * c > 0
    truth = (b - np.sqrt(np.where(inside, b * b - a * c, 0))) / a
    seen = np.isfinite(depth)
    assert (seen & ~inside).sum() == 0 and (inside & ~seen).sum() < 0.01 * inside.sum()
    core = seen & (b * b - a * c > 0.1 * (b * b - a * c).max())
    # The polyhedron lies within the ball by at most r (1 - cos^2(pi / 64)) = 0.24 mm, more along a slanted ray.
    error = depth[core] - truth[core]
    assert error.min() > -1e-6 and error.max() < 0.0009


def test_labels_and_depth_of_a_scene() -> None:
    rendering = render(scene_of(FRONT))
    labels, depth = rendering.labels, rendering.depth_m
    assert set(np.unique(labels)) == {1, SUPPORT_LABEL, STRUCTURE_LABEL, 0}
    assert np.array_equal(np.isnan(depth), labels == 0)
    assert depth.dtype == np.float32 and labels.dtype == np.int32 and rendering.color.dtype == np.uint8
    x, y = CAMERA.rays[..., 0], CAMERA.rays[..., 1]
    front = (np.abs(x * 0.75) < 0.05) & (np.abs(y * 0.75 - 0.2) < 0.1)
    assert np.array_equal(labels[front], np.ones(front.sum()))
    assert np.allclose(depth[front], 0.75, atol=1e-6)
    ground = labels == SUPPORT_LABEL
    assert np.allclose(depth[ground], 0.3 / y[ground], rtol=1e-5)
    assert np.allclose(depth[labels == STRUCTURE_LABEL], 2.0, atol=1e-6)


def test_what_stands_in_front_hides_what_is_behind() -> None:
    alone, both = render(scene_of(BEHIND)), render(scene_of(FRONT, BEHIND))
    hidden = (alone.labels == 1) & (both.labels == 1)
    assert both.full_pixels[1] == alone.full_pixels[0] == (alone.labels == 1).sum()
    assert both.full_pixels[0] == (both.labels == 1).sum()
    assert 0 < hidden.sum() < alone.full_pixels[0]
    assert (both.labels == 2).sum() == alone.full_pixels[0] - hidden.sum()


def test_silhouettes_go_on_beyond_the_image() -> None:
    """What a cut-off thing would cover is what a larger image of the same camera shows of it."""
    half_out = block("red block", (200, 30, 30), (0.1, 0.3, 0.2), (0.6, 0.4, 0.1))
    wide = CameraModel(160 + 2 * 120, 120 + 2 * 60, 140.0, 140.0, 79.5 + 120, 59.5 + 60)
    cut, whole = render(scene_of(half_out)), render(scene_of(half_out, camera=wide))
    assert 0 < (cut.labels == 1).sum() < 0.9 * cut.full_pixels[0]
    assert cut.full_pixels[0] == whole.full_pixels[0] == (whole.labels == 1).sum()


def test_what_is_behind_the_camera_covers_nothing() -> None:
    rendering = render(scene_of(block("red block", (200, 30, 30), (0.1, 0.1, 0.1), (-0.5, 0.0, 0.3))))
    assert rendering.full_pixels.tolist() == [0]
    assert not (rendering.labels == 1).any()


def test_the_room_is_seen_from_within_a_solid_too() -> None:
    scene = scene_of()
    hull = StructurePart("carton", np.full(3, 90, np.uint8), PLAIN, solids.box((2.0, 2.0, 2.0)), RigidTransform.identity())
    rendering = render(dataclasses.replace(scene, structure=(*scene.structure, hull)))
    middle = rendering.depth_m[40:60, 70:90]
    assert np.allclose(middle, 1.0, atol=1e-6)


def test_bytes_repeat() -> None:
    scene = random_scene(5)
    first, second = render(scene), render(scene)
    for field in dataclasses.fields(first):
        assert getattr(first, field.name).tobytes() == getattr(second, field.name).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_random_scenes_agree_with_their_truth(seed: int) -> None:
    scene = random_scene(seed)
    rendering = render(scene)
    world = scene.world_from_camera.apply(scene.camera.back_project(rendering.depth_m))
    assert np.abs(world[rendering.labels == SUPPORT_LABEL][:, 2] - scene.support_height_m).max() < 0.05
    top = world[rendering.labels == SUPPORT_LABEL][:, 2]
    # All but the edges of the table top are its upper side.
    assert (np.abs(top - scene.support_height_m) < 1e-4).mean() > 0.9
    for index, thing in enumerate(scene.things):
        seen = rendering.labels == index + 1
        assert seen.sum() <= rendering.full_pixels[index]
        local = thing.world_from_thing.inverse().apply(world[seen])
        assert (np.abs(local) <= thing.mesh.extents_m() / 2 + 1e-5).all()


@pytest.mark.parametrize("kind", ["wall_only", "boxes_only_vertical"])
def test_no_level_surface_is_in_view_where_none_shall_be(kind: str) -> None:
    for seed in range(4):
        scene = random_scene(seed, SceneSampling(support_weights={kind: 1.0}, pitch_deg=(-60, 60), roll_deg=(-45, 45)))
        rendering = render(scene)
        assert not (rendering.labels == SUPPORT_LABEL).any()
        structure = rendering.labels == STRUCTURE_LABEL
        assert structure.mean() > 0.3
        heights = scene.world_from_camera.apply(scene.camera.back_project(rendering.depth_m))[structure][:, 2]
        low, high = (f([part.vertices_world()[:, 2] for part in scene.structure]) for f in (np.min, np.max))
        assert heights.min() > low + 1e-3 and heights.max() < high - 1e-3


def test_colours_can_be_told() -> None:
    rendering = render(scene_of(FRONT, BEHIND))
    red, blue = (np.median(rendering.color[rendering.labels == label], axis=0) for label in (1, 2))
    assert red[0] > 1.8 * max(red[1], red[2]) and blue[2] > 1.5 * max(blue[0], blue[1])


def test_things_cast_shadows() -> None:
    """A board over the floor, beneath the lamp: what lies under it is darker than it is without the board."""
    board = block("red block", (200, 30, 30), (0.3, 0.3, 0.02), (0.9, 0.0, 0.5))
    lamp = (0.9, 0.0, 1.5)
    open_air, shaded = render(scene_of(lamp_m=lamp)), render(scene_of(board, lamp_m=lamp))
    u, v = (int(value) for value in CAMERA.project(np.array([[0.0, 0.3, 0.9]]))[0])
    window = (slice(v - 2, v + 3), slice(u - 2, u + 3))
    assert (shaded.labels[window] == SUPPORT_LABEL).all()
    assert shaded.color[window].mean() < 0.75 * open_air.color[window].mean()


def test_gloss_shines_and_patterns_show() -> None:
    plain = block("red block", (120, 20, 20), (0.2, 0.4, 0.2), (0.8, 0.0, 0.1))
    striped = dataclasses.replace(plain, texture=Texture("stripes", 0.05, 0.8, np.full(3, 220, np.uint8)))
    glossy = dataclasses.replace(plain, texture=Texture("plain", 0.05, 0.0, np.zeros(3, np.uint8), gloss=0.9))
    lamp = (0.0, 0.2, 0.4)
    without, stripes, shine = (render(scene_of(thing, lamp_m=lamp)) for thing in (plain, striped, glossy))
    # The front alone: top and front differ in brightness anyway.
    seen = (without.labels == 1) & (without.depth_m < 0.701)
    assert stripes.color[seen][:, 1].std() > 2 * without.color[seen][:, 1].std()
    assert np.percentile(shine.color[seen], 99) > np.percentile(without.color[seen], 99) + 20


def test_frames() -> None:
    scene = random_scene(1, SceneSampling(width_px=(160, 160), height_px=(120, 120), fx_px=(140, 140)))
    rendering = render(scene)
    frame = frame_of(scene, rendering, stamp_ns=7)
    assert (frame.stamp_ns, frame.frame_id, frame.camera) == (7, OPTICAL_FRAME, scene.camera)
    assert frame.depth_m is rendering.depth_m and frame.color is rendering.color
    other = rendering.depth_m + np.float32(0.1)
    assert frame_of(scene, rendering, other).depth_m is other
    with pytest.raises(FrameError):
        frame_of(scene, rendering, other[1:])


def test_a_camera_with_distortion_is_refused() -> None:
    bent = CameraModel(160, 120, 140.0, 140.0, 79.5, 59.5, (0.1, 0, 0, 0, 0), "plumb_bob")
    with pytest.raises(ValueError, match="distortion"):
        render(scene_of(FRONT, camera=bent))
    with pytest.raises(ValueError, match="distortion"):
        cast_depth(solids.sphere(0.1), RigidTransform(rotation_about_z(0.0), np.array([0, 0, 1.0])), bent)
