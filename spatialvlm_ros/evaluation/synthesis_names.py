"""Whether a name in a question means the thing that was measured, and nothing else in sight, for whoever looks at the true scene.

A name is taken word by word: a caption of colour and shape, and a word or a clause that tells two things apart ("left can", "can
in the back"). It means what fits the caption and, where there are two such things, the one that is truly on that side. Things
that are half hidden count as in sight, whatever the source made of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..simulation.raycast import render
from ..synthesis.ask import AskOptions, make_example
from ..synthesis.record import Dropped, Example, MaskRle, Picture
from .engine_render import MIN_PIXELS
from .engine_truth import TRUTHS, TrueScene
from .synthesis_pictures import Viewed

# What is said of the meant one of two, and the relation that tells it.
_WAYS = (
    (r"left (?P<a>.+)|(?P<b>.+) on the left", "left"), (r"right (?P<a>.+)|(?P<b>.+) on the right", "right"),
    (r"rear (?P<a>.+)|(?P<b>.+) in the back", "behind"), (r"front (?P<a>.+)|(?P<b>.+) in the front", "front"),
    (r"upper (?P<a>.+)", "above"), (r"lower (?P<a>.+)", "below"), (r"taller (?P<a>.+)", "tall"), (r"shorter (?P<a>.+)", "short"),
    (r"wider (?P<a>.+)", "wide"), (r"thinner (?P<a>.+)", "thin"), (r"bigger (?P<a>.+)", "big"), (r"smaller (?P<a>.+)", "small"),
)  # fmt: skip
_GENERIC = frozenset(("thing", "object"))
# How captions of the benchmark are made ambiguous: parts of the true name that are left out.
LEFT_OUT = ("colour", "shape")
_SHOWN = 8


def without(name: str, part: str) -> str:
    """A true name without its colour ("can") or without its shape ("red thing")."""
    color, _, shape = name.partition(" ")
    return shape if part == "colour" else f"{color} thing"


def split_name(name: str) -> tuple[str, str]:
    """(caption, relation that its other words tell of): ("can", "left") of "left can"; ("can", "") of "can"."""
    for pattern, relation in _WAYS:
        found = re.fullmatch(pattern, name)
        if found:
            groups = found.groupdict()
            return str(groups["a"] or groups["b"]), relation
    return name, ""


def meant(name: str, in_sight: Sequence[int], truth: TrueScene) -> list[int]:
    """Indices of all things in sight that a name may mean; none where its clause cannot be told (of three and more)."""
    caption, relation = split_name(name)
    words = set(caption.split()) - _GENERIC
    fitting = [at for at in in_sight if words <= set(truth.solids[at].name.split())]
    if not relation or len(fitting) < 2:
        return fitting
    if len(fitting) > 2:
        return []
    a, b = (truth.solids[at] for at in fitting)
    return [fitting[0] if TRUTHS[relation](truth, a, b) > 0 else fitting[1]]


def things_in_sight(view: Viewed) -> list[int]:
    """Indices of the things of which enough is seen to be noticed, hidden or not."""
    labels = render(view.scene).labels
    seen = np.bincount(labels[labels > 0], minlength=len(view.scene.things) + 1)[1:]
    return np.flatnonzero(seen >= MIN_PIXELS).tolist()


def judge_names(example: Example, view: Viewed, in_sight: Sequence[int]) -> dict[str, Any]:
    """Names and pairs of an example, and how many of them mean another thing or more than one."""
    things: Mapping[MaskRle, int] = view.things
    wrong: dict[int, str] = {}
    for thing in example.objects:
        found = meant(thing.name, in_sight, view.truth)
        if found != [things[thing.mask]]:
            names = ", ".join(view.truth.solids[at].name for at in found) or "nothing"
            wrong[thing.number] = f"'{thing.name}' for the {view.truth.solids[things[thing.mask]].name}: means {names}"
    bad = sum(any(thing.number in wrong for thing in pair.objects) for pair in example.pairs)
    clauses = sum(bool(split_name(thing.name)[1]) for thing in example.objects)
    return {
        "names": len(example.objects), "names_with_clause": clauses, "wrong_names": len(wrong), "pairs": len(example.pairs),
        "wrong_pairs": bad, "examples": [f"{example.key}: {text}" for text in wrong.values()],
    }  # fmt: skip


def ambiguous_pictures(view: Viewed, family: str) -> dict[str, Picture]:
    """The scene with noise under names that several things share, by what was left out of them."""
    noisy = view.noisy(family)
    names = [region.caption for region in noisy.regions]
    found = {}
    for part in LEFT_OUT:
        called = view.called([without(name, part) for name in names])
        found[part] = Picture(**{**vars(noisy), "regions": called.regions})
    return found


def names_of_scene(view: Viewed, family: str, seed: int, options: AskOptions) -> dict[str, dict[str, Any]]:
    """Judgements by "colour resolved", "colour plain" and so on; a picture that gives no pair has none."""
    in_sight = things_in_sight(view)
    found = {}
    for part, picture in ambiguous_pictures(view, family).items():
        for how, resolved in (("resolved", True), ("plain", False)):
            try:
                example = make_example(picture, _with_resolve(options, resolved), seed)
            except Dropped:
                continue
            found[f"{part} {how}"] = judge_names(example, view, in_sight)
    return found


def _with_resolve(options: AskOptions, resolved: bool) -> AskOptions:
    return AskOptions(**{**vars(options), "resolve": resolved})


def score_names(judged: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Rates by what was left out and whether ambiguity was resolved, and over both kinds of caption."""
    totals: dict[str, Counter[str]] = {}
    examples: dict[str, list[str]] = {}
    for one in judged:
        for how, item in one.items():
            for key in (how, f"all {how.split()[1]}"):
                totals.setdefault(key, Counter()).update({name: value for name, value in item.items() if name != "examples"})
                examples.setdefault(key, []).extend(item["examples"])
    return {
        key: {
            **dict(counts),
            "wrong_pair_share": counts["wrong_pairs"] / max(counts["pairs"], 1),
            "wrong_name_share": counts["wrong_names"] / max(counts["names"], 1),
            "examples": examples[key][:_SHOWN] if key.endswith("resolved") else [],
        }
        for key, counts in sorted(totals.items())
    }
