"""Messages to core types and back: the one module that knows both.

Where a ROS installation has cv_bridge or tf_transformations they are used; elsewhere numpy does the same (the cv-bridge of the
Python index turns 16UC1 into uint8 silently, so only one that lives beside apt's ROS counts). A bad message raises
``MessageError`` with the value and the cure; it is for the caller to drop it and count it.
"""

from __future__ import annotations

import array
import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..scene.frame import FrameError, RGBDFrame, depth_to_metres
from .color_encodings import COLOR_ENCODINGS, PIXELS, is_mosaic, to_rgb

_DEPTH: dict[str, tuple[type, int]] = {"16UC1": (np.uint16, 1), "mono16": (np.uint16, 1), "32FC1": (np.float32, 1)}
# encoding -> dtype and channels, for what depth and colour cameras send
_ENCODINGS: dict[str, tuple[type, int]] = {**PIXELS, **_DEPTH}
DEPTH_ENCODINGS = tuple(_DEPTH)
_MAX_PIXELS = 64_000_000
# Ends of topics of rectified images, as zed_wrapper names them from 5.1 on.
_RECTIFIED = (("color", "rect", "image"), ("gray", "rect", "image"))


class MessageError(ValueError):
    """A message that cannot be used."""


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds of a stamp of a live message, or of one out of a bag of either ROS."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    return Time(sec=int(stamp_ns // 1_000_000_000), nanosec=int(stamp_ns % 1_000_000_000))


def header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame_id)


# -- images ---------------------------------------------------------------------------------------------------------------


@cache
def _cv_bridge() -> Any:
    """cv_bridge of a ROS installation, or None. The index's package of that name has no ``boost`` module beside it."""
    try:
        from cv_bridge import CvBridge
        from cv_bridge.boost import cv_bridge_boost  # noqa: F401
    except Exception:  # a half-installed or NumPy-incompatible cv_bridge raises more than ImportError
        return None
    return CvBridge()


def image_to_array(message: Image) -> npt.NDArray[Any]:
    """Pixels of an Image in its own encoding: (H, W) or (H, W, C), native byte order.

    Raises MessageError on an unknown encoding, or when height, width, step and the data's length do not fit together.
    """
    known = _ENCODINGS.get(message.encoding)
    if known is None:
        raise MessageError(
            f"image encoding '{message.encoding}' is not understood; known are {', '.join(_ENCODINGS)}: let the driver "
            "publish one of these"
        )
    dtype, channels = np.dtype(known[0]), known[1]
    row_bytes = message.width * channels * dtype.itemsize
    if not (message.height > 0 and message.width > 0 and message.height * message.width <= _MAX_PIXELS):
        raise MessageError(f"image is {message.width} x {message.height} pixels")
    if message.step < row_bytes or len(message.data) != message.step * message.height:
        raise MessageError(
            f"image of {message.width} x {message.height} '{message.encoding}' has step {message.step} and "
            f"{len(message.data)} bytes; expected a step of at least {row_bytes} and step x height bytes"
        )
    bridge = _cv_bridge() if isinstance(message, Image) else None
    if bridge is not None and message.encoding != "mono16":
        return np.asarray(bridge.imgmsg_to_cv2(message, desired_encoding="passthrough"))
    return _view_pixels(message, dtype, channels, row_bytes)


def _view_pixels(message: Image, dtype: np.dtype[Any], channels: int, row_bytes: int) -> npt.NDArray[Any]:
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, :row_bytes]
    stored = dtype.newbyteorder(">" if message.is_bigendian else "<")
    pixels = np.ascontiguousarray(rows).view(stored).astype(dtype, copy=False)
    # Part of a file in memory may begin anywhere; numbers of several bytes take far longer to read there.
    pixels = pixels if pixels.flags.aligned else pixels.copy()
    return pixels.reshape((message.height, message.width) if channels == 1 else (message.height, message.width, channels))


