"""Messages to core types and back: every encoding, every lie a header can tell, and nothing but named errors."""

from __future__ import annotations

import array
import math
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spatialvlm_ros.geometry.camera import CameraError, CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform, rotation_from_quaternion
from spatialvlm_ros.nodes import conversions as c
from spatialvlm_ros.scene.frame import FrameError

FRAME = "camera_optical"
CAMERA = CameraModel(4, 3, 5.0, 5.0, 1.5, 1.0)
RNG = np.random.default_rng(3)
ENCODINGS = list(c._ENCODINGS)


def pixels_of(encoding: str, height: int = 3, width: int = 4) -> np.ndarray:
    dtype, channels = c._ENCODINGS[encoding]
    shape = (height, width) if channels == 1 else (height, width, channels)
    return RNG.integers(1, 250, shape).astype(dtype)


def image(encoding: str = "16UC1", height: int = 3, width: int = 4) -> Image:
    return c.array_to_image(pixels_of(encoding, height, width), encoding, 123, FRAME)


def with_data(message: Image, data: bytes) -> Image:
    message.data = array.array("B", data)
    return message


@pytest.fixture(params=["plain", "cv_bridge"])
def bridge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Without cv_bridge, and with one where an installation has it; elsewhere the plain path twice."""
    if request.param == "plain":
        monkeypatch.setattr(c, "_cv_bridge", lambda: None)
    yield request.param


# -- images -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_survives_both_ways(encoding: str, bridge: str) -> None:
    pixels = pixels_of(encoding)
    message = c.array_to_image(pixels, encoding, 5_000_000_007, FRAME)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (5, 7, FRAME)
    assert (message.height, message.width, message.encoding) == (3, 4, encoding)
    back = c.image_to_array(message)
    assert back.dtype == pixels.dtype and np.array_equal(back, pixels)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_padding_at_the_end_of_rows_is_left_out(encoding: str, bridge: str) -> None:
    pixels, padding = pixels_of(encoding), 8
    message = c.array_to_image(pixels, encoding, 0, FRAME)
    rows = np.frombuffer(message.data, np.uint8).reshape(3, message.step)
    padded = np.hstack([rows, np.full((3, padding), 255, np.uint8)])
    message.step += padding
    assert np.array_equal(c.image_to_array(with_data(message, padded.tobytes())), pixels)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "32FC1"])
def test_big_endian_data_is_understood(encoding: str, bridge: str) -> None:
    pixels = pixels_of(encoding)
    message = c.array_to_image(pixels, encoding, 0, FRAME)
    message.is_bigendian = 1
    with_data(message, pixels.astype(pixels.dtype.newbyteorder(">")).tobytes())
    back = c.image_to_array(message)
    assert np.array_equal(back, pixels) and back.dtype == pixels.dtype and back.dtype.isnative


@pytest.mark.parametrize(
    ("encoding", "place"),
    [("rgb8", (0, 1, 2)), ("bgr8", (2, 1, 0)), ("rgba8", (0, 1, 2)), ("bgra8", (2, 1, 0)), ("8UC3", (2, 1, 0))],
)
def test_colour_comes_out_as_rgb(encoding: str, place: tuple[int, int, int]) -> None:
    message = image(encoding)
    rgb = c.image_to_rgb(message)
    assert rgb.shape == (3, 4, 3) and rgb.dtype == np.uint8 and rgb.flags["C_CONTIGUOUS"]
    assert np.array_equal(rgb, c.image_to_array(message)[..., list(place)])


def test_grey_becomes_rgb_and_depth_is_no_colour() -> None:
    grey = image("mono8")
    assert np.array_equal(c.image_to_rgb(grey)[..., 1], c.image_to_array(grey))
    with pytest.raises(c.MessageError, match="colour encoding is '16UC1'; expected one of rgb8"):
        c.image_to_rgb(image("16UC1"))


def test_depth_in_millimetres_and_in_metres() -> None:
    raw = np.array([[0, 1, 1500, 65535]], np.uint16)
    metres = c.depth_image_to_metres(c.array_to_image(raw, "16UC1", 0, FRAME))
    np.testing.assert_allclose(metres, [[np.nan, 0.001, 1.5, np.nan]], rtol=1e-6)
    raw = np.array([[np.nan, -np.inf, np.inf, 0.0, 1.25]], np.float32)
    metres = c.depth_image_to_metres(c.array_to_image(raw, "32FC1", 0, FRAME))
    np.testing.assert_allclose(metres, [[np.nan, np.nan, np.nan, np.nan, 1.25]])
    assert metres.dtype == np.float32


def test_a_colour_topic_in_place_of_depth_is_named() -> None:
    with pytest.raises(c.MessageError, match=r"depth encoding is 'rgb8'; expected 16UC1.*remapped to a colour"):
        c.depth_image_to_metres(image("rgb8"))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("encoding", "nv21", "'nv21' is not understood; known are rgb8"),
        ("encoding", "", "'' is not understood"),
        ("step", 7, "step 7 and 24 bytes; expected a step of at least 8"),
        ("step", 9, "step 9 and 24 bytes"),
        ("step", 0, "step 0"),
        ("height", 0, "4 x 0 pixels"),
        ("width", 0, "0 x 3 pixels"),
        ("height", 4, "expected a step"),
        ("width", 5, "at least 10"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(field: str, value: Any, text: str, bridge: str) -> None:
    message = image()
    setattr(message, field, value)
    with pytest.raises(c.MessageError, match=text):
        c.image_to_array(message)


@pytest.mark.parametrize("length", [0, 1, 23, 25, 48])
def test_data_of_another_length_is_refused(length: int, bridge: str) -> None:
    with pytest.raises(c.MessageError, match=f"{length} bytes"):
        c.image_to_array(with_data(image(), bytes(length)))


def allocated(call: Callable[[], Any]) -> int:
    """Peak bytes that a call allocates."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("height", "width", "step"), [(2**31, 2**31, 2**32 - 1), (2**32 - 1, 1, 2), (65_536, 65_536, 131_072)])
