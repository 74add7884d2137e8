"""A* over STRIPS states with the additive heuristic h_add (Bonet and Geffner 2001).

States are sets of atoms held as bits of one integer. h_add may overestimate, so that plans are short but not proven shortest;
ties are broken by insertion order, which makes every run the same.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Label = TypeVar("Label")
Atom = TypeVar("Atom", bound=Hashable)


@dataclass(frozen=True)
class Action(Generic[Label, Atom]):
    """``preconditions`` must hold; afterwards ``adds`` hold and ``deletes`` do not. Adding wins over deleting."""

    label: Label
    preconditions: frozenset[Atom]
    adds: frozenset[Atom]
    deletes: frozenset[Atom]
    cost: int = 1


@dataclass(frozen=True)
class SearchResult(Generic[Label]):
    """``labels`` of the actions in order, or None when there is no plan (or ``expanded`` reached the limit)."""

    labels: tuple[Label, ...] | None
    cost: int
    expanded: int


class Problem(Generic[Label, Atom]):
    """Actions and goals compiled to bits; ``solve`` searches from any initial state."""

    def __init__(self, actions: Sequence[Action[Label, Atom]], goals: Iterable[Atom], initial: Iterable[Atom]) -> None:
        self._bits: dict[Atom, int] = {}
        self._actions = actions
        self._initial = self._mask(initial)
        self._goal = self._mask(goals)
        self._pre = [self._mask(action.preconditions) for action in actions]
        self._add = [self._mask(action.adds) for action in actions]
        self._keep = [~self._mask(action.deletes) for action in actions]
        self._pre_list = [[self._bits[atom] for atom in action.preconditions] for action in actions]
        self._add_list = [[self._bits[atom] for atom in action.adds] for action in actions]
        self._goal_list = [bit for bit in range(len(self._bits)) if self._goal >> bit & 1]
        self._needed_by: list[list[int]] = [[] for _ in self._bits]
        for index, bits in enumerate(self._pre_list):
            for bit in bits:
                self._needed_by[bit].append(index)

    def _mask(self, atoms: Iterable[Atom]) -> int:
        mask = 0
        for atom in atoms:
            mask |= 1 << self._bits.setdefault(atom, len(self._bits))
        return mask

    def unreachable_goals(self) -> list[Atom]:
        """Goals that no sequence of actions can reach, even if nothing were ever deleted."""
        costs = self._relaxed_costs(self._initial)
        return [atom for atom, bit in self._bits.items() if self._goal >> bit & 1 and costs[bit] is None]

    def solve(self, max_expanded: int = 50_000) -> SearchResult[Label]:
        """The cheapest plan found; ``labels`` is () when the goals hold already."""
        counter = itertools.count()
        heuristic = self._heuristic(self._initial)
        if heuristic is None:
            return SearchResult(None, 0, 0)
        # Equal f: the state nearer to the goal first.
        frontier = [(heuristic, heuristic, next(counter), self._initial)]
        best = {self._initial: 0}
        parent: dict[int, tuple[int, int]] = {}
        known: dict[int, int | None] = {}
        expanded = 0
        while frontier and expanded < max_expanded:
            f, h, _, state = heapq.heappop(frontier)
            cost = best[state]
            if f > cost + h:
                continue
            if state & self._goal == self._goal:
                return SearchResult(self._path(parent, state), cost, expanded)
            expanded += 1
            for index, pre in enumerate(self._pre):
                if state & pre != pre:
                    continue
                after = (state & self._keep[index]) | self._add[index]
                reached = cost + self._actions[index].cost
                if reached >= best.get(after, reached + 1):
                    continue
                if after not in known:
                    known[after] = self._heuristic(after)
                estimate = known[after]
                if estimate is not None:
                    best[after], parent[after] = reached, (state, index)
                    heapq.heappush(frontier, (reached + estimate, estimate, next(counter), after))
        return SearchResult(None, 0, expanded)

    def _path(self, parent: dict[int, tuple[int, int]], state: int) -> tuple[Label, ...]:
        labels = []
        while state in parent:
            state, index = parent[state]
            labels.append(self._actions[index].label)
        return tuple(reversed(labels))

    def _heuristic(self, state: int) -> int | None:
        """h_add of a state; None when a goal cannot be reached."""
        costs = self._relaxed_costs(state)
        total = 0
        for bit in self._goal_list:
            cost = costs[bit]
            if cost is None:
                return None
            total += cost
        return total

    def _relaxed_costs(self, state: int) -> list[int | None]:
        """Cheapest cost of each atom when nothing is ever deleted and preconditions add up (Dijkstra)."""
        costs: list[int | None] = [None] * len(self._bits)
        missing = [len(bits) for bits in self._pre_list]
        price = [action.cost for action in self._actions]
        queue: list[tuple[int, int]] = []
        for bit in range(len(self._bits)):
            if state >> bit & 1:
                costs[bit] = 0
                queue.append((0, bit))
        for index, bits in enumerate(self._pre_list):
            if not bits:
                self._offer(index, price[index], costs, queue)
        while queue:
            cost, bit = heapq.heappop(queue)
            if costs[bit] != cost:
                continue
            for index in self._needed_by[bit]:
                missing[index] -= 1
                price[index] += cost
                if missing[index] == 0:
                    self._offer(index, price[index], costs, queue)
        return costs

    def _offer(self, index: int, cost: int, costs: list[int | None], queue: list[tuple[int, int]]) -> None:
        for added in self._add_list[index]:
            before = costs[added]
            if before is None or cost < before:
                costs[added] = cost
                heapq.heappush(queue, (cost, added))
