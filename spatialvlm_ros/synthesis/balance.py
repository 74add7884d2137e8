"""Which pairs of all candidates make the dataset: a selection by totals and each pair's own number, the same on every machine.

Every pair belongs to a group: relation, kind, answer, what a glance at the image would answer, and what kinds of things are
compared in size. From the counts of all groups come shares to keep, and a pair is kept where its ``order_key`` lies below its
group's share. All comparisons of one dimension are counted together, each turned to say that one thing has more of it: "is A
taller", "is A shorter", "which is taller" and the same of B and A are one question to whoever guesses. Never changes: of what is
counted together an answer is as likely as its opposite, for those whose glance says one thing as for those whose glance says the
other and for every two kinds of things, so that neither height in the image nor a common word helps to guess it.

The price of small data sets: few pictures show two kinds of things both ways. Where less than the square root of a dimension's
pairs would be left, so many are, even in their answers alone; and within one relation answers may be that uneven, which chance
makes them anyway. Of a million pairs that is a thousand.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .facts import dimension_of
from .record import QUALITATIVE, QUANTITATIVE, Pair

Group: TypeAlias = tuple[str, ...]
"""(relation, kind, polarity, cue), and prior as a fifth where it is counted."""

# Which of two things has more of what is asked about.
_SIGN = {"yes": 1, "no": -1, "first": 1, "second": -1}


@dataclass(frozen=True)
class BalanceOptions:
    """What is evened out.

    Attributes:
        polarity: yes as often as no, first as often as second, within every relation and dimension.
        shortcuts: ... and within every answer that a glance at the image would give.
        priors: ... and, where sizes or heights are compared, for every two kinds of things. It needs many pictures of the same
            kinds.
        max_unsure_share: of a relation's pairs, those that are too close to call.
        max_per_relation: pairs; 0 for no limit.
        qualitative_share: of all pairs; None leaves it as it comes. 0.5 is SpatialVLM's.
        max_pairs: in all; 0 for no limit.
    """

    polarity: bool = True
    shortcuts: bool = True
    priors: bool = True
    max_unsure_share: float = 0.1
    max_per_relation: int = 0
    qualitative_share: float | None = None
    max_pairs: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.max_unsure_share < 1:
            raise ValueError(f"max_unsure_share {self.max_unsure_share} is not from 0 to below 1")
        if self.qualitative_share is not None and not 0 < self.qualitative_share < 1:
            raise ValueError(f"qualitative_share {self.qualitative_share} is not between 0 and 1")
        if self.max_per_relation < 0 or self.max_pairs < 0:
            raise ValueError(f"max_per_relation {self.max_per_relation} and max_pairs {self.max_pairs} must not be below 0")


def group_of(pair: Pair) -> Group:
    """The group of a pair, all five parts."""
    return (pair.query.relation, pair.kind, pair.polarity, pair.cue, pair.prior)


def count_groups(pairs: Iterable[Pair]) -> Counter[Group]:
    """How many pairs each group has; counts of parts of a dataset add up."""
    return Counter(map(group_of, pairs))


@dataclass(frozen=True)
class Selection:
    """``shares``: of each group, the share of its pairs that are kept, from 0 to 1. A group that is not in it keeps none."""

    shares: Mapping[Group, float] = field(default_factory=dict)

    @staticmethod
    def from_counts(counts: Mapping[Group, int], options: BalanceOptions | None = None) -> Selection:
        """The selection for the counts of all candidates.

        Args:
            counts: by group of four or of five parts; without the fifth, priors are left as they are.

        Raises:
            ValueError: a group of fewer parts or more.
        """
        options = options or BalanceOptions()
        wrong = next((group for group in counts if len(group) not in (4, 5)), None)
        if wrong is not None:
            raise ValueError(f"{wrong} is no group: relation, kind, polarity, cue and perhaps prior are")
        groups = [group for group in sorted(counts) if counts[group] > 0]
        kept = _evened(groups, counts, options)
        _limit(kept, options)
        return Selection({group: min(1.0, kept[group] / counts[group]) for group in groups})

    def keep(self, pair: Pair) -> bool:
        """Whether a pair belongs to the dataset; by the pair alone."""
        group = group_of(pair)
        share = self.shares.get(group, self.shares.get(group[:4], 0.0))
        return pair.order_key < share

    def expected(self, counts: Mapping[Group, int]) -> Counter[str]:
        """About how many pairs of each relation are kept."""
        found: dict[str, float] = defaultdict(float)
        for group, count in counts.items():
            found[group[0]] += count * self.shares.get(group, 0.0)
        return Counter({relation: round(number) for relation, number in found.items()})


def _evened(groups: Sequence[Group], counts: Mapping[Group, int], options: BalanceOptions) -> dict[Group, float]:
    """How many pairs of each group to keep so that answers are even where they have to be."""
    kept = {group: float(counts[group]) for group in groups}
    if options.polarity:
        decided = [group for group in groups if group[2] in _SIGN]
        _even_strata(decided, kept, options)
        by_dimension: dict[str, list[Group]] = defaultdict(list)
        for group in decided:
            by_dimension[_dimension(group[0])[0]].append(group)
        for of_dimension in by_dimension.values():
            _keep_some(of_dimension, kept, counts)
        for of_relation in _parted(decided, 0).values():
            _even_relation(of_relation, kept)
    for of_relation in _parted(groups, 0).values():
        told = sum(kept[group] for group in of_relation if group[2] != "unsure")
        unsure = [group for group in of_relation if group[2] == "unsure"]
        _shrink(kept, unsure, told * options.max_unsure_share / (1 - options.max_unsure_share))
    return kept


def _dimension(relation: str) -> tuple[str, int]:
    """(what a relation is counted with, sign of its answer there)."""
    side = dimension_of(relation)
    return (relation, 1) if side is None else (side[0], int(side[1]))


def _stratum(group: Group, options: BalanceOptions) -> tuple[Group, int]:
    """What a group is counted with, and its answer there: 1 or -1. Names in order of the alphabet."""
    relation, _, polarity, cue, *rest = group
    dimension, sign = _dimension(relation)
    answer, glance = sign * _SIGN[polarity], sign * _SIGN.get(cue, 0) if options.shortcuts else 0
    prior = rest[0] if rest and options.priors else ""
    first, arrow, second = prior.partition(">")
    # Of two of a kind either may come first.
    if arrow and (first > second or (first == second and glance < 0)):
        answer, glance, prior = -answer, -glance, f"{second}>{first}"
    return (dimension, str(glance), prior), answer


def _even_strata(groups: Sequence[Group], kept: dict[Group, float], options: BalanceOptions) -> None:
    """Both answers of a stratum as often as the rarer one."""
    strata: dict[Group, dict[int, list[Group]]] = defaultdict(lambda: {1: [], -1: []})
    for group in groups:
        stratum, answer = _stratum(group, options)
        strata[stratum][answer].append(group)
    for answers in strata.values():
        least = min(sum(kept[group] for group in answers[answer]) for answer in (1, -1))
        for answer in (1, -1):
            _shrink(kept, answers[answer], least)


def _keep_some(groups: Sequence[Group], kept: dict[Group, float], counts: Mapping[Group, int]) -> None:
    """Fill up a dimension that all but lost its pairs, alike from all of them."""
    total, left = sum(counts[group] for group in groups), sum(kept[group] for group in groups)
    wanted = math.ceil(math.sqrt(total))
    if left < wanted:
        share = (wanted - left) / (total - left) if total > left else 0.0
        for group in groups:
            kept[group] += share * (counts[group] - kept[group])


def _even_relation(groups: Sequence[Group], kept: dict[Group, float]) -> None:
    """The answers of one relation no more uneven than chance would have them."""
    answers = {sign: [group for group in groups if _SIGN[group[2]] == sign] for sign in (1, -1)}
    counts = {sign: sum(kept[group] for group in of_answer) for sign, of_answer in answers.items()}
    slack = math.sqrt(counts[1] + counts[-1])
    for sign, of_answer in answers.items():
        _shrink(kept, of_answer, counts[-sign] + slack)


def _limit(kept: dict[Group, float], options: BalanceOptions) -> None:
    """Shrink relations, then kinds, then all, to their limits; what is even within them stays so."""
    if options.max_per_relation:
        for of_relation in _parted(kept, 0).values():
            _shrink(kept, of_relation, options.max_per_relation)
    if options.qualitative_share is not None:
        kinds = _parted(kept, 1)
        qualitative, quantitative = (kinds.get(kind, []) for kind in (QUALITATIVE, QUANTITATIVE))
        ratio = options.qualitative_share / (1 - options.qualitative_share)
        have = [sum(kept[group] for group in groups) for groups in (qualitative, quantitative)]
        _shrink(kept, qualitative, have[1] * ratio)
        _shrink(kept, quantitative, have[0] / ratio)
    if options.max_pairs:
        _shrink(kept, list(kept), options.max_pairs)


def _shrink(kept: dict[Group, float], groups: Sequence[Group], most: float) -> None:
    """Shrink some groups alike, so that together they have no more than ``most``."""
    total = sum(kept[group] for group in groups)
    if total > most:
        for group in groups:
            kept[group] *= most / total


def _parted(groups: Iterable[Group], part: int) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        found[group[part]].append(group)
    return found
