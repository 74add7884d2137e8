"""A Gymnasium wrapper that adds the dense reward to any environment that can show an RGB-D image. Needs ``gymnasium``.

It is made by the engine and the annotator that the nodes drive, and comes in one of two forms:

- ``SHAPING``: F = gamma^(dt / dt0) * Phi' - Phi, which leaves the best policy of the environment's own reward as it is (Ng,
  Harada, Russell 1999) when ``gamma`` is the learner's. It is for an environment that pays for success: F shows the way there,
  but it adds up to much the same for whatever is done, and is no task by itself.
- ``POTENTIAL``: Phi' - 1, a cost of each step that ends where the task is done. It is a task by itself, for an environment that
  pays nothing or whose own reward is not to be trusted; beside another reward it may change what is best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..reward.annotator import RewardAnnotator, RewardSample
from ..reward.builder import find_task
from ..reward.task import TaskSpec
from ..scene.frame import RGBDFrame
from ..share import config_file

SHAPING, POTENTIAL = "shaping", "potential"
FORMS = (SHAPING, POTENTIAL)
_FIXED_FRAME = "world"
Observe = Callable[[], tuple[RGBDFrame, RobotState]]
"""Gives the image of now with the robot's state at that time, ``world_from_camera`` included where the camera moves.

Stamps grow by simulated time from step to step."""


class DenseReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds a dense reward to each step's own; ``info["reward"]`` says how it was made.

    Args:
        env: any environment; its observations and actions stay as they are.
        task: a task, or the text of one: an instruction, a name of config/tasks with its parameters, or a path.
        observe: see ``Observe``. Called once after each reset and each step.
        gamma, nominal_dt_s: the learner's discount, and the time that one step takes. F is wrong for any other.
        form: SHAPING or POTENTIAL.
        weight: of the dense reward beside the environment's own.
        own_weight: of the environment's own reward; 0 leaves the dense one alone.
        every: look on each ``every``-th step only, and when an episode ends. F is 0 in between; what it is then is scaled so
            that a learner, which discounts it by its own step, adds up the same. A potential is held in between.
        terminal_zero: when the environment terminates (not when it truncates), the last potential counts as 0 in F.
        filter_frames: in place of the task's. More than 1 delays the potential by (filter_frames - 1) / 2 looks, so that a
            step is paid for what an earlier one did; a learner whose observations do not hold the past cannot tell which, and
            learns nothing from F. So outliers of a bad camera are better averaged out by the learner.

    ``info["reward"]`` holds potential, progress, distance, std, potential_std, success, coverage, stage, status, shaped (F),
    dense (F or Phi' - 1, by form; what ``weight`` weighs) and own. Where nothing has been measured yet, F is 0, and so is Phi in
    Phi' - 1. Raises ValueError for options that do not fit, TaskError, TaskFileError or InstructionError for a task that cannot
    be used.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        task: TaskSpec | str,
        observe: Observe,
        *,
        gamma: float = 0.99,
        nominal_dt_s: float = 0.1,
        form: str = SHAPING,
        weight: float = 1.0,
        own_weight: float = 1.0,
        every: int = 1,
        terminal_zero: bool = False,
        filter_frames: int = 1,
        engine: EngineConfig | None = None,
        task_directory: Path | None = None,
    ) -> None:
        super().__init__(env)
        if every < 1:
            raise ValueError(f"every is {every}, expected a whole number from 1 on")
        if form not in FORMS:
            raise ValueError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
        if terminal_zero and form != SHAPING:
            raise ValueError(f"terminal_zero is for form {SHAPING}: at form {form} the last step would cost what the others do")
        spec = find_task(task, task_directory or config_file("tasks")) if isinstance(task, str) else task
        self.task = replace(spec, gamma=gamma, nominal_dt_s=nominal_dt_s, filter_frames=filter_frames)
        self._observe, self._weight, self._own_weight = observe, weight, own_weight
        self._every, self._terminal_zero, self._form = every, terminal_zero, form
        self._engine, self._annotator = SpatialEngine(engine), RewardAnnotator(self.task)
        self._queries = self.task.queries()
        self._names: Sequence[str] = tuple(dict.fromkeys(name for query in self._queries for name in query.names))
        self._steps = self._looked = 0
        self._last: RewardSample | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment's; begins a new episode of the reward."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._engine.reset()
        self._annotator.reset()
        self._steps, self._looked, self._last = 0, 0, None
        self._look()
        return observation, {**info, "reward": self._info(0.0, 0.0, 0.0)}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's, with the dense reward added to its own."""
        observation, own, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        shaped = 0.0
        if self._steps % self._every == 0 or terminated or truncated:
            shaped = self._look(ends=terminated and self._terminal_zero) * self.task.gamma ** (self._looked + 1 - self._steps)
            self._looked = self._steps
        dense = shaped if self._form == SHAPING else self._potential() - 1.0
        reward = self._own_weight * float(own) + self._weight * dense
        return observation, reward, terminated, truncated, {**info, "reward": self._info(shaped, dense, float(own))}

    def _potential(self) -> float:
        """The last one; 0 where there is none yet: paying for that would pay for hiding things."""
        potential = math.nan if self._last is None else self._last.potential
        return potential if math.isfinite(potential) else 0.0

    def _look(self, ends: bool = False) -> float:
        """Measure now; F since the last look."""
        frame, robot = self._observe()
        scene = self._engine.observe(frame, self._names, robot)
        before, ended = self._last, self._annotator.ended
        # In a frame that does not move, so that a camera on the hand does not move what lies still.
        facts = self._engine.facts(scene, self._queries, (_FIXED_FRAME, robot.world_from_camera))
        sample = self._annotator.update(scene.stamp_ns, facts)
        self._last = sample
        if ends and not ended and before is not None and math.isfinite(before.potential):
            # The potential of what comes after the end is 0.
            return -before.potential
        return sample.reward

    def _info(self, shaped: float, dense: float, own: float) -> dict[str, Any]:
        sample = self._last
        if sample is None:
            return {"shaped": shaped, "dense": dense, "own": own}
        return {
            "potential": sample.potential, "progress": sample.progress, "distance": sample.distance, "std": sample.std,
            "potential_std": sample.potential_std, "success": sample.success, "coverage": sample.coverage,
            "stage": sample.stage, "status": sample.status.name,
            "shaped": shaped, "dense": dense, "own": own,
        }  # fmt: skip
