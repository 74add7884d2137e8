"""How far a measured thing is to be trusted, what the support tells of noise, and how a foot on the table makes errors lean."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from things import box, camera_over_table, scene
from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.expressions.samples import SharedErrors
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region, measure_with_evidence
from spatialvlm_ros.scene.noise import DepthNoise, noise_on_plane
from spatialvlm_ros.scene.relation import edges_apart, vertical_extent
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import SceneObject
from spatialvlm_ros.scene.trust import NAMES, ends_std_m, merged_std_m, swollen_m, trusted
from spatialvlm_ros.scene.trust_trees import TrustTrees, shipped_trust

LOWER = Solid((0.5, 0.0, 0.04), (0.07, 0.07, 0.08), 0.3, color=(200, 30, 30))
UPPER = Solid((0.5, 0.0, 0.12), (0.07, 0.07, 0.08), 0.3, color=(30, 60, 200))
POSE = camera_over_table(40.0)


def measured(picture: View, mask: np.ndarray) -> SceneObject:
    thing = measure_region(picture.frame, Region(mask), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert thing is not None
    return thing


def test_two_things_of_two_colours_on_each_other_are_more_suspect_than_one() -> None:
    """Discovery takes most of these apart: what it left together was mostly one thing, so that the chance is small even so."""
    picture = view([LOWER, UPPER], pose=POSE)
    both = measured(picture, picture.owner >= 0)
    one_colour = view([LOWER, replace(UPPER, color=LOWER.color)], pose=POSE)
    as_one = measured(one_colour, one_colour.owner >= 0)
    single = measured(view([LOWER], pose=POSE), view([LOWER], pose=POSE).owner == 0)
    assert both.suspect > 1.5 * as_one.suspect and as_one.suspect > single.suspect


def test_what_may_well_be_two_things_has_ends_that_nobody_knows() -> None:
    assert merged_std_m(0.16, 0.3) > 0.05 and merged_std_m(0.16, 0.01) == 0.0


def test_a_little_more_suspicion_makes_ends_a_little_less_certain() -> None:
    spreads = [merged_std_m(0.16, chance) for chance in np.linspace(0, 1, 201)]
    steps = np.diff(spreads)
    assert (steps >= 0).all() and steps.max() < 0.08 * spreads[-1]


def test_noise_that_neighbouring_pixels_share_makes_edges_less_certain_and_the_centre_little() -> None:
    assert swollen_m(0.4, 0.002) == 0.0 and swollen_m(1.5, 0.002) == swollen_m(0.95, 0.002) == pytest.approx(0.003)
    picture = view([LOWER], pose=POSE)
    found = measure_with_evidence(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert found is not None and found[1] is not None
    plain, swollen = (trusted(found[0], replace(found[1], swollen_m=by_m)) for by_m in (0.0, 0.003))
    added = swollen.extents_std**2 - plain.extents_std**2
    np.testing.assert_allclose(added, [0.006**2, 0.006**2, 0.0042**2], rtol=1e-6)
    level = plain.axes[:, :2]
    moved = np.diag(level.T @ (swollen.own_covariance - plain.own_covariance) @ level)
    np.testing.assert_allclose(moved, 0.00105**2, rtol=1e-6)
    # Where it stands is seen; where its top is, is not.
    assert ends_std_m(swollen)[0] == pytest.approx(ends_std_m(plain)[0]) and ends_std_m(swollen)[1] > 0.003


@pytest.mark.parametrize(("turned_rad", "more"), [(np.pi / 4, 1.2), (0.0, 1.0)])
def test_what_is_behind_a_turned_thing_moves_its_middle_along_the_sight(turned_rad: float, more: float) -> None:
    """Of one that shows two sides alike the middle is less certain along the sight than across it."""
    cube = Solid((0.5, 0.0, 0.04), (0.07, 0.07, 0.08), turned_rad, color=(200, 30, 30))
    picture = view([cube], pose=POSE)
    found = measured(picture, picture.region().mask)
    level = found.axes[:, :2]
    own = level.T @ found.own_covariance @ level
    sight = level.T @ found.centre / np.linalg.norm(level.T @ found.centre)
    across = np.array([-sight[1], sight[0]])
    independent = np.diag(np.diag(own))
    assert np.linalg.eigvalsh(own).min() > 0
    ratio = (sight @ own @ sight) / (sight @ independent @ sight)
    assert ratio == pytest.approx(more, abs=0.05) if more == 1.0 else ratio > more
    assert across @ own @ across <= across @ independent @ across * 1.02


def test_evidence_changes_deviations_and_nothing_else() -> None:
    picture = view([LOWER], pose=POSE)
    found = measure_with_evidence(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert found is not None and found[1] is not None
    before, after = found[0], trusted(*found)
    for name in ("centre", "axes", "extents", "points", "surface_point", "scale_std"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert np.linalg.eigvalsh(after.own_covariance).min() > 0 and (after.extents_std > 0).all()
    assert 0 <= after.suspect <= 1 and abs(after.lean[2]) <= 1


def test_the_shipped_trees_are_about_the_evidence_as_it_is() -> None:
    trees = shipped_trust()
    assert trees.names == NAMES and trees.feature.max() < len(trees.names)
    assert TrustTrees.from_json(trees.to_json()).to_json() == trees.to_json()
    for value in (-1e6, 0.0, 1e6):
        assert np.abs(trees(np.full((3, len(NAMES)), value))).max() < 8.0


def test_what_are_no_trees_is_refused() -> None:
    entries = json.loads(shipped_trust().to_json())
    broken_ones = (
        {**entries, "above": entries["above"][1:]}, {**entries, "start": [0.0]}, {**entries, "elsewhere": [0.0]}, {"names": []}
    )  # fmt: skip
    for broken in broken_ones:
        with pytest.raises(ValueError, match=r"trees|elsewhere"):
            TrustTrees.from_json(json.dumps(broken))
    with pytest.raises(ValueError):
        TrustTrees.from_json("not JSON")


def test_how_sure_the_joints_were_is_evidence() -> None:
    picture = view([LOWER], pose=POSE)
    region = replace(picture.region(), joined_odds=0.5, refused_odds=-0.7)
    found = measure_with_evidence(picture.frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert found is not None and found[1] is not None
    assert (found[1].thing.joined_odds, found[1].thing.refused_odds) == (0.5, -0.7)
    asked = {shipped_trust().names[column] for column in np.unique(shipped_trust().feature)}
    assert {"joined_odds", "refused_odds"} <= asked


def test_an_axis_on_which_a_few_points_end_shows_it() -> None:
    """A block with a thin rod on its side is as long as both, but few of its points are out there."""
    block, rod = Solid((0.5, 0.0, 0.04), (0.07, 0.07, 0.08)), Solid((0.5, 0.08, 0.07), (0.01, 0.09, 0.01))
    along, shown = POSE.rotation @ np.array([0.0, 1.0, 0.0]), []
    for solids in ([block], [block, rod]):
        picture = view(solids, pose=POSE)
        found = measure_with_evidence(
            picture.frame, Region(picture.owner >= 0), picture.canonical, picture.plane, NOISE, MeasureConfig()
        )
        assert found is not None and found[1] is not None
        shown.append(found[1].axes[int(np.argmax(np.abs(along @ found[0].axes)))])
    alone, both = shown
    assert min(both.low_end, both.high_end) < 0.7 * min(alone.low_end, alone.high_end)
    assert both.spread < alone.spread - 0.1 and both.length > alone.length + 0.3


def test_where_nobody_judged_pieces_they_pass_for_sure() -> None:
    picture = view([LOWER], pose=POSE)
    told = [
        measure_with_evidence(picture.frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig())
        for region in (picture.region(), replace(picture.region(), joined_odds=12.0, refused_odds=-12.0))
    ]
    assert told[0] is not None and told[1] is not None and told[0][1] == told[1][1]


def test_the_ends_of_a_thing_make_up_its_height() -> None:
    thing = replace(box((0.0, 0.0, 1.0)), extents_std=np.array([0.01, 0.01, 0.05]), lean=np.array([0.0, 0.0, 0.28]))
    foot, top = ends_std_m(thing)
    assert foot**2 + top**2 == pytest.approx(0.05**2) and (top**2 - foot**2) / 0.05**2 == pytest.approx(0.28)


def test_the_support_tells_what_averaging_leaves_of_the_noise() -> None:
    picture = view([LOWER])
    on_plane = picture.owner == -1
    generator = np.random.default_rng(5)
    shared = cv2.GaussianBlur(generator.normal(size=on_plane.shape), (0, 0), 8.0)
    depth = view([LOWER], noise=None).frame.depth_m
    spoiled = depth + (shared / shared.std() * NOISE.pixel_std_m(depth)).astype(np.float32)
    lumpy = noise_on_plane(replace(picture.frame, depth_m=spoiled), picture.plane, on_plane, NOISE)
    clean = noise_on_plane(view([LOWER], noise=None).frame, picture.plane, on_plane, NOISE)
    assert clean.shared < 0.02
    assert lumpy.shared == pytest.approx(0.95, abs=0.2)
    assert lumpy.averaged > 1.5 * clean.averaged
    assert lumpy.pixel_std_m(1.0) == NOISE.pixel_std_m(1.0)


def test_the_support_tells_noise_of_another_law_than_the_presets() -> None:
    picture, exact = view([LOWER]), view([LOWER], noise=None)
    on_plane, depth = picture.owner == -1, exact.frame.depth_m
    generator = np.random.default_rng(6)
    white = generator.normal(size=depth.shape)
    patches, smooth = (cv2.GaussianBlur(white, (0, 0), sigma) for sigma in (1.0, 8.0))
    std_m, law = NOISE.pixel_std_m(depth), replace(NOISE, differing=1.0, off_block=0.2)

    def unlike(errors: np.ndarray, noise: DepthNoise = law) -> float:
        frame = replace(picture.frame, depth_m=(depth + errors).astype(np.float32))
        return noise_on_plane(frame, picture.plane, on_plane, noise).unlike

    # Half as much as stated, or twice, is still noise of that law; none at all is none of another one.
    assert [unlike(share * white * std_m) for share in (0.0, 0.5, 1.0, 2.0)] == [0.0] * 4
    assert unlike(patches / patches.std() * std_m) == 1.0
    assert unlike((0.8 * white + smooth / smooth.std()) * std_m) == 1.0
    coarse = 1 / (np.rint(200 / depth) / 200) - depth
    assert unlike(coarse) == 1.0
    # What a law says of its own patches is nothing new, and one that says nothing of them is not broken.
    for patchy in (replace(NOISE, differing=0.5, off_block=0.6), NOISE):
        assert unlike(patches / patches.std() * std_m, patchy) == 0.0


def test_noise_of_another_law_widens_what_it_says_of_a_thing() -> None:
    picture = view([LOWER], pose=POSE)
    found = measure_with_evidence(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert found is not None and found[1] is not None
    as_said, half, wholly = (trusted(found[0], replace(found[1], unlike=unlike)) for unlike in (0.0, 0.5, 1.0))
    more = np.exp(shipped_trust().elsewhere)
    assert (more[:3] > 1).all()
    assert (as_said.extents_std < half.extents_std).all() and (half.extents_std < wholly.extents_std).all()
    np.testing.assert_allclose(wholly.extents_std[:2] / as_said.extents_std[:2], more[1])
    wider = measure_with_evidence(
        picture.frame, picture.region(), picture.canonical, picture.plane, replace(NOISE, unlike=0.7), MeasureConfig()
    )
    assert wider is not None and wider[1] is not None and wider[1].unlike == 0.7


def test_too_little_support_leaves_the_noise_as_it_was() -> None:
    picture = view([LOWER])
    assert noise_on_plane(picture.frame, picture.plane, np.zeros(picture.owner.shape, np.bool_), NOISE) == NOISE
    few = np.zeros(picture.owner.shape, np.bool_)
    few[:16, :16] = True
    assert noise_on_plane(picture.frame, picture.plane, few, NOISE) == NOISE


@pytest.mark.parametrize(("low_std", "high_std"), [(0.001, 0.02), (0.02, 0.001), (0.01, 0.01)])
def test_each_end_of_a_thing_errs_as_its_own_face_does(low_std: float, high_std: float) -> None:
    """The oracle draws the two faces, of which centre and height are made."""
    both = low_std**2 + high_std**2
    axes = POSE.rotation
    own = (axes * [1e-6, 1e-6, both / 4]) @ axes.T
    lean = np.array([0.0, 0.0, (high_std**2 - low_std**2) / both])
    things = {}
    for number, aside in ((1, 0.0), (2, 0.3)):
        thing = box(POSE.apply(np.array([0.5, aside, 0.05])), (0.1, 0.1, 0.1), axes, covariance=own, number=number)
        things[f"thing {number}"] = replace(thing, extents_std=np.array([1e-3, 1e-3, both**0.5]), lean=lean)
    seen = scene(things, POSE)
    a, b = seen.objects
    assert vertical_extent(seen, a)[2] == pytest.approx(low_std, rel=1e-6)
    bottoms, tops = edges_apart(seen, a, b, -1, -1), edges_apart(seen, a, b, 1, 1)
    assert bottoms.std**2 - tops.std**2 == pytest.approx(2 * (low_std**2 - high_std**2), rel=1e-6, abs=1e-12)
    elevation = RELATIONS["elevation"].measure(seen, a)
    drawn = SharedErrors(seen).noise(elevation.error, elevation.std, "a", elevation.value)
    assert np.std(drawn) == pytest.approx(low_std, rel=0.05)
