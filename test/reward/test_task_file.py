"""Task files: what is read back is what was written, and every mistake is refused by name."""

import math
from pathlib import Path

import pytest

from spatialvlm_ros.reward.builder import TEMPLATES, find_task, task_from_instruction, template
from spatialvlm_ros.reward.task import Constraint, Reference, Stage, TaskError, TaskSpec, Want, at_most, is_true
from spatialvlm_ros.reward.task_file import TaskFileError, dump_task, load_task, load_task_text, save_task
from spatialvlm_ros.reward.trees import leaf
from spatialvlm_ros.scene.facts import PROBABILITY, Query
from spatialvlm_ros.scene.relations import RELATIONS

CONFIG = Path(__file__).resolve().parents[2] / "config" / "tasks"

GOOD = """
task: bring
gamma: 0.98
nominal_dt: 50 ms
reference: scale
stages:
  - name: reach
    goal:
      - {relation: distance, subject: gripper, object: red block, at_most: 3 cm, tolerance: 10 mm, scale: 0.2 m}
    keep:
      - {relation: "on", subject: red block, object: plate, is: false}
"""


def test_reads_units_and_defaults():
    task = load_task_text(GOOD)
    goal, keep = task.stages[0].goals[0], task.stages[0].keeps[0]
    assert (task.name, task.gamma, task.nominal_dt_s, task.reference) == ("bring", 0.98, 0.05, Reference.SCALE)
    assert goal.query == Query("distance", "gripper", "red block")
    assert (goal.want, goal.target, goal.tolerance, goal.scale) == (Want.AT_MOST, 0.03, 0.01, 0.2)
    assert (keep.want, keep.target, keep.unit) == (Want.IS_FALSE, 0.8, "probability")
    assert task.queries() == (goal.query, keep.query)


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "field", "cure"),
    [
        ("[1, 2", "not YAML", ""),
        ("just words", "the file is 'just words'", "mapping"),
        ("{task: x}", "stages is []", "at least one stage"),
        (edited("task: bring", "name: bring"), "'name'", "known keys are task"),
        (edited("task: bring", "task: ''"), "task is ''", "give the task a name"),
        (edited("gamma: 0.98", "gama: 0.98"), "'gama'", "did you mean 'gamma'?"),
        (edited("gamma: 0.98", "gamma: 1.2"), "gamma is 1.2", "at most 1"),
        (edited("gamma: 0.98", "gamma: .nan"), "gamma is nan", "number"),
        (edited("gamma: 0.98", "gamma: high"), "gamma is 'high'", "number without unit"),
        (edited("gamma: 0.98", "success_frames: 2.5"), "success_frames is 2.5", "whole number from 1"),
        (edited("gamma: 0.98", "filter_frames: 99"), "filter_frames is 99", "1 to 15"),
        (edited("gamma: 0.98", "zero_potential_at_success: 1"), "zero_potential_at_success is 1", "true or false"),
        (edited("50 ms", "0.05"), "nominal_dt is 0.05", "write for example '0.05 s'"),
        (edited("50 ms", "50 hz"), "nominal_dt is '50 hz'", "use a unit of s, ms"),
        (edited("reference: scale", "reference: start"), "reference is 'start'", "entry, scale"),
        (edited("at_most: 3 cm", "at_most: 3"), "stages[0].goal[0].at_most is 3", "'3 m'"),
        (edited("at_most: 3 cm", "at_most: 3 rad"), "stages[0].goal[0].at_most is '3 rad'", "m, cm, mm"),
        (edited("at_most: 3 cm", "at_most: three cm"), "at_most is 'three cm'", "number with its unit"),
        (edited("at_most: 3 cm", "at_most: 3 cm, at_least: 1 cm"), "['at_most', 'at_least']", "exactly one"),
        (edited("at_most: 3 cm", "is: true"), "stages[0].goal[0].is is True", "at_most"),
        (edited("at_most: 3 cm", "at_most: 3 cm, probability: 0.9"), "probability is 0.9", "predicates only"),
        (edited("is: false", "at_most: 0.1 m"), "stages[0].keep[0].at_most", "is: true"),
        (edited("is: false", "is: maybe"), "stages[0].keep[0].is is 'maybe'", "true or false"),
        (edited("is: false", "is: false, tolerance: 3 cm"), "tolerance is '3 cm'", "number without unit"),
        (edited("is: false", "is: false, probability: 0.2"), "probability is 0.2", "at least 0.5"),
        (edited("scale: 0.2 m", "scale: 0 m"), "stages[0].goal[0].scale is 0.0", "greater than 0"),
        (edited("relation: distance", "relation: distanse"), "relation is 'distanse'", "distance"),
        (edited("subject: gripper, object: red block", "object: red block"), "subject is ''", "name the thing"),
        (edited("subject: gripper, object: red block", "subject: gripper"), "distance(gripper)", "the object's name is empty"),
        (edited("object: red block, at_most", "object: gripper, at_most"), "distance(gripper, gripper)", "two names"),
        (edited("object: red block, at_most", "object: 7, at_most"), "object is 7", "quotes"),
        (edited("object: red block, at_most", "object: '{thing}', at_most"), "'{thing}'", "not in the task's parameters"),
        (edited("relation: distance, subject: gripper", "relation: elevation, subject: x"), "'red block'", "leave the object"),
        (edited("at_most: 3 cm", "third: cup, at_most: 3 cm"), "distance(gripper, red block, cup)", "leave the third"),
        (edited("at_most: 3 cm", "amount: 0.8 m, at_most: 3 cm"), "0.8 m", "takes no amount"),
        (edited('relation: "on"', "amount: 0.8, relation: reachable"), "stages[0].keep[0].amount is 0.8", "'0.8 m'"),
        (edited('relation: "on"', "amount: 0.8 rad, relation: reachable"), "amount is '0.8 rad'", "m, cm, mm"),
        (edited('relation: "on"', "amount: -8 cm, relation: reachable"), "reachable(red block, plate", "above 0"),
        (edited('relation: "on"', "relation: reachable"), "reachable(red block, plate)", "needs a length"),
        (edited('relation: "on"', "third: '{x}', relation: between"), "stages[0].keep[0].third is '{x}'", "parameters"),
        (edited("relation: distance", "relation: direction"), "at_most is '3 cm'", "use a unit of rad, deg"),
        (edited("relation: distance, subject: gripper, object: red", "relation: count, subject: red"), "'3 cm'", "without unit"),
        (edited("gamma: 0.98", f"gamma: {10**400}"), "gamma", "a float can hold"),
        (edited("goal:", "goals:"), "'goals'", "did you mean 'goal'?"),
        (edited('{relation: "on"', '{relation: on'), "relation is True", "quotes"),
        (edited("name: reach", "name: ''"), "stages[0].name is ''", "give the stage a name"),
        (edited("stages:", "stages: {}\nx:"), "'x'", "known keys"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_file_field_value_and_cure(text, field, cure):
    with pytest.raises(TaskFileError) as refused:
        load_task_text(text, "my_task.yaml")
    message = str(refused.value)
    assert message.startswith("my_task.yaml: ")
    assert field in message and cure in message


def test_a_yaml_tag_that_would_run_code_is_refused():
    with pytest.raises(TaskFileError):
        load_task_text("task: !!python/object/apply:os.getcwd []")


def test_missing_file_names_the_path(tmp_path):
    with pytest.raises(TaskFileError, match=r"nothing\.yaml: cannot be read"):
        load_task(tmp_path / "nothing.yaml")


def test_stage_names_are_unique():
    stage = "  - name: reach\n    goal: [{relation: elevation, subject: x, at_least: 1 cm}]\n"
    with pytest.raises(TaskFileError, match=r"stages\[1\]\.name is 'reach'"):
        load_task_text(f"task: t\nstages:\n{stage}{stage}")


@pytest.mark.parametrize("name", TEMPLATES)
def test_ready_files_are_the_builders_tasks_and_survive_a_round_trip(name):
    task = load_task(CONFIG / f"{name}.yaml")
    assert task == template(name)
    assert load_task_text(dump_task(task)) == task


def constraint_on(name, view=""):
    """A constraint on a relation of the registry that fills every field the relation has; no number is a round one."""
    relation = RELATIONS[name]
    things = ("{subject}", "{object}", "cup")[: relation.arity]
    amount_m = 1 / 3 if relation.takes_amount else 0.0
    query = Query(name, *things, *("",) * (3 - len(things)), amount_m, view)
    if relation.unit == PROBABILITY:
        return Constraint(leaf(query), Want.IS_FALSE, 0.85, 0.1 + 0.2, 1 / 3)
    return Constraint(leaf(query), Want.AT_LEAST, 0.1 + 0.2, 1 / 7, 2 / 3, 1.5)


@pytest.mark.parametrize("view", ["", "canonical", "camera_link"])
@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_survives_a_round_trip(name, view):
    constraint = constraint_on(name, view)
    task = TaskSpec("all", (Stage("one", (constraint,), (constraint,)),), ("subject", "object"))
    read = load_task_text(dump_task(task))
    assert read == task
    assert read.queries() == (constraint.query,)


def test_an_amount_is_a_length_with_its_unit():
    text = """
task: within reach
stages:
  - name: reach
    goal: [{relation: reachable, subject: cup, object: robot, amount: 80 cm, view: base_link, is: true}]
"""
    assert load_task_text(text).queries() == (Query("reachable", "cup", "robot", "", 0.8, "base_link"),)
    task = load_task_text(text)
    assert "amount: 0.8 m" in dump_task(task) and "view: base_link" in dump_task(task)


@pytest.mark.parametrize(
    ("constraint", "target", "tolerance", "scale"),
    [
        ("relation: direction, subject: cup, object: robot, at_most: 90 deg", math.pi / 2, math.pi / 12, math.pi / 6),
        ("relation: direction, subject: cup, object: robot, at_least: 0.1 rad", 0.1, math.pi / 12, math.pi / 6),
        ("relation: count, subject: cup, at_least: 2", 2.0, 0.5, 1.0),
        ("relation: width, subject: cup, at_most: 5 cm", 0.05, 0.02, 0.05),
        ("relation: direction, subject: cup, object: robot, at_most: 1 rad, tolerance: 3 deg, scale: 0.2 rad",
         1.0, math.radians(3), 0.2),
    ],
)  # fmt: skip
def test_each_unit_has_defaults(constraint, target, tolerance, scale):
    goal = load_task_text(f"task: t\nstages: [{{name: one, goal: [{{{constraint}}}]}}]").stages[0].goals[0]
    assert (goal.target, goal.tolerance, goal.scale) == pytest.approx((target, tolerance, scale))


@pytest.mark.parametrize("name", RELATIONS)
def test_defaults_exist_for_every_relation(name):
    relation = RELATIONS[name]
    fields = ["subject: a", *["object: b"] * (relation.arity > 1), *["third: c"] * (relation.arity > 2)]
    fields += ["amount: 0.5 m"] * relation.takes_amount
    fields.append({"m": "at_most: 1 m", "rad": "at_most: 1 rad", "count": "at_most: 1"}.get(relation.unit, "is: true"))
    goal = (
        load_task_text(f"task: t\nstages: [{{name: one, goal: [{{relation: '{name}', {', '.join(fields)}}}]}}]")
        .stages[0]
        .goals[0]
    )
    assert goal.scale > 0 and goal.tolerance > 0
    if relation.unit == "m":
        assert goal == at_most(goal.query, 1.0)
    elif relation.unit == PROBABILITY:
        assert goal == is_true(goal.query)


def test_every_ready_file_is_known():
    assert sorted(path.stem for path in CONFIG.glob("*")) == sorted(TEMPLATES)


def test_saving_never_overwrites_unless_told(tmp_path):
    path = tmp_path / "t.yaml"
    save_task(template("pick"), path)
    with pytest.raises(FileExistsError):
        save_task(template("reach"), path)
    save_task(template("reach"), path, overwrite=True)
    assert load_task(path).name == "reach"


def test_binding_replaces_names_and_wants_all_of_them():
    task = template("pick_and_place").bind({"subject": "red block", "object": "plate"})
    assert not task.parameters and task.name == "pick_and_place(red block, plate)"
    assert Query("on", "red block", "plate") in task.queries()
    with pytest.raises(TaskError, match="object"):
        template("pick_and_place").bind({"subject": "red block"})
    with pytest.raises(TaskError, match="'thing'"):
        template("pick").bind({"thing": "red block"})
    between = is_true(Query("between", "{subject}", "left post", "{object}"))
    bound = TaskSpec("t", (Stage("s", (between,)),), ("subject", "object"), "{subject} at {last}, not {object}").bind(
        {"subject": "cup", "object": "right post"}
    )
    assert bound.queries() == (Query("between", "cup", "left post", "right post"),)
    assert bound.description == "cup at {last}, not right post"
    with pytest.raises(TaskError, match="two names are"):
        template("pick_and_place").bind({"subject": "plate", "object": "plate"})


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("pick up the red block", ["reach", "grasp", "lift"]),
        ("put the red block on the green plate", ["reach", "grasp", "lift", "carry", "place", "release"]),
        ("put the red block on the table", ["reach", "grasp", "place", "release"]),
        ("put the cup to the left of the bowl", ["reach", "grasp", "lift", "carry", "place", "release"]),
        ("pick(red block)", ["reach", "grasp", "lift"]),
        ("place_on(red block, green plate)", ["carry", "place", "release"]),
    ],
)
def test_a_text_finds_its_task(text, stages):
    assert find_task(text, CONFIG).stage_names() == stages


