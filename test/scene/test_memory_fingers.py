"""What the fingers themselves tell of a thing that the arm hides, when its place does not show either."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.scene import SceneObject

CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)
CAMERA_FROM_TABLE = camera_over_table(40.0, height_m=0.6)
BLOCK, PLATE = np.array([0.7, 0.0, 0.045]), np.array([0.7, 0.0, 0.01])
STEP_NS = 100_000_000
# Above the things while they are seen, down to the block out of sight, where the fingers close, and up again.
HEIGHTS_M = (0.3, 0.3, 0.3, 0.2, 0.1, 0.045, 0.045, 0.045, 0.045, 0.045, 0.1, 0.2)
OPEN_M, HALF_BLOCK_M = 0.045, 0.025


def carried(openings_m: tuple[float, ...]) -> dict[str, SceneObject]:
    """What is remembered at the end of a block on a plate, in the table's frame; the robot hides all from the fourth image on."""
    memory = ObjectMemory(MemoryConfig())
    down = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    things = [box(BLOCK, (0.05, 0.05, 0.05), label="red block"), box(PLATE, (0.16, 0.16, 0.02), label="green plate")]
    hidden: list[SceneObject] = []
    for index, (height, opening) in enumerate(zip(HEIGHTS_M, openings_m, strict=True)):
        frame = RGBDFrame(
            index * STEP_NS, np.zeros((120, 160, 3), np.uint8), np.full((120, 160), 0.3, np.float32), CAMERA, "camera"
        )
        tool = CAMERA_FROM_TABLE @ RigidTransform(down, np.array([BLOCK[0], BLOCK[1], height]))
        seen = [placed(thing, CAMERA_FROM_TABLE) for thing in things] if index < 3 else []
        robot = np.full((120, 160), index >= 3)
        _, hidden = memory.update(seen, frame, RigidTransform.identity(), tool, robot, opening_m=opening)
    back = CAMERA_FROM_TABLE.inverse()
    return {thing.label: placed(thing, back) for thing in hidden}


def closing(*stopped_m: float) -> tuple[float, ...]:
    """Fingers that are open until they are at the block, and what they are from then on."""
    return (OPEN_M,) * (len(HEIGHTS_M) - len(stopped_m)) + stopped_m


def test_fingers_that_stop_as_far_apart_as_a_hidden_thing_is_wide_have_it() -> None:
    found = carried(closing(0.035, *(HALF_BLOCK_M - 0.002,) * 5))
    assert found["red block"].centre[2] == pytest.approx(BLOCK[2] + HEIGHTS_M[-1] - 0.045, abs=1e-6)
    # The tool was in the box of the plate, too, but that is wider than any fingers.
    assert found["green plate"].centre == pytest.approx(PLATE, abs=1e-6)


@pytest.mark.parametrize(
    "openings_m",
    [closing(), closing(0.035, 0.025, 0.012, *(0.002,) * 3), closing(*(math.nan,) * 6), (0.023,) * len(HEIGHTS_M)],
    ids=["never closed", "shut", "unknown", "as wide before they came"],
)
def test_other_fingers_took_nothing(openings_m: tuple[float, ...]) -> None:
    found = carried(openings_m)
    assert found["red block"].centre == pytest.approx(BLOCK, abs=1e-6)
    assert found["green plate"].centre == pytest.approx(PLATE, abs=1e-6)
