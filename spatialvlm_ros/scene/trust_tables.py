"""The constants of ``trust.py``, as ``evaluation/engine_trust.py`` prints them; see there how they are fitted."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """A step of a sum: ``below`` where the evidence ``name`` is not above ``at``, else ``above``."""

    name: str
    at: float
    below: float
    above: float


# Factors of the standard deviations of the centre along the ground, of the level edges and of the height, before any step.
CENTRE, EXTENTS, UPRIGHT = 1.28, 1.3, 0.675
# Logarithms of factors of the level deviations and of the upright one's.
LEVEL: tuple[Step, ...] = (
    Step("level_ratio", 0.1008, -0.217, 0.233),
    Step("mirrored_fill", 0.7941, -0.183, 0.104),
    Step("top_fill", 0.8837, 0.087, -0.157),
    Step("level_std", -1.825, 0.079, -0.139),
    Step("level_ratio", 0.2525, -0.060, 0.185),
    Step("seen_fill", 0.8893, 0.023, -0.473),
    Step("ball", 0, 0.020, -0.453),
    Step("pixels", 6.668, 0.204, -0.027),
    Step("level_std", -1.639, 0.059, -0.124),
    Step("seen_fill", 0.6793, 0.085, -0.075),
    Step("misfit", 0.09061, 0.069, -0.099),
    Step("mirrored_fill", 0.834, -0.052, 0.075),
    Step("mirrored_fill", 0.6869, 0.416, -0.008),
    Step("side_covered", 0.06944, 0.034, -0.115),
    Step("pixels", 7.226, 0.109, -0.036),
    Step("seen_fill", 0.7918, 0.023, -0.161),
)
HEIGHT: tuple[Step, ...] = (
    Step("level_std", -3.236, -1.131, 0.010),
    Step("top_share", 0.9808, -0.027, 0.318),
    Step("looked_down_rad", 0.8519, -0.032, 0.209),
    Step("height_std", -2.197, 0.019, -0.311),
    Step("size_noise", 2.324, 0.408, -0.008),
    Step("top_share", 0.9808, -0.013, 0.217),
    Step("tints_apart", 0.9322, -0.048, 0.065),
    Step("misfit", 0, -0.192, 0.018),
    Step("seen_fill", 0.8318, -0.023, 0.160),
    Step("looked_down_rad", 0.8519, -0.019, 0.137),
    Step("size_noise", 2.598, 0.194, -0.011),
    Step("top_fill", 0.9687, -0.010, 0.150),
    Step("misfit", 0, -0.147, 0.016),
    Step("level_ratio", 4.441e-16, 0.106, -0.016),
    Step("up_ratio", -0.581, 0.036, -0.064),
    Step("pixels", 7.522, 0.054, -0.039),
)
# Logarithm of the odds that a region is more than one thing.
MERGED_AT = -2.75
MERGED: tuple[Step, ...] = (
    Step("chroma_std", 19.39, -0.225, 2.238),
    Step("tints_apart", 2.143, -0.285, 0.947),
    Step("top_share", 0.1854, 0.612, -0.325),
    Step("size_noise", 3.557, -0.264, 0.352),
    Step("up_ratio", 0.4704, -0.227, 0.335),
    Step("tints_apart", 1.726, -0.213, 0.338),
    Step("top_share", 0.2653, 0.191, -0.282),
    Step("misfit", 0.04768, -0.386, 0.090),
    Step("chroma_std", 11.79, -0.187, 0.196),
    Step("pixels", 9.411, -0.096, 0.418),
    Step("hollow", 0.04647, -0.271, 0.113),
    Step("tints_apart", 1.563, -0.153, 0.214),
    Step("top_fill", 0.9033, 0.086, -0.343),
    Step("pixels", 7.874, -0.212, 0.109),
    Step("misfit", 0.05521, -0.297, 0.078),
    Step("tints_apart", 0.4967, -0.236, 0.099),
)
