"""Every number of planning in one place, each with its unit. The node's parameters carry the same names and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray


@dataclass(frozen=True)
class Workspace:
    """The box in the planning frame that no target may leave, metres."""

    low_m: tuple[float, float, float] = (0.10, -0.60, -0.02)
    high_m: tuple[float, float, float] = (0.85, 0.60, 0.80)

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError(f"workspace_min_m {self.low_m} must be below workspace_max_m {self.high_m} on each axis")

    def contains(self, point_m: npt.ArrayLike) -> bool:
        """Whether a point (3,) lies inside; False for one that is not finite."""
        point: FloatArray = np.asarray(point_m, dtype=np.float64)
        low, high = np.asarray(self.low_m), np.asarray(self.high_m)
        return bool(np.all((low <= point) & (point <= high)))


@dataclass(frozen=True)
class Gripper:
    """A two-finger gripper whose tool frame lies between the finger pads, z out of the hand.

    Attributes:
        max_opening_m: widest gap between the fingers.
        closing_axis: axis of the tool frame along which the fingers move, "x" or "y".
        pad_below_tool_m: how far the finger tips reach beyond the tool frame.
        finger_depth_m: how far a thing may reach up between the fingers, from the tool frame.
        side_clearance_m: free space on each side of a thing before the fingers close.
        table_clearance_m: finger tips stay this far above the support plane.
        home_yaw_rad: yaw of the tool's x axis in the planning frame that the wrist prefers.
    """

    max_opening_m: float = 0.10
    closing_axis: str = "y"
    pad_below_tool_m: float = 0.012
    finger_depth_m: float = 0.06
    side_clearance_m: float = 0.012
    table_clearance_m: float = 0.004
    home_yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        if self.closing_axis not in ("x", "y"):
            raise ValueError(f"closing_axis is '{self.closing_axis}'; it must be x or y")


@dataclass(frozen=True)
class PlanningConfig:
    """How tasks are judged, planned and carried out.

    Times named ``*_timeout_s`` count image time (the clock of the stamps), except ``facts_timeout_s``, ``motion_timeout_s``
    and ``wall_timeout_s``, which count the steady clock, so that a standing clock ends a task too.

    Attributes:
        max_fact_age_s: older facts count as unknown, and motion stops.
        max_blind_s: how long the thing to be grasped may be hidden (by the hand itself, at the end of a descent).
        moved_m: a thing that moved further than this while the hand came down is approached anew.
        rest_tolerance_m: a bottom this near the support plane lies on it.
        lifted_m: a thing held is at least this far above the support plane.
        beside_gap_m: wanted space between two things that are put next to each other.
        next_to_m: "next to" holds below this gap.
        max_attempts: tries of one step, the first included.
        max_replans: new plans within one task.
        max_looks: looks at one thing before its unknowns stay unknown.
    """

    workspace: Workspace = field(default_factory=Workspace)
    gripper: Gripper = field(default_factory=Gripper)
    max_fact_age_s: float = 0.5
    max_blind_s: float = 3.0
    moved_m: float = 0.03
    rest_tolerance_m: float = 0.02
    lifted_m: float = 0.02
    beside_gap_m: float = 0.04
    next_to_m: float = 0.12
    approach_m: float = 0.10
    lift_m: float = 0.12
    look_point_m: tuple[float, float, float] = (0.36, 0.0, 0.34)
    release_m: float = 0.006
    carry_clearance_m: float = 0.05
    travel_speed_m_s: float = 0.30
    contact_speed_m_s: float = 0.08
    max_attempts: int = 3
    max_replans: int = 3
    max_looks: int = 2
    settle_s: float = 0.25
    check_timeout_s: float = 2.0
    guard_timeout_s: float = 1.5
    facts_timeout_s: float = 2.0
    motion_timeout_s: float = 20.0
    wall_timeout_s: float = 20.0
