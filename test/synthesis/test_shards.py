"""Shards: how items are divided, and that whatever goes wrong with one costs that one and is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import example, picture

from spatialvlm_ros.perception.models.errors import ModelInputError, ModelNotFoundError
from spatialvlm_ros.synthesis.output import Share, claim
from spatialvlm_ros.synthesis.pipeline import Part, PipelineConfig, Registry
from spatialvlm_ros.synthesis.pool import Step, Task
from spatialvlm_ros.synthesis.record import Dropped, Example, Picture
from spatialvlm_ros.synthesis.shards import (
    CandidateMaker,
    default_items_per_shard,
    internal,
    pictures,
    shard_tasks,
    through,
)


class Rows:
    """A source of numbered pictures in which some numbers go wrong."""

    def __init__(self, count: int, raises: Sequence[int] = (), ends_at: int = 10**9) -> None:
        self.count, self.raises, self.ends_at = count, raises, ends_at

    def __len__(self) -> int:
        return self.count

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        for at in range(start, min(stop, self.ends_at)):
            if at in self.raises:
                raise OSError(f"disk error at {at}")
            yield picture(f"p{at}", at)


class Stage:
    """Raises what a picture's number stands for."""

    name, version = "odd", "1"

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.errors = errors

    def __call__(self, one: Picture, generator: np.random.Generator) -> Picture:
        if one.key in self.errors:
            raise self.errors[one.key]
        return one


class Many(Stage):
    """The same for several at once: one that goes wrong takes the batch with it."""

    def many(self, some: Sequence[Picture]) -> list[Picture | Dropped]:
        generator = np.random.default_rng(0)
        return [self(one, generator) for one in some]


class Ask:
    """Examples made by hand; a picture of the number 5 has no pairs."""

    name, version = "ask", "1"

    def __call__(self, one: Picture, seed: int) -> Example:
        number = int(one.key[1:])
        return example(number, 0 if number == 5 else 2)


def made(tmp_path: Path, source: Rows, stage: Any) -> tuple[Any, list[Step]]:
    """The done file and the steps of one shard of everything."""
    config = PipelineConfig(Part("rows"), (Part("odd"),), items_per_shard=100)
    out = claim(tmp_path / "out", config.to_json(), config.digest, Share(), resume=False, overwrite=False)
    parts = Registry({"rows": lambda: source}, {"odd": lambda: stage}, Ask)
    steps: list[Step] = []
    return CandidateMaker(out, config, parts)(Task("candidates", 0, 0, len(source)), steps.append), steps


def test_shards_hold_consecutive_items_and_miss_none() -> None:
    """The last one holds the rest."""
    tasks = shard_tasks("x", 7, 3)
    assert [(task.shard, task.start, task.stop) for task in tasks] == [(0, 0, 3), (1, 3, 6), (2, 6, 7)]
    assert shard_tasks("x", 0, 3) == []
    with pytest.raises(ValueError, match="0 items a shard"):
        shard_tasks("x", 7, 0)
    assert [default_items_per_shard(n) for n in (1, 512, 1600, 10**7)] == [8, 8, 25, 1000]


def test_a_source_that_raises_loses_only_the_item_at_which_it_did() -> None:
    """It is asked again from the next one on."""
    found = list(pictures(Rows(6, raises=(0, 3)), 0, 6))
    assert [item.key for item in found] == ["item 0", "p1", "p2", "item 3", "p4", "p5"]
    dropped = found[3]
    assert isinstance(dropped, Dropped)
    assert (dropped.cause, dropped.text) == ("internal_os_error", "OSError: disk error at 3")
    assert [item.key for item in pictures(Rows(6), 2, 4)] == ["p2", "p3"]


def test_a_source_that_ends_early_is_counted() -> None:
    """One item for each number, whatever it said of its length."""
    found = list(pictures(Rows(4, ends_at=2), 0, 4))
    assert [item.cause if isinstance(item, Dropped) else "" for item in found] == ["", "", "source_ended", "source_ended"]


def test_causes_of_errors_of_ours_tell_their_kind() -> None:
    """In the form that causes have."""

    class HTTPError2(Exception):
        pass

    causes = [internal(error, "").cause for error in (ValueError("x"), KeyError("y"), HTTPError2())]
    assert causes == ["internal_value_error", "internal_key_error", "internal_http_error2"]


@pytest.mark.parametrize("kind", [Stage, Many])
def test_a_bad_picture_costs_itself_only(tmp_path: Path, kind: type[Stage]) -> None:
    """One by one and in batches, whatever is raised; and the sum of all is the source."""
    stage = kind(
        {
            "p1": Dropped("too_dark", "is too dark"),
            "p2": ZeroDivisionError("oh"),
            "p6": ModelInputError("no channels"),
            "p9": RuntimeError("odd"),
        }
    )
    done, steps = made(tmp_path, Rows(12, raises=(3,)), stage)
    assert done["drops"] == {
        "internal_model_input_error": 1, "internal_os_error": 1, "internal_runtime_error": 1, "internal_zero_division_error": 1,
        "no_pairs": 1, "too_dark": 1,
    }  # fmt: skip
    assert (done["items"], done["examples"], done["pairs"]) == (12, 6, 12)
    assert done["drop_texts"]["too_dark"] == ["p1: is too dark"]
    assert done["groups"] == [["distance", "quantitative", "", "", "", 6], ["left", "qualitative", "yes", "", "", 6]]
    assert done["part_drops"] == {"region_small": 6}
    assert len(steps) == 12
    assert sum(step.pairs for step in steps) == 12


@pytest.mark.parametrize("error", [ModelNotFoundError("no weights"), ImportError("no torch"), MemoryError()])
def test_what_is_no_pictures_fault_ends_the_shard(tmp_path: Path, error: Exception) -> None:
    """A model that is not there would drop every picture one by one."""
    with pytest.raises(type(error)):
        made(tmp_path, Rows(3), Stage({"p1": error}))
    assert not list((tmp_path / "out" / "work").glob("*candidates*"))


def test_a_batch_keeps_places_and_versions() -> None:
    """What was dropped before stays where it was."""
    items = [picture("p0"), Dropped("gone", "is gone", "p1"), picture("p2")]
    after = through(Many({}), items, 0)
    assert [item.key for item in after] == ["p0", "p1", "p2"]
    assert [item.stages for item in after if isinstance(item, Picture)] == [{"odd": "1"}] * 2
