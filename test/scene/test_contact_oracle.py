"""Contact, fit, ways and reach against brute force over dense samples of true solids, under random cameras.

The oracles work in canonical coordinates (x forward, y left, z up), where level is two coordinates; the relations get what a
camera would give them: the facing half of each surface, in the optical frame of a pitched and rolled camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial import ConvexHull, cKDTree
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.contact import CONTACT_M, SUNK_SHARE, WALL_M
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene, SceneObject

STD = 1e-6
KINDS = ("box", "cylinder", "ball", "mesh")
SPACING_M = 0.006


@dataclass(frozen=True)
class Solid:
    """A convex solid in canonical coordinates, its dense surface (N, 3) and that surface's outward normals."""

    kind: str
    centre: np.ndarray
    yaw: float
    size: np.ndarray
    surface: np.ndarray
    normals: np.ndarray

    @property
    def axes(self) -> np.ndarray:
        return Rotation.from_euler("z", self.yaw).as_matrix()

    def unseen(self, camera: np.ndarray) -> float:
        """By how much a round side falls short of a half turn in view, as a length: one view shows less than half of it."""
        if self.kind in ("box", "mesh"):
            return 0.0
        radius = self.size[0] / 2
        return float(radius * (1 - math.sqrt(1 - (radius / np.linalg.norm((camera - self.centre)[:2])) ** 2)))


def grid(size_u: float, size_v: float) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.linspace(-0.5, 0.5, 2 + int(size / SPACING_M)) for size in (size_u, size_v))
    u, v = np.meshgrid(*steps)
    return u.ravel(), v.ravel()


def box_samples(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points, normals = [], []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        u, v = grid(size[first], size[second])
        for sign in (-1.0, 1.0):
            face, normal = np.zeros((len(u), 3)), np.zeros(3)
            face[:, axis], face[:, first], face[:, second] = sign * size[axis] / 2, u * size[first], v * size[second]
            normal[axis] = sign
            points.append(face)
            normals.append(np.tile(normal, (len(u), 1)))
    return np.concatenate(points), np.concatenate(normals)


def cylinder_samples(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radius, height = size[0] / 2, size[2]
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(180)])
    points, normals = [], []
    for z in np.linspace(-0.5, 0.5, 2 + int(height / SPACING_M)):
        points.append(ring * radius + [0, 0, z * height])
        normals.append(ring)
    for sign in (-1.0, 1.0):
        for share in np.linspace(0, 1, 2 + int(radius / SPACING_M)):
            points.append(ring * radius * share + [0, 0, sign * height / 2])
            normals.append(np.tile([0, 0, sign], (180, 1)))
    return np.concatenate(points), np.concatenate(normals)


def ball_samples(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(6000) + 0.5
    polar, turn = np.arccos(1 - 2 * k / 6000), np.pi * (1 + 5**0.5) * k
    normals = np.column_stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)])
    return normals * size[0] / 2, normals


