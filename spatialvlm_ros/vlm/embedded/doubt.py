"""How far off a number may be where a name may mean another thing: what two deviations have to hold then.

A question is answered for the thing that its names most likely mean. While that is likelier than what two deviations hold, these
hold what they should; below, they have to reach to what the number would be of other things.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Share of a normal law within two deviations.
HELD = math.erf(math.sqrt(2.0))
_HALVINGS = 30


def doubtful_std(std: float, apart: Sequence[tuple[float, float]]) -> float:
    """Half of what lies within ``HELD`` of a mixture around the value of the likeliest thing, never less than ``std``.

    Args:
        std: of the value, whichever thing is meant.
        apart: of each other thing that may be meant, its probability and how far its value is from that of the likeliest; what is
            left of 1 is the latter's.
    """
    least = 1.0 - sum(probability for probability, _ in apart)
    if least >= HELD or not std > 0:
        return std
    parts = [(least, 0.0), *apart]

    def held(reach: float) -> float:
        scale = std * math.sqrt(2.0)
        return sum(share * (math.erf((reach - far) / scale) + math.erf((reach + far) / scale)) / 2 for share, far in parts)

    low, high = 2.0 * std, max(abs(far) for _, far in apart) + 4.0 * std
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < HELD else (low, middle)
    return high / 2
