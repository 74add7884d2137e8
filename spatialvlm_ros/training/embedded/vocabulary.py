"""The words of the training scenes: which concept each word stands for, and which concepts are true of each kind of thing.

A concept is a column ("noun:mug", "color:red", "part:handle"). Of one thing it is true (1), false (0) or open (NaN): what people
would dispute, or what cannot be seen. A phrase asks for some concepts at once (phrases.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .vocabulary_colors import COLORS

Truths = npt.NDArray[np.float32]

# Noun: how people write it, the first one most often.
NOUN_WORDS: dict[str, tuple[str, ...]] = {
    "block": ("block", "building block", "toy block"),
    "cube": ("cube", "die", "dice"),
    "cuboid": ("cuboid", "rectangular block"),
    "box": ("box", "carton", "package", "packet", "parcel"),
    "brick": ("brick",),
    "book": ("book", "notebook"),
    "can": ("can", "tin", "tin can", "canister", "soda can"),
    "cylinder": ("cylinder", "tube"),
    "bottle": ("bottle", "flask"),
    "jar": ("jar",),
    "mug": ("mug", "coffee mug"),
    "cup": ("cup", "beaker", "tumbler"),
    "glass": ("glass",),
    "bowl": ("bowl",),
    "plate": ("plate", "dish", "saucer"),
    "disc": ("disc", "disk"),
    "tray": ("tray",),
    "pan": ("pan", "frying pan", "skillet"),
    "pot": ("pot", "saucepan"),
    "ball": ("ball",),
    "sphere": ("sphere", "orb"),
    "apple": ("apple",),
    "orange": ("orange fruit", "tangerine"),
    "lemon": ("lemon",),
    "banana": ("banana",),
    "pear": ("pear",),
    "tomato": ("tomato",),
    "egg": ("egg",),
    "cone": ("cone",),
    "pyramid": ("pyramid",),
    "wedge": ("wedge", "ramp"),
    "ring": ("ring", "roll", "tape roll", "roll of tape", "tape"),
    "bracket": ("bracket", "angle bracket"),
    "pen": ("pen", "pencil"),
    "marker": ("marker", "felt pen"),
    "stick": ("stick", "rod", "bar"),
    "spoon": ("spoon", "ladle"),
    "knife": ("knife",),
    "spatula": ("spatula",),
    "screwdriver": ("screwdriver",),
    "hammer": ("hammer", "mallet"),
    "brush": ("brush", "paintbrush"),
    "bucket": ("bucket", "pail"),
    "vase": ("vase",),
    "candle": ("candle",),
    "sponge": ("sponge",),
    "phone": ("phone", "smartphone", "mobile phone"),
    "remote": ("remote", "remote control"),
    "flashlight": ("flashlight", "torch"),
    "stack": ("stack of cups", "cups"),
    "dumbbell": ("dumbbell",),
    # What stands above them.
    "container": ("container", "vessel"),
    "dishware": ("piece of dishware", "piece of crockery"),
    "fruit": ("fruit", "piece of fruit"),
    "food": ("food",),
    "tool": ("tool",),
    "utensil": ("utensil", "kitchen tool"),
    "toy": ("toy",),
    "round": ("round thing", "round object"),
    "boxy": ("box-shaped thing", "square object", "rectangular object"),
}
NOUNS = tuple(NOUN_WORDS)
GENERIC_WORDS = ("object", "thing", "item", "one", "something")
SUPERORDINATES = ("container", "dishware", "fruit", "food", "tool", "utensil", "toy", "round", "boxy")

# Kind of thing that the scenes hold: nouns that are true of it / nouns that some people would use.
KINDS: dict[str, tuple[str, str]] = {
    "block": ("block cuboid boxy", "box brick toy"),
    "cube": ("block cube cuboid boxy", "box brick toy"),
    "brick": ("brick block cuboid boxy", "box toy"),
    "box": ("box cuboid boxy", "block container brick book"),
    "milk_carton": ("box", "container boxy cuboid bottle block"),
    "book": ("book boxy", "box block cuboid"),
    "phone": ("phone boxy", "box book cuboid remote"),
    "remote": ("remote boxy", "box phone cuboid"),
    "sponge": ("sponge boxy", "block box brick cuboid"),
    "can": ("can cylinder", "container jar round"),
    "tin": ("can cylinder", "container jar round pot"),
    "cylinder": ("cylinder", "can block toy round jar"),
    "bottle": ("bottle container", "vase jar round"),
    "jar": ("jar container", "can bottle cylinder pot round"),
    "mug": ("mug cup container", "dishware pot"),
    "cup": ("cup container", "glass dishware mug bucket"),
    "glass": ("glass cup container", "dishware cylinder"),
    "bowl": ("bowl dishware container", "plate cup pan round"),
    "plate": ("plate dishware", "disc round tray bowl"),
    "disc": ("disc plate round", "dishware cylinder"),
    "tray": ("tray", "plate container dishware box boxy"),
    "pan": ("pan", "pot bowl container dishware utensil"),
    "pot": ("pot container", "pan bowl dishware bucket"),
    "ball": ("ball sphere round", "toy fruit"),
    "apple": ("apple fruit food", "ball sphere round tomato toy"),
    "orange": ("orange fruit food", "ball sphere round toy"),
    "lemon": ("lemon fruit food", "ball sphere round toy egg"),
    "banana": ("banana fruit food", "toy"),
    "pear": ("pear fruit food", "toy"),
    "tomato": ("tomato food", "ball sphere round fruit apple toy"),
    "egg": ("egg", "ball sphere round food toy"),
    "cone": ("cone", "toy"),
    "pyramid": ("pyramid", "toy block cone"),
    "wedge": ("wedge", "toy block"),
    "ring": ("ring", "round disc cylinder toy"),
    "bracket": ("bracket", "block toy tool"),
    "pen": ("pen", "marker stick tool"),
    "marker": ("marker", "pen stick tool"),
    "stick": ("stick", "pen cylinder tool block"),
    "spoon": ("spoon utensil", "tool"),
    "knife": ("knife utensil", "tool"),
    "spatula": ("spatula utensil", "tool"),
    "screwdriver": ("screwdriver tool", ""),
    "hammer": ("hammer tool", ""),
    "brush": ("brush tool", "utensil"),
    "flashlight": ("flashlight", "tool cylinder"),
    "dumbbell": ("dumbbell", "tool"),
    "bucket": ("bucket container", "cup pot"),
    "vase": ("vase container", "bottle jar cup"),
    "candle": ("candle", "cylinder round"),
    "cup_stack": ("stack", "cup container"),
}

# Kinds that are easily taken for each other where they are small, cut off, hidden in part or seen from above.
LOOKALIKES: tuple[tuple[str, ...], ...] = (
    ("mug", "cup", "glass", "can", "tin", "jar", "bucket"),
    ("box", "milk_carton", "can", "tin", "book", "brick"),
    ("book", "plate", "tray", "phone", "disc", "sponge"),
    ("bowl", "plate", "cup", "pan", "pot"),
    ("bottle", "can", "jar", "vase", "milk_carton", "candle"),
    ("ball", "apple", "orange", "tomato", "egg", "lemon"),
    ("block", "cube", "box", "brick", "sponge", "bracket"),
    ("cone", "pyramid", "wedge", "cup"),
    ("ring", "disc", "tin", "bracket"),
)

PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("plain",),
    "striped": ("striped", "stripy"),
    "checked": ("checked", "checkered", "chequered"),
    "dotted": ("dotted", "spotted", "polka dot"),
    "banded": ("labelled", "labeled"),
    "wooden": ("wooden", "wood"),
    "speckled": ("speckled", "flecked"),
}
PATTERNS = tuple(PATTERN_WORDS)
PART_WORDS: dict[str, tuple[str, ...]] = {
    "cap": ("cap", "top"),
    "lid": ("lid",),
    "handle": ("handle",),
    "label": ("label", "band"),
    "head": ("head", "tip"),
    "rim": ("rim",),
}
PARTS = tuple(PART_WORDS)
SHADES = ("light", "dark")
SHADE_WORDS = {"light": ("light", "pale", "bright"), "dark": ("dark", "deep")}
STATES = ("lying", "standing", "held", "inside", "on_top")
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "tall": ("tall", "high"),
    "flat": ("flat", "low"),
    "long": ("long",),
    "thin": ("thin", "slim", "narrow"),
}
SIZES = tuple(SIZE_WORDS)
# Words that compare with what else is in the scene: the language layer decides them, one thing alone cannot.
COMPARING_WORDS = ("small", "little", "big", "large", "tiny", "huge", "short", "wide")

CONCEPTS: tuple[str, ...] = (
    *(f"noun:{n}" for n in NOUNS),
    *(f"color:{c}" for c in COLORS),
    *(f"has:{c}" for c in COLORS),
    *(f"shade:{s}" for s in SHADES),
    *(f"pattern:{p}" for p in PATTERNS),
    *(f"part:{p}" for p in PARTS),
    *(f"{p}:{c}" for p in PARTS for c in COLORS),
    *(f"state:{s}" for s in STATES),
    *(f"size:{s}" for s in SIZES),
)
CONCEPT_INDEX: Mapping[str, int] = {name: i for i, name in enumerate(CONCEPTS)}


def columns(family: str) -> slice:
    """The columns of one family ("noun", "color", "part", "cap" ...), which lie side by side."""
    own = [i for i, name in enumerate(CONCEPTS) if name.startswith(f"{family}:")]
    if not own:
        raise KeyError(f"no concept family '{family}'; there are {sorted({n.split(':')[0] for n in CONCEPTS})}")
    return slice(own[0], own[-1] + 1)


def _kind_table() -> Truths:
    """(kinds, nouns) 1, 0 or NaN."""
    table = np.zeros((len(KINDS), len(NOUNS)), dtype=np.float32)
    for row, (sure, maybe) in enumerate(KINDS.values()):
        table[row, [NOUNS.index(n) for n in sure.split()]] = 1
        table[row, [NOUNS.index(n) for n in maybe.split()]] = np.nan
    return table


def _nouns_alike() -> Mapping[str, tuple[str, ...]]:
    """The nouns of kinds that are easily taken for those of a noun."""
    found: dict[str, list[str]] = {}
    for group in LOOKALIKES:
        nouns = list(dict.fromkeys(KINDS[kind][0].split()[0] for kind in group))
        for noun in nouns:
            found.setdefault(noun, []).extend(other for other in nouns if other != noun)
    return {noun: tuple(dict.fromkeys(others)) for noun, others in found.items()}


NOUNS_ALIKE = _nouns_alike()
KIND_NAMES = tuple(KINDS)
KIND_NOUNS = _kind_table()
