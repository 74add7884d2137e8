"""The facts of one image as spatial_node publishes them; the labeller of bags calls the same functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..engine import SpatialEngine
from ..geometry.rigid import RigidTransform
from ..geometry.transform_buffer import TransformError
from ..scene.facts import Query, SpatialFact, Status
from ..scene.scene import Scene, not_looked_for
from .parameters import Param
from .robot_state import Transforms

IMAGE_PARAMS = (
    Param(
        "focus_s",
        0.0,
        "Seconds from one image that is taken whole to the next, where all queries are about things by their names and words "
        "find them: the images between are looked at where these things are, which takes a fraction of the time, and things "
        "that no query names stay as they were. Where nothing but the robot and named things has moved since the last whole "
        "image, up to four times as long. 0: every image is taken whole.",
        0.0,
        10.0,
    ),
)
# With less depth than that nothing can be found.
_LEAST_COVERAGE = 0.01
Output = tuple[str, RigidTransform] | None


def output_of(scene: Scene, output_frame: str, transforms: Transforms) -> tuple[Output, str]:
    """Where the points of facts go, None for the image's own frame; or why tf lacks that frame."""
    if not output_frame or output_frame == scene.frame_id:
        return None, ""
    try:
        return (output_frame, transforms.lookup(output_frame, scene.frame_id)), ""
    except TransformError as error:
        return None, str(error)


def facts_of(engine: SpatialEngine, scene: Scene, queries: Iterable[Query], output: Output, problem: str) -> list[SpatialFact]:
    """One fact a query. With a ``problem`` of the output frame, facts that need it say so and have no value."""
    facts = engine.facts(scene, queries, output)
    return [fact if fact.query.view else without_frame(fact, problem) for fact in facts] if problem else facts


def without_frame(fact: SpatialFact, problem: str) -> SpatialFact:
    """The fact as one whose frame tf does not know."""
    return SpatialFact(fact.query, Status.NO_TRANSFORM, fact.source, fact.stamp_ns, fact.frame_id, unit=fact.unit, text=problem)


def why_unsought(scene: Scene) -> str:
    """Why things were not looked for on an image, with the cure; "" where they were."""
    if scene.depth_coverage < _LEAST_COVERAGE:
        share = 100.0 * scene.depth_coverage
        return f"depth is known at {share:.1f} % of the pixels: is something before the camera, or too near to it or too far?"
    if math.isfinite(scene.support_plane[0]):
        return ""
    return not_looked_for(scene.canonical_reason)


def frame_of(facts: Sequence[SpatialFact], scene: Scene) -> str:
    """The frame in the header of an image's facts, and of its reward."""
    return next((fact.frame_id for fact in facts if not fact.query.view), scene.frame_id)
