"""How the benchmarks take an option's letter from an answer in words. They differ, and the difference is worth points.

Each rule is written here anew after the code named with it; "" is no letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

LETTERS = "ABCDEFGHIJ"


def letters_of(count: int) -> tuple[str, ...]:
    """The letters of that many options."""
    return tuple(LETTERS[:count])


def options_text(options: Sequence[str]) -> str:
    """One line an option, "A. ..."."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def first_word(text: str) -> str:
    """VSI-Bench: all before the first space, without a dot at its end (vsibench/utils.py, ``fuzzy_matching``)."""
    return text.split(" ")[0].rstrip(".").strip()


def leading_letter(text: str) -> str:
    """EmbSpatial-Bench in lmms-eval: the first letter behind brackets and spaces, whatever follows it (embspatial/utils.py).

    So "The answer is B" gives T. That is the rule.
    """
    found = re.match(r"[(\s]*([A-Za-z])", text.strip())
    return found[1].upper() if found else ""


def answer_line(text: str) -> str:
    """OmniSpatial, evaluation type "re": the last "Answer: X" of A to D; "" where its code takes A (api_eval.py).

    A small letter is found and is never the truth's: "answer: b" is b, and wrong. That is the rule.
    """
    found = re.findall(r"answer\s*:\s*([A-D])\b", text, re.IGNORECASE)
    return str(found[-1]) if found else ""


# MindCube's patterns in their order, as far as they can differ once no "X." is in the text; of each the last match counts.
_MINDCUBE_TAGGED = (r"[Mm]y answer is ([A-E])", r"[Tt]he answer is ([A-E])", r"\b([A-E])\b")
_MINDCUBE = (
    r"(?:^|\n)(?:Answer: )?([A-E])(?:$|\s)",
    r"[*\"]([A-E])[*\"]",
    r"\bAnswer:?\s*([A-E])\b",
    r"[Mm]y answer is ([A-E])",
    r"answer is ([A-E])",
)


def mindcube_letter(text: str) -> str:
    """MindCube: the last letter with a dot; else of what <Answer> holds; else by phrases; else the last that stands alone.

    After ``extract_answer`` of mll-lab-nu/MindCube, src/evaluation/core/extractors.py.
    """
    if letter := _last(text, (r"([A-E])\.",)):
        return letter
    tagged = re.search(r"<Answer>(.*?)(?:<|$)", text, re.DOTALL)
    if tagged and (letter := _last(tagged[1], _MINDCUBE_TAGGED)):
        return letter
    if letter := _last(text, _MINDCUBE):
        return letter
    # The first one of the last line that has any.
    return next((found[1] for line in reversed(text.split("\n")) if (found := re.search(r"\b([A-E])\b", line))), "")


def _last(text: str, patterns: Iterable[str]) -> str:
    for pattern in patterns:
        found = re.findall(pattern, text)
        if found:
            return str(found[-1])
    return ""


_KINDS = (("answer", ("", "correct ", "best ")), ("option", ("correct ", "best ")), ("choice", ("", "correct ")))
_PHRASES = (
    *(f"{the}{kind}{noun} is" for noun, kinds in _KINDS for kind in kinds for the in ("", "the ")),
    *("my answer is", "my choice is", "i choose", "i select", "i pick"),
)


def ranked_letter(text: str, choices: Sequence[str]) -> str:
    """RealWorldQA in lmms-eval: the form that is trusted most decides, within a form the last letter.

    In order: at the start, at the end, behind "the answer is" and its like, (A), A., A:, A), a letter before a space, any. After
    ``extract_mcq_answer`` of lmms_eval/tasks/_task_utils/mcq_extract.py, its English phrases only. As there, only capital letters
    count, and behind a phrase the last of the letters' first places.
    """
    plain = text.strip()
    for mark in ",.!?;:'\"":
        plain = plain.strip(mark)
    padded = f" {plain} "
    forms: list[Callable[[str], int]] = [
        lambda letter: 0 if plain.strip()[:1] == letter and not plain.strip()[1:2].isalpha() else -1,
        lambda letter: len(padded) if plain.strip()[-1:] == letter and not plain.strip()[-2:-1].isalpha() else -1,
        lambda letter: max((padded.find(letter, end) for end in _phrase_ends(padded.lower())), default=-1),
        *(lambda letter, form=form: padded.rfind(form.format(letter)) for form in ("({})", "{}.", "{}:", "{})", "{} ", "{}")),
    ]
    for place in forms:
        at, letter = max(((place(letter), letter) for letter in choices), default=(-1, ""), key=lambda one: one[0])
        if at >= 0:
            return letter
    return ""


def _phrase_ends(lower: str) -> list[int]:
    """Where the first of each phrase ends."""
    return [at + len(phrase) for phrase in _PHRASES if (at := lower.find(phrase)) >= 0]
