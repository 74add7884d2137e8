"""Data sets in chat format: rows with images and messages, opened by `datasets`, checked, and parted by image.

Never changes: only files of a folder here are read and none of them is run; a row that cannot be used is counted once, under a
cause; whether an image is held out depends on that image alone, and a row is held out when any of its images is. So with one
share no run trains on an image that is held out, in whichever data set it lies. What that does not cover: an image is known by
the hash of what it came from (``source_sha256``) or, in rows without it, by its bytes as they are stored, so one that others have
encoded again is another image; and a held-out row of several images may also show some that are trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..synthesis.output import sha256_of
from ..synthesis.record import order_key
from .conversation import BadRow, Message, normalised
from .label_noise import noisy_messages

_DATA_SUFFIXES = (".parquet", ".jsonl", ".json", ".arrow", ".tar")
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".npy", ".npz")
_IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp")
_HOW = "make one with 'spatialvlm synthesize', or give a folder that datasets.load_dataset opens with columns images and messages"


class DataError(ValueError):
    """A data set that cannot be trained on. The text says why and what to do."""


@dataclass
class ChatData:
    """One data set, open.

    Attributes:
        name: of the folder.
        spatial: whether its rows have pairs with numbers before rounding, as ours do.
        files: sha256 of each file of data, by path in the folder.
        train, held_out: numbers of the rows on either side.
        dropped: rows that are of no use, by cause; ``reasons`` holds a sentence for each cause, ``bad`` the rows' numbers.
    """

    path: Path
    name: str
    rows: Any
    spatial: bool
    files: Mapping[str, str]
    train: list[int] = field(default_factory=list)
    held_out: list[int] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)

    def messages(self, row: int, noise_std_m: float = 0.0, seed: int = 0) -> tuple[list[Message], list[Any]]:
        """The conversation of a row and its images (RGB, Pillow).

        Raises:
            BadRow: "broken_image", and as ``normalised`` raises.
        """
        key = f"{self.name}#{row}"
        try:
            found = self.rows[row]
            key = str(_column(found, "key") or key)
            images = [image.convert("RGB") for image in _images(found)]
        # Pillow's errors for broken files are of many kinds.
        except Exception as error:
            raise BadRow("broken_image", f"{key}: an image cannot be read ({error})") from error
        turns, pairs = _messages(found), _pairs(found)
        if noise_std_m and pairs is not None:
            turns = noisy_messages(turns, pairs, noise_std_m, seed, key)
        return normalised(turns, len(images)), images

    def drop(self, row: int, error: BadRow) -> None:
        """Count a row as of no use; once, however often it is met."""
        if row in self.bad:
            return
        self.bad.add(row)
        self.dropped[error.cause] += 1
        self.reasons.setdefault(error.cause, f"row {row}: {error}")


def open_chat_data(path: Path, *, held_out_share: float, cache_dir: Path | None = None) -> ChatData:
    """Open a data set and part its images.

    Args:
        held_out_share: about so many of the images are for evaluation.

    Raises:
        DataError: no such folder, none that `datasets` opens, one without messages, or none of whose rows is of use.
        ImportError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError("training data need the package 'datasets': pip install 'spatialvlm_ros[train]'") from error
    files = _files(path)
    rows = _opened(datasets, path, cache_dir)
    columns = set(rows.column_names)
    if "json" in columns:
        columns |= set(rows.features["json"] if isinstance(rows.features["json"], dict) else ())
    if "messages" not in columns:
        raise DataError(f"{path} has no column 'messages' (it has {', '.join(sorted(columns)[:8])}); {_HOW}")
    digests = {file.relative_to(path).as_posix(): sha256_of(file) for file in files}
    data = ChatData(path, path.resolve().name, rows, "pairs" in columns, digests)
    _part(data, datasets, held_out_share)
    if not data.train and not data.held_out:
        raise DataError(
            f"none of the {len(rows)} rows of {path} can be trained on: {'; '.join(data.reasons.values()) or 'empty'}"
        )
    return data


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        raise DataError(f"{path} is no folder; {_HOW}")
    # Beside its data our folder has candidates and cards.
    found = sorted(file for file in path.rglob("*") if file.is_file() and "work" not in file.relative_to(path).parts[:-1])
    data = [file for file in found if file.suffix in _DATA_SUFFIXES and file.name not in ("provenance.json", "dataset_info.json")]
    if not data:
        pickles = [file.name for file in found if file.suffix in _PICKLES]
        if pickles:
            raise DataError(f"{path} holds its data only as {pickles[0]}, which could run any code when it is opened; {_HOW}")
        raise DataError(f"{path} holds no data ({', '.join(_DATA_SUFFIXES)}); {_HOW}")
    return data