def test_a_huge_claim_allocates_nothing(height: int, width: int, step: int) -> None:
    message = image()
    message.height, message.width, message.step = height, width, step

    def refused() -> None:
        with pytest.raises(c.MessageError, match=r"pixels|bytes"):
            c.image_to_array(message)

    assert allocated(refused) < 1_000_000


@settings(max_examples=300, deadline=None)
@given(
    height=st.one_of(st.integers(0, 8), st.integers(0, 2**32 - 1)),
    width=st.one_of(st.integers(0, 8), st.integers(0, 2**32 - 1)),
    step=st.one_of(st.integers(0, 64), st.integers(0, 2**32 - 1)),
    encoding=st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=12)),
    bigendian=st.integers(0, 255),
    length=st.integers(0, 600),
    fit=st.booleans(),
)
def test_no_image_header_raises_anything_but_value_errors(
    height: int, width: int, step: int, encoding: str, bigendian: int, length: int, fit: bool
) -> None:
    message = Image(height=height, width=width, step=step, encoding=encoding.encode("ascii", "ignore").decode())
    message.is_bigendian = bigendian
    length = step * height if fit and step * height < 100_000 else length
    with_data(message, bytes(length))
    for convert in (c.image_to_array, c.image_to_rgb, c.depth_image_to_metres):
        try:
            pixels = convert(message)
        except ValueError:
            continue
        assert pixels.shape[:2] == (height, width)


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=200),
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xc0", bytes(12)]),
    kind=st.text(max_size=20),
)
def test_no_compressed_image_raises_anything_but_value_errors(data: bytes, head: bytes, kind: str) -> None:
    for text in (kind.encode("ascii", "ignore").decode(), "16UC1; compressedDepth png"):
        message = CompressedImage(format=text)
        message.data = array.array("B", head + data)
        for convert in (c.image_to_rgb, c.depth_image_to_metres):
            with pytest.raises(ValueError):
                convert(message)


def test_an_array_that_is_not_the_encoding_is_refused() -> None:
    with pytest.raises(c.MessageError, match="not 'rgb8'"):
        c.array_to_image(np.zeros((2, 2), np.uint8), "rgb8", 0, FRAME)
    with pytest.raises(c.MessageError, match="not '16UC1'"):
        c.array_to_image(np.zeros((2, 2), np.int32), "16UC1", 0, FRAME)
    with pytest.raises(c.MessageError, match="'yuv' is not understood"):
        c.array_to_image(np.zeros((2, 2), np.uint8), "yuv", 0, FRAME)


def test_a_view_that_is_not_contiguous_is_written_in_order() -> None:
    pixels = pixels_of("rgb8", 6, 8)[::2, ::-2]
    assert np.array_equal(c.image_to_array(c.array_to_image(pixels, "rgb8", 0, FRAME)), pixels)


# -- compressed -------------------------------------------------------------------------------------------------------------


