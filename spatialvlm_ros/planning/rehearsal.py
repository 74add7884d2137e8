"""A plan played through in the head: all its motions on an imagined world, to refuse what cannot be reached before moving."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry.rigid import FloatArray
from .config import PlanningConfig
from .domain import Plan, Step
from .skills import MOTIONS_OF, Hand, Motion, make_motion
from .world import World


def rehearse(plan: Plan, world: World, config: PlanningConfig) -> list[tuple[Step, Motion]]:
    """Motions of all steps up to the first look, which may change the plan.

    Raises:
        TaskError: a motion leaves the workspace, or a thing has no free place or cannot be grasped.
    """
    hand = Hand()
    motions: list[tuple[Step, Motion]] = []
    for step in plan.steps:
        if step.kind == "look":
            break
        for kind in MOTIONS_OF[step.kind]:
            motion = make_motion(kind, step, world, hand, config)
            if motion is None:
                continue
            motions.append((step, motion))
            if motion.target is not None:
                hand.tool = motion.target
            if kind == "release" and hand.spot is not None:
                world = _with_thing_put(world, step.subject, hand.spot.xy_m, hand.spot.support_m)
    return motions


def _with_thing_put(world: World, name: str, xy_m: FloatArray, support_m: float) -> World:
    thing = world.things[name]
    centre = np.array([*xy_m, support_m + thing.height_m / 2])
    return replace(world, things={**world.things, name: thing.moved(centre)})
