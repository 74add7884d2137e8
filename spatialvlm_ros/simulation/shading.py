"""Colour of ray-cast surfaces: one lamp with soft shadows, light from all around, gloss, textures, sensor noise.

Reflection is Lambert's plus a Blinn-Phong highlight, worked out in linear light; images are coded with a gamma of 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .caster import Caster
from .random_types import RandomScene, StructurePart, Texture, Thing

Float32Array = npt.NDArray[np.float32]

_SHARPNESS = 40
_NOISE_SIDE = 512
_JITTER_SIDE = 64
_COLOR_SIGMA = 2.2
_KNEE = 0.7
_CODES_PER_UNIT = 16384.0
_BACKGROUND = (96, 100, 106)


@dataclass(frozen=True)
class Hits:
    """What the rays through an image's pixels met, in the optical frame.

    Attributes:
        depth_m: (H, W) float32, NaN where nothing is.
        ids: (H, W) int32: things, then structure, in the scene's order; -1 where nothing is.
        normals: (H, W, 3) float32 unit normals.
    """

    depth_m: Float32Array
    ids: npt.NDArray[np.int32]
    normals: Float32Array


def shade(scene: RandomScene, hits: Hits, caster: Caster) -> npt.NDArray[np.uint8]:
    """Picture (H, W, 3) uint8 RGB. `caster` holds the scene in the optical frame and is asked for shadows."""
    import cv2

    empty = np.isnan(hits.depth_m)
    points = scene.camera.back_project(np.where(empty, np.float32(1.0), hits.depth_m))
    normals = np.where((_dot(hits.normals, points) > 0)[..., None], -hits.normals, hits.normals)
    camera_from_world = scene.world_from_camera.inverse()
    to_lamp = camera_from_world.apply(scene.light.position_m).astype(np.float32) - points
    distance = np.sqrt(_dot(to_lamp, to_lamp))
    # As bright at the middle of what is in view as the lamp's share says, brighter towards the lamp.
    direct = np.clip((np.median(distance[::8, ::8]) / distance) ** 2, 0.2, 1.6)
    direct *= _lit_share(scene, points, normals, to_lamp, caster)
    up = camera_from_world.rotation[:, 2].astype(np.float32)
    light = np.float32(scene.light.ambient) * (np.float32(0.8) + np.float32(0.2) * (normals @ up))
    light += np.float32(1.4 * (1 - scene.light.ambient)) * direct * np.maximum(_dot(normals, to_lamp) / distance, 0)
    light *= _vignette(*hits.ids.shape)
    linear = _albedo(scene, hits.ids, points)
    linear *= light[..., None]
    _add_highlights(linear, scene, hits.ids, points, normals, to_lamp, direct)
    linear *= np.float32(scene.light.exposure) * scene.light.tint.astype(np.float32)
    linear[empty] = (np.array(_BACKGROUND, np.float32) / 255) ** 2
    return _as_sensed(_coded(cv2.GaussianBlur(linear, (3, 3), 0.6)), scene.seed)


def _dot(a: Float32Array, b: Float32Array) -> Float32Array:
    result: Float32Array = np.einsum("...i,...i->...", a, b)
    return result


def _coded(linear: Float32Array) -> npt.NDArray[np.uint8]:
    """Grey levels of light (H, W, 3), with a gamma of 2."""
    steps = np.minimum(linear * np.float32(_CODES_PER_UNIT), np.float32(65535)).astype(np.uint16)
    coded: npt.NDArray[np.uint8] = _code_table()[steps]
    return coded


@lru_cache(maxsize=1)
def _code_table() -> npt.NDArray[np.uint8]:
    """Grey level by light: bright parts fade into white, as on a camera, instead of being cut off."""
    light = np.arange(65536) / _CODES_PER_UNIT
    excess = np.maximum(light - _KNEE, 0)
    soft = np.minimum(light, _KNEE) + (1 - _KNEE) * excess / (excess + 1 - _KNEE)
    table: npt.NDArray[np.uint8] = np.rint(255 * np.sqrt(soft)).astype(np.uint8)
    table.flags.writeable = False
    return table


def _lit_share(
    scene: RandomScene, points: Float32Array, normals: Float32Array, to_lamp: Float32Array, caster: Caster
) -> Float32Array:
    """(H, W) share of the lamp that each point sees: one ray to some point of the lamp for every fourth pixel, smoothed."""
    import cv2

    height, width = points.shape[:2]
    start = points[::2, ::2] + np.float32(1e-3) * normals[::2, ::2]
    rows, columns = start.shape[:2]
    jitter = np.tile(_jitter(), (rows // _JITTER_SIDE + 1, columns // _JITTER_SIDE + 1, 1))[:rows, :columns]
    rays = np.concatenate([start, to_lamp[::2, ::2] + np.float32(scene.light.radius_m) * jitter], axis=-1)
    hidden = caster.blocked(rays, 0.98)
    smooth = cv2.GaussianBlur(1 - hidden.astype(np.float32), (5, 5), 1.1)
    full: Float32Array = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    return full


def _add_highlights(
    linear: Float32Array,
    scene: RandomScene,
    ids: npt.NDArray[np.int32],
    points: Float32Array,
    normals: Float32Array,
    to_lamp: Float32Array,
    direct: Float32Array,
) -> None:
    """Add the lamp's mirror image (Blinn-Phong) on glossy things to `linear` (H, W, 3), in place."""
    gloss = np.array([thing.texture.gloss for thing in scene.things] + [0.0] * (len(scene.structure) + 1), dtype=np.float32)
    where = np.nonzero(gloss[ids] > 0)
    p: Float32Array
    n: Float32Array
    toward: Float32Array
    p, n, toward = points[where], normals[where], to_lamp[where]
    middle = (toward / np.sqrt(_dot(toward, toward))[:, None] - p / np.sqrt(_dot(p, p))[:, None]).astype(np.float32)
    cosine = np.maximum(_dot(middle, n), 0) / np.sqrt(np.maximum(_dot(middle, middle), np.float32(1e-9)))
    linear[where] += (cosine**_SHARPNESS * direct[where] * gloss[ids[where]])[:, None]


