"""SceneObjects and Scenes built by hand, for tests that need no image."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.scene.facts import Source, Status
from spatialvlm_ros.scene.scene import Binding, Canonical, Scene, SceneObject

STD_M = 0.002


def box_surface(centre: np.ndarray, axes: np.ndarray, extents: np.ndarray, count: int = 8) -> np.ndarray:
    """A grid of points on all six faces, (N, 3) float32."""
    side = np.linspace(-0.5, 0.5, count)
    u, v = (grid.ravel() for grid in np.meshgrid(side, side))
    faces = []
    for axis in range(3):
        for sign in (-0.5, 0.5):
            face = np.empty((len(u), 3))
            face[:, axis], face[:, (axis + 1) % 3], face[:, (axis + 2) % 3] = sign, u, v
            faces.append(face)
    return ((np.concatenate(faces) * extents) @ axes.T + centre).astype(np.float32)


def box(
    centre: object,
    extents: object = (0.05, 0.05, 0.05),
    axes: np.ndarray | None = None,
    *,
    covariance: np.ndarray | None = None,
    number: int = 1,
    label: str = "red block",
    status: Status = Status.OK,
    stamp_ns: int = 0,
) -> SceneObject:
    """A box whose whole surface is known. Coordinates as the caller means them; ``number`` is its id."""
    middle, size = np.asarray(centre, dtype=np.float64), np.asarray(extents, dtype=np.float64)
    turned = np.eye(3) if axes is None else axes
    return SceneObject(
        id=number, label=label, score=1.0, centre=middle, covariance=STD_M**2 * np.eye(3) if covariance is None else covariance,
        axes=turned, extents=size, extents_std=np.full(3, STD_M), surface_point=middle, points=box_surface(middle, turned, size),
        point_std_m=0.001, visible_share=1.0, truncated=False, num_points=384, last_seen_ns=stamp_ns, status=status,
    )  # fmt: skip


def tool(position: object) -> SceneObject:
    """The gripper: a point without a surface."""
    return SceneObject(
        id=0, label="gripper", score=1.0, centre=np.asarray(position, dtype=np.float64), covariance=0.002**2 * np.eye(3),
        axes=np.eye(3), extents=np.zeros(3), extents_std=np.zeros(3), surface_point=np.full(3, np.nan),
        points=np.empty((0, 3), np.float32), point_std_m=0.0, visible_share=np.nan, truncated=False, num_points=0,
        last_seen_ns=0, source=Source.TF,
    )  # fmt: skip


def camera_over_table(pitch_deg: float = 40.0, roll_deg: float = 0.0, height_m: float = 0.6) -> RigidTransform:
    """camera_from_canonical by scipy's angles: the camera ``height_m`` above the table, its axis ``pitch_deg`` below the horizon,
    rolled clockwise as seen from behind it."""
    # Optical axes (right, down, forward) of a level camera, in canonical coordinates (forward, left, up)
    level = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    turned = Rotation.from_euler("y", pitch_deg, degrees=True).as_matrix() @ level
    rolled = turned @ Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
    return RigidTransform(rolled, np.array([0.0, 0.0, height_m])).inverse()


def scene(
    things: dict[str, SceneObject] | None = None, camera_from_canonical: RigidTransform | None = None, *, plane: bool = True
) -> Scene:
    """A scene of named things. Without a pose it has no up direction; without ``plane`` it has up, as from tf, but no table."""
    canonical, support = None, np.full(4, np.nan)
    if camera_from_canonical is not None:
        canonical = Canonical(camera_from_canonical, 0.002, "plane" if plane else "tf")
        if plane:
            up = camera_from_canonical.rotation[:, 2]
            support = np.append(up, -up @ camera_from_canonical.translation)
    named = things or {}
    return Scene(
        stamp_ns=7, frame_id="camera", objects=tuple(named.values()), canonical=canonical,
        canonical_reason="" if canonical is not None else "no horizontal surface found", support_plane=support,
        depth_coverage=1.0, bindings={name: Binding(thing.status, thing) for name, thing in named.items()},
    )  # fmt: skip


def placed(thing: SceneObject, transform: RigidTransform) -> SceneObject:
    """The thing in another frame, by homogeneous coordinates."""
    from dataclasses import replace

    matrix = transform.matrix()

    def move(points: np.ndarray) -> np.ndarray:
        rows = np.column_stack([np.atleast_2d(points), np.ones(len(np.atleast_2d(points)))])
        return (rows @ matrix.T)[:, :3]

    turn = matrix[:3, :3]
    return replace(
        thing, centre=move(thing.centre)[0], axes=turn @ thing.axes, covariance=turn @ thing.covariance @ turn.T,
        surface_point=move(thing.surface_point)[0], points=move(thing.points).astype(np.float32),
    )  # fmt: skip


def hangs(z: np.ndarray, focal_px: float) -> np.ndarray:
    """(H, W) bool: pixels with something clearly nearer at up to three pixels, and fewer than four neighbours at their depth."""
    padded = np.pad(z, 3, constant_values=np.nan)
    found = np.zeros(z.shape, bool)
    for v, u in np.argwhere(np.isfinite(z)):
        window = padded[v : v + 7, u : u + 7]
        beside = np.delete(window[2:5, 2:5].ravel(), 4)
        limit = np.maximum(0.01, np.minimum(z[v, u], beside) ** 2 / (0.2 * focal_px))
        near = np.count_nonzero(np.abs(beside - z[v, u]) <= limit)
        found[v, u] = near < 4 and z[v, u] - np.nanmin(window) > max(0.01, z[v, u] ** 2 / (0.2 * focal_px))
    return found
