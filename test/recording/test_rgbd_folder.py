"""RGB-D folders: what is read, and what is said about a folder that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialvlm_ros.recording.rgbd_folder import FolderError, pairs, read_folder

MOSD = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pcl_mosd"
INTRINSICS = {"fx": 10.0, "fy": 11.0, "cx": 3.5, "cy": 2.5, "depth_unit": "mm"}


def color_image(height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def write(folder: Path, name: str = "a", *, depth: np.ndarray | None = None, intrinsics: object = INTRINSICS) -> None:
    """One pair as ``name``-color.png and ``name``-depth.png, and intrinsics.json."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}-color.png"), color_image()[..., ::-1])
    raw = np.arange(48, dtype=np.uint16).reshape(6, 8) * 100 if depth is None else depth
    cv2.imwrite(str(folder / f"{name}-depth.png"), raw)
    if intrinsics is not None:
        (folder / "intrinsics.json").write_text(json.dumps(intrinsics))


def error(folder: Path, **options: float) -> str:
    with pytest.raises(FolderError) as caught:
        list(read_folder(folder, **options))
    return str(caught.value)


def test_a_pair_is_read_as_rgb_and_metres(tmp_path: Path) -> None:
    write(tmp_path)
    (item,) = read_folder(tmp_path)
    assert item.name == "a" and item.labels is None
    assert np.array_equal(item.frame.color, color_image())
    expected = np.arange(48).reshape(6, 8) * 0.1
    assert np.isnan(item.frame.depth_m[0, 0])
    assert np.allclose(item.frame.depth_m.ravel()[1:], expected.ravel()[1:])
    camera = item.frame.camera
    assert (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy) == (8, 6, 10.0, 11.0, 3.5, 2.5)


@pytest.mark.parametrize("unit", [0.0, -0.001, float("nan"), float("inf")])
def test_a_unit_that_cannot_be_is_refused(unit: float, tmp_path: Path) -> None:
    write(tmp_path)
    assert "a depth unit of" in error(tmp_path, depth_unit_m=unit)


def test_intrinsics_of_another_size_are_refused(tmp_path: Path) -> None:
    write(tmp_path, intrinsics={**INTRINSICS, "width": 8, "height": 6})
    assert len(list(read_folder(tmp_path))) == 1
    write(tmp_path, intrinsics={**INTRINSICS, "width": 16, "height": 12})
    assert "is for 16 x 12 pixels, 'a' has 8 x 6" in error(tmp_path)


def test_a_colour_image_that_opencv_would_turn_or_fill_up_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    write(tmp_path)
    color = tmp_path / "a-color.jpg"
    (tmp_path / "a-color.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(color_image()).save(color, exif=exif)
    assert "is to be turned (EXIF orientation 3)" in error(tmp_path)
    Image.fromarray(color_image()).save(color)
    color.write_bytes(color.read_bytes()[:-40])
    assert "breaks off" in error(tmp_path)


def test_frames_come_by_name_a_second_apart(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path, name)
    frames = list(read_folder(tmp_path))
    assert [item.name for item in frames] == ["a", "b", "c"]
    assert [item.frame.stamp_ns for item in frames] == [10**9, 2 * 10**9, 3 * 10**9]


@pytest.mark.parametrize(
    ("color", "depth", "name"),
    [
        ("x-color.png", "x-depth.png", "x"),
        ("x_rgb.png", "x_depth.png", "x"),
        ("x.colour.png", "x.depth.png", "x"),
        ("color-1.png", "depth-1.png", "1"),
        ("frame-000004.color.jpg", "frame-000004.depth.png", "frame-000004"),
        ("Learn0-Color.PNG", "Learn0-Depth.PNG", "Learn0"),
    ],
)
def test_names_are_alike_but_for_one_word(color: str, depth: str, name: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / color), color_image())
    cv2.imwrite(str(tmp_path / depth), np.ones((6, 8), np.uint16))
    cv2.imwrite(str(tmp_path / "lonely-depth.png"), np.ones((6, 8), np.uint16))
    assert pairs(tmp_path) == [(name, tmp_path / color, tmp_path / depth)]
    (tmp_path / f"{name}-intrinsics.json").write_text(json.dumps(INTRINSICS))
    assert [item.name for item in read_folder(tmp_path)] == [name]


def test_intrinsics_of_one_image_come_before_those_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    (tmp_path / "b-intrinsics.json").write_text(json.dumps({**INTRINSICS, "fx": 99.0}))
    assert [item.frame.camera.fx for item in read_folder(tmp_path)] == [10.0, 99.0]


@pytest.mark.parametrize(("unit", "metres"), [("mm", 1.0), ("0.1mm", 0.1), ("m", 1000.0)])
def test_the_named_unit_is_used(unit: str, metres: float, tmp_path: Path) -> None:
    write(tmp_path, depth=np.full((6, 8), 1000, np.uint16), intrinsics={**INTRINSICS, "depth_unit": unit})
    (item,) = read_folder(tmp_path)
    assert np.allclose(item.frame.depth_m, metres)
    (item,) = read_folder(tmp_path, depth_unit_m=0.002)
    assert np.allclose(item.frame.depth_m, 2.0)


