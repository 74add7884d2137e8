"""Ray casting of random scenes (Open3D on Embree, one core): depth, labels, and a picture to go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..scene.frame import RGBDFrame
from .caster import Caster
from .random_types import RandomScene
from .shading import Hits, shade
from .solids import Mesh

OPTICAL_FRAME = "camera_color_optical_frame"
SUPPORT_LABEL = -1
STRUCTURE_LABEL = -2

# Silhouettes are counted at most this far beyond each side of the image, in image sizes.
_WINDOW_MARGIN = 2


@dataclass(frozen=True)
class Rendering:
    """What a perfect camera sees.

    Attributes:
        color: (H, W, 3) uint8 RGB.
        depth_m: (H, W) float32, along the optical axis, NaN where no surface is.
        labels: (H, W) int32: index of the thing + 1; -1 the surface things stand on, -2 other structure, 0 nothing.
        full_pixels: (n,) int64: pixels that each thing would cover with nothing in front of it, in an image that goes on for
            two more image sizes beyond each of its sides. For a thing wholly in the image the visible share is
            (labels == i + 1).sum() / full_pixels[i], exactly.
    """

    color: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    full_pixels: npt.NDArray[np.int64]


def render(scene: RandomScene) -> Rendering:
    """Render a scene through the centre of each pixel; the same scene gives the same bytes.

    Raises:
        ValueError: when the camera has distortion, which silhouettes beyond the image are not defined for.
    """
    if scene.camera.is_distorted:
        raise ValueError("scenes are rendered through cameras without distortion")
    camera_from_world = scene.world_from_camera.inverse()
    # In the camera's frame, where depth is then the ray's own parameter and float32 errors stay small.
    vertices = [(camera_from_world @ thing.world_from_thing).apply(thing.mesh.vertices) for thing in scene.things]
    caster = Caster()
    for thing, placed in zip(scene.things, vertices, strict=True):
        caster.add(placed, thing.mesh.triangles)
    eyes = np.stack([np.zeros(3), camera_from_world.apply(scene.light.position_m)])
    for part in scene.structure:
        placed = (camera_from_world @ part.world_from_part).apply(part.mesh.vertices)
        caster.add(placed, _facing(placed, part.mesh.triangles, eyes))
    width, height = scene.camera.width, scene.camera.height
    depth, ids, normals = caster.cast(_window_rays(scene.camera, 0, 0, width, height))
    support = [SUPPORT_LABEL if part.is_support else STRUCTURE_LABEL for part in scene.structure]
    # The last entry is for the index -1 of pixels that show nothing.
    labels = np.array([*range(1, len(scene.things) + 1), *support, 0], dtype=np.int32)[ids]
    color = shade(scene, Hits(depth, ids, normals), caster)
    full = [_silhouette_pixels(scene.camera, placed, thing.mesh) for thing, placed in zip(scene.things, vertices, strict=True)]
    return Rendering(color, depth, labels, np.array(full, dtype=np.int64))


def frame_of(
    scene: RandomScene, rendering: Rendering, depth_m: npt.NDArray[np.float32] | None = None, stamp_ns: int = 0
) -> RGBDFrame:
    """The rendering as a camera's frame; `depth_m` (H, W) replaces its true depth, as from `depth_noise.add_noise`."""
    depth = rendering.depth_m if depth_m is None else depth_m
    return RGBDFrame(stamp_ns, rendering.color, depth, scene.camera, OPTICAL_FRAME)


def cast_depth(mesh: Mesh, camera_from_mesh: RigidTransform, camera: CameraModel) -> npt.NDArray[np.float32]:
    """(H, W) float32 depth in metres of one mesh alone, NaN beside it. Raises ValueError for a camera with distortion."""
    if camera.is_distorted:
        raise ValueError("meshes are cast through cameras without distortion")
    caster = Caster()
    caster.add(camera_from_mesh.apply(mesh.vertices), mesh.triangles)
    return caster.cast(_window_rays(camera, 0, 0, camera.width, camera.height))[0]


def _facing(
    vertices_m: npt.NDArray[np.float64], triangles: npt.NDArray[np.int32], eyes_m: npt.NDArray[np.float64]
) -> npt.NDArray[np.int32]:
    """The triangles of a closed mesh that show their outside to any of the points (N, 3).

    No other can be the first one that a ray from there meets, unless the point lies within: then all are returned. The
    large slabs of a room lie over each other in the caster's tree, and it takes a third less time without their backs.
    """
    a, b, c = (vertices_m[triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    shown = np.einsum("tj,ntj->nt", normals, eyes_m[:, None] - a) > 0
    # From within a solid its backs are what is to be seen.
    within = not shown.any(axis=1).all()
    kept: npt.NDArray[np.int32] = triangles if within else triangles[shown.any(axis=0)]
    return kept


def _window_rays(camera: CameraModel, u0: int, v0: int, u1: int, v1: int) -> npt.NDArray[np.float32]:
    """(v1 - v0, u1 - u0, 6) float32 rays through pixel centres of a window, with z = 1 as unit of length."""
    rays = np.zeros((v1 - v0, u1 - u0, 6), dtype=np.float32)
    rays[..., 3] = (np.arange(u0, u1) - camera.cx) / camera.fx
    rays[..., 4] = ((np.arange(v0, v1) - camera.cy) / camera.fy)[:, None]
    rays[..., 5] = 1.0
    return rays


def _silhouette_pixels(camera: CameraModel, vertices_m: npt.NDArray[np.float64], mesh: Mesh) -> int:
    """Pixels that one mesh alone covers in the image and its surroundings."""
    width, height = camera.width, camera.height
    low = np.array([-_WINDOW_MARGIN * width, -_WINDOW_MARGIN * height])
    high = np.array([(1 + _WINDOW_MARGIN) * width, (1 + _WINDOW_MARGIN) * height])
    front = vertices_m[:, 2] > 1e-3
    if not front.any():
        return 0
    # What reaches behind the camera has no bounding box in the image.
    if front.all():
        pixels = camera.project(vertices_m)
        low = np.maximum(low, np.floor(pixels.min(axis=0)).astype(int))
        high = np.minimum(high, np.ceil(pixels.max(axis=0)).astype(int) + 1)
    if (high <= low).any():
        return 0
    caster = Caster()
    caster.add(vertices_m, mesh.triangles)
    return int(caster.blocked(_window_rays(camera, int(low[0]), int(low[1]), int(high[0]), int(high[1]))).sum())
