"""Episodes of the simulated cell for the reward benchmark: what camera and tf would record, and what is true at each image."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine import RobotState
from ..environments.table_cell import CameraPlace, TableCell
from ..scene.facts import Query
from ..scene.frame import RGBDFrame
from ..scene.noise import PRESETS
from ..simulation import SimConfig
from ..simulation.objects import PlacementError
from .reward_scripts import FAMILIES, Actor

PERIOD_S = 0.2
# Errors of a stereo camera as real ones have them: in patches, swollen edges, disparities drawn to whole pixels. The scale errs
# as the engine is told that it does.
DEPTH_FAMILY, NOISE = "correlated_stereo", PRESETS["stereo"]
# Where the tool is comes from the simulator's own state; the engine is told that, too. Half a millimetre stands for exact.
TF_STD_M = 0.0005
CAMERAS: Mapping[str, CameraPlace] = {
    "front": CameraPlace(),
    "left": CameraPlace((1.10, 0.55, 0.62), (0.44, 0.0, 0.06)),
    "right high": CameraPlace((1.05, -0.50, 0.85), (0.45, 0.0, 0.05)),
    "side": CameraPlace((0.50, 1.00, 0.65), (0.48, 0.0, 0.05)),
}
"""Where the camera is; the demo's place is "front"."""


@dataclass(frozen=True)
class Plan:
    """Which episode: a task, a way to go about it, a scene, a camera."""

    family: str
    kind: str
    seed: int
    camera: str

    @property
    def name(self) -> str:
        return f"{self.family}, {self.kind}, {self.camera} camera, scene {self.seed}"


@dataclass(frozen=True)
class Shot:
    """One image with the robot's state and true values at its time."""

    frame: RGBDFrame
    robot: RobotState
    truth: Mapping[Query, float]


@dataclass(frozen=True)
class SimEpisode:
    """``success`` by the simulator's state at the end."""

    plan: Plan
    shots: Sequence[Shot]
    success: bool


class UnsuitableScene(RuntimeError):
    """The scene cannot be laid out, or leaves nothing to do."""


def record(plan: Plan, size_px: tuple[int, int] = (640, 480)) -> SimEpisode:
    """Carry out a plan and take a picture every ``PERIOD_S``. Raises UnsuitableScene."""
    family = FAMILIES[plan.family]
    try:
        cell = TableCell(SimConfig(plan.seed, *size_px, objects=family.objects), CAMERAS[plan.camera], DEPTH_FAMILY, NOISE.scale)
    except PlacementError as error:
        raise UnsuitableScene(f"{plan.name}: {error}") from error
    shots: list[Shot] = []
    try:
        if not family.far(cell, family):
            raise UnsuitableScene(f"{plan.name}: nothing is left to do in this scene")
        rng = np.random.default_rng((plan.seed, zlib.crc32(plan.name.encode())))
        actor = Actor(cell, rng, lambda: shots.append(Shot(cell.frame(), cell.robot_state(), cell.true_values())), PERIOD_S)
        actor.wait(0.5)
        family.act(actor, family, plan.kind)
        return SimEpisode(plan, shots, family.done(cell, family))
    finally:
        cell.close()
