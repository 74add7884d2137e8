"""Recordings as sources that a data set's configuration can name (``synthesis.pipeline.Registry``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..synthesis.catalog import joined
from ..synthesis.pipeline import SourceFactory
from ..synthesis.record import Source
from .synthesis_sources import BagSource, RgbdFolderSource


def rgbd_source(paths: Sequence[str], depth_unit_m: float | None = None) -> Source:
    """RGB-D folders, one after the other."""
    return joined(paths, lambda path: RgbdFolderSource(path, depth_unit_m))


def bag_source(paths: Sequence[str], gravity_frame: str = "") -> Source:
    """Bags, one after the other."""
    return joined(paths, lambda path: BagSource(path, gravity_frame))


RECORDED_SOURCES: Mapping[str, SourceFactory] = {"rgbd": rgbd_source, "bag": bag_source}
