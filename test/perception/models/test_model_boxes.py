"""Boxes: overlap, suppression, clipping, masks and crops, against plain counts of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.perception.models.boxes import areas, as_boxes, box_mask, clipped, crop_window, overlaps, suppress
from spatialvlm_ros.perception.models.errors import ModelInputError

CORNERS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))


@given(CORNERS, CORNERS)
def test_overlap_is_that_of_counted_pixels(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    a, b = (np.zeros((20, 20), dtype=bool) for _ in range(2))
    for mask, (x0, y0, x1, y1) in ((a, first), (b, second)):
        mask[y0:y1, x0:x1] = True
    either = np.count_nonzero(a | b)
    expected = np.count_nonzero(a & b) / either if either else 0.0
    assert overlaps([first], [second])[0, 0] == pytest.approx(expected)
    assert areas([first])[0] == np.count_nonzero(a)


@given(st.lists(CORNERS, max_size=12), st.floats(0, 1), st.randoms())
def test_what_is_kept_overlaps_little_and_what_is_not_has_a_better_neighbour(
    boxes: list[tuple[int, ...]], most: float, random
) -> None:  # type: ignore[no-untyped-def]
    scores = [random.random() for _ in boxes]
    kept = suppress(boxes, scores, most)
    matrix = overlaps(boxes, boxes)
    assert [scores[at] for at in kept] == sorted((scores[at] for at in kept), reverse=True)
    assert all(matrix[a, b] <= most for a in kept for b in kept if a != b)
    for at in set(range(len(boxes))) - set(kept):
        assert any(matrix[at, other] > most and scores[other] >= scores[at] for other in kept)


def test_of_equal_boxes_the_first_stays() -> None:
    assert suppress([[0, 0, 4, 4], [0, 0, 4, 4], [10, 10, 12, 12]], [0.5, 0.5, 0.5], 0.7) == [0, 2]
    assert suppress([], [], 0.5) == []


def test_boxes_are_cut_at_the_edges() -> None:
    assert clipped([[-5, -5, 5, 5], [90, 40, 200, 200], [200, 0, 300, 9]], 100, 50).tolist() == [
        [0, 0, 5, 5],
        [90, 40, 100, 50],
        [100, 0, 100, 9],
    ]
    assert areas(clipped([[200, 0, 300, 9]], 100, 50)).tolist() == [0]


@given(st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.floats(-3, 12)] * 4))
def test_a_mask_holds_the_pixels_whose_centres_lie_in_the_box(width: int, height: int, box: tuple[float, ...]) -> None:
    mask = box_mask(box, width, height)
    assert mask.shape == (height, width)
    x0, y0, x1, y1 = clipped([box], width, height)[0]
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = (u >= x0) & (u < x1) & (v >= y0) & (v < y1)
    assert not (inside & ~mask).any()
    assert mask.any() == (x1 > x0 and y1 > y0)
    if inside.any():
        assert np.array_equal(mask, inside)


def test_a_crop_has_a_margin_and_at_least_a_pixel() -> None:
    assert crop_window([10, 20, 30, 40], 100, 100, 0.1) == (slice(18, 42), slice(8, 32))
    assert crop_window([0, 0, 100, 50], 100, 50, 0.5) == (slice(0, 50), slice(0, 100))
    rows, columns = crop_window([99.5, 0, 99.6, 0.1], 100, 1, 0.0)
    assert np.zeros((1, 100))[rows, columns].size == 1
    rows, columns = crop_window([500, 500, 600, 600], 100, 50, 0.0)
    assert np.zeros((50, 100))[rows, columns].size >= 1


def test_boxes_that_are_none_are_refused() -> None:
    assert as_boxes([]).shape == (0, 4)
    for bad in ([[1, 2, 3]], [1, 2, 3, 4], [[0, 0, np.nan, 1]], [[0, 0, np.inf, 1]]):
        with pytest.raises(ModelInputError, match="boxes are"):
            as_boxes(bad)
