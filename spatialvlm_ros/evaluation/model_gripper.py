"""The demo's simulator with its gripper in view and named by words: nobody tells where it is.

Truth is the simulator's: the point between the finger pads, and the middle of each thing's box. Synthetic (MuJoCo).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..scene.frame import RGBDFrame, depth_to_metres
from ..simulation import CAMERA_FRAME, SimConfig, TabletopSim
from ..simulation.arm_control import UnreachableError
from ..simulation.tabletop import ROBOT_ID, tool_down_rotation
from .engine_scenes import tilted
from .engine_solids import Solid
from .engine_truth import TrueScene
from .model_scenes import ASKED_PIXELS, TestScene
from .model_words import Named

# Names of the demo's things in the words of our tables.
THINGS = {
    "red block": Named("red", "block"), "green plate": Named("green", "plate"), "blue block": Named("blue", "block"),
    "yellow ball": Named("yellow", "ball"), "tall green can": Named("green", "can"), "white cup": Named("white", "cup"),
}  # fmt: skip
_CORNERS = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).T.reshape(-1, 3)
_STEP_S, _LONGEST_S = 0.05, 4.0
_TRIES = 4
# Least and largest offset of the gripper from the middle of a thing, in base_link.
_OVER_M = ((-0.08, -0.08, 0.08), (0.08, 0.08, 0.25))


def gripper_scenes(seed: int, poses: int) -> Iterator[tuple[TestScene, Solid]]:
    """Images of one cell with the gripper at ``poses`` places over the table, each with the true point between its fingers.

    A place that cannot be reached gives no image, since the arm stays and the view is the last one again; others are drawn
    for it, up to four times ``poses`` in all.
    """
    rng = np.random.default_rng([seed, 89])
    sim = TabletopSim(SimConfig(seed=seed))
    try:
        number = 0
        for _ in range(_TRIES * poses):
            if number < poses and _move(sim, rng):
                yield _scene(sim, f"gripper/{seed}-{number}", rng)
                number += 1
    finally:
        sim.close()


def _move(sim: TabletopSim, rng: np.random.Generator) -> bool:
    """Send the gripper somewhere over the things, low or high. False, with the arm where it was, when it cannot get there."""
    middles = [thing.pose[:3, 3] for thing in sim.objects().values()]
    target = middles[int(rng.integers(len(middles)))] + rng.uniform(*_OVER_M)
    sim.set_finger_opening(float(rng.uniform(0.02, 0.1)))
    try:
        sim.set_tool_target(target, tool_down_rotation(float(rng.uniform(-math.pi / 2, math.pi / 2))))
    except UnreachableError:
        return False
    for _ in range(round(_LONGEST_S / _STEP_S)):
        sim.step(_STEP_S)
        if not sim.motion_state().active:
            break
    return True


def _scene(sim: TabletopSim, key: str, rng: np.random.Generator) -> tuple[TestScene, Solid]:
    image, k = sim.render(truth=True), sim.camera_intrinsics
    assert image.segmentation is not None
    camera = CameraModel(k.width, k.height, k.fx, k.fy, k.cx, k.cy)
    frame = RGBDFrame(image.stamp_ns, image.color, depth_to_metres(image.depth_mm), camera, CAMERA_FRAME)
    solids: list[Solid] = []
    things: list[Named] = []
    asked: list[int] = []
    labels = np.zeros(image.segmentation.shape, np.int32)
    for name, thing in sim.objects().items():
        own = image.segmentation == sim.segmentation_ids[name]
        labels[own] = len(solids) + 1
        if np.count_nonzero(own) >= ASKED_PIXELS:
            asked.append(len(solids))
        corners = (_CORNERS * thing.half_extents_m) @ thing.pose[:3, :3].T + thing.pose[:3, 3]
        solids.append(Solid(name, thing.shape, corners, np.empty((0, 3), np.intp)))
        things.append(THINGS[name])
    world_from_camera = RigidTransform.from_matrix(sim.camera_pose_base)
    truth = TrueScene(tuple(solids), 0.0, world_from_camera)
    tool = Solid("gripper", "point", sim.tool_pose_base()[None, :3, 3], np.empty((0, 3), np.intp))
    robot = image.segmentation == ROBOT_ID
    up = tilted(truth.up, rng)
    return TestScene(key, "stereo", frame, labels, tuple(things), tuple(asked), truth, up, robot=robot), tool
