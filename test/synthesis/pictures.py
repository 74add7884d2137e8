"""Pictures for tests of data synthesis, each rendered or made once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from spatialvlm_ros.simulation.random_types import SceneSampling
from spatialvlm_ros.synthesis.record import Dropped, NamedRegion, Picture
from spatialvlm_ros.synthesis.sources import RenderSource

# Half the usual size: rendering is most of a test's time.
# Half of the things stand on other ones, for differences in height.
SMALL = SceneSampling(width_px=(320, 320), height_px=(240, 240), fx_px=(230.0, 320.0), num_things=(5, 8), share_stacked=0.5)


@cache
def rendered(seed: int, noise: str = "", truth: bool = False, captions: str = "name") -> Picture:
    """One scene on a table or floor."""
    source = RenderSource(seed, 1, SMALL, noise=noise, truth=truth, captions=captions, min_pixels=60)
    (item,) = source.items(0, 1)
    assert not isinstance(item, Dropped), item
    return item


def with_regions(picture: Picture, regions: list[NamedRegion]) -> Picture:
    return replace(picture, regions=tuple(regions), truth=None)


def recaptioned(picture: Picture, captions: list[str]) -> Picture:
    """The picture with other names for its regions."""
    named = zip(picture.regions, captions, strict=True)
    return replace(picture, regions=tuple(replace(region, caption=caption) for region, caption in named))


def region(mask: Any, caption: str, score: float = 1.0) -> NamedRegion:
    return NamedRegion(np.asarray(mask, dtype=np.bool_), caption, score, "test")
