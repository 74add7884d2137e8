"""A pool of things as they are measured on noisy renders, beside what is true of them: what the decoder is tuned and judged on.

Rendered scenes (``simulation.random_scene``) get sensor noise, are segmented and measured as the engine does with the first image
it sees, and found things are matched with true ones by their pixels. For every pair the registry is asked twice: on the exact
things and on the measured ones. Never changes: a shard depends on its seeds alone, and holds no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...geometry.rigid import FloatArray, RigidTransform
from ...perception.tabletop import TabletopConfig, TabletopSegmenter
from ...scene.canonical import canonical_from_up
from ...scene.facts import Source, Status
from ...scene.frame import RGBDFrame
from ...scene.measure import MeasureConfig, measure_region
from ...scene.noise import PRESETS, noise_on_plane
from ...scene.relations import RELATIONS
from ...scene.scene import Canonical, Scene, SceneObject
from ...simulation.depth_noise import add_noise
from ...simulation.exact_things import ExactThing, exact_scene
from ...simulation.random_scene import RandomScene, SceneSampling, random_scene
from ...simulation.raycast import Rendering, frame_of, render
from ...vlm.embedded.object_tokens import object_tokens

# Families of noise and the preset that describes each best.
FAMILIES = {
    "structured_light": "structured_light",
    "stereo": "stereo",
    "time_of_flight": "time_of_flight",
    "correlated_stereo": "stereo",
    "tof_multipath": "time_of_flight",
    "kinect_quantised": "structured_light",
}
# What is asked of one thing, of two, and of three. Of a comparison the margin is kept, positive for the relation itself.
OF_ONE = ("height", "width", "elevation")
OF_TWO = (
    "distance", "gap", "horizontal_distance", "vertical_distance", "left_difference", "behind_difference", "above_difference",
    "above", "tall", "wide", "big", "on", "touching", "path_width",
)  # fmt: skip
OF_THREE = ("between",)
SYMMETRIC = frozenset(("distance", "gap", "horizontal_distance", "vertical_distance", "touching", "path_width"))
SAMPLINGS = (
    SceneSampling(),
    SceneSampling(pitch_deg=(-85.0, -10.0), camera_distance_m=(0.35, 1.5), roll_deg=(-15.0, 15.0)),
    SceneSampling(num_things=(6, 12), crowding=0.9, pitch_deg=(-40.0, -12.0), share_stacked=0.5),
    SceneSampling(num_things=(2, 6), crowding=0.1, fx_px=(420.0, 700.0)),
)
_TOOL_STD_M = 0.002
_MIN_PIXELS, _MIN_IOU, _TRIPLES = 150, 0.5, 6
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PoolConfig:
    """What is rendered.

    Attributes:
        first_seed, scenes: the seeds; below 700000, from where on scenes are kept for judging whole models.
        images: noisy images of each scene, each of another family of noise.
        scenes_a_shard: file size; an interrupted run goes on at the shard that it broke off in.
    """

    first_seed: int
    scenes: int
    images: int = 2
    scenes_a_shard: int = 40

    def __post_init__(self) -> None:
        if self.first_seed < 0 or self.scenes < 1 or self.first_seed + self.scenes > 700_000:
            raise ValueError(f"seeds {self.first_seed} .. {self.first_seed + self.scenes - 1} must lie in 0 .. 699999")
        if not (1 <= self.images <= len(FAMILIES) and self.scenes_a_shard >= 1):
            raise ValueError(f"images {self.images} must be 1 .. {len(FAMILIES)}, scenes_a_shard {self.scenes_a_shard} from 1 up")


@dataclass(frozen=True)
class Measured:
    """One noisy image: index by index the same things as measured and as they are.

    Attributes:
        scene: of the measured things, in the optical frame; the last one is a point as tf gives it.
        truth: of the exact ones, same order.
        triples: (T, 3) indices of things for relations of three.
    """

    seed: int
    family: str
    scene: Scene
    truth: Scene
    triples: npt.NDArray[np.int64]


def make_pool(config: PoolConfig, folder: Path) -> list[Path]:
    """Write what is missing of the pool; all its shards, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for first in range(config.first_seed, config.first_seed + config.scenes, config.scenes_a_shard):
        path = folder / f"measured-{first:06d}.safetensors"
        shards.append(path)
        if path.exists():
            continue
        last = min(first + config.scenes_a_shard, config.first_seed + config.scenes)
        images = [image for seed in range(first, last) for image in measured_images(seed, config.images)]
        _write(path, images)
    return shards


