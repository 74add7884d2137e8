"""Scenes to ask questions about, each with all that is true about it: as they are, or as a depth camera measures them.

Both kinds are a ``Posed``. On a true scene every box, surface and direction is exact and without error, so that a wrong answer
is a wrong thought. On a measured one the engine read the things off a noisy image; a question then names them by number, so that
only measuring errs, or in words, so that recognising errs, too. All of it is synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.rigid import FloatArray
from ..scene.canonical import canonical_from_up
from ..scene.facts import Source, Status
from ..scene.scene import Binding, Scene, SceneObject
from ..simulation.exact_things import surface_points
from ..simulation.random_scene import SceneSampling, random_scene
from ..simulation.random_things import COLORS, SHAPES
from .engine_facts import ANYTHING, TOOL
from .engine_render import Rendered, noisy_frame
from .engine_scenes import Observer, matches, tilted, tool_near
from .engine_solids import Solid
from .engine_truth import TrueScene

TOOL_ID = 0
FRAME_ID = "camera_color_optical_frame"


@dataclass(frozen=True)
class Posed:
    """What a question is about.

    Attributes:
        scene: as the reasoner gets it.
        truth: the things; ``truth.solids[i]`` is called ``names[i]`` in questions, ``tool`` "gripper".
        nouns: descriptions that may be asked about, each with the indices of all things that answer to it.
        ids: index of the true thing by the number of the thing on the image; things that are none have no index.
    """

    seed: int
    family: str
    scene: Scene
    truth: TrueScene
    tool: Solid
    names: tuple[str, ...]
    nouns: Mapping[str, tuple[int, ...]]
    ids: Mapping[int, int]


def descriptions(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """By description in words, the indices of the things that answer to it, for names of a colour and a shape each."""
    found: dict[str, list[int]] = {ANYTHING: list(range(len(names)))}
    for index, name in enumerate(names):
        color, _, shape = name.partition(" ")
        for words in (shape, f"{color} {ANYTHING}", name):
            found.setdefault(words, []).append(index)
    return {words: tuple(indices) for words, indices in found.items()}


def all_descriptions() -> tuple[str, ...]:
    """Every description that ``descriptions`` may give, but the full names."""
    return (ANYTHING, *SHAPES, *(f"{color} {ANYTHING}" for color in COLORS))


# -- as they are --------------------------------------------------------------------------------------------------------


def true_scene(seed: int, sampling: SceneSampling) -> Posed:
    """The scene of a seed without any error of measurement. Nothing is rendered: what is hidden is there as well."""
    scene = random_scene(seed, sampling)
    solids = tuple(Solid(thing.name, thing.shape, thing.vertices_world(), thing.mesh.triangles) for thing in scene.things)
    truth = TrueScene(solids, scene.support_height_m, scene.world_from_camera)
    generator = np.random.default_rng((seed, 17))
    point = solids[int(generator.integers(len(solids)))].middle + generator.normal(0.0, 0.15, 3)
    tool = Solid(TOOL, "point", point[None], np.empty((0, 3), np.intp))
    return posed_truth(seed, truth, tool)


def posed_truth(seed: int, truth: TrueScene, tool: Solid) -> Posed:
    """True things as a scene of the engine's kind, with names and descriptions bound."""
    things = [exact_thing(truth, solid, index + 1) for index, solid in enumerate(truth.solids)]
    gripper = exact_thing(truth, tool, TOOL_ID)
    plane = np.append(truth.up, truth.camera_height_m)
    nouns = descriptions([solid.name for solid in truth.solids])
    named = {solid.name: thing for solid, thing in zip(truth.solids, things, strict=True)}
    bindings = {TOOL: Binding(Status.OK, gripper), **bound_nouns(nouns, things, named)}
    scene = Scene(
        stamp_ns=0, frame_id=FRAME_ID, objects=(*things, gripper), canonical=canonical_from_up(truth.up, plane, 0.0, "tf"),
        canonical_reason="", support_plane=plane, depth_coverage=1.0, bindings=bindings,
    )  # fmt: skip
    ids = {thing.id: index for index, thing in enumerate(things)}
    return Posed(seed, "", scene, truth, tool, tuple(solid.name for solid in truth.solids), nouns, ids)


