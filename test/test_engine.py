"""The engine on analytic pictures: names, reasons why there is no number, identity, and equal bytes for equal input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from queries import query_for
from scipy.spatial.transform import Rotation
from things import camera_over_table
from tiny_render import NOISE, Solid, View, view

from spatialvlm_ros.engine import EngineConfig, RobotState, SpatialEngine
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import check_query, measure_query
from spatialvlm_ros.perception.self_filter import Capsule
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene

RED = Solid((0.65, 0.12, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
BLUE = Solid((0.75, -0.12, 0.03), (0.06, 0.06, 0.06), -0.2, color=(25, 45, 180))
RED_TOO = replace(RED, centre=(0.6, -0.05, 0.03), yaw=0.1)
TOOL = (0.7, 0.0, 0.25)
NAMES = ("red block", "the red block", "blue block", "gripper", "The Gripper", "#1", "#2", "green cup")


def robot(picture: View, place: tuple[float, float, float] = TOOL) -> RobotState:
    """Gripper that points down at ``place`` in canonical coordinates."""
    tool = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array(place))
    return RobotState(camera_from_tool=picture.camera_from_canonical @ tool, up=picture.camera_from_canonical.rotation[:, 2])


@pytest.fixture(scope="module")
def picture() -> View:
    return view([RED, BLUE])


@pytest.fixture(scope="module")
def seen(picture: View) -> Scene:
    return SpatialEngine(EngineConfig(noise=NOISE)).observe(picture.frame, NAMES, robot(picture))


def fact(scene: Scene, relation: str, subject: str, other: str = "") -> SpatialFact:
    return measure_query(scene, Query(relation, subject, other))


# -- names ----------------------------------------------------------------------------------------------------------------


def test_names_with_and_without_articles_are_one_thing(seen: Scene) -> None:
    things = [seen.find(name).thing for name in ("red block", "the red block")]
    assert things[0] is not None and things[1] is not None
    assert things[0].id == things[1].id
    assert things[0].label == "red block" and things[1].label == "the red block"
    assert seen.find("blue block").thing.id != things[0].id  # type: ignore[union-attr]


def test_the_gripper_is_where_tf_says(picture: View, seen: Scene) -> None:
    for name in ("gripper", "The Gripper"):
        found = seen.find(name)
        assert found.status is Status.OK and found.thing is not None
        assert found.thing.source is Source.TF
        assert np.allclose(found.thing.centre, picture.camera_from_canonical.apply(TOOL))


def test_numbers_name_what_the_scene_lists(seen: Scene) -> None:
    listed = {thing.id: thing for thing in seen.objects}
    for name in ("#1", "#2"):
        thing = seen.find(name).thing
        assert thing is not None and np.array_equal(thing.centre, listed[int(name[1:])].centre)


def test_unknown_names_say_what_there_is(picture: View, seen: Scene) -> None:
    missing = seen.find("green cup")
    assert missing.thing is None and missing.status is Status.NOT_FOUND
    assert "red block" in missing.text and "blue block" in missing.text
    scene = SpatialEngine().observe(picture.frame, ["#77", ""])
    assert scene.find("#77").status is Status.NOT_FOUND and "#1" in scene.find("#77").text
    assert scene.find("").status is Status.BAD_QUERY


def test_a_name_that_was_not_asked_for_is_not_found(seen: Scene) -> None:
    found = fact(seen, "height", "blue thing")
    assert found.status is Status.NOT_FOUND and "was not looked for" in found.text


def test_a_name_of_two_things_is_ambiguous_and_lists_them() -> None:
    picture = view([RED, RED_TOO, BLUE])
    scene = SpatialEngine().observe(picture.frame, ["red block", "blue block"], robot(picture))
    found = fact(scene, "distance", "red block", "blue block")
    assert found.status is Status.AMBIGUOUS and np.isnan(found.value)
    assert "2 things" in found.text


# -- numbers --------------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_rendered_things(seen: Scene) -> None:
    truth = {
        ("red block", "blue block"): np.linalg.norm(np.subtract(RED.centre, BLUE.centre)),
        ("gripper", "red block"): np.linalg.norm(np.subtract(TOOL, RED.centre)),
        ("#1", "#2"): np.linalg.norm(np.subtract(RED.centre, BLUE.centre)),
    }
    for (a, b), value in truth.items():
        found = fact(seen, "distance", a, b)
        assert found.status is Status.OK and found.source is Source.DEPTH
        assert abs(found.value - value) < 0.01 and abs(found.value - value) < 3 * found.std
    for name, solid in (("red block", RED), ("blue block", BLUE)):
        assert fact(seen, "height", name).value == pytest.approx(solid.size[2], abs=0.006)
        assert fact(seen, "elevation", name).value == pytest.approx(0, abs=0.006)


def test_signs_are_the_viewers(seen: Scene) -> None:
    for relation, a, b in (
        ("left", "red block", "blue block"),
        ("behind", "blue block", "red block"),
        ("above", "gripper", "red block"),
    ):
        assert fact(seen, relation, a, b).truth.verdict is True
        assert fact(seen, relation, b, a).truth.verdict is False


@pytest.mark.parametrize("roll", [-35, 35])
def test_a_rolled_camera_gives_the_same_answers(roll: float, seen: Scene) -> None:
    picture = view([RED, BLUE], pose=camera_over_table(40, roll))
    rolled = SpatialEngine(EngineConfig(noise=NOISE)).observe(picture.frame, NAMES, robot(picture))
    for relation in RELATIONS:
        query = query_for(relation, "red block", "blue block", "gripper")
        level, other = measure_query(seen, query), measure_query(rolled, query)
        # Below and behind a thing nobody sees; how near the next surface is there depends on where the camera stands.
        assert other.status is level.status, relation
        if other.status is Status.OK:
            assert other.value == pytest.approx(level.value, abs=0.008 if level.unit == "m" else 0.1), relation


def test_every_relation_speaks_a_sentence_and_keeps_the_query(seen: Scene) -> None:
    queries = [query_for(name, "red block", "blue block", "gripper") for name in RELATIONS]
    facts = SpatialEngine().facts(seen, queries)
    assert [found.query for found in facts] == queries
    for found in facts:
        assert found.status is (Status.OCCLUDED if "nobody knows" in found.text else Status.OK)
        assert np.isfinite(found.value) and found.text.endswith((".", ")"))
        assert (
            "red block" in found.text and found.stamp_ns == seen.stamp_ns and found.unit == RELATIONS[found.query.relation].unit
        )


@pytest.mark.parametrize("name", ["height", "width", "tall", "which_big", "wide_or_thin"])
def test_a_point_has_no_size_to_compare(name: str, seen: Scene) -> None:
    found = fact(seen, name, "gripper", "red block" if RELATIONS[name].arity == 2 else "")
    assert found.status is Status.NO_DEPTH and np.isnan(found.value) and "without a size" in found.text


def test_two_names_of_one_thing_are_not_measured_against_each_other(seen: Scene) -> None:
    found = fact(seen, "distance", "gripper", "gripper")
    assert found.status is Status.BAD_QUERY and "two names" in found.text
    number = next(thing.id for thing in seen.objects if thing.label == "red block")
    both = SpatialEngine(EngineConfig(noise=NOISE)).observe(view([RED]).frame, ["red block", "#1"])
    assert number >= 1 and fact(both, "gap", "red block", "#1").status is Status.AMBIGUOUS


def test_output_frame_moves_the_points_and_nothing_else(picture: View, seen: Scene) -> None:
    output = RigidTransform(Rotation.random(random_state=4).as_matrix(), np.array([1.0, 2, 3]))
    for name in RELATIONS:
        query = query_for(name, "red block", "blue block", "gripper")
        here, there = measure_query(seen, query), measure_query(seen, query, ("base_link", output))
        assert here.frame_id == "camera" and there.frame_id == "base_link"
        assert (there.value, there.text, there.status) == (here.value, here.text, here.status)
        for a, b in ((here.subject_point, there.subject_point), (here.object_point, there.object_point)):
            expected = (output.matrix() @ np.append(a, 1.0))[:3]
            assert np.allclose(b, expected, equal_nan=True)


# -- why there is none ----------------------------------------------------------------------------------------------------


def test_a_gripper_that_tf_does_not_know_keeps_tfs_own_words(picture: View) -> None:
    words = "gripper: tf has no frame 'tool0'; it knows 'camera'"
    state = RobotState(tool_status=Status.NO_TRANSFORM, tool_text=words)
    found = fact(SpatialEngine().observe(picture.frame, ["red block", "gripper"], state), "distance", "gripper", "red block")
    assert (found.status, found.text) == (Status.NO_TRANSFORM, words)
    assert np.isnan(found.value) and np.isnan(found.subject_point).all()


def test_no_gripper_configured_says_how_to_get_one(picture: View) -> None:
    found = fact(SpatialEngine().observe(picture.frame, ["red block", "gripper"]), "distance", "gripper", "red block")
    assert found.status is Status.NOT_FOUND and "tool_frame" in found.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (Query("near", "a", "b"), "unknown relation 'near'; known are "),
        (Query("", "a", "b"), "unknown relation ''"),
        (Query("distance", "", "b"), "needs a subject"),
        (Query("distance", "a"), "the object's name is empty"),
        (Query("height", "a", "b"), "leave the object empty (got 'b')"),
    ],
)
def test_a_bad_query_says_what_is_wrong(query: Query, words: str, seen: Scene) -> None:
    found = measure_query(seen, query)
    assert found.status is Status.BAD_QUERY and np.isnan(found.value) and words in found.text
    assert check_query(query) == found.text


def test_good_queries_have_nothing_wrong() -> None:
    for name in RELATIONS:
        assert check_query(query_for(name, "a", "b", "c")) is None


def damaged(picture: View, depth: np.ndarray) -> View:
    return replace(picture, frame=replace(picture.frame, depth_m=depth.astype(np.float32)))


@pytest.mark.parametrize(
    "depth",
    [
        np.full((480, 640), np.nan),
        np.full((480, 640), 1e-6),
        np.full((480, 640), 1e6),
        np.where(np.arange(640) == 5, 1.0, np.nan)[None].repeat(480, 0),
        np.where(np.arange(480)[:, None] * 640 + np.arange(640) == 100_000, 1.0, np.nan),
        np.random.default_rng(0).uniform(0.3, 3, (480, 640)),
        np.full((480, 640), 1.0),
    ],
    ids=["none", "too near", "too far", "a column", "a pixel", "noise", "a wall"],
)
@pytest.mark.parametrize("up_known", [True, False])
def test_unusable_depth_gives_statuses_and_never_an_error(depth: np.ndarray, up_known: bool, picture: View) -> None:
    state = robot(picture) if up_known else RobotState()
    engine = SpatialEngine()
    for _ in range(2):
        scene = engine.observe(damaged(picture, depth).frame, NAMES, state)
        facts = engine.facts(scene, [query_for(name, "red block", "gripper", "blue block") for name in RELATIONS])
        assert all(np.isnan(found.value) and not found.status.has_value and found.text for found in facts)
        assert scene.depth_coverage == pytest.approx(np.isfinite(depth).mean())
        assert (scene.canonical is not None) or scene.canonical_reason


def test_without_a_table_facts_that_need_up_say_so() -> None:
    """The thing is bound by number from a scene made by hand, as a model would bind it."""
    from things import box, scene

    blind = scene({"cup": box((0, 0, 1.0)), "can": box((0.2, 0, 1.0), number=2)})
    found = fact(blind, "height", "cup")
    assert found.status is Status.NOT_CANONICAL and "no horizontal surface found" in found.text
    assert fact(blind, "distance", "cup", "can").status is Status.OK
    no_table = scene({"cup": box((0, 0, 1.0))}, camera_over_table(), plane=False)
    found = fact(no_table, "elevation", "cup")
    assert found.status is Status.NO_DEPTH and "support plane" in found.text


def test_the_worse_status_of_two_things_is_the_facts() -> None:
    from things import box, scene

    stats = {"ok": Status.OK, "occluded": Status.OCCLUDED, "stale": Status.STALE}
    both = scene({name: box((i, 0, 1.0), number=i + 1, status=status) for i, (name, status) in enumerate(stats.items())})
    assert fact(both, "distance", "ok", "occluded").status is Status.OCCLUDED
    assert fact(both, "distance", "stale", "occluded").status is Status.STALE
    assert np.isfinite(fact(both, "distance", "stale", "ok").value)


# -- time -----------------------------------------------------------------------------------------------------------------


def blinded(picture: View, index: int) -> View:
    """The same picture with something large right before one thing."""
    depth = picture.frame.depth_m.copy()
    u0, v0, u1, v1 = picture.region(index).box
    depth[v0 - 20 : v1 + 20, u0 - 20 : u1 + 20] = 0.4
    return damaged(picture, depth)


def at(picture: View, tenth: int) -> View:
    return replace(picture, frame=replace(picture.frame, stamp_ns=tenth * 100_000_000))


def test_a_hidden_thing_is_not_replaced_by_a_look_alike() -> None:
    engine, alone = SpatialEngine(), view([RED, BLUE])
    for tenth in range(3):
        first = engine.observe(at(alone, tenth).frame, ["red block"], robot(alone))
    bound = first.find("red block").thing
    assert bound is not None
    # A second red block appears while something covers the first one.
    both = view([RED, RED_TOO, BLUE])
    for tenth in range(3, 6):
        scene = engine.observe(at(blinded(both, 0), tenth).frame, ["red block"], robot(both))
        found = scene.find("red block")
        assert found.status is Status.OCCLUDED and found.thing is not None and found.thing.id == bound.id
        assert np.linalg.norm(found.thing.centre - bound.centre) < 0.01
    # It comes back, and keeps its name beside the other one.
    back = engine.observe(at(both, 6).frame, ["red block"], robot(both)).find("red block")
    assert back.status is Status.OK and back.thing is not None and back.thing.id == bound.id


def test_a_hidden_things_distance_is_reported_as_such_with_a_larger_deviation() -> None:
    engine, picture = SpatialEngine(), view([RED, BLUE])
    for tenth in range(2):
        before = fact(engine.observe(at(picture, tenth).frame, NAMES, robot(picture)), "distance", "gripper", "red block")
    hidden = fact(engine.observe(at(blinded(picture, 0), 3).frame, NAMES, robot(picture)), "distance", "gripper", "red block")
    assert hidden.status is Status.OCCLUDED
    assert hidden.value == pytest.approx(before.value, abs=0.003) and hidden.std > 2 * before.std


def test_what_is_taken_away_is_gone() -> None:
    engine, both, one = SpatialEngine(), view([RED, BLUE]), view([BLUE])
    for tenth in range(2):
        engine.observe(at(both, tenth).frame, ["red block"], robot(both))
    assert engine.observe(at(one, 3).frame, ["red block"], robot(one)).find("red block").status is Status.NOT_FOUND


def test_reset_forgets_hidden_things() -> None:
    engine, picture = SpatialEngine(), view([RED, BLUE])
    for tenth in range(2):
        engine.observe(at(picture, tenth).frame, ["red block"], robot(picture))
    engine.reset()
    scene = engine.observe(at(blinded(picture, 0), 3).frame, ["red block"], robot(picture))
    assert scene.find("red block").status is Status.NOT_FOUND


def facts_of(engine: SpatialEngine) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for tenth, solids in enumerate(([RED, BLUE], [RED, BLUE], [RED, RED_TOO, BLUE], [BLUE])):
        picture = at(view(solids, seed=tenth), tenth)
        scene = engine.observe(picture.frame, NAMES, robot(picture))
        for name in RELATIONS:
            found = measure_query(scene, query_for(name, "red block", "gripper", "blue block"))
            points = found.subject_point.tobytes() + found.object_point.tobytes()
            rows.append((found.status, found.source, repr(found.value), repr(found.std), points, found.text))
        assert scene.labels is not None
        rows.append((scene.labels.tobytes(), scene.support_plane.tobytes(), tuple(thing.id for thing in scene.objects)))
    return rows


def test_two_engines_give_equal_bytes_for_equal_input() -> None:
    assert facts_of(SpatialEngine()) == facts_of(SpatialEngine())


def test_labels_are_the_things_pixels(picture: View, seen: Scene) -> None:
    assert seen.labels is not None
    for name, index in (("red block", 0), ("blue block", 1)):
        thing = seen.find(name).thing
        assert thing is not None
        found, true = seen.labels == thing.id, picture.owner == index
        assert np.count_nonzero(found & true) > 0.85 * np.count_nonzero(found | true)
    assert np.count_nonzero((seen.labels == -1) & (picture.owner != -1)) < 0.01 * np.count_nonzero(seen.labels == -1)


def test_the_robot_is_no_thing() -> None:
    arm = Solid((0.72, 0.02, 0.1), (0.06, 0.06, 0.2), color=(90, 90, 95))
    picture = view([RED, arm])
    place = picture.camera_from_canonical.apply
    bare, dressed = (
        robot(picture),
        replace(robot(picture), capsules=[Capsule(place((0.72, 0.02, 0.0)), place((0.72, 0.02, 0.2)), 0.06)]),
    )
    counts = [len(SpatialEngine().observe(picture.frame, [], state).objects) for state in (bare, dressed)]
    assert counts == [3, 2]  # red block, arm, gripper; without the arm


@pytest.mark.parametrize("pitch", [20, 30, 45])
def test_a_block_on_a_box_stays_on_it_whatever_the_camera_sees_below(pitch: float) -> None:
    """The top of the box runs towards the camera below the block: that hides nothing of the block."""
    box = Solid((0.7, 0.0, 0.025), (0.16, 0.16, 0.05), 0.2, color=(25, 45, 180))
    top = Solid((0.7, 0.0, 0.075), (0.05, 0.05, 0.05), 0.2, color=(190, 20, 20))
    picture = view([top, box], pose=camera_over_table(pitch, 0.0))
    scene = SpatialEngine(EngineConfig(noise=NOISE)).observe(picture.frame, ["red block", "blue block"], robot(picture))
    assert fact(scene, "height", "red block").value == pytest.approx(0.05, abs=0.012)
    assert fact(scene, "elevation", "red block").value == pytest.approx(0.05, abs=0.012)
    # At 20 degrees the box shows so little of its top that these are too close to call, but they lean the right way.
    assert fact(scene, "on", "red block", "blue block").value > (0.9 if pitch > 20 else 0.5)
    assert fact(scene, "on", "blue block", "red block").value < (0.0228 if pitch > 20 else 0.2)
