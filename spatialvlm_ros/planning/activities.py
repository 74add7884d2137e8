"""What the leaves of the behaviour tree do: move while watching, keep a hold, check an effect. Knows nothing of py_trees.

Never changes: no activity blocks, every activity ends by a time limit, and a motion that is left early is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from ..geometry.rigid import FloatArray
from ..language.instruction import BESIDE, HAND_EMPTY, HELD, ON, ON_TABLE, TABLE, Predicate
from .config import PlanningConfig
from .domain import Step
from .errors import ErrorCode, TaskError
from .executor import Executor, MotionState
from .predicates import CLEAR, Beliefs
from .skills import Hand, Motion, make_motion
from .world import GRIPPER, World

# Failures that another try may cure; every other error ends the task at once.
RETRIABLE = (ErrorCode.STEP_FAILED, ErrorCode.OBJECT_NOT_FOUND)


class Outcome(Enum):
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass
class Context:
    """What all activities of one task share.

    ``steady`` is a clock in seconds that never jumps. ``reason`` tells why the last activity failed; ``error`` is set when the
    task must end.
    """

    observe: Callable[[], World]
    executor: Executor
    config: PlanningConfig
    steady: Callable[[], float]
    log: Callable[[str], None]
    hand: Hand = field(default_factory=Hand)
    reason: str = ""
    code: ErrorCode = ErrorCode.STEP_FAILED
    error: TaskError | None = None
    checking: bool = False
    motions_done: int = 0

    def beliefs(self) -> Beliefs:
        """What is believed now; the fingers' own report is the one thing that spatial_node does not tell."""
        return Beliefs(replace(self.observe(), fingers_hold=self.hand.grasping), self.config)

    def fail(self, reason: str, code: ErrorCode = ErrorCode.STEP_FAILED) -> Outcome:
        self.reason, self.code = reason, code
        return Outcome.FAILURE

    def holds(self, predicate: Predicate, beliefs: Beliefs) -> bool | None:
        """A verdict of the facts; where they cannot tell whether a thing is held, the fingers' own report counts."""
        verdict = beliefs.verdict(predicate)
        grasp = self.hand.grasp
        taken = grasp is not None and self.hand.grasping is True
        if verdict is None and taken and grasp is not None:
            if predicate.name in (HELD, "grasped") and predicate.subject == grasp.name:
                return True
            if predicate.name == HAND_EMPTY:
                return False
        return verdict


def preconditions(step: Step, wide: frozenset[str] = frozenset()) -> tuple[Predicate, ...]:
    """What must be true before a step starts. ``wide`` supports take several things."""
    if step.kind == "pick":
        return (Predicate(HAND_EMPTY), Predicate(CLEAR, step.subject))
    if step.kind == "place":
        held = Predicate(HELD, step.subject)
        return (held, Predicate(CLEAR, step.object)) if step.relation == ON and step.object not in (TABLE, *wide) else (held,)
    return (Predicate(HAND_EMPTY),) if step.kind == "open" else ()


def effect(step: Step) -> Predicate | None:
    """What is true after a step; None where nothing can be measured."""
    if step.kind == "pick":
        return Predicate(HELD, step.subject)
    if step.kind == "place" and step.relation == ON:
        return Predicate(ON_TABLE, step.subject) if step.object == TABLE else Predicate(ON, step.subject, step.object)
    if step.kind == "place" and step.relation in BESIDE:
        return Predicate(step.relation, step.subject, step.object)
    return None


