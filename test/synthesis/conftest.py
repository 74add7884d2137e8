"""A small data set of rendered scenes that many tests read and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import NOTES, small_config

from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.run import RunOptions, RunReport, synthesize


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    """The folder, made by one worker, and what the run said."""
    out = tmp_path_factory.mktemp("synthesis") / "small"
    return out, synthesize(small_config(), registry(), RunOptions(out, notes=NOTES))


@pytest.fixture(scope="session")
def small(small_run: tuple[Path, RunReport]) -> Path:
    """The folder alone."""
    return small_run[0]
