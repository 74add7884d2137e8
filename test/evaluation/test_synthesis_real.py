"""Labelled pictures as truth: tried on rendered ones, whose labels are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.synthesis_pictures import Viewed, viewed
from spatialvlm_ros.evaluation.synthesis_real import RealPictures, labelled_truth, prism, run_real
from spatialvlm_ros.simulation.random_scene import SceneSampling
from spatialvlm_ros.simulation.raycast import SUPPORT_LABEL, render
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.record import Dropped, Picture

SMALL = SceneSampling(
    num_things=(4, 5), width_px=(320, 320), height_px=(240, 240), fx_px=(260.0, 300.0), share_stacked=0.0,
    support_weights={"table": 1.0}, crowding=0.0, pitch_deg=(-50.0, -40.0),
)  # fmt: skip


@dataclass(frozen=True)
class Few:
    """A source of given items."""

    given: tuple[Picture | Dropped, ...]

    def __len__(self) -> int:
        return len(self.given)

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        yield from self.given[start:stop]


@pytest.fixture(scope="module")
def labelled() -> tuple[Viewed, Picture, np.ndarray]:
    """A scene with its noisy picture as a camera would give it, without regions, and labels as people draw them."""
    view = viewed(7, SMALL)
    assert view is not None
    labels = np.zeros(view.picture.color.shape[:2], np.uint8)
    drawn = render(view.scene).labels
    labels[drawn == SUPPORT_LABEL] = 1
    for region, number in zip(view.picture.regions, view.things.values(), strict=True):
        labels[region.mask] = 20 + 10 * number
    return view, replace(view.noisy("structured_light"), regions=(), up=None), labels


def test_labels_become_things_on_a_level_table(labelled: tuple[Viewed, Picture, np.ndarray]) -> None:
    view, picture, labels = labelled
    example = make_example(picture, AskOptions(), 0)
    truth, things = labelled_truth(picture, labels, example)
    assert truth.up @ view.truth.up > 0.9995 and truth.camera_height_m == pytest.approx(view.truth.camera_height_m, abs=0.01)
    assert len(things) >= 3 and len(set(things.values())) == len(things)
    numbers = sorted(view.things.values())
    for at in things.values():
        labelled_thing, true_thing = truth.solids[at], view.truth.solids[numbers[at]]
        assert labelled_thing.low_m == 0.0
        assert labelled_thing.high_m == pytest.approx(true_thing.high_m - true_thing.low_m, abs=0.01)
        assert np.array(sorted(labelled_thing.box[2][:2])) == pytest.approx(sorted(true_thing.box[2][:2]), abs=0.02)


def test_a_thing_that_no_label_covers_is_none(labelled: tuple[Viewed, Picture, np.ndarray]) -> None:
    _, picture, labels = labelled
    example = make_example(picture, AskOptions(), 0)
    _, every = labelled_truth(picture, labels, example)
    first = next(iter(every))
    shrunk = labels.copy()
    rows, columns = np.nonzero(first.mask())
    shrunk[(labels >= 20) & first.mask() & (np.arange(labels.shape[0])[:, None] > np.quantile(rows, 0.3))] = 1
    assert columns.size and first not in labelled_truth(picture, shrunk, example)[1]


def test_figures_of_labelled_unlabelled_and_dropped_pictures(labelled: tuple[Viewed, Picture, np.ndarray]) -> None:
    _, picture, labels = labelled
    other = replace(picture, key="other")
    empty = replace(picture, key="empty", depth_m=np.full_like(labels, np.nan, np.float32))
    source = Few((picture, other, empty, Dropped("unreadable", "is none", "x")))
    figures = run_real([RealPictures("shop", source, {picture.key: labels})], 0)["shop"]
    assert figures["pictures"] == 4 and figures["pictures_with_pairs"] == 2 and figures["labelled_pictures"] == 1
    assert figures["dropped"] == {"no_depth": 1, "unreadable": 1}
    assert figures["answers_that_do_not_say_what_was_measured"] == 0
    assert figures["pairs"] > figures["summary"]["pairs"] > 30
    for kind in ("qualitative", "quantitative"):
        part = figures["against_labels"][kind]
        assert part["valid_share"] >= 0.95 > part["valid_share_of_constant"] and part["certain"] <= part["pairs"]


def test_labels_of_other_things_are_not_agreed_with(labelled: tuple[Viewed, Picture, np.ndarray]) -> None:
    """The same picture with the depth of its things pushed away from the camera: the labels' boxes are elsewhere."""
    _, picture, labels = labelled
    assert picture.depth_m is not None
    pushed = replace(picture, depth_m=np.where(labels >= 20, picture.depth_m * 0.85, picture.depth_m))
    example = make_example(picture, AskOptions(), 0)
    truth, things = labelled_truth(pushed, labels, example)
    true, _ = labelled_truth(picture, labels, example)
    moved = [np.linalg.norm(truth.solids[at].middle - true.solids[at].middle) for at in things.values()]
    assert min(moved) > 0.02


def test_a_prism_stands_over_the_outline_of_its_points() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform((0.0, 0.0, 0.002), (0.3, 0.2, 0.1), (4000, 3))
    solid = prism("box", points)
    assert solid.low_m == 0.0 and solid.high_m == pytest.approx(0.1, abs=0.003)
    assert sorted(solid.box[2][:2]) == pytest.approx([0.2, 0.3], abs=0.01)
    a, b, c = (solid.faces[:, at] for at in range(3))
    volume = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6
    assert volume == pytest.approx(0.3 * 0.2 * 0.1, rel=0.08)
    assert prism("floating", points + np.array([0.0, 0.0, 0.1])).low_m == pytest.approx(0.1, abs=0.005)
