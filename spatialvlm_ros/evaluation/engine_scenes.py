"""One rendered scene through the engine: what it found against what is there, and every fact against its truth.

All of it is synthetic: rendered depth with sensor noise laid over it. Things are matched by their pixels; only matched ones count
for errors, the others for recall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.facts import Query, Status
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.noise import PRESETS
from ..scene.relations import RELATIONS
from ..scene.scene import Scene, SceneObject
from ..simulation.depth_noise import add_noise
from ..simulation.random_scene import RandomScene, SceneSampling, random_scene
from ..simulation.raycast import Rendering, frame_of, render
from .engine_solids import Solid
from .engine_truth import TRUTHS, TrueScene

# The families of noise that the engine's model describes, and those that it does not with the nearest model it has.
IN_FAMILY = {name: name for name in ("structured_light", "stereo", "time_of_flight")}
OUT_OF_FAMILY = {"correlated_stereo": "stereo", "tof_multipath": "time_of_flight", "kinect_quantised": "structured_light"}
FAMILY_NAMES = (*IN_FAMILY, *OUT_OF_FAMILY)
RELATION_NAMES = tuple(sorted(TRUTHS))

TOOL, ANYTHING = "gripper", "object"
TOOL_STD_M = 0.002
# A thing with fewer visible pixels is not asked for; a match needs half of the pixels of both.
MIN_PIXELS, MIN_IOU = 150, 0.5
# Relations of two things whose two orders ask two things; of the others one order holds all there is.
_BOTH_ORDERS = ("on", "contained", "fits_into", "reachable")
_TRIPLES = 8
_POINT_M = 0.05

FACT = np.dtype(
    [("relation", "i2"), ("a", "i2"), ("b", "i2"), ("value", "f8"), ("std", "f8"), ("truth", "f8")]
)  # a, b index the frame's things, -1 none
THING = np.dtype(
    [
        ("shape", "U10"),
        ("lying", "?"),
        ("visible", "f8"),
        ("pixels", "i4"),
        ("truncated", "?"),
        ("found", "?"),
        ("said_truncated", "?"),
        ("said_visible", "f8"),
        ("iou", "f8"),
        ("error", "f8", 3),
        ("std", "f8", 3),
        ("extents_error", "f8", 3),
        ("extents", "f8", 3),
        ("extents_std", "f8", 3),
        ("elevation_error", "f8"),
    ]
)


class Observer:
    """The engine as the nodes drive it, set to one of the noise presets; every image is the first it sees."""

    def __init__(self, noise: str) -> None:
        base, preset = EngineConfig(), PRESETS[noise]
        self.engine = SpatialEngine(replace(base, noise=preset, segment=replace(base.segment, noise=preset)))

    def observe(
        self,
        frame: RGBDFrame,
        names: Sequence[str] = (),
        up: FloatArray | None = None,
        camera_from_tool: RigidTransform | None = None,
    ) -> Scene:
        """The scene of one image; ``up`` (3,) in the optical frame where it is known."""
        self.engine.reset()
        status = Status.NOT_FOUND if camera_from_tool is None else Status.OK
        return self.engine.observe(frame, names, RobotState(camera_from_tool=camera_from_tool, tool_status=status, up=up))


@dataclass(frozen=True)
class FrameResult:
    """One image judged.

    Attributes:
        seed, family: of the scene, of its noise.
        pitch_deg, roll_deg: of the camera, negative pitch looks down.
        with_up: whether up was given.
        support_share: share of the pixels that show the true support.
        accepted: whether the engine knows up.
        tilt_error_deg: of its up; NaN when not accepted.
        plane_tilt_deg: of its support plane's normal against true up; NaN without a plane.
        support_error_m: true height of its support plane over the true support, at the nearest true thing; NaN without.
        wall_share: share of the pixels that it calls support that are neither support nor thing; NaN without a plane.
        things: (N,) THING: the things in sight; errors are of centres along right, away and up.
        false_things: found things that match none.
        facts: (M,) FACT.
        count: (said, true) number of things in sight.
    """

    seed: int
    family: str
    pitch_deg: float
    roll_deg: float
    with_up: bool
    support_share: float
    accepted: bool
    tilt_error_deg: float
    plane_tilt_deg: float
    support_error_m: float
    wall_share: float
    things: npt.NDArray[np.void]
    false_things: int
    facts: npt.NDArray[np.void]
    count: tuple[float, float]


@dataclass(frozen=True)
class Rendered:
    """A scene as the camera would see it without noise, with its truth.

    Attributes:
        truth: with the things in sight, whose numbers in the rendering are ``numbers``.
        known: truths worked out already, for the next image of the same scene.
    """

    scene: RandomScene
    rendering: Rendering
    truth: TrueScene
    numbers: tuple[int, ...]
    known: dict[tuple[str, tuple[int, ...], float], float] = field(default_factory=dict)


def render_scene(seed: int, sampling: SceneSampling) -> Rendered:
    """The scene of a seed, and all that is true about it."""
    scene = random_scene(seed, sampling)
    rendering = render(scene)
    pixels = np.bincount(rendering.labels[rendering.labels > 0].ravel(), minlength=len(scene.things) + 1)
    numbers = tuple(number for number in range(1, len(scene.things) + 1) if pixels[number] >= MIN_PIXELS)
    solids = tuple(
        Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles)
        for thing in (scene.things[number - 1] for number in numbers)
    )
    cloud = scene.camera.back_project(rendering.depth_m)
    seen = scene.world_from_camera.apply(cloud[np.isfinite(rendering.depth_m)])
    truth = TrueScene(solids, scene.support_height_m, scene.world_from_camera, seen)
    return Rendered(scene, rendering, truth, numbers)


def noisy_frame(rendered: Rendered, family: str) -> RGBDFrame:
    """The image of a scene with a family's noise on its depth."""
    scene, rendering = rendered.scene, rendered.rendering
    depth = add_noise(rendering.depth_m, scene.camera, family, seed=scene.seed)
    return frame_of(scene, rendering, depth_m=depth)


