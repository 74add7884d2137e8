"""What is installed: Python, libraries, ROS and its middleware, our interfaces, the weights that come with the package."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path

from ..share import share_directory
from .finding import Finding, error, ok, warning

# distributions by the names under which pip and apt know them, what they are for, and the extra that brings them
_NEEDED = (("numpy", "numpy"), ("scipy", "scipy"), ("PyYAML", "yaml"), ("opencv-python-headless", "cv2"))
_OPTIONAL = (
    ("open3d", "open3d", "the comparison of bench-engine", "engine"),
    ("rosbags", "rosbags", "bags: ask --bag, label, synthesize --from bag", "recording"),
    ("av", "av", "videos", "recording"),
    ("pyarrow", "pyarrow", "parquet, LeRobot, data sets", "recording"),
    ("matplotlib", "matplotlib", "plots", "recording"),
    ("py_trees", "py_trees", "planner_node", "planning"),
    ("mujoco", "mujoco", "the simulation", "sim"),
    ("torch", "torch", "models (--vlm)", "model"),
    ("transformers", "transformers", "models (--vlm)", "model"),
)
_OTHER_NAMES = {"opencv-python-headless": ("opencv-python", "opencv-contrib-python"), "open3d": ("open3d-cpu",)}


def installed() -> list[Finding]:
    """All findings that need no running graph."""
    return [_python(), *_libraries(), *_ros(), *_interfaces(), *_shipped()]


def _python() -> Finding:
    return ok("python", f"{sys.version.split()[0]} at {sys.executable}")


def _version(name: str, module: str) -> str | None:
    """Version of a distribution, "version not known" where only its module is there, None where it is not."""
    for known in (name, *_OTHER_NAMES.get(name, ())):
        try:
            return metadata.version(known)
        except metadata.PackageNotFoundError:
            continue
    return "version not known" if util.find_spec(module) is not None else None


def _libraries() -> Iterator[Finding]:
    for name, module in _NEEDED:
        if (version := _version(name, module)) is not None:
            yield ok(name, version)
        else:
            yield error(name, "not installed", "Nothing is measured without: pip install 'spatialvlm_ros[engine]', or rosdep")
    for name, module, purpose, extra in _OPTIONAL:
        if (version := _version(name, module)) is not None:
            yield ok(name, version)
        else:
            cure = f"Only needed for {purpose}: pip install 'spatialvlm_ros[{extra}]', or rosdep"
            yield warning(name, "not installed", cure)


def _ros() -> Iterator[Finding]:
    distribution = os.environ.get("ROS_DISTRO", "")
    if util.find_spec("rclpy") is None:
        cure = "source /opt/ros/jazzy/setup.bash, or pip install 'spatialvlm_ros[wheels]'; questions to folders work without"
        yield warning("ROS", "no rclpy in this Python", cure)
        return
    place = Path(str(util.find_spec("rclpy").origin)).parent  # type: ignore[union-attr]
    if distribution not in ("", "jazzy"):
        yield warning("ROS", f"{distribution}, rclpy in {place}", "The package is made for and tested on jazzy")
    else:
        yield ok("ROS", f"{distribution or 'no ROS_DISTRO (wheels of jazzy)'}, rclpy in {place}")
    yield from _middleware()


def _middleware() -> Iterator[Finding]:
    from rclpy.utilities import get_rmw_implementation_identifier

    try:
        rmw = get_rmw_implementation_identifier()
    except Exception as problem:  # whatever loading a library of another build raises
        yield error("middleware", f"cannot be loaded: {problem}", "Unset RMW_IMPLEMENTATION, or install what it names")
        return
    where = f"domain {os.environ.get('ROS_DOMAIN_ID', '0')}"
    if reach := os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE"):
        where += f", discovery {reach}"
    yield ok("middleware", f"{rmw}, {where}")
    if rmw != "rmw_fastrtps_cpp":
        return
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    profiles = [value for name in names if (value := os.environ.get(name))]
    if missing := [profile for profile in profiles if not Path(profile).is_file()]:
        cure = f"export {names[0]}=.../config/fastdds.xml, for all processes"
        yield error("Fast DDS profile", f"{missing[0]} is no file", cure)
    elif not profiles:
        cure = f"Images of more than half a megabyte get lost: export {names[0]}=.../config/fastdds.xml for the driver too"
        yield warning("Fast DDS profile", "none", cure)
    else:
        yield ok("Fast DDS profile", profiles[0])


def _interfaces() -> Iterator[Finding]:
    cure = "Build spatialvlm_msgs (colcon build) and source its workspace, or pip install . in this repository"
    found = util.find_spec("spatialvlm_msgs")
    if found is None:
        yield error("spatialvlm_msgs", "not found", cure)
        return
    try:
        from spatialvlm_msgs.msg import SpatialFact

        from ..nodes.scene_messages import facts_to_msg  # noqa: F401 - reads all fields' names

        SpatialFact.get_fields_and_field_types()
    except Exception as problem:  # built for another Python or ROS
        yield error("spatialvlm_msgs", f"cannot be loaded: {problem}", cure)
        return
    yield ok("spatialvlm_msgs", str(Path(str(found.origin)).parent))


def _shipped() -> Iterator[Finding]:
    from ..perception.joints import shipped_trees
    from ..perception.noun_forms import shipped_noun_forms
    from ..scene.trust_trees import shipped_trust
    from ..vlm.interface import VlmError
    from ..vlm.weights import check_weights

    try:
        yield ok("config", str(share_directory() / "config"))
    except FileNotFoundError as problem:
        yield error("config", str(problem), "Install the package again")
    checks: dict[str, Callable[[], object]] = {
        "embedded model": lambda: f"sha256 {check_weights().sha256[:12]}, as listed",
        "trees of joints": lambda: (shipped_trees(), "as listed")[1],
        "trees of trust": lambda: (shipped_trust(), "as listed")[1],
        "forms of nouns": lambda: (shipped_noun_forms(), "as listed")[1],
    }
    for name, check in checks.items():
        try:
            yield ok(name, str(check()))
        except (ValueError, OSError, VlmError) as problem:
            yield error(name, str(problem), "Install the package again")
