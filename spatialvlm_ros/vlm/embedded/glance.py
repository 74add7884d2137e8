"""One image as the embedded model sees it: names found among its regions, and questions answered.

The model says which region is meant. It never moves a thing: masks are mended within their windows, distances come from depth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...geometry.rigid import FloatArray
from ...perception.names import SIZE_WORDS
from ...perception.names import match as match_words
from ...scene.facts import Status
from ...scene.frame import Region
from ..interface import Glance, Gripper, Grounding, ModelAnswer, Question, View
from .answering import Answerer
from .calibration import Calibration
from .looking import Looked
from .model import SpatialVlmModel
from .tokenizer import PhraseTokenizer
from .tower import match
from .witness import looks_of, testify

SOURCE = "embedded"
#: Names of the robot's hand, which the head for grippers finds.
GRIPPER_WORDS = frozenset(
    (
        "gripper", "robot gripper", "robots gripper", "hand", "robot hand", "robots hand", "claw", "robot claw", "end effector",
        "fingers", "gripper fingers", "finger tips", "fingertips",
    )
)  # fmt: skip
# What is less likely than this is not even named as the best guess.
_LEAST = 0.02


class EmbeddedGlance(Glance):
    """See the interface."""

    def __init__(
        self, model: SpatialVlmModel, tokenizer: PhraseTokenizer, calibration: Calibration, view: View, mend: bool
    ) -> None:
        self._model, self._tokenizer, self._calibration, self._mend = model, tokenizer, calibration, mend
        self.looked = Looked(model, view)
        self._groundings: dict[str, Grounding] = {}
        self._best: dict[str, int] = {}
        self._answerer = None if model.decoder is None else Answerer(self, model.decoder)

    @property
    def found(self) -> float:
        """Least ``Grounding.present`` of what is found."""
        return self._calibration.found

    def best(self, name: str) -> int:
        """Which of ``looked.proposals`` answers best to a name that was grounded; -1 for none, and for the gripper."""
        return self._best.get(name, -1)

    # -- finding --------------------------------------------------------------------------------------------------------

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        new = [name for name in dict.fromkeys(names) if name not in self._groundings]
        words = [name for name in new if not is_gripper(name)]
        self._groundings |= {name: self._gripper(name) for name in new if is_gripper(name)}
        if words:
            self._groundings |= dict(zip(words, self._ground_words(words), strict=True))
        return [self._groundings[name] for name in names]

    def _ground_words(self, names: Sequence[str]) -> list[Grounding]:
        split = [without_sizes(name) for name in names]
        understood = self._tokenizer.encode([core for core, _ in split]).understood.tolist()
        if not self.looked.proposals:
            # Where nothing could be looked at, "not there" says nothing.
            looked = self.looked.view.frame is not None and self.looked.plane is not None
            return [Grounding(name, (), 0.0, 0.0, (), known and looked) for name, known in zip(names, understood, strict=True)]
        chances = self.probabilities([core for core, _ in split])
        rows = zip(names, split, chances, understood, strict=True)
        return [self._grounding(name, sizes, row, known) for name, (_, sizes), row, known in rows]

    @torch.no_grad()
    def probabilities(self, phrases: Sequence[str]) -> FloatArray:
        """(P, N) calibrated probability that each proposal answers to each phrase, words of size aside; there must be some."""
        ids = torch.from_numpy(self._tokenizer.encode(phrases).ids).to(self._model.device)
        log_match = match(self._model.tower.phrases(ids), self.looked.regions)
        testimony = testify(phrases, looks_of(self.looked.appearances)) if self._calibration.witness else 0.0
        return self._calibration.probabilities(log_match.double().cpu().numpy(), testimony)

    def _grounding(self, name: str, sizes: Sequence[str], chances: FloatArray, known: bool) -> Grounding:
        present, several = self._calibration.present_and_several(chances)
        order = np.argsort(-chances, kind="stable")
        best = float(chances[order[0]])
        answering = [int(i) for i in order if chances[i] >= self._calibration.rival * best]
        if present < self._calibration.found:
            answering = answering[:1] if best > _LEAST else []
        elif sizes and len(answering) > 1:
            chosen = self._of_size(sizes, answering)
            if len(chosen) == 1:
                answering, several = chosen, 0.0
        regions = tuple(Region(self._mask(i), name, float(chances[i]), SOURCE) for i in answering)
        self._best[name] = answering[0] if answering else -1
        return Grounding(name, regions, present, several, tuple(self.looked.numbers[i] for i in answering), known)

    def _of_size(self, sizes: Sequence[str], candidates: list[int]) -> list[int]:
        """Of regions that answer alike, the one that words of size single out; all of them where these do not."""
        found = match_words(f"{' '.join(sizes)} thing", [self.looked.appearances[i] for i in candidates])
        return [candidates[found.index]] if found.status is Status.OK else candidates

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

    # -- answers --------------------------------------------------------------------------------------------------------

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        if self._answerer is None:
            return [ModelAnswer("this model finds things and does not answer", Status.BAD_QUERY) for _ in questions]
        return self._answerer.answer(questions)


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
