"""Scenes as tensors: every surface element of a batch in its camera's frame, and what its pixels look like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .composites_builder import ANNULUS, HULL, QUADRIC, TEXTURES, Element, FloatArray, Material
from .scenes import GRIPPER_ID, STRUCTURE_ID, SUPPORT_ID, Scene

# Columns of `Packed.looks`.
LOOK_TURN, LOOK_SHIFT, LOOK_RGB, LOOK_SECOND, LOOK_PARAMS = slice(0, 9), slice(9, 12), slice(12, 15), slice(15, 18), slice(18, 24)


@dataclass
class Packed:
    """A batch of scenes with E elements, N things and M materials of things.

    Attributes:
        image, kind, label, thing, material: (E,) int64: scene; element kind; id of its pixels; index among all things of the
            batch or -1; index among all materials.
        params: (E, 24) float64. turn, shift: (E, 3, 3), (E, 3) float64, camera_from_element. low, high: (E, 3).
        normals: (E * 6, 9) float32: gradient of each face as a linear map of the point (6 entries of a symmetric matrix, then 3).
        looks: (E, 24) float32: made_from_camera turn (9) and shift (3), linear rgb (3) and second rgb (3), texture, scale, share,
            middle, phase, gloss.
        thing_image: (N,) int64. material_thing: (M,) int64, -1 for room and gripper. materials: all of them.
        scenes: as given. textures: codes (composites_builder.TEXTURES) that occur in each.
    """

    image: torch.Tensor
    kind: torch.Tensor
    label: torch.Tensor
    thing: torch.Tensor
    material: torch.Tensor
    params: torch.Tensor
    turn: torch.Tensor
    shift: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    normals: torch.Tensor
    looks: torch.Tensor
    intrinsics: torch.Tensor
    camera_from_world: torch.Tensor
    thing_image: npt.NDArray[np.int64]
    material_thing: npt.NDArray[np.int64]
    materials: list[Material]
    scenes: Sequence[Scene]
    textures: list[list[int]]


@dataclass
class _Rows:
    """What is collected element by element, before anything is multiplied."""

    elements: list[Element]
    body: list[int]
    label: list[int]
    thing: list[int]
    material: list[int]
    body_image: list[int]
    body_turn: list[FloatArray]
    body_shift: list[FloatArray]
    body_tilt: list[FloatArray]
    body_origin: list[FloatArray]
    materials: list[Material]
    material_thing: list[int]
    material_body: list[int]
    thing_image: list[int]

    def add(
        self, image: int, elements: Iterable[Element], materials: list[Material], label: int | list[int],
        turn: FloatArray, shift: FloatArray, tilt: FloatArray, origin: FloatArray, *, is_thing: bool = False,
    ) -> None:  # fmt: skip
        """One rigid body: its elements and materials, and world_from_body."""
        thing = -1
        if is_thing:
            thing = len(self.thing_image)
            self.thing_image.append(image)
        body, first = len(self.body_image), len(self.materials)
        self.body_image.append(image)
        self.body_turn.append(turn)
        self.body_shift.append(shift)
        self.body_tilt.append(tilt)
        self.body_origin.append(origin)
        self.materials += materials
        self.material_thing += [thing] * len(materials)
        self.material_body += [body] * len(materials)
        for i, element in enumerate(elements):
            self.elements.append(element)
            self.body.append(body)
            self.label.append(label if isinstance(label, int) else label[i])
            self.thing.append(thing)
            self.material.append(first + element.material)


def pack(scenes: Sequence[Scene], device: torch.device | str = "cpu") -> Packed:
    """Put scenes of one image size together. Raises ValueError for none, or for differing sizes."""
    if not scenes or len({(s.width_px, s.height_px) for s in scenes}) != 1:
        raise ValueError(f"expected scenes of one image size, got {sorted({(s.width_px, s.height_px) for s in scenes})}")
    rows = _collect(scenes)
    kind = np.array([e.kind for e in rows.elements])
    params = np.array([e.params for e in rows.elements])
    body = np.array(rows.body)
    image = np.array(rows.body_image)[body]
    cameras = np.stack([s.camera_from_world for s in scenes])
    body_camera = cameras[np.array(rows.body_image)]
    body_turn = body_camera[:, :3, :3] @ np.stack(rows.body_turn)
    body_shift = np.einsum("bij,bj->bi", body_camera[:, :3, :3], np.stack(rows.body_shift)) + body_camera[:, :3, 3]
    turn = body_turn[body] @ np.stack([e.rotation for e in rows.elements])
    shift = np.einsum("eij,ej->ei", body_turn[body], np.array([e.shift for e in rows.elements])) + body_shift[body]
    made_turn = (body_turn @ np.stack(rows.body_tilt)).transpose(0, 2, 1)
    made_shift = -np.einsum("bij,bj->bi", made_turn, body_shift - np.einsum("bij,bj->bi", body_turn, np.stack(rows.body_origin)))
    looks = np.concatenate(
        [made_turn.reshape(-1, 9)[body], made_shift[body], _looks(rows.materials)[np.array(rows.material)]], axis=1
    )

    material_image = np.array(rows.body_image)[np.array(rows.material_body)]
    codes = np.array([TEXTURES.index(m.texture) for m in rows.materials])
    textures = [np.unique(codes[material_image == i]).tolist() for i in range(len(scenes))]

    def tensor(values: npt.ArrayLike, dtype: torch.dtype) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(values)).to(device=device, dtype=dtype)

    return Packed(
        tensor(image, torch.int64), tensor(kind, torch.int64), tensor(rows.label, torch.int64), tensor(rows.thing, torch.int64),
        tensor(rows.material, torch.int64), tensor(params, torch.float64), tensor(turn, torch.float64),
        tensor(shift, torch.float64),
        tensor([e.low for e in rows.elements], torch.float64), tensor([e.high for e in rows.elements], torch.float64),
        tensor(_gradients(kind, params, turn, shift), torch.float32), tensor(looks, torch.float32),
        tensor([s.intrinsics for s in scenes], torch.float64), tensor(cameras, torch.float64),
        np.array(rows.thing_image, dtype=np.int64), np.array(rows.material_thing, dtype=np.int64), rows.materials,
        scenes, textures,
    )  # fmt: skip


def _collect(scenes: Sequence[Scene]) -> _Rows:
    rows = _Rows(*([] for _ in range(14)))
    eye, zero = np.eye(3), np.zeros(3)
    for image, scene in enumerate(scenes):
        for i, placed in enumerate(scene.things):
            d = placed.design
            rows.add(image, d.elements, d.materials, i + 1, placed.turn, placed.at, d.tilt, d.origin, is_thing=True)
        room = scene.room
        labels = [SUPPORT_ID] * room.support + [STRUCTURE_ID] * (len(room.elements) - room.support)
        # Each surface of the room is painted in its own frame.
        for element, label in zip(room.elements, labels, strict=True):
            paint = -element.rotation.T @ np.asarray(element.shift)
            rows.add(image, [element], [room.materials[element.material]], label, eye, zero, element.rotation, paint)
            rows.material[-1] = len(rows.materials) - 1
            rows.body_origin[-1] = -np.asarray(element.shift)
        if scene.gripper is not None:
            gripper = scene.gripper
            rows.add(image, gripper.elements, gripper.materials, GRIPPER_ID, scene.gripper_turn, scene.tip_world_m, eye, zero)
    return rows


def _looks(materials: list[Material]) -> npt.NDArray[np.float64]:
    """(M, 12) colours in linear light (square of sRGB, near enough) and pattern."""
    rgb = np.array([(*m.rgb, *m.second) for m in materials]) ** 2
    rest = [(TEXTURES.index(m.texture), m.scale_m, m.share, m.middle_m, m.phase, m.gloss) for m in materials]
    return np.concatenate([rgb, np.array(rest)], axis=1)


def _gradients(kind: npt.NDArray[np.int64], params: FloatArray, turn: FloatArray, shift: FloatArray) -> FloatArray:
    """(E * 6, 9) of each face: gradient at p is M p + m with M = (xx, xy, xz, yy, yz, zz), m = (x, y, z), camera frame."""
    count = len(kind)
    out = np.zeros((count, 6, 9))
    hull = kind == HULL
    out[hull, :, 6:] = np.einsum("eij,efj->efi", turn[hull], params[hull].reshape(-1, 6, 4)[..., :3])
    flat = kind >= ANNULUS
    out[flat, 0, 6:] = turn[flat][:, :, 2]
    round_ = kind == QUADRIC
    b, c, sy = params[round_][:, 1], params[round_][:, 2], params[round_][:, 5]
    own = turn[round_]
    scale = np.stack([np.ones_like(sy), sy**-2, -c], axis=1)
    matrix = np.einsum("eij,ej,ekj->eik", own, scale, own)
    out[round_, 0, :6] = matrix[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    out[round_, 0, 6:] = -np.einsum("eij,ej->ei", matrix, shift[round_]) - own[:, :, 2] * (b / 2)[:, None]
    return out.reshape(-1, 9)
