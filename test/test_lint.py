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


def test_package_manifests_follow_the_schema() -> None:
    """The ament linter of a ROS installation, where there is one. It fetches the schema from the network."""
    xmllint = pytest.importorskip("ament_xmllint.main")
    assert xmllint.main(argv=[str(ROOT / "package.xml"), str(ROOT / "spatialvlm_msgs" / "package.xml")]) == 0
