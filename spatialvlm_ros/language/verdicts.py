"""Yes, no, unsure and refusals in an answer, and which of two things or sides it chooses.

Whether "The mug is behind the can." means yes depends on the question, so a sentence that only repeats a question is no verdict.
Never changes: where a text says yes and no, both names or both sides, nothing is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .answer_text import after_mark, plain_words, unfold_tags
from .measures import LINE_END
from .number_words import plain_text

_END = rf"(?=\s*(?:$|[.,;:!?)\"—–{LINE_END}-])|'(?!\w))"
_START = rf"(?:^|(?<=[.;:!?(\"'—–{LINE_END}] )|(?<=[(\"']))"
_WHO = r"(?:it|they|the|this|that|these|there|he|she|i|you|its|because|since|a|an)"

_YES_RE = re.compile(
    rf"\byes\b|\byeah\b|\byep\b|\byup\b|{_START}(?:correct|true|affirmative|exactly){_END}"
    rf"|\b(?:that|this|it|which|statement)(?:'s| is) (?:correct|true|right)\b|\bi (?:think|believe|guess|suppose) so\b|"
    rf"\bindeed\b(?! (?:[\w']+ )?(?:not|no)\b)"
    rf"|\b(?:answer|verdict|it|result) (?:is|would be|:)? ?(?:true|correct){_END}|{_START}(?:it|they|he|she|this) (?:is|does|"
    rf"are|do|can|will|would){_END}"
)
_NO_RE = re.compile(
    rf"{_START}(?:no|nope|nah|negative)(?:{_END}| (?={_WHO}\b)|$)|\bnope\b"
    rf"|\b(?:is|say|says|be|answer|so|therefore|thus|hence|and|or|then|but|yes|actually|probably|likely|think|,) ,? ?no{_END}"
    rf"|{_START}(?:false|incorrect|wrong){_END}|\b(?:that|this|it|which|statement)(?:'s| is) (?:incorrect|false|wrong|untrue|"
    rf"not (?:correct|true|right|so))\b|\b(?:that|this|it|statement) isn't (?:correct|true|right|so)\b"
    rf"|\b(?:answer|verdict|result) (?:is|would be|:) ?(?:false|incorrect){_END}"
    rf"|{_START}(?:(?:most )?(?:probably|likely|certainly|definitely|absolutely|surely|of course|clearly) not|not (?:really|"
    rf"at all|quite|exactly)|no way|not (?:correct|true|right|so)){_END}"
    rf"|\bi (?:don't|do not) (?:think|believe) so\b|\bi (?:think|believe|guess|suppose|'m afraid) not\b"
    rf"|{_START}(?:it|they|he|she|this) (?:isn't|is not|doesn't|does not|aren't|are not|don't|do not|can't|cannot|won't|"
    rf"wouldn't){_END}"
)
# Words of agreement that models also begin any answer with.
_POLITE_YES_RE = re.compile(
    rf"^(?:absolutely|definitely|certainly|sure|of course|surely|yes|(?:most )?(?:probably|likely)|"
    rf"very likely|ok|okay){_END}"
)
_DENIED_YES_RE = re.compile(r"(?:\bnot\b|n't\b|\bcannot\b|\bnever\b)(?: [\w']+){0,3} yes\b")
_BOTH_RE = re.compile(
    r"\b(?:could|may|might|can|would not|perhaps|maybe|possibly)(?: be| well be)?(?: an?)? (?:yes|"
    r"no)\b(?=$| ?[.,;!])|\byes and no\b|\byes or no\b|\byes/no\b|\byes / no\b|\b(?:maybe|perhaps) (?:yes|"
    r"no)\b.{0,60}\b(?:maybe|perhaps) (?:yes|no)\b"
)

# What is said when two things differ too little outweighs a number; what is said before a guess does not.
_CLOSE_RE = re.compile(
    r"\btoo (?:close|small|similar|alike) to (?:call|tell|say|judge|see|notice)\b|\bcould be either\b"
    r"|\bneither\b|\babout (?:the )?(?:same|equal)\b|\b(?:roughly|approximately|nearly|"
    r"almost|practically|virtually|more or less|"
    r"basically|pretty much|essentially) (?:the )?(?:same|equal|identical|equally)\b|\bthe same\b|"
    r"\bequal(?:ly)?\b(?! to\b)(?=.{0,60}\b(?:tall|wide|big|size|height|width|far|high|large|in)\b)"
    r"|\bindistinguishable\b|\ba tie\b|\bno (?:clear|noticeable|significant|visible) difference\b|\bboth are equal"
)
_HESITANT_RE = re.compile(
    r"\b(?:hard|difficult|tough|tricky|not easy) to (?:say|tell|judge|determine|know|see|estimate|gauge|call|be)\b|"
    r"\bnot (?:\w+ )?(?:sure|certain)\b|\bunsure\b|\buncertain\b"
    rf"|\bunclear\b|\bnot (?:\w+ )?clear\b|\bambiguous\b|\b(?:can't|cannot|can not|couldn't) be (?:\w+ )?(?:sure|certain)\b|"
    rf"{_START}(?:maybe|perhaps|possibly)\b|\bit depends\b"
    r"|\bdifficult to give\b|\bhard to give\b|\binconclusive\b|\bundecided\b|\b(?:could|might|may) (?:or (?:might|may|"
    r"could) not|go either way)\b|\b50/50\b|\btoss-up\b|\bborderline\b"
)
_CAN = (
    r"(?:determine|measure|estimate|tell|say|answer|help|provide|give|judge|see|assess|calculate|compute|infer|identify|know|"
    r"perceive|view|access|"
    r"count|make out|verify|confirm|assist|do that|do this|discern|find|locate|detect|comply|ascertain|quantify|analy[sz]e|"
    r"process|be (?:determined|measured|"
    r"estimated|inferred|calculated|given|answered|told|known|assessed|seen|established|ascertained|derived|provided|"
    r"quantified|computed|said))"
)
_REFUSED_RE = re.compile(
    rf"\b(?:can't|cannot|can not|couldn't|could not|unable to|not able to|impossible to|not possible to|not capable of|won't|"
    rf"no way to|no means to|am unable to)"
    rf" (?:\w+ ){{0,2}}?{_CAN}\b|\bas an ai\b|\bas a (?:large )?(?:language|vision|text)\b"
    r"|\b(?:don't|do not|doesn't|does not) (?:\w+ )?(?:know|see|show|have (?:\w+ )?(?:enough|access|the ability|information|"
    r"depth|sufficient|any)|contain|include|provide|depict|appear to be)\b"
    r"|\b(?:not enough|insufficient|lack of|no depth|no scale|no reference) ?(?:information|data|context|detail|depth|scale|"
    r"object|is available)?\b|\bno idea\b"
    r"|\bno \w+ (?:\w+ )?(?:is |are )?(?:visible|present|shown|available|in (?:the|this) (?:image|picture|photo|scene))\b|"
    r"\bnot (?:visible|present|shown|available|applicable|in (?:the|this) (?:image|picture))\b"
    rf"|{_START}(?:n/a|n / a|unknown|none available|not available|cannot|indeterminate|undetermined|undefined|"
    rf"not given){_END}|\b(?:unable|refuse) to\b|\bisn't (?:visible|possible|enough|shown)\b"
    r"|\bno (?:\w+ ){1,3}(?:can|could|may) be (?:\w+ )?(?:given|determined|measured|estimated|told|said|made|derived|"
    r"inferred|provided|computed)\b"
    r"|\bis (?:unknown|undetermined|indeterminable)\b|\bnobody (?:knows|can)\b|\bimpossible to\b|\bi must decline\b"
)
# Behind these a guess follows a refusal after all.
_GUESS_RE = re.compile(
    r"\b(?:but|however|although|though|nevertheless|nonetheless|still|that said|best (?:guess|estimate)|rough (?:guess|"
    r"estimate)|if i had to|if i must|i(?:'d| would) (?:guess|say|estimate)|my guess|"
    r"approximate|educated guess|estimate (?:is|would be)|assume it|appears to be|seems to be|looks (?:like|to be))\b"
)
EXACTNESS_RE = re.compile(r"\b(?:exact|exactly|precise|precisely|accurate|accurately|certain|certainty|more accurate)\b")


def say_yes(text: str) -> bool:
    return _YES_RE.search(_DENIED_YES_RE.sub(" ", text)) is not None


def say_no(text: str) -> bool:
    return _NO_RE.search(text) is not None


def polite_yes(text: str) -> bool:
    """Whether it begins with what means yes only where nothing is measured: "Sure", "Of course"."""
    return _POLITE_YES_RE.match(text) is not None


def says_both(text: str) -> bool:
    return _BOTH_RE.search(text) is not None


def is_too_close(text: str) -> bool:
    return _CLOSE_RE.search(text) is not None


def is_hesitant(text: str) -> bool:
    return _HESITANT_RE.search(text) is not None


def refusal(text: str) -> tuple[int, int] | None:
    """Where a refusal stands in a plain text in lower case."""
    match = _REFUSED_RE.search(text)
    return None if match is None else match.span()


def guess_after(text: str, start: int) -> int | None:
    """Where, behind a refusal, a guess is announced."""
    match = _GUESS_RE.search(text, start)
    return None if match is None else match.end()


# -- choices and sides ------------------------------------------------------------------------------------------------

_NOT_ONE_RE = re.compile(r"\bboth\b|\beither\b|\bequal(?:ly)?\b|\bsame\b|\bidentical\b|\bnone\b|\bcan't tell\b|\bcannot tell\b")
_DENIAL_RE = re.compile(
    r"\b(?:not|isn't|aren't|never|rather than|instead of|neither|nor|than|unlike|compared (?:to|with)|"
    r"as opposed to|over)(?: (?:the|a|an|on|to|is|at))*\s*$"
)
_ANY_DENIAL_RE = re.compile(r"\bnot\b|n't\b|\bnever\b|\bnor\b|\bcannot\b")
_ARTICLE_RE = re.compile(r"^(?:the|a|an)\s+")
_ORDINALS = (r"(?:the )?(?:first|former)(?: one| object| thing)?", r"(?:the )?(?:second|latter)(?: one| object| thing)?")
_SIDE_WORDS = (
    {"left", "leftmost", "leftward"}, {"right", "rightmost", "rightward"},
    {"above", "higher", "over", "atop"}, {"below", "lower", "under", "beneath", "underneath"},
    {"behind"}, {"front", "in front"},
    {"tall", "taller", "tallest"}, {"short", "shorter", "shortest"},
    {"wide", "wider", "widest", "broader"}, {"thin", "thinner", "narrow", "narrower", "thinnest"},
    {"big", "bigger", "larger", "large", "biggest", "largest"}, {"small", "smaller", "smallest", "little", "littler"},
)  # fmt: skip


def _verdict_text(text: str) -> str | None:
    """The plain text of an answer in lower case; behind its mark of a final answer, if it has one. None for several answers."""
    parts = unfold_tags(text)
    if len(parts) != 1:
        return None
    plain = plain_text(plain_words(parts[0]))[0].lower()
    return " ".join((after_mark(plain) or plain).split())


def _unsure(text: str) -> bool:
    return is_too_close(text) or is_hesitant(text) or refusal(text) is not None or _NOT_ONE_RE.search(text) is not None


def parse_choice(text: str, names: Sequence[str], *, asked: str | None = None) -> int | None:
    """Which of the names an answer chooses, as an index; None for both, neither, "the same", doubt, or what nobody can tell.

    Two names in one answer are told apart by "not", "rather than" and the like. "The mug is taller than the can" chooses only
    where ``asked`` says which word was asked for ("taller"), because the shorter one may have been.

    Raises:
        ValueError: fewer than two names, or names that are empty or equal.
    """
    plain = [_ARTICLE_RE.sub("", " ".join(name.lower().split())) for name in names]
    if len(plain) < 2 or not all(plain) or len(set(plain)) < len(plain):
        raise ValueError(f"two or more different names are needed, got {list(names)}")
    said = _verdict_text(text)
    if said is None or not said or _unsure(said):
        return None
    bare = said.strip(" .!?,;:\"'()")
    if len(plain) == 2:
        for index, ordinal in enumerate(_ORDINALS):
            if re.fullmatch(ordinal, bare):
                return index
    spans = _name_spans(said, plain)
    if not spans:
        return _by_own_word(bare, plain)
    if asked is not None and (chosen := _by_comparison(said, spans, asked.lower())) is not None:
        return chosen
    kept = {index for start, _, index in spans if not _DENIAL_RE.search(said[max(0, start - 60) : start])}
    if len({index for *_, index in spans}) > 1 and re.search(r"(?<!rather )\bthan\b|\bcompared\b", said):
        return None
    if len(kept) != 1 or (len(spans) == 1 and _ANY_DENIAL_RE.search(said)):
        return None
    return kept.pop()


def _name_spans(said: str, names: Sequence[str]) -> list[tuple[int, int, int]]:
    """(start, end, index) of the names, the longer ones first taken, in the order of the text."""
    spans: list[tuple[int, int, int]] = []
    for index in sorted(range(len(names)), key=lambda at: -len(names[at])):
        for match in re.finditer(rf"(?<![\w-]){re.escape(names[index])}(?![\w-])", said):
            if all(match.end() <= start or match.start() >= end for start, end, _ in spans):
                spans.append((match.start(), match.end(), index))
    return sorted(spans)


def _by_own_word(bare: str, names: Sequence[str]) -> int | None:
    """ "The red one" of red block and blue block: words that only one name has, in an answer that is nothing more."""
    words = [set(name.split()) for name in names]
    core = re.sub(r"\b(?:it is|it's|one|the|a|an|object|thing|is|definitely|clearly|i think|answer)\b", " ", bare).split()
    if not core or len(core) > 3:
        return None
    fits = [index for index, own in enumerate(words) if set(core) <= own]
    return fits[0] if len(fits) == 1 else None


def _by_comparison(said: str, spans: Sequence[tuple[int, int, int]], asked: str) -> int | None:
    """X of "X is <asked> than Y"."""
    if len(spans) != 2 or spans[0][2] == spans[1][2] or _ANY_DENIAL_RE.search(said):
        return None
    between = said[spans[0][1] : spans[1][0]]
    form = (
        rf"\s*(?:is|looks|appears|seems|stands)(?: \w+){{0,2}}? {re.escape(asked)}(?: \w+){{0,2}} (?:than|of)(?: the| a|"
        rf" an)?\s*"
    )
    return spans[0][2] if re.fullmatch(form, between) else None


def parse_side(text: str, sides: tuple[str, str]) -> int | None:
    """Which of two sides ("left", "right") an answer says: 0 or 1; None for both, neither, doubt or a denial.

    Raises:
        ValueError: the sides are empty or equal.
    """
    plain = [" ".join(side.lower().split()) for side in sides]
    if len(plain) != 2 or not all(plain) or plain[0] == plain[1]:
        raise ValueError(f"two different sides are needed, got {list(sides)}")
    said = _verdict_text(text)
    if said is None or not said or _unsure(said):
        return None
    said = re.sub(
        r"\bthat(?:'s| is) right\b|\ball right\b|\bright away\b|\bright\s*\?|^right, |\bleft over\b|"
        r"\bover (?:there|here)\b",
        " ",
        said,
    )
    if (kept := _sides_said(said, plain)) is not None and len(kept) == 1:
        return kept.pop()
    return None


def _sides_said(said: str, sides: Sequence[str]) -> set[int] | None:
    kept: set[int] = set()
    for index, side in enumerate(sides):
        own = next((words for words in _SIDE_WORDS if side in words or set(side.split()) & words), set()) | {side}
        for match in re.finditer(rf"\b(?:{'|'.join(map(re.escape, sorted(own, key=len, reverse=True)))})\b", said):
            before = said[max(0, match.start() - 60) : match.start()]
            if _DENIAL_RE.search(before):
                continue
            clause = re.split(r"[.,;:!?]|\bbut\b", before)[-1]
            if _ANY_DENIAL_RE.search(clause):
                return None
            kept.add(index)
    return kept
