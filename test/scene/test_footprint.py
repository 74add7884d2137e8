"""Outlines on the ground, the way between them and the room in them, against sampled outlines and optimisation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.spatial import ConvexHull, cKDTree
from scipy.spatial.transform import Rotation
from things import box, tool

from spatialvlm_ros.scene.footprint import footprint, outline_gap, room

LEVEL = np.eye(3)[:, :2]


def area(outline: np.ndarray) -> float:
    """Shoelace formula."""
    x, y = outline.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def random_outline(rng: np.random.Generator, centre: np.ndarray, size: float) -> np.ndarray:
    points = rng.uniform(-size, size, (int(rng.integers(3, 12)), 2)) + centre
    return points[ConvexHull(points).vertices]


def border(outline: np.ndarray, count: int = 400) -> np.ndarray:
    shares = np.linspace(0, 1, count)[:, None]
    return np.concatenate([p + shares * (q - p) for p, q in zip(outline, np.roll(outline, -1, axis=0), strict=True)])


def share_a_point(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether some convex combination of a's corners is one of b's, by linear programming."""
    rows = np.block([[a.T, -b.T], [np.ones((1, len(a))), np.zeros((1, len(b)))], [np.zeros((1, len(a))), np.ones((1, len(b)))]])
    return bool(linprog(np.zeros(len(a) + len(b)), A_eq=rows, b_eq=[0, 0, 1, 1]).status == 0)


# -- the outline ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("yaw", [0.0, 0.4, -1.2])
@pytest.mark.parametrize("side", [0, 1, 2])
def test_one_face_of_a_box_gives_its_whole_footprint(yaw: float, side: int) -> None:
    """The front, the side or the top alone: mirrored through the centre each spans the rectangle."""
    axes = Rotation.from_euler("z", yaw).as_matrix()
    whole = box((1.0, 0.2, 0.1), (0.1, 0.06, 0.05), axes)
    in_box = (whole.points - whole.centre) @ axes
    face = replace(whole, points=whole.points[in_box[:, side] > whole.extents[side] / 2 - 1e-5])
    assert 0 < len(face.points) < len(whole.points) / 2
    outline = footprint(face, LEVEL)
    assert area(outline) == pytest.approx(0.1 * 0.06, rel=1e-3)
    assert cKDTree(outline).query(whole.corners()[:, :2])[0].max() < 1e-5


def test_half_a_can_gives_a_whole_circle() -> None:
    turn = np.linspace(-np.pi / 2, np.pi / 2, 200)
    front = np.column_stack([0.5 - 0.04 * np.cos(turn), 0.04 * np.sin(turn), np.linspace(0, 0.1, 200)])
    can = replace(box((0.5, 0, 0.05), (0.08, 0.08, 0.1)), points=front.astype(np.float32))
    outline = footprint(can, LEVEL)
    assert np.linalg.norm(outline - [0.5, 0], axis=1) == pytest.approx(np.full(len(outline), 0.04), abs=1e-5)
    assert area(outline) == pytest.approx(math.pi * 0.04**2, rel=0.01)


def test_flying_pixels_are_no_part_of_it() -> None:
    whole = box((1.0, 0.2, 0.1))
    stray = replace(whole, points=np.concatenate([whole.points, np.float32([[1.3, 0.2, 0.1], [1.0, 0.2, 0.5]])]))
    assert area(footprint(stray, LEVEL)) == pytest.approx(area(footprint(whole, LEVEL)))


def test_without_surface_points_it_is_the_boxs_or_the_point() -> None:
    bare = replace(box((1.0, 0.2, 0.1), (0.1, 0.06, 0.05)), points=np.empty((0, 3), np.float32))
    assert area(footprint(bare, LEVEL)) == pytest.approx(0.006, rel=1e-5)
    assert footprint(tool((0.3, 0.2, 0.1)), LEVEL) == pytest.approx(np.array([[0.3, 0.2]]))


def test_it_is_as_exact_far_from_the_origin() -> None:
    """A map's coordinates: kilometres have no millimetres in single precision."""
    far = replace(box((4321.5, -8765.25, 0.1), (0.1, 0.06, 0.05)), points=np.empty((0, 3), np.float32))
    assert area(footprint(far, LEVEL)) == pytest.approx(0.006, rel=1e-4)


# -- the way ----------------------------------------------------------------------------------------------------------


def test_gap_is_the_least_distance_of_two_outlines() -> None:
    rng = np.random.default_rng(5)
    apart = 0
    for _ in range(150):
        a = random_outline(rng, np.zeros(2), 0.1)
        b = random_outline(rng, rng.uniform(-0.3, 0.3, 2), 0.15)
        point_a, point_b, gap = outline_gap(a, b)
        if share_a_point(a, b):
            assert gap == 0.0
            continue
        brute = float(cKDTree(border(b)).query(border(a))[0].min())
        assert brute - 1e-4 < gap <= brute + 1e-12 and math.dist(point_a, point_b) == pytest.approx(gap)
        for point, outline in ((point_a, a), (point_b, b)):
            assert cKDTree(border(outline)).query(point)[0] < 1e-3
        apart += 1
    assert 30 < apart < 140


def least_distance(a: np.ndarray, b: np.ndarray) -> float:
    """By quadratic programming over convex combinations of the corners: right for points and segments too."""
    count = len(a)

    def squared(weights: np.ndarray) -> float:
        return float(np.sum((weights[:count] @ a - weights[count:] @ b) ** 2))

    start = np.concatenate([np.full(count, 1 / count), np.full(len(b), 1 / len(b))])
    sums = [{"type": "eq", "fun": lambda w: w[:count].sum() - 1}, {"type": "eq", "fun": lambda w: w[count:].sum() - 1}]
    found = minimize(squared, start, bounds=[(0, 1)] * len(start), constraints=sums, method="SLSQP", options={"ftol": 1e-14})
    return math.sqrt(max(found.fun, 0.0))


