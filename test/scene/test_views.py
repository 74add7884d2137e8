"""Left, right, front and behind of whoever looks: the rolled camera, the robot, a camera frame, a frame that looks up.

The world is given in coordinates x east, y north, z up; the oracle asks on which side of a hand-made viewer's axes a thing lies.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from queries import query_for
from scipy.spatial.transform import Rotation
from scipy.stats import norm
from things import STD_M, box, placed, scene

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.answers import measure_query
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.facts import Query, SpatialFact, Status
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.scene.scene import Scene, SceneObject

SIDES = ("left", "right", "behind", "front")
POINTS = ("point_left", "point_right", "point_behind", "point_front")
OPTICAL_FROM_BODY = np.array(
    [[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]
)  # REP 103: x forward, y left, z up to x right, y down, z forward


def pose_of(yaw: float, pitch: float, roll: float, place: object) -> RigidTransform:
    """world_from_body of a body that is turned by yaw about up, then nods by pitch (down is positive), then rolls; degrees."""
    return RigidTransform(Rotation.from_euler("ZYX", [yaw, pitch, roll], degrees=True).as_matrix(), np.asarray(place, float))


def optical(body: RigidTransform) -> RigidTransform:
    return RigidTransform(body.rotation @ OPTICAL_FROM_BODY.T, body.translation)


def looked_at(
    world_from_camera: RigidTransform, things: dict[str, SceneObject], views: dict[str, RigidTransform | str], *, up: bool = True
) -> Scene:
    """The scene of a camera, from things and view poses in the world."""
    camera_from_world = world_from_camera.inverse()
    seen = scene({name: placed(thing, camera_from_world) for name, thing in things.items()})
    poses = {name: pose if isinstance(pose, str) else camera_from_world @ pose for name, pose in views.items()}
    canonical = canonical_from_up(camera_from_world.rotation[:, 2], None, 0.0, "tf") if up else None
    return replace(seen, canonical=canonical, views=poses)


def random_camera(rng: np.random.Generator) -> RigidTransform:
    yaw, pitch, roll = rng.uniform([-180, -80, -45], [180, 80, 45])
    return optical(pose_of(yaw, pitch, roll, rng.uniform(-1, 1, 3)))


def sides(heading: float, offset: np.ndarray) -> dict[str, float]:
    """How far along each word's side an offset (world, metres) lies, for a viewer who faces a heading, by complex numbers."""
    turned = complex(offset[0], offset[1]) * np.exp(-1j * heading)
    return {"left": turned.imag, "right": -turned.imag, "behind": turned.real, "front": -turned.real}


def two_things(rng: np.random.Generator) -> dict[str, SceneObject]:
    return {name: box(rng.uniform(-0.5, 0.5, 3), number=i) for i, name in enumerate(("cup", "can", "jar"), start=1)}


def ask(view: Scene, name: str, frame: str, names: tuple[str, ...] = ("cup", "can", "jar")) -> SpatialFact:
    return measure_query(view, replace(query_for(name, *names), view=frame))


def check_sides(view: Scene, frame: str, heading: float, things: dict[str, SceneObject]) -> None:
    offset = things["cup"].centre - things["can"].centre
    for word, margin in sides(heading, offset).items():
        fact = ask(view, word, frame)
        assert fact.status is Status.OK
        assert fact.value == pytest.approx(norm.cdf(margin / (STD_M * math.sqrt(2))), abs=1e-6)
        assert (fact.value > 0.5) == (margin > 0)
        assert ask(view, f"{word}_difference", frame).value == pytest.approx(margin, abs=1e-6)
        assert ask(view, f"which_{word}", frame).value == fact.value


def test_the_rolled_and_pitched_cameras_own_sides() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        things, camera = two_things(rng), random_camera(rng)
        view = looked_at(camera, things, {})
        ahead = camera.rotation[:, 2]
        for frame in ("", "canonical"):
            check_sides(view, frame, math.atan2(ahead[1], ahead[0]), things)


