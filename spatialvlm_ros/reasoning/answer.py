"""A tree's value as an answer: a sentence, a number with its unit, a verdict or things, with the trace of every step.

The answer says no more than the numbers do: what is no more than probable is said so, and what is too close to call, with the
probabilities; what is missing has the reason and no number.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

from ..expressions.evaluate import Evaluation, Step
from ..expressions.operators import NONE, unit_text
from ..expressions.tree import Apply, Fold, Number, Tree
from ..expressions.values import Value
from ..language.names import with_article
from ..scene.facts import COUNT, PROBABILITY, Source, SpatialFact, Status, Truth
from ..scene.relations import RELATIONS

_MAX_ALTERNATIVES = 3
_LEAST_ALTERNATIVE = 0.02


@dataclass(frozen=True)
class Answer:
    """The answer to a question on one image.

    Attributes:
        text: a sentence; the reason where there is no answer.
        status: OK, OCCLUDED or STALE with an answer; else what kept it from being measured.
        kind: "number", "truth", "thing", "pair", "side", or "words" for a model's own.
        value: SI in ``unit``; for a truth the probability that it holds, for a thing or a side that it is the one named. NaN
            without an answer.
        std: one standard deviation of a number; NaN otherwise.
        unit: "m", "m^2", "rad", "count", "" for a ratio, or "probability".
        verdict: of a truth: True, False, or None for probable or too close to call.
        things: the thing, or the two of a pair, that are likeliest.
        decided: whether the answer is more than "probably" and "too close to call". A measured number always is: it has its std.
            A count is where another one is as good as ruled out.
        frame_id: what its left, right and points refer to; several with commas.
        trace: how it was found, a line a step.
    """

    question: str
    text: str
    status: Status
    kind: str = ""
    value: float = math.nan
    std: float = math.nan
    unit: str = ""
    verdict: bool | None = None
    things: tuple[str, ...] = ()
    decided: bool = False
    source: Source = Source.UNKNOWN
    frame_id: str = ""
    facts: tuple[SpatialFact, ...] = ()
    trace: tuple[str, ...] = field(default=())

    @property
    def answered(self) -> bool:
        return self.status.has_value


def answer_of(question: str, evaluation: Evaluation, notes: tuple[str, ...] = ()) -> Answer:
    """The answer that an evaluated tree gives. ``notes`` stand in the trace before its steps."""
    value, facts = evaluation.value, evaluation.facts
    trace = (*notes, *(step_line(step, evaluation.names) for step in evaluation.steps))
    if value is None:
        return Answer(question, evaluation.missing, evaluation.status, facts=facts, trace=trace)
    kind = value.type.what
    said = short_text(value, evaluation.tree, evaluation.names)
    text = _fact_text(evaluation) or " ".join([f"{said[0].upper()}{said[1:]}.", *_doubts(evaluation)])
    answer = Answer(question, text, evaluation.status, kind, facts=facts, trace=trace)
    answer = replace(answer, source=value.origin.source, frame_id=value.origin.frame_id)
    if kind == "number":
        unit = _unit(value, evaluation.tree)
        decided = unit != COUNT or Truth(value.probability).verdict is True
        return replace(answer, value=float(value.value), std=value.std, unit=unit, decided=decided)
    if kind in ("thing", "pair"):
        chosen, share = _ranked(value)[0]
        things = tuple(evaluation.names[index] for index in chosen if index >= 0)
        return replace(answer, value=share, unit=PROBABILITY, things=things, decided=Truth(share).verdict is True)
    verdict = Truth(value.probability).verdict
    answer = replace(answer, value=value.probability, unit=PROBABILITY, decided=verdict is not None)
    return replace(answer, verdict=verdict) if kind == "truth" else answer


def without_output(answer: Answer, problem: str) -> Answer:
    """An answer where the frame that its facts' points were to be told in is not known, for the reason ``problem``.

    One whose facts all have views of their own, or that has none, does without.
    """
    if all(fact.query.view for fact in answer.facts):
        return answer
    return Answer(answer.question, problem, Status.NO_TRANSFORM, trace=answer.trace)


def _fact_text(evaluation: Evaluation) -> str:
    """The fact's own sentence, for a tree that is one fact."""
    tree = evaluation.tree
    single = isinstance(tree, Apply) and tree.op in RELATIONS and len(evaluation.facts) == 1
    return evaluation.facts[0].text if single and evaluation.steps[0].fact is not None else ""


