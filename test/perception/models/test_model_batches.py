"""Batches keep order, never mix sizes, shrink when memory runs out, and give up with a name when one item is too much."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from spatialvlm_ros.perception.models.batches import in_batches, is_out_of_memory
from spatialvlm_ros.perception.models.errors import ModelMemoryError


def test_results_keep_the_order_and_batches_are_of_one_kind() -> None:
    seen: list[list[str]] = []

    def run(batch: Sequence[str]) -> list[str]:
        seen.append(list(batch))
        return [item.upper() for item in batch]

    items = ["a", "bb", "c", "dd", "e", "f"]
    assert in_batches(items, 2, run, key=len) == ["A", "BB", "C", "DD", "E", "F"]
    assert all(len({len(item) for item in batch}) == 1 and len(batch) <= 2 for batch in seen)
    assert len(seen) == 3
    assert in_batches([], 2, run) == []


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_batch_that_does_not_fit_is_halved_and_stays_small(error: Exception) -> None:
    sizes: list[int] = []

    def run(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise error
        return [2 * item for item in batch]

    assert in_batches(list(range(12)), 8, run) == [2 * item for item in range(12)]
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2]


def test_one_item_that_does_not_fit_is_named() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelMemoryError, match="smaller model"):
        in_batches([1, 2, 3], 4, run)


def test_the_memory_of_this_machine_can_run_out() -> None:
    """What torch really raises on a CPU is understood."""

    def run(batch: Sequence[int]) -> list[int]:
        torch.empty(len(batch) * 2**55, dtype=torch.uint8)
        return list(batch)

    with pytest.raises(ModelMemoryError):
        in_batches([1, 2], 2, run)


def test_other_errors_pass() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches([1], 1, run)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    with pytest.raises(ValueError, match="at least 1"):
        in_batches([1], 0, run)