def judge_frame(rendered: Rendered, family: str, observer: Observer, *, with_up: bool = False, facts: bool = True) -> FrameResult:
    """One image through the engine. ``facts`` False leaves the relations out."""
    truth = rendered.truth
    generator = np.random.default_rng((rendered.scene.seed, 7))
    up = _tilted(truth.up, generator) if with_up else None
    tool, camera_from_tool = _tool(truth, generator)
    frame = noisy_frame(rendered, family)
    names = [*(f"#{number}" for number in range(1, 64)), TOOL, ANYTHING]
    scene = observer.observe(frame, names, up, camera_from_tool)
    overlaps, objects = _matches(rendered, scene, frame.valid)
    rows = np.zeros(0, FACT)
    if facts and scene.canonical is not None:
        rows = _judge_facts(rendered, tool, observer, scene, objects, generator)
    rotation = rendered.scene.world_from_camera.rotation
    things = [thing for thing in scene.objects if thing.num_points]
    return FrameResult(
        seed=rendered.scene.seed,
        family=family,
        pitch_deg=float(np.rad2deg(np.arcsin(np.clip(rotation[2, 2], -1, 1)))),
        roll_deg=float(np.rad2deg(np.arctan2(rotation[2, 0], -rotation[2, 1]))),
        with_up=with_up,
        support_share=float(np.mean(rendered.rendering.labels == -1)),
        accepted=scene.canonical is not None,
        tilt_error_deg=float("nan") if scene.canonical is None else _angle_deg(scene.canonical.up, truth.up),
        plane_tilt_deg=_angle_deg(scene.support_plane[:3], truth.up),
        support_error_m=_support_error_m(truth, scene),
        wall_share=_wall_share(rendered, scene),
        things=_thing_rows(rendered, scene, overlaps, objects),
        false_things=len(things) - len(objects),
        facts=rows,
        count=(float(len(things)), float(len(truth.solids))),
    )


