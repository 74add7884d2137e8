"""``spatialvlm bench-reward-robosuite``: the dense reward on robosuite's PickPlace tasks, from RGB-D and tf only.

The episodes are recorded by ``scripts/robosuite_episodes.py`` in an environment of its own. Things are named by their looks,
the bin by a tf frame. The simulator's own state is used as truth alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine import EngineConfig, RobotState
from ..geometry.camera import CameraModel
from ..geometry.rigid import RigidTransform
from ..perception.self_filter import Capsule
from ..reward import metrics
from ..reward.task import Stage, TaskSpec, at_least, at_most, is_true
from ..scene.facts import Query
from ..scene.frame import RGBDFrame
from ..scene.noise import PRESETS
from .benchmark_file import sha256, write_benchmark, write_json
from .engine_accuracy import on_workers
from .reward_episodes import Plan, Shot, SimEpisode
from .reward_gates import gates_of
from .reward_judge import Judged, judge_tasks
from .reward_report import draw_curves, print_report
from .reward_scores import as_dict, scores_of

FRAME_ID, BIN = "camera", "bin"
PACKAGES = ("numpy", "scipy", "opencv-python-headless", "opencv-python")
NAMES: Mapping[str, str] = {"Can": "red can", "Milk": "gray block", "Bread": "brown block", "Cereal": "block"}
"""What each thing looks like to who knows colours and shapes alone; "milk carton" needs a model."""
_SETTLE_NS = 1_000_000_000
# A rendered depth image is exact but for its resolution. So is tf, for which a hundredth of a millimetre and of a degree stand.
ENGINE = EngineConfig(noise=PRESETS["exact"], tool_std_m=1e-5)
_UP_STD_RAD = math.radians(0.01)
NOTES = (
    "robosuite 1.5.2 with mujoco 3.9 (synthetic): scripted episodes, RGB-D and tf only; depth without sensor noise or error of "
    "scale, and exact tf, of which the engine is told",
    "the robot's shape: capsules around its collision shapes; the bin: a tf frame in the middle of the thing's compartment",
    "contradictory instruction: keep the thing 40 cm away from the bin; 'other thing': keep it where it first lay",
    "staged: robosuite's own shaped reward, by Spearman's rank correlation with the potential over an episode's images",
)


def task_for(name: str, nominal_dt_s: float) -> TaskSpec:
    """Bring the thing into the bin: what PickPlace asks for.

    Milk and cereal are gripped near their lids, up to 6 cm from their middles, where the hand hides most of them: that they are
    held is then no more than likely.
    """
    grip, held = Query("distance", "gripper", name), Query("held", name, "gripper")
    over, up = Query("horizontal_distance", name, BIN), Query("elevation", name)
    near, is_held = at_most(grip, 0.06, tolerance_m=0.03), is_true(held, probability=0.5, tolerance=0.3)
    stages = (
        Stage("reach", (near,), weight=2.0),
        Stage("grasp", (is_held,), (near,), weight=0.5),
        Stage("lift", (at_least(up, 0.05),), (is_held,)),
        Stage("carry", (at_most(over, 0.05),), (is_held, at_least(up, 0.02)), weight=2.0),
        Stage("lower", (at_most(up, 0.03),), (at_most(over, 0.08),)),
        Stage("release", (at_least(grip, 0.08),), (at_most(up, 0.03), at_most(over, 0.08)), weight=0.5),
    )
    return TaskSpec(f"put the {name} into the bin", stages, nominal_dt_s=nominal_dt_s)


def _tasks(name: str, nominal_dt_s: float) -> list[TaskSpec]:
    away = at_least(Query("horizontal_distance", name, BIN), 0.4)
    stay = at_most(Query("horizontal_distance", name, "old bin"), 0.1)
    return [
        task_for(name, nominal_dt_s),
        TaskSpec(f"keep the {name} at least 40 cm from the bin", (Stage("keep", (away,)),), nominal_dt_s=nominal_dt_s),
        TaskSpec(f"bring the {name} to where it came from", (Stage("stay", (stay,)),), nominal_dt_s=nominal_dt_s),
    ]


@dataclass(frozen=True)
class RobosuiteOptions:
    """``episodes`` holds what the recorder left."""

    episodes: Path = Path("out/robosuite/episodes")
    out: Path = Path("out/robosuite")
    benchmark: Path | None = None
    workers: int = 2


def run_robosuite(options: RobosuiteOptions) -> bool:
    """Judge all episodes, print a table, write the files. True when every gate passed. Raises FileNotFoundError."""
    started = time.monotonic()
    files = sorted(options.episodes.glob("*.npz"))
    if not files:
        raise FileNotFoundError(f"{options.episodes} holds no .npz episodes; record some: make bench-reward-robosuite does")
    judged: list[Judged] = []
    staged: list[float] = []
    for item, own in on_workers(partial(_one, files=files), range(len(files)), options.workers):
        judged.append(item)
        staged.append(metrics.spearman(item.true.potential, own))
        print(f"{len(judged)} of {len(files)}: {item.plan.name}: {item.true.potential[-1]:.2f}", flush=True)
    results = {
        **scores_of(judged),
        "staged_correlation": as_dict(metrics.mean_interval(staged)),
        "staged_correlation_by_episode": staged,
        "wall_s": time.monotonic() - started,
        "notes": list(NOTES),
    }
    gates = gates_of(results["all"], "robosuite")
    draw_curves(judged, options.out / "curves.png")
    write_json(options.out / "reward_robosuite.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        write_benchmark(
            options.benchmark, "make bench-reward-robosuite", results, gates, seed=0,
            inputs={file.name: sha256(file) for file in files}, packages=PACKAGES, baselines=results["baselines"],
        )  # fmt: skip
    print_report(results, gates)
    print(
        f"Spearman of the potential with robosuite's staged reward, mean of episodes: {results['staged_correlation']['mean']:.3f}"
    )
    return all(gate.passed for gate in gates)


def _one(index: int, files: Sequence[Path]) -> tuple[Judged, npt.NDArray[np.float64]]:
    episode, staged, dt_s = load_episode(files[index])
    name = NAMES[episode.plan.family]
    return judge_tasks(episode, _tasks(name, dt_s), Query("distance", "gripper", name), ENGINE), staged


def load_episode(path: Path) -> tuple[SimEpisode, npt.NDArray[np.float64], float]:
    """An episode of the recorder, robosuite's staged reward (N,), and the time between images. Raises ValueError or OSError."""
    with np.load(path, allow_pickle=False) as data:
        content: dict[str, Any] = {name: data[name] for name in data.files}
    thing = str(content["object"])
    if thing not in NAMES:
        raise ValueError(f"{path} is about '{thing}'; known are {', '.join(NAMES)}")
    plan = Plan(thing, str(content["kind"]), int(content["seed"]), str(content["camera"]))
    shots = [_shot(content, index, NAMES[thing]) for index in range(len(content["stamp_ns"]))]
    dt_s = float(np.median(np.diff(content["stamp_ns"]))) * 1e-9
    return SimEpisode(plan, shots, bool(content["done"][-1])), np.asarray(content["staged"], dtype=np.float64), dt_s


