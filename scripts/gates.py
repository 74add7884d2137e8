#!/usr/bin/env python3
"""
Writes what benchmarks/*.json hold where people read it: docs/gates.md, and the table of gates in README.md.

  scripts/gates.py          write both
  scripts/gates.py --check  exit with 1 where one of them says something else than the files

Nothing in those two places is edited by hand, so that no page keeps a figure that a later run has changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- gates: written by scripts/gates.py -->"
END = "<!-- end of gates -->"
# In the order of the README; what each is about, in a few words.
ABOUT = {
    "demo": "the demo on simulated scenes, and the real frames",
    "engine": "the spatial engine on rendered tables, six families of depth noise, and real frames",
    "language": "questions to trees to answers, free answers read",
    "synthesis": "training pairs from rendered and real images against truth",
    "model": "the embedded model by words",
    "designs": "the embedded model's design beside another, same budget",
    "ablations": "the paper's ablations at small scale",
    "reward": "dense reward of simulated episodes against truth",
    "reward_robosuite": "the same on robosuite's PickPlace",
    "reward_learning": "whether the reward helps a policy to learn",
    "label": "speed and memory of labelling recordings",
}


def main() -> None:
    """See the module's documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where something is out of date")
    check = parser.parse_args().check
    files = benchmarks()
    readme = (ROOT / "README.md").read_text()
    pages = {ROOT / "docs" / "gates.md": page(files), ROOT / "README.md": with_table(readme, table(files))}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is older than benchmarks/: run scripts/gates.py", file=sys.stderr)
        else:
            path.write_text(pages[path])
    sys.exit(1 if check and stale else 0)


def benchmarks() -> dict[str, dict[str, Any]]:
    """The benchmark files by name, those named in ABOUT first. Exits where one has no line there."""
    found = {path.stem: json.loads(path.read_text()) for path in (ROOT / "benchmarks").glob("*.json")}
    unknown = sorted(set(found) - set(ABOUT))
    if unknown:
        sys.exit(f"scripts/gates.py does not say what these are about: {', '.join(unknown)}; add them to ABOUT")
    return {name: found[name] for name in ABOUT if name in found}


def table(files: dict[str, dict[str, Any]]) -> str:
    """The README's table: what was measured by which command, and how many gates were met."""
    lines = ["| what | command | gates met |", "|---|---|---|"]
    for name, file in files.items():
        met = sum(gate["passed"] for gate in file["gates"])
        lines.append(f"| {ABOUT[name]} | `{file['command']}` | [{met} of {len(file['gates'])}](docs/gates.md#{name}) |")
    return "\n".join(lines)


def with_table(readme: str, lines: str) -> str:
    """The README with this table between its two marks. Exits where a mark is missing."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        sys.exit(f"README.md needs one line {BEGIN!r} and one {END!r}")
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{lines}\n{END}{rest.split(END)[1]}"


def page(files: dict[str, dict[str, Any]]) -> str:
    """The page with all gates of all files."""
    parts = [
        "# All gates\n\n"
        "Written by `scripts/gates.py` from [benchmarks/](../benchmarks), where each file also has its inputs with hashes,\n"
        "versions, all results and baselines. A gate that is missed stays here as missed.\n"
    ]
    for name, file in files.items():
        met = sum(gate["passed"] for gate in file["gates"])
        machine = f"{file['machine']['cores']} cores ({file['machine']['cpu']}), Python {file['versions']['python']}"
        parts.append(
            f"## {name}\n\n{ABOUT[name][0].upper()}{ABOUT[name][1:]}: {met} of {len(file['gates'])} gates are met.\n"
            f"`{file['command']}`, {machine}; [benchmarks/{name}.json](../benchmarks/{name}.json).\n"
        )
        parts.append("| gate | figure | target | |\n|---|---|---|---|")
        parts.extend(row(gate) for gate in file["gates"])
        parts.append("")
    return "\n".join(parts)


def row(gate: dict[str, Any]) -> str:
    """One gate as a line of a table."""
    figure = "none" if gate["value"] is None else f"{gate['value']:.4g}"
    name = str(gate["name"]).replace("|", "\\|")
    return f"| {name} | {figure} | {gate['op']} {gate['target']:.4g} | {'met' if gate['passed'] else '**missed**'} |"


if __name__ == "__main__":
    main()
