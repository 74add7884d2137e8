"""Boxes and points to the regions that depth proposes, or to regions of the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table_views import BLUE, RED, picture_of
from tiny_models import sam

from spatialvlm_ros.perception.models.loader import ModelKind, load_model
from spatialvlm_ros.perception.models.segmenter import Segmenter
from spatialvlm_ros.scene.frame import Region
from spatialvlm_ros.vlm.grounding_formats import Place
from spatialvlm_ros.vlm.interface import View
from spatialvlm_ros.vlm.regions import ground_places


@pytest.fixture(scope="module")
def view() -> View:
    """A red and a blue block, both proposed."""
    picture = picture_of([RED, BLUE])
    proposals = tuple(Region(picture.owner == index) for index in (0, 1))
    return View(picture.frame.color, picture.frame, proposals, picture.plane, picture.plane[:3])


def box_of(region: Region, grow: float = 0.0) -> Place:
    x0, y0, x1, y1 = region.box
    return Place((x0 - grow, y0 - grow, x1 + grow, y1 + grow), (0, 1))


def point(x: float, y: float) -> Place:
    return Place((x, y, x, y), (0, 1), is_point=True)


def middle(region: Region) -> tuple[float, float]:
    rows, columns = np.nonzero(region.mask)
    return float(columns.mean()), float(rows.mean())


def test_a_box_about_a_proposal_is_the_proposal(view: View) -> None:
    found = ground_places(view, "block", [(box_of(view.proposals[1], 4.0), 0.8)], 0.9, "test")
    assert (found.proposals, found.present) == ((1,), 0.9)
    (region,) = found.regions
    assert (region.mask == view.proposals[1].mask).all() and (region.label, region.score, region.source) == ("block", 0.8, "test")


def test_a_wide_box_around_one_proposal_alone_is_it_and_around_two_is_none(view: View) -> None:
    wide = box_of(view.proposals[0], 9.0)
    assert ground_places(view, "block", [(wide, 1.0)], 1.0, "test").proposals == (0,)
    boxes = np.array([region.box for region in view.proposals], dtype=float)
    both = Place((*boxes[:, :2].min(0), *boxes[:, 2:].max(0)), (0, 1))
    assert ground_places(view, "blocks", [(both, 1.0)], 1.0, "test").proposals == (-1,)


def test_a_point_means_what_is_under_or_beside_it(view: View) -> None:
    x, y = middle(view.proposals[0])
    right = float(view.proposals[1].box[2])
    row = middle(view.proposals[1])[1]
    found = ground_places(view, "b", [(point(x, y), 0.9), (point(right + 3, row), 0.8), (point(5.0, 5.0), 0.7)], 1.0, "test")
    assert found.proposals == (0, 1)


def test_each_proposal_is_named_once_by_its_best_place(view: View) -> None:
    places = [(box_of(view.proposals[0]), 0.4), (point(*middle(view.proposals[0])), 0.7), (box_of(view.proposals[1]), 0.5)]
    found = ground_places(view, "b", places, 1.0, "test")
    assert found.proposals == (0, 1) and [region.score for region in found.regions] == [0.7, 0.5]


def test_a_box_elsewhere_is_a_region_of_what_stands_above_the_plane(view: View) -> None:
    alone = View(view.color, view.frame, view.proposals[:1], view.plane)
    (region,) = ground_places(alone, "block", [(box_of(view.proposals[1], 5.0), 1.0)], 1.0, "test").regions
    truth = view.proposals[1].mask
    assert np.count_nonzero(region.mask & truth) > 0.8 * np.count_nonzero(truth | region.mask)
    without_depth = View(view.color)
    (region,) = ground_places(without_depth, "block", [(box_of(view.proposals[1]), 1.0)], 1.0, "test").regions
    assert np.count_nonzero(region.mask) == np.prod(np.subtract(view.proposals[1].box[2:], view.proposals[1].box[:2]))


def test_a_segmenter_outlines_it(view: View, tmp_path: Path) -> None:
    segmenter = Segmenter(load_model(ModelKind.SEGMENTER, sam(tmp_path / "sam"), device="cpu"))
    alone = View(view.color, view.frame, (), view.plane)
    place = box_of(view.proposals[1], 5.0)
    (region,) = ground_places(alone, "block", [(place, 1.0)], 1.0, "test", segmenter).regions
    outlined = segmenter(view.color, [place.box])[0].mask
    assert outlined.any() and (region.mask == outlined).all()
