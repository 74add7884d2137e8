"""A scripted pick and place that looks at the true poses: the yardstick for the cell's physics. For tests only."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spatialvlm_ros.simulation import MAX_OPENING_M, TabletopSim, tool_down_rotation

CONTROL_S = 0.02


def run_until_still(sim: TabletopSim, limit_s: float = 8.0, watch: Callable[[], None] | None = None) -> None:
    """Step until the motion under way ends."""
    for _ in range(round(limit_s / CONTROL_S)):
        if not sim.motion_state().active:
            break
        sim.step(CONTROL_S)
        if watch:
            watch()
    state = sim.motion_state()
    assert state.done, state


def move(sim: TabletopSim, position: object, yaw: float, speed: float = 0.3, watch: Callable[[], None] | None = None) -> None:
    """Move the tool, pointing down, to `position`."""
    sim.set_tool_target(np.asarray(position, dtype=np.float64), tool_down_rotation(yaw), speed)
    run_until_still(sim, watch=watch)


def wait(sim: TabletopSim, duration_s: float, watch: Callable[[], None] | None = None) -> None:
    """Let time pass."""
    for _ in range(round(duration_s / CONTROL_S)):
        sim.step(CONTROL_S)
        if watch:
            watch()


def grasp_yaw(pose: np.ndarray) -> float:
    """Yaw that sets the fingers on a block's sides, within 45 degrees of opening along base y."""
    yaw = math.atan2(pose[1, 0], pose[0, 0])
    return (yaw + math.pi / 4) % (math.pi / 2) - math.pi / 4


def pick(sim: TabletopSim, name: str, watch: Callable[[], None] | None = None, lift_m: float = 0.24) -> None:
    """Grasp from above and lift."""
    block = sim.objects()[name]
    yaw, centre = grasp_yaw(block.pose), block.pose[:3, 3]
    grip = np.array([centre[0], centre[1], max(0.016, centre[2])])
    sim.set_finger_opening(MAX_OPENING_M)
    move(sim, grip + np.array([0.0, 0.0, 0.12]), yaw, watch=watch)
    move(sim, grip, yaw, 0.15, watch)
    sim.set_finger_opening(0.0)
    wait(sim, 0.7, watch)
    move(sim, [grip[0], grip[1], lift_m], yaw, 0.25, watch)


def place(sim: TabletopSim, name: str, onto: str, watch: Callable[[], None] | None = None) -> None:
    """Put the held object on another one and retreat."""
    held, target = sim.objects()[name], sim.objects()[onto]
    tool = sim.tool_pose_base()
    yaw = math.atan2(tool[1, 0], tool[0, 0])
    below = tool[2, 3] - held.pose[2, 3] + held.half_extents_m[2]
    top = target.pose[2, 3] + target.half_extents_m[2]
    x, y = target.pose[:2, 3]
    move(sim, [x, y, tool[2, 3]], yaw, 0.3, watch)
    move(sim, [x, y, top + below + 0.004], yaw, 0.15, watch)
    sim.set_finger_opening(MAX_OPENING_M)
    wait(sim, 0.5, watch)
    move(sim, [x, y, 0.24], yaw, 0.25, watch)
    wait(sim, 0.3, watch)
