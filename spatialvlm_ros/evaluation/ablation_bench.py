"""``spatialvlm bench-ablations``: the paper's ablations at small scale, seeds side by side, into one file.

A run's result is kept under a name that says its settings, its data and the code, so a command that was broken off goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark_file import Gate, sha256, write_benchmark, write_json

PACKAGES = ("numpy", "torch", "safetensors")
# What decides about a result: the network's classes, the renderer, the questions, and the runs.
_CODE = (
    "training/embedded/ablations*.py", "training/embedded/answers_data*.py", "training/embedded/render*.py",
    "training/embedded/scenes*.py", "training/embedded/shading.py", "training/embedded/composites*.py",
    "training/embedded/noise.py",
    "training/embedded/vocabulary*.py", "vlm/embedded/decoder*.py", "vlm/embedded/tower.py", "vlm/embedded/crops.py",
    "vlm/embedded/object_tokens.py",
)  # fmt: skip
FIGURES = ("distance_mae_m", "distance_within_25", "estimates_mae_m", "predicates", "coverage_1", "coverage_2", "names")
NOTES = (
    "synthetic: scenes of the training renderer with seeds that no shipped weights saw; training and judged scenes differ",
    "the network is small (0.8 M parameters) and trained for about half a minute a run: the differences between rows are the "
    "result, not the level, which the shipped model's benchmark (model.json) is about",
    "all runs begin with one decoder that has learnt to read questions about things whose places it is told, and with an encoder "
    "that has learnt what things are (not the row 'new'): as the paper's begin with a language model and an image encoder",
    "what it can show: whether an effect of the paper is there in this design, with its spread over seeds; what it cannot: its "
    "size in a model of thousands of millions of parameters with an encoder trained on the web, or on real images",
    "three seeds give a rough spread: a difference below two of its standard errors is not told from none",
    "names are told by the encoder's own head; where no step is about names (spatial_share 1) it goes stale",
    "the best constant is chosen on the training scenes; 'blind' never sees a thing; 'shuffled' sees another thing's pixels",
)


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        scenes, judged_scenes: to learn from and to be judged on.
        language_steps: of the decoder's first training, which all runs begin with.
        judged_rounds: of 1024 questions each that a run is judged on.
        tables: by table and row, the settings of the row's run (fields of AblationRun without the seed).
    """

    scenes: int
    judged_scenes: int
    language_steps: int
    judged_rounds: int
    seeds: tuple[int, ...]
    reference: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def settings(self) -> list[dict[str, Any]]:
        """Of all runs without their seeds, each once: the reference, the rows, and the blind control."""
        every = [dict(self.reference), {**self.reference, "blind": True}]
        every += [{**self.reference, **row} for table in self.tables.values() for row in table.values()]
        return list({_name(one): one for one in every}.values())


@dataclass(frozen=True)
class AblationBenchOptions:
    """Attributes: out: folder of results. benchmark: file to write, None for none. config: a plan. quick: does it run?"""

    out: Path
    benchmark: Path | None
    config: Path
    workers: int = 2
    quick: bool = False


def read_plan(path: Path, quick: bool) -> Plan:
    """A plan from YAML. Raises ValueError for a file that is none, or names a setting that runs do not have."""
    import yaml

    from ..training.embedded.ablations import AblationRun

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        plan = Plan(
            int(content["scenes"]), int(content["judged_scenes"]), int(content["language_steps"]),
            int(content["judged_rounds"]),
            tuple(int(seed) for seed in content["seeds"]), dict(content["reference"]),
            {name: {str(key): dict(row) for key, row in table.items()} for name, table in content["tables"].items()},
        )  # fmt: skip
        for settings in plan.settings():
            AblationRun(**settings)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no plan of ablations ({error}); config/training/ablations.yaml is one") from error
    if min(plan.scenes, plan.judged_scenes, plan.language_steps, plan.judged_rounds) < 1 or not plan.seeds:
        raise ValueError(f"{path}: scenes, judged_scenes, language_steps, judged_rounds and seeds must not be empty")
    if not quick:
        return plan
    tables = {name: dict(list(table.items())[:2]) for name, table in list(plan.tables.items())[:2]}
    return Plan(24, 16, 4, 1, plan.seeds[:1], {**plan.reference, "steps": 6, "first_steps": 2}, tables)


