"""What models of each family write about places, read into pixels; what does not parse is nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.vlm.grounding_formats import FORMATS, MAX_CHARS, MAX_PLACES, Picture, format_for, format_of
from spatialvlm_ros.vlm.interface import VlmError

PICTURE = Picture((640, 480), (616, 476))


def boxes(form: str, text: str) -> list[list[float]]:
    return [[round(x, 2) for x in place.box] for place in FORMATS[form].places(text, PICTURE)]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("json", '```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "cup"}]\n```', [[64, 96, 192, 192]]),
        ("json", '[{"bbox_2d": [0, 0, 500, 500]}, {"bbox_2d": [500, 500, 1000, 1000]}', [[0, 0, 320, 240], [320, 240, 640, 480]]),
        ("json", '[{"label": "cup", "point_2d": [500, 500]}]', [[320, 240, 320, 240]]),
        ("json", "[[100, 200, 300, 400]]", [[64, 96, 192, 192]]),
        ("qwen2.5", '[{"bbox_2d": [61.6, 95.2, 308, 238], "label": "cup"}]', [[64, 96, 320, 240]]),
        ("qwen2", "<|object_ref_start|>cup<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>", [[64, 96, 192, 192]]),
        ("internvl", "<ref>cup</ref><box>[[100, 200, 300, 400], [0, 0, 10, 10]]</box>", [[64, 96, 192, 192], [0, 0, 6.4, 4.8]]),
        ("gemini", '[{"box_2d": [200, 100, 400, 300], "label": "cup"}]', [[64, 96, 192, 192]]),
        ("gemini", '[{"point": [500, 250], "label": "cup"}]', [[160, 240, 160, 240]]),
        ("molmo", '<point x="50.0" y="25.0" alt="cup">cup</point>', [[320, 120, 320, 120]]),
        ("molmo", '<points x1="10" y1="20" x2="30" y2="40" alt="cups">cups</points>', [[64, 96, 64, 96], [192, 192, 192, 192]]),
        ("molmo", '<points coords="1 1 500 250 2 100 200">cups</points>', [[320, 120, 320, 120], [64, 96, 64, 96]]),
        ("paligemma", "<loc0204><loc0102><loc0409><loc0306> cup", [[64.06, 95.86, 191.56, 191.95]]),
        ("florence", "cup<loc_100><loc_200><loc_300><loc_400>", [[64.32, 96.24, 192.32, 192.24]]),
        ("fractions", "[0.10, 0.20, 0.30, 0.40]", [[64, 96, 192, 192]]),
    ],
)
def test_each_family_is_read(form: str, text: str, expected: list[list[float]]) -> None:
    assert boxes(form, text) == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", "There is no cup in the picture."),
        ("json", "[]"),
        ("json", '[{"bbox_2d": [300, 200, 100, 400]}]'),
        ("json", '[{"bbox_2d": [100, 200, 1300, 400]}]'),
        ("json", '[{"bbox_2d": [1, 2, 3]}, {"bbox_2d": ["1", 2, 3, 4]}, {"bbox_2d": [true, 2, 3, 4]}, {"bbox_2d": null}]'),
        ("json", '[{"bbox_2d": [1e999, 2, 3, 4]}, {"bbox_2d": [NaN, 2, 3, 4]}]'),
        ("qwen2.5", '[{"bbox_2d": [0, 0, 900, 100]}]'),
        ("qwen2", "(100,200)"),
        ("molmo", '<point x="150" y="25">cup</point><point x="ten" y="20">'),
        ("molmo", '<points coords="1 1 500">cup</points>'),
        ("paligemma", "<loc0204><loc0102><loc0409> cup"),
        ("paligemma", "<loc0204><loc0102><loc0409><loc0306><loc0001> cup"),
        ("florence", "cup<loc_100><loc_200>"),
        ("fractions", "[10, 20, 30, 40]"),
        ("internvl", "<box>100, 200, 300, 400</box>"),
    ],
)
def test_what_does_not_parse_is_nothing(form: str, text: str) -> None:
    assert boxes(form, text) == []


@given(form=st.sampled_from(sorted(FORMATS)), text=st.text(alphabet='[](){}<>",:.0123456789 loc_boxpint=xy2d-', max_size=200))
def test_any_text_gives_places_inside_the_picture_or_none(form: str, text: str) -> None:
    for place in FORMATS[form].places(text, PICTURE):
        x0, y0, x1, y1 = place.box
        assert all(map(math.isfinite, place.box)) and 0 <= x0 <= x1 <= 640 and 0 <= y0 <= y1 <= 480
        assert 0 <= place.span[0] < place.span[1] <= len(text)


def test_a_flood_is_cut_short() -> None:
    one = '{"bbox_2d": [1, 2, 3, 4]},'
    assert len(FORMATS["json"].places(one * 200, PICTURE)) == MAX_PLACES
    assert FORMATS["json"].places(one * (MAX_CHARS // len(one) + 1), PICTURE) == []


def test_families_are_known_by_type_or_name() -> None:
    found = {
        name: format_for(name).name
        for name in ("qwen2_vl", "qwen2_5_vl", "Qwen/Qwen2.5-VL-7B-Instruct", "qwen3_vl", "paligemma", "florence2", "molmo2",
                     "internvl", "llava", "llava_onevision", "idefics3", "smolvlm", "gemini-2.5-flash")
    }  # fmt: skip
    assert found == {
        "qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2.5", "Qwen/Qwen2.5-VL-7B-Instruct": "qwen2.5", "qwen3_vl": "json",
        "paligemma": "paligemma", "florence2": "florence", "molmo2": "molmo", "internvl": "internvl", "llava": "fractions",
        "llava_onevision": "json", "idefics3": "json", "smolvlm": "json", "gemini-2.5-flash": "gemini",
    }  # fmt: skip
    assert format_of("json").request("the red block") == format_of("json").request("red block")
    assert format_of("json").several(2) > 0.5 > format_of("json").several(1) and math.isnan(format_of("fractions").several(2))
    with pytest.raises(VlmError, match="'yolo' is not known; use one of json"):
        format_of("yolo")
