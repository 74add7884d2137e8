"""All public benchmarks by name."""

from __future__ import annotations

from .embspatial import EMBSPATIAL
from .item import Benchmark, BenchmarkDataError
from .mindcube import MINDCUBE
from .omnispatial import OMNISPATIAL
from .q_spatial import Q_SPATIAL
from .realworldqa import REALWORLDQA
from .robospatial import ROBOSPATIAL
from .spatialrgpt import SPATIALRGPT
from .vsi_bench import VSI_BENCH

_ALL = (SPATIALRGPT, Q_SPATIAL, EMBSPATIAL, VSI_BENCH, MINDCUBE, OMNISPATIAL, ROBOSPATIAL, REALWORLDQA)
BENCHMARKS = {benchmark.name: benchmark for benchmark in _ALL}


def benchmark_of(name: str) -> Benchmark:
    """The benchmark of a name. Raises BenchmarkDataError for an unknown one."""
    if name not in BENCHMARKS:
        raise BenchmarkDataError(f"benchmark '{name}' is not known; give one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
