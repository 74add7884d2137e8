"""Plans: shortest for towers, blockers moved first, impossible goals with their reason, every motion inside the workspace."""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from stopwatch import quickest_s
from tiny_world import Block, TinyWorld, block, plate, stack

from spatialvlm_ros.language.instruction import Predicate, parse_instruction
from spatialvlm_ros.planning.config import Gripper, PlanningConfig, Workspace
from spatialvlm_ros.planning.domain import Plan, Tabletop, ground, make_plan
from spatialvlm_ros.planning.errors import ErrorCode, TaskError
from spatialvlm_ros.planning.placing import find_spot, has_room
from spatialvlm_ros.planning.predicates import Beliefs
from spatialvlm_ros.planning.rehearsal import rehearse
from spatialvlm_ros.planning.skills import plan_grasp, pointing_down
from spatialvlm_ros.planning.strips import Action, Problem

CONFIG = PlanningConfig()


def plan_for(blocks: list[Block], text: str, config: PlanningConfig = CONFIG) -> Plan:
    goals = parse_instruction(text).goals
    return make_plan(Beliefs(TinyWorld(blocks).world(goals), config), goals, config)


def steps(blocks: list[Block], text: str) -> list[str]:
    return [str(step) for step in plan_for(blocks, text).steps]


# -- search -------------------------------------------------------------------------------------------------------------------


def shortest(actions: list[Action], initial: set, goals: set) -> int:
    """Length of the shortest plan, by breadth-first search."""
    start = frozenset(initial)
    queue, seen = deque([(start, 0)]), {start}
    while queue:
        state, length = queue.popleft()
        if goals <= state:
            return length
        for action in actions:
            if action.preconditions <= state:
                after = (state - action.deletes) | action.adds
                if after not in seen:
                    seen.add(after)
                    queue.append((after, length + 1))
    return -1


@pytest.mark.parametrize("count", range(2, 9))
def test_a_tower_is_reversed_in_the_fewest_steps_within_milliseconds(count: int) -> None:
    names = [f"block{index}" for index in range(count)]
    goals = tuple(Predicate("on", low, high) for low, high in itertools.pairwise(names))
    beliefs = Beliefs(TinyWorld(stack(names, 0.45, 0.1)).world(goals), CONFIG)
    plan = make_plan(beliefs, goals, CONFIG)
    assert len(plan.steps) == 2 * count, "each block leaves its place once, but the top one goes to the table first"
    assert quickest_s(lambda: make_plan(beliefs, goals, CONFIG), 0.2) < 0.2


@pytest.mark.parametrize("seed", range(20))
def test_plans_of_random_towers_are_as_short_as_breadth_first_finds(seed: int) -> None:
    chance = random.Random(seed)
    names = ["a", "b", "c", "d"]
    chance.shuffle(names)
    cut = chance.randint(0, 4)
    blocks = [*stack(names[:cut], 0.45, 0.15), *stack(names[cut:], 0.45, -0.15)]
    wanted = chance.sample(names, 3)
    goals = tuple(Predicate("on", low, high) for low, high in itertools.pairwise(wanted))
    beliefs = Beliefs(TinyWorld(blocks).world(goals), CONFIG)
    table = Tabletop(beliefs, CONFIG, goals)
    assert len(make_plan(beliefs, goals, CONFIG).steps) == shortest(ground(table), table.state, set(goals))


def test_search_without_a_way_names_the_unreachable_goal() -> None:
    problem = Problem([Action("go", frozenset("a"), frozenset("b"), frozenset("a"))], goals={"c", "b"}, initial={"a"})
    assert problem.solve().labels is None and problem.unreachable_goals() == ["c"]
    assert Problem([], goals={"a"}, initial={"a"}).solve().labels == ()


