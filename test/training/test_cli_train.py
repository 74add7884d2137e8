"""``spatialvlm train``: exit codes, what it says, files of options; and the user's path from recordings to a judged model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import tiny_chat
import yaml

from spatialvlm_ros.cli import main
from spatialvlm_ros.cli_train import add_arguments, config_of, with_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat.llava(tmp_path_factory.mktemp("cli") / "llava")


def test_wrong_input_is_named_and_nothing_is_written(
    tmp_path: Path, base: Path, vqa: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one sentence, no folder."""
    out = tmp_path / "out"
    common = ["train", "--out", str(out), "--cache", str(cache), "--device", "cpu"]
    for arguments, text in (
        (["--from", str(base)], "give --data"),
        (["--from", str(base), "--data", str(tmp_path / "none")], "is no folder"),
        (["--from", str(tmp_path / "none"), "--data", str(vqa)], "there is no such folder"),
        (["--from", "nobody/nothing", "--data", str(vqa)], "allow the download"),
        (["--from", str(base), "--data", str(vqa), "--spatial-share", "0.05"], "add one with --data"),
        (["--from", str(base), "--data", str(vqa), "--method", "full", "--merge"], "--method full gives a whole model"),
        (
            ["--from", str(base), "--data", str(vqa), "--config", str(tmp_path / "none.yaml")],
            "none.yaml cannot be read (No such file",
        ),
        (
            ["--from", "embedded", "--data", str(vqa), "--label-noise-std-m", "0.1"],
            "--label-noise-std-m: not known",
        ),
        (["--from", "embedded", "--data", f"{vqa}:2"], "has a weight"),
    ):
        assert main([*common, *arguments]) == 2, text
        assert text in capsys.readouterr().err
    assert not out.exists()


def parsed(*arguments: str) -> argparse.Namespace:
    """As the command line gives them."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return with_file(parser.parse_args(["--from", "model", "--data", "data", "--out", "out", *arguments]))


def test_files_of_options_are_defaults_that_the_command_line_overrides(tmp_path: Path) -> None:
    """Also with values that are the defaults. Unknown names are refused; all files that come with the package are understood."""
    file = tmp_path / "mine.yaml"
    mine = ("--config", str(file))
    file.write_text("method: full\nlearning_rate: 0.001\nsteps: 7\nseed: 5\nmerge: true\n")
    config = config_of(parsed(*mine, "--method", "lora", "--steps", "0"))
    assert (config.method, config.rate, config.steps, config.seed, config.merge) == ("lora", 0.001, 0, 5, True)
    assert (config_of(parsed(*mine, "--seed", "0", "--method", "lora")).seed, config.epochs, config.questions) == (0, 1.0, 8)
    assert config_of(parsed()) == config_of(parsed("--method", "lora", "--seed", "0", "--questions", "8", "--lora-rank", "16"))
    for text, reason in (("out: x", "out"), ("lern_rate: 1", "lern_rate"), ("- a", "must map"), ("a: [", "is no YAML")):
        file.write_text(text)
        with pytest.raises(ValueError, match=reason):
            parsed(*mine)
    file.write_text("steps: many")
    with pytest.raises(ValueError, match="wrong kind"):
        config_of(parsed(*mine))
    shipped = [path for path in sorted((ROOT / "config" / "training").glob("*.yaml")) if path.stem != "ablations"]
    assert len(shipped) == 3
    for path in shipped:
        config_of(parsed("--config", str(path)))
        assert yaml.safe_load(path.read_text())


def test_a_model_that_did_not_get_better_is_said_to_be_so(
    tmp_path: Path, base: Path, vqa: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; the run is there all the same."""
    out = tmp_path / "out"
    common = ["train", "--from", str(base), "--data", str(vqa), "--out", str(out), "--cache", str(cache), "--device", "cpu"]
    worse = ["--method", "full", "--steps", "2", "--learning-rate", "30", "--warmup-share", "0", "--held-out-share", "0.3"]
    assert main([*common, *worse]) == 1
    assert "not good" in capsys.readouterr().err
    assert main([*common, *worse]) == 2
    assert "--resume goes on with it" in capsys.readouterr().err


@pytest.mark.timeout(900)
def test_from_images_to_a_judged_model(tmp_path: Path, base: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a user does: synthesize, train, evaluate; each command reads what the one before it left."""
    data, model, report = tmp_path / "data", tmp_path / "model", tmp_path / "report"
    made = ["synthesize", "--from", "render", "--count", "6", "--image-width", "160", "--pairs-per-image", "8", "--seed", "3"]
    assert main([*made, "--out", str(data)]) == 0
    learnt = ["train", "--from", str(base), "--data", str(data), "--cache", str(cache), "--device", "cpu", "--out", str(model)]
    learnt += ["--method", "full", "--vision", "trained", "--steps", "30", "--learning-rate", "0.01", "--held-out-share", "0.3"]
    assert main(learnt) == 0
    assert f"spatialvlm evaluate --model {model}" in capsys.readouterr().out
    judged = ["evaluate", "--model", str(model), "--data", str(data), "--device", "cpu", "--out", str(report)]
    # After so few steps it may say nothing that can be read, which is exit code 1 and not a failure.
    assert main([*judged, "--limit", "1", "--samples", "1", "--no-controls"]) in (0, 1)
    assert (report / "report.html").stat().st_size > 1000
    assert json.loads((report / "report.json").read_text())["model"].startswith("model@")
