"""What colour and depth say of regions beside the network: its columns, and what a form says of the noun of a name."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.perception.appearance import Appearance
from spatialvlm_ros.perception.noun_forms import shipped_noun_forms
from spatialvlm_ros.perception.shapes import ShapeMeasure
from spatialvlm_ros.vlm.embedded import witness
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.witness import LOOKS, forms_say, looks_of

CAN = ShapeMeasure(0.115, 0.0, 0.067, 0.065, 0.9, 0.0, 0.004, 0.001, 0.006, 0.11)
BOOK = ShapeMeasure(0.03, 0.0, 0.22, 0.15, 0.0, 0.0, 0.001, 0.02, 0.015, 0.3)
# Of one colour and one doubtful shape: only their forms differ.
SEEN = [Appearance({"red": 1.0}, {"can": 0.5, "block": 0.5}, form=form) for form in (CAN, BOOK, None)]


def test_a_form_tells_nouns_apart_that_colour_and_shape_do_not() -> None:
    looks = looks_of(SEEN)
    assert looks.shape == (3, len(LOOKS) + len(shipped_noun_forms().nouns)) and looks.dtype == np.float32
    can, book, nothing = forms_say([["red", "tin"]], looks)[0]
    assert can > 0.5 > -0.5 > book and nothing == 0.0
    said = witness.testify(["red tin"], looks)[0]
    assert said[0] == said[1] == said[2]
    chances = Calibration(forms=1.0).probabilities(np.log([0.5, 0.5, 0.5]), 0.0, [can, book, nothing])
    assert chances[0] > 0.6 > 0.4 > chances[1] and chances[2] == 0.5


def test_the_noun_is_that_of_what_is_named_and_not_of_what_it_has() -> None:
    looks = looks_of(SEEN)
    with_a_cap = forms_say([["red", "can", "with", "a", "book"], ["can"], ["red", "thing"], []], looks)
    np.testing.assert_array_equal(with_a_cap[0], with_a_cap[1])
    assert not with_a_cap[2:].any()


def test_no_region_has_no_looks() -> None:
    assert forms_say([["can"]], looks_of([])).shape == (1, 0)