def _opened(datasets: Any, path: Path, cache_dir: Path | None) -> Any:
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(str(path), cache_dir=None if cache_dir is None else str(cache_dir))
    # From a cut-off file to an unknown layout, each reader with errors of its own.
    except Exception as error:
        raise DataError(f"datasets cannot open {path} ({' '.join(str(error).split())[:300]}); {_HOW}") from error
    if "train" in found:
        return found["train"]
    if len(found) == 1:
        return next(iter(found.values()))
    raise DataError(f"{path} has the splits {', '.join(found)} and none named train; give a folder of the one to train on")


# -- rows -------------------------------------------------------------------------------------------------------------------


def _column(row: Mapping[str, Any], name: str) -> Any:
    """A column, or the one in a WebDataset's JSON."""
    return row[name] if name in row else (row.get("json") or {}).get(name)


def _messages(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _column(row, "messages")
    return json.loads(found) if isinstance(found, str) else list(found or [])


def _pairs(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    found: Sequence[Mapping[str, Any]] | None = _column(row, "pairs")
    return found


def _images(row: Mapping[str, Any]) -> list[Any]:
    if row.get("images") is not None:
        return list(row["images"])
    return [row[name] for name in ("image", *_IMAGE_MEMBERS) if row.get(name) is not None]


def _part(data: ChatData, datasets: Any, held_out_share: float) -> None:
    """Fill ``train``, ``held_out`` and ``dropped``. Images are not decoded here: some data sets have millions."""
    for row, found in enumerate(_undecoded(data.rows, datasets)):
        images = _images(found)
        try:
            turns = normalised(_messages(found), len(images))
            pairs = _pairs(found)
            if pairs is not None and len(pairs) != sum(turn["role"] == "assistant" for turn in turns):
                raise BadRow("pairs_differ", f"{len(pairs)} pairs do not belong to its answers")
        except BadRow as error:
            data.drop(row, error)
            continue
        is_held_out = any(order_key("held out", name) < held_out_share for name in _identities(found, images))
        (data.held_out if is_held_out else data.train).append(row)


def _undecoded(rows: Any, datasets: Any) -> Any:
    """The rows with images as files."""
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
        elif name == "images" and isinstance(inner := getattr(feature, "feature", None), datasets.Image):
            del inner
            rows = rows.cast_column(name, datasets.Sequence(datasets.Image(decode=False)))
    return rows


def _identities(row: Mapping[str, Any], images: Sequence[Any]) -> list[str]:
    """One for each of a row's images, see above; of its words where it has none."""
    source = _column(row, "source_sha256")
    if source and len(images) == 1:
        # Of images from a folder this is the hash of the file, which is what others' rows with that file are known by.
        return [str(source)]
    contents = [
        image["bytes"] if isinstance(image, Mapping) and image.get("bytes") else _file_bytes(image) for image in images
    ] or [json.dumps(_messages(row), sort_keys=True).encode()]
    return [hashlib.sha256(content).hexdigest() for content in contents]


def _file_bytes(image: Any) -> bytes:
    """Of an image that lies beside the data; a missing file is found when it is opened."""
    path = Path(str(image.get("path") if isinstance(image, Mapping) else image))
    try:
        return path.read_bytes()
    except OSError:
        return str(path).encode()
