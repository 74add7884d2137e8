"""Images that are looked at where the named things are: the numbers of whole images, and one of these wherever there is doubt."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from things import camera_over_table
from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.engine import EngineConfig, RobotState, SpatialEngine
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.perception.focus import needs_all
from spatialvlm_ros.perception.self_filter import Capsule
from spatialvlm_ros.perception.sighting import sight, sight_part
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.scene.scene import Scene

RED = Solid((0.65, 0.15, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
GREEN = Solid((0.75, -0.05, 0.04), (0.08, 0.06, 0.08), -0.2, color=(20, 140, 40))
BLUE = Solid((0.9, -0.2, 0.03), (0.06, 0.06, 0.06), 0.5, color=(25, 45, 180))
YELLOW = Solid((0.6, -0.25, 0.015), (0.03, 0.03, 0.03), 0.0, color=(200, 190, 30))
NAMES = ("red block", "green block", "gripper")
STEP_NS, FIRST_NS = 33_333_333, 40_000_000
FOCUS_S = 1.0


class Looks:
    """How the images of a run were looked at: "whole", "part" of it, or "nothing" of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []

        def whole(*args: Any) -> Any:
            self.taken.append("whole")
            return sight(*args)

        def part(frame: Any, robot: Any, glance: Any, *rest: Any) -> Any:
            self.taken.append("nothing" if glance.window is None else "part")
            return sight_part(frame, robot, glance, *rest)

        monkeypatch.setattr("spatialvlm_ros.engine.sight", whole)
        monkeypatch.setattr("spatialvlm_ros.engine.sight_part", part)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def robot(picture: View, place: tuple[float, float, float] = (0.7, 0.0, 0.4)) -> RobotState:
    tool = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array(place))
    return RobotState(camera_from_tool=picture.camera_from_canonical @ tool, up=picture.camera_from_canonical.rotation[:, 2])


def picture_of(index: int, *solids: Solid, pose: RigidTransform | None = None) -> View:
    """The error of scale is a camera's own and not an image's: none here."""
    noise = replace(NOISE, scale=0.0)
    return view(list(solids), seed=index, noise=noise, stamp_ns=FIRST_NS + index * STEP_NS, pose=pose)


def observed(engine: SpatialEngine, picture: View, **kwargs: bool) -> Scene:
    return engine.observe(picture.frame, NAMES, robot(picture), **{"only_named": True, **kwargs})


def new_engine(focus_s: float = FOCUS_S) -> SpatialEngine:
    return SpatialEngine(EngineConfig(noise=NOISE, focus_s=focus_s))


def centre(scene: Scene, name: str) -> np.ndarray:
    thing = scene.find(name).thing
    assert thing is not None, scene.find(name).text
    return thing.centre


def test_what_stands_still_keeps_its_measurement_until_the_next_whole_image(looks: Looks) -> None:
    engine = new_engine()
    # Another thing comes with the last two.
    more = {index: [YELLOW] * (index > 28) for index in (0, 1, 2, 28, 29, 30)}
    scenes = [observed(engine, picture_of(index, RED, GREEN, BLUE, *here)) for index, here in more.items()]
    assert looks.taken == ["whole", "nothing", "nothing", "whole", "whole", "nothing"]  # a long pause; then the second is over
    places = [centre(scene, "red block") for scene in scenes]
    assert np.array_equal(places[0], places[1]) and np.array_equal(places[0], places[2])
    assert not np.array_equal(places[3], places[4]) and np.array_equal(places[4], places[5])
    assert {scene.find("red block").thing.id for scene in scenes} == {scenes[0].find("red block").thing.id}  # type: ignore[union-attr]
    ages = [scene.stamp_ns - scene.find("red block").thing.last_seen_ns for scene in scenes]  # type: ignore[union-attr]
    assert ages == [0] * 6, "it was looked at, and is there"


