"""``spatialvlm bench-label``: how fast recordings are labelled, beside reading them alone, and in how much memory."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluation.benchmark_file import Gate, sha256, write_benchmark, write_json
from ..evaluation.reward_scripts import FAMILIES
from ..share import config_file
from .bag_reader import BagReader
from .label_bench_bag import FAMILY, RATE_HZ, SIZE_PX, write_bag

PACKAGES = ("numpy", "scipy", "opencv-python-headless", "opencv-python", "rosbags", "pyarrow", "mujoco")
NOTES = (
    "recordings are simulated (synthetic): a robot arm does a task before a camera; raw images, MCAP, not compressed",
    "each figure is of a run of the command in a process of its own, start included",
    "reading alone: all messages of the same file, by rosbags, deserialised, nothing done with them",
    "the long recordings are about a minute each, as one sitting of a teleoperator is: four whole episodes of four different "
    "scenes, with pauses; the short one is one episode",
    "start: the command on a recording of two images, everything loaded and nothing much labelled",
    "processor seconds count all processes of a run and hardly depend on what else the machine does; wall seconds do",
    "memory is the largest resident set of the process tree, sampled",
    "focus: label --focus-s 0.5: an image is taken whole twice a second, less often "
    "where nothing but the robot and those things moves, and those between are looked at where the things "
    "of the task are; how far its labels are from those of whole images stands beside it: where a stage begins an image earlier "
    "or later, distances of two stages are compared, so that the largest in one stage is told as well",
)
_FOCUS = ("--focus-s", "0.5")
_SAMPLE_S = 0.05


@dataclass(frozen=True)
class LabelBenchOptions:
    """What to run and where results go.

    Attributes:
        out: gets label.json.
        benchmark: also write this benchmark file.
        scenes: of each long recording, an episode each; the short one has one.
        seed: of the scenes.
    """

    out: Path = Path("out/label-bench")
    benchmark: Path | None = None
    scenes: int = 4
    seed: int = 0


@dataclass
class Run:
    """One run of the command."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Recording:
    """A bag with so many images, and of which scenes they are."""

    path: Path
    frames: int
    scenes: str

    @property
    def megabytes(self) -> float:
        return self.path.stat().st_size / 1e6


def run_label_bench(options: LabelBenchOptions) -> bool:
    """Make recordings, label them in several ways, print a table, write the files. True when every gate passed."""
    with tempfile.TemporaryDirectory(prefix="bench-label-") as folder:
        place = Path(folder)
        recordings = _recordings(place, options)
        inputs = {f"synthetic, {FAMILY}, {one.scenes}: {one.path.name}": sha256(one.path) for one in recordings.values()}
        results = _results(place, recordings)
    gates = gates_of(results)
    write_json(options.out / "label.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        write_benchmark(
            options.benchmark, f"make bench-label SEED={options.seed}", results, gates, seed=options.seed, inputs=inputs,
            packages=PACKAGES, baselines={"reading alone, MB/s": results["reading"]["mb_per_s"]},
        )  # fmt: skip
    for gate in gates:
        print(f"{'met   ' if gate.passed else 'MISSED'} {gate.name}: {gate.value:.4g} ({gate.op} {gate.target:g})")
    return all(gate.passed for gate in gates)


def _recordings(place: Path, options: LabelBenchOptions) -> dict[str, _Recording]:
    """The short one, two long ones of different scenes, and the first images of one."""
    count = options.scenes
    first = 10 * count * options.seed
    own, other = range(first, first + count), range(first + count, first + 2 * count)
    return {
        "short": _recorded(place / "short.mcap", own[:1]), "long": _recorded(place / "long.mcap", own),
        "other": _recorded(place / "other.mcap", other), "start": _recorded(place / "start.mcap", own[:1], 2),
    }  # fmt: skip


def _recorded(path: Path, seeds: range, most: float = math.inf) -> _Recording:
    return _Recording(path, write_bag(path, seeds, most), f"scenes {seeds[0]} to {seeds[-1]}")


def _results(place: Path, recordings: Mapping[str, _Recording]) -> dict[str, Any]:
    short, long, other = recordings["short"], recordings["long"], recordings["other"]
    both, two = [long, other], ("--workers", "2")
    start = _label(place / "start", [recordings["start"]], *_FOCUS)
    runs = {
        "short, 1 worker": (_label(place / "a", [short]), [short]),
        "long, 1 worker": (_label(place / "b", [long]), [long]),
        "long, 2 workers": (_label(place / "c", [long], *two), [long]),
        "two long ones, 2 workers": (_label(place / "d", both, *two), both),
        "long, 1 worker, focus": (_label(place / "e", [long], *_FOCUS), [long]),
        "long, 2 workers, focus": (_label(place / "f", [long], *two, *_FOCUS), [long]),
        "two long ones, 2 workers, focus": (_label(place / "g", both, *two, *_FOCUS), both),
    }
    read_s = _read(long.path)
    figures = {}
    for name, (run, labelled) in runs.items():
        count = sum(one.frames for one in labelled)
        seconds = count / RATE_HZ
        figures[name] = {
            "frames": count, "recorded_s": seconds, "wall_s": run.wall_s, "frames_per_s": count / run.wall_s,
            "times_real_time": seconds / run.wall_s, "mb_per_s": sum(one.megabytes for one in labelled) / run.wall_s,
            "cpu_s": run.cpu_s, "frames_per_cpu_s": count / run.cpu_s, "peak_mb": run.peak_mb,
        }  # fmt: skip
    files = {name: run.files for name, (run, _) in runs.items()}
    pairs = [(files[f"long, 1 worker{how}"], files[f"long, 2 workers{how}"]) for how in ("", ", focus")]
    return {
        "image": list(SIZE_PX), "rate_hz": RATE_HZ, "megabytes": long.megabytes, "runs": figures,
        "start": {"wall_s": start.wall_s, "cpu_s": start.cpu_s},
        "reading": {"wall_s": read_s, "mb_per_s": long.megabytes / read_s, "frames_per_s": long.frames / read_s},
        "ahead": _scaling(figures), "same_bytes_from_1_and_2_workers": all(one == two and bool(one) for one, two in pairs),
        "focus_off": labels_apart(files["long, 1 worker"], files["long, 1 worker, focus"]), "notes": list(NOTES),
    }  # fmt: skip