def color_to_rgb(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of pixels in a colour encoding. Raises MessageError when it is not one, or its size is none of it."""
    if encoding not in COLOR_ENCODINGS:
        raise MessageError(f"colour encoding is '{encoding}'; expected one of {', '.join(COLOR_ENCODINGS)}")
    try:
        return to_rgb(pixels, encoding)
    except ValueError as error:
        raise MessageError(str(error)) from error


def _is_compressed(message: Image | CompressedImage) -> bool:
    # By its field, not its class: messages out of a bag have classes of their own.
    return hasattr(message, "format")


def image_to_rgb(message: Image | CompressedImage) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a raw or compressed colour image."""
    if _is_compressed(message):
        return decode_compressed_color(message)
    return color_to_rgb(image_to_array(message), message.encoding)


def depth_image_to_metres(message: Image | CompressedImage) -> npt.NDArray[np.float32]:
    """(H, W) float32 metres, NaN invalid: 16UC1 is mm, 32FC1 metres (REP 118); compressedDepth as PNG."""
    return depth_to_metres(_raw_depth(message))


def _raw_depth(message: Image | CompressedImage) -> npt.NDArray[Any]:
    """(H, W) uint16 millimetres or float32 metres."""
    if _is_compressed(message):
        return decode_compressed_depth(message)
    if message.encoding not in DEPTH_ENCODINGS:
        raise MessageError(
            f"depth encoding is '{message.encoding}'; expected 16UC1 (millimetres) or 32FC1 (metres). "
            "Is depth/image_raw remapped to a colour or a colourised topic?"
        )
    return image_to_array(message)


def _claimed_size(data: bytes) -> tuple[int, int]:
    """Width and height that the header of a PNG or JPEG claims; (0, 0) for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    place = 2 if data[:2] == b"\xff\xd8" else len(data)
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame's header
            return int.from_bytes(data[place + 7 : place + 9], "big"), int.from_bytes(data[place + 5 : place + 7], "big")
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0


def _decode(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    """Pixels of a PNG or JPEG, or None. Its size is looked at first: a few bytes can claim gigabytes."""
    import cv2

    width, height = _claimed_size(data)
    if not 0 < width * height <= _MAX_PIXELS:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def decode_compressed_color(message: CompressedImage) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a JPEG or PNG."""
    import cv2

    data = bytes(message.data)
    encoding = message.format.partition(";")[0].strip()
    if is_mosaic(encoding):  # image_transport compresses a mosaic as it is
        mosaic = _decode(data, cv2.IMREAD_UNCHANGED)
        if mosaic is not None and mosaic.ndim == 2:
            return color_to_rgb(mosaic, encoding)
    bgr = _decode(data, cv2.IMREAD_COLOR)
    if bgr is None:
        raise MessageError(f"compressed colour image of format '{message.format}', {len(data)} bytes, cannot be decoded")
    return np.ascontiguousarray(bgr[..., ::-1])


def decode_compressed_depth(message: CompressedImage) -> npt.NDArray[np.uint16]:
    """(H, W) uint16 of a compressedDepth message: 12 bytes of header, then PNG. Other codecs are refused by name."""
    import cv2

    data = bytes(message.data)
    if "compressedDepth" not in message.format or not message.format.startswith(("16UC1", "mono16")) or "rvl" in message.format:
        raise MessageError(f"compressed depth has format '{message.format}'; expected '16UC1; compressedDepth' with PNG")
    depth = _decode(data[12:], cv2.IMREAD_UNCHANGED)
    if depth is None or depth.ndim != 2 or depth.dtype != np.uint16:
        raise MessageError(f"compressedDepth message of {len(data)} bytes holds no 16-bit PNG")
    return np.asarray(depth, dtype=np.uint16)


def array_to_image(pixels: npt.NDArray[Any], encoding: str, stamp_ns: int, frame_id: str) -> Image:
    """Image message of (H, W) or (H, W, C) pixels of the encoding's dtype."""
    if encoding not in _ENCODINGS:
        raise MessageError(f"image encoding '{encoding}' is not understood; known are {', '.join(_ENCODINGS)}")
    dtype, channels = _ENCODINGS[encoding]
    if pixels.dtype != dtype or pixels.ndim != (2 if channels == 1 else 3):
        raise MessageError(f"pixels are {pixels.shape} {pixels.dtype}, which is not '{encoding}'")
    message = Image(header=header(stamp_ns, frame_id), encoding=encoding, is_bigendian=0)
    message.height, message.width = int(pixels.shape[0]), int(pixels.shape[1])
    message.step = int(pixels.shape[1] * channels * np.dtype(dtype).itemsize)
    # array.array is 100 to 1000 times faster to assign than bytes or a numpy array
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    message.data = data
    return message


# -- cameras --------------------------------------------------------------------------------------------------------------


def is_rectified(topic: str) -> bool:
    """Whether the images of a topic are free of distortion already, by names for such: image_rect_color, ZED's color/rect/image.

    Their camera_info is nevertheless that of the camera: P, and neither K nor D, is about them.
    """
    parts = topic.split("/")
    if any(part == "image_rect" or part.startswith("image_rect_") for part in parts):
        return True
    return any(tuple(parts[i : i + 3]) in _RECTIFIED for i in range(len(parts)))


def camera_from_info(message: CameraInfo, rectified: bool = False) -> CameraModel:
    """Intrinsics of a CameraInfo, by its P for ``rectified`` images. Raises CameraError (a ValueError) for what is no camera."""
    # ROS 1 bags spell the fields in capitals.
    d, k, p = (message.d, message.k, message.p) if hasattr(message, "k") else (message.D, message.K, message.P)
    distortion = tuple(float(value) for value in d)
    intrinsics = (float(k[0]), float(k[4]), float(k[2]), float(k[5]))
    if rectified:
        distortion = ()
        intrinsics = (float(p[0]), float(p[5]), float(p[2]), float(p[6])) if p[0] > 0 else intrinsics  # 0: not calibrated
    return _camera(int(message.width), int(message.height), intrinsics, distortion, message.distortion_model)


@lru_cache(maxsize=8)
def _camera(
    width: int, height: int, intrinsics: tuple[float, float, float, float], distortion: tuple[float, ...], model: str
) -> CameraModel:
    # One object for equal messages, because it keeps its rays, which cost as much as a tenth of measuring an image.
    if not any(distortion):
        distortion, model = (), ""  # drivers send zeros and a model for an image without distortion
    return CameraModel(width, height, *intrinsics, distortion, model)


def camera_to_info(camera: CameraModel, stamp_ns: int, frame_id: str) -> CameraInfo:
    message = CameraInfo(header=header(stamp_ns, frame_id), width=camera.width, height=camera.height)
    message.distortion_model = camera.distortion_model or "plumb_bob"
    message.d = list(camera.distortion) or [0.0] * 5
    message.k = camera.matrix().ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.matrix(), np.zeros((3, 1))]).ravel()
    return message


