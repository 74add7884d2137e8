"""An HDF5 file of labelled steps as robomimic documents it: data/demo_N with obs, rewards, dones, and actions if there are any.

``next_obs`` are views into ``obs`` (HDF5's virtual data sets), so that pictures are stored once. What never changes: the same
steps give the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .label_rows import LabelledFrame
from .label_steps import COMMANDS, Step, StepMaker

# robomimic knows simulators by number and has none for a robot. 2 is a Gym environment, the one that asks for nothing else.
_ENV_TYPE = 2
_COLOR, _DEPTH, _JOINTS, _TOOL_POSITION, _TOOL_ROTATION = "color_image", "depth_mm", "joint_pos", "tool_pos", "tool_quat"
NO_ACTIONS = (
    "the bag's commands were not named (--action-topic), so the robomimic file has no actions: rewards and observations can be "
    "read from it, policies cannot be trained on it"
)


def require_h5py() -> Any:
    """The module. Raises ImportError that says what to install."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("robomimic files need the package 'h5py': pip install 'spatialvlm_ros[robomimic]'") from error
    return h5py


class RobomimicOutput:
    """Takes labelled images with their material into one file; ``close`` completes it."""

    def __init__(self, path: Path, task: str, steps: StepMaker) -> None:
        self._h5py = require_h5py()
        self._path, self._steps, self._task = path, steps, task
        self._file: Any = self._new_file(path)
        self._data: Any = self._group(self._file, "data")
        self._demo: Any = None
        self._total = 0
        self._succeeded: list[str] = []

    def add(self, frame: LabelledFrame) -> None:
        for step in self._steps.add(frame):
            self._add(step)

    def close(self) -> None:
        for step in self._steps.close():
            self._add(step)
        self._data.attrs["total"] = self._total
        self._data.attrs["env_args"] = json.dumps(self._env_args(), sort_keys=True)
        if self._succeeded:
            self._group(self._file, "mask")["success"] = np.array([name.encode() for name in self._succeeded])
        self._file.close()

    def document(self) -> Mapping[str, Any]:
        """For provenance."""
        has_actions = self._steps.actions == COMMANDS
        told = dict(self._steps.document())
        return told if has_actions else {**told, "action": [], "actions_from": "nothing"}

    def _env_args(self) -> Mapping[str, Any]:
        options = self._steps.options
        return {
            "env_name": self._task, "type": _ENV_TYPE, "env_kwargs": {"control_freq": options.fps},
            "tool_frame": self._steps.tool_frame, "state": list(self._steps.state_names),
            "action": list(self._steps.action_names) if self._steps.actions == COMMANDS else [],
        }  # fmt: skip

    # -- without the time of day ---------------------------------------------------------------------------------------------

    # By the lower interface: what the upper one makes holds its time of making, with some or all of h5py's versions.

    def _new_file(self, path: Path) -> Any:
        h5 = self._h5py
        made, opened = h5.h5p.create(h5.h5p.FILE_CREATE), h5.h5p.create(h5.h5p.FILE_ACCESS)
        made.set_obj_track_times(False)
        opened.set_libver_bounds(h5.h5f.LIBVER_V110, h5.h5f.LIBVER_V110)
        return h5.File(h5.h5f.create(os.fsencode(path), h5.h5f.ACC_TRUNC, made, opened))

    def _group(self, parent: Any, name: str) -> Any:
        h5 = self._h5py
        made = h5.h5p.create(h5.h5p.GROUP_CREATE)
        made.set_obj_track_times(False)
        return h5.Group(h5.h5g.create(parent.id, name.encode(), gcpl=made))

    # -- steps --------------------------------------------------------------------------------------------------------------

    def _add(self, step: Step) -> None:
        if self._demo is None:
            self._demo = self._group(self._data, f"demo_{step.episode_index}")
            self._group(self._demo, "obs")
        for name, value in self._columns(step).items():
            self._append(name, np.asarray(value))
        self._total += 1
        if step.done:
            self._end(step)

    def _columns(self, step: Step) -> dict[str, Any]:
        """What one step adds to each data set."""
        columns: dict[str, Any] = {"obs/" + _COLOR: step.color}
        if step.depth_mm is not None:
            columns["obs/" + _DEPTH] = step.depth_mm[..., None]
        if step.state is not None:
            joints = [name for name in self._steps.state_names if not name.startswith("tool.")]
            tool = step.state[len(joints) :]
            columns |= {"obs/" + _JOINTS: step.state[: len(joints)]} if joints else {}
            columns |= {"obs/" + _TOOL_POSITION: tool[:3], "obs/" + _TOOL_ROTATION: tool[3:]} if len(tool) else {}
        if step.action is not None and self._steps.actions == COMMANDS:
            columns["actions"] = step.action
        return columns | {
            "rewards": np.float32(step.reward), "dones": np.int64(step.done), "successes": np.int64(step.success),
            "source_stamp_ns": np.int64(step.stamp_ns),
        }  # fmt: skip

    def _append(self, name: str, value: Any) -> None:
        if name not in self._demo:
            # A picture is a chunk of its own; of numbers many make one.
            chunk = (1 if value.ndim > 1 else 1024, *value.shape)
            packed = {"compression": "gzip", "compression_opts": 4} if value.ndim > 1 else {}
            self._demo.create_dataset(name, (0, *value.shape), value.dtype, chunks=chunk, maxshape=(None, *value.shape), **packed)
        data = self._demo[name]
        data.resize(len(data) + 1, axis=0)
        data[-1] = value

    def _end(self, step: Step) -> None:
        count = len(self._demo["rewards"])
        self._demo.attrs["num_samples"] = count
        following = self._group(self._demo, "next_obs")
        for name, data in self._demo["obs"].items():
            # Each step has the following one's, the last one its own.
            self._view(following, name, data, [(0, 1, count - 1), (count - 1, count - 1, 1)])
        if step.success:
            self._succeeded.append(f"demo_{step.episode_index}")
        self._demo = None

    def _view(self, group: Any, name: str, data: Any, parts: list[tuple[int, int, int]]) -> None:
        """A virtual data set of rows of another one: (first row here, first row there, how many)."""
        h5 = self._h5py
        made = h5.h5p.create(h5.h5p.DATASET_CREATE)
        made.set_layout(h5.h5d.VIRTUAL)
        made.set_obj_track_times(False)
        rest = data.shape[1:]
        for here, there, count in parts:
            ours, theirs = h5.h5s.create_simple(data.shape), h5.h5s.create_simple(data.shape)
            ours.select_hyperslab((here, *(0 for _ in rest)), (count, *rest))
            theirs.select_hyperslab((there, *(0 for _ in rest)), (count, *rest))
            made.set_virtual(ours, b".", data.name.encode(), theirs)
        h5.h5d.create(group.id, name.encode(), data.id.get_type(), h5.h5s.create_simple(data.shape), made)
