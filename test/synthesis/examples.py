"""Examples made by hand, a render configuration that is quick, and how trees of files are compared."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.facts import Query
from spatialvlm_ros.synthesis.card import CardNotes
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.record import Example, MaskRle, ObjectInfo, Pair, Picture, order_key

NOTES = CardNotes("Small scenes", "cc-by-4.0", "Rendered here.")


def small_config(count: int = 6, items_per_shard: int = 2, **changes: Any) -> PipelineConfig:
    """Rendered scenes of 160 x 120, in three shards unless told otherwise."""
    source = Part("render", {"seed": 40, "count": count, "width_px": 160, "captions": "name", "truth": True})
    values: dict[str, Any] = {"select": {"pairs_per_image": 12}, "seed": 3, **changes}
    return PipelineConfig(source=source, items_per_shard=items_per_shard, **values)


def tree_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder but for the lock, by relative path."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def picture(key: str, value: int = 0) -> Picture:
    """A grey picture without depth."""
    color = np.full((24, 32, 3), value, np.uint8)
    return Picture(key, color, None, None, "camera", 0, hashlib.sha256(color.tobytes()).hexdigest())


def example(number: int, pairs: int = 4) -> Example:
    """A picture of two things; every other pair is a number, the others are yes and no in turns."""
    color = np.full((24, 32, 3), (number, 2 * number, 255), np.uint8)
    image = bytes(cv2.imencode(".png", color[..., ::-1])[1])
    mask = np.zeros((24, 32), bool)
    mask[3:9, 5:12] = True
    things = tuple(thing(at, f"block {at}", mask) for at in range(2))
    return Example(
        f"made/by.hand#{number}", image, "png", 32, 24, "ab" * 32, "camera", number, "plane", things,
        tuple(pair(number, at, things) for at in range(pairs)), {"region_small": 1},
        camera=CameraModel(32, 24, 30.0, 31.0, 15.5, 11.5),
    )  # fmt: skip


def thing(number: int, name: str, mask: Any) -> ObjectInfo:
    """A thing with a mask."""
    axes = tuple(np.eye(3).ravel().tolist())
    box, centre = (5, 3, 12, 9), (0.1, 0.2, 0.3)
    return ObjectInfo(
        number, name, "block", 0.75, "renderer", box, MaskRle.of(mask), 42, centre, (0.1, 0.1, 0.2), axes, (0.001,) * 3, "depth"
    )


def pair(number: int, at: int, things: tuple[ObjectInfo, ...]) -> Pair:
    """The ``at``-th pair of an example."""
    is_number = at % 2 == 0
    relation, polarity = ("distance", "") if is_number else ("left", ("yes", "no")[at // 2 % 2])
    return Pair(
        question=f"Question {at} about picture {number}?", answer=f"Answer {at}.",
        query=Query(relation, things[0].name, things[1].name), kind="quantitative" if is_number else "qualitative",
        polarity=polarity, value=0.1 * at, std=0.01 if is_number else math.nan, unit="m" if is_number else "probability",
        status="ok", style="human", question_index=at, answer_index=0, objects=things, source="depth", frame_id="camera",
        stage_versions={"ask": "1", "regions": "2"}, order_key=order_key(number, at), cue="",
    )  # fmt: skip
