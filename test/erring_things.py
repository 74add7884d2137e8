"""Scenes whose things err each for itself, in one scale and with one tilt of up, and what errors of known size do to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation
from things import box, camera_over_table, placed, scene, tool

from spatialvlm_ros.geometry.rigid import FloatArray, RigidTransform
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Binding, Scene, SceneObject


def random_thing(rng: np.random.Generator, number: int, scale_std: float, std_m: tuple[float, float]) -> SceneObject:
    """An upright box in canonical coordinates with an error of its own in each direction; its points lie within its faces."""
    turn = Rotation.from_euler("z", rng.uniform(-3, 3)).as_matrix()
    error = Rotation.random(random_state=rng).as_matrix()
    own = error @ np.diag(rng.uniform(*std_m, 3) ** 2) @ error.T
    centre = rng.uniform([0.4, -0.4, 0.05], [1.2, 0.4, 0.4])
    whole = box(centre, rng.uniform(0.04, 0.2, 3), turn, covariance=own, number=number, label=f"thing {number}")
    some = whole.points[rng.permutation(len(whole.points))[:150]]
    some = (centre + (some - centre) * rng.uniform(0.98, 1, (150, 1))).astype(np.float32)
    return replace(
        whole, points=some, scale_std=scale_std, extents_std=rng.uniform(0.001, 0.01, 3),
        point_std_m=float(rng.uniform(0.0005, 0.003)),
    )  # fmt: skip


def random_scene(
    seed: int,
    count: int = 4,
    *,
    scale_std: float = 0.01,
    tilt_std_rad: float = 0.01,
    std_m: tuple[float, float] = (0.001, 0.008),
    with_gripper: bool = False,
) -> Scene:
    """``count`` boxes seen by a camera anywhere over the table."""
    rng = np.random.default_rng(seed)
    pose = camera_over_table(rng.uniform(20, 70), rng.uniform(-20, 20), rng.uniform(0.4, 1.0))
    things = [placed(random_thing(rng, number, scale_std, std_m), pose) for number in range(1, count + 1)]
    things = [
        replace(thing, covariance=thing.covariance + scale_std**2 * np.outer(thing.centre, thing.centre)) for thing in things
    ]
    if with_gripper:
        things.append(placed(tool(rng.uniform([0.4, -0.4, 0.05], [1.2, 0.4, 0.4])), pose))
    bare = scene({thing.label: thing for thing in things}, pose)
    assert bare.canonical is not None
    seen = Binding(Status.AMBIGUOUS, text="'object' is not one thing", answering=tuple(t for t in things if t.id > 0))
    return replace(
        bare, canonical=replace(bare.canonical, tilt_std_rad=tilt_std_rad), scale_std=scale_std,
        bindings={**bare.bindings, "object": seen},
    )  # fmt: skip


def moved(thing: SceneObject, by: FloatArray) -> SceneObject:
    """The thing elsewhere, with its points."""
    return replace(thing, centre=thing.centre + by, points=(thing.points + by).astype(np.float32))


def stretched(thing: SceneObject, by: FloatArray) -> SceneObject:
    """The thing with edges longer by ``by`` (3,), its points with them."""
    if not thing.extents.any():
        return thing
    in_box = (thing.points - thing.centre) @ thing.axes * ((thing.extents + by) / thing.extents)
    return replace(thing, extents=thing.extents + by, points=(in_box @ thing.axes.T + thing.centre).astype(np.float32))


def level_axes(view: Scene) -> FloatArray:
    """(2, 3) the two level axes about which up is tilted."""
    assert view.canonical is not None
    return view.canonical.scene_from_canonical.rotation[:, :2].T


def with_things(view: Scene, things: Mapping[int, SceneObject]) -> Scene:
    """The scene with some of its things changed, by their ids."""

    def changed(binding: Binding) -> Binding:
        thing = None if binding.thing is None else things.get(binding.thing.id, binding.thing)
        answering = None if binding.answering is None else tuple(things.get(one.id, one) for one in binding.answering)
        return replace(binding, thing=thing, answering=answering)

    return replace(
        view, objects=tuple(things.get(thing.id, thing) for thing in view.objects),
        bindings={name: changed(binding) for name, binding in view.bindings.items()},
    )  # fmt: skip


def drawn(view: Scene, rng: np.random.Generator) -> Scene:
    """The scene as it may truly be: all its errors drawn once, with numpy's own multivariate normal numbers."""
    scale = rng.normal() * view.scale_std
    assert view.canonical is not None
    tilt = rng.normal(size=2) * view.canonical.tilt_std_rad
    things = {}
    for thing in view.objects:
        shared = (scale if thing.scale_std else 0.0) * thing.centre + tilt @ np.cross(level_axes(view), thing.centre)
        own = rng.multivariate_normal(np.zeros(3), thing.own_covariance, method="eigh")
        longer = rng.normal(size=3) * thing.extents_std
        things[thing.id] = moved(stretched(thing, longer), own + shared)
    return with_things(view, things)


def turned_up(view: Scene, by: FloatArray) -> Scene:
    """The scene with up turned by a rotation vector (3,), and every box about its own middle with it: all stay upright."""
    turn = Rotation.from_rotvec(by).as_matrix()
    assert view.canonical is not None
    pose = view.canonical.scene_from_canonical
    canonical = replace(view.canonical, scene_from_canonical=RigidTransform(turn @ pose.rotation, pose.translation))
    things = {}
    for thing in view.objects:
        points = ((thing.points - thing.centre) @ turn.T + thing.centre).astype(np.float32)
        things[thing.id] = replace(thing, axes=turn @ thing.axes, points=points)
    return replace(with_things(view, things), canonical=canonical)
