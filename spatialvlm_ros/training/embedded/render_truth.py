"""What words are true of each thing, given what of it can be seen: (N, C) over vocabulary.CONCEPTS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .composites_builder import Material
from .render_hits import Hits
from .render_pack import Packed
from .scenes import Placed
from .vocabulary import CONCEPTS, NOUNS, PARTS, PATTERNS, SHADES, SIZES, STATES, columns
from .vocabulary_colors import COLORS, memberships, shades

FloatArray = npt.NDArray[np.float32]

# A part smaller than this on the image cannot be told for certain.
_PART_PX = 12
_PATTERN_OF = {
    "plain": "plain", "rings": "striped", "staves": "striped", "checks": "checked", "dots": "dotted", "band": "banded",
    "grain": "wooden", "speckle": "plain", "tiles": "checked",
}  # fmt: skip
# Difference of two colours (largest channel, sRGB) below which nobody sees a pattern, above which everybody does.
_FAINT, _CLEAR = 0.10, 0.25


@dataclass
class Seen:
    """Pixels shown: (N,) of each thing; (M, 2) of each material, its first and second colour."""

    visible_px: npt.NDArray[np.int64]
    material_px: npt.NDArray[np.float64]

    @staticmethod
    def of(packed: Packed, hits: Hits, second: torch.Tensor) -> Seen:
        """Count pixels."""
        index = torch.nonzero(hits.element >= 0).squeeze(1)
        element = hits.element[index]
        mine = torch.nonzero(packed.thing[element] >= 0).squeeze(1)
        index, element = index[mine], element[mine]
        visible = torch.bincount(packed.thing[element], minlength=len(packed.thing_image))
        material, count = packed.material[element], len(packed.materials)
        whole = torch.bincount(material, minlength=count)
        share = torch.bincount(material, weights=second[index].double(), minlength=count)
        px = torch.stack([whole - share, share], dim=1)
        return Seen(visible.cpu().numpy(), px.cpu().numpy())


def attributes_of(packed: Packed, placed: Sequence[Placed], seen: Seen) -> FloatArray:
    """(N, C) 1, 0 or NaN."""
    out = np.zeros((len(placed), len(CONCEPTS)), dtype=np.float32)
    if not placed:
        return out
    own = packed.material_thing >= 0
    materials = [m for m, keep in zip(packed.materials, own, strict=True) if keep]
    thing, px = packed.material_thing[own], seen.material_px[own]
    rgb = np.array([(m.rgb, m.second) for m in materials])
    # Flecks and grain are shades of one colour: what people name is their mean.
    mixed = np.array([m.texture in ("speckle", "grain") and _contrast(m) < _CLEAR for m in materials])
    share = np.array([m.share for m in materials])[mixed, None] * 0.5
    mean = rgb[mixed, 0] * (1 - share) + rgb[mixed, 1] * share
    rgb[mixed] = mean[:, None]
    words = memberships(rgb.reshape(-1, 3)).reshape(-1, 2, len(COLORS))
    out[:, columns("noun")] = np.stack([p.design.nouns for p in placed])
    _colors(out, thing, px, words, rgb, len(placed))
    _patterns(out, materials, thing, px)
    _parts(out, materials, thing, px, words)
    _states(out, placed)
    # Of what is not seen at all nothing can be said.
    out[seen.visible_px == 0] = np.nan
    return out


def _contrast(m: Material) -> float:
    return max(abs(a - b) for a, b in zip(m.rgb, m.second, strict=True))


def _sum(values: npt.NDArray[np.floating], thing: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """(count, ...) sums over the materials of each thing."""
    out = np.zeros((count, *values.shape[1:]))
    np.add.at(out, thing, values)
    return out


def _colors(
    out: FloatArray, thing: npt.NDArray[np.int64], px: npt.NDArray[np.float64], words: FloatArray,
    rgb: npt.NDArray[np.float64], count: int,
) -> None:  # fmt: skip
    """A colour is the thing's when most of what is seen has it, open when some has; "has" asks for a seventh."""
    total = np.maximum(_sum(px.sum(1), thing, count), 1.0)[:, None]
    sure = _sum(np.einsum("mk,mkc->mc", px, np.nan_to_num(words, nan=0.0)), thing, count) / total
    most = _sum(np.einsum("mk,mkc->mc", px, np.nan_to_num(words, nan=1.0)), thing, count) / total
    out[:, columns("color")] = np.where(sure > 0.62, 1.0, np.where(most < 0.12, 0.0, np.nan))
    out[:, columns("has")] = np.where(sure > 0.15, 1.0, np.where(most < 0.03, 0.0, np.nan))
    tone = shades(rgb.reshape(-1, 3)).reshape(-1, 2, len(SHADES))
    light = _sum(np.einsum("mk,mkc->mc", px, np.nan_to_num(tone, nan=0.0)), thing, count) / total
    maybe = _sum(np.einsum("mk,mkc->mc", px, np.nan_to_num(tone, nan=1.0)), thing, count) / total
    out[:, columns("shade")] = np.where(light > 0.7, 1.0, np.where(maybe < 0.15, 0.0, np.nan))


