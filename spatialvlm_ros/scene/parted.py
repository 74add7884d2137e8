"""A scene in which a part of a thing is a thing of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from .frame import BoolArray
from .scene import Scene, SceneObject


@dataclass(frozen=True)
class APart:
    """A part of a thing that a question most likely means by a name.

    Attributes:
        scene: in which it is a thing of its own, and the rest of the other thing without it.
        likely: probability that it is meant.
        whole: id of the thing that it is a part of.
    """

    scene: Scene
    thing: SceneObject
    likely: float
    whole: int


def parted(scene: Scene, name: str, whole: int, pieces: tuple[SceneObject, SceneObject], mask: BoolArray, likely: float) -> APart:
    """The scene with a thing of it less a part, which is another thing.

    Args:
        whole: id of that thing.
        pieces: what the part, and what the rest of the thing measures.
        mask: (H, W) the part's pixels.
    """
    part, rest = pieces
    last = max((thing.id for thing in scene.objects), default=0)
    thing = part.called(id=last + 1, label=name, score=likely, last_seen_ns=scene.stamp_ns)

    def less(each: SceneObject) -> SceneObject:
        return rest.called(id=each.id, label=each.label, score=each.score, last_seen_ns=each.last_seen_ns)

    objects = tuple(less(each) if each.id == whole else each for each in scene.objects)
    bindings = {
        word: replace(bound, thing=less(bound.thing))
        for word, bound in scene.bindings.items()
        if bound.thing is not None and bound.thing.id == whole
    }
    draw = partial(_drawn, scene, mask, thing.id)
    own = replace(scene, objects=(*objects, thing), bindings={**scene.bindings, **bindings}, draw_labels=draw)
    return APart(own, thing, likely, whole)


def _drawn(scene: Scene, mask: BoolArray, number: int) -> npt.NDArray[np.int32]:
    labels = np.zeros(mask.shape, np.int32) if scene.labels is None else scene.labels.copy()
    labels[mask] = number
    return labels
