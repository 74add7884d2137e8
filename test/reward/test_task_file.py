"""Task files: what is read back is what was written, and every mistake is refused by name."""

from pathlib import Path

import pytest

from spatialvlm_ros.reward.builder import TEMPLATES, find_task, task_from_instruction, template
from spatialvlm_ros.reward.task import Reference, TaskError, Want
from spatialvlm_ros.reward.task_file import TaskFileError, dump_task, load_task, load_task_text, save_task
from spatialvlm_ros.scene.facts import Query

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
        ("pikc(a)", "known tasks are pick, pick_and_place"),
        ("open the gripper", "no spatial fact"),
        ("/nowhere/x.yaml", "cannot be read"),
        ("sing a song", "forms"),
        ("", "empty"),
    ],
)
def test_a_text_without_a_task_is_refused(text, cure):
    with pytest.raises(ValueError, match=cure):
        find_task(text, CONFIG)