def run_ablation_bench(options: AblationBenchOptions) -> bool:
    """Run, print, write; whether all gates were met. Raises ValueError for a plan that is none."""
    if options.workers < 1:
        raise ValueError(f"--workers {options.workers}: at least one process is needed")
    plan = read_plan(options.config, options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    _on_one_thread()
    code = _code()
    crops = _data(options.out, plan, code)
    data = (*crops, _language(options.out, plan, crops, code))
    runs = [{**settings, "seed": seed} for settings in plan.settings() for seed in plan.seeds]
    found = _run_all(options, data, runs, plan.judged_rounds, code)
    results, baselines, gates = _results(plan, data, found)
    print_tables(results, baselines)
    content = {"results": results, "baselines": baselines, "gates": [gate.to_json() for gate in gates]}
    write_json(options.out / "ablations.json", content)
    if options.benchmark is not None:
        inputs = {"plan": sha256(options.config), **{path.name: sha256(path) for path in data}}
        command = "spatialvlm bench-ablations" + (" --quick" if options.quick else "")
        write_benchmark(
            options.benchmark, command, results, gates, seed=plan.seeds[0], inputs=inputs, packages=PACKAGES, baselines=baselines
        )
    return all(gate.passed for gate in gates)


# -- running ----------------------------------------------------------------------------------------------------------------


def _on_one_thread() -> None:
    """Threads of a process wait for each other, and what is run beside must give the same bytes."""
    import torch

    torch.set_num_threads(1)


def _data(out: Path, plan: Plan, code: str) -> tuple[Path, Path]:
    """The files of crops to learn from and to be judged on, rendered where they are not there yet."""
    from safetensors.torch import save_file

    from ..training.embedded.ablations_data import JUDGED_FROM, render_crops

    names = (f"crops-{plan.scenes}-{code[:12]}.safetensors", f"judged-{plan.judged_scenes}-{code[:12]}.safetensors")
    paths = (out / names[0], out / names[1])
    for path, first, count in zip(paths, (0, JUDGED_FROM), (plan.scenes, plan.judged_scenes), strict=True):
        if not path.exists():
            print(f"rendering {count} scenes", flush=True)
            part = path.with_suffix(".part")
            save_file({name: tensor.contiguous() for name, tensor in render_crops(first, count).tensors().items()}, part)
            part.replace(path)
    return paths


def _language(out: Path, plan: Plan, crops: Sequence[Path], code: str) -> Path:
    """The file of the decoder that all runs begin with, trained where it is not there yet."""
    from safetensors.torch import save_file

    path = out / f"language-{plan.scenes}-{plan.language_steps}-{code[:12]}.safetensors"
    if not path.exists():
        from ..training.embedded.ablations import train_language

        print(f"first training of the decoder, {plan.language_steps} steps", flush=True)
        data, _ = _opened(crops)
        part = path.with_suffix(".part")
        save_file(train_language(data, plan.language_steps), part)
        part.replace(path)
    return path


def _opened(files: Sequence[Path]) -> tuple[Any, Any]:
    """The data of the first two files, and the decoder's state of the third, None without one."""
    from safetensors.torch import load_file

    from ..training.embedded.ablations import Data
    from ..training.embedded.ablations_data import Crops

    _on_one_thread()
    train, judged = (Crops(**load_file(file)) for file in files[:2])
    return Data(train, judged), load_file(files[2]) if len(files) > 2 else None


def _code() -> str:
    """SHA-256 over the code that decides about a result."""
    from ..training.embedded import ablations

    package = Path(ablations.__file__).parents[2]
    digest = hashlib.sha256()
    for pattern in _CODE:
        for path in sorted(package.glob(pattern)):
            digest.update(f"{path.name}\x1f".encode() + path.read_bytes())
    return digest.hexdigest()


def _run_all(
    options: AblationBenchOptions, data: Sequence[Path], runs: Sequence[Mapping[str, Any]], rounds: int, code: str
) -> dict[str, dict[str, Any]]:
    """Results by the name of the run."""
    folder = options.out / "runs"
    folder.mkdir(exist_ok=True)
    key = hashlib.sha256((code + "".join(sha256(path) for path in data)).encode()).hexdigest()[:16]
    waiting = [(run, data, rounds, folder / f"{_name(run)}-{key}-{rounds}.json") for run in runs]
    todo = [job for job in waiting if not job[-1].exists()]
    print(f"{len(runs)} runs, {len(runs) - len(todo)} of them done before", flush=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(options.workers, max(len(todo), 1)), mp_context=context) as pool:
        for number, told in enumerate(pool.map(run_one, todo), 1):
            print(f"{number} of {len(todo)}: {told}", flush=True)
    return {_name(run): json.loads(path.read_text(encoding="utf-8")) for run, *_, path in waiting}


def _name(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:12]


def run_one(job: tuple[Mapping[str, Any], Sequence[Path], int, Path]) -> str:
    """Train and judge one run and write its figures; what it was, in words."""
    from ..training.embedded.ablations import AblationRun, judge, train_run

    settings, files, rounds, path = job
    run = AblationRun(**settings)
    data, language = _opened(files)
    model = train_run(run, data, language)
    figures: dict[str, Any] = {"settings": asdict(run), "figures": judge(model, data, run, rounds=rounds)}
    if not run.blind and run.seed == 0:
        figures["shuffled"] = judge(model, data, run, shuffled=True, rounds=rounds)
    write_json(path, figures)
    words = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{words}: distance {figures['figures']['distance_mae_m']:.3f} m"


# -- telling ----------------------------------------------------------------------------------------------------------------


def _results(
    plan: Plan, files: Sequence[Path], found: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any], list[Gate]]:
    from ..training.embedded.ablations import constants

    def row(settings: Mapping[str, Any]) -> dict[str, Any]:
        runs = [found[_name({**settings, "seed": seed})] for seed in plan.seeds]
        return summary([run["figures"] for run in runs], plan.seeds) | {"settings": dict(settings)}

    reference = row(plan.reference)
    tables: dict[str, Any] = {}
    for name, table in plan.tables.items():
        rows = {key: row({**plan.reference, **changed}) for key, changed in table.items()}
        tables[name] = {key: one | {"against_reference": against(one, reference)} for key, one in rows.items()}
    first = found[_name({**plan.reference, "seed": plan.seeds[0]})]
    data, _ = _opened(files)
    baselines = {
        "best_constant": constants(data),
        "blind": row({**plan.reference, "blind": True}),
        "reference_with_another_things_pixels": first.get("shuffled", {}),
    }
    sizes = {"things": len(data.train.color), "judged_things": len(data.judged.color), "seeds": list(plan.seeds)}
    results = {"notes": list(NOTES), "sizes": sizes, "reference": reference, "tables": tables}
    return results, baselines, _gates(plan, reference, tables, baselines)


