"""Two designs of the embedded model on the same small budget, into benchmarks/designs.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .benchmark_file import Gate, write_benchmark, write_json

PACKAGES = ("numpy", "torch", "open3d-cpu")
# The design that is shipped has to be at least as good as the other where neither has been: on another renderer's scenes.
_SHIPPED, _OTHER, _DOMAIN = "regions", "whole image", "other renderer, real segmenter"


@dataclass(frozen=True)
class DesignOptions:
    """What to run.

    Attributes:
        cpu_seconds: of one core, for the training of each design.
        quick: a few scenes and seconds: does it run, not how good is it.
    """

    seed: int = 0
    cpu_seconds: float = 600.0
    quick: bool = False
    out: Path = Path("out/designs")
    benchmark: Path | None = None


def bench_designs(options: DesignOptions, report: Callable[[str], None] = print) -> dict[str, dict[str, float]]:
    """Train and judge both; the table, which also goes to ``out/designs.json`` and the benchmark's file."""
    # Loads torch, which nothing here needs before.
    designs: Any = import_module("spatialvlm_ros.training.embedded.designs")
    pools: Any = import_module("spatialvlm_ros.training.embedded.pool")
    seconds = 6.0 if options.quick else options.cpu_seconds
    budget = designs.Budget(cpu_seconds=seconds, seed=options.seed)
    if options.quick:
        budget = designs.Budget(cpu_seconds=seconds, scenes=32, held_out=32, other=range(505_000, 505_004), seed=options.seed)
    folder = options.out / f"pool-{budget.scenes}-{budget.seed}"
    table: dict[str, dict[str, float]] = designs.compare(
        budget, pools.Pool(folder, {"designs": budget.scenes, "seed": budget.seed}), report
    )
    write_json(options.out / "designs.json", table)
    if options.benchmark is not None:
        shipped, other = (table[f"{name} / {_DOMAIN}"] for name in (_SHIPPED, _OTHER))
        gates = [
            Gate("regions beside whole image, right, other renderer", shipped["right"] - other["right"], ">=", 0.0),
            Gate(
                "regions beside whole image, present auroc, other renderer",
                shipped["present auroc"] - other["present auroc"],
                ">=",
                0.0,
            ),
        ]
        write_benchmark(
            options.benchmark,
            "make bench-designs"
            if seconds == DesignOptions.cpu_seconds
            else f"spatialvlm bench-designs --cpu-seconds {seconds:g}",
            {"cpu_seconds": seconds, "scenes": budget.scenes, "table": table},
            gates,
            seed=options.seed,
            inputs={
                "training": f"{budget.scenes} scenes of training/embedded/render.py",
                "same renderer": f"{budget.held_out} unseen scenes of it",
                "other renderer": f"simulation/random_scene.py, seeds {budget.other.start} to {budget.other.stop - 1}",
            },
            packages=PACKAGES,
            baselines={"chance": {name: row["chance"] for name, row in table.items()}},
        )
    return table
