"""``spatialvlm bench-synthesis``: data made of rendered and of real pictures against truth, figures with gates into one file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..simulation.random_scene import SceneSampling
from ..synthesis.ask import AskOptions, make_example
from ..synthesis.balance import BalanceOptions, Selection, count_groups
from ..synthesis.facts import MORE_TYPES, PAPER_TYPES
from ..synthesis.record import Dropped, Example
from .benchmark_file import write_benchmark, write_json
from .engine_accuracy import on_workers
from .engine_bench import FITTED_NOTE
from .engine_render import IN_FAMILY, OUT_OF_FAMILY
from .synthesis_gates import baselines_of, gates_of
from .synthesis_judge import JUDGED, Judge, score, summary
from .synthesis_names import names_of_scene, score_names
from .synthesis_pictures import Viewed, viewed
from .synthesis_real import RealPictures, run_real
from .synthesis_report import print_report
from .synthesis_speed import SpeedExtent, run_steps, run_whole
from .synthesis_text_only import asked_of, at_a_glance, is_first_half, text_only

PACKAGES = ("numpy", "scipy", "pyarrow", "opencv-python-headless", "opencv-python")
# Seeds of the parts do not meet, and keep clear of the other benchmarks' and of those that constants were fitted on.
_VALID_SEEDS, _TEXT_SEEDS, _NAME_SEEDS, _STEP_SEEDS, _RUN_SEEDS = 750_000, 760_000, 770_000, 730_000, 740_000
# Scenes that were looked at while synthesis was made: what it leaves out and how it balances was chosen on them.
LOOKED_AT = (
    range(600_000, 600_360), range(660_000, 660_300), range(670_000, 670_120),
    range(700_000, 700_100), range(710_000, 710_140), range(720_000, 720_036),
)  # fmt: skip
# Things behind things, seen from low: many of a kind, half of them half hidden. Every other scene of the names is of this kind.
CROWDED = SceneSampling(num_things=(8, 14), crowding=0.9, pitch_deg=(-35.0, -15.0))
SELECTIONS = {
    "all_candidates": None,
    "balanced_without_shortcut_control": BalanceOptions(shortcuts=False, priors=False),
    "balanced": BalanceOptions(),
}
NOTES = (
    FITTED_NOTE,
    "scenes that were looked at while synthesis was made are left out: seeds "
    + ", ".join(f"{seeds.start} to {seeds.stop - 1}" for seeds in LOOKED_AT),
    "rendered scenes are synthetic: masks and names are the renderer's, depth has the noise of a sensor, facts are measured "
    "on it; truth is worked out on meshes by functions that share no code with the registry",
    "a comparison is uncertain where the answer says so; a number is where two of its stated deviations exceed 10 % and 1 cm "
    "(5 degrees of a direction)",
    "a number is valid when the truth lies in the range that its words stand for, or when the number before rounding is within "
    "10 % or 1 cm of it",
    "polarity errors: the answer's words say another verdict, choice, side or sign than the pair records",
    "text only: fitted on one half of the pictures, judged on the other one, and the other way round; each half is balanced as a "
    "data set of its own; decided answers only; chance is one half",
    "real pictures: truth is the depth of the labelled pixels, so what the sensor gets wrong is in neither; no labels, no truth",
)


@dataclass(frozen=True)
class SynthesisExtent:
    """How much is run.

    Attributes:
        valid_scenes: judged with the noise of each family that the model describes and of one that it does not.
        text_scenes: for the words alone, beside those.
        name_scenes: with names that several things share.
    """

    valid_scenes: int = 100
    text_scenes: int = 480
    name_scenes: int = 100
    speed: SpeedExtent = field(default_factory=SpeedExtent)


# Two scenes of names: the second is a crowded one, on which several things share a name.
QUICK = SynthesisExtent(2, 4, 2, SpeedExtent(1, 2, 2))


@dataclass(frozen=True)
class SynthesisBenchOptions:
    """What to run and where results go.

    Attributes:
        out: gets synthesis.json.
        benchmark: also write this benchmark file.
        seed: added to the seeds of all scenes, at least 0.
        real: recorded pictures at hand.
        inputs: what they were read from, with sha256.
    """

    out: Path = Path("out/synthesis")
    benchmark: Path | None = None
    extent: SynthesisExtent = field(default_factory=SynthesisExtent)
    workers: int = 2
    seed: int = 0
    real: Sequence[RealPictures] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} must not be below 0")


@dataclass(frozen=True)
class Job:
    """A part of the work for one process: ``part`` is "valid", "text" or "names", ``index`` which scene of it."""

    part: str
    index: int


@dataclass
class Found:
    """What the jobs have found.

    Attributes:
        judged: by family of noise.
        examples: for the words alone.
        without_pairs: pictures that gave none.
    """

    judged: dict[str, list[npt.NDArray[np.void]]] = field(default_factory=dict)
    names: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    without_pairs: int = 0


def run_synthesis_bench(options: SynthesisBenchOptions) -> bool:
    """Run all parts, print a table, write the files. True when every gate passed."""
    started = time.monotonic()
    # Timing first, with nothing of ours beside it.
    speed = _speed(options)
    found = _run_jobs(options)
    real = run_real(options.real, options.seed)
    results = {**results_of(found), "speed": speed, "real": real, "notes": list(NOTES), "wall_s": time.monotonic() - started}
    gates = gates_of(results)
    write_json(options.out / "synthesis.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        write_benchmark(
            options.benchmark,
            f"make bench-synthesis SEED={options.seed}",
            results,
            gates,
            seed=options.seed,
            inputs={**_inputs(options), **options.inputs},
            packages=PACKAGES,
            baselines=baselines_of(results),
        )
    print_report(results, gates)
    return all(gate.passed for gate in gates)


def results_of(found: Found) -> dict[str, Any]:
    """Figures of everything but speed and real pictures."""
    validity = {}
    for side, families in (("in_family", IN_FAMILY), ("out_of_family", OUT_OF_FAMILY)):
        rows = [rows for family in families for rows in found.judged.get(family, [])]
        by_relation = score(np.concatenate(rows) if rows else np.zeros(0, JUDGED))
        validity[side] = {"by_relation": by_relation, "summary": summary(by_relation)}
    asked = {*PAPER_TYPES, *MORE_TYPES}
    return {
        "validity": validity,
        "types_never_asked": sorted(asked - set(validity["in_family"]["by_relation"])),
        "names": score_names(found.names),
        "text_only": _text_only(found.examples),
        "pictures_without_pairs": found.without_pairs,
    }


def _text_only(examples: Sequence[Example]) -> dict[str, Any]:
    """What words and a glance tell, of all candidates and of what each way to balance leaves of them.

    The half that is learnt from and the half that is judged are two data sets, each balanced by its own counts.
    """
    halves = [[one for one in examples if is_first_half(one.key) == first] for first in (True, False)]
    figures = {}
    for name, balance in SELECTIONS.items():
        kept = examples if balance is None else [one for half in halves for one in _balanced(half, balance)]
        asked = [one for example in kept for one in asked_of(example)]
        figures[name] = {
            "pictures": sum(bool(example.pairs) for example in kept),
            "pairs": len(asked),
            **text_only(asked),
            "at_a_glance": at_a_glance(asked),
        }
    return figures


def _balanced(examples: Sequence[Example], balance: BalanceOptions) -> list[Example]:
    selection = Selection.from_counts(count_groups(pair for example in examples for pair in example.pairs), balance)
    return [replace(one, pairs=tuple(pair for pair in one.pairs if selection.keep(pair))) for one in examples]


def _inputs(options: SynthesisBenchOptions) -> dict[str, str]:
    extent, seed = options.extent, options.seed

    def seeds(first: int, count: int) -> str:
        return f"synthetic: random_scene seeds {first + seed} to {first + seed + count - 1}"

    return {
        "validity": f"{seeds(_VALID_SEEDS, extent.valid_scenes)}: noise of {', '.join(IN_FAMILY)} and one of "
        f"{', '.join(OUT_OF_FAMILY)} in turn, {SceneSampling()}",
        "text only": f"those with one family's noise, and {seeds(_TEXT_SEEDS, extent.text_scenes)}",
        "names": f"{seeds(_NAME_SEEDS, extent.name_scenes)}, every other one from {CROWDED}",
        "steps": seeds(_STEP_SEEDS, extent.speed.pictures + 1),
        "whole runs": seeds(_RUN_SEEDS, extent.speed.run_pictures),
    }


def _speed(options: SynthesisBenchOptions) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-synthesis-") as folder:
        scratch = Path(folder)
        steps = partial(run_steps, extent=options.extent.speed, first_seed=_STEP_SEEDS + options.seed, scratch=scratch)
        by_step = next(iter(on_workers(steps, [0], 1)))
        return {"steps": by_step, "whole": run_whole(options.extent.speed, _RUN_SEEDS + options.seed, scratch)}


# -- jobs ---------------------------------------------------------------------------------------------------------------------


def jobs_of(extent: SynthesisExtent) -> list[Job]:
    """All jobs, the longest first."""
    counts = {"valid": extent.valid_scenes, "names": extent.name_scenes, "text": extent.text_scenes}
    return [Job(part, index) for part, count in counts.items() for index in range(count)]


def _run_jobs(options: SynthesisBenchOptions) -> Found:
    jobs, found = jobs_of(options.extent), Found()
    work = partial(_work, jobs=jobs, seed=options.seed)
    for job, result in zip(jobs, on_workers(work, range(len(jobs)), options.workers), strict=True):
        if result is None:
            found.without_pairs += 1
        elif job.part == "names":
            found.names.append(result)
        else:
            judged, examples, without = result
            for family, rows in judged.items():
                found.judged.setdefault(family, []).append(rows)
            found.examples += examples
            found.without_pairs += without
    return found


def _work(number: int, jobs: Sequence[Job], seed: int) -> Any:
    job = jobs[number]
    family = tuple(IN_FAMILY)[job.index % len(IN_FAMILY)]
    if job.part == "names":
        view = viewed(_NAME_SEEDS + seed + job.index, CROWDED if job.index % 2 else None)
        return None if view is None else names_of_scene(view, family, seed, AskOptions())
    view = viewed((_VALID_SEEDS if job.part == "valid" else _TEXT_SEEDS) + seed + job.index)
    if view is None:
        return None
    if job.part == "valid":
        return _judged(view, family, tuple(OUT_OF_FAMILY)[job.index % len(OUT_OF_FAMILY)], seed)
    try:
        return {}, [_light(make_example(view.noisy(family), AskOptions(), seed))], 0
    except Dropped:
        return None


def _judged(view: Viewed, text_family: str, outside: str, seed: int) -> tuple[dict[str, Any], list[Example], int]:
    """One scene with the noise of several families: pairs judged by family, and the example of one of them."""
    judge = Judge(view.truth, view.things)
    options = AskOptions(relations=(*PAPER_TYPES, *MORE_TYPES))
    judged, examples, without = {}, [], 0
    for family in (*IN_FAMILY, outside):
        try:
            example = make_example(view.noisy(family), options, seed)
        except Dropped:
            without += 1
            continue
        judged[family] = judge.judge(example.pairs)
        if family == text_family:
            own = tuple(pair for pair in example.pairs if pair.query.relation in PAPER_TYPES)
            examples.append(_light(replace(example, pairs=own)))
    return judged, examples, without


def _light(example: Example) -> Example:
    """Without the picture, for the way between processes."""
    return replace(example, image=b"")
