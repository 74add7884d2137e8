"""Composed questions in the words in which people ask them, what they are read as, and what is refused."""

from __future__ import annotations

import re

import pytest

from spatialvlm_ros.expressions.tree import Apply, Fold, Number, Several, Thing, Variable, to_text
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.language.questions import (
    AmbiguousQuestionError,
    EmptyQuestionError,
    NotUnderstoodError,
    forms,
    parse_question,
)
from spatialvlm_ros.reasoning.grammar import parse, query_tree, render
from spatialvlm_ros.scene.facts import Query

X, Y, S = Variable("x"), Variable("y"), Variable("s")

READ_AS = {
    # two measurements compared
    "Is the mug closer to the gripper than the can is?": "lt(distance(mug, gripper), distance(can, gripper))",
    "Is the mug nearer to the gripper than the can?": "lt(distance(mug, gripper), distance(can, gripper))",
    "Is the mug closer to the gripper than to the can?": "lt(distance(mug, gripper), distance(mug, can))",
    "Is the mug farther from the can than the plate is?": "gt(distance(mug, can), distance(plate, can))",
    "Which is closer to the gripper, the mug or the can?": "argmin($s in {mug, can} of distance($s, gripper))",
    "Is the distance between the mug and the can larger than that between the plate and the tray?":
        "gt(distance(mug, can), distance(plate, tray))",
    "Is the gap between the mug and the can wider than the plate?": "gt(gap(mug, can), width(plate))",
    "Is the mug taller than the can is wide?": "gt(height(mug), width(can))",
    "Is the mug more than twice as tall as the can?": "gt(height(mug), mul(2, height(can)))",
    "Is the mug more than three times as tall as the can?": "gt(height(mug), mul(3, height(can)))",
    "How many times as tall as the can is the mug?": "ratio(height(mug), height(can))",
    "How much taller is the mug than the can?": "sub(height(mug), height(can))",
    "How much shorter is the mug than the can?": "sub(height(can), height(mug))",
    "How much closer to the plate is the mug than the can?": "sub(distance(can, plate), distance(mug, plate))",
    "What is the difference in height between the mug and the can?": "abs(sub(height(mug), height(can)))",
    "Are the mug and the can about the same height?": "near(height(mug), height(can), 0.02 m)",
    "Are the mug and the can about the same height within 5 cm?": "near(height(mug), height(can), 0.05 m)",
    "Is the mug at least as tall as the can?": "not(short(mug, can))",
    # limits
    "Is the mug at least 30 cm from the can?": "not(lt(distance(mug, can), 0.3 m))",
    "Is the mug within 20 cm of the can?": "not(gt(distance(mug, can), 0.2 m))",
    "Is the mug no farther than 20 cm from the can?": "not(gt(distance(mug, can), 0.2 m))",
    "Is the mug at most 20 cm away from the can?": "not(gt(distance(mug, can), 0.2 m))",
    "Is the mug less than 20 cm from the can?": "lt(distance(mug, can), 0.2 m)",
    "Is the mug under 20 cm from the can?": "lt(distance(mug, can), 0.2 m)",
    "Is the mug not within 20 cm of the can?": "gt(distance(mug, can), 0.2 m)",
    "Is the red block closer to the green plate than 10 cm?": "lt(distance(red block, green plate), 0.1 m)",
    "Is the mug between 10 and 30 cm from the can?":
        "and(not(lt(distance(mug, can), 0.1 m)), not(gt(distance(mug, can), 0.3 m)))",
    "Is the mug between 10 cm and 1 m tall?": "and(not(lt(height(mug), 0.1 m)), not(gt(height(mug), 1 m)))",
    "Is the mug taller than ten centimeters?": "gt(height(mug), 0.1 m)",
    "Is the mug narrower than 5 cm?": "lt(width(mug), 0.05 m)",
    "Is the mug no shorter than 10 cm?": "not(lt(height(mug), 0.1 m))",
    "Is the mug at least 10 cm away from everything else?": "all($x in all 'object' of not(lt(gap($x, mug), 0.1 m)))",
    # nearest, farthest, superlatives
    "Which of the red can, the blue can and the green can is nearest to the mug?":
        "argmin($s in {red can, blue can, green can} of distance($s, mug))",
    "Which block is farthest from the gripper?": "argmax($s in all 'block' of distance($s, gripper))",
    "How far is the nearest block from the mug?": "min($x in all 'block' of distance($x, mug))",
    "Which block is nearest to the mug?": "argmin($s in all 'block' of distance($s, mug))",
    "Which two objects are closest together?": "argmin($x, $y in all 'object' of distance($x, $y))",
    "What is the second tallest object?": "argmax #2($s in all 'object' of height($s))",
    "What is the tallest thing?": "argmax($s in all 'object' of height($s))",
    "What is the third nearest block to the gripper?": "argmin #3($s in all 'block' of distance($s, gripper))",
    "Is the mug the tallest object?": "same(mug, argmax($s in all 'object' of height($s)))",
    "Is the mug the second tallest object?": "same(mug, argmax #2($s in all 'object' of height($s)))",
    "Is the mug the closest to the gripper of all blocks?": "same(mug, argmin($s in all 'block' of distance($s, gripper)))",
    "How tall is the tallest block?": "height(argmax($s in all 'block' of height($s)))",
    "How far is the tallest block from the gripper?": "distance(argmax($s in all 'block' of height($s)), gripper)",
    "Is the leftmost can taller than the mug?":
        "tall(argmax($s in all 'can' of count($t in all 'can' of left($s, $t))), mug)",
    "Is the object nearest to the gripper left of the mug?": "left(argmin($s in all 'object' of distance($s, gripper)), mug)",
    "Is the object that is nearest to the gripper left of the mug?":
        "left(argmin($s in all 'object' of distance($s, gripper)), mug)",
    "Is the nearest object to the gripper left of the mug?": "left(argmin($s in all 'object' of distance($s, gripper)), mug)",
    "Is the tallest block also the nearest to the gripper?":
        "same(argmax($s in all 'block' of height($s)), argmin($s in all 'block' of distance($s, gripper)))",
    "How many blocks are taller than the tallest can?":
        "count($x in all 'block' of tall($x, argmax($s in all 'can' of height($s))))",
    # sums
    "How long is the way from the mug to the can to the plate?": "add(distance(mug, can), distance(can, plate))",
    "How far would the gripper travel from the mug to the can and then to the plate?":
        "add(distance(mug, can), distance(can, plate))",
    "How far would the gripper travel to the mug and then to the can?": "add(distance(gripper, mug), distance(mug, can))",
    "How tall would a stack of the mug and the can be?": "sum($x in {mug, can} of height($x))",
    "What is the total height of the mug, the can and the plate?": "sum($x in {mug, can, plate} of height($x))",
    "What is the average height of the blocks?": "mean($x in all 'block' of height($x))",
    "What is the mean distance of the cans from the gripper?": "mean($x in all 'can' of distance($x, gripper))",
    # passing, fitting, reaching
    "Can a robot of 60 cm width drive between the sofa and the table?": "gt(path_width(sofa, table), 0.6 m)",
    "Would a 20 cm long box fit between the can and the mug?": "gt(path_width(can, mug), 0.2 m)",
    "Would the mug fit between the can and the plate?": "fits_through(mug, can, plate)",
    "Does the mug fit into the bowl?": "fits_into(mug, bowl)",
    "Would the mug and the can side by side fit between the plate and the tray?":
        "lt(add(width(mug), width(can)), path_width(plate, tray))",
    "Is the mug within reach of the robot with an arm of 0.8 m?": "reachable(mug, robot, 0.8 m)",
    "Can the robot reach the mug with an 80 cm arm?": "reachable(mug, robot, 0.8 m)",
    "How many blocks are within a reach of 0.8 m of the robot?": "count($x in all 'block' of reachable($x, robot, 0.8 m))",
    "How many blocks are within 50 cm of the gripper?":
        "count($x in all 'block' of not(gt(distance($x, gripper), 0.5 m)))",
    # counting with conditions
    "How many objects are there?": "count(object)",
    "How many red blocks are left of the mug?": "count($x in all 'red block' of left($x, mug))",
    "How many red blocks are taller than 10 cm?": "count($x in all 'red block' of gt(height($x), 0.1 m))",
    "How many blocks are between the mug and the can?": "count($x in all 'block' of between($x, mug, can))",
    "How many boxes are on the plate?": "count($x in all 'box' of on($x, plate))",
    "How many blocks are taller than the mug?": "count($x in all 'block' of tall($x, mug))",
    "Are there more red blocks than blue blocks?": "gt(count(red block), count(blue block))",
    "Is there anything between the mug and the can?": "any($x in all 'object' of between($x, mug, can))",
    "Is there a block behind the mug?": "any($x in all 'block' of behind($x, mug))",
    "Are all blocks left of the mug?": "all($x in all 'block' of left($x, mug))",
    "Are all three blocks left of the mug?": "all($x in all 'block' as $z where eq(count(block), 3) of left($x, mug))",
    "Is any can taller than 12 cm?": "any($x in all 'can' of gt(height($x), 0.12 m))",
    "Is nothing within 10 cm of the gripper?": "not(any($x in all 'object' of not(gt(distance($x, gripper), 0.1 m))))",
    "Are there exactly two blocks on the plate?": "eq(count($x in all 'block' of on($x, plate)), 2)",
    "Is there more than one block on the plate?": "gt(count($x in all 'block' of on($x, plate)), 1)",
    # logic
    "Is the mug left of the can and behind the plate?": "and(left(mug, can), behind(mug, plate))",
    "Is the mug left of the can or right of the plate?": "or(left(mug, can), right(mug, plate))",
    "Is the mug both left of the can and taller than the can?": "and(left(mug, can), tall(mug, can))",
    "Is the mug not on the plate?": "not(on(mug, plate))",
    "Is neither the mug nor the can on the plate?": "not(or(on(mug, plate), on(can, plate)))",
    "Is either the mug or the can within 20 cm of the gripper?":
        "or(not(gt(distance(mug, gripper), 0.2 m)), not(gt(distance(can, gripper), 0.2 m)))",
    "If the mug is taller than the can, how far is the plate from the mug, otherwise from the can?":
        "if(tall(mug, can), distance(plate, mug), distance(plate, can))",
    # polite, and with a view
    "Hey robot, could you please tell me whether the mug is left of the can?": "left(mug, can)",
    "Is the tallest block left of the mug, seen from base_link?":
        "left(argmax($s in all 'block' of height($s)), mug) seen from base_link",
}  # fmt: skip


