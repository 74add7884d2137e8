"""A question about a thing that was found as one with another is answered for its part of it; facts are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from counted_models import CONFIG, found, run
from table_views import BLUE, RED, picture_of
from tiny_render import View as Picture

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.perception.tabletop import TabletopSegmentation, TabletopSegmenter
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.vlm.interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View

NAMES = ["green block", "blue block"]
HEIGHTS = [Query("height", name) for name in NAMES]


class ByColor(SpatialVlm):
    """A model that finds the one region that is nearly all of a name's colour, and nothing else."""

    version = "by colour"

    def __init__(self, sure: float = 0.9) -> None:
        self.sure, self.looks = sure, 0

    def look(self, view: View) -> Glance:
        self.looks += 1
        outer = self

        class Found(Glance):
            def _of(self, name: str) -> Grounding:
                channel = ("red", "green", "blue").index(name.split()[0])
                pixels = [view.color[each.mask] for each in view.proposals]
                shares = [float(np.mean(each.argmax(axis=1) == channel)) for each in pixels]
                best = int(np.argmax(shares))
                if name.startswith("green") and shares[best] < 0.9:
                    return Grounding(name, (), 0.05, 0.0, supposed=0.1)
                sure = outer.sure if name.startswith("green") else 1.0
                return Grounding(name, (replace(view.proposals[best], score=sure),), sure, 0.0, (best,), supposed=sure)

            def ground(self, names: Sequence[str]) -> list[Grounding]:
                return [self._of(name) for name in names]

            def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
                return [ModelAnswer("", Status.BAD_QUERY) for _ in questions]

        return Found()


@pytest.fixture(scope="module")
def picture() -> Picture:
    return picture_of([RED, BLUE])


@pytest.fixture(scope="module")
def stacked(picture: Picture) -> Picture:
    """The upper part of the blue block is green."""
    mask, color = picture.region(1).mask, picture.frame.color.copy()
    upper = mask.copy()
    upper[int(np.median(np.nonzero(mask)[0])) :] = False
    color[upper] = (20, 170, 40)
    return replace(picture, frame=replace(picture.frame, color=color))


@pytest.fixture(autouse=True)
def one_region(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its colours are, the blue block is found as one."""
    segment = TabletopSegmenter.segment

    def plain(self: TabletopSegmenter, frame: object, *others: object, **more: object) -> TabletopSegmentation:
        return segment(self, replace(picture.frame, stamp_ns=frame.stamp_ns), *others, **more)  # type: ignore[attr-defined, arg-type]

    monkeypatch.setattr(TabletopSegmenter, "segment", plain)
    monkeypatch.setattr("spatialvlm_ros.engine.part_by_names", lambda *_: {})


def test_a_question_means_the_part_and_the_rest_is_without_it(stacked: Picture) -> None:
    engine = SpatialEngine(CONFIG, ByColor())
    (scene,) = run(engine, stacked, NAMES)
    assert scene.find("green block").status is Status.NOT_FOUND
    assert engine.facts(scene, HEIGHTS[:1])[0].status is Status.NOT_FOUND
    above, height = (fact for fact, _ in engine.measure_all(scene, [Query("above", *NAMES), HEIGHTS[0]]))
    whole = found(scene, "blue block")
    assert above.value > 0.95 and f"a part of #{whole}, which looks like a" in above.doubt and height.doubt == above.doubt
    assert engine.facts(scene, HEIGHTS[1:])[0].doubt == ""
    supposed = engine.supposed(scene, NAMES)
    assert supposed.parts == {"green block": whole} and supposed.taken == {"green block": 0.9}
    part, rest = (supposed.scene.find(name).thing for name in NAMES)
    assert part is not None and rest is not None and part.id != rest.id == whole and rest.label != ""
    assert len(supposed.scene.objects) == len(scene.objects) + 1
    labels = supposed.scene.labels
    assert (
        labels is not None
        and scene.labels is not None
        and np.count_nonzero(scene.labels == whole) == np.count_nonzero((labels == whole) | (labels == part.id))
    )
    assert (labels == part.id).sum() > 100 and (labels == whole).sum() > 100
    assert {thing.id for thing in scene.objects} == {thing.id for thing in supposed.scene.objects} - {part.id}


def test_two_parts_of_one_thing_are_told_in_whatever_order(stacked: Picture) -> None:
    """That one name is taken for a part of a thing must not keep the next one from it."""
    engine = SpatialEngine(CONFIG, ByColor())
    asked = ["green block", "green can"]
    (scene,) = run(engine, stacked, [*asked, "blue block"])
    whole = found(scene, "blue block")
    assert engine.supposed(scene, asked).parts == dict.fromkeys(asked, whole)
    assert engine.supposed(scene, asked[1:]).parts == {"green can": whole}


def test_the_model_looks_at_the_parts_once_an_image(stacked: Picture) -> None:
    vlm = ByColor()
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, stacked, NAMES)
    before = vlm.looks
    for _ in range(3):
        engine.measure_all(scene, HEIGHTS)
    assert vlm.looks == before + 1


@pytest.mark.parametrize("sure", [0.3, float("nan")])
def test_a_part_that_the_model_does_not_find_is_nothing(stacked: Picture, sure: float) -> None:
    engine = SpatialEngine(CONFIG, ByColor(sure))
    (scene,) = run(engine, stacked, NAMES)
    fact, _ = engine.measure(scene, HEIGHTS[0])
    assert fact.status is Status.NOT_FOUND and engine.supposed(scene, NAMES).scene is scene


@pytest.mark.parametrize("name", ["green thing", "green"])
def test_words_that_fit_anything_have_no_parts(stacked: Picture, name: str) -> None:
    vlm = ByColor()
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, stacked, [name])
    before = vlm.looks
    assert engine.measure(scene, Query("height", name))[0].status is Status.NOT_FOUND and vlm.looks == before


def test_without_that_colour_nothing_is_looked_at_again(picture: Picture) -> None:
    vlm = ByColor()
    engine = SpatialEngine(CONFIG, vlm)
    (scene,) = run(engine, picture, NAMES)
    before = vlm.looks
    assert engine.measure(scene, HEIGHTS[0])[0].status is Status.NOT_FOUND and vlm.looks == before
