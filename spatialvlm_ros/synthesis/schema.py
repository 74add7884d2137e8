"""The columns of the files: one row an image, its things and pairs as lists of structs.

The image column carries the mark by which Hugging Face `datasets` decodes it. Things stand once in a row and pairs name
them by number: an image with a hundred pairs would repeat each mask a dozen times.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from ..geometry.camera import CameraModel
from .record import Example, ObjectInfo, Pair


def require_pyarrow() -> None:
    """Raises ImportError that says what to install."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("data sets need the package 'pyarrow': pip install 'spatialvlm_ros[synthesis]'") from error


@cache
def object_type() -> Any:
    """Arrow type of a thing (record.ObjectInfo)."""
    import pyarrow as pa

    vector = pa.list_(pa.float64())
    mask = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("counts", pa.list_(pa.int32()))])
    return pa.struct(
        [
            ("number", pa.int32()), ("name", pa.string()), ("caption", pa.string()), ("score", pa.float64()),
            ("origin", pa.string()), ("box", pa.list_(pa.int32())), ("mask", mask), ("num_points", pa.int32()),
            ("centre_m", vector), ("extents_m", vector), ("axes", vector), ("centre_std_m", vector), ("source", pa.string()),
        ]
    )  # fmt: skip


@cache
def pair_type() -> Any:
    """Arrow type of a pair (record.Pair). ``objects`` are numbers in the row's own list."""
    import pyarrow as pa

    return pa.struct(
        [
            ("question", pa.string()), ("answer", pa.string()), ("relation", pa.string()), ("subject", pa.string()),
            ("object", pa.string()), ("third", pa.string()), ("amount", pa.float64()), ("view", pa.string()),
            ("kind", pa.string()), ("polarity", pa.string()), ("value", pa.float64()), ("std", pa.float64()),
            ("unit", pa.string()), ("status", pa.string()), ("style", pa.string()), ("question_index", pa.int32()),
            ("answer_index", pa.int32()), ("objects", pa.list_(pa.int32())), ("source", pa.string()),
            ("order_key", pa.float64()), ("cue", pa.string()), ("prior", pa.string()),
        ]
    )  # fmt: skip


@cache
def message_type() -> Any:
    """Arrow type of one turn. Its parts have no column but these two: some chat templates take any part for an image that
    has a key "image", whatever stands under it.
    """
    import pyarrow as pa

    part = pa.struct([("type", pa.string()), ("text", pa.string())])
    return pa.struct([("role", pa.string()), ("content", pa.list_(part))])