def measured_images(seed: int, images: int) -> Iterator[Measured]:
    """The noisy images of one scene on which at least one thing is found."""
    scene = random_scene(seed, SAMPLINGS[seed % len(SAMPLINGS)])
    rendering = render(scene)
    generator = np.random.default_rng((seed, 17))
    families = generator.permutation(list(FAMILIES))[:images]
    in_sight = np.flatnonzero(np.bincount(rendering.labels[rendering.labels > 0], minlength=2)[1:] >= _MIN_PIXELS).tolist()
    # Exact surfaces cost more than all the rest; the images of a scene share them.
    true = exact_scene(scene, in_sight, std_m=0.001)
    for family in families:
        frame = frame_of(scene, rendering, depth_m=add_noise(rendering.depth_m, scene.camera, str(family), seed=seed))
        found = _measured(scene, rendering, replace(true, frame=frame), in_sight, str(family), generator)
        if found is not None:
            yield found


def _measured(
    scene: RandomScene, rendering: Rendering, true: Scene, in_sight: list[int], family: str, generator: np.random.Generator
) -> Measured | None:
    frame, noise = true.frame, PRESETS[FAMILIES[family]]
    assert frame is not None
    true_up = np.asarray(scene.world_from_camera.rotation[2])
    up = _tilted(true_up, generator) if generator.random() < 0.6 else None
    segmentation = TabletopSegmenter(replace(TabletopConfig(), noise=noise)).segment(frame, up=up)
    if segmentation.plane is None:
        return None
    plane = segmentation.plane.coefficients
    # As the engine does: what the support shows of the noise is most of what tells a good image from a bad one.
    noise = noise_on_plane(frame, plane, segmentation.plane.inliers, noise)
    canonical = (
        canonical_from_up(up, plane, np.deg2rad(0.5), "tf")
        if up is not None
        else canonical_from_up(segmentation.plane.normal, plane, segmentation.plane.tilt_std_rad, "plane")
    )
    things: list[SceneObject] = []
    numbers: list[int] = []
    for region in segmentation.regions:
        number = _match(rendering, region.mask, frame)
        if number is None or number in numbers:
            continue
        thing = measure_region(frame, region, canonical, plane, noise, MeasureConfig(), object_id=len(things) + 1)
        if thing is not None:
            things.append(thing)
            numbers.append(number)
    if not things or canonical is None:
        return None
    exact = tuple(true.objects[in_sight.index(number)] for number in numbers)
    tool, told = _tool(exact, generator)
    measured = Scene(
        stamp_ns=0, frame_id=frame.frame_id, objects=(*things, told), canonical=canonical, canonical_reason="",
        support_plane=plane, depth_coverage=float(frame.valid.mean()), scale_std=noise.scale,
    )  # fmt: skip
    return Measured(scene.seed, family, measured, replace(true, objects=(*exact, tool)), _triples(len(things), generator))


