"""The engine with a vision-language model: names by what it sees, identity by memory, words where it fails, its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from counted_models import CONFIG, STEP_NS, Counted, boxes, found, opener, run, state, thing_of
from table_views import BLUE, RED, RED_TOO, picture_of
from tiny_render import View as Picture

from spatialvlm_ros.engine import EngineConfig, SpatialEngine
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status
from spatialvlm_ros.scene.scene import Binding, Scene
from spatialvlm_ros.vlm.interface import Glance, Gripper, Grounding, ModelAnswer, Question, SpatialVlm, View
from spatialvlm_ros.vlm.judge import NamingConfig
from spatialvlm_ros.vlm.options import VlmOptions
from spatialvlm_ros.vlm.server_backend import ServerVlm


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Counted]:
    """A real tiny model that says one of these."""
    return opener(tmp_path_factory)


@pytest.fixture(scope="module")
def picture() -> Picture:
    return picture_of([RED, BLUE])


# -- names --------------------------------------------------------------------------------------------------------------------


def test_the_model_says_what_words_cannot(picture: Picture, model: Callable[..., Counted]) -> None:
    """... against the words, too: to this model the blue block is the red one."""
    (scene,) = run(SpatialEngine(CONFIG, model(boxes(picture, 1))), picture, ["doohickey", "red block"])
    blue = thing_of(scene, picture, 1)
    assert (found(scene, "doohickey"), found(scene, "red block")) == (blue, blue)
    thing = scene.find("doohickey").thing
    assert thing is not None and thing.label == "doohickey" and 0.5 < thing.score <= 1
    assert [other.id for other in scene.find("doohickey").answering or ()] == [blue]


def test_several_and_none_are_said_with_the_sentences_of_words(picture: Picture, model: Callable[..., Counted]) -> None:
    (scene,) = run(SpatialEngine(CONFIG, model(boxes(picture, 0, 1))), picture, ["block"])
    several = scene.find("block")
    assert several.status is Status.AMBIGUOUS and several.thing is None
    assert several.text == "'block' may mean 2 things: red block, blue block; the colour would tell them apart"
    assert len(several.answering or ()) == 2
    (scene,) = run(SpatialEngine(CONFIG, model("[]")), picture, ["red block"])
    nothing = scene.find("red block")
    assert (nothing.status, nothing.answering) == (Status.NOT_FOUND, ())
    assert nothing.text == "nothing on the table answers to 'red block'; seen: red block, blue block"


def test_any_thing_of_some_size_is_measured_and_not_looked_at(picture: Picture, model: Callable[..., Counted]) -> None:
    vlm = model(boxes(picture, 1))
    (scene,) = run(SpatialEngine(CONFIG, vlm), picture, ["object", "things", "tallest object", "#1", ""])
    assert vlm.stamps_ns == [] and len(scene.find("object").answering or ()) == 2


def test_one_look_a_name_and_then_memory(picture: Picture, model: Callable[..., Counted]) -> None:
    vlm = model(boxes(picture, 1))
    engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(recheck_s=0.3)), vlm)
    scenes = run(engine, picture, ["gizmo", "doohickey"], 3)
    assert len(vlm.stamps_ns) == 1 and vlm.names == [("gizmo", "doohickey")]
    assert {found(scene, "gizmo") for scene in scenes} == {thing_of(scenes[0], picture, 1)}
    run(engine, picture, ["gizmo"], 2, first=3)
    assert vlm.stamps_ns == [STEP_NS, 4 * STEP_NS], "judged again after a while"
    engine.reset()
    run(engine, picture, ["gizmo"], 1, first=5)
    assert len(vlm.stamps_ns) == 3


def test_a_newcomer_is_looked_at(picture: Picture, model: Callable[..., Counted]) -> None:
    more = picture_of([RED, BLUE, RED_TOO])
    vlm = model(boxes(picture, 0))
    engine = SpatialEngine(CONFIG, vlm)
    first = run(engine, picture, ["block"], 2)[-1]
    second = run(engine, more, ["block"], 1, first=2)[0]
    assert vlm.stamps_ns == [STEP_NS, 3 * STEP_NS]
    assert found(second, "block") == found(first, "block"), "its bearer keeps the name"
    assert [thing.id for thing in second.find("block").answering or ()] == [thing_of(second, more, 0)]


def test_a_hidden_bearer_keeps_its_name(picture: Picture, model: Callable[..., Counted]) -> None:
    engine = SpatialEngine(CONFIG, model(boxes(picture, 1)))
    before = run(engine, picture, ["gizmo"], 2)[-1]
    depth = picture.frame.depth_m.copy()
    u0, v0, u1, v1 = picture.region(1).box
    depth[v0 - 8 : v1 + 8, u0 - 8 : u1 + 8] = 0.25
    covered = replace(picture.frame, depth_m=depth, stamp_ns=3 * STEP_NS)
    binding = engine.observe(covered, ["gizmo"], state(picture)).find("gizmo")
    assert binding.status is Status.OCCLUDED and binding.thing is not None and binding.thing.id == found(before, "gizmo")


def test_a_region_of_the_models_own_is_measured_and_tracked(picture: Picture, model: Callable[..., Counted]) -> None:
    """A box on the bare table is what stands above it: nothing, so the patch itself; it has an id and a place like any thing."""
    patch = json.dumps([{"bbox_2d": [420, 560, 520, 660]}])
    vlm = model(patch)
    engine = SpatialEngine(CONFIG, vlm)
    scenes = run(engine, picture, ["sticker"], 3)
    ids = {found(scene, "sticker") for scene in scenes}
    assert len(ids) == 1 and not ids & {thing_of(scenes[-1], picture, index) for index in (0, 1)}
    thing = scenes[-1].find("sticker").thing
    assert thing is not None and abs(float(scenes[-1].height_above_support(thing.centre))) < 0.02
    assert len(vlm.stamps_ns) == 3, "nobody else proposes it, so it is looked for each time"


def test_the_same_images_give_the_same_bytes(picture: Picture, model: Callable[..., Counted]) -> None:
    def numbers() -> list[object]:
        engine = SpatialEngine(CONFIG, model(boxes(picture, 1)))
        facts = [engine.facts(scene, QUERIES) for scene in run(engine, picture, ["gizmo", "red block"], 3)]
        return [(fact.value, fact.std, fact.status, fact.text) for row in facts for fact in row]

    assert repr(numbers()) == repr(numbers())


QUERIES = [Query("height", "gizmo"), Query("distance", "gizmo", "red block"), Query("left", "gizmo", "red block")]


# -- without a model, and with one that fails ------------------------------------------------------------------------------------


def plain(scene: Scene) -> list[tuple[str, Status, int, bytes]]:
    def row(name: str, binding: Binding) -> tuple[str, Status, int, bytes]:
        thing = binding.thing
        return name, binding.status, 0 if thing is None else thing.id, b"" if thing is None else thing.centre.tobytes()

    return [row(name, binding) for name, binding in scene.bindings.items()]


def facts_of(engine: SpatialEngine, scene: Scene) -> list[SpatialFact]:
    return engine.facts(scene, [Query("distance", "red block", "blue block"), Query("height", "red block")])


def test_a_model_that_fails_leaves_everything_as_words_have_it(picture: Picture, model: Callable[..., Counted]) -> None:
    names = ["red block", "blue block", "green cup", "block", "gripper"]
    vlm = model(boxes(picture, 1))
    vlm.fails = True
    with_model, without = SpatialEngine(CONFIG, vlm), SpatialEngine(CONFIG)
    pairs = list(zip(run(with_model, picture, names, 2), run(without, picture, names, 2), strict=True))
    for broken, whole in pairs:
        assert plain(broken) == plain(whole) and (broken.labels == whole.labels).all()
        assert repr(facts_of(with_model, broken)) == repr(facts_of(without, whole))
    assert len(vlm.stamps_ns) == 1, "it is let alone for a while"
    assert with_model.problem == "the model is on strike; wait" and without.problem == ""
    text = pairs[-1][0].find("green cup").text
    assert (
        text.startswith(pairs[-1][1].find("green cup").text) and "by words alone, for the model failed: the model is on" in text
    )
    vlm.fails = False
    scene = run(with_model, picture, names, 1, first=40)[0]
    assert with_model.problem == "" and found(scene, "green cup") == thing_of(scene, picture, 1)


def test_a_server_that_is_down_is_no_end(picture: Picture) -> None:
    vlm = ServerVlm.from_url("http://127.0.0.1:9/v1", "nobody", VlmOptions(retries=0, timeout_s=2.0))
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, picture, ["red block"])
    assert found(scene, "red block") == thing_of(scene, picture, 0) and "nothing listens at" in engine.problem
    fact, _ = engine.measure(scene, Query("height", "red block"))
    assert fact.source is Source.DEPTH and fact.status is Status.OK
    vlm.close()


# -- numbers --------------------------------------------------------------------------------------------------------------------


def test_a_number_of_the_models_joins_depths(picture: Picture, model: Callable[..., Counted]) -> None:
    query = Query("distance", "red block", "blue block")
    plain_engine = SpatialEngine(CONFIG)
    (scene,) = run(plain_engine, picture, ["red block", "blue block"])
    (depth,) = plain_engine.facts(scene, [query])
    near = [f"{depth.value + step:.3f} meters" for step in (-0.004, 0.008)]
    engine = SpatialEngine(CONFIG, model(*near))
    fused, measurement = engine.measure(scene, query)
    assert fused.source is Source.FUSED and measurement is not None and measurement.value == fused.value
    assert 0 < fused.std < depth.std and abs(fused.value - depth.value) < 0.01 and "With the model's" in fused.text
    assert repr(engine.facts(scene, [query])) == repr([depth]), "published facts are depth's alone"
    far, _ = SpatialEngine(CONFIG, model("5.10 meters", "5.20 meters")).measure(scene, query)
    assert (far.source, far.value, far.std) == (Source.DEPTH, depth.value, depth.std) and "not used" in far.text
    mute, _ = SpatialEngine(CONFIG, model("I see two blocks.")).measure(scene, query)
    assert repr(mute) == repr(depth)


def test_one_look_for_all_questions_about_an_image(picture: Picture, model: Callable[..., Counted]) -> None:
    vlm = model("0.30 meters", "0.28 meters")
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, picture, ["red block", "blue block"])
    looks = len(vlm.stamps_ns)
    for relation in ("distance", "gap", "horizontal_distance", "distance"):
        engine.measure(scene, Query(relation, "red block", "blue block"))
    engine.measure(scene, Query("distance", "#1", "blue block"))
    assert len(vlm.stamps_ns) == looks == 1


# -- the gripper ----------------------------------------------------------------------------------------------------------------


class WithGripper(SpatialVlm):
    """A model that sees a gripper above the table, as far as it is told."""

    version = "sees a gripper"

    def __init__(self, tip: np.ndarray, present: float) -> None:
        self.tip, self.present = tip, present

    def look(self, view: View) -> Glance:
        outer = self

        class Seen(Glance):
            def ground(self, names: Sequence[str]) -> list[Grounding]:
                return [Grounding(name, (), 0.0, understood=False) for name in names]

            def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
                return [ModelAnswer("", Status.BAD_QUERY) for _ in questions]

            def gripper(self) -> Gripper | None:
                mask = np.ones(view.color.shape[:2], bool)
                return Gripper(outer.present, mask, outer.tip, 0.01**2 * np.eye(3))

        return Seen()


def test_the_gripper_by_the_image_where_tf_is_not_set_up(picture: Picture) -> None:
    tip = picture.camera_from_canonical.apply(np.array([0.7, 0.0, 0.2]))
    engine = SpatialEngine(CONFIG, WithGripper(tip, 0.9))
    (scene,) = run(engine, picture, ["gripper", "red block"])
    (fact,) = engine.facts(scene, [Query("distance", "gripper", "red block")])
    assert fact.status is Status.OK and fact.source is Source.FUSED and fact.std > 0.005
    assert fact.value == pytest.approx(float(np.linalg.norm(np.subtract([0.7, 0.0, 0.2], RED.centre))), abs=0.02)
    gap = replace(state(picture), tool_status=Status.NO_TRANSFORM, tool_text="tf is late")
    scene = engine.observe(replace(picture.frame, stamp_ns=2 * STEP_NS), ["gripper"], gap)
    assert scene.find("gripper") == Binding(Status.NO_TRANSFORM, text="tf is late"), "a gap is not filled from another source"
    for tip_m, present in ((tip, 0.2), (np.full(3, np.nan), 0.9)):
        (scene,) = run(SpatialEngine(CONFIG, WithGripper(tip_m, present)), picture, ["gripper"])
        assert scene.find("gripper").status is Status.NOT_FOUND


@pytest.mark.parametrize("name", EngineConfig().tool_names)
def test_every_name_of_the_hand_is_its_point_and_no_region(picture: Picture, name: str) -> None:
    tip = picture.camera_from_canonical.apply(np.array([0.7, 0.0, 0.2]))
    (scene,) = run(SpatialEngine(CONFIG, WithGripper(tip, 0.9)), picture, [name])
    thing = scene.find(name).thing
    assert thing is not None and np.allclose(thing.centre, tip) and not thing.extents.any()
