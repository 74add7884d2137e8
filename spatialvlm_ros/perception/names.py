"""Which of the things in sight a name means; "not found" or "ambiguous" rather than a guess.

Robots act on the answer, so a name that fits nothing well, or two things alike, is refused with a sentence that says
what was seen. Colour decides; shape is soft, for a gripper hides half of what it grasps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..scene.facts import Status
from .appearance import NAMED_SIZE, Appearance

COLOR_WORDS: dict[str, str] = {
    word: name
    for name, words in {
        "red": "red crimson scarlet maroon",
        "orange": "orange amber",
        "yellow": "yellow golden gold",
        "green": "green lime olive",
        "blue": "blue navy azure cyan turquoise teal",
        "purple": "purple violet lilac",
        "pink": "pink magenta rose",
        "brown": "brown wooden tan",
        "black": "black",
        "gray": "gray grey silver",
        "white": "white cream ivory",
    }.items()
    for word in words.split()
}
SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    word: names
    for names, words in {
        ("block",): "block box cube brick carton package packet cuboid book",
        ("can",): "can cylinder tube bottle tin jar canister",
        ("ball",): "ball sphere orb",
        ("plate",): "plate dish disc disk saucer",
        ("cup",): "cup mug",
        ("bowl",): "bowl",
        (): "object thing item one something",
    }.items()
    for word in words.split()
}
#: Nouns that fit many kinds of things, and so single out nothing.
WIDE_NOUNS = frozenset(("container", "dishware", "fruit", "food", "tool", "utensil", "toy", "round", "boxy", "stack"))
WIDE_NOUNS |= {word for word, shapes in SHAPE_WORDS.items() if not shapes} | {"piece", "crockery"}
# A bowl may be called a cup and the reverse; a can without its lid looks like a cup.
_AKIN = {"cup": ("bowl", 0.45), "bowl": ("cup", 0.45), "can": ("cup", 0.35)}
SIZE_WORDS: dict[str, str] = {
    word: name
    for name, words in {
        "small": "small little tiny smaller smallest mini",
        "large": "large big huge larger largest bigger biggest",
        "tall": "tall high taller tallest",
        "short": "short low shorter shortest",
        "flat": "flat flatter flattest",
        "wide": "wide wider widest broad",
        "thin": "thin thinner thinnest slim narrow",
    }.items()
    for word in words.split()
}
_IGNORED = frozenset(
    {"the", "a", "an", "this", "that", "my", "your", "its", "and", "please", "light", "dark", "bright"}
    | {"color", "colored", "colour", "coloured"}
)
# What follows these words places the thing, or tells what is in it; nobody here can check that.
_PREPOSITIONS = frozenset(
    {"on", "in", "at", "under", "below", "above", "behind", "near", "beside", "between", "by", "from", "to", "next"}
    | {"of", "with", "without", "which"}
)
# Least score of a match; least colour score to keep a tracked name; share of the best score that makes a rival.
FOUND, COLOR_CLEAR, RIVAL = 0.35, 0.3, 0.65


@dataclass(frozen=True)
class NamePhrase:
    """A name taken apart. ``nouns`` are shape words as said; ``unknown`` are words nobody here can check.

    ``strange`` is the head noun when it is unknown: then nothing answers to the name.
    """

    text: str
    colors: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    strange: str = ""

    @property
    def empty(self) -> bool:
        return not self.text


@dataclass(frozen=True)
class NameMatch:
    """What a name means among some appearances.

    Attributes:
        status: OK, NOT_FOUND, AMBIGUOUS, or BAD_QUERY for an empty name.
        index: of the thing, -1 unless OK.
        score: in [0, 1].
        candidates: indices that fit, best first.
        text: a sentence for people when not OK.
        rivals: indices of all that answer to the name as a description, whoever bore it before.
        understood: whether the words can be checked at all.
    """

    status: Status
    index: int
    score: float
    candidates: tuple[int, ...]
    text: str = ""
    rivals: tuple[int, ...] = ()
    understood: bool = True


@lru_cache(maxsize=1024)
def parse(phrase: str) -> NamePhrase:
    """Take a name apart: case, articles and plurals do not matter."""
    words = re.findall(r"[^\W_]+", phrase.lower())
    colors, sizes, shapes, unknown = [], [], [], []
    head, strange, after = "", "", False
    for word in words:
        known = _known(word)
        after = after or word in _PREPOSITIONS
        if word in _IGNORED:
            continue
        if after:
            unknown.append(word)
            continue
        head = known or word
        if known in COLOR_WORDS:
            colors.append(COLOR_WORDS[known])
        elif known in SIZE_WORDS:
            sizes.append(SIZE_WORDS[known])
        elif known in SHAPE_WORDS:
            shapes.append(known)
        else:
            unknown.append(word)
    if head and head not in SHAPE_WORDS and head not in COLOR_WORDS and head not in SIZE_WORDS:
        strange = head
    text = " ".join(words)
    nouns = SHAPE_WORDS[shapes[-1]] if shapes else ()
    return NamePhrase(text, tuple(dict.fromkeys(colors)), tuple(dict.fromkeys(sizes)), nouns, tuple(unknown), strange)


def _known(word: str) -> str:
    """The word or its singular when it is in a table, else ""."""
    endings = [word]
    if word.endswith("es"):
        endings.append(word[:-2])
    if word.endswith("s"):
        endings.append(word[:-1])
    for candidate in endings:
        if candidate in COLOR_WORDS or candidate in SIZE_WORDS or candidate in SHAPE_WORDS:
            return candidate
    return ""


def match(phrase: str | NamePhrase, appearances: Sequence[Appearance], prior_index: int | None = None) -> NameMatch:
    """The one thing that a name means.

    Args:
        prior_index: the thing that bore this name on the last image (found by position); it keeps the name unless its
            colour clearly contradicts.
    """
    name = parse(phrase) if isinstance(phrase, str) else phrase
    if name.empty:
        return NameMatch(Status.BAD_QUERY, -1, 0.0, (), "the name is empty", understood=False)
    if name.strange or not (name.colors or name.sizes or name.shapes or _generic(name)):
        return NameMatch(Status.NOT_FOUND, -1, 0.0, (), nothing_text(name, appearances), understood=False)
    scores = [score(name, a) for a in appearances]
    fitting = sorted((i for i, s in enumerate(scores) if s >= FOUND), key=lambda i: (-scores[i], i))
    fitting = _of_size(name, appearances, fitting)
    rivals = [i for i in fitting if scores[i] >= RIVAL * scores[fitting[0]]]
    rivals = _by_size(name, appearances, rivals)
    if prior_index is not None and 0 <= prior_index < len(appearances):
        clear = min((_color(c, appearances[prior_index]) for c in name.colors), default=1.0)
        if clear >= COLOR_CLEAR:
            score_of_prior = max(scores[prior_index], FOUND)
            return NameMatch(Status.OK, prior_index, score_of_prior, (prior_index,), rivals=tuple(rivals))
    if not rivals:
        return NameMatch(Status.NOT_FOUND, -1, 0.0, (), nothing_text(name, appearances))
    if len(rivals) > 1:
        several = several_text(name, appearances, rivals)
        return NameMatch(Status.AMBIGUOUS, -1, scores[rivals[0]], tuple(rivals), several, tuple(rivals))
    return NameMatch(Status.OK, rivals[0], scores[rivals[0]], tuple(fitting), rivals=tuple(rivals))


def _generic(name: NamePhrase) -> bool:
    return any(SHAPE_WORDS.get(_known(word)) == () for word in name.text.split())


def score(name: NamePhrase, appearance: Appearance) -> float:
    """How well one thing answers to colour and shape, in [0, 1]. Sizes compare things and come later."""
    total = 1.0
    for color in name.colors:
        total *= _color(color, appearance)
    if name.shapes:
        fit = max(_shape(shape, appearance) for shape in name.shapes)
        # With the right colour a doubtful shape will do; without any colour the shape has to carry the name.
        total *= min(1.0, 0.25 + fit) if name.colors else fit
    return total


def _color(color: str, appearance: Appearance) -> float:
    """1 where a colour covers 40 % of the thing, 0 below 8 %."""
    return max(0.0, min(1.0, (appearance.colors.get(color, 0.0) - 0.08) / 0.32))


def _shape(shape: str, appearance: Appearance) -> float:
    fit = appearance.shapes.get(shape, 0.0)
    akin, worth = _AKIN.get(shape, ("", 0.0))
    # 0.6 is a shape as clear as a real sensor shows it.
    return min(1.0, max(fit, worth * appearance.shapes.get(akin, 0.0)) / 0.6)


def _of_size(name: NamePhrase, appearances: Sequence[Appearance], fitting: list[int]) -> list[int]:
    """Of things that fit, those that are as tall, large ... as the name says; all of them where none is.

    Before rivals are told by colour and shape: a "tall brown can" is the tall one, though another can is browner.
    """
    for size in name.sizes:
        clearly = [i for i in fitting if appearances[i].sizes.get(size, 0.0) >= NAMED_SIZE]
        fitting = clearly or fitting
    return fitting


def _by_size(name: NamePhrase, appearances: Sequence[Appearance], rivals: list[int]) -> list[int]:
    """Of things that fit equally well, the one that a size word singles out; all of them when it does not."""
    for size in name.sizes:
        if len(rivals) < 2:
            break
        ranked = sorted(rivals, key=lambda i: (-_extent(size, appearances[i]), i))
        first, second = (_extent(size, appearances[i]) for i in ranked[:2])
        # 15 % is what one view's measurement of two things tells apart for certain.
        if math.isfinite(first) and math.isfinite(second) and first - second > math.log(1.15):
            rivals = ranked[:1]
    return rivals


def _extent(size: str, appearance: Appearance) -> float:
    """Logarithm of the measure that a size word compares, larger for more of it."""
    a = appearance
    across = max(math.sqrt(max(a.length_m * a.width_m, 1e-8)), 1e-4)
    value = {
        "small": 1 / max(a.volume_m3, 1e-9) ** (1 / 3),
        "large": max(a.volume_m3, 1e-9) ** (1 / 3),
        "tall": a.height_m,
        "short": 1 / max(a.height_m, 1e-4),
        "flat": across / max(a.height_m, 1e-4),
        "wide": a.length_m,
        "thin": 1 / max(a.width_m, 1e-4),
    }[size]
    return math.log(value) if math.isfinite(value) and value > 0 else -math.inf


def _seen(appearances: Sequence[Appearance], indices: Sequence[int] | None = None) -> str:
    chosen = range(len(appearances)) if indices is None else indices
    return ", ".join(appearances[i].label() for i in chosen) or "nothing"


def nothing_text(name: NamePhrase, appearances: Sequence[Appearance]) -> str:
    """The sentence on a name that nothing answers to."""
    return f"nothing on the table answers to '{name.text}'; seen: {_seen(appearances)}"


def several_text(name: NamePhrase, appearances: Sequence[Appearance], rivals: Sequence[int]) -> str:
    """The sentence on a name of several things: the rivals, and an attribute that tells them apart."""
    things = [appearances[i] for i in rivals]
    hint = "their positions"
    if len({tuple(a.color_words()) for a in things}) == len(things):
        hint = "the colour"
    elif len({a.shape_word() for a in things}) == len(things):
        hint = "the shape"
    elif abs(_extent("large", things[0]) - _extent("large", things[1])) > math.log(1.15):
        hint = "the size (big or small)"
    return f"'{name.text}' may mean {len(rivals)} things: {_seen(appearances, rivals)}; {hint} would tell them apart"
