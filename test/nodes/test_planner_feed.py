"""What planner_node believes when spatial_node measures for others as well: only what its own tasks asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rclpy.node import Node
from tiny_robot import TinyRobot
from tiny_world import CAMERA_FRAME, TinyWorld, block

from spatialvlm_msgs.msg import SpatialFactArray
from spatialvlm_ros.language.instruction import parse_instruction
from spatialvlm_ros.nodes.conversions import stamp_to_ns
from spatialvlm_ros.nodes.lifecycle import ManagedNode
from spatialvlm_ros.nodes.planner_feed import FactsSession, PlannerFeed
from spatialvlm_ros.nodes.scene_messages import facts_to_msg
from spatialvlm_ros.planning.predicates import queries_for
from spatialvlm_ros.scene.facts import Query, Source, SpatialFact, Status

GOALS = parse_instruction("pick up the red block").goals
OTHERS = (
    Query("point_above", "gripper", "", "", 0.5),
    Query("distance", "gripper", "red block", view="canonical"),
    Query("gap", "gripper", "red block"),
)


class FeedNode(ManagedNode):
    """A node that owns nothing but a feed."""

    PARAMS = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("feed_node", **kwargs)

    def setup(self) -> None:
        self.feed = PlannerFeed(self, "spatial_node", "base_link")


@pytest.fixture
def feed_node(ros: Any) -> FeedNode:
    node: FeedNode = ros.node(FeedNode)
    assert node.autostart()
    return node


def others_facts(stamp_ns: int, frame_id: str = CAMERA_FRAME) -> list[SpatialFact]:
    """Facts that name the gripper and point half a metre beside it."""
    point = np.array([0.0, -0.5, 1.0])
    return [
        SpatialFact(query, Status.OK, Source.TF, stamp_ns, query.view or frame_id, 0.5, 0.01, "m", point, point)
        for query in OTHERS
    ]


def test_facts_of_other_owners_never_enter(ros: Any, feed_node: FeedNode) -> None:
    robot = ros.node(TinyRobot, TinyWorld([block("red block", 0.45, 0.1)]))
    robot.queries["reward_node"] = list(OTHERS)
    arrived: list[SpatialFactArray] = []
    ros.node(Node, "listener").create_subscription(SpatialFactArray, "spatial_node/facts", arrived.append, 10)
    ros.wait_for(lambda: len(arrived) > 3, what="facts of another owner")
    assert {fact.relation for fact in arrived[-1].facts} == {query.relation for query in OTHERS}
    assert feed_node.feed.observe([]).facts == {}, "nobody asked for these"
    session = FactsSession(feed_node.feed, GOALS)
    ros.wait_for(lambda: session.ready(0.5), what="the facts of the task")
    world = session.observe()
    assert set(world.facts) <= set(queries_for(GOALS, world.things.values()))
    assert world.gripper == pytest.approx(robot.world.tool)
    stamp_ns = stamp_to_ns(arrived[-1].header.stamp) + 10_000_000
    robot.silent = True
    robot.facts_publisher.publish(facts_to_msg(others_facts(stamp_ns), stamp_ns, CAMERA_FRAME))
    ros.wait_for(lambda: stamp_to_ns(arrived[-1].header.stamp) == stamp_ns, what="the newer facts of another owner")
    after = feed_node.feed.observe(["red block"])
    assert after.gripper == pytest.approx(robot.world.tool) and set(after.facts).isdisjoint(OTHERS)
    session.close()
    assert feed_node.feed.observe([]).facts == {}, "what a task asked for goes with it"


def test_facts_that_arrive_before_the_task_do_not_count_for_it(ros: Any, feed_node: FeedNode) -> None:
    """What was measured for somebody else before is not fresh for whoever asks later."""
    feed, wanted = feed_node.feed, queries_for(GOALS)
    point = np.array([0.0, 0.0, 1.0])
    facts = [SpatialFact(query, Status.OK, Source.DEPTH, 5, CAMERA_FRAME, 0.1, 0.01, "m", point, point) for query in wanted]
    feed._receive_facts(facts_to_msg([*facts, *others_facts(5)], 5, CAMERA_FRAME))
    assert feed.observe([]).facts == {}
    feed.ask(1, wanted)
    feed._receive_facts(facts_to_msg([*facts, *others_facts(5)], 5, CAMERA_FRAME))
    assert set(feed.observe([]).facts) == set(wanted)
    feed.ask(2, wanted[:1])
    feed.ask(1, [])
    assert set(feed.observe([]).facts) == set(wanted[:1]), "the other task still needs this one"
    feed.ask(2, [])
    assert feed.observe([]).facts == {}
