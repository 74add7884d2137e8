"""Names against what they mean on the true scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.evaluation.engine_solids import Solid
from spatialvlm_ros.evaluation.engine_truth import TrueScene
from spatialvlm_ros.evaluation.synthesis_names import (
    ambiguous_pictures,
    judge_names,
    meant,
    names_of_scene,
    score_names,
    split_name,
    things_in_sight,
    without,
)
from spatialvlm_ros.evaluation.synthesis_pictures import Viewed, viewed
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.simulation import solids
from spatialvlm_ros.simulation.random_scene import SceneSampling
from spatialvlm_ros.synthesis.ambiguity import CLAUSES
from spatialvlm_ros.synthesis.ask import AskOptions, make_example

SMALL = SceneSampling(num_things=(7, 8), width_px=(320, 320), height_px=(240, 240), fx_px=(260.0, 300.0))


def box_at(name: str, x: float, y: float, height: float) -> Solid:
    mesh = solids.box((0.05, 0.05, height))
    return Solid(name, name.split()[1], mesh.vertices + np.array([x, y, height / 2]), mesh.triangles)


@pytest.fixture(scope="module")
def truth() -> TrueScene:
    """A camera that looks along the world's y axis: x is right, y is away."""
    pose = RigidTransform(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]), np.array([0.0, -1.0, 0.3]))
    things = (
        box_at("red can", -0.2, 0.0, 0.1), box_at("blue can", 0.2, 0.1, 0.2), box_at("red block", 0.0, 0.3, 0.05),
        box_at("red plate", 0.3, 0.5, 0.02),
    )  # fmt: skip
    return TrueScene(things, 0.0, pose)


def test_every_wording_that_tells_things_apart_is_understood() -> None:
    for forms in CLAUSES.values():
        relations = [{split_name(form[side].format(n="red can")) for form in forms} for side in (0, 1)]
        assert [len(found) for found in relations] == [1, 1] and relations[0] != relations[1]
        assert all(caption == "red can" and relation for found in relations for caption, relation in found)
    assert split_name("red can") == ("red can", "")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("red can", [0]), ("can", [0, 1]), ("red thing", [0, 2, 3]), ("left can", [0]), ("can on the right", [1]),
        ("rear can", [1]), ("can in the front", [0]), ("taller can", [1]), ("shorter can", [0]), ("left block", [2]),
        ("left red thing", []), ("green can", []),
    ],
)  # fmt: skip
def test_what_a_name_means(truth: TrueScene, name: str, found: list[int]) -> None:
    assert meant(name, [0, 1, 2, 3], truth) == found


def test_what_is_not_in_sight_is_not_meant(truth: TrueScene) -> None:
    assert meant("can", [1, 2, 3], truth) == [1]


def test_parts_of_names_are_left_out() -> None:
    assert (without("red can", "colour"), without("red can", "shape")) == ("can", "red thing")


@pytest.fixture(scope="module")
def view() -> Viewed:
    """A scene on which several things share a shape and several a colour."""
    for seed in range(60, 90):
        found = viewed(seed, SMALL)
        if found is not None:
            names = [region.caption.split() for region in found.picture.regions]
            if all(len({name[part] for name in names}) < len(names) - 1 for part in (0, 1)):
                return found
    raise AssertionError("no such scene")


def test_names_that_are_shared_are_found_and_resolved(view: Viewed) -> None:
    found = names_of_scene(view, "stereo", 0, AskOptions())
    assert set(found) == {f"{part} {how}" for part in ("colour", "shape") for how in ("resolved", "plain")}
    figures = score_names([found])
    assert figures["all plain"]["wrong_pair_share"] > 0.1 and figures["all resolved"]["wrong_pair_share"] == 0.0
    assert figures["all resolved"]["pairs"] == sum(figures[f"{part} resolved"]["pairs"] for part in ("colour", "shape"))


def test_a_wrong_clause_is_a_wrong_name(view: Viewed) -> None:
    """Left for right: each such name means the other thing."""
    in_sight = things_in_sight(view)
    example = make_example(ambiguous_pictures(view, "stereo")["colour"], AskOptions(), 0)
    turned = {"left": "right", "right": "left"}
    objects = tuple(
        replace(thing, name=" ".join(turned.get(word, word) for word in thing.name.split())) for thing in example.objects
    )
    changed = [a.name != b.name for a, b in zip(example.objects, objects, strict=True)]
    before, after = (judge_names(replace(example, objects=some), view, in_sight) for some in (example.objects, objects))
    assert before["wrong_names"] == 0 and after["wrong_names"] == sum(changed)
