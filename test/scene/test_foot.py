"""Whether a thing's foot shows, and what becomes of a thing whose foot does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import camera_over_table
from tiny_render import CAMERA, NOISE, Solid, View, view

from spatialvlm_ros.evaluation.engine_render import IN_FAMILY, OUT_OF_FAMILY
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.foot import down_in_image, is_at_robot, looked_down_on_rad, lower_rim, surface_below, table_below
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region, measure_with_evidence
from spatialvlm_ros.scene.noise import PRESETS, DepthNoise, noise_on_plane
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.scene.trust import ends_std_m, trusted
from spatialvlm_ros.simulation.depth_noise import add_noise

BLOCK = Solid((0.5, 0.0, 0.04), (0.06, 0.07, 0.08), 0.3)
FROM_ABOVE = camera_over_table(88.0, height_m=0.7)
FAMILIES = {**IN_FAMILY, **OUT_OF_FAMILY}
UNDER = Solid((0.0, 0.0, 0.04), (0.06, 0.07, 0.08), 0.3)


def measured(picture: View, robot: np.ndarray | None = None, mask: np.ndarray | None = None) -> SceneObject:
    region = picture.region() if mask is None else Region(mask)
    thing = measure_region(picture.frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig(), robot=robot)
    assert thing is not None
    return thing


def seen(picture: View, thing: SceneObject) -> Scene:
    """A scene of one thing."""
    return Scene(
        stamp_ns=0, frame_id="camera", objects=(thing,), canonical=picture.canonical, canonical_reason="",
        support_plane=picture.plane, depth_coverage=1.0, bindings={}, scale_std=thing.scale_std,
    )  # fmt: skip


def clearance(thing: SceneObject, picture: View) -> float:
    return float(np.min(thing.corners() @ picture.plane[:3] + picture.plane[3]))


def share_of(picture: View, index: int = 0) -> float:
    region = picture.region(index)
    down = down_in_image(picture.camera_from_canonical.apply(np.array([0.5, 0.0, 0.0])), picture.canonical)
    return table_below(picture.frame, region, down, picture.plane, NOISE)


@pytest.mark.parametrize("roll", [0.0, 35.0, -80.0])
def test_the_lower_rim_is_where_the_mask_ends_towards_the_ground(roll: float) -> None:
    picture = view([BLOCK], noise=None, pose=camera_over_table(40.0, roll))
    region = picture.region()
    down = down_in_image(picture.camera_from_canonical.apply(np.array(BLOCK.centre)), picture.canonical)
    v, u = lower_rim(region, down)
    assert len(v) > 20 and region.mask[v, u].all()
    beyond = [np.round(at + 2 * step).astype(int) for at, step in ((v, down[1]), (u, down[0]))]
    # Lines that are not the image's own columns end a pixel off here and there.
    assert region.mask[beyond[0], beyond[1]].mean() < 0.03
    foot = picture.camera_from_canonical.inverse().apply(picture.frame.xyz[v, u])
    # From the side its lower rim is the rim of its foot.
    assert np.quantile(foot[:, 2], 0.9) < 0.012


def test_the_table_is_below_what_stands_alone_and_not_below_what_stands_on_something() -> None:
    base = Solid((0.5, 0.0, 0.03), (0.2, 0.2, 0.06))
    assert share_of(view([BLOCK])) > 0.95
    assert share_of(view([replace(BLOCK, centre=(0.5, 0.0, 0.1)), base])) < 0.05
    wall = Solid((0.44, 0.0, 0.03), (0.01, 0.3, 0.06))
    assert share_of(view([BLOCK, wall])) < 0.3


def test_a_mask_at_the_edge_of_the_image_or_of_nothing_has_no_table_below() -> None:
    picture = view([BLOCK])
    mask = np.zeros(picture.owner.shape, np.bool_)
    assert table_below(picture.frame, Region(mask), np.array([0.0, 1.0]), picture.plane, NOISE) == 0.0
    mask[-20:, 100:200] = True
    assert table_below(picture.frame, Region(mask), np.array([0.0, 1.0]), picture.plane, NOISE) == 0.0


def test_how_steeply_the_camera_looks_down() -> None:
    for pitch in (0.0, 30.0, 90.0):
        pose = camera_over_table(pitch)
        assert looked_down_on_rad(np.array([0.0, 0.0, 1.0]), pose.rotation[:, 2]) == pytest.approx(np.deg2rad(pitch), abs=1e-6)


def test_a_block_that_is_seen_from_above_stands_on_the_table() -> None:
    """Only its top shows, yet it is as tall as its top is high; how tall is not sure."""
    picture = view([UNDER], pose=FROM_ABOVE)
    thing = measured(picture)
    assert clearance(thing, picture) == pytest.approx(0, abs=0.002)
    assert thing.extents[2] == pytest.approx(UNDER.size[2], abs=0.004)
    assert thing.extents_std[2] > 0.02


def test_a_block_on_a_box_that_is_seen_from_above_stands_on_the_box() -> None:
    """What it stands on is seen right below it, not the table."""
    base = Solid((0.0, 0.0, 0.03), (0.2, 0.22, 0.06))
    picture = view([replace(UNDER, centre=(0.0, 0.0, 0.1)), base], pose=FROM_ABOVE)
    region, down = picture.region(), np.array([0.0, 1.0])
    below = surface_below(picture.frame, region, down, picture.plane, NOISE, 0.6)
    assert below.height_m == pytest.approx(0.06, abs=0.003) and below.share > 0.9 and below.std_m < 0.003
    thing = measured(picture)
    assert clearance(thing, picture) == pytest.approx(0.06, abs=0.004)
    assert thing.extents[2] == pytest.approx(UNDER.size[2], abs=0.005)


def test_nothing_is_seen_below_a_mask_without_depth_around_it() -> None:
    picture = view([BLOCK])
    nothing = replace(picture.frame, depth_m=np.full_like(picture.frame.depth_m, np.nan))
    below = surface_below(nothing, picture.region(), np.array([0.0, 1.0]), picture.plane, NOISE, 0.6)
    assert np.isnan(below.height_m) and below.share == 0.0
    empty = Region(np.zeros(picture.owner.shape, np.bool_))
    assert surface_below(picture.frame, empty, np.array([0.0, 1.0]), picture.plane, NOISE, 0.6).share == 0.0


def test_a_block_at_the_tables_edge_does_not_stand_on_the_floor() -> None:
    """From above the floor is seen right below it: 0.7 m under the table, where nothing that is on the table stands."""
    picture = view([UNDER], pose=FROM_ABOVE)
    rows, _ = np.nonzero(picture.owner == 0)
    depth = picture.frame.depth_m.copy()
    beyond = (picture.owner == -1) & (np.arange(len(depth))[:, None] >= rows.min())
    # The camera is 0.7 m above the table: what its rays meet twice as far off is the floor.
    depth[beyond] *= 2
    edge = replace(picture, frame=replace(picture.frame, depth_m=depth))
    below = surface_below(edge.frame, edge.region(), np.array([0.0, 1.0]), edge.plane, NOISE, 0.6)
    assert np.isnan(below.height_m) and below.share == 0.0
    thing = measured(edge)
    assert thing.extents[2] < UNDER.size[2] + 0.005 and clearance(thing, edge) > -0.005
    assert abs(thing.extents[2] - UNDER.size[2]) < 2 * thing.extents_std[2]


def test_what_the_robot_holds_is_not_put_down() -> None:
    """The same block in the air, and a finger of the robot beside it."""
    picture = view([replace(UNDER, centre=(0.0, 0.0, 0.1))], pose=FROM_ABOVE)
    rows, columns = np.nonzero(picture.owner == 0)
    robot = np.zeros(picture.owner.shape, np.bool_)
    robot[rows.min() : rows.max(), columns.max() + 2 : columns.max() + 8] = True
    assert is_at_robot(picture.region(), robot) and not is_at_robot(picture.region(), np.roll(robot, 60, axis=1))
    assert not is_at_robot(picture.region(), None)
    assert clearance(measured(picture, robot), picture) > 0.1
    assert clearance(measured(picture, np.roll(robot, 60, axis=1)), picture) == pytest.approx(0, abs=0.002)


def test_a_block_lifted_a_little_stays_where_it_is_and_may_stand_all_the_same() -> None:
    """Seen from the side a rounded foot would look alike: the number is that of the lowest points, its deviation reaches down."""
    lifted = replace(BLOCK, centre=(0.5, 0.0, 0.06))
    picture = view([lifted], pose=camera_over_table(35.0))
    thing = measured(picture)
    low = clearance(thing, picture)
    assert low == pytest.approx(0.02, abs=0.004)
    assert thing.extents_std[2] >= low / 1.5
    high = view([replace(BLOCK, centre=(0.5, 0.0, 0.14))], pose=camera_over_table(35.0))
    assert measured(high).extents_std[2] < 0.01


def test_a_foot_on_the_table_reaches_no_lower_however_much_covers_it() -> None:
    """A low bar in front of the block hides its lower rim, which the table below bounds all the same."""
    bar = Solid((0.43, 0.0, 0.005), (0.01, 0.2, 0.01), color=(30, 160, 40))
    picture = view([BLOCK, bar], noise=None, pose=camera_over_table(40.0))
    thing = measured(picture)
    assert abs(clearance(thing, picture)) < 0.002
    assert ends_std_m(thing)[0] < 0.015 and thing.extents_std[2] < 0.02


def test_a_thing_in_the_air_ends_less_surely_than_one_that_stands() -> None:
    """The last pixels of its lower rim are lost to whatever is behind; the fit's scenes have only things that stand."""
    stands, hangs = (view([replace(BLOCK, centre=(0.5, 0.0, up))], pose=camera_over_table(35.0)) for up in (0.04, 0.16))
    found = [
        measure_with_evidence(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
        for picture in (stands, hangs)
    ]
    assert found[0] is not None and found[1] is not None and found[0][1] is not None and found[1][1] is not None
    assert found[0][1].sheet_m < 0.004 and found[1][1].sheet_m == np.inf
    foot, hanging = (ends_std_m(thing)[0] for thing in (trusted(*found[0]), trusted(*found[1])))
    # Evidence makes no foot in the air surer.
    assert hanging > foot and hanging >= ends_std_m(found[1][0])[0] > 0.001


@pytest.mark.parametrize("thickness_m", [0.0, 0.003])
def test_a_sheet_that_passes_for_the_table_is_evidence(thickness_m: float) -> None:
    plate = Solid((0.55, -0.05, thickness_m / 2), (0.14, 0.14, thickness_m), color=(30, 160, 40))
    block = Solid((0.55, -0.05, thickness_m + 0.025), (0.04, 0.04, 0.05), 0.3)
    picture = view([block, plate] if thickness_m else [block], noise=None, pose=camera_over_table(38.0, height_m=0.43))
    found = measure_with_evidence(picture.frame, picture.region(), picture.canonical, picture.plane, NOISE, MeasureConfig())
    assert found is not None and found[1] is not None
    assert found[1].sheet_m == pytest.approx(thickness_m, abs=0.0005)
    assert ends_std_m(trusted(*found))[0] > 0.9 * thickness_m


@pytest.mark.parametrize("seed", range(4))
def test_a_ball_on_the_table_touches_it(seed: int) -> None:
    ball = Solid((0.55, 0.03, 0.035), (0.07, 0.07, 0.07), ball=True)
    picture = view([ball], seed=seed)
    thing = measured(picture)
    assert clearance(thing, picture) == pytest.approx(0, abs=0.0015)
    assert thing.extents == pytest.approx([0.07] * 3, abs=0.005)


def test_a_ball_in_the_air_does_not_touch_it() -> None:
    for lift in (0.03, 0.08):
        ball = Solid((0.55, 0.03, 0.035 + lift), (0.07, 0.07, 0.07), ball=True)
        picture = view([ball], seed=1)
        assert clearance(measured(picture), picture) == pytest.approx(lift, abs=0.006)


def seen_by_a_sensor(picture: View, family: str, seed: int) -> tuple[View, DepthNoise]:
    """The picture with a family's noise, the plane as it lies on it, and what is known of the noise."""
    depth = add_noise(picture.frame.depth_m, CAMERA, family, seed=seed)
    frame = replace(picture.frame, depth_m=depth.astype(np.float32))
    table = (picture.owner == -1) & frame.valid & (frame.depth_m < 1.6)
    cloud = frame.xyz[table][::37].astype(np.float64)
    middle = cloud.mean(axis=0)
    normal = np.linalg.svd(cloud - middle, full_matrices=False)[2][2]
    normal *= np.sign(normal @ picture.plane[:3])
    plane = np.append(normal, -normal @ middle)
    canonical = canonical_from_up(normal, plane, 0.002, "plane")
    assert canonical is not None
    noise = noise_on_plane(frame, plane, table, PRESETS[FAMILIES[family]])
    return replace(picture, frame=frame, plane=plane, canonical=canonical), noise


@pytest.mark.parametrize("family", ["structured_light", "correlated_stereo"])
@pytest.mark.parametrize("thickness_m", [0.003, 0.006, 0.012, 0.02])
def test_a_block_on_a_plate_stands_on_the_plate(thickness_m: float, family: str) -> None:
    """However thin the plate is: never on the table at one image and on the plate at the next."""
    plate = Solid((0.55, -0.05, thickness_m / 2), (0.14, 0.14, thickness_m), color=(30, 160, 40))
    block = Solid((0.55, -0.05, thickness_m + 0.025), (0.04, 0.04, 0.05), 0.3)
    clean = view([block, plate], noise=None, pose=camera_over_table(38.0, height_m=0.43))
    lows = []
    for seed in range(3):
        picture, noise = seen_by_a_sensor(clean, family, seed)
        thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, noise, MeasureConfig())
        assert thing is not None
        elevation = RELATIONS["elevation"].measure(seen(picture, thing), thing)
        assert abs(elevation.value - thickness_m) < 2 * elevation.std < 0.012
        lows.append(elevation.value)
    assert thickness_m < 0.01 or np.ptp(lows) < 0.004


