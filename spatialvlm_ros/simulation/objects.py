"""What lies on the table: object kinds, their variation with the seed, and placement without clashes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spatialvlm_ros.simulation.camera import CameraIntrinsics
from spatialvlm_ros.simulation.primitives import FloatArray, Primitive, Vec3

DEFAULT_OBJECTS = ("red block", "green plate", "blue block", "yellow ball", "tall green can", "white cup")
_REGION_X_M = (0.36, 0.64)
_REGION_Y_M = (-0.29, 0.29)
# Room for the fingers and the palm (15 cm wide) beside what is grasped, and above what something is put on.
_FINGER_ROOM_M = 0.065
_PALM_ROOM_M = 0.10
_PALM_HEIGHT_M = 0.075


class PlacementError(RuntimeError):
    """The asked objects do not fit on the table without clashes."""


@dataclass(frozen=True)
class ObjectSpec:
    """One free object at its starting place.

    Attributes:
        name: colour and noun, unique in the scene.
        shape: "box", "cylinder", "sphere" or "cup".
        color: colour word.
        half_extents_m: half sizes of the bounding box in the object's own frame, whose origin is the box's centre.
        mass_kg: total mass.
        shapes: geometry in the object's frame; the first one carries the mass.
        position_m: (x, y, z) of the centre in base_link.
        yaw_rad: turn about base_link's z axis.
    """

    name: str
    shape: str
    color: str
    half_extents_m: Vec3
    mass_kg: float
    shapes: tuple[Primitive, ...] = field(repr=False)
    position_m: Vec3 = (0.0, 0.0, 0.0)
    yaw_rad: float = 0.0

    @property
    def radius_m(self) -> float:
        """Radius of the upright cylinder around the object."""
        return math.hypot(self.half_extents_m[0], self.half_extents_m[1])


def _tint(rng: np.random.Generator, rgb: Vec3, spread: float = 0.03) -> tuple[float, float, float, float]:
    low = np.clip(np.asarray(rgb) + rng.uniform(-spread, spread, 3), 0.02, 0.98)
    return (float(low[0]), float(low[1]), float(low[2]), 1.0)


def _block(name: str, color: str, rgb: Vec3, rng: np.random.Generator) -> ObjectSpec:
    # 4.2 to 5.6 cm across: always inside the gripper with a centimetre or more to spare on each side.
    half = (float(rng.uniform(0.021, 0.028)), float(rng.uniform(0.021, 0.028)), float(rng.uniform(0.022, 0.028)))
    shape = Primitive("box", half, rgba=_tint(rng, rgb), material="object", geom_class="object")
    return ObjectSpec(name, "box", color, half, 0.12, (shape,))


def _disc(
    name: str, color: str, rgb: Vec3, radius_m: float, height_m: float, mass_kg: float, rng: np.random.Generator
) -> ObjectSpec:
    shape = Primitive("cylinder", (radius_m, height_m / 2), rgba=_tint(rng, rgb), material="object", geom_class="object")
    return ObjectSpec(name, "cylinder", color, (radius_m, radius_m, height_m / 2), mass_kg, (shape,))


def _ball(name: str, color: str, rgb: Vec3, rng: np.random.Generator) -> ObjectSpec:
    radius = float(rng.uniform(0.024, 0.031))
    shape = Primitive("sphere", (radius,), rgba=_tint(rng, rgb), material="object", geom_class="ball")
    return ObjectSpec(name, "sphere", color, (radius, radius, radius), 0.06, (shape,))


def _cup(name: str, color: str, rgb: Vec3, rng: np.random.Generator) -> ObjectSpec:
    """A mug: a ring of staves, a floor, and a handle of three bars; the box includes the handle."""
    radius, half_height = float(rng.uniform(0.034, 0.040)), float(rng.uniform(0.040, 0.047))
    wall, handle, count = 0.0025, 0.028, 14
    stave = (radius - wall) * math.tan(math.pi / count) + 0.001
    corner = math.hypot(radius, stave)
    rgba = _tint(rng, rgb, 0.02)
    # The handle sticks out along +x, so that the axis of the bowl lies half a handle behind the box's centre.
    axis_x = (corner - radius - handle) / 2

    def part(kind: str, size_m: tuple[float, ...], pos_m: Vec3, yaw_rad: float = 0.0) -> Primitive:
        return Primitive(kind, size_m, pos_m, rgba=rgba, material="object", geom_class="object", yaw_rad=yaw_rad)

    shapes = [part("cylinder", (radius - wall, 0.003), (axis_x, 0.0, 0.003 - half_height))]
    for index in range(count):
        angle = 2 * math.pi * index / count
        reach = radius - wall
        # Half a millimetre off the table: the cup stands on its floor, which spares physics 56 contacts.
        place = (axis_x + reach * math.cos(angle), reach * math.sin(angle), 0.0005)
        shapes.append(part("box", (wall, stave, half_height - 0.0005), place, angle))
    bar_x = axis_x + radius
    for z in (-0.018, 0.018):
        shapes.append(part("box", (handle / 2, 0.004, 0.004), (bar_x + handle / 2, 0.0, z)))
    shapes.append(part("box", (0.004, 0.004, 0.022), (bar_x + handle - 0.004, 0.0, 0.0)))
    half = ((corner + radius + handle) / 2, corner, half_height)
    return ObjectSpec(name, "cup", color, half, 0.15, tuple(shapes))


def _make(name: str, rng: np.random.Generator) -> ObjectSpec:
    if name == "red block":
        return _block(name, "red", (0.80, 0.10, 0.09), rng)
    if name == "blue block":
        return _block(name, "blue", (0.10, 0.24, 0.74), rng)
    if name == "yellow ball":
        return _ball(name, "yellow", (0.93, 0.76, 0.08), rng)
    if name == "white cup":
        return _cup(name, "white", (0.93, 0.93, 0.92), rng)
    if name == "green plate":
        size = float(rng.uniform(0.072, 0.080)), float(rng.uniform(0.012, 0.015))
        return _disc(name, "green", (0.16, 0.62, 0.24), *size, 0.6, rng)
    if name == "tall green can":
        size = float(rng.uniform(0.029, 0.033)), float(rng.uniform(0.105, 0.125))
        return _disc(name, "green", (0.10, 0.50, 0.20), *size, 0.30, rng)
    raise ValueError(f"unknown object {name!r}; known: {', '.join(DEFAULT_OBJECTS)}")


def sample_objects(
    rng: np.random.Generator, names: tuple[str, ...], camera: CameraIntrinsics, camera_pose_base: FloatArray
) -> tuple[ObjectSpec, ...]:
    """Objects with sizes, colours and places drawn from `rng`, in the order of `names`.

    No two touch, the gripper has room at "red block" and over "green plate", and from the camera neither of those two
    is hidden behind another object.

    Raises:
        PlacementError: no valid placement was found.
        ValueError: an unknown name.
    """
    made = {name: _make(name, rng) for name in names}
    # The plate is the largest and the block the pickiest: they choose first.
    order = sorted(names, key=lambda name: (name != "green plate", name != "red block", names.index(name)))
    for _ in range(60):
        placed: list[ObjectSpec] = []
        for name in order:
            spec = _try_place(made[name], placed, rng, camera, camera_pose_base)
            if spec is None:
                break
            placed.append(spec)
        if len(placed) == len(names):
            found = {spec.name: spec for spec in placed}
            return tuple(found[name] for name in names)
    raise PlacementError(f"no room on the table for {', '.join(names)}")


def _try_place(
    spec: ObjectSpec,
    placed: list[ObjectSpec],
    rng: np.random.Generator,
    camera: CameraIntrinsics,
    camera_pose_base: FloatArray,
) -> ObjectSpec | None:
    for _ in range(80):
        x, y = float(rng.uniform(*_REGION_X_M)), float(rng.uniform(*_REGION_Y_M))
        # A moderate turn keeps both fingers beside the block, not in front of it, as the camera sees it.
        turn = math.radians(25.0) if spec.shape == "box" else math.pi
        yaw = float(rng.uniform(-turn, turn))
        trial = ObjectSpec(
            spec.name,
            spec.shape,
            spec.color,
            spec.half_extents_m,
            spec.mass_kg,
            spec.shapes,
            (x, y, spec.half_extents_m[2]),
            yaw,
        )
        if all(_compatible(trial, other, camera, camera_pose_base) for other in placed):
            return trial
    return None


def _compatible(a: ObjectSpec, b: ObjectSpec, camera: CameraIntrinsics, camera_pose_base: FloatArray) -> bool:
    distance = math.hypot(a.position_m[0] - b.position_m[0], a.position_m[1] - b.position_m[1])
    gap = distance - a.radius_m - b.radius_m
    if gap < _room_m(a, b):
        return False
    for wanted, other in ((a, b), (b, a)):
        if wanted.name not in ("red block", "green plate"):
            continue
        nearer = other.position_m[0] > wanted.position_m[0]
        if nearer and _rectangles_meet(wanted, other, camera, camera_pose_base):
            return False
    return True


def _room_m(a: ObjectSpec, b: ObjectSpec) -> float:
    room = 0.02
    for handled, other in ((a, b), (b, a)):
        if handled.name in ("red block", "green plate"):
            room = max(room, _PALM_ROOM_M if other.half_extents_m[2] * 2 > _PALM_HEIGHT_M else 0.0)
        if handled.name == "red block":
            room = max(room, _FINGER_ROOM_M)
        if handled.name == "green plate" and room == _PALM_ROOM_M:
            # What is put down ends near the plate's centre: the plate's own radius is room already.
            room = max(0.03, _PALM_ROOM_M - handled.half_extents_m[0] + 0.02)
    return room


def _rectangles_meet(a: ObjectSpec, b: ObjectSpec, camera: CameraIntrinsics, camera_pose_base: FloatArray) -> bool:
    first, second = (image_rectangle(spec, camera, camera_pose_base) for spec in (a, b))
    margin_px = 4.0 * camera.width / 640.0
    return bool(np.all(first[0] < second[1] + margin_px) and np.all(second[0] < first[1] + margin_px))


def image_rectangle(spec: ObjectSpec, camera: CameraIntrinsics, camera_pose_base: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Corners (u, v) low and high, pixels, of the image rectangle around an object's starting box."""
    signs = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], dtype=np.float64)
    cos, sin = math.cos(spec.yaw_rad), math.sin(spec.yaw_rad)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    corners = signs * np.asarray(spec.half_extents_m) @ turn.T + np.asarray(spec.position_m)
    optical = (corners - camera_pose_base[:3, 3]) @ camera_pose_base[:3, :3]
    pixels = camera.project(optical)
    return pixels.min(axis=0), pixels.max(axis=0)
