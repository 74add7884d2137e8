"""The MJCF text of the whole cell, and the procedural wood of its table top."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.camera import MAP_MJCF, CameraIntrinsics, camera_mjcf
from spatialvlm_ros.simulation.objects import ObjectSpec, sample_objects
from spatialvlm_ros.simulation.primitives import FloatArray, Vec3, numbers
from spatialvlm_ros.simulation.robot import robot_mjcf

TIMESTEP_NS = 2_000_000
TABLE_CENTRE_M: Vec3 = (0.30, 0.0, -0.02)
TABLE_HALF_M: Vec3 = (0.58, 0.62, 0.02)
_FLOOR_Z_M = -0.72
_WALL_X_M = -0.95
_WOODS: tuple[Vec3, ...] = (
    (0.80, 0.66, 0.49),
    (0.74, 0.61, 0.46),
    (0.70, 0.60, 0.50),
    (0.82, 0.72, 0.58),
    (0.63, 0.52, 0.42),
)
_WALLS: tuple[Vec3, ...] = ((0.80, 0.82, 0.84), (0.84, 0.82, 0.78), (0.72, 0.77, 0.82), (0.80, 0.78, 0.83))


@dataclass(frozen=True)
class SceneSpec:
    """Everything that the seed decides."""

    objects: tuple[ObjectSpec, ...]
    table_rgb: Vec3
    wall_rgb: Vec3
    light_direction: Vec3
    light_level: float
    texture_seed: int


def sample_scene(seed: int, names: tuple[str, ...], camera: CameraIntrinsics, camera_pose_base: FloatArray) -> SceneSpec:
    """Draw a scene: the same arguments give the same scene. Raises like `sample_objects`."""
    rng = np.random.default_rng([seed, 1])
    objects = sample_objects(rng, names, camera, camera_pose_base)
    angle = rng.uniform(-0.9, 0.9)
    return SceneSpec(
        objects,
        _WOODS[int(rng.integers(len(_WOODS)))],
        _WALLS[int(rng.integers(len(_WALLS)))],
        # From the camera's side, so that what the camera sees is lit.
        (-0.5 * math.cos(angle), -0.5 * math.sin(angle) - 0.1, -1.0),
        float(rng.uniform(0.85, 1.1)),
        int(rng.integers(2**31)),
    )


def build_mjcf(scene: SceneSpec, camera: CameraIntrinsics, camera_pose_base: FloatArray, shadows: bool = False) -> str:
    """MJCF of table, floor, wall, lights, camera, robot and objects. The world frame is base_link."""
    robot_body, robot_sections = robot_mjcf()
    shadow_px = 2048 if shadows else 0
    return f"""<mujoco model="tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP_NS * 1e-9}" integrator="implicitfast" cone="elliptic" impratio="10"
    noslip_iterations="3"/>
  <statistic extent="1" center="0.45 0 0.1"/>
  <visual>
    {MAP_MJCF}
    <global offwidth="{camera.width}" offheight="{camera.height}"/>
    <quality shadowsize="{shadow_px}" offsamples="0"/>
    <headlight ambient="0.30 0.30 0.31" diffuse="0.34 0.34 0.34" specular="0 0 0"/>
  </visual>
  {_DEFAULTS}
  {_assets(scene)}
  <worldbody>
    {_room(scene, shadows)}
    {camera_mjcf(camera_pose_base, camera)}
    {robot_body}
    {"".join(_object_body(spec) for spec in scene.objects)}
  </worldbody>
  {robot_sections}
