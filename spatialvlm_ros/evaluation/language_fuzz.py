"""Spoiled questions, answers and trees by the ten thousand: only documented errors come out, soon, and nothing is run.

An audit hook (PEP 578) counts what Python executes, compiles, starts or writes meanwhile. It cannot be taken off again, so the
benchmark does this in a process of its own.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ..expressions.tree import ExpressionError, Tree
from ..expressions.tree_json import tree_from_json, tree_to_json
from ..language.questions import QuestionError, parse_question
from ..language.spoken import parse_answer
from ..reasoning.grammar import parse
from ..reasoning.model_text import ModelTextError, json_in
from ..reasoning.reasoner import Plan, Reasoner
from ..scene.scene import Scene
from .language_fuzz_inputs import spoiled_json, spoiled_text, spoiled_tree

HANG_S = 0.1
_TIMES_MEASURED = 3
_SHOWN = 20
_FORBIDDEN = ("exec", "compile", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile",
              "subprocess.Popen", "socket.connect", "socket.bind", "pickle.find_class", "marshal.loads", "code.__new__",
              "ctypes.dlopen", "import", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree")  # fmt: skip


class Audit:
    """Counts events of ``sys.audit`` while it is armed: what would run code, start something or write.

    Python never removes a hook, so a process has one of these, ``audit()``.
    """

    def __init__(self) -> None:
        self.armed = False
        self.events: Counter[str] = Counter()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            mode = arguments[1] if len(arguments) > 1 else None
            if isinstance(mode, str) and not set(mode) & set("wax+"):
                return
        elif event not in _FORBIDDEN:
            return
        self.events[event] += 1


@cache
def audit() -> Audit:
    """The one of this process."""
    return Audit()


@dataclass
class FuzzResult:
    """What became of some inputs.

    Attributes:
        outcomes: by "target: what came of it".
        escaped: inputs with the exceptions that came out and are not documented.
        hung: inputs that took longer than ``HANG_S`` whenever they were tried.
        slowest_ms: of each target, the least of a few tries for those that seemed to hang.
        pauses: inputs that took so long once and not again: the machine's doing.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    escaped: list[dict[str, str]] = field(default_factory=list)
    hung: list[dict[str, Any]] = field(default_factory=list)
    slowest_ms: dict[str, float] = field(default_factory=dict)
    pauses: int = 0
    events: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Target:
    """Something that takes what comes from outside. ``errors`` are the documented ones, to the letter or derived."""

    name: str
    call: Callable[[Any], object]
    errors: tuple[type[Exception], ...]


def targets(scene: Scene, known: Sequence[str]) -> dict[str, Target]:
    """All of them, by name. Trees are also answered on a scene, which never raises."""
    reasoner = Reasoner()

    def answer_tree(tree: Tree) -> object:
        return reasoner.answer(Plan("fuzz", tree), scene).text

    def read_json(text: str) -> object:
        return tree_from_json(json_in(text))

    found = (
        Target("composed question", lambda text: parse(text, known), (QuestionError, ExpressionError)),
        Target("simple question", lambda text: parse_question(text, known), (QuestionError,)),
        Target("spoken answer", parse_answer, (ValueError,)),
        Target("tree", tree_from_json, (ExpressionError,)),
        Target("model's text", read_json, (ExpressionError, ModelTextError)),
        Target("answer on a scene", answer_tree, ()),
    )
    return {target.name: target for target in found}


def try_one(target: Target, value: Any, result: FuzzResult) -> object | None:
    """Call a target; returns what it gave, None for a documented error. Unicode's own ValueErrors count as escaped."""
    spent, given = _timed(target, value, result)
    if spent > HANG_S:
        result.outcomes[f"{target.name}: tried again"] += 1
        spent = min(spent, *(_timed(target, value, FuzzResult())[0] for _ in range(_TIMES_MEASURED - 1)))
        if spent > HANG_S:
            result.hung.append({"target": target.name, "input": _shown(value), "ms": 1000 * spent})
        else:
            result.pauses += 1
    result.slowest_ms[target.name] = max(result.slowest_ms.get(target.name, 0.0), 1000 * spent)
    return given


