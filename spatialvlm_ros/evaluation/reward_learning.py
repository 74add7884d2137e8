"""``spatialvlm bench-reward-learning``: short reinforcement learning with each of four rewards. Needs stable-baselines3.

SAC (Haarnoja et al. 2018) learns to bring the gripper to a block in the simulated cell: with the sparse reward alone, with the
measured distance subtracted at each step, with the shaped reward F added, and with the potential as a cost of each step.
Observations are low-dimensional and true; all three dense rewards are measured on images. Success is judged on layouts of the
table that the learner never sees. What is shown is whether shaping helps or harms, and nothing about any robot.
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

SPARSE, RAW, SHAPED, DENSE = "sparse", "raw distance", "shaped", "dense potential"
REWARDS = (SPARSE, RAW, SHAPED, DENSE)
PACKAGES = ("numpy", "mujoco", "gymnasium", "stable-baselines3", "torch")
_TASK = "reach(red block)"
# As many to learn on as it takes to have blocks all over the table, those to judge on among them.
TRAINED_SCENES, JUDGED_SCENES = tuple(range(16)), tuple(range(100, 108))
# An episode has up to 20 steps: a discount that sees that far.
GAMMA = 0.95
# The same success for all rewards, and about what F adds up to: by F alone, hovering at the goal is worth as much as going into
# it (it telescopes), and a learner that is paid for entropy then hovers.
_SUCCESS = 10.0
# F adds up to about 1 over an episode. A step far away costs about 1 by the potential, and about as much by 0.45 m.
_SHAPED_WEIGHT, _DENSE_WEIGHT, _RAW_WEIGHT = 10.0, 1.0, 2.0
# A learner cannot tell on which steps nobody looked.
_EVERY = 1
# The area under a learning curve of success may fall by so much before shaping counts as harm.
_HARM = 0.05
# Without it two curves that never leave 0 would count as no harm.
_LEARNT = 0.8


@dataclass(frozen=True)
class LearningOptions:
    """What to run: ``seeds`` runs of each reward over ``steps`` steps, judged every ``judge_every`` steps."""

    out: Path = Path("out/reward-learning")
    benchmark: Path | None = None
    steps: int = 2000
    seeds: int = 3
    judge_every: int = 250
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
    last = {reward: [curve[-1] for curve in found] for reward, found in curves.items()}
    steps = list(range(0, options.steps + 1, options.judge_every))
    results = {
        "steps": steps,
        "success": curves,
        "median_success": {reward: np.median(found, axis=0).tolist() for reward, found in curves.items()},
        "area": area,
        "last": last,
        "steps_until_learnt": {reward: [until_learnt(steps, curve) for curve in found] for reward, found in curves.items()},
        "wall_s": time.monotonic() - started,
        "notes": [__doc__.split("\n\n")[1].replace("\n", " ")],
    }
    gates = gates_of(area, last)
    draw(results, options.out / "learning.png")
    write_json(options.out / "learning.json", {**results, "gates": [gate.to_json() for gate in gates]})
    if options.benchmark is not None:
        layouts = f"{len(TRAINED_SCENES)} layouts to learn on, {len(JUDGED_SCENES)} others to judge on"
        inputs = {"environment": f"synthetic: simulated cell, a block to be reached by small steps; {layouts}"}
        write_benchmark(
            options.benchmark, "make bench-reward-learning", results, gates, seed=0, inputs=inputs, packages=PACKAGES,
            baselines={name: area[name] for name in (SPARSE, RAW) if name in area},
        )  # fmt: skip
    for gate in gates:
        print(f"{'passed' if gate.passed else 'MISSED'}  {gate.name} = {gate.value} {gate.op} {gate.target:g}")
    return all(gate.passed for gate in gates)


def gates_of(area: Mapping[str, Sequence[float]], last: Mapping[str, Sequence[float]]) -> list[Gate]:
    """That anything was learnt; and both forms of ours against each other reward by the mean area under the curve of success."""
    gates = []
    for ours in (SHAPED, DENSE):
        if ours not in area:
            continue
        gates.append(Gate(f"success at the end of training: {ours}", float(np.mean(last[ours])), ">=", _LEARNT))
        for other in (SPARSE, RAW):
            if other in area:
                less = float(np.mean(area[ours])) - float(np.mean(area[other]))
                gates.append(Gate(f"mean success over training: {ours} less {other}", less, ">=", -_HARM))
    return gates


def until_learnt(steps: Sequence[int], curve: Sequence[float]) -> int | None:
    """Steps after which success was, and stayed, at least what counts as learnt; None where it was not so at the end."""
    below = [index for index, share in enumerate(curve) if share < _LEARNT]
    first = below[-1] + 1 if below else 0
    return steps[first] if first < len(curve) else None


def _one(index: int, jobs: Sequence[tuple[str, int]], options: LearningOptions) -> list[float]:
    """Success shares of one run, from before training to its end."""
    import torch
    from stable_baselines3 import SAC

    from ..environments.table_env import TableEnvConfig, TableReachEnv

    reward, seed = jobs[index]
    torch.set_num_threads(1)
    env, judge = rewarded_env(reward), TableReachEnv(TableEnvConfig(scenes=JUDGED_SCENES))
    model = SAC(
        "MlpPolicy", env, gamma=GAMMA, seed=seed, learning_rate=1e-3, batch_size=128, learning_starts=100, buffer_size=20_000,
        gradient_steps=2, ent_coef="auto_0.1", policy_kwargs={"net_arch": [64, 64]}, device="cpu", verbose=0,
    )  # fmt: skip
    curve = [success_share(model, judge)]
    for _ in range(options.steps // options.judge_every):
        model.learn(options.judge_every, reset_num_timesteps=False, progress_bar=False)
        curve.append(success_share(model, judge))
    env.close()
    judge.close()
    return curve


def rewarded_env(reward: str, scenes: Sequence[int] = TRAINED_SCENES) -> Any:
    """The environment with one of ``REWARDS``. Raises ValueError for another."""
    import gymnasium

    from ..engine import EngineConfig
    from ..environments.gym_reward import POTENTIAL, SHAPING, DenseReward
    from ..environments.table_env import TableEnvConfig, TableReachEnv
    from ..scene.noise import PRESETS

    if reward not in REWARDS:
        raise ValueError(f"reward is {reward!r}, expected one of {', '.join(REWARDS)}")
    env = TableReachEnv(TableEnvConfig(scenes=tuple(scenes)))
    if reward == SPARSE:
        return gymnasium.wrappers.TransformReward(env, lambda own: _SUCCESS * float(own))
    weight = {RAW: 0.0, SHAPED: _SHAPED_WEIGHT, DENSE: _DENSE_WEIGHT}[reward]
    dense = DenseReward(
        env, _TASK, env.rgbd, gamma=GAMMA, nominal_dt_s=env.config.dt_s, form=POTENTIAL if reward == DENSE else SHAPING,
        weight=weight, own_weight=_SUCCESS, every=_EVERY, terminal_zero=reward == SHAPED,
        engine=EngineConfig(noise=PRESETS["stereo"]),
    )  # fmt: skip
    return minus_distance(dense) if reward == RAW else dense


def minus_distance(env: Any) -> Any:
    """The environment with the last measured distance subtracted from each step's reward: what shaping is compared with."""
    import gymnasium

    class MinusDistance(gymnasium.Wrapper[Any, Any, Any, Any]):
        def reset(self, **options: Any) -> Any:
            observation, info = self.env.reset(**options)
            self._distance_m = 0.0
            self._measure(info)
            return observation, info

        def step(self, action: Any) -> Any:
            observation, reward, terminated, truncated, info = self.env.step(action)
            self._measure(info)
            return observation, float(reward) - _RAW_WEIGHT * self._distance_m, terminated, truncated, info

        def _measure(self, info: Mapping[str, Any]) -> None:
            measured = info["reward"]["distance"]
            self._distance_m = measured if np.isfinite(measured) else self._distance_m

    return MinusDistance(env)


def success_share(model: Any, env: Any) -> float:
    """Share of the environment's scenes in which the policy succeeds without exploration."""
    scenes = env.unwrapped.config.scenes
    won = 0
    for scene in scenes:
        observation, _ = env.reset(options={"scene": scene})
        done = False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        won += bool(info["is_success"])
    return won / len(scenes)


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Success over steps: median of the seeds, and each of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for (reward, curves), color in zip(results["success"].items(), ("gray", "orange", "blue", "green"), strict=False):
        label = f"{reward} (median of {len(curves)} seeds)"
        axis.plot(results["steps"], np.median(curves, axis=0), color=f"tab:{color}", lw=2.5, label=label)
        for curve in curves:
            axis.plot(results["steps"], curve, color=f"tab:{color}", lw=0.7, alpha=0.6)
    axis.set(xlabel="steps", ylabel="share of unseen layouts that succeed", ylim=(-0.02, 1.02))
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
