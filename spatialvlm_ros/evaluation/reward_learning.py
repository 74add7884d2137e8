"""``spatialvlm bench-reward-learning``: short reinforcement learning with each of three rewards. Needs stable-baselines3.

SAC (Haarnoja et al. 2018) learns to bring the gripper to a block in the simulated cell: with the sparse reward alone, with the
measured distance subtracted at each step, and with the shaped dense reward added. Observations are low-dimensional and true; both
dense rewards are measured on images. What is shown is whether shaping helps or harms, and nothing about any robot.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark_file import Gate, write_benchmark, write_json
from .engine_accuracy import on_workers

SPARSE, RAW, SHAPED = "sparse", "raw distance", "shaped"
REWARDS = (SPARSE, RAW, SHAPED)
PACKAGES = ("numpy", "mujoco", "gymnasium", "stable-baselines3", "torch")
_TASK = "reach(red block)"
# An episode has up to 20 steps: a discount that sees that far.
GAMMA = 0.95
# The same success for all three rewards, and about what F adds up to: by F alone, hovering at the goal is worth as much as going
# into it (it telescopes), and a learner that is paid for entropy then hovers.
_SUCCESS = 10.0
# F adds up to about 1 over an episode, distances of 0.4 m to some 5 m: both weigh about alike.
_SHAPED_WEIGHT, _RAW_WEIGHT = 10.0, 2.0
# A learner cannot tell on which steps nobody looked.
_EVERY = 1
# The area under a learning curve of success may fall by so much before shaping counts as harm.
_HARM = 0.05
# Without it two curves that never leave 0 would count as no harm.
_LEARNT = 0.8


@dataclass(frozen=True)
class LearningOptions:
    """What to run: ``seeds`` runs of each reward over ``steps`` steps, judged every ``judge_every`` by ``episodes`` episodes."""

    out: Path = Path("out/reward-learning")
    benchmark: Path | None = None
    steps: int = 2000
    seeds: int = 3
    judge_every: int = 250
    episodes: int = 8
    workers: int = 2
    rewards: Sequence[str] = field(default=REWARDS)


def run_reward_learning(options: LearningOptions) -> bool:
    """Train all, print and plot the curves, write the files. True when shaping does no harm."""
    started = time.monotonic()
    jobs = [(reward, seed) for seed in range(options.seeds) for reward in options.rewards]
    job = partial(_one, jobs=jobs, options=options)
    curves: dict[str, list[list[float]]] = {reward: [] for reward in options.rewards}
    for (reward, seed), curve in zip(jobs, on_workers(job, range(len(jobs)), options.workers), strict=True):
        curves[reward].append(curve)
        print(f"{reward}, seed {seed}: success {' '.join(f'{share:.2f}' for share in curve)}", flush=True)
    area = {reward: [float(np.mean(curve)) for curve in found] for reward, found in curves.items()}
    results = {
        "steps": list(range(0, options.steps + 1, options.judge_every)),
        "success": curves,
        "area": area,
        "last": {reward: [curve[-1] for curve in found] for reward, found in curves.items()},
        "wall_s": time.monotonic() - started,
        "notes": [__doc__.split("\n\n")[1].replace("\n", " ")],
    }
    gates = gates_of(area, {reward: [curve[-1] for curve in found] for reward, found in curves.items()})
    draw(results, options.out / "learning.png")
    write_json(options.out / "learning.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        inputs = {"environment": "synthetic: simulated cell, scenes 0 to 3, a block to be reached by small steps"}
        write_benchmark(
            options.benchmark, "make bench-reward-learning", results, gates, seed=0, inputs=inputs, packages=PACKAGES,
            baselines={name: area[name] for name in (SPARSE, RAW) if name in area},
        )  # fmt: skip
    for gate in gates:
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {gate.value} {gate.op} {gate.target:g}")
    return all(gate.passed for gate in gates)


def gates_of(area: Mapping[str, Sequence[float]], last: Mapping[str, Sequence[float]]) -> list[Gate]:
    """That anything was learnt; and shaping against each other reward by the mean area under the curve of success, over seeds."""
    if SHAPED not in area:
        return []
    shaped = float(np.mean(area[SHAPED]))
    gates = [Gate(f"success at the end of training: {SHAPED}", float(np.mean(last[SHAPED])), ">=", _LEARNT)]
    for other in (SPARSE, RAW):
        if other in area:
            less = shaped - float(np.mean(area[other]))
            gates.append(Gate(f"mean success over training: {SHAPED} less {other}", less, ">=", -_HARM))
    return gates


def _one(index: int, jobs: Sequence[tuple[str, int]], options: LearningOptions) -> list[float]:
    """Success shares of one run, from before training to its end."""
    import torch
    from stable_baselines3 import SAC

    from ..environments.table_env import TableReachEnv

    reward, seed = jobs[index]
    torch.set_num_threads(1)
    env, judge = rewarded_env(reward), TableReachEnv()
    model = SAC(
        "MlpPolicy", env, gamma=GAMMA, seed=seed, learning_rate=1e-3, batch_size=128, learning_starts=100, buffer_size=20_000,
        gradient_steps=2, ent_coef="auto_0.1", policy_kwargs={"net_arch": [64, 64]}, device="cpu", verbose=0,
    )  # fmt: skip
    curve = [success_share(model, judge, options.episodes)]
    for _ in range(options.steps // options.judge_every):
        model.learn(options.judge_every, reset_num_timesteps=False, progress_bar=False)
        curve.append(success_share(model, judge, options.episodes))
    env.close()
    judge.close()
    return curve


def rewarded_env(reward: str) -> Any:
    """The environment with one of ``REWARDS``."""
    import gymnasium

    from ..engine import EngineConfig
    from ..environments.gym_reward import DenseReward
    from ..environments.table_env import TableReachEnv
    from ..scene.noise import PRESETS

    env = TableReachEnv()
    if reward == SPARSE:
        return gymnasium.wrappers.TransformReward(env, lambda own: _SUCCESS * float(own))
    engine = EngineConfig(noise=PRESETS["stereo"])
    weight = _SHAPED_WEIGHT if reward == SHAPED else 0.0
    dense = DenseReward(
        env, _TASK, env.rgbd, gamma=GAMMA, nominal_dt_s=env.config.dt_s, weight=weight, own_weight=_SUCCESS, every=_EVERY,
        terminal_zero=True, engine=engine,
    )  # fmt: skip
    return dense if reward == SHAPED else minus_distance(dense)


def minus_distance(env: Any) -> Any:
    """The environment with the last measured distance subtracted from each step's reward: what shaping is compared with."""
    import gymnasium

    class MinusDistance(gymnasium.Wrapper[Any, Any, Any, Any]):
        def __init__(self, inner: Any) -> None:
            super().__init__(inner)
            self._distance_m = 0.0

        def step(self, action: Any) -> Any:
            observation, reward, terminated, truncated, info = self.env.step(action)
            measured = info["reward"]["distance"]
            self._distance_m = measured if np.isfinite(measured) else self._distance_m
            return observation, float(reward) - _RAW_WEIGHT * self._distance_m, terminated, truncated, info

    return MinusDistance(env)


def success_share(model: Any, env: Any, episodes: int) -> float:
    """Share of episodes that succeed without exploration; the same episodes each time."""
    won = 0
    for index in range(episodes):
        observation, _ = env.reset(seed=1000 + index)
        done = False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        won += bool(info["is_success"])
    return won / episodes


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Success over steps: mean of the seeds, and each of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for (reward, curves), color in zip(results["success"].items(), ("tab:gray", "tab:orange", "tab:blue"), strict=False):
        axis.plot(results["steps"], np.mean(curves, axis=0), color=color, lw=2, label=f"{reward} (mean of {len(curves)} seeds)")
        for curve in curves:
            axis.plot(results["steps"], curve, color=color, lw=0.6, alpha=0.6)
    axis.set(xlabel="steps", ylabel="share of episodes that succeed", ylim=(-0.02, 1.02))
    axis.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
