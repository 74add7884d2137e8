"""Real tiny models that say what they are told, with their looks counted; and an engine run over images of one table."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parent / "vlm"))
from tiny_render import NOISE
from tiny_render import View as Picture
from tiny_vlms import idefics3

from spatialvlm_ros.engine import EngineConfig, RobotState, SpatialEngine
from spatialvlm_ros.scene.scene import Scene
from spatialvlm_ros.vlm.interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View, VlmError
from spatialvlm_ros.vlm.options import VlmOptions
from spatialvlm_ros.vlm.transformers_backend import TransformersVlm

STEP_NS = 100_000_000
CONFIG = EngineConfig(noise=NOISE)


def state(picture: Picture) -> RobotState:
    return RobotState(up=picture.camera_from_canonical.rotation[:, 2])


def boxes(picture: Picture, *indices: int) -> str:
    """What a model says that boxes these solids."""
    found = [np.array(picture.region(index).box) / [0.32, 0.24, 0.32, 0.24] for index in indices]
    return json.dumps([{"bbox_2d": box.round().astype(int).tolist()} for box in found])


class Counted(SpatialVlm):
    """A model whose looks are counted, and may be held up or kept from succeeding."""

    def __init__(self, model: SpatialVlm) -> None:
        self.model, self.version = model, model.version
        self.stamps_ns: list[int] = []
        self.names: list[tuple[str, ...]] = []
        self.gate: threading.Event | None = None
        self.fails = False

    @property
    def answers(self) -> bool:
        return self.model.answers

    def look(self, view: View) -> Glance:
        assert view.frame is not None
        self.stamps_ns.append(view.frame.stamp_ns)
        if self.gate is not None:
            assert self.gate.wait(30.0)
        if self.fails:
            raise VlmError("the model is on strike; wait")
        counted, glance = self, self.model.look(view)

        class Noted(Glance):
            def ground(self, names: Sequence[str]) -> list[Grounding]:
                counted.names.append(tuple(names))
                return glance.ground(names)

            def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
                return glance.answer(questions)

        return Noted()


def opener(folders: pytest.TempPathFactory) -> Callable[..., Counted]:
    """Opens a real tiny model that says one of some texts; each is built once."""
    made: dict[tuple[str, ...], Path] = {}

    def get(*says: str, **options: object) -> Counted:
        if says not in made:
            made[says] = idefics3(folders.mktemp("models") / "idefics3", says)
        opened = TransformersVlm.from_pretrained(str(made[says]), options=VlmOptions(device="cpu", **options))  # type: ignore[arg-type]
        return Counted(opened)

    return get


def run(engine: SpatialEngine, picture: Picture, names: Sequence[str], count: int = 1, first: int = 0) -> list[Scene]:
    """Images of the same table, one after the other."""
    scenes = []
    for number in range(first, first + count):
        frame = replace(picture.frame, stamp_ns=(number + 1) * STEP_NS)
        scenes.append(engine.observe(frame, names, state(picture)))
    return scenes


def thing_of(scene: Scene, picture: Picture, index: int) -> int:
    """The id of the thing that stands where a solid is."""
    assert scene.labels is not None
    ids, counts = np.unique(scene.labels[picture.region(index).mask], return_counts=True)
    return int(ids[np.argmax(counts)])


def found(scene: Scene, name: str) -> int:
    thing = scene.find(name).thing
    assert thing is not None, scene.find(name).text
    return thing.id
