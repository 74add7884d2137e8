"""A simulated tabletop cell on MuJoCo: arm, gripper, objects, RGB-D camera with realistic noise, ground truth.

No ROS in here. MuJoCo itself is imported when a `TabletopSim` is made, not before.
"""

from spatialvlm_ros.simulation.arm_control import MotionState, UnreachableError
from spatialvlm_ros.simulation.camera import CAMERA_FRAME, CameraIntrinsics
from spatialvlm_ros.simulation.primitives import RobotCapsule
from spatialvlm_ros.simulation.robot import BASE_FRAME, HAND_FRAME, LINK_FRAMES, MAX_OPENING_M, TOOL_FRAME
from spatialvlm_ros.simulation.sensor import SensorModel, SensorParameters
from spatialvlm_ros.simulation.tabletop import SimConfig, SimImage, SimObject, TabletopSim, tool_down_rotation

__all__ = [
    "BASE_FRAME",
    "CAMERA_FRAME",
    "HAND_FRAME",
    "LINK_FRAMES",
    "MAX_OPENING_M",
    "TOOL_FRAME",
    "CameraIntrinsics",
    "MotionState",
    "RobotCapsule",
    "SensorModel",
    "SensorParameters",
    "SimConfig",
    "SimImage",
    "SimObject",
    "TabletopSim",
    "UnreachableError",
    "tool_down_rotation",
]
