"""The card and the provenance: what a hub reads, and that the counts are those of the files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import disable_progress_bars, load_dataset
from PIL import Image

from spatialvlm_ros.synthesis.card import CardNotes, card_text

disable_progress_bars()


def facts_of(folder: Path) -> dict[str, Any]:
    """provenance.json."""
    return dict(json.loads((folder / "provenance.json").read_text()))


def test_the_header_is_yaml_that_a_hub_knows(small: Path) -> None:
    """Licence, task, size, and where the files are."""
    header = yaml.safe_load((small / "README.md").read_text().split("---\n")[1])
    assert header["license"] == "cc-by-4.0"
    assert header["task_categories"] == ["visual-question-answering"]
    assert header["size_categories"] == ["n<1K"]
    files = header["configs"][0]["data_files"][0]
    assert len(list(small.glob(files["path"]))) == 3
    facts = facts_of(small)
    words = yaml.safe_load(card_text({**facts, "notes": {**facts["notes"], "license": 'our own: "ask"'}}).split("---\n")[1])
    assert (words["license"], words["license_name"]) == ("other", 'our own: "ask"')


def test_counts_are_those_of_the_files(small: Path) -> None:
    """By relation, kind and polarity; candidates, too."""
    for pattern, column in (("data/*.parquet", "pairs"), ("work/*.parquet", "candidates")):
        found: Counter[tuple[str, str, str]] = Counter()
        for file in small.glob(pattern):
            for pairs in pq.read_table(file, columns=["pairs"])["pairs"].to_pylist():
                found.update((pair["relation"], pair["kind"], pair["polarity"]) for pair in pairs)
        counts = {(row["relation"], row["kind"], row["polarity"]): row[column] for row in facts_of(small)["pair_counts"]}
        assert {key: count for key, count in counts.items() if count} == dict(found)


def test_every_file_has_its_hash_and_nothing_names_the_machine(small: Path) -> None:
    """Nor a time."""
    facts = facts_of(small)
    for file in facts["files"]:
        assert file["sha256"] == hashlib.sha256((small / file["file"]).read_bytes()).hexdigest()
    text = (small / "README.md").read_text() + (small / "provenance.json").read_text()
    assert str(small) not in text
    assert str(Path.home()) not in text
    assert set(facts["stages"]) == {"ask"}
    assert len(facts["versions"]["pyarrow"]) == 1


def test_the_card_tells_what_people_said_and_what_was_dropped(small: Path) -> None:
    """Or that they said nothing."""
    text = (small / "README.md").read_text()
    assert "Rendered here." in text
    assert "# Small scenes" in text
    facts = facts_of(small)
    drops = {"dropped_images": {"too_dark": 3}, "dropped_image_texts": {"too_dark": ["a|b: is too\ndark"]}}
    text = card_text({**facts, **drops, "notes": {"title": "T", "license": "unknown", "source_note": ""}})
    assert "| too_dark | 3 | a/b: is too dark |" in text
    assert "Nothing was said about the terms" in text
    assert CardNotes().license == "unknown"


@pytest.mark.parametrize("name", ["", "parquet"])
def test_load_dataset_opens_the_folder(small: Path, tmp_path: Path, name: str) -> None:
    """By the card's header or by the files; images are decoded, each once, and candidates are not taken for data."""
    if name:
        rows = load_dataset(name, data_files=str(small / "data" / "*.parquet"), split="train", cache_dir=str(tmp_path))
    else:
        rows = load_dataset(str(small), split="train", cache_dir=str(tmp_path))
    assert len(rows) == facts_of(small)["images"]["in_data_set"]
    for row in rows:
        (image,) = row["images"]
        assert isinstance(image, Image.Image)
        assert image.size == (row["width"], row["height"]) == (160, 120)
        assert len(row["messages"]) == 2 * len(row["pairs"]) > 0
    assert len({row["key"] for row in rows}) == len(rows)
