"""TabletopSim: a simulated manipulation cell with an RGB-D camera, an arm, objects and their ground truth.

Frames: everything is given in base_link (the arm's foot on the table top; x forward over the table, y left, z up).
Other frames: link1 .. link6, hand, finger_left, finger_right, tool0 (between the finger pads, z out of the gripper,
fingers open along y) and camera_color_optical_frame (z forward, x right, y down). Needs MuJoCo, not ROS.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.simulation._mujoco import load_mujoco
from spatialvlm_ros.simulation.arm_control import ArmController, MotionState
from spatialvlm_ros.simulation.camera import (
    CAMERA_POSITION_M,
    CAMERA_TARGET_M,
    CameraIntrinsics,
    DepthCamera,
    default_intrinsics,
    look_at,
)
from spatialvlm_ros.simulation.kinematics import ArmKinematics, ToolPose
from spatialvlm_ros.simulation.model import TIMESTEP_NS, compile_model, sample_scene
from spatialvlm_ros.simulation.objects import DEFAULT_OBJECTS
from spatialvlm_ros.simulation.primitives import FloatArray, RobotCapsule
from spatialvlm_ros.simulation.robot import (
    ARM_JOINTS,
    FINGER_FRAMES,
    FINGER_JOINTS,
    HOME_RAD,
    LINK_FRAMES,
    MAX_FINGER_SPEED_M_S,
    MAX_OPENING_M,
    TOOL_FRAME,
    robot_capsules,
)
from spatialvlm_ros.simulation.sensor import SensorModel, SensorParameters

BACKGROUND_ID, TABLE_ID, ROBOT_ID, FIRST_OBJECT_ID = 0, 1, 2, 3
_CONTROL_SUBSTEPS = 2
_SETTLE_S = 0.4
_MIN_GRIP_N = 0.5
# The gripper's set point runs at most this far ahead of the fingers: enough for full force, no delay on reversal.
_FINGER_LEAD_M = 0.012


@dataclass(frozen=True)
class SimConfig:
    """What to simulate.

    Attributes:
        seed: decides objects' sizes, places and colours, light, table and sensor noise.
        width, height: image size in pixels.
        sensor_noise: False gives clean colour, and depth only rounded to millimetres.
        sensor: parameters of the noise.
        objects: names of the objects on the table, from `objects.DEFAULT_OBJECTS`.
        shadows: cast shadows; prettier and several times slower to render, for pictures.
        drop_at_s: failure switch: at this time (s since reset) the gripper opens once, whatever it was told before.
    """

    seed: int = 0
    width: int = 640
    height: int = 480
    sensor_noise: bool = True
    sensor: SensorParameters = field(default_factory=SensorParameters)
    objects: tuple[str, ...] = DEFAULT_OBJECTS
    shadows: bool = False
    drop_at_s: float | None = None


@dataclass(frozen=True)
class SimImage:
    """One camera frame.

    Attributes:
        stamp_ns: simulated time of the frame.
        frame: index since reset.
        color: (H, W, 3) uint8 RGB.
        depth_mm: (H, W) uint16 along the optical axis in millimetres, aligned with `color`, 0 where there is none.
        depth_m: truth on request: (H, W) float32, metres, noiseless, everywhere valid.
        segmentation: truth on request: (H, W) int32, numbers as in `TabletopSim.segmentation_ids`.
    """

    stamp_ns: int
    frame: int
    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    depth_m: NDArray[np.float32] | None = None
    segmentation: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class SimObject:
    """Truth about one object.

    Attributes:
        name: such as "red block".
        pose: (4, 4) of the centre of its bounding box in base_link.
        half_extents_m: (3,) half sizes of that box in the object's own frame.
        shape: "box", "cylinder", "sphere" or "cup".
        color: colour word.
    """

    name: str
    pose: FloatArray
    half_extents_m: FloatArray
    shape: str
    color: str


def tool_down_rotation(yaw_rad: float) -> FloatArray:
    """Rotation (3, 3) of a tool that points straight down; at yaw 0 its x is base x, the fingers open along y."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])