@pytest.mark.parametrize("up", [True, False])
def test_the_robots_sides_whatever_the_camera(up: bool) -> None:
    """A robot that stands level: x ahead, y left, z up. Its own axes are level, so that up need not be known."""
    rng = np.random.default_rng(2)
    for _ in range(30):
        things, heading = two_things(rng), rng.uniform(-180, 180)
        robot = pose_of(heading, 0, 0, rng.uniform(-2, 2, 3))
        view = looked_at(random_camera(rng), things, {"base_link": robot}, up=up)
        check_sides(view, "base_link", math.radians(heading), things)


@pytest.mark.parametrize("frame", ["base_link", "wrist_camera_optical_frame"])
def test_a_tilted_viewers_sides_are_made_level(frame: str) -> None:
    """On a slope, or a wrist camera that is pitched and rolled: where it heads counts, not how it leans."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        things, heading = two_things(rng), rng.uniform(-180, 180)
        body = pose_of(heading, rng.uniform(-80, 80), rng.uniform(-170, 170), rng.uniform(-2, 2, 3))
        view = looked_at(random_camera(rng), things, {frame: optical(body) if frame.endswith("optical_frame") else body})
        check_sides(view, frame, math.radians(heading), things)


def test_without_up_a_tilted_viewers_sides_are_its_own() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        things = two_things(rng)
        body = pose_of(*rng.uniform([-180, -80, -170], [180, 80, 170]), rng.uniform(-2, 2, 3))
        offset = body.rotation.T @ (things["cup"].centre - things["can"].centre)
        for frame, pose in (("hand", body), ("hand_optical_frame", optical(body))):
            view = looked_at(random_camera(rng), things, {frame: pose}, up=False)
            assert ask(view, "left_difference", frame).value == pytest.approx(offset[1], abs=1e-6)
            assert ask(view, "behind_difference", frame).value == pytest.approx(offset[0], abs=1e-6)


def test_the_cameras_own_frame_as_a_view_is_the_camera() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        things, camera = two_things(rng), random_camera(rng)
        for up in (True, False):
            view = looked_at(camera, things, {"color_optical_frame": camera}, up=up)
            for name in (*SIDES, "width", *(["direction"] if up else [])):
                assert ask(view, name, "color_optical_frame").value == pytest.approx(ask(view, name, "").value, abs=1e-9)


def test_direction_and_points_turn_with_the_viewer() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        things, heading = two_things(rng), rng.uniform(-np.pi, np.pi)
        robot = pose_of(math.degrees(heading), rng.uniform(-30, 30), rng.uniform(-30, 30), (0, 0, 0))
        camera = random_camera(rng)
        view = looked_at(camera, things, {"base_link": robot})
        offset = things["cup"].centre - things["can"].centre
        bearing = np.angle(complex(offset[0], offset[1]) * np.exp(-1j * heading))
        assert ask(view, "direction", "base_link").value == pytest.approx(bearing, abs=1e-6)
        seen = view.seen_from("base_link")
        assert isinstance(seen, Scene)
        thing = view.find("cup").thing
        assert thing is not None
        ways = {}
        for name in POINTS:
            way = camera.rotation @ (RELATIONS[name].measure(seen, thing, 0.2).subject_point - thing.centre)
            assert sides(heading, way)[name.removeprefix("point_")] == pytest.approx(np.linalg.norm(way))  # that way alone
            assert way[2] == pytest.approx(0, abs=1e-9)
            ways[name] = way
        assert ways["point_left"] == pytest.approx(-ways["point_right"])


@pytest.mark.parametrize("nod", [90.0, -90.0, 88.0])
@pytest.mark.parametrize("frame", ["tool", "wrist_optical_frame"])
def test_who_looks_straight_up_or_down_has_no_left_and_says_so(nod: float, frame: str) -> None:
    rng = np.random.default_rng(7)
    body = pose_of(30, nod, 0, (0.1, 0.2, 0.3))
    things = two_things(rng)
    view = looked_at(random_camera(rng), things, {frame: optical(body) if frame == "wrist_optical_frame" else body})
    for name in (*SIDES, "direction", "width", *POINTS):
        fact = ask(view, name, frame)
        assert fact.status is Status.NO_TRANSFORM and math.isnan(fact.value)
        assert fact.text == f"frame '{frame}' looks straight up or down, so that nothing is left or right of it"


@pytest.mark.parametrize(
    "name", [name for name, relation in RELATIONS.items() if relation.frame != "viewer" and not relation.of_all]
)
def test_what_no_view_changes_is_told_in_any_views_frame(name: str) -> None:
    """A tool that points straight down still has a frame to tell a distance's ends in."""
    rng = np.random.default_rng(8)
    things = two_things(rng)
    down = pose_of(30, 90, 0, (0.1, 0.2, 0.3))
    view = looked_at(random_camera(rng), things, {"tool": down})
    fact, plain = ask(view, name, "tool"), ask(view, name, "")
    assert fact.status is plain.status and fact.frame_id == "tool"
    assert fact.value == pytest.approx(plain.value, nan_ok=True) and fact.std == pytest.approx(plain.std, nan_ok=True)
    assert not fact.text.startswith("Seen from")


