"""What a model said of names, kept by the ids of things, so that it need not look at every image.

A name is judged when nobody bears it, when its bearer is out of sight, when something came into sight that it was not judged on,
and again after a while. In between the memory of things carries it. The model may work in step (each image that needs it waits)
or at its own pace on a thread of its own, where what it says of one image holds for the ids of the next.

A model that fails leaves names to the words (perception/names.py) and is tried again after a pause, by the images' stamps. Its
answers to questions have a pause of their own: what it cannot answer does not make wrong what it said of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from ..scene.facts import Status
from ..scene.frame import Region, RGBDFrame
from ..scene.scene import Scene, SceneObject
from .interface import Glance, Grounding, SpatialVlm, View, VlmError

_Result = TypeVar("_Result")
_Said = TypeVar("_Said")
#: Below it nothing is there; from it on there are several.
LIKELY = 0.5
#: From it on a question means one of several things that answer to a name.
CLEARLY = 0.95
#: Names that are kept in mind: whoever asks may ask for ever new ones.
MAX_NAMES = 500
#: In place of the id of a region that was parted in two by names (perception/named_parts.py).
PARTED = -1
# As in perception/names.py: what is this close to the best is a rival.
RIVAL = 0.65


@dataclass(frozen=True)
class NamingConfig:
    """When a model looks.

    Attributes:
        own_pace: on a thread of its own; else each image that needs it waits for it.
        min_period_s: least time between the stamps of two images that it looks at.
        recheck_s: a name is judged again after this long.
        retry_s, longest_retry_s: pause after a failure, doubled with each one that follows.
    """

    own_pace: bool = False
    min_period_s: float = 0.0
    recheck_s: float = 1.0
    retry_s: float = 2.0
    longest_retry_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("min_period_s", "recheck_s", "retry_s", "longest_retry_s"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1e6:
                raise ValueError(f"naming's {name} is {value}; give seconds from 0 to 1e6")


@dataclass(frozen=True)
class Judgement:
    """What a model said of a name on one image.

    Attributes:
        stamp_ns: of that image.
        scores: by id, of all things that answer to the name, best first.
        is_there: whether anything does.
        several: whether more than one does and none stands out.
        judged: ids of all things that were in sight.
        likeliest, supposed: id of what fits best, whether or not it answers, and ``Grounding.supposed`` of it; None, NaN without.
        alone: whether it is likelier that one thing answers than that several do, however near to it the next one comes.
    """

    stamp_ns: int
    scores: Mapping[int, float]
    is_there: bool
    several: bool
    judged: frozenset[int]
    likeliest: int | None = None
    supposed: float = math.nan
    alone: bool = False

    def is_meant(self, thing: int) -> bool:
        """Whether a question may mean a thing by the name, though nothing answers to it."""
        return thing == self.likeliest and self.supposed >= LIKELY

    def meant(self, others: Collection[int] = ()) -> tuple[int, float] | None:
        """What a question means by the name that is not bound, and how likely that is; None where nothing is likely enough, of
        several that answer where none is far likelier than the rest, and where the model does not say. Of several that come near
        one another where one alone answers, the likeliest is meant like any other.

        Args:
            others: ids of what its other names mean; this one means none of them.
        """
        if self.likeliest is None or not math.isfinite(self.supposed):
            return None
        left = {thing: min(max(score, 1e-6), 1 - 1e-6) for thing, score in self.scores.items() if thing not in others}
        if not left:
            return None
        if len(left) == len(self.scores):
            least = CLEARLY if self.is_there and not self.alone else LIKELY
            return (self.likeliest, self.supposed) if self.supposed >= least else None
        odds = {thing: score / (1 - score) for thing, score in left.items()}
        best = max(odds, key=lambda thing: odds[thing])
        share = odds[best] / sum(odds.values())
        return (best, left[best] * share) if share >= CLEARLY and left[best] * share >= LIKELY else None

    @property
    def best(self) -> int | None:
        """The one thing that is meant, if it is one."""
        return next(iter(self.scores)) if self.is_there and self.scores and not self.several else None


@dataclass(frozen=True)
class _Pause:
    """How long a model is let alone after failures that followed each other. Replaced as a whole: other threads read it.

    ``from_ns`` .. ``until_ns``: stamps of images that it is not used on; earlier ones are of a time that jumped back.
    """

    failures: int = 0
    from_ns: int = 0
    until_ns: int = -(1 << 62)
    problem: str = ""

    def covers(self, stamp_ns: int) -> bool:
        return self.from_ns <= stamp_ns < self.until_ns

    def after(self, error: Exception, stamp_ns: int, config: NamingConfig) -> _Pause:
        pause_s = min(config.retry_s * 2.0**self.failures, config.longest_retry_s)
        problem = str(error) if isinstance(error, VlmError) else f"the model has a defect: {error!r}"
        return _Pause(min(self.failures + 1, 30), stamp_ns, stamp_ns + round(pause_s * 1e9), problem)

    def over(self) -> _Pause:
        """The same failures, but it may be tried at once."""
        return replace(self, until_ns=-(1 << 62))


class Looks:
    """The newest image that a model looked at, so that finding and answering encode it once. For one thread at a time."""

    def __init__(self, vlm: SpatialVlm) -> None:
        self.vlm = vlm
        self._frame: RGBDFrame | None = None
        self._glance: Glance | None = None

    def at(self, view: View) -> Glance:
        """Raises VlmError."""
        known = None if view.frame is None else self.newest(view.frame)
        if known is None:
            self.clear()
            known = self._glance = self.vlm.look(view)
            self._frame = view.frame
        return known

    def newest(self, frame: RGBDFrame) -> Glance | None:
        """What was seen of this very image; None where it is not the newest that was looked at."""
        return self._glance if frame is self._frame else None

    def clear(self) -> None:
        """Let go of the image."""
        self._frame, self._glance = None, None


class NameJudge:
    """One stream of images. Its methods are for one thread; with ``own_pace`` the model has another one, on which it answers, and
    ``of``, ``may_answer``, ``answer_failed`` and ``answered`` are for that one.
    """

    def __init__(self, vlm: SpatialVlm, config: NamingConfig) -> None:
        self.vlm, self.config = vlm, config
        self.looks = Looks(vlm)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vlm") if config.own_pace else None
        self._naming, self._answering = _Pause(), _Pause()
        self.clear()

    def clear(self) -> None:
        """Forget what was said, as after a jump of time."""
        self._known: dict[str, Judgement] = {}
        self._strange: dict[str, int] = {}
        self._last_look_ns: int | None = None
        self._naming = self._naming.over()
        # What is under way speaks of things that are forgotten.
        self._job: Future[list[Grounding]] | None = None
        self._job_about: tuple[int, tuple[int, ...]] = (0, ())

    def close(self) -> None:
        """End the thread, without waiting for a model that is busy."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def on_model_thread(self, work: Callable[[], _Result]) -> Future[_Result] | None:
        """Run ``work`` where the model may be used, behind what is under way; None without a thread of its own."""
        return None if self._pool is None else self._pool.submit(work)

    @property
    def problem(self) -> str:
        """Why names are left to the words just now; "" when they are not."""
        return self._naming.problem

    @property
    def answer_problem(self) -> str:
        """Why the model's answers to questions are not used just now; "" when they are."""
        return self._answering.problem

    # -- what is known ----------------------------------------------------------------------------------------------------

    def of(self, name: str) -> Judgement | None:
        """The newest judgement of a name; None where there is none, or the model does not know its words."""
        return self._known.get(name)

    def meant(self, scene: Scene, name: str, others: Collection[int] = ()) -> tuple[SceneObject, float] | None:
        """The thing in sight that a question means by a name that is not bound, and how likely that is (``Judgement.meant``)."""
        known = self.of(name) if scene.find(name).status in (Status.NOT_FOUND, Status.AMBIGUOUS) else None
        found = None if known is None else known.meant(others)
        things = (each for each in scene.objects if found and each.id == found[0] and each.status is Status.OK)
        return next(((thing, found[1]) for thing in things if found), None)

    def is_pending(self, name: str) -> bool:
        """Whether the model has not spoken of a name yet and is able to."""
        return not self.problem and name not in self._known and name not in self._strange

    def is_due(self, name: str, stamp_ns: int, in_sight: Iterable[int], bearer: int | None, bearer_hidden: bool) -> bool:
        """Whether a name has to be judged on this image.

        Args:
            in_sight: ids of the things on the image, as far as they are known.
            bearer: the id that bears the name.
            bearer_hidden: it is known to be behind something, where a look finds nothing of it.
        """
        if not self.may_look(stamp_ns):
            return False
        known = self._known.get(name)
        said_ns = self._strange.get(name) if known is None else known.stamp_ns
        if said_ns is None or stamp_ns < said_ns or stamp_ns - said_ns >= self.config.recheck_s * 1e9:
            return True
        if known is None:
            return False
        seen = set(in_sight)
        if not seen <= known.judged:
            return True
        return not bearer_hidden and (bearer is None or bearer not in seen)

    def may_look(self, stamp_ns: int) -> bool:
        """Whether the model may be used on an image: not too soon after the last one, nor after a failure."""
        if self._last_look_ns is not None and stamp_ns > self._last_look_ns:
            period_ns = stamp_ns - self._last_look_ns
            if period_ns < self.config.min_period_s * 1e9:
                return False
        return not self._naming.covers(stamp_ns)

    def may_answer(self, stamp_ns: int) -> bool:
        """Whether the model may be asked about an image: not soon after a failure of whatever kind."""
        return not (self._naming.covers(stamp_ns) or self._answering.covers(stamp_ns))

    def answer_failed(self, error: Exception, stamp_ns: int) -> None:
        """Note why the model did not answer; it is not asked for a while. What it said of names holds."""
        self._answering = self._answering.after(error, stamp_ns, self.config)

    def answered(self) -> None:
        """The model did answer."""
        self._answering = _Pause()

    # -- looking ----------------------------------------------------------------------------------------------------------

    def ground(self, view: View, names: Sequence[str], stamp_ns: int) -> list[Grounding]:
        """What the model says of names on an image, now. None of them when it fails: the reason is kept in ``problem``."""
        if not names:
            return []
        self._last_look_ns = stamp_ns
        try:
            found = _checked(self.looks.at(view).ground(names), view, names)
        except Exception as error:  # a model of whatever kind must not cost the image its facts
            self.failed(error, stamp_ns)
            return []
        self._worked()
        return found

    def keep(self, groundings: Iterable[Grounding], ids: Sequence[int], own: Mapping[int, int], stamp_ns: int) -> None:
        """Note what was said by the ids of things.

        Args:
            ids: of the view's proposals, in order; what was said of one that is ``PARTED`` holds for neither part.
            own: by ``id(region)``, of regions that the model found itself and that were measured.
        """
        judged = frozenset(ids) | frozenset(own.values())
        for grounding in groundings:
            best = next((ids[index] for _, index in regions_of(grounding)[:1] if 0 <= index < len(ids)), None)
            if not grounding.understood or best == PARTED:
                self._known.pop(grounding.name, None)
                _make_room(self._strange, lambda said_ns: said_ns)
                self._strange[grounding.name] = stamp_ns
                continue
            self._strange.pop(grounding.name, None)
            _make_room(self._known, lambda judgement: judgement.stamp_ns)
            self._known[grounding.name] = _judgement(grounding, ids, own, judged, stamp_ns)

    def begin(self, view: View, names: Sequence[str], ids: Sequence[int], stamp_ns: int) -> None:
        """Have the model look on its own thread, unless it is still busy; ``collect`` brings what it says."""
        if self._pool is None or not names or self._job is not None:
            return
        self._last_look_ns = stamp_ns
        self._job_about = (stamp_ns, tuple(ids))
        self._job = self._pool.submit(lambda: _checked(self.looks.at(view).ground(names), view, names))

    def collect(self, stamp_ns: int) -> None:
        """Take in what the model said on its own thread since, if it has."""
        if self._job is None or not self._job.done():
            return
        job, (said_ns, ids) = self._job, self._job_about
        self._job = None
        try:
            groundings = job.result()
        except Exception as error:  # as above
            self.failed(error, stamp_ns)
            return
        self._worked()
        self.keep(groundings, ids, {}, said_ns)

    def failed(self, error: Exception, stamp_ns: int) -> None:
        """Note why the model found no names; it is let alone for a while, and words stand in."""
        self._naming = self._naming.after(error, stamp_ns, self.config)
        self._known.clear()

    def _worked(self) -> None:
        self._naming = _Pause()


