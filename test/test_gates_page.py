"""The README's table and docs/gates.md say what benchmarks/ hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_pages_say_what_the_benchmarks_hold() -> None:
    ran = subprocess.run([sys.executable, ROOT / "scripts" / "gates.py", "--check"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
