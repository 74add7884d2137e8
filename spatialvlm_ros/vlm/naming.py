"""A name's binding by what a model said of it: its bearer keeps it, one thing alone gets it, of several none does.

The sentences are those of perception/names.py, which also decides where a model does not know the words.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..perception.appearance import Appearance
from ..perception.names import match, nothing_text, parse, several_text
from ..scene.facts import Status
from ..scene.scene import Binding, SceneObject
from .judge import RIVAL, Judgement


def bind_by_judgement(
    name: str,
    judgement: Judgement,
    seen: Sequence[SceneObject],
    hidden: Sequence[SceneObject],
    appearances: Sequence[Appearance],
    bearer: int | None,
    looked: bool,
) -> Binding:
    """What a name stands for. A thing that bears it and is hidden keeps it: a look-alike must not inherit it.

    Args:
        appearances: of ``seen``, index by index, for the sentences and where bearer and judgement disagree.
        bearer: id that bore the name on the last image.
        looked: whether things were looked for at all.
    """
    fitting = {i: judgement.scores[thing.id] for i, thing in enumerate(seen) if thing.id in judgement.scores}
    order = sorted(fitting, key=lambda i: (-fitting[i], i)) if judgement.is_there else []
    kept = next((i for i, thing in enumerate(seen) if thing.id == bearer), None)
    if kept is None:
        held_back = next((thing for thing in hidden if thing.id == bearer), None)
        if held_back is not None:
            answering = tuple(seen[i] for i in order) if looked else None
            return Binding(held_back.status, held_back.called(label=name), answering=answering)
    chosen = _chosen(name, judgement, order, fitting, appearances, kept)
    several = judgement.several and len(order) > 1
    answering_indices = order if several or chosen is None else list(dict.fromkeys([chosen, *_rivals(order, fitting)]))
    answering = tuple(seen[i] for i in answering_indices) if looked else None
    if chosen is not None:
        thing = seen[chosen].called(label=name, score=float(fitting.get(chosen, seen[chosen].score)))
        return Binding(Status.OK, thing, answering=answering)
    phrase = parse(name)
    if several:
        return Binding(Status.AMBIGUOUS, text=several_text(phrase, appearances, order), answering=answering)
    return Binding(Status.NOT_FOUND, text=nothing_text(phrase, appearances), answering=answering)


def _rivals(order: Sequence[int], scores: dict[int, float]) -> list[int]:
    return [i for i in order if scores[i] >= RIVAL * scores[order[0]]] if order else []


def _chosen(
    name: str,
    judgement: Judgement,
    order: Sequence[int],
    scores: dict[int, float],
    appearances: Sequence[Appearance],
    kept: int | None,
) -> int | None:
    """The index of the one thing that is meant; None for none, or several."""
    several = judgement.several and len(order) > 1
    if kept is not None:
        best = order[0] if order else None
        if best is not None and kept in scores and (several or best == kept or scores[kept] >= RIVAL * scores[best]):
            return kept
        if not order and _looks_like(name, appearances, kept):
            return kept
    return None if several or not order else order[0]


def _looks_like(name: str, appearances: Sequence[Appearance], index: int) -> bool:
    """Whether the words know the name and do not speak against this thing: a hand hides half of what it grasps."""
    found = match(name, appearances, index)
    return found.understood and found.index == index
