"""Columns of parquet tables out of plain values, without pandas.

Before pyarrow makes a column of a list it loads pandas, which takes a fifth of a second and much memory; nothing here needs that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def type_of(kind: str) -> Any:
    """pyarrow's type of "int" (64 bit), "float" (64 bit), "bool" or "text"."""
    import pyarrow as pa

    return {"int": pa.int64, "float": pa.float64, "bool": pa.bool_, "text": pa.string}[kind]()


def column(kind: str, values: Sequence[Any]) -> Any:
    """A pyarrow Array of one of these kinds; None is null.

    Raises TypeError or ValueError for values of another kind, OverflowError for integers beyond 64 bits.
    """
    import pyarrow as pa

    known = np.array([value is not None for value in values], dtype=np.bool_)
    nulls = int(known.size - np.count_nonzero(known))
    validity = _bits(known) if nulls else None
    if kind == "text":
        data = [b"" if value is None else str.encode(value) for value in values]
        ends = np.zeros(len(data) + 1, dtype=np.int32)
        np.cumsum([len(one) for one in data], out=ends[1:])
        buffers = [validity, pa.py_buffer(ends), pa.py_buffer(b"".join(data))]
    elif kind == "bool":
        buffers = [validity, _bits(np.array([bool(value) for value in values], dtype=np.bool_))]
    else:
        dtype = np.int64 if kind == "int" else np.float64
        buffers = [validity, pa.py_buffer(np.array([0 if value is None else value for value in values], dtype=dtype))]
    return pa.Array.from_buffers(type_of(kind), len(values), buffers, nulls)


def _bits(values: npt.NDArray[np.bool_]) -> Any:
    """pyarrow's Buffer of (N,) bools, a bit each."""
    import pyarrow as pa

    return pa.py_buffer(np.packbits(values, bitorder="little"))
