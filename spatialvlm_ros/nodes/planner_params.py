"""planner_node's parameters, and the planning configuration that they make."""

from __future__ import annotations

from typing import Any

from ..planning.config import Gripper, PlanningConfig, Workspace
from .lifecycle import ManagedNode
from .parameters import Param

EXECUTORS = ("dry_run", "sim", "cartesian", "moveit")
_DEFAULT = PlanningConfig()
_BOX, _HAND = _DEFAULT.workspace, _DEFAULT.gripper

PLANNER_PARAMS = (
    Param("executor", "dry_run", "Who moves: nobody, sim_robot_node, or a MoveGripper server; no moveit yet.", choices=EXECUTORS),
    Param("allow_motion", False, "Must be true before anything moves.", read_only=False),
    Param("motion_action", "robot/move_gripper", "Name of the MoveGripper action of the 'cartesian' executor."),
    Param("spatial_node", "spatial_node", "Name of the node whose scene, facts and set_queries are used."),
    Param("planning_frame", "base_link", "tf frame of targets and of the workspace box; its z axis points up."),
    Param("workspace_min_m", list(_BOX.low_m), "Lowest x, y, z of targets in planning_frame, metres."),
    Param("workspace_max_m", list(_BOX.high_m), "Highest x, y, z of targets in planning_frame, metres."),
    Param("max_opening_m", _HAND.max_opening_m, "Widest gap between the fingers.", 0.005, 1.0),
    Param("closing_axis", _HAND.closing_axis, "Axis of the tool frame along which the fingers move.", choices=("x", "y")),
    Param("pad_below_tool_m", _HAND.pad_below_tool_m, "How far the finger tips reach beyond the tool frame.", 0.0, 0.2),
    Param("finger_depth_m", _HAND.finger_depth_m, "How far a thing may reach up between the fingers.", 0.005, 0.5),
    Param("side_clearance_m", _HAND.side_clearance_m, "Free space on each side of a thing before the fingers close.", 0.0, 0.1),
    Param("table_clearance_m", _HAND.table_clearance_m, "Finger tips stay this far above the support plane.", 0.0, 0.1),
    Param("home_yaw_rad", _HAND.home_yaw_rad, "Yaw of the tool's x axis that the wrist prefers.", -3.1416, 3.1416),
    Param("max_fact_age_s", _DEFAULT.max_fact_age_s, "Older facts count as unknown, and motion stops.", 0.05, 10.0),
    Param("max_blind_s", _DEFAULT.max_blind_s, "How long the hand may hide the thing that it comes down on.", 0.0, 30.0),
    Param("moved_m", _DEFAULT.moved_m, "A thing that moved further than this meanwhile is approached anew.", 0.001, 0.5),
    Param("rest_tolerance_m", _DEFAULT.rest_tolerance_m, "A bottom this near the support plane lies on it.", 0.001, 0.2),
    Param("lifted_m", _DEFAULT.lifted_m, "A thing that is held is at least this far above the support plane.", 0.0, 0.5),
    Param("beside_gap_m", _DEFAULT.beside_gap_m, "Wanted space between things put next to each other.", 0.0, 0.5),
    Param("next_to_m", _DEFAULT.next_to_m, "'next to' holds below this gap.", 0.01, 1.0),
    Param("approach_m", _DEFAULT.approach_m, "Height above a grasp from which the hand comes down slowly.", 0.02, 0.5),
    Param("lift_m", _DEFAULT.lift_m, "How far a thing is lifted, and how far the hand retreats.", 0.03, 0.5),
    Param("look_point_m", list(_DEFAULT.look_point_m), "Where the hand waits out of the camera's view, in planning_frame."),
    Param("release_m", _DEFAULT.release_m, "A thing is let go this far above its support.", 0.0, 0.1),
    Param("carry_clearance_m", _DEFAULT.carry_clearance_m, "Space between what is carried and everything else.", 0.0, 0.5),
    Param("travel_speed_m_s", _DEFAULT.travel_speed_m_s, "Speed through free space.", 0.005, 2.0),
    Param("contact_speed_m_s", _DEFAULT.contact_speed_m_s, "Speed near things.", 0.002, 1.0),
    Param("max_attempts", _DEFAULT.max_attempts, "Tries of one step, the first included.", 1, 20),
    Param("max_replans", _DEFAULT.max_replans, "New plans within one task.", 0, 20),
    Param("max_looks", _DEFAULT.max_looks, "Looks at one thing before its unknowns stay unknown.", 1, 10),
    Param("settle_s", _DEFAULT.settle_s, "Image time after a motion before a failed effect counts.", 0.0, 5.0),
    Param("check_timeout_s", _DEFAULT.check_timeout_s, "Image time to wait for an effect.", 0.1, 60.0),
    Param("guard_timeout_s", _DEFAULT.guard_timeout_s, "Image time to wait for a step's conditions.", 0.1, 60.0),
    Param("facts_timeout_s", _DEFAULT.facts_timeout_s, "Steady time that motion waits for fresh facts.", 0.1, 60.0),
    Param("motion_timeout_s", _DEFAULT.motion_timeout_s, "Steady time for one motion.", 0.5, 600.0),
    Param("wall_timeout_s", _DEFAULT.wall_timeout_s, "Steady time for any wait, should the clock stand still.", 1.0, 600.0),
    Param("look_timeout_s", 5.0, "Steady time to wait for a scene with the facts that a task needs.", 0.2, 60.0),
    Param("find_timeout_s", 1.5, "Steady time for which a name may stay unknown or ambiguous before it is an error.", 0.0, 60.0),
    Param("server_timeout_s", 2.0, "Steady time to wait for the motion server and for its answer to a goal.", 0.1, 60.0),
)  # fmt: skip


def planning_config(node: ManagedNode) -> PlanningConfig:
    """The configuration in a node's parameters. Raises ValueError naming the parameter that is wrong."""
    names = [param.name for param in PLANNER_PARAMS]
    plain = {name: node.param(name) for name in names if name in PlanningConfig.__dataclass_fields__ and name != "look_point_m"}
    hand = {name: node.param(name) for name in names if name in Gripper.__dataclass_fields__}
    box = Workspace(_three(node, "workspace_min_m"), _three(node, "workspace_max_m"))
    return PlanningConfig(workspace=box, gripper=Gripper(**hand), look_point_m=_three(node, "look_point_m"), **plain)


def _three(node: ManagedNode, name: str) -> tuple[float, float, float]:
    values: Any = node.param(name)
    if len(values) != 3:
        raise ValueError(f"parameter {name} is {list(values)}; it needs three numbers x, y, z in metres")
    return (float(values[0]), float(values[1]), float(values[2]))
