"""The model benchmark: its words, its judges, and the whole of it in small with words in the model's place."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.evaluation import model_gripper
from spatialvlm_ros.evaluation.model_bench import QUICK, TEST_SEEDS, ModelBenchOptions, run_model_bench
from spatialvlm_ros.evaluation.model_exam import PREDICATES, exam_of
from spatialvlm_ros.evaluation.model_fallback import WordsOnly
from spatialvlm_ros.evaluation.model_gates import gates_of
from spatialvlm_ros.evaluation.model_judge import overlap, sit
from spatialvlm_ros.evaluation.model_scenes import IN, OUT, scene_of
from spatialvlm_ros.evaluation.model_scores import auroc
from spatialvlm_ros.evaluation.model_speed import ten_of
from spatialvlm_ros.evaluation.model_words import (
    CARTON,
    COLOR_SYNONYMS,
    COLORS,
    KINDS,
    NOUN_SYNONYMS,
    NOUNS,
    Named,
    absent_names,
    count_of,
    only_name,
    phrase_for,
    several_names,
)
from spatialvlm_ros.simulation import random_things
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.vlm.interface import View, VlmError


def test_every_colour_and_shape_of_the_scenes_has_words() -> None:
    assert set(COLORS) == set(random_things.COLORS) and set(NOUNS) == set(random_things.SHAPES)
    assert {of for of, _ in COLOR_SYNONYMS.values()} >= set(COLORS)
    assert {of for of, _ in NOUN_SYNONYMS.values()} >= set(NOUNS) - {"bowl", "cone"}
    for word, (certain, maybe) in {**COLORS, **NOUNS}.items():
        assert certain == {word} and word not in maybe
    for of, (certain, _) in [*COLOR_SYNONYMS.values(), *NOUN_SYNONYMS.values()]:
        assert of in certain


def test_words_fit_what_they_mean_and_may_fit_what_is_near() -> None:
    generator = np.random.default_rng(0)
    mug = phrase_for(Named("red", "mug"), "plain", generator)
    assert mug is not None and mug.text == "red mug"
    assert mug.fits(Named("red", "mug")) == 1.0 and mug.fits(Named("blue", "mug")) == mug.fits(Named("red", "can")) == 0.0
    assert math.isnan(mug.fits(Named("red", "cup")))  # a mug may be called a cup, and the reverse
    box = phrase_for(Named("brown", "box"), "plain", generator)
    assert box is not None and math.isnan(box.fits(CARTON)) and mug.fits(CARTON) == 0.0


def test_names_are_of_one_thing_of_none_or_of_several() -> None:
    rng = np.random.default_rng(1)
    kinds = set()
    for _ in range(300):
        pairs = rng.permutation(len(COLORS) * len(NOUNS))[: rng.integers(2, 9)]
        things = [Named(list(COLORS)[i // len(NOUNS)], list(NOUNS)[i % len(NOUNS)]) for i in pairs]
        for thing in things:
            phrase = only_name(thing, things, rng)
            if phrase is not None:
                kinds.add(phrase.kind)
                assert phrase.fits(thing) == 1.0 and count_of(phrase, things) == 1.0
        assert all(phrase.fits(thing) == 0.0 for phrase in absent_names(things, 5, rng) for thing in things)
        assert all(count_of(phrase, things) >= 2 for phrase in several_names(things, things, 3, rng))
    assert kinds == set(KINDS)


def test_the_overlap_of_a_mask_with_a_thing() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[:4, :4], labels[6:, 6:] = 1, 2
    own, other, half = (np.zeros((10, 10), bool) for _ in range(3))
    own[:4, :4], other[6:, 6:], half[:4, :2] = True, True, True
    assert overlap(labels, 0, own) == (1.0, False) and overlap(labels, 0, half) == (0.5, False)
    assert overlap(labels, 0, other) == (0.0, True) and overlap(labels, 0, None) == (0.0, False)
    assert overlap(labels, 0, own | other)[1] is False and overlap(labels, 0, half | other)[1] is True
    background = ~(own | other)
    assert overlap(labels, 0, background) == (0.0, True)


def test_the_area_under_the_curve_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 6, 40) / 5, rng.integers(0, 5, 30) / 5
    pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(high, low)]
    assert auroc(high, low) == pytest.approx(np.mean(pairs)) and auroc([], low) is None


def test_scenes_are_the_same_each_time_and_differ_by_domain() -> None:
    one, again, other = scene_of(600_001, IN, 320), scene_of(600_001, IN, 320), scene_of(600_001, OUT, 320)
    assert np.array_equal(one.frame.color, again.frame.color) and np.array_equal(
        one.frame.depth_m, again.frame.depth_m, equal_nan=True
    )
    assert exam_of(one) == exam_of(again) and exam_of(one) != exam_of(other)
    assert {record.relation for record in exam_of(one).records} == set(PAPER_TYPES)
    # Patterns, light and a poor camera: most pixels have another colour.
    assert np.mean(np.abs(one.frame.color.astype(int) - other.frame.color.astype(int)).max(axis=-1) > 8) > 0.5
    assert other.noise != "" and one.key != other.key


def test_shuffled_colour_takes_names_away() -> None:
    """The same exam with the colour of another scene: words no longer find what they name."""
    scenes = [scene_of(seed, IN, 320) for seed in (600_001, 600_003)]
    exam = exam_of(scenes[0])
    true = sit(scenes[0], exam, WordsOnly())
    shuffled = sit(scenes[0].with_images(color=scenes[1].frame.color), exam, WordsOnly())
    assert true.names["final_iou"].sum() > 2 * shuffled.names["final_iou"].sum()
    assert [record.value for record in true.records] == pytest.approx([record.value for record in shuffled.records], nan_ok=True)


def test_words_only_need_depth_and_answer_nothing() -> None:
    model = WordsOnly()
    assert model.grounds and not model.answers
    with pytest.raises(VlmError, match="depth"):
        model.look(View(np.zeros((8, 8, 3), np.uint8)))
    frame = scene_of(600_001, IN, 160).frame
    nothing = model.look(View(frame.color, frame)).ground(["red can", "zorgon", ""])
    assert [(found.regions, found.present) for found in nothing] == [((), 0.0)] * 3
    assert [found.understood for found in nothing] == [True, False, False]
    with pytest.raises(VlmError, match="no model"):
        model.look(View(frame.color, frame)).answer([])


def test_seeds_are_the_test_s_own() -> None:
    for seed in (0, 9000):
        ranges = ModelBenchOptions(seed=seed).seeds()
        assert all(some.start in TEST_SEEDS and some.stop - 1 in TEST_SEEDS for some in ranges.values())
        assert all(a.stop <= b.start or b.stop <= a.start for a, b in itertools.combinations(ranges.values(), 2))
    for seed in (-1, 9001):
        with pytest.raises(ValueError, match=f"seed {seed}"):
            ModelBenchOptions(seed=seed)


def test_the_benchmark_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On scenes of development, words in the model's place: every gate of the issue is there, and none is given away."""
    extent = replace(QUICK, inside=2, outside=1, controls_every=2, timed=1, width_px=320, threads=(1,))
    options = ModelBenchOptions(
        tmp_path / "out", tmp_path / "model.json", "words", extent, workers=1, first_seed=600_000, inputs={"frames": "none"}
    )
    assert run_model_bench(options) is False
    report = json.loads((tmp_path / "model.json").read_text())
    splits, names = report["results"]["splits"], {gate["name"]: gate for gate in report["gates"]}
    assert set(splits) == {"in", "out", "gripper"} and splits["in"]["images"] == 2
    assert {"model", "fallback", "rgb_shuffled", "depth_shuffled", "baselines"} <= set(splits["in"])
    # Controls see one scene of the two; beside them stands the model on that one.
    beside = splits["in"]["model_beside_controls"]["final"]
    assert beside["images"] == splits["in"]["rgb_shuffled"]["final"]["images"] == 1
    assert (
        beside["questions"] == splits["in"]["depth_shuffled"]["final"]["questions"] < splits["in"]["model"]["final"]["questions"]
    )
    assert report["baselines"]["in"]["model_beside_controls"]["questions"] == beside["questions"]
    assert "measured object tokens" in report["results"]["notes"][0]
    # Words in the model's place are the fallback.
    assert splits["in"]["model"] == splits["in"]["fallback"]
    for domain, predicate in itertools.product(("in domain", "other colours, light and camera"), PREDICATES):
        assert names[f"'{predicate}' by words, right of all asked beyond 2 cm ({domain})"]["target"] == 0.95
    gripper = names["distance by words, gripper to object, within 10 % of all asked (gripper in view)"]
    # Words alone know of no gripper: asked, not answered, missed.
    assert gripper["value"] == 0.0 and not gripper["passed"]
    assert splits["gripper"]["model"]["gripper"]["final"]["by_relation"]["distance"]["no_number"] > 0
    for text in ("mean IoU", "wrong object", "'not there'", "coverage of 2 sigma", "with a standard deviation", "Llava-class"):
        assert any(text in name for name in names), text
    assert report["results"]["speed"]["memory"]["peak_mb"] > 50
    assert 0.5 < report["results"]["speed"]["baseline_parameters"]["224 px, patches of 16"] / 6.7e6 < 2
    assert "best constant" in report["baselines"]["in"] and report["inputs"]["frames"] == "none"
    assert "MISSED" in capsys.readouterr().out