def bound_nouns(
    nouns: Mapping[str, tuple[int, ...]], things: Sequence[SceneObject], named: Mapping[str, SceneObject]
) -> dict[str, Binding]:
    """A binding for every description, those that nothing answers to among them, and for every name."""
    bindings: dict[str, Binding] = {}
    for words in (*all_descriptions(), *nouns, *named):
        answering = tuple(things[index] for index in nouns.get(words, ()))
        if words in named:
            bindings[words] = Binding(named[words].status, replace(named[words], label=words), answering=answering)
        elif len(answering) == 1:
            bindings[words] = Binding(answering[0].status, replace(answering[0], label=words), answering=answering)
        else:
            status = Status.AMBIGUOUS if answering else Status.NOT_FOUND
            bindings[words] = Binding(status, text=f"{len(answering)} things answer to '{words}'", answering=answering)
    return bindings


def exact_thing(truth: TrueScene, solid: Solid, number: int) -> SceneObject:
    """A true thing in the camera's frame: its box, its surface, no error. A point has neither size nor surface."""
    camera_from_world = truth.world_from_camera.inverse()
    if not len(solid.triangles):
        return _thing(number, solid.name, camera_from_world.apply(solid.middle), np.eye(3), np.zeros(3), np.empty((0, 3)))
    centre, level, size = solid.box
    axes = np.eye(3)
    axes[:2, :2] = level.T
    points = camera_from_world.apply(surface_points(solid.vertices, solid.faces))
    return _thing(number, solid.name, camera_from_world.apply(centre), camera_from_world.rotation @ axes, size, points)


def _thing(number: int, label: str, centre: FloatArray, axes: FloatArray, size: FloatArray, points: FloatArray) -> SceneObject:
    return SceneObject(
        id=number, label=label, score=1.0, centre=centre, covariance=np.zeros((3, 3)), axes=axes, extents=size,
        extents_std=np.zeros(3), surface_point=points.mean(axis=0) if len(points) else np.full(3, np.nan),
        points=points.astype(np.float32), point_std_m=0.0, visible_share=1.0, truncated=False, num_points=len(points),
        last_seen_ns=0, source=Source.GROUND_TRUTH if len(points) else Source.TF,
    )  # fmt: skip


# -- as a camera measures them ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One noisy image, asked about in two ways; None where fewer than two things were found on it.

    Attributes:
        by_number: things that were found, by "#3"; what a description means is given, too.
        in_words: all things in sight, by colour and shape; what a description means is the engine's to say.
    """

    by_number: Posed
    in_words: Posed


def measured_scene(rendered: Rendered, family: str, observer: Observer) -> Measured | None:
    """The image of a scene with a family's noise through the engine, up and the gripper by tf."""
    truth, seed = rendered.truth, rendered.scene.seed
    generator = np.random.default_rng((seed, 19))
    up = tilted(truth.up, generator)
    tool, camera_from_tool = tool_near(truth, generator)
    names = [solid.name for solid in truth.solids]
    frame = noisy_frame(rendered, family)
    scene = observer.observe(frame, [*all_descriptions(), *names, TOOL], up, camera_from_tool)
    _, objects = matches(rendered, scene, frame.valid)
    if len(objects) < 2:
        return None
    found = sorted(objects)
    matched = replace(truth, solids=tuple(truth.solids[index] for index in found))
    things = [objects[index] for index in found]
    nouns = descriptions([names[index] for index in found])
    numbers = tuple(f"#{thing.id}" for thing in things)
    bindings = {TOOL: scene.find(TOOL), **bound_nouns(nouns, things, dict(zip(numbers, things, strict=True)))}
    own = {thing.id: index for index, thing in enumerate(things)}
    by_number = Posed(seed, family, replace(scene, bindings=bindings), matched, tool, numbers, nouns, own)
    in_sight = {thing.id: index for index, thing in objects.items()}
    return Measured(by_number, Posed(seed, family, scene, truth, tool, tuple(names), descriptions(names), in_sight))
