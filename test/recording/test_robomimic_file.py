"""The HDF5 file: robomimic's documented structure, the steps' own numbers, the same bytes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from step_frames import at, frame

from spatialvlm_ros.recording.label_outputs import require
from spatialvlm_ros.recording.label_steps import DatasetOptions, Source, StepMaker
from spatialvlm_ros.recording.robomimic_file import RobomimicOutput
from spatialvlm_ros.reward.builder import find_task
from spatialvlm_ros.share import config_file

TASK = find_task("reach(red block)", config_file("tasks"))
COMMANDED = Source("/joint_states", "/command", True)


def write(path: Path, source: Source = COMMANDED) -> Path:
    """Two episodes, of which the second succeeds."""
    output = RobomimicOutput(path, "reach the red block", StepMaker(DatasetOptions(10, depth=True).settled(10.0), TASK, source))
    for episode, times in enumerate(((0.0, 0.1, 0.2), (1.0, 1.1, 1.2, 1.3))):
        for index, t in enumerate(times):
            values = {"joints": {"a": (at(t), t)}, "command": {"u": (at(t), 2 * t)}}
            output.add(frame(t, index / 4, episode=episode, success=episode == 1 and index == 3, **values))
    output.close()
    return path


def test_the_structure_is_the_documented_one(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "a.hdf5")) as file:
        data = file["data"]
        assert sorted(data) == ["demo_0", "demo_1"] and data.attrs["total"] == 7
        env = json.loads(data.attrs["env_args"])
        assert env["env_name"] == "reach the red block" and isinstance(env["type"], int) and isinstance(env["env_kwargs"], dict)
        for name, demo in data.items():
            count = demo.attrs["num_samples"]
            assert count == {"demo_0": 3, "demo_1": 4}[name]
            assert (
                sorted(demo["obs"])
                == sorted(demo["next_obs"])
                == ["color_image", "depth_mm", "joint_pos", "tool_pos", "tool_quat"]
            )
            assert demo["actions"].shape == (count, 1) and demo["rewards"].shape == demo["dones"].shape == (count,)
            assert demo["obs/color_image"].shape == (count, 24, 32, 3) and demo["obs/color_image"].dtype == np.uint8
            assert demo["dones"][:].tolist() == [0] * (count - 1) + [1]
            for key, seen in demo["obs"].items():
                assert np.array_equal(demo["next_obs"][key][:-1], seen[1:]) and np.array_equal(
                    demo["next_obs"][key][-1], seen[-1]
                )
        assert [name.decode() for name in file["mask/success"]] == ["demo_1"]
        demo = data["demo_1"]
        assert demo["obs/joint_pos"][:, 0] == pytest.approx([1.0, 1.1, 1.2, 1.3])
        assert demo["actions"][:, 0] == pytest.approx([2.2, 2.4, 2.6, 2.6]), "what was commanded until the next step"
        assert demo["source_stamp_ns"][:].tolist() == [at(t) for t in (1.0, 1.1, 1.2, 1.3)]
        discount = TASK.gamma ** (0.1 / TASK.nominal_dt_s)
        assert demo["rewards"][:3] == pytest.approx([discount * (i + 1) / 4 - i / 4 for i in range(3)], abs=1e-6)


def test_without_commands_there_are_no_actions(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "a.hdf5", Source("/joint_states", "", True))) as file:
        assert "actions" not in file["data/demo_0"] and json.loads(file["data"].attrs["env_args"])["action"] == []


def test_the_same_steps_give_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.hdf5").read_bytes()
    time.sleep(1.1)  # HDF5 keeps the time of day in whole seconds
    assert write(tmp_path / "b.hdf5").read_bytes() == first


def test_a_missing_library_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"'h5py': pip install 'spatialvlm_ros\[robomimic\]'"):
        require(("robomimic",), False)
