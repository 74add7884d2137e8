"""How letters, numbers and points are taken from answers: cases worked out from the rules of the benchmarks' authors."""

from __future__ import annotations

import pytest

from spatialvlm_ros.evaluation.benchmarks.letters import answer_line, first_word, leading_letter, mindcube_letter, ranked_letter
from spatialvlm_ros.evaluation.benchmarks.q_spatial import said_cm
from spatialvlm_ros.evaluation.benchmarks.robospatial import first_point, is_inside, polygon_of
from spatialvlm_ros.evaluation.benchmarks.vsi_bench import mean_relative_accuracy

L_SHAPE = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize(
    ("text", "letter"),
    [("B", "B"), (" (c) above", "C"), ("A.", "A"), ("The answer is B", "T"), ("", ""), ("12 A", ""), ("((D", "D")],
)
def test_leading_letter(text: str, letter: str) -> None:
    assert leading_letter(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: B", "B"), ("answer :C", "C"), ("Answer: c", "c"), ("Answer: A ... so\nAnswer: D", "D"), ("Answer: E", ""),
        ("Answer: Bench", ""), ("B", ""), ("", ""),
    ],
)  # fmt: skip
def test_answer_line(text: str, letter: str) -> None:
    assert answer_line(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A. Above", "A"), ("Not A. but B. Under", "B"), ("<answer>C. Front</answer>", "C"),
        ("<Answer>my answer is D</Answer>", "D"),
        ("<Answer>It may be A or E</Answer> B", "E"), ("Answer: D", "D"), ("I think the answer is E", "E"),
        ('He said "B"', "B"),
        ("A\nB\nno letter here", "A"), ("One of A and C", "A"),
        ("nothing", ""), ("", ""),
    ],
)  # fmt: skip
def test_mindcube_letter(text: str, letter: str) -> None:
    assert mindcube_letter(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("C.", "C"), ("B) the left one, not A", "B"), ("I would go for D", "D"),
        ("The correct answer is C here", "C"),
        ("(A) is red, (D) is not red", "D"),
        ("A: yes or no", "A"), ("Maybe C: it looks so", "C"), ("about", ""), ("aBout", "B"),
        ("", ""), ("?!", ""),
    ],
)  # fmt: skip
def test_ranked_letter(text: str, letter: str) -> None:
    assert ranked_letter(text, "ABCD") == letter


def test_first_word() -> None:
    assert [first_word(text) for text in ("A. two", "3.5 m", "", "B", "C.\nD")] == ["A", "3.5", "", "B", "C.\nD"]


@pytest.mark.parametrize(
    ("said", "true", "share"),
    [(4.0, 4.0, 1.0), (5.0, 4.0, 0.6), (2.0, 4.0, 0.1), (1.9, 4.0, 0.0), (6.1, 4.0, 0.0), (3.0, 4.0, 0.6), (1.0, 0.0, 0.0)],
)
def test_mean_relative_accuracy(said: float, true: float, share: float) -> None:
    assert mean_relative_accuracy(said, true) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "cm"),
    [
        (r"\scalar{2} \distance_unit{m}", 200.0), (r"\scalar{1 to 3} \distance_unit{Feet}", 60.96),
        ("scalar{5} distance_unit{mm}", 0.5),
        (r"\scalar{7} \distance_unit{parsec}", 7.0), (r"\scalar{2} \distance_unit{ m}", 2.0), (r"\scalar{2} m", None),
        (r"\scalar{two} \distance_unit{m}", None), ("2 m", None),
    ],
)  # fmt: skip
def test_the_form_of_q_spatial(text: str, cm: float | None) -> None:
    assert said_cm(text) == pytest.approx(cm if cm is not None else float("nan"), nan_ok=True)


def test_points_and_polygons() -> None:
    assert polygon_of("[(0.1, 0.2), [0.3,0.4], (1e-3, 5)]") == [(0.1, 0.2), (0.3, 0.4), (0.001, 5.0)] and polygon_of("yes") == []
    assert first_point("at [0.5, 0.5] or (0.25,0.75)") == (0.25, 0.75) and first_point("[[0.5, 0.5]]") == (0.5, 0.5)
    assert first_point("(-0.1, 0.2)") is None and first_point("0.1, 0.2") is None
    # Numbers that neither pattern knows stand in a list that Python reads; without brackets they are no point.
    listed = {"[.4, .5]": (0.4, 0.5), "[(-0.1, 2e-1), (.5, .5),]": (-0.1, 0.2), "at [.25,\n1.]": (0.25, 1.0)}
    assert {text: first_point(text) for text in listed} == listed
    nothing = ("[a, b]", "[.1, .2, .3]", "[]", "[[.4, .5]]", "[(.1, .2, .3)]", "(.4, .5)")
    assert [first_point(text) for text in nothing] == [None] * len(nothing)
    inside = [is_inside(point, L_SHAPE) for point in ((0.25, 0.75), (0.75, 0.25), (0.75, 0.75), (1.5, 0.25), (-0.1, 0.1))]
    assert inside == [True, True, False, False, False]
