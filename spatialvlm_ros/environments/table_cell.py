"""The simulated cell as the engine sees a robot: images, robot states and true facts, in process and without ROS.

What never changes: the engine gets what spatial_node would get of the simulated robot (images, tf poses, capsules, gravity), and
nothing of the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engine import RobotState
from ..geometry.camera import CameraModel
from ..geometry.rigid import FloatArray, RigidTransform
from ..perception.self_filter import Capsule
from ..scene.facts import Query
from ..scene.frame import RGBDFrame, depth_to_metres
from ..simulation import BASE_FRAME, CAMERA_FRAME, TOOL_FRAME, SimConfig, SimObject, TabletopSim
from ..simulation.camera import CAMERA_POSITION_M, CAMERA_TARGET_M, look_at
from ..simulation.depth_noise import FAMILIES, SCALE_STD, add_noise
from ..simulation.primitives import Vec3
from ..simulation.truth import GRIPPER, true_facts

# MuJoCo looks no farther for the distance of two surfaces.
_FAR_M = 3.0
# Streams of random numbers: of a cell's scale, and more frames than an episode has.
_SCALE_STREAM, _FRAMES = 7, 100_000
Float32Array = npt.NDArray[np.float32]
# a(b) and b(a) are one fact; the truth states each pair once.
_SYMMETRIC = ("distance", "horizontal_distance", "vertical_distance")


@dataclass(frozen=True)
class CameraPlace:
    """Where the camera is and what it looks at, (3,) metres in base_link."""

    position_m: Vec3 = CAMERA_POSITION_M
    target_m: Vec3 = CAMERA_TARGET_M


class PlacedCameraSim(TabletopSim):
    """The simulated cell with its camera somewhere else. The scene is laid out for that camera."""

    def __init__(self, config: SimConfig, place: CameraPlace) -> None:
        self._place = place
        super().__init__(config)

    def _build(self, seed: int) -> None:
        self.camera_pose_base: FloatArray = look_at(self._place.position_m, self._place.target_m)
        super()._build(seed)

    def gap_m(self, first: str, second: str) -> float:
        """Least distance between the surfaces of two objects, 0 when they touch."""
        mujoco, model, data = self._mujoco, self._model, self._data
        with self._lock:
            geoms = [
                [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] == self._object_bodies[name]]
                for name in (first, second)
            ]
            gaps = [mujoco.mj_geomDistance(model, data, a, b, _FAR_M, None) for a in geoms[0] for b in geoms[1]]
        return max(0.0, float(min(gaps)))


class TableCell:
    """One simulated cell. Not thread-safe. ``close`` frees the renderer.

    Args:
        depth_family: a family of ``simulation.depth_noise``: the camera errs as such cameras do, with one error of scale for as
            long as the cell lives, as calibration leaves behind. "": by ``config.sensor``, whose scale is right.
        scale_std: standard deviation of that error over seeds, a share of the depth; None for the family's own.

    Raises ValueError for an unknown family.
    """

    def __init__(
        self,
        config: SimConfig,
        place: CameraPlace | None = None,
        depth_family: str = "",
        scale_std: float | None = None,
    ) -> None:
        if depth_family and depth_family not in SCALE_STD:
            raise ValueError(f"depth family '{depth_family}' is not one of {', '.join(FAMILIES)}")
        self._family, self._seed = depth_family, config.seed
        spread = SCALE_STD.get(depth_family, 0.0) if scale_std is None else scale_std
        self._scale = 1.0 + np.random.default_rng([config.seed, _SCALE_STREAM]).normal(0.0, spread)
        self.sim = PlacedCameraSim(config, place or CameraPlace())
        k = self.sim.camera_intrinsics
        self.camera = CameraModel(k.width, k.height, k.fx, k.fy, k.cx, k.cy)

    def close(self) -> None:
        self.sim.close()

    def frame(self) -> RGBDFrame:
        """A picture now, stamped with simulated time; depth in whole millimetres."""
        image = self.sim.render(truth=bool(self._family))
        depth_m = depth_to_metres(image.depth_mm) if image.depth_m is None else self._measured(image.depth_m, image.frame)
        return RGBDFrame(image.stamp_ns, image.color, depth_m, self.camera, CAMERA_FRAME)

    def _measured(self, depth_m: Float32Array, frame: int) -> Float32Array:
        """What the family's camera makes of true depth (H, W), metres; NaN where it sees none."""
        noisy = add_noise(depth_m, self.camera, self._family, self._seed * _FRAMES + frame, scale_error=False)
        whole_mm: Float32Array = np.rint(noisy * np.float32(1000.0 * self._scale))
        return whole_mm * np.float32(1e-3)

    def robot_state(self) -> RobotState:
        """What tf would say now."""
        camera_from_base = RigidTransform.from_matrix(self.sim.camera_pose_base).inverse()
        links = {name: camera_from_base @ RigidTransform.from_matrix(pose) for name, pose in self.sim.link_poses().items()}
        links[BASE_FRAME] = camera_from_base
        capsules = []
        for capsule in self.sim.robot_capsules():
            start, end = links[capsule.frame].apply(np.array([capsule.p0, capsule.p1]))
            capsules.append(Capsule(start, end, capsule.radius_m))
        return RobotState(links[TOOL_FRAME], capsules=capsules, up=camera_from_base.rotation[:, 2])

    def true_values(self) -> dict[Query, float]:
        """True values in metres of the relations that the simulator knows, both ways round.

        Those of ``simulation.truth``, gaps, and the viewer's signed differences to the left, right, behind and front.
        """
        found = {fact.query: fact.value for fact in true_facts(self.sim, self.sim.time_ns)}
        for query in list(found):
            if query.relation in _SYMMETRIC:
                found[Query(query.relation, query.object, query.subject)] = found[query]
        return found | self._sideways() | self._gaps()

    def _gaps(self) -> dict[Query, float]:
        """Gaps between objects, and from the tool point to each."""
        things = self.sim.objects()
        found = {}
        for index, (name, thing) in enumerate(things.items()):
            found[Query("gap", GRIPPER, name)] = _point_gap_m(self.sim.tool_pose_base()[:3, 3], thing)
            for other in list(things)[index + 1 :]:
                found[Query("gap", name, other)] = self.sim.gap_m(name, other)
        return found | {Query("gap", query.object, query.subject): gap for query, gap in found.items()}

    def _sideways(self) -> dict[Query, float]:
        """Differences of centres along the camera's level right and forward axes."""
        pose = self.sim.camera_pose_base
        right, ahead = pose[:3, 0] * (1, 1, 0), pose[:3, 2] * (1, 1, 0)
        axes = {
            "right_difference": right / np.linalg.norm(right), "left_difference": -right / np.linalg.norm(right),
            "behind_difference": ahead / np.linalg.norm(ahead), "front_difference": -ahead / np.linalg.norm(ahead),
        }  # fmt: skip
        centres = {GRIPPER: self.sim.tool_pose_base()[:3, 3]}
        centres |= {name: thing.pose[:3, 3] for name, thing in self.sim.objects().items()}
        return {
            Query(relation, a, b): float((centres[a] - centres[b]) @ axis)
            for relation, axis in axes.items()
            for a in centres
            for b in centres
            if a != b
        }


def _point_gap_m(point: FloatArray, thing: SimObject) -> float:
    """From a point (3,) in base_link to the surface of an upright box, ball or cylinder; 0 inside."""
    local = np.abs(thing.pose[:3, :3].T @ (point - thing.pose[:3, 3]))
    half = thing.half_extents_m
    if thing.shape == "sphere":
        return max(0.0, float(np.linalg.norm(local) - half[0]))
    if thing.shape == "cylinder":
        local, half = np.array([np.hypot(local[0], local[1]), local[2]]), half[1:]
    return float(np.linalg.norm(np.maximum(local - half, 0.0)))
