"""Forward and inverse kinematics of the arm on MuJoCo's model, on a private copy of the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialvlm_ros.simulation.primitives import FloatArray
from spatialvlm_ros.simulation.robot import ARM_JOINTS, ARM_LINKS, TOOL_FRAME

_DAMPING = 0.02
_MAX_STEP_RAD = 0.25


@dataclass(frozen=True)
class ToolPose:
    """Tool frame in base_link: position (3,) in metres, unit quaternion (4,) as (w, x, y, z)."""

    position_m: FloatArray
    quaternion: FloatArray


class ArmKinematics:
    """Kinematics by MuJoCo's Jacobian. Not thread-safe: every user needs an own instance."""

    def __init__(self, model: Any, mujoco: Any) -> None:
        self._mujoco = mujoco
        self._model = model
        self._data = mujoco.MjData(model)
        self._site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TOOL_FRAME)
        joints = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) for name in ARM_JOINTS]
        self.qpos_index = np.asarray(model.jnt_qposadr[joints])
        self.dof_index = np.asarray(model.jnt_dofadr[joints])
        limits = [link.joint for link in ARM_LINKS if link.joint is not None]
        self.low_rad = np.array([joint.low for joint in limits])
        self.high_rad = np.array([joint.high for joint in limits])
        self._jacobian = np.zeros((6, model.nv))
        self._identity = np.eye(6) * _DAMPING**2

    def forward(self, joints_rad: FloatArray) -> ToolPose:
        """Tool pose for joint angles (6,) in rad."""
        self._data.qpos[self.qpos_index] = joints_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        quaternion = np.zeros(4)
        self._mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return ToolPose(self._data.site_xpos[self._site].copy(), quaternion)

    def step_towards(self, joints_rad: FloatArray, target: ToolPose) -> tuple[FloatArray, float, float]:
        """One damped least-squares step.

        Returns:
            new joint angles (6,) within their limits, and the error before the step: metres, rad.
        """
        pose = self.forward(joints_rad)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self.dof_index]
        turn = self.rotation_between(pose.quaternion, target.quaternion)
        error = np.concatenate([target.position_m - pose.position_m, turn])
        # Damping fades with the error: steady near singular postures, exact at the end.
        fade = min(1.0, float(np.linalg.norm(error)) * 10.0) + 1e-4
        change = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + fade * self._identity, error)
        change *= min(1.0, _MAX_STEP_RAD / max(float(np.abs(change).max()), 1e-12))
        # The six joints leave no null space, so that there is no posture term: the start decides elbow and wrist.
        stepped = np.clip(joints_rad + change, self.low_rad, self.high_rad)
        return stepped, float(np.linalg.norm(error[:3])), float(np.linalg.norm(turn))

    def solve(self, start_rad: FloatArray, target: ToolPose, iterations: int = 60) -> tuple[FloatArray, float, float]:
        """Iterate from `start_rad` (6,) until the error is below 0.1 mm and 0.5 mrad, or for `iterations` steps.

        Returns:
            joint angles (6,), the error that is left: metres, rad.
        """
        joints = start_rad
        for _ in range(iterations):
            stepped, position_error, rotation_error = self.step_towards(joints, target)
            if position_error < 1e-4 and rotation_error < 5e-4:
                return joints, position_error, rotation_error
            joints = stepped
        pose = self.forward(joints)
        turn = self.rotation_between(pose.quaternion, target.quaternion)
        return joints, float(np.linalg.norm(pose.position_m - target.position_m)), float(np.linalg.norm(turn))

    def rotation_between(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Rotation vector (3,), rad, in base_link, that turns quaternion `start` into `end` the short way."""
        inverse, relative, vector = np.zeros(4), np.zeros(4), np.zeros(3)
        self._mujoco.mju_negQuat(inverse, start)
        self._mujoco.mju_mulQuat(relative, end, inverse)
        self._mujoco.mju_quat2Vel(vector, relative, 1.0)
        return vector

    def rotate(self, quaternion: FloatArray, vector_rad: FloatArray) -> FloatArray:
        """Quaternion turned by a rotation vector (3,) in base_link."""
        turned = np.zeros(4)
        angle = float(np.linalg.norm(vector_rad))
        if angle < 1e-12:
            return quaternion.copy()
        turn = np.zeros(4)
        self._mujoco.mju_axisAngle2Quat(turn, vector_rad / angle, angle)
        self._mujoco.mju_mulQuat(turned, turn, quaternion)
        return turned

    def tool_axis_z(self, quaternion: FloatArray) -> float:
        """Vertical part of the direction in which the gripper points: -1 is straight down."""
        w, x, y, z = quaternion
        return float(w * w - x * x - y * y + z * z)
