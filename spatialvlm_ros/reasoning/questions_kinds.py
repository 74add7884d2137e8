"""Questions about all things of a kind, by conditions: how many, whether any, all or none, more than so many."""

from __future__ import annotations

from ..expressions.tree import Fold, Number
from .build import Said, X, counted, described, fold, gt, lt, negated, no_less, no_more, op
from .frames import FEW, SET, TWO, Frame, Test


def _of(name: str, s: Said, p: Test) -> Fold:
    return fold(name, described(s.kind), p(X))


def _anything(name: str, p: Test) -> Fold:
    return fold(name, described("object"), p(X))


_ARE_THERE = "(Are there|Are)"
KIND_FRAMES: tuple[Frame, ...] = (
    Frame(
        "count",
        "number of things of kind G with P",
        lambda s, p: _of("count", s, p),
        (
            "How many {gs} are <p>?",
            "How many {gs} are there (that are|which are|) <p>?",
            "How many {gs} that are <p> are there?",
            "How many {gs} <p> are there?",
            "(Count|Count all|Count the) {gs} that are <p>.",
            "What is the number of {gs} that are <p>?",
            "How many of the {gs} are <p>?",
        ),
        SET,
    ),
    Frame(
        "count_not",
        "number of things of kind G without P",
        lambda s, p: fold("count", described(s.kind), negated(p(X))),
        (
            "How many {gs} are not <p>?",
            "How many {gs} are there that are not <p>?",
            "How many of the {gs} are not <p>?",
        ),
        FEW,
    ),
    Frame(
        "all_counted",
        "whether P of each of the K things of kind G; no answer unless there are K",
        lambda s, p: fold("all", counted(s.kind, s.figure("k")), p(X)),
        ("Are all {k} {gs} <p>?", "Are all {k} of the {gs} <p>?", "Are the {k} {gs} all <p>?"),
        FEW,
    ),
    Frame(
        "any",
        "whether P of one thing of kind G at least",
        lambda s, p: _of("any", s, p),
        (
            "Is there (a|an|any|some) {g} <p>?",
            "Is there (a|an|any|some) {g} (that is|which is) <p>?",
            "Are there (any|some) {gs} <p>?",
            "Are there (any|some) {gs} that are <p>?",
            "Is any {g} <p>?",
            "Are any (of the|) {gs} <p>?",
            "Is at least one {g} <p>?",
            "Is (one|at least one) of the {gs} <p>?",
        ),
        SET,
    ),
    Frame(
        "anything",
        "whether P of any thing in sight",
        lambda s, p: _anything("any", p),
        ("Is there (anything|something) <p>?", "Is there (anything|something) that is <p>?", "Is (anything|something) <p>?"),
        SET,
    ),
    Frame(
        "all",
        "whether P of every thing of kind G",
        lambda s, p: _of("all", s, p),
        ("Are all (of the|the|) {gs} <p>?", "Is (every|each) {g} <p>?", "Is (every|each) one of the {gs} <p>?"),
        SET,
    ),
    Frame(
        "everything",
        "whether P of every other thing in sight",
        lambda s, p: _anything("all", p),
        ("Is everything <p>?", "Is everything else <p>?", "Are all other things <p>?"),
        FEW,
    ),
    Frame(
        "none",
        "whether P of no thing of kind G",
        lambda s, p: negated(_of("any", s, p)),
        ("Is no {g} <p>?", "Are no {gs} <p>?", "(Is|Are) none of the {gs} <p>?", "Is there no {g} <p>?"),
        FEW,
    ),
    Frame(
        "nothing",
        "whether P of no thing in sight",
        lambda s, p: negated(_anything("any", p)),
        ("Is nothing <p>?", "Is there nothing <p>?", "Is there nothing that is <p>?"),
        FEW,
    ),
    Frame(
        "not_all",
        "whether not P of one thing of kind G at least",
        lambda s, p: negated(_of("all", s, p)),
        ("Is it true that not all {gs} are <p>?", "Is it true that not every {g} is <p>?", "Is it false that all {gs} are <p>?"),
        FEW,
    ),
    Frame(
        "any_not",
        "whether not P of one thing of kind G at least",
        lambda s, p: fold("any", described(s.kind), negated(p(X))),
        ("Is any {g} not <p>?", "Is there (a|an|any) {g} that is not <p>?", "Is at least one {g} not <p>?"),
        FEW,
    ),
    Frame(
        "share",
        "number of things of kind G with P over the number of all of them",
        lambda s, p: op("ratio", _of("count", s, p), fold("count", described(s.kind))),
        (
            "What (share|fraction|part) of the {gs} is <p>?",
            "What (share|fraction|part) of all {gs} is <p>?",
            "How large is the (share|fraction) of {gs} that are <p>?",
        ),
        FEW,
    ),
    Frame(
        "more_than",
        "whether more than K things of kind G have P",
        lambda s, p: gt(_of("count", s, p), s.number),
        (
            f"{_ARE_THERE} more than {{k}} {{gs}} <p>?",
            "Are more than {k} of the {gs} <p>?",
            "Are there more than {k} {gs} that are <p>?",
        ),
        FEW,
    ),
    Frame(
        "fewer_than",
        "whether fewer than K things of kind G have P",
        lambda s, p: lt(_of("count", s, p), s.number),
        (
            f"{_ARE_THERE} (fewer|less) than {{k}} {{gs}} <p>?",
            "Are (fewer|less) than {k} of the {gs} <p>?",
            "Are there fewer than {k} {gs} that are <p>?",
        ),
        FEW,
    ),
    Frame(
        "at_least",
        "whether K or more things of kind G have P",
        lambda s, p: no_less(_of("count", s, p), s.number),
        (f"{_ARE_THERE} at least {{k}} {{gs}} <p>?", "Are at least {k} of the {gs} <p>?", "Are {k} or more {gs} <p>?"),
        FEW,
    ),
    Frame(
        "at_most",
        "whether K things of kind G or fewer have P",
        lambda s, p: no_more(_of("count", s, p), s.number),
        (f"{_ARE_THERE} at most {{k}} {{gs}} <p>?", "Are at most {k} of the {gs} <p>?", "Are no more than {k} {gs} <p>?"),
        FEW,
    ),
    Frame(
        "exactly",
        "whether K things of kind G have P, no more and no fewer",
        lambda s, p: op("eq", _of("count", s, p), s.number),
        (
            f"{_ARE_THERE} (exactly|just|only) {{k}} {{gs}} <p>?",
            "Are (exactly|just|only) {k} of the {gs} <p>?",
            "Is the number of {gs} that are <p> {k}?",
            "Is {k} the number of {gs} that are <p>?",
        ),
        FEW,
    ),
    Frame(
        "exactly_one",
        "whether one thing of kind G has P, and no other",
        lambda s, p: op("eq", _of("count", s, p), Number(1.0)),
        (
            "Is (exactly|just|only) one {g} <p>?",
            "Is there (exactly|just|only) one {g} <p>?",
            "Is (exactly|just|only) one of the {gs} <p>?",
        ),
        FEW,
    ),
    Frame(
        "more_than_one",
        "whether more than one thing of kind G has P",
        lambda s, p: gt(_of("count", s, p), Number(1.0)),
        ("Is more than one {g} <p>?", "Is there more than one {g} <p>?", "Are several {gs} <p>?", "Are several of the {gs} <p>?"),
        FEW,
    ),
    Frame(
        "more_of",
        "whether more things of kind G than of kind H have P",
        lambda s, p: gt(_of("count", s, p), fold("count", described(s.other_kind), p(X))),
        ("Are there more {gs} than {hs} <p>?", "Are more {gs} than {hs} <p>?", "Are more of the {gs} than of the {hs} <p>?"),
        FEW,
    ),
    Frame(
        "count_and",
        "number of things of kind G with P and Q",
        lambda s, p, q: fold("count", described(s.kind), op("and", p(X), q(X))),
        (
            "How many {gs} are <p> and <q>?",
            "How many {gs} are both <p> and <q>?",
            "How many {gs} are there that are <p> and <q>?",
        ),
        TWO,
    ),
    Frame(
        "count_but_not",
        "number of things of kind G with P and without Q",
        lambda s, p, q: fold("count", described(s.kind), op("and", p(X), negated(q(X)))),
        ("How many {gs} are <p> but not <q>?", "How many {gs} are <p> and not <q>?", "How many {gs} that are <p> are not <q>?"),
        TWO,
    ),
    Frame(
        "count_or",
        "number of things of kind G with P or Q or both",
        lambda s, p, q: fold("count", described(s.kind), op("or", p(X), q(X))),
        ("How many {gs} are <p> or <q>?", "How many {gs} are either <p> or <q>?", "How many {gs} are there that are <p> or <q>?"),
        TWO,
    ),
    Frame(
        "any_and",
        "whether P and Q of one thing of kind G at least",
        lambda s, p, q: fold("any", described(s.kind), op("and", p(X), q(X))),
        (
            "Is there (a|an|any) {g} <p> and <q>?",
            "Is there (a|an|any) {g} that is <p> and <q>?",
            "Is any {g} (both|) <p> and <q>?",
        ),
        TWO,
    ),
)