def encode(kind: str, pixels: np.ndarray) -> bytes:
    import cv2

    return bytes(cv2.imencode(kind, pixels)[1])


def compressed(data: bytes, kind: str) -> CompressedImage:
    message = CompressedImage(format=kind)
    message.data = array.array("B", data)
    return message


def png_of_claimed_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")


def test_png_colour_is_exact_and_jpeg_is_close() -> None:
    smooth = np.dstack([np.tile(np.linspace(v, 200, 64), (48, 1)) for v in (20, 90, 160)]).astype(np.uint8)
    png = c.image_to_rgb(compressed(encode(".png", smooth[..., ::-1]), "rgb8; png compressed bgr8"))
    assert np.array_equal(png, smooth)
    jpeg = c.image_to_rgb(compressed(encode(".jpg", smooth[..., ::-1]), "rgb8; jpeg compressed bgr8"))
    assert jpeg.shape == smooth.shape and np.abs(jpeg.astype(int) - smooth).max() < 12


def test_compressed_depth_is_exact_behind_its_header() -> None:
    depth = RNG.integers(0, 65535, (48, 64)).astype(np.uint16)
    data = RNG.bytes(12) + encode(".png", depth)
    for kind in ("16UC1; compressedDepth", "16UC1; compressedDepth png"):
        assert np.array_equal(c.decode_compressed_depth(compressed(data, kind)), depth)
    metres = c.depth_image_to_metres(compressed(data, "16UC1; compressedDepth png"))
    assert np.array_equal(np.isnan(metres), (depth == 0) | (depth == 65535))


@pytest.mark.parametrize("kind", ["16UC1; compressedDepth rvl", "32FC1; compressedDepth png", "rgb8; jpeg compressed bgr8", ""])
def test_other_depth_codecs_are_refused_by_name(kind: str) -> None:
    data = bytes(12) + encode(".png", pixels_of("16UC1"))
    with pytest.raises(c.MessageError, match=f"format '{kind}'; expected '16UC1; compressedDepth' with PNG"):
        c.depth_image_to_metres(compressed(data, kind))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_truncated_data_is_refused(share: float) -> None:
    depth, color = encode(".png", pixels_of("16UC1", 48, 64)), encode(".png", pixels_of("rgb8", 48, 64))
    with pytest.raises(c.MessageError, match="holds no 16-bit PNG"):
        c.depth_image_to_metres(compressed((bytes(12) + depth)[: int(share * len(depth))], "16UC1; compressedDepth png"))
    with pytest.raises(c.MessageError, match="cannot be decoded"):
        c.image_to_rgb(compressed(color[: int(share * len(color))], "rgb8; png compressed"))


def test_colour_in_place_of_depth_is_refused() -> None:
    data = bytes(12) + encode(".png", pixels_of("rgb8"))
    with pytest.raises(c.MessageError, match="holds no 16-bit PNG"):
        c.depth_image_to_metres(compressed(data, "16UC1; compressedDepth png"))


@pytest.mark.parametrize("size", [(60_000, 60_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (0, 0)])
def test_a_picture_that_claims_gigabytes_is_refused_unseen(size: tuple[int, int]) -> None:
    with pytest.raises(c.MessageError, match="cannot be decoded"):
        c.image_to_rgb(compressed(png_of_claimed_size(*size), "rgb8; png compressed"))
    jpeg = bytearray(encode(".jpg", pixels_of("rgb8", 48, 64)))
    place = jpeg.index(b"\xff\xc0")
    assert c._claimed_size(bytes(jpeg)) == (64, 48)
    jpeg[place + 5 : place + 9] = struct.pack(">HH", min(size[1], 65_535), min(size[0], 65_535))
    with pytest.raises(c.MessageError, match="cannot be decoded"):
        c.image_to_rgb(compressed(bytes(jpeg), "rgb8; jpeg compressed"))


# -- cameras and frames -----------------------------------------------------------------------------------------------------


def info(**changed: Any) -> CameraInfo:
    message = c.camera_to_info(CAMERA, 123, FRAME)
    for name, value in changed.items():
        setattr(message, name, value)
    return message


def test_a_camera_survives_both_ways() -> None:
    assert c.camera_from_info(info()) == CAMERA
    bent = CameraModel(4, 3, 5.0, 5.0, 1.5, 1.0, (0.1, 0.01, 0.0, 0.0, 0.001), "plumb_bob")
    assert c.camera_from_info(c.camera_to_info(bent, 0, FRAME)) == bent


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"k": np.zeros(9)}, r"fx = 0.0, fy = 0.0 must be above 0; is the camera calibrated"),
        ({"k": np.full(9, np.nan)}, "intrinsics are not finite"),
        ({"k": np.array([np.inf, 0, 1, 0, 5.0, 1, 0, 0, 1])}, "intrinsics are not finite"),
        ({"k": np.array([5.0, 0, 900, 0, 5.0, 1, 0, 0, 1])}, "principal point .* does camera_info belong to this image"),
        ({"width": 0}, "camera size is 0 x 3"),
        ({"d": [math.nan] * 5}, "not finite"),
        ({"d": [0.1] * 5, "distortion_model": "magic"}, "distortion model 'magic' is not one of"),
    ],
)
def test_intrinsics_that_no_camera_has_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(CameraError, match=text):
        c.camera_from_info(info(**changed))


