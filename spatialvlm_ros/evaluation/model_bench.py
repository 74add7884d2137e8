"""``spatialvlm bench-model``: a model on scenes that it never saw, against truth, baselines and controls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from .benchmark_file import write_benchmark, write_json
from .engine_accuracy import on_workers
from .engine_real import LabelledFrame
from .model_exam import MIDDLES, Exam, exam_of
from .model_fallback import WordsOnly
from .model_gates import baselines_of, gates_of
from .model_gripper import gripper_scenes
from .model_judge import Sat, sit
from .model_real import real_exams
from .model_report import print_report
from .model_scenes import IN, NOTES, OUT, TestScene, scene_of
from .model_scores import answers_of, score_answers, score_names
from .model_source import opened
from .model_speed import run_memory, run_speed
from .vqa_baselines import constant_score, words_alone
from .vqa_metrics import score

PACKAGES = ("torch", "transformers", "numpy", "scipy", "opencv-python-headless", "opencv-python", "open3d", "mujoco")
# Scenes that nobody trains or tunes on; 500000 to 699999 are for validation.
TEST_SEEDS = range(700_000, 740_000)
_OUT_SEEDS, _GRIPPER_SEEDS, _SPEED_SEEDS = 10_000, 20_000, 30_000
GRIPPER = "gripper"
MODEL, FALLBACK, RGB, DEPTH = "model", "fallback", "rgb_shuffled", "depth_shuffled"
# The model on the scenes that the controls saw, and on no others.
BESIDE = "model_beside_controls"
Sitting = dict[str, Sat]


@dataclass(frozen=True)
class ModelExtent:
    """How much is run: scenes in and out of the domain, simulated cells with ``poses`` of the gripper each, timed frames.

    The controls (shuffled colour, shuffled depth) see every ``controls_every``-th scene.
    """

    inside: int = 96
    outside: int = 64
    cells: int = 10
    poses: int = 3
    controls_every: int = 3
    timed: int = 15
    width_px: int = 640
    # Of the timing; each model counts with what it is quickest with.
    threads: tuple[int, ...] = (1, 2)


QUICK = ModelExtent(inside=2, outside=2, cells=1, poses=1, controls_every=2, timed=2)


@dataclass(frozen=True)
class ModelBenchOptions:
    """What to run and where results go.

    Attributes:
        model: "words" for the words-only fallback, else as of vlm.factory.open_vlm.
        seed: added to the seeds of all scenes, 0 to 9000. Raises ValueError beyond.
        first_seed: of all scenes; those of TEST_SEEDS unless a model is being developed.
        demos: figures of the live demo, by who bound its names; they go into the results as they are.
        frames: labelled frames of a real camera, with ``inputs`` naming their files' hashes.
    """

    out: Path = Path("out/model")
    benchmark: Path | None = None
    model: str = "embedded"
    extent: ModelExtent = field(default_factory=ModelExtent)
    workers: int = 2
    seed: int = 0
    first_seed: int = TEST_SEEDS.start
    frames: Sequence[LabelledFrame] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    demos: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= 9_000:
            raise ValueError(f"seed {self.seed} is not in 0 .. 9000: the scenes of the parts would meet")

    def seeds(self) -> dict[str, range]:
        """The seeds of each part; the parts do not meet."""
        first, extent = self.first_seed + self.seed, self.extent
        return {
            IN: range(first, first + extent.inside),
            OUT: range(first + _OUT_SEEDS, first + _OUT_SEEDS + extent.outside),
            GRIPPER: range(first + _GRIPPER_SEEDS, first + _GRIPPER_SEEDS + extent.cells),
            "speed": range(first + _SPEED_SEEDS, first + _SPEED_SEEDS + extent.timed),
        }


# -- jobs of the workers ----------------------------------------------------------------------------------------------------


def job_of(
    number: int, drawn: Sequence[tuple[str, int]], spec: str, extent: ModelExtent, first: Mapping[str, int]
) -> list[Sitting]:
    """The sittings of the scene, or of the cell's poses, that stands at a place of ``drawn`` (part, seed)."""
    part, seed = drawn[number]
    with_controls = (seed - first[part]) % extent.controls_every == 0
    if part == GRIPPER:
        return _gripper(seed, spec, extent, with_controls)
    scene = scene_of(seed, part, extent.width_px)
    # The controls' other half comes from the next seed but one.
    other = scene_of(seed + 2, part, extent.width_px) if with_controls else None
    return [sittings(scene, exam_of(scene), spec, other)]


def _gripper(seed: int, spec: str, extent: ModelExtent, with_controls: bool) -> list[Sitting]:
    """All poses of one simulated cell; the first image's controls come from another cell."""
    control, _ = next(gripper_scenes(seed + 2, 1), (None, None)) if with_controls else (None, None)
    controls = chain([control], repeat(None))
    return [
        sittings(scene, exam_of(scene, MIDDLES, tool), spec, other)
        for (scene, tool), other in zip(gripper_scenes(seed, extent.poses), controls, strict=False)
    ]


