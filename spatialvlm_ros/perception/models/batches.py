"""Many pictures through a model: in batches, like with like, with half the batch again when memory runs out.

Never changes: pictures are batched only with those that the processor brings to the same size, so no padding is ever added and
a picture's result does not depend on its neighbours (but for the last digits of floating-point sums).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from .errors import ModelMemoryError
from .loader import import_torch

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Torch raises a plain RuntimeError when the CPU's memory is at its end.
_CPU_MEMORY_TEXTS = ("can't allocate memory", "not enough memory")


def in_batches(
    items: Sequence[ItemT],
    size: int,
    run: Callable[[Sequence[ItemT]], Sequence[ResultT]],
    key: Callable[[ItemT], Hashable] | None = None,
) -> list[ResultT]:
    """The results of ``run`` for all items, in the order of the items.

    Args:
        size: most items at a time; halved for the rest when memory runs out.
        run: gives one result for each item of a batch.
        key: only items of equal keys share a batch.

    Raises:
        ModelMemoryError: memory runs out for a single item.
        ValueError: ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f"batch size is {size}; it must be at least 1")
    groups: dict[Hashable, list[int]] = {}
    for number, item in enumerate(items):
        groups.setdefault(key(item) if key else None, []).append(number)
    results: dict[int, ResultT] = {}
    for numbers in groups.values():
        start = 0
        while start < len(numbers):
            batch = numbers[start : start + size]
            found = _attempt(run, [items[number] for number in batch])
            if found is None:
                size = len(batch) // 2
                continue
            results.update(zip(batch, found, strict=True))
            start += len(batch)
    return [results[number] for number in range(len(items))]


def _attempt(run: Callable[[Sequence[ItemT]], Sequence[ResultT]], batch: Sequence[ItemT]) -> Sequence[ResultT] | None:
    """Results, or None when memory ran out and the batch can be made smaller."""
    torch, _ = import_torch()
    try:
        return run(batch)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            text = " ".join(str(error).split())[:200]
            raise ModelMemoryError(f"one picture alone needs more memory than there is ({text}); use a smaller model") from error
    # Outside the handler, whose traceback keeps the tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or Python means that memory ran out."""
    torch, _ = import_torch()
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MEMORY_TEXTS)