</mujoco>"""


# Bits: robot 1, everything else 2. The robot touches only what is not robot, so that its own links never jam.
_DEFAULTS = """<default>
    <geom condim="4" friction="0.9 0.01 0.0005" solref="0.004 1" solimp="0.95 0.99 0.001"/>
    <default class="visual"><geom contype="0" conaffinity="0" mass="0"/></default>
    <default class="robot"><geom contype="1" conaffinity="2"/></default>
    <default class="pad"><geom contype="1" conaffinity="2" friction="1.6 0.03 0.001" priority="1"/></default>
    <default class="world"><geom contype="2" conaffinity="3"/></default>
    <default class="object"><geom contype="2" conaffinity="3"/></default>
    <default class="ball"><geom contype="2" conaffinity="3" condim="6" friction="0.9 0.01 0.004"/></default>
  </default>"""


def _assets(scene: SceneSpec) -> str:
    return f"""<asset>
    <texture name="wood" type="2d" builtin="flat" rgb1="{numbers(scene.table_rgb)}"
      width="512" height="512"/>
    <texture name="tiles" type="2d" builtin="checker" rgb1="0.46 0.47 0.48" rgb2="0.42 0.43 0.45"
      width="128" height="128"/>
    <texture name="plaster" type="2d" builtin="gradient" rgb1="{numbers(scene.wall_rgb)}"
      rgb2="{numbers(np.asarray(scene.wall_rgb) * 0.86)}" width="128" height="128"/>
    <material name="wood" texture="wood" texuniform="false" specular="0.12" shininess="0.2"/>
    <material name="tiles" texture="tiles" texuniform="true" texrepeat="3 3" specular="0"/>
    <material name="plaster" texture="plaster" specular="0"/>
    <material name="shell" specular="0.45" shininess="0.55"/>
    <material name="object" specular="0.18" shininess="0.3"/>
  </asset>"""


def _room(scene: SceneSpec, shadows: bool) -> str:
    level = scene.light_level
    # Only shadows depend on where a directional light stands: close enough for its depth map to resolve the table.
    lamp = np.array([0.45, 0.0, 0.0]) - 0.9 * np.asarray(scene.light_direction)
    legs = "".join(
        f'<geom type="box" class="visual" size="0.03 0.03 0.34" rgba="0.3 0.3 0.32 1" '
        f'pos="{TABLE_CENTRE_M[0] + sx * 0.5:.3f} {sy * 0.54:.3f} -0.38"/>'
        for sx in (-1, 1)
        for sy in (-1, 1)
    )
    return f"""<light directional="true" pos="{numbers(lamp)}" dir="{numbers(scene.light_direction)}"
      castshadow="{str(shadows).lower()}" diffuse="{numbers([0.45 * level] * 3)}" specular="0.3 0.3 0.3"/>
    <light directional="true" pos="-0.5 -1 2" dir="0.3 0.6 -0.8" castshadow="false" diffuse="0.16 0.16 0.18"
      specular="0 0 0"/>
    <geom name="floor" type="plane" class="world" pos="0 0 {_FLOOR_Z_M}" size="4 4 0.1" material="tiles"/>
    <geom name="wall" type="box" class="visual" pos="{_WALL_X_M} 0 0.5" size="0.02 3 1.4" material="plaster"/>
    <geom name="table" type="box" class="world" pos="{numbers(TABLE_CENTRE_M)}" size="{numbers(TABLE_HALF_M)}"
      material="wood"/>
    {legs}"""


def _object_body(spec: ObjectSpec) -> str:
    turn = f"{math.cos(spec.yaw_rad / 2):.9g} 0 0 {math.sin(spec.yaw_rad / 2):.9g}"
    # A cup's staves share its mass; every other object is one shape.
    share = spec.mass_kg / len(spec.shapes)
    shapes = "".join(shape.mjcf("", share) for shape in spec.shapes)
    return f'<body name="{spec.name}" pos="{numbers(spec.position_m)}" quat="{turn}"><freejoint/>{shapes}</body>'


def compile_model(scene: SceneSpec, camera: CameraIntrinsics, camera_pose_base: FloatArray, shadows: bool, mujoco: Any) -> Any:
    """The compiled MjModel, with the wood painted into its texture."""
    model = mujoco.MjModel.from_xml_string(build_mjcf(scene, camera, camera_pose_base, shadows))
    texture = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, "wood")
    start, height, width = int(model.tex_adr[texture]), int(model.tex_height[texture]), int(model.tex_width[texture])
    wood = wood_texture(np.random.default_rng(scene.texture_seed), height, width, scene.table_rgb)
    channels = int(model.tex_nchannel[texture])
    pixels = np.full((height, width, channels), 255, np.uint8)
    pixels[..., :3] = wood
    model.tex_data[start : start + pixels.size] = pixels.ravel()
    return model


def wood_texture(rng: np.random.Generator, height: int, width: int, rgb: Vec3) -> NDArray[np.uint8]:
    """Planks with a fine grain, (height, width, 3) uint8 around the colour `rgb` (0..1); grain runs along the width."""
    planks = 6
    v = np.linspace(0.0, planks, height, endpoint=False)
    u = np.linspace(0.0, 1.0, width, endpoint=False)[None, :]
    plank = np.floor(v).astype(np.int64)
    tone = rng.uniform(-0.045, 0.045, planks)[plank][:, None]
    phase = rng.uniform(0.0, 2 * np.pi, (planks, 3))[plank]
    bend = 0.10 * np.sin(2 * np.pi * u + phase[:, :1]) + 0.05 * np.sin(6 * np.pi * u + phase[:, 1:2])
    rings = np.sin(2 * np.pi * (3.5 * v[:, None] + bend * 3) + phase[:, 2:3])
    streaks = rng.normal(0.0, 1.0, (height, 1)) + 0.5 * np.repeat(rng.normal(0.0, 1.0, (height, width // 16)), 16, axis=1)
    shade = 1.0 + tone + 0.028 * rings + 0.014 * streaks
    seam = np.minimum(v % 1.0, 1.0 - v % 1.0)[:, None] < 0.018
    shade = np.where(seam, shade * 0.80, shade)
    pixels: NDArray[np.uint8] = np.clip(shade[..., None] * np.asarray(rgb) * 255.0, 0, 255).astype(np.uint8)
    return pixels
