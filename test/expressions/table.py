"""A table with a few things, a gripper above it, and names that stand for nothing."""

from __future__ import annotations

from dataclasses import replace

from scenes import ask, gripper_at, metres, on_table, scene_of, tree

from spatialvlm_ros.expressions.tree import Number, Tree
from spatialvlm_ros.expressions.values import Value
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Binding, Scene

CUP = on_table(0.70, 0.20, (0.08, 0.08, 0.10), number=1, label="cup")
CAN = on_table(0.70, -0.10, (0.06, 0.06, 0.12), number=2, label="can")
BOX = on_table(1.00, -0.12, (0.20, 0.20, 0.08), number=3, label="box")
GRIPPER = gripper_at(0.7, 0.0, 0.3)
LOST = Binding(Status.NOT_FOUND, text="no unicorn on the image")
TWICE = Binding(Status.AMBIGUOUS, text="'block' could be #7 or #8")


def table(**names: object) -> Scene:
    named = scene_of(CUP, CAN, BOX, GRIPPER, names={"unicorn": LOST, "block": TWICE, **names}, sets={"object": (CUP, CAN, BOX)})
    return replace(named, bindings={**named.bindings, "gripper": Binding(Status.OK, GRIPPER)})


def valued(node: Tree, view: Scene | None = None, **options: object) -> Value:
    found = ask(view or table(), node, **options)
    assert found.value is not None, found.missing
    return found.value


def missing(node: Tree, view: Scene | None = None) -> tuple[Status, str]:
    found = ask(view or table(), node)
    assert found.value is None
    return found.status, found.missing


def plain(value: float) -> Number:
    return Number(value)


YES, NO = tree("lt", plain(1), plain(2)), tree("lt", plain(2), plain(1))
NOWHERE = tree("left", "unicorn", "cup")
WIDTH = tree("width", "cup")
# 0.5 m, give or take 2 mm, less than 0.5 m.
HALF_METRE = scene_of(on_table(0.5, 0.25, number=1, label="a"), on_table(0.5, -0.25, number=2, label="b"))
EVEN = tree("lt", tree("distance", "a", "b"), metres(0.5))
