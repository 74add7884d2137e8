"""Depth in metres at the picture's size, NaN where there is none, and DepthPro's field of view."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny_models
import torch

from spatialvlm_ros.perception.models.errors import ModelInputError, ProcessorMissingError
from spatialvlm_ros.perception.models.loader import LoadedModel, ModelKind, load_model
from spatialvlm_ros.perception.models.metric_depth import MetricDepth


def pictures(*sizes: tuple[int, int]) -> list[npt.NDArray[np.uint8]]:
    generator = np.random.default_rng(4)
    return [generator.integers(0, 255, (height, width, 3), dtype=np.uint8) for height, width in sizes]


def make(name: str, folder: Path) -> LoadedModel:
    loaded = load_model(ModelKind.DEPTH, getattr(tiny_models, name)(folder))
    if name == "depth_pro":
        plant_pro(loaded, fov_deg=60.0)
    return loaded


def plant_pro(loaded: LoadedModel, fov_deg: float, inverse: float | None = None) -> None:
    """Let DepthPro see a field of view, and, where given, one canonical inverse depth everywhere."""
    with torch.no_grad():
        head = loaded.model.fov_model.head.layers[-1]
        head.weight.zero_()
        head.bias.fill_(fov_deg)
        last = loaded.model.head.layers[-2]
        # Away from 0, where the depth is endless.
        last.bias.fill_(50.0 if inverse is None else inverse)
        if inverse is not None:
            last.weight.zero_()


@pytest.fixture(scope="module", params=["depth_anything", "zoedepth", "depth_pro"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return make(request.param, tmp_path_factory.mktemp("models") / request.param)


def test_depth_has_the_size_of_the_picture_and_is_above_zero_or_nan(loaded: LoadedModel) -> None:
    images = pictures((60, 80), (80, 60), (37, 53))
    for picture, one in zip(images, MetricDepth(loaded)(images), strict=True):
        assert one.depth_m.shape == picture.shape[:2]
        assert one.depth_m.dtype == np.float32
        valid = one.depth_m[~np.isnan(one.depth_m)]
        assert valid.size
        assert np.ptp(valid) > 1e-4
        assert np.isfinite(valid).all()
        assert (valid > 0).all()
        assert (one.horizontal_fov_deg is not None) == (loaded.model_type == "depth_pro")


def test_a_picture_does_not_depend_on_its_neighbours_and_repeats_exactly(loaded: LoadedModel) -> None:
    images = pictures((60, 80), (80, 60), (60, 80))
    together, alone = MetricDepth(loaded, batch_size=3)(images), [MetricDepth(loaded)([image])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert np.allclose(a.depth_m, b.depth_m, rtol=1e-4, equal_nan=True)
    again = MetricDepth(loaded, batch_size=3)(images)
    assert all(np.array_equal(a.depth_m, b.depth_m, equal_nan=True) for a, b in zip(together, again, strict=True))
    assert MetricDepth(loaded)([]) == []


def test_grey_and_single_pixels_are_taken(loaded: LoadedModel) -> None:
    grey = np.full((1, 1), 80, dtype=np.uint8)
    for one in MetricDepth(loaded)([grey, grey[..., None], np.full((3, 3), 80, dtype=np.uint8)]):
        assert one.depth_m.ndim == 2
        assert one.depth_m.size in (1, 9)


def test_a_sliver_that_the_processor_cannot_take_is_named(tmp_path: Path) -> None:
    model = MetricDepth(make("depth_anything", tmp_path / "model"))
    with pytest.raises(ModelInputError, match="50 x 1"):
        model(pictures((1, 50)))


@pytest.mark.parametrize("max_depth", [20, 80])
def test_depth_anything_is_a_share_of_its_greatest_depth(max_depth: int, tmp_path: Path) -> None:
    loaded = load_model(ModelKind.DEPTH, tiny_models.depth_anything(tmp_path / "model", max_depth=max_depth))
    with torch.no_grad():
        loaded.model.head.conv3.weight.zero_()
        loaded.model.head.conv3.bias.fill_(-1.0)
    (one,) = MetricDepth(loaded)(pictures((60, 80)))
    assert np.allclose(one.depth_m, max_depth / (1 + math.e), rtol=1e-5)


def test_depth_lies_between_the_values_of_the_model(tmp_path: Path) -> None:
    """Nothing overshoots at edges, and the map is not turned or mirrored."""
    loaded = make("depth_anything", tmp_path / "model")
    (picture,) = pictures((56, 56))
    pixels = loaded.processor(images=picture, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        raw = loaded.model(pixel_values=pixels).predicted_depth[0].numpy()
    (one,) = MetricDepth(loaded)([picture])
    assert raw.min() <= one.depth_m.min() <= one.depth_m.max() <= raw.max()
    coarse = one.depth_m.reshape(raw.shape[0], 56 // raw.shape[0], raw.shape[1], -1).mean(axis=(1, 3))
    assert np.corrcoef(coarse.ravel(), raw.ravel())[0, 1] > 0.9


def test_zoedepth_without_its_mirrored_border_is_the_picture(tmp_path: Path) -> None:
    """Against a ramp over the padded input: the border that the processor added is cut off again."""
    loaded = make("zoedepth", tmp_path / "model")
    (picture,) = pictures((72, 128))
    rows, columns = int(math.sqrt(72 / 2) * 3), int(math.sqrt(128 / 2) * 3)
    real = loaded.model.forward

    def forward(**inputs: torch.Tensor) -> object:
        output = real(**inputs)
        height, width = output.predicted_depth.shape[-2:]
        # The column of the padded picture that each pixel of the map shows.
        ramp = (torch.arange(width) + 0.5) / width * (128 + 2 * columns)
        output.predicted_depth = ramp.expand(1, height, width).clone()
        return output

    loaded.model.forward = forward
    (one,) = MetricDepth(loaded)([picture])
    assert rows == 18
    assert np.allclose(one.depth_m, np.arange(128) + 0.5 + columns, atol=0.5)


@pytest.mark.parametrize("fov_deg", [40.0, 60.0, 90.0])
def test_depth_pro_scales_by_its_field_of_view(fov_deg: float, tmp_path: Path) -> None:
    loaded = make("depth_pro", tmp_path / "model")
    plant_pro(loaded, fov_deg, inverse=0.25)
    wide, tall = MetricDepth(loaded)(pictures((60, 80), (80, 60)))
    # A thing at depth z, w across, fills the share w f / (z W) of the width: canonical inverse depth times W / f is 1 / z.
    expected = 1 / (0.25 * 2 * math.tan(math.radians(fov_deg) / 2))
    for one in (wide, tall):
        assert one.horizontal_fov_deg == pytest.approx(fov_deg, rel=1e-5)
        assert np.allclose(one.depth_m, expected, rtol=1e-4)


def test_a_known_focal_length_goes_before_the_estimate(tmp_path: Path) -> None:
    loaded = make("depth_pro", tmp_path / "model")
    plant_pro(loaded, 60.0, inverse=0.25)
    known, own = MetricDepth(loaded)(pictures((60, 80), (60, 80)), [160.0, None])
    assert np.allclose(known.depth_m, 160 / 80 / 0.25, rtol=1e-5)
    assert np.allclose(own.depth_m, 1 / (0.25 * 2 * math.tan(math.radians(30))), rtol=1e-4)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ModelInputError, match="focal length"):
            MetricDepth(loaded)(pictures((60, 80)), [bad])
    with pytest.raises(ModelInputError, match="2 focal lengths for 1"):
        MetricDepth(loaded)(pictures((60, 80)), [1.0, 2.0])


def test_sky_and_an_impossible_field_of_view_give_nothing(tmp_path: Path) -> None:
    loaded = make("depth_pro", tmp_path / "model")
    plant_pro(loaded, 60.0, inverse=0.0)
    (sky,) = MetricDepth(loaded)(pictures((60, 80)))
    assert np.isnan(sky.depth_m).all()
    for fov_deg in (-5.0, 0.0, 180.0, math.nan):
        plant_pro(loaded, fov_deg, inverse=0.25)
        (one,) = MetricDepth(loaded)(pictures((60, 80)))
        assert one.horizontal_fov_deg is None
        assert np.isnan(one.depth_m).all()


def test_values_that_are_no_distance_become_nan(tmp_path: Path) -> None:
    loaded = make("depth_anything", tmp_path / "model")
    with torch.no_grad():
        loaded.model.head.conv3.bias.fill_(math.nan)
    (one,) = MetricDepth(loaded)(pictures((60, 80)))
    assert np.isnan(one.depth_m).all()


def test_depth_pro_without_field_of_view_needs_a_focal_length(tmp_path: Path) -> None:
    loaded = load_model(ModelKind.DEPTH, tiny_models.depth_pro(tmp_path / "model", with_fov=False))
    model = MetricDepth(loaded)
    assert not model.gives_fov
    with pytest.raises(ModelInputError, match="focal length"):
        model(pictures((60, 80)))
    (one,) = model(pictures((60, 80)), [70.0])
    assert one.horizontal_fov_deg is None


def test_settings_of_pixels_are_read_and_checked(tmp_path: Path) -> None:
    folder = tiny_models.depth_pro(tmp_path / "model")
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    for change in ({"size": {"shortest_edge": 32}}, {"image_mean": None}, {"do_normalize": False}, {"resample": 1}):
        path.write_text(json.dumps(settings | change))
        with pytest.raises(ProcessorMissingError, match="picture settings"):
            MetricDepth(load_model(ModelKind.DEPTH, folder))
    path.unlink()
    with pytest.raises(ProcessorMissingError, match="neither"):
        MetricDepth(load_model(ModelKind.DEPTH, folder))
