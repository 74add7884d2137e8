"""The learning benchmark without a learner: what each reward pays for, how runs are judged and which gates that makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.environments.table_env import TableEnvConfig, TableReachEnv
from spatialvlm_ros.evaluation import reward_learning as bench

SCENE = 107


def to_the_block(observation: np.ndarray) -> np.ndarray:
    """The step that leads straight to it, from above."""
    return np.clip((observation[3:] + np.array([0, 0, 0.02])) / 0.05, -1, 1).astype(np.float32)


def nowhere(_: np.ndarray) -> np.ndarray:
    return np.zeros(3, np.float32)


class Scripted:
    """A policy as stable-baselines3's."""

    def __init__(self, act: Callable[[np.ndarray], np.ndarray]) -> None:
        self._act = act

    def predict(self, observation: np.ndarray, deterministic: bool) -> tuple[np.ndarray, None]:
        assert deterministic
        return self._act(observation), None


def discounted(env: Any, act: Callable[[np.ndarray], np.ndarray], steps: int = 9) -> float:
    """Return of the first steps of an episode to the learner that ``bench`` trains."""
    observation, _ = env.reset(seed=0)
    rewards = []
    for _ in range(steps):
        observation, reward, terminated, _, _ = env.step(act(observation))
        rewards.append(float(reward))
        if terminated:
            break
    return math.fsum(bench.GAMMA**index * reward for index, reward in enumerate(rewards))


@pytest.mark.parametrize("reward", bench.REWARDS)
def test_each_reward_pays_for_going_to_the_block_and_not_for_waiting(reward: str) -> None:
    env = bench.rewarded_env(reward, scenes=(SCENE,))
    going, waiting = discounted(env, to_the_block), discounted(env, nowhere)
    env.close()
    assert going > 2.0 > waiting + 1.0
    # A learner that waits is to be no better off by measuring than by the sparse reward.
    assert waiting <= 0.0


def test_the_raw_reward_is_the_distance_of_its_own_step() -> None:
    env = bench.rewarded_env(bench.RAW, scenes=(SCENE,))
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, reward, _, _, info = env.step(to_the_block(observation))
        assert reward == pytest.approx(-2.0 * info["reward"]["distance"])
        assert info["reward"]["distance"] == pytest.approx(info["distance"], abs=0.02)
    env.close()


def test_an_unknown_reward_is_refused() -> None:
    with pytest.raises(ValueError, match="reward is 'gold', expected one of sparse"):
        bench.rewarded_env("gold")


def test_success_is_judged_once_on_each_scene() -> None:
    env = TableReachEnv(TableEnvConfig(scenes=(SCENE, SCENE + 1)))
    assert bench.success_share(Scripted(to_the_block), env) == 1.0
    assert bench.success_share(Scripted(nowhere), env) == 0.0
    one = env.reset(options={"scene": SCENE})[0]

    def only_there(observation: np.ndarray) -> np.ndarray:
        here = np.allclose(observation[:3] + observation[3:], one[:3] + one[3:], atol=0.01)
        return to_the_block(observation) if here else nowhere(observation)

    assert bench.success_share(Scripted(only_there), env) == 0.5
    env.close()


def test_the_block_is_measured_where_it_is_farthest_from_the_camera() -> None:
    """Where it is too small to be found, a whole episode pays nothing for coming nearer."""
    env = bench.rewarded_env(bench.RAW)
    bare = env.unwrapped

    def forward_m(scene: int) -> float:
        observation, _ = bare.reset(options={"scene": scene})
        return float(observation[0] + observation[3])

    for scene in sorted(bench.TRAINED_SCENES, key=forward_m)[:4]:
        _, info = env.reset(options={"scene": scene})
        assert info["reward"]["distance"] == pytest.approx(info["distance"], abs=0.02), scene
    env.close()


def test_what_is_judged_is_not_what_was_trained_on() -> None:
    assert not set(bench.TRAINED_SCENES) & set(bench.JUDGED_SCENES)


def test_harm_fails_and_so_does_a_learner_that_learns_nothing() -> None:
    area = {bench.SPARSE: [0.1, 0.1], bench.RAW: [0.5, 0.7], bench.SHAPED: [0.5, 0.6], bench.DENSE: [0.5, 0.7]}
    last = {reward: [1.0, 1.0] for reward in area}
    assert [gate.passed for gate in bench.gates_of(area, last)] == [True] * 6
    harmed = bench.gates_of({**area, bench.SHAPED: [0.5, 0.5]}, last)
    assert [gate.name for gate in harmed if not gate.passed] == ["mean success over training: shaped less raw distance"]
    nothing = {reward: [0.0, 0.0] for reward in area}
    assert [gate.passed for gate in bench.gates_of(nothing, nothing)] == [False, True, True] * 2


@pytest.mark.parametrize(
    ("curve", "learnt"), [([0, 0.5, 0.9, 1], 20), ([0, 0.9, 0.5, 0.8], 30), ([0, 1, 1, 0.7], None), ([1, 1, 1, 1], 0)]
)
def test_learnt_is_what_stays_learnt(curve: list[float], learnt: int | None) -> None:
    assert bench.until_learnt([0, 10, 20, 30], curve) == learnt


def test_curves_are_drawn(tmp_path: Path) -> None:
    success = {reward: [[0.0, 0.5, 1.0], [0.0, 0.0, 0.5]] for reward in bench.REWARDS}
    bench.draw({"steps": [0, 250, 500], "success": success}, tmp_path / "new" / "learning.png")
    assert (tmp_path / "new" / "learning.png").read_bytes().startswith(b"\x89PNG")
