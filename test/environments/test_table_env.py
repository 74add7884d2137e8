"""The simulated cell for learners, and the dense reward on top of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from spatialvlm_ros.engine import EngineConfig
from spatialvlm_ros.environments.gym_reward import POTENTIAL, DenseReward
from spatialvlm_ros.environments.table_env import TableEnvConfig, TableReachEnv
from spatialvlm_ros.reward.task import TaskError
from spatialvlm_ros.scene.noise import PRESETS

GAMMA = 0.9
CONFIG = TableEnvConfig(scenes=(3,), max_steps=20)
ENGINE = EngineConfig(noise=PRESETS["stereo"])


@pytest.fixture(scope="module")
def env() -> Iterator[TableReachEnv]:
    made = TableReachEnv(CONFIG)
    yield made
    made.close()


def dense(env: TableReachEnv, **changes: Any) -> DenseReward:
    options = {"gamma": GAMMA, "nominal_dt_s": CONFIG.dt_s, "engine": ENGINE, **changes}
    return DenseReward(env, "reach(red block)", env.rgbd, **options)


def towards(observation: np.ndarray) -> np.ndarray:
    """Straight to the object, from above."""
    way = observation[3:] + np.array([0, 0, 0.02])
    return np.clip(way / CONFIG.step_m, -1, 1).astype(np.float32)


def episode(env: gymnasium.Env, act: Callable[[np.ndarray], np.ndarray], steps: int = 60) -> tuple[list[float], list[dict], bool]:
    """Rewards, infos (the reset's first) and whether it terminated."""
    observation, info = env.reset(seed=1)
    rewards, infos, terminated = [], [info], False
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(act(observation))
        rewards.append(float(reward))
        infos.append(info)
        if terminated or truncated:
            break
    return rewards, infos, terminated


def discounted(rewards: list[float]) -> float:
    return math.fsum(GAMMA**index * reward for index, reward in enumerate(rewards))


def test_it_is_an_environment_as_gymnasium_wants_them(env: TableReachEnv) -> None:
    check_env(env, skip_render_check=True)


def test_going_there_succeeds_and_the_same_seed_gives_the_same_episode(env: TableReachEnv) -> None:
    first, again = (episode(env, towards) for _ in range(2))
    assert first[2] and first[0][-1] == 1.0 and sum(first[0]) == 1.0
    assert first[0] == again[0] and [info["distance"] for info in first[1]] == [info["distance"] for info in again[1]]
    assert first[1][-1]["distance"] <= CONFIG.near_m


def test_the_dense_reward_telescopes_and_follows_the_true_distance(env: TableReachEnv) -> None:
    rewards, infos, terminated = episode(dense(env, own_weight=0.0), towards)
    potentials = [info["reward"]["potential"] for info in infos]
    assert terminated and len(rewards) > 5
    assert discounted(rewards) == pytest.approx(GAMMA ** len(rewards) * potentials[-1] - potentials[0], abs=1e-6)
    measured = np.array([info["reward"]["distance"] for info in infos])
    true = np.array([info["distance"] for info in infos])
    assert np.nanmedian(np.abs(measured - true)) < 0.01
    # The gripper comes nearer at each step, and so does the potential, but for the filter's lag at the start.
    assert potentials[-1] > 0.85 and all(b >= a - 0.02 for a, b in itertools.pairwise(potentials))


def test_own_and_shaped_reward_add_up(env: TableReachEnv) -> None:
    rewards, infos, _ = episode(dense(env, weight=2.0), towards)
    for reward, info in zip(rewards, infos[1:], strict=True):
        assert reward == pytest.approx(info["reward"]["own"] + 2.0 * info["reward"]["shaped"])
    assert infos[-1]["reward"]["own"] == 1.0


@pytest.mark.parametrize("every", [1, 4])
def test_looking_seldom_and_an_end_of_potential_zero_add_up_alike(env: TableReachEnv, every: int) -> None:
    """With a last potential of 0 the shaped rewards add up to minus the first one, however often it was looked."""
    rewards, infos, terminated = episode(dense(env, own_weight=0.0, every=every, terminal_zero=True), towards)
    assert terminated
    assert discounted(rewards) == pytest.approx(-infos[0]["reward"]["potential"], abs=1e-6)
    assert sum(reward == 0.0 for reward in rewards) >= (0 if every == 1 else len(rewards) // 2)


def test_a_truncated_episode_keeps_its_last_potential(env: TableReachEnv) -> None:
    still = dense(env, own_weight=0.0, terminal_zero=True)
    rewards, infos, terminated = episode(still, lambda observation: np.zeros(3, np.float32), steps=4)
    assert not terminated
    expected = GAMMA**4 * infos[-1]["reward"]["potential"] - infos[0]["reward"]["potential"]
    assert discounted(rewards) == pytest.approx(expected, abs=1e-6)


def test_a_task_of_things_that_are_not_there_gives_nothing(env: TableReachEnv) -> None:
    wrapped = DenseReward(env, "reach(purple elephant)", env.rgbd, engine=ENGINE)
    rewards, infos, _ = episode(wrapped, towards, steps=3)
    assert rewards == [0.0, 0.0, 0.0] and infos[-1]["reward"]["status"] == "NO_DATA"


@pytest.mark.parametrize(("task", "problem"), [("reach(red block, cup)", "takes 1 names"), ("dance(cup)", "no such task")])
def test_a_bad_task_is_refused(env: TableReachEnv, task: str, problem: str) -> None:
    with pytest.raises(TaskError, match=problem):
        DenseReward(env, task, env.rgbd)


def test_every_has_to_be_a_number_of_steps(env: TableReachEnv) -> None:
    with pytest.raises(ValueError, match="every is 0"):
        dense(env, every=0)


def test_a_step_is_paid_for_what_it_did_itself(env: TableReachEnv) -> None:
    """A potential that lags pays for the step before, which a learner cannot see."""

    def there_and_back(_: np.ndarray) -> np.ndarray:
        return next(signs) * np.array([1.0, 0.0, 0.0], np.float32)

    for filter_frames, follows in ((1, True), (3, False)):
        signs = itertools.cycle((1.0, 1.0, -1.0, -1.0))
        _, infos, _ = episode(dense(env, filter_frames=filter_frames), there_and_back, steps=8)
        nearer = np.diff([info["distance"] for info in infos]) < 0
        higher = np.diff([info["reward"]["potential"] for info in infos]) > 0
        assert nearer.any() and not nearer.all()
        assert bool((nearer == higher).all()) is follows


def test_the_potential_as_a_cost_of_each_step(env: TableReachEnv) -> None:
    rewards, infos, terminated = episode(dense(env, form=POTENTIAL, weight=3.0, every=2), towards)
    potentials = [info["reward"]["potential"] for info in infos]
    assert terminated and potentials[-1] > 0.75
    for reward, info, potential in zip(rewards, infos[1:], potentials[1:], strict=True):
        assert reward == pytest.approx(info["reward"]["own"] + 3.0 * (potential - 1.0))
        assert info["reward"]["dense"] == pytest.approx(potential - 1.0)
    # Waiting costs, going there ends the cost.
    waiting, _, _ = episode(dense(env, form=POTENTIAL, own_weight=0.0), lambda _: np.zeros(3, np.float32), steps=len(rewards))
    assert max(waiting) < -0.9


def test_nothing_measured_costs_as_much_as_nothing_reached(env: TableReachEnv) -> None:
    hidden = DenseReward(env, "reach(purple elephant)", env.rgbd, form=POTENTIAL, engine=ENGINE)
    assert episode(hidden, towards, steps=3)[0] == [-1.0, -1.0, -1.0]


def test_forms_are_named_and_have_options_of_their_own(env: TableReachEnv) -> None:
    with pytest.raises(ValueError, match="form is 'dense', expected one of shaping, potential"):
        dense(env, form="dense")
    with pytest.raises(ValueError, match="terminal_zero is for form shaping"):
        dense(env, form=POTENTIAL, terminal_zero=True)


def test_a_scene_can_be_asked_for(env: TableReachEnv) -> None:
    assert np.array_equal(env.reset(options={"scene": 3})[0], env.reset()[0])
    with pytest.raises(ValueError, match="scene is 4, expected one of 3"):
        env.reset(options={"scene": 4})