def test_ten_questions_are_of_ten_types() -> None:
    exam = exam_of(scene_of(600_001, IN, 320))
    ten = ten_of(exam)
    assert ten is not None and ten == ten_of(exam) and len({record.relation for record in ten.records}) == 10
    asked = list(zip(exam.records, exam.queries, exam.parts, strict=True))
    assert all(question in asked for question in zip(ten.records, ten.queries, ten.parts, strict=True))
    assert {record.relation for record in ten.records} != {record.relation for record in exam.records[-10:]}
    assert ten_of(replace(exam, records=exam.records[:9], queries=exam.queries[:9], parts=exam.parts[:9])) is None
    same = replace(exam, records=exam.records[:1] * 12, queries=exam.queries[:1] * 12, parts=exam.parts[:1] * 12)
    assert ten_of(same) is None


def test_a_place_that_the_gripper_cannot_reach_gives_no_second_image_of_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half of these places are too high for the arm.
    monkeypatch.setattr(model_gripper, "_OVER_M", ((-0.08, -0.08, 0.1), (0.08, 0.08, 1.4)))
    scenes = list(model_gripper.gripper_scenes(600_001, 4))
    assert [scene.key for scene, _ in scenes] == [f"gripper/600001-{number}" for number in range(4)]
    places = [tool.vertices[0] for _, tool in scenes]
    assert all(np.linalg.norm(one - other) > 0.01 for one, other in itertools.combinations(places, 2))
    # None can be reached: no image, and not the arm at home.
    monkeypatch.setattr(model_gripper, "_OVER_M", ((2.0, 2.0, 2.0), (3.0, 3.0, 3.0)))
    assert not list(model_gripper.gripper_scenes(600_001, 1))


def test_what_was_not_measured_passes_no_gate() -> None:
    nothing = {
        "names": {"one": {"iou": None, "final_other_thing": None, "asked_other_thing": None}, "not_there_auroc": None},
        "final": {"numbers": {"n": 0}},
    }
    ratio = {"336 px": math.nan}
    speed = {"ratio_of_p50": {"grounding": ratio, "engine": ratio}, "ms": {"grounding": {"p50": math.nan}}}
    gates = gates_of({"splits": {split: {"model": nothing} for split in ("in", "out", "gripper")}, "speed": speed})
    assert len(gates) > 60 and not any(gate.passed for gate in gates)
