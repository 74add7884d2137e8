#!/usr/bin/env python
"""Records scripted robosuite episodes as a camera and tf would see them, for `make bench-reward-robosuite`.

Needs robosuite 1.5.2 and mujoco 3.9 and nothing of this package. One .npz file an episode: colour, depth in metres, camera, poses
of the robot's links and of the tool point, capsules around the links' collision shapes, the true place of the thing, robosuite's
staged reward, and whether its task was done. No pickled objects.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco
import numpy as np
import robosuite

OBJECTS = ("Can", "Milk", "Bread", "Cereal")
# Ten episodes a thing, half of them failures: with three cameras, each kind is seen from more than one.
KINDS = ("success", "drop", "near miss", "never grasp", "success") * 2
CAMERAS = {"front": (180.0, -45.0, 1.15), "left": (140.0, -50.0, 1.15), "right high": (215.0, -60.0, 1.2)}
# Those with a narrow and a wide side, and how far above a thing's middle the tool point grips it: the hand must clear the lid.
BOXES = ("Milk", "Bread", "Cereal")
GRASP_M = {"Can": 0.01, "Milk": 0.02, "Bread": 0.0, "Cereal": 0.03}
LOOK_AT_M = (0.1, 0.0, 0.87)
CONTROL_HZ = 20
GRIP, OPEN = 1.0, -1.0
# Commands are shares of 5 cm and half a radian a step. A thing that is carried faster slips.
FULL, CARRY = 1.0, 0.5


class Recorder:
    """Steps the environment and takes a picture every so many steps."""

    def __init__(self, thing: str, seed: int, camera: str, size_px: tuple[int, int], rate_hz: float) -> None:
        self.env = robosuite.make(
            f"PickPlace{thing}", robots="Panda", has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False,
            reward_shaping=True, control_freq=CONTROL_HZ, horizon=10_000, ignore_done=True, seed=seed,
        )  # fmt: skip
        self.thing = thing
        self.observation = self.env.reset()
        self.model, self.data = self.env.sim.model._model, self.env.sim.data._data
        # Without shadows and multisampling software rendering is several times as fast; depth does not change.
        self.model.vis.quality.shadowsize, self.model.vis.quality.offsamples = 0, 0
        # The translucent twins that show where things belong are for people; no camera would see them.
        for geom in range(self.model.ngeom):
            if self._name(int(self.model.geom_bodyid[geom])).startswith("Visual"):
                self.model.geom_rgba[geom, 3] = 0.0
                self.model.geom_matid[geom] = -1
        self.renderer = mujoco.Renderer(self.model, size_px[1], size_px[0])
        self.option = mujoco.MjvOption()
        self.option.geomgroup[0] = 0
        # Sites are drawings, too: a beam under the gripper that depth would show.
        self.option.sitegroup[:] = 0
        self.camera = mujoco.MjvCamera()
        self.camera.lookat[:] = LOOK_AT_M
        self.camera.azimuth, self.camera.elevation, self.camera.distance = CAMERAS[camera]
        self.every = round(CONTROL_HZ / rate_hz)
        self.steps, self.rows = (
            0,
            {name: [] for name in ("color", "depth_m", "links", "tool", "thing", "staged", "done", "stamp_ns")},
        )
        self.links = [i for i in range(self.model.nbody) if self._name(i).startswith(("robot0_", "gripper0_"))]
        self.site = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_SITE, "gripper0_right_grip_site")
        self.body = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, f"{thing}_main")
        shape = next(i for i in range(self.model.ngeom) if self.model.geom_bodyid[i] == self.body)
        corners = _pose_of(self.model.geom_pos[shape], self.model.geom_quat[shape], self._corners(shape))
        self.middle = (corners.min(axis=0) + corners.max(axis=0)) / 2

    def _name(self, body: int) -> str:
        return mujoco.mj_id2name(self.model, mujoco.mjtObj.mjOBJ_BODY, body) or ""

    # -- what is recorded -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        self.renderer.update_scene(self.data, self.camera, self.option)
        color = self.renderer.render().copy()
        self.renderer.enable_depth_rendering()
        self.renderer.update_scene(self.data, self.camera, self.option)
        depth = self.renderer.render().copy()
        self.renderer.disable_depth_rendering()
        rows = self.rows
        rows["color"].append(color)
        rows["depth_m"].append(depth.astype(np.float32))
        rows["links"].append(np.stack([_pose(self.data.xpos[i], self.data.xmat[i]) for i in self.links]))
        rows["tool"].append(_pose(self.data.site_xpos[self.site], self.data.site_xmat[self.site]))
        # The middle of the thing's box: the origin of the milk's body is 11 mm below it.
        rows["thing"].append(self.data.xpos[self.body] + np.reshape(self.data.xmat[self.body], (3, 3)) @ self.middle)
        rows["staged"].append(float(self.env.reward(None)))
        rows["done"].append(bool(self.env._check_success()))
        rows["stamp_ns"].append(round(self.steps * 1e9 / CONTROL_HZ))

    def capsules(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) index of the link and (N, 7) two ends and radius in its frame, around each collision shape of the robot."""
        index, shapes = [], []
        for geom in range(self.model.ngeom):
            body = int(self.model.geom_bodyid[geom])
            if body not in self.links or self.model.geom_group[geom] != 0:
                continue
            points = _pose_of(self.model.geom_pos[geom], self.model.geom_quat[geom], self._corners(geom))
            index.append(self.links.index(body))
            shapes.append(_capsule(points))
        return np.array(index), np.array(shapes)

    def _corners(self, geom: int) -> np.ndarray:
        """(N, 3) points on the hull of a shape, in its own frame."""
        if self.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = int(self.model.geom_dataid[geom])
            start, count = self.model.mesh_vertadr[mesh], self.model.mesh_vertnum[mesh]
            return self.model.mesh_vert[start : start + count].astype(np.float64)
        size = self.model.geom_size[geom]
        kind = self.model.geom_type[geom]
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            half = np.full(3, size[0])
        elif kind in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
            half = np.array([size[0], size[0], size[1] + (size[0] if kind == mujoco.mjtGeom.mjGEOM_CAPSULE else 0.0)])
        else:
            half = size
        return np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * half

    def view(self) -> tuple[np.ndarray, float]:
        """Pose (4, 4) of the optical frame in the world, and the focal length in pixels."""
        left, right = self.renderer.scene.camera
        forward, up = np.array(left.forward), np.array(left.up)
        across = np.cross(forward, up)
        pose = np.eye(4)
        pose[:3, :3] = np.column_stack([across, np.cross(forward, across), forward])
        pose[:3, 3] = (np.array(left.pos) + np.array(right.pos)) / 2
        height = self.renderer.height
        return pose, height / 2 / np.tan(np.deg2rad(self.model.vis.global_.fovy) / 2)

    # -- what is done -----------------------------------------------------------------------------------------------------

    def step(self, move: np.ndarray, grip: float, turn: float = 0.0) -> None:
        if self.steps % self.every == 0:
            self.look()
        action = np.zeros(self.env.action_dim)
        action[:3], action[5], action[-1] = move, np.clip(turn, -0.3, 0.3), grip
        self.observation, _, _, _ = self.env.step(action)
        self.steps += 1

    def tool(self) -> np.ndarray:
        return self.data.site_xpos[self.site].copy()

    def place(self) -> np.ndarray:
        return self.observation[f"{self.thing}_pos"].copy()

    def go(self, goal: np.ndarray, grip: float, most: int = 80, near_m: float = 0.008, fast: float = FULL) -> None:
        """Straight to a place of the tool, without turning it."""
        for _ in range(most):
            left = goal - self.tool()
            if np.linalg.norm(left) < near_m:
                return
            self.step(_limited(16.0 * left, fast), grip)

    def approach(self, goal: np.ndarray, most: int = 80) -> None:
        """With open fingers to a place from where they close across the thing's narrow sides."""
        for _ in range(most):
            left, turn = goal - self.tool(), 0.0
            if self.thing in BOXES:
                # The fingers close along the site's x axis; the narrow way through each of the boxes is its own y axis.
                fingers = np.reshape(self.data.site_xmat[self.site], (3, 3))[:2, 0]
                narrow = np.reshape(self.data.xmat[self.body], (3, 3))[:2, 1]
                turn = np.arctan2(fingers[0] * narrow[1] - fingers[1] * narrow[0], fingers @ narrow)
                turn = (turn + np.pi / 2) % np.pi - np.pi / 2
            if np.linalg.norm(left) < 0.01 and abs(turn) < 0.05:
                return
            self.step(_limited(16.0 * left, FULL), OPEN, 2.0 * turn)

    def wait(self, count: int, grip: float) -> None:
        for _ in range(count):
            self.step(np.zeros(3), grip)

    def pick(self, grip: float, high: float, tries: int = 3) -> None:
        """Close the fingers around the thing and lift it; once more when it stays behind."""
        for _ in range(tries if grip == GRIP else 1):
            thing = self.place()
            self.approach(thing + np.array([0, 0, 0.15]))
            self.go(thing + np.array([0, 0, GRASP_M[self.thing]]), OPEN, 50, fast=CARRY)
            self.wait(8, grip)
            self.go(np.array([thing[0], thing[1], high]), grip, fast=CARRY)
            if self.place()[2] > thing[2] + 0.1:
                return

    def act(self, kind: str) -> None:
        """Pick the thing and bring it into its bin; or drop it, put it down short of the bin, or never close the fingers."""
        thing, goal = self.place(), np.array(self.env.target_bin_placements[self.env.object_id])
        high, floor = max(goal[2], thing[2]) + 0.28, thing[2]
        grip = OPEN if kind == "never grasp" else GRIP
        self.wait(4, OPEN)
        self.pick(grip, high)
        start = self.tool()
        if kind == "near miss":
            # Down again in the bin where it came from, near its wall.
            goal = np.array([thing[0], min(thing[1] + 0.1, -0.12), goal[2]])
        over = np.array([goal[0], goal[1], high])
        if kind == "drop":
            self.go(np.array([*(start[:2] + 0.3 * (over - start)[:2]), high]), grip, fast=CARRY)
            self.wait(8, OPEN)
            grip = OPEN
        self.go(over, grip, 140, fast=CARRY)
        self.go(np.array([goal[0], goal[1], floor + GRASP_M[self.thing] + 0.02]), grip, fast=CARRY)
        self.wait(8, OPEN)
        self.go(over, OPEN)
        self.wait(10, OPEN)


