"""Task files (YAML) to task specs and back. ``load_task_text(dump_task(task)) == task``.

Lengths and times carry their unit ("3 cm", "0.1 s"): a bare number is refused, because it would be wrong by 1000 some
day. Whatever is wrong, the error names the file, the field, the value, and the cure.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..expressions.tree import ExpressionError, Tree, to_text
from ..expressions.tree_json import tree_from_json, tree_to_json
from ..language.patterns import QuestionError
from ..reasoning.grammar import parse
from ..scene.facts import COUNT, METRE, PROBABILITY, RADIAN, Query
from .task import UNITS, Constraint, Reference, Stage, TaskError, TaskSpec, Want, check_query
from .trees import MARGIN, leaf, leaf_query, unit_of

_TASK_KEYS = (
    "task", "description", "parameters", "gamma", "nominal_dt", "reference", "zero_potential_at_success",
    "success_frames", "filter_frames", "anchored", "anchor_tolerance", "stages",
)  # fmt: skip
_STAGE_KEYS = ("name", "weight", "goal", "keep")
_CONSTRAINT_KEYS = (
    "relation",
    "subject",
    "object",
    "third",
    "amount",
    "view",
    "tree",
    "ask",
    "at_most",
    "at_least",
    "is",
    "probability",
    "tolerance",
    "scale",
    "weight",
)
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Z]*)\s*")
_MAX_BYTES = 1_000_000
# In the relation's unit; for lengths and predicates the same as the defaults of task.at_most and task.is_true.
# 15 degrees are half an hour of the clock, by which directions are told in words; half a thing lies between two counts.
DEFAULTS = {
    METRE: {"tolerance": 0.02, "scale": 0.05},
    RADIAN: {"tolerance": math.radians(15), "scale": math.radians(30)},
    COUNT: {"tolerance": 0.5, "scale": 1.0},
    PROBABILITY: {"tolerance": 0.5, "scale": 0.5},
    MARGIN: {"tolerance": 0.5, "scale": 1.0},
}


def load_task(path: str | Path) -> TaskSpec:
    """The task of a file. Raises TaskFileError, which names the file, for whatever is wrong."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise TaskFileError(str(path), f"has {path.stat().st_size} bytes; a task file has at most {_MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TaskFileError(str(path), f"cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise TaskFileError(str(path), "is not UTF-8 text; save it as UTF-8") from error
    return load_task_text(text, str(path))


class TaskFileError(TaskError):
    """A task file that cannot be used."""

    def __init__(self, file: str, problem: str) -> None:
        ValueError.__init__(self, f"{file}: {problem}")
        self.field, self.value, self.cure = "", file, problem


def load_task_text(text: str, file: str = "task") -> TaskSpec:
    """The task of YAML text; ``file`` is what errors call it. Raises TaskFileError."""
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TaskFileError(file, f"is not YAML: {' '.join(str(error).split())}") from error
    try:
        return _task(loaded)
    except TaskFileError:
        raise
    except TaskError as error:
        raise TaskFileError(file, str(error)) from error


def dump_task(task: TaskSpec) -> str:
    """YAML text of a task."""
    document: dict[str, Any] = {"task": task.name}
    if task.description:
        document["description"] = task.description
    if task.parameters:
        document["parameters"] = list(task.parameters)
    document |= {
        "gamma": task.gamma,
        "nominal_dt": f"{float(task.nominal_dt_s)!r} s",
        "reference": task.reference.value,
        "zero_potential_at_success": task.zero_potential_at_success,
        "success_frames": task.success_frames,
        "filter_frames": task.filter_frames,
    }
    if task.anchored:
        document |= {"anchored": list(task.anchored), "anchor_tolerance": f"{float(task.anchor_tolerance_m)!r} m"}
    document |= {
        "stages": [_stage_document(stage) for stage in task.stages],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def save_task(task: TaskSpec, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a task file. Raises FileExistsError for a path that exists, unless told to overwrite."""
    with open(path, "w" if overwrite else "x", encoding="utf-8") as file:
        file.write(dump_task(task))


# -- reading
# ----------------------------------------------------------------------------------------------------------


def _mapping(field: str, value: object, keys: Iterable[str]) -> Mapping[str, Any]:
    keys = tuple(keys)
    if not isinstance(value, dict):
        raise TaskError(field, value, f"give a mapping with {', '.join(keys)}")
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1)
            cure = f"did you mean '{near[0]}'?" if near else f"known keys are {', '.join(keys)}"
            raise TaskError(field, key, f"this key is not known; {cure}")
    return value


def _list(field: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TaskError(field, value, "give a list")
    return value


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise TaskError(field, value, "give text; put quotes around it if YAML reads it as something else")
    return value.strip()


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TaskError(field, value, "give true or false")
    return value


def _plain(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TaskError(field, value, "give a number without unit")
    try:
        return float(value)
    except OverflowError as error:
        raise TaskError(field, "a whole number of many digits", "give a number that a float can hold") from error


def parse_quantity(field: str, value: object, unit: str) -> float:
    """The number of "3 cm" in SI ``unit``. A probability and a count are plain numbers. Raises TaskError."""
    known = UNITS[unit]
    if "" in known:
        return _plain(field, value)
    example = f"'0.1 {unit}'"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise TaskError(field, value, f"the unit is missing: write for example '{value} {unit}'")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise TaskError(field, value, f"give a number with its unit, for example {example}")
    if match[2] not in known:
        raise TaskError(field, value, f"use a unit of {', '.join(known)}, for example {example}")
    return float(match[1]) * known[match[2]]


def _task(value: object) -> TaskSpec:
    document = _mapping("the file", value, _TASK_KEYS)
    if "task" not in document:
        raise TaskError("task", None, "give the task a name")
    fields: dict[str, Any] = {}
    readers = {
        "gamma": _plain,
        "zero_potential_at_success": _flag,
        # whole numbers are checked by TaskSpec, which sees them as they are
        "success_frames": lambda _, number: number,
        "filter_frames": lambda _, number: number,
        "description": _text,
    }
    for key, read in readers.items():
        if key in document:
            fields[key] = read(key, document[key])
    if "nominal_dt" in document:
        fields["nominal_dt_s"] = parse_quantity("nominal_dt", document["nominal_dt"], "s")
    if "anchor_tolerance" in document:
        fields["anchor_tolerance_m"] = parse_quantity("anchor_tolerance", document["anchor_tolerance"], METRE)
    fields["anchored"] = tuple(_text("anchored", name) for name in _list("anchored", document.get("anchored", [])))
    if "reference" in document:
        choices = [reference.value for reference in Reference]
        if document["reference"] not in choices:
            raise TaskError("reference", document["reference"], f"use one of {', '.join(choices)}")
        fields["reference"] = Reference(document["reference"])
    parameters = tuple(_text("parameters", name) for name in _list("parameters", document.get("parameters", [])))
    stages = tuple(_stage(f"stages[{i}]", stage) for i, stage in enumerate(_list("stages", document.get("stages", []))))
    return TaskSpec(_text("task", document["task"]), stages, parameters, **fields)


def _stage(field: str, value: object) -> Stage:
    stage = _mapping(field, value, _STAGE_KEYS)
    goals = _list(f"{field}.goal", stage.get("goal", []))
    keeps = _list(f"{field}.keep", stage.get("keep", []))
    return Stage(
        _text(f"{field}.name", stage.get("name", "")),
        tuple(_constraint(f"{field}.goal[{i}]", goal) for i, goal in enumerate(goals)),
        tuple(_constraint(f"{field}.keep[{i}]", keep) for i, keep in enumerate(keeps)),
        _plain(f"{field}.weight", stage.get("weight", 1.0)),
    )


def _constraint(field: str, value: object) -> Constraint:
    given = _mapping(field, value, _CONSTRAINT_KEYS)
    tree = _measured(field, given)
    wants = [key for key in ("at_most", "at_least", "is") if key in given]
    if len(wants) != 1:
        raise TaskError(field, wants, "give exactly one of at_most, at_least (estimates) and is (predicates)")
    if wants[0] == "is":
        want = Want.IS_TRUE if _flag(f"{field}.is", given["is"]) else Want.IS_FALSE
    else:
        want = Want(wants[0])
    try:
        unit = unit_of(tree)
    except ExpressionError as error:
        raise TaskError(f"{field}.tree", to_text(tree), str(error)) from error
    is_truth = unit in (PROBABILITY, MARGIN)
    if want.of_predicate != is_truth:
        cure = "use 'is: true' or 'is: false'" if is_truth else "use 'at_most' or 'at_least' with a number"
        query = leaf_query(tree)
        shown = query.relation if query is not None else to_text(tree)
        raise TaskError(f"{field}.{wants[0]}", given[wants[0]], f"'{shown}' needs another form: {cure}")
    if "probability" in given and not want.of_predicate:
        raise TaskError(f"{field}.probability", given["probability"], "leave it out: it is for predicates only")
    if unit == MARGIN:
        if "probability" in given:
            raise TaskError(f"{field}.probability", given["probability"], "leave it out: it is for one relation only")
        target = 0.0
    elif want.of_predicate:
        target = _plain(f"{field}.probability", given.get("probability", 0.8))
    else:
        target = parse_quantity(f"{field}.{wants[0]}", given[wants[0]], unit)
    tolerance, scale = (
        parse_quantity(f"{field}.{key}", given[key], unit) if key in given else DEFAULTS[unit][key]
        for key in ("tolerance", "scale")
    )
    return Constraint(tree, want, target, tolerance, scale, _plain(f"{field}.weight", given.get("weight", 1.0)))


def _measured(field: str, given: Mapping[str, Any]) -> Tree:
    """What a constraint is about: a relation by its keys, a tree as JSON, or a question in words."""
    ways = [key for key in ("relation", "tree", "ask") if key in given]
    if len(ways) > 1:
        raise TaskError(field, ways, "give one of them: a relation with its names, a tree, or a question")
    if ways in (["tree"], ["ask"]):
        for key in ("subject", "object", "third", "amount", "view"):
            if key in given:
                raise TaskError(f"{field}.{key}", given[key], f"leave it out: '{ways[0]}' says it all")
        try:
            return tree_from_json(given["tree"]) if ways == ["tree"] else parse(_text(f"{field}.ask", given["ask"]))
        except (ExpressionError, QuestionError) as error:
            shown = given[ways[0]] if isinstance(given[ways[0]], str) else type(given[ways[0]]).__name__
            raise TaskError(f"{field}.{ways[0]}", shown, str(error)) from error
    relation, *names, view = (
        _text(f"{field}.{key}", given.get(key, "")) for key in ("relation", "subject", "object", "third", "view")
    )
    amount_m = parse_quantity(f"{field}.amount", given["amount"], METRE) if "amount" in given else 0.0
    query = Query(relation, names[0], names[1], names[2], amount_m, view)
    check_query(field, query)
    return leaf(query)


# -- writing
# ----------------------------------------------------------------------------------------------------------


def _stage_document(stage: Stage) -> dict[str, Any]:
    document: dict[str, Any] = {"name": stage.name, "weight": stage.weight}
    document["goal"] = [_constraint_document(goal) for goal in stage.goals]
    if stage.keeps:
        document["keep"] = [_constraint_document(keep) for keep in stage.keeps]
    return document


def _constraint_document(constraint: Constraint) -> dict[str, Any]:
    query, is_predicate = constraint.query, constraint.want.of_predicate
    document: dict[str, Any]
    if query is None:
        document = {"tree": tree_to_json(constraint.tree)}
    else:
        document = {"relation": query.relation, "subject": query.subject}
        document |= {key: name for key, name in (("object", query.object), ("third", query.third), ("view", query.view)) if name}
        if query.amount:
            document["amount"] = f"{float(query.amount)!r} {METRE}"

    def quantity(value: float) -> float | str:
        # Counts and probabilities have no unit to write.
        return float(value) if "" in UNITS[constraint.unit] else f"{float(value)!r} {constraint.unit}"

    if is_predicate:
        document["is"] = constraint.want is Want.IS_TRUE
        document |= {"probability": constraint.target} if constraint.unit == PROBABILITY else {}
    else:
        document[constraint.want.value] = quantity(constraint.target)
    document |= {"tolerance": quantity(constraint.tolerance), "scale": quantity(constraint.scale)}
    return document | {"weight": constraint.weight}
