"""Families of depth-camera noise, applied to true depth.

Three follow the published laws that the engine's presets (scene/noise.py) were made from: "structured_light", "stereo" and
"time_of_flight". Three do what real cameras also do and those presets know nothing of: "correlated_stereo", "tof_multipath"
and "kinect_quantised". All have holes, dropouts and, on demand, a scale error shared by the whole image.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..scene.noise import PRESETS
from .depth_effects import (
    BoolArray,
    Float32Array,
    drop,
    edges,
    field,
    filled,
    incidence_rad,
    jittered_edges,
    shadow,
    some,
    widened,
)
from .sensor import SensorParameters

# Standard deviation of the scale error that all pixels of an image share.
SCALE_STD: dict[str, float] = {
    **{name: PRESETS[name].scale for name in ("structured_light", "stereo", "time_of_flight")},
    "correlated_stereo": 0.006,
    "tof_multipath": 0.004,
    "kinect_quantised": 0.006,
}
FAMILIES: tuple[str, ...] = tuple(SCALE_STD)

# Farther than this no family measures; nearer than this neither.
MAX_RANGE_M = 10.0
MIN_RANGE_M = 0.15

# Kinect: baseline between projector and imager, focal length of the imager.
_KINECT_BASELINE_M = 0.075
_KINECT_FOCAL_PX = 580.0
_KINECT_STEP_PX = 1.0 / 8.0
_GRAZING_RAD = np.radians(82.0)


def add_noise(
    depth_m: npt.NDArray[np.float32], camera: CameraModel, family: str, seed: int, *, scale_error: bool = True
) -> npt.NDArray[np.float32]:
    """What a camera of a family would measure of a true depth image.

    Args:
        depth_m: (H, W) float32 metres along the optical axis, NaN where nothing is.
        camera: intrinsics of that image.
        family: one of FAMILIES.
        seed: the same seed gives the same noise; families differ at the same seed.
        scale_error: multiply the whole image by 1 + N(0, SCALE_STD[family]).

    Returns:
        (H, W) float32 metres, NaN where invalid: holes, dropouts, outside MIN_RANGE_M .. MAX_RANGE_M.

    Raises:
        ValueError: for an unknown family or a depth image of another size than the camera's.
    """
    if family not in _MEASURE:
        raise ValueError(f"noise family '{family}' is not one of {FAMILIES}")
    if depth_m.shape != (camera.height, camera.width):
        raise ValueError(f"depth is {depth_m.shape}, but the camera has {(camera.height, camera.width)}")
    rng = np.random.default_rng([seed, zlib.crc32(family.encode())])
    # Drawn in any case, so that the rest of the noise is the same with and without it.
    scale = 1.0 + rng.normal(0.0, SCALE_STD[family])
    full = filled(depth_m)
    measured, invalid = _MEASURE[family](full, camera, rng)
    if scale_error:
        measured = measured * np.float32(scale)
    with np.errstate(invalid="ignore"):
        invalid |= ~((measured > MIN_RANGE_M) & (measured < MAX_RANGE_M))
    return np.where(invalid, np.float32(np.nan), measured).astype(np.float32)


def _facing_std_m(z: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The first term of Nguyen's law, of a surface that faces the camera, in the type of ``z``."""
    return np.asarray(0.0012 + 0.0019 * (z - 0.4) ** 2, dtype=z.dtype)


def structured_light_std_m(depth_m: npt.ArrayLike, incidence: npt.ArrayLike = 0.0) -> npt.NDArray[np.float64]:
    """Axial noise of a Kinect in metres at a depth in metres and an angle of incidence in radians.

    Nguyen, Izadi and Lovell (2012), "Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking", eq. 5:
    0.0012 + 0.0019 (z - 0.4)^2, and from 60 degrees on another 0.0001 / sqrt(z) * angle^2 / (pi/2 - angle)^2.
    """
    z, angle = np.asarray(depth_m), np.asarray(incidence)
    left = np.maximum(np.pi / 2 - angle, 0.02)
    return np.asarray(_facing_std_m(z) + np.where(angle > np.pi / 3, 0.0001 / np.sqrt(z) * (angle / left) ** 2, 0.0))