class TabletopSim:
    """The simulated cell. Methods may be called from several threads; rendering does not hold up physics for long."""

    def __init__(self, config: SimConfig | None = None) -> None:
        self._mujoco = load_mujoco()
        self.config = config or SimConfig()
        self.camera_intrinsics: CameraIntrinsics = default_intrinsics(self.config.width, self.config.height)
        self.camera_pose_base: FloatArray = look_at(CAMERA_POSITION_M, CAMERA_TARGET_M)
        # Two locks, always taken in this order: physics goes on while a picture is drawn, a rebuild waits for both.
        self._render_lock = threading.RLock()
        self._lock = threading.RLock()
        self._camera: DepthCamera | None = None
        self._build(self.config.seed)

    # ---- life cycle ---------------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> None:
        """Start over at time 0 with the arm at home; with a new seed also with a new scene."""
        with self._render_lock, self._lock:
            if seed is not None and seed != self.config.seed:
                self.config = replace(self.config, seed=seed)
                self.close()
                self._build(seed)
            else:
                self._restore()

    def close(self) -> None:
        """Free the renderer. A later `render` makes a new one."""
        with self._render_lock, self._lock:
            if self._camera is not None:
                self._camera.close()
                self._camera = None

    def _build(self, seed: int) -> None:
        mujoco, camera, pose = self._mujoco, self.camera_intrinsics, self.camera_pose_base
        self._scene = sample_scene(seed, self.config.objects, camera, pose)
        self._model = compile_model(self._scene, camera, pose, self.config.shadows, mujoco)
        self._data = mujoco.MjData(self._model)
        self._sensor = SensorModel(camera.width, camera.height, camera.fx, self.config.sensor, seed)
        self._kinematics = ArmKinematics(self._model, mujoco)
        self._controller = ArmController(self._kinematics)
        self._index_model()
        self._data.qpos[self._kinematics.qpos_index] = HOME_RAD
        self._data.qpos[self._finger_qpos] = MAX_OPENING_M / 2
        self._data.ctrl[:6], self._data.ctrl[6] = HOME_RAD, MAX_OPENING_M
        mujoco.mj_step(self._model, self._data, round(_SETTLE_S * 1e9 / TIMESTEP_NS))
        self._data.qvel[:] = 0.0
        self._start = np.zeros(mujoco.mj_stateSize(self._model, mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_getState(self._model, self._data, self._start, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._restore()

    def _restore(self) -> None:
        self._mujoco.mj_setState(self._model, self._data, self._start, self._mujoco.mjtState.mjSTATE_INTEGRATION)
        self._mujoco.mj_forward(self._model, self._data)
        self._controller.reset()
        self._substeps, self._frames, self._owed_ns = 0, 0, 0
        self._opening_goal_m = self._opening_ref_m = MAX_OPENING_M
        self._dropped = False

    def _index_model(self) -> None:
        mujoco, model = self._mujoco, self._model
        kinds = mujoco.mjtObj
        self._bodies = {name: mujoco.mj_name2id(model, kinds.mjOBJ_BODY, name) for name in LINK_FRAMES}
        self._object_bodies = {spec.name: mujoco.mj_name2id(model, kinds.mjOBJ_BODY, spec.name) for spec in self._scene.objects}
        self._site = mujoco.mj_name2id(model, kinds.mjOBJ_SITE, TOOL_FRAME)
        joints = [mujoco.mj_name2id(model, kinds.mjOBJ_JOINT, name) for name in (*ARM_JOINTS, *FINGER_JOINTS)]
        self._qpos_index = np.asarray(model.jnt_qposadr[joints])
        self._dof_index = np.asarray(model.jnt_dofadr[joints])
        self._finger_qpos = self._qpos_index[len(ARM_JOINTS) :]
        self.segmentation_ids: dict[str, int] = {"background": BACKGROUND_ID, "table": TABLE_ID, "robot": ROBOT_ID}
        for offset, name in enumerate(self._object_bodies):
            self.segmentation_ids[name] = FIRST_OBJECT_ID + offset
        by_body = {body: self.segmentation_ids[name] for name, body in self._object_bodies.items()}
        table = mujoco.mj_name2id(model, kinds.mjOBJ_GEOM, "table")
        ids = [by_body.get(int(body), ROBOT_ID if body else BACKGROUND_ID) for body in model.geom_bodyid]
        ids[table] = TABLE_ID
        # One more at the end: geom id -1 means nothing was hit.
        self._geom_to_segment = np.array([*ids, BACKGROUND_ID], np.int32)

    # ---- time ---------------------------------------------------------------------------------------------------

    @property
    def time_ns(self) -> int:
        """Simulated time since reset."""
        return self._substeps * TIMESTEP_NS

    def step(self, dt_s: float) -> None:
        """Advance physics by `dt_s` in whole 2 ms substeps; what is left over counts towards the next call."""
        if not (math.isfinite(dt_s) and dt_s >= 0.0):
            raise ValueError(f"dt_s must be finite and not negative, got {dt_s}")
        with self._lock:
            self._owed_ns += round(dt_s * 1e9)
            count, self._owed_ns = divmod(self._owed_ns, TIMESTEP_NS)
            while count > 0:
                run = min(count, _CONTROL_SUBSTEPS - self._substeps % _CONTROL_SUBSTEPS)
                if self._substeps % _CONTROL_SUBSTEPS == 0:
                    self._control(_CONTROL_SUBSTEPS * TIMESTEP_NS * 1e-9)
                self._mujoco.mj_step(self._model, self._data, run)
                self._substeps += run
                count -= run
            # A step integrates last: without this, poses would lag the joint angles by one substep.
            self._mujoco.mj_kinematics(self._model, self._data)

    def _control(self, dt_s: float) -> None:
        if self.config.drop_at_s is not None and not self._dropped and self.time_ns * 1e-9 >= self.config.drop_at_s:
            self._dropped = True
            self._opening_goal_m = MAX_OPENING_M
        joints = self._data.qpos[self._kinematics.qpos_index]
        self._data.ctrl[:6] = self._controller.tick(dt_s, self._tool(), joints)
        reach = MAX_FINGER_SPEED_M_S * dt_s
        ahead = self._opening_ref_m + min(max(self._opening_goal_m - self._opening_ref_m, -reach), reach)
        opening = self.finger_opening_m()
        self._opening_ref_m = min(max(ahead, opening - _FINGER_LEAD_M), opening + _FINGER_LEAD_M)
        self._data.ctrl[6] = self._opening_ref_m

    # ---- camera -------------------------------------------------------------------------------------------------

    def render(self, truth: bool = False) -> SimImage:
        """Take a picture now; `truth` adds noiseless depth and segmentation at the price of a second pass."""
        with self._render_lock:
            if self._camera is None:
                self._camera = DepthCamera(self._model, self.camera_intrinsics)
            with self._lock:
                frame, stamp_ns = self._frames, self.time_ns
                self._frames += 1
                self._camera.copy_scene(self._data)
            color, depth_m, geoms = self._camera.capture(truth)
            if self.config.sensor_noise:
                color, depth_mm = self._sensor.color(color, frame), self._sensor.depth_mm(depth_m, frame)
            else:
                depth_mm = np.rint(depth_m * 1000.0).astype(np.uint16)
            segments = None if geoms is None else self._geom_to_segment[geoms]
        return SimImage(stamp_ns, frame, color, depth_mm, depth_m if truth else None, segments)

    # ---- robot --------------------------------------------------------------------------------------------------

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The six arm joints, then the two finger slides."""
        return (*ARM_JOINTS, *FINGER_JOINTS)

    def joint_positions(self) -> FloatArray:
        """(8,) in the order of `joint_names`: rad, and metres for the fingers."""
        with self._lock:
            return np.array(self._data.qpos[self._qpos_index])

    def joint_velocities(self) -> FloatArray:
        """(8,) in the order of `joint_names`: rad/s, and m/s for the fingers."""
        with self._lock:
            return np.array(self._data.qvel[self._dof_index])

    def finger_opening_m(self) -> float:
        """Clear width between the finger pads."""
        return float(np.sum(self._data.qpos[self._finger_qpos]))

    def tool_pose_base(self) -> FloatArray:
        """Pose (4, 4) of tool0 in base_link."""
        with self._lock:
            return _pose(self._data.site_xpos[self._site], self._data.site_xmat[self._site])

    def link_poses(self) -> dict[str, FloatArray]:
        """Pose (4, 4) in base_link of every link frame and of tool0."""
        with self._lock:
            poses = {name: _pose(self._data.xpos[body], self._data.xmat[body]) for name, body in self._bodies.items()}
            poses[TOOL_FRAME] = self.tool_pose_base()
            return poses

    def robot_capsules(self) -> list[RobotCapsule]:
        """Capsules in link frames (base_link included) that cover the whole robot."""
        return robot_capsules()

    def set_tool_target(self, position_m: ArrayLike, rotation: ArrayLike, max_speed_m_s: float = 0.25) -> None:
        """Move tool0 along a straight line to a pose in base_link; replaces a motion under way without a jerk.

        Args:
            position_m: (3,) metres.
            rotation: (3, 3) rotation matrix; `tool_down_rotation` makes the common ones.
            max_speed_m_s: peak speed of the tool; turns and joint speed limits may slow it further.

        Raises:
            UnreachableError: no joint angles reach the pose, or the straight line to it; the present motion goes on.
            ValueError: malformed arguments.
        """
        position, matrix = np.asarray(position_m, dtype=np.float64), np.asarray(rotation, dtype=np.float64)
        if position.shape != (3,) or not np.all(np.isfinite(position)):
            raise ValueError(f"position must be three finite numbers, got {position_m!r}")
        if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0:
            raise ValueError(f"not a rotation matrix: {rotation!r}")
        if not (math.isfinite(max_speed_m_s) and max_speed_m_s > 0.0):
            raise ValueError(f"max_speed_m_s must be positive, got {max_speed_m_s}")
        quaternion = np.zeros(4)
        self._mujoco.mju_mat2Quat(quaternion, matrix.ravel())
        with self._lock:
            self._controller.set_target(ToolPose(position.copy(), quaternion), max_speed_m_s)

    def stop(self) -> None:
        """Stop the arm where it is, within 50 ms of simulated time. The fingers keep what they hold."""
        with self._lock:
            self._controller.stop()

    def motion_state(self) -> MotionState:
        """How the last tool target stands."""
        with self._lock:
            return self._controller.state(self._tool())

    def set_finger_opening(self, opening_m: float) -> None:
        """Open or close to a clear width between the pads, 0 .. 0.10 m; on an object the grip force (30 N) holds."""
        if not (math.isfinite(opening_m) and 0.0 <= opening_m <= MAX_OPENING_M):
            raise ValueError(f"opening must be within 0 .. {MAX_OPENING_M} m, got {opening_m}")
        with self._lock:
            # Slightly past closed, so that a closed gripper presses.
            self._opening_goal_m = float(opening_m) if opening_m > 0.0 else -0.01

    def grasping(self) -> str | None:
        """Name of the object that both fingers press on, if any."""
        with self._lock:
            touched: list[set[int]] = [set(), set()]
            fingers = [self._bodies[name] for name in FINGER_FRAMES]
            force = np.zeros(6)
            for index in range(self._data.ncon):
                first, second = (int(self._model.geom_bodyid[geom]) for geom in self._data.contact[index].geom)
                for side, finger in enumerate(fingers):
                    if finger not in (first, second):
                        continue
                    self._mujoco.mj_contactForce(self._model, self._data, index, force)
                    if force[0] > _MIN_GRIP_N:
                        touched[side].add(second if first == finger else first)
            held = touched[0] & touched[1]
            return next((name for name, body in self._object_bodies.items() if body in held), None)

    def _tool(self) -> ToolPose:
        quaternion = np.zeros(4)
        self._mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return ToolPose(self._data.site_xpos[self._site].copy(), quaternion)

    # ---- truth --------------------------------------------------------------------------------------------------

    def objects(self) -> dict[str, SimObject]:
        """The true state of every object."""
        with self._lock:
            found = {}
            for spec in self._scene.objects:
                body = self._object_bodies[spec.name]
                pose = _pose(self._data.xpos[body], self._data.xmat[body])
                found[spec.name] = SimObject(spec.name, pose, np.array(spec.half_extents_m), spec.shape, spec.color)
            return found


def _pose(position: FloatArray, rotation: FloatArray) -> FloatArray:
    pose = np.eye(4)
    pose[:3, :3] = np.reshape(rotation, (3, 3))
    pose[:3, 3] = position
    return pose


__all__ = ["SimConfig", "SimImage", "SimObject", "TabletopSim", "tool_down_rotation"]
