"""The fixed RGB-D camera: intrinsics, pose, and the one-pass colour and depth renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation._mujoco import gl_context_class, load_mujoco
from spatialvlm_ros.simulation.primitives import FloatArray, Vec3, numbers

CAMERA_FRAME = "camera_color_optical_frame"
CAMERA_POSITION_M: Vec3 = (1.25, 0.07, 0.62)
CAMERA_TARGET_M: Vec3 = (0.42, 0.0, 0.135)
_NEAR_M, _FAR_M = 0.05, 12.0


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole camera without distortion, in pixels. Whole coordinates are pixel centres, as in OpenCV and ROS."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def project(self, points_optical_m: FloatArray) -> FloatArray:
        """Pixels (N, 2) as (u, v) of points (N, 3) in the optical frame, metres, in front of the camera."""
        points = np.asarray(points_optical_m, dtype=np.float64)
        u = self.fx * points[:, 0] / points[:, 2] + self.cx
        v = self.fy * points[:, 1] / points[:, 2] + self.cy
        return np.stack([u, v], axis=1)

    def back_project(self, depth_m: NDArray[np.float32]) -> FloatArray:
        """Points (H, W, 3) in the optical frame, metres, of a depth image (H, W) in metres along the optical axis."""
        v, u = np.mgrid[0 : self.height, 0 : self.width]
        z = depth_m.astype(np.float64)
        return np.stack([(u - self.cx) * z / self.fx, (v - self.cy) * z / self.fy, z], axis=-1)


def default_intrinsics(width: int, height: int) -> CameraIntrinsics:
    """Colour intrinsics of a D435-like camera, scaled from 640x480 to the asked size (pixels)."""
    scale_x, scale_y = width / 640.0, height / 480.0
    # Scaling acts on pixel edges, while cx and cy count from the centre of the first pixel: hence the halves.
    cx = (323.4 + 0.5) * scale_x - 0.5
    cy = (236.8 + 0.5) * scale_y - 0.5
    return CameraIntrinsics(611.3 * scale_x, 610.9 * scale_y, cx, cy, width, height)


def look_at(position_m: Vec3, target_m: Vec3) -> FloatArray:
    """Pose (4, 4) in base_link of an optical frame (z forward, x right, y down) at `position_m` facing `target_m`."""
    position = np.asarray(position_m, dtype=np.float64)
    forward = np.asarray(target_m, dtype=np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def camera_mjcf(pose_base: FloatArray, intrinsics: CameraIntrinsics) -> str:
    """The `<camera>` element for an optical pose (4, 4). MuJoCo cameras look along -z with y up."""
    axes = np.concatenate([pose_base[:3, 0], -pose_base[:3, 1]])
    width, height = intrinsics.width, intrinsics.height
    # MuJoCo wants the shift from the image centre: u negated, v not (found by measurement, kept by a test).
    offset = ((width - 1) / 2 - intrinsics.cx, (height - 1) / 2 - intrinsics.cy)
    # With square sensor pixels of 1 um; only ratios matter.
    return (
        f'<camera name="rgbd" pos="{numbers(pose_base[:3, 3])}" xyaxes="{numbers(axes)}" '
        f'resolution="{width} {height}" sensorsize="{width * 1e-6:.9g} {height * 1e-6:.9g}" '
        f'focalpixel="{intrinsics.fx:.9g} {intrinsics.fy:.9g}" principalpixel="{numbers(offset)}"/>'
    )


class DepthCamera:
    """Off-screen renderer of one model. Any thread may call it, but only one at a time."""

    def __init__(self, model: Any, intrinsics: CameraIntrinsics) -> None:
        mujoco = load_mujoco()
        self._mujoco = mujoco
        self._model = model
        self._rect = mujoco.MjrRect(0, 0, intrinsics.width, intrinsics.height)
        self._size = (intrinsics.height, intrinsics.width)
        self._scene = mujoco.MjvScene(model, 400)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0
        self._gl = gl_context_class()(intrinsics.width, intrinsics.height)
        with self._gl.as_current():
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
            self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR

    def copy_scene(self, data: Any) -> None:
        """Take over the poses of `data`; `capture` draws them. Only this needs `data` to hold still."""
        self._mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, self._mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )

    def capture(self, segment: bool) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32] | None]:
        """Draw what `copy_scene` took over.

        Returns:
            colour (H, W, 3) RGB, depth (H, W) in metres along the optical axis, and geom ids (H, W), -1 for none, if
            `segment` asks for the second pass that they need.
        """
        # Released after use: a context that stays current would bind the camera to one thread.
        with self._gl.as_current():
            color = np.empty((*self._size, 3), np.uint8)
            raw = np.empty(self._size, np.float32)
            self._mujoco.mjr_render(self._rect, self._scene, self._context)
            self._mujoco.mjr_readPixels(color, raw, self._rect, self._context)
            ids = self._segment() if segment else None
        # The buffer holds 1 at the near plane and 0 at the far one, hyperbolic in between.
        depth = np.float32(_NEAR_M * _FAR_M) / (np.float32(_NEAR_M) + raw[::-1] * np.float32(_FAR_M - _NEAR_M))
        return np.ascontiguousarray(color[::-1]), depth, ids

    def _segment(self) -> NDArray[np.int32]:
        flags = self._mujoco.mjtRndFlag
        rgb = np.empty((*self._size, 3), np.uint8)
        for flag in (flags.mjRND_SEGMENT, flags.mjRND_IDCOLOR):
            self._scene.flags[flag] = True
        self._mujoco.mjr_render(self._rect, self._scene, self._context)
        self._mujoco.mjr_readPixels(rgb, None, self._rect, self._context)
        for flag in (flags.mjRND_SEGMENT, flags.mjRND_IDCOLOR):
            self._scene.flags[flag] = False
        wide = rgb[::-1].astype(np.int32)
        code = wide[..., 0] + (wide[..., 1] << 8) + (wide[..., 2] << 16)
        table = np.full(self._scene.ngeom + 1, -1, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0:
                table[geom.segid + 1] = geom.objid
        ids: NDArray[np.int32] = table[code]
        return ids

    def close(self) -> None:
        """Free the GL objects; further calls fail."""
        if self._gl is not None:
            with self._gl.as_current():
                self._context.free()
            self._gl.free()
            self._gl = None


MAP_MJCF = f'<map znear="{_NEAR_M}" zfar="{_FAR_M}"/>'
