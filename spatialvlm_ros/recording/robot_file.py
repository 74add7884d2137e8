"""What a parameter file for spatial_node says about the robot, for tools that work without the node."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..nodes.image_facts import IMAGE_PARAMS
from ..nodes.imu_input import IMU_PARAMS
from ..nodes.parameters import Param
from ..nodes.robot_state import ROBOT_PARAMS
from ..nodes.vlm_params import VLM_PARAMS, naming_of, options_of
from ..share import config_file
from ..vlm.factory import DEFAULT_VLM
from ..vlm.judge import NamingConfig
from ..vlm.options import VlmOptions

_MAX_ROBOT_BYTES = 1_000_000


class RobotFileError(ValueError):
    """A parameter file that cannot be used; the text names the file and the value."""


class RobotFile:
    """Values of ROBOT_PARAMS, IMU_PARAMS, IMAGE_PARAMS and VLM_PARAMS out of a parameter file for spatial_node, so that a
    recording is measured as the live node would have; ``depth_noise`` and ``vlm`` are None where the file does not say.

    Only ``vlm_pace`` has no meaning here: an image of a file waits for the model.

    Raises RobotFileError, which names the file.
    """

    def __init__(self, path: Path | None) -> None:
        params = (*ROBOT_PARAMS, *IMU_PARAMS, *IMAGE_PARAMS, *VLM_PARAMS)
        self._values: dict[str, Any] = {param.name: param.default for param in params}
        self.depth_noise: str | None = None
        self.vlm: str | None = None
        if path is None:
            return
        try:
            if path.stat().st_size > _MAX_ROBOT_BYTES:
                raise RobotFileError(f"{path} has {path.stat().st_size} bytes; that is no parameter file")
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RobotFileError(f"{path} cannot be read ({error.strerror}); check the path") from error
        except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise RobotFileError(f"{path} cannot be read as a parameter file: {' '.join(str(error).split())}") from error
        given = _spatial_node_parameters(loaded, path)
        self.depth_noise = str(given["depth_noise"]) if "depth_noise" in given else None
        for param in params:
            if param.name not in given:
                continue
            value = given[param.name]
            if (wanted := _wanted(param, value)) is not None:
                raise RobotFileError(f"{path}: {param.name} is {value!r}; give {wanted}")
            self._values[param.name] = value
        self.vlm = str(given["vlm"]) if "vlm" in given else None

    def param(self, name: str) -> Any:
        return self._values[name]

    @property
    def naming(self) -> NamingConfig:
        """When the model looks, as on the live node but in step with the images."""
        return replace(naming_of(self.param, None), own_pace=False)

    def model(self, vlm: str | None, options: VlmOptions) -> tuple[str, VlmOptions]:
        """Which model is used and how it is run, for ``vlm.factory.choose_vlm``.

        Args:
            vlm: which one was asked for beside the file, None or "" for none. Another one than the file's is run as ``options``
                say, for the file speaks of its own.
            options: what was asked for beside the file; what they leave at its default is the file's.
        """
        if vlm and vlm != self.vlm:
            return vlm, options
        given, default = options_of(self.param), VlmOptions()
        pairs = {field.name: (getattr(options, field.name), getattr(default, field.name)) for field in fields(VlmOptions)}
        # Also by identity: a default that is NaN equals nothing.
        said = {name: value for name, (value, usual) in pairs.items() if value is not usual and value != usual}
        return self.vlm or DEFAULT_VLM, replace(given, **said)


def _wanted(param: Param, value: object) -> str | None:
    """What a file should give for a parameter instead of this value; None where it will do. As strict as the live node."""
    kind = type(param.default)
    if type(value) is not kind or (isinstance(value, list) and not all(isinstance(each, str) for each in value)):
        return param.kind
    if param.choices and value not in param.choices:
        return f"one of {', '.join(param.choices)}"
    low, high = (math.nan if limit is None else limit for limit in (param.minimum, param.maximum))
    if isinstance(value, float) and (not math.isfinite(value) or value < low or value > high):
        return f"a number from {low} to {high}"
    return None


def _spatial_node_parameters(loaded: object, path: Path) -> Mapping[str, Any]:
    """The parameters that a ROS parameter file has for spatial_node: of all its sections, as for a node, the later ones win."""
    found: dict[str, Any] = {}
    sections = 0
    for name, node in loaded.items() if isinstance(loaded, Mapping) else ():
        last = str(name).rstrip("/").rsplit("/", 1)[-1]
        parameters = node.get("ros__parameters") if isinstance(node, Mapping) else None
        if last in ("spatial_node", "**", "*") and isinstance(parameters, Mapping):
            sections += 1
            if last == "spatial_node":
                _check_known(parameters, path)
            found |= parameters
    if sections:
        return found
    raise RobotFileError(f"{path} has no parameters for spatial_node; it needs '/**/spatial_node:' with 'ros__parameters:' below")


def _check_known(parameters: Mapping[str, Any], path: Path) -> None:
    """Raises RobotFileError for a name that spatial_node does not have: a slip of the pen would change numbers without a word."""
    known = {*known_parameters("spatial_node"), "use_sim_time", "qos_overrides", "start_type_description_service"}
    for name in map(str, parameters):
        if name.split(".")[0] not in known:
            near = get_close_matches(name, known, 1)
            cure = f"did you mean '{near[0]}'?" if near else "config/spatial_node.yaml lists what there is"
            raise RobotFileError(f"{path}: spatial_node has no parameter '{name}'; {cure}")


@cache
def known_parameters(node: str) -> frozenset[str]:
    """Names of a node's parameters, by its file in config/."""
    defaults = yaml.safe_load(config_file(f"{node}.yaml").read_text(encoding="utf-8"))
    return frozenset(defaults[f"/**/{node}"]["ros__parameters"])
