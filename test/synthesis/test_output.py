"""The output folder: whose it is, what may be replaced, and that files are there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from examples import tree_of

from spatialvlm_ros.synthesis import output
from spatialvlm_ros.synthesis.output import OutFolder, OutputError, Share, claim, describe_folder, differences, locked, whole_file

CONFIG = {"seed": 0, "source": {"name": "render", "options": {"count": 3}}, "stages": [], "items": 3}

ALL = Share()


def claimed(path: Path, config: dict[str, Any] = CONFIG, share: Share = ALL, **changes: bool) -> OutFolder:
    """The folder, for a configuration whose hash is its seed."""
    return claim(path, config, f"seed {config['seed']}", share, **{"resume": False, "overwrite": False, **changes})


def finished(out: OutFolder, shard: int) -> None:
    """A finished shard of candidates."""
    out.candidates(shard).write_bytes(b"rows")
    out.write_done("candidates", shard, out.candidates(shard), {"items": 1})


def test_a_new_folder_and_an_empty_one_are_taken(tmp_path: Path) -> None:
    """With all that leads there."""
    claimed(tmp_path)
    claimed(tmp_path / "a" / "b")
    assert json.loads((tmp_path / "a/b/work/config.json").read_text())["config"] == CONFIG


def test_what_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Even with --overwrite; by what is in it, and a file in the folder's place, too."""
    (tmp_path / "thesis.tex").write_text("years of work")
    before = tree_of(tmp_path)
    for changes in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match=r"holds other things \(thesis.tex\)"):
            claimed(tmp_path, **changes)
        with pytest.raises(OutputError, match="holds other things"), locked(tmp_path, alone=True):
            pass
    with pytest.raises(OutputError, match="is a file"):
        claimed(tmp_path / "thesis.tex")
    assert tree_of(tmp_path) == before
    assert not (tmp_path / "work").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Before anything else is done."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write to .*file/out"):
        claimed(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="cannot write to /proc/out"), locked(Path("/proc/out"), alone=False):
        pass


def test_the_same_options_go_on_only_when_asked(tmp_path: Path) -> None:
    """And others not at all; the text says which one differs."""
    claimed(tmp_path)
    with pytest.raises(OutputError, match="--resume goes on with it"):
        claimed(tmp_path)
    claimed(tmp_path, resume=True)
    with pytest.raises(OutputError, match="seed is 0 there and 1 here"):
        claimed(tmp_path, {**CONFIG, "seed": 1}, resume=True)
    assert "seed is 0 there and 1 here" in describe_folder(tmp_path, {**CONFIG, "seed": 1})
    assert "--resume would go on" in describe_folder(tmp_path, CONFIG)
    assert describe_folder(tmp_path / "x", CONFIG).endswith("is new")


def test_overwriting_removes_our_files_and_no_others(tmp_path: Path) -> None:
    """Notes that somebody put beside them stay."""
    out = claimed(tmp_path)
    finished(out, 0)
    out.data(0, 1, "parquet").write_bytes(b"rows")
    for name in ("README.md", "provenance.json", "notes.txt", "data/mine.parquet", "work/.candidates-00000.done.7-ab.part"):
        (tmp_path / name).write_text("x")
    again = claimed(tmp_path, {**CONFIG, "seed": 1}, overwrite=True)
    assert set(tree_of(tmp_path)) == {"notes.txt", "data/mine.parquet", "work/config.json"}
    assert again.read_done("candidates", 0) is None
    claimed(tmp_path, {**CONFIG, "seed": 1}, overwrite=True, resume=True)


def test_done_files_count_only_for_whole_files_of_the_same_options(tmp_path: Path) -> None:
    """Cut off, gone, of another configuration, or not to be read: made again."""
    out = claimed(tmp_path)
    finished(out, 0)
    done = out.read_done("candidates", 0)
    assert done is not None
    assert (done["items"], done["bytes"], done["file"]) == (1, 4, "work/candidates-00000.parquet")
    assert OutFolder(tmp_path, "another").read_done("candidates", 0) is None
    out.candidates(0).write_bytes(b"row")
    assert out.read_done("candidates", 0) is None
    out.candidates(0).unlink()
    assert out.read_done("candidates", 0) is None
    assert out.read_done("candidates", 0, with_file=False) == done
    (tmp_path / "work/candidates-00000.done").write_text('{"config": "seed 0", "file"')
    assert out.read_done("candidates", 0, with_file=False) is None


def test_machines_join_a_folder_until_their_own_share_is_begun(tmp_path: Path) -> None:
    """The second machine needs no --resume, but starting the same one twice does."""
    first = claimed(tmp_path, share=Share(0, 2))
    finished(first, 0)
    claimed(tmp_path, share=Share(1, 2))
    with pytest.raises(OutputError, match="--resume"):
        claimed(tmp_path, share=Share(0, 2))
    with pytest.raises(OutputError, match="--resume"):
        claimed(tmp_path)
    with pytest.raises(ValueError, match="share 2 of 2"):
        Share(2, 2)
    assert [shard for shard in range(5) if Share(1, 2).has(shard)] == [1, 3]


def test_a_lock_keeps_removing_runs_out_and_ends_with_the_block(tmp_path: Path) -> None:
    """Runs on other shards may be there at once."""
    beside, alone = locked(tmp_path, alone=False), locked(tmp_path, alone=True)
    with locked(tmp_path, alone=False), beside, pytest.raises(OutputError, match="another run is at work"), alone:
        pass
    with locked(tmp_path, alone=True), pytest.raises(OutputError, match="another run"), locked(tmp_path, alone=False):
        pass
    claimed(tmp_path)


def test_half_written_files_go_with_the_next_run_but_not_other_machines(tmp_path: Path) -> None:
    """Which may be writing them at this moment."""
    out = claimed(tmp_path)
    for name in ("candidates-00000.parquet", "candidates-00001.parquet", "data-00002.done", "config.json"):
        (tmp_path / "work" / f".{name}.123-abcdef01.part").touch()
    (tmp_path / "data" / ".train-00001-of-00003.parquet.5-0.part").touch()
    (tmp_path / "work" / ".bashrc.part").touch()
    out.remove_parts(Share(1, 3))
    left = {file.name for file in tmp_path.rglob(".*.part")}
    assert left == {
        ".candidates-00000.parquet.123-abcdef01.part", ".data-00002.done.123-abcdef01.part", ".config.json.123-abcdef01.part",
        ".bashrc.part",
    }  # fmt: skip
    out.remove_parts(Share())
    assert {file.name for file in tmp_path.rglob(".*.part")} == {".bashrc.part"}


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Until then what was there before stays."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), whole_file(path) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        raise KeyError
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    with whole_file(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"


def test_too_little_room_is_said_before_a_shard_is_begun(tmp_path: Path) -> None:
    """With what is free and what may be needed."""
    out = claimed(tmp_path)
    out.require_room()
    with pytest.raises(output.NoRoomError, match=r"MB are free for .* may need 1048576 MB"):
        out.require_room(1 << 40)


def test_differences_name_the_option() -> None:
    """However deep it lies."""
    assert differences({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}) == ["a.b[1].c is 2 there and 3 here"]
    assert differences({"a": [1]}, {"a": [1, 2]}) == ["a is [1] there and [1, 2] here"]
    assert differences(CONFIG, dict(CONFIG)) == []
