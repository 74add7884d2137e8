"""A thing that was found in two pieces is one where a model finds that both answer to a name of one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from counted_models import CONFIG, found, run
from table_views import BLUE, RED, picture_of
from tiny_render import View as Picture

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.perception.tabletop import TabletopSegmentation, TabletopSegmenter
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.vlm.interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View
from spatialvlm_ros.vlm.judge import NamingConfig


class AllReds(SpatialVlm):
    """A model to which every name means everything that is red."""

    version, looks, of_whole = "all reds", 0, 1.0

    def look(self, view: View) -> Glance:
        self.looks += 1
        outer = self

        class Found(Glance):
            def ground(self, names: Sequence[str]) -> list[Grounding]:
                reds = [n for n, each in enumerate(view.proposals) if np.median(view.color[each.mask][:, 0]) > 100]
                regions = tuple(replace(view.proposals[n], score=0.9) for n in reds)
                present, several = (1.0, 0.9) if len(reds) > 1 else (outer.of_whole, 0.0)
                return [Grounding(n, regions, present, several, tuple(reds), supposed=0.5) for n in names]

            def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
                return [ModelAnswer("", Status.BAD_QUERY) for _ in questions]

        return Found()


@pytest.fixture(scope="module")
def picture() -> Picture:
    return picture_of([RED, BLUE])


def halved(monkeypatch: pytest.MonkeyPatch, odds: float) -> None:
    """The red block is found as an upper and a lower half, parted at these odds that they are one."""
    segment = TabletopSegmenter.segment

    def parted(self: TabletopSegmenter, frame: Any, *others: Any, **more: Any) -> TabletopSegmentation:
        whole = segment(self, frame, *others, **more)
        red = max(range(len(whole.regions)), key=lambda n: float(np.median(frame.color[whole.regions[n].mask][:, 0])))
        mask = whole.regions[red].mask
        upper = mask.copy()
        upper[int(np.median(np.nonzero(mask)[0])) :] = False
        pieces = [replace(whole.regions[red], mask=each, refused_odds=odds) for each in (upper, mask & ~upper)]
        return replace(whole, regions=[*whole.regions[:red], *pieces, *whole.regions[red + 1 :]])

    monkeypatch.setattr(TabletopSegmenter, "segment", parted)


def red_block(scene: Scene, name: str = "red block") -> SceneObject:
    return next(thing for thing in scene.objects if thing.id == found(scene, name))


def test_both_pieces_are_the_thing_and_stay_it_between_looks(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = run(SpatialEngine(CONFIG, AllReds()), picture, ["red block"])
    halved(monkeypatch, -1.0)
    vlm = AllReds()
    scenes = run(SpatialEngine(CONFIG, vlm), picture, ["red block"], 4)
    for scene in scenes:
        assert len(scene.objects) == 2 and found(scene, "red block") == found(scenes[0], "red block")
        assert red_block(scene).extents == pytest.approx(red_block(whole).extents)
        assert scene.labels is not None and whole.labels is not None
        of_block = scene.labels == found(scene, "red block")
        assert np.array_equal(of_block, whole.labels == found(whole, "red block"))
    assert vlm.looks == 2, "at the pieces and at the whole, and then at nothing new"


@pytest.mark.parametrize(("odds", "name"), [(-5.0, "red block"), (-1.0, "red thing"), (-1.0, "red one")])
def test_what_may_well_be_two_things_is_told_as_several(
    picture: Picture, monkeypatch: pytest.MonkeyPatch, odds: float, name: str
) -> None:
    halved(monkeypatch, odds)
    scene = run(SpatialEngine(CONFIG, AllReds()), picture, [name], 2)[-1]
    assert scene.find(name).status is Status.AMBIGUOUS and len(scene.objects) == 3


def test_a_whole_in_which_the_model_does_not_find_the_name_falls_apart_again(
    picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    halved(monkeypatch, -1.0)
    vlm = AllReds()
    vlm.of_whole = 0.3
    for scene in run(SpatialEngine(CONFIG, vlm), picture, ["red block"], 3):
        assert scene.find("red block").status is Status.AMBIGUOUS and len(scene.objects) == 3
    assert vlm.looks == 3 + 1 + 1, "once at the whole and again at the pieces, beside each image"


def test_a_model_at_its_own_pace_puts_later_images_together(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    halved(monkeypatch, -1.0)
    engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(own_pace=True)), AllReds())
    first = run(engine, picture, ["red block"])[0]
    assert len(first.objects) == 3
    engine.on_model_thread(lambda: None)
    for number in range(1, 200):
        scene = run(engine, picture, ["red block"], 1, first=number)[0]
        if len(scene.objects) == 2:
            break
    engine.close()
    assert found(scene, "red block") > 0 and len(scene.objects) == 2


def test_a_jump_of_time_forgets_what_was_one(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    halved(monkeypatch, -1.0)
    engine = SpatialEngine(CONFIG, AllReds())
    run(engine, picture, ["red block"])
    engine.reset()
    (scene,) = run(engine, picture, ["#1"], 1, first=1)
    assert len(scene.objects) == 3