def _tilted(up: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Up as tf gives it: half a degree off."""
    tilted: FloatArray = up + generator.normal(0.0, np.deg2rad(0.5), 3)
    return tilted / np.linalg.norm(tilted)


def _match(rendering: Rendering, mask: npt.NDArray[np.bool_], frame: RGBDFrame) -> int | None:
    """Index of the true thing that a mask shows, over pixels with depth; None where it fits none well."""
    own = rendering.labels[mask & frame.valid]
    counts = np.bincount(own[own > 0], minlength=1)
    if not counts.any():
        return None
    number = int(np.argmax(counts))
    true = (rendering.labels == number) & frame.valid
    pixels = int(np.count_nonzero(true))
    either = pixels + len(own) - int(counts[number])
    return number - 1 if pixels >= _MIN_PIXELS and counts[number] >= _MIN_IOU * either else None


def _tool(exact: Sequence[SceneObject], generator: np.random.Generator) -> tuple[SceneObject, SceneObject]:
    """A point at a thing or off all of them, as it is and as tf gives it."""
    near = exact[int(generator.integers(len(exact)))].centre
    point = near + generator.normal(0.0, 0.03 if generator.random() < 0.5 else 0.15, 3)
    return _point(point, ExactThing), _point(point + generator.normal(0.0, _TOOL_STD_M, 3), SceneObject)


def _point(centre: FloatArray, kind: type[SceneObject]) -> SceneObject:
    return kind(
        id=0, label="gripper", score=1.0, centre=centre, covariance=_TOOL_STD_M**2 * np.eye(3), axes=np.eye(3),
        extents=np.zeros(3), extents_std=np.zeros(3), surface_point=np.full(3, np.nan), points=np.empty((0, 3), np.float32),
        point_std_m=0.0, visible_share=float("nan"), truncated=False, num_points=0, last_seen_ns=0, source=Source.TF,
    )  # fmt: skip


def _triples(count: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    if count < 3:
        return np.zeros((0, 3), np.int64)
    return np.stack([generator.permutation(count)[:3] for _ in range(_TRIPLES)]).astype(np.int64)


# -- what the registry says ----------------------------------------------------------------------------------------------


def tables(scene: Scene, triples: npt.NDArray[np.int64]) -> dict[str, Float32Array]:
    """The registry's numbers: "one" (N, len(OF_ONE), 2), "two" (N, N, len(OF_TWO), 2), "three" (T, len(OF_THREE), 2).

    The last axis is value and standard deviation, metres; of a comparison those of its margin. NaN where there is none.
    """
    things = scene.objects
    count = len(things)
    one = np.full((count, len(OF_ONE), 2), np.nan, np.float32)
    two = np.full((count, count, len(OF_TWO), 2), np.nan, np.float32)
    three = np.full((len(triples), len(OF_THREE), 2), np.nan, np.float32)
    for i in range(count):
        for at, name in enumerate(OF_ONE):
            one[i, at] = _asked(scene, name, things[i])
        for j in range(count):
            for at, name in enumerate(OF_TWO):
                if i != j:
                    two[i, j, at] = two[j, i, at] if name in SYMMETRIC and j < i else _asked(scene, name, things[i], things[j])
    for row, indices in enumerate(triples):
        for at, name in enumerate(OF_THREE):
            three[row, at] = _asked(scene, name, *(things[int(index)] for index in indices))
    return {"one": one, "two": two, "three": three}


def _asked(scene: Scene, name: str, *things: SceneObject) -> tuple[float, float]:
    relation = RELATIONS[name]
    if relation.needs_extent and any(not thing.extents.any() for thing in things):
        return float("nan"), float("nan")
    measured = relation.measure(scene, *things)
    return (measured.value, measured.std) if measured.margin is None else (measured.margin.value, measured.margin.std)


# -- files --------------------------------------------------------------------------------------------------------------


def _write(path: Path, images: Sequence[Measured]) -> None:
    """One safetensors file: things of all images one after the other, tables flattened; ``images`` (I, 4) counts them."""
    from safetensors.numpy import save_file

    parts: dict[str, list[npt.NDArray[np.generic]]] = {}

    def add(name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> None:
        parts.setdefault(name, []).append(np.asarray(value, dtype))

    for image in images:
        things, canonical = image.scene.objects, image.scene.canonical
        assert canonical is not None
        add("images", [len(things), len(image.triples), image.seed, list(FAMILIES).index(image.family)], np.int64)
        add("canonical", canonical.scene_from_canonical.matrix()[:3], np.float64)
        add("scene", [canonical.tilt_std_rad, image.scene.scale_std, *image.scene.support_plane], np.float64)
        add("triples", image.triples.reshape(-1), np.int64)
        for who, scene in (("true", image.truth), ("said", image.scene)):
            for name, table in tables(scene, image.triples).items():
                add(f"{who}_{name}", table.reshape(-1))
        for thing, true in zip(things, image.truth.objects, strict=True):
            add("things", [*_packed(thing), len(thing.points)], np.float64)
            add("true_things", [*true.centre, *true.axes.ravel(), *true.extents], np.float64)
            add("points", thing.points.reshape(-1))
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ("images", "canonical", "scene", "things", "true_things")
    stacked = {name: np.stack(found) if name in rows else np.concatenate(found) for name, found in parts.items()}
    partial = path.with_suffix(".partial")
    save_file({name: np.ascontiguousarray(value) for name, value in stacked.items()}, str(partial))
    partial.replace(path)


def _packed(thing: SceneObject) -> list[float]:
    return [
        *thing.centre, *thing.covariance.ravel(), *thing.axes.ravel(), *thing.extents, *thing.extents_std, thing.point_std_m,
        thing.visible_share, float(thing.truncated), float(thing.num_points), float(int(thing.source)), thing.scale_std,
        float(int(thing.status)),
    ]  # fmt: skip


@dataclass(frozen=True)
class PoolImage:
    """One image of a shard as a decoder sees it: tokens (N, NUM_FEATURES) of measured things, and what ``tables`` gives."""

    seed: int
    features: Float32Array
    valid: npt.NDArray[np.bool_]
    triples: npt.NDArray[np.int64]
    true: dict[str, Float32Array]
    said: dict[str, Float32Array]


def read_shard(path: Path) -> Iterator[PoolImage]:
    """The images of a shard."""
    from safetensors.numpy import load_file

    data = load_file(str(path))
    at = dict.fromkeys(("things", "triples", "points", "one", "two", "three"), 0)

    def take(name: str, count: int, key: str) -> npt.NDArray[np.generic]:
        return data[name][at[key] : at[key] + count]

    for row, (count, triples, seed, _) in enumerate(data["images"].tolist()):
        things = take("things", count, "things")
        scene = _unpacked(data["canonical"][row], data["scene"][row], things, data["points"][at["points"] :])
        features, valid = object_tokens(scene, scene.objects)
        shapes = {"one": (count, len(OF_ONE), 2), "two": (count, count, len(OF_TWO), 2), "three": (triples, len(OF_THREE), 2)}
        sizes = {key: int(np.prod(shape)) for key, shape in shapes.items()}
        found = {
            who: {key: np.asarray(take(f"{who}_{key}", sizes[key], key), np.float32).reshape(shapes[key]) for key in shapes}
            for who in ("true", "said")
        }
        indices = np.asarray(take("triples", 3 * triples, "triples"), np.int64).reshape(-1, 3)
        yield PoolImage(seed, features, valid, indices, found["true"], found["said"])
        at["things"] += count
        at["triples"] += 3 * triples
        at["points"] += 3 * int(np.asarray(things, np.float64)[:, -1].sum())
        for key, size in sizes.items():
            at[key] += size


def _unpacked(
    canonical: npt.NDArray[np.float64],
    scene: npt.NDArray[np.float64],
    things: npt.NDArray[np.generic],
    points: npt.NDArray[np.generic],
) -> Scene:
    objects: list[SceneObject] = []
    at = 0
    for number, row in enumerate(np.asarray(things, np.float64), 1):
        kept = 3 * int(row[-1])
        objects.append(
            SceneObject(
                id=number,
                label="",
                score=1.0,
                centre=row[:3],
                covariance=row[3:12].reshape(3, 3),
                axes=row[12:21].reshape(3, 3),
                extents=row[21:24],
                extents_std=row[24:27],
                surface_point=np.full(3, np.nan),
                points=np.asarray(points[at : at + kept], np.float32).reshape(-1, 3),
                point_std_m=float(row[27]),
                visible_share=float(row[28]),
                truncated=bool(row[29]),
                num_points=int(row[30]),
                last_seen_ns=0,
                source=Source(int(row[31])),
                scale_std=float(row[32]),
                status=Status(int(row[33])),
            )
        )
        at += kept
    pose = RigidTransform(canonical[:, :3].copy(), canonical[:, 3].copy())
    return Scene(
        stamp_ns=0, frame_id="camera", objects=tuple(objects), canonical=Canonical(pose, float(scene[0]), "pool"),
        canonical_reason="", support_plane=scene[2:6], depth_coverage=1.0, scale_std=float(scene[1]),
    )  # fmt: skip
