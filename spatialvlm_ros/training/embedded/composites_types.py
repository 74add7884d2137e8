"""What a maker of things says about the thing that it made."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Recipe:
    """Beside its elements.

    Attributes:
        top_m: radius of the flat top, 0 none.
        hollow: (radius_m, floor_m) of what can hold something; (0, 0) none.
        lies: chance that it lies on its side.
        lies_on: axis that points up or down then, "x" or "y".
        stands: whether lying and standing differ for people.
        boxy: whether its sides are flat, so that things stand on them too.
        nouns: what differs from the kind's own nouns.
    """

    top_m: float = 0.0
    hollow: tuple[float, float] = (0.0, 0.0)
    lies: float = 0.0
    lies_on: str = "x"
    stands: bool = False
    boxy: bool = False
    nouns: dict[str, float] = field(default_factory=dict)
