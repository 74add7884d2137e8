"""One bag on several processes: while an image is labelled, the next ones are looked at elsewhere.

What an image shows by itself (perception/sighting.py) needs no other image, so that it may be worked out ahead; all that does
(the memory of things, names, rewards) stays in one process and in order. That process has little to do by itself: whenever it
would have to wait for another one it looks at an image as well. What never changes: the labels are those of one process, bit by
bit. A sighting that was made of anything else than what the engine asks for is made anew, as is one whose process has died.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from ..engine import EngineConfig, RobotState, SpatialEngine
from ..perception.sighting import Sighting
from ..scene.frame import RGBDFrame
from ..synthesis.pool import calm_libraries
from ..vlm.interface import SpatialVlm
from .label_frames import Shot
from .sighting_pool import PackedSighting, SightingPool, result_of

# Images that wait for their turn, for each of the other processes: they take memory.
_MOST_WAITING = 6


@dataclass
class _Turn:
    """An image that waits for its turn, and who looks at it: nobody yet, another process, or this one, which has."""

    shot: Shot
    future: Future[PackedSighting] | None = None
    is_taken: bool = False
    sighting: Sighting | None = None


class AheadEngine(SpatialEngine):
    """An engine that may know of an image what it shows before it is asked. Use it in a ``with`` block, which ends its processes.

    Args:
        helpers: processes beside this one; 0 makes it a plain engine.
    """

    def __init__(self, config: EngineConfig, vlm: SpatialVlm | None, helpers: int) -> None:
        super().__init__(config, vlm)
        self._helpers = helpers
        self._others: SightingPool | None = None
        self._turn: _Turn | None = None
        if helpers > 0:
            calm_libraries()

    def ahead(self, shots: Iterator[Shot], only_named: bool = False) -> Iterator[Shot]:
        """The same shots in the same order; later ones are being looked at meanwhile.

        Not where the engine has a focus and ``only_named`` things count: where to look then depends on what came before.
        """
        if self._helpers == 0 or (only_named and self._focus is not None):
            yield from shots
            return
        waiting: deque[_Turn] = deque()
        while True:
            self._fill(waiting, shots)
            if not waiting:
                return
            head = waiting[0]
            free = next((turn for turn in waiting if not turn.is_taken), None)
            if free is not None and head.future is not None and not head.future.done():
                free.is_taken, free.sighting = True, self._own_sight(free.shot)
                continue
            self._turn = waiting.popleft()
            yield head.shot

    def _fill(self, waiting: deque[_Turn], shots: Iterator[Shot]) -> None:
        """Read on until the others have enough to do and one image is left for this process, should it have to wait."""
        self._hand_out(waiting)
        while len(waiting) < _MOST_WAITING * self._helpers and all(turn.is_taken for turn in waiting):
            if (shot := next(shots, None)) is None:
                return
            waiting.append(_Turn(shot))
            self._hand_out(waiting)

    def _hand_out(self, waiting: deque[_Turn]) -> None:
        for turn in waiting:
            if turn.is_taken:
                continue
            frame = turn.shot.frame
            if self._others is None:
                self._others = SightingPool(self._helpers, (frame.camera.height, frame.camera.width))
            turn.future = self._others.sight(frame, turn.shot.robot, self._segment, self.config.measure)
            if turn.future is None:
                return
            turn.is_taken = True

    def _own_sight(self, shot: Shot) -> Sighting | None:
        try:
            return super()._sight(shot.frame, shot.robot)
        except Exception:  # it is raised again, and counted, when it is the image's turn
            return None

    def _sight(self, frame: RGBDFrame, robot: RobotState) -> Sighting:
        """As SpatialEngine's; raises what looking raised."""
        turn, self._turn = self._turn, None
        if turn is not None and turn.shot.frame is frame and turn.shot.robot is robot:
            found = turn.sighting or result_of(turn.future)
            if found is not None:
                return found
        return super()._sight(frame, robot)

    def __enter__(self) -> AheadEngine:
        return self

    def __exit__(self, *error: object) -> None:
        if self._others is not None:
            self._others.end()
