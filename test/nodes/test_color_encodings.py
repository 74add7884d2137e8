"""Bayer mosaics and packed YUV: made here from a known picture by their definition, they come out as that picture again."""

from __future__ import annotations

import array
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.nodes import conversions as c
from spatialvlm_ros.nodes.color_encodings import COLOR_ENCODINGS, is_mosaic
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.recording.rgbd_bag import read_bag_frames

HEIGHT, WIDTH, FRAME = 48, 64, "camera_optical"
CHANNEL = {"r": 0, "g": 1, "b": 2}
YUV = {"uyvy": (1, 0), "yuv422": (1, 0), "yuyv": (0, 1), "yuv422_yuy2": (0, 1)}
MOSAICS = [encoding for encoding in COLOR_ENCODINGS if is_mosaic(encoding)]


def picture() -> np.ndarray:
    """Slopes of colour, each channel another: (H, W, 3) uint8, smooth enough for any interpolation."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([60 + 2 * u, 200 - 2 * v, 30 + u + v], axis=2).astype(np.uint8)


def mosaic(encoding: str, rgb: np.ndarray) -> np.ndarray:
    """What a Bayer sensor sees: one channel a pixel, named by the first two of the first two rows."""
    pattern = encoding.removeprefix("bayer_")[:4]
    pixels = np.zeros(rgb.shape[:2], np.uint8)
    for place, name in enumerate(pattern):
        window = slice(place // 2, None, 2), slice(place % 2, None, 2)
        pixels[window] = rgb[(*window, CHANNEL[name])]
    return pixels.astype(np.uint16) * 257 if encoding.endswith("16") else pixels


def packed(encoding: str, rgb: np.ndarray) -> np.ndarray:
    """BT.601 of limited range, chroma of each pair of pixels from the first: (H, W, 2) uint8."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    luma, chroma = YUV[encoding]
    out = np.zeros((*rgb.shape[:2], 2))
    out[..., luma] = y
    out[:, 0::2, chroma], out[:, 1::2, chroma] = u[:, 0::2], v[:, 0::2]
    return np.rint(out).astype(np.uint8)


def encoded(encoding: str) -> np.ndarray:
    return (packed if encoding in YUV else mosaic)(encoding, picture())


@pytest.mark.parametrize("encoding", [*MOSAICS, *YUV])
def test_a_known_picture_comes_out_of_every_encoding(encoding: str) -> None:
    rgb = c.image_to_rgb(c.array_to_image(encoded(encoding), encoding, 7, FRAME))
    assert rgb.shape == (HEIGHT, WIDTH, 3) and rgb.dtype == np.uint8 and rgb.flags["C_CONTIGUOUS"]
    inside = np.s_[2:-2, 2:-2]
    worst = np.abs(rgb[inside].astype(int) - picture()[inside].astype(int)).max()
    assert worst <= (5 if encoding in YUV else 1), "a pair of pixels shares its chroma; a mosaic of slopes is exact"


def test_there_are_all_patterns_and_both_orders() -> None:
    assert len(MOSAICS) == 8 and set(YUV) < set(COLOR_ENCODINGS)


@pytest.mark.parametrize("encoding", ["bayer_rggb16", "bayer_gbrg16"])
def test_a_big_endian_mosaic_of_16_bits(encoding: str) -> None:
    message = c.array_to_image(encoded(encoding), encoding, 7, FRAME)
    expected = c.image_to_rgb(message)
    message.is_bigendian = 1
    message.data = array.array("B", encoded(encoding).astype(">u2").tobytes())
    assert np.array_equal(c.image_to_rgb(message), expected)


@pytest.mark.parametrize("encoding", ["bayer_grbg8", "bayer_bggr16"])
def test_a_mosaic_that_was_compressed_as_it_is(encoding: str) -> None:
    import cv2

    done, data = cv2.imencode(".png", encoded(encoding))
    assert done
    message = CompressedImage(format=f"{encoding}; png compressed ", data=bytes(data))
    assert np.array_equal(c.image_to_rgb(message), c.image_to_rgb(c.array_to_image(encoded(encoding), encoding, 7, FRAME)))


def test_a_mosaic_whose_colours_were_made_before_it_was_compressed() -> None:
    import cv2

    done, data = cv2.imencode(".png", picture()[..., ::-1])
    assert done
    message = CompressedImage(format="bayer_rggb8; png compressed bgr8", data=bytes(data))
    assert np.array_equal(c.image_to_rgb(message), picture())


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(c.MessageError, match="pairs of pixels, but 5 columns"):
        c.image_to_rgb(c.array_to_image(np.zeros((4, 5, 2), np.uint8), "yuyv", 0, FRAME))
    with pytest.raises(c.MessageError, match="2 x 2 pixels holds no colours"):
        c.image_to_rgb(c.array_to_image(np.zeros((2, 2), np.uint8), "bayer_rggb8", 0, FRAME))


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "bayer_grbg16", "uyvy", "yuyv"])
def test_a_bag_gives_the_bytes_that_the_topic_gives(encoding: str, tmp_path: Path) -> None:
    color = c.array_to_image(encoded(encoding), encoding, 7, FRAME)
    depth = c.array_to_image(np.full((HEIGHT, WIDTH), 900, np.uint16), "16UC1", 7, FRAME)
    info = c.camera_to_info(CameraModel(WIDTH, HEIGHT, 60.0, 60.0, 31.5, 23.5), 7, FRAME)
    with BagWriter(tmp_path / "bag.mcap") as bag:
        for index, (topic, message) in enumerate((("/color", color), ("/depth", depth), ("/camera_info", info))):
            bag.add_topic(topic, "sensor_msgs/msg/Image" if isinstance(message, Image) else "sensor_msgs/msg/CameraInfo")
            bag.write(topic, 10**9 + index, serialize_message(message))
    ((_, frame),) = read_bag_frames(tmp_path / "bag.mcap")
    assert np.array_equal(frame.color, c.frame_from_messages(color, depth, info).color)