class Move:
    """One motion, made from the newest World at its start, watched until its end."""

    def __init__(self, context: Context, step: Step, kind: str) -> None:
        self.name = f"{kind} {step.subject}".strip()
        self._context, self._step, self._kind = context, step, kind
        self._motion: Motion | None = None
        self._target: FloatArray | None = None
        self._running = False
        self._started_s = 0.0
        self._stale_since_s: float | None = None
        self._last_good_ns: int | None = None

    def start(self) -> None:
        self._motion, self._running, self._target = None, False, None
        self._stale_since_s = self._last_good_ns = None
        self._started_s = self._context.steady()
        self._context.checking = False

    def stop(self) -> None:
        """Leave early: the motion must not go on."""
        if self._running:
            self._running = False
            self._context.executor.cancel()
            # Where the tool is now, only facts can tell.
            self._context.hand.tool = None

    def tick(self) -> Outcome:
        context = self._context
        world = context.observe()
        if self._facts_are_stale(world):
            return Outcome.RUNNING
        if (problem := self._watch(world)) is not None:
            self.stop()
            return context.fail(problem)
        if not self._running:
            if (waiting := self._wait_for_sight(world)) is not None:
                return waiting
            motion = self._motion or make_motion(self._kind, self._step, world, context.hand, context.config)
            if motion is None:
                return Outcome.SUCCESS
            self._begin(motion, world)
        status = context.executor.poll()
        if status.state is MotionState.SUCCEEDED:
            return self._end(status.grasping)
        if status.state is MotionState.RUNNING:
            if context.steady() - self._started_s <= context.config.motion_timeout_s:
                return Outcome.RUNNING
            self.stop()
            return context.fail(f"'{self.name}' did not end within motion_timeout_s = {context.config.motion_timeout_s} s")
        self._running, context.hand.tool = False, None
        return context.fail(f"'{self.name}' failed: {status.reason or 'the executor stopped'}")

    def _begin(self, motion: Motion, world: World) -> None:
        self._motion = motion
        thing = world.things.get(self._watched())
        if self._target is None and thing is not None:
            self._target = thing.centre
        self._context.log(str(motion))
        self._context.executor.start(motion)
        self._running = True

    def _end(self, grasping: bool | None) -> Outcome:
        context, motion = self._context, self._motion
        self._running = False
        context.motions_done += 1
        if motion is not None and motion.target is not None:
            context.hand.tool = motion.target
        if self._kind == "close":
            context.hand.grasping = grasping
            if grasping is False:
                return context.fail(f"the fingers closed without meeting the {self._step.subject}")
        elif self._kind in ("approach", "release", "open"):
            context.hand.grasping = False
        elif self._kind in ("lift", "carry", "near", "lower") and context.hand.grasping and grasping is False:
            context.hand.grasping = False
            return context.fail(f"the fingers lost the {self._step.subject} during '{self._kind}'")
        return Outcome.SUCCESS

    def _facts_are_stale(self, world: World) -> bool:
        """Motion stops while facts are old, and the task ends when they stay old."""
        context, config = self._context, self._context.config
        age_s = world.fact_age_s()
        # Letting go needs no eyes, and half-open fingers are no safer than open ones.
        if age_s <= config.max_fact_age_s or self._kind in ("release", "open"):
            if self._stale_since_s is not None:
                self._stale_since_s, self._started_s = None, context.steady()
            return False
        if self._stale_since_s is None:
            self._stale_since_s = context.steady()
            self.stop()
        if context.steady() - self._stale_since_s > config.facts_timeout_s:
            raise TaskError(
                ErrorCode.STALE_FACTS,
                f"motion stopped: the newest fact is {age_s:.2f} s old, more than max_fact_age_s = {config.max_fact_age_s}; "
                "check that spatial_node gets images and how long it takes for one",
            )
        return True

    def _wait_for_sight(self, world: World) -> Outcome | None:
        """A descent begins only onto a thing that is measured now; later the hand itself may hide it for a while."""
        if self._kind != "descend" or self._motion is not None:
            return None
        problem = Beliefs(world, self._context.config).problem(world.fact("distance", GRIPPER, self._step.subject))
        if not problem:
            return None
        if self._context.steady() - self._started_s <= self._context.config.guard_timeout_s:
            return Outcome.RUNNING
        return self._context.fail(f"the {self._step.subject} is not measured: {problem}", ErrorCode.OBJECT_NOT_FOUND)

    def _watched(self) -> str:
        """The thing whose place matters to this motion; "" for none."""
        if self._kind in ("descend", "close"):
            return self._step.subject
        return self._step.object if self._kind == "lower" and self._step.object != TABLE else ""

    def _watch(self, world: World) -> str | None:
        """Why the motion must not go on, or None."""
        name, config = self._watched(), self._context.config
        if not name:
            return None
        beliefs = Beliefs(world, config)
        fact = world.fact("distance", GRIPPER, name)
        if self._last_good_ns is None:
            self._last_good_ns = world.now_ns
        if not beliefs.problem(fact):
            self._last_good_ns = world.now_ns
        elif self._kind != "lower" and world.age_s(self._last_good_ns) > config.max_blind_s:
            return f"the {name} was not measured for {config.max_blind_s} s while the hand came near ({beliefs.problem(fact)})"
        if self._kind == "close" and beliefs.verdict(Predicate("grasped", name)) is False:
            return f"the {name} is not between the fingers"
        thing = world.things.get(name)
        if self._kind != "close" and self._target is not None and thing is not None:
            moved = float(np.linalg.norm(thing.centre[:2] - self._target[:2]))
            if moved - 2 * thing.std_m > config.moved_m:
                return f"the {name} moved by {moved:.3f} m meanwhile"
        return None