def test_deletes_matter_although_the_heuristic_ignores_them() -> None:
    actions = [
        Action("first", frozenset({"key"}), frozenset({"x"}), frozenset({"key"})),
        Action("second", frozenset({"key"}), frozenset({"y"}), frozenset({"key"})),
        Action("again", frozenset(), frozenset({"key"}), frozenset(), cost=3),
    ]
    result = Problem(actions, goals={"x", "y"}, initial={"key"}).solve()
    assert result.labels in (("first", "again", "second"), ("second", "again", "first")) and result.cost == 5


# -- plans --------------------------------------------------------------------------------------------------------------------


def test_what_lies_on_the_support_is_moved_first() -> None:
    blocks = [block("red", 0.45, 0.1), *stack(["blue", "green"], 0.45, -0.1)]
    assert steps(blocks, "put red on blue") == ["pick(green)", "place(green, table)", "pick(red)", "place(red, blue)"]


def test_what_lies_on_the_thing_is_moved_first() -> None:
    assert steps(stack(["a", "b", "c"], 0.45, 0.1), "pick up b") == ["pick(c)", "place(c, table)", "pick(b)"]


def test_a_goal_that_holds_needs_nothing() -> None:
    assert steps(stack(["a", "b"], 0.45, 0.1), "put b on a") == []
    assert steps([block("a", 0.45, 0.1)], "put a on the table") == []


def test_a_tray_takes_several_things_and_a_block_one() -> None:
    tray = Block("tray", np.array([0.45, -0.15, 0.01]), (0.16, 0.30, 0.02))
    things = [block("a", 0.3, 0.2), block("b", 0.4, 0.2), tray]
    wanted = "put a on the tray and put b on the tray"
    plan = plan_for(things, wanted)
    assert [str(step) for step in plan.steps].count("place(a, tray)") == 1 and len(plan.steps) == 4
    world = TinyWorld(things).world(plan.goals)
    lowered = [
        motion.target.translation for _, motion in rehearse(plan, world, CONFIG) if motion.kind == "lower" and motion.target
    ]
    assert np.linalg.norm(lowered[0] - lowered[1]) > 0.04, "they must not be put into each other"
    with pytest.raises(TaskError) as caught:
        plan_for([block("a", 0.3, 0.2), block("b", 0.4, 0.2), block("c", 0.45, -0.15)], "put a on c and put b on c")
    assert caught.value.code is ErrorCode.IMPOSSIBLE_GOAL


def test_an_open_hand_is_opened_and_a_full_one_put_down() -> None:
    world = TinyWorld([block("a", 0.45, 0.1)])
    goals = parse_instruction("open the gripper").goals
    assert [str(step) for step in make_plan(Beliefs(world.world(goals), CONFIG), goals, CONFIG).steps] == ["open()"]
    world.move_tool(world.find("a").centre)
    world.close()
    world.move_tool(np.array([0.45, 0.1, 0.25]))
    world.advance(0.2)
    assert [str(step) for step in make_plan(Beliefs(world.world(goals), CONFIG), goals, CONFIG).steps] == ["place(a, table)"]


def test_what_is_in_the_hand_is_placed_without_picking() -> None:
    world = TinyWorld([block("a", 0.45, 0.1), plate("p", 0.45, -0.15)])
    world.move_tool(world.find("a").centre)
    world.close()
    world.move_tool(np.array([0.45, 0.1, 0.25]))
    world.advance(0.2)
    goals = parse_instruction("put a on p").goals
    assert [str(step) for step in make_plan(Beliefs(world.world(goals), CONFIG), goals, CONFIG).steps] == ["place(a, p)"]


@pytest.mark.parametrize(
    ("blocks", "text", "said"),
    [
        ([plate("plate", 0.45, 0.1)], "pick up the plate", "fingers open to"),
        ([block("a", 0.45, 0.1), Block("lid", np.array([0.45, 0.1, 0.05]), (0.2, 0.2, 0.02))], "pick up a", "lid is"),
    ],
)
def test_an_impossible_goal_says_why(blocks: list[Block], text: str, said: str) -> None:
    with pytest.raises(TaskError, match=said) as caught:
        plan_for(blocks, text)
    assert caught.value.code is ErrorCode.IMPOSSIBLE_GOAL


