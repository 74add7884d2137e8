"""The interfaces: generated, documented, and understood by what is on the other end of the wire."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"spatialvlm_msgs": ROOT / "spatialvlm_msgs", "tf2_msgs": ROOT / "ros_wheels" / "tf2_msgs"}
PARTS = {"msg": ("",), "srv": ("Request", "Response"), "action": ("Goal", "Result", "Feedback")}
DEFINITIONS = [
    (package, path)
    for package, directory in PACKAGES.items()
    for kind in PARTS
    for path in sorted(directory.glob(f"{kind}/*.{kind}"))
]
CONSTANT = re.compile(r"^\S+\s+[A-Z][A-Z0-9_]*\s*=")
# Of the tf2_msgs that ROS 2 Jazzy installs, as `ros2 topic info --verbose /tf` prints it. A publisher and a
# subscription with different hashes do not find each other.
TF_MESSAGE_HASH = "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"


def message_types(package: str, path: Path) -> Iterator[type[Any]]:
    """Yield the message classes of one definition: itself, or the parts of a service or an action."""
    kind = path.suffix[1:]
    interface = getattr(importlib.import_module(f"{package}.{kind}"), path.stem)
    for part in PARTS[kind]:
        yield getattr(interface, part) if part else interface


def sample(type_: Any) -> Any:
    """Return a value of a rosidl type that differs from its default, with at least one element in every sequence."""
    from rosidl_parser import definition

    if isinstance(type_, definition.NamespacedType):
        return filled(getattr(importlib.import_module(".".join(type_.namespaces)), type_.name))
    if isinstance(type_, definition.Array):
        return [sample(type_.value_type) for _ in range(type_.size)]
    if isinstance(type_, definition.AbstractSequence):
        return [sample(type_.value_type), sample(type_.value_type)]
    if isinstance(type_, definition.AbstractGenericString):
        return "red block \N{GREEK SMALL LETTER PHI}"
    if type_.typename == "boolean":
        return True
    return 1.5 if type_.typename in ("float", "double") else 7


def filled(message_type: type[Any]) -> Any:
    """Return a message of `message_type` with every field set."""
    message = message_type()
    for name, type_ in zip(message.get_fields_and_field_types(), message.SLOT_TYPES, strict=True):
        setattr(message, name, sample(type_))
    return message


def undocumented(lines: list[str]) -> Iterator[str]:
    """Yield the fields without a comment on their own line or directly above."""
    above = ""
    for number, line in enumerate(map(str.strip, lines), start=1):
        is_field = line and not line.startswith("#") and line != "---" and not CONSTANT.match(line)
        if is_field and "#" not in line and not above.startswith("#"):
            yield f"line {number}: {line}"
        above = line


def share_directory(package: str) -> Path:
    """Return the share directory of a package in the ROS installation, or in the environment of the wheels."""
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    found = [Path(prefix, "share", package) for prefix in prefixes if Path(prefix, "share", package).is_dir()]
    assert found, f"{package} is in none of {prefixes}"
    return found[0]


@pytest.mark.parametrize(("package", "path"), DEFINITIONS, ids=lambda value: getattr(value, "stem", value))
def test_interface_survives_the_wire(package: str, path: Path) -> None:
    """Every field arrives as it was sent."""
    from rclpy.serialization import deserialize_message, serialize_message

    for message_type in message_types(package, path):
        message = filled(message_type)
        assert deserialize_message(serialize_message(message), message_type) == message


@pytest.mark.parametrize(("package", "path"), DEFINITIONS, ids=lambda value: getattr(value, "stem", value))
def test_every_field_is_documented(package: str, path: Path) -> None:
    """Unit, frame and the meaning of NaN stand beside the field, because nobody looks further."""
    assert list(undocumented(path.read_text(encoding="utf-8").splitlines())) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_installed_interfaces_are_those_of_the_source(package: str) -> None:
    """An environment that was built from older definitions shows here, not as a missing field somewhere else."""
    share = share_directory(package)
    if package == "tf2_msgs" and (share / "srv").is_dir():
        pytest.skip("this is the tf2_msgs of a ROS installation")
    for path in (path for owner, path in DEFINITIONS if owner == package):
        installed = share / path.parent.name / path.name
        assert installed.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), "run: make venv"


def test_tf_message_is_that_of_a_ros_installation() -> None:
    """Our copy has the name and the structure of upstream's."""
    description = json.loads((share_directory("tf2_msgs") / "msg" / "TFMessage.json").read_text(encoding="utf-8"))
    hashes = {entry["type_name"]: entry["hash_string"] for entry in description["type_hashes"]}
    assert hashes["tf2_msgs/msg/TFMessage"] == TF_MESSAGE_HASH


def test_fields_of_the_wrong_type_are_refused() -> None:
    """The checks that conftest.py switches on are on, in our own messages too."""
    from spatialvlm_msgs.msg import SpatialFact

    with pytest.raises(AssertionError):
        SpatialFact(value="0.12")
    assert math.isnan(SpatialFact(value=math.nan).value)
