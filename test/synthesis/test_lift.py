"""Regions and depth to things: each with its own caption, and what is dropped counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pictures import recaptioned, region, rendered, with_regions

from spatialvlm_ros.synthesis.lift import LiftConfig, lift
from spatialvlm_ros.synthesis.record import Dropped


def cause(picture: object, config: LiftConfig | None = None) -> str:
    with pytest.raises(Dropped) as caught:
        lift(picture, config)  # type: ignore[arg-type]
    assert caught.value.key == picture.key  # type: ignore[attr-defined]
    return caught.value.cause


def test_things_are_measured_where_they_are() -> None:
    picture, truth = rendered(41), rendered(41, truth=True).truth
    assert truth is not None
    lifted = lift(picture)
    true_things = {thing.label: thing for thing in truth.objects}
    assert len(lifted.scene.objects) >= 3
    for thing, of in zip(lifted.scene.objects, lifted.regions, strict=True):
        assert thing.label == of.caption
        assert np.linalg.norm(thing.centre - true_things[of.caption].centre) < 0.03


def test_an_empty_region_goes_with_its_caption_and_shifts_no_other() -> None:
    picture = rendered(41)
    empty = region(np.zeros((240, 320)), "ghost")
    small = np.zeros((240, 320))
    small[:5, :5] = 1
    kept = lift(picture)
    mixed = lift(with_regions(picture, [empty, *picture.regions[:2], region(small, "crumb"), *picture.regions[2:]]))
    assert [thing.label for thing in mixed.scene.objects] == [thing.label for thing in kept.scene.objects]
    for one, other in zip(mixed.scene.objects, kept.scene.objects, strict=True):
        assert np.array_equal(one.centre, other.centre)
    assert mixed.drops - kept.drops == {"region_empty": 1, "region_small": 1}
    assert "crumb" in mixed.others and "ghost" not in mixed.others


def test_one_thing_found_twice_is_one_thing() -> None:
    picture = rendered(41)
    first = picture.regions[0]
    shifted = np.roll(first.mask, 1, axis=1)
    twice = lift(with_regions(picture, [region(shifted, "blob", 0.5), *picture.regions]))
    assert twice.drops["region_double"] == 1
    assert "blob" not in [thing.label for thing in twice.scene.objects] and "blob" not in twice.others


def test_what_has_no_depth_is_no_thing_but_stays_in_sight() -> None:
    picture = rendered(41)
    assert picture.depth_m is not None
    glass = picture.regions[0]
    depth = np.where(glass.mask, np.float32(np.nan), picture.depth_m)
    lifted = lift(replace(picture, depth_m=depth))
    assert lifted.drops["region_little_depth"] == 1
    assert glass.caption in lifted.others and glass.caption not in [thing.label for thing in lifted.scene.objects]


def test_background_and_masks_of_another_size_are_dropped() -> None:
    picture = rendered(41)
    lifted = lift(with_regions(picture, [*picture.regions, region(np.ones((240, 320)), "all"), region(np.ones((9, 9)), "other")]))
    assert lifted.drops["region_background"] == 1 and lifted.drops["region_wrong_size"] == 1


def test_pictures_that_cannot_be_lifted_say_why() -> None:
    picture = rendered(41)
    assert picture.depth_m is not None
    assert cause(replace(picture, depth_m=None)) == "no_depth"
    assert cause(replace(picture, camera=None)) == "no_depth"
    assert cause(replace(picture, depth_m=np.full((240, 320), np.nan, np.float32))) == "no_depth"
    assert cause(replace(picture, depth_m=picture.depth_m[::2, ::2])) == "bad_frame"
    assert cause(replace(picture, regions=()), LiftConfig(grounder="none")) == "no_regions"
    with pytest.raises(ValueError, match="neither"):
        LiftConfig(grounder="magic")


def test_regions_are_found_where_there_are_none() -> None:
    picture = rendered(41)
    lifted = lift(replace(picture, regions=()))
    assert lifted.regions and all(found.origin == "tabletop" for found in lifted.regions)
    assert all(found.caption for found in lifted.regions)


def test_up_comes_from_gravity_else_from_the_plane_else_it_is_not_known() -> None:
    picture = rendered(49)
    by_gravity = lift(picture).scene.canonical
    assert by_gravity is not None and by_gravity.source == "renderer"
    by_plane = lift(replace(picture, up=None)).scene.canonical
    assert by_plane is not None and by_plane.source == "plane"
    assert np.degrees(np.arccos(np.clip(by_plane.up @ picture.up, -1, 1))) < 1.5
    # Nothing but the things has depth, so that there is no plane under them.
    assert picture.depth_m is not None
    mask = np.any([found.mask for found in picture.regions], axis=0)
    alone = np.where(mask, picture.depth_m, np.float32(np.nan))
    unknown = lift(replace(picture, up=None, depth_m=alone)).scene
    assert unknown.canonical is None and unknown.canonical_reason


def test_true_things_are_taken_as_they_are_with_the_captions_of_the_regions() -> None:
    picture = rendered(41, truth=True)
    captions = [f"thing {number}" for number in range(len(picture.regions))]
    lifted = lift(recaptioned(picture, captions))
    assert picture.truth is not None
    assert [thing.label for thing in lifted.scene.objects] == captions
    for thing, true in zip(lifted.scene.objects, picture.truth.objects, strict=True):
        assert np.array_equal(thing.centre, true.centre) and np.array_equal(thing.surface, true.points)
    with pytest.raises(ValueError, match="true things for"):
        lift(replace(picture, regions=picture.regions[1:]))
