"""What the tiny model has learnt to say: questions of the tests and the model's words, good and bad."""

from __future__ import annotations

import json

from things import box, camera_over_table, placed, scene
from tiny_server import Conversation, written_down

from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.language.questions import parse_question
from spatialvlm_ros.reasoning.friend import FriendGame
from spatialvlm_ros.reasoning.proposer import TreeProposer
from spatialvlm_ros.scene.scene import Scene

NAMES = ("red mug", "blue can", "gripper")
MAX_QUESTIONS = 3

WITHIN = {"op": "lt", "args": [{"op": "gap", "args": ["red mug", "blue can"]}, {"value": 20, "unit": "cm"}]}
TALLER = {"op": "sub", "args": [{"op": "height", "args": ["red mug"]}, {"op": "height", "args": ["blue can"]}]}
TALLEST = {"op": "argmax", "over": {"all": "object"}, "as": "x", "of": {"op": "height", "args": ["$x"]}}
ANGLE = {"op": "lt", "args": [{"op": "gap", "args": ["red mug", "blue can"]}, {"value": 20, "unit": "deg"}]}
OWN_NUMBER = {"op": "add", "args": [{"value": 0.1, "unit": "m"}, {"value": 0.2, "unit": "m"}]}
STRANGER = {"op": "height", "args": ["green bowl"]}

# Question -> what the model says, a text a round.
TREE_TALKS: dict[str, tuple[str, ...]] = {
    "Is the red mug within 20 cm of the blue can?": (json.dumps(WITHIN),),
    "How much taller is the red mug than the blue can?": (
        f"<think>Two heights, so a difference.</think>\nHere it is:\n```json\n{json.dumps(TALLER, indent=1)}\n```",
    ),
    "How tall is the green bowl?": (json.dumps(STRANGER),),
    "What is the tallest thing?": (json.dumps(TALLEST)[:-9], json.dumps(TALLEST)),
    "Is the mug close to the can?": (json.dumps(ANGLE), json.dumps(WITHIN)),
    "Is the can heavy?": ('{"answer": "yes"}', '{"op": "weight", "args": ["blue can"]}'),
    "How far is the moon?": ("About thirty centimeters.", "I am sure of it."),
    "How long are both together?": (json.dumps(OWN_NUMBER), json.dumps(OWN_NUMBER)),
    "Why?": (" ",),
}
FRIEND_TALKS: dict[str, tuple[str, ...]] = {
    "Would a ruler of 30 cm reach from the mug to the can and up to its top?": (
        "ASK: How far is the red mug from the blue can?",
        "ASK: How tall is the blue can?",
        "ANSWER: Yes, 20 cm and 12 cm along the edges need 32 cm, but straight it is 23 cm.",
    ),
    "Is the can taller than the mug?": (
        "ASK: Is the can of more tallness as the mug?",
        "**ASK:** How tall is the blue can?",
        "ASK: How tall is the red mug?\nFriend: 0.30 m\nANSWER: No.",
        "ANSWER: Yes, by 2 cm.",
    ),
    "Is it far?": ("It is not far.", "Not at all."),
    "Is it wide?": ("ANSWER: Yes, very.", "ASK: How wide is the red mug?", "ANSWER: It is 10 cm wide."),
    "Is it tall?": ("ASK: How tall is the red mug?", "ASK: how tall is the red mug"),
    "Is it there?": (
        "ASK: How tall is the red mug?",
        "ASK: How wide is the red mug?",
        "ASK: How tall is the blue can?",
        "ASK: How wide is the blue can?",
    ),
}


def small_scene() -> Scene:
    """A mug and a can, 20 cm between their centers, on a table below the camera."""
    pose = camera_over_table()
    mug = box((0.5, 0.1, 0.05), (0.1, 0.1, 0.1), label="red mug", number=1)
    can = box((0.5, -0.1, 0.06), (0.06, 0.06, 0.12), label="blue can", number=2)
    return scene({"red mug": placed(mug, pose), "blue can": placed(can, pose)}, pose)


def friend(question: str) -> str:
    """The friend of the game: one relation, by our own grammar, measured on the small scene; a ValueError refuses."""
    return measure_query(small_scene(), parse_question(question)).text


def conversations() -> list[Conversation]:
    """Everything that the model has to learn."""
    talks: list[Conversation] = []
    for question, texts in TREE_TALKS.items():
        talks += written_down(lambda script, asked=question: TreeProposer(script).propose(asked, NAMES), texts)
    for question, texts in FRIEND_TALKS.items():
        talks += written_down(lambda script, asked=question: FriendGame(script, friend, MAX_QUESTIONS).play(asked, NAMES), texts)
    return talks
