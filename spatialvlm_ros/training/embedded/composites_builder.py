"""Surface elements that rays meet in closed form, and the builder that composes things of them.

Every element lies in its thing's frame (z up, origin in the middle of the foot) and belongs to one of its materials:

- hull: a convex body of at most six planes n . p <= d (boxes, wedges, pyramids, blades);
- quadric: x^2 + (y / sy)^2 = A + B z + C z^2 for z in [z0, z1] in the element's frame: cylinders (B = C = 0), cones, balls and
  bowls (C < 0); seen from outside and inside;
- annulus: z = 0 between two radii, also elliptical.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Rgb = tuple[float, float, float]
Vec = tuple[float, float, float]

HULL, QUADRIC, ANNULUS, RECT = 0, 1, 2, 3
# As texture codes in shading.py. "rings" are stripes around z, "staves" stripes along it.
TEXTURES = ("plain", "rings", "staves", "checks", "dots", "band", "grain", "speckle", "print", "tiles")
_IDENTITY = np.eye(3)
_NO_PLANE = (0.0, 0.0, 0.0, 1.0)


@dataclass
class Material:
    """How a part of a thing looks.

    Attributes:
        rgb, second: sRGB 0..1; the second is the other colour of stripes, dots, bands.
        texture: one of TEXTURES.
        scale_m: width of a stripe, check, dot or fleck.
        share: of the second colour, 0..1; with "band": of the height, around `middle_m`.
        gloss: 0 matt .. 1 shiny.
        part: "body", or a word of vocabulary.PARTS.
    """

    rgb: Rgb
    second: Rgb = (0.0, 0.0, 0.0)
    texture: str = "plain"
    scale_m: float = 0.01
    share: float = 0.0
    middle_m: float = 0.0
    phase: float = 0.0
    gloss: float = 0.1
    part: str = "body"


@dataclass
class Element:
    """One surface. `params` holds 24 numbers by kind, `low` and `high` its box in its own frame."""

    kind: int
    params: tuple[float, ...]
    low: Vec
    high: Vec
    material: int
    rotation: FloatArray = field(default_factory=lambda: _IDENTITY)
    shift: Vec = (0.0, 0.0, 0.0)


class Builder:
    """Collects elements. ``turn`` and ``at`` of each call place the element in the thing's frame."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.materials: list[Material] = []

    def material(self, material: Material) -> int:
        """Index of a new material."""
        self.materials.append(material)
        return len(self.materials) - 1

    def hull(
        self, planes: Sequence[tuple[float, float, float, float]], low: Vec, high: Vec, material: int,
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """A convex body of at most six planes (nx, ny, nz, d), n . p <= d, within the box low .. high."""
        rows = [*planes, *([_NO_PLANE] * (6 - len(planes)))]
        self.elements.append(Element(HULL, tuple(x for row in rows for x in row), low, high, material, turn, at))

    def box(self, center: Vec, half: Vec, material: int, turn: FloatArray = _IDENTITY) -> None:
        """A box with half sizes `half`."""
        x, y, z = half
        planes = ((1, 0, 0, x), (-1, 0, 0, x), (0, 1, 0, y), (0, -1, 0, y), (0, 0, 1, z), (0, 0, -1, z))
        self.hull(planes, (-x, -y, -z), half, material, center, turn)

    def bar(self, start: Vec, end: Vec, width_m: float, depth_m: float, material: int) -> None:
        """A thin box from one point to another, a little longer at both ends so that bars join."""
        a, b = np.asarray(start), np.asarray(end)
        length = float(np.linalg.norm(b - a))
        x = (b - a) / max(length, 1e-9)
        side = np.cross(x, (0.0, 0.0, 1.0) if abs(x[2]) < 0.9 else (0.0, 1.0, 0.0))
        side /= np.linalg.norm(side)
        turn = np.stack([x, side, np.cross(x, side)], axis=1)
        middle = (a + b) / 2
        half = (length / 2 + 0.3 * depth_m, width_m / 2, depth_m / 2)
        self.box((float(middle[0]), float(middle[1]), float(middle[2])), half, material, turn)

    def quadric(
        self, a: float, b: float, c: float, z0: float, z1: float, material: int, sy: float = 1.0,
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """x^2 + (y / sy)^2 = a + b z + c z^2 for z0 <= z <= z1."""
        peaks = [z0, z1] + ([-b / (2 * c)] if c < 0 and z0 < -b / (2 * c) < z1 else [])
        r = math.sqrt(max(0.0, *(a + b * z + c * z * z for z in peaks)))
        params = (a, b, c, z0, z1, sy, *([0.0] * 18))
        self.elements.append(Element(QUADRIC, params, (-r, -r * sy, z0), (r, r * sy, z1), material, turn, at))

    def frustum(
        self, z0: float, z1: float, r0: float, r1: float, material: int, sy: float = 1.0,
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """The side of a cylinder or cone from radius r0 at z0 to r1 at z1."""
        if z1 < z0:
            z0, z1, r0, r1 = z1, z0, r1, r0
        slope = (r1 - r0) / (z1 - z0)
        base = r0 - slope * z0
        self.quadric(base * base, 2 * base * slope, slope * slope, z0, z1, material, sy, at, turn)

    def ellipsoid(
        self, radius_m: float, half_height_m: float, material: int, sy: float = 1.0, clip: tuple[float, float] = (-1.0, 1.0),
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """A ball or part of one; `clip` in half heights."""
        c = -((radius_m / half_height_m) ** 2)
        low, high = clip[0] * half_height_m, clip[1] * half_height_m
        self.quadric(radius_m * radius_m, 0.0, c, low, high, material, sy, at, turn)

    def disc(
        self, z: float, radius_m: float, material: int, inner_m: float = 0.0, sy: float = 1.0,
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """A flat ring (or disc) at height z of the element's frame."""
        place = np.asarray(at) + turn @ (0.0, 0.0, z)
        shift = (float(place[0]), float(place[1]), float(place[2]))
        box = ((-radius_m, -radius_m * sy, 0.0), (radius_m, radius_m * sy, 0.0))
        self.elements.append(Element(ANNULUS, (inner_m, radius_m, sy, *([0.0] * 21)), *box, material, turn, shift))

    def solid(
        self, z0: float, z1: float, r0: float, r1: float, material: int, sy: float = 1.0,
        at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """A frustum closed at both ends."""
        self.frustum(z0, z1, r0, r1, material, sy, at, turn)
        for z, radius in ((z0, r0), (z1, r1)):
            if radius > 1e-4:
                self.disc(z, radius, material, 0.0, sy, at, turn)

    def vessel(
        self, height_m: float, r0: float, r1: float, wall_m: float, outside: int, inside: int, z0: float = 0.0,
        floor_m: float = 0.004, sy: float = 1.0, at: Vec = (0.0, 0.0, 0.0), turn: FloatArray = _IDENTITY,
    ) -> None:  # fmt: skip
        """An open frustum with a wall: side, inside, rim and floor."""
        self.frustum(z0, z0 + height_m, r0, r1, outside, sy, at, turn)
        inner0 = r0 + (r1 - r0) * floor_m / height_m - wall_m
        self.frustum(z0 + floor_m, z0 + height_m, inner0, r1 - wall_m, inside, sy, at, turn)
        self.disc(z0 + height_m, r1, outside, r1 - wall_m, sy, at, turn)
        self.disc(z0 + floor_m, inner0, inside, 0.0, sy, at, turn)
        self.disc(z0, r0, outside, 0.0, sy, at, turn)


def rotation_x(angle_rad: float) -> FloatArray:
    """(3, 3) turn about x."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float64)


def rotation_y(angle_rad: float) -> FloatArray:
    """(3, 3) turn about y."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=np.float64)


def rotation_z(angle_rad: float) -> FloatArray:
    """(3, 3) turn about z."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float64)
