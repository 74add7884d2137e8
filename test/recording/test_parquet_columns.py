"""Columns are those that pyarrow makes of the same values, and need no pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from spatialvlm_ros.recording.parquet_columns import column, type_of

VALUES: dict[str, list[Any]] = {
    "int": [0, -1, None, 2**63 - 1, -(2**63), 7],
    "float": [0.1, None, -0.0, 1e308, 3, 5e-324],
    "bool": [True, None, False, True, True, False, None, True, True],
    "text": ["", None, "a", "übergroß", "\U0001f600", None, "red block"],
}


@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize("kind", VALUES)
def test_a_column_is_what_pyarrow_makes_of_the_values(kind: str, count: int) -> None:
    for values in (VALUES[kind][:count], [value for value in VALUES[kind] if value is not None]):
        made = column(kind, values)
        made.validate(full=True)
        assert made.equals(pa.array(values, type_of(kind))) and made.null_count == values.count(None)


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [("text", 3, TypeError), ("int", 2**63, OverflowError), ("int", "x", ValueError), ("float", "x", ValueError)],
)
def test_a_value_of_another_kind_is_refused(kind: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        column(kind, [value])


def test_a_table_is_written_without_pandas() -> None:
    code = (
        "import sys, tempfile, pathlib\n"
        "from spatialvlm_ros.recording.label_outputs import Table\n"
        "table = Table(pathlib.Path(tempfile.mkdtemp()) / 'x.parquet', [('a', 'int'), ('b', 'text')], {'k': 'v'})\n"
        "table.add({'a': 1, 'b': None}); table.close()\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
