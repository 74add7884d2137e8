"""What pixels look like: patterns painted on things, one far light with soft shadows, light from all around, highlights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .composites_builder import QUADRIC
from .render_hits import Hits, View, cast
from .render_pack import LOOK_PARAMS, LOOK_RGB, LOOK_SECOND, LOOK_SHIFT, LOOK_TURN, Packed
from .shading_patterns import pattern

# Side of the depth image that is taken from the light, and how far the light stands from the things.
_MAP_PX = 96
_LIGHT_M = 3.0
# A surface does not shade itself below this difference in depth.
_BIAS_M = 0.006


@dataclass
class Lights:
    """Far lights, one an image, in the camera's frame.

    Attributes:
        direction: (B, 3) towards the light. up: (B, 3). height_m: (B,) of the camera above the plane of the things.
        ambient, exposure, softness: (B,). tint: (B, 3).
        turn, shift: (B, 3, 3), (B, 3): light_from_camera of the shadow map. intrinsics: (B, 4) of it.
    """

    direction: torch.Tensor
    up: torch.Tensor
    height_m: torch.Tensor
    ambient: torch.Tensor
    exposure: torch.Tensor
    softness: torch.Tensor
    tint: torch.Tensor
    turn: torch.Tensor
    shift: torch.Tensor
    intrinsics: torch.Tensor


@dataclass
class Shaded:
    """Of all pixels: linear colour (B, 3, H * W); share of the second colour, cosine of incidence, gloss, (B, H * W)."""

    linear: torch.Tensor
    second: torch.Tensor
    facing: torch.Tensor
    gloss: torch.Tensor


def lights_of(packed: Packed) -> Lights:
    """The lights of a batch."""
    device = packed.turn.device
    scenes = packed.scenes
    camera = packed.camera_from_world
    world = np.stack([s.room.light.direction for s in scenes])
    reach = np.array([0.12 + max([float(np.hypot(p.at[0], p.at[1])) + max(p.design.half) for p in s.things], default=0.2)
                      for s in scenes])  # fmt: skip
    # Axes of the light's own camera: z from the light to the middle of the things.
    z = -world
    x = np.cross(z, np.where(np.abs(z[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    light_turn = torch.tensor(np.stack([x, np.cross(z, x), z], axis=1), dtype=torch.float64, device=device)
    light_shift = torch.tensor([0.0, 0.0, _LIGHT_M], dtype=torch.float64, device=device).expand(len(scenes), 3)
    turn = light_turn @ camera[:, :3, :3].transpose(1, 2)
    shift = light_shift - (turn @ camera[:, :3, 3:]).squeeze(2)
    focal = _MAP_PX / 2 * _LIGHT_M / reach
    middle = np.full_like(focal, (_MAP_PX - 1) / 2)

    def column(name: str) -> torch.Tensor:
        return torch.tensor(np.array([getattr(s.room.light, name) for s in scenes]), dtype=torch.float32, device=device)

    direction = torch.tensor(world, dtype=torch.float64, device=device)
    return Lights(
        (camera[:, :3, :3] @ direction[..., None]).squeeze(2).float(), camera[:, :3, 2].float(),
        -(camera[:, :3, 2] * camera[:, :3, 3]).sum(1).float(), column("ambient"),
        column("exposure"), column("softness"), column("tint"), turn, shift,
        torch.tensor(np.stack([focal, focal, middle, middle], axis=1), dtype=torch.float64, device=device),
    )  # fmt: skip


def shadow_moments(packed: Packed, lights: Lights) -> torch.Tensor:
    """(B, 2, P, P) mean depth from the light and mean squared depth, blurred."""
    image = packed.image
    turn = lights.turn[image] @ packed.turn
    shift = (lights.turn[image] @ packed.shift[..., None]).squeeze(2) + lights.shift[image]
    hits = cast(packed, View(lights.intrinsics, _MAP_PX, _MAP_PX), turn=turn, shift=shift, silhouettes=False, room=False)
    # Behind all things lies the plane on which they stand: where nothing else is, the variance comes from its slope alone.
    normal = (lights.turn @ packed.camera_from_world[:, :3, 2:3]).squeeze(2).float()
    offset = (lights.turn @ packed.camera_from_world[:, :3, 3:]).squeeze(2).float() + lights.shift.float()
    place = (torch.arange(_MAP_PX, device=normal.device) - (_MAP_PX - 1) / 2) / lights.intrinsics[:, :1].float()
    slope = normal[:, 2, None, None] + normal[:, 0, None, None] * place[:, None] + normal[:, 1, None, None] * place[:, :, None]
    plane = (normal * offset).sum(1)[:, None, None] / slope
    depth = torch.minimum(hits.depth_m.view(plane.shape), plane.clamp(0, _LIGHT_M + 1.0))[:, None] - _LIGHT_M
    moments = torch.cat([depth, depth * depth], dim=1)
    sharp = torch.nn.functional.avg_pool2d(moments, 3, 1, 1, count_include_pad=False)
    soft = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2, count_include_pad=False)
    return torch.lerp(sharp, soft, lights.softness[:, None, None, None])


def shade(packed: Packed, hits: Hits, view: View, lights: Lights) -> Shaded:
    """Colours of all pixels; black where nothing is."""
    moments = shadow_moments(packed, lights)
    surfaces = _Surfaces.of(packed, lights)
    count, pixels = len(view.intrinsics), view.height * view.width
    element, face, depth = (x.view(count, pixels) for x in (hits.element, hits.face, hits.depth_m))
    # Image by image: what is in between stays in a CPU's cache, and an image's own numbers need not be gathered.
    parts = [_shade_image(i, element[i], face[i], depth[i], view, lights, moments[i], surfaces) for i in range(count)]
    linear, second, facing, gloss = (torch.stack(part) for part in zip(*parts, strict=True))
    return Shaded(linear, second, facing, gloss)


@dataclass
class _Surfaces:
    """Columns of numbers of elements, (., E), and of their faces, (., E * 6).

    Light on a flat face depends on the pixel through the distance alone: the cosines to light and up are one for the face, and
    the cosine to the eye is an offset over the distance: `faces` holds these three. `textures` are the codes that each image has.
    """

    looks: torch.Tensor
    faces: torch.Tensor
    gradients: torch.Tensor
    curved: torch.Tensor
    textures: list[list[int]]

    @staticmethod
    def of(packed: Packed, lights: Lights) -> _Surfaces:
        image = packed.image.repeat_interleave(6)
        normal = packed.normals[:, 6:]
        # A point of the face: the element's origin lies in annuli and rectangles; planes of hulls know their distance.
        planes = packed.params.view(-1, 6, 4)[..., 3].float()
        reach = (normal * packed.shift.float().repeat_interleave(6, 0)).sum(1)
        offset = torch.where((packed.kind == 0).repeat_interleave(6), planes.reshape(-1) + reach, reach)
        # Normals point to the camera, where n . p < 0.
        sign = torch.where(offset > 0, -1.0, 1.0)
        to_light = (normal * lights.direction[image]).sum(1) * sign
        to_up = (normal * lights.up[image]).sum(1) * sign
        faces = torch.stack([to_light, to_up, offset.abs()])
        return _Surfaces(
            packed.looks.T.contiguous(), faces, packed.normals.T.contiguous(), packed.kind == QUADRIC, packed.textures
        )


def _shade_image(
    i: int, element: torch.Tensor, face: torch.Tensor, depth: torch.Tensor, view: View, lights: Lights, moments: torch.Tensor,
    surfaces: _Surfaces,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Linear colour (3, n), second share, facing and gloss (n,) of all pixels of one image."""
    e = element.clamp(min=0)
    nothing = element < 0
    z = depth.masked_fill(nothing, 1.0)
    fx, fy, cx, cy = view.intrinsics[i].float().unbind(0)
    column = (torch.arange(view.width, device=z.device) - cx) / fx
    row = (torch.arange(view.height, device=z.device) - cy) / fy
    shape = (view.height, view.width)
    x, y = (z.view(shape) * column).view(-1), (z.view(shape) * row[:, None]).view(-1)
    away = torch.rsqrt(x * x + y * y + z * z)
    to_light, to_up, offset = surfaces.faces.index_select(1, e * 6 + face).unbind(0)
    facing = offset * away
    round_ = torch.nonzero(surfaces.curved.index_select(0, e)).squeeze(1)
    if len(round_):
        point = torch.stack([x, y, z]).index_select(1, round_)
        # A curved element has one face.
        normal = _normal(surfaces.gradients.index_select(1, e.index_select(0, round_) * 6), point)
        to_light.index_copy_(0, round_, lights.direction[i] @ normal)
        to_up.index_copy_(0, round_, lights.up[i] @ normal)
        facing.index_copy_(0, round_, -(normal * point).sum(0) * away.index_select(0, round_))
    looks = surfaces.looks.index_select(1, e)
    turn, shift, numbers = looks[LOOK_TURN], looks[LOOK_SHIFT], looks[LOOK_PARAMS]
    made = tuple(
        torch.addcmul(torch.addcmul(torch.addcmul(shift[k], turn[3 * k], x), turn[3 * k + 1], y), turn[3 * k + 2], z)
        for k in range(3)
    )
    share = pattern(numbers, made, surfaces.textures[i])
    gloss = numbers[5]
    lit = _lit(torch.stack([x, y, z]), lights, i, moments)
    across = (lights.direction[i, 0] * x + lights.direction[i, 1] * y + lights.direction[i, 2] * z) * -away
    strength, shine = _light(lights, i, (to_light, to_up, facing, across), lit, gloss)
    albedo = torch.lerp(looks[LOOK_RGB], looks[LOOK_SECOND], share)
    linear = torch.addcmul(shine, albedo, strength) * lights.tint[i][:, None]
    return linear.masked_fill(nothing, 0.0), share, facing, gloss.masked_fill(nothing, 0.0)


