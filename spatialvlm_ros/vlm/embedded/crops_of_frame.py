"""Windows of one RGB-D image on a CPU, many times quicker than ``crops.sample_windows``, with the same pixels.

Only what a window shows is worked on, channel by channel, and pixels are taken row by row and then column by column.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...geometry.camera import CameraModel
from .crops import SIZE_PX, Images, Patches, level_of, level_sizes, patches_of, window_grid

Float32Array = npt.NDArray[np.float32]


def sample_frame(
    color: npt.NDArray[np.uint8], depth_m: Float32Array | None, camera: CameraModel | None, images: Images,
    middle: Tensor, side: Tensor,
) -> Patches:  # fmt: skip
    """Windows (``crops.windows``) of an image, as ``sample_windows`` samples them.

    Args:
        color: (H, W, 3) uint8 RGB.
        depth_m: (H, W) metres, not finite where it is not valid; None, as ``camera``, without any.
        images: what is known of the image as a whole; its levels are not read.
    """
    height, width = color.shape[:2]
    grid = window_grid(middle, side)
    u, v = grid[0].numpy(), grid[1].numpy()
    level = level_of(side, len(level_sizes((height, width))))
    # (3, 256) what each byte of red, green and blue is of white.
    of_white = np.minimum(np.arange(256, dtype=np.float32) * (1 / (255 * images.white[0])).numpy()[:, None], 1)
    out = np.empty((len(side), 7, SIZE_PX, SIZE_PX), np.float32)
    for number, own in enumerate(level.tolist()):
        columns = _Line(u[number], own, width)
        rows = _Line(v[number], own, height)
        planes = _planes(color, depth_m, camera, of_white, rows.pixels, columns.pixels)
        for _ in range(own):
            planes = _halved(planes)
        out[number] = _bilinear(planes, rows, columns)
    image = torch.zeros(len(side), dtype=torch.long)
    return patches_of(torch.from_numpy(out), images, image, grid, side, (height, width))


class _Line:
    """Places along one axis of a window: ``first`` and ``second`` neighbours (64,), counted from the start of ``pixels``, and the
    ``share`` (64,) of the second. ``pixels`` are those of the image that the neighbours on the window's level are made of."""

    def __init__(self, at: Float32Array, level: int, length: int) -> None:
        last = (length >> level) - 1
        place = np.clip(at * np.float32(0.5**level) - np.float32(0.5), 0, last)
        first = np.floor(place)
        self.share = place - first
        low = int(first[0])
        self.first = first.astype(np.intp) - low
        self.second = np.minimum(self.first + 1, last - low)
        self.pixels = slice(low << level, (low + int(self.second[-1]) + 1) << level)


def _planes(
    color: npt.NDArray[np.uint8], depth_m: Float32Array | None, camera: CameraModel | None, of_white: Float32Array,
    rows: slice, columns: slice,
) -> Float32Array:  # fmt: skip
    """(7, h, w) of a part of an image: colours of white, x, y, z in metres times validity, and validity."""
    import cv2

    part = color[rows, columns]
    planes = np.empty((7, *part.shape[:2]), np.float32)
    for channel, shares in enumerate(of_white):
        cv2.LUT(part[..., channel], shares, planes[channel])
    if depth_m is None or camera is None:
        planes[3:] = 0
        return planes
    depth = depth_m[rows, columns]
    valid = np.isfinite(depth)
    planes[5] = np.where(valid, depth, np.float32(0))
    np.multiply(camera.ray_planes[:, rows, columns], planes[5], out=planes[3:5])
    planes[6] = valid
    return planes


def _halved(planes: Float32Array) -> Float32Array:
    """(7, h // 2, w // 2) means of the fours of (7, h, w), both even."""
    total = planes[:, 0::2, 0::2] + planes[:, 0::2, 1::2]
    total += planes[:, 1::2, 0::2]
    total += planes[:, 1::2, 1::2]
    total *= np.float32(0.25)
    return total


def _bilinear(planes: Float32Array, rows: _Line, columns: _Line) -> Float32Array:
    """(7, 64, 64) of a part of an image (7, h, w); products and sums in the order of ``crops``, so that no bit differs."""
    total = np.zeros((7, SIZE_PX, SIZE_PX), np.float32)
    # Places lie within; to clip them is quicker than to check them.
    for row, row_share in ((rows.first, 1 - rows.share), (rows.second, rows.share)):
        own = planes.take(row, 1, mode="clip")
        for column, share in ((columns.first, 1 - columns.share), (columns.second, columns.share)):
            found = own.take(column, 2, mode="clip")
            found *= row_share[:, None] * share
            total += found
    return total
