"""Plans to behaviour trees: standard py_trees composites, and one leaf that runs an activity.

    Selector "task"                                no memory: the step whose turn it is, and no other, runs
      Sequence "place(red block, green plate)"     no memory: the turn is asked at every tick
        turn?
        Sequence                                   memory: one after the other
          Sequence                                 no memory: the hold is checked at every tick, a loss stops the motion
            keep hold of red block
            Sequence  raise, carry, near, lower          memory
          release, retreat, check on(red block, green plate)

Whose turn it is, the runner decides between two ticks; py_trees cancels whatever ran before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from .activities import RETRIABLE, Activity, Check, Context, Keep, Move, Outcome, Watch, effect
from .domain import Step
from .errors import TaskError
from .skills import MOTIONS_OF


def _py_trees() -> Any:
    try:
        import py_trees
    except ImportError as error:
        raise ImportError("behaviour trees need py_trees: pip install py_trees, or apt install ros-jazzy-py-trees") from error
    return py_trees


@cache
def _leaf_type() -> Any:
    """The leaf class, made on first use because its base class is optional."""
    py_trees = _py_trees()
    status = py_trees.common.Status
    base: Any = py_trees.behaviour.Behaviour
    names = {Outcome.RUNNING: status.RUNNING, Outcome.SUCCESS: status.SUCCESS, Outcome.FAILURE: status.FAILURE}

    class Leaf(base):  # type: ignore[misc]
        """Runs an activity; an error of the task ends in ``context.error`` and FAILURE."""

        def __init__(self, activity: Activity, context: Context) -> None:
            super().__init__(activity.name)
            self.activity, self.context = activity, context

        def initialise(self) -> None:
            self.activity.start()

        def update(self) -> Any:
            try:
                return names[self.activity.tick()]
            except TaskError as error:
                self.activity.stop()
                if error.code in RETRIABLE:
                    self.context.fail(str(error), error.code)
                else:
                    self.context.error = error
                return status.FAILURE

        def terminate(self, new_status: Any) -> None:
            if new_status == status.INVALID:
                self.activity.stop()

    return Leaf


@cache
def _turn_type() -> Any:
    py_trees = _py_trees()
    base: Any = py_trees.behaviour.Behaviour

    class Turn(base):  # type: ignore[misc]
        """SUCCESS while it is this step's turn."""

        def __init__(self, is_turn: Callable[[], bool]) -> None:
            super().__init__("turn?")
            self.is_turn = is_turn

        def update(self) -> Any:
            return py_trees.common.Status.SUCCESS if self.is_turn() else py_trees.common.Status.FAILURE

    return Turn


def _sequence(name: str, memory: bool, children: Sequence[Any]) -> Any:
    return _py_trees().composites.Sequence(name, memory=memory, children=list(children))


def step_tree(step: Step, context: Context) -> Any:
    """The tree of one step, without its turn."""
    leaf = _leaf_type()
    moves = {kind: leaf(Move(context, step, kind), context) for kind in MOTIONS_OF[step.kind]}
    children: list[Any] = list(moves.values())
    if step.kind == "place":
        hold = leaf(Keep(context, step.subject), context)
        transport = _sequence("transport", True, [moves[kind] for kind in ("raise", "carry", "near", "lower")])
        children = [_sequence("while held", False, [hold, transport]), moves["release"], moves["retreat"]]
    wanted = effect(step)
    if wanted is not None:
        children.append(leaf(Check(context, step, wanted), context))
    if step.kind == "look":
        children.append(leaf(Watch(context), context))
    return _sequence(f"do {step}", True, children)


def build_tree(steps: Sequence[Step], context: Context, turn: Callable[[], int]) -> Any:
    """The tree of a plan. ``turn`` returns the index of the step that may run.

    Raises:
        ImportError: py_trees is not installed; says what to install.
    """
    branches = [
        _sequence(str(step), False, [_turn_type()(lambda index=index: turn() == index), step_tree(step, context)])
        for index, step in enumerate(steps)
    ]
    return _py_trees().composites.Selector("task", memory=False, children=branches)


def stop_tree(tree: Any) -> None:
    """Interrupt whatever runs in a tree; its motion is cancelled."""
    tree.stop(_py_trees().common.Status.INVALID)
