"""How a tree came to its value, node by node, so that every number of an answer can be looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..scene.facts import SpatialFact, Status
from .operators import Type
from .tree import Tree, to_text
from .values import Value


@dataclass(frozen=True)
class Step:
    """One line of a trace: a node, how deep it lies, and what it has become; ``missing`` says why it has no value."""

    node: Tree
    depth: int
    bound: Mapping[str, str]
    value: Value | None
    fact: SpatialFact | None = None
    missing: str = ""

    @property
    def text(self) -> str:
        """The node in one line, its variables replaced by the things that they stand for."""
        return to_text(self.node, self.bound)


@dataclass(frozen=True)
class Evaluation:
    """A tree's value, or why there is none; ``names`` are those of the things that thing-valued samples number."""

    tree: Tree
    type: Type
    value: Value | None
    status: Status
    missing: str
    steps: tuple[Step, ...]
    names: tuple[str, ...]

    @property
    def facts(self) -> tuple[SpatialFact, ...]:
        """Every fact that was measured, once, in order."""
        return tuple({step.fact.query: step.fact for step in self.steps if step.fact is not None}.values())