@pytest.mark.parametrize("seed", range(4))
def test_a_ball_seen_with_noise_that_neighbours_share_is_not_below_the_table(seed: int) -> None:
    """The sphere that fits its few points best is often too large, and reaches there."""
    ball = Solid((0.85, 0.03, 0.0255), (0.051, 0.051, 0.051), ball=True)
    clean = view([ball], noise=None, pose=camera_over_table(30.0, height_m=0.5))
    picture, noise = seen_by_a_sensor(clean, "correlated_stereo", seed)
    assert noise.shared > 0.5
    thing = measure_region(picture.frame, picture.region(), picture.canonical, picture.plane, noise, MeasureConfig())
    assert thing is not None
    elevation = RELATIONS["elevation"].measure(seen(picture, thing), thing)
    assert -0.001 < elevation.value < 2 * elevation.std < 0.025


def test_a_block_behind_a_low_box_stands_on_the_table() -> None:
    """The box's top is seen right below it, and nearer: it stands in front of the block, and hides its foot."""
    box = Solid((0.4, 0.0, 0.015), (0.08, 0.2, 0.03), color=(30, 160, 40))
    picture = view([BLOCK, box], pose=camera_over_table(30.0, height_m=0.35))
    down = np.array([0.0, 1.0])
    below = surface_below(picture.frame, picture.region(), down, picture.plane, NOISE, 0.6)
    assert below.height_m == pytest.approx(0.03, abs=0.003) and below.drop_m < -0.006
    assert clearance(measured(picture), picture) < 0.025