def test_pixels_of_things_are_marked_anew_where_one_has_moved(looks: Looks) -> None:
    engine = new_engine()
    first, still = (observed(engine, picture_of(index, RED, GREEN)) for index in (0, 1))
    moved = observed(engine, picture_of(2, replace(RED, centre=(0.65, 0.18, 0.03)), GREEN))
    assert looks.taken == ["whole", "nothing", "part"]
    red = first.find("red block").thing
    assert red is not None and first.labels is not None and still.labels is not None and moved.labels is not None
    assert np.array_equal(first.labels, still.labels) and not first.labels.flags.writeable
    (before, after) = (np.argwhere(labels == red.id).mean(axis=0) for labels in (first.labels, moved.labels))
    assert before[1] - after[1] > 10, "to the left"


def test_what_measures_the_same_again_holds_twice_as_long(looks: Looks) -> None:
    engine = new_engine(3.0)
    for index in range(60):
        observed(engine, picture_of(index, RED, GREEN, BLUE))
    anew = [index for index, look in enumerate(looks.taken) if look == "part"]
    assert anew and anew[0] in (6, 7), "a fifth of a second after the first"
    pauses = np.diff([0, *anew])
    assert all(later >= earlier for earlier, later in itertools.pairwise(pauses)) and pauses[-1] >= 2 * pauses[0] - 1
    assert len(anew) <= 5


def test_an_image_is_due_in_vain_where_nothing_but_the_robot_has_moved(looks: Looks) -> None:
    engine = new_engine(0.2)
    for index in range(60):
        picture = picture_of(index, RED, GREEN, BLUE)
        if index % 6 == 5:  # an arm that comes and goes, over no thing that is named
            arm = replace(ARM, centre=(0.75, -0.3 + 0.002 * index, 0.2), size=(0.03, 0.1, 0.03))
            picture = picture_of(index, RED, GREEN, BLUE, arm)
            x, y, z = arm.centre
            ends = picture.camera_from_canonical.apply(np.array([(x, y - 0.05, z), (x, y + 0.05, z)]))
            state = replace(robot(picture), capsules=[Capsule(ends[0], ends[1], 0.025)])
            engine.observe(picture.frame, NAMES, state, only_named=True)
        else:
            observed(engine, picture)
    whole = [index for index, look in enumerate(looks.taken) if look == "whole"]
    assert len(whole) == 3, whole
    assert all(24 <= pause <= 30 for pause in np.diff(whole)), f"{whole}: after four periods all the same"
    # Without a word from the robot the arm is a thing that has come.
    looks.taken.clear()
    arm = replace(arm, centre=(0.6, -0.1, 0.2))
    for index in range(60, 78):
        observed(engine, picture_of(index, RED, GREEN, BLUE, *([arm] if index > 64 else [])))
    assert looks.taken.index("whole") + 60 in (65, 66)


@pytest.mark.parametrize("change", ["comes", "goes", "moves", "hides"])
def test_what_nobody_names_is_seen_to_change_on_an_image_that_is_due(looks: Looks, change: str) -> None:
    """Small as it may be, and also what gives no depth."""
    engine = new_engine(0.2)
    after = {"comes": YELLOW, "moves": replace(YELLOW, centre=(0.62, -0.25, 0.015)), "hides": YELLOW}.get(change)
    for index in range(12):
        here = [RED, GREEN, *([] if change == "comes" else [YELLOW])] if index < 3 else [RED, GREEN, *([after] if after else [])]
        picture = picture_of(index, *here)
        if change == "hides" and index >= 3:
            depth_m = np.where(picture.owner == 2, np.float32(np.nan), picture.frame.depth_m)
            picture = replace(picture, frame=replace(picture.frame, depth_m=depth_m))
        observed(engine, picture)
    assert looks.taken[0] == "whole" and looks.taken[1:].count("whole") >= 1
    assert looks.taken.index("whole", 1) in (4, 5), "the first that is due"


ARM = Solid((0.495, 0.05, 0.13), (0.03, 0.3, 0.03), 0.0, color=(60, 60, 60))


def arm_of(picture: View) -> tuple[Solid, Capsule]:
    """An arm over the table, seen before the red block, and what the robot says of it."""
    ends = [(ARM.centre[0], ARM.centre[1] + side * 0.15, ARM.centre[2]) for side in (-1, 1)]
    start, end = picture.camera_from_canonical.apply(np.array(ends))
    return ARM, Capsule(start, end, 0.03)


