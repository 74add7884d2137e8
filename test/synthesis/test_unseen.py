"""What does not show of a thing is not told of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from pictures import region, rendered, with_regions
from things import box, camera_over_table, scene
from tiny_render import NOISE, Solid, view

from spatialvlm_ros.scene.measure import MeasureConfig, measure_region
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.facts import FactLimits, SceneFacts
from spatialvlm_ros.synthesis.lift import Lifted, lift
from spatialvlm_ros.synthesis.record import Dropped, Picture
from spatialvlm_ros.synthesis.sources import RenderSource
from spatialvlm_ros.synthesis.unseen import Unseen, needs_unseen, parts_unseen


@cache
def seen_from_above(seed: int, noise: str) -> Lifted:
    (item,) = RenderSource(seed, 1, noise=noise).items(0, 1)
    assert not isinstance(item, Dropped)
    return lift(item)


def place_of(lifted: Lifted, caption: str) -> int:
    return [region.caption for region in lifted.regions].index(caption)


def hidden(picture: Picture, index: int, part: str) -> Picture:
    """The picture with something in front of the lower or the left half of one of its things."""
    assert picture.depth_m is not None
    mask = picture.regions[index].mask
    v, u = np.nonzero(mask)
    rows, columns = np.indices(mask.shape)
    margin = 15
    near = (rows >= v.min() - margin) & (rows <= v.max() + margin) & (columns >= u.min() - margin) & (columns <= u.max() + margin)
    near &= rows > np.median(v) if part == "lower" else columns < np.median(u)
    depth = np.where(near, np.float32(np.nanmin(picture.depth_m[mask]) - 0.1), picture.depth_m).astype(np.float32)
    regions = [replace(region, mask=region.mask & ~near) for region in picture.regions]
    return replace(with_regions(picture, [regions[index]]), depth_m=depth)


def free_standing(picture: Picture) -> int:
    """A thing that shows all of itself."""
    lifted = lift(picture)
    unseen = lifted.unseen.foot | lifted.unseen.side | lifted.unseen.depth
    largest = sorted(range(len(lifted.regions)), key=lambda at: -int(np.count_nonzero(lifted.regions[at].mask)))
    caption = next(lifted.regions[at].caption for at in largest if at not in unseen)
    return [region.caption for region in picture.regions].index(caption)


def test_something_in_front_hides_the_foot_or_a_side() -> None:
    picture = rendered(41)
    index = free_standing(picture)
    below, beside = (lift(hidden(picture, index, part)).unseen for part in ("lower", "left"))
    assert below.foot == {0} and below.depth == {0}
    assert beside.side == {0} and beside.depth == {0}


def test_what_the_image_cuts_off_at_its_side_may_be_taller_than_it_shows() -> None:
    for left_m, is_cut in ((0.0, False), (0.39, True)):
        picture = view([Solid((0.5, left_m, 0.04), (0.06, 0.09, 0.08))])
        thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
        assert thing is not None and thing.truncated == is_cut
        unseen = parts_unseen(picture.frame, [picture.region()], [thing], picture.canonical, picture.plane, NOISE, 0.01)
        assert (unseen.foot == {0}) == is_cut


def test_what_the_image_cuts_off_above_may_be_taller_than_it_shows() -> None:
    for height_m, is_cut in ((0.08, False), (0.5, True)):
        picture = view([Solid((0.5, 0.0, height_m / 2), (0.06, 0.06, height_m))])
        thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
        assert thing is not None and thing.truncated == is_cut
        unseen = parts_unseen(picture.frame, [picture.region()], [thing], picture.canonical, picture.plane, NOISE, 0.01)
        assert (unseen.foot == {0}) == is_cut


@pytest.mark.parametrize("end", ["upper", "lower", "left"])
def test_a_box_ends_too_early_where_an_end_of_the_mask_has_no_depth(end: str) -> None:
    """As it is in the shadow that a sensor with two eyes throws beside what stands in front."""
    picture = view([Solid((0.5, 0.0, 0.04), (0.06, 0.09, 0.08))])
    region = picture.region()
    v, u = np.nonzero(region.mask)
    rows, columns = np.indices(region.mask.shape)
    third = {
        "upper": rows < np.quantile(v, 0.33), "lower": rows > np.quantile(v, 0.67), "left": columns < np.quantile(u, 0.33),
    }[end]  # fmt: skip
    for shadow, is_empty in ((np.zeros_like(third), False), (third & region.mask, True)):
        depth = np.where(shadow, np.float32(np.nan), picture.frame.depth_m)
        frame = replace(picture.frame, depth_m=depth)
        thing = measure_region(frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig())
        assert thing is not None
        unseen = parts_unseen(frame, [region], [thing], picture.canonical, picture.plane, NOISE, 0.01)
        assert (unseen.side == {0}) == (is_empty and end == "left")
        assert (unseen.foot == {0}) == (is_empty and end != "left")


def test_a_box_in_the_air_stands_on_what_is_seen_right_below_it() -> None:
    """On a carton its foot shows; on a post that is thinner than itself its underside does not, whatever the post's height."""
    on_it = Solid((0.61, 0.0, 0.22), (0.09, 0.09, 0.14), color=(90, 30, 140))
    carton, post = Solid((0.6, 0.0, 0.075), (0.2, 0.2, 0.15)), Solid((0.61, 0.0, 0.075), (0.05, 0.05, 0.15))
    for carrier, is_hidden in ((carton, False), (post, True)):
        picture = view([on_it, carrier], pose=camera_over_table(42.0, height_m=0.75))
        thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
        assert thing is not None
        # A box that ends where the carrier is hidden begins to show.
        high = replace(thing, centre=thing.centre + 0.03 * picture.canonical.up) if is_hidden else thing
        unseen = parts_unseen(picture.frame, [picture.region()], [high], picture.canonical, picture.plane, NOISE, 0.01)
        assert (unseen.foot == {0}) == is_hidden