def sittings(scene: TestScene, exam: Exam, spec: str, control: TestScene | None) -> Sitting:
    """One exam taken by the model, by the fallback, and with ``control`` by the model with colour or depth of another image."""
    vlm = opened(spec)
    found = {MODEL: sit(scene, exam, vlm), FALLBACK: sit(scene, exam, WordsOnly())}
    if control is not None:
        found[RGB] = sit(scene.with_images(color=control.frame.color), exam, vlm)
        found[DEPTH] = sit(scene.with_images(depth_m=control.frame.depth_m), exam, vlm)
    return found


def real_sittings(frames: Sequence[LabelledFrame], spec: str) -> list[Sitting]:
    """Real frames that have names."""
    return [sittings(scene, exam, spec, None) for scene, exam in real_exams(frames)]


# -- results ----------------------------------------------------------------------------------------------------------------


def run_model_bench(options: ModelBenchOptions) -> bool:
    """Run all parts, print a table, write the files. True when every gate passed."""
    started = time.monotonic()
    extent, seeds, spec = options.extent, options.seeds(), options.model
    speed = _speed(options)
    drawn = [(part, seed) for part in (IN, OUT, GRIPPER) for seed in seeds[part]]
    job = partial(job_of, drawn=drawn, spec=spec, extent=extent, first={part: some.start for part, some in seeds.items()})
    parts: dict[str, list[Sitting]] = {}
    for (part, _), found in zip(drawn, on_workers(job, range(len(drawn)), options.workers), strict=True):
        parts.setdefault(part, []).extend(found)
    parts["real"] = real_sittings(options.frames, spec)
    results: dict[str, Any] = {"model": opened(spec).version, "notes": NOTES, "speed": speed, "demos": options.demos}
    results["splits"] = {name: split_results(found) for name, found in parts.items() if found}
    results["wall_s"] = time.monotonic() - started
    gates = gates_of(results)
    write_json(options.out / "model.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        inputs = {part: f"synthetic: seeds {some.start} to {some.stop - 1}" for part, some in seeds.items()}
        write_benchmark(
            options.benchmark, f"make bench-model SEED={options.seed} MODEL={spec}", results, gates, seed=options.seed,
            inputs={**inputs, **options.inputs}, packages=PACKAGES, baselines=baselines_of(results),
        )  # fmt: skip
    print_report(results, gates)
    return all(gate.passed for gate in gates)


def _speed(options: ModelBenchOptions) -> dict[str, Any]:
    """Time and memory, each in a process of its own with nothing of ours beside it."""
    seeds, width = options.seeds()["speed"], options.extent.width_px
    scene = scene_of(seeds.start, IN, width)
    timed = partial(run_speed, spec=options.model, seeds=seeds, width_px=width, threads=options.extent.threads)
    weighed = partial(run_memory, scene=scene, exam=exam_of(scene), spec=options.model)
    return {**next(iter(on_workers(timed, [0], 1))), "memory": next(iter(on_workers(weighed, [0], 1)))}


def split_results(found: Sequence[Sitting]) -> dict[str, Any]:
    """Everything of one part: the model, the fallback and the baselines on the same questions; the controls, and the model
    beside them, on every ``controls_every``-th scene.
    """
    taken = {who: [sitting[who] for sitting in found if who in sitting] for who in (MODEL, FALLBACK, RGB, DEPTH)}
    taken[BESIDE] = [sitting[MODEL] for sitting in found if RGB in sitting]
    results: dict[str, Any] = {"images": len(found)}
    for who, sat in taken.items():
        if sat:
            results[who] = _answers(sat)
    results["baselines"] = _baselines(taken[MODEL])
    return results


def _answers(sat: Sequence[Sat]) -> dict[str, Any]:
    found: dict[str, Any] = {"names": score_names(sat), "final": score_answers(sat, "final")}
    own = [item for item in sat if item.own]
    if own:
        found["by_depth"] = score_answers(sat, "by_depth")
        found["own"] = score_answers(own, "own")
    if any("gripper" in item.parts for item in sat):
        found["gripper"] = {which: score_answers(some, which, _of_gripper) for which, some in _of_whom(sat, own)}
    found["problems"] = sorted({item.problem for item in sat if item.problem})
    return found


def _of_whom(sat: Sequence[Sat], own: Sequence[Sat]) -> list[tuple[str, Sequence[Sat]]]:
    """What is scored: final answers; of a model that answers, also its own and those without its say."""
    return [("final", sat), *([("by_depth", sat), ("own", own)] if own else [])]


def _of_gripper(part: str) -> bool:
    return part == "gripper"


def _baselines(sat: Sequence[Sat]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in (("questions", None), ("gripper", _of_gripper)):
        records, _ = answers_of(sat, "final", part) if part else answers_of(sat, "final")
        if len({record.image for record in records}) >= 2:
            found[name] = {"best constant": constant_score(records), "text only": score(records, words_alone(records))}
    return found
