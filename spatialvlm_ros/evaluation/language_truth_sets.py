"""The right answers to questions about which of several things is the one, and to sums, means and counts over several."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .language_truth import Range, World, exactly, total
from .language_truth_answers import (
    NO_ANSWER,
    SUPERLATIVES,
    TRUTH,
    Expected,
    backwards,
    best,
    counted,
    equal,
    folded,
    is_one,
    more,
    number_with,
    others,
    pair_distances,
    reaching,
    superlative,
    truth,
    values,
)
from .language_truth_conditions import Asked, limit

Quantity = Callable[[World, Asked], Range]
Answer = Callable[[World, Asked], Expected]
SETS: dict[str, Answer] = {}

# -- nearest and farthest -----------------------------------------------------------------------------------------------


def named(asked: Asked, letters: str) -> list[int]:
    return [asked[letter] for letter in letters]


def _three(asked: Asked) -> tuple[int, ...]:
    """The things of kind G, where there are as many as the question says."""
    members = asked.kinds["g"]
    return members if len(members) == round(asked.number) else ()


def _reaching(word: str, members: Callable[[Asked], list[int]], other: str) -> Answer:
    return lambda world, asked: reaching(world, word, members(asked), asked[other])


def of_kind(asked: Asked) -> list[int]:
    return list(asked.kinds["g"])


def _is_reaching(word: str, world: World, asked: Asked) -> Expected:
    return is_one(asked["a"], reaching(world, word, of_kind(asked), asked["b"]))


def _also_reaching(word: str, world: World, asked: Asked) -> Expected:
    tallest = superlative(world, "tallest", of_kind(asked))
    found = reaching(world, word, of_kind(asked), asked["b"])
    return _both_one(tallest, found)


def _both_one(first: Expected, second: Expected) -> Expected:
    """Whether two answers are one thing."""
    if first.what != "things" or second.what != "things":
        return NO_ANSWER
    margin = min(first.margin, second.margin)
    return Expected(TRUTH, exactly(1.0 if first.things == second.things else -1.0), margin=margin)


def _to_any(how: str, world: World, asked: Asked) -> Expected:
    """How far A is from the things of kind G: sum, mean, greatest or least."""
    return folded(how, [world.of("distance", thing, asked["a"]) for thing in others(of_kind(asked), asked["a"])])


for _word in ("nearest", "farthest"):
    SETS[f"{_word}_of_named"] = _reaching(_word, partial(named, letters="abc"), "d")
    SETS[f"{_word}_of_two"] = _reaching(_word, partial(named, letters="ab"), "d")
    SETS[f"{_word}_of_counted"] = _reaching(_word, lambda asked: list(_three(asked)), "a")
    SETS[f"is_{_word}"] = partial(_is_reaching, _word)
    SETS[f"also_{_word}"] = partial(_also_reaching, _word)
SETS["farthest_of_all"] = _reaching("farthest", of_kind, "a")
SETS.update(
    nearest_distance=partial(_to_any, "min"),
    farthest_distance=partial(_to_any, "max"),
    mean_distance=partial(_to_any, "mean"),
    total_distance=partial(_to_any, "total"),
)


def _pair(way: str, members: Callable[[Asked], list[int]], world: World, asked: Asked) -> Expected:
    found = pair_distances(world, members(asked))
    return best(found if way == "farthest" else backwards(found))


def _pair_distance(way: str, members: Callable[[Asked], list[int]], world: World, asked: Asked) -> Expected:
    return folded("max" if way == "farthest" else "min", [value for _, value in pair_distances(world, members(asked))])


abc = partial(named, letters="abc")
for _word, _side in (("closest", "shortest"), ("farthest", "longest")):
    SETS[f"{_word}_pair"] = partial(_pair, _word, of_kind)
    SETS[f"{_word}_pair_of_named"] = SETS[f"{_side}_side"] = partial(_pair, _word, abc)
    SETS[f"{_word}_pair_distance"] = partial(_pair_distance, _word, of_kind)
    SETS[f"{_side}_side_length"] = partial(_pair_distance, _word, abc)

# -- superlatives -------------------------------------------------------------------------------------------------------


def _enter_superlative(word: str) -> None:
    def of_all(world: World, asked: Asked) -> Expected:
        return superlative(world, word, of_kind(asked))

    def of_three(world: World, asked: Asked) -> Expected:
        return superlative(world, word, abc(asked))

    SETS[f"superlative/{word}"] = of_all
    SETS[f"superlative_named/{word}"] = of_three
    SETS[f"is_superlative/{word}"] = lambda world, asked: is_one(asked["a"], of_all(world, asked))
    SETS[f"is_superlative_named/{word}"] = lambda world, asked: is_one(asked["d"], of_three(world, asked))
    SETS[f"is_superlative_of_everything/{word}"] = lambda world, asked: is_one(
        asked["a"], superlative(world, word, asked.kinds["object"])
    )
    SETS[f"also_superlative/{word}"] = lambda world, asked: _both_one(
        superlative(world, "tallest", of_kind(asked)), of_all(world, asked)
    )


for _word in SUPERLATIVES:
    _enter_superlative(_word)
SETS["second"] = lambda world, asked: superlative(world, "tallest", of_kind(asked), rank=2)

# -- sums and means -----------------------------------------------------------------------------------------------------


def _folded(how: str, measure: str, members: Callable[[Asked], list[int]], world: World, asked: Asked) -> Expected:
    return folded(how, values(world, members(asked), lambda world, thing: world.of(measure, thing)))


for _name in ("height", "width"):
    for _how in ("total", "mean", "max", "min"):
        SETS[f"{_how}_{_name}"] = partial(_folded, _how, _name, abc)
        SETS[f"{_how}_{_name}_of_all"] = partial(_folded, _how, _name, of_kind)
SETS["total_side_by_side"] = SETS["total_width"]


def _stack(members: Callable[[Asked], list[int]], over: Quantity, world: World, asked: Asked) -> Expected:
    """Whether a stack is taller than something."""
    heights = values(world, members(asked), lambda world, thing: world.of("height", thing))
    return truth(total(heights) - over(world, asked)) if heights else NO_ANSWER


for _end, _members in (("", abc), ("_of_all", of_kind)):
    SETS[f"stack_height{_end}"] = SETS[f"total_height{_end}"]
    SETS[f"stack_taller{_end}"] = partial(_stack, _members, lambda world, asked: limit(asked))
    SETS[f"stack_taller_than_thing{_end}"] = partial(_stack, _members, lambda world, asked: world.of("height", asked["d"]))

# -- counts -------------------------------------------------------------------------------------------------------------


def _size(letter: str) -> Quantity:
    return lambda world, asked: exactly(len(asked.kinds[letter]))


def _k(world: World, asked: Asked) -> Range:
    return exactly(asked.number)


_g, _h = _size("g"), _size("h")
SETS.update(
    {
        "more_things": lambda world, asked: truth(more(_g(world, asked), _h(world, asked))),
        "fewer_things": lambda world, asked: truth(more(_h(world, asked), _g(world, asked))),
        "as_many": lambda world, asked: truth(equal(_g(world, asked), _h(world, asked))),
        "how_many_more": lambda world, asked: counted(_g(world, asked) - _h(world, asked)),
        "how_many_together": lambda world, asked: counted(_g(world, asked) + _h(world, asked)),
        "number/more_than": lambda world, asked: truth(more(_g(world, asked), _k(world, asked))),
        "number/fewer_than": lambda world, asked: truth(more(_k(world, asked), _g(world, asked))),
        "number/at_least": lambda world, asked: truth(-more(_k(world, asked), _g(world, asked))),
        "number/at_most": lambda world, asked: truth(-more(_g(world, asked), _k(world, asked))),
        "number/exactly": lambda world, asked: truth(equal(_g(world, asked), _k(world, asked))),
    }
)


def _fitting(relation: str, partners: str, world: World, asked: Asked) -> Expected:
    to = named(asked, partners)
    return counted(number_with([world.of(relation, thing, *to) for thing in others(of_kind(asked), *to)]))


SETS["count_fit_into"] = partial(_fitting, "fits_into", "a")
SETS["count_fit_between"] = partial(_fitting, "fits_through", "ab")
