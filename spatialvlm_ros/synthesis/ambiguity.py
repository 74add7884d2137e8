"""Captions to names that mean one thing each: kept, made clear by a word that truly separates two things, or given up.

A caption is ambiguous when it fits another thing in sight: "mug" beside another mug, and beside a red one. Never changes: a name
that is returned fits exactly one of all things in sight, those that could not be measured among them; a word such as "left" is
added only where the two things differ in that by more than three standard deviations and by what people see. Places are hardly
ever measured on the wrong side; sizes are, where a part of a thing is hidden, so that words of size are for whole things.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..language.names import plain_name, singular
from ..language.number_words import word_set
from ..scene.relation import up_axis, viewer_axes
from ..scene.relations import RELATIONS
from ..scene.scene import Scene, SceneObject
from .unseen import Unseen

Similarity = Callable[[Sequence[str]], npt.NDArray[np.floating]]
"""Captions to an (N, N) matrix of how alike they are, 1 for the same."""

_WORD_RE = re.compile(r"[a-z0-9][a-z0-9'-]*")
# What is no thing with a place and a size of its own. A table is one.
_BACKGROUND = word_set(
    "sun sky cloud clouds floor ground wall walls ceiling background foreground room scene air shadow shadows darkness sunlight "
    "grass street road water sea ocean horizon landscape outdoors indoors nothing reflection carpet"
)
_GENERIC = word_set("object thing item stuff something one")
# Words for what people do not tell apart with certainty.
_ALIKE = {
    word: words.split()[0]
    for words in (
        "cup mug tumbler",
        "box block cube carton package brick",
        "can tin cylinder",
        "plate dish saucer",
        "ball sphere",
        "gray grey",
        "couch sofa",
        "trash garbage rubbish",
        "picture painting photo photograph",
        "phone cellphone smartphone",
        "turquoise teal cyan",
        "purple violet",
        "large big",
        "small little",
    )
    for word in words.split()[1:]
}
_FILLERS = word_set("of with and in on the a an its some colored coloured")


@dataclass(frozen=True)
class AmbiguityOptions:
    """When two things are told apart.

    Attributes:
        threshold: from this similarity of captions on (where a model gives one) either fits the other's thing.
        max_words: a longer caption is no name.
        sigmas: by how many standard deviations two things differ in what is said of them.
        min_apart_m: ... and by how much in place.
        min_ratio: ... or in size, the bigger one against the smaller one.
        min_seen_ratio: ... and what is seen of them alone, without what is added for the sides that nobody sees.
        min_apart_share: left and right lie so far apart in the image as well, as a share of its width.
    """

    threshold: float = 0.92
    max_words: int = 6
    sigmas: float = 3.0
    min_apart_m: float = 0.03
    min_ratio: float = 1.4
    min_seen_ratio: float = 1.15
    min_apart_share: float = 0.02


@dataclass(frozen=True)
class Names:
    """What things are called.

    Attributes:
        names: of each thing, None for one that has no name of its own.
        dimensions: what its words tell of, keys of CLAUSES: "taller mug" and "tall mug" tell of the height.
        drops: causes of names that are None: "caption_empty", "caption_long", "caption_odd", "caption_background",
            "caption_ambiguous" (more than one other thing, or one that nothing separates it from).
    """

    names: tuple[str | None, ...]
    dimensions: tuple[frozenset[str], ...]
    drops: Counter[str]


# For each dimension of the registry, the words for its positive and its negative side; {n} is the caption.
CLAUSES: dict[str, tuple[tuple[str, str], ...]] = {
    "left_or_right": (("left {n}", "right {n}"), ("{n} on the left", "{n} on the right")),
    "behind_or_front": (("rear {n}", "front {n}"), ("{n} in the back", "{n} in the front")),
    "above_or_below": (("upper {n}", "lower {n}"),),
    "tall_or_short": (("taller {n}", "shorter {n}"),),
    "wide_or_thin": (("wider {n}", "thinner {n}"),),
    "big_or_small": (("bigger {n}", "smaller {n}"),),
}
# Words of a name that answer a question about it, and what they tell of.
_TELLS = {
    word: dimension
    for dimension, words in {
        "left_or_right": "left right leftmost rightmost",
        "behind_or_front": "rear front back near far nearby distant background foreground",
        "above_or_below": "upper lower top bottom",
        "tall_or_short": "tall short taller shorter high low flat",
        "wide_or_thin": "wide thin wider thinner narrow broad slim",
        "big_or_small": "big small bigger smaller large little tiny huge giant mini",
    }.items()
    for word in words.split()
}
OF_SIZE = ("tall_or_short", "wide_or_thin", "big_or_small")
# A box of which one level side is shorter than this share of the other one may show one face alone.
_SHEET = 0.6
# Share of the visible points at either end that may be strays.
_TRIM = 0.02


def clean_caption(caption: str, max_words: int = 6) -> tuple[str, str]:
    """(name, "") or ("", cause): small letters, no article, no full stop; 1 to ``max_words`` plain words."""
    name = plain_name(caption.strip().rstrip(".").replace("_", " "))
    words = name.split()
    if not words or name in ("the", "a", "an"):
        return "", "caption_empty"
    if len(words) > max_words:
        return "", "caption_long"
    if not all(_WORD_RE.fullmatch(word) for word in words):
        return "", "caption_odd"
    if head(words) in _BACKGROUND:
        return "", "caption_background"
    return name, ""


def head(words: Sequence[str]) -> str:
    """The noun: the last word before "of", "with", "on" or "in"."""
    end = next((at for at, word in enumerate(words) if at and word in ("of", "with", "on", "in", "for")), len(words))
    return words[end - 1]


def _key(caption: str) -> tuple[str, frozenset[str]]:
    """The noun and all words that tell of a thing, each in one form."""
    found = _WORD_RE.findall(singular(plain_name(caption.replace("_", " "))))
    words = [_ALIKE.get(word, word) for word in found]
    if not words:
        return "", frozenset()
    return head(words), frozenset(words) - _FILLERS


def fits(captions: Sequence[str], similarity: Similarity | None = None, threshold: float = 0.92) -> npt.NDArray[np.bool_]:
    """(N, N) bool: whether the caption of i fits the thing of j; True on the diagonal.

    By words: i says nothing that j does not say, of the same noun; "thing" fits any noun. By ``similarity`` as well, where given.
    """
    keys = [_key(caption) for caption in captions]
    result = np.eye(len(captions), dtype=np.bool_)
    for i, (noun, words) in enumerate(keys):
        for j, (other, said) in enumerate(keys):
            same = noun == other or noun in _GENERIC
            # One that is called "red thing" may be anything red.
            vague = other in _GENERIC
            told = words - _GENERIC
            result[i, j] |= bool(words) and ((same and told <= said) or (vague and not _contradict(told, said)))
    if similarity is not None and len(captions) > 1:
        result |= np.asarray(similarity(list(captions))) >= threshold
    return result


_COLORS = word_set(
    "red green blue yellow orange purple pink turquoise white gray brown black silver gold golden beige multicolored"
)


def _contradict(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether both name colours, and none in common."""
    ours, theirs = a & _COLORS, b & _COLORS
    return bool(ours and theirs and not ours & theirs)