def _limited(move: np.ndarray, most: float) -> np.ndarray:
    """A command (3,) of the same direction whose largest component is at most ``most``."""
    return move * (most / max(most, float(np.abs(move).max())))


def _pose(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.reshape(rotation, (3, 3)), position
    return pose


def _pose_of(position: np.ndarray, quaternion: np.ndarray, points: np.ndarray) -> np.ndarray:
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, quaternion)
    return points @ rotation.reshape(3, 3).T + position


def _capsule(points: np.ndarray) -> np.ndarray:
    """(7,) ends and radius of a capsule around points, along their longest extent."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    along = (points - middle) @ axes[0]
    off = np.linalg.norm((points - middle) - along[:, None] * axes[0], axis=1)
    radius = float(off.max())
    # A rounded end has to reach the corners, too.
    rounded = np.sqrt(np.maximum(radius**2 - off**2, 0))
    low, high = (along + rounded).min(), (along - rounded).max()
    if low > high:
        low = high = (low + high) / 2
    return np.concatenate([middle + low * axes[0], middle + high * axes[0], [radius]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/robosuite/episodes"))
    parser.add_argument("--objects", default=",".join(OBJECTS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first episode, where some are recorded again")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rate-hz", type=float, default=5.0)
    options = parser.parse_args()
    size = tuple(int(part) for part in options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    number = options.first
    for thing in options.objects.split(","):
        for kind in options.kinds.split(","):
            seed, camera = options.seed + number, list(CAMERAS)[number % len(CAMERAS)]
            recorder = Recorder(thing, seed, camera, size, options.rate_hz)
            recorder.act(kind)
            recorder.look()
            pose, focal_px = recorder.view()
            index, shapes = recorder.capsules()
            goal = np.array(recorder.env.target_bin_placements[recorder.env.object_id])
            path = options.out / f"{number:02d}_{thing}_{kind.replace(' ', '-')}.npz"
            np.savez(
                path, **{name: np.array(rows) for name, rows in recorder.rows.items()}, capsule_link=index, capsules=shapes,
                world_from_camera=pose, focal_px=focal_px, goal=goal, object=thing, kind=kind, camera=camera, seed=seed,
            )  # fmt: skip
            print(f"{path.name}: {len(recorder.rows['done'])} images, done {recorder.rows['done'][-1]}", flush=True)
            recorder.renderer.close()
            recorder.env.close()
            number += 1


if __name__ == "__main__":
    main()
