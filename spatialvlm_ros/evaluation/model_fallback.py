"""The words-only fallback behind the interface of models: names matched by colour, size and shape words, no answers in words.

It is the baseline that a model has to beat, and what the engine falls back to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..geometry.plane import Plane
from ..perception.appearance import Appearance, describe_scene
from ..perception.names import match
from ..scene.facts import Status
from ..vlm.interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View, VlmError


class WordsOnly(SpatialVlm):
    """perception/names.py as a model that only grounds."""

    version = "words only (perception/names.py), no weights"

    @property
    def answers(self) -> bool:
        return False

    def look(self, view: View) -> Glance:
        """See SpatialVlm. Raises VlmError for a view without depth."""
        if view.frame is None:
            raise VlmError("words alone need depth to tell shapes; give a frame with depth")
        known = bool(np.isfinite(view.plane).all())
        plane = Plane(view.plane[:3], float(view.plane[3])) if known else None
        return _WordsGlance(view, describe_scene(view.frame, view.proposals, plane))


class _WordsGlance(Glance):
    def __init__(self, view: View, appearances: list[Appearance]) -> None:
        self._view, self._appearances = view, appearances

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        return [self._ground(name) for name in names]

    def _ground(self, name: str) -> Grounding:
        found = match(name, self._appearances)
        chosen = found.candidates if found.status is Status.AMBIGUOUS else (found.index,) if found.index >= 0 else ()
        regions = tuple(replace(self._view.proposals[at], label=name, score=found.score, source="words") for at in chosen)
        several = float(found.status is Status.AMBIGUOUS) if chosen else math.nan
        return Grounding(name, regions, found.score if chosen else 0.0, several, tuple(chosen), found.understood)

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        raise VlmError("names are matched by words here; there is no model that answers in words")