def _tilted(up: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Up as tf gives it: half a degree off, a careful calibration."""
    tilted: FloatArray = up + generator.normal(0.0, np.deg2rad(0.5), 3)
    return tilted / np.linalg.norm(tilted)


def _tool(truth: TrueScene, generator: np.random.Generator) -> tuple[Solid, RigidTransform]:
    """A tool point, at a thing in half of the scenes and off all of them in the rest, and its pose as tf gives it."""
    middle = truth.solids[int(generator.integers(len(truth.solids)))].middle if truth.solids else np.zeros(3)
    spread = 0.02 if generator.random() < 0.5 else 0.15
    point = middle + generator.normal(0.0, spread, 3)
    told = truth.world_from_camera.inverse().apply(point + generator.normal(0.0, TOOL_STD_M, 3))
    return Solid(TOOL, "point", point[None], np.empty((0, 3), np.intp)), RigidTransform(np.eye(3), told)


# -- what was found -------------------------------------------------------------------------------------------------------


def _matches(rendered: Rendered, scene: Scene, valid: BoolArray) -> tuple[dict[int, float], dict[int, SceneObject]]:
    """IoU of the best found thing by index of the true thing, and the found thing where that is at least ``MIN_IOU``.

    Pixels without depth belong to nobody.
    """
    overlaps = dict.fromkeys(range(len(rendered.numbers)), 0.0)
    objects: dict[int, SceneObject] = {}
    if scene.labels is None:
        return overlaps, objects
    true, said = rendered.rendering.labels[valid], scene.labels[valid]
    for index, number in enumerate(rendered.numbers):
        own = true == number
        for thing in scene.objects:
            if thing.id <= 0 or not thing.num_points:
                continue
            found = said == thing.id
            both = np.count_nonzero(own & found)
            if not both:
                continue
            overlap = both / np.count_nonzero(own | found)
            if overlap > overlaps[index]:
                overlaps[index] = overlap
                if overlap >= MIN_IOU:
                    objects[index] = thing
    return overlaps, objects


def _thing_rows(
    rendered: Rendered, scene: Scene, overlaps: dict[int, float], objects: dict[int, SceneObject]
) -> npt.NDArray[np.void]:
    truth, labels = rendered.truth, rendered.rendering.labels
    rows = np.zeros(len(truth.solids), THING)
    viewer = np.stack([truth.right, truth.away, [0.0, 0.0, 1.0]])
    for index, (solid, number) in enumerate(zip(truth.solids, rendered.numbers, strict=True)):
        row, own = rows[index], labels == number
        pixels = int(np.count_nonzero(own))
        rim = own[0].any() or own[-1].any() or own[:, 0].any() or own[:, -1].any()
        row["shape"], row["lying"] = solid.shape, rendered.scene.things[number - 1].lying
        row["visible"], row["pixels"], row["truncated"] = pixels / max(rendered.rendering.full_pixels[number - 1], 1), pixels, rim
        row["iou"], row["found"] = overlaps[index], index in objects
        for name in ("error", "std", "extents_error", "extents", "extents_std", "elevation_error"):
            row[name] = np.nan
        if index not in objects:
            continue
        thing = objects[index]
        to_viewer = viewer @ truth.world_from_camera.rotation
        row["said_truncated"], row["said_visible"] = thing.truncated, thing.visible_share
        row["error"] = viewer @ (truth.world_from_camera.apply(thing.centre) - solid.middle)
        row["std"] = np.sqrt(np.diag(to_viewer @ thing.covariance @ to_viewer.T))
        if scene.canonical is not None:
            true_size = solid.box[2]
            order, true_order = np.argsort(thing.extents[:2])[::-1], np.argsort(true_size[:2])[::-1]
            row["extents"] = np.append(true_size[true_order], true_size[2])
            row["extents_error"] = np.append(thing.extents[order], thing.extents[2]) - row["extents"]
            row["extents_std"] = np.append(thing.extents_std[order], thing.extents_std[2])
            row["elevation_error"] = _elevation_m(scene, thing) - (solid.low_m - truth.support_height_m)
    return rows


def _elevation_m(scene: Scene, thing: SceneObject) -> float:
    """Height of the lowest corner of a found thing's box over the found support, metres; NaN without one."""
    return float(scene.height_above_support(thing.corners()).min())


def _angle_deg(a: FloatArray, b: FloatArray) -> float:
    """Between two unit vectors (3,); NaN where one is."""
    return float(np.rad2deg(np.arccos(np.clip(a @ b, -1, 1))))


def _support_error_m(truth: TrueScene, scene: Scene) -> float:
    """How far the engine's plane lies above the true support under the middle of the things, metres."""
    if not np.isfinite(scene.support_plane).all() or not truth.solids or not np.isfinite(truth.support_height_m):
        return float("nan")
    point = np.mean([solid.middle for solid in truth.solids], axis=0)
    point[2] = truth.support_height_m
    in_camera = truth.world_from_camera.inverse().apply(point)
    return -float(scene.support_plane[:3] @ in_camera + scene.support_plane[3])


def _wall_share(rendered: Rendered, scene: Scene) -> float:
    if scene.labels is None:
        return float("nan")
    called = scene.labels == -1
    if not called.any():
        return float("nan")
    return float(np.mean(rendered.rendering.labels[called] == -2))


# -- facts ------------------------------------------------------------------------------------------------------------------


def queries_of(indices: Sequence[int], generator: np.random.Generator) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """(relation, indices of things, amount) of every relation between things; the tool is index -1."""
    orders = list(permutations(indices, 2))
    # Scenes list their largest things first; which of two is asked about is left to chance.
    pairs = [pair if generator.random() < 0.5 else pair[::-1] for pair in combinations(indices, 2)]
    triples = list(permutations(indices, 3))
    some = [triples[i] for i in generator.permutation(len(triples))[:_TRIPLES]]
    for name, relation in RELATIONS.items():
        if name not in TRUTHS or name == "count":
            continue
        if name == "held":
            yield from ((name, (index, -1), 0.0) for index in indices)
        elif relation.arity == 1 or name == "nearest":
            amount = _POINT_M if relation.takes_amount else 0.0
            yield from ((name, (index,), amount) for index in indices)
        elif relation.arity == 3:
            yield from ((name, triple, 0.0) for triple in some)
        else:
            for pair in orders if name in _BOTH_ORDERS else pairs:
                amount = float(np.round(generator.uniform(0.05, 0.4), 3)) if relation.takes_amount else 0.0
                yield name, pair, amount


def _judge_facts(
    rendered: Rendered,
    tool: Solid,
    observer: Observer,
    scene: Scene,
    objects: dict[int, SceneObject],
    generator: np.random.Generator,
) -> npt.NDArray[np.void]:
    truth = rendered.truth
    asked = list(queries_of(sorted(objects), generator))

    def name_of(index: int) -> str:
        return TOOL if index < 0 else f"#{objects[index].id}"

    queries = []
    for relation, indices, amount in asked:
        names = [name_of(index) for index in indices]
        names = [ANYTHING, *names] if relation == "nearest" else names
        first, second, third = [*names, "", ""][:3]
        queries.append(Query(relation, first, second, third, amount))
    rows = np.zeros(len(asked), FACT)
    kept = np.zeros(len(asked), bool)
    for i, ((relation, indices, amount), fact) in enumerate(zip(asked, observer.engine.facts(scene, queries), strict=True)):
        if fact.status is not Status.OK:
            continue
        key = (relation, indices, amount)
        if key not in rendered.known:
            solids = [tool if index < 0 else truth.solids[index] for index in indices]
            rendered.known[key] = TRUTHS[relation](truth, *solids, *([amount] if amount else []))
        true = rendered.known[key]
        b = indices[1] if len(indices) > 1 else -1
        rows[i] = (RELATION_NAMES.index(relation), indices[0], b, fact.value, fact.std, true)
        kept[i] = np.isfinite(true)
    return rows[kept]