def test_unknowns_are_looked_at_before_anything_is_touched_and_refused_when_looks_do_not_help() -> None:
    goals = parse_instruction("pick up a").goals
    world = TinyWorld(stack(["a", "b"], 0.45, 0.1)).world(goals)
    facts = {query: fact for query, fact in world.facts.items() if query.relation != "on"}
    beliefs = Beliefs(replace(world, facts=facts), CONFIG)
    assert str(make_plan(beliefs, goals, CONFIG).steps[0]) == "look(a)"
    with pytest.raises(TaskError, match=r"clear.*not known"):
        make_plan(beliefs, goals, CONFIG, frozenset({"a"}))


def test_the_trace_tells_beliefs_and_search() -> None:
    plan = plan_for([block("red", 0.45, 0.1), plate("plate", 0.45, -0.1)], "put red on the plate")
    assert any(line.startswith("on(red, plate): false") for line in plan.trace) and "states expanded" in plan.trace[-1]


# -- grasps and places --------------------------------------------------------------------------------------------------------


def thing_in(one: Block, name: str = ""):  # type: ignore[no-untyped-def]
    world = TinyWorld([one]).world((Predicate("held", one.name),))
    return world.things[name or one.name], world


@pytest.mark.parametrize("yaw", np.linspace(-3, 3, 13))
def test_the_fingers_close_across_the_shorter_side(yaw: float) -> None:
    thing, world = thing_in(Block("bar", np.array([0.45, 0.1, 0.02]), (0.03, 0.15, 0.04), yaw_rad=yaw))
    rotation = plan_grasp(thing, world, CONFIG).tool.rotation
    short = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    assert abs(rotation[:, 1] @ short) == pytest.approx(1.0, abs=1e-6)
    assert rotation[:, 2] == pytest.approx([0, 0, -1]) and np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[0, 0] >= -1e-9, "the wrist turns at most a quarter from home"


def test_the_closing_axis_may_be_x() -> None:
    config = PlanningConfig(gripper=Gripper(closing_axis="x"))
    rotation = pointing_down(0.4, config)
    assert abs(rotation[:, 0] @ [np.cos(0.4), np.sin(0.4), 0]) == pytest.approx(1.0) and rotation[2, 2] == pytest.approx(-1)


def test_a_grasp_fits_the_thing() -> None:
    thing, world = thing_in(block("cube", 0.45, 0.1, size=0.05))
    grasp = plan_grasp(thing, world, CONFIG)
    assert grasp.tool.translation == pytest.approx([0.45, 0.1, 0.025], abs=1e-6)
    assert 0.05 < grasp.opening_m <= CONFIG.gripper.max_opening_m and grasp.bottom_below_tool_m == pytest.approx(0.025)


def test_a_flat_thing_is_not_grasped_into_the_table_and_a_tall_one_not_into_the_palm() -> None:
    flat, world = thing_in(block("coin", 0.45, 0.1, height=0.01))
    assert plan_grasp(flat, world, CONFIG).tool.translation[2] >= CONFIG.gripper.pad_below_tool_m
    tall, world = thing_in(block("bottle", 0.45, 0.1, height=0.25))
    assert plan_grasp(tall, world, CONFIG).tool.translation[2] == pytest.approx(0.25 - CONFIG.gripper.finger_depth_m, abs=1e-6)


def test_fingers_avoid_a_neighbour_when_both_ways_fit() -> None:
    goals = (Predicate("held", "cube"),)
    free = TinyWorld([block("cube", 0.45, 0.1)]).world(goals)
    blocked = TinyWorld([block("cube", 0.45, 0.1), block("wall", 0.45, 0.15)]).world(goals)
    closing = [plan_grasp(world.things["cube"], world, CONFIG).tool.rotation[:, 1] for world in (free, blocked)]
    assert abs(closing[0][1]) == pytest.approx(1) and abs(closing[1][0]) == pytest.approx(1)