def _albedo(scene: RandomScene, ids: npt.NDArray[np.int32], points: Float32Array) -> Float32Array:
    """Linear reflectance (H, W, 3)."""
    parts: list[Thing | StructurePart] = [*scene.things, *scene.structure]
    colors = _linear_of([*(part.color for part in parts), _BACKGROUND])
    second = _linear_of([*(part.texture.second for part in parts), _BACKGROUND])
    gain = np.ones(ids.size, dtype=np.float32)
    mix = np.zeros(ids.size, dtype=np.float32)
    flat_ids, flat_points = ids.ravel(), points.reshape(-1, 3)
    for index in np.flatnonzero(np.bincount(flat_ids + 1)[1:]):
        part = parts[index]
        where = np.flatnonzero(flat_ids == index)
        if part.texture.pattern == "plain":
            continue
        pose = part.world_from_thing if isinstance(part, Thing) else part.world_from_part
        local_from_camera = pose.inverse() @ scene.world_from_camera
        local = flat_points[where] @ local_from_camera.rotation.T.astype(np.float32)
        local += local_from_camera.translation.astype(np.float32)
        if part.texture.pattern in ("grain", "speckle"):
            gain[where] = _shade_of_texture(local, part.texture)
        else:
            mix[where] = _share_of_second(local, part.texture, float(part.mesh.extents_m()[2]))
    albedo = colors[flat_ids]
    albedo *= gain[:, None]
    mixed = np.flatnonzero(mix)
    albedo[mixed] += mix[mixed, None] * (second[flat_ids[mixed]] - albedo[mixed])
    return albedo.reshape(*ids.shape, 3)


def _linear_of(colors: Sequence[npt.ArrayLike]) -> Float32Array:
    """Reflectances (N, 3) of N colours in grey levels."""
    share = np.asarray(colors, dtype=np.float32) / np.float32(255)
    return share * share


def _slanted(local_m: Float32Array, scale_m: float) -> tuple[Float32Array, Float32Array]:
    """Two coordinates (N,) in units of the texture's scale; slanted, so that upright faces have a pattern as well."""
    x, y, z = local_m.T
    size = np.float32(1 / scale_m)
    return (x + np.float32(0.8) * z) * size, (y + np.float32(0.6) * z) * size


