"""Regions from a file: polygons and masks become the pixels they say, and whatever is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import rendered

from spatialvlm_ros.cli import main
from spatialvlm_ros.share import config_file
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.drawn_regions import DrawnRegions, missing_regions
from spatialvlm_ros.synthesis.record import Dropped, NamedRegion, Picture, apply_stages

TRIANGLE = [[10, 20], [50, 20], [10, 60]]


def written(folder: Path, pictures: Any, **more: Any) -> Path:
    file = folder / "regions.json"
    file.write_text(json.dumps({"pictures": pictures, **more}))
    return file


def drawn(file: Path, picture: Picture) -> Picture:
    return apply_stages(picture, [DrawnRegions(str(file))], 0)


def test_a_polygon_is_filled_to_its_edge(tmp_path: Path) -> None:
    picture = rendered(41)
    file = written(tmp_path, {picture.key: {"things": [{"name": "red mug", "polygon": TRIANGLE}]}}, origin="drawn by hand")
    (region,) = drawn(file, picture).regions
    assert (region.caption, region.origin, region.score) == ("red mug", "drawn by hand", 1.0)
    v, u = np.indices(region.mask.shape)
    inside = (u >= 10) & (v >= 20) & (u - 10 + v - 20 <= 40)
    assert np.array_equal(region.mask, inside)


def test_masks_of_files_give_the_pairs_that_the_same_regions_give(tmp_path: Path) -> None:
    """A label image of a rendered scene, one value a thing."""
    picture = rendered(41)
    labels = np.zeros(picture.color.shape[:2], np.uint8)
    for number, region in enumerate(picture.regions, 20):
        labels[region.mask] = number
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), labels)
    things = [{"name": r.caption, "mask": "masks/a.png", "value": n} for n, r in enumerate(picture.regions, 20)]
    file = written(tmp_path, {picture.key: {"things": things, "also_in_sight": list(picture.also_in_sight)}})
    expected = [NamedRegion(region.mask, region.caption, 1.0, "file") for region in picture.regions]
    found = drawn(file, Picture(**{**vars(picture), "regions": (), "also_in_sight": ()}))
    assert len(found.regions) == len(expected) and found.also_in_sight == picture.also_in_sight
    assert all(np.array_equal(a.mask, b.mask) and a.caption == b.caption for a, b in zip(found.regions, expected, strict=True))
    pairs = [
        make_example(one, AskOptions(), 0).pairs for one in (found, Picture(**{**vars(picture), "regions": tuple(expected)}))
    ]
    assert [(p.question, p.answer) for p in pairs[0]] == [(p.question, p.answer) for p in pairs[1]]


def test_a_picture_that_is_not_drawn_costs_itself_only(tmp_path: Path) -> None:
    file = written(tmp_path, {"another": {"things": []}})
    with pytest.raises(Dropped) as dropped:
        drawn(file, rendered(41))
    assert dropped.value.cause == "not_drawn" and rendered(41).key in str(dropped.value)


@pytest.mark.parametrize("kind", ["missing", "text", "small", "colour"])
def test_a_mask_that_cannot_be_used_costs_its_picture(kind: str, tmp_path: Path) -> None:
    picture = rendered(41)
    if kind == "text":
        (tmp_path / "m.png").write_text("no image")
    elif kind != "missing":
        shape = (4, 5) if kind == "small" else (*picture.color.shape[:2], 3)
        cv2.imwrite(str(tmp_path / "m.png"), np.ones(shape, np.uint8))
    file = written(tmp_path, {picture.key: {"things": [{"name": "mug", "mask": "m.png"}]}})
    with pytest.raises(Dropped) as dropped:
        drawn(file, picture)
    assert dropped.value.cause == "mask_unreadable" and "m.png" in str(dropped.value)


@pytest.mark.parametrize(
    ("things", "text"),
    [
        ("all", "expected"),
        ([{"polygon": TRIANGLE}], "has a name"),
        ([{"name": "mug"}], "either a polygon or a mask"),
        ([{"name": "mug", "polygon": TRIANGLE, "mask": "m.png"}], "either a polygon or a mask"),
        ([{"name": "mug", "polygon": TRIANGLE[:2]}], "at least 3 corners"),
        ([{"name": "mug", "polygon": [[0, 0], [1], [2, 2]]}], "polygon is a list"),
        ([{"name": "mug", "polygon": [[0, 0], [float("nan"), 0], [2, 2]]}], "finite"),
        ([{"name": "mug", "polygon": [[0, 0], [1e12, 0], [2, 2]]}], "far outside"),
        ([{"name": "mug", "mask": "../secret.png"}], "no file beside it"),
        ([{"name": "mug", "mask": "/etc/passwd"}], "no file beside it"),
        ([{"name": "mug", "mask": "m.png", "value": 1.5}], "no whole number"),
    ],
)
def test_a_wrong_file_is_named_with_the_place_in_it(things: Any, text: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"bag#3": {"things": things}})
    with pytest.raises(ValueError, match="bag#3") as wrong:
        DrawnRegions(str(file))
    assert text in str(wrong.value) and missing_regions(str(file)) == str(wrong.value)


def test_no_file_and_no_json_are_named_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.json").write_text("{")
    for name, text in (("none.json", "No such file"), ("broken.json", "no JSON")):
        assert text in missing_regions(str(tmp_path / name))
    folder = tmp_path / "frames"
    folder.mkdir()
    arguments = ["synthesize", "--from", "render", "--regions", str(tmp_path / "broken.json"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "leave --regions out" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_version_follows_the_bytes_of_the_file_and_of_its_masks(tmp_path: Path) -> None:
    picture = rendered(41)
    cv2.imwrite(str(tmp_path / "m.png"), np.ones(picture.color.shape[:2], np.uint8))
    file = written(tmp_path, {picture.key: {"things": [{"name": "mug", "mask": "m.png"}]}})
    first, again = DrawnRegions(str(file)).version, DrawnRegions(str(file)).version
    cv2.imwrite(str(tmp_path / "m.png"), np.zeros(picture.color.shape[:2], np.uint8))
    assert first == again != DrawnRegions(str(file)).version


def test_the_file_that_comes_with_the_package_can_be_read() -> None:
    stage = DrawnRegions(str(config_file("regions", "apc_real_frames_ros2.json")))
    assert stage.version.startswith("1; sha256 ")
