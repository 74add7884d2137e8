"""The questions of one test image: names in words, and what is asked of them. Drawn from the truth, the same for every model.

All of the paper's 43 types are asked of one pair of things each, each predicate of two more pairs, distances of three more; where
the gripper is in view, also how far it is from each thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..language.questions import question_text
from ..scene.facts import METRE, Query
from ..scene.relations import RELATIONS, Kind
from ..synthesis.facts import PAPER_TYPES
from ..synthesis.record import generator_of
from .engine_solids import Solid
from .engine_truth import TRUTHS
from .model_scenes import TestScene
from .model_words import Phrase, absent_names, only_name, several_names
from .vqa_records import VqaRecord, truth_of_query

PREDICATES = tuple(name for name in PAPER_TYPES if RELATIONS[name].kind is Kind.PREDICATE)
# Relations of which nothing but the middle of a thing's box has to be true.
MIDDLES = (
    "distance", "horizontal_distance", "vertical_distance", "left_difference", "right_difference", "behind_difference",
    "front_difference", "left", "right", "above", "below", "behind", "front", "which_left", "which_right", "which_above",
    "which_below", "which_behind", "which_front", "left_or_right", "above_or_below", "behind_or_front",
)  # fmt: skip
GRIPPER_NAMES = ("gripper", "robot gripper", "robot hand", "gripper fingers", "end effector")
TOOL = -1
_MORE_DISTANCES, _MORE_PREDICATES, _ABSENT, _SEVERAL, _TRIES = 3, 2, 6, 3, 4


@dataclass(frozen=True)
class Exam:
    """What is asked of one image.

    Attributes:
        names: (index of the thing, its words), a thing may have several; the gripper is ``TOOL``.
        absent, several: words that fit nothing, and more than one thing.
        records, queries: the questions.
        parts: what each question is asked for: "type", "predicate", "distance" or "gripper".
    """

    names: tuple[tuple[int, Phrase], ...]
    absent: tuple[Phrase, ...]
    several: tuple[Phrase, ...]
    records: tuple[VqaRecord, ...] = ()
    queries: tuple[Query, ...] = ()
    parts: tuple[str, ...] = field(default=())

    @property
    def all_names(self) -> tuple[str, ...]:
        """All words, each once."""
        phrases = [*(phrase for _, phrase in self.names), *self.absent, *self.several]
        return tuple(dict.fromkeys(phrase.text for phrase in phrases))


def exam_of(scene: TestScene, relations: Sequence[str] = PAPER_TYPES, tool: Solid | None = None) -> Exam:
    """The questions of an image. ``tool`` is the point between the gripper's finger tips, where one is in view."""
    rng = generator_of(83, scene.key)
    everything = [*scene.things, *scene.background]
    drawn = [(index, only_name(scene.things[index], everything, rng)) for index in scene.asked]
    names = [(index, phrase) for index, phrase in drawn if phrase is not None]
    if tool is not None:
        word = GRIPPER_NAMES[int(rng.integers(len(GRIPPER_NAMES)))]
        names.append((TOOL, Phrase(word, "gripper", *2 * ((frozenset(), frozenset()),))))
    absent = absent_names(everything, _ABSENT, rng)
    several = several_names([scene.things[index] for index in scene.asked], everything, _SEVERAL, rng)
    return exam_with(scene, names, absent, several, relations, tool)


def exam_with(
    scene: TestScene,
    names: Sequence[tuple[int, Phrase]],
    absent: Sequence[Phrase],
    several: Sequence[Phrase],
    relations: Sequence[str],
    tool: Solid | None = None,
) -> Exam:
    """The questions of an image whose names are known."""
    rng = generator_of(83, scene.key, "questions")
    word = dict(names)
    asked = []
    for part, relation, indices in _draws(sorted(index for index in word if index >= 0), relations, tool is not None, rng):
        first, second = [*(word[index].text for index in indices), ""][:2]
        query = Query(relation, first, second)
        record = _record(scene, query, indices, tool, int(rng.integers(1000)))
        if record is not None:
            asked.append((part, query, record))
    return Exam(
        tuple(names), tuple(absent), tuple(several), tuple(record for *_, record in asked),
        tuple(query for _, query, _ in asked), tuple(part for part, *_ in asked),
    )  # fmt: skip


def _draws(
    indices: Sequence[int], relations: Sequence[str], has_tool: bool, rng: np.random.Generator
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(part, relation, indices of things)."""
    if has_tool:
        yield from (("gripper", "distance", (TOOL, index)) for index in indices)
    if len(indices) < 2:
        return
    wanted = [("type", name) for name in relations]
    wanted += [("predicate", name) for name in PREDICATES if name in relations for _ in range(_MORE_PREDICATES)]
    wanted += [("distance", "distance")] * _MORE_DISTANCES
    for part, relation in wanted:
        yield part, relation, tuple(int(i) for i in rng.permutation(indices)[: RELATIONS[relation].arity])


def _record(scene: TestScene, query: Query, indices: tuple[int, ...], tool: Solid | None, wording: int) -> VqaRecord | None:
    """None where there is no truth, or no wording of the question that is read back as the query."""
    solids = [tool if index == TOOL else scene.truth.solids[index] for index in indices]
    known = [solid for solid in solids if solid is not None]
    truth = TRUTHS[query.relation](scene.truth, *known)
    camera = scene.truth.world_from_camera.translation
    away = float(np.mean([np.linalg.norm(solid.middle - camera) for solid in known]))
    for attempt in range(_TRIES):
        try:
            question = question_text(query, wording + attempt)
        except ValueError:
            continue
        return truth_of_query(query, truth, scene.key, question, away)
    return None


def is_length(record: VqaRecord) -> bool:
    """Whether it asks for metres."""
    return record.is_number and record.unit == METRE
