"""A camera that moves, on the hand say: what lies still stays in its place, and the reward sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import box, camera_over_table, placed, scene

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.image_facts import facts_of, output_of
from spatialvlm_ros.nodes.robot_state import output_frame
from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardSample
from spatialvlm_ros.reward.builder import task_from_instruction

STEP_NS = 100_000_000


class Parameters:
    """Parameters of spatial_node by name; "" for what is not given."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def param(self, name: str) -> str:
        return self._values.get(name, "")


class TfOf:
    """tf with the camera's pose in the frame "odom"."""

    def __init__(self, odom_from_camera: RigidTransform) -> None:
        self._pose = odom_from_camera

    def lookup(self, target: str, source: str) -> RigidTransform:
        assert (target, source) == ("odom", "camera")
        return self._pose


def push_seen_by_a_moving_camera(parameters: Parameters) -> list[RewardSample]:
    """A block is pushed to a plate that lies still, and the camera flies by meanwhile."""
    annotator = RewardAnnotator(task_from_instruction("push the red block to the plate"))
    engine, samples = SpatialEngine(), []
    queries = annotator.task.queries()
    for step in range(40):
        share = min(1.0, step / 30)
        camera_from_table = camera_over_table(40.0, height_m=0.6) @ RigidTransform(np.eye(3), np.array([0.0, 0.02 * step, 0.0]))
        things = {
            "red block": box((0.7, -0.3 + 0.22 * share, 0.025)),
            "plate": box((0.7, 0.0, 0.01), (0.1, 0.1, 0.02), number=2, label="plate"),
            "gripper": box((0.7, -0.34 + 0.22 * share, 0.025), (0.01, 0.01, 0.01), number=3, label="gripper"),
        }
        seen = scene({name: placed(thing, camera_from_table) for name, thing in things.items()}, camera_from_table)
        seen = replace(seen, stamp_ns=step * STEP_NS)
        output, problem = output_of(seen, output_frame(parameters), TfOf(camera_from_table.inverse()))
        samples.append(annotator.update(seen.stamp_ns, facts_of(engine, seen, queries, output, problem)))
    return samples


def away(samples: list[RewardSample]) -> int:
    return sum(any("in place" in term.name for term in sample.terms) for sample in samples)


def test_with_a_world_frame_what_lies_still_is_in_its_place() -> None:
    samples = push_seen_by_a_moving_camera(Parameters(world_frame="odom"))
    assert away(samples) == 0
    assert samples[-1].success and samples[-1].potential == pytest.approx(1.0)


def test_points_of_the_moving_camera_would_move_it() -> None:
    """What the frame of the points is for: by the camera's own, the plate goes away."""
    samples = push_seen_by_a_moving_camera(Parameters(output_frame="camera", world_frame="odom"))
    assert away(samples) > 20 and not samples[-1].success


@pytest.mark.parametrize(
    ("given", "frame"),
    [
        ({}, ""),
        ({"world_frame": "odom"}, "odom"),
        ({"output_frame": "base_link"}, "base_link"),
        ({"output_frame": "base_link", "world_frame": "odom"}, "base_link"),
    ],
)
def test_points_are_in_the_output_frame_else_in_the_world_frame(given: dict[str, str], frame: str) -> None:
    assert output_frame(Parameters(**given)) == frame