def _patterns(out: FloatArray, materials: list[Material], thing: npt.NDArray[np.int64], px: npt.NDArray[np.float64]) -> None:
    """The pattern of the body."""
    columns_ = columns("pattern")
    table = out[:, columns_]
    for i, m in enumerate(materials):
        if m.part != "body" or px[i].sum() <= 0:
            continue
        name, contrast = _PATTERN_OF.get(m.texture, ""), _contrast(m)
        row = table[thing[i]]
        minor = min(px[i]) / px[i].sum()
        if name == "wooden":
            row[PATTERNS.index("wooden")] = 1.0
            row[PATTERNS.index("plain")] = row[PATTERNS.index("striped")] = np.nan
        elif not name:
            # A print is what one likes to call it, but not plain.
            row[:] = np.where(row == 1, 1.0, np.nan)
            row[PATTERNS.index("plain")] = 0.0 if contrast > _CLEAR and minor > 0.05 else np.nan
            row[PATTERNS.index("wooden")] = 0.0
        elif m.texture == "speckle" and m.share > 0.0 and contrast > _FAINT:
            row[PATTERNS.index("speckled")] = 1.0 if contrast > _CLEAR and minor > 0.05 else np.nan
            row[PATTERNS.index("plain")] = 0.0 if contrast > _CLEAR else np.nan
        elif name == "plain":
            row[PATTERNS.index("plain")] = 1.0
        else:
            clear = contrast > _CLEAR and minor > 0.05
            row[PATTERNS.index(name)] = 1.0 if clear else np.nan
            row[PATTERNS.index("plain")] = 0.0 if clear else np.nan
            if name in ("banded", "striped"):
                other = "striped" if name == "banded" else "banded"
                row[PATTERNS.index(other)] = np.nan
    # Brown without grain may still be called wooden (perception/names.py takes the one for the other).
    brown = out[:, columns("color")][:, COLORS.index("brown")]
    wooden = table[:, PATTERNS.index("wooden")]
    wooden[(wooden == 0) & ~(brown == 0)] = np.nan
    # A thing of several colours is not plain.
    has = out[:, columns("has")]
    several = (has == 1).sum(1) > 1
    plain = table[:, PATTERNS.index("plain")]
    plain[several & (plain == 1)] = np.nan


def _parts(
    out: FloatArray, materials: list[Material], thing: npt.NDArray[np.int64], px: npt.NDArray[np.float64], words: FloatArray
) -> None:
    """Parts that are seen, and their colours; a part that is hidden is open."""
    for i, m in enumerate(materials):
        t = thing[i]
        part, size, colors = m.part, px[i].sum(), words[i, 0]
        if part == "body" and m.texture == "band" and px[i].min() > _PART_PX and _contrast(m) > _FAINT:
            part, size, colors = "label", px[i, 1], words[i, 1]
        if part not in PARTS:
            continue
        at = columns("part").start + PARTS.index(part)
        known = size > _PART_PX
        out[t, at] = 1.0 if known or out[t, at] == 1 else np.nan
        own = columns(part)
        before = out[t, own]
        mine = colors if known else np.where(colors == 0, 0.0, np.nan)
        # Two parts of one name: true of one is true.
        out[t, own] = np.where((before == 1) | (mine == 1), 1.0, np.where(np.isnan(before) | np.isnan(mine), np.nan, 0.0))
    # Open vessels may hide a handle behind themselves, and a cap is as well called a lid.
    cap, lid = (columns("part").start + PARTS.index(p) for p in ("cap", "lid"))
    for one, other, first, second in ((cap, lid, "cap", "lid"), (lid, cap, "lid", "cap")):
        has = ~(out[:, one] == 0)
        out[has & (out[:, other] == 0), other] = np.nan
        grey = has[:, None] & (out[:, columns(second)] == 0) & ~(out[:, columns(first)] == 0)
        out[:, columns(second)] = np.where(grey, np.nan, out[:, columns(second)])


def _states(out: FloatArray, placed: Sequence[Placed]) -> None:
    state, size = columns("state").start, columns("size").start
    at = {name: state + i for i, name in enumerate(STATES)}
    of = {name: size + i for i, name in enumerate(SIZES)}
    for row, p in zip(out, placed, strict=True):
        d = p.design
        row[at["lying"]], row[at["standing"]] = d.lying, 1 - d.lying
        if p.state:
            row[at[p.state]] = 1.0
        if p.state == "held":
            row[at["lying"]] = row[at["standing"]] = np.nan
        long, short = 2 * max(d.half), 2 * min(d.half)
        tall = d.height_m / max(np.sqrt(long * short), 1e-3)
        row[of["tall"]] = 1.0 if tall > 1.7 else 0.0 if tall < 0.8 else np.nan
        row[of["flat"]] = 1.0 if tall < 0.35 else 0.0 if tall > 1.0 else np.nan
        sizes = np.sort(d.high - d.low)
        row[of["long"]] = 1.0 if sizes[2] > 3.0 * sizes[1] else 0.0 if sizes[2] < 1.4 * sizes[1] else np.nan
        row[of["thin"]] = 1.0 if sizes[0] < 0.2 * sizes[2] else 0.0 if sizes[0] > 0.6 * sizes[2] else np.nan


__all__ = ["NOUNS", "Seen", "attributes_of"]
