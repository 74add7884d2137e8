"""RGB-D folders and bags as sources of synthesis: the same pictures wherever one starts, and what cannot be read is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_rgbd_bag import DATA, ROS1, ROS2, exposure, there, write
from test_rgbd_folder import write as write_pair

from spatialvlm_ros.recording.rgbd_bag import read_bag_frames
from spatialvlm_ros.recording.rgbd_folder import read_folder
from spatialvlm_ros.recording.synthesis_sources import BagSource, RgbdFolderSource
from spatialvlm_ros.synthesis.record import Dropped, Picture
from spatialvlm_ros.synthesis.sources import SourceError

MS = 1_000_000
MOSD = DATA / "pcl_mosd"


def pictures(source: BagSource | RgbdFolderSource, start: int = 0, stop: int = 99) -> list[Picture]:
    found = []
    for item in source.items(start, stop):
        assert isinstance(item, Picture), item
        found.append(item)
    return found


def test_a_folder_gives_its_pairs_with_sensor_depth() -> None:
    source = RgbdFolderSource(there(MOSD))
    found = pictures(source)
    assert len(found) == len(source) == 5
    for picture, item in zip(found, read_folder(MOSD), strict=True):
        assert picture.key == f"pcl_mosd/{item.name}" and picture.depth_origin == "sensor" and picture.up is None
        assert np.array_equal(picture.color, item.frame.color)
        assert np.array_equal(np.asarray(picture.depth_m), item.frame.depth_m, equal_nan=True)
        assert picture.camera == item.frame.camera and picture.stamp_ns == item.frame.stamp_ns
    assert len({picture.source_sha256 for picture in found}) == 5
    (third,) = pictures(source, 2, 3)
    assert (third.key, third.source_sha256, third.stamp_ns) == (found[2].key, found[2].source_sha256, found[2].stamp_ns)


def test_a_bad_pair_costs_itself_only(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_pair(tmp_path, "b", depth=np.ones((3, 4), np.uint16))
    write_pair(tmp_path, "c")
    (tmp_path / "c-color.png").write_bytes(b"no image")
    items = list(RgbdFolderSource(tmp_path).items(0, 3))
    assert isinstance(items[0], Picture)
    assert [item.cause for item in items[1:] if isinstance(item, Dropped)] == ["depth_of_other_size", "not_an_image"]
    assert "align depth" in str(items[1]) and items[2].key == f"{tmp_path.name}/c"


def test_colour_that_a_lenient_reader_would_take_is_dropped_by_cause(tmp_path: Path) -> None:
    """What breaks off is not filled up, printing colours and 16 bits are not turned into others, and nothing is turned about."""
    good = Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8))
    rotated = Image.Exif()
    rotated[0x0112] = 3
    write_pair(tmp_path, "good")
    for name in ("cut", "printed", "deep", "rotated", "dot"):
        write_pair(tmp_path, name)
        (tmp_path / f"{name}-color.png").unlink()
    good.resize((800, 600)).save(tmp_path / "cut-color.jpg")
    data = (tmp_path / "cut-color.jpg").read_bytes()
    (tmp_path / "cut-color.jpg").write_bytes(data[: len(data) // 2])
    good.convert("CMYK").save(tmp_path / "printed-color.jpg")
    Image.fromarray(np.full((6, 8), 40_000, np.uint16)).save(tmp_path / "deep-color.png")
    good.save(tmp_path / "rotated-color.jpg", exif=rotated)
    good.resize((1, 1)).save(tmp_path / "dot-color.png")
    good.save(tmp_path / "alone-color.png")
    source = RgbdFolderSource(tmp_path)
    found = {item.key.split("/")[1]: item.cause for item in source.items(0, 99) if isinstance(item, Dropped)}
    assert found == {
        "cut": "truncated_file", "printed": "cmyk", "deep": "sixteen_bit", "rotated": "turned", "dot": "too_small",
    }  # fmt: skip
    assert len(source) == 6 and source.ignored == {"without depth": 1}


def test_a_depth_unit_that_nobody_tells_is_not_guessed(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", intrinsics={"fx": 10.0, "fy": 11.0, "cx": 3.5, "cy": 2.5})
    (item,) = RgbdFolderSource(tmp_path).items(0, 1)
    assert isinstance(item, Dropped) and "unit" in item.text
    (item,) = RgbdFolderSource(tmp_path, depth_unit_m=0.001).items(0, 1)
    assert isinstance(item, Picture)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pair"):
        RgbdFolderSource(tmp_path)
    with pytest.raises(SourceError, match="is no folder"):
        RgbdFolderSource(tmp_path / "nowhere")


@pytest.mark.parametrize("path", [ROS2, ROS1])
def test_a_bag_gives_its_exposures_wherever_one_starts(path: Path) -> None:
    source = BagSource(there(path))
    found = pictures(source)
    frames = [frame for _, frame in read_bag_frames(path)]
    assert len(found) == len(frames) == len(source)
    for index, (picture, frame) in enumerate(zip(found, frames, strict=True)):
        assert picture.key == f"{path.name}#{index}" and picture.stamp_ns == frame.stamp_ns
        assert np.array_equal(picture.color, frame.color)
        assert np.array_equal(np.asarray(picture.depth_m), frame.depth_m, equal_nan=True)
        assert picture.camera == frame.camera
    again = [pictures(source, start, start + 1)[0] for start in range(len(source))]
    assert [picture.source_sha256 for picture in again] == [picture.source_sha256 for picture in found]
    assert pictures(source, len(source), len(source) + 3) == []


def test_gravity_comes_from_tf_when_its_frame_is_named() -> None:
    found = pictures(BagSource(there(ROS2), "world"))
    for picture in found:
        assert picture.up is not None and picture.up_source == "tf"
        assert np.linalg.norm(picture.up) == pytest.approx(1.0) and picture.up[1] < -0.9
    (lost, *_) = BagSource(ROS2, "moon").items(0, 1)
    assert isinstance(lost, Dropped) and lost.cause == "no_gravity" and "moon" in lost.text


def test_exposures_are_those_that_fit_in_any_order_of_arrival(tmp_path: Path) -> None:
    a, b, c = (exposure(at * 100 * MS, at + 1) for at in range(3))
    rows = [a["info"], a["color"], a["depth"], b["depth"], b["color"], c["color"], c["depth"]]
    path = write(tmp_path / "bag.mcap", rows)
    source = BagSource(path)
    assert len(source) == 3
    found = pictures(source)
    assert [picture.stamp_ns for picture in found] == [frame.stamp_ns for _, frame in read_bag_frames(path)]
    (middle,) = pictures(source, 1, 2)
    assert middle.source_sha256 == found[1].source_sha256


def test_a_bag_that_was_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mcap", [row for at in range(60) for row in exposure(at * 100 * MS, at + 1).values()])
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: int(0.7 * whole.stat().st_size)])
    expected, source = pictures(BagSource(whole)), BagSource(cut)
    found = pictures(source)
    assert 10 < len(found) == len(source) < len(expected) and sum(source.ignored.values()) == 1
    assert [picture.source_sha256 for picture in found] == [picture.source_sha256 for picture in expected[: len(found)]]
    (middle,) = pictures(source, 7, 8)
    assert middle.source_sha256 == found[7].source_sha256


def test_a_bag_without_what_it_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        BagSource(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="depth"):
        BagSource(there(DATA / "bags" / "ubiquity_aruco_images.bag"))
    lonely = exposure(0, 1)
    path = write(tmp_path / "apart.mcap", [lonely["info"], lonely["color"], exposure(500 * MS, 2)["depth"]])
    with pytest.raises(SourceError, match="fit together"):
        BagSource(path)
