"""One test image through a model: where it finds each name, what the engine makes of it, what the model says itself.

The engine's facts are the final answers: names bound by the model, lengths measured with depth. The model's own words stand
beside them. A model that fails is counted as not answering, with the reason kept; nothing is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engine import RobotState, SpatialEngine
from ..scene.facts import Status
from ..scene.scene import Scene
from ..vlm.interface import Glance, Grounding, Question, SpatialVlm, VlmError
from .model_exam import TOOL, Exam
from .model_fallback import WordsOnly
from .model_scenes import TestScene
from .vqa_records import Prediction, VqaRecord
from .vqa_run import engine_config, view_of

BoolArray = npt.NDArray[np.bool_]
# From this probability on a model says that there is such a thing.
PRESENT = 0.5
GROUND = np.dtype(
    [
        ("kind", "U16"), ("text", "U32"), ("count", "f8"), ("present", "f8"), ("several", "f8"), ("understood", "?"),
        ("iou", "f8"), ("other", "?"), ("status", "i1"), ("final_iou", "f8"), ("final_other", "?"), ("on_tool", "f8"),
        ("asked_status", "i1"), ("asked_other", "?"),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Sat:
    """One image's exam as it went.

    Attributes:
        names: (N,) GROUND: every name asked for. ``count`` is how many things it fits (0 none); ``present``, ``several`` as the
            model says; ``iou`` of its best region with the thing, 0 for none; ``other`` whether that is another thing; ``status``
            of the engine's binding with ``final_iou``, ``final_other`` of what it bound; ``asked_status``, ``asked_other`` of
            what a question takes it for (reasoning/supposed.py); ``on_tool`` share of the region that is robot, for the gripper.
        records, parts: what was asked.
        final: the engine's answers to questions, in which a model that answers has a say; ``by_depth`` without that say.
        own: the model's own answers, empty for one that answers nothing.
        problem: why the model failed; "" when it did not.
    """

    key: str
    names: npt.NDArray[np.void]
    records: tuple[VqaRecord, ...]
    parts: tuple[str, ...]
    final: tuple[Prediction, ...]
    by_depth: tuple[Prediction, ...]
    own: tuple[Prediction, ...] = ()
    problem: str = ""


def sit(scene: TestScene, exam: Exam, vlm: SpatialVlm) -> Sat:
    """One image's exam. With WordsOnly the engine has no model, and binds names as it does without one."""
    config = engine_config(scene.noise)
    engine = SpatialEngine(config, vlm=None if isinstance(vlm, WordsOnly) else vlm)
    observed = engine.observe(scene.frame, exam.all_names, RobotState(up=scene.up))
    by_depth = tuple(Prediction.of_fact(fact) for fact in engine.facts(observed, exam.queries))
    final = by_depth
    if vlm.answers:
        final = tuple(Prediction.of_fact(fact) for fact, _ in engine.measure_all(observed, exam.queries))
    groundings: dict[str, Grounding] = {}
    own: tuple[Prediction, ...] = ()
    problem = ""
    try:
        glance = vlm.look(view_of(scene.frame, scene.up, config))
        groundings = {found.name: found for found in glance.ground(exam.all_names)}
        own = own_answers(glance, exam) if vlm.answers else ()
    except VlmError as error:
        problem = str(error)
        own = tuple(Prediction(status=Status.NOT_FOUND) for _ in exam.records) if vlm.answers else ()
    # Each name as a question about it alone takes it: one part of a thing must not be missing from another.
    supposed = {name: engine.supposed(observed, [name]).scene for name in exam.all_names}
    names = _names(scene, exam, groundings, observed, supposed)
    return Sat(scene.key, names, exam.records, exam.parts, final, by_depth, own, problem)


def own_answers(glance: Glance, exam: Exam) -> tuple[Prediction, ...]:
    """What the model says to every question."""
    asked = [Question(record.question, query) for record, query in zip(exam.records, exam.queries, strict=True)]
    return tuple(Prediction.of_model(answer) for answer in glance.answer(asked)) if asked else ()


# -- names ------------------------------------------------------------------------------------------------------------------


def _names(
    scene: TestScene, exam: Exam, groundings: dict[str, Grounding], observed: Scene, supposed: dict[str, Scene]
) -> npt.NDArray[np.void]:
    asked = [(phrase, index, 1.0) for index, phrase in exam.names]
    asked += [(phrase, -2, 0.0) for phrase in exam.absent]
    asked += [(phrase, -2, 2.0) for phrase in exam.several]
    rows = np.zeros(len(asked), GROUND)
    for row, (phrase, index, count) in zip(rows, asked, strict=True):
        row["kind"], row["text"], row["count"] = phrase.kind, phrase.text, count
        row["present"] = row["several"] = row["on_tool"] = math.nan
        found = groundings.get(phrase.text)
        region = None
        if found is not None:
            row["present"], row["several"], row["understood"] = found.present, found.several, found.understood
            region = found.regions[0].mask if found.regions and found.present >= PRESENT else None
        row["iou"], row["other"] = overlap(scene.labels, index, region)
        if index == TOOL and region is not None and scene.robot is not None:
            row["on_tool"] = float(np.mean(scene.robot[region])) if region.any() else 0.0
        row["status"], row["final_iou"], row["final_other"] = _bound(scene, index, observed, phrase.text)
        row["asked_status"], _, row["asked_other"] = _bound(scene, index, supposed[phrase.text], phrase.text)
    return rows


def _bound(scene: TestScene, index: int, observed: Scene, name: str) -> tuple[Status, float, bool]:
    """Status of a name's binding, and ``overlap`` of what it is bound to."""
    binding = observed.find(name)
    bound = None
    if binding.thing is not None and observed.labels is not None:
        bound = observed.labels == binding.thing.id
    return binding.status, *overlap(scene.labels, index, bound)


def overlap(labels: npt.NDArray[np.int32], index: int, mask: BoolArray | None) -> tuple[float, bool]:
    """IoU of a mask with the thing of an index, and whether the mask is another thing: more of it lies on one than on this one,
    or on nothing that is a thing. (0, False) without a mask; an index below 0 is of no thing.
    """
    if mask is None or not mask.any():
        return 0.0, False
    counts = np.bincount(np.maximum(labels[mask], 0), minlength=max(index + 2, 1))
    own = int(counts[index + 1]) if index >= 0 else 0
    others = np.delete(counts, index + 1)[1:] if index >= 0 else counts[1:]
    whole = int(np.count_nonzero(mask)) - own
    whole += int(np.count_nonzero(labels == index + 1)) if index >= 0 else 0
    return own / max(whole, 1), own == 0 or bool(len(others) and others.max() > own)


def pooled(sat: Sequence[Sat]) -> npt.NDArray[np.void]:
    """(N,) GROUND of all images."""
    return np.concatenate([one.names for one in sat]) if sat else np.zeros(0, GROUND)
