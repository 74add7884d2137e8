"""Pictures of a bin whose bottom shows nothing: what is said of the things in it is true, and the rest is left out; drawn."""

from __future__ import annotations

import numpy as np
import pytest
from bare_bin import BLUE_BOX, CAMERA, RED_BOX, bin_with

from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.lift import LiftConfig, lift
from spatialvlm_ros.synthesis.record import Dropped, Example, Pair, Picture

# Of the front faces: how deep the boxes are nobody sees.
APART_M = float(np.linalg.norm(BLUE_BOX.middle() - RED_BOX.middle()))


def picture(mirrored: bool = False, up: tuple[float, float, float] | None = None) -> Picture:
    frame = bin_with(BLUE_BOX, RED_BOX, mirrored=mirrored)
    gravity = None if up is None else np.array(up)
    return Picture("bin", frame.color, frame.depth_m, CAMERA, "optical", 0, "0" * 64, up=gravity)


def said(example: Example, relation: str) -> list[Pair]:
    return [pair for pair in example.pairs if pair.query.relation == relation]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("up", [None, (0.0, -1.0, 0.0)])
def test_what_is_said_of_things_in_a_bare_bin_is_true(mirrored: bool, up: tuple[float, float, float] | None) -> None:
    example = make_example(picture(mirrored, up), AskOptions(both_orders=True), 0)
    assert {thing.name for thing in example.objects} == {"blue object", "red object"}
    # The blue one is on the left and behind.
    for relation, blue_has in (("left", True), ("right", False), ("behind", True), ("front", False)):
        pairs = said(example, relation)
        assert len(pairs) == 2
        assert all((pair.polarity == "yes") == ((pair.objects[0].name == "blue object") == blue_has) for pair in pairs)
    for pair in said(example, "distance"):
        # Nobody sees how deep they are.
        assert abs(pair.value - APART_M) < 2 * pair.std < 0.16


@pytest.mark.parametrize("up", [None, (0.0, -1.0, 0.0)])
def test_nothing_is_said_of_what_a_bare_bottom_does_not_show(up: tuple[float, float, float] | None) -> None:
    example = make_example(picture(mirrored=True, up=up), AskOptions(both_orders=True), 0)
    about = {pair.query.relation for pair in example.pairs}
    for dimension in ("above", "tall", "big"):
        assert not [relation for relation in about if dimension in relation]
    assert about.isdisjoint(("height", "elevation", "vertical_distance", "gap", "behind_difference", "front_difference", "below"))


def test_the_doubt_about_a_reflection_reaches_the_true_middle() -> None:
    plain, mirrored = (lift(picture(one)).scene.objects for one in (False, True))
    for one, other in zip(plain, mirrored, strict=True):
        off_m = float(np.linalg.norm(other.centre - one.centre))
        assert 0.04 < off_m < 2 * float(np.sqrt(other.covariance[1, 1]))
        # A front alone may be of a thing as deep as the front is wide.
        width_m = float(np.sort(one.extents)[1])
        assert float(np.sqrt(one.covariance[2, 2])) > 0.2 * width_m


def test_who_wants_no_grounder_gets_none() -> None:
    with pytest.raises(Dropped, match="no thing that was found"):
        lift(picture(), LiftConfig(grounder="none"))
