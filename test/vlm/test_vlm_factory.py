"""A model by one text, and the error that says what to do when it cannot be had."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import owlv2, sam
from tiny_vlms import idefics3

from spatialvlm_ros.vlm.detector_backend import DetectorVlm
from spatialvlm_ros.vlm.factory import choose_vlm, is_slow, open_vlm
from spatialvlm_ros.vlm.hub_model import as_vlm_error
from spatialvlm_ros.vlm.interface import VlmError
from spatialvlm_ros.vlm.options import VlmOptions
from spatialvlm_ros.vlm.server_backend import ServerVlm
from spatialvlm_ros.vlm.transformers_backend import TransformersVlm

CPU = VlmOptions(device="cpu")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_off_is_nothing() -> None:
    assert open_vlm("off") is None and open_vlm(" ") is None
    assert choose_vlm("off").text == "off" and choose_vlm("off").problem == ""


def test_a_folder_is_opened_as_what_it_is(tmp_path: Path) -> None:
    assert isinstance(open_vlm(str(idefics3(tmp_path / "a", ["0.5 m"])), CPU), TransformersVlm)
    assert isinstance(open_vlm(str(owlv2(tmp_path / "b")), CPU), DetectorVlm)
    with pytest.raises(VlmError, match="model of type 'sam'"):
        open_vlm(str(sam(tmp_path / "c")), CPU)


def test_a_server_is_named_with_its_model() -> None:
    vlm = open_vlm("http://127.0.0.1:8000/v1#Qwen/Qwen2.5-VL-7B-Instruct")
    assert isinstance(vlm, ServerVlm) and vlm.drawn.config.model == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert vlm.drawn.config.chat_url == "http://127.0.0.1:8000/v1/chat/completions" and vlm.grounding.name == "qwen2.5"
    with pytest.raises(VlmError, match="names no model; put it behind a #"):
        open_vlm("http://127.0.0.1:8000/v1")


def test_a_hub_id_is_pinned_to_the_commit_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the hub's cache as its client lays it out; nothing is fetched."""
    repo = tmp_path / "models--owner--tiny"
    folder = idefics3(repo / "snapshots" / COMMIT, ["0.5 m"])
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for spec in ("hub:owner/tiny", f"hub:owner/tiny@{COMMIT}"):
        vlm = open_vlm(spec, CPU)
        assert isinstance(vlm, TransformersVlm) and vlm.loaded.folder == folder
        assert f"owner/tiny@{vlm.loaded.info.sha256[:16]}" in vlm.version and f"at revision {COMMIT}" in vlm.version
    with pytest.raises(VlmError, match="neither a folder nor in the hub's cache here"):
        open_vlm("hub:owner/other", CPU)
    with pytest.raises(VlmError, match="neither a folder nor in the hub's cache here"):
        open_vlm("hub:owner/tiny@v2", CPU)


@pytest.mark.parametrize("spec", ["nonsense", "owner/name", "hub:nonsense", "/no/such/folder"])
def test_what_is_no_model_is_said(spec: str) -> None:
    with pytest.raises(VlmError, match=r"no such folder"):
        open_vlm(spec, CPU)


def test_a_choice_never_fails_and_keeps_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "idefics3"}')
    chosen = choose_vlm(str(tmp_path), CPU)
    assert chosen.vlm is None and "holds no weights" in chosen.problem
    assert chosen.text.startswith("off: names by words alone, for model ")
    shutil.rmtree(tmp_path)
    assert "no such folder" in choose_vlm(str(tmp_path), CPU).problem


def test_a_folder_does_not_stand_in_for_an_id_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """... whose revision would not be looked at."""
    idefics3(tmp_path / "owner" / "tiny", ["0.5 m"])
    monkeypatch.chdir(tmp_path)
    for spec in ("hub:owner/tiny", f"hub:owner/tiny@{COMMIT}"):
        with pytest.raises(VlmError, match="a folder or file 'owner/tiny' here"):
            open_vlm(spec, CPU)


def test_errors_of_whatever_family_are_told(tmp_path: Path) -> None:
    """Weights cut short and a broken chat template raise classes that derive from Exception alone."""
    folder = idefics3(tmp_path / "idefics3", ["0.5 m"])
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    chosen = choose_vlm(str(folder), CPU)
    assert chosen.vlm is None and str(folder) in chosen.problem

    from safetensors import SafetensorError

    for error in (SafetensorError("cut short"), Exception("of a library of its own")):
        with pytest.raises(VlmError, match=f"template of x: {type(error).__name__}"), as_vlm_error("template of x"):
            raise error


def test_one_of_ours_is_opened_after_its_files_were_checked(tmp_path: Path) -> None:
    """Untrained, with the classes and files of the one that is shipped."""
    from spatialvlm_ros.vlm.embedded.config import SpatialVlmConfig
    from spatialvlm_ros.vlm.embedded.model import SpatialVlmModel
    from spatialvlm_ros.vlm.weights import write_checksums

    SpatialVlmModel(SpatialVlmConfig(tower={"words": ["<pad>", "<unk>", "red", "block"]})).save_pretrained(tmp_path)
    write_checksums(tmp_path)
    vlm = open_vlm(str(tmp_path))
    assert vlm is not None and vlm.version.startswith("embedded ") and not is_slow(vlm)
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(VlmError, match="has SHA-256"):
        open_vlm(str(tmp_path))


def test_all_others_are_slow() -> None:
    assert is_slow(open_vlm("http://127.0.0.1:8000/v1#some-vlm")) and not is_slow(open_vlm("off"))


def test_without_torch_every_choice_says_what_to_install(tmp_path: Path) -> None:
    """... in a process that has none; and servers do without it."""
    folder = idefics3(tmp_path / "a", ["0.5 m"])
    program = (
        "import json, sys\n"
        "for name in ('torch', 'transformers', 'safetensors'): sys.modules[name] = None\n"
        "from spatialvlm_ros.vlm.factory import choose_vlm\n"
        "import spatialvlm_ros.engine\n"
        f"specs = ['off', 'embedded', {str(folder)!r}, 'http://127.0.0.1:9/v1#m']\n"
        "print(json.dumps([(c.vlm is not None, c.problem) for c in map(choose_vlm, specs)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    off, embedded, local, server = json.loads(done.stdout)
    assert off == [False, ""] and server == [True, ""]
    for found, problem in (embedded, local):
        assert not found and "pip install 'spatialvlm_ros[model]'" in problem