def test_labels_are_read_where_there_are_some(tmp_path: Path) -> None:
    write(tmp_path)
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    cv2.imwrite(str(tmp_path / "a-label.png"), labels)
    (item,) = read_folder(tmp_path)
    assert item.labels is not None and np.array_equal(item.labels, labels)


def test_distortion_is_read_and_never_passed_over(tmp_path: Path) -> None:
    write(tmp_path, intrinsics={**INTRINSICS, "distortion": [0.1, -0.2, 0.0, 0.0, 0.0]})
    (item,) = read_folder(tmp_path)
    assert (item.frame.camera.distortion, item.frame.camera.distortion_model) == ((0.1, -0.2, 0.0, 0.0, 0.0), "plumb_bob")
    fisheye = {**INTRINSICS, "distortion": [0.1, 0, 0, 0], "distortion_model": "equidistant"}
    write(tmp_path, intrinsics=fisheye)
    assert [item.frame.camera.distortion_model for item in read_folder(tmp_path)] == ["equidistant"]
    for key, value in (("coeffs", [0.1, 0, 0, 0, 0]), ("k1", 0.2), ("D", [0, 0.1])):
        write(tmp_path, intrinsics={**INTRINSICS, key: value})
        assert f"'{key}' is not read; rename it to 'distortion'" in error(tmp_path)
    write(tmp_path, intrinsics={**INTRINSICS, "distortion": [0.1, 0.2, 0.3]})
    assert "has 3 coefficients" in error(tmp_path)
    write(tmp_path, intrinsics={**INTRINSICS, "coeffs": [0, 0, 0, 0, 0], "distortion": []})
    assert [item.frame.camera.distortion for item in read_folder(tmp_path)] == [()]


def test_missing_intrinsics_come_with_an_example(tmp_path: Path) -> None:
    write(tmp_path, intrinsics=None)
    text = error(tmp_path)
    assert str(tmp_path / "intrinsics.json") in text and '"fx": 525.0' in text and "'a'" in text


@pytest.mark.parametrize(
    "intrinsics",
    [{}, {**INTRINSICS, "fx": None}, {**INTRINSICS, "fx": "wide"}, {**INTRINSICS, "fy": -1}, {**INTRINSICS, "cx": 500}, [1, 2]],
)
def test_intrinsics_that_make_no_camera_are_named(intrinsics: object, tmp_path: Path) -> None:
    write(tmp_path, intrinsics=intrinsics)
    assert str(tmp_path / "intrinsics.json") in error(tmp_path)


def test_intrinsics_that_are_no_json_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "intrinsics.json").write_text("fx = 525")
    assert str(tmp_path / "intrinsics.json") in error(tmp_path)


def test_a_unit_is_never_guessed(tmp_path: Path) -> None:
    write(tmp_path, intrinsics={key: INTRINSICS[key] for key in ("fx", "fy", "cx", "cy")})
    text = error(tmp_path)
    assert "unit" in text and "a-depth.png" in text
    assert len(list(read_folder(tmp_path, depth_unit_m=0.001))) == 1


@pytest.mark.parametrize("unit", ["furlong", "cm", 0.001, ["mm"]])
def test_an_unknown_unit_lists_the_known_ones(unit: object, tmp_path: Path) -> None:
    write(tmp_path, intrinsics={**INTRINSICS, "depth_unit": unit})
    text = error(tmp_path)
    assert str(unit) in text and "mm, m, 0.1mm" in text


def test_depth_of_another_size_is_to_be_aligned(tmp_path: Path) -> None:
    write(tmp_path, depth=np.ones((4, 8), np.uint16))
    text = error(tmp_path)
    assert "8 x 4" in text and "8 x 6" in text and "align depth to colour" in text


@pytest.mark.parametrize("depth", [np.ones((6, 8), np.uint8), np.ones((6, 8, 3), np.uint8)], ids=["8 bit", "colourised"])
def test_depth_that_is_no_depth_is_named(depth: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path, depth=depth)
    assert str(tmp_path / "a-depth.png") in error(tmp_path)


@pytest.mark.parametrize("name", ["a-color.png", "a-depth.png", "a-label.png"])
def test_an_unreadable_image_is_named(name: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / name).write_bytes(b"\x89PNG and no more")
    assert str(tmp_path / name) in error(tmp_path)


@pytest.mark.parametrize("names", [[], ["a-color.png"], ["a-depth.png"], ["a-color.png", "b-depth.png"], ["notes.txt"]])
def test_a_folder_without_a_pair_says_so(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    text = error(tmp_path)
    assert str(tmp_path) in text and "no pair" in text


def test_real_kinect_frames_with_labels_are_read() -> None:
    assert MOSD.is_dir(), f"{MOSD} is missing: the real recordings belong next to the repository"
    frames = {item.name: item for item in read_folder(MOSD)}
    assert sorted(frames) == ["learn0", "learn20", "learn35", "learn44", "test0"]
    for item in frames.values():
        assert item.frame.depth_m.shape == (480, 640) and item.frame.camera.fx == 525.0
        depth = item.frame.depth_m[item.frame.valid]
        assert 0.5 < np.median(depth) < 2.0  # metres, as tables stand before a Kinect
        assert item.labels is not None and item.labels.shape == (480, 640)
        # The data's own README: label 0 is no depth.
        assert np.mean((item.labels == 0) == ~item.frame.valid) > 0.99
