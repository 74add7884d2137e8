"""The benchmark of the engine: its statistics on numbers with known answers, and the whole of it in small."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.engine_accuracy import ACCURACY, QUICK, Extent, camera_of, on_workers, run_accuracy
from spatialvlm_ros.evaluation.engine_real import labelled_box, table_plane
from spatialvlm_ros.evaluation.engine_scenes import (
    FACT,
    FAMILY_NAMES,
    IN_FAMILY,
    RELATION_NAMES,
    THING,
    FrameResult,
    Observer,
    judge_frame,
    render_scene,
)
from spatialvlm_ros.evaluation.engine_scores import (
    QUANTITIES,
    calibration,
    decisions,
    errors_of,
    estimates,
    score_discovery,
    score_facts,
    score_tilt,
    verdicts,
)
from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.simulation.depth_noise import FAMILIES


def result(facts: np.ndarray | None = None, **changes: object) -> FrameResult:
    values: dict[str, object] = {
        "seed": 0, "family": "stereo", "pitch_deg": -30.0, "roll_deg": 0.0, "with_up": False, "support_share": 0.5,
        "accepted": True, "tilt_error_deg": 0.1, "plane_tilt_deg": 0.1, "support_error_m": 0.001, "wall_share": 0.0,
        "things": np.zeros(0, THING),
        "false_things": 0, "facts": np.zeros(0, FACT) if facts is None else facts, "count": (0.0, 0.0),
    }  # fmt: skip
    return FrameResult(**{**values, **changes})  # type: ignore[arg-type]


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
    rows["value"], rows["truth"], rows["std"] = (0.12, 0.1, 0.2, 0.99), (0.1, 0.1, 0.5, -0.3), (0.015, 0.01, 0.01, np.nan)
    figures = score_facts([result(rows)])
    assert figures["estimates"]["gap"]["n"] == 2 and figures["quantities"]["size"]["n"] == 1
    assert figures["quantities"]["gap"]["coverage_1"] == 0.5 and figures["quantities"]["gap"]["coverage_2"] == 1.0
    assert figures["verdicts"]["left"]["wrong"] == 1 and figures["all_verdicts"]["n"] == 1


def test_every_relation_is_scored_as_a_number_or_as_a_verdict() -> None:
    assert {*estimates(), *verdicts(), "count"} == set(RELATIONS)
    grouped = [name for names in QUANTITIES.values() for name in names]
    assert sorted(grouped) == sorted(estimates())


def test_discovery_and_walls() -> None:
    things = np.zeros(4, THING)
    things["found"], things["iou"], things["visible"] = (True, True, False, True), (0.9, 0.6, 0.2, 0.8), (1, 1, 1, 0.4)
    results = [
        result(things=things, false_things=1, count=(4.0, 4.0)),
        result(tilt_error_deg=80.0, plane_tilt_deg=80.0, wall_share=0.9),
        result(accepted=False, tilt_error_deg=np.nan, plane_tilt_deg=np.nan, wall_share=np.nan, things=things),
        result(wall_share=0.9),
    ]
    found = score_discovery(results[:1])
    assert (found["recall"], found["recall_iou_75"], found["false_things_per_image"]) == (0.75, 0.5, 1.0)
    assert found["precision"] == 0.75 and found["count_exact"] == 1.0
    assert score_discovery(results)["things"] == 4
    tilt = score_tilt(results)
    assert tilt["wall_as_floor"] == 1 and tilt["accepted_share"] == 3 / 4
    assert tilt["other_level_surface"] == 1


# -- scenes -----------------------------------------------------------------------------------------------------------------


def test_families_are_those_of_the_simulation() -> None:
    assert sorted(FAMILY_NAMES) == sorted(FAMILIES)


def test_things_are_matched_by_their_own_pixels_and_measured_near_where_they_are() -> None:
    judged = judge_frame(render_scene(1, Extent().sized(ACCURACY)), "stereo", Observer("stereo"))
    assert judged.accepted and judged.tilt_error_deg < 1 and abs(judged.support_error_m) < 0.01
    found = judged.things[judged.things["found"]]
    assert len(found) >= 3 and np.all(found["iou"] >= 0.5)
    assert np.median(np.abs(found["error"])) < 0.01
    assert len(judged.facts) > 100
    distances = judged.facts[judged.facts["relation"] == RELATION_NAMES.index("distance")]
    assert np.median(np.abs(errors_of(distances))) < 0.02


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
    code = main(["bench-engine", "--quick", "--out", str(tmp_path / "out"), "--benchmark", str(path)])
    content = json.loads(path.read_text())
    assert code == (0 if all(gate["passed"] for gate in content["gates"]) else 1)
    assert {"command", "seed", "inputs", "versions", "machine", "results", "baselines", "gates"} <= set(content)
    assert content["inputs"]["accuracy"].startswith("synthetic") and any("label" in name for name in content["inputs"])
    synthetic = content["results"]["synthetic"]
    assert synthetic["relations_without_truth"] == []
    assert synthetic["in_family"]["images"] == len(IN_FAMILY) * QUICK.accuracy == synthetic["out_of_family"]["images"]
    assert content["results"]["speed"]["against_open3d"]["baseline_boxes"] > 0
    assert content["results"]["real"]["things"] == 12
    assert len(list((tmp_path / "out" / "real").glob("*.png"))) == 5
    printed = capsys.readouterr().out
    assert all(gate["name"] in printed for gate in content["gates"])
    names = [gate["name"] for gate in content["gates"]]
    assert len(names) == len(set(names)) >= 40