@pytest.mark.parametrize("is_moved", [False, True])
def test_the_robot_before_a_thing_hides_a_part_of_it_and_nothing_else(looks: Looks, is_moved: bool) -> None:
    """The rest of it is as it was: it stands still. Where the rest is not, the robot is no excuse."""
    engine = new_engine()
    before = observed(engine, picture_of(0, RED, GREEN, BLUE))
    red = replace(RED, centre=(RED.centre[0] + 0.015 * is_moved, *RED.centre[1:])) if is_moved else RED
    plain = picture_of(1, red, GREEN, BLUE)
    arm, capsule = arm_of(plain)
    picture = picture_of(1, red, GREEN, BLUE, arm)
    own = plain.owner == 0
    assert 0.1 < np.count_nonzero(own & (picture.owner == 3)) / np.count_nonzero(own) < 0.5, "a part of it is hidden"
    state = replace(robot(picture), capsules=[capsule])
    scene = engine.observe(picture.frame, NAMES, state, only_named=True)
    assert looks.taken[:2] == ["whole", "part" if is_moved else "nothing"]
    if not is_moved:
        assert np.array_equal(centre(scene, "red block"), centre(before, "red block"))


def test_a_thing_that_moves_is_measured_as_on_whole_images(looks: Looks) -> None:
    focused, whole = new_engine(), new_engine(0.0)
    apart_m = []
    for index in range(12):
        moved = replace(RED, centre=(0.65, 0.15 - 0.006 * index, 0.03))
        picture = picture_of(index, moved, GREEN, BLUE)
        scenes = observed(focused, picture), observed(whole, picture)
        assert {scene.find("red block").status for scene in scenes} == {Status.OK}
        apart_m.append(np.linalg.norm(centre(scenes[0], "red block") - centre(scenes[1], "red block")))
        true = picture.camera_from_canonical.apply(moved.centre)
        assert np.linalg.norm(centre(scenes[0], "red block") - true) < 0.012
    assert looks.taken.count("part") >= 10
    assert max(apart_m) < 0.002 and np.median(apart_m) < 0.0005


def test_a_part_of_an_image_shows_the_very_things_that_the_whole_does() -> None:
    picture = picture_of(0, RED, GREEN, BLUE)
    segmenter = TabletopSegmenter(TabletopConfig(noise=NOISE))
    whole = segmenter.segment(picture.frame, up=picture.camera_from_canonical.rotation[:, 2])
    assert whole.plane is not None and len(whole.regions) == 3
    region = max(whole.regions, key=lambda one: int(np.count_nonzero(one.mask & (picture.owner == 0))))
    u0, v0, u1, v1 = (16 * round(edge / 16) for edge in region.box)
    part = segmenter.segment_part(picture.frame, slice(v0 - 32, v1 + 32), slice(u0 - 32, u1 + 32), whole.plane, None)
    assert part is not None
    (found,) = [one for one in part if np.count_nonzero(one.mask & region.mask) > 0]
    assert np.array_equal(found.mask, region.mask)


def test_a_table_that_is_not_where_it_was_is_seen(looks: Looks) -> None:
    picture, lower = picture_of(0, RED, GREEN), picture_of(1, RED, GREEN, pose=camera_over_table(height_m=0.62))
    segmenter = TabletopSegmenter(TabletopConfig(noise=NOISE))
    whole = segmenter.segment(picture.frame, up=picture.camera_from_canonical.rotation[:, 2])
    assert whole.plane is not None
    window = slice(160, 400), slice(160, 480)
    assert segmenter.segment_part(picture.frame, *window, whole.plane, None) is not None
    assert segmenter.segment_part(lower.frame, *window, whole.plane, None) is None
    # A camera that was moved without a word from tf: all has changed, and is taken whole.
    engine = new_engine()
    observed(engine, picture)
    scene = observed(engine, lower)
    assert looks.taken[0] == "whole" and looks.taken[-1] == "whole"
    true = lower.camera_from_canonical.apply(RED.centre)
    assert np.linalg.norm(centre(scene, "red block") - true) < 0.012


