"""
A question to an expression tree by a language model, for questions that the grammar does not know.

The model proposes, nothing more: its text is read as data, the tree is checked for form, types and units before anybody sees
it, and a tree that measures nothing is refused, because its number would be the model's own. What never changes: at most two
rounds, the second with the error of the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..expressions.operators import FOLDS, OPERATORS, Operator
from ..expressions.tree import ExpressionError, Tree, names_of
from ..expressions.tree_json import json_schema, tree_from_json
from ..scene.relations import RELATIONS, Kind, Relation
from .model_text import ModelTextError, cut, json_in, listed

_MAX_PROBLEM_CHARS = 400
_MAX_RAW_CHARS = 4000

_EXAMPLES: Sequence[tuple[str, Mapping[str, Any]]] = (
    (
        "Is the can within 30 cm of the mug?",
        {"op": "lt", "args": [{"op": "gap", "args": ["can", "mug"]}, {"value": 30, "unit": "cm"}]},
    ),
    (
        "Which block is closest to the gripper?",
        {"op": "argmin", "over": {"all": "block"}, "as": "x", "of": {"op": "gap", "args": ["$x", "gripper"]}},
    ),
    (
        "How many things left of the box are taller than the can?",
        {
            "op": "count",
            "over": {"all": "object", "as": "x", "where": {"op": "left", "args": ["$x", "box"]}},
            "as": "y",
            "of": {"op": "tall", "args": ["$y", "can"]},
        },
    ),
)
_PROMPT = """You turn a question about a scene into one JSON tree, which is then measured. Never put your own answer into it.
Nodes:
"red mug": a thing by its name
{{"value": 0.3, "unit": "m"}}: a number; units m cm mm km in ft yd m^2 m^3 rad deg, "" for counts and ratios
{{"op": OP, "args": [nodes]}}: a relation of things or an operator on values
{{"op": FOLD, "over": SET, "as": "x", "of": node}}: over a set; "$x" is each thing; "as": ["x", "y"] for all pairs
SET: {{"things": [names]}} or {{"all": description}} or {{"all": description, "as": "x", "where": node}}
Relations of the first thing to the next ("tall": the first is taller; "distance" is from center to center, "gap" from surface
to surface; left and behind are as the camera sees it):
{relations}
Operators: {operators}
Folds: {folds}
Write the JSON alone.
{examples}"""
_REPAIR = "This cannot be used: {problem}\nWrite the corrected JSON alone."


class Chat(Protocol):
    """A model that answers messages, as endpoint.Endpoint does."""

    def chat(self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None) -> str:
        """Return the model's text."""
        ...


class ProposalError(ValueError):
    """The model gave no tree that can be used.

    Attributes:
        problems: what was wrong, one text a round.
        raws: what the model wrote, one text a round.
    """

    def __init__(self, problems: Sequence[str], raws: Sequence[str]) -> None:
        said = "; ".join(f"round {number}: {problem}" for number, problem in enumerate(problems, 1))
        super().__init__(f"the language model proposed no tree that can be used ({said}); ask in other words")
        self.problems, self.raws = tuple(problems), tuple(raws)


@dataclass(frozen=True)
class Proposal:
    """A checked tree, the model's text that it was read from, and the rounds it took: 1, or 2 with the repair."""

    tree: Tree
    raw: str
    rounds: int


class TreeProposer:
    """Asks one model for trees."""

    def __init__(self, endpoint: Chat, read: Callable[[object], Tree] = tree_from_json) -> None:
        """`read` makes a checked tree of a JSON value or raises ExpressionError."""
        self._endpoint, self._read = endpoint, read
        self._prompt, self._schema = system_prompt(), json_schema()

    def propose(self, question: str, names: Sequence[str] = ()) -> Proposal:
        """Return the model's tree for a question about things, of which `names` are known to be in the scene.

        The tree may name other things too: the scene says whether they are there.

        Raises:
            EndpointError: the model's server fails.
            ProposalError: neither round gave a tree that can be used.
        """
        things = f"Things in the scene: {listed(names)}\n" if names else ""
        messages = [
            {"role": "system", "content": self._prompt},
            {"role": "user", "content": f"{things}Question: {' '.join(question.split())}"},
        ]
        problems: list[str] = []
        raws: list[str] = []
        for number in (1, 2):
            raws.append(self._endpoint.chat(messages, schema=self._schema))
            try:
                return Proposal(self._tree(raws[-1]), raws[-1], number)
            except (ModelTextError, ExpressionError) as error:
                problems.append(cut(str(error), _MAX_PROBLEM_CHARS))
            messages += [
                {"role": "assistant", "content": raws[-1][:_MAX_RAW_CHARS]},
                {"role": "user", "content": _REPAIR.format(problem=problems[-1])},
            ]
        raise ProposalError(problems, raws)

    def _tree(self, text: str) -> Tree:
        tree = self._read(json_in(text))
        if not names_of(tree):
            raise ExpressionError("", "the tree names no thing, so nothing is measured; name the things of the question")
        return tree


def system_prompt() -> str:
    """What a model is told about trees. Operators and relations come from the tables that the checker reads."""
    return _PROMPT.format(
        relations="\n".join(f"{what}: {', '.join(names)}" for what, names in _grouped(RELATIONS.values()).items()),
        operators=", ".join(f"{name}({_arguments(operator)})" for name, operator in OPERATORS.items()),
        folds="; ".join(f"{name}: {meaning}" for name, meaning in FOLDS.items()),
        examples="\n".join(f"{question}\n{json.dumps(tree)}" for question, tree in _EXAMPLES),
    )


def _grouped(relations: Iterable[Relation]) -> dict[str, list[str]]:
    """Relations by what they give and of how many things."""
    groups: dict[str, list[str]] = {}
    for relation in relations:
        # What folds say better, and points in the air, which nothing in a tree can use.
        if not relation.of_all and not relation.name.startswith("point_"):
            groups.setdefault(_what(relation), []).append(relation.name)
    return groups


def _what(relation: Relation) -> str:
    gives = {
        Kind.ESTIMATE: f"number in {relation.unit}",
        Kind.PREDICATE: "true or false",
        Kind.CHOICE: "which of two things is more so",
        Kind.CLASSIFY: "which side, only alone",
    }[relation.kind]
    amount = ', with "amount" in m beside "args"' if relation.takes_amount else ""
    return f"{gives} ({'1 thing' if relation.arity == 1 else f'{relation.arity} things'}{amount})"


def _arguments(operator: Operator) -> str:
    """Its arguments and what it makes of them."""
    count = f"{operator.least}" if operator.least == operator.most else f"{operator.least} or more"
    return f"{count}: {operator.meaning}"
