"""What depth cameras do wrong, effect by effect; `depth_noise` puts them together into families.

Depth is (H, W) float32 in metres along the optical axis. Planes are linear in inverse depth over the image, so edges and
slopes are taken there: a slanted plane then has no edge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from .sensor import SensorModel, SensorParameters

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

# Stands for "nothing there": far enough to be an edge to everything else.
_FAR_M = np.float32(50.0)
# A second difference of inverse depth of this share of itself is an edge: 1 % of the depth.
_EDGE_SHARE = np.float32(0.01)


def filled(depth_m: Float32Array) -> Float32Array:
    """Depth with a far distance where there is none."""
    return np.where(np.isfinite(depth_m), depth_m, _FAR_M).astype(np.float32)


def edges(full_m: Float32Array) -> BoolArray:
    """(H, W) pixels on either side of a jump in depth; `full_m` has no NaN."""
    import cv2

    inverse = 1 / full_m
    across = np.abs(cv2.filter2D(inverse, -1, np.array([[1, -2, 1]], np.float32), borderType=cv2.BORDER_REPLICATE))
    down = np.abs(cv2.filter2D(inverse, -1, np.array([[1], [-2], [1]], np.float32), borderType=cv2.BORDER_REPLICATE))
    # The border repeats itself there: no plane goes on, and no edge is known.
    across[:, [0, -1]] = 0
    down[[0, -1]] = 0
    found: BoolArray = np.maximum(across, down) > _EDGE_SHARE * inverse
    return found


def widened(mask: BoolArray, pixels: int) -> BoolArray:
    """The mask grown by `pixels` in all directions."""
    import cv2

    size = 2 * pixels + 1
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((size, size), np.uint8))).view(np.bool_)


def field(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> Float32Array:
    """Gaussian random field (H, W) of zero mean and unit variance whose neighbours agree over `sigma_px`."""
    import cv2

    height, width = shape
    step = max(1, int(sigma_px / 2))
    margin = int(3 * sigma_px / step) + 2
    # Drawn coarsely where it is smooth anyway, with a margin so that the image's border is like its middle.
    size = (height // step + 2 + 2 * margin, width // step + 2 + 2 * margin)
    sigma = sigma_px / step
    coarse = cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), sigma)
    coarse *= 1 / kernel_gain(sigma)
    inner = coarse[margin:-margin, margin:-margin]
    if step == 1:
        return np.ascontiguousarray(inner[:height, :width])
    fine = cv2.resize(inner, (inner.shape[1] * step, inner.shape[0] * step), interpolation=cv2.INTER_CUBIC)
    cut: Float32Array = np.ascontiguousarray(fine[:height, :width])
    return cut


@lru_cache(maxsize=32)
def kernel_gain(sigma_px: float) -> float:
    """Standard deviation that unit noise keeps after cv2.GaussianBlur on float images."""
    import cv2

    impulse = np.zeros((129, 129), np.float32)
    impulse[64, 64] = 1
    return float(np.sqrt((cv2.GaussianBlur(impulse, (0, 0), sigma_px) ** 2).sum()))


def jittered_edges(
    full_m: Float32Array, edge: BoolArray, rng: np.random.Generator, sigma_px: float, correlation_px: float = 1.0
) -> Float32Array:
    """Depth whose edges waver by `sigma_px`: near an edge a pixel shows what lies that far from it.

    Only there: elsewhere a slanted surface would get an error that its law of depth does not have.
    """
    height, width = full_m.shape
    rows, columns = np.nonzero(widened(edge, int(np.ceil(2 * sigma_px))))
    right, down = (field(rng, full_m.shape, correlation_px)[rows, columns] * sigma_px for _ in range(2))
    from_row = np.clip(np.rint(rows + down), 0, height - 1).astype(np.int32)
    from_column = np.clip(np.rint(columns + right), 0, width - 1).astype(np.int32)
    wavering = full_m.copy()
    wavering[rows, columns] = full_m[from_row, from_column]
    return wavering


def shadow(full_m: Float32Array, camera: CameraModel, baseline_m: float) -> BoolArray:
    """(H, W) pixels that a second eye or a projector, `baseline_m` to the right (below 0: to the left), does not reach."""
    model = _sensor(camera.width, camera.height)
    # The model's own focal length and baseline are fixed; what counts is their product over the depth.
    scaled = full_m * np.float32(model.parameters.baseline_m / (camera.fx * abs(baseline_m)))
    if baseline_m > 0:
        return model.occluded(scaled)
    return model.occluded(scaled[:, ::-1])[:, ::-1]


@lru_cache(maxsize=4)
def _sensor(width: int, height: int) -> SensorModel:
    return SensorModel(width, height, 1.0, SensorParameters())


def incidence_rad(full_m: Float32Array, camera: CameraModel) -> Float32Array:
    """(H, W) angle between each pixel's ray and the surface normal there; meaningless across edges.

    On a plane the inverse depth is a x + b y + c over normalised image coordinates, with (a, b, c) along its normal.
    """
    import cv2

    inverse = 1 / full_m
    a = cv2.Sobel(inverse, cv2.CV_32F, 1, 0, ksize=3, scale=camera.fx / 8, borderType=cv2.BORDER_REPLICATE)
    b = cv2.Sobel(inverse, cv2.CV_32F, 0, 1, ksize=3, scale=camera.fy / 8, borderType=cv2.BORDER_REPLICATE)
    # The border has only half of the difference.
    a[:, [0, -1]] *= 2
    b[[0, -1]] *= 2
    x, y = camera.rays[..., 0], camera.rays[..., 1]
    c = inverse - a * x - b * y
    cosine = inverse / np.sqrt((a * a + b * b + c * c) * (x * x + y * y + 1))
    angle: Float32Array = np.arccos(np.minimum(cosine, 1))
    return angle


def drop(invalid: BoolArray, rng: np.random.Generator, share: float, blobs: float) -> None:
    """Mark single pixels (`share` of all) and about `blobs` small holes in `invalid`, in place."""
    height, width = invalid.shape
    np.put(invalid, rng.integers(0, invalid.size, int(rng.poisson(share * invalid.size))), True)
    for _ in range(int(rng.poisson(blobs))):
        row, column = int(rng.integers(height)), int(rng.integers(width))
        tall, wide = (int(value) for value in rng.integers(2, 7, 2))
        invalid[row : row + tall, column : column + wide] = True


def some(mask: BoolArray, rng: np.random.Generator, share: float) -> BoolArray:
    """Each pixel of the mask with chance `share`."""
    where = np.flatnonzero(mask)
    chosen = np.zeros(mask.size, dtype=np.bool_)
    chosen[where[rng.random(len(where)) < share]] = True
    return chosen.reshape(mask.shape)
