"""Which true thing of a rendered scene a region shows."""

from __future__ import annotations

import numpy as np

from ..scene.frame import Region, RGBDFrame
from .engine_render import Rendered

# A match needs half of the pixels of both.
_MIN_IOU = 0.5


def match(rendered: Rendered, region: Region, frame: RGBDFrame) -> tuple[int | None, float]:
    """Index of the true thing that a region shows, None without one, and the share of the region's pixels that show it."""
    own = rendered.rendering.labels[region.mask & frame.valid]
    counts = np.bincount(own[own > 0], minlength=1)
    number = int(counts.argmax())
    if not counts[number] or number not in rendered.numbers:
        return None, 0.0
    of_thing = np.count_nonzero((rendered.rendering.labels == number) & frame.valid)
    if counts[number] / (of_thing + len(own) - counts[number]) < _MIN_IOU:
        return None, 0.0
    return rendered.numbers.index(number), float(counts[number] / len(own))
