"""Open3D's ray caster (Embree, one core) behind NumPy arrays: the one module of the random scenes that knows Open3D."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


class Caster:
    """Meshes in one frame, to be met by rays. Rays (..., 6) float32 are an origin and a direction of any length."""

    def __init__(self) -> None:
        import open3d

        # Its stubs know no tensors made of arrays.
        self._o3d: Any = open3d
        self._scene: Any = self._o3d.t.geometry.RaycastingScene(nthreads=1)

    def add(self, vertices_m: npt.NDArray[np.float64], triangles: npt.NDArray[np.int32]) -> None:
        """Add a mesh of vertices (V, 3) in the caster's frame and triangles (T, 3); meshes are numbered from 0."""
        self._scene.add_triangles(
            self._tensor(np.ascontiguousarray(vertices_m, dtype=np.float32)), self._tensor(triangles.astype(np.uint32))
        )

    def cast(self, rays: Float32Array) -> tuple[Float32Array, npt.NDArray[np.int32], Float32Array]:
        """First hits: distance (...) in lengths of the direction, NaN for none; mesh (...), -1 for none; normals (..., 3)."""
        hit = self._scene.cast_rays(self._tensor(rays), nthreads=1)
        # What Embree calls nothing is the largest unsigned number: -1.
        ids: npt.NDArray[np.int32] = hit["geometry_ids"].numpy().view(np.int32)
        distance: Float32Array = hit["t_hit"].numpy()
        distance[ids < 0] = np.nan
        normals: Float32Array = hit["primitive_normals"].numpy()
        return distance, ids, normals

    def blocked(self, rays: Float32Array, reach: float = float("inf")) -> npt.NDArray[np.bool_]:
        """Whether each ray (...) meets anything within `reach` lengths of its direction."""
        found: npt.NDArray[np.bool_] = self._scene.test_occlusions(self._tensor(rays), tnear=0.0, tfar=reach, nthreads=1).numpy()
        return found

    def _tensor(self, array: npt.NDArray[Any]) -> Any:
        return self._o3d.core.Tensor(array)
