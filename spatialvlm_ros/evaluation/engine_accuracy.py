"""Many random scenes through the engine, on worker processes; the results do not depend on how many there are. Synthetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from ..simulation.random_scene import SceneSampling
from ..synthesis.pool import calm_libraries, leave_with_parent, single_threaded
from .engine_render import FAMILY_NAMES, IN_FAMILY, OUT_OF_FAMILY, render_scene
from .engine_scenes import FrameResult, Observer, judge_frame

Result = TypeVar("Result")

ACCURACY = SceneSampling()
# Things on things, seen from low: the default sampling has few of them. One accuracy scene of four is of this kind.
STACKS = SceneSampling(share_stacked=0.7, pitch_deg=(-35.0, -15.0))
STACKS_EVERY = 4
# Any way a hand or a robot may hold a camera, and rooms in which nothing in view is a support.
CAMERAS = SceneSampling(
    pitch_deg=(-80.0, 80.0), roll_deg=(-45.0, 45.0), wall_probability=0.8,
    support_weights={"table": 0.5, "floor": 0.2, "wall_only": 0.15, "boxes_only_vertical": 0.15},
)  # fmt: skip


@dataclass(frozen=True)
class Extent:
    """How much is run. ``accuracy`` and ``cameras`` count scenes; each accuracy scene is seen with every family's noise.

    ``timed`` images with 8 things are timed, ``baseline`` of them with the baseline, and a third as many of each of ``counts``.
    """

    accuracy: int = 420
    cameras: int = 400
    timed: int = 12
    baseline: int = 12
    counts: tuple[int, ...] = (2, 4, 8, 16, 32)
    width_px: int = 640

    def sized(self, sampling: SceneSampling) -> SceneSampling:
        """A sampling at this extent's resolution."""
        share = self.width_px / 640
        return replace(
            sampling,
            width_px=(self.width_px, self.width_px),
            height_px=(round(480 * share),) * 2,
            fx_px=(sampling.fx_px[0] * share, sampling.fx_px[1] * share),
        )


QUICK = Extent(accuracy=4, cameras=2, timed=1, baseline=1, counts=(2, 8))


def model_of(family: str) -> str:
    """The preset of the engine's noise model for a family of noise."""
    return {**IN_FAMILY, **OUT_OF_FAMILY}[family]


def is_stacks(seed: int) -> bool:
    """Whether the accuracy scene of a seed is drawn from ``STACKS``: one of four, whichever seed is the first."""
    return seed % STACKS_EVERY == STACKS_EVERY - 1


def accuracy_of(seed: int, extent: Extent, families: Sequence[str]) -> list[FrameResult]:
    """One scene with each family's noise, the facts against their truth. Up comes from the image."""
    stacks = is_stacks(seed)
    rendered = render_scene(seed, extent.sized(STACKS if stacks else ACCURACY))
    return [judge_frame(rendered, family, Observer(model_of(family)), stacks=stacks) for family in families]


def camera_of(seed: int, sampling: SceneSampling) -> list[FrameResult]:
    """One scene from any angle, without and with up; the families of the model take turns."""
    rendered = render_scene(seed, sampling)
    family = tuple(IN_FAMILY)[seed % len(IN_FAMILY)]
    return [judge_frame(rendered, family, Observer(family), with_up=up, facts=False) for up in (False, True)]


def run_accuracy(extent: Extent, first_seed: int, workers: int, families: Sequence[str] = FAMILY_NAMES) -> list[FrameResult]:
    """Results in order of seed and family."""
    job = partial(accuracy_of, extent=extent, families=tuple(families))
    return _flat(on_workers(job, range(first_seed, first_seed + extent.accuracy), workers))


def run_cameras(extent: Extent, first_seed: int, workers: int) -> list[FrameResult]:
    """Results in order of seed, without up before with up."""
    job = partial(camera_of, sampling=extent.sized(CAMERAS))
    return _flat(on_workers(job, range(first_seed, first_seed + extent.cameras), workers))


def _flat(results: Iterator[list[FrameResult]]) -> list[FrameResult]:
    return [result for some in results for result in some]


def on_workers(job: Callable[[int], Result], items: Sequence[int], workers: int) -> Iterator[Result]:
    """``job`` of each item, in order, each in one thread of one of the processes."""
    with single_threaded(), ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare) as pool:
        yield from pool.map(job, items, chunksize=1)


def _prepare() -> None:
    leave_with_parent()
    calm_libraries()
