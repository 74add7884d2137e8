"""Phrases and their truth."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.perception import names
from spatialvlm_ros.simulation.random_things import COLORS as SIMULATED_COLORS
from spatialvlm_ros.simulation.random_things import SHAPES as SIMULATED_SHAPES
from spatialvlm_ros.training.embedded.phrases import Phrase, PhraseMaker, all_words, truth
from spatialvlm_ros.training.embedded.vocabulary import (
    CONCEPT_INDEX,
    CONCEPTS,
    GENERIC_WORDS,
    KIND_NAMES,
    KIND_NOUNS,
    NOUN_WORDS,
    NOUNS,
    NOUNS_ALIKE,
    columns,
)
from spatialvlm_ros.training.embedded.vocabulary_colors import COLOR_WORDS, COLORS, draw_color, memberships, shades


def random_attributes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, C) consistent enough: nouns of a kind, one colour and at times another, some parts."""
    out = np.where(rng.random((count, len(CONCEPTS))) < 0.1, np.nan, 0.0).astype(np.float32)
    for row in out:
        row[columns("noun")] = KIND_NOUNS[rng.integers(len(KIND_NAMES))]
        color, other = rng.integers(len(COLORS), size=2)
        row[columns("color").start + color] = 1
        row[columns("has").start + color] = row[columns("has").start + other] = 1
        part = int(rng.integers(6))
        row[columns("part").start + part] = 1
        row[columns("pattern").start + int(rng.integers(7))] = 1
        row[columns("handle").start + other] = 1
    return out


def by_hand(phrase: Phrase, row: np.ndarray) -> float:
    """The same by a loop."""
    worst = 1.0
    for index, wanted in [*((i, 1) for i in phrase.needs()), *((i, 0) for i in phrase.denies())]:
        if np.isnan(row[index]):
            worst = np.nan if worst else 0.0
        elif row[index] != wanted:
            return 0.0
    return worst


def test_the_table_of_truth_is_what_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    attributes = random_attributes(rng, 60)
    maker = PhraseMaker(rng)
    phrases = [maker.any() for _ in range(100)] + [maker.about(row) for row in attributes]
    table = truth(phrases, attributes)
    expected = np.array([[by_hand(p, row) for row in attributes] for p in phrases], dtype=np.float32)
    np.testing.assert_array_equal(table, expected)
    assert {0.0, 1.0} <= set(table[~np.isnan(table)].tolist())
    assert np.isnan(table).any()


def test_phrases_about_a_thing_are_true_of_it_and_changed_ones_false() -> None:
    rng = np.random.default_rng(1)
    attributes = random_attributes(rng, 300)
    maker = PhraseMaker(rng)
    changed = 0
    for i, row in enumerate(attributes):
        siblings = attributes[max(0, i - 4) : i]
        phrase = maker.about(row, siblings)
        assert phrase.text and truth([phrase], row[None])[0, 0] == 1
        wrong = maker.wrong_about(phrase, row)
        if wrong != phrase:
            changed += 1
            assert truth([wrong], row[None])[0, 0] == 0
            assert wrong.text != phrase.text
    assert changed > 280


def test_more_is_said_where_less_would_name_another_thing_too() -> None:
    rng = np.random.default_rng(2)
    attributes = random_attributes(rng, 200)
    for row in attributes[1::2]:
        row[columns("noun")] = attributes[0][columns("noun")]
    plain, careful = (PhraseMaker(np.random.default_rng(5)) for _ in range(2))
    several = []
    for maker, known in ((plain, False), (careful, True)):
        count = 0
        for i in range(8, 200):
            siblings = attributes[i - 8 : i]
            phrase = maker.about(attributes[i], siblings if known else None)
            count += int((truth([phrase], siblings) == 1).any())
        several.append(count)
    assert several[1] < 0.7 * several[0]


def test_a_phrase_that_asks_for_more_is_never_true_of_more() -> None:
    rng = np.random.default_rng(3)
    attributes = random_attributes(rng, 200)
    general = truth([Phrase("cup"), Phrase("", "red"), Phrase("mug", "red")], attributes)
    special = truth([Phrase("cup", "red"), Phrase("", "red", part="handle"), Phrase("mug", "red", without="lid")], attributes)
    assert not ((special == 1) & (general != 1)).any()
    assert not ((general == 0) & (special != 0)).any()


