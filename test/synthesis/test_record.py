"""What passes between stages: masks that come back, random numbers of an item's own, causes that can be counted."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pictures import rendered

from spatialvlm_ros.synthesis.record import Dropped, MaskRle, Picture, apply_stages, generator_of, order_key


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)))
def test_a_mask_comes_back(mask: np.ndarray) -> None:
    rle = MaskRle.of(mask)
    assert np.array_equal(rle.mask(), mask)
    assert sum(rle.counts) == mask.size and all(run > 0 for run in rle.counts[1:])


def test_runs_go_down_the_columns_and_begin_with_what_is_not_in_the_mask() -> None:
    mask = np.zeros((2, 3), np.bool_)
    mask[1, 0] = mask[0, 1] = True
    assert MaskRle.of(mask).counts == (1, 2, 3)
    assert MaskRle.of(~mask).counts == (0, 1, 2, 3)
    assert MaskRle.of(np.zeros((2, 3), np.bool_)).counts == (6,)


def test_runs_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="5 pixels are no mask of 3 x 2"):
        MaskRle(2, 3, (2, 3)).mask()


def test_random_numbers_depend_on_seed_picture_and_purpose_alone() -> None:
    first = generator_of(7, "a#1", "ask").random(4)
    assert np.array_equal(first, generator_of(7, "a#1", "ask").random(4))
    others = [generator_of(8, "a#1", "ask"), generator_of(7, "a#2", "ask"), generator_of(7, "a#1", "names")]
    assert all(not np.array_equal(first, other.random(4)) for other in others)


def test_order_keys_are_even_and_parts_do_not_run_into_each_other() -> None:
    keys = np.array([order_key(1, "image", number) for number in range(4000)])
    assert ((keys >= 0) & (keys < 1)).all()
    assert abs(np.histogram(keys, 8, (0, 1))[0] - 500).max() < 100
    assert order_key("ab", "c") != order_key("a", "bc")


def test_a_cause_is_words_that_can_be_counted() -> None:
    dropped = Dropped("truncated_file", "breaks off", "a.jpg")
    assert str(dropped) == "a.jpg: breaks off"
    again = pickle.loads(pickle.dumps(dropped))
    assert (again.cause, again.text, again.key) == ("truncated_file", "breaks off", "a.jpg")
    with pytest.raises(ValueError, match="small letters"):
        Dropped("File broken!", "breaks off")


@dataclass
class Darker:
    name: str = "darker"
    version: str = "2"

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        return replace(picture, color=picture.color // 2, frame_id=f"{generator.integers(1000)}")


@dataclass
class Refusing:
    name: str = "refusing"
    version: str = "1"

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        raise Dropped("too_dark", "is dark")


def test_stages_leave_their_versions_and_their_drops_name_the_picture() -> None:
    picture = rendered(3)
    done = apply_stages(picture, [Darker()], seed=5)
    assert done.stages == {"darker": "2"} and done.color.max() <= 127
    assert done.frame_id == apply_stages(picture, [Darker()], seed=5).frame_id
    with pytest.raises(Dropped) as caught:
        apply_stages(picture, [Darker(), Refusing()], seed=5)
    assert (caught.value.key, caught.value.cause) == (picture.key, "too_dark")


def test_drops_of_regions_add_up() -> None:
    picture = rendered(3).with_drops(["region_small", "region_empty"]).with_drops(["region_small"])
    assert picture.drops["region_small"] == 2 and picture.drops["region_empty"] == 1
