"""ruff and mypy as tests, so that the last line of a test run tells about everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(600)  # mypy's first run fills its cache
@pytest.mark.parametrize(
    "arguments",
    [pytest.param(("ruff", "check", "."), id="ruff"), pytest.param(("mypy",), id="mypy")],
)
def test_linter_finds_nothing(arguments: tuple[str, ...]) -> None:
    """Settings stand in pyproject.toml. A ROS installation may lack the tools; `make test` never does."""
    if importlib.util.find_spec(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    result = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    if result.returncode:
        pytest.fail(result.stdout + result.stderr, pytrace=False)


def test_package_manifests_are_valid() -> None:
    """By the parser that colcon and rosdep use."""
    from catkin_pkg.package import parse_package

    for folder in (ROOT, ROOT / "spatialvlm_msgs", ROOT / "ros_wheels" / "tf2_msgs"):
        warnings: list[str] = []
        parse_package(str(folder), warnings=warnings)
        assert not warnings
