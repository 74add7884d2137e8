"""Regions that touch and answer to one name are one thing where it was a near thing that they were parted, and else never."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialvlm_ros.perception.named_wholes import names_one_kind, pieces_of_one, pieces_within, put_together
from spatialvlm_ros.scene.frame import Region


def region(rows: slice, columns: slice, refused_odds: float = -1.0) -> Region:
    mask = np.zeros((60, 80), np.bool_)
    mask[rows, columns] = True
    return Region(mask, joined_odds=5.0, refused_odds=refused_odds)


BODY, NECK = region(slice(20, 50), slice(30, 50)), region(slice(8, 20), slice(36, 44))
CAP, FAR = region(slice(2, 8), slice(37, 43), -2.5), region(slice(20, 50), slice(60, 75))


def test_pieces_hang_together_one_by_one() -> None:
    regions = [NECK, FAR, CAP, BODY]
    assert pieces_of_one(regions, [3, 1, 2, 0]) == (3, 0, 2)
    assert pieces_of_one(regions, [3, 1, 2]) == (), "the cap touches nothing but the neck, which does not answer"
    assert pieces_of_one(regions, [1, 0, 2, 3]) == (), "the best one stands alone"
    assert pieces_of_one(regions, [3]) == pieces_of_one(regions, []) == ()


@pytest.mark.parametrize("odds", [-3.5, -12.0, math.nan])
@pytest.mark.parametrize("first", [False, True])
def test_what_was_surely_parted_stays_so(odds: float, first: bool) -> None:
    sure = region(slice(8, 20), slice(36, 44), odds)
    regions = [sure, BODY] if first else [BODY, sure]
    assert pieces_of_one(regions, [0, 1]) == ()


def test_a_corner_is_no_contact() -> None:
    assert pieces_of_one([BODY, region(slice(50, 60), slice(51, 70))], [0, 1]) == ()
    assert pieces_of_one([BODY, region(slice(50, 60), slice(40, 59))], [0, 1]) == (0, 1)


def test_put_together_is_all_pixels_and_no_surer_than_its_pieces() -> None:
    whole = put_together([BODY, CAP, NECK])
    assert np.array_equal(whole.mask, BODY.mask | NECK.mask | CAP.mask)
    assert whole.joined_odds == -2.5 and math.isnan(whole.refused_odds)


def test_where_one_thing_was_its_pieces_are_found_again() -> None:
    before = put_together([BODY, NECK]).mask
    assert pieces_within([NECK, FAR, BODY], before) == (2, 0)
    assert pieces_within([FAR, put_together([BODY, NECK])], before) == (1,), "it is whole again"
    assert pieces_within([FAR], before) == ()


@pytest.mark.parametrize("name", ["red bottle", "the angle brackets", "mug", "cup with a handle", "off-white roll"])
def test_a_kind_is_named(name: str) -> None:
    assert names_one_kind(name)


@pytest.mark.parametrize("name", ["red thing", "the green containers", "red", "tall one", "", "yellow one"])
def test_no_kind_is_named(name: str) -> None:
    assert not names_one_kind(name)
