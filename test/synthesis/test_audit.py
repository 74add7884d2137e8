"""The audit page: what stands on it, that nothing else is needed to read it, and that it tells what is wrong."""

from __future__ import annotations

import base64
import copy
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from examples import small_config

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.drawing import object_color
from spatialvlm_ros.synthesis.ask import NAME, VERSION
from spatialvlm_ros.synthesis.audit import camera_of, corners_of, drawn_pairs, shown, write_audit
from spatialvlm_ros.synthesis.audit_page import page_text
from spatialvlm_ros.synthesis.audit_rows import Dataset, open_dataset
from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.run import RunOptions, synthesize


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    """A data set that may be written to."""
    shutil.copytree(small, tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture(scope="module")
def data(small: Path) -> Dataset:
    return open_dataset(small)


@pytest.fixture
def row(data: Dataset) -> dict[str, Any]:
    return copy.deepcopy(next(data.rows(data.files[0], [0])))


def text_of(page: str) -> str:
    return re.sub(r"&quot;|&#x27;", "'", page)


def test_the_page_shows_the_drawn_pairs_with_their_numbers(copied: Path) -> None:
    page = write_audit(copied, 7, 1)
    assert page == copied / "audit.html"
    text, data = text_of(page.read_text(encoding="utf-8")), open_dataset(copied)
    chosen = drawn_pairs(data, 7, 1)
    assert len(set(chosen)) == 7 and text.count('<section class="card') == 7
    for number in chosen:
        file, at, pair_at = data.place(number)
        row = next(data.rows(file, [at]))
        pair = row["pairs"][pair_at]
        for words in (pair["question"], pair["answer"], pair["relation"], row["key"], row["frame_id"], f"pair {number} "):
            assert words.replace('"', "'") in text
        if pair["polarity"] == "":
            assert f"{pair['value']:.4f}" in text or pair["unit"] == "rad"
    assert f"stages: {NAME} {VERSION}" in text and f"of {data.num_pairs} pairs" in text


def test_the_page_is_the_same_each_time_and_another_for_another_seed(copied: Path) -> None:
    first = write_audit(copied, 5, 1).read_bytes()
    assert write_audit(copied, 5, 1).read_bytes() == first
    assert write_audit(copied, 5, 2).read_bytes() != first


def test_nothing_from_elsewhere_is_needed(copied: Path) -> None:
    text = write_audit(copied, 4, 0).read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', text)
    assert len(sources) == 8 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "<script" not in text and "url(" not in text and "@import" not in text and "<link" not in text
    for data in re.findall(r'base64,([^"]+)"', text):
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).size > 1000


def test_counts_and_drops_stand_above(copied: Path) -> None:
    text, data = write_audit(copied, 1, 0).read_text(encoding="utf-8"), open_dataset(copied)
    provenance = data.provenance
    assert provenance["pairs"] == data.num_pairs == data.counts.total()
    by_relation: Counter[str] = Counter()
    for (relation, _, _), count in data.counts.items():
        by_relation[relation] += count
    for relation, count in by_relation.items():
        cells = re.search(rf"<tr><td>{relation}</td>(.*?)</tr>", text)
        assert cells is not None and cells[1].endswith(f'<td class="r num">{count}</td>')
    for cause, count in provenance["dropped_within_images"].items():
        assert f'<td>{cause}</td><td class="r num">{count}</td>' in text
    assert provenance["dropped_within_images"]


def test_a_page_without_provenance_says_so(copied: Path) -> None:
    (copied / "provenance.json").unlink()
    assert "no provenance.json" in write_audit(copied, 1, 0).read_text(encoding="utf-8")


def test_pairs_are_numbered_through_all_files_in_their_order(data: Dataset) -> None:
    assert len(data.files) == 3
    every = [
        (row["key"], number) for file in data.files for row in data.rows(file, range(9)) for number in range(len(row["pairs"]))
    ]
    placed = []
    for number in range(data.num_pairs):
        file, at, pair = data.place(number)
        placed.append((next(data.rows(file, [at]))["key"], pair))
    assert placed == every and data.num_rows == 6
    assert [row["key"] for row in data.rows_without_images()] == list(dict.fromkeys(key for key, _ in every))
    for number in (-1, data.num_pairs):
        with pytest.raises(IndexError):
            data.place(number)


