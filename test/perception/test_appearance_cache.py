"""Appearances of regions that did not change: told again without a look, and looked at anew all the same when they are old."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_render import NOISE, Solid, view

from spatialvlm_ros.perception.appearance import describe_each
from spatialvlm_ros.perception.appearance_cache import MAX_AGE, AppearanceCache
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter

SOLIDS = [
    Solid((0.65, 0.15, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20)),
    Solid((0.75, -0.05, 0.04), (0.08, 0.06, 0.08), -0.2, color=(20, 140, 40)),
]


def test_what_rested_is_as_old_as_what_was_asked_for_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = view(SOLIDS, seed=1)
    found = TabletopSegmenter(TabletopConfig(noise=NOISE)).segment(picture.frame)
    looked: list[int] = []

    def counted(frame: Any, regions: Any, plane: Any) -> Any:
        looked[-1] += len(regions)
        return describe_each(frame, regions, plane)

    monkeypatch.setattr("spatialvlm_ros.perception.appearance_cache.describe_each", counted)
    cache = AppearanceCache()
    for index in range(MAX_AGE + 3):
        looked.append(0)
        told = cache.describe(picture.frame, found.regions, found.plane, 2 if 0 < index < MAX_AGE else 0)
        assert len(told) == 2
    # Ages start apart, by four images.
    assert looked == [2, *[0] * (MAX_AGE - 1), 1, 1, 0]


def test_nothing_is_told_of_what_was_forgotten() -> None:
    picture = view(SOLIDS, seed=1)
    found = TabletopSegmenter(TabletopConfig(noise=NOISE)).segment(picture.frame)
    cache = AppearanceCache()
    first = cache.describe(picture.frame, found.regions, found.plane)
    again = cache.describe(picture.frame, found.regions, found.plane, 2)
    assert all(one is other for one, other in zip(again, first, strict=True))
    cache.clear()
    assert cache.describe(picture.frame, [], found.plane) == []
