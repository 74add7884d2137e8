"""Who looks, in the ways that engineers say it; and units that are none of ours do not become a part of a name."""

from __future__ import annotations

import pytest

from spatialvlm_ros.expressions.tree import Apply, Thing, to_text
from spatialvlm_ros.language.foreign_units import foreign_unit
from spatialvlm_ros.language.patterns import NotUnderstoodError
from spatialvlm_ros.reasoning.grammar import parse

CAMERA, ROBOT, BASE, MAP = "", "robot", "base_link", "map"


@pytest.mark.parametrize(
    ("ending", "view"),
    [
        ("in the camera frame", CAMERA),
        ("in camera frame", CAMERA),
        ("in the camera's frame", CAMERA),
        ("in camera coordinates", CAMERA),
        ("in the camera coordinate system", CAMERA),
        ("in the camera's view", CAMERA),
        ("in the camera image", CAMERA),
        ("relative to the camera frame", CAMERA),
        ("in the robot's coordinate system", ROBOT),
        ("in the coordinate system of the robot", ROBOT),
        ("in the robot's frame of reference", ROBOT),
        ("w.r.t. the robot's frame", ROBOT),
        ("in the base_link coordinate frame", BASE),
        ("wrt the base_link frame", BASE),
        ("with respect to frame map", MAP),
        ("using the map frame", MAP),
    ],
)
def test_a_frame_is_who_looks_and_no_part_of_a_name(ending: str, view: str) -> None:
    things = (Thing("mug"), Thing("can"))
    assert parse(f"Is the mug left of the can {ending}?") == Apply("left", things, view=view)
    assert parse(f"How far to the left of the can is the mug {ending}?") == Apply("left_difference", things, view=view)
    assert parse(f"How far is the mug from the can {ending}?") == Apply("distance", things, view=view)


@pytest.mark.parametrize("name", ["picture frame", "picture in the frame", "camera", "frame"])
def test_frames_and_cameras_that_are_things_stay_names(name: str) -> None:
    assert parse(f"How far is the mug from the {name}?") == Apply("distance", (Thing("mug"), Thing(name)))


@pytest.mark.parametrize(
    "question",
    [
        "How far is the mug from the can in furlongs?",
        "How far is the mug from the can, in parsecs?",
        "What is the distance between the mug and the can in cubits",
        "How wide is the mug in hands?",
        "how far in fathoms is the mug from the can",
        "How many pixels wide is the mug?",
        "Is the mug within 2.5 cubits of the can?",
        "Is the mug taller than a furlong?",
    ],
)
def test_a_unit_that_is_none_of_ours_is_said_with_those_that_are(question: str) -> None:
    with pytest.raises(NotUnderstoodError, match=r"is no unit of length that is known; known are mm, cm, .* and miles"):
        parse(question)


@pytest.mark.parametrize(
    ("question", "tree"),
    [
        ("How far is the mug from the can in inches?", "distance(mug, can)"),
        ('How far is the mug from the "can in furlongs"?', "distance(mug, can in furlongs)"),
        ("How many rods are left of the mug?", "count"),
        ("Is the ring in the hands?", "contained"),
        ("How far is the mug from the steps?", "steps"),
    ],
)
def test_what_is_no_such_unit_is_asked(question: str, tree: str) -> None:
    assert tree in to_text(parse(question))


def test_a_name_that_is_known_may_hold_such_a_word() -> None:
    assert foreign_unit("How far is the mug from the chart in pixels?", ("chart in pixels",)) is None
    assert foreign_unit("How far is the mug from the chart in pixels?", ("chart",)) == "pixels"


@pytest.mark.parametrize(
    "question",
    [
        "How far away is the red mug?",
        "how far is the red mug",
        "How many cm away is the red mug?",
        "What is the distance to the red mug?",
    ],
)
def test_a_length_with_one_end_is_asked_for_the_other(question: str) -> None:
    with pytest.raises(NotUnderstoodError, match=r"from what; ask e\.g\. 'How far is the red mug from the gripper\?'"):
        parse(question)


def test_other_questions_without_a_form_are_told_the_nearest() -> None:
    with pytest.raises(NotUnderstoodError, match="nearest known forms"):
        parse("How heavy is the red mug?")
