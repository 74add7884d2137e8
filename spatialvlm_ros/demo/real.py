"""``spatialvlm demo-real``: real camera pixels through the same spatial_node in its own process.

Its input is an RGB-D folder or a bag; without one it says which public frames to get. Where the folder has label images, what was
found is compared with them.
"""

from __future__ import annotations

import itertools
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bringup import NodeProcess, Supervisor, ending_by_sigterm, ros_environment
from ..evaluation.benchmark_file import sha256, versions, write_json
from ..evaluation.engine_real import LabelledFrame
from ..scene.frame import RGBDFrame
from .run import PACKAGES, claim

WHERE_TO_GET = """No real frames at hand. Get some, e.g. one of these, and run: make demo-real REAL=/path/to/them
  - PointCloudLibrary/data, segmentation/mOSD (BSD-3): table-top scenes of a Kinect with labels; convert its PCD files to
    NAME-color.png and NAME-depth.png (16-bit mm) beside an intrinsics.json
    {"fx": 525, "fy": 525, "cx": 319.5, "cy": 239.5, "depth_unit": "mm"}
  - any ROS 1 or ROS 2 bag with a colour image, depth aligned to it, and the camera_info of the depth
  - andyzeng/apc-vision-toolbox, data/sample (BSD-2): RealSense frames of a shelf, after conversion as above"""


@dataclass(frozen=True)
class RealFrame:
    """A frame to be played, with the numbers of its label image where there is one."""

    name: str
    frame: RGBDFrame
    labels: npt.NDArray[np.generic] | None = None


@dataclass(frozen=True)
class RealOptions:
    """What to play, and where results go."""

    paths: tuple[Path, ...]
    out: Path = Path("out/demo")
    depth_unit_m: float | None = None
    quiet: bool = False
    domain_id: int = field(default_factory=lambda: int(os.environ.get("ROS_DOMAIN_ID") or 1 + os.getpid() % 100))

    def tell(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)


def default_paths() -> tuple[Path, ...]:
    """Frames in a folder ``shared/data`` beside the repository, where there is one."""
    data = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    wanted = (data / "pcl_mosd", data / "bags" / "apc_real_frames_ros2")
    return tuple(path for path in wanted if path.exists())


def frames_of(
    path: Path, depth_unit_m: float | None = None, lost: Callable[[str, str], None] = lambda name, why: None
) -> Iterator[RealFrame]:
    """Frames of a folder of images, a bag file, or a bag folder.

    ``lost`` is called with the name of a frame that cannot be read, or of a bag that is cut off, and with why; the others go on.
    Raises FileNotFoundError, or a ValueError with the cure where nothing of it can be read.
    """
    from ..recording.rgbd_bag import read_bag_frames
    from ..recording.rgbd_folder import FolderError, pairs, read_pair

    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        for index, pair in enumerate(pairs(path)):
            name = f"{path.name}/{pair[0]}"
            try:
                item = read_pair(index, pair, path, depth_unit_m)
            except FolderError as error:
                lost(name, str(error))
                continue
            yield RealFrame(name, item.frame, item.labels)
        return

    def lost_frame(index: int, why: str) -> None:
        lost(f"{path.name}/{index:04d}", why)

    for index, frame in read_bag_frames(path, tell=lambda why: lost(path.name, why), bad_frame=lost_frame):
        yield RealFrame(f"{path.name}/{index:04d}", frame)


def labelled_frames() -> tuple[list[LabelledFrame], dict[str, str]]:
    """Frames at hand that people labelled, for benchmarks; and the sha256 of each file of their folders."""
    from ..recording.rgbd_folder import read_folder

    folders = [path for path in default_paths() if path.is_dir() and any(path.glob("*label*"))]
    frames = [
        LabelledFrame(f"{folder.name}/{item.name}", item.frame, item.labels)
        for folder in folders
        for item in read_folder(folder)
        if item.labels is not None
    ]
    return frames, {f"{folder.name}/{file.name}": sha256(file) for folder in folders for file in sorted(folder.iterdir())}


def run_real(options: RealOptions) -> dict[str, Any]:
    """Play all frames; leaves real.json and real/NAME.png in ``options.out``. Returns what real.json holds."""
    with ending_by_sigterm():
        return _run_real(options)


