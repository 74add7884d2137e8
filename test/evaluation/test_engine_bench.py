"""The benchmark of the engine: its statistics on numbers with known answers, and the whole of it in small."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.engine_accuracy import (
    ACCURACY,
    QUICK,
    STACKS,
    Extent,
    camera_of,
    is_stacks,
    on_workers,
    run_accuracy,
)
from spatialvlm_ros.evaluation.engine_bench import FITTED_NOTE, FITTED_SEEDS, EngineBenchOptions
from spatialvlm_ros.evaluation.engine_facts import FACT, RELATION_NAMES, truth_of
from spatialvlm_ros.evaluation.engine_gates import ONE_POLARITY
from spatialvlm_ros.evaluation.engine_real import labelled_box, table_plane
from spatialvlm_ros.evaluation.engine_render import EXACT, FAMILY_NAMES, IN_FAMILY, noisy_frame, render_scene
from spatialvlm_ros.evaluation.engine_scenes import THING, FrameResult, Observer, judge_frame
from spatialvlm_ros.evaluation.engine_scores import (
    QUANTITIES,
    calibration,
    decisions,
    errors_of,
    estimates,
    score_asked,
    score_count,
    score_discovery,
    score_facts,
    score_rare,
    score_tilt,
    verdicts,
)
from spatialvlm_ros.evaluation.engine_solids import Solid
from spatialvlm_ros.evaluation.engine_speed import PLAIN, VOXELS, fresh, open3d_pipeline
from spatialvlm_ros.scene.facts import Status
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.simulation.depth_noise import FAMILIES


def result(facts: np.ndarray | None = None, **changes: object) -> FrameResult:
    values: dict[str, object] = {
        "seed": 0, "family": "stereo", "pitch_deg": -30.0, "roll_deg": 0.0, "with_up": False, "support_share": 0.5,
        "accepted": True, "tilt_error_deg": 0.1, "added_tilt_deg": np.nan, "plane_tilt_deg": 0.1, "on_support": 1.0,
        "things": np.zeros(0, THING), "false_things": 0, "facts": np.zeros(0, FACT) if facts is None else facts,
    }  # fmt: skip
    return FrameResult(**{**values, **changes})  # type: ignore[arg-type]


def asked_of(*rows: tuple[str, Status, float, float]) -> np.ndarray:
    """FACT rows of (relation, status, value, truth)."""
    facts = np.zeros(len(rows), FACT)
    facts["relation"] = [RELATION_NAMES.index(row[0]) for row in rows]
    for index, name in ((1, "status"), (2, "value"), (3, "truth")):
        facts[name] = [row[index] for row in rows]
    facts["std"] = 0.01
    return facts


# -- statistics -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "one", "two"), [(1.0, 0.6827, 0.9545), (2.0, 0.383, 0.6827), (0.5, 0.9545, 0.9999)])
def test_coverage_of_errors_that_are_factor_times_what_is_stated(factor: float, one: float, two: float) -> None:
    generator = np.random.default_rng(0)
    std = generator.uniform(0.001, 0.02, 40_000)
    error = generator.normal(0, factor * std)
    found = calibration(error, std, np.zeros(40_000), np.arange(40_000))
    assert found["coverage_1"] == pytest.approx(one, abs=0.01) and found["coverage_2"] == pytest.approx(two, abs=0.01)
    assert found["coverage_1_se"] == pytest.approx(np.sqrt(one * (1 - one) / 40_000), rel=0.02)
    assert found["rank_correlation_of_error_and_std"] > 0.3
    if factor == 1.0:
        assert found["nll"] < found["nll_constant_std"]


def test_errors_that_go_together_make_a_coverage_less_certain() -> None:
    generator = np.random.default_rng(1)
    shared = np.repeat(generator.normal(size=400), 25)
    found = calibration(shared, np.ones(10_000), shared, np.repeat(np.arange(400), 25))
    assert found["coverage_1_se"] == pytest.approx(np.sqrt(0.683 * 0.317 / 400), rel=0.1)


def test_a_constant_standard_deviation_has_no_rank_correlation_and_nothing_counts_as_nothing() -> None:
    found = calibration(np.arange(5.0), np.ones(5), np.arange(5.0), np.arange(5))
    assert np.isnan(found["rank_correlation_of_error_and_std"])
    assert calibration(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.intp)) == {"n": 0}
    assert decisions(np.zeros(0), np.zeros(0)) == {"n": 0}


def test_verdicts_against_the_sign_of_the_margin() -> None:
    probability = np.array([0.99, 0.99, 0.01, 0.01, 0.5, 0.9, 0.6, 0.4])
    margin = np.array([0.1, -0.1, -0.1, 0.1, 0.1, -0.1, -0.1, -0.1])
    found = decisions(probability, margin)
    assert (found["n"], found["wrong"]) == (8, 2)
    assert found["decided_share"] == 0.5 and found["wrong_share_of_decided"] == 0.5
    assert found["wrong_yes_share"] == 0.5 and found["wrong_no_share"] == 0.5
    assert found["wrong_without_band"] == 5 / 8
    assert found["brier"] == pytest.approx(float(np.mean((probability - (margin > 0)) ** 2)))


def test_angles_differ_the_short_way_round() -> None:
    rows = np.zeros(2, FACT)
    rows["relation"] = RELATION_NAMES.index("direction"), RELATION_NAMES.index("distance")
    rows["value"], rows["truth"] = 3.1, -3.1
    np.testing.assert_allclose(errors_of(rows), (6.2 - 2 * np.pi, 6.2))


def test_facts_are_scored_under_their_own_relation() -> None:
    rows = np.zeros(4, FACT)
    rows["relation"] = [RELATION_NAMES.index(name) for name in ("gap", "gap", "height", "left")]
    rows["status"] = Status.OK
    rows["value"], rows["truth"], rows["std"] = (0.12, 0.1, 0.2, 0.99), (0.1, 0.1, 0.5, -0.3), (0.015, 0.01, 0.01, np.nan)
    figures = score_facts([result(rows)])
    assert figures["estimates"]["gap"]["n"] == 2 and figures["quantities"]["size"]["n"] == 1
    assert figures["quantities"]["gap"]["coverage_1"] == 0.5 and figures["quantities"]["gap"]["coverage_2"] == 1.0
    assert figures["verdicts"]["left"]["wrong"] == 1 and figures["all_verdicts"]["n"] == 1


def test_where_nothing_was_decided_no_share_of_it_is_told() -> None:
    found = decisions(np.array([0.5, 0.6]), np.array([1.0, -1.0]))
    assert found["decided"] == 0
    assert all(np.isnan(found[f"wrong_{what}"]) for what in ("share_of_decided", "yes_share", "no_share"))


def test_what_was_not_answered_is_told_and_no_number_of_it_is_scored() -> None:
    nothing = float("nan")
    rows = asked_of(
        ("left", Status.OK, 0.99, 0.2), ("left", Status.OK, 0.5, 0.2), ("left", Status.NO_DEPTH, nothing, 0.2),
        ("left", Status.NOT_FOUND, nothing, -0.2), ("point_above", Status.OCCLUDED, 0.05, 0.2),
        ("point_above", Status.OK, 0.05, 0.05),
        ("nearest", Status.NOT_FOUND, nothing, nothing), ("count", Status.OK, 4.0, 5.0),
    )  # fmt: skip
    found = score_asked([result(rows)])
    assert found["left"] == {
        "asked": 4, "answered_share": 0.5, "without_a_truth": 0, "decided_share": 0.25,
        "by_status": {"OK": 2, "NO_DEPTH": 1, "NOT_FOUND": 1},
    }  # fmt: skip
    assert found["nearest"]["without_a_truth"] == 1 and found["nearest"]["answered_share"] == 0.0
    assert found["right"]["asked"] == 0 and np.isnan(found["right"]["answered_share"])
    figures = score_facts([result(rows)])
    assert figures["verdicts"]["left"]["n"] == 2 and figures["estimates"]["point_above"]["n"] == 2
    assert figures["quantities_told_with_a_doubt"]["free space"]["n"] == 1
    assert figures["answered_share_by_quantity"]["free space"] == 1.0 and figures["answered_share_by_quantity"]["distance"] == 0.0
    assert score_count([result(rows)]) == {"n": 1, "exact_share": 0.0, "mae": 1.0, "bias": -1.0}


def test_recall_of_rare_relations_counts_what_was_not_answered_or_not_found() -> None:
    rows = asked_of(
        ("on", Status.OK, 0.99, 1.0), ("on", Status.OK, 0.01, 1.0), ("on", Status.NO_DEPTH, float("nan"), 1.0),
        ("on", Status.OK, 0.99, -1.0), ("on", Status.OK, 0.01, -1.0),
    )  # fmt: skip
    found = score_rare([result(rows, true_pairs={"on": 4, "contained": 0})])
    assert found["on"]["recall_of_asked"] == pytest.approx(1 / 3) and found["on"]["recall_in_sight"] == 0.25
    assert found["on"]["wrong_yes_share"] == 0.5 and np.isnan(found["contained"]["recall_in_sight"])


def test_one_of_each_two_opposites_has_a_gate() -> None:
    predicates = {name for name, relation in RELATIONS.items() if relation.kind is Kind.PREDICATE}
    opposites = {"right", "below", "front", "short", "thin", "small"}
    assert set(ONE_POLARITY) | opposites == predicates and not set(ONE_POLARITY) & opposites


def test_every_relation_is_scored_as_a_number_or_as_a_verdict() -> None:
    assert {*estimates(), *verdicts(), "count"} == set(RELATIONS)
    grouped = [name for names in QUANTITIES.values() for name in names]
    assert sorted(grouped) == sorted(estimates())


def test_discovery_and_walls() -> None:
    things = np.zeros(4, THING)
    things["found"], things["iou"], things["visible"] = (True, True, False, True), (0.9, 0.6, 0.2, 0.8), (1, 1, 1, 0.4)
    things["truncated"], things["said_truncated"] = (False, False, False, True), (False, False, False, True)
    things["said_visible"] = 0.9, 0.9, 0.0, 0.5
    missed = things.copy()
    missed["found"] = False
    results = [
        result(things=things, false_things=1),
        result(tilt_error_deg=80.0, plane_tilt_deg=80.0, on_support=0.9),
        result(accepted=False, tilt_error_deg=np.nan, plane_tilt_deg=np.nan, on_support=np.nan, things=missed),
        result(on_support=0.4),
    ]
    found = score_discovery(results[:1])
    assert (found["recall"], found["recall_iou_75"], found["false_things_per_image"]) == (0.75, 0.5, 1.0)
    assert found["precision"] == 0.75
    assert found["recall_of_whole"] == found["recall_of_whole_on_all_images"] == pytest.approx(2 / 3)
    assert found["truncated_told"] == 1.0 and found["truncated_wrongly_told"] == 0.0
    assert found["visible_share_mae"] == pytest.approx(0.1)
    everywhere = score_discovery(results)
    assert everywhere["things"] == 4 and everywhere["recall_of_whole_on_all_images"] == pytest.approx(2 / 6)
    tilt = score_tilt(results)
    assert tilt["wall_as_floor"] == 2 and tilt["accepted_share"] == 3 / 4
    assert tilt["steep_planes"] == tilt["other_level_surface"] == 1
    assert tilt["plane_share_where_support_in_view"] == 0.75 and tilt["true_support_share_where_in_view"] == 0.25
    assert np.isnan(score_discovery([])["false_things_per_image"]) and np.isnan(score_tilt([])["wall_as_floor_rate"])


# -- scenes -----------------------------------------------------------------------------------------------------------------


def test_families_are_those_of_the_simulation() -> None:
    assert sorted(FAMILY_NAMES) == sorted(FAMILIES)


def test_an_image_without_noise_shows_what_was_rendered() -> None:
    rendered = render_scene(3, QUICK.sized(ACCURACY))
    exact, noisy = (noisy_frame(rendered, family).depth_m for family in (EXACT, "stereo"))
    assert np.array_equal(exact, rendered.rendering.depth_m, equal_nan=True) and not np.array_equal(exact, noisy, equal_nan=True)


def test_things_are_matched_by_their_own_pixels_and_measured_near_where_they_are() -> None:
    judged = judge_frame(render_scene(1, Extent().sized(ACCURACY)), "stereo", Observer("stereo"))
    assert judged.accepted and judged.tilt_error_deg < 1 and judged.on_support > 0.5
    assert np.abs(judged.things["support_error"]).max() < 0.01
    found = judged.things[judged.things["found"]]
    assert len(found) >= 3 and np.all(found["iou"] >= 0.5)
    assert np.median(np.abs(found["error"])) < 0.01
    assert len(judged.facts) > 100
    assert set(np.unique(judged.facts["relation"])) == set(range(len(RELATION_NAMES)))
    distances = judged.facts[judged.facts["relation"] == RELATION_NAMES.index("distance")]
    assert np.median(np.abs(errors_of(distances))) < 0.02


def test_a_plane_counts_as_the_support_only_where_there_is_one() -> None:
    rendered = render_scene(2, Extent(width_px=320).sized(ACCURACY))
    labels = rendered.rendering.labels
    # The same image in a scene where things stand on nothing level, and in one where another surface is the support.
    hung = replace(rendered, truth=replace(rendered.truth, support_height_m=float("nan")))
    other = replace(rendered, rendering=replace(rendered.rendering, labels=np.where(labels == -1, -2, labels)))
    on_support = [judge_frame(item, "stereo", Observer("stereo"), facts=False).on_support for item in (rendered, hung, other)]
    assert on_support[0] > 0.5 and on_support[1:] == [0.0, 0.0]


def test_a_fifth_of_the_scenes_show_a_thing_on_a_thing() -> None:
    extent = Extent(width_px=320)
    seen = {seed: render_scene(seed, extent.sized(STACKS if is_stacks(seed) else ACCURACY)) for seed in range(20)}
    nobody = Solid("", "point", np.zeros((1, 3)), np.empty((0, 3)))
    shows = {
        seed: any(truth_of(item, nobody, "on", pair) > 0 for pair in permutations(range(len(item.truth.solids)), 2))
        for seed, item in seen.items()
    }
    assert sum(shows.values()) >= 4 and any(shows[seed] for seed in shows if is_stacks(seed))
    pitches_deg = [np.rad2deg(np.arcsin(item.truth.up[2])) for seed, item in seen.items() if is_stacks(seed)]
    assert min(pitches_deg) > -35.01 and max(pitches_deg) < -14.99


def test_results_do_not_depend_on_the_number_of_workers() -> None:
    extent = Extent(accuracy=2, width_px=320)
    one, two = (run_accuracy(extent, 5, workers, ("time_of_flight",)) for workers in (1, 2))
    assert [item.seed for item in one] == [5, 6]
    for a, b in zip(one, two, strict=True):
        assert a.facts.tobytes() == b.facts.tobytes() and a.things.tobytes() == b.things.tobytes()


def test_workers_have_one_thread_and_leave_the_environment_alone() -> None:
    before = dict(os.environ)
    assert list(on_workers(_threads, [0, 1, 2], 2)) == [("1", 1)] * 3
    assert dict(os.environ) == before


def _threads(_: int) -> tuple[str, int]:
    import cv2

    return os.environ["OMP_NUM_THREADS"], cv2.getNumThreads()


def test_a_camera_is_judged_without_and_with_up() -> None:
    without, given = camera_of(3, Extent(width_px=320).sized(ACCURACY))
    assert not without.with_up and given.with_up and given.accepted
    assert 0.01 < given.tilt_error_deg < 2.5
    assert np.isnan(without.added_tilt_deg) and given.added_tilt_deg < 1e-3


@pytest.mark.parametrize("seed", [5000 - 419, 4990, 5049])
def test_scenes_that_the_engine_was_fitted_on_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="fitted"):
        EngineBenchOptions(seed=seed)


def test_a_seed_moves_all_scenes_and_none_below_zero() -> None:
    for first in (0, 5000 - 420, 5050):
        seeds = EngineBenchOptions(seed=first).seeds()
        assert [some.start for some in seeds.values()] == [first, 100_000 + first, 200_000 + first]
        assert not any(set(some) & set(FITTED_SEEDS) for some in seeds.values())
    with pytest.raises(ValueError, match="below 0"):
        EngineBenchOptions(seed=-1)


# -- speed ------------------------------------------------------------------------------------------------------------------


def test_timed_images_have_not_been_looked_at() -> None:
    frame = noisy_frame(render_scene(1, Extent(width_px=320).sized(ACCURACY)), "stereo")
    assert frame.xyz is frame.xyz and "xyz" in vars(frame)
    new = fresh(frame)
    assert not {"xyz", "valid"} & set(vars(new)) and not np.shares_memory(new.depth_m, frame.depth_m)
    np.testing.assert_array_equal(new.depth_m, frame.depth_m)


def test_both_baselines_find_the_things() -> None:
    frame = noisy_frame(render_scene(1, Extent().sized(ACCURACY)), "structured_light")
    plain, voxels = open3d_pipeline(frame, PLAIN), open3d_pipeline(frame, VOXELS)
    assert plain["boxes"] >= 3 and voxels["boxes"] >= 3


# -- real frames ------------------------------------------------------------------------------------------------------------


def test_box_of_labelled_points_on_a_tilted_table() -> None:
    generator = np.random.default_rng(0)
    normal = np.array([0.1, -0.8, -0.59])
    normal /= np.linalg.norm(normal)
    first = np.cross(normal, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    basis = np.stack([first, np.cross(normal, first), normal])
    table = np.column_stack([generator.uniform(-0.4, 0.4, (4000, 2)), generator.normal(0, 0.001, 4000)]) @ basis
    shift = np.array([0.0, 0.1, 0.9])
    stray = generator.uniform(-0.2, 0.2, (200, 3)) + shift
    found, offset = table_plane(np.concatenate([table + shift, stray]))
    assert np.rad2deg(np.arccos(found @ normal)) < 0.3
    points = generator.uniform(-0.5, 0.5, (6000, 3)) * (0.12, 0.06, 0.08) + (0.05, 0.02, 0.04)
    box = labelled_box(points @ basis + shift, found, offset)
    np.testing.assert_allclose(box.extents, (0.12, 0.06, 0.08), atol=0.005)
    np.testing.assert_allclose(box.middle, np.array([0.05, 0.02, 0.04]) @ basis + shift, atol=0.005)


# -- the whole --------------------------------------------------------------------------------------------------------------


def test_the_command_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "engine.json"
    code = main(["bench-engine", "--quick", "--seed", "8", "--out", str(tmp_path / "out"), "--benchmark", str(path)])
    content = json.loads(path.read_text())
    assert code == (0 if all(gate["passed"] for gate in content["gates"]) else 1)
    assert {"command", "seed", "inputs", "versions", "machine", "results", "baselines", "gates"} <= set(content)
    assert content["seed"] == 8 and content["results"]["notes"] == [FITTED_NOTE]
    assert content["inputs"]["accuracy"].startswith("synthetic: random_scene seeds 8 to 11")
    assert any("label" in name for name in content["inputs"])
    synthetic = content["results"]["synthetic"]
    assert synthetic["relations_without_truth"] == synthetic["relations_never_asked"] == []
    assert synthetic["stacks"]["scenes"] == 1 and synthetic["in_family"]["scenes"] == QUICK.accuracy
    assert synthetic["in_family"]["images"] == len(IN_FAMILY) * QUICK.accuracy == synthetic["out_of_family"]["images"]
    speed = content["results"]["speed"]["against_open3d"]
    assert speed["baseline"]["boxes"] > 0 and speed["baseline_voxels"]["boxes"] > 0
    assert speed["ratio_of_medians"] > 0 and speed["ratio_of_medians_voxels"] > 0
    # Facts that are timed are facts: what is refused takes no time.
    pairs = speed["things_mean"] * (speed["things_mean"] - 1) / 2
    assert speed["facts_mean"] > 40 * pairs > 0
    assert content["results"]["real"]["things"] == 12
    assert len(list((tmp_path / "out" / "real").glob("*.png"))) == 5
    printed = capsys.readouterr().out
    assert all(gate["name"] in printed for gate in content["gates"])
    names = [gate["name"] for gate in content["gates"]]
    assert len(names) == len(set(names)) >= 80
