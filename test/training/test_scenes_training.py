"""Things and layouts of the training scenes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from spatialvlm_ros.training.embedded.composites import MAKERS, random_design
from spatialvlm_ros.training.embedded.grippers import GRIPPER_KINDS, random_gripper
from spatialvlm_ros.training.embedded.scenes import Placed, Scene, SceneConfig, random_scene
from spatialvlm_ros.training.embedded.vocabulary import (
    KIND_NAMES,
    KIND_NOUNS,
    KINDS,
    LOOKALIKES,
    NOUN_WORDS,
    NOUNS,
    PARTS,
    SUPERORDINATES,
)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    config = SceneConfig(stacked=0.35, inside=0.3, things=(5, 9))
    return [random_scene(np.random.default_rng(seed), config) for seed in range(80)]


def test_every_kind_can_be_made_and_named() -> None:
    assert set(MAKERS) == set(KINDS)
    assert len(KINDS) >= 25
    assert set(SUPERORDINATES) <= set(NOUNS)
    for row, kind in enumerate(KIND_NAMES):
        sure = [n for n, value in zip(NOUNS, KIND_NOUNS[row], strict=True) if value == 1]
        # Something narrower than "container" is true of each.
        assert set(sure) - set(SUPERORDINATES), kind
    # Every noun is true of some kind: what is never true cannot be learnt.
    assert all((KIND_NOUNS[:, NOUNS.index(n)] == 1).any() for n in NOUN_WORDS if n not in ("toy",))


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_things_are_of_the_size_of_things_and_stand_on_their_foot(kind: str) -> None:
    rng = np.random.default_rng(KIND_NAMES.index(kind))
    for _ in range(15):
        design = random_design(rng, kind)
        size = design.high - design.low
        assert size.min() > 0.004 and size.max() < 0.42
        assert abs(design.low[2]) < 1e-9
        assert abs(design.low[:2] + design.high[:2]).max() < 1e-9
        for element in design.elements:
            assert 0 <= element.material < len(design.materials)
            np.testing.assert_allclose(element.rotation @ element.rotation.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(element.rotation) > 0
            corner = np.abs(element.rotation) @ ((np.array(element.high) - element.low) / 2)
            middle = element.rotation @ ((np.array(element.high) + element.low) / 2) + element.shift
            # Its box is inside the thing's, but for corners of the boxes of turned round elements.
            assert (np.abs(middle - (design.low + design.high) / 2) <= size / 2 + 1e-6).all()
            assert (corner <= size * 1.5 + 1e-6).all()


def corners_of(placed: Placed) -> np.ndarray:
    """(4, 2) float32 corners of the foot print."""
    x, y = placed.design.half
    box = np.array([(x, y), (-x, y), (-x, -y), (x, -y)])
    return (box @ placed.turn[:2, :2].T + placed.at[:2]).astype(np.float32)


def test_things_on_the_table_do_not_cut_into_each_other(scenes: list[Scene]) -> None:
    import cv2

    pairs = 0
    for scene in scenes:
        ground = [p for p in scene.things if p.support == -1]
        for i, one in enumerate(ground):
            assert one.at[2] == 0.0
            for other in ground[:i]:
                area, _ = cv2.intersectConvexConvex(corners_of(one), corners_of(other))
                assert area < 1e-9
                pairs += 1
    assert pairs > 500


def test_what_is_carried_rests_on_what_carries_it(scenes: list[Scene]) -> None:
    seen = {"on_top": 0, "inside": 0}
    for scene in scenes:
        for placed in scene.things:
            if placed.support < 0:
                continue
            host = scene.things[placed.support]
            off = np.linalg.norm(placed.at[:2] - host.at[:2])
            seen[placed.state] += 1
            if placed.state == "on_top":
                assert abs(placed.at[2] - host.at[2] - host.design.height_m) < 2e-3
                assert off <= host.design.top_m + 1e-9
            else:
                radius, floor = host.design.hollow
                assert host.at[2] < placed.at[2] < host.at[2] + floor + 2e-3
                assert off + np.hypot(*placed.design.half) <= radius + 1e-9
    assert min(seen.values()) > 5


def test_grippers_of_all_kinds_have_their_tips_at_the_origin() -> None:
    rng = np.random.default_rng(0)
    for kind in GRIPPER_KINDS:
        for _ in range(5):
            gripper = random_gripper(rng, kind=kind)
            gap = min(
                np.linalg.norm(np.clip(-e.rotation.T @ np.asarray(e.shift), e.low, e.high) + e.rotation.T @ np.asarray(e.shift))
                for e in gripper.elements
            )
            assert gap < 0.08, (kind, gap)
            # The arm leads away from what is gripped.
            assert max(np.asarray(e.shift)[2] for e in gripper.elements) > 0.1


def test_a_held_thing_is_between_the_fingers_and_above_the_others() -> None:
    config = SceneConfig(gripper=1.0, held=1.0)
    held = 0
    for seed in range(40):
        scene = random_scene(np.random.default_rng(seed), config)
        for placed in scene.things:
            if placed.state == "held":
                held += 1
                inside = placed.turn.T @ (scene.tip_world_m - placed.at)
                assert (inside >= placed.design.low - 1e-6).all() and (inside <= placed.design.high + 1e-6).all()
                assert scene.gripper is not None
                assert scene.gripper.opening_m <= 0.11
    assert held > 25


def test_parts_and_scenes_repeat_with_their_seed() -> None:
    parts = {m.part for kind in KIND_NAMES for m in random_design(np.random.default_rng(3), kind).materials}
    assert parts & set(PARTS) >= {"handle", "cap", "lid", "rim", "head"}
    one, other = (random_scene(np.random.default_rng(9)) for _ in range(2))
    assert [p.design.kind for p in one.things] == [p.design.kind for p in other.things]
    assert all((a.at == b.at).all() for a, b in zip(one.things, other.things, strict=True))
    np.testing.assert_array_equal(one.camera_from_world, other.camera_from_world)


def test_things_that_are_easily_confused_come_together_where_asked() -> None:
    assert {kind for group in LOOKALIKES for kind in group} <= set(KIND_NAMES)

    def shared(config: SceneConfig) -> float:
        """How often a thing and the next one are of two kinds of one group."""
        kinds = [[KIND_NAMES[p.design.kind] for p in random_scene(np.random.default_rng(s), config).things] for s in range(60)]
        pairs = [pair for each in kinds for pair in pairwise(each)]
        return sum(a != b and any({a, b} <= set(group) for group in LOOKALIKES) for a, b in pairs) / len(pairs)

    # What finds no place is left out, and what the gripper holds comes last: not all neighbours were drawn one after the other.
    assert shared(SceneConfig(alike=0.0)) < 0.15 < 0.4 < shared(SceneConfig(same_kind=0.0, alike=1.0))
