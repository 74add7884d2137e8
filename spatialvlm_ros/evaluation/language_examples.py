"""SpatialVLM's three examples of reasoning in steps, on a scene that is built as the paper tells it, and what follows from them.

Three cans whose triangle has sides of 0.40, 0.48 and 0.41 m, a sofa and a table 1.56 m apart, and three cans 0.50, 0.59 and
0.21 m from a gripper. Wordings are our own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from ..language.questions import QuestionError
from ..reasoning.reasoner import Reasoner
from ..scene.scene import Binding, Scene
from ..simulation import solids
from ..simulation.solids import Mesh
from .engine_facts import TOOL
from .engine_solids import Solid
from .engine_truth import TrueScene
from .language_scenes import Posed, posed_truth

# The camera stands two metres back, a metre and a half up, and looks along the floor and half a radian down.
_DOWN_RAD, _CAMERA_M = 0.5, (-2.0, 0.0, 1.5)


@dataclass(frozen=True)
class Example:
    """``answer`` is True or False, the name of a thing, or metres."""

    question: str
    answer: bool | str | float


def _placed(name: str, mesh: Mesh, x: float, y: float) -> Solid:
    """A thing on the floor with its middle over a point."""
    low = float(mesh.vertices[:, 2].min())
    return Solid(name, name.split()[-1], mesh.vertices + np.array([x, y, -low]), mesh.triangles)


def _scene(things: list[Solid], tool: FloatArray) -> Posed:
    c, s = np.cos(_DOWN_RAD), np.sin(_DOWN_RAD)
    # Columns: right, down and forward of the camera in a world with x ahead, y left and z up.
    rotation = np.array([[0.0, -s, c], [-1.0, 0.0, 0.0], [0.0, -c, -s]])
    truth = TrueScene(tuple(things), 0.0, RigidTransform(rotation, np.array(_CAMERA_M)))
    return posed_truth(0, truth, Solid(TOOL, "point", tool[None], np.empty((0, 3), np.intp)))


def three_cans() -> Posed:
    """Cans of one size whose middles are 0.40, 0.48 and 0.41 m apart: red to green, green to blue, blue to red."""
    can = solids.cylinder(0.033, 0.12)
    # The blue one lies where circles around the other two meet.
    x = (0.40**2 + 0.41**2 - 0.48**2) / (2 * 0.40)
    places = {"red can": (0.0, 0.0), "green can": (0.40, 0.0), "blue can": (x, float(np.sqrt(0.41**2 - x**2)))}
    return _scene([_placed(name, can, *at) for name, at in places.items()], np.array([0.0, 0.0, 0.5]))


def sofa_and_table() -> Posed:
    """A way of 1.56 m between them."""
    sofa, table = solids.box((0.9, 1.6, 0.8)), solids.box((0.6, 1.0, 0.45))
    things = [_placed("grey sofa", sofa, 1.0, 0.8 + 0.78), _placed("brown table", table, 1.0, -(0.5 + 0.78))]
    return _scene(things, np.array([0.0, 0.0, 0.5]))


def cans_before_the_gripper() -> Posed:
    """Cans with their middles 0.50, 0.59 and 0.21 m from the gripper."""
    can = solids.cylinder(0.033, 0.12)
    places = {"red can": (0.50, 0.0), "blue can": (0.0, 0.59), "yellow can": (0.0, -0.21)}
    return _scene([_placed(name, can, *at) for name, at in places.items()], np.array([0.0, 0.0, 0.06]))


_TRIANGLE = "Do the three cans form an isosceles triangle, if the longest and the shortest side differ by less than"
EXAMPLES = {
    "three cans": (
        three_cans,
        (
            Example(f"{_TRIANGLE} 0.1 m?", True),
            Example(f"{_TRIANGLE} 5 cm?", False),
            Example("Do the red can, the green can and the blue can form an isosceles triangle, to within 10 cm?", True),
            Example("How long is the longest side of the triangle of the red can, the green can and the blue can?", 0.48),
            Example("How far is the red can from the green can?", 0.40),
        ),
    ),
    "sofa and table": (
        sofa_and_table,
        (
            Example("Can a 1 m wide robot pass between the sofa and the table?", True),
            Example("Can a 1.6 m wide robot pass between the sofa and the table?", False),
            Example("How wide is the way between the sofa and the table?", 1.56),
        ),
    ),
    "nearest can": (
        cans_before_the_gripper,
        (
            Example("Which can is nearest to the gripper?", "yellow can"),
            Example("Which of the red can, the blue can and the yellow can is closest to the gripper?", "yellow can"),
            Example("Which of the three cans is farthest from the gripper?", "blue can"),
            Example("How far is the yellow can from the gripper?", 0.21),
        ),
    ),
}  # fmt: skip
_NEAR_M = 0.001


def run_examples() -> dict[str, Any]:
    """Every example with its answer; ``right`` counts those that are right and certain."""
    rows = []
    for name, (build, examples) in EXAMPLES.items():
        posed = build()
        scene = replace(posed.scene, bindings={**posed.scene.bindings, **_by_last_word(posed)})
        for example in examples:
            text, right = _asked(posed, scene, example)
            rows.append({"example": name, "question": example.question, "answer": text, "right": right})
    return {"examples": len(rows), "right": sum(bool(row["right"]) for row in rows), "answers": rows}


def _asked(posed: Posed, scene: Scene, example: Example) -> tuple[str, bool]:
    """What is answered, and whether it is right."""
    reasoner = Reasoner()
    try:
        plan = reasoner.plan(example.question, (*posed.names, TOOL))
    except QuestionError as error:
        return str(error)[:300], False
    answer = reasoner.answer(plan, scene)
    if isinstance(example.answer, bool):
        return answer.text, answer.verdict is example.answer
    if isinstance(example.answer, str):
        return answer.text, answer.decided and example.answer in answer.things
    return answer.text, answer.kind == "number" and abs(answer.value - example.answer) <= _NEAR_M


def _by_last_word(posed: Posed) -> dict[str, Binding]:
    """The thing that a word such as "sofa" means, where there is only one."""
    words = [name.split()[-1] for name in posed.names]
    return {word: posed.scene.find(name) for word, name in zip(words, posed.names, strict=True) if words.count(word) == 1}
