"""One rendered scene through the engine: what it found against what is there, and every fact against its truth.

All of it is synthetic: rendered depth with sensor noise laid over it. Things are matched by their pixels; only matched ones count
for errors, the others for recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..geometry.rigid import FloatArray, RigidTransform
from ..scene.facts import Status
from ..scene.frame import BoolArray, RGBDFrame
from ..scene.noise import PRESETS
from ..scene.scene import Scene, SceneObject
from ..simulation.raycast import SUPPORT_LABEL
from .engine_facts import ANYTHING, FACT, TOOL, judge_facts, true_pairs
from .engine_render import Rendered, noisy_frame
from .engine_solids import Solid
from .engine_truth import TrueScene

TOOL_STD_M = 0.002
# A match needs half of the pixels of both.
MIN_IOU = 0.5

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
        ("support_error", "f8"),
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
        added_tilt_deg: of its up against the up that it was given; NaN without either.
        plane_tilt_deg: of its support plane's normal against true up; NaN without a plane.
        on_support: share of the pixels that it calls support that show the true support; NaN without a plane, 0 where nothing
            in the scene is a support.
        things: (N,) THING: the things in sight; errors are of centres along right, away and up, ``support_error`` is the height
            of the engine's plane over the true support at the thing's middle, metres.
        false_things: found things that match none.
        facts: (M,) FACT: all that was asked.
        true_pairs: number of pairs in sight for which a rare relation holds, matched or not.
        stacks: whether the scene is drawn for things on things, seen from low.
    """

    seed: int
    family: str
    pitch_deg: float
    roll_deg: float
    with_up: bool
    support_share: float
    accepted: bool
    tilt_error_deg: float
    added_tilt_deg: float
    plane_tilt_deg: float
    on_support: float
    things: npt.NDArray[np.void]
    false_things: int
    facts: npt.NDArray[np.void]
    true_pairs: Mapping[str, int] = field(default_factory=dict)
    stacks: bool = False

    @property
    def has_plane(self) -> bool:
        """Whether the engine found something to stand on."""
        return bool(np.isfinite(self.plane_tilt_deg))


def judge_frame(
    rendered: Rendered,
    family: str,
    observer: Observer,
    *,
    with_up: bool = False,
    facts: bool = True,
    stacks: bool = False,
) -> FrameResult:
    """One image through the engine. ``facts`` False leaves the relations out."""
    truth = rendered.truth
    generator = np.random.default_rng((rendered.scene.seed, 7))
    up = tilted(truth.up, generator) if with_up else None
    tool, camera_from_tool = tool_near(truth, generator)
    frame = noisy_frame(rendered, family)
    names = [*(f"#{number}" for number in range(1, 64)), TOOL, ANYTHING]
    scene = observer.observe(frame, names, up, camera_from_tool)
    overlaps, objects = matches(rendered, scene, frame.valid)
    rows = np.zeros(0, FACT)
    if facts:
        rows = judge_facts(rendered, tool, observer.engine, scene, objects, generator)
    rotation = rendered.scene.world_from_camera.rotation
    things = [thing for thing in scene.objects if thing.num_points]
    said_up = np.full(3, np.nan) if scene.canonical is None else scene.canonical.up
    return FrameResult(
        seed=rendered.scene.seed,
        family=family,
        pitch_deg=float(np.rad2deg(np.arcsin(np.clip(rotation[2, 2], -1, 1)))),
        roll_deg=float(np.rad2deg(np.arctan2(rotation[2, 0], -rotation[2, 1]))),
        with_up=with_up,
        support_share=float(np.mean(rendered.rendering.labels == SUPPORT_LABEL)),
        accepted=scene.canonical is not None,
        tilt_error_deg=_angle_deg(said_up, truth.up),
        added_tilt_deg=float("nan") if up is None else _angle_deg(said_up, up),
        plane_tilt_deg=_angle_deg(scene.support_plane[:3], truth.up),
        on_support=_on_support(rendered, scene),
        things=_thing_rows(rendered, scene, overlaps, objects),
        false_things=len(things) - len(objects),
        facts=rows,
        true_pairs=true_pairs(rendered, tool) if facts else {},
        stacks=stacks,
    )


def tilted(up: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Up as tf gives it: half a degree off, a careful calibration."""
    tilted: FloatArray = up + generator.normal(0.0, np.deg2rad(0.5), 3)
    return tilted / np.linalg.norm(tilted)


def tool_near(truth: TrueScene, generator: np.random.Generator) -> tuple[Solid, RigidTransform]:
    """A tool point, at a thing in half of the scenes and off all of them in the rest, and its pose as tf gives it."""
    middle = truth.solids[int(generator.integers(len(truth.solids)))].middle if truth.solids else np.zeros(3)
    spread = 0.02 if generator.random() < 0.5 else 0.15
    point = middle + generator.normal(0.0, spread, 3)
    told = truth.world_from_camera.inverse().apply(point + generator.normal(0.0, TOOL_STD_M, 3))
    return Solid(TOOL, "point", point[None], np.empty((0, 3), np.intp)), RigidTransform(np.eye(3), told)


# -- what was found -------------------------------------------------------------------------------------------------------


def matches(rendered: Rendered, scene: Scene, valid: BoolArray) -> tuple[dict[int, float], dict[int, SceneObject]]:
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
        row["support_error"] = _support_error_m(truth, scene, solid)
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


def _support_error_m(truth: TrueScene, scene: Scene, solid: Solid) -> float:
    """How far the engine's plane lies above the true support under the middle of a true thing, metres; NaN without either."""
    point = np.append(solid.middle[:2], truth.support_height_m)
    return -float(scene.height_above_support(truth.world_from_camera.inverse().apply(point)))


def _on_support(rendered: Rendered, scene: Scene) -> float:
    if not np.isfinite(scene.support_plane).all():
        return float("nan")
    called = np.zeros(rendered.rendering.labels.shape, bool) if scene.labels is None else scene.labels == SUPPORT_LABEL
    if not called.any() or not np.isfinite(rendered.truth.support_height_m):
        return 0.0
    return float(np.mean(rendered.rendering.labels[called] == SUPPORT_LABEL))