def mesh_samples(size: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The hull of random points and their mirror images, and its edge lengths."""
    corners = rng.uniform(-0.5, 0.5, (8, 3)) * size
    corners = np.concatenate([corners, -corners])
    hull = ConvexHull(corners)
    points, normals = [], []
    steps = np.linspace(0, 1, 25)
    weights = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    for triangle, equation in zip(hull.simplices, hull.equations, strict=True):
        points.append(weights @ corners[triangle])
        normals.append(np.tile(equation[:3], (len(weights), 1)))
    return np.concatenate(points), np.concatenate(normals), np.ptp(corners, axis=0)


def solid(kind: str, centre: object, size: object, yaw: float, rng: np.random.Generator) -> Solid:
    middle, edges = np.asarray(centre, float), np.array(size, float)
    if kind == "cylinder":
        edges[1] = edges[0]
    if kind == "ball":
        edges[:] = edges[0]
    if kind == "mesh":
        points, normals, edges = mesh_samples(edges, rng)
    else:
        points, normals = {"box": box_samples, "cylinder": cylinder_samples, "ball": ball_samples}[kind](edges)
    axes = Rotation.from_euler("z", yaw).as_matrix()
    return Solid(kind, middle, yaw, edges, points @ axes.T + middle, normals @ axes.T)


@dataclass(frozen=True)
class Camera:
    """A camera's pose, and the scene it makes."""

    pose: RigidTransform  # camera_from_canonical
    scene: Scene

    @property
    def centre(self) -> np.ndarray:
        return self.pose.inverse().translation

    def sees(self, thing: Solid, number: int = 1, std: float = STD) -> SceneObject:
        """The thing as measured without error: its true box, and the half of its surface that faces the camera."""
        whole = box(thing.centre, thing.size, thing.axes, number=number, covariance=std**2 * np.eye(3))
        seen = replace(whole, extents_std=np.full(3, std), point_std_m=std, points=facing(thing, self).astype(np.float32))
        return placed(seen, self.pose)


def facing(thing: Solid, camera: Camera) -> np.ndarray:
    """(N, 3) what of its surface faces the camera."""
    return thing.surface[np.einsum("ij,ij->i", thing.normals, camera.centre - thing.surface) > 0]


def random_camera(rng: np.random.Generator) -> Camera:
    pose = camera_over_table(rng.uniform(-80, 80), rng.uniform(-45, 45), rng.uniform(0.3, 1.5))
    up = pose.rotation[:, 2]
    plane = np.append(up, -up @ pose.translation)
    canonical = canonical_from_up(up, plane, 0.0, "plane")
    assert canonical is not None
    assert np.allclose(canonical.scene_from_canonical.matrix(), pose.matrix())  # found from up alone, and yet the true pose
    return Camera(pose, replace(scene({}), canonical=canonical, support_plane=plane, canonical_reason=""))


def random_solid(rng: np.random.Generator, kind: str, centre: object = None, size: object = None) -> Solid:
    middle = rng.uniform([0.6, -0.4, 0.0], [1.4, 0.4, 0.6]) if centre is None else centre
    return solid(kind, middle, rng.uniform(0.03, 0.2, 3) if size is None else size, rng.uniform(-3, 3), rng)


def probability(name: str, camera: Camera, *things: object) -> float:
    return float(RELATIONS[name].measure(camera.scene, *things).value)


def corners_xy(thing: Solid) -> np.ndarray:
    """(4, 2) corners of its box on the ground, in order around."""
    around = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    turn = np.array([[math.cos(thing.yaw), -math.sin(thing.yaw)], [math.sin(thing.yaw), math.cos(thing.yaw)]])
    return thing.centre[:2] + (around * thing.size[:2]) @ turn.T


def inside_polygon(point: np.ndarray, corners: np.ndarray) -> bool:
    following = np.roll(corners, -1, axis=0)
    crosses = (following - corners)[:, 0] * (point - corners)[:, 1] - (following - corners)[:, 1] * (point - corners)[:, 0]
    return bool((crosses > 0).all())


def turned_extents(points: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Breadth and depth (A,) of points (N, 2) turned by each angle."""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.ptp(c * points[:, 0] - s * points[:, 1], axis=1), np.ptp(s * points[:, 0] + c * points[:, 1], axis=1)


# -- ways -------------------------------------------------------------------------------------------------------------


def true_way(a: Solid, b: Solid) -> float:
    """Least distance on the ground over all pairs of samples of two whole surfaces."""
    return float(np.min(cKDTree(b.surface[:, :2]).query(a.surface[:, :2])[0]))


def way_tolerance(a: Solid, b: Solid, width: float, camera: Camera) -> float:
    """What samples this far apart miss of the least distance, and what no camera sees of round sides."""
    return math.hypot(width, 2 * SPACING_M) - width + a.unseen(camera.centre) + b.unseen(camera.centre) + 1e-4


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_path_width_is_the_least_distance_of_all_pairs_on_the_ground(first: str, second: str) -> None:
    rng = np.random.default_rng([KINDS.index(first), KINDS.index(second)])
    wide = 0
    for _ in range(8):
        camera, a, b = random_camera(rng), random_solid(rng, first), random_solid(rng, second)
        found = RELATIONS["path_width"].measure(camera.scene, camera.sees(a), camera.sees(b, 2))
        width = true_way(a, b)
        assert found.value == pytest.approx(width, abs=way_tolerance(a, b, width, camera))
        wide += width > 0.02
        ends = camera.pose.inverse().apply([found.subject_point, found.object_point])
        assert math.dist(ends[0, :2], ends[1, :2]) == pytest.approx(found.value, abs=1e-6)
        assert ends[:, 2] == pytest.approx([a.centre[2], b.centre[2]], abs=1e-6)
    assert wide >= 3


def test_the_way_past_a_point_is_measured_from_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        camera, a = random_camera(rng), random_solid(rng, "box")
        hand = a.centre + rng.uniform(-0.5, 0.5, 3)
        found = probability("path_width", camera, camera.sees(a), placed(tool(hand), camera.pose))
        width = float(np.min(np.linalg.norm(a.surface[:, :2] - hand[:2], axis=1)))
        assert found == pytest.approx(width, abs=math.hypot(width, SPACING_M) - width + 1e-4)


def test_the_ways_stated_deviation_is_that_of_moved_and_resized_things() -> None:
    """Monte Carlo: both boxes redrawn around the truth, and the way measured anew without noise."""
    rng = np.random.default_rng(4)
    std = 0.004
    for _ in range(6):
        camera = random_camera(rng)
        a, b = (random_solid(rng, "box", (1.0, y, 0.1), rng.uniform(0.05, 0.15, 3)) for y in (-0.3, 0.3))
        stated = RELATIONS["path_width"].measure(camera.scene, camera.sees(a, std=std), camera.sees(b, 2, std=std)).std
        drawn = []
        for _ in range(150):
            moved = [
                replace(box(s.centre + rng.normal(0, std, 3), s.size + rng.normal(0, std, 3), s.axes), points=np.empty((0, 3)))
                for s in (a, b)
            ]
            drawn.append(probability("path_width", camera, *(placed_box(thing, camera.pose) for thing in moved)))
        assert stated == pytest.approx(np.std(drawn), rel=0.35)


def placed_box(thing: SceneObject, pose: RigidTransform) -> SceneObject:
    return replace(thing, centre=pose.apply(thing.centre), axes=pose.rotation @ thing.axes)


@pytest.mark.parametrize("kind", ["box", "cylinder", "ball"])
def test_fits_through_where_its_narrowest_side_does(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind) + 20)
    angles = np.linspace(0, np.pi, 721)
    verdicts = []
    for _ in range(30):
        camera = random_camera(rng)
        b, c = (random_solid(rng, "box", (1.0, y, 0.1), rng.uniform(0.05, 0.15, 3)) for y in (-0.11, 0.11))
        a = random_solid(rng, kind)
        margin = true_way(b, c) - float(turned_extents(a.surface[:, :2], angles)[0].min())
        found = [
            probability("fits_through", camera, camera.sees(a, 3), *pair)
            for pair in ((camera.sees(b), camera.sees(c, 2)), (camera.sees(c, 2), camera.sees(b)))
        ]
        assert found[0] == pytest.approx(found[1], abs=1e-9)
        if abs(margin) > 1e-3:  # the samples' own resolution
            assert (found[0] > 0.5) == (margin > 0)
            verdicts.append(margin > 0)
    assert verdicts.count(True) > 3 and verdicts.count(False) > 3


# -- between ----------------------------------------------------------------------------------------------------------


def true_between(a: Solid, b: Solid, c: Solid, level: bool) -> float:
    """The margin by a search for the point of the line through b and c that is nearest to a."""
    dims = 2 if level else 3
    p, q, r = (thing.centre[:dims] for thing in (a, b, c))
    span = math.dist(q, r)
    nearest = minimize_scalar(lambda t: float(np.sum((q + t * (r - q) - p) ** 2)), tol=1e-12)
    at, off = nearest.x * span, math.sqrt(nearest.fun)
    half_a, half_b, half_c = ((sum(thing.size) - max(thing.size)) / 4 for thing in (a, b, c))
    return min(at, span - at, half_a + (half_b + half_c) / 2 - off)


@pytest.mark.parametrize("level", [True, False])
def test_between_is_near_the_segment_and_within_its_ends(level: bool) -> None:
    rng = np.random.default_rng(30 + level)
    verdicts = []
    for _ in range(120):
        camera = random_camera(rng)
        view = camera if level else Camera(camera.pose, replace(camera.scene, canonical=None))
        b, c = (random_solid(rng, kind) for kind in rng.choice(KINDS, 2))
        share, aside = rng.uniform(-0.3, 1.3), rng.normal(0, 0.08, 3)
        a = random_solid(rng, str(rng.choice(KINDS)), b.centre + share * (c.centre - b.centre) + aside)
        margin = true_between(a, b, c, level)
        seen = [camera.sees(thing, number) for number, thing in enumerate((a, b, c), start=1)]
        found = probability("between", view, *seen)
        assert (found > 0.5) == (margin > 0)
        assert found == pytest.approx(probability("between", view, seen[0], seen[2], seen[1]), abs=1e-9)
        verdicts.append(margin > 0)
    assert verdicts.count(True) > 20 and verdicts.count(False) > 20


# -- one in another ---------------------------------------------------------------------------------------------------


def test_contained_is_over_the_footprint_narrower_and_below_the_rim() -> None:
    rng = np.random.default_rng(40)
    verdicts = []
    for _ in range(250):
        camera = random_camera(rng)
        b = random_solid(rng, "box", (1.0, 0.0, 0.06), rng.uniform([0.08, 0.08, 0.05], [0.2, 0.2, 0.12]))
        kind = str(rng.choice(["box", "cylinder", "ball"]))
        a = random_solid(rng, kind, b.centre + rng.normal(0, 0.04, 3), rng.uniform(0.02, 0.12, 3))
        z_a, z_b = a.surface[:, 2], b.surface[:, 2]
        low_a, high_a, low_b, high_b = z_a.min(), z_a.max(), z_b.min(), z_b.max()
        if kind == "ball":  # the samples spare the poles
            low_a, high_a = a.centre[2] - a.size[2] / 2, a.centre[2] + a.size[2] / 2
        holds = (
            inside_polygon(a.centre[:2], corners_xy(b))
            and bool((np.sort(a.size[:2]) < np.sort(b.size[:2])).all())
            and high_b - low_a > SUNK_SHARE * (high_a - low_a)
            and low_a > low_b - CONTACT_M
        )
        assert (probability("contained", camera, camera.sees(a), camera.sees(b, 2)) > 0.5) == holds
        verdicts.append(holds)
    assert verdicts.count(True) > 30 and verdicts.count(False) > 30


@pytest.mark.parametrize("into", ["box", "cylinder"])
@pytest.mark.parametrize("kind", ["box", "cylinder", "ball"])
def test_fits_into_an_opening_when_some_turn_of_it_does(kind: str, into: str) -> None:
    rng = np.random.default_rng([50, KINDS.index(kind), KINDS.index(into)])
    angles = np.linspace(0, np.pi, 721)
    verdicts = []
    for _ in range(60):
        camera = random_camera(rng)
        b = random_solid(rng, into, size=rng.uniform(0.06, 0.15, 3))
        a = random_solid(rng, kind, size=rng.uniform(0.03, 0.15, 3))
        around = (a.surface - a.centre)[:, :2] @ Rotation.from_euler("z", b.yaw).as_matrix()[:2, :2]
        if into == "cylinder":
            spare = b.size[0] / 2 - float(np.linalg.norm(around, axis=1).max())
        else:
            breadth, depth = turned_extents(around, angles)
            spare = float(np.max(np.minimum(b.size[0] - breadth, b.size[1] - depth))) / 2
        margin = spare - WALL_M
        found = probability("fits_into", camera, camera.sees(a), camera.sees(b, 2))
        # Turns are tried a degree apart, and of a round side less than half is seen.
        slack = 0.0015 + a.unseen(camera.centre) + b.unseen(camera.centre)
        if abs(margin) > slack:
            assert (found > 0.5) == (margin > 0)
            verdicts.append(margin > 0)
    assert verdicts.count(True) > 5 and verdicts.count(False) > 5


def test_a_square_block_passes_no_round_opening_of_its_width_and_a_pen_lies_along_the_diagonal() -> None:
    rng = np.random.default_rng(51)
    camera = Camera(camera_over_table(), scene({}, camera_over_table()))
    cup, tray = (camera.sees(solid(kind, (1.0, 0, 0.05), (0.1, 0.1, 0.1), 0.3, rng), 2) for kind in ("cylinder", "box"))
    block, pen = (
        camera.sees(solid("box", (0.8, 0.2, 0.05), size, 1.0, rng)) for size in ((0.08, 0.08, 0.05), (0.12, 0.01, 0.01))
    )
    assert [probability("fits_into", camera, thing, hole) > 0.5 for thing in (block, pen) for hole in (cup, tray)] == [
        False, True, False, True,
    ]  # fmt: skip


# -- contact and reach ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_touching_is_a_least_gap_below_contact_of_what_is_seen_and_its_mirror_image(kind: str) -> None:
    rng = np.random.default_rng([60, KINDS.index(kind)])
    verdicts = []
    for _ in range(25):
        camera = random_camera(rng)
        a = random_solid(rng, kind, (1.0, 0.0, 0.1), rng.uniform(0.04, 0.08, 3))
        aside = Rotation.from_euler("z", rng.uniform(-3, 3)).apply([1.0, 0, 0])
        b = random_solid(rng, "box", a.centre + aside * rng.uniform(0.04, 0.12), rng.uniform(0.04, 0.08, 3))
        faces = [np.concatenate([face, 2 * thing.centre - face]) for thing in (a, b) for face in [facing(thing, camera)]]
        margin = CONTACT_M - float(np.min(cKDTree(faces[0]).query(faces[1])[0]))
        seen = camera.sees(a), camera.sees(b, 2)
        found = probability("touching", camera, *seen)
        assert (found > 0.5) == (margin > 0)
        assert found == pytest.approx(probability("touching", camera, *seen[::-1]), abs=1e-9)
        verdicts.append(margin > 0)
    assert verdicts.count(True) > 3 and verdicts.count(False) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_reachable_is_a_nearest_visible_point_within_the_radius(kind: str) -> None:
    rng = np.random.default_rng([70, KINDS.index(kind)])
    verdicts = []
    for _ in range(25):
        camera, a = random_camera(rng), random_solid(rng, kind)
        base = rng.uniform([0.2, -0.5, 0], [0.6, 0.5, 0.3])
        distance = float(np.linalg.norm(facing(a, camera) - base, axis=1).min())
        amount = distance + rng.normal(0, 0.05)
        found = probability("reachable", camera, camera.sees(a), placed(tool(base), camera.pose), max(amount, 0.01))
        assert (found > 0.5) == (max(amount, 0.01) > distance)
        verdicts.append(amount > distance)
    assert verdicts.count(True) > 3 and verdicts.count(False) > 3
