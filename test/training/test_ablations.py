"""Ablations: what runs see of a thing, that they learn and are judged by the truth, and the command's tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from spatialvlm_ros.cli import main
from spatialvlm_ros.evaluation.ablation_bench import FIGURES, against, read_plan, summary
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.share import config_file
from spatialvlm_ros.training.embedded.ablations import (
    ESTIMATES,
    PREDICATES,
    AblationRun,
    Data,
    answer_loss,
    constants,
    draw,
    judge,
    some_triples,
    train_language,
    train_run,
)
from spatialvlm_ros.training.embedded.ablations_data import INPUTS, JUDGED_FROM, RGB, RGBD, XYZ, Crops, joined, render_crops
from spatialvlm_ros.training.embedded.ablations_model import PixelsToAnswers, boxes
from spatialvlm_ros.training.embedded.answers_data_text import TYPES

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def crops() -> Crops:
    return render_crops(0, 24, width_px=160)


@pytest.fixture(scope="module")
def data(crops: Crops) -> Data:
    return Data(crops, render_crops(JUDGED_FROM, 16, width_px=160))


def test_crops_are_of_things_where_their_pixels_are(crops: Crops) -> None:
    """The points of a thing's own pixels lie on its box as the truth has it; the same numbers give the same crops."""
    own = ((crops.flags & 2) > 0) & ((crops.flags & 1) > 0)
    beyond = []
    for at in range(len(crops.color)):
        points = crops.xyz[at].float()[:, own[at]].T - crops.centre[at]
        if len(points) > 30:
            beyond.append(((points.abs() - boxes(crops)[at] / 2).amax(dim=1) > 0.02).float().mean())
    assert len(beyond) > 40
    assert float(torch.stack(beyond).median()) < 0.05
    again = render_crops(0, 24, width_px=160)
    assert all(torch.equal(again.tensors()[name], tensor) for name, tensor in crops.tensors().items())
    both = joined([crops, again])
    assert int(both.triples.max()) == 2 * len(crops.color) - 1 and len(both.triples) == 2 * len(crops.triples)
    with pytest.raises(ValueError, match="three things"):
        joined([])


def test_each_input_holds_what_its_name_says(crops: Crops) -> None:
    """No depth in colour alone; depth is what the points have along the optical axis; unknown names are refused."""
    index = torch.arange(8)
    rgb, rgbd, xyz = (crops.pictures(index, inputs) for inputs in INPUTS)
    assert (rgb[:, 3:7] == 0).all() and torch.equal(rgb[:, :3], xyz[:, :3]) and torch.equal(rgb[:, 7], xyz[:, 7])
    assert (rgbd[:, 3:5] == 0).all() and torch.equal(rgbd[:, 6], xyz[:, 6])
    along = torch.einsum("nihw,ni->nhw", xyz[:, 3:6], crops.sight[index, 4:])
    assert torch.allclose(rgbd[:, 5], along) and float(along[xyz[:, 6] > 0].min()) > 0.1
    with pytest.raises(ValueError, match="hsv"):
        crops.pictures(index, "hsv")


def test_questions_ask_for_what_is_true_of_the_boxes(data: Data) -> None:
    """Distances and sides of a batch, reckoned anew from the crops' centres."""
    generator = np.random.default_rng(0)
    things = some_triples(data.train_things, generator, 40)
    batch = draw(data.questions(), things, generator, 400)
    centre = data.train.centre.numpy()
    assert {RELATIONS[name].kind for name in ESTIMATES} == {Kind.ESTIMATE} and set(PREDICATES) <= set(RELATIONS)
    checked = 0
    for row in range(400):
        if TYPES[batch.relation[row]] == "distance":
            a, b = (centre[int(batch.objects[row, at, 0])] for at in (0, 1))
            assert batch.value[row] == pytest.approx(np.linalg.norm(a - b), abs=1e-5)
            checked += 1
    assert checked > 5