def test_the_words_of_the_grounder_without_a_model_are_known() -> None:
    words = set(all_words())
    assert set(names.COLOR_WORDS) - words == set()
    assert set(names.SHAPE_WORDS) - words == set()
    for shape in SIMULATED_SHAPES:
        assert shape in words
    for text in (
        "red block",
        "green plate",
        "tall green can",
        "blue block",
        "yellow ball",
        "white cup",
        "gray cone",
        "grey roll",
    ):
        assert set(text.split()) <= words


def test_color_words_mean_what_the_grounder_takes_them_for() -> None:
    """But for turquoise and beige, which are colours of their own here."""
    for word, color in names.COLOR_WORDS.items():
        if word in COLOR_WORDS and COLOR_WORDS[word][0] not in ("turquoise", "beige"):
            assert COLOR_WORDS[word][0] == color
    written = {w for ws in NOUN_WORDS.values() for w in ws} | set(GENERIC_WORDS)
    assert {w for w in names.SHAPE_WORDS if w not in written} == set()


def test_colors_beyond_dispute_are_so_and_others_are_open() -> None:
    rng = np.random.default_rng(4)
    for i, color in enumerate(COLORS):
        table = memberships(np.array([draw_color(rng, color) for _ in range(300)]))
        assert (table[:, i] == 1).mean() > 0.8
        assert not (table[:, i] == 0).any()
        assert not (np.delete(table, i, axis=1) == 1).any()
    anything = memberships(rng.random((4000, 3)))
    assert ((anything == 0).all(axis=1)).mean() < 0.01
    assert ((anything == 1).sum(axis=1) <= 1).all()
    assert 0.05 < np.isnan(anything).any(axis=1).mean() < 0.9
    simulated = memberships(np.array(list(SIMULATED_COLORS.values())) / 255)
    for row, name in zip(simulated, SIMULATED_COLORS, strict=True):
        assert row[COLORS.index("gray" if name == "grey" else name)] == 1
    # Some have no word for turquoise: nobody can say that it is not blue.
    assert np.isnan(simulated[list(SIMULATED_COLORS).index("turquoise"), [COLORS.index("blue"), COLORS.index("green")]]).all()
    # Navy is dark, lilac light, and a gray is neither for certain.
    tone = shades(np.array([(0.0, 0.0, 0.4), (0.85, 0.7, 0.95), (0.5, 0.5, 0.5)]))
    assert tone[0].tolist() == [0.0, 1.0]
    assert tone[1].tolist() == [1.0, 0.0]
    assert np.isnan(tone[2]).all()


def test_wordings_vary_and_repeat_with_the_seed() -> None:
    attributes = random_attributes(np.random.default_rng(6), 40)
    one, other = (
        [PhraseMaker(np.random.default_rng(7)).about(row).text for row in attributes],
        [PhraseMaker(np.random.default_rng(7)).about(row).text for row in attributes],
    )
    assert one == other
    maker = PhraseMaker(np.random.default_rng(8))
    same = Phrase("mug", "blue", shade="dark", part="handle")
    texts = {maker.worded(same).text for _ in range(200)}
    assert len(texts) > 60
    words = set(all_words())
    assert {w for text in texts for w in text.replace("-", " ").split()} <= words
    assert all("mug" in text and "handle" in text for text in texts)
    assert all({"blue", "navy", "azure"} & set(text.split()) for text in texts)


def test_strange_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        truth([Phrase("mug")], np.zeros((3, 5)))
    with pytest.raises(KeyError, match="no concept family"):
        columns("flavour")
    assert NOUNS.index("mug") == CONCEPT_INDEX["noun:mug"]


def test_wrong_nouns_are_mostly_those_that_are_easily_confused() -> None:
    rng = np.random.default_rng(3)
    maker, row = PhraseMaker(rng), np.zeros(len(CONCEPTS), np.float32)
    row[[CONCEPTS.index(name) for name in ("noun:mug", "noun:cup", "color:red")]] = 1
    wrong = [maker.wrong_about(Phrase("mug", "red"), row) for _ in range(400)]
    nouns = [each.noun for each in wrong if each.noun != "mug"]
    assert all(truth([each], row[None])[0, 0] == 0 for each in wrong) and "cup" not in nouns
    share = np.mean([noun in NOUNS_ALIKE["mug"] for noun in nouns])
    assert len(nouns) > 100 and 0.45 < share < 0.8 and len(set(nouns)) > 15
