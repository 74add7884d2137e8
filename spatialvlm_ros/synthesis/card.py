"""What stands beside the data: README.md, the card that a hub reads, and provenance.json, the same for programs.

Both say the same whatever machine made the data and whenever, so they are compared byte by byte like the data itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .output import MADE_BY, OutFolder, write_json, write_text
from .pipeline import PipelineConfig
from .writer import SUFFIXES

# Names by which hubs know a licence; any other text goes in as the name of an "other" licence.
_HUB_LICENSES = (
    "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "odbl",
    "unknown",
)  # fmt: skip
_POLARITY_WORDS = {"": "number", "first": "first thing", "second": "second thing"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))
_MOST_DROP_TEXTS = 3


@dataclass(frozen=True)
class CardNotes:
    """What only people know about a data set.

    Attributes:
        title: heading of the card.
        license: of the data set: a hub's identifier, or words.
        source_note: where the pictures come from and under which terms.
    """

    title: str = "Spatial questions and answers"
    license: str = "unknown"
    source_note: str = ""


def write_card(
    out: OutFolder,
    config: PipelineConfig,
    notes: CardNotes,
    candidates: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
) -> None:
    """Write both files from the done files of all shards."""
    facts = summary(config, notes, candidates, files)
    write_json(out.path / "provenance.json", facts)
    write_text(out.path / "README.md", card_text(facts))


def add_shortcuts(folder: Path, figures: Mapping[str, Any], sentence: str) -> None:
    """Add to both files what can be guessed without measuring.

    Args:
        folder: of a finished data set.
        figures: for programs; ``sentence`` is the same for people.

    Raises:
        FileNotFoundError: there is no finished data set.
    """
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    facts = {**facts, "shortcuts": {"in_words": sentence, **figures}}
    write_json(folder / "provenance.json", facts)
    write_text(folder / "README.md", card_text(facts))


def summary(
    config: PipelineConfig, notes: CardNotes, candidates: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything that is known about a data set, as JSON values."""
    texts: dict[str, list[str]] = {}
    for one in candidates:
        for cause, some in one["drop_texts"].items():
            texts[cause] = [*texts.get(cause, []), *some][:_MOST_DROP_TEXTS]
    return {
        "made_by": MADE_BY,
        "notes": asdict(notes),
        "config": config.to_json(),
        "config_sha256": config.digest,
        "versions": _all_of(one["versions"] for one in candidates),
        "stages": _all_of(one["stages"] for one in candidates),
        "images": {
            "found": sum(one["items"] for one in candidates),
            "with_pairs": sum(one["examples"] for one in candidates),
            "in_data_set": sum(one["rows"] for one in files),
        },
        "dropped_images": _sums(one["drops"] for one in candidates),
        "dropped_image_texts": texts,
        "dropped_within_images": _sums(one["part_drops"] for one in candidates),
        "candidate_pairs": sum(one["pairs"] for one in candidates),
        "pairs": sum(one["pairs"] for one in files),
        "pair_counts": _pair_counts(candidates, files),
        "files": [{key: one[key] for key in ("file", "sha256", "bytes", "rows", "pairs")} for one in files],
    }


def card_text(facts: Mapping[str, Any]) -> str:
    """The text of README.md."""
    config, images = facts["config"], facts["images"]
    parts = [
        _header(facts),
        f"# {facts['notes']['title']}\n",
        f"{facts['pairs']} questions with answers about {images['in_data_set']} images, made by `{facts['made_by']}` without a "
        f"human or a language model: things are measured in three dimensions, and the answers follow from the measurements.\n",
        _how_to_load(config["file_format"]),
        "## Where it comes from\n\n" + _source(facts),
        "## What was asked\n\n" + _pair_table(facts),
        "## What was left out\n\n" + _drops(facts),
        *(["## What can be guessed\n\n" + _shortcuts(facts["shortcuts"])] if "shortcuts" in facts else []),
        "## Limits\n\n" + _LIMITS,
        "## How it was made\n\n```json\n"
        + json.dumps({key: facts[key] for key in ("config", "stages", "versions")}, indent=1, ensure_ascii=False, sort_keys=True)
        + "\n```\n\n`provenance.json` holds the same for programs, with the SHA-256 of each file.\n",
    ]
    return "\n".join(parts)


_LIMITS = """\
- Lengths carry the error of the depth they were measured on; `std` is one standard deviation, where it is known.
- Things are called what somebody called them (`origin`: a renderer, rules of colour and shape, a model). A wrong name makes a
  right measurement of the wrong thing.
- Only what is seen is measured. A thing that is partly hidden or cut off by the edge of the image has its visible size.
- Questions are filled templates, so their wording is narrower than that of people.
- `cue` names the answer that the image's layout alone suggests. Where it agrees with the answer, the pair teaches little space.
"""


