"""The constants of ``trust.py``, as ``evaluation/engine_trust.py`` prints them; see there how they are fitted."""

from __future__ import annotations

from typing import NamedTuple


class Curve(NamedTuple):
    """A curve of steps over the evidence ``name``: ``values[i]`` where ``i`` of the rising ``at`` lie below it."""

    name: str
    at: tuple[float, ...]
    values: tuple[float, ...]


# fmt: off
# Factors of the deviations of the centre along the ground, of the level edges and of the height where nothing shows.
USUAL = 1.28, 1.3, 1.3
# Logarithms of these factors.
CENTRE: tuple[Curve, ...] = (
    Curve("level_ratio", (0.1008, 0.2525,), (-0.03014, 0.4199, 0.6649)),
    Curve("mirrored_fill", (0.6869, 0.7941, 0.834,), (0.181, -0.243, 0.044, 0.171)),
    Curve("top_fill", (0.8837,), (0.087, -0.157)),
    Curve("level_std", (-1.825, -1.639,), (0.138, -0.08, -0.263)),
    Curve("seen_fill", (0.6793, 0.7918, 0.8893,), (0.131, -0.029, -0.213, -0.709)),
    Curve("ball", (0,), (0.02, -0.453)),
    Curve("pixels", (6.668, 7.226,), (0.313, 0.082, -0.063)),
    Curve("misfit", (0.09061,), (0.069, -0.099)),
    Curve("side_covered", (0.06944,), (0.034, -0.115)),
)
EDGES: tuple[Curve, ...] = (
    Curve("level_ratio", (0.1008, 0.2525,), (-0.01464, 0.4354, 0.6804)),
    Curve("mirrored_fill", (0.6869, 0.7941, 0.834,), (0.181, -0.243, 0.044, 0.171)),
    Curve("top_fill", (0.8837,), (0.087, -0.157)),
    Curve("level_std", (-1.825, -1.639,), (0.138, -0.08, -0.263)),
    Curve("seen_fill", (0.6793, 0.7918, 0.8893,), (0.131, -0.029, -0.213, -0.709)),
    Curve("ball", (0,), (0.02, -0.453)),
    Curve("pixels", (6.668, 7.226,), (0.313, 0.082, -0.063)),
    Curve("misfit", (0.09061,), (0.069, -0.099)),
    Curve("side_covered", (0.06944,), (0.034, -0.115)),
)
HEIGHT: tuple[Curve, ...] = (
    Curve("level_std", (-3.236,), (-1.524, -0.383)),
    Curve("top_share", (0.9808,), (-0.04, 0.535)),
    Curve("looked_down_rad", (0.8519,), (-0.051, 0.346)),
    Curve("height_std", (-2.197,), (0.019, -0.311)),
    Curve("size_noise", (2.324, 2.598,), (0.602, 0.186, -0.019)),
    Curve("tints_apart", (0.9322,), (-0.048, 0.065)),
    Curve("misfit", (0,), (-0.339, 0.034)),
    Curve("seen_fill", (0.8318,), (-0.023, 0.16)),
    Curve("top_fill", (0.9687,), (-0.01, 0.15)),
    Curve("level_ratio", (4.441e-16,), (0.106, -0.016)),
    Curve("up_ratio", (-0.581,), (0.036, -0.064)),
    Curve("pixels", (7.522,), (0.054, -0.039)),
)
# Log odds that a region is more than one thing.
MERGED_AT = -2.75
MERGED: tuple[Curve, ...] = (
    Curve("chroma_std", (11.79, 19.39,), (-0.412, -0.029, 2.434)),
    Curve("tints_apart", (0.4967, 1.563, 1.726, 2.143,), (-0.887, -0.552, -0.185, 0.366, 1.598)),
    Curve("top_share", (0.1854, 0.2653,), (0.803, -0.134, -0.607)),
    Curve("size_noise", (3.557,), (-0.264, 0.352)),
    Curve("up_ratio", (0.4704,), (-0.227, 0.335)),
    Curve("misfit", (0.04768, 0.05521,), (-0.683, -0.207, 0.168)),
    Curve("pixels", (7.874, 9.411,), (-0.308, 0.013, 0.527)),
    Curve("hollow", (0.04647,), (-0.271, 0.113)),
    Curve("top_fill", (0.9033,), (0.086, -0.343)),
)