@pytest.mark.parametrize("text", READ_AS)
def test_a_question_is_read(text: str) -> None:
    tree = parse(text)
    check(tree)
    assert to_text(tree) == READ_AS[text]


# -- the paper's examples ---------------------------------------------------------------------------------------------

CANS = Several(("red can", "blue can", "green can"))


@pytest.mark.parametrize(
    "text",
    [
        "Do the three cans (the red can, the blue can and the green can) form an isosceles triangle, if the longest and the "
        "shortest side differ by less than 0.1 m?",
        "Do the red can, the blue can and the green can form an isosceles triangle if the longest side and the shortest side "
        "differ by less than 10 cm?",
    ],
)
def test_three_cans_form_an_isosceles_triangle_by_the_rule_that_is_told(text: str) -> None:
    sides = Apply("distance", (X, Y))
    longest, shortest = Fold("max", CANS, ("x", "y"), sides), Fold("min", CANS, ("x", "y"), sides)
    assert parse(text) == Apply("lt", (Apply("sub", (longest, shortest)), Number(0.1, "m")))


def test_three_cans_form_an_isosceles_triangle_by_two_sides_that_are_alike() -> None:
    ab, bc, ca = (
        Apply("distance", (Thing(f"{first} can"), Thing(f"{second} can")))
        for first, second in (("red", "blue"), ("blue", "green"), ("green", "red"))
    )
    alike = (Apply("near", (first, second, Number(0.02, "m"))) for first, second in ((ab, bc), (bc, ca), (ca, ab)))
    assert parse("Do the three cans (red can, blue can, green can) form an isosceles triangle?") == Apply("or", tuple(alike))


