"""Of regions that answer to one name, those that another word suits far better: for whom a question asks all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_embedded

from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.calibration import Calibration
from spatialvlm_ros.vlm.embedded.glance import EmbeddedGlance
from spatialvlm_ros.vlm.embedded.rivals import called_otherwise, other_wordings

ATTRIBUTES = ("noun:bottle", "noun:can", "noun:toy", "color:purple", "color:red", "has:blue", "state:lying")


@pytest.mark.parametrize(
    ("words", "wordings"),
    [
        ("purple bottle", [["red bottle"], ["purple can"]]),
        ("violet flask with red cap", [["purple flask with red cap", "red flask with red cap"],
                                       ["violet bottle with red cap", "violet can with red cap"]]),
        ("big red can", [["big purple can"], ["big red bottle"]]),
        ("bottle", []), ("purple", []), ("purple thing", []), ("red container", []), ("with red cap", []), ("", []),
    ],
)  # fmt: skip
def test_a_colour_and_a_noun_give_way_to_the_others(words: str, wordings: list[list[str]]) -> None:
    """A word that is to fit several things gives way to none: there are several, then."""
    assert other_wordings(words.split(), ATTRIBUTES) == wordings


def test_what_another_word_suits_far_better_is_called_so() -> None:
    colors, nouns = np.array([[-9.0, -9.0, 5.2, -9.0]]), np.array([[-4.0, 7.0, 0.0, 2.9], [-9.0, 0.0, 0.0, 0.0]])
    # The bottle; a can; one of another colour; a flask, which is a bottle by another word.
    assert called_otherwise([4.0, 3.0, 3.0, 2.5], [colors, nouns]).tolist() == [False, True, True, False]
    # What is likeliest has a better word itself: who knows what is meant?
    assert not called_otherwise([4.0, 3.0, 3.0, 2.5], [colors, np.add(nouns, (9.2, 0, 0, 0))]).any()
    assert not called_otherwise([1.0, 2.0], []).any()


def test_a_question_means_the_one_that_has_no_better_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_embedded.tiny_model(tmp_path)
    vlm = EmbeddedVlm.from_folder(tmp_path)
    vlm.calibration = Calibration()
    glance = vlm.look(tiny_embedded.table_view(things=2))
    assert isinstance(glance, EmbeddedGlance)
    chances = np.array([0.96, 0.95])
    wordings: list[list[str]] = []
    monkeypatch.setattr("spatialvlm_ros.vlm.embedded.glance.other_wordings", lambda *_: wordings)
    known = glance._decided_of("red bottle", "red bottle", (), chances, True)
    assert known.supposed < 0.6
    wordings += [["blue bottle"], ["red can"]]
    for better, is_clear in (([-1.0, 6.0], True), ([6.0, -1.0], False), ([6.0, 6.0], False), ([-1.0, -1.0], False)):
        odds = np.array([[2.0, 2.0], [-3.0, -3.0], better])
        monkeypatch.setattr(glance, "_matches", lambda phrases, odds=odds: -np.logaddexp(0, -odds)[: len(phrases)])
        decided = glance._decided_of("red bottle", "red bottle", (), chances, True)
        # Whoever acts is told of both.
        assert decided.answering == known.answering == (0, 1) and decided.several == known.several >= 0.5
        assert decided.supposed > 0.95 if is_clear else decided.supposed == known.supposed
