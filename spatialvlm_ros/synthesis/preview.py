"""What a run would find and what it lacks, told without writing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from .output import describe_folder
from .pipeline import PipelineConfig, Registry
from .record import Dropped, Picture, Source
from .run import left_aside, selection_of
from .shards import default_items_per_shard, pictures, shard_tasks

# Pictures that are looked at, spread over the source.
LOOKED_AT = 5


@dataclass
class Preview:
    """What there is, and what stands in the way of a run.

    Attributes:
        lines: for people, all of it.
        wrong: what the input lacks; a run would give nothing or little.
        missing: what this machine lacks; a run would not begin.
    """

    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def preview(config: PipelineConfig, registry: Registry, out: Path) -> Preview:
    """Look at the source, the models and the output folder. Raises ValueError as a run would for wrong input."""
    source = registry.source(config.source)
    selection_of(config)
    found = Preview()
    items = len(source)
    per_shard = config.items_per_shard or default_items_per_shard(items)
    shards = len(shard_tasks("", items, per_shard))
    found.lines.append(f"source: {config.source.name}, {items} images, {shards} shards of up to {per_shard}")
    aside = left_aside(source)
    if aside:
        found.lines.append(f"  left aside: {aside}")
    found.lines += [f"  {line}" for line in _looks(source, config, found.wrong)]
    for part in config.stages:
        lack = registry.missing(part)
        found.lines.append(f"stage {part.name}: {lack or 'ready'}")
        found.missing += [f"stage {part.name}: {lack}"] if lack else []
    found.lines.append(f"output: {describe_folder(out, {**config.to_json(), 'items_per_shard': per_shard, 'items': items})}")
    found.lines += [f"MISSING {line}" for line in (*found.wrong, *found.missing)] or ["nothing is missing"]
    return found


def _looks(source: Source, config: PipelineConfig, wrong: list[str]) -> Iterator[str]:
    """Of a few pictures: size, depth, camera, regions; and why others are none."""
    items = len(source)
    chosen = sorted({round(at) for at in np.linspace(0, items - 1, min(LOOKED_AT, items))})
    looked = [item for at in chosen for item in islice(pictures(source, at, at + 1), 1)]
    drops: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for item in looked:
        if isinstance(item, Dropped):
            drops[item.cause] += 1
            yield f"{item}"
            continue
        yield _line(item)
        without["depth"] += item.depth_m is None
        without["camera"] += item.camera is None
    stages = {part.name for part in config.stages}
    for what, count in without.items():
        if count and "depth" not in stages:
            wrong.append(f"{count} of {len(looked)} images looked at have no {what}, and no depth model is named")
    if looked and sum(drops.values()) == len(looked):
        wrong.append(f"none of {len(looked)} images looked at can be used")


def _line(picture: Picture) -> str:
    height, width = picture.color.shape[:2]
    parts = [f"{picture.key}: {width} x {height}"]
    if picture.depth_m is None:
        parts.append("no depth")
    else:
        valid = picture.depth_m[np.isfinite(picture.depth_m)]
        # A wrong unit shows here: rooms are metres deep.
        spread = f"{np.min(valid):.2f} to {np.max(valid):.2f} m (median {np.median(valid):.2f})" if valid.size else "none valid"
        parts.append(f"depth {spread}, {valid.size / picture.depth_m.size:.0%} valid, {picture.depth_origin or 'sensor'}")
    camera = picture.camera
    parts.append(
        "no camera" if camera is None else f"fx {camera.fx:.1f} fy {camera.fy:.1f} cx {camera.cx:.1f} cy {camera.cy:.1f}"
    )
    if picture.regions:
        parts.append(f"{len(picture.regions)} named regions")
    return ", ".join(parts)
