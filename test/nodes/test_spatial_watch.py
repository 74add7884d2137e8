"""What spatial_node says of images in which nothing can be found, and what it begins with when it is activated again."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from table_camera import FIRST_NS, Bench

from spatialvlm_msgs.msg import SpatialFact
from spatialvlm_ros.nodes.conversions import array_to_image


def blind(color: Any, depth: Any, info: Any) -> None:
    depth.data = bytes(len(depth.data))


def facing_a_wall(color: Any, depth: Any, info: Any) -> None:
    depth.data = array_to_image(np.full((depth.height, depth.width), 800, np.uint16), "16UC1", 0, "").data


def test_depth_without_values_is_a_warning_and_no_missing_thing(ros: Any) -> None:
    bench = Bench(ros).start()
    fact = bench.next_fact(blind)
    assert fact.status == SpatialFact.STATUS_NOT_FOUND and "not looked for: no depth" in fact.text, fact.text
    said = "depth is known at 0.0 % of the pixels"
    bench.shoot_until(lambda: bench.report() and said in bench.report().message, "diagnostics", blind)
    assert bench.report().level == DiagnosticStatus.WARN
    bench.shoot_until(lambda: bench.report().level == DiagnosticStatus.OK, "depth again")


def test_why_things_are_not_looked_for_is_told_where_their_names_are_asked_for(ros: Any) -> None:
    bench = Bench(ros).start()
    fact = bench.next_fact(facing_a_wall)
    assert fact.status == SpatialFact.STATUS_NOT_FOUND and "may be a wall (tell which way is up" in fact.text, fact.text
    said = "things are not looked for: no horizontal surface found"
    bench.shoot_until(lambda: bench.report() and said in bench.report().message, "diagnostics", facing_a_wall)


def test_time_that_went_back_while_the_node_was_inactive_is_noticed(ros: Any) -> None:
    bench = Bench(ros).start()
    bench.next_fact()
    bench.node.trigger_deactivate()
    bench.camera.stamp_ns = FIRST_NS - 100 * 10**9
    bench.node.trigger_activate()
    bench.shoot_until(lambda: bench.facts.stamps()[-1] < FIRST_NS, "facts of the time before")
    assert bench.node._input.sync.jumps == 1


def test_a_topic_is_silent_from_when_the_node_listens(ros: Any) -> None:
    bench = Bench(ros).start()
    bench.node.trigger_deactivate()
    for topic in bench.node._input.topics.values():
        topic.heard -= 1000.0
    bench.node.trigger_activate()
    assert all(time.monotonic() - topic.heard < 10.0 for topic in bench.node._input.topics.values())
