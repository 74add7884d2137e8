"""reward_node over real DDS, with a stand-in for spatial_node that keeps its contract."""

import math
import time
from pathlib import Path

import pytest
import yaml
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from spatialvlm_msgs.msg import Reward, SpatialFact, SpatialFactArray
from spatialvlm_msgs.srv import SetQueries, SetTask
from spatialvlm_ros.nodes.reward_node import RewardNode, reward_to_msg
from spatialvlm_ros.reward.annotator import RewardAnnotator, RewardStatus
from spatialvlm_ros.reward.builder import task_from_instruction
from spatialvlm_ros.scene.facts import PROBABILITY, Query, Source, Status
from spatialvlm_ros.scene.facts import SpatialFact as Fact
from spatialvlm_ros.scene.relations import RELATIONS

ROOT = Path(__file__).resolve().parents[2]
DT_NS = 100_000_000


class SpatialNodeStandIn(Node):
    """Publishes a fact for each query it was asked for, from a table."""

    def __init__(self, **kwargs):
        super().__init__("spatial_node", **kwargs)
        group = ReentrantCallbackGroup()
        self.publisher = self.create_publisher(SpatialFactArray, "~/facts", 10)
        self.create_service(SetQueries, "~/set_queries", self._answer, callback_group=group)
        self.queries = {}
        self.refuse = ""

    def _answer(self, request, response):
        response.success, response.error_msg = not self.refuse, self.refuse
        if response.success:
            self.queries[request.owner] = [Query(q.relation, q.subject, q.object) for q in request.queries]
        return response

    def publish(self, index, table):
        stamp = Time(sec=index * DT_NS // 10**9, nanosec=index * DT_NS % 10**9)
        message = SpatialFactArray(header=Header(stamp=stamp, frame_id="camera_optical"))
        for query in self.queries.get("reward_node", []):
            value = table.get(query)
            unit = RELATIONS[query.relation].unit
            fact = SpatialFact(header=message.header, relation=query.relation, subject=query.subject, object=query.object)
            fact.unit, fact.source = unit, SpatialFact.SOURCE_DEPTH
            fact.status = SpatialFact.STATUS_NOT_FOUND if value is None else SpatialFact.STATUS_OK
            fact.value = math.nan if value is None else float(value)
            fact.std = math.nan if value is None or unit == PROBABILITY else 0.004
            message.facts.append(fact)
        self.publisher.publish(message)


def table(reach, held=0.0, lift=0.0):
    return {
        Query("distance", "gripper", "red block"): reach,
        Query("held", "red block", "gripper"): held,
        Query("elevation", "red block"): lift,
    }


class Bench:
    """reward_node, a stand-in for spatial_node, and a client that listens."""

    def __init__(self, ros, **params):
        self.ros = ros
        self.spatial = ros.node(SpatialNodeStandIn)
        overrides = [Parameter(name, value=value) for name, value in params.items()]
        self.node = ros.node(RewardNode, parameter_overrides=overrides)
        self.client = ros.node(Node, "learner")
        self.rewards = []
        self.client.create_subscription(Reward, "reward_node/reward", self.rewards.append, 10)
        self.calls = {}

    def start(self):
        assert self.node.autostart()
        self.ros.wait_for(self.spatial.publisher.get_subscription_count, what="reward_node's subscription")
        self.ros.wait_for(lambda: self.client.count_publishers("/reward_node/reward"), what="the reward topic")
        return self

    def call(self, kind, name, **fields):
        client = self.calls.setdefault(name, self.client.create_client(kind, name))
        assert client.wait_for_service(timeout_sec=10.0)
        future = client.call_async(kind.Request(**fields))
        self.ros.wait_for(future.done, what=name)
        return future.result()

    def set_task(self, text):
        return self.call(SetTask, "reward_node/set_task", task=text)

    def send(self, index, facts):
        """Publish one image's facts and return the reward of it."""
        before = len(self.rewards)
        self.spatial.publish(index, facts)
        self.ros.wait_for(lambda: len(self.rewards) > before, what=f"reward {index}")
        return self.rewards[-1]


@pytest.fixture
def bench(ros):
    return Bench(ros).start()


def test_an_episode_is_rewarded_as_the_core_does(bench):
    answer = bench.set_task("pick up the red block")
    assert answer.success and answer.stages == ["reach", "grasp", "lift"] and answer.error_code == 0
    tables = [table(0.4 - 0.05 * i) for i in range(8)] + [table(0.01, 1.0, 0.02 * i) for i in range(8)]
    core = RewardAnnotator(task_from_instruction("pick up the red block"))
    for index, facts in enumerate(tables):
        got = bench.send(index, facts)
        stamp_ns = index * DT_NS
        expected = core.update(
            stamp_ns,
            [
                Fact(q, Status.OK, Source.DEPTH, stamp_ns, "camera_optical", v, 0.004, RELATIONS[q.relation].unit)
                for q, v in facts.items()
            ],
        )
        wanted = reward_to_msg(expected, "camera_optical")
        assert repr(got) == repr(wanted)  # repr, because NaN is not equal to itself
    assert bench.rewards[-1].success and bench.rewards[-1].potential == 1.0
    assert bench.rewards[0].header.frame_id == "camera_optical"


def test_a_missing_fact_holds(bench):
    assert bench.set_task("pick(red block)").success
    first = bench.send(0, table(0.4))
    second = bench.send(1, table(0.3))
    held = bench.send(2, {})
    assert second.status == Reward.STATUS_OK and second.potential > first.potential
    assert held.status == Reward.STATUS_HELD and held.potential == second.potential
    assert held.potential_std > second.potential_std and math.isnan(held.distance)


def test_without_a_task_it_says_so(bench):
    got = bench.send(0, {})
    assert got.status == Reward.STATUS_NO_TASK and math.isnan(got.potential) and got.reward == 0.0


@pytest.mark.parametrize(
    ("text", "code", "cure"),
    [
        ("", SetTask.Response.ERROR_EMPTY, "instruction"),
        ("make me happy", SetTask.Response.ERROR_NOT_UNDERSTOOD, "forms"),
        ("/nowhere/task.yaml", SetTask.Response.ERROR_BAD_TASK, "/nowhere/task.yaml"),
        ("pick(a, b, c)", SetTask.Response.ERROR_BAD_TASK, "takes 1 names"),
        ("open the gripper", SetTask.Response.ERROR_BAD_TASK, "no spatial fact"),
    ],
)
def test_a_bad_task_is_refused_and_the_one_before_stays(bench, text, code, cure):
    assert bench.set_task("pick up the red block").success
    answer = bench.set_task(text)
    assert not answer.success and answer.error_code == code and cure in answer.error_msg
    assert bench.send(0, table(0.3)).task == "pick up the red block"


def test_what_nobody_foresaw_is_an_answer_and_the_task_before_stays(bench, monkeypatch):
    assert bench.set_task("pick up the red block").success
    with monkeypatch.context() as patch:
        patch.setattr(bench.node, "_find", lambda text: {}["rad"])
        answer = bench.set_task("any task")
        assert not answer.success and answer.error_code == SetTask.Response.ERROR_BAD_TASK
        assert "KeyError('rad')" in answer.error_msg and "the one before stays" in answer.error_msg
    assert bench.send(0, table(0.3)).task == "pick up the red block"
    assert bench.set_task("pick up the red block").success


def test_a_task_of_directions_and_counts_is_set(bench, tmp_path):
    path = tmp_path / "tidy.yaml"
    path.write_text(
        """
task: tidy
stages:
  - name: sort
    goal:
      - {relation: direction, subject: cup, object: robot, at_most: 20 deg}
      - {relation: count, subject: cup, at_least: 2}
""",
        encoding="utf-8",
    )
    answer = bench.set_task(str(path))
    assert (answer.success, answer.error_msg, answer.stages) == (True, "", ["sort"])
    assert bench.spatial.queries["reward_node"] == [Query("direction", "cup", "robot"), Query("count", "cup")]


def test_what_spatial_node_refuses_is_reported(bench):
    bench.spatial.refuse = "no such relation"
    answer = bench.set_task("pick up the red block")
    assert answer.error_code == SetTask.Response.ERROR_SPATIAL_NODE and "no such relation" in answer.error_msg


def test_without_spatial_node_set_task_says_which_service_is_missing(ros):
    bench = Bench(ros, answer_timeout_s=0.3)
    bench.spatial.destroy_node()
    assert bench.node.autostart()
    answer = bench.set_task("pick up the red block")
    assert answer.error_code == SetTask.Response.ERROR_SPATIAL_NODE and "/spatial_node/set_queries" in answer.error_msg
    assert bench.node.diagnostics()[0] in (DiagnosticStatus.OK, DiagnosticStatus.WARN)


def test_an_inactive_node_takes_no_task_and_publishes_nothing(bench):
    bench.node.trigger_deactivate()
    assert bench.set_task("pick up the red block").error_code == SetTask.Response.ERROR_INACTIVE
    bench.spatial.publish(0, {})
    time.sleep(0.3)
    assert bench.rewards == []


def test_it_asks_again_when_spatial_node_forgot(bench):
    assert bench.set_task("pick up the red block").success
    bench.send(0, table(0.4))
    bench.spatial.queries.clear()  # as a restarted node does
    index = 1

    def asked_again():
        nonlocal index
        bench.send(index, table(0.3))
        index += 1
        time.sleep(0.05)
        return "reward_node" in bench.spatial.queries

    bench.ros.wait_for(asked_again, what="new queries")
    got = bench.send(index, table(0.2))
    assert got.status == Reward.STATUS_OK and got.coverage < 1.0


def test_a_task_parameter_is_set_at_start_with_the_learners_discount(ros):
    bench = Bench(ros, task="pick up the red block", gamma=0.5, nominal_dt_s=0.2).start()
    ros.wait_for(lambda: "reward_node" in bench.spatial.queries, what="queries")
    first, second = bench.send(0, table(0.43)), bench.send(1, table(0.23))
    assert second.reward == pytest.approx(0.5**0.5 * second.potential - first.potential)


def test_a_bad_task_parameter_fails_configure(ros):
    node = ros.node(RewardNode, parameter_overrides=[Parameter("task", value="dance")])
    assert not node.autostart() and not node.active


def test_reset_and_a_backward_jump_start_a_new_episode(bench):
    assert bench.set_task("pick up the red block").success
    bench.send(10, table(0.4))
    assert bench.send(11, table(0.2)).potential > 0.1
    assert bench.call(Trigger, "reward_node/reset").success
    fresh = bench.send(12, table(0.2))
    assert fresh.potential == pytest.approx(0.05) and fresh.reward == 0.0
    bench.send(13, table(0.1))
    assert bench.send(2, table(0.1)).reward == 0.0


def test_bad_facts_are_dropped_and_counted(bench):
    assert bench.set_task("pick up the red block").success
    bench.send(0, table(0.4))
    message = SpatialFactArray(header=Header(stamp=Time(sec=1), frame_id="camera_optical"))
    message.facts = [SpatialFact(relation="distance", subject="gripper", object="red block", status=250, value=0.1)]
    message.facts.append(SpatialFact(relation="nonsense", status=1, value=math.inf, unit="furlong"))
    before = len(bench.rewards)
    bench.spatial.publisher.publish(message)
    bench.ros.wait_for(lambda: len(bench.rewards) > before, what="a reward in spite of bad facts")
    assert bench.rewards[-1].status == Reward.STATUS_HELD
    assert bench.node.diagnostics()[2]["bad_facts"] == "1"
    assert bench.send(20, table(0.3)).status == Reward.STATUS_OK


def test_cleanup_and_configure_again(bench):
    assert bench.set_task("pick up the red block").success
    bench.node.trigger_deactivate()
    bench.ros.wait_for(lambda: bench.spatial.queries.get("reward_node") == [], what="the queries to be withdrawn")
    bench.node.trigger_cleanup()
    assert bench.node.autostart()
    bench.ros.wait_for(bench.spatial.publisher.get_subscription_count, what="the new subscription")
    assert bench.send(0, {}).status == Reward.STATUS_NO_TASK


def test_status_constants_are_the_cores():
    constants = {name[7:]: getattr(Reward, name) for name in dir(Reward) if name.startswith("STATUS_")}
    assert constants == {status.name: int(status) for status in RewardStatus}


def test_the_parameter_file_has_the_codes_defaults():
    file = yaml.safe_load((ROOT / "config" / "reward_node.yaml").read_text())
    params = next(iter(file.values()))["ros__parameters"]
    assert params == {**{param.name: param.default for param in RewardNode.PARAMS}, "autostart": True}