def _structured_light(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    edge = edges(full)
    # 0.8 px is the lateral noise that Nguyen et al. found at all depths.
    wavering = jittered_edges(full, edge, rng, 0.8)
    angle = incidence_rad(full, camera)
    angle[edge] = 0.0
    # Only few pixels are seen at such a slant that the second term counts.
    std = _facing_std_m(wavering)
    steep = np.nonzero(angle > np.pi / 3)
    std[steep] = structured_light_std_m(wavering[steep], angle[steep])
    measured = wavering + rng.standard_normal(full.shape, dtype=np.float32) * std
    invalid = shadow(full, camera, _KINECT_BASELINE_M)
    invalid |= some(edge, rng, 0.5)
    invalid |= angle > _GRAZING_RAD
    drop(invalid, rng, 0.001, 8.0)
    return measured, invalid


def _stereo(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    p = SensorParameters()
    edge = edges(full)
    native = np.float32(p.stereo_focal_px * p.baseline_m)
    disparity = native / jittered_edges(full, edge, rng, 0.8)
    disparity += field(rng, full.shape, p.correlation_px) * np.float32(p.subpixel_rms_px)
    measured = _from_disparity(disparity, native, p.disparity_step_px)
    invalid = shadow(full, camera, p.baseline_m)
    invalid |= some(edge, rng, 0.4)
    drop(invalid, rng, p.dropout_share, p.dropout_blobs)
    return measured, invalid


def _time_of_flight(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    edge = edges(full)
    wavering = jittered_edges(full, edge, rng, 0.5)
    std = PRESETS["time_of_flight"].pixel_std_m(wavering).astype(np.float32)
    measured = wavering + rng.standard_normal(full.shape, dtype=np.float32) * std
    # Cameras sort out most of the pixels that mix light from both sides of an edge.
    invalid = some(edge, rng, 0.8)
    drop(invalid, rng, 0.0005, 3.0)
    return measured, invalid


def _correlated_stereo(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    """Block matching: errors in patches, disparities drawn to whole pixels, near things swollen by the matching window."""
    import cv2

    p = SensorParameters()
    edge = edges(full)
    native = np.float32(p.stereo_focal_px * p.baseline_m)
    # The window sees the near side of an edge before its middle gets there.
    swollen = np.where(widened(edge, 2), cv2.erode(full, np.ones((5, 5), np.uint8)), full)
    disparity = native / jittered_edges(swollen, edges(swollen), rng, 0.7, 2.0)
    for sigma_px, std_px in ((30.0, 0.05), (8.0, 0.05), (1.5, 0.05)):
        disparity += np.float32(std_px) * field(rng, full.shape, sigma_px)
    # Sub-pixel locking: a parabola through matching costs prefers whole pixels (Shimizu and Okutomi, 2005).
    disparity -= np.float32(0.05) * np.sin(np.float32(2 * np.pi) * disparity)
    measured = _from_disparity(disparity, native, p.disparity_step_px)
    invalid = shadow(full, camera, p.baseline_m)
    invalid |= field(rng, full.shape, 4.0) > 3.3
    drop(invalid, rng, 0.0002, 10.0)
    return measured, invalid


def _tof_multipath(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    """Time of flight as it is: bias towards the corners of the image, mixed pixels at edges, corners of rooms rounded out."""
    import cv2

    edge = edges(full)
    radius2 = camera.rays[..., 0] ** 2 + camera.rays[..., 1] ** 2
    radius2 = radius2 / radius2.max()
    rows, columns = np.nonzero(widened(edge, 1))
    # Flying pixels: light from both sides in one pixel gives a depth in between.
    window = np.ones((3, 3), np.uint8)
    near, far = cv2.erode(full, window)[rows, columns], cv2.dilate(full, window)[rows, columns]
    share = rng.random(len(rows), dtype=np.float32)
    mixed = full.copy()
    # No light comes back from where nothing is.
    mixed[rows, columns] = np.where(far < MAX_RANGE_M, share * near + (1 - share) * far, full[rows, columns])
    bounced = np.float32(0.008) * np.tanh(np.maximum(_hollow_m(full), 0) / np.float32(0.03))
    # The sine that the modulated light has is not quite one: an error with the period of a quarter wave.
    wiggle = np.float32(0.0015) * np.sin(full * np.float32(2 * np.pi / 0.375) + np.float32(rng.uniform(0, 2 * np.pi)))
    bias = np.float32(rng.normal(0.0, 0.006)) * radius2 * full
    std = (np.float32(0.0015) + np.float32(0.001) * full) * (1 + np.float32(0.8) * radius2)
    measured = mixed + bounced + wiggle + bias + rng.standard_normal(full.shape, dtype=np.float32) * std
    invalid = some(edge, rng, 0.3)
    drop(invalid, rng, 0.0005, 3.0)
    return measured, invalid


def _kinect_quantised(full: Float32Array, camera: CameraModel, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    """Structured light in coarse steps of disparity, edges that waver by the matching window, wide shadows."""
    edge = edges(full)
    native = np.float32(_KINECT_FOCAL_PX * _KINECT_BASELINE_M)
    disparity = native / jittered_edges(full, edge, rng, 1.5, 2.5)
    disparity += np.float32(0.06) * field(rng, full.shape, 1.2)
    measured = _from_disparity(disparity, native, _KINECT_STEP_PX)
    # The projector stands to the left.
    invalid = widened(shadow(full, camera, -_KINECT_BASELINE_M), 1)
    invalid |= some(edge, rng, 0.3)
    invalid |= field(rng, full.shape, 3.0) > 3.4
    drop(invalid, rng, 0.0005, 6.0)
    return measured, invalid


def _from_disparity(disparity_px: Float32Array, native: np.float32, step_px: float) -> Float32Array:
    """Depth in metres of disparities rounded to whole steps; `native` is focal length times baseline."""
    steps = np.rint(disparity_px * np.float32(1.0 / step_px))
    # At least one step: what would be infinitely far falls out of range.
    depth: Float32Array = np.float32(native / step_px) / np.maximum(steps, 1)
    return depth


def _hollow_m(full: Float32Array) -> Float32Array:
    """(H, W) by how much a pixel lies deeper than the surface around it on average, metres: above 0 in concave corners."""
    import cv2

    height, width = full.shape
    small = cv2.resize(np.minimum(full, np.float32(MAX_RANGE_M)), (width // 4, height // 4), interpolation=cv2.INTER_NEAREST)
    around = cv2.GaussianBlur(small, (0, 0), 6.0, borderType=cv2.BORDER_REPLICATE)
    hollow: Float32Array = full - cv2.resize(around, (width, height), interpolation=cv2.INTER_LINEAR)
    return hollow


_MEASURE: dict[str, Callable[[Float32Array, CameraModel, np.random.Generator], tuple[Float32Array, BoolArray]]] = {
    "structured_light": _structured_light,
    "stereo": _stereo,
    "time_of_flight": _time_of_flight,
    "correlated_stereo": _correlated_stereo,
    "tof_multipath": _tof_multipath,
    "kinect_quantised": _kinect_quantised,
}