def _shot(content: Mapping[str, Any], index: int, name: str) -> Shot:
    depth = np.asarray(content["depth_m"][index])
    height, width = depth.shape
    focal = float(content["focal_px"])
    camera = CameraModel(width, height, focal, focal, width / 2 - 0.5, height / 2 - 0.5)
    # What lies far behind is no thing, and shows all the same that nothing is in front of it.
    seen = np.asarray(depth, dtype=np.float32)
    frame = RGBDFrame(int(content["stamp_ns"][index]), content["color"][index], seen, camera, FRAME_ID)
    camera_from_world = RigidTransform.from_matrix(content["world_from_camera"]).inverse()
    links = [camera_from_world @ RigidTransform.from_matrix(pose) for pose in content["links"][index]]
    capsules = []
    for link, shape in zip(content["capsule_link"], content["capsules"], strict=True):
        start, end = links[int(link)].apply(shape[:6].reshape(2, 3))
        capsules.append(Capsule(start, end, float(shape[6])))
    world_from_tool = RigidTransform.from_matrix(content["tool"][index])
    places: dict[str, RigidTransform | str] = {
        BIN: camera_from_world @ RigidTransform(np.eye(3), np.asarray(content["goal"], dtype=np.float64)),
        "old bin": camera_from_world @ RigidTransform(np.eye(3), np.asarray(content["thing"][0], dtype=np.float64)),
    }
    robot = RobotState(
        camera_from_world @ world_from_tool, capsules=capsules, up=camera_from_world.rotation[:, 2], up_std_rad=_UP_STD_RAD,
        places=places,
    )  # fmt: skip
    return Shot(frame, robot, _truth(content, index, name))


def _truth(content: Mapping[str, Any], index: int, name: str) -> dict[Query, float]:
    """Centre distances and how far the thing is above where it came to lie."""
    thing, tool = np.asarray(content["thing"][index]), np.asarray(content["tool"][index])[:3, 3]
    goal, first = np.asarray(content["goal"]), np.asarray(content["thing"][0])
    # An episode begins with the thing some millimetres above the bin's floor, and it falls.
    early = np.asarray(content["stamp_ns"]) - int(content["stamp_ns"][0]) <= _SETTLE_NS
    floor_m = float(np.asarray(content["thing"])[early, 2].min())
    return {
        Query("distance", "gripper", name): float(np.linalg.norm(thing - tool)),
        Query("horizontal_distance", name, BIN): float(np.linalg.norm((thing - goal)[:2])),
        Query("horizontal_distance", name, "old bin"): float(np.linalg.norm((thing - first)[:2])),
        Query("elevation", name): float(thing[2] - floor_m),
    }
