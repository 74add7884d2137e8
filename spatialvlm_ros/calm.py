"""Imported before whatever loads numpy: its library of linear algebra reads these once, and starts threads.

Labelling multiplies matrices of three rows, for which threads only cost; and a process without any may be forked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip
"""Environment of processes whose results must not depend on how a library splits its sums."""


def is_labelling(arguments: list[str]) -> bool:
    """Whether this is the command line (``sys.argv``) of ``spatialvlm label``, or of ``label_bag``."""
    return arguments[1:2] == ["label"] or Path(arguments[0] if arguments else "").name == "label_bag"


if is_labelling(sys.argv):
    for _name, _value in ONE_THREAD.items():
        os.environ.setdefault(_name, _value)
