"""Instructions to goals: what is understood, what is refused and how, and that goals read back."""

from __future__ import annotations

import pytest

from spatialvlm_ros.language.instruction import (
    BESIDE,
    FORMS,
    GOAL_NAMES,
    HAND_EMPTY,
    HELD,
    ON,
    ON_TABLE,
    EmptyInstructionError,
    ImpossibleGoalError,
    InstructionError,
    NotUnderstoodError,
    Predicate,
    goal_text,
    parse_instruction,
)

UNDERSTOOD = {
    "pick up the red block": "held(red block)",
    "Pick up the red block.": "held(red block)",
    "PICK UP THE RED BLOCK!": "held(red block)",
    "pick the red block up": "held(red block)",
    "grasp the mug": "held(mug)",
    "grab a mug": "held(mug)",
    "lift my coffee mug": "held(coffee mug)",
    "lift the mug up": "held(mug)",
    "take the coke can": "held(coke can)",
    "get the can": "held(can)",
    "hold the can": "held(can)",
    "take the can off the table": "held(can)",
    "pick up the can from the green plate": "held(can)",
    "please pick up the can": "held(can)",
    "Could you please grab the Coke can?": "held(coke can)",
    "  pick   up\tthe\nred block  ": "held(red block)",
    "put the red block on the green plate": "on(red block, green plate)",
    "place the red block onto the green plate": "on(red block, green plate)",
    "set the red block upon the green plate": "on(red block, green plate)",
    "stack the red block on top of the blue block": "on(red block, blue block)",
    "move the red block on to the tray": "on(red block, tray)",
    "put the block down on the tray": "on(block, tray)",
    "drop the mug onto the plate": "on(mug, plate)",
    "pick up the red block and put it on the green plate": "on(red block, green plate)",
    "pick up the red block, then place it on the green plate": "on(red block, green plate)",
    "grab the red block. put it on the green plate.": "on(red block, green plate)",
    "take the red block, put it on the green plate": "on(red block, green plate)",
    "put the mug on the table": "on_table(mug)",
    "put the mug on the desk": "on_table(mug)",
    "put down the mug": "on_table(mug)",
    "put the mug down": "on_table(mug)",
    "drop the mug": "on_table(mug)",
    "pick up the mug and put it down": "on_table(mug)",
    "release the mug": "on_table(mug)",
    "put the cup next to the plate": "next_to(cup, plate)",
    "place the cup beside the plate": "next_to(cup, plate)",
    "move the cup close to the plate": "next_to(cup, plate)",
    "put the cup left of the plate": "left_of(cup, plate)",
    "put the cup to the left of the plate": "left_of(cup, plate)",
    "put the cup on the left side of the plate": "left_of(cup, plate)",
    "place the cup to the right of the plate": "right_of(cup, plate)",
    "put the cup in front of the plate": "in_front_of(cup, plate)",
    "put the cup behind the plate": "behind(cup, plate)",
    "open the gripper": "hand_empty",
    "release the gripper": "hand_empty",
    "open your hand": "hand_empty",
    "put the salt and pepper shaker on the tray": "on(salt and pepper shaker, tray)",
    "put the left block on the right block": "on(left block, right block)",
    "put the a-4 box on block #2": "on(a-4 box, block #2)",
    "put the red block on the plate and put the blue block on the red block": "on(red block, plate) & on(blue block, red block)",
    "put the red block on the plate and stack the blue block on it": "on(red block, plate) & on(blue block, red block)",
    "put the mug on the plate and then pick up the spoon": "on(mug, plate) & held(spoon)",
    "put the mug on the table and put the mug left of the plate": "on_table(mug) & left_of(mug, plate)",
}


@pytest.mark.parametrize(("text", "goals"), UNDERSTOOD.items())
def test_instruction_gives_its_goals_and_reads_back(text: str, goals: str) -> None:
    instruction = parse_instruction(text)
    assert " & ".join(map(str, instruction.goals)) == goals
    assert instruction.text == text.strip()
    assert parse_instruction(goal_text(instruction.goals)).goals == instruction.goals


