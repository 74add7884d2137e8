"""Colour encodings of ROS images, and their way to RGB: the one table of what a colour camera may send.

The mosaics of Bayer sensors and packed YUV come out as cv_bridge makes them (bilinear, BT.601 of limited range), on live topics
and out of bags alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_PLAIN = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1, "8UC3": 3}
# OpenCV names a mosaic by the second and third pixel of its second row, ROS by the first four pixels.
_BAYER = {"rggb": "BayerBG", "bggr": "BayerRG", "gbrg": "BayerGR", "grbg": "BayerGB"}
_YUV = {"uyvy": "UYVY", "yuv422": "UYVY", "yuyv": "YUYV", "yuv422_yuy2": "YUYV"}

#: encoding -> dtype of a pixel and channels in the message, where 8UC1 is no colour yet stored like one
PIXELS: dict[str, tuple[type, int]] = {
    **{name: (np.uint8, channels) for name, channels in _PLAIN.items()},
    **{f"bayer_{pattern}{bits}": (kind, 1) for bits, kind in ((8, np.uint8), (16, np.uint16)) for pattern in _BAYER},
    **dict.fromkeys(_YUV, (np.uint8, 2)),
}
COLOR_ENCODINGS = tuple(name for name in PIXELS if name != "8UC1")


def is_mosaic(encoding: str) -> bool:
    """Whether an encoding is that of a Bayer sensor's raw image."""
    return encoding.startswith("bayer_") and encoding in PIXELS


def to_rgb(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, contiguous, of pixels as PIXELS says for one of COLOR_ENCODINGS.

    Raises ValueError for a mosaic or packed YUV of a size that it cannot have.
    """
    if encoding == "mono8":
        return np.repeat(pixels[..., None], 3, axis=2)
    if is_mosaic(encoding):
        return _of_mosaic(pixels, _BAYER[encoding[6:10]])
    if encoding in _YUV:
        return _of_yuv(pixels, encoding)
    rgb = pixels[..., 2::-1] if encoding.startswith("bgr") or encoding == "8UC3" else pixels[..., :3]
    return np.ascontiguousarray(rgb, dtype=np.uint8)


def _of_mosaic(pixels: npt.NDArray[Any], pattern: str) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = pixels.shape
    if height < 4 or width < 4:
        raise ValueError(f"a Bayer image of {width} x {height} pixels holds no colours")
    rgb: npt.NDArray[Any] = cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, f"COLOR_{pattern}2RGB"))
    if rgb.dtype == np.uint16:
        rgb = cv2.convertScaleAbs(rgb, alpha=255.0 / 65535.0)
    return np.asarray(rgb, dtype=np.uint8)


def _of_yuv(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.uint8]:
    import cv2

    if pixels.shape[1] % 2:
        raise ValueError(f"an image of '{encoding}' has pairs of pixels, but {pixels.shape[1]} columns")
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, f"COLOR_YUV2RGB_{_YUV[encoding]}")), dtype=np.uint8)
