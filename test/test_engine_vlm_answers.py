"""The engine with a model that contradicts itself or the memory of things: who keeps a name, and when it is asked for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from counted_models import CONFIG, STEP_NS, found, run, state, thing_of
from table_views import BLUE, RED, picture_of
from tiny_render import View as Picture

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.scene.facts import Query, Source, Status
from spatialvlm_ros.scene.frame import Region, RGBDFrame
from spatialvlm_ros.vlm.interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View, VlmError
from spatialvlm_ros.vlm.judge import MAX_NAMES, Judgement, NameJudge, NamingConfig
from spatialvlm_ros.vlm.model_names import ModelNames

HEIGHT = Query("height", "red block")
DISTANCE = Query("distance", "gizmo", "red block")
# Each image is looked at.
EACH = replace(CONFIG, naming=NamingConfig(recheck_s=0.0))


class Sure(SpatialVlm):
    """A model that finds by colour, as sure of it as it is told, and says a number to every question."""

    version = "sure"

    def __init__(self, present: float = 1.0, own: Callable[[View], tuple[Region, ...]] | None = None) -> None:
        self.present, self.own, self.supposed = present, own, float("nan")
        self.fails, self.unknown, self.asked = False, False, 0

    def look(self, view: View) -> Glance:
        outer = self

        def region(name: str, index: int, score: float) -> Region:
            return replace(view.proposals[index], label=name, score=score)

        class Found(Glance):
            def ground(self, names: Sequence[str]) -> list[Grounding]:
                if outer.unknown:
                    return [Grounding(name, (), 0.0, understood=False) for name in names]
                if outer.own is not None:
                    regions = outer.own(view)
                    return [Grounding(name, regions, outer.present, proposals=(-1,) * len(regions)) for name in names]
                reds = [float(np.median(view.color[each.mask][:, 0])) for each in view.proposals]
                best = int(np.argmax(reds))
                return [
                    Grounding(n, (region(n, best, outer.present),), outer.present, proposals=(best,), supposed=outer.supposed)
                    for n in names
                ]

            def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
                outer.asked += len(questions)
                if outer.fails:
                    raise VlmError("the model has no words; wait")
                return [ModelAnswer("0.06 m", value=0.06, std=0.012) for _ in questions]

        return Found()


@pytest.fixture(scope="module")
def picture() -> Picture:
    return picture_of([RED, BLUE])


@pytest.mark.parametrize(("name", "keeps"), [("gizmo", False), ("red block", True), ("blue block", False)])
def test_a_bearer_loses_its_name_when_the_model_sees_it_no_more(picture: Picture, name: str, keeps: bool) -> None:
    """... though it still gives it a score near nothing; unless words speak for it, as a hand hides half of what it grasps."""
    vlm = Sure()
    engine = SpatialEngine(EACH, vlm)
    first = run(engine, picture, [name], 2)[-1]
    assert found(first, name) == thing_of(first, picture, 0)
    vlm.present = 0.03
    binding = run(engine, picture, [name], 2, first=2)[-1].find(name)
    assert binding.status is (Status.OK if keeps else Status.NOT_FOUND)


def test_a_region_of_a_thing_that_is_not_there_becomes_no_thing(picture: Picture) -> None:
    def patch(view: View) -> tuple[Region, ...]:
        mask = np.zeros(view.color.shape[:2], bool)
        mask[140:160, 135:165] = True
        return (Region(mask, "sticker", 0.4, "own"),)

    (there,) = run(SpatialEngine(CONFIG, Sure(0.9, patch)), picture, ["sticker"])
    assert there.find("sticker").status is Status.OK and len(there.objects) == 3
    for present in (0.1, float("nan")):
        (absent,) = run(SpatialEngine(CONFIG, Sure(present, patch)), picture, ["sticker"])
        assert absent.find("sticker").status is Status.NOT_FOUND and len(absent.objects) == 2


def test_the_model_gives_no_number_of_what_it_says_is_not_there(picture: Picture) -> None:
    vlm = Sure(0.03)
    engine = SpatialEngine(CONFIG, vlm)
    query = Query("height", "gizmo")
    (scene,) = run(engine, picture, ["gizmo"])
    fact, _ = engine.measure(scene, query)
    assert (fact.status, vlm.asked) == (Status.NOT_FOUND, 0)
    vlm.unknown = True
    (scene,) = run(engine, picture, ["green gizmo"], 1, first=1)
    fact, _ = engine.measure(scene, Query("height", "green gizmo"))
    assert (fact.status, fact.source, vlm.asked) == (Status.OK, Source.VLM, 1), "what it did not say it may stand in for"


def test_a_question_may_suppose_what_a_fact_does_not(picture: Picture) -> None:
    """Nothing answers to "gizmo" well enough for a robot; who asks how tall it is says that it is there."""
    vlm = Sure(0.3)
    query = Query("height", "gizmo")
    for supposed, is_taken in ((0.49, False), (0.8, True), (float("nan"), False)):
        vlm.supposed, vlm.asked = supposed, 0
        engine = SpatialEngine(CONFIG, vlm)
        (scene,) = run(engine, picture, ["gizmo", "red block"])
        assert scene.find("gizmo").status is Status.NOT_FOUND and engine.facts(scene, [query])[0].status is Status.NOT_FOUND
        one, (many, pair) = engine.measure(scene, query)[0], (f for f, _ in engine.measure_all(scene, [query, DISTANCE]))
        assert one.status is many.status is (Status.OK if is_taken else Status.NOT_FOUND) and (vlm.asked > 0) is is_taken
        assert ("taken for" in one.text) is is_taken and one.text == many.text
        assert pair.status is not Status.OK, "the red block is taken already"
        assert engine.supposed(scene, ["gizmo"]).taken == ({"gizmo": 0.8} if is_taken else {})
    assert SpatialEngine(CONFIG).supposed(scene, ["gizmo"]).scene is scene


@pytest.mark.parametrize(
    ("scores", "is_there", "supposed", "others", "meant"),
    [
        ({7: 0.2}, False, 0.6, (), (7, 0.6)),
        ({7: 0.2}, False, 0.4, (), None),
        ({7: 0.2}, False, 0.6, (7,), None),
        ({7: 0.9, 8: 0.8}, True, 0.7, (), None),
        ({7: 0.999, 8: 0.8}, True, 0.96, (), (7, 0.96)),
        ({7: 0.999, 8: 0.8}, True, 0.96, (9,), (7, 0.96)),
        ({7: 0.9, 8: 0.8}, True, 0.7, (7,), (8, 0.8)),
        ({7: 0.9, 8: 0.4}, True, 0.9, (7,), None),
        ({7: 0.9, 8: 0.8, 9: 0.8}, True, 0.5, (7,), None),
        ({7: 0.9, 8: 0.8}, True, 0.7, (7, 8), None),
        ({7: 0.9, 8: 0.8}, True, math.nan, (7,), None),
    ],
)
def test_one_of_several_is_meant_where_it_is_clear_or_the_other_name_has_the_rest(
    scores: dict[int, float], is_there: bool, supposed: float, others: tuple[int, ...], meant: tuple[int, float] | None
) -> None:
    judgement = Judgement(0, scores, is_there, len(scores) > 1, frozenset(scores), next(iter(scores)), supposed)
    assert judgement.meant(others) == (None if meant is None else (meant[0], pytest.approx(meant[1])))


@pytest.mark.parametrize(
    ("several", "supposed", "meant"),
    [(0.4, 0.55, 7), (0.4, 0.45, None), (0.6, 0.55, None), (0.6, 0.96, 7)],
)
def test_of_two_that_are_near_one_is_meant_where_one_alone_answers(several: float, supposed: float, meant: int | None) -> None:
    """A robot gets neither; who asks a question supposes that there is one, and most likely means the likelier one."""
    masks = [np.zeros((4, 4), bool), np.ones((4, 4), bool)]
    regions = tuple(Region(mask, "flask", score, "test") for mask, score in zip(masks, (0.78, 0.74), strict=True))
    judge = NameJudge(Sure(), NamingConfig())
    judge.keep([Grounding("flask", regions, 0.97, several, (0, 1), supposed=supposed)], [7, 8], {}, 0)
    judgement = judge.of("flask")
    assert judgement is not None and judgement.several and judgement.best is None
    assert judgement.meant() == (None if meant is None else (meant, supposed))


def test_a_name_of_nothing_does_not_vouch_for_a_part(picture: Picture) -> None:
    """A print in the colour of a name that the model holds absent, or finds elsewhere, cuts no thing in two."""
    red, blue = (picture.region(index) for index in range(2))
    view = View(picture.frame.color, picture.frame, (red, blue))
    for present, unknown, of_red, of_blue in (
        (0.05, False, False, False), (0.05, True, True, True), (0.3, False, True, False), (1.0, False, True, False),
    ):  # fmt: skip
        vlm = Sure(present)
        vlm.unknown = unknown
        names = ModelNames(NameJudge(vlm, NamingConfig()))
        names.start(view, ["gizmo"], {}, 0)
        assert [names.may_mean("gizmo", region) for region in (red, blue)] == [of_red, of_blue]
        assert names.may_mean("not asked for", blue)


@pytest.mark.parametrize("own_pace", [False, True])
def test_of_a_thing_that_names_part_the_model_spoke_as_one(
    picture: Picture, monkeypatch: pytest.MonkeyPatch, own_pace: bool
) -> None:
    """Its word for the whole is for neither part: there the words decide, and not that nothing is there."""

    def halves(frame: RGBDFrame, regions: Sequence[Region], *others: object) -> dict[int, tuple[Region, Region]]:
        index = max(range(len(regions)), key=lambda n: float(np.median(frame.color[regions[n].mask][:, 0])))
        whole = regions[index].mask
        upper = whole.copy()
        upper[int(np.median(np.nonzero(whole)[0])) :] = False
        return {index: (replace(regions[index], mask=upper), replace(regions[index], mask=whole & ~upper))}

    monkeypatch.setattr("spatialvlm_ros.engine.part_by_names", halves)
    engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(own_pace=own_pace)), Sure())
    scene = run(engine, picture, ["red block", "gizmo"], 3)[-1]
    binding = scene.find("red block")
    assert binding.status is Status.AMBIGUOUS and binding.answering is not None and len(binding.answering) == 2
    assert scene.find("gizmo").status is Status.NOT_FOUND
    engine.close()


def test_the_model_is_not_asked_about_a_thing_that_is_hidden(picture: Picture) -> None:
    """It would speak of a look-alike, and the two numbers would be joined."""
    vlm = Sure()
    engine = SpatialEngine(CONFIG, vlm)
    run(engine, picture, ["red block"], 2)
    depth = picture.frame.depth_m.copy()
    u0, v0, u1, v1 = picture.region(0).box
    depth[v0 - 8 : v1 + 8, u0 - 8 : u1 + 8] = 0.25
    covered = engine.observe(replace(picture.frame, depth_m=depth, stamp_ns=3 * STEP_NS), ["red block"], state(picture))
    assert covered.find("red block").status is Status.OCCLUDED
    fact, _ = engine.measure(covered, HEIGHT)
    assert (fact.status, fact.source, vlm.asked) == (Status.OCCLUDED, Source.DEPTH, 0)
    (again,) = run(engine, picture, ["red block"], 1, first=3)
    assert engine.measure(again, HEIGHT)[0].source is Source.FUSED and vlm.asked == 1


def test_a_failed_answer_takes_no_name_and_is_forgiven(picture: Picture) -> None:
    """Only the model knows "gizmo": it stays bound while answers fail, and these are tried again after a pause."""
    vlm = Sure()
    vlm.fails = True
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, picture, ["gizmo"])
    red = found(scene, "gizmo")
    query = Query("height", "gizmo")
    assert engine.measure(scene, query)[0].source is Source.DEPTH and vlm.asked == 1
    assert "no words" in engine.problem and engine.names_problem == ""
    engine.measure(scene, Query("width", "gizmo"))
    assert vlm.asked == 1, "it is let alone"
    (scene,) = run(engine, picture, ["gizmo"], 1, first=1)
    assert found(scene, "gizmo") == red
    vlm.fails = False
    (scene,) = run(engine, picture, ["gizmo"], 1, first=40)
    assert engine.measure(scene, query)[0].source is Source.FUSED and engine.problem == ""


def test_pauses_grow_and_end_when_time_jumps_back() -> None:
    judge = NameJudge(Sure(), NamingConfig(retry_s=2.0, longest_retry_s=5.0))
    stamp_ns, second_ns = 100 * 10**9, 10**9
    for pause_s in (2, 4, 5):
        judge.answer_failed(VlmError("down"), stamp_ns)
        assert not judge.may_answer(stamp_ns + pause_s * second_ns - 1) and judge.may_answer(stamp_ns + pause_s * second_ns)
    assert judge.may_answer(10 * second_ns) and judge.may_look(stamp_ns), "names have a pause of their own"
    judge.answered()
    judge.answer_failed(VlmError("down"), stamp_ns)
    assert judge.may_answer(stamp_ns + 2 * second_ns), "one that worked begins anew"
    judge.failed(KeyError("x"), stamp_ns)
    assert not judge.may_look(stamp_ns) and "defect" in judge.problem


def test_names_without_meaning_are_forgotten_too() -> None:
    """Whoever asks may ask for ever new ones."""
    judge = NameJudge(Sure(), NamingConfig(recheck_s=1e6))
    for number in range(MAX_NAMES + 1):
        judge.keep([Grounding(f"name {number}", (), 0.0, understood=False)], (), {}, number + 1)
    due = [number for number in range(MAX_NAMES + 1) if judge.is_due(f"name {number}", MAX_NAMES + 2, (), None, False)]
    assert due == [0]
