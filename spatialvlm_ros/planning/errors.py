"""Why a task is refused or ends: one exception with the code that the actions report.

The codes carry the numbers of spatialvlm_msgs/action/ExecuteTask (PlanTask has the same up to 10); a test keeps them equal.
"""

from __future__ import annotations

from enum import IntEnum

from ..language.instruction import EmptyInstructionError, ImpossibleGoalError, InstructionError


class ErrorCode(IntEnum):
    """ERROR_* constants of the actions."""

    NONE = 0
    EMPTY_INSTRUCTION = 1
    NOT_UNDERSTOOD = 2
    OBJECT_NOT_FOUND = 3
    OBJECT_AMBIGUOUS = 4
    IMPOSSIBLE_GOAL = 5
    STALE_FACTS = 6
    NO_SCENE = 7
    OUT_OF_REACH = 8
    CANCELED = 9
    INTERNAL = 10
    MOTION_DISABLED = 11
    EXECUTOR = 12
    STEP_FAILED = 13
    BUSY = 14


class TaskError(Exception):
    """A task cannot be planned or go on. Its text is a sentence for people that says what to do."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def instruction_code(error: InstructionError) -> ErrorCode:
    """The code of an instruction that gives no goal."""
    if isinstance(error, EmptyInstructionError):
        return ErrorCode.EMPTY_INSTRUCTION
    return ErrorCode.IMPOSSIBLE_GOAL if isinstance(error, ImpossibleGoalError) else ErrorCode.NOT_UNDERSTOOD
