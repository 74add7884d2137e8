"""The sentences that answer a relation, with pointers and <num>: what a decoder learns to say, and what it is held to.

Never changes: they are the templates of ``language.answer_templates``; a sentence that is none of a relation's is not its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...language.answer_templates import AnswerTemplate, answer_templates
from ...scene.dimensions import DIMENSIONS
from ...scene.relations import RELATIONS, Kind
from .decoder_words import CLOSE, NO, NUMBER, OTHER_SIDE, POINTERS, SIDES, YES, Words

#: What a decoder is taught: SpatialVLM's 43 types (the registry begins with them), and some of ours about two things.
#: "between" was learnt too poorly (.86 right beyond 2 cm), as only one question in fifty was of three things.
ANSWERED = (*tuple(RELATIONS)[:43], "on", "touching", "path_width")


def verdict_word(relation: str, verdict: bool | None, order: Sequence[int]) -> str:
    """The first word of an answer; ``verdict`` as ``language.answer_templates`` takes it."""
    kind = RELATIONS[relation].kind
    if verdict is None:
        return CLOSE
    if kind is Kind.PREDICATE:
        return YES if verdict else NO
    if kind is Kind.CHOICE:
        return POINTERS[list(order).index(0 if verdict else 1)]
    if kind is Kind.CLASSIFY:
        pair = next(pair for pair, dimension in zip(SIDES, DIMENSIONS, strict=True) if "_or_".join(dimension.words) == relation)
        return pair[0 if verdict else 1]
    return OTHER_SIDE if relation.endswith("_difference") and not verdict else NUMBER


def answer_text(template: str, verdict: bool | None, order: Sequence[int]) -> str:
    """A template of an answer with pointers and <num>."""
    pointer = {key: POINTERS[list(order).index(at)] for at, key in enumerate("abc") if at in order}
    chosen, other = (0, 1) if verdict is not False else (1, 0)
    first, second = pointer["abc"[chosen]] if chosen in order else "", pointer["abc"[other]] if other in order else ""
    return template.format(it="it", value=NUMBER, amount="", chosen=first, other=second, **pointer)


def is_full(template: AnswerTemplate) -> bool:
    """Whether a template is a whole sentence about its things, and not a word or a number."""
    return len(template.text.split()) > 3 and any(key in template.text for key in ("{a}", "{chosen}", "too close"))


@cache
def sentences_of(
    relation: str, verdict: bool | None, order: tuple[int, ...], full: bool, vocabulary: tuple[str, ...]
) -> tuple[str, ...]:
    """All sentences of one style that answer so, as a decoder of a vocabulary spells them, the likeliest first."""
    words = Words(vocabulary)
    templates = sorted(answer_templates(relation, verdict), key=lambda template: -template.weight)
    chosen = [template for template in templates if is_full(template) == full] or templates
    return tuple(words.text_of(words.ids_of(answer_text(template.text, verdict, order))) for template in chosen)


@cache
def ids_of_each(sentences: tuple[str, ...], vocabulary: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Word numbers of sentences of ``sentences_of``."""
    words = Words(vocabulary)
    return tuple(tuple(words.ids_of(sentence)) for sentence in sentences)