class Keep:
    """True while a thing is in the hand; broken by two images in a row that say otherwise."""

    def __init__(self, context: Context, name: str) -> None:
        self.name = f"keep hold of {name}"
        self._context, self._thing = context, name
        self._against: set[int] = set()

    def start(self) -> None:
        """Runs at every tick; what counts is gathered over ticks."""

    def stop(self) -> None:
        """Nothing to undo."""

    def tick(self) -> Outcome:
        beliefs = self._context.beliefs()
        verdict = self._context.holds(Predicate("grasped", self._thing), beliefs)
        if verdict is not False:
            self._against.clear()
            return Outcome.SUCCESS
        fact = beliefs.world.fact("held", self._thing, GRIPPER)
        self._against.add(fact.stamp_ns if fact is not None else 0)
        if len(self._against) < 2:
            return Outcome.SUCCESS
        self._against.clear()
        self._context.hand.grasp, self._context.hand.grasping = None, None
        return self._context.fail(f"the {self._thing} fell out of the fingers")


class Check:
    """The effect of a step, on two images taken after the motions ended."""

    def __init__(self, context: Context, step: Step, wanted: Predicate) -> None:
        self.name = f"check {wanted}"
        self._context, self._step, self._wanted = context, step, wanted
        self._begun_ns = 0
        self._begun_s = 0.0
        self._verdicts: dict[int, bool | None] = {}

    def start(self) -> None:
        self._begun_ns, self._begun_s = self._context.observe().now_ns, self._context.steady()
        self._verdicts = {}
        self._context.checking = True

    def stop(self) -> None:
        """Nothing to undo."""

    def tick(self) -> Outcome:
        context, config = self._context, self._context.config
        beliefs = context.beliefs()
        world = beliefs.world
        belief = beliefs.of(self._wanted)
        stamp_ns = world.newest_fact_ns()
        if stamp_ns > self._begun_ns:
            self._verdicts[stamp_ns] = context.holds(self._wanted, beliefs)
        late = world.age_s(self._begun_ns) > config.check_timeout_s or context.steady() - self._begun_s > config.wall_timeout_s
        verdicts = list(self._verdicts.values())
        if len(verdicts) >= 2 and all(verdicts[-2:]):
            return Outcome.SUCCESS
        settled = stamp_ns - self._begun_ns > config.settle_s * 1e9
        if settled and len(verdicts) >= 3 and all(verdict is False for verdict in verdicts[-3:]):
            return context.fail(f"{self._step} had no effect: {belief}")
        return context.fail(f"whether {self._step} had its effect is not known: {belief}") if late else Outcome.RUNNING


class Watch:
    """Waits for new facts after a look, for as long as images need to settle."""

    def __init__(self, context: Context) -> None:
        self.name = "watch"
        self._context = context
        self._begun_ns = 0
        self._begun_s = 0.0

    def start(self) -> None:
        self._begun_ns, self._begun_s = self._context.observe().now_ns, self._context.steady()
        self._context.checking = True

    def stop(self) -> None:
        """Nothing to undo."""

    def tick(self) -> Outcome:
        config = self._context.config
        if self._context.observe().newest_fact_ns() - self._begun_ns > 2 * config.settle_s * 1e9:
            return Outcome.SUCCESS
        late = self._context.steady() - self._begun_s > config.wall_timeout_s
        return self._context.fail("no facts came after the look") if late else Outcome.RUNNING


Activity = Move | Keep | Check | Watch
