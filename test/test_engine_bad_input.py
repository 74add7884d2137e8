"""What no camera should send: a status with a sentence, or an error where the value enters; never a made-up number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_render import CAMERA, NOISE, Solid, View, view

from spatialvlm_ros.engine import EngineConfig, RobotState, SpatialEngine
from spatialvlm_ros.geometry.camera import CameraError, CameraModel
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.perception.self_filter import Capsule
from spatialvlm_ros.scene.facts import COUNT, Query, SpatialFact, Status
from spatialvlm_ros.scene.frame import FrameError, Region, RGBDFrame, depth_to_metres
from spatialvlm_ros.scene.measure import MeasureConfig, measure_region
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene

SMALL = CameraModel(160, 120, 152.0, 152.0, 79.5, 59.5)
RED = Solid((0.65, 0.12, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
BLUE = Solid((0.75, -0.12, 0.03), (0.06, 0.06, 0.06), -0.2, color=(25, 45, 180))
NAMES = ("red block", "blue block", "gripper", "#1", "green cup")
SIZE_M = math.sqrt(3) * 0.06


def queries() -> list[Query]:
    """Every relation, of things and of the gripper."""
    asked = []
    for name, relation in RELATIONS.items():
        amount = 0.5 if relation.takes_amount else 0.0
        for names in (("red block", "blue block", "#1"), ("gripper", "red block", "blue block")):
            asked.append(Query(name, *[*names[: relation.arity], "", ""][:3], amount=amount))
    return asked


def engine() -> SpatialEngine:
    return SpatialEngine(EngineConfig(noise=NOISE))


def observe(
    frame: RGBDFrame, robot: RobotState | None = None, running: SpatialEngine | None = None
) -> tuple[Scene, list[SpatialFact]]:
    """Scene and facts, all of which are sound."""
    running = running or engine()
    scene = running.observe(frame, NAMES, robot)
    facts = running.facts(scene, queries())
    for fact in facts:
        assert fact.status.has_value == math.isfinite(fact.value), fact
        assert fact.text and fact.status is not Status.UNKNOWN, fact
        assert not fact.std < 0
    assert scene.canonical is not None or scene.canonical_reason
    assert 0 <= scene.depth_coverage <= 1
    for thing in scene.objects:
        assert np.isfinite(thing.centre).all() and np.isfinite(thing.covariance).all() and np.isfinite(thing.extents).all()
        assert np.linalg.eigvalsh(thing.covariance)[0] > 0
    return scene, facts


def nothing_measured(frame: RGBDFrame, robot: RobotState | None = None) -> Scene:
    scene, facts = observe(frame, robot)
    assert not scene.objects
    # "There are none" is a measurement where a table is in sight.
    assert all(fact.value == 0 and fact.unit == COUNT for fact in facts if fact.status.has_value)
    assert scene.canonical is not None or not any(fact.status.has_value for fact in facts)
    return scene


@pytest.fixture(scope="module")
def picture() -> View:
    return view([RED, BLUE])


@pytest.fixture(scope="module")
def small() -> View:
    return view([RED, BLUE], camera=SMALL)


def with_depth(picture: View, depth: np.ndarray) -> RGBDFrame:
    return replace(picture.frame, depth_m=np.asarray(depth, dtype=np.float32))


def up_of(picture: View) -> RobotState:
    return RobotState(up=picture.camera_from_canonical.rotation[:, 2])


# -- depth ----------------------------------------------------------------------------------------------------------------

SHAPE = (CAMERA.height, CAMERA.width)
PIXEL = np.full(SHAPE, np.nan)
PIXEL[240, 320] = 0.8
USELESS: dict[str, np.ndarray] = {
    "NaN": np.full(SHAPE, np.nan),
    "inf": np.full(SHAPE, np.inf),
    "minus inf": np.full(SHAPE, -np.inf),
    "negative": np.full(SHAPE, -0.7),
    "zeros": np.zeros(SHAPE),
    "tiny": np.full(SHAPE, 1e-30),
    "huge": np.full(SHAPE, 3e38),
    "one pixel": PIXEL,
    "constant": np.full(SHAPE, 0.8),
    "noise": np.random.default_rng(0).uniform(0.2, 3.0, SHAPE),
    "saturated": depth_to_metres(np.full(SHAPE, 65535, np.uint16)),
    "no counts": depth_to_metres(np.zeros(SHAPE, np.uint16)),
    "alternating": np.where(np.indices(SHAPE).sum(axis=0) % 2 == 0, 0.5, 2.5),
}


@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("up_known", [True, False])
def test_depth_that_shows_nothing_gives_no_number(name: str, up_known: bool, picture: View) -> None:
    nothing_measured(with_depth(picture, USELESS[name]), up_of(picture) if up_known else None)


@pytest.mark.parametrize("pitch", [-60, -20, 20, 40, 70])
def test_one_plane_and_nothing_else_has_no_things(pitch: float) -> None:
    from things import camera_over_table

    # Looking up, the same depth is a wall.
    pose = camera_over_table(abs(pitch))
    scene = nothing_measured(view([], pose=pose).frame)
    assert scene.canonical is None or abs(pitch) < 45
    assert nothing_measured(view([], pose=pose).frame, RobotState(up=pose.rotation[:, 2])).canonical is not None


@pytest.mark.parametrize("filler", [np.nan, 0.0, np.inf, -1.0])
def test_a_hole_as_of_a_mirror_is_no_part_of_the_thing(filler: float, picture: View) -> None:
    u0, v0, u1, v1 = picture.region(0).box
    depth = picture.frame.depth_m.copy()
    middle = (slice((2 * v0 + v1) // 3, (v0 + 2 * v1) // 3), slice((2 * u0 + u1) // 3, (u0 + 2 * u1) // 3))
    depth[middle] = filler
    scene, _ = observe(with_depth(picture, depth), up_of(picture))
    thing = scene.find("red block").thing
    assert thing is not None
    true = picture.camera_from_canonical.apply(RED.centre)
    assert np.linalg.norm(thing.centre - true) < 0.01
    assert np.linalg.norm(thing.extents) < 1.2 * SIZE_M
    whole = np.count_nonzero(picture.region(0).mask)
    assert thing.num_points < whole - 0.8 * depth[middle].size


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2000), (2000, 3), (1, 640), (480, 1), (2, 2), (7, 7)])
@pytest.mark.parametrize("depth", [0.5, np.nan])
def test_images_of_odd_sizes(height: int, width: int, depth: float) -> None:
    camera = CameraModel(width, height, 600.0, 600.0, width / 2, height / 2)
    frame = RGBDFrame(0, np.zeros((height, width, 3), np.uint8), np.full((height, width), depth, np.float32), camera, "camera")
    nothing_measured(frame)
    nothing_measured(frame, RobotState(up=np.array([0.0, -1.0, 0.0])))


@given(st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=60, deadline=None)
def test_a_good_image_in_part_destroyed(seed: int, data: st.DataObject) -> None:
    """Random rectangles, rows and speckle of what sensors leave there: numbers stay finite, with a deviation, or are statuses."""
    picture = small_picture()
    depth, rng = picture.frame.depth_m.copy(), np.random.default_rng(seed)
    values = st.sampled_from([np.nan, 0.0, np.inf, -np.inf, -0.5, 1e-20, 3e38, 0.3, 2.0])
    for _ in range(data.draw(st.integers(1, 5), "pieces")):
        value = data.draw(values, "value")
        if data.draw(st.booleans(), "speckle"):
            depth[rng.random(depth.shape) < data.draw(st.floats(0, 1), "share")] = value
        else:
            v, u = rng.integers(0, SMALL.height), rng.integers(0, SMALL.width)
            depth[v : v + rng.integers(1, SMALL.height), u : u + rng.integers(1, SMALL.width)] = value
    running, robot = engine(), up_of(picture) if data.draw(st.booleans(), "up") else None
    frame = with_depth(picture, depth)
    for tenth in (0, 1):
        observe(replace(frame, stamp_ns=tenth * 100_000_000), robot, running)


def small_picture() -> View:
    return view([RED, BLUE], camera=SMALL)


# -- frames, cameras and masks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fx": 0.0}, "must be above 0"),
        ({"fy": -610.0}, "must be above 0"),
        ({"fx": math.nan}, "not finite"),
        ({"cy": math.inf}, "not finite"),
        ({"cx": 5000.0}, "far outside"),
        ({"cy": -700.0}, "far outside"),
        ({"width": 0}, "must be above 0"),
        ({"distortion": (0.1, math.nan, 0.0, 0.0, 0.0)}, "not finite"),
    ],
)
def test_impossible_intrinsics_are_refused_where_they_enter(change: dict[str, float], words: str) -> None:
    with pytest.raises(CameraError, match=words):
        replace(CAMERA, **change)


@pytest.mark.parametrize(("cx", "cy"), [(-600.0, 200.0), (1200.0, 900.0)])
def test_a_principal_point_beside_the_image_is_a_crop_and_no_error(cx: float, cy: float, picture: View) -> None:
    observe(replace(picture.frame, camera=replace(CAMERA, cx=cx, cy=cy)))


def test_frames_whose_parts_do_not_fit_are_refused(picture: View) -> None:
    frame = picture.frame
    for change in (
        {"depth_m": frame.depth_m[:-1]},
        {"depth_m": frame.depth_m.astype(np.float64)},
        {"color": frame.color[..., 0]},
        {"color": frame.color.astype(np.float32)},
        {"camera": SMALL},
    ):
        with pytest.raises(FrameError, match="expected"):
            replace(frame, **change)


@pytest.mark.parametrize(
    "mask",
    [np.ones((10, 10), bool), np.ones((480, 641), bool), np.ones((480, 640, 1), bool), np.ones((480, 640)), np.ones(640, bool)],
    ids=["small", "wide", "deep", "float", "flat"],
)
def test_a_mask_of_another_image_is_refused(mask: np.ndarray, picture: View) -> None:
    with pytest.raises(FrameError, match="a region's mask is"):
        measure_region(picture.frame, Region(mask), picture.canonical, picture.plane, NOISE, MeasureConfig())


def test_masks_without_depth_are_no_things(picture: View) -> None:
    depth = picture.frame.depth_m.copy()
    depth[picture.region(0).mask] = np.nan
    frame = with_depth(picture, depth)
    for region in (picture.region(0), Region(np.zeros(SHAPE, bool))):
        assert measure_region(frame, region, picture.canonical, picture.plane, NOISE, MeasureConfig()) is None


# -- robot and time -------------------------------------------------------------------------------------------------------

NOT_A_POSE = RigidTransform(np.eye(3), np.array([0.0, math.nan, 0.0]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RobotState(up=np.full(3, np.nan)), "up is"),
        (lambda: RobotState(up=np.zeros(3)), "up is"),
        (lambda: RobotState(up=np.ones(2)), "up is"),
        (lambda: RobotState(up=np.ones(3), up_std_rad=math.nan), "up_std_rad is nan"),
        (lambda: RobotState(up=np.ones(3), up_std_rad=0.0), "up_std_rad is 0"),
        (lambda: RobotState(camera_from_tool=NOT_A_POSE), "camera_from_tool is not a pose"),
        (lambda: RobotState(world_from_camera=NOT_A_POSE), "world_from_camera is not a pose"),
        (lambda: RobotState(places={"robot": NOT_A_POSE}), "robot is not a pose"),
        (lambda: RobotState(capsules=[Capsule(np.zeros(3), np.full(3, np.inf), 0.1)]), "capsule"),
    ],
)
def test_a_robot_that_is_nowhere_is_refused_where_it_enters(make: Callable[[], RobotState], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_stamps_that_go_back_or_to_the_end_of_time(picture: View) -> None:
    running = engine()
    for stamp in (10**9, 10**9, 0, -(2**62), 2**62, 5, 2**63 - 1):
        scene, _ = observe(replace(picture.frame, stamp_ns=stamp), up_of(picture), running)
        assert scene.stamp_ns == stamp and scene.find("red block").status is Status.OK


def test_where_up_comes_from_and_how_well_it_is_known(picture: View) -> None:
    up = picture.camera_from_canonical.rotation[:, 2]
    for source, std in (("tf", math.radians(0.5)), ("imu", 0.02)):
        scene = engine().observe(picture.frame, NAMES, RobotState(up=up, up_source=source, up_std_rad=std))
        assert scene.canonical is not None
        assert (scene.canonical.source, scene.canonical.tilt_std_rad) == (source, std)
    alone = engine().observe(picture.frame, NAMES)
    assert alone.canonical is not None and alone.canonical.source == "plane"
    assert 0.002 <= alone.canonical.tilt_std_rad < 0.005
    assert math.acos(float(alone.canonical.up @ up)) < 3 * alone.canonical.tilt_std_rad


def test_up_that_was_asked_for_and_is_missing_is_not_replaced_by_the_plane(picture: View) -> None:
    words = "gravity_frame: tf has no frame 'base_link'"
    scene, facts = observe(picture.frame, RobotState(up_problem=words))
    assert scene.canonical is None and scene.canonical_reason == words and np.isnan(scene.support_plane).all()
    statuses = {fact.query.relation: fact for fact in facts if fact.query.subject == "red block"}
    assert statuses["distance"].status is Status.OK
    assert statuses["elevation"].status is Status.NOT_CANONICAL and words in statuses["elevation"].text


# -- words ----------------------------------------------------------------------------------------------------------------

ODD_NAMES = (
    "", " ", "\n\t", "\0", "#", "#-1", "#0", "#1.0", "# 1", "#99999999999999999999", "#" * 5000, "the", "a an the", "x" * 10_240,
    "red block " * 1000, "róter Blöck", "红色方块", "🟥", "\u202ered block", "red\u200bblock", "{a}", "%s",
)  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_odd_names_are_answered_by_a_status(name: str, picture: View) -> None:
    check_names(picture, name)


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_name_is_answered_by_a_status(name: str) -> None:
    check_names(small_picture(), name)


def check_names(picture: View, name: str) -> None:
    running = engine()
    scene = running.observe(picture.frame, [name, "red block"], up_of(picture))
    asked = [
        Query("distance", name, "red block"),
        Query("distance", "red block", name),
        Query("height", name),
        Query(name, "red block"),
    ]
    for fact in running.facts(scene, asked):
        assert fact.status is not Status.UNKNOWN and fact.text
        assert fact.status.has_value == math.isfinite(fact.value)
        thing = scene.find(name).thing
        assert not fact.status.has_value or (thing is not None and thing.id > 0)


@given(
    st.one_of(st.sampled_from(sorted(RELATIONS)), st.text(max_size=10)),
    st.lists(st.sampled_from(["", "red block", "blue block", "#1", "#2", "gripper", "nobody", "blocks"]), min_size=3, max_size=3),
    st.one_of(st.just(0.0), st.floats()),
    st.sampled_from(["", "canonical", "base_link", "camera"]),
)
@settings(max_examples=300, deadline=None)
def test_any_query_is_answered_by_a_status(relation: str, names: list[str], amount: float, seen_from: str) -> None:
    query = Query(relation, *names, amount=amount, view=seen_from)
    for scene in (good_scene(), blind_scene()):
        (fact,) = engine().facts(scene, [query])
        assert fact.status.has_value == math.isfinite(fact.value)
        assert fact.text and fact.status is not Status.UNKNOWN and fact.query is query
        assert relation in RELATIONS or fact.status is Status.BAD_QUERY
        assert all(names[:1]) or fact.status is Status.BAD_QUERY


_SCENES: dict[bool, Scene] = {}


def good_scene() -> Scene:
    return _scene(True)


def blind_scene() -> Scene:
    return _scene(False)


def _scene(good: bool) -> Scene:
    if good not in _SCENES:
        picture = view([RED, BLUE])
        frame = picture.frame if good else with_depth(picture, np.full(SHAPE, np.nan))
        _SCENES[good] = engine().observe(frame, ["red block", "blue block", "#1", "#2", "gripper", "nobody", "blocks"])
    return _SCENES[good]