@pytest.mark.parametrize("width", ["1 m", "1 meter", "one meter", "100 cm", "1.0 metre"])
def test_a_robot_of_some_width_passes_between_two_things(width: str) -> None:
    way = Apply("path_width", (Thing("sofa"), Thing("table")))
    text = f"Can a {width} wide robot pass between the sofa and the table?"
    assert parse(text) == Apply("gt", (way, Number(1.0, "m")))


def test_the_nearest_of_three_cans() -> None:
    nearest = Fold("argmin", CANS, ("s",), Apply("distance", (S, Thing("bottle"))))
    assert parse("Which of the red can, the blue can and the green can is closest to the bottle?") == nearest


# -- single relations -------------------------------------------------------------------------------------------------


SPOKEN = {"A": "mug", "B": "can", "C": "plate", "D": "tray"}


def spoken(form: str) -> str:
    """A form with names for A, B, C, D: "a" is an article."""
    return re.sub(r"\b[ABCD]\b", lambda found: f"the {SPOKEN[found[0]]}", form)


def test_a_question_about_one_relation_is_its_leaf() -> None:
    for form in (*forms(), "How far is A from B?", "Is A left of B, seen from base_link?"):
        text = spoken(form)
        leaf = parse(text)
        query = parse_question(text)
        assert leaf == query_tree(query) and check(leaf)