def _normal(gradient: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """(3, n) unit normals towards the camera of gradients M p + m, (9, n), at points (3, n)."""
    xx, xy, xz, yy, yz, zz = gradient[:6]
    x, y, z = point
    n = torch.stack([xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z]) + gradient[6:]
    n = n * torch.rsqrt((n * n).sum(0).clamp(min=1e-20))
    return torch.where((n * point).sum(0) > 0, -n, n)


def _light(
    lights: Lights, i: int, cosines: tuple[torch.Tensor, ...], lit: torch.Tensor, gloss: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) what multiplies a surface's own colour, and (n,) the light that it mirrors.

    `cosines`: normal to light, normal to up, normal to eye, light to eye.
    """
    to_light, to_up, facing, across = cosines
    ambient = lights.ambient[i]
    lit = to_light.clamp(min=0) * lit
    strength = (ambient * (0.72 + 0.28 * to_up) + 1.25 * (1 - ambient) * lit) * lights.exposure[i]
    # The cosine to the half-way direction between light and eye, to the 8th and the 64th power: a faint wide highlight and a
    # sharp one (Blinn, 1977).
    shine = ((to_light + facing) * torch.rsqrt((2 + 2 * across).clamp(min=1e-6))).clamp(min=0)
    broad = ((shine * shine) ** 2) ** 2
    sharp = ((broad * broad) ** 2) ** 2
    mirrored = (0.10 * broad + 0.55 * sharp) * (lit > 0.05) * (1 - 0.5 * ambient)
    # Shiny things mirror what is around at a slant.
    slant = 1 - facing.clamp(0, 1)
    slant = slant * slant
    return strength, gloss * (mirrored + 0.25 * ambient * slant * slant)


def _lit(point: torch.Tensor, lights: Lights, i: int, moments: torch.Tensor) -> torch.Tensor:
    """(n,) 1 in full light, 0 in full shadow: Chebyshev's bound on the share of a neighbourhood that is nearer to the light.

    Variance shadow maps (Donnelly and Lauritzen, 2006). What lies beside the map or below the plane of the things is lit.
    """
    x, y, z = torch.addmm(lights.shift[i].float()[:, None], lights.turn[i].float(), point)
    scale = (lights.intrinsics[i, 0].float() / (_MAP_PX / 2)) / z
    x, y = x * scale, y * scale
    found = torch.nn.functional.grid_sample(
        moments[None], torch.stack([x, y], dim=1)[None, None], align_corners=False, padding_mode="border"
    )
    mean, square = found[0, :, 0]
    height = lights.up[i] @ point + lights.height_m[i]
    beside = torch.maximum(torch.maximum(x.abs(), y.abs()) - 0.96, -0.02 - height).clamp(0, 0.02) * 50
    behind = (z - _LIGHT_M - _BIAS_M - mean).clamp(min=0)
    spread = torch.addcmul(square, mean, mean, value=-1).clamp(min=2e-5)
    bound = spread / torch.addcmul(spread, behind, behind)
    # Cut off the tail of the bound, which lights up what lies in deep shadow.
    return torch.maximum(((bound - 0.2) / 0.8).clamp(0, 1), beside)
