"""One image as the embedded model sees it: names found among its regions, and questions answered.

The model says which region is meant. It never moves a thing: masks are mended within their windows, distances come from depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...geometry.rigid import FloatArray
from ...perception.names import SIZE_WORDS
from ...perception.names import match as match_words
from ...scene.facts import Status
from ...scene.frame import Region
from ..interface import Glance, Gripper, Grounding, ModelAnswer, Question, View
from ..judge import LIKELY
from .answering import Answerer
from .calibration import Calibration, log_odds
from .doubt import HELD
from .looking import Looked
from .model import SpatialVlmModel
from .other_colors import other_colors_say
from .rivals import called_otherwise, other_wordings
from .tokenizer import PhraseTokenizer
from .tower import match
from .witness import forms_say, looks_of, testify

SOURCE = "embedded"
#: Names of the robot's hand, which the head for grippers finds.
GRIPPER_WORDS = frozenset(
    (
        "gripper", "robot gripper", "robots gripper", "hand", "robot hand", "robots hand", "claw", "robot claw", "end effector",
        "fingers", "gripper fingers", "finger tips", "fingertips",
    )
)  # fmt: skip
# What is less likely than this is not even named as the best guess.
_LEAST = 0.01


@dataclass(frozen=True)
class Decided:
    """What a name means on an image.

    Attributes:
        answering: which of ``Looked.proposals``, the likeliest first; -1 for the gripper.
        chances: that each of them answers.
        present, several, understood, supposed: as of ``Grounding``.
        others: where ``supposed`` is less than what two deviations hold, what else of the proposals is meant with what
            probability, if any is: together what is left of 1.
    """

    name: str
    answering: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()
    present: float = 0.0
    several: float = 0.0
    understood: bool = True
    supposed: float = 0.0
    others: tuple[tuple[int, float], ...] = ()


class EmbeddedGlance(Glance):
    """See the interface."""

    def __init__(
        self, model: SpatialVlmModel, tokenizer: PhraseTokenizer, calibration: Calibration, view: View, mend: bool
    ) -> None:
        self._model, self._tokenizer, self._calibration, self._mend = model, tokenizer, calibration, mend
        self.looked = Looked(model, view)
        self._decided: dict[str, Decided] = {}
        self._groundings: dict[str, Grounding] = {}
        self._answerer = None if model.decoder is None else Answerer(self, model.decoder)

    @property
    def found(self) -> float:
        """Least ``Grounding.present`` of what is found."""
        return self._calibration.found

    @property
    def deviations(self) -> Sequence[float]:
        """Weights of a length's deviations; see deviations.py."""
        return self._calibration.deviations

    # -- finding --------------------------------------------------------------------------------------------------------

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        for name, decided in zip(names, self.decide(names), strict=True):
            if name not in self._groundings:
                self._groundings[name] = self._gripper(name) if is_gripper(name) else self._grounding(decided)
        return [self._groundings[name] for name in names]

    def decide(self, names: Sequence[str]) -> list[Decided]:
        """What each name means, without masks; the names of one call are read in one go."""
        words = [name for name in dict.fromkeys(names) if name not in self._decided and not is_gripper(name)]
        self._decided |= dict(zip(words, self._decide_words(words), strict=True)) if words else {}
        return [self._decide_gripper(name) if is_gripper(name) else self._decided[name] for name in names]

    def _decide_words(self, names: Sequence[str]) -> list[Decided]:
        split = [without_sizes(name) for name in names]
        understood = self._tokenizer.encode([core for core, _ in split]).understood.tolist()
        if not self.looked.proposals:
            # Where nothing could be looked at, "not there" says nothing.
            looked = self.looked.view.frame is not None and self.looked.plane is not None
            return [Decided(name, (), (), 0.0, 0.0, known and looked) for name, known in zip(names, understood, strict=True)]
        chances = self.probabilities([core for core, _ in split])
        rows = zip(names, split, chances, understood, strict=True)
        return [self._decided_of(name, core, sizes, row, known) for name, (core, sizes), row, known in rows]

    def probabilities(self, phrases: Sequence[str]) -> FloatArray:
        """(P, N) calibrated probability that each proposal answers to each phrase, words of size aside; there must be some."""
        ids, matches = self._ids(phrases), self._matches(phrases)
        colors = other_colors_say(self._model.tower, ids, self.looked.regions) if self._calibration.colors else 0.0
        if not (self._calibration.witness or self._calibration.forms):
            return self._calibration.probabilities(matches, colors=colors)
        looks = looks_of(self.looked.appearances)
        forms = forms_say([self._tokenizer.split(phrase) for phrase in phrases], looks)
        return self._calibration.probabilities(matches, testify(phrases, looks), forms, colors)

    def _ids(self, phrases: Sequence[str]) -> Tensor:
        """(P, L) words of phrases where the model is."""
        return torch.from_numpy(self._tokenizer.encode(phrases).ids).to(self._model.device)

    @torch.no_grad()
    def _matches(self, phrases: Sequence[str]) -> FloatArray:
        """(P, N) ``tower.match`` of phrases and proposals."""
        found = match(self._model.tower.phrases(self._ids(phrases)), self.looked.regions)
        return np.asarray(found.double().cpu().numpy())

    def _decided_of(self, name: str, core: str, sizes: Sequence[str], chances: FloatArray, known: bool) -> Decided:
        present, several = self._calibration.present_and_several(chances)
        order, kept = np.argsort(-chances, kind="stable"), chances.tolist()
        best = float(chances[order[0]])
        answering = [int(i) for i in order if chances[i] >= self._calibration.rival * best]
        left = np.arange(len(chances))
        if sizes and len(answering) > 1:
            chosen = self._of_size(sizes, answering)
            if len(chosen) == 1:
                # The others are of another size, whatever else speaks for them.
                left = np.delete(left, [i for i in answering if i not in chosen])
                answering, several = chosen, 0.0
        if present < self._calibration.found:
            answering = answering[:1] if best > _LEAST else []
        if len(answering) > 1 and several >= LIKELY:
            # Facts are given none of them; a question means one that nobody would call something else.
            left = np.delete(left, self._called_otherwise(core, answering))
        supposed = self._calibration.supposed(chances[left]) if answering else 0.0
        others = _others(chances, left[left != answering[0]], supposed) if answering and supposed < HELD else ()
        return Decided(name, tuple(answering), tuple(kept[i] for i in answering), present, several, known, supposed, others)

    def _grounding(self, decided: Decided) -> Grounding:
        regions = tuple(
            Region(self._mask(i), decided.name, chance, SOURCE)
            for i, chance in zip(decided.answering, decided.chances, strict=True)
        )
        numbers = tuple(self.looked.numbers[i] for i in decided.answering)
        return Grounding(decided.name, regions, decided.present, decided.several, numbers, decided.understood, decided.supposed)

    def _of_size(self, sizes: Sequence[str], candidates: list[int]) -> list[int]:
        """Of regions that answer alike, the one that words of size single out; all of them where these do not."""
        found = match_words(f"{' '.join(sizes)} thing", [self.looked.appearances[i] for i in candidates])
        return [candidates[found.index]] if found.status is Status.OK else candidates

    def _called_otherwise(self, core: str, answering: Sequence[int]) -> list[int]:
        """Of regions that answer to a phrase, the likeliest first, those behind the first that another word suits far better."""
        groups = other_wordings(self._tokenizer.split(core), self._model.config.tower_config().attributes)
        if not groups:
            return []
        odds = log_odds(self._matches([core, *(wording for group in groups for wording in group)])[:, list(answering)])
        ends = np.cumsum([1, *map(len, groups)])
        otherwise = called_otherwise(odds[0], [odds[start:end] for start, end in pairwise(ends)])
        return [i for i, is_so in zip(answering, otherwise.tolist(), strict=True) if is_so]

    def _mask(self, index: int) -> np.ndarray:
        return self.looked.mended(index) if self._mend else self.looked.proposals[index].mask

    def gripper(self) -> Gripper | None:
        """See the interface; None without depth, which the tip is told from."""
        found = self.looked.gripper
        return found if np.isfinite(found.tip).all() else None

    def _gripper(self, name: str) -> Grounding:
        found = self.looked.gripper
        regions = (Region(found.mask, name, found.present, SOURCE),) if found.mask.any() else ()
        present = found.present if regions else 0.0
        return Grounding(name, regions, present, 0.0, (-1,) * len(regions))

    def _decide_gripper(self, name: str) -> Decided:
        found = self.looked.gripper
        return Decided(name, (-1,), (found.present,), found.present) if found.mask.any() else Decided(name)

    # -- answers --------------------------------------------------------------------------------------------------------

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        if self._answerer is None:
            return [ModelAnswer("this model finds things and does not answer", Status.BAD_QUERY) for _ in questions]
        return self._answerer.answer(questions)


def _others(chances: FloatArray, left: npt.NDArray[np.intp], supposed: float) -> tuple[tuple[int, float], ...]:
    """``Decided.others``: of proposals with these ``chances`` (N,) those of numbers ``left``, by their odds."""
    held = np.clip(chances[left], 1e-9, 1 - 1e-9)
    odds = held / (1 - held)
    return tuple(zip(left.tolist(), ((1 - supposed) * odds / odds.sum()).tolist(), strict=True))


def is_gripper(name: str) -> bool:
    """Whether a name is one of the robot's hand."""
    words = name.lower().replace("'", "").replace("-", " ").split()
    return " ".join(word for word in words if word not in ("the", "a", "an", "my", "your")) in GRIPPER_WORDS


def without_sizes(name: str) -> tuple[str, tuple[str, ...]]:
    """A name without its words of size ("the big red mug": "the red mug"), and these words."""
    words = name.split()
    sizes = tuple(word.lower() for word in words if word.lower() in SIZE_WORDS)
    rest = [word for word in words if word.lower() not in SIZE_WORDS]
    return " ".join(rest), sizes
