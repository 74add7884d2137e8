"""The robot's own pixels against the definition: every pixel of the image, every point of the capsule's axis."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.self_filter import Capsule, robot_mask
from spatialvlm_ros.scene.frame import RGBDFrame

# 90 degrees wide: what lies at the border is seen at a slant.
WIDE = CameraModel(160, 120, 80.0, 80.0, 79.5, 59.5)


def frame(depth: np.ndarray) -> RGBDFrame:
    return RGBDFrame(0, np.zeros((120, 160, 3), np.uint8), depth.astype(np.float32), WIDE, "camera")


def brute_force(image: RGBDFrame, capsule: Capsule, padding_m: float) -> np.ndarray:
    along = capsule.start + np.linspace(0, 1, 400)[:, None] * (capsule.end - capsule.start)
    points = image.xyz.reshape(-1, 3).astype(np.float64)
    nearest = np.full(len(points), np.inf)
    for centre in along:
        nearest = np.fmin(nearest, np.linalg.norm(points - centre, axis=1))
    return (nearest <= capsule.radius_m + padding_m).reshape(image.depth_m.shape)


@pytest.mark.parametrize("seed", range(12))
def test_mask_is_what_lies_within_the_capsule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform([-0.6, -0.5, 0.4], [0.6, 0.5, 0.8])
    capsule = Capsule(start, start + rng.normal(0, 0.1, 3), float(rng.uniform(0.02, 0.12)))
    # Depth near the capsule everywhere, so that any pixel whose ray meets it may be a point of it.
    depth = rng.uniform(start[2] - 0.15, start[2] + 0.15, (120, 160))
    depth[rng.random(depth.shape) < 0.1] = np.nan
    image = frame(depth)
    found, expected = robot_mask(image, [capsule]), brute_force(image, capsule, 0.005)
    assert expected.sum() > 0
    # Only what the steps along the axis cannot tell may differ.
    assert np.count_nonzero(found != expected) <= 0.002 * expected.sum() + 1


@pytest.mark.parametrize("place", [(0.4, 0.0), (-0.4, 0.25), (0.0, 0.3), (-0.35, -0.3)])
def test_a_ball_near_the_border_is_marked_to_its_rim(place: tuple[float, float]) -> None:
    """Off the axis a ball looks like an ellipse, longer than radius / depth."""
    camera = CameraModel(640, 480, 320.0, 320.0, 319.5, 239.5)
    centre, radius = np.array([*place, 0.5]), 0.05
    rays = np.dstack([camera.rays.astype(np.float64), np.ones((480, 640))])
    # Depth of the point of each ray that is nearest to the centre: the pixel's best chance to be the ball's.
    depth = (rays @ centre / (rays**2).sum(-1)).astype(np.float32)
    image = RGBDFrame(0, np.zeros((480, 640, 3), np.uint8), depth, camera, "camera")
    distance = np.linalg.norm(image.xyz.astype(np.float64) - centre, axis=-1)
    found = robot_mask(image, [Capsule(centre, centre, radius)], padding_m=0.0)
    assert np.array_equal(found[np.abs(distance - radius) > 1e-6], (distance <= radius)[np.abs(distance - radius) > 1e-6])


def test_a_capsule_through_the_camera_is_looked_for_everywhere() -> None:
    depth = np.full((120, 160), 0.1)
    image = frame(depth)
    capsule = Capsule(np.array([0.0, 0.0, -0.2]), np.array([0.05, 0.0, 0.12]), 0.03)
    assert np.array_equal(robot_mask(image, [capsule]), brute_force(image, capsule, 0.005))


def test_a_capsule_out_of_sight_marks_nothing() -> None:
    image = frame(np.full((120, 160), 1.0))
    aside = Capsule(np.array([5.0, 0.0, 1.0]), np.array([5.0, 1.0, 1.0]), 0.1)
    behind = Capsule(np.array([0.0, 0.0, -2.0]), np.array([0.0, 1.0, -2.0]), 0.1)
    assert not robot_mask(image, [aside, behind]).any()
    assert not robot_mask(image, []).any()


def test_pixels_without_depth_are_nobodys() -> None:
    image = frame(np.full((120, 160), np.nan))
    assert not robot_mask(image, [Capsule(np.array([0, 0, 0.5]), np.array([0, 0.1, 0.5]), 0.3)]).any()


def test_capsules_add_up_and_a_point_is_a_ball() -> None:
    image = frame(np.full((120, 160), 0.5))
    left, right = (Capsule(np.array([x, 0, 0.5]), np.array([x, 0, 0.5]), 0.05) for x in (-0.1, 0.1))
    both = robot_mask(image, [left, right])
    assert np.array_equal(both, robot_mask(image, [left]) | robot_mask(image, [right]))
    assert both[:, :80].any() and both[:, 80:].any() and not both[:, 79:81].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_robot_is_all_of_its_capsules_however_many_lie_side_by_side(seed: int) -> None:
    """Fingers and hands are many small capsules in nearly the same place; links lie elsewhere, or out of the image."""
    rng = np.random.default_rng(seed)
    capsules = []
    for place in ([0.1, 0.1, 0.6], [-0.2, 0.0, 0.7], [0.0, -1.5, 0.6], [1.5, 0.0, 0.6], [0.0, 0.05, 0.65]):
        start = np.array(place) + rng.normal(0, 0.02, 3)
        capsules += [
            Capsule(start + shift, start + shift + rng.normal(0, 0.05, 3), float(rng.uniform(0.01, 0.04)))
            for shift in rng.normal(0, 0.01, (rng.integers(1, 6), 3))
        ]
    image = frame(rng.uniform(0.55, 0.75, (120, 160)))
    each = [robot_mask(image, [capsule]) for capsule in capsules]
    assert sum(1 for mask in each if mask.any()) >= 3
    assert np.array_equal(robot_mask(image, capsules), np.any(each, axis=0))


@pytest.mark.parametrize("seed", range(3))
def test_a_part_of_an_image_shows_the_same_robot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = frame(rng.uniform(0.4, 0.8, (120, 160)))
    capsules = [Capsule(*rng.uniform((-0.2, -0.2, 0.4), (0.2, 0.2, 0.8), (2, 3)), 0.06) for _ in range(5)]
    window = slice(30, 90), slice(40, 120)
    whole, part = robot_mask(image, capsules), robot_mask(image, capsules, within=window)
    assert np.array_equal(part[window], whole[window]) and whole[window].any()
    part[window] = False
    assert not part.any()
