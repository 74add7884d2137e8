"""The truth of questions made of conditions: of a thing, of several, of a kind; with "and", "or", "not", "if"; and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .language_truth import Range, World, exactly
from .language_truth_answers import (
    NO_ANSWER,
    NUMBER,
    Expected,
    all_of,
    any_of,
    counted,
    equal,
    margins,
    more,
    number_with,
    truth,
)
from .language_truth_conditions import CONDITIONS, Asked, Test, bound, every, negated, some

Answer = Callable[[World, Asked], Expected]
EVERYTHING = "object"


@dataclass(frozen=True)
class Frame:
    """``letters`` of things that it has beside those of its conditions; ``answer`` takes its conditions' tests, in order."""

    letters: str
    answer: Callable[[World, Asked, Sequence[Test]], Expected]


def frame_of(frame_id: str, keys: tuple[str, ...]) -> Answer | None:
    """The right answer to a frame with these conditions, None for an unknown frame."""
    frame = FRAMES.get(frame_id)
    if frame is None:
        return None
    tests = [bound(key, letters) for key, letters in zip(keys, condition_letters(frame_id, keys), strict=True)]
    return lambda world, asked: frame.answer(world, asked, tests)


def condition_letters(frame_id: str, keys: tuple[str, ...]) -> list[Mapping[str, str]]:
    """For each condition, the letter in the wording of each of its partners: the first ones that are free, never "a"."""
    used = {*FRAMES[frame_id].letters, "a"}
    found: list[Mapping[str, str]] = []
    for key in keys:
        letters: dict[str, str] = {}
        for role in CONDITIONS[key].partners:
            letters[role] = next(letter for letter in "abcdefg" if letter not in used)
            used.add(letters[role])
        found.append(letters)
    return found


# -- of things by name --------------------------------------------------------------------------------------------------


def _of_one(join: Callable[[list[Test]], Test]) -> Callable[[World, Asked, Sequence[Test]], Expected]:
    """Something true or false of A."""

    def answer(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
        margin = join(list(tests))(world, asked["a"], asked)
        return NO_ANSWER if margin is None else truth(margin)

    return answer


def _but_not(tests: list[Test]) -> Test:
    return every([tests[0], negated(tests[1])])


def _named(letters: str, judge: Callable[[list[Range]], Expected]) -> Frame:
    """Of several things by name: a judgement on the margins of all of them."""
    return Frame(
        letters, lambda world, asked, tests: judge(margins(world, [asked[letter] for letter in letters], tests[0], asked))
    )


def _if_distance(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
    from_a, from_b = (world.of("distance", asked["c"], asked[letter]) for letter in "ab")
    return _either(world, asked, tests, from_a, from_b)


def _if_height(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
    return _either(world, asked, tests, world.of("height", asked["a"]), world.of("height", asked["b"]))


def _either(world: World, asked: Asked, tests: Sequence[Test], first: Range, second: Range) -> Expected:
    condition = tests[0](world, asked["a"], asked)
    if condition is None:
        return NO_ANSWER
    return Expected(NUMBER, first if condition.holds else second, margin=condition.margin)


# -- of all of a kind ---------------------------------------------------------------------------------------------------


def _over(judge: Callable[[list[Range]], Expected], join: Callable[[list[Test]], Test], kind: str = "g") -> Frame:
    """A judgement on the margins of all things of a kind."""
    return Frame("", lambda world, asked, tests: judge(margins(world, asked.kinds[kind], join(list(tests)), asked)))


def _the_one(tests: list[Test]) -> Test:
    return tests[0]


def _not_the_one(tests: list[Test]) -> Test:
    return negated(tests[0])


def _all_counted(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
    members = asked.kinds["g"]
    return all_of(margins(world, members, tests[0], asked)) if len(members) == round(asked.number) else NO_ANSWER


def _share(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
    members = asked.kinds["g"]
    found = counted(number_with(margins(world, members, tests[0], asked)))
    return Expected(NUMBER, found.range.times(1 / len(members)), margin=found.margin) if members else NO_ANSWER


def _against_k(judge: Callable[[Range, Range], Range]) -> Frame:
    """The number of things with P against the number that is said."""

    def answer(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
        count = number_with(margins(world, asked.kinds["g"], tests[0], asked))
        return truth(judge(count, exactly(asked.number)))

    return Frame("", answer)


def _more_of(world: World, asked: Asked, tests: Sequence[Test]) -> Expected:
    first, second = (number_with(margins(world, asked.kinds[kind], tests[0], asked)) for kind in "gh")
    return truth(more(first, second))


def _not_all(found: list[Range]) -> Expected:
    judged = all_of(found)
    return judged if judged.what != "truth" else truth(-judged.range)


FRAMES: dict[str, Frame] = {
    "is": Frame("a", _of_one(_the_one)),
    "not": Frame("a", _of_one(_not_the_one)),
    "and": Frame("a", _of_one(every)),
    "and_three": Frame("a", _of_one(every)),
    "or": Frame("a", _of_one(some)),
    "but_not": Frame("a", _of_one(_but_not)),
    "neither": Frame("a", _of_one(lambda tests: negated(some(tests)))),
    "both_things": _named("ab", all_of),
    "either_thing": _named("ab", lambda found: truth(any_of(found))),
    "neither_thing": _named("ab", lambda found: truth(-any_of(found))),
    "each_of": _named("abc", all_of),
    "any_of": _named("abc", lambda found: truth(any_of(found))),
    "none_of": _named("abc", lambda found: truth(-any_of(found))),
    "one_of": _named("abc", lambda found: truth(equal(number_with(found), exactly(1.0)))),
    "count_of": _named("abc", lambda found: counted(number_with(found))),
    "if_distance": Frame("abc", _if_distance),
    "if_height": Frame("ab", _if_height),
    "count": _over(lambda found: counted(number_with(found)), _the_one),
    "count_not": _over(lambda found: counted(number_with(found)), _not_the_one),
    "count_and": _over(lambda found: counted(number_with(found)), every),
    "count_or": _over(lambda found: counted(number_with(found)), some),
    "count_but_not": _over(lambda found: counted(number_with(found)), _but_not),
    "any": _over(lambda found: truth(any_of(found)), _the_one),
    "any_not": _over(lambda found: truth(any_of(found)), _not_the_one),
    "any_and": _over(lambda found: truth(any_of(found)), every),
    "none": _over(lambda found: truth(-any_of(found)), _the_one),
    "all": _over(all_of, _the_one),
    "not_all": _over(_not_all, _the_one),
    "anything": _over(lambda found: truth(any_of(found)), _the_one, EVERYTHING),
    "nothing": _over(lambda found: truth(-any_of(found)), _the_one, EVERYTHING),
    "everything": _over(all_of, _the_one, EVERYTHING),
    "all_counted": Frame("", _all_counted),
    "share": Frame("", _share),
    "exactly_one": _over(lambda found: truth(equal(number_with(found), exactly(1.0))), _the_one),
    "more_than_one": _over(lambda found: truth(more(number_with(found), exactly(1.0))), _the_one),
    "more_of": Frame("", _more_of),
    "more_than": _against_k(more),
    "fewer_than": _against_k(lambda count, k: more(k, count)),
    "at_least": _against_k(lambda count, k: -more(k, count)),
    "at_most": _against_k(lambda count, k: -more(count, k)),
    "exactly": _against_k(equal),
}