def test_points_of_a_fact_are_in_the_views_frame() -> None:
    rng = np.random.default_rng(9)
    for _ in range(10):
        things, camera = two_things(rng), random_camera(rng)
        robot = pose_of(*rng.uniform([-180, -30, -30], [180, 30, 30]), rng.uniform(-2, 2, 3))
        view = looked_at(camera, things, {"base_link": robot})
        for frame in ("base_link", "canonical", ""):
            fact = ask(view, "left", frame)
            assert fact.frame_id == (frame or "camera")
            for point, thing in ((fact.subject_point, things["cup"]), (fact.object_point, things["can"])):
                if frame == "base_link":
                    expected = robot.inverse().apply(thing.centre)
                elif frame == "canonical":
                    # Origin at the camera, z up, x along the camera's heading.
                    ahead = camera.rotation[:, 2]
                    turned = complex(*(thing.centre - camera.translation)[:2]) / complex(ahead[0], ahead[1])
                    scale = abs(complex(ahead[0], ahead[1]))
                    expected = np.array([turned.real * scale, turned.imag * scale, thing.centre[2] - camera.translation[2]])
                else:
                    expected = camera.inverse().apply(thing.centre)
                assert point == pytest.approx(expected, abs=1e-9)


def test_the_views_frame_wins_over_the_output_frame() -> None:
    rng = np.random.default_rng(10)
    things = two_things(rng)
    view = looked_at(random_camera(rng), things, {"base_link": pose_of(20, 0, 0, (1, 2, 3))})
    output = ("map", pose_of(70, 10, 10, (5, 5, 5)))
    with_view = measure_query(view, Query("distance", "cup", "can", view="base_link"), output)
    assert with_view.frame_id == "base_link"
    assert with_view.subject_point == pytest.approx(ask(view, "distance", "base_link").subject_point)
    without = measure_query(view, Query("distance", "cup", "can"), output)
    assert without.frame_id == "map"
    assert without.subject_point == pytest.approx(output[1].apply(ask(view, "distance", "").subject_point))


def test_an_unknown_view_gives_its_reason() -> None:
    rng = np.random.default_rng(11)
    view = looked_at(random_camera(rng), two_things(rng), {"gone": "no transform from 'gone' to 'camera' for 3.1 s"})
    fact = ask(view, "left", "gone")
    assert fact.status is Status.NO_TRANSFORM and fact.text == "no transform from 'gone' to 'camera' for 3.1 s"
    for name in ("left", "distance"):
        fact = ask(view, name, "base_link")
        assert fact.status is Status.NO_TRANSFORM and "base_link" in fact.text and math.isnan(fact.value)
        assert fact.frame_id == "base_link" and np.isnan(fact.subject_point).all()


def test_the_canonical_view_needs_up() -> None:
    rng = np.random.default_rng(12)
    view = looked_at(random_camera(rng), two_things(rng), {}, up=False)
    for name in ("left", "distance"):
        fact = ask(view, name, "canonical")
        assert (
            fact.status is Status.NOT_CANONICAL and fact.text == "the canonical frame is not known: no horizontal surface found"
        )


def test_who_looks_is_said_but_for_the_camera() -> None:
    rng = np.random.default_rng(13)
    view = looked_at(random_camera(rng), two_things(rng), {"base_link": pose_of(20, 0, 0, (1, 2, 3))})
    assert ask(view, "left", "base_link").text.startswith("Seen from base_link: the cup is ")
    assert ask(view, "left", "canonical").text == ask(view, "left", "").text
