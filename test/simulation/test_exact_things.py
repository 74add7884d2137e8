"""True things as the engine's objects: boxes, surfaces and distances of the meshes themselves."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_solids import Solid, surface_gap
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import Source
from spatialvlm_ros.scene.relation import nearest_points
from spatialvlm_ros.simulation.exact_things import CELL_M, exact_scene, exact_thing, surface_points
from spatialvlm_ros.simulation.random_scene import random_scene
from spatialvlm_ros.simulation.solids import box

SCENE = random_scene(3)
EVERYTHING = exact_scene(SCENE, range(len(SCENE.things)), frame_id="camera")


def test_the_box_of_a_turned_block_is_the_block() -> None:
    mesh = box((0.08, 0.05, 0.12))
    c, s = np.cos(0.4), np.sin(0.4)
    placed = mesh.vertices @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]).T + [0.3, -0.2, 0.5]
    thing = exact_thing(4, "block", placed, mesh.triangles, RigidTransform.identity(), std_m=0.001)
    assert np.allclose(thing.centre, [0.3, -0.2, 0.5]) and np.allclose(sorted(thing.extents), [0.05, 0.08, 0.12])
    assert thing.extents[2] == pytest.approx(0.12) and np.allclose(thing.axes[:, 2], [0, 0, 1])
    assert thing.source is Source.GROUND_TRUTH and np.allclose(thing.covariance, 1e-6 * np.eye(3))


def test_points_lie_all_over_the_surface_and_nothing_is_mirrored() -> None:
    mesh = box((0.1, 0.1, 0.1))
    points = surface_points(mesh.vertices, mesh.vertices[mesh.triangles])
    assert np.allclose(np.abs(points).max(axis=1), 0.05)
    # No point of any face is farther from one of them than a cell's diagonal.
    probe = np.random.default_rng(0).uniform(-0.05, 0.05, (300, 3))
    probe[:, 0] = 0.05
    nearest = np.linalg.norm(probe[:, None] - points[None], axis=2).min(axis=1)
    assert nearest.max() < CELL_M * np.sqrt(3)
    thing = EVERYTHING.objects[0]
    assert len(thing.surface) == len(thing.points)


def test_a_scene_has_its_things_in_the_optical_frame() -> None:
    camera_from_world = SCENE.world_from_camera.inverse()
    for at, (thing, true) in enumerate(zip(EVERYTHING.objects, SCENE.things, strict=True)):
        assert thing.id == at + 1 and thing.label == true.name
        vertices = camera_from_world.apply(true.vertices_world())
        inside = np.abs((vertices - thing.centre) @ thing.axes) <= thing.extents / 2 + 1e-9
        assert inside.all()
    canonical = EVERYTHING.canonical
    assert canonical is not None and canonical.source == "truth"
    assert np.allclose(SCENE.world_from_camera.rotation @ canonical.up, [0, 0, 1])
    assert EVERYTHING.frame_id == "camera"


def test_nearest_points_are_those_of_all_points_and_of_the_meshes() -> None:
    solids = [Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles) for thing in SCENE.things]
    for i, a in enumerate(EVERYTHING.objects):
        for j, b in enumerate(EVERYTHING.objects):
            if i == j:
                continue
            on_a, on_b = nearest_points(a, b)
            distance = float(np.linalg.norm(on_a - on_b))
            assert distance == pytest.approx(float(np.min(b.surface_tree.query(a.surface)[0])), abs=1e-12)
            gap = surface_gap(solids[i], solids[j])[0]
            assert gap - 1e-6 <= distance < gap + 0.003
