"""How long work takes, whatever else the machine does and however much the process has in memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def quickest_s(work: Callable[[], object], limit_s: float, tries: int = 5) -> float:
    """
    Return the processor time of this thread for `work()`, the best of up to `tries`; the first below `limit_s` ends it.

    Not wall time, which is other programs' too; and no garbage collection within, which goes over all that hundreds of
    other tests left in memory.
    """
    best_s = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(tries):
            started = time.thread_time()
            work()
            best_s = min(best_s, time.thread_time() - started)
            if best_s < limit_s:
                break
    finally:
        if collecting:
            gc.enable()
    return best_s
