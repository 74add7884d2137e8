"""Predicates are true, false or unknown, and say why."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tiny_world import Block, TinyWorld, block, plate, stack

from spatialvlm_ros.language.instruction import Predicate
from spatialvlm_ros.planning.config import PlanningConfig, Workspace
from spatialvlm_ros.planning.predicates import Beliefs, goal_names, queries_for
from spatialvlm_ros.planning.world import GRIPPER, World
from spatialvlm_ros.reward.readings import verdict
from spatialvlm_ros.reward.task import at_most, is_true
from spatialvlm_ros.scene.facts import METRE, PROBABILITY, Query, Source, SpatialFact, Status

CONFIG = PlanningConfig()


def fact(
    relation: str, *names: str, value: float = 0.0, std: float = 0.002, age_s: float = 0.1, status: Status = Status.OK
) -> SpatialFact:
    predicate = relation in ("on", "held", "left", "right", "front", "behind")
    unit = PROBABILITY if predicate else METRE
    stamp_ns = int((10.0 - age_s) * 1e9)
    return SpatialFact(Query(relation, *names), status, Source.DEPTH, stamp_ns, "camera", value, std, unit)


def beliefs(*facts: SpatialFact) -> Beliefs:
    return Beliefs(World(int(10e9), int(9.9e9), {}, {one.query: one for one in facts}), CONFIG)


@pytest.mark.parametrize(("probability", "verdict"), [(0.999, True), (0.5, None), (0.9, None), (0.1, None), (0.001, False)])
def test_a_probability_needs_two_standard_deviations(probability: float, verdict: bool | None) -> None:
    judged = beliefs(fact("on", "a", "b", value=probability))
    assert judged.verdict(Predicate("on", "a", "b")) is verdict


@pytest.mark.parametrize(
    ("elevation_m", "std_m", "verdict"),
    [
        (0.0, 0.003, True),
        (0.013, 0.003, True),
        (0.018, 0.003, None),
        (0.022, 0.003, None),
        (0.03, 0.003, False),
        (0.0, 0.05, None),
    ],
)
def test_on_the_table_is_judged_with_the_margin_of_the_elevation(elevation_m: float, std_m: float, verdict: bool | None) -> None:
    belief = beliefs(fact("elevation", "a", value=elevation_m, std=std_m)).of(Predicate("on_table", "a"))
    assert belief.verdict is verdict
    assert "elevation(a)" in belief.why


@pytest.mark.parametrize(
    "broken",
    [
        fact("on", "a", "b", value=1.0, age_s=0.6),
        fact("on", "a", "b", value=float("nan"), status=Status.NOT_FOUND),
        fact("on", "a", "b", value=1.0, status=Status.STALE),
        fact("on", "a", "b", value=float("nan"), status=Status.NO_DEPTH),
    ],
)
def test_old_or_missing_facts_are_unknown_never_false(broken: SpatialFact) -> None:
    belief = beliefs(broken).of(Predicate("on", "a", "b"))
    assert belief.verdict is None and belief.truth.probability == 0.5
    assert belief.why


def test_a_guard_says_what_the_rewards_constraint_says() -> None:
    """One rule for what is too close to call; a number in another unit, or without a deviation, is no measurement to either."""
    rng = np.random.default_rng(3)
    limit, on = at_most(Query("elevation", "a"), CONFIG.rest_tolerance_m), is_true(Query("on", "a", "b"))
    verdicts = set()
    for _ in range(300):
        low = fact("elevation", "a", value=rng.normal(0.02, 0.01), std=rng.uniform(0.0, 0.01))
        stands = fact("on", "a", "b", value=rng.choice([0.0, 0.02, 0.5, 0.97, 0.98, 1.0]))
        judged = beliefs(low, stands)
        assert judged.verdict(Predicate("on_table", "a")) is verdict(limit, [low])
        assert judged.verdict(Predicate("on", "a", "b")) is verdict(on, [stands])
        verdicts |= {verdict(limit, [low]), verdict(on, [stands])}
    assert verdicts == {True, False, None}
    for broken in (replace(low, unit=PROBABILITY), replace(low, std=float("nan")), replace(low, std=-1.0)):
        assert beliefs(broken).verdict(Predicate("on_table", "a")) is None is verdict(limit, [broken])


def test_a_fact_that_nobody_asked_for_is_unknown() -> None:
    assert "not measured yet" in beliefs().of(Predicate("on", "a", "b")).why


def test_a_hidden_thing_still_counts_for_a_while() -> None:
    judged = beliefs(fact("on", "a", "b", value=1.0, status=Status.OCCLUDED))
    assert judged.verdict(Predicate("on", "a", "b")) is True


@pytest.mark.parametrize(
    ("held", "elevation_m", "verdict"),
    [(1.0, 0.12, True), (1.0, 0.0, False), (0.0, 0.12, False), (0.5, 0.12, None), (1.0, 0.02, None)],
)
def test_held_is_between_the_fingers_and_off_the_table(held: float, elevation_m: float, verdict: bool | None) -> None:
    judged = beliefs(fact("held", "a", GRIPPER, value=held), fact("elevation", "a", value=elevation_m))
    assert judged.verdict(Predicate("held", "a")) is verdict


@pytest.mark.parametrize(("gap_m", "verdict"), [(0.05, True), (0.12, None), (0.2, False)])
def test_next_to_is_a_limit_on_the_gap(gap_m: float, verdict: bool | None) -> None:
    assert beliefs(fact("gap", "a", "b", value=gap_m)).verdict(Predicate("next_to", "a", "b")) is verdict


@pytest.mark.parametrize(
    ("name", "relation"), [("left_of", "left"), ("right_of", "right"), ("in_front_of", "front"), ("behind", "behind")]
)
def test_sides_are_the_registrys_relations(name: str, relation: str) -> None:
    judged = beliefs(fact(relation, "a", "b", value=0.999))
    assert judged.verdict(Predicate(name, "a", "b")) is True


def test_an_unknown_predicate_is_an_error() -> None:
    with pytest.raises(ValueError, match="shiny"):
        beliefs().of(Predicate("shiny", "a"))


# -- on a whole scene -------------------------------------------------------------------------------------------------------


def judged_world(blocks: list[Block], *goals: Predicate) -> Beliefs:
    return Beliefs(TinyWorld(blocks).world(goals), CONFIG)


def test_clear_sees_what_lies_on_a_thing() -> None:
    on = Predicate("on", "c", "d")
    judged = judged_world([*stack(["a", "b"], 0.45, 0.1), block("c", 0.45, -0.1), plate("d", 0.3, -0.2)], on)
    assert judged.verdict(Predicate("clear", "a")) is False
    assert judged.verdict(Predicate("clear", "b")) is True
    assert judged.verdict(Predicate("clear", "d")) is True
    assert "b" in judged.of(Predicate("clear", "a")).why


def test_two_things_of_one_label_cannot_be_asked_for_so_clear_is_unknown() -> None:
    world = TinyWorld(
        [plate("plate", 0.45, 0.1), block("x", 0.43, 0.1, z=0.016), block("y", 0.43, -0.1), block("goal", 0.3, -0.2)]
    )
    for one in world.blocks[1:3]:
        one.label = "blue block"
    judged = Beliefs(world.world((Predicate("on", "goal", "plate"),)), CONFIG)
    assert {name for name in judged.world.things if "#" in name} == {"blue block #2", "blue block #3"}
    assert judged.verdict(Predicate("clear", "plate")) is None


def test_the_hand_is_empty_until_something_is_lifted() -> None:
    world = TinyWorld([block("a", 0.45, 0.1), block("b", 0.45, -0.1)])
    goal = (Predicate("held", "a"),)
    assert Beliefs(world.world(goal), CONFIG).verdict(Predicate("hand_empty")) is True
    world.move_tool(world.find("a").centre)
    world.close()
    world.move_tool(np.array([0.45, 0.1, 0.2]))
    world.advance(0.2)
    judged = Beliefs(world.world(goal), CONFIG)
    assert judged.verdict(Predicate("hand_empty")) is False
    assert judged.verdict(Predicate("held", "a")) is True and judged.verdict(Predicate("held", "b")) is False


@pytest.mark.parametrize(("tool", "verdict"), [((0.45, 0.1, 0.2), True), ((0.45, -0.1, 0.05), None)], ids=["away", "at it"])
def test_what_no_name_fits_is_in_the_hand_only_where_it_is_seen_at_it(tool: tuple[float, ...], verdict: bool | None) -> None:
    tiny = TinyWorld([block("a", 0.45, 0.1), block("b", 0.45, -0.1)])
    tiny.move_tool(np.array(tool))
    world = tiny.world((Predicate("held", "a"),))

    def empty(status: Status) -> bool | None:
        """Of a world in which all facts of b are without a value."""
        asked = (Query("held", "b", GRIPPER), Query("elevation", "b"), Query("distance", GRIPPER, "b"))
        nothing = {query: replace(world.facts[query], value=math.nan, status=status) for query in asked}
        return Beliefs(replace(world, facts={**world.facts, **nothing}), CONFIG).verdict(Predicate("hand_empty"))

    assert empty(Status.NOT_FOUND) is verdict and empty(Status.STALE) is None


def test_a_world_of_old_images_knows_nothing() -> None:
    world = TinyWorld([block("a", 0.45, 0.1)]).world((Predicate("held", "a"),))
    later = Beliefs(replace(world, now_ns=world.now_ns + int(0.6e9)), CONFIG)
    assert later.verdict(Predicate("held", "a")) is None and later.verdict(Predicate("hand_empty")) is None


def test_left_and_behind_are_the_cameras() -> None:
    """The camera looks back at the base: its left is the base's right, and far from it is near the base."""
    goal = Predicate("left_of", "a", "b")
    judged = judged_world([block("a", 0.35, -0.1), block("b", 0.45, 0.1)], goal, Predicate("behind", "a", "b"))
    assert judged.verdict(goal) is True and judged.verdict(Predicate("behind", "a", "b")) is True
    assert judged.world.directions["left_of"] == pytest.approx([0, -1], abs=1e-6)
    assert judged.world.directions["behind"] == pytest.approx([-1, 0], abs=1e-6)