def resolve(
    scene: Scene,
    captions: Sequence[str],
    columns: Sequence[float],
    generator: np.random.Generator,
    *,
    others: Sequence[str] = (),
    similarity: Similarity | None = None,
    options: AmbiguityOptions | None = None,
    unseen: Unseen | None = None,
) -> Names:
    """Names for the objects of a scene.

    Args:
        captions: one for each of ``scene.objects``.
        columns: middle of each object's region as a share of the image's width.
        generator: chooses among the words that separate two things.
        others: captions of what is in sight beside them.
        similarity: how alike captions are, by a model; None goes by words alone.
        unseen: what of the things is out of sight; a word that rests on it separates nothing.
    """
    options = options or AmbiguityOptions()
    names: list[str | None] = [None] * len(captions)
    drops: Counter[str] = Counter()
    fitting = fits([*captions, *others], similarity, options.threshold)
    for index, caption in enumerate(captions):
        name, cause = clean_caption(caption, options.max_words)
        if cause:
            drops[cause] += 1
            continue
        rivals = [int(j) for j in np.flatnonzero(fitting[index]) if j != index]
        if not rivals:
            names[index] = name
            continue
        ways: list[tuple[str, bool]] = []
        if len(rivals) == 1 and rivals[0] < len(captions):
            ways = _separating(scene, index, rivals[0], columns, options, unseen or Unseen())
        # Not "taller tall can".
        ways = [way for way in ways if way[0] not in dimensions_of(name)]
        if not ways:
            drops["caption_ambiguous"] += 1
            continue
        dimension, is_first = ways[int(generator.integers(len(ways)))]
        forms = CLAUSES[dimension]
        form = forms[int(generator.integers(len(forms)))][0 if is_first else 1]
        names[index] = form.format(n=name)
    return _one_each(names, drops)


def dimensions_of(name: str | None) -> frozenset[str]:
    """What the words of a name tell of, keys of CLAUSES."""
    words = () if name is None else name.split()
    return frozenset(_TELLS[word] for word in words if word in _TELLS)


