"""``spatialvlm evaluate`` on a data set of rendered scenes, with names by words."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.cli_evaluate import source_pictures
from spatialvlm_ros.evaluation.vqa_dataset import AskedImage, asked_images
from spatialvlm_ros.evaluation.vqa_run import CONSTANT, ENGINE, WORDS, _with_other
from spatialvlm_ros.synthesis.audit_rows import open_dataset
from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.record import Picture
from spatialvlm_ros.synthesis.run import RunOptions, synthesize


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered scenes of 320 x 240 with true answers."""
    out = tmp_path_factory.mktemp("evaluate") / "vqa"
    source = Part("render", {"seed": 650_000, "count": 4, "width_px": 320, "captions": "name", "truth": True})
    assert synthesize(PipelineConfig(source=source, select={"pairs_per_image": 20}, seed=3), registry(), RunOptions(out)).complete
    return out


def test_depth_comes_from_the_source_that_the_data_set_names(data: Path) -> None:
    dataset = open_dataset(data)
    pictures, note = source_pictures(dataset)
    images = list(asked_images(dataset, 0, pictures))
    assert len(images) == 4 and note == "" and all(image.frame is not None for image in images)
    assert all(len(image.records) == len(image.queries) == 20 for image in images)
    # The data set's own colour (a JPEG) with the source's depth: both of one scene.
    frame = images[0].frame
    assert frame is not None and np.array_equal(frame.color, images[0].color)
    assert set(images[0].truth_from) == {"ground_truth"}
    # A picture whose bytes are others than those that the data set was made from lends its depth to nobody.
    others = [replace(found, source_sha256="0" * 64) for found in source_pictures(dataset)[0] if isinstance(found, Picture)]
    assert all(image.frame is None for image in asked_images(dataset, 2, others))


def test_of_a_source_only_what_is_asked_about_is_kept(data: Path) -> None:
    """A picture that the source lacks makes it read to its end: no other picture than those of the data set stays."""
    dataset = open_dataset(data)
    first, *rest = (found for found in source_pictures(dataset)[0] if isinstance(found, Picture))
    strangers = [replace(first, key=f"stranger-{number}") for number in range(5)]
    alive = [weakref.ref(picture) for picture in (*strangers, *rest)]
    reading = iter([*strangers, *rest])
    del first, rest, strangers
    images = asked_images(dataset, 3, _forgotten(reading))
    assert next(images).frame is None  # its picture is missing
    gc.collect()
    assert [ref() is not None for ref in alive] == [False] * 5 + [True] * 2 + [False]
    assert all(image.frame is not None for image in images)
    gc.collect()
    assert not any(ref() is not None for ref in alive)


def _forgotten(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """The same, none of them held here."""
    while True:
        try:
            yield next(pictures)
        except StopIteration:
            return


def asked(key: str, size_px: int = 8) -> AskedImage:
    return AskedImage(key, np.zeros((size_px, size_px, 3), np.uint8), (), ())


def test_an_image_is_controlled_by_one_that_is_far_from_it() -> None:
    def pairs(images: Iterable[AskedImage]) -> dict[str, str]:
        return {image.key: "" if other is None else other.key for image, other in _with_other(images)}

    # One recording: half of it away, in a long one at least a quarter of a block.
    assert pairs(asked(f"bag#{i}") for i in range(8)) == {f"bag#{i}": f"bag#{(i + 4) % 8}" for i in range(8)}
    long = pairs(asked(f"bag#{i}", 2) for i in range(700))
    assert list(long) == [f"bag#{i}" for i in range(700)]
    assert all(128 <= abs(int(own[4:]) - int(other[4:])) < 512 for own, other in long.items())
    # Of another recording where there is one, and of the same size before all.
    two = [*(asked(f"one#{i}") for i in range(5)), asked("two#0"), asked("two#1"), asked("small/0", 4), asked("small/1", 4)]
    found = pairs(two)
    assert {found[f"one#{i}"] for i in range(5)} <= {"two#0", "two#1"} and found["two#0"].startswith("one")
    assert found["small/0"] == "small/1" and pairs([asked("alone")]) == {"alone": ""}


def test_the_command_leaves_figures_and_a_page(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", "--model", "words", "--data", str(data), "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["images"] == report["images_with_depth"] == 4 and report["questions"] == 80
    assert set(report["scores"]) == {ENGINE, CONSTANT, WORDS} and report["truth_from"] == {"ground_truth": 80}
    assert set(report["data"]["sha256"]) == {"data/train-00000-of-00001.parquet"}
    mine = report["scores"][ENGINE]
    assert mine["numbers"]["n"] + mine["verdicts"]["n"] == 80
    # Depth decides what it answers at all: what it says of lengths is nearly always within a quarter.
    told = mine["numbers"]["gives_a_number"]
    assert 0 < told <= 1 and mine["numbers"]["within_25_percent"] > 0.6 * told
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 3 and not re.search(r"(src|href)=\"(?!data:)", page)
    assert ENGINE in capsys.readouterr().out
    # The same once more gives the same figures and the same page.
    assert main(["evaluate", "--model", "words", "--data", str(data), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "report.html").read_text() == page


def test_input_that_is_wrong_is_told_by_the_exit_code(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> int:
        return main(["evaluate", "--out", str(tmp_path), *arguments])

    assert run("--model", "words", "--data", str(tmp_path)) == 2
    assert run("--model", "off", "--data", str(data)) == 2
    assert run("--model", "words", "--data", str(data), "--depth-noise", "sonar") == 2
    assert run("--model", "words", "--data", str(data), "--limit", "-1") == 2
    assert run("--model", str(tmp_path / "nothing"), "--data", str(data)) == 3
    assert "there is no such folder" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run("--model", "words", "--data", str(data), "--out", str(tmp_path / "file" / "out")) == 2
    said = capsys.readouterr()
    assert "nothing can be written to" in said.err and "images" not in said.err, "before any question is asked"


def test_a_model_that_fails_has_not_answered(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine goes on by words alone; that is not the model's answer, and why it failed is said."""
    nobody = [
        "evaluate",
        "--model",
        "http://127.0.0.1:9/v1#x",
        "--data",
        str(data),
        "--out",
        str(tmp_path),
        "--limit",
        "1",
        "--no-controls",
    ]
    assert main(nobody) == 1
    assert re.search(r"the model failed \d+ times: .*Connection refused", capsys.readouterr().out)


def test_a_data_set_whose_source_is_gone_is_asked_about_without_depth(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "vqa"
    (copy / "data").mkdir(parents=True)
    file = next((data / "data").iterdir())
    (copy / "data" / file.name).write_bytes(file.read_bytes())
    provenance = json.loads((data / "provenance.json").read_text())
    provenance["config"]["source"] = {"name": "rgbd", "options": {"paths": [str(tmp_path / "gone")]}}
    (copy / "provenance.json").write_text(json.dumps(provenance))
    # Words alone need depth: nothing is answered, and that is said.
    assert main(["evaluate", "--model", "words", "--data", str(copy), "--out", str(tmp_path / "out")]) == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["images_with_depth"] == 0 and "not at hand" in report["depth_note"]
    assert set(report["scores"]) == {CONSTANT, WORDS}
