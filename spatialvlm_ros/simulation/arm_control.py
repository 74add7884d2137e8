"""Cartesian control: straight lines with a minimum-jerk profile, turned into joint targets by differential IK."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.simulation.kinematics import ArmKinematics, ToolPose
from spatialvlm_ros.simulation.primitives import FloatArray
from spatialvlm_ros.simulation.robot import ARM_LINKS, HOME_RAD, MAX_JOINT_SPEED_RAD_S

MAX_ANGULAR_SPEED_RAD_S = 1.8
MAX_ACCELERATION_M_S2 = 2.0
_BRAKE_S = 0.02
_BLEND_S = 0.12
_SETTLE_S = 0.4
_REACHED_M, _REACHED_RAD = 0.002, 0.01
_BLOCKED_M = 0.03
_TIP_BEYOND_TOOL_M = 0.012
# Peaks of the minimum-jerk profile relative to distance / time and distance / time^2.
_JERK_SPEED, _JERK_ACCELERATION = 1.875, 5.7735


class UnreachableError(ValueError):
    """The arm cannot go there.

    Attributes:
        position_m: the asked tool position (3,) in base_link.
        position_error_m: what is missing at the closest configuration found.
        rotation_error_rad: likewise for the rotation.
    """

    def __init__(self, reason: str, position_m: FloatArray, position_error_m: float, rotation_error_rad: float) -> None:
        place = ", ".join(f"{value:.3f}" for value in position_m)
        super().__init__(
            f"tool target ({place}) m in base_link {reason}: closest {position_error_m * 1000:.1f} mm, "
            f"{math.degrees(rotation_error_rad):.1f} deg away"
        )
        self.position_m = position_m
        self.position_error_m = position_error_m
        self.rotation_error_rad = rotation_error_rad


@dataclass(frozen=True)
class MotionState:
    """How the last commanded motion stands.

    Attributes:
        remaining_m: distance of the tool, as it is, from the target (0 without a target).
        remaining_rad: likewise the angle.
        tracking_error_m: distance of the tool from where the trajectory wants it now.
        active: a motion is under way.
        done: the target is reached.
        error: None, or why the motion ended early ("stopped", "blocked ...", "missed ...").
    """

    remaining_m: float
    remaining_rad: float
    tracking_error_m: float
    active: bool
    done: bool
    error: str | None


@dataclass
class _Line:
    """A straight line from `start` by (3,) `shift_m` and (3,) `turn_rad` within `duration_s`."""

    start: ToolPose
    target: ToolPose
    shift_m: FloatArray
    turn_rad: FloatArray
    duration_s: float
    initial_velocity_m_s: FloatArray
    elapsed_s: float = 0.0


class ArmController:
    """Follows one straight line at a time. All poses are of tool0 in base_link."""

    def __init__(self, kinematics: ArmKinematics) -> None:
        self._kinematics = kinematics
        joints = [link.joint for link in ARM_LINKS if link.joint is not None]
        # A position servo lags by (kv + damping) / kp times the speed; adding that to the set point cancels the lag.
        self._lead_s = np.array([(joint.kv + joint.damping) / joint.kp for joint in joints])
        self._max_speed = np.asarray(MAX_JOINT_SPEED_RAD_S)
        self.reset()

    def reset(self) -> None:
        """Forget everything; stand at the home posture."""
        self._joints = np.array(HOME_RAD)
        self._velocity = np.zeros(6)
        self._tool_velocity = np.zeros(3)
        self._reference = self._kinematics.forward(self._joints)
        self._line: _Line | None = None
        self._braking_s = math.inf
        self._active = False
        self._done = True
        self._error: str | None = None
        self._tracking_error_m = 0.0

    def set_target(self, target: ToolPose, max_speed_m_s: float) -> None:
        """Start a straight line from the present set point. Raises UnreachableError and then changes nothing."""
        start = self._reference
        shift = target.position_m - start.position_m
        turn = self._kinematics.rotation_between(start.quaternion, target.quaternion)
        joint_time = self._check(start, target, shift, turn)
        distance, angle = float(np.linalg.norm(shift)), float(np.linalg.norm(turn))
        duration = max(
            _JERK_SPEED * distance / max_speed_m_s,
            math.sqrt(_JERK_ACCELERATION * distance / MAX_ACCELERATION_M_S2),
            _JERK_SPEED * angle / MAX_ANGULAR_SPEED_RAD_S,
            joint_time,
            0.05,
        )
        self._line = _Line(start, target, shift, turn, duration, self._tool_velocity.copy())
        self._braking_s = math.inf
        self._active, self._done, self._error = True, False, None

    def stop(self, reason: str = "stopped") -> None:
        """Brake within 20 ms and hold that place."""
        if self._active:
            self._error = reason
        self._active = False
        self._braking_s = 0.0

    def tick(self, dt_s: float, measured: ToolPose, measured_rad: FloatArray) -> FloatArray:
        """Advance by `dt_s`; returns servo set points (6,) in rad."""
        self._tracking_error_m = float(np.linalg.norm(measured.position_m - self._reference.position_m))
        if self._active and self._tracking_error_m > _BLOCKED_M:
            # Hold where the arm is: pushing on would only build up force.
            self.stop(f"blocked: tool is {self._tracking_error_m * 1000:.0f} mm from its trajectory")
            self._joints, self._velocity = measured_rad.copy(), np.zeros(6)
        if self._active:
            self._advance(dt_s, measured)
        else:
            self._brake(dt_s)
        return self._joints + self._lead_s * self._velocity

    def state(self, measured: ToolPose) -> MotionState:
        """State of the motion, for the tool pose as measured."""
        remaining_m, remaining_rad = self._remaining(measured)
        return MotionState(remaining_m, remaining_rad, self._tracking_error_m, self._active, self._done, self._error)

    def _remaining(self, measured: ToolPose) -> tuple[float, float]:
        if self._line is None:
            return 0.0, 0.0
        target = self._line.target
        turn = self._kinematics.rotation_between(measured.quaternion, target.quaternion)
        return float(np.linalg.norm(target.position_m - measured.position_m)), float(np.linalg.norm(turn))

    def _advance(self, dt_s: float, measured: ToolPose) -> None:
        line = self._line
        assert line is not None
        line.elapsed_s += dt_s
        wanted = self._line_pose(line)
        joints, _, _ = self._kinematics.step_towards(self._joints, wanted)
        limit = 1.5 * self._max_speed * dt_s
        joints = self._joints + np.clip(joints - self._joints, -limit, limit)
        self._velocity = (joints - self._joints) / dt_s
        self._tool_velocity = (wanted.position_m - self._reference.position_m) / dt_s
        self._joints, self._reference = joints, wanted
        if line.elapsed_s >= line.duration_s:
            self._finish(line, measured)

    def _finish(self, line: _Line, measured: ToolPose) -> None:
        remaining_m, remaining_rad = self._remaining(measured)
        if remaining_m < _REACHED_M and remaining_rad < _REACHED_RAD:
            self._active, self._done = False, True
        elif line.elapsed_s > line.duration_s + _SETTLE_S:
            self._active = False
            self._error = f"missed by {remaining_m * 1000:.1f} mm, {math.degrees(remaining_rad):.1f} deg"

    def _brake(self, dt_s: float) -> None:
        share = max(0.0, 1.0 - self._braking_s / _BRAKE_S)
        self._velocity = self._velocity * share
        self._braking_s += dt_s
        if np.any(self._velocity):
            self._joints = self._joints + self._velocity * dt_s
        self._tool_velocity = np.zeros(3)
        self._reference = self._kinematics.forward(self._joints)

    def _line_pose(self, line: _Line) -> ToolPose:
        s = min(line.elapsed_s / line.duration_s, 1.0)
        share = s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
        position = line.start.position_m + share * line.shift_m
        t = line.elapsed_s
        if t < _BLEND_S:
            # Leaves with the speed that a motion under way had, and is back on the line after the blend.
            position = position + line.initial_velocity_m_s * t * (1.0 - t / _BLEND_S) ** 2
        return ToolPose(position, self._kinematics.rotate(line.start.quaternion, share * line.turn_rad))

    def _check(self, start: ToolPose, target: ToolPose, shift_m: FloatArray, turn_rad: FloatArray) -> float:
        """Walk the line on the kinematic copy. Returns the least duration in s that keeps the joints' speed limits."""
        tip_z = float(target.position_m[2]) + self._kinematics.tool_axis_z(target.quaternion) * _TIP_BEYOND_TOOL_M
        if tip_z < 0.0:
            raise UnreachableError("puts the finger tips below the table top", target.position_m, -tip_z, 0.0)
        facing = np.array(HOME_RAD)
        facing[0] = math.atan2(target.position_m[1], target.position_m[0])
        starts = (self._joints, np.array(HOME_RAD), facing)
        solutions = [self._kinematics.solve(joints, target) for joints in starts]
        _, position_error, rotation_error = min(solutions, key=lambda found: found[1] + 0.1 * found[2])
        if position_error > 1e-3 or rotation_error > 5e-3:
            raise UnreachableError("is out of reach", target.position_m, position_error, rotation_error)
        count = 1 + math.ceil(float(np.linalg.norm(shift_m)) / 0.02) + math.ceil(float(np.linalg.norm(turn_rad)) / 0.1)
        joints, slowest = self._joints, 0.0
        for index in range(1, count + 1):
            share = index / count
            waypoint = ToolPose(start.position_m + share * shift_m, self._kinematics.rotate(start.quaternion, share * turn_rad))
            following, position_error, rotation_error = self._kinematics.solve(joints, waypoint, 15)
            if position_error > 1e-3 or rotation_error > 5e-3:
                reason = f"cannot be reached on a straight line (stuck at {share:.0%} of it)"
                raise UnreachableError(reason, target.position_m, position_error, rotation_error)
            slowest = max(slowest, float(np.max(np.abs(following - joints) / self._max_speed)) * count)
            joints = following
        return _JERK_SPEED * slowest
