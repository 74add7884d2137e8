"""The benchmark's truths: by hand where a formula exists, by other means where not, and against the registry on ideal things."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.evaluation.engine_solids import (
    Solid,
    inside_outline,
    narrowest,
    nearest_on_triangles,
    outlines_apart,
    room_inside,
    smallest_rectangle,
    surface_gap,
)
from spatialvlm_ros.evaluation.engine_truth import TRUTHS, TrueScene
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.simulation import solids

SUPPORT_M = 0.4


def turned(yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def solid(mesh: solids.Mesh, at: tuple[float, float, float], yaw: float = 0.0) -> Solid:
    return Solid("thing", "shape", mesh.vertices @ turned(yaw).T + at, mesh.triangles)


def block(size: tuple[float, float, float], x: float, y: float, bottom: float = 0.0, yaw: float = 0.0) -> Solid:
    return solid(solids.box(size), (x, y, SUPPORT_M + bottom + size[2] / 2), yaw)


def camera(pitch_deg: float = -40.0, yaw: float = 0.0, roll: float = 0.0) -> RigidTransform:
    """Looks along +x of the world when yaw is 0."""
    pitch = math.radians(pitch_deg)
    sight = np.array([math.cos(pitch), 0.0, math.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    down = np.cross(sight, right)
    c, s = math.cos(roll), math.sin(roll)
    rotation = np.column_stack([c * right + s * down, -s * right + c * down, sight])
    return RigidTransform(turned(yaw) @ rotation, turned(yaw) @ np.array([-0.6, 0.0, SUPPORT_M + 0.5]))


def scene_of(*things: Solid, world_from_camera: RigidTransform | None = None) -> TrueScene:
    seen = np.concatenate([thing.samples for thing in things])
    return TrueScene(things, SUPPORT_M, world_from_camera or camera(), seen)


def test_every_relation_of_the_registry_has_a_truth() -> None:
    assert set(RELATIONS) <= set(TRUTHS)


# -- tools ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_nearest_point_of_triangles_is_the_best_of_a_dense_grid(seed: int) -> None:
    generator = np.random.default_rng(seed)
    faces, point = generator.normal(size=(4, 3, 3)), generator.normal(size=3)
    found = nearest_on_triangles(point, faces)
    u, v = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201)))
    inside = u + v <= 1
    weights = np.column_stack([1 - u - v, u, v])[inside]
    best = min(float(np.linalg.norm(weights @ face - point, axis=1).min()) for face in faces)
    assert float(np.linalg.norm(found - point)) == pytest.approx(best, abs=0.02)
    assert float(np.linalg.norm(found - point)) <= best + 1e-12


def test_gaps_that_have_a_formula() -> None:
    ball, other = solid(solids.sphere(0.05), (0, 0, 0)), solid(solids.sphere(0.03), (0.2, 0.1, -0.02))
    assert surface_gap(ball, other)[0] == pytest.approx(math.sqrt(0.2**2 + 0.1**2 + 0.02**2) - 0.08, abs=2e-4)
    corner, far = block((0.1, 0.1, 0.1), 0, 0), block((0.1, 0.1, 0.1), 0.3, 0.2, bottom=0.25)
    gap, on_a, on_b = surface_gap(corner, far)
    assert gap == pytest.approx(math.sqrt(0.2**2 + 0.1**2 + 0.15**2), abs=1e-9)
    np.testing.assert_allclose(on_a, (0.05, 0.05, SUPPORT_M + 0.1), atol=1e-9)
    np.testing.assert_allclose(on_b, (0.25, 0.15, SUPPORT_M + 0.25), atol=1e-9)
    assert surface_gap(corner, block((0.04, 0.04, 0.04), 0.01, 0.02, bottom=0.1))[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_gap_of_crooked_things_is_that_of_their_points(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mug = solid(solids.mug(0.04, 0.1), (0, 0, 0.05), generator.uniform(0, 6))
    bracket = solid(solids.l_block(0.1, 0.08, 0.05, 0.02), (*generator.uniform(0.08, 0.2, 2), 0.04), generator.uniform(0, 6))
    apart = min(float(np.linalg.norm(bracket.samples - point, axis=1).min()) for point in mug.samples)
    gap = surface_gap(mug, bracket)[0]
    assert gap <= apart + 1e-12 and gap == pytest.approx(apart, abs=0.004)


@given(st.floats(0.02, 0.3), st.floats(0.02, 0.3), st.floats(-3, 3))
def test_smallest_rectangle_of_a_rectangle(long: float, short: float, yaw: float) -> None:
    corners = np.array([(long, short), (-long, short), (-long, -short), (long, -short), (0, 0)]) / 2
    middle, axes, size = smallest_rectangle(corners @ turned(yaw)[:2, :2].T + (1.0, -2.0))
    np.testing.assert_allclose(middle, (1.0, -2.0), atol=1e-9)
    np.testing.assert_allclose(np.sort(size), sorted((long, short)), atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)


def test_outlines() -> None:
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1.0)])
    assert inside_outline(np.array([0.5, 0.9]), square) and not inside_outline(np.array([0.5, 1.1]), square)
    assert narrowest(square) == pytest.approx(1)
    assert narrowest(square @ turned(0.3)[:2, :2].T) == pytest.approx(1)
    assert outlines_apart(square, square + 0.5) == 0
    assert outlines_apart(square, square + np.array([3, 0.2])) == pytest.approx(2)
    assert outlines_apart(square, square + np.array([4, 5])) == pytest.approx(5)
    assert room_inside(0.5 * square, square) == pytest.approx(0.25)
    diagonal = square @ turned(math.pi / 4)[:2, :2].T
    assert room_inside(0.5 * diagonal, square) == pytest.approx(0.25, abs=2e-3)
    assert room_inside(1.2 * square, square) == pytest.approx(-0.1)


# -- truths by hand ---------------------------------------------------------------------------------------------------------


def test_numbers_of_two_blocks() -> None:
    near = block((0.10, 0.04, 0.06), 0.0, 0.10)
    far = block((0.06, 0.08, 0.12), 0.3, -0.10, bottom=0.05)
    scene = scene_of(near, far)
    expected = {
        "distance": math.hypot(0.3, 0.2, 0.08), "horizontal_distance": math.hypot(0.3, 0.2), "vertical_distance": 0.08,
        "gap": math.hypot(0.22, 0.14), "path_width": math.hypot(0.22, 0.14),
        "left_difference": 0.2, "right_difference": -0.2, "behind_difference": -0.3, "front_difference": 0.3,
        "above_difference": -0.05, "below_difference": 0.05, "direction": math.atan2(0.2, -0.3),
        "left": 0.2, "right": -0.2, "behind": -0.3, "front": 0.3, "above": -0.08, "below": 0.08,
        "tall": -0.06, "short": 0.06, "wide": -0.04, "thin": 0.04,
        "big": (0.10 * 0.04 * 0.06) ** (1 / 3) - (0.06 * 0.08 * 0.12) ** (1 / 3),
    }  # fmt: skip
    for name, value in expected.items():
        assert TRUTHS[name](scene, near, far) == pytest.approx(value, abs=1e-9), name
        if name in ("left", "above", "behind", "tall", "wide", "big"):
            assert TRUTHS[f"which_{name}"](scene, near, far) == TRUTHS[name](scene, near, far)
    assert TRUTHS["left_or_right"](scene, near, far) == pytest.approx(0.2)
    assert TRUTHS["height"](scene, far) == pytest.approx(0.12)
    assert TRUTHS["width"](scene, near) == pytest.approx(0.04)
    assert TRUTHS["elevation"](scene, far) == pytest.approx(0.05)
    assert TRUTHS["nearest"](scene, near) == pytest.approx(math.hypot(0.3, 0.2, 0.08))
    assert TRUTHS["count"](scene) == 2


def test_contact_and_fit() -> None:
    base, lid = block((0.2, 0.1, 0.05), 0, 0), block((0.05, 0.05, 0.03), 0.06, 0.02, bottom=0.05)
    beside, floating = block((0.05, 0.05, 0.03), 0.13, 0.0), block((0.05, 0.05, 0.03), 0.0, 0.0, bottom=0.07)
    bowl = solid(solids.bowl(0.08, 0.06), (0.5, 0.5, SUPPORT_M + 0.03))
    ball = solid(solids.sphere(0.02), (0.5, 0.5, SUPPORT_M + 0.024))
    scene = scene_of(base, lid, beside, floating, bowl, ball)
    assert TRUTHS["on"](scene, lid, base) > 0 > TRUTHS["on"](scene, base, lid)
    assert TRUTHS["on"](scene, beside, base) < 0 and TRUTHS["on"](scene, floating, base) < 0
    assert TRUTHS["touching"](scene, beside, base) == pytest.approx(0.015 - 0.005)
    assert TRUTHS["contained"](scene, ball, bowl) > 0 > TRUTHS["contained"](scene, bowl, ball)
    assert TRUTHS["contained"](scene, lid, base) < 0
    assert TRUTHS["fits_into"](scene, ball, bowl) == pytest.approx(0.06 - 0.003, abs=1e-3)
    assert TRUTHS["fits_into"](scene, bowl, ball) < 0
    tool = Solid("gripper", "point", [(0.0, 0.06, SUPPORT_M + 0.02)], np.empty((0, 3)))
    assert TRUTHS["held"](scene, base, tool) == pytest.approx(0.005)
    assert TRUTHS["reachable"](scene, beside, base, 0.3) == pytest.approx(0.3 - 0.105)


def test_ways_between_things() -> None:
    left, right = block((0.1, 0.1, 0.1), 0, 0.2), block((0.1, 0.1, 0.3), 0, -0.2)
    middle, off = block((0.06, 0.2, 0.05), 0.02, 0.0, yaw=0.4), block((0.06, 0.06, 0.05), 0.3, 0.0)
    scene = scene_of(left, right, middle, off)
    assert TRUTHS["path_width"](scene, left, right) == pytest.approx(0.3)
    assert TRUTHS["fits_through"](scene, middle, left, right) == pytest.approx(0.3 - 0.06)
    assert TRUTHS["between"](scene, middle, left, right) > 0 > TRUTHS["between"](scene, off, left, right)
    assert TRUTHS["between"](scene, left, middle, right) < 0


def test_points_in_free_space() -> None:
    lone = block((0.1, 0.06, 0.04), 0, 0)
    scene = scene_of(lone)
    for word in ("above", "left", "right", "behind", "front"):
        assert TRUTHS[f"point_{word}"](scene, lone, 0.05) == pytest.approx(0.05, abs=0.002), word


# -- conventions ------------------------------------------------------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(-75, 40), st.floats(-0.6, 0.6))
def test_numbers_do_not_depend_on_where_north_is(yaw: float, pitch_deg: float, roll: float) -> None:
    sizes, places = ((0.1, 0.04, 0.06), (0.06, 0.08, 0.12)), ((0.0, 0.1), (0.3, -0.1))
    things = [block(size, *place, yaw=0.3) for size, place in zip(sizes, places, strict=True)]
    spun = [Solid("", "", thing.vertices @ turned(yaw).T, thing.triangles) for thing in things]
    before = TrueScene(tuple(things), SUPPORT_M, camera(pitch_deg, 0.0, roll))
    after = TrueScene(tuple(spun), SUPPORT_M, camera(pitch_deg, yaw, roll))
    for name in ("left_difference", "behind_difference", "wide", "direction", "between", "gap", "big", "horizontal_distance"):
        if RELATIONS[name].arity == 2:
            assert TRUTHS[name](after, *spun) == pytest.approx(TRUTHS[name](before, *things), abs=1e-7), name


def ideal(thing: Solid, scene: TrueScene, number: int) -> SceneObject:
    """What a perfect measurement of a true thing would be, in the camera's frame."""
    to_camera = scene.world_from_camera.inverse()
    middle, axes, size = thing.box
    upright = np.column_stack([np.append(axes[0], 0.0), np.append(axes[1], 0.0), [0.0, 0.0, 1.0]])
    return SceneObject(
        id=number, label="", score=1.0, centre=to_camera.apply(middle), covariance=1e-12 * np.eye(3),
        axes=to_camera.rotation @ upright, extents=size, extents_std=np.full(3, 1e-6), surface_point=to_camera.apply(middle),
        points=to_camera.apply(thing.samples).astype(np.float32), point_std_m=1e-6, visible_share=1.0, truncated=False,
        num_points=1000, last_seen_ns=0,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_the_registry_on_ideal_blocks_says_what_the_truth_says(seed: int) -> None:
    """Two formulations that share no code: a sign or an axis that differs in one of them shows here."""
    generator = np.random.default_rng(seed)
    pose = camera(float(generator.uniform(-75, 30)), float(generator.uniform(-3, 3)), float(generator.uniform(-0.7, 0.7)))
    things = [
        block(
            tuple(generator.uniform(0.03, 0.2, 3)), *generator.uniform(-0.4, 0.4, 2), float(generator.choice([0.0, 0.1])),
            float(generator.uniform(0, 3)),
        )
        for _ in range(3)
    ]  # fmt: skip
    true = TrueScene(tuple(things), SUPPORT_M, pose)
    up = true.up
    plane = np.append(up, true.camera_height_m)
    canonical = canonical_from_up(up, plane, 0.001, "tf")
    objects = [ideal(thing, true, index + 1) for index, thing in enumerate(things)]
    scene = Scene(0, "camera", tuple(objects), canonical, "", plane, 1.0)
    compared = 0
    for name, relation in RELATIONS.items():
        if relation.of_all or name.startswith("point_") or name == "held" or relation.arity > 3:
            continue
        chosen = slice(0, relation.arity)
        amount = [0.25] if relation.takes_amount else []
        value = relation.measure(scene, *objects[chosen], *amount).value
        truth = TRUTHS[name](true, *things[chosen], *amount)
        compared += 1
        if relation.kind is Kind.ESTIMATE:
            # The gap is between samples on the one side, between triangles on the other.
            tolerance = 0.01 if name == "gap" else 1e-5
            assert value == pytest.approx(truth, abs=tolerance), name
        elif abs(truth) > 0.012:
            assert (value > 0.5) == (truth > 0), f"{name}: probability {value}, margin {truth}"
    assert compared >= 45


@pytest.mark.parametrize("yaw", [0.0, 0.3, math.pi / 4, 2.0])
def test_a_point_off_a_round_thing_is_its_radius_and_the_amount_off_its_middle(yaw: float) -> None:
    """However the box around it is turned; off a box it is as far as its sides are."""
    angles = np.linspace(0, 2 * math.pi, 360, endpoint=False) + yaw
    rim = np.column_stack([0.1 * np.cos(angles), 0.1 * np.sin(angles), np.zeros(360)])
    on_support, no_triangles = np.array([0.0, 0.0, SUPPORT_M]), np.empty((0, 3), np.intp)
    plate = Solid("plate", "plate", np.concatenate([rim, rim + np.array([0, 0, 0.02])]) + on_support, no_triangles)
    box = np.array([[x, y, z] for x in (-0.03, 0.03) for y in (-0.05, 0.05) for z in (0.0, 0.02)]) @ turned(math.pi / 2).T
    block = Solid("block", "block", box + on_support, no_triangles)
    # The camera looks along x; the one thing that is seen lies half a metre ahead of the things' middles.
    pose = RigidTransform(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([-1.0, 0.0, SUPPORT_M + 0.01]))
    scene = TrueScene((plate, block), SUPPORT_M, pose, np.array([[0.5, 0.0, SUPPORT_M + 0.01]]))
    assert TRUTHS["point_behind"](scene, plate, 0.05) == pytest.approx(0.35, abs=1e-4)
    assert TRUTHS["point_front"](scene, plate, 0.05) == pytest.approx(0.65, abs=1e-4)
    assert TRUTHS["point_behind"](scene, block, 0.05) == pytest.approx(0.40, abs=1e-9)
    assert TRUTHS["point_left"](scene, block, 0.05) == pytest.approx(math.hypot(0.5, 0.08), abs=1e-9)
    assert TRUTHS["point_above"](scene, plate, 0.05) == pytest.approx(math.hypot(0.5, 0.06), abs=1e-9)