@pytest.mark.parametrize("text", ["", "   ", "...", "please", "\n\t", "!?"])
def test_nothing_said_is_empty(text: str) -> None:
    with pytest.raises(EmptyInstructionError, match="pick up the red block"):
        parse_instruction(text)


NOT_UNDERSTOOD = {
    "make me a coffee": "",
    "colourless green ideas sleep furiously": "",
    "the red block": "",
    "do not pick up the red block": "",
    "don't put the mug on the plate": "",
    "pick up": "not named",
    "pick up the": "not named",
    "put the block": "where to",
    "put on the plate": "not named",
    "put it on the plate": "does not say which thing",
    "put it down": "does not say which thing",
    "put the apple in the bowl": "'in' is not a place",
    "put the apple under the bowl": "'under' is not a place",
    "put the cup next to the plate on the tray": "more than one place",
    "pick up all blocks": "one thing",
    "pick up two blocks": "one thing",
    "pick up the red block or the blue block": "more than one thing",
    "pick up the red block and the blue block": "more than one thing",
    "pick up the $(rm -rf block": "not a name",
    "pick up " + "x" * 300: "not a name",
    "0x7f 42 ^^": "",
}


@pytest.mark.parametrize(("text", "said"), NOT_UNDERSTOOD.items())
def test_nonsense_is_refused_with_the_nearest_forms(text: str, said: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse_instruction(text)
    assert said in str(caught.value)
    assert len(caught.value.forms) == 3 and set(caught.value.forms) <= set(FORMS)
    assert all(f'"{form}"' in str(caught.value) for form in caught.value.forms)


def test_the_nearest_form_resembles_what_was_said() -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse_instruction("put the cup inside of the mug")
    assert all(form.startswith("put") for form in caught.value.forms)


IMPOSSIBLE = {
    "put the red block on the red block": "itself",
    "put the mug next to the mug": "itself",
    "put the table on the block": "table cannot be moved",
    "pick up the table": "table cannot be moved",
    "pick up the gripper": "part of the robot",
    "put the mug on the robot": "part of the robot",
    "put the mug next to the table": "say where on the table",
    "put a on b and put b on a": "circle",
    "put red on green and put green on blue and put blue on red": "circle",
    "pick up the cup and pick up the mug": "one thing",
    "pick up the cup and open the gripper": "say where to put",
    "put the mug on the plate and put the mug on the tray": "one after the other",
    "pick up the mug and put the cup on the mug": "while the gripper holds",
    "put the mug on the plate and put the mug left of the cup": "one place",
}


@pytest.mark.parametrize(("text", "said"), IMPOSSIBLE.items())
def test_contradictions_are_impossible_and_say_why(text: str, said: str) -> None:
    with pytest.raises(ImpossibleGoalError, match=said):
        parse_instruction(text)


@pytest.mark.parametrize("name", GOAL_NAMES)
def test_every_goal_has_a_sentence(name: str) -> None:
    two = name in (ON, *BESIDE)
    one = name in (HELD, ON_TABLE)
    goal = Predicate(name, "red block" if one or two else "", "green plate" if two else "")
    assert parse_instruction(goal_text((goal,))).goals == (goal,)
    assert name != HAND_EMPTY or str(goal) == "hand_empty"


def test_any_text_either_gives_goals_or_an_instruction_error() -> None:
    """Words in random order never crash the grammar."""
    import random

    words = "put pick up the red block on left of and then it , . table down open gripper next to behind in a"
    chance = random.Random(7)
    for _ in range(6000):
        text = " ".join(chance.choices(words.split(), k=chance.randint(1, 12)))
        try:
            instruction = parse_instruction(text)
        except InstructionError:
            continue
        assert instruction.goals
        assert parse_instruction(goal_text(instruction.goals)).goals == instruction.goals, text
