"""The nearest pair in the surfaces of two things, and the pairs of a stream of images that were found last."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .scene import SceneObject

_KEPT = 8


class NearestPairs:
    """The last pairs of things that were looked at, with what they were found from.

    Of things that stand still that is the very same on the next image, whatever they are called: whoever makes the scenes of a
    stream gives all of them one of these. What was found from is kept, so that nothing else gets the place of it.
    """

    def __init__(self) -> None:
        self._known: deque[tuple[tuple[object, object], tuple[int, int]]] = deque(maxlen=_KEPT)

    def clear(self) -> None:
        """Let go of all of them."""
        self._known.clear()

    def of(self, a: SceneObject, b: SceneObject) -> tuple[int, int]:
        """``nearest_pair`` of two things."""
        shapes = a.shape_of, b.shape_of
        for (one, other), pair in tuple(self._known):
            if one is shapes[0] and other is shapes[1]:
                return pair
        pair = nearest_pair(a, b)
        self._known.append((shapes, pair))
        return pair


def nearest_pair(a: SceneObject, b: SceneObject) -> tuple[int, int]:
    """Indices in ``surface`` of the nearest two points of a and of b."""
    # No point of b is nearer than the box around all of them, so that points of a farther from that box than some point of a is
    # from b need not be looked at.
    beyond = np.maximum(np.abs((a.surface - b.centre) @ b.axes) - b.surface_reach, 0.0)
    to_box = np.sqrt(np.einsum("ij,ij->i", beyond, beyond))
    bound = float(b.surface_tree.query(a.surface[int(np.argmin(to_box))])[0])
    near = np.flatnonzero(to_box <= bound + 1e-9)
    # What is farther off need not be found, which spares most of the search.
    found = b.surface_tree.query(a.surface[near], distance_upper_bound=(1 + 1e-9) * bound + 1e-9)
    distances, indices = (np.asarray(each) for each in found)
    best = int(np.argmin(distances))
    return int(near[best]), int(indices[best])
