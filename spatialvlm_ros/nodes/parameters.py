"""One declaration a parameter: default, meaning, range, choices. The YAML files and the documented table are compared with it.

Tools that read bags need the declarations, and no node: rclpy loads when one declares them. It takes time, and starts threads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
    from rclpy.node import Node
    from rclpy.parameter import Parameter

Value = bool | int | float | str | list[str] | list[float]


@dataclass(frozen=True)
class Param:
    """A node parameter. ``minimum`` and ``maximum`` are inclusive; ``choices`` lists the only values a string may have."""

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

        descriptor = ParameterDescriptor(description=self.description, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = "one of " + ", ".join(self.choices)
        if self.minimum is None and self.maximum is None:
            return descriptor
        if isinstance(self.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(
                    from_value=float(-1e300 if self.minimum is None else self.minimum),
                    to_value=float(1e300 if self.maximum is None else self.maximum),
                )
            ]
        elif isinstance(self.default, int):
            descriptor.integer_range = [
                IntegerRange(
                    from_value=int(-(2**62) if self.minimum is None else self.minimum),
                    to_value=int(2**62 if self.maximum is None else self.maximum),
                )
            ]
        return descriptor

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"parameter {self.name} is {value}, which is not a finite number"
        if self.choices and value not in self.choices:
            return f"parameter {self.name} is '{value}', which is not one of {', '.join(self.choices)}"
        return None

    @property
    def kind(self) -> str:
        """What a file has to give for it, in words."""
        kinds = {
            list: "a list of strings", bool: "true or false", int: "a whole number", float: "a number with a point, like 1.0",
            str: "text, in quotes",
        }  # fmt: skip
        if isinstance(self.default, list) and self.default and isinstance(self.default[0], float):
            return "a list of numbers with a point, like [1.0, 2.0]"
        return kinds[type(self.default)]


# Every node has this one beside its own.
AUTOSTART = Param("autostart", True, "Configure and activate at start, without a lifecycle manager.")


def parameter_file(node_name: str, params: Sequence[Param]) -> str:
    """The commented YAML of an executable's defaults with autostart, as it lies in config/ (a test compares the two)."""
    lines = [f"# Parameters of {node_name} with their defaults. Generated from the code; change a copy of it."]
    lines.append(f"/**/{node_name}:")  # in any namespace
    lines.append("  ros__parameters:")
    for param in (*params, AUTOSTART):
        limits = " One of: " + ", ".join(param.choices) + "." if param.choices else ""
        if param.minimum is not None or param.maximum is not None:
            limits = f" Range: {param.minimum} to {param.maximum}."
        lines += [f"    # {param.description}{limits}", f"    {param.name}: {json.dumps(param.default, ensure_ascii=False)}"]
    return "\n".join(lines) + "\n"


def near_misses(given: Iterable[str], params: Sequence[Param]) -> dict[str, str]:
    """Given names that no parameter has, with the one that was probably meant; others may be meant for other nodes."""
    known = {param.name for param in params}
    found = {name: get_close_matches(name, known, 1, cutoff=0.8) for name in given if name not in known}
    return {name: near[0] for name, near in found.items() if near}


def declare(node: Node, params: Sequence[Param]) -> None:
    """Declare all parameters on a node and refuse values of another type or outside their choices, now (ValueError) and later."""
    from rcl_interfaces.msg import SetParametersResult
    from rclpy.exceptions import InvalidParameterTypeException

    by_name = {param.name: param for param in params}
    for param in params:
        default: Any = param.default
        try:
            value = node.declare_parameter(param.name, default, param.descriptor()).value
        except InvalidParameterTypeException as error:
            raise ValueError(f"parameter {param.name} has a value of another type; give {param.kind} ({error})") from error
        if (problem := param.problem(value)) is not None:
            raise ValueError(problem)

    def check(changed: list[Parameter[Any]]) -> SetParametersResult:
        for parameter in changed:
            known = by_name.get(parameter.name)
            if known is not None and (problem := known.problem(parameter.value)) is not None:
                return SetParametersResult(successful=False, reason=problem)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
