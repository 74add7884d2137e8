"""Answers judged beside the right ones, and the figures that come of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.language_examples import three_cans
from spatialvlm_ros.evaluation.language_judge import (
    MISSING,
    RIGHT,
    UNCLEAR,
    UNSURE,
    WRONG,
    Judged,
    camera_tolerance,
    exact_tolerance,
    thing_of,
    verdict_of,
)
from spatialvlm_ros.evaluation.language_logic import ask_all, kinds_in_turn
from spatialvlm_ros.evaluation.language_scenes import descriptions, true_scene
from spatialvlm_ros.evaluation.language_scores import constant_baseline, reliability, score_logic, score_measured
from spatialvlm_ros.evaluation.language_truth import exactly
from spatialvlm_ros.evaluation.language_truth_answers import NO_ANSWER, Expected, counted, number, truth
from spatialvlm_ros.reasoning.answer import Answer
from spatialvlm_ros.reasoning.grammar import composed_kinds
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.simulation.exact_things import surface_points
from spatialvlm_ros.simulation.random_scene import SceneSampling

POSED = three_cans()
YES = Answer("", "", Status.OK, "truth", value=0.999, unit="probability", verdict=True, decided=True)
TWELVE = Answer("", "", Status.OK, "number", value=0.12, std=0.002, unit="m", decided=True)
RED = Answer("", "", Status.OK, "thing", value=0.99, unit="probability", things=("red can",), decided=True)
LOST = Answer("", "it was not found", Status.NOT_FOUND)


def judged_as(answer: Answer, expected: Expected, *, exact: bool = False) -> str:
    return verdict_of(answer, expected, POSED, exact_tolerance if exact else camera_tolerance, sure=exact)


def test_verdicts_on_yes_and_no() -> None:
    assert judged_as(YES, truth(exactly(0.1))) == RIGHT and judged_as(YES, truth(exactly(-0.1))) == WRONG
    unsure = replace(YES, value=0.8, verdict=None, decided=False)
    assert judged_as(unsure, truth(exactly(0.1))) == UNSURE and judged_as(unsure, truth(exactly(0.1)), exact=True) == WRONG
    assert judged_as(YES, truth(exactly(0.001))) == UNCLEAR
    assert judged_as(TWELVE, truth(exactly(0.1))) == WRONG


def test_verdicts_on_numbers_and_counts() -> None:
    assert judged_as(TWELVE, number(exactly(0.125))) == RIGHT and judged_as(TWELVE, number(exactly(0.125)), exact=True) == WRONG
    assert judged_as(TWELVE, number(exactly(0.2))) == WRONG
    assert judged_as(replace(TWELVE, std=0.02), number(exactly(0.12))) == UNSURE
    two = replace(TWELVE, value=2.0, std=0.0, unit="count")
    assert judged_as(two, counted(exactly(2))) == RIGHT and judged_as(two, counted(exactly(3))) == WRONG
    assert judged_as(replace(two, std=0.3), counted(exactly(2))) == UNSURE


def test_verdicts_on_things_and_on_what_has_no_answer() -> None:
    red = Expected("things", things=frozenset({0}), margin=0.1)
    assert judged_as(RED, red) == RIGHT and judged_as(replace(RED, things=("blue can",)), red) == WRONG
    assert judged_as(replace(RED, decided=False), red) == UNSURE
    assert judged_as(LOST, red) == MISSING and judged_as(LOST, red, exact=True) == WRONG
    assert judged_as(LOST, NO_ANSWER) == RIGHT and judged_as(YES, NO_ANSWER) == WRONG


def test_names_of_answers_are_found_again() -> None:
    assert [thing_of(name, POSED) for name in ("red can", "green can", "can #3", "nothing like it")] == [0, 1, 2, -2]


def test_descriptions_tell_things_by_color_and_by_shape() -> None:
    found = descriptions(["red can", "red block", "blue can"])
    assert found["can"] == (0, 2) and found["red object"] == (0, 1) and found["object"] == (0, 1, 2) and found["red can"] == (0,)


def test_surface_points_lie_close_together_on_the_surface() -> None:
    solid = POSED.truth.solids[0]
    points = surface_points(solid.vertices, solid.faces)
    assert max(np.linalg.norm(solid.nearest(point) - point) for point in points[::50]) < 1e-6
    sampled, _ = solid.tree.query(points)
    assert len(points) > 500 and sampled.max() < 0.01


# -- statistics -------------------------------------------------------------------------------------------------------------


def rows(*verdicts: tuple[str, str]) -> list[Judged]:
    return [Judged(0, "stereo", kind, verdict, "truth", nominal=RIGHT, truth=1.0) for kind, verdict in verdicts]


def test_what_is_unsure_counts_for_all_answers_and_not_for_the_sure_ones() -> None:
    found = score_measured(rows(("way", RIGHT), ("way", WRONG), ("way", UNSURE), ("gap", MISSING), ("gap", UNCLEAR)))
    assert (found["asked"], found["accuracy"], found["accuracy_of_sure"]) == (4, 0.25, 0.5)
    assert found["unsure_share"] == found["missing_share"] == 0.25 and found["left_out_too_close_to_call"] == 1
    assert found["by_family"]["gap"]["asked"] == 1 and np.isnan(found["by_family"]["gap"]["accuracy_of_sure"])


def test_kinds_that_were_never_asked_are_told() -> None:
    found = score_logic(rows(("way", RIGHT), ("gap_more", UNCLEAR)), ("way", "gap_more"))
    assert found["kinds_asked"] == 1 and found["kinds_never_asked"] == ["gap_more"] and found["right_share"] == 1.0


def test_reliability_of_probabilities_that_come_true_as_stated_and_of_boasts() -> None:
    generator = np.random.default_rng(0)
    stated = generator.random(40_000)
    fair = reliability(stated, generator.random(40_000) < stated)
    assert fair["ece"] < 0.02 and fair["brier"] == pytest.approx(1 / 6, abs=0.01)
    boasts = reliability(np.full(1000, 0.99), np.arange(1000) % 2 == 0)
    assert boasts["ece"] == pytest.approx(0.49) and boasts["brier"] > boasts["brier_of_base_rate"]
    assert reliability(np.zeros(0), np.zeros(0, bool)) == {"n": 0}


def test_the_best_constant_is_the_majority_the_median_and_what_is_said_first() -> None:
    base = Judged(0, "stereo", "way", RIGHT, "number")
    numbers = [replace(base, truth=value, unit="m") for value in (0.1, 0.105, 0.4)]
    yes = [replace(base, what="truth", kind="on", truth=value) for value in (1.0, 1.0, 1.0, 0.0)]
    things = [replace(base, what="things", kind="second", first=first) for first in (True, False)]
    found = constant_baseline([*numbers, *yes, *things])
    assert found["by_what"] == {"number": 2 / 3, "things": 0.5, "truth": 0.75} and found["accuracy"] == 6 / 9


# -- the whole way ----------------------------------------------------------------------------------------------------------


def test_kinds_take_turns() -> None:
    every = tuple(composed_kinds())
    assert kinds_in_turn(len(every) - 1, 2) == [every[-1], every[0]]


def test_a_true_scene_is_answered_right_and_the_same_each_time() -> None:
    posed = true_scene(7, SceneSampling(num_things=(5, 5)))
    kinds = ["way", "superlative/tallest", "count/left", "is/distance_most", "closest_pair", "gap_more", "share/height_more"]
    judged = ask_all(posed, kinds, 0, exact=True)
    assert [item.kind for item in judged if item.verdict != UNCLEAR] == kinds
    assert {item.verdict for item in judged} <= {RIGHT, UNCLEAR}
    assert judged == ask_all(posed, kinds, 0, exact=True)
