"""What the shipped deviations hold of measured things: the figures of models/trust's card.

``python -m spatialvlm_ros.evaluation.trust_figures`` renders scenes that the trees were not grown on, and prints the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..reward.metrics import auroc
from ..scene.trust_trees import SUMS, shipped_trust
from .engine_accuracy import Extent, on_workers
from .engine_render import EXACT, IN_FAMILY, OUT_OF_FAMILY
from .engine_trust import TrustRow, asked_of, columns_of, held, rendered_rows

_FIRST, _SCENES = 646_030, 50
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "the three families of the presets": IN_FAMILY,
    "the three others": OUT_OF_FAMILY,
    "without noise": {EXACT: EXACT},
}


def row_of(rows: Sequence[TrustRow]) -> list[str]:
    """What one and two deviations hold of centres, edges and heights, and how well two things in one region are told."""
    trees, asked = shipped_trust(), asked_of(rows)
    odds = trees(asked[:, 2])[:, SUMS.index("merged")]
    cells = []
    for name, kind in columns_of(rows, asked, odds).items():
        number = SUMS.index(name)
        one, two = held(kind, trees(kind.evidence)[:, number] + trees.elsewhere[number] * kind.unlike)
        cells.append(f"{100 * one:.1f} %, {100 * two:.1f} %")
    merged = np.array([row.merged for row in rows], bool)
    return [*cells, f"{auroc(odds, merged):.2f} ({np.count_nonzero(merged)} of {len(rows)})"]


def main() -> None:
    """Render, measure and print."""
    parser = argparse.ArgumentParser(description="What the shipped deviations hold of things on rendered scenes.")
    parser.add_argument("--first", type=int, default=_FIRST, help=f"first seed (default: {_FIRST})")
    parser.add_argument("--scenes", type=int, default=_SCENES, help=f"how many (default: {_SCENES})")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.scenes)
    print("| | centre along the ground | level edges | height | two things in one region, area under the curve |")
    print("|---|---|---|---|---|")
    for name, families in _GROUPS.items():
        found = on_workers(partial(rendered_rows, extent=Extent(), families=families), seeds, chosen.workers)
        print("|", " | ".join([name, *row_of([row for rows in found for row in rows])]), "|", flush=True)


if __name__ == "__main__":
    main()
