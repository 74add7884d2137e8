"""The camera model: projection undoes back-projection, and intrinsics that no camera has are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraError, CameraModel

PLUMB_BOB = (-0.28, 0.09, 0.0008, -0.0005, -0.011)
# An Azure Kinect's colour camera, whose polynomial is large above and below the line.
RATIONAL = (0.4776, -2.4873, 0.00065, -0.00012, 1.4381, 0.3618, -2.3210, 1.3730)
EQUIDISTANT = (-0.02, 0.006, -0.003, 0.0004)
CAMERAS = {
    "pinhole": CameraModel(64, 48, 61.0, 60.0, 30.0, 25.5),
    "plumb_bob": CameraModel(640, 480, 610.0, 608.0, 322.0, 236.0, PLUMB_BOB, "plumb_bob"),
    "rational": CameraModel(640, 480, 303.0, 303.0, 319.0, 241.0, RATIONAL, "rational_polynomial"),
    "equidistant": CameraModel(640, 480, 400.0, 401.0, 321.0, 238.0, EQUIDISTANT, "equidistant"),
}


def distorted(camera: CameraModel, point: np.ndarray) -> tuple[float, float]:
    """Pixel of a point by the formulas that OpenCV's manual prints, in plain Python."""
    x, y = point[0] / point[2], point[1] / point[2]
    r2 = x * x + y * y
    d = [*camera.distortion, *[0.0] * (8 - len(camera.distortion))]
    if camera.distortion_model == "equidistant":
        r = math.sqrt(r2)
        theta = math.atan(r)
        scale = theta * (1 + sum(k * theta ** (2 * i + 2) for i, k in enumerate(d[:4]))) / r
        x, y = scale * x, scale * y
    elif camera.is_distorted:
        k1, k2, p1, p2, k3, k4, k5, k6 = d
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )
    return camera.fx * x + camera.cx, camera.fy * y + camera.cy


@pytest.mark.parametrize("name", CAMERAS)
def test_projection_follows_the_printed_formulas(name: str) -> None:
    camera, rng = CAMERAS[name], np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.4, 0.4, 100), rng.uniform(-0.3, 0.3, 100), rng.uniform(0.5, 3, 100)])
    expected = [distorted(camera, point) for point in points]
    assert np.allclose(camera.project(points), expected, atol=1e-6)


@pytest.mark.parametrize("name", CAMERAS)
def test_projection_undoes_back_projection_at_every_pixel(name: str) -> None:
    camera = CAMERAS[name]
    depth = np.random.default_rng(1).uniform(0.3, 3, (camera.height, camera.width)).astype(np.float32)
    points = camera.back_project(depth)
    assert points.dtype == np.float32 and np.array_equal(points[..., 2], depth)
    pixels = camera.project(points.reshape(-1, 3)).reshape(camera.height, camera.width, 2)
    v, u = np.mgrid[: camera.height, : camera.width]
    error = np.hypot(pixels[..., 0] - u, pixels[..., 1] - v)
    assert error.max() < 0.001


@pytest.mark.parametrize("name", CAMERAS)
def test_equal_cameras_share_rays_that_nobody_can_change(name: str) -> None:
    camera = CAMERAS[name]
    twin = CameraModel(*(getattr(camera, field) for field in camera.__dataclass_fields__))
    assert twin.rays is camera.rays
    with pytest.raises(ValueError, match="read-only"):
        camera.rays[0, 0] = 0


def test_pixels_are_column_and_row_with_the_centre_of_the_first_at_zero() -> None:
    camera = CameraModel(4, 3, 2.0, 2.0, 0.0, 0.0)
    points = camera.back_project(np.full((3, 4), 2.0, np.float32))
    assert points[0, 0].tolist() == [0, 0, 2]
    assert points[2, 3].tolist() == [3, 2, 2]  # right and down are positive
    assert camera.matrix().tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 1]]


def test_invalid_depth_gives_no_point() -> None:
    camera = CAMERAS["pinhole"]
    depth = np.ones((48, 64), np.float32)
    depth[3, 5] = np.nan
    points = camera.back_project(depth)
    assert np.isnan(points[3, 5]).all()
    assert np.isfinite(np.delete(points.reshape(-1, 3), 3 * 64 + 5, axis=0)).all()


@pytest.mark.parametrize("name", CAMERAS)
def test_points_not_in_front_have_no_pixel(name: str) -> None:
    camera = CAMERAS[name]
    points = [(0.1, 0.1, -1), (0.1, 0.1, 0), (np.nan, 0, np.nan), (0, 0, 1)]
    pixels = camera.project(points)
    assert np.isnan(pixels[:3]).all()
    assert np.allclose(pixels[3], (camera.cx, camera.cy), atol=1e-9)
    assert np.isnan(camera.project([(0, 0, -1)])).all()
    assert camera.project((0.0, 0.0, 1.0)).shape == (1, 2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"width": 0}, "size is 0 x 480"),
        ({"height": -1}, "both must be above 0"),
        ({"fx": math.nan}, "not finite"),
        ({"cy": math.inf}, "not finite"),
        ({"distortion": (math.nan, 0, 0, 0)}, "not finite"),
        ({"fx": 0.0}, "calibrated"),
        ({"fy": -600.0}, "calibrated"),
        ({"cx": 1300.0}, "far outside"),
        ({"cy": -500.0}, "far outside"),
        ({"distortion_model": "kannala_brandt"}, "not one of"),
        ({"distortion": (0.1, 0.2, 0.3), "distortion_model": "plumb_bob"}, "3 coefficients"),
        ({"distortion": (0.1,) * 6, "distortion_model": "rational_polynomial"}, "6 coefficients"),
        ({"distortion": (0.1, 0.2), "distortion_model": "equidistant"}, "2 coefficients"),
        ({"distortion": (0.1, 0.2), "distortion_model": ""}, "2 coefficients"),
    ],
)
def test_intrinsics_that_no_camera_has_are_refused(changed: dict[str, object], words: str) -> None:
    values = {"width": 640, "height": 480, "fx": 600.0, "fy": 600.0, "cx": 320.0, "cy": 240.0}
    CameraModel(**values)  # type: ignore[arg-type]
    with pytest.raises(CameraError, match=words):
        CameraModel(**(values | changed))  # type: ignore[arg-type]


def test_zero_coefficients_of_any_number_are_no_distortion() -> None:
    """Drivers send what they like for a rectified image."""
    for count in (0, 1, 5, 8):
        camera = CameraModel(64, 48, 61.0, 60.0, 30.0, 25.5, (0.0,) * count, "plumb_bob")
        assert not camera.is_distorted
        assert np.array_equal(camera.rays, CAMERAS["pinhole"].rays)


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(CameraError, match="depth is 48 x 64 but the camera is 64 x 48"):
        CAMERAS["pinhole"].back_project(np.ones((64, 48), np.float32))


@pytest.mark.parametrize("name", CAMERAS)
def test_a_part_of_a_camera_sees_along_the_same_rays(name: str) -> None:
    camera = CAMERAS[name]
    part = camera.part(slice(4, 20), slice(40, 60))
    assert (part.height, part.width) == (16, 20)
    assert np.array_equal(part.rays, camera.rays[4:20, 40:60])
    assert np.array_equal(part.ray_planes, camera.ray_planes[:, 4:20, 40:60])
    points = np.array([[0.1, 0.05, 1.0], [-0.1, 0.2, 0.8]])
    assert np.allclose(part.project(points) + np.array([40, 4]), camera.project(points))
    assert part == camera.part(slice(4, 20), slice(40, 60)) and part != camera.part(slice(5, 21), slice(40, 60))
