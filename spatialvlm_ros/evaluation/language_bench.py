"""``spatialvlm bench-language``: reading, reasoning and answering against truth, figures with gates into one file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..reasoning.grammar import composed_kinds
from ..simulation.random_scene import SceneSampling
from .benchmark_file import sha256, write_benchmark, write_json
from .engine_accuracy import on_workers
from .engine_bench import FITTED_NOTE, FITTED_SEEDS
from .engine_render import IN_FAMILY, render_scene
from .engine_scenes import Observer
from .free_answers import score_free_answers
from .language_draw import draw
from .language_examples import run_examples
from .language_fuzz import FuzzResult, fuzz, score_fuzz
from .language_gates import baselines_of, gates_of
from .language_judge import Judged
from .language_logic import ask_all, kinds_in_turn
from .language_report import plot_reliability, print_report
from .language_round_trip import Trip, score_trips, travel_all
from .language_scenes import measured_scene, true_scene
from .language_scores import constant_baseline, score_logic, score_measured
from .language_speed import SpeedExtent, run_speed
from .language_truth_kinds import truth_of_kind

PACKAGES = ("numpy", "scipy", "opencv-python-headless", "opencv-python")
FREE_ANSWERS = Path(__file__).resolve().parents[2] / "test" / "language" / "free_answers.yaml"
# Seeds of the parts do not meet, and keep clear of the engine's and of those its constants were fitted on.
_TRUE_SEEDS, _MEASURED_SEEDS, _SPEED_SEEDS, _FUZZ_SEED = 300_000, 400_000, 500_000, 600_000
_SCENES_A_JOB = 10
# A part of the fuzz takes the first of so many scenes on which things are found.
_SEEDS_A_PART = 10
FUZZED = SceneSampling(num_things=(5, 5))
NOTES = (
    FITTED_NOTE,
    "all scenes are synthetic; expected answers are worked out on meshes by functions that read no tree and no registry",
    "yes/no, which and counting questions whose truth is less than 3 mm from being otherwise are left out and counted",
    "where the registry's definition of width, gap, path width and fits differs from the mesh's (shapes that are not their "
    "own mirror images, such as a mug; 'on' and 'in' with the play given to a camera; fits at whole degrees), a number is right "
    "between both, and a verdict is asked for only where both agree",
    "on measured scenes a number is right within 10 % or 1 cm (5 cm2 of an area), and unsure when two stated deviations exceed "
    "that; a verdict or a choice is unsure within the band of 2.3 to 97.7 %, a count when another one is likelier than 2.3 %",
)


@dataclass(frozen=True)
class LanguageExtent:
    """How much is run.

    Attributes:
        names: random names of the round trip.
        true_scenes, measured_scenes: scenes; each measured one is seen with every family's noise.
        questions: kinds asked about on each scene, those that come next.
        inputs: of the fuzz.
    """

    names: int = 10_000
    true_scenes: int = 260
    measured_scenes: int = 60
    questions: int = 60
    inputs: int = 100_000
    parts: int = 8
    speed: SpeedExtent = field(default_factory=SpeedExtent)


QUICK = LanguageExtent(200, 8, 1, 40, 1200, 2, SpeedExtent(1, 1, 20, 60))


@dataclass(frozen=True)
class LanguageBenchOptions:
    """What to run and where results go.

    Attributes:
        out: gets pictures and language.json.
        benchmark: also write this benchmark file.
        seed: added to the seeds of all scenes, at least 0.
        free_answers: the labelled list.
    """

    out: Path = Path("out/language")
    benchmark: Path | None = None
    extent: LanguageExtent = field(default_factory=LanguageExtent)
    workers: int = 2
    seed: int = 0
    free_answers: Path = FREE_ANSWERS

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} must not be below 0")
        if not self.free_answers.is_file():
            raise ValueError(f"there are no labelled answers at {self.free_answers}; run this in a checkout of the repository")


@dataclass(frozen=True)
class Job:
    """A part of the work for one process: ``part`` is "trips", "true", "measured" or "fuzz", ``index`` which one of it."""

    part: str
    index: int


@dataclass
class Found:
    """What the jobs have found."""

    trips: list[Trip] = field(default_factory=list)
    true: list[Judged] = field(default_factory=list)
    by_number: list[Judged] = field(default_factory=list)
    in_words: list[Judged] = field(default_factory=list)
    images_without_things: int = 0
    fuzz: list[FuzzResult] = field(default_factory=list)


def run_language_bench(options: LanguageBenchOptions) -> bool:
    """Run all parts, print a table, write the files. True when every gate passed."""
    started = time.monotonic()
    extent = options.extent
    # Timing first, with nothing of ours beside it.
    speed = next(iter(on_workers(partial(run_speed, extent=extent.speed), [_SPEED_SEEDS + options.seed], 1)))
    found = _run_jobs(options)
    results = {**results_of(found, options), "speed": speed, "notes": list(NOTES), "wall_s": time.monotonic() - started}
    gates = gates_of(results)
    write_json(options.out / "language.json", {**results, "gates": [gate.to_json() for gate in gates]})
    plot_reliability(results["measured"], options.out / "reliability.png")
    if options.benchmark is not None:
        write_benchmark(
            options.benchmark,
            f"make bench-language SEED={options.seed}",
            results,
            gates,
            seed=options.seed,
            inputs=_inputs(options),
            packages=PACKAGES,
            baselines=baselines_of(results),
        )
    print_report(results, gates)
    return all(gate.passed for gate in gates)


def results_of(found: Found, options: LanguageBenchOptions) -> dict[str, Any]:
    """Figures of everything but speed."""
    kinds = tuple(composed_kinds())
    logic = score_logic(found.true, kinds)
    return {
        "round_trip": score_trips(found.trips),
        "free_answers": _free_answers(options.free_answers),
        "logic": {**logic, "kinds_without_truth": [kind for kind in kinds if truth_of_kind(kind) is None]},
        "examples": run_examples(),
        "measured": {
            "by_number": score_measured(found.by_number),
            "in_words": score_measured(found.in_words),
            "constant": constant_baseline(found.by_number),
            "images_with_too_few_things": found.images_without_things,
        },
        "fuzz": score_fuzz(found.fuzz, options.extent.inputs),
    }


def _inputs(options: LanguageBenchOptions) -> dict[str, str]:
    extent, seed = options.extent, options.seed

    def seeds(first: int, count: int) -> str:
        return f"synthetic: random_scene seeds {first + seed} to {first + seed + count - 1}"

    return {
        "free_answers.yaml": sha256(options.free_answers),
        "names": f"{extent.names} by language_names.random_names({seed})",
        "true scenes": f"{seeds(_TRUE_SEEDS, extent.true_scenes)}: {SceneSampling()}",
        "measured scenes": f"{seeds(_MEASURED_SEEDS, extent.measured_scenes)}: noise of {', '.join(IN_FAMILY)}, up by tf",
        "speed": f"the first {extent.speed.scenes} of random_scene seeds from {_SPEED_SEEDS + seed} on that show 8 things",
        "fuzz": f"{extent.inputs} inputs by language_fuzz_inputs, seeds {_FUZZ_SEED + seed} and on",
        "fitted seeds left out": f"{FITTED_SEEDS.start} to {FITTED_SEEDS.stop - 1}",
    }


def _free_answers(path: Path) -> dict[str, Any]:
    score = score_free_answers(_entries(path))
    return {
        "entries": score.total, "right": score.right, "right_share": score.share_right, "silently_wrong": score.silently_wrong,
        "not_right": list(score.failures),
    }  # fmt: skip


@cache
def _entries(path: Path) -> list[dict[str, Any]]:
    import yaml

    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


# -- jobs ---------------------------------------------------------------------------------------------------------------


def jobs_of(extent: LanguageExtent) -> list[Job]:
    """All jobs, fuzz last: it leaves an audit hook behind."""
    true = -(-extent.true_scenes // _SCENES_A_JOB)
    counts = {"trips": extent.parts, "true": true, "measured": extent.measured_scenes, "fuzz": extent.parts}
    return [Job(part, index) for part, count in counts.items() for index in range(count)]


def _run_jobs(options: LanguageBenchOptions) -> Found:
    jobs, found = jobs_of(options.extent), Found()
    work = partial(_work, jobs=jobs, extent=options.extent, seed=options.seed, answers=options.free_answers)
    for job, result in zip(jobs, on_workers(work, range(len(jobs)), options.workers), strict=True):
        if job.part == "trips":
            found.trips += result
        elif job.part == "true":
            found.true += result
        elif job.part == "fuzz":
            found.fuzz.append(result)
        else:
            found.by_number += result[0]
            found.in_words += result[1]
            found.images_without_things += result[2]
    return found


def _work(number: int, jobs: Sequence[Job], extent: LanguageExtent, seed: int, answers: Path) -> Any:
    job = jobs[number]
    if job.part == "trips":
        return travel_all(seed, extent.names, job.index, extent.parts)
    if job.part == "true":
        first = job.index * _SCENES_A_JOB
        return _true_scenes(range(first, min(first + _SCENES_A_JOB, extent.true_scenes)), extent, seed)
    if job.part == "measured":
        return _measured_images(job.index, extent, seed)
    return _fuzz_part(job.index, extent, seed, [entry["text"] for entry in _entries(answers)])


def _true_scenes(indices: range, extent: LanguageExtent, seed: int) -> list[Judged]:
    found: list[Judged] = []
    for index in indices:
        posed = true_scene(_TRUE_SEEDS + seed + index, SceneSampling())
        found += ask_all(posed, kinds_in_turn(index * extent.questions, extent.questions), seed, exact=True)
    return found


def _measured_images(index: int, extent: LanguageExtent, seed: int) -> tuple[list[Judged], list[Judged], int]:
    """One scene with each family's noise, things by number and in words; images on which fewer than two things were found."""
    rendered = render_scene(_MEASURED_SEEDS + seed + index, SceneSampling())
    by_number: list[Judged] = []
    in_words: list[Judged] = []
    without = 0
    for turn, family in enumerate(IN_FAMILY):
        measured = measured_scene(rendered, family, Observer(family))
        if measured is None:
            without += 1
            continue
        kinds = kinds_in_turn((index * len(IN_FAMILY) + turn) * extent.questions, extent.questions)
        by_number += ask_all(measured.by_number, kinds, seed, exact=False)
        in_words += ask_all(measured.in_words, kinds, seed, exact=False)
    return by_number, in_words, without


def _fuzz_part(index: int, extent: LanguageExtent, seed: int, answers: Sequence[str]) -> FuzzResult:
    """A share of the inputs, made of questions about the things on one image, on which trees are answered as well."""
    first = _FUZZ_SEED + _SEEDS_A_PART * index + seed
    family = next(iter(IN_FAMILY))
    seeds = range(first, first + _SEEDS_A_PART)
    measured = (measured_scene(render_scene(number, FUZZED), family, Observer(family)) for number in seeds)
    posed = next(found.by_number for found in measured if found is not None)
    generator = np.random.default_rng((seed, index, 47))
    drawn = [draw(posed, kind, generator) for kind in list(composed_kinds())[index :: extent.parts]]
    questions = [question.text for question in drawn if question is not None]
    count = extent.inputs // extent.parts + (index < extent.inputs % extent.parts)
    return fuzz(count, first, questions, answers, posed.scene, posed.names)
