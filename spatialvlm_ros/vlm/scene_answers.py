"""A model's own answers to queries about a scene: one more source beside depth (see reasoning/model_facts.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..language.names import plain_name
from ..language.questions import question_text
from ..scene.facts import PROBABILITY, Query, Source, Status
from ..scene.frame import Region
from ..scene.relations import RELATIONS
from ..scene.scene import Scene
from .interface import ModelAnswer, Question, View, VlmError
from .judge import NameJudge


class SceneAnswers:
    """Asks a model about the newest scene, each query once. For one thread at a time."""

    def __init__(self, judge: NameJudge, tool_names: Sequence[str]) -> None:
        self._judge, self._tool_names = judge, frozenset(tool_names)
        self._scene: object = None
        self._known: dict[Query, ModelAnswer | None] = {}

    def clear(self) -> None:
        """Let go of the scene."""
        self._scene, self._known = None, {}

    def of(self, scene: Scene, queries: Sequence[Query]) -> list[ModelAnswer | None]:
        """What the model says to each, all at once; None where it says nothing, is let alone after a failure or fails now, or the
        query is not one for it.
        """
        if scene.frame is None or not self._judge.vlm.answers:
            return [None] * len(queries)
        # Scenes that differ in bindings alone are of one image.
        if scene.frame is not self._scene:
            self._scene, self._known = scene.frame, {}
        texts = {query: self._text(scene, query) for query in dict.fromkeys(queries)}
        new = {query: text for query, text in texts.items() if text and query not in self._known}
        if new and self._judge.may_answer(scene.stamp_ns):
            try:
                looks = self._judge.looks
                glance = looks.newest(scene.frame) or looks.at(view_of(scene))
                found = glance.answer([Question(text, query, wordless=True) for query, text in new.items()])
                self._known |= {query: _usable(query, answer) for query, answer in zip(new, found, strict=True)}
            except Exception as error:  # a model of whatever kind must not cost depth's answer
                self._judge.answer_failed(error, scene.stamp_ns)
            else:
                self._judge.answered()
        return [self._known.get(query) if texts[query] else None for query in queries]

    def _text(self, scene: Scene, query: Query) -> str:
        """The question, "" for one about things that a picture does not show under their names.

        A thing that is hidden keeps its name: the model would speak of one that looks like it. And a name that the model itself
        says nobody answers to is none that it may give numbers of, unless a question supposes that it has found it all the same.
        """
        if query.relation not in RELATIONS or query.view or any("#" in name for name in query.names):
            return ""
        for name in query.names:
            binding, judgement = scene.find(name), self._judge.of(name)
            thing = binding.thing
            is_meant = judgement is not None and thing is not None and judgement.is_meant(thing.id)
            if judgement is not None and not judgement.is_there and not is_meant:
                return ""
            if thing is not None and not binding.status is thing.status is Status.OK:
                return ""
            if thing is not None and thing.source is Source.TF and plain_name(name) not in self._tool_names:
                return ""
        try:
            return _question_text(query)
        except (KeyError, ValueError):
            return ""


# A query is asked of image after image, and its words are checked by reading them back.
_question_text = lru_cache(maxsize=1000)(question_text)


def _usable(query: Query, answer: ModelAnswer) -> ModelAnswer | None:
    """An answer with a value in the relation's unit and, for a number, a deviation."""
    unit = RELATIONS[query.relation].unit
    if answer.status is not Status.OK or answer.unit != unit or not math.isfinite(answer.value):
        return None
    if unit == PROBABILITY:
        return answer if 0.0 <= answer.value <= 1.0 else None
    return answer if math.isfinite(answer.std) and answer.std > 0 else None


def view_of(scene: Scene) -> View:
    """What a model is shown of a scene whose image was kept: its things are the proposals.

    Raises:
        VlmError: the image was not kept.
    """
    frame, labels = scene.frame, scene.labels
    if frame is None or labels is None:
        raise VlmError("the scene's image was not kept, so that no model can look at it")
    ids = [thing.id for thing in scene.objects if thing.id > 0 and bool(np.any(labels == thing.id))]
    regions = tuple(Region(labels == number, "", 1.0, "scene") for number in ids)
    up = None if scene.canonical is None else scene.canonical.up
    return View(frame.color, frame, regions, scene.support_plane, up, scene.robot, scene.noise)