def _timed(target: Target, value: Any, result: FuzzResult) -> tuple[float, object | None]:
    given: object | None = None
    started = time.perf_counter()
    try:
        given = target.call(value)
        outcome = "read"
    except target.errors as error:
        outcome = "refused"
        if isinstance(error, UnicodeError):
            outcome = _escaped(target, value, error, result)
    except Exception as error:  # whatever it is, it has come out
        outcome = _escaped(target, value, error, result)
    spent = time.perf_counter() - started
    result.outcomes[f"{target.name}: {outcome}"] += 1
    return spent, given


def _escaped(target: Target, value: Any, error: Exception, result: FuzzResult) -> str:
    result.escaped.append({"target": target.name, "input": _shown(value), "error": f"{type(error).__name__}: {error}"[:300]})
    return "escaped"


def _shown(value: Any) -> str:
    try:
        return ascii(value)[:400]
    except (RecursionError, ValueError):
        return f"{type(value).__name__} that cannot be printed"


def fuzz(
    count: int, seed: int, questions: Sequence[str], answers: Sequence[str], scene: Scene, known: Sequence[str]
) -> FuzzResult:
    """``count`` inputs, half of them strings, a third trees, the rest models' texts; whatever is read is answered as well."""
    generator = np.random.default_rng((seed, 31))
    at = targets(scene, known)
    trees: list[Any] = []
    for question in questions:  # this also builds every table
        try:
            trees.append(tree_to_json(parse(question, known)))
            at["answer on a scene"].call(parse(question, known))
            at["simple question"].call(question)
        except QuestionError:
            continue
    for answer in answers[:20]:
        parse_answer(answer)
    result = FuzzResult()
    watched = audit()
    for name, target in at.items():  # errors load their own helpers at first
        _timed(target, "warm up" if name != "answer on a scene" else parse(questions[0], known), FuzzResult())
    before = watched.events.copy()
    watched.armed = True
    try:
        for number in range(count):
            _feed(number, at, questions, answers, trees, generator, result)
    finally:
        watched.armed = False
    result.events = watched.events - before
    return result


def _feed(
    number: int,
    at: dict[str, Target],
    questions: Sequence[str],
    answers: Sequence[str],
    trees: Sequence[Any],
    generator: np.random.Generator,
    result: FuzzResult,
) -> None:
    turn = number % 12
    if turn < 6:
        if turn == 5:
            try_one(at["spoken answer"], spoiled_text(answers, generator), result)
            return
        text = spoiled_text(questions, generator)
        tree = try_one(at["composed question"], text, result)
        if turn == 4:
            try_one(at["simple question"], text, result)
    elif turn < 10:
        tree = try_one(at["tree"], spoiled_tree(trees, generator), result)
    else:
        tree = try_one(at["model's text"], spoiled_json(trees, generator), result)
    if tree is not None:
        try_one(at["answer on a scene"], tree, result)


def score_fuzz(results: Sequence[FuzzResult], inputs: int) -> dict[str, Any]:
    """Figures of all parts together."""
    outcomes: Counter[str] = sum((result.outcomes for result in results), Counter())
    events: Counter[str] = sum((result.events for result in results), Counter())
    names = sorted({name for result in results for name in result.slowest_ms})
    slowest = {name: max(result.slowest_ms.get(name, 0.0) for result in results) for name in names}
    escaped = [item for result in results for item in result.escaped]
    hung = [item for result in results for item in result.hung]
    return {
        "inputs": inputs,
        "outcomes": dict(sorted(outcomes.items())),
        "escaped": len(escaped),
        "hung": len(hung),
        "slowest_ms": max(slowest.values(), default=float("nan")),
        "slowest_ms_by_target": slowest,
        "pauses_of_the_machine": sum(result.pauses for result in results),
        "executed": sum(events.values()),
        "events": dict(events),
        "examples_escaped": escaped[:_SHOWN],
        "examples_hung": hung[:_SHOWN],
    }
