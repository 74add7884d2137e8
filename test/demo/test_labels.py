"""What was found against label images, and the frames it is found on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.demo import real
from spatialvlm_ros.demo.real import compare_with_labels, frames_of

TABLE = 65535


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Labels and a segmentation that found all of it: a table (labels 1 and 2), objects 20 and 31, a stripe without depth."""
    labels = np.ones((60, 80), np.int32)
    labels[:, 40:] = 2
    labels[10:30, 10:30] = 20
    labels[35:55, 50:75] = 31
    labels[:, 20] = 0
    segmentation = np.full((60, 80), TABLE, np.uint16)
    segmentation[10:30, 10:30] = 4
    segmentation[35:55, 50:75] = 9
    return segmentation, labels


def test_a_perfect_answer_has_full_marks() -> None:
    segmentation, labels = pictures()
    found = compare_with_labels(segmentation, labels)
    assert found["object_iou"] == {"2": 1.0, "3": 1.0}
    assert found["table_label_share"] == 1.0
    assert found["table_inliers"] == np.count_nonzero((labels > 0) & (labels < 10))


def test_overlap_is_that_of_the_pixel_sets_with_depth() -> None:
    rng = np.random.default_rng(0)
    segmentation, labels = pictures()
    segmentation[25:45, 5:60] = 7  # a thing too many, over parts of both
    segmentation[rng.random(segmentation.shape) < 0.2] = 0
    found = compare_with_labels(segmentation, labels)
    with_depth = {(int(v), int(u)) for v, u in np.argwhere(labels != 0)}
    for number in (2, 3):
        truth = {(int(v), int(u)) for v, u in np.argwhere(labels // 10 == number)}
        best = 0.0
        for name in set(segmentation.ravel().tolist()) - {0, TABLE}:
            mask = {(int(v), int(u)) for v, u in np.argwhere(segmentation == name)} & with_depth
            best = max(best, len(mask & truth) / len(mask | truth))
        assert found["object_iou"][str(number)] == pytest.approx(best)
    table = (segmentation == TABLE) & (labels != 0)
    assert found["table_label_share"] == pytest.approx(np.mean(labels[table] < 10))


def test_an_object_that_was_missed_counts_as_zero() -> None:
    segmentation, labels = pictures()
    segmentation[segmentation == 9] = TABLE
    found = compare_with_labels(segmentation, labels)
    assert found["object_iou"] == {"2": 1.0, "3": 0.0}
    assert found["table_label_share"] < 1


def test_small_objects_do_not_count_and_no_table_is_no_share() -> None:
    segmentation, labels = pictures()
    labels[0:10, 60:75] = 42  # 150 pixels
    segmentation[segmentation == TABLE] = 0
    found = compare_with_labels(segmentation, labels)
    assert set(found["object_iou"]) == {"2", "3"}
    assert found["table_inliers"] == 0 and np.isnan(found["table_label_share"])


def test_parts_of_one_object_are_one_object() -> None:
    segmentation, labels = pictures()
    labels[10:20, 10:20] = np.where(labels[10:20, 10:20] == 20, 27, 0)
    assert compare_with_labels(segmentation, labels)["object_iou"]["2"] == 1.0


def test_frames_come_from_folders_and_bags_alike() -> None:
    paths = real.default_paths()
    missing = {"pcl_mosd", "apc_real_frames_ros2"} - {path.name for path in paths}
    assert not missing, f"{missing} belong next to the repository, in shared/data"
    names = [item.name for path in paths for item in frames_of(path)]
    assert names[:1] == ["pcl_mosd/learn0"] and names[-1] == "apc_real_frames_ros2/0004" and len(names) == 10


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(frames_of(tmp_path / "nowhere"))


def test_a_bad_frame_costs_itself_only(tmp_path: Path) -> None:
    good = next(path for path in real.default_paths() if path.name == "pcl_mosd")
    for file in good.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    whole = [item.name for item in frames_of(tmp_path)]
    (tmp_path / "learn0-depth.png").write_bytes(b"no image")
    lost: dict[str, str] = {}
    names = [item.name for item in frames_of(tmp_path, lost=lost.__setitem__)]
    assert names == whole[1:] and list(lost) == whole[:1]
    assert "not an image" in lost[whole[0]]


def test_a_frame_in_which_nothing_stands_on_the_plane_says_so() -> None:
    entry = {"name": "room/1", "objects": [], "table_found": True, "canonical": "plane"}
    assert real._line(entry) == "room/1: nothing found: a level surface, nothing on it"
    assert real._line({**entry, "table_found": False, "canonical": "no depth"}) == "room/1: nothing found: no depth"
