"""The file that a benchmark leaves in benchmarks/: what was run, on what, with which result, against which targets.

A gate that is missed stays in the file as missed; nothing here can leave one out.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": lambda value, target: value <= target,
    ">=": lambda value, target: value >= target,
    "==": lambda value, target: value == target,
}


@dataclass(frozen=True)
class Gate:
    """A figure with its target. NaN or None never passes."""

    name: str
    value: float | None
    op: str
    target: float

    @property
    def passed(self) -> bool:
        return self.value is not None and math.isfinite(self.value) and _OPERATORS[self.op](self.value, self.target)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": plain(self.value), "op": self.op, "target": self.target, "passed": self.passed}


def plain(value: Any) -> Any:
    """The same without NumPy types, and None for numbers that JSON has not (NaN, infinities)."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions by package name, Python's among them; "absent" for what is not installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def machine() -> dict[str, Any]:
    """What kind of machine this is, without its name."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def writable_folder(path: Path) -> Path:
    """Make a folder that results will go to, so that hours of work are not lost on a wrong name. Raises OSError saying so."""
    probe = path / f".probe-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"nothing can be written to {path} ({error.strerror}); choose another folder") from error
    return path


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_text(json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)


def write_benchmark(
    path: Path,
    command: str,
    results: Mapping[str, Any],
    gates: Iterable[Gate],
    *,
    seed: int,
    inputs: Mapping[str, str],
    packages: Iterable[str],
    baselines: Mapping[str, Any] | None = None,
) -> list[Gate]:
    """Write ``benchmarks/NAME.json`` and return the gates. ``inputs`` maps what was read to its sha256 or its description."""
    checked = list(gates)
    write_json(
        path,
        {
            "command": command, "seed": seed, "inputs": dict(inputs), "versions": versions(packages), "machine": machine(),
            "results": results, "baselines": baselines or {}, "gates": [gate.to_json() for gate in checked],
        },
    )  # fmt: skip
    return checked
