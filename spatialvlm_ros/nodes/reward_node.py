"""Publishes the dense reward of a task, one sample for each image that spatial_node measured.

It computes nothing itself: facts go into a RewardAnnotator, samples come out with the facts' stamp. What never changes: a bad
task is refused and the one before stays; a bad fact is dropped and counted; a spatial_node that starts again is asked again.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_srvs.srv import Trigger

from spatialvlm_msgs.msg import Reward, SpatialFactArray
from spatialvlm_msgs.msg import RewardTerm as RewardTermMsg
from spatialvlm_msgs.srv import SetQueries, SetTask

from ..language.instruction import InstructionError
from ..reward.annotator import RewardAnnotator, RewardSample
from ..reward.builder import find_task
from ..reward.task import TaskSpec
from ..scene.facts import Query, SpatialFact
from ..share import config_file
from .conversions import header, stamp_to_ns
from .lifecycle import ManagedNode, run_node
from .parameters import Param
from .scene_messages import fact_from_msg, query_of_fact, query_to_msg

_RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_OWNER = "reward_node"


def reward_to_msg(sample: RewardSample, frame_id: str) -> Reward:
    """The message of a sample, stamped as the image that it was measured on."""
    return Reward(
        header=header(sample.stamp_ns, frame_id),
        task=sample.task, stage=sample.stage, stage_index=int(sample.stage_index), num_stages=int(sample.num_stages),
        reward=float(sample.reward), potential=float(sample.potential), progress=float(sample.progress),
        distance=float(sample.distance), std=float(sample.std), potential_std=float(sample.potential_std),
        success=bool(sample.success), coverage=float(sample.coverage), status=int(sample.status),
        terms=[
            RewardTermMsg(
                name=term.name, value=float(term.value), std=float(term.std), unit=term.unit, potential=float(term.potential)
            )
            for term in sample.terms
        ],
    )  # fmt: skip


def empty_reward(stamp_ns: int, frame_id: str, status: int, task: str = "") -> Reward:
    """A message without a measurement: NaN where nothing is known."""
    nan = math.nan
    return Reward(
        header=header(stamp_ns, frame_id), task=task, status=status,
        potential=nan, distance=nan, std=nan, potential_std=nan,
    )  # fmt: skip


class RewardNode(ManagedNode):
    """See the module."""

    PARAMS = (
        Param("task", "", "Task at start: an instruction, a name of config/tasks with its parameters, or a path. Empty: none."),
        Param("task_directory", "", "Directory of task files. Empty: config/tasks of this package."),
        Param("gamma", 0.0, "The learner's discount a nominal step. 0: the task's own.", 0.0, 1.0),
        Param("nominal_dt_s", 0.0, "The learner's time step. 0: the task's own.", 0.0, 60.0),
        Param("answer_timeout_s", 2.0, "Longest wait of ~/set_task for spatial_node's answer.", 0.1, 60.0),
        Param("silence_s", 2.0, "No facts for so long is a warning in /diagnostics.", 0.1, 600.0),
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("reward_node", **kwargs)
        self._lock = threading.Lock()
        self._task: TaskSpec | None = None
        self._annotator: RewardAnnotator | None = None
        self._forget_counts()

    def _forget_counts(self) -> None:
        self._registered = False
        self._refusal = ""
        self._seen_own = False
        self._missing_since: float | None = None
        self._last_facts = time.monotonic()
        self._frames = self._bad_facts = 0
        self._last: RewardSample | None = None

    # -- lifecycle ----------------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        self._forget_counts()
        task = self._find(self.param("task")) if self.param("task").strip() else None
        self._set(task)
        self._publisher = self.own_publisher(Reward, "~/reward", _RESULTS)
        # ~/set_task waits for spatial_node's answer: that must be served by another group.
        self._client = self.own_client(SetQueries, "spatial_node/set_queries", callback_group=ReentrantCallbackGroup())
        work, services = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        self.own_subscription(SpatialFactArray, "spatial_node/facts", self._on_facts, _RESULTS, callback_group=work)
        self.own_service(SetTask, "~/set_task", self._set_task, callback_group=services)
        self.own_service(Trigger, "~/reset", self._reset, callback_group=services)
        self.own_timer(0.5, self._keep_registered, steady=True, callback_group=ReentrantCallbackGroup())

    def start(self) -> None:
        self._last_facts = time.monotonic()
        with self._lock:
            if self._annotator is not None:
                self._annotator.reset()
            self._seen_own = False
        self._keep_registered()

    def stop(self) -> None:
        self._registered = False
        # On SIGINT the context is gone before this is called; then spatial_node is going down as well.
        if self.context.ok() and self._client.service_is_ready():
            self._client.call_async(SetQueries.Request(owner=_OWNER, queries=[]))

    def diagnostics(self) -> tuple[bytes, str, dict[str, str]]:
        if not self.active:
            return DiagnosticStatus.OK, "not active", {}
        last, task = self._last, self._task
        values = {"task": task.name if task else "", "frames": str(self._frames), "bad_facts": str(self._bad_facts)}
        if task is not None:
            values["filter_lag_s"] = f"{task.lag_s:.2f}"
        if last is not None:
            values |= {"stage": last.stage, "potential": f"{last.potential:.3f}", "coverage": f"{last.coverage:.3f}"}
        if task is None:
            return DiagnosticStatus.OK, "no task is set", values
        if self._refusal:
            return DiagnosticStatus.ERROR, f"spatial_node refused the queries: {self._refusal}", values
        if not self._registered:
            return DiagnosticStatus.WARN, f"waiting for {self._service_name()}", values
        silent_s = time.monotonic() - self._last_facts
        if silent_s > self.param("silence_s"):
            topic = self.resolve_topic_name("spatial_node/facts")
            return DiagnosticStatus.WARN, f"no facts on {topic} for {silent_s:.1f} s", values
        return DiagnosticStatus.OK, "rewarding", values

    def _service_name(self) -> str:
        return self.resolve_service_name("spatial_node/set_queries")

    # -- tasks --------------------------------------------------------------------------------------------------------------

    def _find(self, text: str) -> TaskSpec:
        """The task of a text, with the learner's own discount. Raises TaskError or InstructionError (both ValueError)."""
        directory = Path(self.param("task_directory")) if self.param("task_directory") else config_file("tasks")
        task = find_task(text, directory)
        if self.param("gamma") > 0:
            task = replace(task, gamma=self.param("gamma"))
        if self.param("nominal_dt_s") > 0:
            task = replace(task, nominal_dt_s=self.param("nominal_dt_s"))
        return task

    def _set(self, task: TaskSpec | None) -> None:
        annotator = None if task is None else RewardAnnotator(task)
        with self._lock:
            self._task, self._annotator = task, annotator
            self._seen_own, self._last, self._missing_since = False, None, None
            self._refusal = ""

    def _set_task(self, request: Any, response: Any) -> Any:
        try:
            response.error_code, response.error_msg = self._try_task(request.task.strip())
        except Exception as error:  # whoever asked waits for an answer, and the node serves on
            self.get_logger().error(f"set_task('{request.task.strip()}') failed:\n{traceback.format_exc()}")
            response.error_code = SetTask.Response.ERROR_BAD_TASK
            response.error_msg = (
                f"the task cannot be set, the one before stays: {error!r}; reward_node's log says where it failed"
            )
        response.success = response.error_code == SetTask.Response.ERROR_NONE
        if response.success and self._task is not None:
            response.stages = self._task.stage_names()
            self.get_logger().info(f"task: {self._task.name}")
        return response

    def _try_task(self, text: str) -> tuple[int, str]:
        """Set a task; error code and sentence. On any error the task before stays."""
        codes = SetTask.Response
        if not self.active:
            return codes.ERROR_INACTIVE, "reward_node is not active; activate it first"
        if not text:
            return codes.ERROR_EMPTY, "the task is empty; give an instruction such as 'pick up the red block'"
        try:
            task = self._find(text)
        except InstructionError as error:
            return codes.ERROR_NOT_UNDERSTOOD, str(error)
        except (ValueError, OSError) as error:  # OSError: a name that no file system takes
            return codes.ERROR_BAD_TASK, str(error)
        problem = self._ask_spatial_node(task.queries())
        if problem:
            return codes.ERROR_SPATIAL_NODE, problem
        self._set(task)
        self._registered = True
        return codes.ERROR_NONE, ""

    def _ask_spatial_node(self, queries: Sequence[Query]) -> str:
        """Register queries and wait for the answer; what went wrong, or ""."""
        timeout_s, name = self.param("answer_timeout_s"), self._service_name()
        if not self._client.wait_for_service(timeout_sec=timeout_s):
            return f"{name} is not there after {timeout_s:g} s; is spatial_node active, in this namespace?"
        answered = threading.Event()
        future = self._client.call_async(_request(queries))
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(timeout_s):
            self._client.remove_pending_request(future)
            return f"{name} did not answer within {timeout_s:g} s"
        answer = future.result()
        return "" if answer is not None and answer.success else f"{name} refused: {answer.error_msg if answer else 'no answer'}"

    def _keep_registered(self) -> None:
        """Ask again when spatial_node went away, or publishes without what was asked: it was started anew."""
        task = self._task
        if not self.active or task is None:
            return
        if not self._client.service_is_ready():
            self._registered = False
            return
        forgotten = self._missing_since is not None and time.monotonic() - self._missing_since > 1.0
        if self._registered and not forgotten:
            return
        self._missing_since = None

        def answered(future: Any) -> None:
            answer = future.result()
            if answer is None or self._task is not task:
                return
            self._registered, self._refusal = bool(answer.success), str(answer.error_msg)
            if not answer.success:
                self.get_logger().error(f"spatial_node refused: {answer.error_msg}", throttle_duration_sec=10.0)

        self._client.call_async(_request(task.queries())).add_done_callback(answered)

    def _reset(self, request: Any, response: Any) -> Any:
        with self._lock:
            if self._annotator is not None:
                self._annotator.reset()
                self._seen_own, self._last = False, None
        response.success, response.message = True, "a new episode begins with the next image"
        return response

    # -- facts --------------------------------------------------------------------------------------------------------------

    def _on_facts(self, message: SpatialFactArray) -> None:
        if not self.active:
            return
        self._last_facts = time.monotonic()
        try:
            self._publisher.publish(self._reward(message))
            self._frames += 1
        except Exception as error:  # whatever a message holds, the next one must be served
            self.get_logger().error(f"facts dropped: {error!r}", throttle_duration_sec=5.0)

    def _reward(self, message: SpatialFactArray) -> Reward:
        stamp_ns, frame_id = stamp_to_ns(message.header.stamp), message.header.frame_id
        facts = self._facts(message)
        with self._lock:
            task, annotator = self._task, self._annotator
            if task is None or annotator is None:
                return empty_reward(stamp_ns, frame_id, Reward.STATUS_NO_TASK)
            named = {query_of_fact(entry) for entry in message.facts}
            own = named.issuperset(task.queries())
            self._missing_since = None if own else (self._missing_since or time.monotonic())
            self._seen_own = self._seen_own or own
            if not self._seen_own:
                # Images that were taken before anybody knew what to measure are no part of the episode.
                return empty_reward(stamp_ns, frame_id, Reward.STATUS_NO_DATA, task.name)
            self._last = annotator.update(stamp_ns, facts)
            return reward_to_msg(self._last, frame_id)

    def _facts(self, message: SpatialFactArray) -> list[SpatialFact]:
        facts = []
        for entry in message.facts:
            try:
                facts.append(fact_from_msg(entry))
            except ValueError as error:
                self._bad_facts += 1
                self.get_logger().warning(f"fact dropped: {error}", throttle_duration_sec=5.0)
        return facts


def _request(queries: Sequence[Query]) -> Any:
    return SetQueries.Request(owner=_OWNER, queries=[query_to_msg(query) for query in queries])


def main(args: list[str] | None = None) -> None:
    sys.exit(run_node(RewardNode, args))


if __name__ == "__main__":
    main()
