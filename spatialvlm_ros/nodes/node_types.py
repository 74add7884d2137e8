"""The executables of this package by name, for tools that start, document or check them all."""

from __future__ import annotations

from .lifecycle import ManagedNode
from .planner_node import PlannerNode
from .reward_node import RewardNode
from .sim_robot_node import SimRobotNode
from .spatial_node import SpatialNode

NODES: dict[str, type[ManagedNode]] = {
    "spatial_node": SpatialNode,
    "reward_node": RewardNode,
    "planner_node": PlannerNode,
    "sim_robot_node": SimRobotNode,
}
