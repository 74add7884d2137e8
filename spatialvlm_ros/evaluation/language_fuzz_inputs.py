"""What the fuzz feeds in: spoiled questions, spoiled trees, and strings that would do harm if anything ever ran them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")
# Run by nothing. "touch" and "open" would leave a trace that the audit sees.
CODE = (
    "__import__('os').system('touch fuzzed')", "exec('import os')", "eval(compile('1', 'f', 'eval'))", "open('fuzzed', 'w')",
    "$(touch fuzzed)", "`touch fuzzed`", "; rm -rf fuzzed", "{{7*7}}", "{a.__class__.__mro__}", "${jndi:ldap://localhost/a}",
    "lambda: 0", "'; DROP TABLE things; --", "<script>alert(1)</script>", "%s%n%x", "{0.__globals__}", "\\x41\\u0000",
    "../../etc", "cos\nsystem\n(S'touch fuzzed'\ntR.", "!!python/object/apply:os.system ['touch fuzzed']",
)  # fmt: skip
_NUMBERS = (
    "1e999", "-1", "0", "nan", "inf", "-0.0", "9" * 400, "1" * 5000, "0x41", "1e-320", "½", "٣", "12,5", "1.2.3", "1/0", "10**9",
    "1_000", "twelve hundred million", "III", "∞", "-1 m", "0 m", "1e30 m", "1/0 of a meter",
)  # fmt: skip
_ODD = (
    "\x00", "\u200b", "\u202e", "\ufeff", "\ud800", "\u0301", "é", "e\u0301\u0301\u0301", "\U0001f916", "ß", "İ", "ﬁ", "\u3000",
    "\r\n", "\t", "\\", '"', "'", "“", "”", "«", "{", "}", "(", ")", "[", "|", "#", "#-1", "#999999999999", "?", "!", "...", "$x",
)  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WORDS = _words(
    "the a and or not of from to between than is are which how far many left right behind nearest all every if then 1 m two cup "
    "can red block gripper object taller fit it them what count sum than within apart"
)
_REPEATED = (
    "the ",
    "and ",
    "cup and ",
    "of the ",
    "is the cup ",
    "(",
    '"',
    "not ",
    "or ",
    "a b c d e f g h ",
    "1 m ",
    "left of ",
    "?",
)


def spoiled_text(texts: Sequence[str], generator: np.random.Generator) -> str:
    """One string: mostly a real text with one to four things done to it, else something from nothing."""
    chance = generator.random()
    if chance < 0.06:
        return _random_unicode(generator)
    if chance < 0.12:
        return " ".join(_pick(_WORDS, generator) for _ in range(int(generator.integers(1, 125))))
    if chance < 0.16:
        return _pick(_REPEATED, generator) * int(generator.integers(1, 400))
    text = _pick(texts, generator)
    for _ in range(int(generator.integers(1, 5))):
        text = _pick(_SPOILING, generator)(text, texts, generator)
    return text


def _pick(items: Sequence[Item], generator: np.random.Generator) -> Item:
    return items[int(generator.integers(len(items)))]


def _random_unicode(generator: np.random.Generator) -> str:
    count = int(generator.integers(0, 200))
    ranges = ((0, 0x80), (0x80, 0x2000), (0x2000, 0xD800), (0xD800, 0xE000), (0xE000, 0x110000))
    low, high = _pick(ranges, generator)
    return "".join(chr(int(code)) for code in generator.integers(low, high, size=count))


Spoil = Callable[[str, Sequence[str], np.random.Generator], str]


def _inserted(parts: Sequence[str]) -> Spoil:
    def spoil(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
        at = int(generator.integers(len(text) + 1))
        return f"{text[:at]}{_pick(parts, generator)}{text[at:]}"

    return spoil


def _word_replaced(parts: Sequence[str]) -> Spoil:
    def spoil(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
        words = text.split(" ")
        words[int(generator.integers(len(words)))] = _pick(parts, generator)
        return " ".join(words)

    return spoil


def _cut(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    ends = sorted(int(at) for at in generator.integers(len(text) + 1, size=2))
    return text[: ends[0]] if generator.random() < 0.5 else text[ends[0] : ends[1]]


def _words_moved(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    words = text.split(" ")
    i, j = (int(at) for at in generator.integers(len(words), size=2))
    chance = generator.random()
    if chance < 0.34:
        words[i], words[j] = words[j], words[i]
    elif chance < 0.67:
        words.insert(i, words[j])
    else:
        del words[i]
    return " ".join(words)


def _crossed(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    other = _pick(texts, generator)
    words, others = text.split(" "), other.split(" ")
    return " ".join([*words[: int(generator.integers(len(words) + 1))], *others[int(generator.integers(len(others))) :]])


def _joined(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    return f"{text}{_pick((' and ', ' or ', ' not ', ', ', '? ', ' than ', ' of '), generator)}{_pick(texts, generator)}"


def _letter(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    if not text:
        return text
    at = int(generator.integers(len(text)))
    return f"{text[:at]}{chr(int(generator.integers(32, 127)))}{text[at + 1 :]}"


def _cased(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    return text.upper() if generator.random() < 0.5 else text.title()


def _grown(text: str, texts: Sequence[str], generator: np.random.Generator) -> str:
    return " ".join([text] * int(generator.integers(2, 12)))


_SPOILING: tuple[Spoil, ...] = (
    _inserted(_ODD), _inserted(_NUMBERS), _inserted(CODE), _word_replaced(_WORDS), _word_replaced(_NUMBERS), _word_replaced(CODE),
    _cut, _words_moved, _words_moved, _crossed, _joined, _letter, _cased, _grown,
)  # fmt: skip


# -- trees --------------------------------------------------------------------------------------------------------------


_LEAVES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**400, -(10**30), "", " ", "$", "$x", "$y", "cup", "gripper",
    "object", "#1", "x" * 3000, [], {}, [[]], [None], {"value": 1, "unit": "m"}, {"value": "1", "unit": "m"},
    {"value": 1, "unit": "parsec"}, {"value": 1e308, "unit": "km^3"}, {"value": 0, "unit": "deg"}, {"all": "object"},
    {"things": ["cup", "cup"]}, {"things": []}, {"things": "cup"}, {"op": 3}, {"op": "", "args": []}, {"op": "distance"},
    {"op": "distance", "args": "cup"}, *CODE[:8],
)  # fmt: skip
_OPS = (
    "distance", "gap", "height", "left", "which_tall", "left_or_right", "reachable", "count", "nearest", "add", "sub", "mul",
    "ratio", "sqrt", "near", "lt", "eq", "and", "or", "not", "same", "if", "argmin", "argmax", "sum", "mean", "all", "any",
    "__class__", "eval", "DISTANCE", "between", "direction", "min",
)  # fmt: skip
_KEYS = (
    "op",
    "args",
    "amount",
    "view",
    "over",
    "as",
    "of",
    "rank",
    "value",
    "unit",
    "all",
    "things",
    "where",
    "__class__",
    "",
    "Op",
)


def spoiled_tree(trees: Sequence[Any], generator: np.random.Generator, *, shared: bool = True) -> Any:
    """One JSON value: mostly a real tree with one to four of its parts changed, else something from nothing.

    ``shared`` allows one part to stand in many places, which is too large to be written out.
    """
    chance = generator.random()
    if chance < 0.04:
        return _nested(generator, shared)
    if chance < 0.12:
        return _random_node(generator, int(generator.integers(1, 6)))
    value = json.loads(json.dumps(_pick(trees, generator)))
    for _ in range(int(generator.integers(1, 5))):
        value = _changed(value, trees, generator)
    return value


def spoiled_json(trees: Sequence[Any], generator: np.random.Generator) -> str:
    """A model's text with a spoiled tree in it, the text spoiled as well half of the time."""
    try:
        text = json.dumps(spoiled_tree(trees, generator, shared=False))
    except RecursionError:
        text = '{"op": "not", "args": [' * 3000
    text = _pick(("{}", "```json\n{}\n```", "Sure! {} I hope", "<think>{{</think>{}", "{}\n{}"), generator).replace("{}", text)
    if generator.random() < 0.5:
        return text
    spoil: Spoil = _pick((_cut, _letter, _inserted(_ODD), _inserted(_NUMBERS), _inserted(CODE)), generator)
    return spoil(text, (text,), generator)


