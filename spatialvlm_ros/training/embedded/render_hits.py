"""Which element each pixel shows: rays against elements in closed form, tile by tile.

Each element is tested only in the tiles (16 x 8 pixels) of its projected box. In a tile a ray's direction is linear in the offset
(i, j) from the corner, so all that an intersection needs are polynomials in i and j: their coefficients are worked out once for
each tile in float64, and a matrix product with (1, i, j, i^2, ij, j^2) gives the values of 128 pixels at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .composites_builder import ANNULUS, HULL, QUADRIC, RECT
from .render_pack import Packed
from .scenes import SUPPORT_ID

TILE_W, TILE_H = 16, 8
TILE = TILE_W * TILE_H
# Nothing is seen nearer than this.
NEAR_M = 0.03
_MISS = torch.iinfo(torch.int64).max
# Tiles at once: on a CPU what is in between has to stay in the cache.
_CHUNK = 256
_LARGE_CHUNK = 8
# Corners are numbered by bits (x, y, z), 0 low and 1 high.
_EDGES = [(i, i | bit) for bit in (1, 2, 4) for i in range(8) if not i & bit]
# Offsets of a tile's pixels from its corner.
_COLUMNS = torch.arange(TILE) % TILE_W
_ROWS = torch.arange(TILE) // TILE_W


@dataclass
class View:
    """A pinhole camera for each image: intrinsics (B, 4) fx, fy, cx, cy; size in pixels."""

    intrinsics: torch.Tensor
    width: int
    height: int


@dataclass
class Hits:
    """What each pixel shows.

    Attributes:
        depth_m: (B * H * W,) float32, inf where nothing is.
        element: (B * H * W,) int64, -1 nothing. face: int64.
        full_pixels: (N,) int64: pixels of each thing with nothing before it, half an image size beyond each side included.
    """

    depth_m: torch.Tensor
    element: torch.Tensor
    face: torch.Tensor
    full_pixels: torch.Tensor


@dataclass
class _Tiles:
    """Element and upper left pixel of each tile, (T,) int64, and whether the image's border cuts it."""

    element: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    cut: torch.Tensor

    def part(self, index: torch.Tensor) -> _Tiles:
        return _Tiles(self.element[index], self.u[index], self.v[index], self.cut[index])


