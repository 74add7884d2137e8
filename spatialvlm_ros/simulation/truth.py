"""What the simulator knows, as facts: the yardstick for everything measured. Its own arithmetic, not the registry's."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from spatialvlm_ros.scene.facts import METRE, Query, Source, SpatialFact, Status
from spatialvlm_ros.simulation.primitives import FloatArray
from spatialvlm_ros.simulation.robot import BASE_FRAME
from spatialvlm_ros.simulation.tabletop import TabletopSim

GRIPPER = "gripper"


def true_facts(sim: TabletopSim, stamp_ns: int) -> list[SpatialFact]:
    """True distances between the tool and all objects: centre to centre, along the ground, in height. Metres, in base_link.

    Also each object's elevation (its lowest point above the table) and height. Each pair stands once, the gripper first.
    """
    objects = sim.objects()
    centres: dict[str, FloatArray] = {GRIPPER: sim.tool_pose_base()[:3, 3]}
    centres.update({name: thing.pose[:3, 3] for name, thing in objects.items()})
    facts = []

    def add(relation: str, subject: str, other: str, value: float) -> None:
        points = centres[subject], centres[other] if other else np.full(3, np.nan)
        query = Query(relation, subject, other)
        facts.append(SpatialFact(query, Status.OK, Source.GROUND_TRUTH, stamp_ns, BASE_FRAME, float(value), 0.0, METRE, *points))

    for a, b in combinations(centres, 2):
        difference = centres[b] - centres[a]
        add("distance", a, b, float(np.linalg.norm(difference)))
        add("horizontal_distance", a, b, float(np.hypot(difference[0], difference[1])))
        add("vertical_distance", a, b, abs(float(difference[2])))
    for name, thing in objects.items():
        half_height = float(np.abs(thing.pose[2, :3]) @ thing.half_extents_m)
        add("elevation", name, "", thing.pose[2, 3] - half_height)
        add("height", name, "", 2 * half_height)
    return facts
