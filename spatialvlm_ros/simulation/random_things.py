"""Shapes, sizes, colours and textures of random things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import solids
from .random_types import FloatArray, Rgb, Texture
from .solids import Mesh

# Colours that people tell apart by name, sRGB.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (200, 32, 34),
    "green": (38, 140, 56),
    "blue": (28, 72, 190),
    "yellow": (238, 200, 24),
    "orange": (240, 118, 14),
    "purple": (112, 42, 150),
    "pink": (238, 120, 170),
    "turquoise": (30, 178, 178),
    "white": (236, 236, 232),
    "grey": (128, 130, 132),
    "brown": (110, 66, 34),
    "black": (34, 34, 36),
}


@dataclass(frozen=True)
class Design:
    """A thing before it has a place.

    Attributes:
        tilt: (3, 3) rotation from its own frame to how it rests, before it is turned about z.
        flat_top: whether something can stand on it as it rests.
        rolls: whether it stays only on a level table or floor (a ball).
    """

    shape: str
    name: str
    color: Rgb
    texture: Texture
    mesh: Mesh
    tilt: FloatArray
    lying: bool
    flat_top: bool
    rolls: bool


def _block(rng: np.random.Generator) -> Mesh:
    side = rng.uniform(0.03, 0.07)
    return solids.box(side * rng.uniform(0.85, 1.15, 3))


def _box(rng: np.random.Generator) -> Mesh:
    return solids.box((rng.uniform(0.05, 0.16), rng.uniform(0.04, 0.10), rng.uniform(0.06, 0.20)))


def _book(rng: np.random.Generator) -> Mesh:
    return solids.box((rng.uniform(0.15, 0.22), rng.uniform(0.10, 0.15), rng.uniform(0.012, 0.04)))


def _can(rng: np.random.Generator) -> Mesh:
    return solids.cylinder(rng.uniform(0.024, 0.042), rng.uniform(0.07, 0.13))


def _bottle(rng: np.random.Generator) -> Mesh:
    return solids.bottle(rng.uniform(0.027, 0.042), rng.uniform(0.16, 0.26))


def _mug(rng: np.random.Generator) -> Mesh:
    return solids.mug(rng.uniform(0.034, 0.046), rng.uniform(0.075, 0.105))


def _cup(rng: np.random.Generator) -> Mesh:
    radius = rng.uniform(0.032, 0.045)
    return solids.cup(radius, rng.uniform(0.07, 0.12), base_radius_m=radius * rng.uniform(0.65, 0.95))


def _bowl(rng: np.random.Generator) -> Mesh:
    return solids.bowl(rng.uniform(0.05, 0.085), rng.uniform(0.04, 0.07))


def _plate(rng: np.random.Generator) -> Mesh:
    return solids.plate(rng.uniform(0.08, 0.12), rng.uniform(0.015, 0.025))


def _ball(rng: np.random.Generator) -> Mesh:
    return solids.sphere(rng.uniform(0.02, 0.05))


def _cone(rng: np.random.Generator) -> Mesh:
    radius = rng.uniform(0.025, 0.045)
    return solids.cone(radius, rng.uniform(0.06, 0.12), top_radius_m=0.1 * radius)


def _roll(rng: np.random.Generator) -> Mesh:
    radius = rng.uniform(0.03, 0.055)
    return solids.ring(radius, rng.uniform(0.015, 0.05), radius * rng.uniform(0.45, 0.7))


def _bracket(rng: np.random.Generator) -> Mesh:
    length = rng.uniform(0.05, 0.10)
    return solids.l_block(length, length * rng.uniform(0.7, 1.0), rng.uniform(0.025, 0.05), rng.uniform(0.015, 0.022))


SHAPES: dict[str, Callable[[np.random.Generator], Mesh]] = {
    "block": _block,
    "box": _box,
    "book": _book,
    "can": _can,
    "bottle": _bottle,
    "mug": _mug,
    "cup": _cup,
    "bowl": _bowl,
    "plate": _plate,
    "ball": _ball,
    "cone": _cone,
    "roll": _roll,
    "bracket": _bracket,
}
_CUBOIDS = ("block", "box")
_LIE = ("block", "box", "can", "bottle", "bracket")
_FLAT_TOPS = ("block", "box", "book", "can")
# What may hang on a wall without looking like magic.
HANGING = ("block", "box", "book", "can", "bracket", "bottle")

_X_UP = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def random_design(rng: np.random.Generator, taken: set[str], share_lying: float, shapes: tuple[str, ...]) -> Design:
    """A thing with one of `shapes` and a name that is not in `taken`.

    Raises:
        ValueError: when all names are taken.
    """
    free = [(color, shape) for shape in shapes for color in COLORS if f"{color} {shape}" not in taken]
    if not free:
        raise ValueError(f"no name is left for another thing: {len(taken)} are taken")
    # Shape first, so that a shape with many colours taken is as frequent as the others.
    shape = str(rng.choice(sorted({shape for _, shape in free})))
    color = str(rng.choice([color for color, free_shape in free if free_shape == shape]))
    mesh = SHAPES[shape](rng)
    lying = shape in _LIE and bool(rng.random() < share_lying)
    tilt = np.eye(3)
    if lying:
        tilt = _Y_UP if shape == "bracket" or (shape in _CUBOIDS and rng.random() < 0.5) else _X_UP
    return Design(
        shape=shape,
        name=f"{color} {shape}",
        color=jittered(rng, COLORS[color]),
        texture=_texture(rng, shape, color),
        mesh=mesh,
        tilt=tilt,
        lying=lying,
        flat_top=shape in _FLAT_TOPS and not (lying and shape not in _CUBOIDS),
        rolls=shape == "ball",
    )


def jittered(rng: np.random.Generator, color: tuple[int, int, int], amount: float = 10.0) -> Rgb:
    """A colour like `color`, (3,) uint8: brightness and hue differ a little."""
    changed = np.asarray(color) * rng.uniform(0.9, 1.08) + rng.uniform(-amount, amount, 3)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, shape: str, color: str) -> Texture:
    gloss = (
        float(rng.uniform(0.1, 0.6))
        if shape in ("mug", "can", "bottle", "bowl", "plate", "ball")
        else float(rng.uniform(0, 0.15))
    )
    pale = np.array(COLORS["white"] if color not in ("white", "grey", "yellow") else COLORS["grey"], dtype=np.uint8)
    chance = rng.random()
    if shape in ("can", "bottle", "box") and chance < 0.4:
        # A label in a paler shade, so that the thing still has one colour.
        return Texture("band", float(rng.uniform(0.02, 0.05)), float(rng.uniform(0.25, 0.6)), pale, gloss)
    if shape in ("mug", "cup", "ball") and chance < 0.2:
        return Texture("stripes", float(rng.uniform(0.008, 0.02)), float(rng.uniform(0.15, 0.4)), pale, gloss)
    if shape in ("block", "bracket") and chance < 0.4:
        return Texture("grain", float(rng.uniform(0.004, 0.01)), float(rng.uniform(0.1, 0.25)), pale, gloss)
    return Texture("speckle", float(rng.uniform(0.003, 0.02)), float(rng.uniform(0.02, 0.1)), pale, gloss)
