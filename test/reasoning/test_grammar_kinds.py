"""Every kind of composed question, in every wording, against trees that are written down by hand."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator

import pytest
from conditions_by_hand import CONDITION, FRAME, tree_of_frame
from trees_by_hand import ALONE, AMOUNTS, NAMES

from spatialvlm_ros.expressions.tree import Tree
from spatialvlm_ros.expressions.tree_json import tree_from_json, tree_to_json
from spatialvlm_ros.expressions.typing import check
from spatialvlm_ros.language.names import plain_name
from spatialvlm_ros.reasoning import grammar
from spatialvlm_ros.reasoning.conditions import CONDITIONS
from spatialvlm_ros.reasoning.frames import with_conditions
from spatialvlm_ros.reasoning.grammar import composed_kinds, parse, render

HARD_NAMES = (
    "salt and pepper shaker", "box from ikea", "bottle to the left of the mug", "#3", "scissors", "tallest block", "cup of tea",
    "10 cm ruler", "left shoe", "can", "usb_cable", "red/blue box", "6-sided die", "gripper", "nearest cup", "glass",
    "phone charger", "back of the chair", "wine glass", "and", "over", "second cup", "block nearest to the door", "one", "it",
    "tea, green", "bus", "box 2.5", "tall red mug", "robot", "glasses", "mug's handle", "way", "half meter stick", "width",
    "cup that is red", "lid between the cans", "the", "knives", "object", "mug or cup", "not a cup", "5 blocks long crate",
)  # fmt: skip


def expected(kind_id: str) -> Tree:
    return ALONE[kind_id] if kind_id in ALONE else tree_of_frame(kind_id)


def test_there_are_many_kinds_each_with_several_wordings_and_all_are_written_down_by_hand() -> None:
    assert len(composed_kinds()) >= 400
    assert all(len(kind.wordings) >= 3 and kind.meaning for kind in composed_kinds().values())
    assert set(CONDITION) == set(CONDITIONS)
    left_over = set(composed_kinds()) - set(ALONE)
    assert {kind_id.partition("/")[0] for kind_id in left_over} == set(FRAME)
    assert not set(ALONE) - set(composed_kinds())


@pytest.mark.parametrize("kind_id", composed_kinds())
def test_each_wording_is_read_as_what_its_kind_asks_for(kind_id: str) -> None:
    tree = expected(kind_id)
    check(tree)
    for index in range(len(composed_kinds()[kind_id].wordings)):
        text = render(kind_id, index, NAMES, AMOUNTS)
        assert parse(text) == tree, text


@pytest.mark.parametrize("kind_id", composed_kinds())
def test_swapped_things_are_swapped_in_the_tree(kind_id: str) -> None:
    swapped = {"a": "bb", "b": "cc", "c": "dd", "d": "aa"}
    for index in range(3):
        tree = parse(render(kind_id, index, {**NAMES, **swapped}, AMOUNTS))
        assert tree == _renamed(expected(kind_id), {NAMES[key]: name for key, name in swapped.items()})


@pytest.mark.parametrize("kind_id", composed_kinds())
def test_hard_names_come_through_as_they_are(kind_id: str) -> None:
    rng = random.Random(kind_id)
    for index in range(len(composed_kinds()[kind_id].wordings)):
        names = dict(zip("abcdgh", rng.sample(HARD_NAMES, 6), strict=True))
        text = render(kind_id, index, names, AMOUNTS)
        assert parse(text) == _renamed(expected(kind_id), {NAMES[key]: plain_name(name) for key, name in names.items()}), text


def _renamed(tree: Tree, names: dict[str, str]) -> Tree:
    def renamed(value: object) -> object:
        if isinstance(value, dict):
            return {key: part if key in ("op", "as", "unit") else renamed(part) for key, part in value.items()}
        if isinstance(value, list):
            return [renamed(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    return tree_from_json(renamed(json.loads(json.dumps(tree_to_json(tree)))))


# -- every alternative of every form ----------------------------------------------------------------------------------

SAID = {
    "a": "the aa", "b": "the bb", "c": "the cc", "d": "the dd", "g": "red block", "gs": "red blocks", "h": "can", "hs": "cans",
    "n": "0.25 m", "m": "0.75 m", "k": "3", "a2": "the aa", "pair": "the aa and the bb", "list": "the aa, the bb and the cc",
    "orpair": "the aa or the bb", "orlist": "the aa, the bb or the cc",
}  # fmt: skip
MACROS = {"<best>": "the tallest red block", "<times>": "3 times", "<range>": "between 0.25 m and 0.75 m"}


def sentences(form: str) -> Iterator[str]:
    """All sentences of a form, not in the order of its alternatives, so that the first ones differ in all places."""
    found = re.search(r"\(([^()]*)\)", form)
    if found is None:
        yield form
        return
    options = [sentences(f"{form[: found.start()]}{option}{form[found.end() :]}") for option in found[1].split("|")]
    for row in itertools.zip_longest(*options):
        yield from (sentence for sentence in row if sentence is not None)


def forms() -> Iterator[tuple[str, str]]:
    for group in grammar._GROUPS:
        if group.id:
            yield from ((group.id, form) for form in group.forms)
    for frame in grammar._FRAMES:
        for keys in frame.kinds:
            yield from ((f"{frame.id}/{'+'.join(keys)}", with_conditions(form, keys)) for form in frame.forms)


def test_every_alternative_of_a_form_means_the_same() -> None:
    wrong, count = [], 0
    for kind_id, form in forms():
        tree = expected(kind_id)
        for macro, said in MACROS.items():
            form = form.replace(macro, said)
        for sentence in itertools.islice(sentences(form), 10):
            text = " ".join(sentence.format(**SAID).split())
            count += 1
            if parse(text) != tree:
                wrong.append(f"{kind_id}: {text}")
    assert not wrong and count > 8_000
