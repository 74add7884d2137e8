"""Small data sets that many tests read and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.run import RunOptions, synthesize


@pytest.fixture(scope="session")
def vqa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rendered scenes of 160 x 120 with twelve pairs each, as 'spatialvlm synthesize' writes them."""
    out = tmp_path_factory.mktemp("training") / "vqa"
    source = Part("render", {"seed": 60, "count": 12, "width_px": 160, "captions": "name", "truth": True})
    report = synthesize(PipelineConfig(source=source, select={"pairs_per_image": 12}, seed=5), registry(), RunOptions(out))
    assert report.complete
    return out


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `datasets` keeps what it has read, so that nobody's own place is touched."""
    return tmp_path_factory.mktemp("datasets")
