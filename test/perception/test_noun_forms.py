import json
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.perception.noun_forms import (
    FEATURES,
    LEAST_ODDS,
    MOST_ODDS,
    NounForms,
    features_of,
    shipped_noun_forms,
)
from spatialvlm_ros.perception.shapes import ShapeMeasure

# An upright can of 66 x 115 mm, a book that lies flat, a ball: as measured with a millimetre of noise.
CAN = ShapeMeasure(0.115, 0.0, 0.067, 0.065, 0.9, 0.0, 0.004, 0.001, 0.006, 0.11)
BOOK = ShapeMeasure(0.03, 0.0, 0.22, 0.15, 0.0, 0.0, 0.001, 0.02, 0.015, 0.3)
BALL = ShapeMeasure(0.07, 0.0, 0.071, 0.069, 1.0, 0.0, 0.006, 0.005, 0.0008, 0.07)


def odds(form: ShapeMeasure | None, noun: str) -> float:
    forms = shipped_noun_forms()
    return float(forms([form])[0, forms.nouns.index(noun)])


def test_a_form_speaks_for_its_own_noun_and_against_others() -> None:
    assert odds(CAN, "can") > 0.9 > -1 > odds(CAN, "book")
    assert odds(BOOK, "book") > 0.9 > -1 > odds(BOOK, "bottle")
    assert odds(BALL, "ball") > 0.9 > -1 > odds(BALL, "plate")


def test_odds_stay_within_bounds_and_are_0_without_a_form() -> None:
    forms = shipped_noun_forms()
    strange = ShapeMeasure(90.0, 0.0, 1e-9, 1e-9, 1.0, 1.0, 9.0, 9.0, 9.0, 1e9)
    said = forms([CAN, None, strange])
    assert said.min() >= LEAST_ODDS and said.max() <= MOST_ODDS and not said[1].any() and np.isfinite(said).all()
    assert forms([]).shape == (0, len(forms.nouns))


def test_each_form_is_read_for_itself() -> None:
    forms = shipped_noun_forms()
    np.testing.assert_allclose(forms([CAN, BOOK, BALL])[1], forms([BOOK])[0], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "noun"),
    [("red tin can", "can"), ("coffee mug", "mug"), ("carton", "box"), ("blue tape roll", "ring"), ("red flask", "bottle")],
)
def test_words_that_people_say_for_a_noun_are_known(name: str, noun: str) -> None:
    forms = shipped_noun_forms()
    found = forms.noun_of(name.split())
    assert found is not None and forms.nouns[found] == noun


def test_a_noun_without_a_form_is_none() -> None:
    assert shipped_noun_forms().noun_of(["red", "thing"]) is None and shipped_noun_forms().noun_of([]) is None


def test_features_are_in_the_order_of_their_names() -> None:
    row = dict(zip(FEATURES, features_of(replace(CAN, hollow=0.25)), strict=True))
    assert row["hollow"] == 0.25 and row["roundness"] == 0.9
    assert row["elongation"] == pytest.approx(np.log(0.067 / 0.065)) and row["height"] == pytest.approx(np.log(0.115))


def test_the_network_is_the_same_after_its_json() -> None:
    forms = shipped_noun_forms()
    again = NounForms.from_json(forms.to_json())
    np.testing.assert_array_equal(again([CAN, BOOK]), forms([CAN, BOOK]))


@pytest.mark.parametrize(
    ("entry", "value", "problem"),
    [
        ("features", ["height"], "features"),
        ("nouns", ["can"], "do not fit"),
        ("biases", [[0.0]], "do not fit"),
        ("words", {"tin": "nothing"}, "words for nouns"),
        ("weights", None, "no network"),
    ],
)
def test_what_is_no_network_is_refused(entry: str, value: object, problem: str) -> None:
    entries = {**json.loads(shipped_noun_forms().to_json()), entry: value}
    with pytest.raises(ValueError, match=problem):
        NounForms.from_json(json.dumps(entries))