def test_an_instruction_and_the_ready_task_agree():
    said = task_from_instruction("put the red block on the green plate")
    bound = template("pick_and_place").bind({"subject": "red block", "object": "green plate"})
    assert said.stages == bound.stages and said.name == "put the red block on the green plate"
    inside = template("put_in").bind({"subject": "can", "object": "bowl"})
    said = task_from_instruction("pick up the can and put it in the bowl")
    assert said.stages == inside.stages and said.anchored == inside.anchored == ("bowl",)


def test_a_side_becomes_the_registrys_predicate():
    task = task_from_instruction("put the cup in front of the bowl")
    assert Query("front", "cup", "bowl") in task.queries()


def test_several_goals_follow_and_what_was_placed_stays():
    task = task_from_instruction("put the red block on the plate and put the blue block on the red block")
    assert task.stage_names()[0] == "reach red block" and len(task.stages) == 12
    assert Query("on", "red block", "plate") in {keep.query for keep in task.stages[-1].keeps}


def test_a_path_with_parameters_is_a_task():
    assert find_task(f"{CONFIG}/pick.yaml(red block)", None).name == "pick(red block)"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("pick", r"write pick\(subject\)"),
        ("pick(a, b)", "takes 1 names"),
        ("pikc(a)", "known tasks are .*pick, pick_and_place"),
        ("open the gripper", "no spatial fact"),
        ("/nowhere/x.yaml", "cannot be read"),
        ("sing a song", "forms"),
        ("", "empty"),
    ],
)
def test_a_text_without_a_task_is_refused(text, cure):
    with pytest.raises(ValueError, match=cure):
        find_task(text, CONFIG)
