"""Parts of the embedded model that are reckoned in a quicker way than they are defined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_embedded
import torch
from things import box, camera_over_table, scene

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.training.embedded.tower_phrases import tower_words
from spatialvlm_ros.vlm.embedded import tower_folded
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.crops import (
    CHANNELS,
    SCALARS,
    SIZE_PX,
    assemble,
    bare_images,
    paste_mask,
    prepare_images,
    sample_masks,
    sample_windows,
    white_points,
    window_grid,
    windows,
)
from spatialvlm_ros.vlm.embedded.crops_of_frame import sample_frame
from spatialvlm_ros.vlm.embedded.looking import Proposed
from spatialvlm_ros.vlm.embedded.measured import bare_scene, measure
from spatialvlm_ros.vlm.embedded.object_tokens import object_tokens, object_tokens_of_each
from spatialvlm_ros.vlm.embedded.tokenizer import PhraseTokenizer
from spatialvlm_ros.vlm.embedded.tower import RegionEncoder, TowerConfig
from spatialvlm_ros.vlm.interface import Question, View


def whole_pictures(view: View) -> tuple[torch.Tensor, torch.Tensor]:
    """The pictures and scalars of a view's proposals, cut out of the whole image."""
    assert view.frame is not None and view.up is not None
    images = prepare_images(
        torch.from_numpy(view.color)[None],
        torch.from_numpy(view.frame.xyz)[None],
        torch.tensor(view.up, dtype=torch.float32)[None],
        torch.tensor([float(view.plane[3])]),
    )
    middle, side = windows(torch.tensor([region.box for region in view.proposals], dtype=torch.float32))
    patches = sample_windows(images, torch.zeros(len(side), dtype=torch.long), middle, side)
    masks = torch.from_numpy(np.stack([region.mask for region in view.proposals]))
    return assemble(patches, sample_masks(masks, middle, side))


@pytest.mark.parametrize("size", [(120, 160), (243, 331)])
@pytest.mark.parametrize("first", [0, 1])
def test_things_look_the_same_by_themselves_as_in_the_whole_image(size: tuple[int, int], first: int) -> None:
    view = tiny_embedded.table_view(size, things=4)
    view = replace(view, proposals=view.proposals[first : first + 2])
    for part, whole in zip(Proposed(view, torch.device("cpu")).pictures, whole_pictures(view), strict=True):
        assert torch.equal(part, whole)