def test_a_query_is_a_leaf_with_all_it_says() -> None:
    leaf = query_tree(Query("reachable", "mug", "robot", "", 0.8, "base_link"))
    assert leaf == Apply("reachable", (Thing("mug"), Thing("robot")), 0.8, "base_link")


def test_within_is_a_distance_unless_reach_is_said() -> None:
    assert to_text(parse("Is the mug within 80 cm of the robot?")) == "not(gt(distance(mug, robot), 0.8 m))"
    assert to_text(parse("Is the mug within a reach of 80 cm from the robot?")) == "reachable(mug, robot, 0.8 m)"
    assert to_text(parse("Is the mug within a radius of 80 cm around the robot?")) == "reachable(mug, robot, 0.8 m)"


def test_a_question_that_starts_with_not_asks_what_it_asks_without() -> None:
    assert parse("Isn't the mug left of the can?") == parse("Is the mug left of the can?")
    assert parse("Is the mug not left of the can?") == Apply("not", (parse("Is the mug left of the can?"),))


def test_words_that_tell_a_superlative_are_a_name_in_quotes_only() -> None:
    assert parse('How tall is the "tallest block"?') == Apply("height", (Thing("tallest block"),))
    assert parse("How tall is the tallest block?") != parse('How tall is the "tallest block"?')


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Is the mug closer to the mug than the can?", "relates mug to itself"),
        ("Which of the mug, the can and the mug is tallest?", "a name stands twice"),
        ("Which of the mug and the can is nearest to the mug?", "'mug' is to be related to itself"),
        ("Are two blocks on the plate?", "'two blocks' names no one thing"),
        ("Are few blocks on the plate?", "'few blocks' names no one thing"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError, match=reason) as caught:
        parse(text)
    assert not caught.value.forms


def test_what_is_not_understood_is_refused_with_forms_that_are_understood() -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse("Is the mug twice as tall as the can?")
    assert any("tall" in form for form in caught.value.forms)
    for form in caught.value.forms:
        assert check(parse(spoken(form)))


@pytest.mark.parametrize("text", ["", "  ", "?", ",", '""'])
def test_no_words_are_refused(text: str) -> None:
    with pytest.raises(EmptyQuestionError):
        parse(text)


SIDES = "Is the cup to the left of the jug to the left of the tray and behind the can?"


def test_readings_that_are_equally_good_are_told_and_known_names_decide() -> None:
    with pytest.raises(AmbiguousQuestionError, match="double quotes") as caught:
        parse(SIDES)
    assert len(caught.value.readings) == 2 and all(reading.startswith("and(left(") for reading in caught.value.readings)
    tree = parse(SIDES, known=["the cup to the left of the jug", "tray", "can"])
    assert to_text(tree) == "and(left(cup to the left of the jug, tray), behind(cup to the left of the jug, can))"


# -- render -----------------------------------------------------------------------------------------------------------


def test_a_kind_is_rendered_in_its_wordings() -> None:
    names, amounts = {"a": "mug", "b": "#3", "c": "salt and pepper shaker", "g": "box"}, {"n": 0.3}
    assert render("closest_pair", 0, names, amounts) == "Which two boxes are the nearest together?"
    assert render("is/distance_more", 0, names, amounts) == "Are the mug and #3 more than 0.3 m apart?"
    assert render("is/closer", 0, names, amounts).endswith('than the "salt and pepper shaker" is?')


def test_rendering_needs_a_known_kind_and_all_its_names() -> None:
    with pytest.raises(KeyError):
        render("no kind", 0, {}, {})
    with pytest.raises(KeyError):
        render("closest_pair", 0, {}, {})