def test_what_stands_on_a_thing_hides_how_deep_it_is() -> None:
    carton = Solid((0.6, 0.0, 0.075), (0.16, 0.065, 0.15))
    on_it = Solid((0.61, 0.0, 0.22), (0.062, 0.062, 0.14), color=(90, 30, 140))
    for solids, is_under in (([carton], False), ([carton, on_it], True)):
        picture = view(solids, pose=camera_over_table(42.0, height_m=0.75))
        thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
        assert thing is not None
        unseen = parts_unseen(picture.frame, [picture.region()], [thing], picture.canonical, picture.plane, NOISE, 0.01)
        assert (unseen.depth == unseen.side == {0}) == is_under


def test_another_region_hides_a_side_where_the_camera_has_no_depth() -> None:
    """As a stereo camera has none beside what stands in front: the hole alone tells nothing, the other mask does."""
    picture = rendered(41)
    index = free_standing(picture)
    covered = hidden(picture, index, "left")
    assert covered.depth_m is not None and picture.depth_m is not None
    front = covered.depth_m != picture.depth_m
    columns = np.flatnonzero(front.any(axis=0))
    hole = np.zeros_like(front)
    hole[:, columns[-1] - 6 : columns[-1] + 5] = True
    holed = replace(covered, depth_m=np.where(hole, np.float32(np.nan), covered.depth_m))
    assert 0 not in lift(holed).unseen.side
    both = with_regions(holed, [*holed.regions, region(front, "box")])
    assert 0 in lift(both).unseen.side


@pytest.mark.parametrize("noise", ["stereo", "structured_light"])
@pytest.mark.parametrize(("seed", "caption"), [(700_002, "blue block"), (700_020, "blue bottle")])
def test_a_thing_that_is_looked_at_from_high_above_stands_on_the_table(seed: int, caption: str, noise: str) -> None:
    """Its lowest points are few, and far above its foot; the table is seen all around it."""
    lifted = seen_from_above(seed, noise)
    (item,) = RenderSource(seed, 1, truth=True).items(0, 1)
    assert isinstance(item, Picture) and item.truth is not None
    thing = lifted.scene.objects[place_of(lifted, caption)]
    true = item.truth.objects[[region.caption for region in item.regions].index(caption)]
    assert float(np.min(lifted.scene.height_above_support(thing.corners()))) == pytest.approx(0, abs=0.002)
    assert thing.extents[2] == pytest.approx(true.extents[2], abs=0.004)
    # Nobody sees it, so that it is not sure.
    assert thing.extents_std[2] > 0.08 * true.extents[2]


@pytest.mark.parametrize("noise", ["stereo", "structured_light"])
def test_a_box_in_the_air_over_a_thing_that_stands_has_a_wrong_foot(noise: str) -> None:
    """A ball that is mostly hidden from one side."""
    lifted = seen_from_above(700_005, noise)
    index = place_of(lifted, "pink ball")
    assert float(np.min(lifted.scene.height_above_support(lifted.scene.objects[index].corners()))) > 0.01
    assert index in lifted.unseen.foot


