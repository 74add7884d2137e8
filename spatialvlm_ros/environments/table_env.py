"""The simulated cell as a Gymnasium environment: a gripper moved by small steps, a sparse reward. Needs ``gymnasium``.

Observations are low-dimensional and true (they stand for a robot's own state and a perception that is given); a reward from
images is for ``gym_reward.DenseReward`` to add. Coarse: one step is ``dt_s`` of simulated time, the tool points down all the
while.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from ..engine import RobotState
from ..scene.frame import RGBDFrame
from ..simulation import MAX_OPENING_M, SimConfig, UnreachableError, tool_down_rotation
from .table_cell import TableCell

Array = npt.NDArray[np.float32]
_SPEED_M_S = 0.6
_LOW_M, _HIGH_M = np.array([0.30, -0.32, 0.03]), np.array([0.68, 0.32, 0.35])


@dataclass(frozen=True)
class TableEnvConfig:
    """What the environment is.

    Attributes:
        objects: on the table; the first one is what the task is about.
        size_px: of the images: as small as still shows a block at the far edge of the table large enough to be found.
        step_m: the tool moves by at most so much along each axis in a step.
        dt_s: simulated time of a step.
        max_steps: an episode is truncated after so many.
        near_m: success: the tool point is this near to the first object's centre.
        scenes: seeds of the layouts; each reset takes one of them, or the one that its option ``scene`` names.
    """

    objects: tuple[str, ...] = ("red block", "green plate")
    size_px: tuple[int, int] = (280, 210)
    step_m: float = 0.05
    dt_s: float = 0.3
    max_steps: int = 20
    near_m: float = 0.04
    scenes: tuple[int, ...] = (0, 1, 2, 3)


class TableReachEnv(gymnasium.Env[Array, Array]):
    """Bring the open gripper to the first object.

    Observation (6,) float32, metres in base_link: tool point, and the object's centre less that. Action (3,) in [-1, 1]: step
    of the tool, times ``step_m``. Reward: 1 on success, which terminates; else 0. ``info["distance"]`` is the true one.
    """

    def __init__(self, config: TableEnvConfig | None = None) -> None:
        self.config = config or TableEnvConfig()
        big = np.full(6, 2.0, np.float32)
        self.observation_space = gymnasium.spaces.Box(-big, big, dtype=np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self._cells: dict[int, TableCell] = {}
        self._cell = self._cell_of(self.config.scenes[0])
        self._steps = 0

    def _cell_of(self, seed: int) -> TableCell:
        """One cell a scene: laying one out costs more than an episode."""
        if seed not in self._cells:
            self._cells[seed] = TableCell(SimConfig(seed, *self.config.size_px, objects=self.config.objects))
        return self._cells[seed]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """A new episode in one of the scenes, the arm at home. Raises ValueError for a scene that is not one of them."""
        super().reset(seed=seed)
        scene = int((options or {}).get("scene", self.np_random.choice(self.config.scenes)))
        if scene not in self.config.scenes:
            raise ValueError(f"scene is {scene}, expected one of {', '.join(map(str, self.config.scenes))}")
        self._cell = self._cell_of(scene)
        self._cell.sim.reset()
        self._steps = 0
        return self._observation(), {"distance": self.distance_m()}

    def step(self, action: Array) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Move the tool's goal, and let ``dt_s`` pass."""
        move = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0) * self.config.step_m
        # From where it is, not from where it was to be: a goal must not run ahead of the arm.
        goal = np.clip(self._tool_m() + move, _LOW_M, _HIGH_M)
        try:
            self._cell.sim.set_tool_target(goal, tool_down_rotation(0.0), _SPEED_M_S)
        except UnreachableError:
            self._cell.sim.stop()
        self._cell.sim.set_finger_opening(MAX_OPENING_M)
        self._cell.sim.step(self.config.dt_s)
        self._steps += 1
        distance = self.distance_m()
        success = distance <= self.config.near_m
        truncated = not success and self._steps >= self.config.max_steps
        return self._observation(), float(success), success, truncated, {"distance": distance, "is_success": success}

    def close(self) -> None:
        for cell in self._cells.values():
            cell.close()
        self._cells.clear()

    def rgbd(self) -> tuple[RGBDFrame, RobotState]:
        """The image of now and the robot's state: what ``DenseReward`` asks for."""
        return self._cell.frame(), self._cell.robot_state()

    def distance_m(self) -> float:
        """True distance of the tool point to the object's centre."""
        return float(np.linalg.norm(self._object_m() - self._tool_m()))

    def _tool_m(self) -> npt.NDArray[np.float64]:
        return np.asarray(self._cell.sim.tool_pose_base()[:3, 3])

    def _object_m(self) -> npt.NDArray[np.float64]:
        return np.asarray(self._cell.sim.objects()[self.config.objects[0]].pose[:3, 3])

    def _observation(self) -> Array:
        tool = self._tool_m()
        return np.concatenate([tool, self._object_m() - tool]).astype(np.float32)
