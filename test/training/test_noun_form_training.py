from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.perception.noun_forms import FEATURES, FOLDER, NounForms, shipped_noun_forms
from spatialvlm_ros.scene.shipped import shipped_text
from spatialvlm_ros.training.embedded.noun_forms import NounExamples, NounTraining, examples_of, fitted, main
from spatialvlm_ros.training.embedded.vocabulary import NOUN_WORDS, NOUNS

QUICK = NounTraining(hidden=16, steps=300)


def test_scenes_give_forms_with_the_nouns_of_their_things() -> None:
    examples = examples_of(range(9_200_000, 9_200_032))
    assert len(examples.features) >= 30 and np.isfinite(examples.features).all()
    # What people call boxy has no round footprint; what they call round has one where enough of it is seen.
    roundness = examples.features[:, FEATURES.index("roundness")]
    boxy, round_ = (examples.truths[:, NOUNS.index(noun)] == 1 for noun in ("boxy", "ball"))
    assert roundness[boxy].mean() < 0.3 < roundness[round_].mean()


def test_a_network_learns_what_forms_tell() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (600, len(FEATURES))).astype(np.float32)
    truths = np.full((600, len(NOUNS)), np.nan, np.float32)
    tall = FEATURES.index("tallness")
    truths[:, NOUNS.index("bottle")] = features[:, tall] > 0
    forms, figures = fitted(NounExamples(features, truths), QUICK)
    assert figures["area"] > 0.9 and figures["held_out"] == 60
    again, _ = fitted(NounExamples(features, truths), QUICK)
    assert again.to_json() == forms.to_json()
    assert forms.words["tin"] == "can" and set(forms.words.values()) == set(NOUN_WORDS)


def test_too_few_things_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fitted(NounExamples(np.zeros((1, len(FEATURES)), np.float32), np.zeros((1, len(NOUNS)), np.float32)), QUICK)


def test_the_command_writes_a_network_with_its_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--out", str(tmp_path), "--first", "9200000", "--scenes", "8"])
    found = NounForms.from_json(shipped_text(tmp_path, "network.json"))
    assert found.nouns == shipped_noun_forms().nouns and "area" in capsys.readouterr().out


def test_the_shipped_network_speaks_of_all_nouns() -> None:
    assert shipped_noun_forms().nouns == NOUNS and FOLDER.is_dir()
