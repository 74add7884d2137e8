"""Questions about one thing or some named things, by conditions, with "and", "or", "not" and "if"."""

from __future__ import annotations

from ..expressions.tree import Fold, Number, Several
from .build import Said, X, distance, fold, height, negated, op
from .frames import ALONE, FEW, SET, TWO, Frame, Test


def _list(name: str, s: Said, p: Test) -> Fold:
    return fold(name, Several(s.names), p(X))


CONDITION_FRAMES: tuple[Frame, ...] = (
    Frame(
        "is",
        "whether P of A",
        lambda s, p: p(s.a),
        ("Is {a} <p>?", "Is it true that {a} is <p>?", "Does {a} count as <p>?"),
        ALONE,
    ),
    Frame(
        "not",
        "whether not P of A",
        lambda s, p: negated(p(s.a)),
        ("Is {a} not <p>?", "Is it true that {a} is not <p>?", "Is it false that {a} is <p>?"),
        SET,
    ),
    Frame(
        "and",
        "whether P and Q of A",
        lambda s, p, q: op("and", p(s.a), q(s.a)),
        (
            "Is {a} <p> and <q>?",
            "Is {a} both <p> and <q>?",
            "Is {a} <p> and (also|at the same time) <q>?",
            "Is {a} <p>, and is it (also|) <q>?",
            "Is it true that {a} is <p> and <q>?",
        ),
        TWO,
    ),
    Frame(
        "or",
        "whether P or Q or both of A",
        lambda s, p, q: op("or", p(s.a), q(s.a)),
        ("Is {a} <p> or <q>?", "Is {a} either <p> or <q>?", "Is {a} <p>, or is it <q>?", "Is it true that {a} is <p> or <q>?"),
        TWO,
    ),
    Frame(
        "but_not",
        "whether P and not Q of A",
        lambda s, p, q: op("and", p(s.a), negated(q(s.a))),
        ("Is {a} <p> but not <q>?", "Is {a} <p> and not <q>?", "Is it true that {a} is <p> but not <q>?"),
        TWO,
    ),
    Frame(
        "neither",
        "whether neither P nor Q of A",
        lambda s, p, q: negated(op("or", p(s.a), q(s.a))),
        ("Is {a} neither <p> nor <q>?", "Is it true that {a} is neither <p> nor <q>?", "Is {a} not <p> nor <q>?"),
        TWO,
    ),
    Frame(
        "and_three",
        "whether P, Q and R of A",
        lambda s, p, q, r: op("and", p(s.a), q(s.a), r(s.a)),
        ("Is {a} <p>, <q> and <r>?", "Is {a} <p> and <q> and <r>?", "Is {a} <p> and <q> and also <r>?"),
        (("left", "behind", "height_more"), ("on", "tall", "width_less")),
    ),
    Frame(
        "both_things",
        "whether P of A and of B",
        lambda s, p: op("and", p(s.a), p(s.b)),
        ("Are both {a} and {b} <p>?", "Are {a} and {b} both <p>?", "Is {a} <p>, and {b} too?"),
        FEW,
    ),
    Frame(
        "either_thing",
        "whether P of A or of B or both",
        lambda s, p: op("or", p(s.a), p(s.b)),
        ("Is either {a} or {b} <p>?", "Is at least one of {a} and {b} <p>?", "Is either of {a} and {b} <p>?"),
        FEW,
    ),
    Frame(
        "neither_thing",
        "whether P of neither A nor B",
        lambda s, p: negated(op("or", p(s.a), p(s.b))),
        ("Is neither {a} nor {b} <p>?", "Is it true that neither {a} nor {b} is <p>?", "(Is|Are) neither of {a} and {b} <p>?"),
        FEW,
    ),
    Frame(
        "each_of",
        "whether P of each of A, B and C",
        lambda s, p: _list("all", s, p),
        ("Are {list} all <p>?", "Are all of {list} <p>?", "Is each of {list} <p>?"),
        FEW,
    ),
    Frame(
        "any_of",
        "whether P of one of A, B and C at least",
        lambda s, p: _list("any", s, p),
        ("Is any of {list} <p>?", "Are any of {list} <p>?", "Is any one of {list} <p>?"),
        FEW,
    ),
    Frame(
        "none_of",
        "whether P of none of A, B and C",
        lambda s, p: negated(_list("any", s, p)),
        ("Is none of {list} <p>?", "Are none of {list} <p>?", "Is it true that none of {list} is <p>?"),
        FEW,
    ),
    Frame(
        "one_of",
        "whether P of exactly one of A, B and C",
        lambda s, p: op("eq", _list("count", s, p), Number(1.0)),
        ("Is exactly one of {list} <p>?", "Is only one of {list} <p>?", "Is just one of {list} <p>?"),
        FEW,
    ),
    Frame(
        "count_of",
        "number of those of A, B and C with P",
        lambda s, p: _list("count", s, p),
        ("How many of {list} are <p>?", "Of {list}, how many are <p>?", "Out of {list}, how many are <p>?"),
        FEW,
    ),
    Frame(
        "if_distance",
        "the distance of C from A where P of A, else from B",
        lambda s, p: op("if", p(s.a), distance(s.c, s.a), distance(s.c, s.b)),
        (
            "If {a} is <p>, how far is {c} from it, (otherwise|else|and otherwise) from {b}?",
            "If {a} is <p>, (then|) how far is {c} from {a2}, (otherwise|else|and otherwise|if not) from {b}?",
            "How far is {c} from {a} if (it|{a2}) is <p>, (otherwise|else|or otherwise) from {b}?",
        ),
        FEW,
    ),
    Frame(
        "if_height",
        "the height of A where P of A, else the height of B",
        lambda s, p: op("if", p(s.a), height(s.a), height(s.b)),
        (
            "If {a} is <p>, how tall is it, (otherwise|else) how tall is {b}?",
            "How tall is {a} if it is <p>, (otherwise|else) how tall is {b}?",
            "If {a} is <p>, what is its height, otherwise that of {b}?",
        ),
        FEW,
    ),
)
