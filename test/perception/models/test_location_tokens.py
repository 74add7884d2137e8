"""Florence-2's location tokens, well formed and not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.perception.models.location_tokens import box_tokens, parse_located


def found(text: str, width: int = 1000, height: int = 1000) -> list[tuple[str, tuple[float, ...]]]:
    return [(one.phrase, tuple(round(x, 3) for x in one.box)) for one in parse_located(text, width, height)]


def locations(*numbers: int) -> str:
    return "".join(f"<loc_{number}>" for number in numbers)


def test_a_phrase_may_have_several_boxes_and_numbers_mean_the_middle_of_a_bin() -> None:
    text = f"</s><s>red cup{locations(52, 332, 930, 774)}bowl{locations(0, 0, 9, 9)}{locations(10, 10, 999, 999)}</s><pad>"
    assert found(text) == [
        ("red cup", (52.5, 332.5, 930.5, 774.5)),
        ("bowl", (0.5, 0.5, 9.5, 9.5)),
        ("bowl", (10.5, 10.5, 999.5, 999.5)),
    ]
    assert found(f"cup{locations(0, 0, 499, 499)}", 640, 480) == [("cup", (0.32, 0.24, 319.68, 239.76))]


def test_a_box_without_words_has_an_empty_phrase() -> None:
    assert found(locations(1, 2, 3, 4)) == [("", (1.5, 2.5, 3.5, 4.5))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a cup and a bowl",
        "cup" + locations(1, 2, 3),
        "cup" + locations(1, 2, 3, 4, 5),
        "cup" + locations(1, 2, 3, 1000),
        "cup" + locations(5, 5, 5, 9),
        "cup" + locations(9, 5, 5, 9),
        "cup<loc_><loc_-1><loc_1.5><loc_x>",
        "cup<loc_1><loc_2><loc_3><loc_",
        "cup<poly>" + locations(1, 2, 3, 4, 5, 6, 7, 8) + "</poly>",
        "cup<poly>" + locations(1, 2, 3, 4),
        "<<<>>><",
    ],
)
def test_what_does_not_parse_gives_no_box(text: str) -> None:
    assert found(text) == []


def test_a_broken_phrase_does_not_slip_onto_its_neighbour() -> None:
    text = f"cup{locations(1, 2, 3)}bowl{locations(10, 20, 30, 40)}plate spoon{locations(50, 60, 70, 80)}"
    assert found(text) == [("bowl", (10.5, 20.5, 30.5, 40.5)), ("plate spoon", (50.5, 60.5, 70.5, 80.5))]
    assert found(f"cup<od>{locations(1, 2, 3, 4)}</od>") == [("cup", (1.5, 2.5, 3.5, 4.5))]


def test_spans_cover_phrase_and_boxes() -> None:
    text = f"<s> cup{locations(1, 2, 3, 4)}bowl{locations(5, 6, 7, 8)}"
    spans = [text[slice(*one.span)].strip() for one in parse_located(text, 10, 10)]
    assert spans == ["cup" + locations(1, 2, 3, 4), "bowl" + locations(5, 6, 7, 8)]


@given(st.text(alphabet="<>loc_/poly019 ab", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for one in parse_located(text, 64, 48):
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 < x1 <= 64
        assert 0 <= y0 < y1 <= 48


@given(st.integers(2, 2000), st.integers(2, 2000), st.tuples(*[st.floats(0, 1)] * 4))
def test_a_box_survives_its_tokens_within_a_bin(width: int, height: int, shares: tuple[float, ...]) -> None:
    (xa, xb), (ya, yb) = sorted((shares[0], shares[2])), sorted((shares[1], shares[3]))
    if xb - xa < 0.01 or yb - ya < 0.01:
        return
    box = (xa * width, ya * height, xb * width, yb * height)
    (read,) = parse_located("thing" + box_tokens(box, width, height), width, height)
    for given_px, read_px, side in zip(box, read.box, (width, height, width, height), strict=True):
        assert abs(given_px - read_px) <= 0.5001 * side / 1000


def test_a_box_beyond_the_picture_is_cut() -> None:
    assert box_tokens((-10, -10, 5000, 24), 640, 48) == locations(0, 0, 999, 500)
