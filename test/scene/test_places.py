"""Directions, points in free space with their collision check, counting and choosing, against explicit second formulations.

The images are ray-cast here: a floor, walls of nothing, and balls and boxes at random places under pitched and rolled cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, hangs, placed, scene, tool

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.facts import COUNT, Query, Status
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.relations import RELATIONS, Measurement
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject

CAMERA = CameraModel(120, 90, 100.0, 100.0, 59.5, 44.5)
RANGE_M = 2.5
# Directions in canonical coordinates (x forward, y left, z up).
DIRECTIONS = {
    "above": (0, 0, 1), "below": (0, 0, -1), "left": (0, 1, 0), "right": (0, -1, 0), "behind": (1, 0, 0), "front": (-1, 0, 0),
}  # fmt: skip


def random_pose(rng: np.random.Generator) -> RigidTransform:
    return camera_over_table(rng.uniform(-80, 80), rng.uniform(-45, 45), rng.uniform(0.3, 1.2))


def measure(name: str, view: Scene, *things: object) -> Measurement:
    return RELATIONS[name].measure(view, *things)


# -- direction --------------------------------------------------------------------------------------------------------


def test_direction_is_the_bearing_in_the_canonical_frame() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        pose = random_pose(rng)
        a, b = rng.uniform([-1, -1, 0], [1, 1, 1]), rng.uniform([-1, -1, 0], [1, 1, 1])
        found = measure("direction", scene({}, pose), placed(box(a), pose), placed(box(b, number=2), pose))
        # x away and y left are the real and the imaginary axis.
        bearing = float(np.angle(complex(*(a - b)[:2])))
        assert found.value == pytest.approx(bearing, abs=1e-9)
        hands = {hour: complex(0, 1) * np.exp(-1j * hour * np.pi / 6) * -1j for hour in range(1, 13)}
        nearest = min(hands, key=lambda hour: abs(hands[hour] - np.exp(1j * bearing)))
        assert found.word == f"{nearest} o'clock"


@pytest.mark.parametrize("roll", [-45.0, 0.0, 45.0])
@pytest.mark.parametrize("pitch", [-80.0, 0.0, 80.0])
@pytest.mark.parametrize(
    ("offset", "degrees", "word"),
    [
        ((0.1, 0), 0, "12 o'clock"), ((0.1, 0.1), 45, "10 o'clock"), ((0, 0.1), 90, "9 o'clock"), ((-0.1, 0), 180, "6 o'clock"),
        ((0, -0.1), -90, "3 o'clock"), ((0.1, -0.1 / math.sqrt(3)), -30, "1 o'clock"),
    ],
)  # fmt: skip
def test_the_clock_says_what_an_arm_points_at(
    pitch: float, roll: float, offset: tuple[float, float], degrees: float, word: str
) -> None:
    pose = camera_over_table(pitch, roll)
    # A touch clockwise of half past ten, so that rounding decides nothing, and the same for all others.
    turned = Rotation.from_euler("z", 1e-3).apply([*offset, 0.05])
    found = measure("direction", scene({}, pose), placed(box(turned), pose), placed(box((0, 0, 0)), pose))
    assert math.cos(found.value - math.radians(degrees) - 1e-3) == pytest.approx(1, abs=1e-9)
    assert found.word == word


def test_straight_behind_is_half_a_turn_to_the_left_and_never_to_the_right() -> None:
    view = scene({}, RigidTransform(np.eye(3), np.zeros(3)))
    for aside, up, right in product((0.0, -0.0), (0.0, -0.0), (0.0, -0.0)):
        seen = replace(view, viewer=(np.array([right, -1.0, right]), np.array([1.0, 0.0, 0.0])))
        found = measure("direction", seen, box((-1.0, aside, up)), box((0.0, 0.0, 0.0)))
        assert found.value == math.pi


def test_directions_deviation_is_that_of_sampled_centres() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        pose = random_pose(rng)
        turn = Rotation.random(random_state=rng).as_matrix()
        covariance = turn @ np.diag([0.001, 0.004, 0.012]) ** 2 @ turn.T
        a, b = rng.uniform(-0.5, 0.5, 3), rng.uniform(-0.5, 0.5, 3)
        apart = math.dist(a[:2], b[:2])
        things = [placed(box(place, covariance=covariance), pose) for place in (a, b)]
        view = scene({}, pose)
        stated = measure("direction", view, *things).std
        drawn = (a - b) + rng.multivariate_normal(np.zeros(3), 2 * covariance, 4000)
        leaning = np.column_stack([rng.normal(0, view.canonical.tilt_std_rad, (4000, 2)), np.zeros(4000)])
        drawn = drawn + np.cross(leaning, a - b)
        bearings = np.angle((drawn[:, 0] + 1j * drawn[:, 1]) / complex(*(a - b)[:2]))
        if apart > 0.1:
            assert stated == pytest.approx(bearings.std(), rel=0.15)
        assert 0 < stated <= math.pi / 2


# -- the ray-cast world -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Balls (centre, radius) and boxes (centre, axes, extents) over a floor at z = 0, in canonical coordinates."""

    balls: tuple[tuple[np.ndarray, float], ...]
    boxes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """(N,) how many lengths of each ray (N, 3) it takes to the first surface; infinite for none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            best = np.where(rays[:, 2] < -1e-9, -origin[2] / rays[:, 2], np.inf)
            for centre, radius in self.balls:
                a, half_b = (rays**2).sum(1), rays @ (origin - centre)
                root = half_b**2 - a * (((origin - centre) ** 2).sum() - radius**2)
                along = (-half_b - np.sqrt(np.maximum(root, 0))) / a
                best = np.where((root > 0) & (along > 0), np.minimum(best, along), best)
            for centre, axes, extents in self.boxes:
                start, step = (origin - centre) @ axes, rays @ axes
                ends = np.stack([(side * extents / 2 - start) / step for side in (-1, 1)])
                enter, leave = ends.min(0).max(1), ends.max(0).min(1)
                best = np.where((enter < leave) & (enter > 0), np.minimum(best, enter), best)
        return best


@dataclass(frozen=True)
class Shot:
    """A camera's view of a world."""

    world: World
    pose: RigidTransform  # camera_from_canonical
    frame: RGBDFrame

    @property
    def origin(self) -> np.ndarray:
        return self.pose.inverse().translation

    def depth_along(self, pixels: np.ndarray) -> np.ndarray:
        """(N,) true depth at pixels (N, 2); infinite where nothing is."""
        rays = np.column_stack(
            [(pixels[:, 0] - CAMERA.cx) / CAMERA.fx, (pixels[:, 1] - CAMERA.cy) / CAMERA.fy, np.ones(len(pixels))]
        )
        return self.world.hit(self.origin, rays @ self.pose.rotation)

    def scene(self, **kept: object) -> Scene:
        return replace(scene({}, self.pose), frame=self.frame, **kept)


