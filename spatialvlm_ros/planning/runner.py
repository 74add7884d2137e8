"""A task from goal to outcome: plan, run the tree, step back when something breaks, plan anew, give up with a reason.

``tick`` never blocks, and exactly one outcome is ever set. The runner moves on only while facts say that a step's conditions
hold: unknown conditions are waited for, then looked at, and never guessed.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..language.instruction import ON, TABLE, Predicate
from .activities import Context, effect, preconditions
from .behaviour import build_tree, stop_tree
from .config import PlanningConfig
from .domain import Plan, Step, make_plan
from .errors import ErrorCode, TaskError
from .executor import Executor
from .placing import has_room
from .skills import MOTIONS_OF
from .world import GRIPPER, World


class TaskState(IntEnum):
    """STATE_* constants of action ExecuteTask."""

    PLANNING = 0
    MOVING = 1
    CHECKING = 2
    RETRYING = 3


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended. ``text`` is "" on success."""

    success: bool
    code: ErrorCode
    text: str


@dataclass(frozen=True)
class TaskProgress:
    """What is going on now; ``distance_m`` from the gripper to the step's target, NaN when not measured."""

    state: TaskState
    step: str
    step_index: int
    num_steps: int
    distance_m: float
    distance_std_m: float
    potential: float


class TaskRunner:
    """Carries out one task."""

    def __init__(
        self,
        goals: tuple[Predicate, ...],
        observe: Callable[[], World],
        executor: Executor,
        config: PlanningConfig,
        *,
        steady: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.outcome: TaskOutcome | None = None
        self.steps_done: list[str] = []
        self.plan: Plan | None = None
        self._goals, self._config, self._log = goals, config, log
        self._context = Context(observe, executor, config, steady, log)
        self._phase: Callable[[], None] = self._tick_plan
        self._tree: Any = None
        self._index = 0
        self._attempts: Counter[Step] = Counter()
        self._looks: Counter[str] = Counter()
        self._replans = -1
        self._retrying = False
        self._tried: set[Predicate] = set()
        self._waiting_since: tuple[int, float] | None = None
        self._motions_before = 0

    def tick(self) -> None:
        """One step of work; does nothing once there is an outcome."""
        if self.outcome is not None:
            return
        try:
            self._phase()
        except TaskError as error:
            self._end(False, error.code, str(error))

    def cancel(self, text: str) -> None:
        """Stop the motion and end the task, unless it ended already."""
        if self.outcome is None:
            self._end(False, ErrorCode.CANCELED, text)

    def progress(self) -> TaskProgress:
        """What to tell whoever asked for the task."""
        steps = self.plan.steps if self.plan is not None else ()
        step = steps[self._index] if self._index < len(steps) else None
        state = TaskState.PLANNING
        if step is not None and self._phase == self._tick_run:
            moving = TaskState.RETRYING if self._retrying else TaskState.MOVING
            state = TaskState.CHECKING if self._context.checking else moving
        elif self._phase != self._tick_plan:
            state = TaskState.CHECKING
        distance, std = self._distance(step)
        return TaskProgress(
            state, str(step or ""), min(self._index, len(steps)), len(steps), distance, std, self._potential(step)
        )

    def _distance(self, step: Step | None) -> tuple[float, float]:
        if step is not None:
            target = step.object if step.kind == "place" and step.object != TABLE else step.subject
            fact = self._context.observe().fact("distance", GRIPPER, target)
            if fact is not None and fact.status.has_value:
                return fact.value, fact.std
        return math.nan, math.nan

    def _potential(self, step: Step | None) -> float:
        if self.outcome is not None and self.outcome.success:
            return 1.0
        if self.plan is None or not self.plan.steps:
            return 0.0
        share = 0.0
        if step is not None and self._phase == self._tick_run:
            share = min((self._context.motions_done - self._motions_before) / (len(MOTIONS_OF[step.kind]) + 1), 1.0)
        return min((self._index + share) / len(self.plan.steps), 1.0)

    # -- phases ---------------------------------------------------------------------------------------------------------

    def _tick_plan(self) -> None:
        looked = frozenset(name for name, count in self._looks.items() if count >= self._config.max_looks)
        self._check_confirmable(looked)
        plan = make_plan(self._context.beliefs(), self._goals, self._config, looked)
        self._log("plan: " + (", ".join(str(step) for step in plan.steps) or "nothing to do"))
        if not plan.steps or plan.steps[0].kind != "look":
            self._replans += 1
        if self._replans > self._config.max_replans:
            raise TaskError(ErrorCode.STEP_FAILED, f"gave up after {self._replans} new plans; {self._why()}")
        self.plan, self._index = plan, 0
        self._tree = build_tree(plan.steps, self._context, lambda: self._index) if plan.steps else None
        self._wait(self._tick_guard if plan.steps else self._tick_goal)

    def _check_confirmable(self, looked: frozenset[str]) -> None:
        """What was done and stays unknown after looking is not done again: it may well hold."""
        beliefs = self._context.beliefs()
        for goal in self._goals:
            if goal in self._tried and goal.subject in looked and self._context.holds(goal, beliefs) is None:
                raise TaskError(
                    ErrorCode.STEP_FAILED,
                    f"{goal} was carried out but cannot be confirmed ({beliefs.of(goal).why}); "
                    "check it by eye or move the camera",
                )

    def _wait(self, phase: Callable[[], None]) -> None:
        self._phase, self._waiting_since = phase, None

    def _waited_too_long(self, limit_s: float) -> bool:
        """Whether a phase has waited for facts longer than ``limit_s`` of image time (or the wall limit)."""
        world, steady_s = self._context.observe(), self._context.steady()
        if self._waiting_since is None:
            self._waiting_since = (world.now_ns, steady_s)
        since_ns, since_s = self._waiting_since
        return world.age_s(since_ns) > limit_s or steady_s - since_s > self._config.wall_timeout_s

    def _tick_guard(self) -> None:
        """Start the step when its conditions hold; else the last one before it whose conditions do."""
        assert self.plan is not None
        verdict = self._ready(self._index)
        if verdict:
            self._begin_step()
        elif verdict is False or self._waited_too_long(self._config.guard_timeout_s):
            self._step_back()

    def _ready(self, index: int) -> bool | None:
        """True, False, or None for not known, of all conditions of a step."""
        assert self.plan is not None
        beliefs = self._context.beliefs()
        step = self.plan.steps[index]
        verdicts = [self._context.holds(condition, beliefs) for condition in preconditions(step, self._wide(step, beliefs.world))]
        if any(verdict is False for verdict in verdicts):
            return False
        return None if any(verdict is None for verdict in verdicts) else True

    def _wide(self, step: Step, world: World) -> frozenset[str]:
        things = world.things
        known = step.relation == ON and step.subject in things and step.object in things
        wide = known and has_room(things[step.subject], things[step.object], things, self._config)
        return frozenset({step.object}) if wide else frozenset()

    def _begin_step(self) -> None:
        assert self.plan is not None
        step = self.plan.steps[self._index]
        self._retrying = self._attempts[step] > 0 or (step.kind != "look" and str(step) in self.steps_done)
        self._motions_before = self._context.motions_done
        self.steps_done.append(str(step))
        if (wanted := effect(step)) is not None:
            self._tried.add(wanted)
        self._phase = self._tick_run

    def _step_back(self) -> None:
        assert self.plan is not None
        for index in range(self._index - 1, -1, -1):
            if self.plan.steps[index].kind != "look" and self._ready(index):
                self._log(f"back to {self.plan.steps[index]}")
                self._index = index
                self._wait(self._tick_guard)
                return
        self._wait(self._tick_plan)

    def _tick_run(self) -> None:
        assert self.plan is not None
        self._tree.tick_once()
        if self._context.error is not None:
            raise self._context.error
        step, branch = self.plan.steps[self._index], self._tree.children[self._index]
        status = branch.status.name
        if status == "SUCCESS":
            self._step_done(step)
        elif status == "FAILURE":
            self._step_failed(step)

    def _step_done(self, step: Step) -> None:
        assert self.plan is not None
        self._attempts[step] = 0
        if step.kind == "look":
            self._looks[step.subject] += 1
            self._wait(self._tick_plan)
            return
        self._index += 1
        self._wait(self._tick_guard if self._index < len(self.plan.steps) else self._tick_goal)

    def _step_failed(self, step: Step) -> None:
        self._attempts[step] += 1
        self._log(f"{step} failed, try {self._attempts[step]} of {self._config.max_attempts}: {self._context.reason}")
        if self._attempts[step] >= self._config.max_attempts:
            raise TaskError(self._context.code, f"{step} failed {self._attempts[step]} times; {self._why()}")
        wanted = effect(step)
        if wanted is not None and self._context.beliefs().verdict(wanted) and step.kind == "pick":
            self._step_done(step)  # it worked, only later than the check waited
            return
        # What may have worked is looked at by a new plan, not done once more.
        doubtful = wanted is not None and step.kind == "place" and self._context.holds(wanted, self._context.beliefs()) is None
        self._wait(self._tick_plan if doubtful else self._tick_guard)

    def _tick_goal(self) -> None:
        """All steps are done: do the goals hold in the facts?"""
        beliefs = self._context.beliefs()
        verdicts = [self._context.holds(goal, beliefs) for goal in self._goals]
        if all(verdicts):
            self._end(True, ErrorCode.NONE, "")
        elif self._waited_too_long(self._config.check_timeout_s):
            unmet = next(goal for goal, verdict in zip(self._goals, verdicts, strict=True) if not verdict)
            self._context.fail(f"the goal does not hold: {beliefs.of(unmet)}")
            self._wait(self._tick_plan)

    def _why(self) -> str:
        reason = self._context.reason or "the goal did not come to hold"
        return f"last reason: {reason}; see to the things on the table and try again"

    def _end(self, success: bool, code: ErrorCode, text: str) -> None:
        self.outcome = TaskOutcome(success, code, text)
        if self._tree is not None:
            # Interrupts the running leaf, which cancels its motion.
            stop_tree(self._tree)
        self._context.executor.cancel()