def test_all_pairs_are_as_likely(data: Dataset) -> None:
    seen = Counter(number for seed in range(300) for number in drawn_pairs(data, 6, seed))
    expected = 300 * 6 / data.num_pairs
    assert len(seen) == data.num_pairs and max(seen.values()) < 3 * expected


def test_more_pairs_than_there_are_shows_all(data: Dataset) -> None:
    assert drawn_pairs(data, 10_000, 0) == list(range(data.num_pairs))


def test_webdataset_gives_the_same_page_cards(tmp_path: Path) -> None:
    cards = []
    for file_format in ("parquet", "webdataset"):
        config = small_config(count=2, file_format=file_format)
        synthesize(config, registry(), RunOptions(tmp_path / file_format))
        text = write_audit(tmp_path / file_format, 5, 0).read_text(encoding="utf-8")
        cards.append(text[text.index("<h2>Pairs") :])
    assert cards[0] == cards[1]


def test_an_answer_that_is_not_what_was_measured_is_told(data: Dataset, row: dict[str, Any]) -> None:
    pair = next(pair for pair in row["pairs"] if pair["polarity"] == "" and pair["unit"] == "m")
    assert shown(row, pair, 0).agrees
    pair["answer"] = "77 kilometers."
    wrong = shown(row, pair, 0)
    assert not wrong.agrees
    text = page_text(data, [wrong], 0)
    assert "NOT what was measured" in text and '<section class="card wrong">' in text and "1 of the answers here" in text


def test_text_of_others_is_escaped(data: Dataset, row: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    pair = row["pairs"][0]
    pair["question"], row["key"], row["objects"][pair["objects"][0]]["caption"] = evil, evil, evil
    for thing in row["objects"]:
        thing["caption"] = evil
    text = page_text(data, [shown(row, pair, 0)], 0)
    assert "<script" not in text and text.count("&lt;script&gt;") >= 3


def test_things_are_drawn_where_they_are(row: dict[str, Any]) -> None:
    """The outline's colour is on the mask's rim in the whole picture, and the projected box holds the thing."""
    pair = next(pair for pair in row["pairs"] if len(pair["objects"]) == 2)
    found = shown(row, pair, 0)
    assert [picture.caption for picture in found.pictures] == ["what is asked about", "whole picture"] and found.has_boxes
    whole = cv2.imdecode(np.frombuffer(found.pictures[1].jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert whole.shape[:2] == (row["height"], row["width"])
    camera = camera_of(row)
    assert camera is not None
    for place, thing in enumerate(found.things):
        u0, v0, u1, v1 = thing["box"]
        near = np.abs(whole - np.array(object_color(place))).sum(axis=2) < 90
        rows, columns = np.nonzero(near[max(0, v0 - 3) : v1 + 3, max(0, u0 - 3) : u1 + 3])
        assert len(rows) > 20 and np.ptp(columns) > 0.7 * (u1 - u0)
        pixels = camera.project(corners_of(thing))
        assert (pixels.min(axis=0) < (u0 + 3, v0 + 3)).all() and (pixels.max(axis=0) > (u1 - 4, v1 - 4)).all()


def test_corners_are_of_the_turned_box() -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    thing = {"centre_m": [1.0, 2.0, 3.0], "extents_m": [0.2, 0.4, 0.6], "axes": turn.ravel().tolist()}
    corners = corners_of(thing)
    assert np.allclose(corners.min(axis=0), (0.8, 1.9, 2.7)) and np.allclose(corners.max(axis=0), (1.2, 2.1, 3.3))


@pytest.mark.parametrize("camera", [None, {"fx": -1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0}, {"fx": 500.0}])
def test_without_a_camera_no_box_in_space_is_drawn(data: Dataset, row: dict[str, Any], camera: dict[str, float] | None) -> None:
    assert isinstance(camera_of(row), CameraModel)
    row["camera"] = camera
    found = shown(row, row["pairs"][0], 0)
    assert camera_of(row) is None and not found.has_boxes
    assert "no camera recorded" in page_text(data, [found], 0)


def test_what_is_no_whole_data_set_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 pairs"):
        write_audit(copied, 0, 0)
    with pytest.raises(ValueError, match="no data set"):
        write_audit(tmp_path, 3, 0)
    next((copied / "data").iterdir()).unlink()
    with pytest.raises(ValueError, match="2 of 3 data files"):
        write_audit(copied, 3, 0)
