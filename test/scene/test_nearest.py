"""Nearest points of two things: those of all points, and found once for things that stand still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from things import box

import spatialvlm_ros.scene.nearest as nearest
from spatialvlm_ros.scene.memory import MemoryConfig, ObjectMemory
from spatialvlm_ros.scene.nearest import NearestPairs, nearest_pair
from spatialvlm_ros.scene.relation import surfaces_apart
from spatialvlm_ros.scene.scene import Scene, SceneObject


def some_thing(seed: int) -> SceneObject:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-0.2, 0.2, 3)
    thing = box(tuple(centre), tuple(rng.uniform(0.02, 0.1, 3)))
    seen: SceneObject = replace(thing, points=rng.normal(centre, 0.03, (200, 3)).astype(np.float32))
    return seen


def scene_of(pairs: NearestPairs) -> Scene:
    return Scene(0, "camera", (), None, "", np.full(4, np.nan), 1.0, pairs=pairs)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each pair that is looked at."""
    seen: list[int] = []

    def counted(a: SceneObject, b: SceneObject) -> tuple[int, int]:
        seen.append(1)
        return nearest_pair(a, b)

    monkeypatch.setattr(nearest, "nearest_pair", counted)
    return seen


@pytest.mark.parametrize("seed", range(12))
def test_they_are_the_nearest_of_all(seed: int) -> None:
    a, b = some_thing(seed), some_thing(100 + seed)
    of_a, of_b = nearest_pair(a, b)
    distances = np.linalg.norm(a.surface[:, None] - b.surface[None], axis=2)
    assert distances[of_a, of_b] == distances.min()


def test_what_stands_still_is_looked_at_once_a_stream(looked: list[int]) -> None:
    a, b, memory = some_thing(0), some_thing(1), ObjectMemory(MemoryConfig())
    first = surfaces_apart(scene_of(memory.pairs), a, b)[0]
    again = surfaces_apart(scene_of(memory.pairs), a.called(id=7, label="mug", last_seen_ns=9), b)[0]
    assert (again.value, len(looked)) == (first.value, 1)
    # It was moved, and its surface with it.
    there = replace(a, centre=a.centre + 0.01, points=a.points + np.float32(0.01))
    assert surfaces_apart(scene_of(memory.pairs), there, b)[0].value != first.value
    assert len(looked) == 2
    # Other streams know nothing of it, nor does this one any more once it forgot all.
    surfaces_apart(scene_of(ObjectMemory(MemoryConfig()).pairs), a, b)
    assert len(looked) == 3
    memory.clear()
    surfaces_apart(scene_of(memory.pairs), a, b)
    assert len(looked) == 4


def test_a_stream_keeps_no_more_than_a_few(looked: list[int]) -> None:
    pairs, things = NearestPairs(), [some_thing(seed) for seed in range(12)]
    for thing in things[1:]:
        pairs.of(things[0], thing)
    pairs.of(things[0], things[-1])
    assert len(looked) == 11
    pairs.of(things[0], things[1])
    assert len(looked) == 12