def test_what_is_gone_costs_a_whole_image_and_has_its_status(looks: Looks) -> None:
    focused, whole = new_engine(), new_engine(0.0)
    for index in range(4):
        solids = [RED, GREEN, BLUE] if index < 3 else [GREEN, BLUE]
        picture = picture_of(index, *solids)
        scenes = observed(focused, picture), observed(whole, picture)
        assert scenes[0].find("red block").status is scenes[1].find("red block").status
    assert scenes[0].find("red block").thing is None
    # Each engine takes an image whole, and the focused one has looked in vain before.
    assert looks.taken[-3:] == ["part", "whole", "whole"]


def test_things_that_nobody_names_are_neither_forgotten_nor_taken_for_gone(looks: Looks) -> None:
    engine = new_engine()
    first = observed(engine, picture_of(0, RED, GREEN, BLUE))
    (blue,) = (thing.id for thing in first.objects if thing.label == "blue block")
    # Nobody looks where it was, and meanwhile it is not there; another thing that comes has the last image taken whole.
    for index in (1, 3, 10, 20, 28, 29):
        here = [] if 3 <= index <= 20 else [BLUE, *([YELLOW] if index == 29 else [])]
        scene = observed(engine, picture_of(index, RED, GREEN, *here))
        assert blue in [thing.id for thing in scene.objects], "the whole image at the end finds it as the thing it was"
    # What measured the same again a third of a second later holds twice as long.
    assert looks.taken == ["whole", "nothing", "nothing", "part", "nothing", "part", "whole"]


def test_a_look_alike_in_the_window_does_not_take_the_name(looks: Looks) -> None:
    engine = new_engine()
    other = replace(RED, centre=(0.65, 0.25, 0.03))
    first = observed(engine, picture_of(0, RED, GREEN))
    for index in range(1, 5):
        scene = observed(engine, picture_of(index, RED, GREEN, other))
    assert scene.find("red block").thing.id == first.find("red block").thing.id  # type: ignore[union-attr]
    assert np.linalg.norm(centre(scene, "red block") - centre(first, "red block")) < 0.01


def test_a_name_that_means_nothing_is_looked_for_everywhere(looks: Looks) -> None:
    engine = new_engine()
    for index in range(3):
        observed(engine, picture_of(index, RED, BLUE))
    scene = observed(engine, picture_of(3, RED, GREEN, BLUE))
    assert scene.find("green block").status is Status.OK
    assert looks.taken == ["whole"] * 4


@pytest.mark.parametrize("change", ["names", "all", "camera", "reset", "stamp", "up"])
def test_whole_images_where_something_else_changes(looks: Looks, change: str) -> None:
    engine = new_engine()
    observed(engine, picture_of(1, RED, GREEN, BLUE))
    picture = picture_of(2, RED, GREEN, BLUE)
    state, names = robot(picture), list(NAMES)
    if change == "names":
        names.append("blue block")
    elif change == "camera":
        state = replace(state, world_from_camera=RigidTransform(np.eye(3), np.array([0.01, 0, 0])))
    elif change == "up":
        state = replace(state, up=RigidTransform.identity().rotation[:, 1] * -1.0)
    elif change == "reset":
        engine.reset()
    elif change == "stamp":
        picture = picture_of(0, RED, GREEN, BLUE)
    engine.observe(picture.frame, names, state, only_named=change != "all")
    assert looks.taken == ["whole", "whole"]


def test_the_same_images_give_the_same_numbers() -> None:
    runs: list[list[Any]] = []
    for _ in range(2):
        engine = new_engine()
        runs.append([])
        for index in range(6):
            moved = replace(RED, centre=(0.65, 0.15 - 0.006 * index, 0.03))
            scene = observed(engine, picture_of(index, moved, GREEN, BLUE))
            runs[-1].append(
                [(thing.id, thing.label, thing.centre.tobytes(), thing.covariance.tobytes()) for thing in scene.objects]
            )
    assert runs[0] == runs[1]


def test_which_queries_need_the_whole_image() -> None:
    named = [Query("distance", "gripper", "red block"), Query("on", "red block", "green plate"), Query("height", "red block")]
    assert not needs_all(named)
    for relation, other in (("count", ""), ("nearest", "gripper"), ("point_above", ""), ("no such relation", "")):
        assert needs_all([*named, Query(relation, "red block", other)])