def test_one_frame_of_three_messages_has_colours_stamp_and_frame() -> None:
    color, depth = image("rgb8"), image("16UC1")
    color.header.stamp = c.ns_to_stamp(7_000_000_001)
    frame = c.frame_from_messages(color, depth, info())
    assert (frame.stamp_ns, frame.frame_id, frame.camera) == (7_000_000_001, FRAME, CAMERA)
    color.header.frame_id = f"/{FRAME}"
    assert c.frame_from_messages(color, depth, info()).frame_id == FRAME, "tf of ROS 2 refuses the slash"
    assert np.array_equal(frame.color, c.image_to_array(color))
    np.testing.assert_allclose(frame.depth_m, c.image_to_array(depth) * np.float32(0.001))


def test_what_does_not_belong_together_is_refused_with_the_cure() -> None:
    with pytest.raises(FrameError, match=r"colour is 4 x 3 but depth is 8 x 6.*align_depth.enable:=true.*aligned_depth_to_color"):
        c.frame_from_messages(image("rgb8"), image("16UC1", 6, 8), info())
    with pytest.raises(FrameError, match=r"camera_info is for 8 x 3 but the images are 4 x 3: remap depth/camera_info"):
        c.frame_from_messages(image("rgb8"), image("16UC1"), info(width=8))
    other = image("16UC1")
    other.header.frame_id = "camera_depth_optical"
    with pytest.raises(FrameError, match=r"in frame 'camera_optical' but depth in 'camera_depth_optical': use depth that"):
        c.frame_from_messages(image("rgb8"), other, info())


# -- geometry ---------------------------------------------------------------------------------------------------------------

QUATERNIONS = list(RNG.normal(size=(50, 4))) + [np.eye(4)[i] for i in range(4)]


def libraries() -> list[Any]:
    """The plain path, and tf_transformations where a ROS installation has it."""
    found = c._tf_transformations()
    return [None] if found is None else [None, found]


def test_all_paths_of_a_rotation_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    import transforms3d.quaternions

    for library in libraries():
        monkeypatch.setattr(c, "_tf_transformations", lambda library=library: library)
        for q in QUATERNIONS:
            x, y, z, w = (float(v) for v in q)
            message = Transform(translation=Vector3(x=1.0, y=2.0, z=3.0), rotation=Quaternion(x=x, y=y, z=z, w=w))
            got = c.transform_from_msg(message)
            np.testing.assert_allclose(got.rotation, transforms3d.quaternions.quat2mat([w, x, y, z]), atol=1e-12)
            np.testing.assert_allclose(got.rotation, rotation_from_quaternion(q), atol=1e-12)
            assert got.translation.tolist() == [1.0, 2.0, 3.0]


def test_transforms_and_poses_survive_both_ways() -> None:
    for q in QUATERNIONS:
        transform = RigidTransform.from_quaternion(RNG.normal(size=3), q)
        for back in (c.transform_from_msg(c.transform_to_msg(transform)), c.transform_from_pose(c.pose_to_msg(transform))):
            np.testing.assert_allclose(back.matrix(), transform.matrix(), atol=1e-12)
    assert c.point_from_msg(c.point_to_msg([1, 2, 3])).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    for pose in (Pose(position=Point(x=bad), orientation=Quaternion(w=1.0)), Pose(orientation=Quaternion(x=bad, w=1.0))):
        with pytest.raises(ValueError, match="finite"):
            c.transform_from_pose(pose)
    with pytest.raises(ValueError, match="length above 0"):
        c.transform_from_pose(Pose(orientation=Quaternion(w=0.0)))


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_both_ways(stamp_ns: int) -> None:
    assert c.stamp_to_ns(c.ns_to_stamp(stamp_ns)) == stamp_ns