def test_windows_of_all_sizes_and_beyond_the_image_are_sampled_as_of_many_images() -> None:
    rng = np.random.default_rng(3)
    height, width = 301, 423
    color = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    depth = rng.uniform(0.5, 0.9, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = np.nan
    camera = CameraModel(width, height, 400.0, 410.0, 211.0, 149.0)
    up, height_m = torch.tensor([[0.1, -0.8, -0.5]]), torch.tensor([0.7])
    middle = torch.tensor([[40.0, 30.0], [200.5, 150.2], [415.0, 290.0], [211.0, 150.0], [3.0, 200.0]])
    side = torch.tensor([12.0, 63.0, 150.0, 600.0, 290.0])
    images = prepare_images(torch.from_numpy(color)[None], torch.from_numpy(camera.back_project(depth))[None], up, height_m)
    whole = sample_windows(images, torch.zeros(len(side), dtype=torch.long), middle, side)
    bare = bare_images(up, height_m, white_points(torch.from_numpy(color)[None]))
    own = sample_frame(color, depth, camera, bare, middle, side)
    assert torch.equal(own.inside, whole.inside) and torch.equal(own.valid, whole.valid)
    assert torch.equal(own.color, whole.color) and torch.equal(own.xyz, whole.xyz)
    assert not sample_frame(color, None, None, bare, middle, side).valid.any()


@pytest.mark.parametrize("one_dnn", [True, False])
def test_the_folded_encoder_is_the_encoder_whatever_its_weights_become(one_dnn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tower_folded, "_ONE_DNN", one_dnn and tower_folded._ONE_DNN)
    torch.manual_seed(0)
    encoder = RegionEncoder(TowerConfig(channels=(8, 16, 16, 24), blocks=(0, 1, 2, 1), embedding=12)).eval()
    pictures, scalars = torch.rand(3, CHANNELS, SIZE_PX, SIZE_PX), torch.randn(3, len(SCALARS))
    for _ in range(2):
        with torch.no_grad():
            wanted = encoder(pictures, scalars)
        found = tower_folded.folded_regions(encoder, pictures, scalars)
        torch.testing.assert_close(found.embedding, wanted.embedding, atol=1e-5, rtol=1e-5)
        for one, other in zip(found.maps, wanted.maps, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        # As training and loading change weights: in place.
        with torch.no_grad():
            for name, part in encoder.state_dict().items():
                if part.is_floating_point():
                    part.mul_(1.3).add_(0.1 if "running_var" in name else 0.01)


def test_a_map_comes_back_to_where_its_window_was() -> None:
    middle, side = torch.tensor([20.5, 33.0]), torch.tensor(24.0)
    u, v = window_grid(middle[None], side[None])
    steps = torch.arange(64) / 64
    pasted = paste_mask((steps[None] + 10 * steps[:, None] + 1), middle, side, (60, 50))
    inside = torch.zeros(60, 50, dtype=torch.bool)
    # Pixels whose middles lie in the window, its edge included.
    inside[21:45, 8:33] = True
    assert torch.equal(pasted > 0, inside)
    for row, column in ((25, 12), (33, 20), (40, 28)):
        wanted = 1 + np.interp(column + 0.5, u[0], steps) + 10 * np.interp(row + 0.5, v[0], steps)
        assert float(pasted[row, column]) == pytest.approx(float(wanted), abs=1e-4)
    assert not paste_mask(torch.ones(64, 64), torch.tensor([-90.0, 10.0]), side, (60, 50)).any()


def test_tokens_of_several_scenes_are_those_of_each() -> None:
    first, second, third = (
        box([0.2 * at, 0.1, 0.03 + 0.01 * at], [0.05, 0.04, 0.06], number=at + 1, label=str(at)) for at in range(3)
    )
    asked = [(first, second), (), (third,), (second, first, third)]
    cameras = [camera_over_table(pitch_deg=20.0 + 10 * at) for at in range(4)]
    scenes = [scene({thing.label: thing for thing in things}, camera) for things, camera in zip(asked, cameras, strict=True)]
    together = object_tokens_of_each(list(zip(scenes, asked, strict=True)))
    assert [len(features) for features, _ in together] == [2, 0, 1, 3]
    for (features, valid), one, things in zip(together, scenes, asked, strict=True):
        alone, alone_valid = object_tokens(one, things)
        assert np.array_equal(features, alone) and np.array_equal(valid, alone_valid)
    # A scene that is asked about again, also in another order.
    (given, _), (again, _) = object_tokens_of_each([(scenes[0], asked[0]), (replace(scenes[0]), asked[0][::-1])])
    assert np.array_equal(given, together[0][0]) and np.array_equal(again, given[::-1])


def test_white_is_the_quantile_of_what_is_bright() -> None:
    color = torch.randint(0, 256, (3, 50, 70, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sparse = color[:, ::8, ::8].reshape(3, -1, 3).float() / 255
    bright = torch.quantile(sparse, 0.97, dim=1)
    level = bright.amax(dim=1, keepdim=True).clamp(0.4, 1.0)
    torch.testing.assert_close(white_points(color), torch.minimum(torch.maximum(bright, 0.9 * level), level))
    assert white_points(torch.full((1, 4, 4, 3), 51, dtype=torch.uint8))[0].tolist() == pytest.approx([0.36] * 3)


def test_a_match_stands_alone_where_the_witness_says_nothing() -> None:
    calibration = Calibration(slope=1.0, witness=2.0, unheard=-1.0)
    odds = np.array([0.5, 0.5, 0.5])
    said = calibration.probabilities(-np.logaddexp(0, -odds), np.array([0.25, 0.0, -0.25]))
    assert np.log(said / (1 - said)) == pytest.approx([1.0, -0.5, 0.0], abs=1e-6)


def test_what_a_question_means_is_likely_by_its_odds_and_by_the_prior_of_questions() -> None:
    calibration = Calibration(present_slope=0.9, present_offset=0.3, asked_odds=10.0)
    assert calibration.supposed([]) == 0.0
    chances = np.array([0.02, 0.12, 0.001])
    anything = 1 - np.prod(1 - chances)
    there = 1 / (1 + np.exp(-(0.9 * np.log(anything / (1 - anything)) + 0.3 + np.log(10.0))))
    odds = chances / (1 - chances)
    assert calibration.supposed(chances) == pytest.approx(there * odds[1] / odds.sum(), rel=1e-6)
    # Two that are alike are half as likely each, however sure it is that both answer.
    assert calibration.supposed([0.999, 0.999]) == pytest.approx(0.5, abs=0.01)
    shy = replace(calibration, asked_odds=0.1)
    assert shy.supposed(chances) < 0.1 < 0.5 < calibration.supposed(chances)


def test_what_a_view_has_measured_is_not_measured_again(tmp_path: Path) -> None:
    tiny_embedded.tiny_model(tmp_path)
    vlm = EmbeddedVlm.from_folder(tmp_path)
    vlm.calibration = Calibration(found=0.0, several_slope=0.0, several_offset=-9.0)
    view = tiny_embedded.table_view(things=1)
    asked = [Question("How wide is the red mug?")]
    by_itself = vlm.look(view).answer(asked)
    proposed = Proposed(view, torch.device("cpu"))
    assert view.frame is not None
    at = bare_scene(view.frame, proposed.plane, view.up, proposed.noise)
    thing = measure(view.frame, view.proposals[0], at, proposed.noise, 1)
    assert thing is not None
    told = replace(view, things={0: thing})
    assert vlm.look(told).answer(asked) == by_itself
    moved = replace(view, things={0: replace(thing, extents_std=thing.extents_std + 0.5)})
    assert vlm.look(moved).answer(asked) != by_itself


def test_two_names_of_a_question_are_not_one_thing(tmp_path: Path) -> None:
    tiny_embedded.tiny_model(tmp_path)
    vlm = EmbeddedVlm.from_folder(tmp_path)
    vlm.calibration = Calibration(found=0.0, several_slope=0.0, several_offset=-9.0)
    (said,) = vlm.look(tiny_embedded.table_view(things=1)).answer([Question("How far is the red mug from the blue can?")])
    assert said.status is Status.AMBIGUOUS and "'red mug' and 'blue can' cannot be told apart" in said.text


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("tangerine mug", ["orange", "mug"]),
        ("the tangerine", ["tangerine"]),
        ("the lemon with the leaf", ["lemon", "with", "leaf"]),
        ("a lemon bowl", ["yellow", "bowl"]),
        ("jet black can", ["black", "can"]),
        ("red tumbler", ["red", "cup"]),
        ("", []),
    ],
)
def test_words_that_stand_for_others_are_spelled_so(phrase: str, words: list[str]) -> None:
    assert PhraseTokenizer(tower_words()).split(phrase) == words
