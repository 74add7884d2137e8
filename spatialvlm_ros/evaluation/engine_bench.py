"""``spatialvlm bench-engine``: the engine against truth and against a plain pipeline, figures with gates into one file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..scene.relations import RELATIONS
from .benchmark_file import write_benchmark, write_json
from .engine_accuracy import ACCURACY, CAMERAS, STACKS, STACKS_EVERY, Extent, on_workers, run_accuracy, run_cameras
from .engine_breakdown import break_down_facts, break_down_things, break_down_verdicts
from .engine_facts import RELATION_NAMES
from .engine_gates import baselines_of, gates_of
from .engine_real import LabelledFrame, run_real_frames, summarise
from .engine_render import IN_FAMILY, OUT_OF_FAMILY
from .engine_report import print_report
from .engine_scenes import FrameResult
from .engine_scores import asked, score_discovery, score_facts, score_rare, score_tilt
from .engine_speed import LOOKED_AT, run_speed
from .engine_truth import TRUTHS

PACKAGES = ("numpy", "scipy", "opencv-python-headless", "opencv-python", "open3d")
# Seeds of the three parts do not overlap.
_CAMERA_SEEDS, _SPEED_SEEDS = 100_000, 200_000
# What the engine's constants were chosen on, at default sampling. Scenes that are judged must be others.
FITTED_SEEDS = range(5000, 5050)
# The same for how far a measured thing is to be trusted (``engine_trust.py``), with stacks among them.
TRUST_SEEDS = tuple(range(first, first + 640) for first in (600_000, 610_000, 620_000, 640_000))
# What told how much more a thing's surface errs on one side than on another (``trust_sides.py``).
SIDES_SEEDS = range(651_000, 651_960)
# What settled the factors of their deviations.
SETTLED_SEEDS = range(650_000, 650_320)
_TRUST_NOTE = ", ".join(f"{some[0]}-{some[-1]}" for some in (*TRUST_SEEDS, SIDES_SEEDS, SETTLED_SEEDS))
FITTED_NOTE = (
    f"constants of the engine were fitted on seeds {FITTED_SEEDS[0]}-{FITTED_SEEDS[-1]} of random_scene at default sampling, "
    f"those of trust on {_TRUST_NOTE}; none of them is used here"
)


@dataclass(frozen=True)
class EngineBenchOptions:
    """What to run and where results go.

    Attributes:
        out: gets pictures and engine.json.
        benchmark: also write this benchmark file.
        seed: added to the seeds of all scenes, at least 0. Raises ValueError where one of them would be a fitted one.
        frames: labelled frames of a real camera, with ``inputs`` naming their files' hashes.
    """

    out: Path = Path("out/engine")
    benchmark: Path | None = None
    extent: Extent = field(default_factory=Extent)
    workers: int = 2
    seed: int = 0
    frames: Sequence[LabelledFrame] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} must not be below 0")
        for name, seeds in self.seeds().items():
            for fitted in (FITTED_SEEDS, *TRUST_SEEDS, SIDES_SEEDS, SETTLED_SEEDS):
                if seeds.start < fitted.stop and fitted.start < seeds.stop:
                    raise ValueError(
                        f"seed {self.seed}: the {name} scenes {seeds.start}-{seeds.stop - 1} meet "
                        f"{fitted[0]}-{fitted[-1]}, on which the engine's constants were fitted; choose another seed"
                    )

    def seeds(self) -> dict[str, range]:
        """The seeds of each part; the parts do not meet."""
        extent, first = self.extent, self.seed
        return {
            "accuracy": range(first, first + extent.accuracy),
            "cameras": range(first + _CAMERA_SEEDS, first + _CAMERA_SEEDS + extent.cameras),
            "speed": range(first + _SPEED_SEEDS, first + _SPEED_SEEDS + LOOKED_AT * extent.timed),
        }


def run_engine_bench(options: EngineBenchOptions) -> bool:
    """Run all parts, print a table, write the files. True when every gate passed."""
    started = time.monotonic()
    extent, seeds = options.extent, options.seeds()
    # Timing first, with nothing of ours beside it.
    speed = next(iter(on_workers(partial(run_speed, extent=extent, first_seed=seeds["speed"].start), [0], 1)))
    results: dict[str, Any] = {"notes": [FITTED_NOTE], "speed": speed}
    accuracy = run_accuracy(extent, seeds["accuracy"].start, options.workers)
    cameras = run_cameras(extent, seeds["cameras"].start, options.workers)
    results["synthetic"] = synthetic_results(accuracy, cameras)
    entries = run_real_frames(options.frames, options.out / "real")
    results["real"] = {**summarise(entries), "by_frame": entries}
    results["wall_s"] = time.monotonic() - started
    gates = gates_of(results)
    write_json(options.out / "engine.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        drawn = {part: f"synthetic: random_scene seeds {some.start} to {some.stop - 1}" for part, some in seeds.items()}
        inputs = {
            "accuracy": f"{drawn['accuracy']}; where seed % {STACKS_EVERY} == {STACKS_EVERY - 1}: {STACKS}; else: {ACCURACY}",
            "cameras": f"{drawn['cameras']}: {CAMERAS}",
            "speed": drawn["speed"],
            **options.inputs,
        }
        write_benchmark(
            options.benchmark,
            f"make bench-engine SEED={options.seed}",
            results,
            gates,
            seed=options.seed,
            inputs=inputs,
            packages=PACKAGES,
            baselines=baselines_of(results),
        )
    print_report(results, gates)
    return all(gate.passed for gate in gates)


def synthetic_results(accuracy: Sequence[FrameResult], cameras: Sequence[FrameResult]) -> dict[str, Any]:
    """Everything from rendered scenes."""
    inside = [result for result in accuracy if result.family in IN_FAMILY]
    outside = [result for result in accuracy if result.family in OUT_OF_FAMILY]
    return {
        "in_family": _side(inside),
        "out_of_family": _side(outside),
        "by_family": {
            family: _family([result for result in accuracy if result.family == family]) for family in (*IN_FAMILY, *OUT_OF_FAMILY)
        },
        "any_camera_without_up": _camera([result for result in cameras if not result.with_up]),
        "any_camera_with_up": _camera([result for result in cameras if result.with_up]),
        "stacks": _stacks([result for result in accuracy if result.stacks]),
        "relations_without_truth": sorted(set(RELATIONS) - set(TRUTHS)),
        "relations_never_asked": _never_asked(accuracy),
    }


def _side(results: Sequence[FrameResult]) -> dict[str, Any]:
    return {
        **score_facts(results),
        "scenes": len({result.seed for result in results}),
        "scenes_with_a_thing_on_a_thing": len({result.seed for result in results if result.true_pairs["on"]}),
        "discovery": score_discovery(results),
        "support": score_tilt(results),
        "by_thing": break_down_things(results),
        "verdicts_by_thing": break_down_verdicts(results),
        "quantities_by_view": break_down_facts(results),
    }


def _stacks(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Scenes that are drawn for things on things, and how many of them show one."""
    facts = score_facts(results)
    return {
        "scenes": len({result.seed for result in results}),
        "scenes_with_a_thing_on_a_thing": len({result.seed for result in results if result.true_pairs["on"]}),
        "verdicts": {name: facts["verdicts"][name] for name in ("on", "contained", "touching", "above")},
        "asked": {name: facts["asked"][name] for name in ("on", "contained", "touching", "above")},
        "rare_in_family": score_rare([result for result in results if result.family in IN_FAMILY]),
        "rare_out_of_family": score_rare([result for result in results if result.family in OUT_OF_FAMILY]),
        "discovery": score_discovery(results),
        "support": score_tilt(results),
    }


def _never_asked(results: Sequence[FrameResult]) -> list[str]:
    """Relations of the registry of which no query was put, for want of a truth or of things."""
    rows, _ = asked(results)
    return sorted(set(RELATIONS) - {RELATION_NAMES[index] for index in np.unique(rows["relation"])})


def _family(results: Sequence[FrameResult]) -> dict[str, Any]:
    facts = score_facts(results)
    return {"quantities": facts["quantities"], "all_verdicts": facts["all_verdicts"], "discovery": score_discovery(results)}


def _camera(results: Sequence[FrameResult]) -> dict[str, Any]:
    return {**score_tilt(results), "discovery": score_discovery(results)}
