"""Time of one core from a question to its answer, with 8 things on the scene and 2000 samples of every error.

Every question meets a scene as if its image had just come in: nothing that was worked out about its things carries over. Beside
it stands the naive way to the same uncertainty: to measure every relation of the question on each of 2000 perturbed scenes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..expressions.evaluate import Evaluator
from ..expressions.samples import NUM_SAMPLES
from ..language.answers import measure_query
from ..reasoning.grammar import composed_kinds, parse
from ..reasoning.reasoner import Reasoner
from ..scene.scene import Binding, Scene, SceneObject
from ..simulation.random_scene import SceneSampling
from .engine_facts import TOOL
from .engine_render import render_scene
from .engine_scenes import Observer
from .language_draw import Question, draw
from .language_scenes import Posed, measured_scene
from .language_scores import family_of

THINGS = 8
FAMILY = "structured_light"
SAMPLING = SceneSampling(num_things=(THINGS, THINGS), share_stacked=0.0, pitch_deg=(-60.0, -35.0), wall_probability=0.3)
# A few kinds that differ in how many relations they measure and in what those cost.
NAIVE_KINDS = ("distance_longer", "how_much_taller", "pass_width", "nearest_of_named", "superlative/tallest")
_LOOKED_AT = 20


@dataclass(frozen=True)
class SpeedExtent:
    """``scenes`` with ``each`` questions of every kind in all, or of the first ``kinds`` of them; ``naive`` perturbed scenes."""

    scenes: int = 6
    each: int = 4
    naive: int = NUM_SAMPLES
    kinds: int = len(composed_kinds())


def run_speed(first_seed: int, extent: SpeedExtent) -> dict[str, Any]:
    """All timings, pinned to one core; for a process of its own."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    scenes = scenes_with_all(extent.scenes, first_seed)
    asked = _questions(scenes, extent)
    _answer(*asked[0])  # builds the tables of the grammar
    rows = [(question.kind, *_timed(posed, question)) for posed, question in asked]
    parse_ms, answer_ms = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    total_ms = parse_ms + answer_ms
    families = np.array([family_of(row[0]) for row in rows])
    return {
        "noise": FAMILY,
        "scenes": len(scenes),
        "things": [len(posed.names) for posed in scenes],
        "samples": NUM_SAMPLES,
        "questions": len(rows),
        "kinds": len({row[0] for row in rows}),
        "total_ms": _quantiles(total_ms),
        "parse_ms": _quantiles(parse_ms),
        "evaluate_ms": _quantiles(answer_ms),
        "total_ms_p50_by_family": {name: float(np.median(total_ms[families == name])) for name in sorted(set(families))},
        "slowest": [
            {"kind": asked[i][1].kind, "question": asked[i][1].text, "ms": float(total_ms[i])} for i in np.argsort(-total_ms)[:5]
        ],
        "against_naive": _against_naive(scenes[0], extent.naive),
    }


def scenes_with_all(count: int, first_seed: int) -> list[Posed]:
    """Scenes on which all of ``THINGS`` things were found, by number. Raises ValueError where too few are."""
    observer, found = Observer(FAMILY), []
    for seed in range(first_seed, first_seed + _LOOKED_AT * count):
        measured = measured_scene(render_scene(seed, SAMPLING), FAMILY, observer)
        if measured is not None and len(measured.by_number.names) == THINGS:
            found.append(measured.by_number)
        if len(found) == count:
            return found
    raise ValueError(f"{len(found)} of {count} scenes show {THINGS} things among seeds {first_seed} to {seed}")


def _questions(scenes: Sequence[Posed], extent: SpeedExtent) -> list[tuple[Posed, Question]]:
    generator = np.random.default_rng((scenes[0].seed, 41))
    drawn = [
        (posed, draw(posed, kind, generator))
        for step, kind in enumerate(tuple(composed_kinds())[: extent.kinds])
        for posed in (scenes[(step + turn) % len(scenes)] for turn in range(extent.each))
    ]
    return [(posed, question) for posed, question in drawn if question is not None]


def _quantiles(milliseconds: Any) -> dict[str, float]:
    return {
        "p50": float(np.percentile(milliseconds, 50)),
        "p95": float(np.percentile(milliseconds, 95)),
        "max": float(np.max(milliseconds)),
        "mean": float(np.mean(milliseconds)),
    }


def _timed(posed: Posed, question: Question) -> tuple[float, float]:
    """Milliseconds for the words and for the answer."""
    scene, reasoner, known = untouched(posed.scene), Reasoner(), (*posed.names, TOOL)
    started = time.perf_counter()
    plan = reasoner.plan(question.text, known)
    read = time.perf_counter()
    reasoner.answer(plan, scene)
    return 1e3 * (read - started), 1e3 * (time.perf_counter() - read)


def _answer(posed: Posed, question: Question) -> str:
    reasoner = Reasoner()
    return reasoner.answer(reasoner.plan(question.text, (*posed.names, TOOL)), untouched(posed.scene)).text


def untouched(scene: Scene) -> Scene:
    """The same scene, with nothing worked out about its things."""
    return _with_things(scene, {thing.id: replace(thing) for thing in scene.objects})


def _with_things(scene: Scene, things: dict[int, SceneObject]) -> Scene:
    def bound(thing: SceneObject) -> SceneObject:
        return replace(things[thing.id], label=thing.label) if thing.id in things else replace(thing)

    bindings = {
        name: Binding(
            binding.status, None if binding.thing is None else bound(binding.thing), binding.text,
            None if binding.answering is None else tuple(bound(thing) for thing in binding.answering),
        )
        for name, binding in scene.bindings.items()
    }  # fmt: skip
    return replace(scene, objects=tuple(things.values()), bindings=bindings)


# -- the naive way ------------------------------------------------------------------------------------------------------


def _against_naive(posed: Posed, count: int) -> dict[str, Any]:
    """The same questions by measuring all their relations on perturbed scenes in a loop."""
    generator = np.random.default_rng((posed.seed, 43))
    rows: dict[str, Any] = {}
    for kind in NAIVE_KINDS:
        question = draw(posed, kind, generator)
        assert question is not None
        tree = parse(question.text, posed.names)
        scene = untouched(posed.scene)
        started = time.perf_counter()
        evaluation = Evaluator(scene).evaluate(tree)
        ours = time.perf_counter() - started
        queries = [fact.query for fact in evaluation.facts]
        spent = 0.0
        for _ in range(count):
            perturbed = _perturbed(posed.scene, generator)  # drawing them is not counted
            started = time.perf_counter()
            for query in queries:
                measure_query(perturbed, query)
            spent += time.perf_counter() - started
        naive = spent * NUM_SAMPLES / count
        rows[kind] = {"relations": len(queries), "ms": 1e3 * ours, "naive_ms": 1e3 * naive, "naive_over_ours": naive / ours}
    return {"perturbed_scenes": count, "by_kind": rows, "least_ratio": min(row["naive_over_ours"] for row in rows.values())}


def _perturbed(scene: Scene, generator: np.random.Generator) -> Scene:
    """The scene with an error drawn for each thing's centre and edge lengths."""
    things = {}
    for thing in scene.objects:
        shift = generator.multivariate_normal(np.zeros(3), thing.covariance, check_valid="ignore")
        extents = np.maximum(thing.extents + generator.normal(0.0, 1.0, 3) * thing.extents_std, 0.0)
        points = (thing.points + shift).astype(np.float32)
        things[thing.id] = replace(thing, centre=thing.centre + shift, extents=extents, points=points)
    return _with_things(scene, things)
