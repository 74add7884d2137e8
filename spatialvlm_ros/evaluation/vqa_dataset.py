"""A data set of `spatialvlm synthesize` as questions with their truth, and its images with the depth that they were made from.

A data set holds colour alone. Where the source that its provenance names is still at hand, each image gets the depth of the
picture it was made from: by key, and only when the source's bytes have the hash that the data set noted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.rigid import FloatArray
from ..scene.facts import Query
from ..scene.frame import RGBDFrame
from ..synthesis.audit_rows import Dataset
from ..synthesis.record import Dropped, Picture
from ..synthesis.sources import decoded
from .vqa_records import VqaRecord

_MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class AskedImage:
    """One image with all that is asked about it.

    Attributes:
        color: (H, W, 3) uint8 RGB, as it stands in the data set.
        frame: the same with depth; None where there is none at hand.
        truth_from: of each question, where its truth comes from: "ground_truth", or "depth" where our own engine measured it.
        up: (3,) against gravity in the optical frame, where the source knows.
    """

    key: str
    color: npt.NDArray[np.uint8]
    records: tuple[VqaRecord, ...]
    queries: tuple[Query, ...]
    frame: RGBDFrame | None = None
    up: FloatArray | None = None
    truth_from: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """What stands before the last "#" or "/" of the key: the bag, or the folder, that the image comes from."""
        return self.key[: max(self.key.rfind("#"), self.key.rfind("/"), 0)]


def asked_images(dataset: Dataset, limit: int = 0, pictures: Iterable[Picture | Dropped] = ()) -> Iterator[AskedImage]:
    """The first ``limit`` images (0 for all) in their order; ``pictures`` are those of the data set's source."""
    depths = _Depths(pictures, (str(row["key"]) for row in islice(dataset.rows_without_images(), limit or None)))
    count = 0
    for file in dataset.files:
        for number in range(len(dataset.sorts(file))):
            if limit and count == limit:
                return
            count += 1
            yield _asked(next(dataset.rows(file, [number])), depths)


def _asked(row: Mapping[str, Any], depths: _Depths) -> AskedImage:
    color = decoded(row["images"][0]["bytes"], _MAX_PIXELS, 0, 1)
    things = {thing["number"]: thing for thing in row["objects"]}
    records = tuple(_record(row["key"], pair, things) for pair in row["pairs"])
    queries = tuple(
        Query(pair["relation"], pair["subject"], pair["object"], pair["third"], pair["amount"], pair["view"])
        for pair in row["pairs"]
    )
    origins = tuple(str(pair["source"]) for pair in row["pairs"])
    picture = depths.of(row["key"], row["source_sha256"])
    if picture is None or picture.depth_m is None or picture.camera is None or picture.depth_m.shape != color.shape[:2]:
        return AskedImage(row["key"], color, records, queries, truth_from=origins)
    frame = RGBDFrame(picture.stamp_ns, color, picture.depth_m, picture.camera, picture.frame_id)
    return AskedImage(row["key"], color, records, queries, frame, picture.up, origins)


def _record(key: str, pair: Mapping[str, Any], things: Mapping[int, Mapping[str, Any]]) -> VqaRecord:
    own = [things[number] for number in pair["objects"]]
    away = [float(np.linalg.norm(thing["centre_m"])) for thing in own]
    value = math.nan if pair["value"] is None or pair["polarity"] else float(pair["value"])
    return VqaRecord(
        key, pair["question"], pair["relation"], tuple(thing["name"] for thing in own), pair["answer"], pair["polarity"], value,
        away_m=float(np.mean(away)) if away else math.nan,
    )  # fmt: skip


class _Depths:
    """Pictures of a source by key; read on as far as is needed, since both go in the same order.

    Of those read too early only the ones that are still to be asked about (``wanted`` keys) are kept.
    """

    def __init__(self, pictures: Iterable[Picture | Dropped], wanted: Iterable[str]) -> None:
        self._rest = iter(pictures)
        self._wanted = wanted
        self._open: set[str] | None = None
        self._read: dict[str, Picture] = {}

    def of(self, key: str, sha256: str) -> Picture | None:
        """The picture of a key; None when there is none, or its bytes are not those that the data set was made from."""
        while key not in self._read:
            try:
                found = next(self._rest)
            except StopIteration:
                return None
            if self._open is None:  # read late: without a source nobody needs it
                self._open = set(self._wanted)
            if isinstance(found, Picture) and found.key in self._open:
                self._read[found.key] = found
                self._open.discard(found.key)
        picture = self._read.pop(key)
        return picture if picture.source_sha256 == sha256 else None