def test_a_run_learns_and_is_the_same_again(data: Data) -> None:
    """The loss on its own scenes falls, twice to the same weights; frozen encoders stay, blind runs see nothing."""
    language = train_language(data, 10)
    run = AblationRun(inputs=XYZ, steps=8, first_steps=3, questions=48)
    one, two = (train_run(run, data, language) for _ in range(2))
    assert all(torch.equal(first, second) for first, second in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.decoder.words.weight, language["words.weight"])
    frozen = train_run(replace(run, encoder="frozen"), data, language)
    shorter = train_run(replace(run, encoder="frozen", steps=2), data, language)
    assert all(
        torch.equal(*pair)
        for pair in zip(frozen.encoder.state_dict().values(), shorter.encoder.state_dict().values(), strict=True)
    )
    assert not torch.equal(frozen.place[0].weight, shorter.place[0].weight)
    figures = judge(one, data, run, rounds=1)
    # So few things show no concept often enough to tell how well it is told.
    assert all(np.isfinite(value) for name, value in figures.items() if name != "names") and 0 <= figures["predicates"] <= 1
    blind = replace(run, blind=True)
    assert (
        judge(one, data, blind, rounds=1)["distance_mae_m"] == judge(one, data, blind, rounds=1, shuffled=True)["distance_mae_m"]
    )
    assert judge(one, data, run, rounds=1)["distance_mae_m"] != judge(one, data, run, rounds=1, shuffled=True)["distance_mae_m"]


def test_a_decoder_that_is_told_places_learns_to_answer(data: Data) -> None:
    """Its loss on told places falls well below where it began."""
    generator = np.random.default_rng(3)
    batch = draw(data.questions(), some_triples(data.train_things, generator, 40), generator, 300)
    losses = []
    for steps in (1, 60):
        model = PixelsToAnswers()
        model.decoder.load_state_dict(train_language(data, steps))
        with torch.no_grad():
            losses.append(float(answer_loss(model.told(data.train, batch, torch.full((len(data.train.color),), 0.01)), batch)))
    assert losses[1] < losses[0] - 1.0


def test_constants_and_summaries(data: Data) -> None:
    """The best constant is better than another one, and spreads are over seeds."""
    figures = constants(data)
    assert 0 < figures["distance_mae_m"] < 1 and 0 <= figures["distance_within_25"] <= 1
    rows = [dict.fromkeys(FIGURES, value) for value in (1.0, 2.0, 3.0)]
    made = summary(rows, (0, 1, 2))
    assert made["predicates"] == {"mean": 2.0, "std": 1.0, "each": [1.0, 2.0, 3.0]}
    other = summary([dict.fromkeys(FIGURES, value) for value in (2.0, 3.0, 4.0)], (0, 1, 2))
    assert against(other, made)["names"] == {"mean": 1.0, "standard_error": 0.0}


def test_plans_are_read_and_wrong_ones_refused(tmp_path: Path) -> None:
    """The shipped one has every ablation of the paper with three seeds; a run that two tables share is run once."""
    plan = read_plan(config_file("training", "ablations.yaml"), quick=False)
    assert len(plan.seeds) >= 3 and set(plan.tables) == {"inputs", "encoder", "label_noise", "spatial_share"}
    assert {row["inputs"] for row in plan.tables["inputs"].values()} == {RGB, RGBD, XYZ}
    assert [row["label_noise_std_m"] for row in plan.tables["label_noise"].values()] == [0.0, 0.1, 0.2, 0.3]
    # The reference, the blind control, and 14 rows of which four are the reference.
    assert len(plan.settings()) == 12
    content = yaml.safe_load(config_file("training", "ablations.yaml").read_text())
    for change in (
        {"tables": {"a": {"b": {"colour": 1}}}},
        {"reference": {"encoder": "thawed"}},
        {"seeds": []},
        {"scenes": 0},
        {"judged_rounds": 0},
    ):
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump({**content, **change}))
        with pytest.raises(ValueError, match=r"plan\.yaml|thawed"):
            read_plan(path, quick=False)


@pytest.mark.timeout(900)
def test_the_command_makes_tables_and_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quick runs meet few gates, so the exit code is 1; a second call runs nothing anew and writes the same file."""
    arguments = ["bench-ablations", "--quick", "--workers", "1", "--out", str(tmp_path / "out")]
    file = tmp_path / "ablations.json"
    assert main([*arguments, "--benchmark", str(file)]) == 1
    said = capsys.readouterr().out
    assert "inputs: rgb" in said and "blind" in said and "best constant" in said
    first = json.loads(file.read_text())
    assert {gate["name"] for gate in first["gates"] if not gate["passed"]} >= {"seeds of each row"}
    assert first["results"]["reference"]["distance_mae_m"]["mean"] > 0 and len(first["inputs"]) == 4
    assert main([*arguments, "--benchmark", str(file)]) == 1
    assert "rendering" not in (again := capsys.readouterr().out) and "of them done before" in again
    assert json.loads(file.read_text()) == first
    assert main([*arguments, "--workers", "0"]) == 2
