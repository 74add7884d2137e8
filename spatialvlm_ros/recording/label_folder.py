"""Where labels go: one folder a bag, which is there whole or not at all, with what it was made from beside it.

A folder is filled under another name and renamed when it is complete. That is the journal: after whatever end, what bears its
final name is finished, and nothing else is.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .. import __version__
from ..evaluation.benchmark_file import plain, sha256, versions
from .label import LabelError, LabelOptions
from .label_dataset import LEROBOT

PROVENANCE = "provenance.json"
_PACKAGES = ("numpy", "scipy", "opencv-python-headless", "opencv-python", "rosbags", "pyarrow", "av", "h5py")
# A killed run's processes notice within this time that they are alone.
_LOCK_WAIT_S = 10.0


def bag_names(bags: Sequence[Path]) -> list[str]:
    """A folder name for each bag: its own, with a number behind one that comes twice or is the joined data set's."""
    counts = {LEROBOT: 1}
    names = []
    for given in bags:
        bag = Path(os.path.abspath(given))  # "." and ".." are folders with a name, too
        stem = bag.name if bag.is_dir() else bag.stem
        counts[stem] = counts.get(stem, 0) + 1
        names.append(stem if counts[stem] == 1 else f"{stem}-{counts[stem]}")
    if len(set(names)) < len(names):
        raise LabelError(f"bags of the names {', '.join(names)} cannot be told apart; label them into folders of their own")
    return names


def inputs_document(
    files: Sequence[Mapping[str, Any]],
    options: LabelOptions,
    task: str,
    formats: Sequence[str],
    vlm: str,
    dataset: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that labels are made from. ``task`` is the spec as YAML, ``vlm`` the model that found names, ``dataset``
    how data sets were asked for; where things lie plays no part.
    """
    import hashlib

    robot = None
    if options.robot is not None:
        robot = {"name": options.robot.name, "sha256": sha256(options.robot)}
    document = {
        "bag": list(files),
        "task": {"sha256": hashlib.sha256(task.encode()).hexdigest(), "spec": task},
        "robot": robot,
        "options": {
            "task": options.task, "gamma": options.gamma, "nominal_dt_s": options.nominal_dt_s,
            "depth_noise": options.depth_noise, "color": options.topics.color, "depth": options.topics.depth,
            "camera_info": options.topics.info, "slop_s": options.slop_s, "stamps": options.stamps,
            "episode_gap_s": options.episode_gap_s, "episode_topic": options.episode_topic, "to": list(formats),
            "focus_s": options.focus_s, "vlm": vlm, **({} if dataset is None else {"dataset": dataset}),
            # Nothing here draws random numbers.
            "seed": None,
        },
        "versions": {"spatialvlm_ros": __version__, **versions(_PACKAGES)},
    }  # fmt: skip
    return dict(plain(document))


def read_provenance(folder: Path) -> Mapping[str, Any]:
    """What a finished folder says about itself. Raises LabelError for a folder that no labeller made."""
    try:
        document = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = f"{folder} exists but holds no {PROVENANCE} that can be read, so it is no result of label: choose another --out"
        raise LabelError(text) from error
    return document if isinstance(document, dict) else {}


def check_place(folder: Path, bags: Sequence[Path]) -> None:
    """Raises LabelError for a place of labels that holds anything else, above all one of the recordings themselves."""
    place = folder.resolve()
    for bag in bags:
        recording = bag.resolve()
        if place in (recording, *recording.parents) or (recording.is_dir() and recording in place.parents):
            raise LabelError(f"the labels of {bag} would go to {folder}, where recordings lie: choose another --out")
    if (folder.exists() or folder.is_symlink()) and (folder.is_symlink() or "inputs" not in read_provenance(folder)):
        raise LabelError(f"{folder} exists and is no result of label: choose another --out")


def check_same_inputs(folder: Path, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The provenance of a finished folder. Raises LabelError when it was made from something else, naming what differs."""
    document = read_provenance(folder)
    made = document.get("inputs")
    if made == wanted:
        return document
    differing = [key for key in wanted if not isinstance(made, dict) or made.get(key) != wanted[key]]
    raise LabelError(
        f"{folder} was labelled with another {' and another '.join(differing)} than now: --overwrite labels it again, or "
        "choose another --out"
    )


class WorkFolder:
    """The folder of one bag while it is filled."""

    def __init__(self, out: Path, name: str) -> None:
        self.final, self.path = out / name, out / f".work-{name}"
        self._lock_path = out / f".lock-{name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else fills this folder meanwhile; ends with the process, however that ends.

        Raises RuntimeError when somebody else does.
        """
        deadline = time.monotonic() + _LOCK_WAIT_S
        while (lock := self._try_lock()) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"another process is labelling into {self.final}; wait until it has ended")
            time.sleep(0.1)
        with lock:
            try:
                yield
            finally:
                self._lock_path.unlink(missing_ok=True)

    def _try_lock(self) -> IO[str] | None:
        """The lock file, locked; None when somebody else has it."""
        file = self._lock_path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it before may have removed it meanwhile; a lock on a file without a name keeps nobody out.
            if os.fstat(file.fileno()).st_ino == self._lock_path.stat().st_ino:
                return file
        except OSError:
            pass
        file.close()
        return None

    def begin(self) -> Path:
        """An empty folder to fill."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        return self.path

    def finish(self) -> None:
        """Everything reaches the disk, then the final name."""
        for file in sorted(self.path.rglob("*")):
            _sync(file)
        _sync(self.path)
        if self.final.exists():
            shutil.rmtree(self.final)
        os.rename(self.path, self.final)
        _sync(self.final.parent)

    def abandon(self) -> None:
        """Remove what was begun."""
        shutil.rmtree(self.path, ignore_errors=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