def _shade_of_texture(local_m: Float32Array, texture: Texture) -> Float32Array:
    """Factor (N,) on the reflectance of points (N, 3) in the frame of the solid."""
    u, v = _slanted(local_m, texture.scale_m)
    stretch = (4, 60) if texture.pattern == "grain" else (16, 16)
    return 1 + np.float32(2 * texture.strength) * (_noise(u * stretch[0], v * stretch[1]) - np.float32(0.5))


def _share_of_second(local_m: Float32Array, texture: Texture, height_m: float) -> Float32Array:
    """Share (N,) of the second colour at points (N, 3) in the frame of the solid."""
    z = local_m[:, 2]
    if texture.pattern == "stripes":
        shown = np.sin(z * np.float32(2 * np.pi / texture.scale_m)) > 0
    elif texture.pattern == "band":
        shown = np.abs(z) < 0.3 * height_m
    else:
        u, v = _slanted(local_m, texture.scale_m)
        shown = np.minimum(np.abs(u - np.rint(u)), np.abs(v - np.rint(v))) < np.float32(0.02)
    share: Float32Array = shown * np.float32(texture.strength)
    return share


def _noise(u: Float32Array, v: Float32Array) -> Float32Array:
    """Smooth noise in [0, 1] at (N,) coordinates counted in cells of its table."""
    table = _noise_table()
    rows, columns = v.astype(np.int32) & (_NOISE_SIDE - 1), u.astype(np.int32) & (_NOISE_SIDE - 1)
    found: Float32Array = table[rows, columns]
    return found


@lru_cache(maxsize=1)
def _noise_table() -> Float32Array:
    """Noise with detail of several sizes that repeats without a seam, spread evenly over [0, 1]."""
    import cv2

    rng = np.random.default_rng(72)
    total = np.zeros((_NOISE_SIDE, _NOISE_SIDE), dtype=np.float32)
    for sigma in (2.0, 6.0, 18.0):
        layer = np.tile(rng.standard_normal((_NOISE_SIDE, _NOISE_SIDE), dtype=np.float32), (2, 2))
        smooth = cv2.GaussianBlur(layer, (0, 0), sigma)
        half = _NOISE_SIDE // 2
        middle = smooth[half : half + _NOISE_SIDE, half : half + _NOISE_SIDE]
        total += middle / middle.std()
    table: Float32Array = (0.5 + total / (6 * total.std())).clip(0, 1).astype(np.float32)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def _jitter() -> Float32Array:
    """(64, 64, 3) points spread evenly over the unit ball."""
    rng = np.random.default_rng(73)
    points = rng.standard_normal((_JITTER_SIDE, _JITTER_SIDE, 3))
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    spread: Float32Array = (points * rng.random((_JITTER_SIDE, _JITTER_SIDE, 1)) ** (1 / 3)).astype(np.float32)
    spread.flags.writeable = False
    return spread


@lru_cache(maxsize=4)
def _vignette(height: int, width: int) -> Float32Array:
    """(height, width) brightness, 1 in the middle and 0.8 in the corners."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    fall: Float32Array = 1 - np.float32(0.1) * (x * x + y * y)
    fall.flags.writeable = False
    return fall


@lru_cache(maxsize=4)
def _grain(height: int, width: int) -> npt.NDArray[np.int8]:
    """Noise of a colour sensor with a margin to shift it in: drawing it anew for each picture would take the longest of all."""
    rng = np.random.default_rng(74)
    noise = rng.standard_normal((height + _JITTER_SIDE, width + _JITTER_SIDE, 3), dtype=np.float32)
    grain: npt.NDArray[np.int8] = np.rint(_COLOR_SIGMA * noise).astype(np.int8)
    grain.flags.writeable = False
    return grain


def _as_sensed(coded: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Picture (H, W, 3) with the noise of a colour sensor."""
    import cv2

    height, width = coded.shape[:2]
    top, left = (int(value) for value in np.random.default_rng([seed, 75]).integers(0, _JITTER_SIDE, 2))
    noise = _grain(height, width)[top : top + height, left : left + width]
    sensed: npt.NDArray[np.uint8] = cv2.add(coded, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
    return sensed