def shoot(world: World, pose: RigidTransform) -> Shot:
    empty = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), np.full((90, 120), np.nan, np.float32), CAMERA, "camera")
    shot = Shot(world, pose, empty)
    u, v = np.meshgrid(np.arange(120.0), np.arange(90.0))
    depth = shot.depth_along(np.column_stack([u.ravel(), v.ravel()])).reshape(90, 120)
    depth[depth > RANGE_M] = np.nan
    return replace(shot, frame=replace(empty, depth_m=depth.astype(np.float32)))


def random_world(rng: np.random.Generator) -> World:
    balls = tuple((rng.uniform([0.4, -0.5, 0.0], [1.5, 0.5, 0.5]), rng.uniform(0.03, 0.12)) for _ in range(2))
    boxes = tuple(
        (
            rng.uniform([0.4, -0.5, 0.0], [1.5, 0.5, 0.4]),
            Rotation.from_euler("z", rng.uniform(-3, 3)).as_matrix(),
            rng.uniform(0.05, 0.3, 3),
        )
        for _ in range(3)
    )
    return World(balls, boxes)


def shots(seed: int, count: int) -> list[tuple[Shot, SceneObject, np.random.Generator]]:
    """Random views, and the first box of each as a thing in the optical frame."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        world, pose = random_world(rng), camera_over_table(rng.uniform(-10, 80), rng.uniform(-45, 45), rng.uniform(0.6, 1.4))
        centre, axes, extents = world.boxes[0]
        thing = replace(box(centre, extents, axes, covariance=1e-12 * np.eye(3)), extents_std=np.full(3, 1e-6), point_std_m=1e-6)
        found.append((shoot(world, pose), placed(thing, pose), rng))
    return found


# -- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", DIRECTIONS)
def test_a_point_lies_its_amount_off_the_face(word: str) -> None:
    """The face by walking out of the true box until its edge, in canonical coordinates."""
    direction = np.array(DIRECTIONS[word], float)
    for shot, thing, rng in shots(10, 12):
        centre, axes, extents = shot.world.boxes[0]
        inside, outside = 0.0, 1.0
        for _ in range(60):
            middle = (inside + outside) / 2
            within = bool((np.abs(axes.T @ (middle * direction)) <= extents / 2).all())
            inside, outside = (middle, outside) if within else (inside, middle)
        amount = float(rng.uniform(0.02, 0.4))
        found = measure(f"point_{word}", shot.scene(), thing, amount)
        # Surface points are in single precision.
        assert found.subject_point == pytest.approx(shot.pose.apply(centre + (inside + amount) * direction), abs=1e-6)


@pytest.mark.parametrize("word", ["left", "behind"])
def test_a_round_thing_has_its_face_at_its_radius_however_its_box_is_turned(word: str) -> None:
    """A box around a plate has corners where the plate has none."""
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rim = np.column_stack([0.1 * np.cos(angles), 0.1 * np.sin(angles), np.full(200, 0.005)])
    pose = camera_over_table(40.0)
    turned = Rotation.from_euler("z", np.pi / 4).as_matrix()
    plate = replace(box((0.8, 0.0, 0.005), (0.2, 0.2, 0.01), turned), points=(rim + np.array([0.8, 0, 0])).astype(np.float32))
    found = measure(f"point_{word}", replace(scene({}, pose), frame=None), placed(plate, pose), 0.05)
    place = np.array([0.8, 0, 0.005]) + 0.15 * np.array(DIRECTIONS[word])
    assert found.subject_point == pytest.approx(pose.apply(place), abs=1e-4)


@pytest.mark.parametrize("word", DIRECTIONS)
def test_collision_check_is_the_least_distance_to_all_of_the_image(word: str) -> None:
    for shot, thing, rng in shots(11, 12):
        found = measure(f"point_{word}", shot.scene(), thing, float(rng.uniform(0.02, 0.4)))
        u, v = np.meshgrid(np.arange(120.0), np.arange(90.0))
        z = shot.frame.depth_m.astype(np.float64)
        cloud = np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], axis=-1)
        distances = np.linalg.norm(cloud - found.subject_point, axis=-1)
        distances[hangs(z, CAMERA.fx)] = np.nan
        row, column = np.unravel_index(np.nanargmin(distances), distances.shape)
        near = cloud[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].reshape(-1, 3)
        near = near[np.abs(near[:, 2] - cloud[row, column, 2]) < 0.02]
        spread = np.linalg.norm(near - cloud[row, column], axis=1)
        # The mean over the two pixels around the nearest one, which are one surface with it, against noise.
        assert abs(found.value - np.nanmin(distances)) <= spread.max() + 1e-5
        assert np.linalg.norm(found.object_point - cloud[row, column]) <= spread.max() + 1e-5
        assert np.linalg.norm(found.object_point - found.subject_point) == pytest.approx(found.value, abs=1e-9)


def test_noise_brings_no_surface_nearer() -> None:
    """The least of many noisy distances lies below all that is there."""
    rng = np.random.default_rng(13)
    values, least = [], []
    for _ in range(20):
        depth = (1.0 + rng.normal(0, 0.002, (90, 120))).astype(np.float32)
        frame = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
        found = measure("point_front", replace(scene({}), frame=frame), tool((0.0, 0.0, 0.8)), 0.1)
        values.append(found.value)
        least.append(np.linalg.norm(frame.xyz - np.array([0, 0, 0.7]), axis=-1).min())
    assert np.mean(least) < 0.297
    assert np.mean(values) == pytest.approx(0.3, abs=0.002)


def test_what_the_camera_does_not_see_is_not_called_free() -> None:
    """Against the ray from the camera to the point through the true world."""
    seen = {"free": 0, "behind a surface": 0, "outside of the image": 0, "where the image has no depth": 0, "at an edge": 0}
    for shot, thing, rng in shots(12, 40):
        for word in DIRECTIONS:
            found = measure(f"point_{word}", shot.scene(), thing, float(rng.uniform(0.02, 0.5)))
            if not shot.frame.valid.any():
                assert found.note.startswith("there is no surface") and math.isnan(found.value)
                continue
            x, y, z = found.subject_point
            pixel = np.array([x / z * CAMERA.fx + CAMERA.cx, y / z * CAMERA.fy + CAMERA.cy])
            if z < 1e-3 or not (-0.5 < pixel[0] < 119.5 and -0.5 < pixel[1] < 89.5):
                truth = "outside of the image"
            else:
                offsets = np.stack(np.meshgrid(np.arange(-3.0, 4), np.arange(-3.0, 4)), axis=-1).reshape(-1, 2)
                depths = shot.depth_along(pixel + offsets)
                if (depths > RANGE_M).all():
                    truth = "where the image has no depth"
                elif (depths < z).all():
                    truth = "behind a surface"
                elif ((z < depths) & (depths < RANGE_M)).all():
                    truth = "free"
                else:
                    truth = "at an edge"
            seen[truth] += 1
            assert found.note.startswith("the point is ")
            said = found.note.removeprefix("the point is ").removesuffix(", so nobody knows whether it is free")
            if truth != "at an edge":
                assert said == truth
            else:
                assert said in seen
            assert found.status is (None if said == "free" else Status.OCCLUDED)
    assert all(count > 3 for count in seen.values()), seen


def test_a_rod_of_three_pixels_is_an_obstacle_wherever_it_stands() -> None:
    """No pixel is skipped: a thin thing between two samples of a thinned image would be hit."""
    for column in range(56, 64):
        depth = np.full((90, 120), 2.0, np.float32)
        depth[:, column : column + 3] = 1.0
        frame = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
        rod = (column + 1 - CAMERA.cx) / CAMERA.fx
        here = replace(tool((rod, 0.3, 1.0)), covariance=1e-12 * np.eye(3))
        found = measure("point_left", replace(scene({}), frame=frame), here, 1e-6)
        assert found.value < 0.02


def test_a_point_on_a_surface_is_touched() -> None:
    depth = np.full((90, 120), 2.0, np.float32)
    frame = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
    here = replace(tool((0.0, 0.0, 1.99)), covariance=0.02**2 * np.eye(3))
    assert measure("point_front", replace(scene({}), frame=frame), here, 0.005).note == "the point is touched by a surface"
    assert measure("point_front", replace(scene({}), frame=frame), here, 0.05).note == "the point is free"


def test_the_robot_is_no_obstacle_but_hides() -> None:
    depth = np.full((90, 120), 2.0, np.float32)
    depth[30:60, 40:80] = 1.0
    robot = depth == 1.0
    frame = RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), depth, CAMERA, "camera")
    view = replace(scene({}), frame=frame)
    here = tool((0.0, 0.0, 1.2))
    found = measure("point_front", view, here, 0.1)
    assert found.value == pytest.approx(0.1, abs=1e-3) and "behind a surface" in found.note
    found = measure("point_front", replace(view, robot=robot), here, 0.1)
    assert (
        found.value > 0.5
        and found.object_point[2] == pytest.approx(2.0)
        and "hidden by the robot" in found.note
        and found.status is Status.OCCLUDED
    )


def test_without_any_surface_it_says_so_and_has_no_value() -> None:
    for frame in (None, RGBDFrame(7, np.zeros((90, 120, 3), np.uint8), np.full((90, 120), np.nan, np.float32), CAMERA, "camera")):
        named = {"cup": box((0.0, 0.0, 1.0))}
        fact = measure_query(replace(scene(named), frame=frame), Query("point_left", "cup", amount=0.1))
        assert fact.status is Status.NO_DEPTH and math.isnan(fact.value)
        assert fact.text == "there is no surface on the image to check the point against"


# -- all of a description ---------------------------------------------------------------------------------------------


def crowd(rng: np.random.Generator, count: int, std: float = 0.001) -> tuple[SceneObject, ...]:
    covariance = std**2 * np.eye(3)
    return tuple(box(rng.uniform(-1, 1, 3), number=i + 1, label=f"block {i}", covariance=covariance) for i in range(count))


def test_nearest_is_the_least_centre_distance_other_than_itself() -> None:
    rng = np.random.default_rng(20)
    for count in (1, 2, 5, 9):
        things, b = crowd(rng, count), box(rng.uniform(-1, 1, 3), number=77)
        distances = [math.dist(thing.centre, b.centre) for thing in things]
        best = int(np.argmin(distances))
        found = measure("nearest", scene({}), (*things, b), b)
        assert found.value == pytest.approx(distances[best]) and found.word == f"#{best + 1} block {best}"
        assert found.subject_point == pytest.approx(things[best].centre)
        close = sum(distance - distances[best] < 0.004 for distance in distances) > 1
        assert ("too close to call" in found.note) == close


def test_two_that_are_about_as_near_are_too_close_to_call() -> None:
    things = (box((0.1, 0, 0), number=1, label="can"), box((0, 0.102, 0), number=2, label="cup"), box((0, 0, 3), number=3))
    found = measure("nearest", scene({}), things, box((0, 0, 0), number=9))
    assert found.word == "#1 can" and found.note.endswith("#2 cup at 0.102 m")


def asked(answering: tuple[SceneObject, ...], query: Query) -> tuple[Status, float, str]:
    view = scene({"tray": box((0, 0, 0), number=9, label="tray")}, camera_over_table())
    bound = {**view.bindings, "block": Binding(Status.AMBIGUOUS, None, "several", answering)}
    fact = measure_query(replace(view, bindings=bound), query)
    return fact.status, fact.value, fact.text


def test_count_is_how_many_answer() -> None:
    assert RELATIONS["count"].unit == COUNT
    rng = np.random.default_rng(21)
    for number, words in ((0, "There are 0 things"), (1, "There is 1 thing in sight that answers"), (4, "There are 4 things")):
        status, value, text = asked(crowd(rng, number), Query("count", "block"))
        assert status is Status.OK and value == number and text.startswith(words)
        assert text.count("#") == number


def test_nearest_of_none_says_so() -> None:
    status, value, text = asked((), Query("nearest", "block", "tray"))
    assert status is Status.NOT_FOUND and math.isnan(value) and text == "nothing else answers to the description"


def test_a_name_that_describes_nothing_is_not_counted() -> None:
    status, _, text = asked((), Query("count", "tray"))
    assert status is Status.NOT_FOUND and "a description of things is needed" in text
    status, _, text = asked((), Query("count", "unicorn"))
    assert status is Status.NOT_FOUND and "was not looked for" in text