def test_things_on_other_things_stand_where_they_are_seen_to_stand() -> None:
    """A box that begins above the table is no wrong one where something else holds it up."""
    held_up = taken_for_wrong = 0
    for seed in (47, 53, 54, 55, 56):
        lifted, truth = lift(rendered(seed)), rendered(seed, truth=True).truth
        assert truth is not None
        lowest = {thing.label: float(np.min(truth.height_above_support(thing.corners()))) for thing in truth.objects}
        shown = [at for at in range(len(lifted.regions)) if at not in lifted.unseen.side | lifted.unseen.depth]
        # Not what the image cuts off, and not what begins elsewhere than it was measured to.
        whole = [at for at in shown if not lifted.scene.objects[at].truncated]
        begins = {at: float(np.min(lifted.scene.height_above_support(lifted.scene.objects[at].corners()))) for at in whole}
        true = {at: lowest[lifted.regions[at].caption] for at in whole}
        free = [at for at in whole if true[at] > 0.02 and abs(begins[at] - true[at]) < 0.005]
        held_up += len(free)
        taken_for_wrong += len(lifted.unseen.foot.intersection(free))
    assert held_up >= 3 and taken_for_wrong == 0


def test_true_things_have_nothing_unseen() -> None:
    assert lift(rendered(41, truth=True)).unseen == Unseen()


def test_only_what_rests_on_the_hidden_part_is_not_told() -> None:
    unseen = Unseen(foot=frozenset({0}), side=frozenset({1}), depth=frozenset({2}))
    for relation in ("height", "elevation"):
        assert needs_unseen(relation, (0,), unseen) and not needs_unseen(relation, (1,), unseen)
    assert needs_unseen("width", (1,), unseen) and not needs_unseen("width", (0,), unseen)
    assert needs_unseen("gap", (3, 0), unseen) and needs_unseen("which_big", (1, 3), unseen)
    assert needs_unseen("which_short", (3, 0), unseen) and not needs_unseen("which_short", (3, 1), unseen)
    assert needs_unseen("front_difference", (2, 3), unseen) and not needs_unseen("left_difference", (2, 3), unseen)
    assert not any(needs_unseen("distance", (at, 3), unseen) for at in range(3))
    nowhere = Unseen(middle=frozenset({0})).joined(Unseen(middle=frozenset({1})))
    for relation in ("above", "which_below", "above_or_below"):
        assert all(needs_unseen(relation, (at, 3), nowhere) for at in (0, 1))
    assert not needs_unseen("above", (2, 3), nowhere) and not needs_unseen("left", (0, 3), nowhere)
    assert nowhere.any == {0, 1}


def test_the_cause_is_counted() -> None:
    things = {"a": box((0.0, 0.0, 1.0), number=1), "b": box((0.3, 0.0, 1.0), number=2)}
    facts = SceneFacts(scene(things), FactLimits(), Unseen(side=frozenset({1})))
    assert facts.told("wide", (0, 1)) == "fact_hidden_part" and facts.told("distance", (0, 1)) != "fact_hidden_part"
    picture = hidden(rendered(41), free_standing(rendered(41)), "left")
    example = make_example(picture, AskOptions(), 0)
    assert example.drops["fact_hidden_part"] > 0
    assert not {pair.query.relation for pair in example.pairs} & {"width"}


def test_a_gap_between_guessed_surfaces_is_not_told() -> None:
    """What is seen of the two is much farther apart than their mirror images are."""
    a, b = box((0.0, 0.0, 1.0), number=1), box((0.3, 0.0, 1.0), number=2)
    told = SceneFacts(scene({"a": a, "b": b}), FactLimits()).told("gap", (0, 1))
    assert not isinstance(told, str)
    outer = replace(a, points=a.points[a.points[:, 0] < a.points[:, 0].min() + 0.001])
    assert SceneFacts(scene({"a": outer, "b": b}), FactLimits()).told("gap", (0, 1)) == "fact_hidden_part"


def test_a_gap_that_rests_on_how_the_hidden_side_is_guessed_is_not_told() -> None:
    """One to the rear right of the other: half a turn puts a cone's foot where a mirror in its middle puts its top."""
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    turns = np.linspace(np.pi, 2 * np.pi, 60)
    for narrows in (True, False):
        things = {}
        for number, right_m, away_m in ((1, 0.0, 1.0), (2, 0.12, 1.12)):
            # The camera looks along z with y down, and sees the near half.
            rings = [
                np.column_stack([right_m + radius * np.cos(turns), np.full(60, -up_m), away_m + radius * np.sin(turns)])
                for up_m in np.linspace(-0.05, 0.05, 40)
                for radius in [0.04 * (0.5 - up_m / 0.1) if narrows else 0.04]
            ]
            thing = box((right_m, 0.0, away_m), (0.08, 0.08, 0.1), upright, number=number)
            points = np.concatenate(rings).astype(np.float32)
            things[str(number)] = replace(thing, points=points, turns=np.ones(len(points), np.bool_))
        told = SceneFacts(scene(things, camera_over_table(0.0)), FactLimits()).told("gap", (0, 1))
        if narrows:
            assert told == "fact_hidden_part"
        else:
            assert not isinstance(told, str) and told.value == pytest.approx(0.12 * np.sqrt(2) - 0.08, abs=0.004)
