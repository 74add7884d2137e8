"""Random things of many kinds, composed of surface elements, with all that words can say about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .composites_boxes import BOXES
from .composites_builder import HULL, QUADRIC, Builder, Element, FloatArray, Material, rotation_x, rotation_y
from .composites_looks import Draw
from .composites_round import ROUND
from .composites_tools import TOOLS
from .composites_types import Recipe
from .composites_vessels import VESSELS
from .vocabulary import KIND_NAMES, KIND_NOUNS, NOUNS

MAKERS: dict[str, Callable[[Draw, Builder], Recipe]] = {**BOXES, **ROUND, **VESSELS, **TOOLS}
# How often a kind is drawn; 1 unless said.
_WEIGHTS = {
    "block": 3.0, "cube": 1.5, "box": 3.0, "can": 3.0, "bottle": 2.0, "mug": 3.0, "cup": 2.5, "bowl": 2.5, "plate": 2.0,
    "ball": 2.5, "disc": 1.5, "cylinder": 1.5, "book": 1.5, "jar": 1.5, "ring": 1.5, "cone": 1.2,
}  # fmt: skip
KIND_SHARES = np.array([_WEIGHTS.get(kind, 1.0) for kind in KIND_NAMES])
KIND_SHARES /= KIND_SHARES.sum()
_CUMULATIVE = np.cumsum(KIND_SHARES)


@dataclass
class Design:
    """A thing before it has a place; elements are turned to how it rests, its foot is z = 0.

    Attributes:
        kind: index in vocabulary.KIND_NAMES.
        low, high: (3,) its box, metres; x and y about 0.
        nouns: (NOUNS,) 1, 0 or NaN.
        top_m: radius of the flat top that something may stand on, 0 none.
        hollow: (radius_m, floor_m) of the hollow that something may lie in; (0, 0) none.
        lying: 1 it lies though made to stand, 0 it stands, NaN it has no such difference.
        tilt, origin: p_rest = tilt @ p_made - origin, where textures are painted on in the frame in which it was made.
    """

    kind: int
    elements: list[Element]
    materials: list[Material]
    low: FloatArray
    high: FloatArray
    nouns: npt.NDArray[np.float32]
    top_m: float = 0.0
    hollow: tuple[float, float] = (0.0, 0.0)
    lying: float = math.nan
    tilt: FloatArray = field(default_factory=lambda: np.eye(3))
    origin: FloatArray = field(default_factory=lambda: np.zeros(3))

    @property
    def half(self) -> tuple[float, float]:
        """Half sizes of the foot print's rectangle."""
        return (float(self.high[0] - self.low[0]) / 2, float(self.high[1] - self.low[1]) / 2)

    @property
    def height_m(self) -> float:
        """Height as it rests."""
        return float(self.high[2])

    @property
    def grip_m(self) -> float:
        """The smaller horizontal size."""
        return 2 * min(self.half)


def random_design(rng: np.random.Generator, kind: str = "") -> Design:
    """A thing of a kind, of any kind for "". Raises KeyError for a kind that is not in vocabulary.KINDS."""
    draw = Draw(rng)
    name = kind or KIND_NAMES[int(np.searchsorted(_CUMULATIVE, draw.u(0, 1)))]
    builder = Builder()
    recipe = MAKERS[name](draw, builder)
    index = KIND_NAMES.index(name)
    nouns = KIND_NOUNS[index].copy()
    for noun, value in recipe.nouns.items():
        nouns[NOUNS.index(noun)] = value
    lies = draw.chance(recipe.lies)
    tilt = np.eye(3)
    if lies:
        tilt = rotation_x(math.pi / 2) if recipe.lies_on == "y" else rotation_y(math.pi / 2)
    design = Design(index, builder.elements, builder.materials, np.zeros(3), np.zeros(3), nouns)
    design.lying = (1.0 if lies else 0.0) if recipe.stands else math.nan
    _rest(design, tilt)
    if not lies:
        design.top_m, design.hollow = recipe.top_m, recipe.hollow
    elif recipe.boxy:
        design.top_m = 0.9 * min(design.half)
    return design


def _rest(design: Design, tilt: FloatArray) -> None:
    """Turn the elements and move them so that the lowest point is at z = 0 and the box's middle at x = y = 0."""
    elements = design.elements
    turn = np.stack([e.rotation for e in elements])
    shift = np.array([e.shift for e in elements])
    turn, shift = tilt @ turn, shift @ tilt.T
    low, high = (np.array([getattr(e, name) for e in elements]) for name in ("low", "high"))
    middle = np.einsum("nij,nj->ni", turn, (low + high) / 2) + shift
    reach = _reach(turn, (high - low) / 2, elements)
    least, most = (middle - reach).min(axis=0), (middle + reach).max(axis=0)
    origin = np.array([(least[0] + most[0]) / 2, (least[1] + most[1]) / 2, least[2]])
    shift = shift - origin
    for element, own, place in zip(elements, turn, shift, strict=True):
        element.rotation, element.shift = own, (float(place[0]), float(place[1]), float(place[2]))
    design.low, design.high = least - origin, most - origin
    design.tilt, design.origin = tilt, origin


def _reach(turn: FloatArray, half: FloatArray, elements: list[Element]) -> FloatArray:
    """(N, 3) half sizes along the thing's axes: of a turned box, or tighter of round elements whose axis is turned."""
    boxes = np.einsum("nij,nj->ni", np.abs(turn), half)
    # A cylinder of radius r and half length h along axis a reaches r sqrt(1 - a_i^2) + h |a_i|, an ellipsoid the root of squares.
    axis = turn[:, :, 2]
    across, along = half[:, :1] * np.sqrt(np.clip(1 - axis**2, 0, 1)), half[:, 2:] * np.abs(axis)
    whole = np.array([e.kind == QUADRIC and e.params[2] < 0 and e.params[3] == -e.params[4] for e in elements])
    around = np.where(whole[:, None], np.hypot(across, along), across + along)
    is_round = np.array([e.kind != HULL for e in elements]) & (np.abs(half[:, 0] - half[:, 1]) < 1e-9)
    reach: FloatArray = np.where(is_round[:, None], np.minimum(boxes, around), boxes)
    return reach
