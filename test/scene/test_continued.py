"""What stands beyond a region's rim at its own depth: the other part of the thing, or one that touches it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tiny_render import Solid, View, view

from spatialvlm_ros.scene.continued import continued
from spatialvlm_ros.scene.frame import Region

BLOCK = Solid((0.5, 0.0, 0.04), (0.06, 0.07, 0.08), 0.3)


def shares(picture: View, mask: np.ndarray) -> tuple[float, float]:
    return continued(picture.frame, Region(mask), picture.plane, 0.001)


def test_a_thing_that_stands_alone_ends_where_its_mask_does() -> None:
    picture = view([BLOCK])
    assert shares(picture, picture.owner == 0) == (0.0, 0.0)


def test_a_thing_cut_in_two_goes_on_beyond_the_cut() -> None:
    picture = view([BLOCK])
    mask = (picture.owner == 0) & (np.arange(640) < np.median(np.nonzero(picture.owner == 0)[1]))
    of_any, of_own = shares(picture, mask)
    assert 0.15 < of_own <= of_any < 0.5


def test_another_thing_on_top_is_joined_and_of_another_colour() -> None:
    on_top = Solid((0.5, 0.0, 0.11), (0.06, 0.07, 0.06), 0.3, color=(30, 60, 200))
    picture = view([BLOCK, on_top])
    of_any, of_own = shares(picture, picture.owner == 0)
    assert of_any > 0.1 and of_own == 0.0
    alike = view([BLOCK, replace(on_top, color=BLOCK.color)])
    assert shares(alike, alike.owner == 0)[1] > 0.1


def test_nothing_is_known_without_a_plane_a_mask_or_depth() -> None:
    picture = view([BLOCK])
    mask = picture.owner == 0
    assert continued(picture.frame, Region(mask), np.full(4, np.nan), 0.001) == (0.0, 0.0)
    assert shares(picture, np.zeros_like(mask)) == (0.0, 0.0)
    blind = replace(picture, frame=replace(picture.frame, depth_m=np.full_like(picture.frame.depth_m, np.nan)))
    assert shares(blind, mask) == (0.0, 0.0)
