"""Phrases for a batch of regions and their truth about each of it: about its things, nearly about them, about nothing in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...vlm.embedded.tokenizer import SPECIAL, PhraseTokenizer
from .phrases import Phrase, PhraseMaker, all_words, truth
from .pool import GRIPPER, NOTHING, THING, RegionShard

# Of a batch's phrases: about a thing of it; such a one with one part changed; the rest are about nothing in particular.
_ABOUT, _NEARLY = 0.52, 0.42


def tower_words() -> tuple[str, ...]:
    """The vocabulary of the tower: every word that phrases are made of, as the tokenizer spells them."""
    speller = PhraseTokenizer(SPECIAL)
    words = {spelled for word in all_words() for spelled in speller.split(word)}
    return (*SPECIAL, *sorted(words))


def draw_phrases(rng: np.random.Generator, batch: RegionShard, count: int) -> tuple[list[str], Tensor]:
    """Texts of ``count`` phrases, and (P, N) float32 whether the batch's regions answer to them: 1, 0 or NaN."""
    attributes = attributes_of(batch)
    things = np.flatnonzero((batch.kind == THING).numpy())
    scenes = batch.scene.numpy()
    maker = PhraseMaker(rng)
    phrases: list[Phrase] = []
    while len(phrases) < count:
        draw = rng.random()
        if draw > _ABOUT + _NEARLY or not len(things):
            phrases.append(maker.any())
            continue
        chosen = int(rng.choice(things))
        siblings = things[(scenes[things] == scenes[chosen]) & (things != chosen)]
        phrase = maker.about(attributes[chosen], attributes[siblings])
        phrases.append(phrase if draw < _ABOUT else maker.wrong_about(phrase, attributes[chosen]))
    answers = truth(phrases, attributes)
    # "The thing" asks for nothing that a piece of the room could lack; whether a gripper is one is open.
    generic = np.array([not phrase.needs() for phrase in phrases])
    answers[np.ix_(generic, (batch.kind == NOTHING).numpy())] = 0
    answers[np.ix_(generic, (batch.kind == GRIPPER).numpy())] = np.nan
    return [phrase.text for phrase in phrases], torch.from_numpy(answers)


def attributes_of(batch: RegionShard) -> npt.NDArray[np.float32]:
    """(N, C) concepts of regions: 1, 0 or NaN."""
    concepts = batch.concepts.numpy().astype(np.float32)
    return np.where(concepts < 0, np.float32(np.nan), concepts)