def _make_room(said: dict[str, _Said], stamp_of: Callable[[_Said], int]) -> None:
    """Forget what was said longest ago, for one name more."""
    while len(said) >= MAX_NAMES:
        said.pop(min(said, key=lambda name: stamp_of(said[name])))


def regions_of(grounding: Grounding) -> list[tuple[Region, int]]:
    """The regions with the proposal that each of them is, -1 for one of the model's own."""
    indices = grounding.proposals or (-1,) * len(grounding.regions)
    return list(zip(grounding.regions, indices, strict=True))


def _checked(found: Sequence[Grounding], view: View, names: Sequence[str]) -> list[Grounding]:
    """Raises VlmError for what is no answer to the names on this image."""
    if [grounding.name for grounding in found] != list(names):
        raise VlmError(f"the model was asked for {list(names)} and spoke of {[grounding.name for grounding in found]}")
    for grounding in found:
        for region, index in regions_of(grounding):
            if region.mask.shape != view.color.shape[:2] or not -1 <= index < max(len(view.proposals), 1):
                raise VlmError(f"the model's region for '{grounding.name}' is none of this image")
    return list(found)


def _judgement(
    grounding: Grounding, ids: Sequence[int], own: Mapping[int, int], judged: frozenset[int], stamp_ns: int
) -> Judgement:
    scores: dict[int, float] = {}
    for region, index in regions_of(grounding):
        thing = _id_of(region, index, ids, own)
        if thing is not None and thing not in scores:
            scores[thing] = region.score
    ordered = list(scores.values())
    # Two that are alike are told apart by nobody, even where one alone is more likely than both. NaN is never likely.
    several = len(ordered) > 1 and (grounding.several >= LIKELY or ordered[1] >= RIVAL * ordered[0])
    found = regions_of(grounding)
    likeliest = _id_of(*found[0], ids, own) if found else None
    is_there = grounding.present >= LIKELY and bool(scores)
    alone = is_there and grounding.several < LIKELY
    return Judgement(stamp_ns, scores, is_there, several, judged, likeliest or None, grounding.supposed, alone)


def _id_of(region: Region, index: int, ids: Sequence[int], own: Mapping[int, int]) -> int | None:
    if index < 0:
        return own.get(id(region))
    return ids[index] if index < len(ids) else None
