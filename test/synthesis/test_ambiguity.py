"""Names that fit one thing each: by words, by a model's likeness, and with words that truly separate two things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from things import box, camera_over_table, placed, scene

from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.synthesis.ambiguity import Names, clean_caption, dimensions_of, fits, resolve
from spatialvlm_ros.synthesis.unseen import Unseen


def row(
    captions: Sequence[str], places: Sequence[tuple[float, float, float]], sizes: Sequence[float]
) -> tuple[Scene, list[float]]:
    """A scene of boxes at canonical places (x forward, y left, z up), and their columns in the image."""
    camera = camera_over_table()
    things = {
        f"{at}": placed(box(place, (size, size, size), number=at + 1, label=caption), camera)
        for at, (caption, place, size) in enumerate(zip(captions, places, sizes, strict=True))
    }
    return scene(things, camera), [0.5 - place[1] for place in places]


def named(
    captions: Sequence[str],
    places: Sequence[tuple[float, float, float]],
    sizes: Sequence[float] = (),
    seed: int = 0,
    **more: object,
) -> Names:
    world, columns = row(captions, places, sizes or [0.05] * len(captions))
    return resolve(world, captions, columns, np.random.default_rng(seed), **more)  # type: ignore[arg-type]


APART = ((0.6, 0.2, 0.025), (0.6, -0.2, 0.025))


def test_different_captions_are_kept() -> None:
    assert named(["Red mug.", "the blue box"], APART).names == ("red mug", "blue box")


@pytest.mark.parametrize("seed", range(6))
def test_two_alike_are_told_apart_by_where_they_are(seed: int) -> None:
    found = named(["mug", "mug"], APART, seed=seed)
    assert found.names[0] in ("left mug", "mug on the left") and found.names[1] in ("right mug", "mug on the right")
    assert found.dimensions == ({"left_or_right"}, {"left_or_right"}) and not found.drops


def test_only_what_truly_differs_is_said() -> None:
    deep = ((0.5, 0.0, 0.025), (0.9, 0.0, 0.025))
    words = {word for seed in range(12) for name in named(["can", "can"], deep, seed=seed).names for word in str(name).split()}
    assert words <= {"can", "front", "rear", "in", "the", "back"} and {"front", "rear"} <= words
    sizes = {
        name
        for seed in range(30)
        for name in named(["box", "box"], ((0.6, 0.0, 0.025), (0.6, 0.0, 0.04)), (0.05, 0.08), seed).names
    }
    assert sizes <= {f"{word} box" for word in ("taller", "shorter", "bigger", "smaller", "wider", "thinner")}
    assert named(["box", "box"], ((0.6, 0.0, 0.025), (0.6, 0.0, 0.045)), (0.05, 0.09), 3).names[0] in {
        "shorter box",
        "smaller box",
        "thinner box",
    }


def test_two_that_nothing_separates_are_given_up() -> None:
    found = named(["box", "box"], ((0.6, 0.004, 0.025), (0.6, -0.004, 0.025)))
    assert found.names == (None, None) and found.drops == {"caption_ambiguous": 2}


def test_three_alike_are_given_up_and_the_fourth_stays() -> None:
    places = ((0.6, 0.2, 0.025), (0.6, 0.0, 0.025), (0.6, -0.2, 0.025), (0.8, 0.0, 0.025))
    found = named(["mug", "a mug", "cup", "green can"], places)
    assert found.names == (None, None, None, "green can") and found.drops["caption_ambiguous"] == 3


def test_a_name_that_is_part_of_another_one_needs_more_words() -> None:
    found = named(["mug", "red mug"], APART)
    assert found.names[1] == "red mug" and found.names[0] in ("left mug", "mug on the left")
    three = named(["mug", "red mug", "blue mug"], (*APART, (0.8, 0.0, 0.025)))
    assert three.names == (None, "red mug", "blue mug")


def test_another_noun_is_another_thing() -> None:
    assert named(["mug", "mug tree"], APART).names == ("mug", "mug tree")
    assert named(["orange", "orange box"], APART).names == ("orange", "orange box")


def test_what_was_not_measured_counts_as_well() -> None:
    assert named(["mug", "can"], APART, others=["red mug"]).names == (None, "can")


def test_a_vague_name_fits_anything_of_its_colour() -> None:
    assert named(["red object", "red can"], APART).names[0] not in ("red object",)
    assert named(["red object", "blue can"], APART).names == ("red object", "blue can")


def test_a_model_finds_what_words_do_not() -> None:
    def alike(captions: Sequence[str]) -> np.ndarray:
        return np.array([[1.0 if {a, b} <= {"settee", "couch"} or a == b else 0.1 for b in captions] for a in captions])

    assert named(["settee", "couch"], APART).names == ("settee", "couch")
    found = named(["settee", "couch"], APART, similarity=alike)
    assert "left" in str(found.names[0]) and "right" in str(found.names[1])


@pytest.mark.parametrize(
    ("caption", "cause"),
    [
        ("", "caption_empty"), ("the", "caption_empty"), ("Blue Sky", "caption_background"), ("a floor.", "caption_background"),
        ("a very long name of a thing there", "caption_long"), ('the "cup"', "caption_odd"), ("cup, red", "caption_odd"),
    ],
)  # fmt: skip
def test_captions_that_are_no_names(caption: str, cause: str) -> None:
    assert clean_caption(caption) == ("", cause)


def test_names_of_one_to_six_words_are_cleaned() -> None:
    assert clean_caption(" The  cake shaped like a house.") == ("cake shaped like a house", "")
    assert clean_caption("bottle_of_water") == ("bottle of water", "")


def test_without_up_nothing_is_said_of_heights() -> None:
    captions, places = ["box", "box"], ((0.6, 0.0, 0.025), (0.6, 0.0, 0.3))
    camera = camera_over_table()
    things = {f"{at}": placed(box(place, number=at + 1), camera) for at, place in enumerate(places)}
    names = {str(resolve(scene(things), captions, [0.5, 0.5], np.random.default_rng(seed)).names[0]) for seed in range(20)}
    assert names.isdisjoint({"lower box", "upper box", "shorter box"})


def test_what_is_out_of_sight_separates_nothing() -> None:
    """Two of which one is seen to be larger; of the other one half is hidden, so that it may be as large."""
    camera = camera_over_table()
    things = {
        str(at): placed(box((0.6, 0.0, 0.03 * size / 2), (0.03 * size,) * 3, number=at + 1), camera)
        for at, size in enumerate((1, 4))
    }

    def words(unseen: Unseen) -> set[str]:
        drawn = (np.random.default_rng(seed) for seed in range(30))
        found = [resolve(scene(things, camera), ["box", "box"], [0.5, 0.5], one, unseen=unseen).names[1] for one in drawn]
        return {name.split()[0] for name in found if name is not None}

    sizes = {"taller", "wider", "bigger"}
    assert words(Unseen()) >= sizes
    assert "upper" in words(Unseen())
    for part in ("foot", "side", "depth"):
        for thing in (0, 1):
            found = words(Unseen(**{part: frozenset({thing})}))
            assert found & sizes == set() and ("upper" in found) == (part != "foot")


def test_how_deep_the_front_one_is_must_show() -> None:
    """What is hidden goes on behind what is seen: it may bring the front one's middle back, never the rear one's to the front."""
    world, columns = row(["can", "can"], ((0.5, 0.0, 0.025), (0.9, 0.0, 0.025)), (0.05, 0.05))
    front, rear = world.objects
    seen_beside = replace(world, objects=(front, replace(rear, surface_point=front.centre)))

    def first(unseen: Unseen, world: Scene = world) -> str | None:
        return resolve(world, ["can", "can"], columns, np.random.default_rng(0), unseen=unseen).names[0]

    fronts, hidden = ("front can", "can in the front"), Unseen(depth=frozenset({1}))
    assert first(Unseen(side=frozenset({1}))) in fronts and first(hidden) in fronts
    assert first(Unseen(depth=frozenset({0}))) is None
    assert first(Unseen(), seen_beside) in fronts and first(hidden, seen_beside) is None
    # The middle of the rear one is unsure to the rear alone, however deep it may be.
    deep = replace(world, objects=(front, replace(rear, covariance=rear.covariance + 0.2**2 * np.eye(3))))
    assert first(hidden, deep) in fronts and first(Unseen(), deep) is None


def test_a_size_that_nobody_sees_separates_nothing() -> None:
    """Two boxes, one of them twice as large by measure; what is seen of them is as large as each other, or one is cut off."""
    camera = camera_over_table()
    small, large = (placed(box((0.6, 0.0, side / 2), (side,) * 3, number=at + 1), camera) for at, side in enumerate((0.05, 0.1)))
    seen = (large.points.astype(np.float64) - large.centre) / 2 + small.centre
    guessed = replace(large, points=seen.astype(np.float32))

    def words(other: SceneObject) -> set[str]:
        world = scene({"0": small, "1": other}, camera)
        drawn = (np.random.default_rng(seed) for seed in range(30))
        names = [resolve(world, ["box", "box"], [0.5, 0.5], one).names[1] for one in drawn]
        return {name.split()[0] for name in names if name is not None}

    sizes = {"taller", "wider", "bigger"}
    assert words(large) >= sizes
    assert words(guessed) & sizes == set() and words(replace(large, truncated=True)) & sizes == set()
    assert words(replace(large, extents=large.extents * [0.5, 1.0, 1.0])) & sizes == set()  # a sheet


WORDS = st.lists(
    st.sampled_from(["red", "blue", "tall", "mug", "cup", "can", "object", "of", "tea", "box"]), min_size=1, max_size=3
)


@given(st.lists(WORDS.map(" ".join), min_size=2, max_size=6), st.integers(0, 99))
def test_no_name_that_is_kept_names_two_things(captions: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    places = [(0.5 + 0.5 * x, 0.5 - y, 0.03 + 0.2 * z) for x, y, z in generator.random((len(captions), 3))]
    world, columns = row(captions, places, generator.uniform(0.03, 0.1, len(captions)).tolist())
    found = resolve(world, captions, columns, generator)
    kept = [name for name in found.names if name is not None]
    assert len(set(kept)) == len(kept)
    # A name without a word of its own that separates it fits no other caption.
    fitting = fits(captions)
    for index, name in enumerate(found.names):
        rivals = [j for j in range(len(captions)) if j != index and fitting[index, j]]
        assert name is None or not rivals or (len(rivals) == 1 and dimensions_of(name) - dimensions_of(captions[index]))
