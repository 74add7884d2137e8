"""The pinhole camera: intrinsics, distortion, rays, back-projection.

Optical frame (REP 103): x right, y down, z forward; depth is Z (REP 118), not range. Pixel (u, v) is column, row; the
centre of the top left pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

DISTORTION_MODELS = ("", "plumb_bob", "rational_polynomial", "equidistant")
# How many coefficients OpenCV takes, by model.
_COUNTS = {"equidistant": (4,)}
_COUNTS_PINHOLE = (4, 5, 8, 12, 14)


class CameraError(ValueError):
    """Intrinsics that no camera can have. The text names the value and the cure."""


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics in pixels of an image of ``width`` x ``height``.

    ``distortion`` are OpenCV's coefficients of ``distortion_model`` (a name as in sensor_msgs/CameraInfo).
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    distortion_model: str = ""

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise CameraError(f"camera size is {self.width} x {self.height}; both must be above 0")
        values = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(np.isfinite(values)):
            raise CameraError(f"intrinsics are not finite: fx, fy, cx, cy, D = {values}")
        if self.fx <= 0 or self.fy <= 0:
            raise CameraError(
                f"focal lengths fx = {self.fx}, fy = {self.fy} must be above 0; is the camera calibrated (K of camera_info)?"
            )
        if not (-self.width <= self.cx <= 2 * self.width and -self.height <= self.cy <= 2 * self.height):
            raise CameraError(
                f"principal point ({self.cx}, {self.cy}) is far outside an image of {self.width} x {self.height}; "
                "does camera_info belong to this image?"
            )
        if self.distortion_model not in DISTORTION_MODELS:
            raise CameraError(f"distortion model '{self.distortion_model}' is not one of {DISTORTION_MODELS[1:]}")
        counts = _COUNTS.get(self.distortion_model, _COUNTS_PINHOLE)
        if self.is_distorted and len(self.distortion) not in counts:
            raise CameraError(
                f"distortion model '{self.distortion_model}' has {len(self.distortion)} coefficients, expected "
                f"{' or '.join(map(str, counts))}"
            )

    @property
    def is_distorted(self) -> bool:
        return any(abs(d) > 1e-12 for d in self.distortion)

    def matrix(self) -> npt.NDArray[np.float64]:
        """K (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    @property
    def rays(self) -> npt.NDArray[np.float32]:
        """(H, W, 2) float32, read-only: x / z and y / z of each pixel's ray, distortion removed."""
        return _rays(self)

    @property
    def ray_planes(self) -> npt.NDArray[np.float32]:
        """(2, H, W) float32, read-only: ``rays`` with each component in one piece, from which pixels are picked faster."""
        return _ray_planes(self)

    def back_project(self, depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """XYZ map (H, W, 3) float32 in the optical frame, metres, NaN where depth is NaN.

        Raises:
            CameraError: when depth has another size than the camera.
        """
        if depth_m.shape != (self.height, self.width):
            raise CameraError(f"depth is {depth_m.shape[1]} x {depth_m.shape[0]} but the camera is {self.width} x {self.height}")
        xyz = np.empty((*depth_m.shape, 3), dtype=np.float32)
        np.multiply(self.rays, depth_m[..., None], out=xyz[..., :2])
        xyz[..., 2] = depth_m
        return xyz

    def part(self, rows: slice, columns: slice) -> CameraModel:
        """The camera of a window of the image; its rays are the very ones of the whole image."""
        return _CameraPart.of(self, rows, columns)

    def project(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Pixels (N, 2) of points (N, 3) in the optical frame; NaN for points not in front of the camera."""
        p = np.atleast_2d(np.asarray(points, dtype=np.float64))
        pixels = np.full((len(p), 2), np.nan)
        front = p[:, 2] > 1e-6
        if not front.any():
            return pixels
        if self.is_distorted:
            pixels[front] = self._distort(p[front])
        else:
            pixels[front] = p[front, :2] / p[front, 2:] * (self.fx, self.fy) + (self.cx, self.cy)
        return pixels

    def _distort(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        import cv2

        zero, coefficients = np.zeros(3), np.array(self.distortion)
        if self.distortion_model == "equidistant":
            pixels, _ = cv2.fisheye.projectPoints(points[:, None], zero, zero, self.matrix(), coefficients)
        else:
            pixels, _ = cv2.projectPoints(points[:, None], zero, zero, self.matrix(), coefficients)
        return np.asarray(pixels, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class _CameraPart(CameraModel):
    """See ``CameraModel.part``. Its principal point may lie far outside of it."""

    whole: CameraModel | None = None
    corner: tuple[int, int] = (0, 0)

    @staticmethod
    def of(whole: CameraModel, rows: slice, columns: slice) -> _CameraPart:
        left, top = columns.start, rows.start
        return _CameraPart(
            columns.stop - left, rows.stop - top, whole.fx, whole.fy, whole.cx - left, whole.cy - top,
            whole.distortion, whole.distortion_model, whole, (top, left),
        )  # fmt: skip

    def __post_init__(self) -> None:
        """The whole camera was judged."""

    @property
    def rays(self) -> npt.NDArray[np.float32]:
        assert self.whole is not None
        top, left = self.corner
        return self.whole.rays[top : top + self.height, left : left + self.width]

    @property
    def ray_planes(self) -> npt.NDArray[np.float32]:
        assert self.whole is not None
        top, left = self.corner
        return self.whole.ray_planes[:, top : top + self.height, left : left + self.width]


# Live images come each with a camera of its own, but equal ones: the undistortion of an image takes longer than all else.
@lru_cache(maxsize=4)
def _rays(camera: CameraModel) -> npt.NDArray[np.float32]:
    u, v = np.arange(camera.width, dtype=np.float64), np.arange(camera.height, dtype=np.float64)
    result = np.empty((camera.height, camera.width, 2), dtype=np.float32)
    if camera.is_distorted:
        pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        result[...] = _undistorted(camera, pixels).reshape(result.shape)
    else:
        result[..., 0], result[..., 1] = (u - camera.cx) / camera.fx, ((v - camera.cy) / camera.fy)[:, None]
    result.flags.writeable = False
    return result


@lru_cache(maxsize=4)
def _ray_planes(camera: CameraModel) -> npt.NDArray[np.float32]:
    planes = np.ascontiguousarray(_rays(camera).transpose(2, 0, 1))
    planes.flags.writeable = False
    return planes


def _undistorted(camera: CameraModel, pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rays (N, 2) of pixels (N, 2)."""
    import cv2

    undistort = cv2.fisheye.undistortPoints if camera.distortion_model == "equidistant" else cv2.undistortPoints
    found = undistort(pixels[:, None], camera.matrix(), np.array(camera.distortion))
    rays = np.asarray(found, dtype=np.float64).reshape(-1, 2)
    # OpenCV stops after five rounds, at a few hundredths of a pixel; how to ask for more differs between its versions.
    for _ in range(8):
        missed = (camera.project(np.column_stack([rays, np.ones(len(rays))])) - pixels) / (camera.fx, camera.fy)
        if np.abs(missed).max() < 1e-7:
            break
        rays = rays - missed
    return rays