def _one_each(names: list[str | None], drops: Counter[str]) -> Names:
    """Names that came out alike all the same ("left mug", said by a caption and made of another) are none."""
    counts = Counter(name for name in names if name is not None)
    for index, name in enumerate(names):
        if name is not None and counts[name] > 1:
            names[index] = None
            drops["caption_ambiguous"] += 1
    return Names(tuple(names), tuple(map(dimensions_of, names)), drops)


def _separating(
    scene: Scene, index: int, rival: int, columns: Sequence[float], options: AmbiguityOptions, unseen: Unseen
) -> list[tuple[str, bool]]:
    """(dimension, whether the thing is on its first side) for all that tells a thing from its rival beyond doubt."""
    a, b = scene.objects[index], scene.objects[rival]
    found = []
    for dimension in CLAUSES:
        relation = RELATIONS[dimension]
        if (relation.needs_canonical and scene.canonical is None) or not _shows(dimension, scene, {index, rival}, unseen):
            continue
        margin = relation.measure(scene, a, b).margin
        if margin is None:
            continue
        is_first = margin.value > 0
        is_clear = abs(margin.value) > options.sigmas * margin.std
        if dimension == "behind_or_front":
            rear, front = (index, rival) if is_first else (rival, index)
            if not _is_behind(scene, rear, front, unseen, options.min_apart_m):
                continue
            # How far a thing goes on behind what is seen of it makes its middle unsure to the rear alone.
            is_clear = is_clear or rear in unseen.depth
        if not is_clear:
            continue
        if dimension in OF_SIZE:
            larger, smaller = (a, b) if is_first else (b, a)
            if not _clearly_larger(scene, dimension, larger, smaller, margin.value, options):
                continue
        elif abs(margin.value) < options.min_apart_m:
            continue
        if dimension == "left_or_right":
            apart = columns[rival] - columns[index]
            if (apart > 0) != is_first or abs(apart) < options.min_apart_share:
                continue
        found.append((dimension, is_first))
    return found


def _shows(dimension: str, scene: Scene, indices: set[int], unseen: Unseen) -> bool:
    """Whether all that a dimension rests on is seen of both things: the foot for a middle's height, everything for sizes."""
    if dimension == "left_or_right":
        return True
    things = [scene.objects[index] for index in indices]
    rests_on = {"above_or_below": unseen.foot, "behind_or_front": frozenset[int]()}.get(dimension, unseen.any)
    if rests_on & indices or any(thing.truncated for thing in things):
        return False
    # One that shows a single face may be as deep as anything that it hides.
    sheets = [float(thing.extents[:2].min()) < _SHEET * float(thing.extents[:2].max()) for thing in things]
    return dimension not in OF_SIZE or not any(sheets)


def _is_behind(scene: Scene, rear: int, front: int, unseen: Unseen, least_m: float) -> bool:
    """Whether a thing is behind another one as far as their depth shows: what is hidden goes on behind what is seen."""
    if front in unseen.depth:
        return False
    a, b = scene.objects[rear], scene.objects[front]
    return rear not in unseen.depth or float(viewer_axes(scene)[1] @ (a.surface_point - b.centre)) >= least_m


def _clearly_larger(
    scene: Scene, dimension: str, larger: SceneObject, smaller: SceneObject, margin_m: float, options: AmbiguityOptions
) -> bool:
    """Whether one size is so much larger as the options say, beyond a centimetre, as measured and as seen."""
    if dimension == "big_or_small":
        sizes = [float(np.cbrt(np.prod(thing.extents))) for thing in (larger, smaller)]
    else:
        name = "height" if dimension == "tall_or_short" else "width"
        sizes = [RELATIONS[name].measure(scene, thing).value for thing in (larger, smaller)]
    if not (abs(margin_m) > 0.01 and sizes[0] >= options.min_ratio * sizes[1]):
        return False
    if min(len(larger.points), len(smaller.points)) < 2:
        return True
    return _seen_size(scene, dimension, larger) >= options.min_seen_ratio * _seen_size(scene, dimension, smaller)


def _seen_size(scene: Scene, dimension: str, thing: SceneObject) -> float:
    """Height, width or diagonal of the visible points alone, metres."""
    if dimension == "big_or_small":
        axes = thing.axes
    else:
        axes = (up_axis(scene) if dimension == "tall_or_short" else viewer_axes(scene)[0])[:, None]
    low, high = np.quantile(thing.points.astype(np.float64) @ axes, (_TRIM, 1 - _TRIM), axis=0)
    return float(np.linalg.norm(high - low))
