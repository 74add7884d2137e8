"""The engine with a model that is slow, or broken: images go on, words stand in, and the reason is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from counted_models import CONFIG, STEP_NS, Counted, boxes, found, opener, run, thing_of
from table_views import BLUE, RED, picture_of
from tiny_render import View as Picture

from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.scene.facts import Query, Source, Status
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.vlm.interface import Glance, Gripper, Grounding, ModelAnswer, Question, SpatialVlm, View
from spatialvlm_ros.vlm.judge import NamingConfig


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Counted]:
    """A real tiny model that says one of these."""
    return opener(tmp_path_factory)


@pytest.fixture(scope="module")
def picture() -> Picture:
    return picture_of([RED, BLUE])


@pytest.mark.parametrize("own_pace", [False, True])
def test_a_model_with_a_defect_costs_no_image(picture: Picture, own_pace: bool) -> None:
    """... whether it raises what it must not, or speaks of other names, or of regions that are none."""

    class Broken(SpatialVlm):
        version = "broken"

        def __init__(self, ground: Callable[[Sequence[str]], list[Grounding]]) -> None:
            self.ground = ground

        def look(self, view: View) -> Glance:
            return BrokenGlance(self.ground)

    class BrokenGlance(Glance):
        def __init__(self, ground: Callable[[Sequence[str]], list[Grounding]]) -> None:
            self._ground = ground

        def ground(self, names: Sequence[str]) -> list[Grounding]:
            return self._ground(names)

        def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
            raise KeyError("defect")

        def gripper(self) -> Gripper | None:
            raise KeyError("defect")

    small = Region(np.ones((2, 2), bool))
    whole = Region(np.ones(picture.owner.shape, bool))
    defects: list[Callable[[Sequence[str]], list[Grounding]]] = [
        lambda names: [][1],
        lambda names: [],
        lambda names: [Grounding(name, (small,), 1.0, proposals=(-1,)) for name in names],
        lambda names: [Grounding(name, (whole,), 1.0, proposals=(7,)) for name in names],
        lambda names: [Grounding(name, (whole,), 1.0, proposals=(0, 1)) for name in names],
    ]
    for defect in defects:
        engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(own_pace=own_pace)), Broken(defect))
        (scene,) = run(engine, picture, ["red block", "blue block", "gripper"])
        while own_pace and not engine.problem:
            time.sleep(0.01)
            (scene,) = run(engine, picture, ["red block"], 1, first=1)
        assert engine.problem and found(scene, "red block") == thing_of(scene, picture, 0)
        engine.close()
    engine = SpatialEngine(CONFIG, Broken(lambda names: [Grounding(name, (), 0.0, understood=False) for name in names]))
    (scene,) = run(engine, picture, ["red block", "blue block"])
    fact, _ = engine.measure(scene, Query("distance", "red block", "blue block"))
    assert (fact.status, fact.source) == (Status.OK, Source.DEPTH) and "defect" in engine.problem


# -- a pace of its own ----------------------------------------------------------------------------------------------------------


def test_a_slow_model_holds_nothing_up(picture: Picture, model: Callable[..., Counted]) -> None:
    """Words stand in, then what it said of the first image holds for the ids of a later one."""
    vlm = model(boxes(picture, 1))
    vlm.gate = threading.Event()
    engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(own_pace=True)), vlm)
    scenes = run(engine, picture, ["red block", "gizmo"], 3)
    assert all(found(scene, "red block") == thing_of(scene, picture, 0) for scene in scenes)
    assert scenes[-1].find("gizmo").status is Status.NOT_FOUND
    assert engine.pending(["red block", "gizmo", "gripper", "#1"]) == ["red block", "gizmo"]
    assert len(vlm.stamps_ns) == 1, "one image at a time"
    vlm.gate.set()
    deadline = time.monotonic() + 20
    number = 3
    while engine.pending(["gizmo"]) and time.monotonic() < deadline:
        (scene,) = run(engine, picture, ["red block", "gizmo"], 1, first=number)
        number += 1
        time.sleep(0.02)
    blue = thing_of(scene, picture, 1)
    assert (found(scene, "gizmo"), found(scene, "red block")) == (blue, blue)
    done = threading.Event()
    assert engine.on_model_thread(done.set) and done.wait(10)
    engine.close()


def test_a_slow_model_that_fails_is_told(picture: Picture, model: Callable[..., Counted]) -> None:
    vlm = model(boxes(picture, 1))
    vlm.fails = True
    engine = SpatialEngine(replace(CONFIG, naming=NamingConfig(own_pace=True)), vlm)
    deadline = time.monotonic() + 20
    number = 0
    while not engine.problem and time.monotonic() < deadline:
        (scene,) = run(engine, picture, ["red block"], 1, first=number)
        number += 1
        time.sleep(0.02)
    assert "on strike" in engine.problem and engine.pending(["red block"]) == []
    assert found(scene, "red block") == thing_of(scene, picture, 0)
    engine.close()


def test_a_period_is_kept(picture: Picture, model: Callable[..., Counted]) -> None:
    vlm = model("[]")
    naming = NamingConfig(min_period_s=0.35)
    run(SpatialEngine(replace(CONFIG, naming=naming), vlm), picture, ["gizmo"], 5)
    assert vlm.stamps_ns == [STEP_NS, 5 * STEP_NS]
    with pytest.raises(ValueError, match="recheck_s is -1"):
        NamingConfig(recheck_s=-1)
