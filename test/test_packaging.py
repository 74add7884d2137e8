"""Package description: what colcon, pip and rosdep are told is true, and the same everywhere."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import spatialvlm_ros

ROOT = Path(__file__).resolve().parents[1]
NAME = "spatialvlm_ros"
INTERFACES = ROOT / "spatialvlm_msgs"
MANIFESTS = [ROOT, INTERFACES, ROOT / "ros_wheels" / "tf2_msgs"]
# ROS packages whose modules do not end in _msgs.
ROS_MODULES = ("ament_index_python", "builtin_interfaces", "cv_bridge", "rclpy", "std_srvs", "tf_transformations")


def manifest(directory: Path) -> ElementTree.Element:
    """Return the root element of a package.xml."""
    return ElementTree.parse(directory / "package.xml").getroot()


def dependencies(directory: Path, *tags: str) -> set[str]:
    """Return the names in the elements `tags` of a package.xml."""
    return {element.text.strip() for tag in tags for element in manifest(directory).iter(tag) if element.text}


def changelog_version(directory: Path) -> str:
    """Return the newest version in a CHANGELOG.rst."""
    match = re.search(r"^(\d+\.\d+\.\d+)\b.*\n-+$", (directory / "CHANGELOG.rst").read_text(encoding="utf-8"), re.M)
    assert match, f"{directory / 'CHANGELOG.rst'} names no version"
    return match[1]


def run_setup(*arguments: str) -> str:
    """Return what setup.py of the root prints."""
    environment = {name: value for name, value in os.environ.items() if name != "COLCON"}
    command = [sys.executable, "setup.py", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True).stdout


@pytest.mark.parametrize("directory", MANIFESTS, ids=lambda path: path.name)
def test_manifest_is_complete(directory: Path) -> None:
    """Format 3, SPDX licence, and what catkin_pkg checks."""
    package = manifest(directory)
    assert package.get("format") == "3"
    assert package.findtext("license") == "Apache-2.0"
    assert package.findtext("maintainer")
    from catkin_pkg.package import parse_package

    parsed = parse_package(str(directory / "package.xml"))
    parsed.validate()


def test_version_is_the_same_everywhere() -> None:
    """Manifests, change logs, setup.py and the module agree."""
    versions = {
        "package.xml": manifest(ROOT).findtext("version"),
        "spatialvlm_msgs/package.xml": manifest(INTERFACES).findtext("version"),
        "CHANGELOG.rst": changelog_version(ROOT),
        "spatialvlm_msgs/CHANGELOG.rst": changelog_version(INTERFACES),
        "setup.py": run_setup("--version").split()[-1],
        "__version__": spatialvlm_ros.__version__,
    }
    assert len(set(versions.values())) == 1, versions


def test_manifest_of_the_root_covers_the_interfaces() -> None:
    """rosdep does not look below the root's package.xml, so it has to name what spatialvlm_msgs needs."""
    tags = ("depend", "exec_depend", "buildtool_depend")
    assert dependencies(INTERFACES, *tags) <= dependencies(ROOT, *tags)


def test_manifest_names_every_ros_package_that_is_imported() -> None:
    """An import that rosdep does not know of fails on the machine of somebody else."""
    imported = set()
    for path in (ROOT / NAME).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
    ros = {name for name in imported if name.endswith("_msgs") or name in ROS_MODULES} - {INTERFACES.name}
    assert ros <= dependencies(ROOT, "depend", "exec_depend")


def test_interfaces_are_listed_for_the_build() -> None:
    """CMakeLists.txt names every definition, so that none is forgotten."""
    listed = set(re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', (INTERFACES / "CMakeLists.txt").read_text("utf-8")))
    present = {
        path.relative_to(INTERFACES).as_posix() for kind in ("msg", "srv", "action") for path in INTERFACES.glob(f"{kind}/*")
    }
    assert listed == present


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """Return the installed executables; none when the package is not installed."""
    try:
        return list(importlib.metadata.distribution(NAME).entry_points)
    except importlib.metadata.PackageNotFoundError:
        return []


def test_package_is_installed_with_its_executables() -> None:
    """The parametrised test below is empty without them."""
    names = {entry_point.name for entry_point in entry_points()}
    assert {"spatial_node", "reward_node", "planner_node", "sim_robot_node", "spatialvlm"} <= names


@pytest.mark.parametrize("entry_point", entry_points(), ids=lambda entry_point: entry_point.name)
def test_executable_can_be_imported(entry_point: importlib.metadata.EntryPoint) -> None:
    """What `ros2 run` and the console scripts call exists."""
    assert callable(entry_point.load())


def test_every_launch_and_config_file_is_installed(tmp_path: Path) -> None:
    """The share directory holds them in the folders they have here."""
    run_setup("egg_info", "--egg-base", str(tmp_path), "install_data", "--install-dir", str(tmp_path))
    share = tmp_path / "share" / NAME
    installed = {path.relative_to(share).as_posix() for path in share.rglob("*") if path.is_file()}
    sources = (path for top in ("launch", "config") for path in (ROOT / top).rglob("*"))
    expected = {path.relative_to(ROOT).as_posix() for path in sources if path.is_file() and path.suffix != ".pyc"}
    assert installed == expected | {"package.xml"}
    assert (tmp_path / "share/ament_index/resource_index/packages" / NAME).is_file()