# -- queries ------------------------------------------------------------------------------------------------------------------


def test_queries_name_the_goals_first_and_only_pairs_that_may_touch() -> None:
    goals = (Predicate("on", "a", "d"),)
    world = TinyWorld([block("a", 0.45, 0.1), block("b", 0.45, 0.1, z=0.04), block("c", 0.3, -0.2), plate("d", 0.5, -0.2)])
    queries = queries_for(goals, world.world(goals).things.values())
    assert queries[0] == Query("on", "a", "d")
    assert Query("on", "b", "a") in queries and Query("on", "c", "a") not in queries
    assert {query.subject for query in queries if query.relation == "elevation"} == {"a", "b", "c", "d"}
    assert len(set(queries)) == len(queries) <= 256


def test_queries_before_anything_is_seen_make_spatial_node_look_for_the_goals() -> None:
    queries = queries_for((Predicate("next_to", "cup", "plate"),))
    assert Query("gap", "cup", "plate") in queries and Query("elevation", "plate") in queries
    assert goal_names((Predicate("on", "a", "b"), Predicate("on", "b", "c"))) == ["a", "b", "c"]


def test_the_workspace_refuses_points_outside_and_not_finite() -> None:
    box = Workspace((0.0, -1.0, 0.0), (1.0, 1.0, 1.0))
    assert box.contains((0.5, 0.0, 1.0)) and not box.contains((0.5, 0.0, 1.01)) and not box.contains((0.5, float("nan"), 0.5))
    with pytest.raises(ValueError, match="workspace_min_m"):
        Workspace((1.0, 0.0, 0.0), (0.0, 1.0, 1.0))
