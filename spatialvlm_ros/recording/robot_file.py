"""What a parameter file for spatial_node says about the robot, for tools that work without the node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..nodes.imu_input import IMU_PARAMS
from ..nodes.robot_state import ROBOT_PARAMS

_MAX_ROBOT_BYTES = 1_000_000


class RobotFileError(ValueError):
    """A parameter file that cannot be used; the text names the file and the value."""


class RobotFile:
    """Values of ROBOT_PARAMS and IMU_PARAMS out of a parameter file for spatial_node; ``depth_noise`` and ``vlm`` are None where
    the file does not say.

    Raises RobotFileError, which names the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._values: dict[str, Any] = {param.name: param.default for param in (*ROBOT_PARAMS, *IMU_PARAMS)}
        self.depth_noise: str | None = None
        self.vlm: str | None = None
        if path is None:
            return
        try:
            if path.stat().st_size > _MAX_ROBOT_BYTES:
                raise RobotFileError(f"{path} has {path.stat().st_size} bytes; that is no parameter file")
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise RobotFileError(f"{path} cannot be read as a parameter file: {' '.join(str(error).split())}") from error
        given = _spatial_node_parameters(loaded, path)
        self.depth_noise = str(given["depth_noise"]) if "depth_noise" in given else None
        self.vlm = str(given["vlm"]) if "vlm" in given else None
        for name, default in list(self._values.items()):
            if name not in given:
                continue
            value = given[name]
            if not isinstance(value, type(default)) or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
                raise RobotFileError(
                    f"{path}: {name} is {value!r}; give {'a list of strings' if isinstance(default, list) else 'text'}"
                )
            self._values[name] = value

    def param(self, name: str) -> Any:
        return self._values[name]


def _spatial_node_parameters(loaded: object, path: Path) -> Mapping[str, Any]:
    """The parameters that a ROS parameter file has for spatial_node."""
    if isinstance(loaded, Mapping):
        for name, node in loaded.items():
            if str(name).rstrip("/").rsplit("/", 1)[-1] in ("spatial_node", "**", "*") and isinstance(node, Mapping):
                parameters = node.get("ros__parameters")
                if isinstance(parameters, Mapping):
                    return parameters
    raise RobotFileError(f"{path} has no parameters for spatial_node; it needs '/**/spatial_node:' with 'ros__parameters:' below")
