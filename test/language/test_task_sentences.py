"""Sentences that say what is to be rewarded: what is understood, what is refused and how."""

from __future__ import annotations

import pytest

from spatialvlm_ros.language.instruction import (
    FORMS,
    EmptyInstructionError,
    ImpossibleGoalError,
    InstructionError,
    NotUnderstoodError,
    Predicate,
    parse_instruction,
)
from spatialvlm_ros.language.task_sentences import TASK_FORMS, Condition, Keep, parse_task_sentence

GOALS = {
    "pick up the red block": ["held(red block)"],
    "pick up the red block and put it on the green plate": ["on(red block, green plate)"],
    "stack the red block on the blue block": ["on(red block, blue block)"],
    "move the red block left of the cup": ["left_of(red block, cup)"],
    "push the red block to the green plate": ["pushed_to(red block, green plate)"],
    "Please slide the mug towards the can.": ["pushed_to(mug, can)"],
    "nudge the ball next to the cup": ["pushed_to(ball, cup)"],
    "push the ball to the left of the cup": ["pushed_left_of(ball, cup)"],
    "push the ball in front of the cup": ["pushed_in_front_of(ball, cup)"],
    "drag the box behind the can": ["pushed_behind(box, can)"],
    "move the gripper to the cup": ["reached(cup)"],
    "reach for the cup": ["reached(cup)"],
    "approach the cup": ["reached(cup)"],
    "open the gripper near the red block": ["open_near(red block)"],
    "open your hand next to the red block": ["open_near(red block)"],
    "open the gripper": ["hand_empty"],
    "stack A on B, then push the ball to the cup": ["on(a, b)", "pushed_to(ball, cup)"],
    "push the cup to the can and pick it up": ["pushed_to(cup, can)", "held(cup)"],
    "go to the cup": ["reached(cup)"],
    "put the can in the bowl": ["in(can, bowl)"],
    "pick up the can and drop it into the blue bin": ["in(can, blue bin)"],
    "insert the can inside of the cup, then put the cup on the tray": ["in(can, cup)", "on(cup, tray)"],
    "put the can in front of the bowl": ["in_front_of(can, bowl)"],
}
KEEPS = {
    "keep the red block at least 10 cm from the green plate": Keep("red block", "green plate", True, 0.1),
    "always keep the mug more than half a meter away from the can": Keep("mug", "can", True, 0.5),
    "stay 10 cm away from the mug": Keep("gripper", "mug", True, 0.1),
    "stay at least ten centimetres away from the mug": Keep("gripper", "mug", True, 0.1),
    "keep the gripper within 20 cm of the mug": Keep("gripper", "mug", False, 0.2),
    "keep the cup and the plate at least 10 cm from each other": Keep("cup", "plate", True, 0.1),
    "never come closer than 5 cm to the cup": Keep("gripper", "cup", True, 0.05),
    "do not move the cup closer than 5 cm to the plate": Keep("cup", "plate", True, 0.05),
    "never let the gripper get within 10 cm of the cup": Keep("gripper", "cup", True, 0.1),
    "don't let the cup come within 2 inches of the plate": Keep("cup", "plate", True, 0.0508),
}


@pytest.mark.parametrize(("text", "goals"), GOALS.items())
def test_goals(text: str, goals: list[str]) -> None:
    said = parse_task_sentence(text)
    assert [str(goal) for goal in said.goals] == goals and not said.keeps


@pytest.mark.parametrize(("text", "keep"), KEEPS.items())
def test_keeps(text: str, keep: Keep) -> None:
    said = parse_task_sentence(text)
    assert not said.goals and len(said.keeps) == 1
    found = said.keeps[0]
    assert (found.subject, found.object, found.at_least) == (keep.subject, keep.object, keep.at_least)
    assert found.distance_m == pytest.approx(keep.distance_m)


def test_goals_and_keeps_together() -> None:
    said = parse_task_sentence(
        "put the can on the tray while keeping it at least 5 cm from the cup, and push the ball to the cup"
    )
    assert said.goals == (Predicate("on", "can", "tray"), Predicate("pushed_to", "ball", "cup"))
    assert said.keeps == (Keep("can", "cup", True, 0.05),)


def test_a_statement_becomes_a_question() -> None:
    said = parse_task_sentence("make sure that the mug is closer to the gripper than the can")
    assert said.goals == (Condition("Is the mug closer to the gripper than the can?"),)


REFUSED = {
    "keep away from the mug": "say how far",
    "keep the can 10 cm from the mug": "'at least' or 'at most'",
    "lift the mug 10 cm": "'10 cm' is no part of a name",
    "approach the block to within 5 cm": "'to within 5 cm' is no part of a name",
    "grasp the mug by its handle": "'by its handle' is no part of a name",
    "hold the cup above the plate": "say 'pick up X'",
    "put the can left of the cup in the bowl": "more than one place",
    "put the can in the table": "not one thing with a place",
    "keep the cup at least 10 bananas from the plate": "'10 bananas' is no length",
    "keep the cup at least 0 cm from the plate": "not above 0",
    "push the red block": "to which one place",
    "push it to the plate": "does not say which thing",
    "push the cup to the can to the plate": "to which one place",
    "dance": "is not understood",
    "put the can on the tray without touching the cup": "what 'without' adds is not understood",
    "reach for the table": "the table is not one thing",
    "push the gripper to the cup": "part of the robot",
    "push the cup to the cup": "itself",
    "keep the cup at least 5 cm from the cup": "no distance to itself",
    "keep the blocks at least 5 cm from all cups": "not one thing",
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_is_not_understood_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(InstructionError, match=why):
        parse_task_sentence(text)


def test_nothing_said_is_refused() -> None:
    with pytest.raises(EmptyInstructionError):
        parse_task_sentence(" please ")


def test_contradictions_are_refused() -> None:
    with pytest.raises(ImpossibleGoalError):
        parse_task_sentence("pick up the cup and pick up the can")


@pytest.mark.parametrize("form", TASK_FORMS)
def test_every_form_that_is_shown_is_understood(form: str) -> None:
    assert parse_task_sentence(form.replace("X", "the red mug").replace("Y", "the can"))


@pytest.mark.parametrize("form", sorted(set(TASK_FORMS) - set(FORMS) - {"stack X on Y"}))
def test_the_planner_is_not_given_what_it_cannot_do(form: str) -> None:
    with pytest.raises(NotUnderstoodError):
        parse_instruction(form.replace("X", "the red mug").replace("Y", "the can"))


@pytest.mark.parametrize("form", FORMS)
def test_instructions_mean_the_same_to_both(form: str) -> None:
    text = form.replace("X", "the red mug").replace("Y", "the can")
    assert parse_task_sentence(text).goals == parse_instruction(text).goals
