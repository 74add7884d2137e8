"""Every relation between the matched things of an image, asked of the engine and set beside its truth.

Every query leaves a row, answered or not: an engine that refuses what it finds hard is seen to do so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from ..engine import SpatialEngine
from ..scene.facts import Query
from ..scene.relations import RELATIONS
from ..scene.scene import Scene, SceneObject
from .engine_render import Rendered
from .engine_solids import Solid
from .engine_truth import TRUTHS

RELATION_NAMES = tuple(sorted(TRUTHS))
TOOL, ANYTHING = "gripper", "object"
# Relations of two things whose two orders ask two things; of the others one order holds all there is.
_BOTH_ORDERS = ("on", "contained", "fits_into", "reachable")
_TRIPLES = 8
_POINT_M = 0.05
# Relations that hold for few pairs: how many of the true ones are told counts beside how many verdicts are wrong.
RARE = ("on", "contained")

FACT = np.dtype(
    [("relation", "i2"), ("status", "i1"), ("a", "i2"), ("b", "i2"), ("value", "f8"), ("std", "f8"), ("truth", "f8")]
)  # a, b index the frame's things, -1 none; value and std NaN where the status has none; truth NaN where there is none


def queries_of(indices: Sequence[int], generator: np.random.Generator) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """(relation, indices of things, amount) of every relation between things; the tool is index -1."""
    orders = list(permutations(indices, 2))
    # Scenes list their largest things first; which of two is asked about is left to chance.
    pairs = [pair if generator.random() < 0.5 else pair[::-1] for pair in combinations(indices, 2)]
    triples = list(permutations(indices, 3))
    some = [triples[i] for i in generator.permutation(len(triples))[:_TRIPLES]]
    for name, relation in RELATIONS.items():
        if name not in TRUTHS or name == "count":  # it is about no thing in particular
            continue
        if name == "held":
            yield from ((name, (index, -1), 0.0) for index in indices)
        elif relation.arity == 1 or name == "nearest":
            amount = _POINT_M if relation.takes_amount else 0.0
            yield from ((name, (index,), amount) for index in indices)
        elif relation.arity == 3:
            yield from ((name, triple, 0.0) for triple in some)
        else:
            for pair in orders if name in _BOTH_ORDERS else pairs:
                amount = float(np.round(generator.uniform(0.05, 0.4), 3)) if relation.takes_amount else 0.0
                yield name, pair, amount


def judge_facts(
    rendered: Rendered,
    tool: Solid,
    engine: SpatialEngine,
    scene: Scene,
    objects: Mapping[int, SceneObject],
    generator: np.random.Generator,
) -> npt.NDArray[np.void]:
    """(M,) FACT: every query between matched things, and the count of all things, whatever became of it."""
    asked = [*queries_of(sorted(objects), generator), ("count", (), 0.0)]

    def name_of(index: int) -> str:
        return TOOL if index < 0 else f"#{objects[index].id}"

    queries = []
    for relation, indices, amount in asked:
        names = [name_of(index) for index in indices]
        names = [ANYTHING, *names] if RELATIONS[relation].of_all else names
        first, second, third = [*names, "", ""][:3]
        queries.append(Query(relation, first, second, third, amount))
    rows = np.zeros(len(asked), FACT)
    for i, ((relation, indices, amount), fact) in enumerate(zip(asked, engine.facts(scene, queries), strict=True)):
        value, std = (fact.value, fact.std) if fact.status.has_value else (np.nan, np.nan)
        true = truth_of(rendered, tool, relation, indices, amount)
        a, b = [*indices, -1, -1][:2]
        rows[i] = (RELATION_NAMES.index(relation), fact.status, a, b, value, std, true if np.isfinite(true) else np.nan)
    return rows


def truth_of(rendered: Rendered, tool: Solid | None, relation: str, indices: tuple[int, ...], amount: float = 0.0) -> float:
    """Truth of a query about things by index, the tool -1, which may be None where none is asked; worked out once a scene."""
    key = (relation, indices, amount)
    if key not in rendered.known:
        solids = [rendered.truth.solids[index] if index >= 0 else tool for index in indices]
        rendered.known[key] = TRUTHS[relation](rendered.truth, *solids, *([amount] if amount else []))
    return rendered.known[key]


def true_pairs(rendered: Rendered, tool: Solid) -> dict[str, int]:
    """For each of ``RARE``, the number of pairs of things in sight for which it holds, found by the engine or not."""
    pairs = list(permutations(range(len(rendered.truth.solids)), 2))
    return {name: sum(truth_of(rendered, tool, name, pair) > 0 for pair in pairs) for name in RARE}