def summary(figures: Sequence[Mapping[str, float | None]], seeds: Sequence[int]) -> dict[str, Any]:
    """Mean, standard deviation over seeds (n - 1) and each seed's value of every figure."""
    out: dict[str, Any] = {"seeds": list(seeds)}
    for name in FIGURES:
        # Files say null where there is no number.
        values = np.array([math.nan if one[name] is None else one[name] for one in figures])
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        out[name] = {"mean": float(values.mean()), "std": spread, "each": values.tolist()}
    return out


def against(row: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Mean differences to the reference, seed by seed, with their standard errors."""
    out = {}
    for name in FIGURES:
        difference = np.array(row[name]["each"]) - np.array(reference[name]["each"])
        error = float(difference.std(ddof=1) / math.sqrt(len(difference))) if len(difference) > 1 else math.nan
        out[name] = {"mean": float(difference.mean()), "standard_error": error}
    return out


def _gates(plan: Plan, reference: Mapping[str, Any], tables: Mapping[str, Any], baselines: Mapping[str, Any]) -> list[Gate]:
    """What has to be so for the tables to say anything; the paper's effects themselves are results, not gates."""
    constant = baselines["best_constant"]["distance_mae_m"]
    shuffled = baselines["reference_with_another_things_pixels"].get("distance_mae_m")
    mae, blind = reference["distance_mae_m"]["mean"], baselines["blind"]["distance_mae_m"]["mean"]
    rows = sum(len(table) for table in tables.values())
    return [
        Gate("seeds of each row", float(len(plan.seeds)), ">=", 3.0),
        Gate("rows of the tables", float(rows), ">=", 14.0),
        Gate("reference: distance error against the best constant's", mae / constant, "<=", 0.7),
        Gate("reference: comparisons beyond 2 cm that are right", reference["predicates"]["mean"], ">=", 0.8),
        Gate("blind: distance error against the best constant's", blind / constant, ">=", 0.9),
        Gate(
            "another thing's pixels: distance error against own pixels'", None if shuffled is None else shuffled / mae, ">=", 1.5
        ),
    ]


def print_tables(results: Mapping[str, Any], baselines: Mapping[str, Any]) -> None:
    """The tables in words."""
    for line in table_lines(results, baselines):
        print(line)


def table_lines(results: Mapping[str, Any], baselines: Mapping[str, Any]) -> Iterable[str]:
    shown = ("distance_mae_m", "distance_within_25", "estimates_mae_m", "predicates", "names")
    yield f"{'':26}" + "".join(f"{name:>22}" for name in shown)
    constant = baselines["best_constant"]
    yield f"{'best constant':26}" + "".join(f"{constant[name]:>22.3f}" for name in shown)
    rows = {"blind": baselines["blind"]}
    rows |= {f"{table}: {key}": row for table, found in results["tables"].items() for key, row in found.items()}
    for name, row in rows.items():
        yield f"{name:26}" + "".join(f"{row[one]['mean']:>14.3f} ± {row[one]['std']:.3f}" for one in shown)