def cast(packed: Packed, view: View, *, turn: torch.Tensor | None = None, shift: torch.Tensor | None = None,
         silhouettes: bool = True, room: bool = True) -> Hits:  # fmt: skip
    """Cast all rays of all images; `turn` and `shift` replace those of `packed` (another camera).

    `silhouettes`: count the things' full pixels. `room`: rectangles too.
    """
    turn = packed.turn if turn is None else turn
    shift = packed.shift if shift is None else shift
    margin = (view.width // 2, view.height // 2) if silhouettes else (0, 0)
    windows = element_windows(packed, view, turn, shift, margin)
    prints = _Silhouettes(packed, windows) if silhouettes else None
    rectangles = packed.kind == RECT
    large = _large(packed, view, windows) & room
    keys = _cast_large(packed, view, turn, shift, large)
    tiles = _tiles(view, windows, ~large if room else ~rectangles)
    chunk = _CHUNK if turn.device.type == "cpu" else 1 << 16
    kinds = packed.kind[tiles.element] * 2 + tiles.cut
    for kind in (HULL, QUADRIC, ANNULUS, RECT):
        for cut in (False, True):
            own = torch.nonzero(kinds == 2 * kind + cut).squeeze(1)
            for part in own.split(chunk) if len(own) else ():
                _cast_tiles(packed, view, tiles.part(part), (kind, cut), (turn, shift), keys, prints)
    missed = keys == _MISS
    depth = (keys >> 32).to(torch.int32).view(torch.float32)
    code = keys & 0xFFFFFFFF
    full = prints.count() if prints else torch.zeros(0, dtype=torch.int64, device=turn.device)
    return Hits(
        depth.masked_fill(missed, torch.inf), (code >> 3).masked_fill(missed, -1), (code & 7).masked_fill(missed, 0), full
    )


def element_windows(packed: Packed, view: View, turn: torch.Tensor, shift: torch.Tensor, margin: tuple[int, int]) -> torch.Tensor:
    """(E, 4) int64 first and last + 1 column and row of each element's projected box, clipped to the image and a margin."""
    corners = torch.stack([packed.low, packed.high], dim=1)
    pick = torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], device=turn.device)
    points = torch.stack([corners[:, pick[:, axis], axis] for axis in range(3)], dim=2)
    points = points @ turn.transpose(1, 2) + shift[:, None]
    # Where an edge passes the near plane it leaves the picture: such points stand for corners behind the camera.
    ends = torch.tensor(_EDGES, device=turn.device)
    first, second = points[:, ends[:, 0]], points[:, ends[:, 1]]
    share = (NEAR_M - first[..., 2]) / (second[..., 2] - first[..., 2])
    crossing = (share > 0) & (share < 1)
    points = torch.cat([points, torch.lerp(first, second, share.clamp(0, 1).nan_to_num(0.0)[..., None])], dim=1)
    z = points[..., 2]
    shown = torch.cat([z[:, :8] >= NEAR_M, crossing], dim=1)
    k = view.intrinsics[packed.image]
    z = torch.where(shown, z, 1.0).clamp(min=0.5 * NEAR_M)
    u = points[..., 0] / z * k[:, None, 0] + k[:, None, 2]
    v = points[..., 1] / z * k[:, None, 1] + k[:, None, 3]
    uv = torch.stack([u, v], dim=2).clamp(-1e6, 1e6)
    low = torch.where(shown[..., None], uv, 1e6).amin(1).floor().long()
    high = torch.where(shown[..., None], uv, -1e6).amax(1).ceil().long() + 1
    # What only the room consists of is not counted beyond the image.
    is_thing = (packed.thing >= 0)[:, None]
    size = torch.tensor([view.width, view.height], device=turn.device)
    beyond = torch.tensor(margin, device=turn.device) * is_thing
    # The empty window of what is wholly behind the camera stays in the picture: windows of one thing are joined.
    low, high = low.clamp(-beyond, size + beyond), torch.minimum(high, size + beyond)
    # The room's surfaces are seen from their front alone.
    away = (packed.kind == RECT) & ((turn[:, :, 2] * shift).sum(1) > 0)
    hidden = away | _under_table(packed, view, turn, shift)
    return torch.cat([low, torch.where(hidden[:, None], low, torch.maximum(high, low))], dim=1)


def _under_table(packed: Packed, view: View, turn: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """(E,) bool floors of images whose every corner shows the table top."""
    top = torch.nonzero((packed.label == SUPPORT_ID) & (packed.kind == RECT)).squeeze(1)
    image = packed.image[top]
    zero = torch.zeros_like(image)
    ends = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0, view.width - 1, 0, view.width - 1], [0, 0, view.height - 1, view.height - 1]])
    depth = _flat(
        packed.params[top], turn[top], shift[top], _rays(view.intrinsics[image], zero, zero), RECT, ends.to(turn.device)
    )
    covered = torch.zeros(len(view.intrinsics), dtype=torch.bool, device=turn.device)
    covered[image[(depth < torch.inf).all(1)]] = True
    # Level surfaces of the structure are floors.
    up = packed.camera_from_world[packed.image][:, :3, 2]
    level = (packed.kind == RECT) & (packed.label != SUPPORT_ID) & ((turn[:, :, 2] * up).sum(1) > 0.99)
    return level & covered[packed.image]