DEGENERATE = {
    "two points": ([[0, 0]], [[3, 4]], 5.0),
    "one point twice": ([[1, 2]], [[1, 2]], 0.0),
    "point beyond a segment's end": ([[3, 0]], [[0, 0], [1, 0]], 2.0),
    "point beside a segment": ([[0.5, 2]], [[0, 0], [1, 0]], 2.0),
    "point on a segment": ([[0.5, 0]], [[0, 0], [1, 0]], 0.0),
    "collinear segments": ([[0, 0], [1, 0]], [[3, 0], [4, 0]], 2.0),
    "collinear segments aslant": ([[0, 0], [1, 1]], [[3, 3], [4, 4]], 2 * math.sqrt(2)),
    "overlapping collinear segments": ([[0, 0], [2, 0]], [[1, 0], [4, 0]], 0.0),
    "parallel segments": ([[0, 0], [1, 0]], [[0, 1], [1, 1]], 1.0),
    "crossing segments": ([[0, 0], [1, 1]], [[0, 1], [1, 0]], 0.0),
    "segments that would cross": ([[0, 0], [1, 1]], [[3, 0], [2, 1]], 1.0),
    "point in a square": ([[0.5, 0.5]], [[0, 0], [1, 0], [1, 1], [0, 1]], 0.0),
    "segment before a square": ([[2, -1], [2, 3]], [[0, 0], [1, 0], [1, 1], [0, 1]], 1.0),
    "one square in another": ([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], [[0, 0], [1, 0], [1, 1], [0, 1]], 0.0),
    "corner to corner": ([[2, 2], [3, 2], [3, 3], [2, 3]], [[0, 0], [1, 0], [1, 1], [0, 1]], math.sqrt(2)),
    "the same corner many times": ([[0, 0]] * 3, [[3, 4]] * 4, 5.0),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_outlines_without_a_breadth(case: str) -> None:
    a, b, distance = DEGENERATE[case]
    first, second = np.array(a, float), np.array(b, float)
    assert least_distance(first, second) == pytest.approx(distance, abs=1e-4)
    for one, other in ((first, second), (second, first), (first[::-1], second)):
        assert outline_gap(one, other)[2] == pytest.approx(distance, abs=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.floats(-3, 3))
def test_gap_is_symmetric_and_does_not_turn_with_the_coordinates(seed: int, count_a: int, count_b: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    # Corners of at most four kinds of outline: points, segments, triangles, quadrilaterals.
    a, b = (random_outline(rng, rng.uniform(-0.2, 0.2, 2), 0.1)[:count] for count in (count_a, count_b))
    turn = Rotation.from_euler("z", angle).as_matrix()[:2, :2]
    gap = outline_gap(a, b)[2]
    assert outline_gap(b, a)[2] == pytest.approx(gap, abs=1e-12)
    assert outline_gap(a @ turn.T + 1.5, b @ turn.T + 1.5)[2] == pytest.approx(gap, abs=1e-9)
    assert outline_gap(3 * a, 3 * b)[2] == pytest.approx(3 * gap, abs=1e-9)


# -- the room ---------------------------------------------------------------------------------------------------------


def circle(radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return radius * np.column_stack([np.cos(turn), np.sin(turn)])


def rectangle(width: float, depth: float, yaw: float = 0.0) -> np.ndarray:
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (width, depth) / 2
    return corners @ Rotation.from_euler("z", yaw).as_matrix()[:2, :2].T


@pytest.mark.parametrize(
    ("a", "b", "spare"),
    [
        (circle(0.03), circle(0.05), 0.02),
        (circle(0.05), circle(0.03), -0.02),
        (rectangle(0.08, 0.08), circle(0.05), 0.05 - 0.08 / math.sqrt(2)),
        (circle(0.05), rectangle(0.11, 0.3), 0.005),
        (rectangle(0.1, 0.02), rectangle(0.03, 0.12), 0.005),  # a quarter turn
        (rectangle(0.1, 0.02), rectangle(0.03, 0.09), -0.005),
        (rectangle(0.13, 0.0), rectangle(0.1, 0.1), (0.1 - 0.13 / math.sqrt(2)) / 2),  # along the diagonal
        (np.zeros((1, 2)), rectangle(0.1, 0.04), 0.02),
        (rectangle(0.1, 0.04), np.zeros((1, 2)), -math.hypot(0.05, 0.02)),
        (rectangle(0.1, 0.04), np.array([[-0.1, 0], [0.1, 0]]), -0.02),
    ],
)
def test_room_of_simple_outlines(a: np.ndarray, b: np.ndarray, spare: float) -> None:
    assert room(a, b) == pytest.approx(spare, abs=2e-4)  # the circles have 120 corners
    assert room(a, b[::-1]) == pytest.approx(room(a, b), abs=1e-12)


@settings(max_examples=60)
@given(st.floats(0.02, 0.2), st.floats(0.02, 0.2), st.floats(-3, 3), st.floats(-3, 3))
def test_room_between_turned_rectangles_is_exact_with_their_angle(width: float, depth: float, yaw_a: float, yaw_b: float) -> None:
    inner, outer = rectangle(width, depth, yaw_a), rectangle(width + 0.02, depth + 0.01, yaw_b)
    assert room(inner, outer, yaw_b - yaw_a) >= 0.005 - 1e-9
    assert room(inner, outer) == pytest.approx(room(inner, outer, yaw_b - yaw_a), abs=0.2 * math.radians(1))
