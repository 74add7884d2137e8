"""Judges, figures and baselines of question answering: against brute force, and that nothing asked is ever left out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.vqa_baselines import best_constant, constant_score, words_alone
from spatialvlm_ros.evaluation.vqa_bootstrap import ByImage
from spatialvlm_ros.evaluation.vqa_metrics import BANDS, score
from spatialvlm_ros.evaluation.vqa_records import Prediction, VqaRecord, judge, truth_of_query
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status

NAMES = ("red can", "blue mug")


def number(value: float, relation: str = "distance", image: str = "a", **more: float) -> VqaRecord:
    return VqaRecord(image, f"{relation}?", relation, NAMES, value=value, **more)


def verdict(polarity: str, relation: str = "left", image: str = "a", **more: float) -> VqaRecord:
    return VqaRecord(image, f"{relation}?", relation, NAMES, polarity=polarity, **more)


@pytest.mark.parametrize(
    ("record", "text", "right", "error"),
    [
        (number(0.3), "It is about 30 cm.", True, 0.0),
        (number(0.3), "1 foot", True, 0.0048),
        (number(0.3), "0.36 m", True, 0.06),
        (number(0.3), "half a meter", False, 0.2),
        (number(-0.05, "left_difference"), "5 cm to the right", True, 0.0),
        (number(-0.05, "left_difference"), "5 cm to the left", False, 0.1),
    ],
)
def test_numbers_in_words_are_judged_by_what_they_say(record: VqaRecord, text: str, right: bool, error: float) -> None:
    judged = judge(record, Prediction(text))
    assert judged.gives and judged.right is right
    assert judged.error == pytest.approx(error, abs=1e-6)


NO_NUMBERS = (
    Prediction("I cannot tell."), Prediction("less than 40 cm"), Prediction(""), Prediction(value=math.inf),
    Prediction(value=0.3, status=Status.NOT_FOUND), Prediction("0.3 m", status=Status.AMBIGUOUS),
)  # fmt: skip


@pytest.mark.parametrize("said", NO_NUMBERS)
def test_no_number_is_no_number(said: Prediction) -> None:
    judged = judge(number(0.3), said)
    assert not judged.gives and not judged.right and math.isnan(judged.error)


@pytest.mark.parametrize(
    ("record", "said", "right", "exact"),
    [
        (verdict("yes"), Prediction("Yes."), True, True),
        (verdict("yes"), Prediction("Indeed, the red can is to the left of the blue mug."), True, False),
        (verdict("yes"), Prediction("No, it is not."), False, False),
        (verdict("no"), Prediction(value=0.01), True, False),
        (verdict("no"), Prediction(value=0.2), False, False),  # too close to call, as it would be in words
        (verdict("no"), Prediction("It is too close to call.", 0.2), False, False),
        (verdict("no"), Prediction(value=0.2, verdict="no"), True, False),
        (verdict("no"), Prediction("", math.nan), False, False),
        (verdict("first", "which_tall"), Prediction("The red can."), True, True),
        (verdict("second", "which_tall"), Prediction("the red can"), False, False),
        (verdict("second", "left_or_right"), Prediction("It is on the right side of the blue mug."), True, False),
        (verdict("unsure"), Prediction("They are about the same, it is too close to call."), True, False),
        (verdict("unsure"), Prediction(value=0.5), True, False),
        (verdict("unsure"), Prediction(value=0.999), False, False),
        (replace(verdict("yes"), answer="Yes, it is."), Prediction("yes it is"), True, True),
    ],
)
def test_verdicts_by_both_judges(record: VqaRecord, said: Prediction, right: bool, exact: bool) -> None:
    judged = judge(record, said)
    assert (judged.right, judged.exact) == (right, exact)


def test_what_is_too_close_to_call_is_so_in_numbers_as_in_words() -> None:
    for polarity in ("yes", "no", "unsure"):
        by_number, by_words = (
            judge(verdict(polarity), said) for said in (Prediction(value=0.6), Prediction("too close to call"))
        )
        assert (by_number.gives, by_number.right) == (by_words.gives, by_words.right) == (True, polarity == "unsure")
        assert by_number.likelier is (polarity == "yes")
    found = score([verdict("yes", margin_m=0.1)] * 2, [Prediction(value=0.6), Prediction(value=0.99)])["verdicts"]
    assert found["accuracy_clear"] == found["accuracy_clear_of_given"] == 0.5
    assert found["likelier_side_right_clear"] == found["gives_a_verdict"] == 1.0


@pytest.mark.parametrize(
    ("relation", "value", "verdict_of_it", "sure"),
    [
        ("left", 0.99, "yes", True), ("left", 0.01, "no", True), ("left", 0.8, "yes", False), ("left", 0.3, "no", False),
        ("left", 0.6, "unsure", False), ("which_tall", 0.2, "second", False), ("left_or_right", 0.98, "first", True),
    ],
)  # fmt: skip
def test_a_fact_answers_as_its_sentence_does(relation: str, value: float, verdict_of_it: str, sure: bool) -> None:
    """With "probably" it names a side, but is not sure of it."""
    fact = SpatialFact(Query(relation, *NAMES), Status.OK, Source.DEPTH, 0, "camera", value, unit="probability")
    said, polarity = Prediction.of_fact(fact), verdict_of_it if verdict_of_it != "unsure" else "yes"
    assert said.verdict == verdict_of_it and said.value == value
    judged = judge(verdict(polarity, relation), said)
    assert judged.gives and judged.right is judged.names_side is (verdict_of_it != "unsure") and judged.sure is sure
    lost = Prediction.of_fact(replace(fact, status=Status.NOT_FOUND))
    assert not lost.verdict and not judge(verdict(polarity, relation), lost).gives


def test_flat_verdicts_and_probable_ones_are_scored_apart() -> None:
    chances = [0.99, 0.99, 0.8, 0.8, 0.8, 0.8, 0.6]
    facts = [SpatialFact(Query("left", *NAMES), Status.OK, Source.DEPTH, 0, "", value, unit="probability") for value in chances]
    truths = ["yes", "no", "yes", "yes", "yes", "no", "yes"]
    records = [verdict(each, margin_m=0.1 if each == "yes" else -0.01) for each in truths]
    found = score(records, [Prediction.of_fact(fact) for fact in facts])["verdicts"]
    assert (found["n_sure"], found["n_probable"], found["accuracy_of_sure"], found["accuracy_of_probable"]) == (2, 4, 0.5, 0.75)
    assert found["n_clear"] == 5 and found["accuracy_clear"] == 0.8 and found["accuracy_clear_sure"] == 0.2


@pytest.mark.parametrize(
    ("value", "std", "sigmas"),
    [(0.3, 0.0, 0.0), (0.4, 0.0, math.inf), (0.4, 0.05, 2.0), (0.4, math.inf, math.nan), (0.4, -1.0, math.nan)],
)
def test_no_standard_deviation_is_a_way_round_coverage(value: float, std: float, sigmas: float) -> None:
    said = Prediction(value=value, std=std)
    assert judge(number(0.3), said).sigmas == pytest.approx(sigmas, nan_ok=True)
    # Beside one that is covered and comes with a deviation.
    found = score([number(0.3)] * 2, [said, Prediction(value=0.3, std=0.01)])["numbers"]
    assert found["share_with_a_std"] == (0.5 if math.isnan(sigmas) else 1.0)
    assert found["coverage_1"] == (0.5 if sigmas > 1 else 1.0)


@pytest.mark.parametrize(
    "wrong", [{"relation": "nearby"}, {"relation": "left", "value": 0.1}, {"relation": "distance", "polarity": "yes"},
              {"relation": "distance", "value": math.nan}],
)  # fmt: skip
def test_records_without_a_truth_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=wrong["relation"]):
        VqaRecord(**{"image": "a", "question": "?", "relation": "distance", "names": NAMES, **wrong})


def test_truth_becomes_a_number_or_a_verdict() -> None:
    assert truth_of_query(Query("distance", *NAMES), 0.2, "a", "?").value == 0.2  # type: ignore[union-attr]
    assert truth_of_query(Query("left", *NAMES), -0.2, "a", "?").polarity == "no"  # type: ignore[union-attr]
    assert truth_of_query(Query("which_big", *NAMES), 0.01, "a", "?").polarity == "first"  # type: ignore[union-attr]
    assert truth_of_query(Query("left", *NAMES), math.nan, "a", "?") is None
    with pytest.raises(ValueError, match="name is empty"):
        truth_of_query(Query("left", "red can"), 1.0, "a", "?")


def test_figures_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.6, 200)
    said = truth * rng.lognormal(0, 0.4, 200)
    said[::10] = math.nan
    std = rng.uniform(0.02, 0.1, 200)
    records = [number(value, image=f"{i // 4}", away_m=float(0.3 + i / 200)) for i, value in enumerate(truth)]
    found = score(records, [Prediction(value=value, std=sd) for value, sd in zip(said, std, strict=True)])["numbers"]
    given = np.isfinite(said)
    assert found["n"] == 200 and found["no_number"] == 20 and found["gives_a_number"] == pytest.approx(0.9)
    assert found["mae"] == pytest.approx(np.abs(said - truth)[given].mean())
    assert found["mse"] == pytest.approx(np.square(said - truth)[given].mean())
    assert found["mae_missing_as_zero"] == pytest.approx(np.abs(np.nan_to_num(said) - truth).mean())
    for band, (low, high) in BANDS.items():
        inside = given & (said >= low * truth) & (said <= high * truth)
        assert found[band] == pytest.approx(inside.mean())
        assert found["ci95"][band][0] < found[band] < found["ci95"][band][1]
    assert found["coverage_1"] == pytest.approx((np.abs(said - truth)[given] <= std[given]).mean())


def test_verdicts_and_their_probabilities_against_brute_force() -> None:
    rng = np.random.default_rng(1)
    chance = rng.random(400)
    true = rng.random(400) < chance
    margin = rng.uniform(-0.1, 0.1, 400)
    pairs = enumerate(zip(true, margin, strict=True))
    records = [verdict("yes" if holds else "no", image=f"{i // 4}", margin_m=float(m)) for i, (holds, m) in pairs]
    found = score(records, [Prediction(value=value) for value in chance])["verdicts"]
    right = ((chance > 0.5) == true) & ((chance <= 0.0228) | (chance >= 0.9772))
    assert found["accuracy"] == pytest.approx(right.mean()) and found["gives_a_verdict"] == 1.0
    clear = np.abs(margin) > 0.02
    assert found["n_clear"] == clear.sum() and found["accuracy_clear"] == pytest.approx(right[clear].mean())
    assert found["likelier_side_right_clear"] == pytest.approx(((chance > 0.5) == true)[clear].mean())
    assert found["brier"] == pytest.approx(np.square(chance - true).mean())
    assert found["ece"] < 0.12  # they are what they say
    sure = score(records, [Prediction(value=float(value > 0.5)) for value in chance])["verdicts"]
    assert sure["ece"] > 0.2 and sure["brier"] > found["brier"]


def test_a_refusal_is_a_wrong_verdict_and_is_counted() -> None:
    records = [verdict("yes"), verdict("no"), verdict("yes")]
    found = score(records, [Prediction("yes"), Prediction("no"), Prediction("I am not able to tell.")])["verdicts"]
    assert found["no_verdict"] == 1 and found["accuracy"] == pytest.approx(2 / 3)
    assert found["accuracy_clear_of_given"] == 1.0


def test_parts_by_relation_and_by_distance_add_up() -> None:
    records = [number(0.2, away_m=0.5), verdict("yes", away_m=0.5), number(0.4, "gap", away_m=3.0), number(0.1, "width")]
    found = score(records, [Prediction(value=0.2), Prediction("yes"), Prediction(value=0.9), Prediction()])
    assert set(found["by_relation"]) == {"distance", "left", "gap", "width"}
    assert set(found["by_distance"]) == {"below 0.6 m", "above 2 m"}
    assert found["by_distance"]["below 0.6 m"]["numbers"]["n"] == found["by_distance"]["below 0.6 m"]["verdicts"]["n"] == 1
    with pytest.raises(ValueError, match="3 predictions for 4"):
        score(records, [Prediction()] * 3)


def test_the_interval_knows_that_answers_about_one_image_go_together() -> None:
    rng = np.random.default_rng(2)
    image = np.repeat(np.arange(50), 20)
    together = (rng.random(50) < 0.5)[image]
    apart = rng.random(1000) < 0.5
    draws = ByImage([str(i) for i in image])
    everything = np.ones(1000, bool)
    wide, narrow = (np.ptp(draws.interval(values, everything)) for values in (together, apart))
    assert 0.2 < wide < 0.4 and narrow < 0.09
    assert draws.interval(together, everything) == ByImage([str(i) for i in image]).interval(together, everything)
    assert np.isnan(draws.interval(together, np.zeros(1000, bool))).all()


def questions(by_words: bool, seed: int = 0) -> list[VqaRecord]:
    """Of sizes that the names tell, or nobody."""
    rng = np.random.default_rng(seed)
    size = {"plate": 0.02, "mug": 0.09, "can": 0.12, "bottle": 0.22}
    found = []
    for i in range(300):
        a, b = rng.permutation(list(size))[:2]
        taller = size[a] > size[b] if by_words else bool(rng.random() < 0.5)
        height = size[a] * rng.lognormal(0, 0.05) if by_words else rng.lognormal(-2, 0.5)
        found.append(VqaRecord(f"{i}", "?", "height", (str(a),), value=float(height)))
        for relation, holds in (("tall", taller), ("short", not taller)):
            found.append(VqaRecord(f"{i}", "?", relation, (str(a), str(b)), polarity="yes" if holds else "no"))
    return found


def test_words_that_tell_are_learnt_and_others_are_not() -> None:
    for by_words in (True, False):
        records = questions(by_words)
        constant, words = constant_score(records), score(records, words_alone(records))
        for blind in (constant, words):
            assert blind["numbers"]["gives_a_number"] == blind["verdicts"]["gives_a_verdict"] == 1.0
        if by_words:
            assert words["verdicts"]["accuracy"] > 0.97 and words["numbers"]["within_25_percent"] > 0.97
            assert constant["verdicts"]["accuracy"] < 0.6
        else:
            assert abs(words["verdicts"]["accuracy"] - 0.5) < 0.08
            assert words["numbers"]["mae"] == pytest.approx(constant["numbers"]["mae"], rel=0.15)


def test_no_other_constant_is_better() -> None:
    records = [record for record in questions(False, seed=3) if record.is_number]
    best = constant_score(records, resamples=2)["numbers"]
    for value in np.linspace(0.03, 0.5, 25):
        other = score(records, [Prediction(value=float(value))] * len(records), resamples=2)["numbers"]
        assert best["mae"] <= other["mae"] * 1.03
        assert all(best[band] >= other[band] - 0.06 for band in BANDS)


def test_a_relation_of_one_half_alone_is_answered_all_the_same() -> None:
    records = [number(0.2, image=str(i)) for i in range(20)] + [number(0.3, "gap", image="only")]
    assert all(math.isfinite(answer.value) for answer in best_constant(records))
    assert all(math.isfinite(answer.value) for answer in words_alone(records))