def _run_real(options: RealOptions) -> dict[str, Any]:
    claim(options.out)
    environment = {**ros_environment(), "ROS_DOMAIN_ID": str(options.domain_id), "ROS_PYTHON_CHECK_FIELDS": "1"}
    os.environ.update({key: value for key, value in environment.items() if key.startswith(("ROS_", "FAST"))})
    from .client import DemoClient, DemoError
    from .player import FramePlayer

    supervisor = Supervisor(environment, options.out / "logs")

    def alive() -> None:
        for name, code in supervisor.ended().items():
            raise DemoError(f"{name} ended with exit code {code}; see {options.out / 'logs' / (name + '.log')}")

    missing = next((path for path in options.paths if not path.exists()), None)
    if missing is not None:
        raise FileNotFoundError(f"{missing} does not exist; give an RGB-D folder or a bag")
    report: dict[str, Any] = {
        "frames": [], "left_out": {}, "inputs": {}, "source": "real camera pixels", "versions": versions(PACKAGES),
    }  # fmt: skip

    def lost(name: str, why: str) -> None:
        report["left_out"][name] = why
        options.tell(f"{name}: left out: {why}")

    started = time.monotonic()
    node = NodeProcess("spatial_node", parameters={"depth_noise": "structured_light"})
    supervisor.start("spatial_node_real", node.command())
    try:
        with DemoClient(alive) as client:
            player = FramePlayer(client)
            for path in options.paths:
                report["inputs"].update(_hashes(path))
                for item in frames_of(path, options.depth_unit_m, lost):
                    entry = _play(player, item, options.out / "real")
                    report["frames"].append(entry)
                    options.tell(_line(entry))
    finally:
        supervisor.stop()
    if not report["frames"] and report["left_out"]:
        name, why = next(iter(report["left_out"].items()))
        raise ValueError(f"no frame could be read; {name}: {why}")
    report["wall_s"] = time.monotonic() - started
    write_json(options.out / "real.json", report)
    return report


def _hashes(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {f"{path.name}/{file.name}": sha256(file) for file in files}


def _play(player: Any, item: RealFrame, pictures: Path) -> dict[str, Any]:
    """Measure one frame twice: once to learn what is on it, once for the gaps between all of that."""
    import cv2

    seen = player.play(item.frame, [])
    pairs = list(itertools.combinations([thing.id for thing in seen.scene.objects if thing.num_points], 2))
    measured = player.play(item.frame, [("gap", f"#{a}", f"#{b}") for a, b in pairs])
    scene = measured.scene
    entry: dict[str, Any] = {
        "name": item.name,
        "table_found": bool(np.isfinite(scene.support_plane).all()),
        "canonical": scene.canonical_source,
        "depth_coverage": scene.depth_coverage,
        "latency_ms": 1e3 * measured.latency_s,
        "objects": [
            {
                "id": thing.id, "label": thing.label, "num_points": thing.num_points, "truncated": thing.truncated,
                "extents_m": [thing.extents.x, thing.extents.y, thing.extents.z],
                "centre_m": [thing.pose.position.x, thing.pose.position.y, thing.pose.position.z],
                "centre_std_m": np.sqrt(np.asarray(thing.covariance).reshape(3, 3).diagonal()),
            }
            for thing in scene.objects
        ],
        "gaps": [
            {"between": [fact.subject, fact.object], "gap_m": fact.value, "std_m": fact.std, "status": int(fact.status)}
            for fact in measured.facts.facts
        ],
    }  # fmt: skip
    if item.labels is not None:
        entry["truth"] = compare_with_labels(measured.segmentation, item.labels)
    pictures.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(pictures / f"{item.name.replace('/', '-')}.png"), measured.picture[..., ::-1])
    return entry


def compare_with_labels(segmentation: npt.NDArray[np.generic], labels: npt.NDArray[np.generic]) -> dict[str, Any]:
    """Found things against a label image of mOSD's convention: 0 no depth, 1-9 table, 20-29 first object, 30-39 second ...

    Args:
        segmentation: (H, W) ids as on ~/segmentation: 65535 the table, 0 nothing.
    """
    table = (segmentation == 65535) & (labels != 0)
    table_share = float(np.mean((labels[table] > 0) & (labels[table] < 10))) if table.any() else float("nan")
    objects = {}
    for number in np.unique(labels // 10):
        truth = labels // 10 == number
        if number < 2 or np.count_nonzero(truth) <= 200:
            continue
        ious = {}
        for found in np.unique(segmentation[truth]):
            mask = segmentation == found
            if found not in (0, 65535):
                # Pixels without depth are nobody's in the labels, so they count for neither side.
                ious[int(found)] = float(np.count_nonzero(mask & truth) / np.count_nonzero((mask & (labels != 0)) | truth))
        objects[str(number)] = max(ious.values(), default=0.0)
    return {"table_inliers": int(table.sum()), "table_label_share": table_share, "object_iou": objects}


def _line(entry: dict[str, Any]) -> str:
    found = [f"{thing['label']} {'x'.join(f'{100 * e:.0f}' for e in thing['extents_m'])} cm" for thing in entry["objects"]]
    why = "a level surface, nothing on it" if entry["table_found"] else textwrap.shorten(entry["canonical"], 150)
    line = f"{entry['name']}: {', '.join(found) or 'nothing found: ' + why}"
    truth = entry.get("truth")
    if truth is None:
        return line
    ious = ", ".join(f"{iou:.2f}" for iou in truth["object_iou"].values())
    return f"{line}  [table {truth['table_label_share']:.1%}, IoU {ious}]"