def labels_apart(whole: Mapping[str, bytes], focused: Mapping[str, bytes]) -> dict[str, float]:
    """How far the labels of some images are from those of whole ones, by the same rows."""
    one, other = (_columns(files) for files in (whole, focused))
    potential, distance_m = (np.abs(one[name] - other[name]) for name in ("potential", "distance_m"))
    # Distances of two stages are of different things.
    alike = one["stage_index"] == other["stage_index"]
    return {
        "potential_median": float(np.nanmedian(potential)), "potential_max": float(np.nanmax(potential)),
        "distance_m_median": float(np.nanmedian(distance_m)), "distance_m_max": float(np.nanmax(distance_m)),
        "distance_m_max_in_one_stage": float(np.nanmax(distance_m[alike])), "same_stage": float(np.mean(alike)),
        "same_success": float(np.mean(one["success"] == other["success"])),
        "same_measured": float(np.mean(np.isnan(one["distance_m"]) == np.isnan(other["distance_m"]))),
    }  # fmt: skip


def _columns(files: Mapping[str, bytes]) -> dict[str, npt.NDArray[np.float64]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (data,) = files.values()
    table = pq.read_table(pa.BufferReader(data), columns=["potential", "distance_m", "success", "stage_index"])
    return {name: table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in table.column_names}


def _scaling(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    one = figures["long, 1 worker"]["frames_per_s"]
    return {
        "one_bag": figures["long, 2 workers"]["frames_per_s"] / one,
        "two_bags": figures["two long ones, 2 workers"]["frames_per_s"] / one,
    }


def gates_of(results: Mapping[str, Any]) -> list[Gate]:
    """Figures with their targets."""
    runs = results["runs"]
    best = max(run["times_real_time"] for run in runs.values())
    apart = results["focus_off"]
    return [
        Gate("times real time, 2 cores, the best of one and of two recordings", best, ">=", 10.0),
        Gate("speed-up from 1 to 2 workers, two recordings", results["ahead"]["two_bags"], ">=", 1.6),
        Gate("speed-up from 1 to 2 workers, one recording", results["ahead"]["one_bag"], ">=", 1.6),
        Gate(
            "memory for four times the length, relative", runs["long, 1 worker"]["peak_mb"] / runs["short, 1 worker"]["peak_mb"],
            "<=", 1.1,
        ),
        Gate("focus: distance off that of whole images, mm, median", 1e3 * apart["distance_m_median"], "<=", 2.0),
        Gate("focus: share of images with the same success", apart["same_success"], ">=", 0.99),
        Gate("same bytes from 1 and 2 workers", float(results["same_bytes_from_1_and_2_workers"]), "==", 1.0),
    ]  # fmt: skip


def _label(out: Path, recordings: list[_Recording], *more: str) -> Run:
    bags = [one.path for one in recordings]
    robot = str(config_file("robots") / "sim.yaml")
    task = FAMILIES[FAMILY].task
    return _command(out, bags, ["--task", task, "--robot", robot, "--out", str(out), "--episode-gap-s", "1", *more])


def _command(out: Path, bags: list[Path], arguments: list[str]) -> Run:
    """Run the command in a process of its own. Raises RuntimeError when it does not end well."""
    import subprocess

    call = [sys.executable, "-m", "spatialvlm_ros.cli", "label", *map(str, bags), *arguments]
    started, cpu_s = time.monotonic(), _children_cpu_s()
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = _Peak(process.pid)
    _, said = process.communicate()
    wall_s = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"labelling ended with {process.returncode}: {said.strip()[-500:]}")
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}
    return Run(wall_s, _children_cpu_s() - cpu_s, peak.end(), files)


def _children_cpu_s() -> float:
    """Processor seconds of all child processes that have ended, and of theirs."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Peak:
    """The largest resident set of a process and its children, sampled."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most = pid, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Megabytes."""
        self._ended.set()
        self._thread.join()
        return self._most / 1e6

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self._most = max(self._most, sum(map(_resident, _family(self._pid))))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(other for child in children for other in _family(int(child)))]


def _resident(pid: int) -> int:
    """Bytes; 0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _read(path: Path) -> float:
    """Seconds to read and deserialise every message of a bag."""
    started = time.monotonic()
    with BagReader(path) as bag:
        for _ in bag.messages():
            pass
    return time.monotonic() - started
