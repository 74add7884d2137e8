"""What words and a glance give away: all of it where they decide, nothing where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.evaluation.synthesis_text_only import (
    Asked,
    asked_of,
    asked_of_row,
    at_a_glance,
    is_first_half,
    logistic,
    text_only,
    text_only_of_dataset,
    text_only_sentence,
)
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.audit_rows import open_dataset
from spatialvlm_ros.synthesis.catalog import registry
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig
from spatialvlm_ros.synthesis.record import Picture
from spatialvlm_ros.synthesis.run import RunOptions, synthesize

NOUNS = ("plate", "can", "bottle", "box")
LOOKS = (-100.0, -110.0, 20.0, 20.0, 300.0)


def asked(relation: str, names: tuple[str, ...], polarity: str = "", value: float = 1.0, picture: int = 0) -> Asked:
    question = f"Is the {names[0]} {relation} than the {names[-1]}?"
    return Asked(f"picture {picture}", relation, question, names, polarity, value, (LOOKS,) * len(names))


def comparisons(*, by_words: bool) -> list[Asked]:
    """Of heights: the later noun is taller, or anything is."""
    generator, found = np.random.default_rng(0), []
    for picture in range(400):
        a, b = generator.permutation(len(NOUNS))[:2]
        holds = a > b if by_words else generator.random() < 0.5
        for relation, says in (("tall", holds), ("short", not holds)):
            found.append(asked(relation, (NOUNS[a], NOUNS[b]), "yes" if says else "no", picture=picture))
        found.append(asked("which_tall", (NOUNS[a], NOUNS[b]), "first" if holds else "second", picture=picture))
    return found


def test_words_that_decide_are_learnt_and_others_are_not() -> None:
    told = text_only(comparisons(by_words=True))
    assert set(told["comparisons"]) == {"tall", "short", "which_tall"}
    assert told["words_mean"] > 0.95 and told["constant_mean"] < 0.6
    assert told["words_of_worst_type"] == max(item["words"] for item in told["comparisons"].values())
    assert told["words_off_chance_mean"] == pytest.approx(told["words_mean"] - 0.5)
    nothing = text_only(comparisons(by_words=False))
    assert abs(nothing["words_mean"] - 0.5) < 0.08


def test_types_below_chance_do_not_make_up_for_types_above_it() -> None:
    """Heights as learnt in one relation, and the other way round on the pictures that are judged in another."""
    pairs = comparisons(by_words=True)
    turned = {"yes": "no", "no": "yes"}
    wide = [replace(one, relation="wide") for one in pairs if one.relation == "tall"]
    wide = [one if one.is_first else replace(one, polarity=turned[one.polarity]) for one in wide]
    told = text_only([one for one in pairs if one.relation == "tall"] + wide)
    assert told["comparisons"]["tall"]["words"] > 0.95 and told["comparisons"]["wide"]["words"] < 0.05
    assert abs(told["words_mean"] - 0.5) < 0.05 and told["words_off_chance_mean"] > 0.45


def test_halves_of_what_is_even_as_a_whole_lean_to_opposite_sides() -> None:
    """Whoever has learnt from one half is wrong on the other one, although the words tell nothing; evened halves show that."""
    generator = np.random.default_rng(4)
    pictures = [[at for at in range(4000) if is_first_half(f"picture {at}") == first] for first in (True, False)]
    whole, by_half = [], []
    for kind in range(100):
        names = (f"thing{kind}", "box")
        # Of each kind six pictures with either answer: in any halves, or three in each half.
        for answer in ("yes", "no"):
            whole += [asked("tall", names, answer, picture=int(at)) for at in generator.choice(4000, 6, replace=False)]
            by_half += [asked("tall", names, answer, picture=int(at)) for own in pictures for at in generator.choice(own, 3)]
    assert text_only(whole)["words_mean"] < 0.46 < 0.48 < text_only(by_half)["words_mean"] < 0.52


def test_a_constant_that_is_mostly_right_is_found() -> None:
    generator = np.random.default_rng(1)
    pairs = [asked("left", ("can", "box"), "yes" if generator.random() < 0.8 else "no", picture=at) for at in range(400)]
    item = text_only(pairs)["comparisons"]["left"]
    assert abs(item["constant"] - 0.8) < 0.06 and item["pairs"] == len(pairs)


def test_unsure_answers_and_few_pairs_are_left_out() -> None:
    assert text_only([asked("left", ("can", "box"), "unsure", picture=at) for at in range(400)])["comparisons"] == {}
    few = text_only([asked("left", ("can", "box"), "yes", picture=at) for at in range(20)])
    assert few["comparisons"] == {} and few["words_mean"] is None and few["words_of_worst_type"] is None


def test_numbers_by_words_and_by_the_best_constant() -> None:
    generator = np.random.default_rng(2)
    sizes = dict(zip(NOUNS, (0.02, 0.1, 0.25, 0.15), strict=True))
    told = [
        asked("height", (noun,), value=sizes[noun] * generator.uniform(0.95, 1.05), picture=at)
        for at in range(300)
        for noun in NOUNS
    ]
    figures = text_only(told)
    item = figures["numbers"]["height"]
    assert item["words"]["within_25_percent"] > 0.95 > 0.6 > item["constant"]["within_25_percent"] > 0.2
    assert item["constant"]["in_50_to_200_percent"] >= item["constant"]["in_66.7_to_150_percent"]
    assert figures["numbers_words_mean"]["within_25_percent"] == item["words"]["within_25_percent"]


def test_no_picture_is_both_learnt_from_and_judged_on() -> None:
    halves = [asked("left", ("can", "box"), picture=at).is_first for at in range(2000)]
    assert 0.45 < np.mean(halves) < 0.55
    assert asked("left", ("a", "b"), picture=7).is_first == asked("tall", ("c", "d"), picture=7).is_first


def test_a_glance_answers_what_the_image_shows() -> None:
    near, far = (-300.0, -320.0, 50.0, 50.0, 900.0), (-100.0, -110.0, 30.0, 30.0, 400.0)
    told = (("behind", "yes"), ("front", "no"), ("which_big", "first"), ("left", "yes"), ("behind", "unsure"))
    pairs = [Asked("p", relation, "", ("a", "b"), polarity, 1.0, (far, near)) for relation, polarity in told]
    figures = at_a_glance(pairs)
    assert figures["by_dimension"] == {
        "behind_or_front": {"pairs": 2, "accuracy": 1.0},
        "big_or_small": {"pairs": 1, "accuracy": 0.0},
    }
    assert figures["accuracy"] == pytest.approx(2 / 3) and at_a_glance([])["accuracy"] is None


def test_logistic_regression_finds_the_weights_that_made_the_labels() -> None:
    generator = np.random.default_rng(3)
    rows = np.column_stack([generator.normal(size=(4000, 2)), np.ones(4000)])
    true = np.array([2.0, -1.0, 0.5])
    labels = generator.random(4000) < 1 / (1 + np.exp(-rows @ true))
    assert np.allclose(logistic(rows, labels), true, atol=0.2)
    # Words that decide alone must not blow it up.
    assert np.isfinite(logistic(rows, rows[:, 0] > 0)).all()


def test_examples_and_rows_of_a_file_are_seen_alike(tmp_path: Path) -> None:
    source = {"seed": 40, "count": 1, "width_px": 160, "truth": True}
    config = PipelineConfig(Part("render", source), select={"polarity": False, "max_unsure_share": 0.9})
    synthesize(config, registry(), RunOptions(tmp_path / "set"))
    row = next(open_dataset(tmp_path / "set").rows_without_images())
    picture = next(iter(registry().source(config.source).items(0, 1)))
    assert isinstance(picture, Picture)
    seen = {(one.question, one.relation): one for one in asked_of(make_example(picture, AskOptions(), config.seed))}
    for one in asked_of_row(row):
        assert seen[one.question, one.relation] == one
    figures = text_only_of_dataset(tmp_path / "set")
    assert figures["at_a_glance"]["accuracy"] is not None and figures["pairs"] == len(row["pairs"])


def test_of_a_large_set_only_some_files_are_read(tmp_path: Path) -> None:
    source = {"seed": 40, "count": 4, "width_px": 160, "truth": True}
    synthesize(PipelineConfig(Part("render", source), items_per_shard=1), registry(), RunOptions(tmp_path / "set"))
    whole = text_only_of_dataset(tmp_path / "set")["pairs"]
    half = text_only_of_dataset(tmp_path / "set", most=whole // 2)["pairs"]
    assert 0 < half < whole and 0 < text_only_of_dataset(tmp_path / "set", most=1)["pairs"] <= half


def test_figures_are_said_in_words() -> None:
    said = text_only_sentence({"pairs": 2400, **text_only(comparisons(by_words=True)), "at_a_glance": at_a_glance([])})
    assert said.startswith("of 2400 pairs, words alone decide 100.0 % of comparisons (chance 50 %")
    few = text_only_sentence({"pairs": 3, **text_only([]), "at_a_glance": at_a_glance([])})
    assert few == "3 pairs are too few to tell what words alone give away"
