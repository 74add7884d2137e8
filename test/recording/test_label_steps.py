"""Images on an exact grid of time: which image a step takes, where episodes end, what a step is worth, what is left out."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from step_frames import START_NS, at, frame, run

from spatialvlm_ros.recording.label_rows import LabelledFrame
from spatialvlm_ros.recording.label_steps import DatasetError, DatasetOptions, Source, Step, StepMaker
from spatialvlm_ros.reward.builder import find_task
from spatialvlm_ros.share import config_file

TASK = find_task("reach(red block)", config_file("tasks"))
TOOL = Source(has_tool=True)


def made(frames: list[LabelledFrame], source: Source = TOOL, task=TASK, **options: object) -> tuple[list[Step], StepMaker]:
    maker = StepMaker(DatasetOptions(**{"fps": 10, **options}).settled(10.0), task, source)  # type: ignore[arg-type]
    steps = [step for item in frames for step in maker.add(item)]
    return [*steps, *maker.close()], maker


def taken(steps: list[Step]) -> list[float]:
    """Seconds of the images that the steps hold."""
    return [round((step.stamp_ns - START_NS) * 1e-9, 3) for step in steps]


def test_images_of_the_same_rate_are_taken_once_each_whatever_their_jitter() -> None:
    rng = np.random.default_rng(0)
    times = [index / 10 + float(rng.uniform(-0.02, 0.02)) * (index > 0) for index in range(50)]
    steps, maker = made(run(times))
    assert [step.stamp_ns for step in steps] == [at(time) for time in times]
    assert [step.frame_index for step in steps] == list(range(50)) and {step.episode_index for step in steps} == {0}
    assert not maker.left_out and not maker.breaks and maker.episodes == 1 and maker.steps == 50


def test_a_step_takes_the_nearest_image_of_another_rate() -> None:
    fast = [index / 30 for index in range(31)]
    assert taken(made(run(fast))[0]) == [round(index / 10, 3) for index in range(11)]
    slow = [0.0, 0.25, 0.5]
    assert taken(made(run(slow), max_age_s=0.2)[0]) == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5]


def test_a_pause_longer_than_the_maximum_age_ends_an_episode() -> None:
    steps, maker = made(run([0.0, 0.1, 0.2, 1.0, 1.1]), max_age_s=0.15)
    assert [(step.episode_index, step.frame_index) for step in steps] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    # The image at 0.2 s serves the step at 0.3 s too: it is 0.1 s old there.
    assert taken(steps) == [0.0, 0.1, 0.2, 0.2, 1.0, 1.1] and [step.done for step in steps] == [False] * 3 + [True, False, True]
    assert maker.breaks == {"no image within 0.15 s of a step": 1}
    assert all(abs(step.stamp_ns - at(0) - step.frame_index * 1e8) <= 0.15e9 for step in steps[:4])


def test_an_episode_of_the_recording_is_one_of_the_data_set_and_a_single_image_is_none() -> None:
    frames = [*run([0.0, 0.1]), *run([0.2], episode=1), *run([0.3, 0.4, 0.5], episode=2)]
    steps, maker = made(frames)
    assert [step.episode_index for step in steps] == [0, 0, 1, 1, 1]
    assert maker.left_out == {"image that is an episode by itself": 1}


def test_rewards_telescope_at_the_rate_of_the_steps() -> None:
    potentials = [math.nan, 0.1, 0.3, 0.2, 0.9]
    frames = [frame(index / 10, value) for index, value in enumerate(potentials)]
    steps, maker = made(frames)
    gamma = TASK.gamma ** (0.1 / TASK.nominal_dt_s)
    rewards = [step.reward for step in steps]
    assert rewards == pytest.approx([0.0, *(gamma * b - a for a, b in pairwise(potentials[1:])), 0.0])
    total = sum(reward * gamma**index for index, reward in enumerate(rewards[1:]))
    assert total == pytest.approx(gamma**3 * 0.9 - 0.1, abs=1e-12)
    assert made(frames, task=replace(TASK, gamma=1.0))[0][1].reward == pytest.approx(0.2) and maker.steps == 5


def test_success_is_of_the_next_step_and_ends_the_reward_where_the_task_says_so() -> None:
    frames = [frame(index / 10, value, success=index >= 2) for index, value in enumerate([0.2, 0.6, 1.0, 1.0])]
    steps, _ = made(frames, task=replace(TASK, gamma=1.0))
    assert [step.success for step in steps] == [False, True, True, True]
    assert [step.reward for step in steps] == pytest.approx([0.4, 0.4, 0.0, 0.0])
    ends, _ = made(frames, task=replace(TASK, gamma=1.0, zero_potential_at_success=True))
    assert [step.reward for step in ends] == pytest.approx([0.4, -0.6, 0.0, 0.0])


def test_state_and_action_are_joints_then_tool_and_the_next_ones() -> None:
    frames = [frame(t, tool_z_m=0.2 + t, joints={"a": (at(t), t), "b": (at(t), -t)}) for t in (0.0, 0.1, 0.2)]
    steps, maker = made(frames, Source("/joint_states", "", True))
    assert maker.state_names[:3] == ("a", "b", "tool.x_m") and len(maker.state_names) == 9 and maker.tool_frame == "camera"
    assert steps[1].state is not None and steps[1].state.dtype == np.float32
    assert steps[1].state.tolist() == pytest.approx([0.1, -0.1, 0.0, 0.1, 0.3, 0.0, 0.0, 0.0, 1.0])
    for step, following in zip(steps, [*steps[1:], steps[-1]], strict=True):
        assert step.action is not None and following.state is not None and step.action.tolist() == following.state.tolist()
    assert maker.document()["actions_from"] == "next state"


def test_commands_are_actions_where_they_are_named() -> None:
    frames = [frame(t, command={"x": (at(t), 10 * t)}) for t in (0.0, 0.1, 0.2)]
    steps, maker = made(frames, Source("", "/command", True))
    assert [step.action.tolist() for step in steps if step.action is not None] == [[1.0], [2.0], [2.0]]
    assert maker.document()["actions_from"] == "commands" and maker.action_names == ("x",)


@pytest.mark.parametrize(
    ("broken", "source", "cause"),
    [
        ({"tool_z_m": None}, TOOL, "image without a pose of the tool"),
        ({"width": 40}, TOOL, "image of 40 x 24 pixels among images of 32 x 24"),
        ({"joints": {"a": (at(-1.0), 0.0)}}, Source("/j"), "image more than 0.2 s after the last message of /j"),
        ({"joints": {}}, Source("/j"), "image before the first message of /j on 'a'"),
    ],
)
def test_an_image_that_lacks_something_is_left_out_and_counted(broken: dict[str, object], source: Source, cause: str) -> None:
    def whole(seconds: float) -> LabelledFrame:
        return frame(seconds, joints={"a": (at(seconds), 1.0)})

    frames = [whole(0.0), frame(0.1, **broken), whole(0.2)]  # type: ignore[arg-type]
    steps, maker = made(frames, source)
    assert maker.left_out == {cause: 1}
    # Its neighbours stand in, within the maximum age.
    assert taken(steps) in ([0.0, 0.0, 0.2], [0.0, 0.2, 0.2]) and len({step.episode_index for step in steps}) == 1


def test_depth_is_millimetres_with_nothing_as_zero() -> None:
    steps, _ = made(run([0.0, 0.1]), depth=True)
    depth = steps[1].depth_mm
    assert depth is not None and depth.dtype == np.uint16 and depth[0, 0] == 0 and set(depth.ravel()) == {0, 510}
    assert made(run([0.0, 0.1]))[0][0].depth_mm is None


def test_options_that_make_no_sense_are_named() -> None:
    for options, text in (({"fps": -1}, "--fps is -1"), ({"max_age_s": -0.5}, "--max-age-s is -0.5")):
        with pytest.raises(DatasetError, match=text):
            DatasetOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="shorter than half a step"):
        DatasetOptions(fps=10, max_age_s=0.01).settled(10.0)
    assert DatasetOptions().settled(29.97).fps == 30 and DatasetOptions().settled(math.nan).fps == 1
