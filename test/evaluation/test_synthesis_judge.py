"""Pairs against truth: what is true passes, and each way to be wrong is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_render import IN_FAMILY
from spatialvlm_ros.evaluation.synthesis_judge import JUDGED, RELATION_NAMES, Judge, is_right, score, summary
from spatialvlm_ros.evaluation.synthesis_pictures import Viewed, viewed
from spatialvlm_ros.scene.facts import PROBABILITY
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.simulation.random_scene import SceneSampling
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.synthesis.record import Example, Pair, Picture
from spatialvlm_ros.synthesis.sources import RenderSource

SMALL = SceneSampling(num_things=(5, 6), width_px=(320, 320), height_px=(240, 240), fx_px=(260.0, 300.0))
SEED = 24


@pytest.fixture(scope="module")
def view() -> Viewed:
    found = viewed(SEED, SMALL)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def true_example() -> Example:
    """Facts of the shapes themselves."""
    picture = next(iter(RenderSource(SEED, 1, SMALL, truth=True).items(0, 1)))
    assert isinstance(picture, Picture)
    return make_example(picture, AskOptions(), 0)


def pair_of(example: Example, fits: Callable[[Pair], bool]) -> Pair:
    return next(pair for pair in example.pairs if fits(pair))


def test_true_facts_are_all_valid(view: Viewed, true_example: Example) -> None:
    """Two formulations of every relation agree, through rounding, words and reading back."""
    rows = Judge(view.truth, view.things).judge(true_example.pairs)
    figures = score(rows)
    assert len(rows) == len(true_example.pairs) > 200 and len(figures) >= 40
    for name, item in figures.items():
        assert item["valid"] == item["certain"], name
        assert item["polarity_errors"] == item["unread"] == item.get("numbers_lost", 0) == 0, name
    total = summary(figures)
    assert total["valid_share_pooled"] == total["valid_share_mean_of_types"] == total["valid_share_of_worst_type"] == 1.0
    assert total["pairs"] == len(rows)


def test_pictures_are_those_of_the_source(view: Viewed) -> None:
    """The noise is laid over once rendered pictures as the source does it itself."""
    for family in IN_FAMILY:
        source = next(iter(RenderSource(SEED, 1, SMALL, noise=family).items(0, 1)))
        assert isinstance(source, Picture)
        ours = view.noisy(family)
        assert ours.depth_m is not None and source.depth_m is not None
        assert np.array_equal(ours.depth_m, source.depth_m, equal_nan=True) and ours.noise == source.noise
        assert np.array_equal(ours.color, source.color) and np.array_equal(ours.up, source.up)
        for a, b in zip(ours.regions, source.regions, strict=True):
            assert a.caption == b.caption and np.array_equal(a.mask, b.mask)
    assert sorted(view.things.values()) == sorted(set(view.things.values()))


def judged(view: Viewed, pair: Pair) -> dict[str, object]:
    return score(Judge(view.truth, view.things).judge([pair]))[pair.query.relation]


def test_an_answer_turned_round_is_a_polarity_error_and_invalid(view: Viewed, true_example: Example) -> None:
    pair = pair_of(true_example, lambda one: one.polarity == "yes")
    item = judged(view, replace(pair, answer="No."))
    assert item["polarity_errors"] == 1 and item["valid"] == 0 and item["certain"] == 1
    number = pair_of(true_example, lambda one: one.query.relation == "left_difference" and abs(one.value) > 0.05)
    side = "left" if number.value < 0 else "right"
    item = judged(view, replace(number, answer=f"10 cm to the {side}."))
    assert item["polarity_errors"] == item["other_side"] == item["numbers_lost"] == 1 and item["valid"] == 0


def test_a_wrong_fact_is_invalid_though_its_answer_says_it(view: Viewed, true_example: Example) -> None:
    pair = pair_of(true_example, lambda one: one.polarity == "first")
    wrong = replace(pair, polarity="second", value=1 - pair.value, answer=f"The {pair.objects[1].name}.")
    if RELATIONS[pair.query.relation].sides != ("", ""):
        wrong = replace(wrong, answer=f"{RELATIONS[pair.query.relation].sides[1]}.")
    item = judged(view, wrong)
    assert item["polarity_errors"] == 0 and item["valid"] == 0 and item["wrong_though_truth_clear"] == 1
    number = pair_of(true_example, lambda one: one.query.relation == "distance" and one.value > 0.1)
    far = replace(number, value=2 * number.value, answer=f"{2 * number.value:.3f} m.")
    item = judged(view, far)
    assert item["numbers_lost"] == item["polarity_errors"] == 0 and item["certain"] == 1 and item["valid"] == 0


def test_numbers_may_be_rounded_as_people_do_but_not_more(view: Viewed, true_example: Example) -> None:
    pair = pair_of(true_example, lambda one: one.query.relation == "distance" and 0.16 < one.value < 0.24)
    assert judged(view, replace(pair, answer="20 centimeters."))["valid"] == 1
    lost = judged(view, replace(pair, answer="30 centimeters."))
    assert lost["valid"] == 0 and lost["numbers_lost"] == 1
    # The number before rounding counts as well, where the words stand for it.
    near = replace(pair, value=pair.value + 0.012, answer=f"{pair.value + 0.012:.3f} m.")
    assert judged(view, near)["valid"] == 1


def test_what_is_too_close_to_call_is_set_apart(view: Viewed, true_example: Example) -> None:
    pair = pair_of(true_example, lambda one: one.polarity == "yes")
    item = judged(view, replace(pair, polarity="unsure", value=0.5, answer="Hard to say."))
    assert item["certain"] == 0 and item["uncertain_share"] == 1.0 and item["valid_share"] is None
    assert item["polarity_errors"] == 0
    number = pair_of(true_example, lambda one: one.query.relation == "distance")
    assert judged(view, replace(number, std=0.2 * number.value + 0.01))["certain"] == 0


def test_a_pair_about_a_thing_that_is_not_known_is_left_out(view: Viewed, true_example: Example) -> None:
    pair = true_example.pairs[0]
    known = {mask: at for mask, at in view.things.items() if mask != pair.objects[0].mask}
    assert len(Judge(view.truth, known).judge([pair])) == 0


def test_the_best_constant_is_no_better_than_what_it_says() -> None:
    rows = np.zeros(4, JUDGED)
    rows["relation"] = RELATION_NAMES.index("distance")
    rows["truth"] = rows["value"] = rows["said_value"] = (0.10, 0.105, 0.30, 0.60)
    rows["low"], rows["high"], rows["holds_number"] = rows["truth"], rows["truth"], True
    rows["said"] = rows["recorded"] = 5
    item = score(rows)["distance"]
    assert item["valid_share_of_constant"] == 0.5 and item["valid"] == 4 and item["median_abs_error"] == 0.0


def test_every_type_of_the_paper_has_a_kind_of_score() -> None:
    for name in PAPER_TYPES:
        rows = np.zeros(2, JUDGED)
        rows["relation"] = RELATION_NAMES.index(name)
        kind = score(rows)[name]["kind"]
        assert kind == ("qualitative" if RELATIONS[name].unit == PROBABILITY else "quantitative")
    assert not is_right(np.zeros(1, JUDGED)).shape[1:]
