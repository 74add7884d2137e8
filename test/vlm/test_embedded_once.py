"""What the engine and the embedded model both need of an image is worked out once, and the same as by each for itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_embedded import table_view, tiny_model

import spatialvlm_ros.perception.appearance_cache as cache
import spatialvlm_ros.vlm.embedded.looking as looking
from spatialvlm_ros.engine import RobotState, SpatialEngine
from spatialvlm_ros.evaluation.vqa_run import engine_config, view_of
from spatialvlm_ros.perception.appearance import describe_each
from spatialvlm_ros.scene.frame import RGBDFrame
from spatialvlm_ros.scene.scene import Scene
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.interface import View

UP = np.array([0.0, 0.0, -1.0])
NAMES = ("red block", "blue can")


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedVlm:
    folder = tmp_path_factory.mktemp("model")
    tiny_model(folder)
    vlm = EmbeddedVlm.from_folder(folder)
    vlm.calibration = replace(vlm.calibration, witness=1.0)
    return vlm


@pytest.fixture
def frame() -> RGBDFrame:
    view = table_view((240, 320))
    assert view.frame is not None
    return view.frame


def told(scene: Scene) -> list[object]:
    things = [(thing.id, thing.label, thing.score, thing.centre.tobytes(), thing.extents.tobytes()) for thing in scene.objects]
    return [*things, *((name, bound.status, bound.text) for name, bound in scene.bindings.items())]


def test_each_region_is_described_once(vlm: EmbeddedVlm, frame: RGBDFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[int] = []

    def counted(*arguments, **more):  # type: ignore[no-untyped-def]
        described.extend(id(region) for region in arguments[1])
        return describe_each(*arguments, **more)

    monkeypatch.setattr(cache, "describe_each", counted)
    monkeypatch.setattr(looking, "describe_each", counted)
    scene = SpatialEngine(vlm=vlm).observe(frame, NAMES, RobotState(up=UP))
    assert len(described) == len(set(described)) == len(scene.objects) >= 3
    # As if the model had told nothing: the engine looks for itself, and finds the same.
    monkeypatch.setattr(View, "described", property(lambda view: {}))
    described.clear()
    assert told(SpatialEngine(vlm=vlm).observe(frame, NAMES, RobotState(up=UP))) == told(scene)
    assert len(described) == 2 * len(scene.objects)


def test_masks_are_mended_for_whoever_reads_them(vlm: EmbeddedVlm, frame: RGBDFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    mended: list[int] = []
    mend = looking.Looked.mended

    def counted(self: looking.Looked, index: int) -> np.ndarray:
        mended.append(index)
        return mend(self, index)

    monkeypatch.setattr(looking.Looked, "mended", counted)
    SpatialEngine(vlm=vlm).observe(frame, NAMES, RobotState(up=UP))
    assert not mended
    view = table_view((240, 320))
    found = vlm.look(view).ground(NAMES)
    assert sorted(set(mended)) == sorted({number for each in found for number in each.proposals})
    plain = View(view.color, view.frame, view.proposals, view.plane, view.up, mend_masks=False)
    for one, other in zip(found, vlm.look(plain).ground(NAMES), strict=True):
        assert (one.present, one.proposals) == (other.present, other.proposals)
        assert all(region.mask is view.proposals[at].mask for region, at in zip(other.regions, other.proposals, strict=True))


def test_a_model_that_looks_by_itself_reads_the_noise_off_the_table_as_the_engine_does(frame: RGBDFrame) -> None:
    # Errors that whole blocks of pixels share, which no preset tells of.
    coarse = np.random.default_rng(0).normal(0.0, 0.002, (30, 40)).astype(np.float32)
    noisy = replace(frame, depth_m=frame.depth_m + np.kron(coarse, np.ones((8, 8), np.float32)))
    config = engine_config("structured_light")
    scene = SpatialEngine(config).observe(noisy, (), RobotState(up=UP))
    assert scene.noise is not None and scene.noise.shared > 0.5 > config.noise.shared
    looked = looking.Proposed(View(noisy.color, noisy, up=UP, noise=config.noise), torch.device("cpu"))
    assert looked.noise == view_of(noisy, UP, config).noise == scene.noise
    # Who brings regions says what the noise is.
    assert looking.Proposed(replace(table_view(), noise=config.noise), torch.device("cpu")).noise == config.noise
