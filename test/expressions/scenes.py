"""Scenes of boxes for trees: things that err each for itself, in one scale and with one tilt of up, and draws of such errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.expressions.evaluate import Evaluation, Evaluator
from spatialvlm_ros.expressions.tree import All, Apply, Fold, Number, Several, Thing, Tree, Variable
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject

POSE = camera_over_table()
X, Y = Variable("x"), Variable("y")
EVERYTHING = All()


def metres(value: float) -> Number:
    return Number(value, "m")


def tree(op: str, *args: Tree | str, amount: float = 0.0, view: str = "") -> Apply:
    """An operator or a relation; arguments given as text are things."""
    return Apply(op, tuple(Thing(arg) if isinstance(arg, str) else arg for arg in args), amount, view)


def fold(op: str, of: Tree | None = None, over: All | Several = EVERYTHING, rank: int = 1, *names: str) -> Fold:
    return Fold(op, over, names or ("x",), of, rank)


def on_table(
    x: float,
    y: float,
    size: object = (0.06, 0.06, 0.06),
    *,
    number: int,
    label: str,
    above_m: float = 0.0,
    std_m: float = 0.002,
    status: Status = Status.OK,
) -> SceneObject:
    """An upright box in the camera's frame; x away from the camera and y to its left on the table, metres."""
    edges = np.asarray(size, dtype=np.float64)
    middle = np.array([x, y, above_m + edges[2] / 2])
    upright = box(middle, edges, covariance=std_m**2 * np.eye(3), number=number, label=label, status=status)
    return placed(upright, POSE)


def scene_of(*things: SceneObject, names: Mapping[str, object] | None = None, sets: Mapping[str, object] | None = None) -> Scene:
    """Things by their labels, and all of them under "object".

    Args:
        names: further names, each for a thing or a Binding.
        sets: further descriptions, each for the things that answer to it.
    """
    bare = scene({thing.label: thing for thing in things}, POSE)
    bindings = {name: replace(binding, answering=(binding.thing,)) for name, binding in bare.bindings.items() if binding.thing}
    for name, meant in (names or {}).items():
        bindings[name] = meant if isinstance(meant, Binding) else Binding(meant.status, meant)
    for name, answering in {"object": things, **(sets or {})}.items():
        bindings[name] = Binding(Status.AMBIGUOUS, text=f"'{name}' is not one thing", answering=tuple(answering))
    return replace(bare, objects=things, bindings=bindings)


def gripper_at(x: float, y: float, z: float) -> SceneObject:
    return placed(tool([x, y, z]), POSE)


def ask(view: Scene, node: Tree, **options: object) -> Evaluation:
    return Evaluator(view, **options).evaluate(node)


def value_of(view: Scene, node: Tree) -> float:
    found = ask(view, node)
    assert found.value is not None, found.missing
    return float(found.value.value)


def chosen(found: Evaluation) -> str:
    """Name of the thing that a tree gives."""
    assert found.value is not None, found.missing
    return found.names[int(found.value.value)]