@cache
def example_schema(with_messages: bool) -> Any:
    """Schema of candidates, or of the data set."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    version = pa.struct([("name", pa.string()), ("version", pa.string())])
    drop = pa.struct([("cause", pa.string()), ("count", pa.int32())])
    camera = pa.struct(
        [
            *((name, pa.float64()) for name in ("fx", "fy", "cx", "cy")),
            ("distortion", pa.list_(pa.float64())), ("distortion_model", pa.string()),
        ]
    )  # fmt: skip
    columns = [
        ("images", pa.list_(image)),
        *([("messages", pa.list_(message_type()))] if with_messages else []),
        ("key", pa.string()), ("width", pa.int32()), ("height", pa.int32()), ("source_sha256", pa.string()),
        ("frame_id", pa.string()), ("stamp_ns", pa.int64()), ("canonical", pa.string()),
        ("camera", camera), ("objects", pa.list_(object_type())), ("pairs", pa.list_(pair_type())),
        ("stages", pa.list_(version)), ("drops", pa.list_(drop)),
    ]  # fmt: skip
    # Columns that are not named here get their feature from their Arrow type. Every version of `datasets` knows a Sequence.
    features = {"images": {"_type": "Sequence", "feature": {"_type": "Image"}}}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


# -- rows -------------------------------------------------------------------------------------------------------------------


def candidate_table(examples: Sequence[Example]) -> Any:
    """Examples as a table of `example_schema`, without messages."""
    import pyarrow as pa

    schema = example_schema(False)
    rows = [_row(example) for example in examples]
    columns = {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema}
    columns["pairs"] = _pairs_column([example.pairs for example in examples])
    return pa.table([columns[field.name] for field in schema], schema=schema)


def _row(example: Example) -> dict[str, Any]:
    """All but the pairs."""
    return {
        "images": [{"bytes": example.image, "path": f"{file_name(example.key)}.{example.image_format}"}],
        "key": example.key, "width": example.width, "height": example.height, "source_sha256": example.source_sha256,
        "frame_id": example.frame_id, "stamp_ns": example.stamp_ns, "canonical": example.canonical,
        "camera": _camera_row(example.camera),
        "objects": [_object_row(thing) for thing in example.objects],
        "stages": [{"name": name, "version": version} for name, version in sorted(stages_of(example).items())],
        "drops": [{"cause": cause, "count": count} for cause, count in sorted(example.drops.items())],
    }  # fmt: skip


def _pairs_column(pairs: Sequence[Sequence[Pair]]) -> Any:
    """Field by field: ten times as fast as one dictionary a pair, and there may be thousands of pairs an image."""
    import pyarrow as pa

    flat = [pair for some in pairs for pair in some]
    values: dict[str, list[Any]] = {
        "relation": [pair.query.relation for pair in flat], "subject": [pair.query.subject for pair in flat],
        "object": [pair.query.object for pair in flat], "third": [pair.query.third for pair in flat],
        "amount": [pair.query.amount for pair in flat], "view": [pair.query.view for pair in flat],
        "value": [_known(pair.value) for pair in flat], "std": [_known(pair.std) for pair in flat],
        "objects": [[thing.number for thing in pair.objects] for pair in flat],
    }  # fmt: skip
    fields = list(pair_type())
    arrays = [pa.array(values.get(f.name) or [getattr(pair, f.name) for pair in flat], f.type) for f in fields]
    offsets = [0, *accumulate(len(some) for some in pairs)]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(arrays, fields=fields))


def messages_of(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Questions and answers as turns of one conversation; the image stands before the first question."""
    turns: list[dict[str, Any]] = []
    for question, answer in pairs:
        image = [] if turns else [{"type": "image", "text": None}]
        turns.append({"role": "user", "content": [*image, {"type": "text", "text": question}]})
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return turns


def file_name(key: str) -> str:
    """A picture's key as the name of a file, without a dot: "pcl_mosd/learn0" becomes "pcl_mosd-learn0"."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", key).strip("-") or "picture"


def stages_of(example: Example) -> dict[str, str]:
    """Name and version of all stages that any of the pairs went through."""
    maps: dict[int, Mapping[str, str]] = {id(pair.stage_versions): pair.stage_versions for pair in example.pairs}
    return {name: version for versions in maps.values() for name, version in versions.items()}


def _object_row(thing: ObjectInfo) -> dict[str, Any]:
    mask = {"height": thing.mask.height, "width": thing.mask.width, "counts": thing.mask.counts}
    return {
        "number": thing.number, "name": thing.name, "caption": thing.caption, "score": _known(thing.score),
        "origin": thing.origin, "box": thing.box, "mask": mask, "num_points": thing.num_points, "centre_m": thing.centre_m,
        "extents_m": thing.extents_m, "axes": thing.axes, "centre_std_m": thing.centre_std_m, "source": thing.source,
    }  # fmt: skip


def _camera_row(camera: CameraModel | None) -> dict[str, Any] | None:
    if camera is None:
        return None
    return {
        "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
        "distortion": [float(value) for value in camera.distortion], "distortion_model": camera.distortion_model,
    }  # fmt: skip


def _known(value: float) -> float | None:
    """Files say null where there is no number."""
    return value if math.isfinite(value) else None
