"""What other colours say of a region: only that another one suits it better, and only of the colour of the thing itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spatialvlm_ros.vlm.embedded import other_colors
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.other_colors import other_colors_say
from spatialvlm_ros.vlm.embedded.tower import Regions


@pytest.fixture(scope="module")
def vlm() -> EmbeddedVlm:
    return EmbeddedVlm.from_folder()


def colored(vlm: EmbeddedVlm, *colors: str) -> Regions:
    """A region for each colour that the network finds to be of it."""
    tower = vlm.model.tower
    with torch.no_grad():
        direction = tower.phrases(torch.from_numpy(vlm.tokenizer.encode(colors).ids)).direction[:, 0]
    return Regions(8 * direction / direction.norm(dim=1, keepdim=True) * direction.shape[1] ** 0.25, ())


def said(vlm: EmbeddedVlm, names: list[str], regions: Regions) -> np.ndarray:
    return other_colors_say(vlm.model.tower, torch.from_numpy(vlm.tokenizer.encode(names).ids), regions)


def test_a_colour_that_suits_far_better_speaks_against_another(vlm: EmbeddedVlm) -> None:
    yellow_plate, orange_plate = said(vlm, ["yellow plate", "tangerine plate"], colored(vlm, "yellow", "orange"))
    assert yellow_plate[0] == orange_plate[1] == 0.0
    assert yellow_plate[1] < -1.0 and orange_plate[0] < -1.0
    chances = Calibration(colors=0.5).probabilities(np.log([0.5, 0.5]), colors=orange_plate)
    assert chances[0] < 0.4 and chances[1] == 0.5


@pytest.mark.parametrize("name", ["plate", "plate with an orange rim", "thing on the orange plate", "orange", ""])
def test_a_name_that_says_no_colour_of_its_thing_is_let_alone(vlm: EmbeddedVlm, name: str) -> None:
    assert not said(vlm, [name], colored(vlm, "yellow", "blue")).any()


def test_what_people_call_by_either_word_is_neither_against_the_other(vlm: EmbeddedVlm, monkeypatch: pytest.MonkeyPatch) -> None:
    turquoise, green = colored(vlm, "turquoise", "green").embedding
    # Turquoise on the green side: on the blue one blue, which green is never called, may speak against green.
    region = Regions((turquoise + 0.15 * green)[None], ())
    of_green, of_teal, of_purple = said(vlm, ["green cup", "teal cup", "purple cup"], region)[:, 0]
    assert of_green == of_teal == 0.0 and of_purple < -1.0
    monkeypatch.setattr(other_colors, "_ALIKE", frozenset())
    assert said(vlm, ["green cup"], region)[0, 0] < -1.0


def test_of_two_colours_the_worse_one_counts_and_neither_is_against_the_other(vlm: EmbeddedVlm) -> None:
    regions = colored(vlm, "red", "blue")
    both, red = said(vlm, ["red and white box", "red box"], regions)
    white = said(vlm, ["white box"], regions)[0]
    assert both[1] <= red[1] < -1.0
    assert both[0] > white[0]


def test_no_region_and_no_name(vlm: EmbeddedVlm) -> None:
    regions = colored(vlm, "red")
    assert said(vlm, ["red box"], Regions(regions.embedding[:0], ())).shape == (1, 0)
    assert said(vlm, [], regions).shape == (0, 1)


def test_colours_are_encoded_anew_when_the_weights_change(vlm: EmbeddedVlm) -> None:
    regions, weights = Regions(colored(vlm, "yellow").embedding / 10, ()), next(iter(vlm.model.tower.phrases.parameters()))
    before, kept = said(vlm, ["orange plate"], regions), weights.detach().clone()
    with torch.no_grad():
        weights.mul_(0.5)
        changed = said(vlm, ["orange plate"], regions)
        weights.copy_(kept)
    assert changed != before and said(vlm, ["orange plate"], regions) == before