def _nested(generator: np.random.Generator, shared: bool) -> Any:
    """A tree that is far too deep, or far too wide."""
    count = int(generator.integers(20, 900))
    value: Any = {"op": "left", "args": ["cup", "can"]}
    if generator.random() < 0.3:
        return {"op": "or", "args": [value] * count}
    for level in range(count):
        step = level % 3
        if step == 0:
            value = {"op": "not", "args": [value]}
        elif step == 1:
            value = {"op": "any", "over": {"all": "object"}, "as": f"x{level}", "of": value}
        else:
            value = {"op": "if", "args": [value, value, value] if shared else [value, "cup", "can"]}
    return value


def _random_node(generator: np.random.Generator, depth: int) -> Any:
    if depth == 0 or generator.random() < 0.25:
        return _pick(_LEAVES, generator)
    chance = generator.random()
    args = [_random_node(generator, depth - 1) for _ in range(int(generator.integers(0, 4)))]
    if chance < 0.6:
        return {"op": _pick(_OPS, generator), "args": args}
    if chance < 0.9:
        over = _pick(({"all": "object"}, {"all": "cup", "as": "y", "where": _random_node(generator, depth - 1)}), generator)
        return {"op": _pick(_OPS, generator), "over": over, "as": "x", "of": _random_node(generator, depth - 1)}
    return {_pick(_KEYS, generator): _random_node(generator, depth - 1) for _ in range(3)}


def _changed(value: Any, trees: Sequence[Any], generator: np.random.Generator) -> Any:
    """The value with one part of it, somewhere, replaced, renamed, dropped or doubled."""
    if isinstance(value, dict) and value and generator.random() < 0.8:
        key = _pick(list(value), generator)
        chance = generator.random()
        if chance < 0.7:
            return {**value, key: _changed(value[key], trees, generator)}
        if chance < 0.8:
            return {other: part for other, part in value.items() if other != key}
        if chance < 0.9:
            return {**value, _pick(_KEYS, generator): _pick(_LEAVES, generator)}
        return {_pick(_KEYS, generator) if other == key else other: part for other, part in value.items()}
    if isinstance(value, list) and value and generator.random() < 0.8:
        at = int(generator.integers(len(value)))
        chance = generator.random()
        if chance < 0.7:
            return [*value[:at], _changed(value[at], trees, generator), *value[at + 1 :]]
        return [*value[:at], *value[at + 1 :]] if chance < 0.85 else [*value, value[at]]
    chance = generator.random()
    if isinstance(value, str) and chance < 0.4:
        return _pick(_OPS, generator) if chance < 0.2 else spoiled_text((value,), generator)
    return _pick(_LEAVES, generator) if chance < 0.75 else _pick(trees, generator)
