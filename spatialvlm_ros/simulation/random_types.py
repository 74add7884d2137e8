"""What a random scene consists of. World frame: z up, gravity along -z, metres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from .solids import Mesh

FloatArray = npt.NDArray[np.float64]
Rgb = npt.NDArray[np.uint8]

SUPPORT_KINDS = ("table", "floor", "wall_only", "boxes_only_vertical")
PATTERNS = ("plain", "grain", "speckle", "stripes", "band", "tiles")


@dataclass(frozen=True)
class Texture:
    """How the colour varies over a surface.

    Attributes:
        pattern: one of PATTERNS. "band" is a label around the middle of the height.
        scale_m: size of one stripe, tile or fleck.
        strength: share in [0, 1] by which the pattern mixes in `second` (or darkens, for "grain" and "speckle").
        second: (3,) uint8 RGB, the other colour of stripes, bands and joints.
        gloss: share in [0, 1] of mirror-like reflection of the light.
    """

    pattern: str
    scale_m: float
    strength: float
    second: Rgb
    gloss: float = 0.0


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Attributes:
        name: as people say it, colour and shape; no two things of a scene share a name.
        shape: "block", "box", "book", "can", "bottle", "mug", "cup", "bowl", "plate", "ball", "cone", "roll" or "bracket".
        color: (3,) uint8 RGB of its matt surface under white light.
        mesh: in its own frame (solids.py).
        world_from_thing: where it stands.
        supported_by: index of the thing below it, -1 for the table or floor, or for the wall that it hangs on.
        lying: whether it lies on a side other than the one it is made to stand on.
    """

    name: str
    shape: str
    color: Rgb
    texture: Texture
    mesh: Mesh
    world_from_thing: RigidTransform
    supported_by: int = -1
    lying: bool = False

    def vertices_world(self) -> FloatArray:
        """(V, 3) float64, metres."""
        return self.world_from_thing.apply(self.mesh.vertices)


@dataclass(frozen=True)
class StructurePart:
    """A piece of the room. `kind`: "table", "table_leg", "floor", "wall", "ceiling", "shelf" or "carton"."""

    kind: str
    color: Rgb
    texture: Texture
    mesh: Mesh
    world_from_part: RigidTransform
    # Whether the things of the scene stand on it.
    is_support: bool = False

    def vertices_world(self) -> FloatArray:
        """(V, 3) float64, metres."""
        return self.world_from_part.apply(self.mesh.vertices)


@dataclass(frozen=True)
class Light:
    """A ball of light at `position_m` (3,) in the world with `radius_m`, and light from all around.

    `ambient` is the share in [0, 1] that comes from all around; `tint` (3,) multiplies the colours.
    """

    position_m: FloatArray
    radius_m: float
    ambient: float
    tint: FloatArray
    exposure: float = 1.0


@dataclass(frozen=True)
class RandomScene:
    """A scene with all that is true about it.

    Attributes:
        support: one of SUPPORT_KINDS.
        structure: what is not a thing.
        world_from_camera: pose of the optical frame (x right, y down, z forward).
        support_height_m: world z of the surface on which things stand, NaN where they hang on something vertical.
    """

    seed: int
    support: str
    things: tuple[Thing, ...]
    structure: tuple[StructurePart, ...]
    world_from_camera: RigidTransform
    camera: CameraModel
    support_height_m: float
    light: Light


def _default_supports() -> dict[str, float]:
    return {"table": 0.8, "floor": 0.2}


@dataclass(frozen=True)
class SceneSampling:
    """What random scenes are drawn from. Pairs are ranges (low, high), both included, drawn uniformly.

    Attributes:
        num_things: how many things there shall be; fewer where no room is found.
        things_spacing_m: least horizontal gap between things at the same height.
        share_stacked: chance that a thing is put on top of another one if one below has room.
        share_lying: chance that a can, bottle, box, block or bracket lies on its side.
        crowding: 0 things stand far apart, 1 as tight as they fit.
        camera_distance_m: from the camera to the point it is aimed at; grown where the camera would touch something.
        pitch_deg: of the optical axis: 0 level, negative looks down. Kept as drawn.
        roll_deg: about the optical axis. Kept as drawn.
        aim_jitter_m: standard deviation of the point aimed at about the middle of the things.
        width_px, height_px, fx_px: of the camera; fy = fx.
        wall_probability: that walls stand behind a table or floor (and a ceiling is above where the camera looks up).
        clutter: number of cartons and shelves around.
        support_weights: relative chance of each of SUPPORT_KINDS. "wall_only" and "boxes_only_vertical" have no horizontal
            surface in view but the things' own tops.
    """

    num_things: tuple[int, int] = (4, 10)
    things_spacing_m: float = 0.01
    share_stacked: float = 0.2
    share_lying: float = 0.2
    crowding: float = 0.4
    camera_distance_m: tuple[float, float] = (0.5, 1.2)
    pitch_deg: tuple[float, float] = (-70.0, -20.0)
    roll_deg: tuple[float, float] = (-10.0, 10.0)
    aim_jitter_m: float = 0.03
    width_px: tuple[int, int] = (640, 640)
    height_px: tuple[int, int] = (480, 480)
    fx_px: tuple[float, float] = (460.0, 640.0)
    wall_probability: float = 0.5
    clutter: tuple[int, int] = (0, 3)
    support_weights: Mapping[str, float] = field(default_factory=_default_supports)

    def __post_init__(self) -> None:
        unknown = set(self.support_weights) - set(SUPPORT_KINDS)
        if unknown or sum(self.support_weights.values()) <= 0 or min(self.support_weights.values()) < 0:
            raise ValueError(f"support_weights {dict(self.support_weights)} are not weights of {SUPPORT_KINDS}")
        for name in ("num_things", "camera_distance_m", "pitch_deg", "roll_deg", "width_px", "height_px", "fx_px", "clutter"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} = ({low}, {high}) is not a range")
        if self.num_things[0] < 0 or self.clutter[0] < 0:
            raise ValueError(f"num_things {self.num_things} and clutter {self.clutter} must not be below 0")
        if self.camera_distance_m[0] <= 0:
            raise ValueError(f"camera_distance_m {self.camera_distance_m} must be above 0")
        if not (self.pitch_deg[0] > -90 and self.pitch_deg[1] < 90):
            raise ValueError(f"pitch_deg {self.pitch_deg} must lie inside -90 .. 90")
        if not 0 <= self.crowding <= 1:
            raise ValueError(f"crowding {self.crowding} is not in 0 .. 1")