def _doubts(evaluation: Evaluation) -> list[str]:
    """What its facts suppose, each once."""
    return list(dict.fromkeys(fact.doubt for fact in evaluation.facts if fact.doubt))


def _unit(value: Value, tree: Tree) -> str:
    if value.type.unit != NONE:
        return unit_text(value.type.unit)
    return COUNT if _is_count(tree) else ""


def _is_count(tree: Tree) -> bool:
    """Whether a plain number is one that is counted, not a ratio."""
    if isinstance(tree, Fold):
        return tree.op == "count" or (tree.op in ("sum", "min", "max") and tree.of is not None and _is_count(tree.of))
    if isinstance(tree, Number):
        return tree.value == round(tree.value)
    whole = ("add", "sub", "mul", "abs", "neg", "min", "max")
    return isinstance(tree, Apply) and (tree.op == "count" or (tree.op in whole and all(map(_is_count, tree.args))))


def _ranked(value: Value) -> list[tuple[tuple[int, ...], float]]:
    """Things by number, or pairs of them, with the share of samples that have them; likeliest first."""
    rows = value.samples[1:].reshape(len(value.samples) - 1, -1)
    counts = Counter(map(tuple, rows.tolist()))
    return [(chosen, count / len(rows)) for chosen, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


# -- sentences --------------------------------------------------------------------------------------------------------------


def short_text(value: Value, tree: Tree, names: tuple[str, ...]) -> str:
    """The value of a tree in a few words: "0.123 m ± 0.010 m", "yes (99.9 %)", "the red can (97 %)"."""
    kind = value.type.what
    if kind == "number":
        return _number_text(value, _unit(value, tree))
    if kind == "truth":
        return _verdict_text(value.probability, "yes", "no")
    if kind == "side":
        return _verdict_text(value.probability, *value.sides)
    ranked = [(chosen, share) for chosen, share in _ranked(value) if share >= _LEAST_ALTERNATIVE] or _ranked(value)[:1]
    said = [f"{_things_text(chosen, names)} ({_percent(share)})" for chosen, share in ranked[:_MAX_ALTERNATIVES]]
    best = Truth(ranked[0][1])
    if best.verdict is True:
        return said[0]
    if best.likelier is True:
        return f"probably {said[0]}{', else ' if said[1:] else ''}{', '.join(said[1:])}"
    return f"too close to call: {', '.join(said)}"


def _number_text(value: Value, unit: str) -> str:
    number, std = float(value.value), value.std
    if unit == COUNT:
        sure = Truth(value.probability).verdict is True
        return f"{number:.0f}" if sure else f"{number:.0f} ± {std:.2g} (too close to call, {_percent(value.probability)})"
    if unit == "rad":
        return f"{math.degrees(number):.0f} deg ± {math.degrees(std):.0f} deg"
    if unit == "m":
        return f"{number:.3f} m ± {std:.3f} m"
    return f"{number:.3g} {unit} ± {std:.2g} {unit}".replace("  ", " ").strip()


def _verdict_text(probability: float, first: str, second: str) -> str:
    truth = Truth(probability)
    likelier, share = (first, probability) if probability >= 0.5 else (second, 1 - probability)
    if truth.likelier is not None:
        return f"{'probably ' if truth.verdict is None else ''}{likelier} ({_percent(share)})"
    return f"too close to call: perhaps {likelier} ({_percent(share)})"


def _percent(share: float) -> str:
    """Never "100 %": samples and Gaussians are not that good."""
    if share >= 0.995:
        return "over 99 %" if share < 0.9995 else "over 99.9 %"
    return f"{share:.0%}".replace("%", " %")


def _things_text(chosen: tuple[int, ...], names: tuple[str, ...]) -> str:
    return " and ".join("nothing" if index < 0 else with_article(names[index]) for index in chosen)


def step_line(step: Step, names: tuple[str, ...]) -> str:
    """One line of a trace, indented by its depth: the node, its value, and where that comes from."""
    indent = "  " * step.depth
    if step.value is None:
        return f"{indent}{step.text}: missing: {step.missing}"
    origin = step.value.origin
    status = f", {origin.status.name}" if origin.status is not Status.OK else ""
    came = f" [{origin.source.name}, {origin.frame_id}{status}]" if origin.sources else ""
    return f"{indent}{step.text} = {short_text(step.value, step.node, names)}{came}"