def _tiles(view: View, windows: torch.Tensor, wanted: torch.Tensor) -> _Tiles:
    """All tiles of the windows of the wanted elements."""
    across = (windows[:, 2] - windows[:, 0] + TILE_W - 1) // TILE_W
    down = (windows[:, 3] - windows[:, 1] + TILE_H - 1) // TILE_H
    count = across * down * wanted
    element = torch.repeat_interleave(torch.arange(len(windows), device=windows.device), count)
    first = torch.cumsum(count, 0) - count
    at = torch.arange(len(element), device=windows.device) - first[element]
    columns = across[element]
    u, v = windows[element, 0] + at % columns * TILE_W, windows[element, 1] + at // columns * TILE_H
    cut = (u < 0) | (v < 0) | (u > view.width - TILE_W) | (v > view.height - TILE_H)
    return _Tiles(element, u, v, cut)


def _large(packed: Packed, view: View, windows: torch.Tensor) -> torch.Tensor:
    """(E,) bool rectangles so large that they are tested on the whole image."""
    area = (windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1])
    return (packed.kind == RECT) & (area > view.width * view.height // 5)


def _cast_large(packed: Packed, view: View, turn: torch.Tensor, shift: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """(B * H * W,) keys of what the large rectangles alone show."""
    device = turn.device
    count, pixels = len(view.intrinsics), view.height * view.width
    nearest = torch.full((count, pixels), torch.inf, device=device)
    which = torch.zeros((count, pixels), dtype=torch.int32, device=device)
    i = torch.arange(pixels, device=device)
    basis = torch.stack([torch.ones_like(i), i % view.width, i // view.width]).float()
    elements = torch.nonzero(large).squeeze(1)
    images = packed.image[elements]
    # The first rectangle of each image, then the second of each, ...: they lie in order of their images.
    rank = torch.arange(len(elements), device=device) - torch.searchsorted(images, images)
    for level in range(int(rank.max()) + 1 if len(rank) else 0):
        own = rank == level
        for e, b in zip(elements[own].split(_LARGE_CHUNK), images[own].split(_LARGE_CHUNK), strict=True):
            corner = torch.zeros_like(b)
            depth = _flat(packed.params[e], turn[e], shift[e], _rays(view.intrinsics[b], corner, corner), RECT, basis)
            before = nearest[b]
            which[b] = torch.where(depth < before, e.to(torch.int32)[:, None], which[b])
            nearest[b] = torch.minimum(depth, before)
    keys = (nearest.view(torch.int32).long() << 32) | (which.long() << 3)
    return keys.masked_fill_(nearest == torch.inf, _MISS).view(-1)


def _rays(k: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(T, 3, 3) float64: each axis of the ray (x0 + i / fx, y0 + j / fy, 1) as coefficients of (1, i, j) from pixel (u, v) on."""
    ray = torch.zeros((len(k), 3, 3), dtype=torch.float64, device=k.device)
    ray[:, 0, 0], ray[:, 0, 1] = (u - k[:, 2]) / k[:, 0], 1 / k[:, 0]
    ray[:, 1, 0], ray[:, 1, 2] = (v - k[:, 3]) / k[:, 1], 1 / k[:, 1]
    ray[:, 2, 0] = 1
    return ray


class _Silhouettes:
    """A bitmap for each thing, as large as its window."""

    def __init__(self, packed: Packed, windows: torch.Tensor) -> None:
        count = len(packed.thing_image)
        device = windows.device
        mine = packed.thing >= 0
        thing, own = packed.thing[mine], windows[mine]
        far = 1 << 40
        self.box = torch.empty((count, 4), dtype=torch.int64, device=device)
        for column, (worst, how) in enumerate(((far, "amin"), (far, "amin"), (-far, "amax"), (-far, "amax"))):
            start = torch.full((count,), worst, dtype=torch.int64, device=device)
            self.box[:, column] = start.scatter_reduce(0, thing, own[:, column], how)
        # Tiles reach beyond windows by up to a tile.
        self.width = (self.box[:, 2] - self.box[:, 0]).clamp(min=0) + TILE_W
        height = (self.box[:, 3] - self.box[:, 1]).clamp(min=0) + TILE_H
        area = self.width * height
        self.last = torch.cumsum(area, 0)
        self.first = self.last - area
        total = int(self.last[-1]) if count else 0
        self.bitmap = torch.zeros(total + 1, dtype=torch.uint8, device=device)

    def start(self, thing: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Where pixels (n,) of things lie in the bitmap."""
        return self.first[thing] + (v - self.box[thing, 1]) * self.width[thing] + u - self.box[thing, 0]

    def count(self) -> torch.Tensor:
        """(N,) covered pixels."""
        sums = torch.cat([self.bitmap.new_zeros(1, dtype=torch.int64), torch.cumsum(self.bitmap, 0, dtype=torch.int64)])
        return sums[self.last] - sums[self.first]


def _cast_tiles(
    packed: Packed, view: View, tiles: _Tiles, kind_and_cut: tuple[int, bool], pose: tuple[torch.Tensor, torch.Tensor],
    keys: torch.Tensor, prints: _Silhouettes | None,
) -> None:  # fmt: skip
    """Test the elements of some tiles, all of one kind, and keep the nearest hits in `keys`."""
    kind, cut = kind_and_cut
    e = tiles.element
    turn, shift, params, image = pose[0][e], pose[1][e], packed.params[e], packed.image[e]
    ray = _rays(view.intrinsics[image], tiles.u, tiles.v)
    face = None
    if kind == HULL:
        depth, face = _hull(params, turn, shift, ray)
    elif kind == QUADRIC:
        depth = _quadric(params, turn, shift, ray)
    else:
        depth = _flat(params, turn, shift, ray, kind, _basis(1, ray.device))
    flat = depth.reshape(-1)
    index = torch.nonzero(flat < torch.inf).squeeze(1)
    if prints is not None and kind != RECT:
        thing = packed.thing.index_select(0, e)
        owned = thing >= 0
        known = thing.clamp(min=0)
        # What is no thing's goes to a spare place at the end.
        first = torch.where(owned, prints.start(known, tiles.u, tiles.v) if len(prints.first) else 0, len(prints.bitmap) - 1)
        stride = torch.where(owned, prints.width[known] if len(prints.first) else 0, 0)
        # The tile's own pixels, from the place of its corner on.
        places = torch.addcmul(first[:, None], _ROWS.to(stride.device), stride[:, None])
        places = torch.addcmul(places, _COLUMNS.to(stride.device), owned[:, None].long())
        prints.bitmap.index_fill_(0, places.view(-1).index_select(0, index), 1)
    u, v = tiles.u[:, None] + _COLUMNS.to(e.device), tiles.v[:, None] + _ROWS.to(e.device)
    pixels = (image[:, None] * view.height + v) * view.width + u
    if cut:
        outside = (u < 0) | (u >= view.width) | (v < 0) | (v >= view.height)
        index = torch.nonzero((depth < torch.inf).logical_and_(~outside).view(-1)).squeeze(1)
    code = (e << 3)[:, None] if face is None else (e << 3)[:, None] | face
    key = (depth.view(torch.int32).long() << 32) | code
    keys.scatter_reduce_(0, pixels.view(-1).index_select(0, index), key.view(-1).index_select(0, index), "amin")


def _basis(order: int, device: torch.device) -> torch.Tensor:
    """(3 or 6, TILE) float32: 1, i, j and for order 2 also i^2, ij, j^2 of the pixels of a tile."""
    i = torch.arange(TILE, device=device) % TILE_W
    j = torch.arange(TILE, device=device) // TILE_W
    rows = [torch.ones_like(i), i, j] + ([i * i, i * j, j * j] if order == 2 else [])
    return torch.stack(rows).float()


def _product(f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """(T, 6) product of two linear polynomials (T, 3)."""
    return torch.stack([
        f[:, 0] * g[:, 0], f[:, 0] * g[:, 1] + f[:, 1] * g[:, 0], f[:, 0] * g[:, 2] + f[:, 2] * g[:, 0],
        f[:, 1] * g[:, 1], f[:, 1] * g[:, 2] + f[:, 2] * g[:, 1], f[:, 2] * g[:, 2],
    ], dim=1)  # fmt: skip


def _hull(params: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor, ray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, TILE) depth and face of convex bodies."""
    planes = params.view(-1, 6, 4)
    normal = planes[..., :3] @ turn.transpose(1, 2)
    offset = (planes[..., 3] + (normal * shift[:, None]).sum(2)).float()[..., None]
    slope = (normal @ ray).float() @ _basis(1, ray.device)
    t = offset / slope
    # The last three bits of the depth (a micrometre at ten metres) say which face it is: its maximum then brings the face along.
    faces = torch.arange(6, dtype=torch.int32, device=ray.device)[:, None]
    entering = torch.where(slope < 0, t, -1.0)
    near = ((entering.view(torch.int32) & -8) | faces).view(torch.float32).amax(dim=1)
    far = torch.where(slope > 0, t, torch.inf).amin(dim=1)
    return torch.where((near < far) & (near > NEAR_M), near, torch.inf), near.view(torch.int32) & 7


def _quadric(params: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    """(T, TILE) depth of x^2 + (y / sy)^2 = A + B z + C z^2, z0 <= z <= z1: the nearer of two roots that is within."""
    a_, b_, c_, z0, z1, sy = (params[:, i] for i in range(6))
    # Roots are sought from the depth of the element's origin on, where float32 differences stay small.
    start = shift[:, 2]
    p = turn.transpose(1, 2) @ ray
    q = start[:, None, None] * p
    q[:, :, 0] -= (turn.transpose(1, 2) @ shift[..., None]).squeeze(2)
    px, py, pz = p.unbind(1)
    qx, qy, qz = q.unbind(1)
    w, c, b = (sy**-2)[:, None], c_[:, None], b_[:, None]
    zeros = torch.zeros_like(px)
    quad_a = _product(px, px) + w * _product(py, py) - c * _product(pz, pz)
    quad_b = _product(qx, px) + w * _product(qy, py) - c * _product(qz, pz)
    quad_b[:, :3] -= b / 2 * pz
    quad_c = _product(qx, qx) + w * _product(qy, qy) - c * _product(qz, qz)
    quad_c[:, :3] -= b * qz
    quad_c[:, 0] -= a_
    rows = torch.stack([quad_a, quad_b, quad_c, torch.cat([qz, zeros], 1), torch.cat([pz, zeros], 1)], dim=1).float()
    va, vb, vc, oz, dz = (rows.reshape(-1, 6) @ _basis(2, ray.device)).view(-1, 5, TILE).unbind(1)
    inside = vb * vb - va * vc
    # Not a number where the ray misses (or touches): comparisons with it are false. A root of negative numbers takes much longer.
    root = inside * torch.rsqrt(inside)
    first, second = (-vb - root) / va, (-vb + root) / va
    low, high = z0.float()[:, None], z1.float()[:, None]
    far = start.float()[:, None]
    depths = []
    for t in (first, second):
        z = oz + t * dz
        depth = t + far
        depths.append(torch.where((z >= low) & (z <= high) & (depth > NEAR_M), depth, torch.inf))
    return torch.minimum(depths[0], depths[1])


def _flat(
    params: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor, ray: torch.Tensor, kind: int, basis: torch.Tensor
) -> torch.Tensor:
    """(T, pixels) depth of annuli and rectangles; `basis` (3, pixels) is 1, i, j of the pixels."""
    p = turn.transpose(1, 2) @ ray
    s = (turn.transpose(1, 2) @ shift[..., None]).squeeze(2).float()
    px, py, pz = (p.float() @ basis).unbind(1)
    depth = s[:, 2:3] / pz
    x, y = depth * px - s[:, 0:1], depth * py - s[:, 1:2]
    first, second, sy = (params[:, i : i + 1].float() for i in range(3))
    if kind == RECT:
        within = (x.abs() <= first) & (y.abs() <= second)
    else:
        squared = x * x + (y / sy) ** 2
        within = (squared >= first * first) & (squared <= second * second)
    return torch.where(within & (depth > NEAR_M), depth, torch.inf)