def frame_from_messages(
    color: Image | CompressedImage, depth: Image | CompressedImage, info: CameraInfo, rectified: bool = False
) -> RGBDFrame:
    """One RGBDFrame of three messages, stamped as the colour image. ``rectified``: see ``is_rectified``, of the colour topic.

    Its frame has no slash before its name, which tf of ROS 2 refuses; drivers and bags of before have one.

    Raises MessageError, FrameError or CameraError (all ValueError) when sizes or frames differ.
    """
    rgb, raw = image_to_rgb(color), _raw_depth(depth)
    if rgb.shape[:2] != raw.shape:
        raise FrameError(
            f"colour is {rgb.shape[1]} x {rgb.shape[0]} but depth is {raw.shape[1]} x {raw.shape[0]}: depth must "
            "be aligned to colour (realsense: align_depth.enable:=true and the aligned_depth_to_color topic; launch argument "
            "camera:=)"
        )
    if (info.height, info.width) != raw.shape:
        raise FrameError(
            f"camera_info is for {info.width} x {info.height} but the images are {rgb.shape[1]} x {rgb.shape[0]}: "
            "remap depth/camera_info to the info of the aligned depth"
        )
    if depth.header.frame_id.lstrip("/") != color.header.frame_id.lstrip("/"):
        raise FrameError(
            f"colour is in frame '{color.header.frame_id}' but depth in '{depth.header.frame_id}': "
            "use depth that is aligned to colour (it carries colour's frame)"
        )
    about = camera_from_info(info, rectified), color.header.frame_id.lstrip("/")
    if raw.dtype == np.uint16:
        return RGBDFrame.of_millimetres(stamp_to_ns(color.header.stamp), rgb, raw, *about)
    return RGBDFrame(stamp_to_ns(color.header.stamp), rgb, depth_to_metres(raw), *about)


# -- geometry -------------------------------------------------------------------------------------------------------------


@cache
def _tf_transformations() -> Any:
    try:
        import tf_transformations
    except Exception:  # as with cv_bridge
        return None
    return tf_transformations


def transform_from_msg(message: Transform) -> RigidTransform:
    """RigidTransform of a Transform. Raises ValueError on numbers that are not finite, or a zero quaternion."""
    t, q = message.translation, message.rotation
    return _rigid((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))


def transform_from_pose(message: Pose) -> RigidTransform:
    """RigidTransform of a Pose. Raises ValueError as above."""
    p, q = message.position, message.orientation
    return _rigid((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def _rigid(translation: tuple[float, ...], quaternion: tuple[float, ...]) -> RigidTransform:
    transform = RigidTransform.from_quaternion(translation, quaternion)  # checks the numbers
    library = _tf_transformations()
    if library is None:
        return transform
    return RigidTransform(np.asarray(library.quaternion_matrix(quaternion))[:3, :3], transform.translation)


def transform_to_msg(transform: RigidTransform) -> Transform:
    x, y, z = (float(v) for v in transform.translation)
    return Transform(translation=Vector3(x=x, y=y, z=z), rotation=quaternion_to_msg(transform))


def pose_to_msg(transform: RigidTransform) -> Pose:
    return Pose(position=point_to_msg(transform.translation), orientation=quaternion_to_msg(transform))


def quaternion_to_msg(transform: RigidTransform) -> Quaternion:
    x, y, z, w = (float(v) for v in transform.quaternion())
    return Quaternion(x=x, y=y, z=z, w=w)


def point_to_msg(point: npt.ArrayLike) -> Point:
    x, y, z = (float(v) for v in np.asarray(point, dtype=np.float64))
    return Point(x=x, y=y, z=z)


def point_from_msg(message: Point | Vector3) -> npt.NDArray[np.float64]:
    return np.array([message.x, message.y, message.z], dtype=np.float64)


def nan_pose() -> Pose:
    """A pose of NaN: "not known"."""
    nan = math.nan
    return Pose(position=Point(x=nan, y=nan, z=nan), orientation=Quaternion(x=nan, y=nan, z=nan, w=nan))