@pytest.mark.parametrize("relation", ["next_to", "left_of", "right_of", "in_front_of", "behind"])
def test_a_place_beside_a_thing_is_free_and_on_that_side(relation: str) -> None:
    goals = (Predicate(relation, "a", "b"),)
    world = TinyWorld([block("a", 0.3, 0.25), block("b", 0.45, 0.0), block("c", 0.45, 0.1), block("d", 0.45, -0.1)]).world(goals)
    spot = find_spot(world.things["a"], relation, "b", world, CONFIG)
    offset = spot.xy_m - world.things["b"].centre[:2]
    assert all(np.linalg.norm(spot.xy_m - world.things[name].centre[:2]) > 0.05 for name in "bcd")
    if relation != "next_to":
        assert offset @ world.directions[relation] > 0.04
    assert spot.support_m == 0.0


def test_a_full_surrounding_is_refused() -> None:
    world = TinyWorld([block("a", 0.45, 0.1), block("b", 0.45, 0.0)]).world((Predicate("left_of", "a", "b"),))
    small = PlanningConfig(workspace=Workspace((0.4, 0.0, -0.1), (0.5, 0.2, 1.0)))
    with pytest.raises(TaskError) as caught:
        find_spot(world.things["a"], "left_of", "b", world, small)
    assert caught.value.code is ErrorCode.OUT_OF_REACH and "workspace" in str(caught.value)
    with pytest.raises(TaskError, match="not seen"):
        find_spot(world.things["a"], "on", "ghost", world, CONFIG)


def test_a_block_has_no_room_for_two() -> None:
    world = TinyWorld([block("a", 0.45, 0.1), block("b", 0.45, -0.1), plate("p", 0.3, -0.2)]).world((Predicate("on", "a", "b"),))
    assert not has_room(world.things["a"], world.things["b"], world.things, CONFIG)


# -- rehearsal ----------------------------------------------------------------------------------------------------------------


def test_a_rehearsal_carries_above_everything_and_sets_down_on_top() -> None:
    blocks = [block("red", 0.45, 0.2), block("tower", 0.45, 0.05, height=0.2), plate("plate", 0.45, -0.15)]
    plan = plan_for(blocks, "put red on the plate")
    motions = [motion for _, motion in rehearse(plan, TinyWorld(blocks).world(plan.goals), CONFIG)]
    assert [motion.kind for motion in motions][:2] == ["approach", "near"]
    carry = next(motion for motion in motions if motion.kind == "carry")
    lower = next(motion for motion in motions if motion.kind == "lower")
    assert carry.target is not None and carry.target.translation[2] >= 0.2 + 0.02 + CONFIG.carry_clearance_m - 1e-9
    assert lower.target is not None and lower.target.translation == pytest.approx(
        [0.45, -0.15, 0.016 + 0.02 + CONFIG.release_m], abs=1e-6
    )


def test_a_rehearsal_stacks_on_where_things_will_be() -> None:
    plan = plan_for([block("a", 0.4, 0.2), block("b", 0.5, 0.2), plate("p", 0.45, -0.15)], "put a on p and put b on a")
    world = TinyWorld([block("a", 0.4, 0.2), block("b", 0.5, 0.2), plate("p", 0.45, -0.15)]).world(plan.goals)
    lowered = [motion.target for _, motion in rehearse(plan, world, CONFIG) if motion.kind == "lower"]
    assert lowered[1] is not None and lowered[1].translation == pytest.approx(
        [0.45, -0.15, 0.016 + 0.06 + CONFIG.release_m], abs=1e-3
    )


def test_a_target_outside_the_workspace_is_refused_by_the_rehearsal() -> None:
    config = PlanningConfig(workspace=Workspace((0.1, -0.6, -0.02), (0.4, 0.6, 0.8)))
    plan = plan_for([block("a", 0.45, 0.1)], "pick up a", config)
    with pytest.raises(TaskError, match="workspace") as caught:
        rehearse(plan, TinyWorld([block("a", 0.45, 0.1)]).world(plan.goals), config)
    assert caught.value.code is ErrorCode.OUT_OF_REACH