def _header(facts: Mapping[str, Any]) -> str:
    """The YAML that a hub reads, and by which `datasets` finds the files."""
    licence = str(facts["notes"]["license"])
    if licence in _HUB_LICENSES:
        lines = [f"license: {licence}"]
    else:
        lines = ["license: other", f"license_name: {json.dumps(licence)}"]
    rows = facts["images"]["in_data_set"]
    size = next((word for bound, word in _SIZES if rows < bound), "n>10M")
    suffix = SUFFIXES[facts["config"]["file_format"]]
    lines += [
        f"pretty_name: {json.dumps(facts['notes']['title'])}", "task_categories:", "- visual-question-answering", "language:",
        "- en", "tags:", "- spatial-reasoning", "- depth", "- robotics", "size_categories:", f"- {size}", "configs:",
        "- config_name: default", "  data_files:", "  - split: train", f"    path: data/train-*.{suffix}",
    ]  # fmt: skip
    return "\n".join(["---", *lines, "---", ""])


def _how_to_load(file_format: str) -> str:
    columns = (
        "A row is one image. `images` holds it, `messages` one conversation about it as lists of parts (TRL's `SFTTrainer` and "
        "chat templates of transformers take both as they are; the image is a placeholder before the first question). `pairs` "
        "holds for each question and answer the relation, the names, the number before rounding with its standard deviation, "
        "the templates, and which of `objects` it is about; `objects` holds boxes, masks (run lengths down the columns, as "
        "COCO's) and the measured place and size in the optical frame, metres.\n"
    )
    files = f"data/train-*.{SUFFIXES[file_format]}"
    code = (
        "```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("PATH")["train"]  # or load_dataset("{file_format}", data_files="PATH/{files}")\n```\n'
    )
    members = "" if file_format == "parquet" else "In the tar files the image is one member and all other columns are one JSON.\n"
    return "\n".join([code, columns, members]) if members else "\n".join([code, columns])


def _source(facts: Mapping[str, Any]) -> str:
    source = facts["config"]["source"]
    options = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(source["options"].items()))
    note = facts["notes"]["source_note"] or (
        "Nothing was said about the terms of the source; whoever passes this on has to know them."
    )
    return f"Source: {source['name']} ({options}).\nLicence of this data set, as given: {facts['notes']['license']}.\n{note}\n"


def _pair_table(facts: Mapping[str, Any]) -> str:
    lines = ["| relation | kind | answer | pairs | of candidates |", "|---|---|---|---:|---:|"]
    for row in facts["pair_counts"]:
        word = _POLARITY_WORDS.get(row["polarity"], row["polarity"])
        lines.append(f"| {row['relation']} | {row['kind']} | {word} | {row['pairs']} | {row['candidates']} |")
    kinds: Counter[str] = Counter()
    for row in facts["pair_counts"]:
        kinds[row["kind"]] += row["pairs"]
    total = max(sum(kinds.values()), 1)
    shares = ", ".join(f"{100 * count / total:.1f} % {kind}" for kind, count in sorted(kinds.items()))
    return "\n".join([*lines, "", f"{facts['pairs']} of {facts['candidate_pairs']} candidates: {shares or 'none'}.", ""])


def _drops(facts: Mapping[str, Any]) -> str:
    images = facts["images"]
    lines = [f"{images['found']} images were found, {images['with_pairs']} gave pairs, {images['in_data_set']} are in it.", ""]
    if facts["dropped_images"]:
        lines += ["| images dropped | images | for instance |", "|---|---:|---|"]
        for cause, count in facts["dropped_images"].items():
            example = facts["dropped_image_texts"].get(cause, [""])[0].replace("|", "/").replace("\n", " ")
            lines.append(f"| {cause} | {count} | {example} |")
        lines.append("")
    if facts["dropped_within_images"]:
        lines += ["| dropped within images | times |", "|---|---:|"]
        lines += [f"| {cause} | {count} |" for cause, count in facts["dropped_within_images"].items()]
        lines.append("")
    return "\n".join(lines)


def _shortcuts(shortcuts: Mapping[str, Any]) -> str:
    return (
        f"A model that sees no image was fitted on one half of the images and judged on the other one: {shortcuts['in_words']}. "
        "`provenance.json` has the figures of each relation.\n"
    )


def _pair_counts(candidates: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each relation, kind and polarity that any pair has."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for column, dones in enumerate((files, candidates)):
        for done in dones:
            for relation, kind, polarity, *_, count in done["groups"]:
                found.setdefault((relation, kind, polarity), [0, 0])[column] += count
    names = ("relation", "kind", "polarity")
    return [{**dict(zip(names, key, strict=True)), "pairs": n, "candidates": m} for key, (n, m) in sorted(found.items())]


def _sums(tables: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items()))


def _all_of(tables: Any) -> dict[str, list[str]]:
    """Every version that any shard was made with; more than one where a run went on after an update."""
    found: dict[str, set[str]] = {}
    for table in tables:
        for name, version in table.items():
            found.setdefault(name, set()).update([version] if isinstance(version, str) else version)
    return {name: sorted(some) for name, some in sorted(found.items())}
