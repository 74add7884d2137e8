"""The actions ``~/ask`` and ``~/measure`` of spatial_node: one query on the next usable image."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup

from spatialvlm_msgs.action import AskSpatial, Measure

from ..language.answers import check_query
from ..language.questions import QuestionError, parse_question
from ..scene.facts import Query, SpatialFact, Status
from ..scene.relations import RELATIONS
from .lifecycle import ManagedNode, RunningGoals
from .scene_messages import fact_to_msg

_POLL_S = 0.02
# Each goal that waits holds a thread of the executor; cancels and services must find one free.
MAX_GOALS = 8
NUM_THREADS = MAX_GOALS + 4


@dataclass
class Request:
    """One query that waits for an image. ``fact`` is set before ``done``."""

    query: Query
    done: threading.Event = field(default_factory=threading.Event)
    fact: SpatialFact | None = None


class Requests(Protocol):
    """Who answers requests: spatial_node's worker."""

    def submit(self, request: Request) -> None: ...

    def withdraw(self, request: Request) -> None: ...

    def why_no_image(self) -> str: ...


_STATUS_ERRORS = {
    Status.NOT_FOUND: "ERROR_NOT_FOUND",
    Status.BAD_QUERY: "ERROR_NOT_FOUND",  # the query was checked before: a name that says nothing
    Status.AMBIGUOUS: "ERROR_AMBIGUOUS",
    Status.NO_DEPTH: "ERROR_NO_DEPTH",
    Status.NO_TRANSFORM: "ERROR_NO_TRANSFORM",
    Status.NOT_CANONICAL: "ERROR_NOT_CANONICAL",
}


class QueryActions:
    """Owned by a ManagedNode; make it in setup(). Goals run beside each other: they only wait for the worker."""

    def __init__(self, node: ManagedNode, requests: Requests, timeout_s: float) -> None:
        self._node, self._requests, self._timeout_s = node, requests, timeout_s
        self.running = RunningGoals()
        self._lock = threading.Lock()
        self._accepted = 0
        group = ReentrantCallbackGroup()
        for action_type, name, execute in ((Measure, "~/measure", self._measure), (AskSpatial, "~/ask", self._ask)):
            server = ActionServer(
                node, action_type, name, self._guarded(action_type, execute), callback_group=group,
                goal_callback=self._accept, cancel_callback=lambda goal: CancelResponse.ACCEPT, result_timeout=60,
            )  # fmt: skip
            node.own(server, server.destroy)

    def _accept(self, request: Any) -> GoalResponse:
        problem = "" if self._node.active else "the node is not active; activate it first"
        with self._lock:
            if not problem and self._accepted >= MAX_GOALS:
                problem = f"{MAX_GOALS} goals wait for an image already; wait for a result or cancel one"
            self._accepted += not problem
        if problem:
            self._node.get_logger().warning(f"goal rejected: {problem}", throttle_duration_sec=1.0)
        return GoalResponse.REJECT if problem else GoalResponse.ACCEPT

    def _guarded(self, action_type: Any, execute: Callable[[ServerGoalHandle], Any]) -> Callable[[ServerGoalHandle], Any]:
        """A defect ends the goal with ERROR_INTERNAL; the node lives."""

        def run(goal: ServerGoalHandle) -> Any:
            with self.running:
                try:
                    return execute(goal)
                except Exception as error:
                    self._node.get_logger().error(f"goal failed: {error!r}")
                    return self._fail(goal, action_type.Result(), "ERROR_INTERNAL", f"{error!r}; see the node's log")
                finally:
                    with self._lock:
                        self._accepted -= 1

        return run

    # -- measure ----------------------------------------------------------------------------------------------------------

    def _measure(self, goal: ServerGoalHandle) -> Any:
        asked, result = goal.request, Measure.Result()
        names = (asked.subject.strip(), asked.object.strip(), asked.third.strip())
        query = Query(asked.relation.strip(), *names, asked.amount, asked.frame_id.strip())
        if (problem := check_query(query)) is not None:
            code = "ERROR_WRONG_ARITY" if query.relation in RELATIONS else "ERROR_UNKNOWN_RELATION"
            return self._fail(goal, result, code, problem)
        goal.publish_feedback(Measure.Feedback(state=Measure.Feedback.STATE_WAITING_FOR_IMAGE))
        fact, code, text = self._await(goal, query)
        if fact is not None:
            result.fact = fact_to_msg(fact)
        return self._finish(goal, result, code, text)

    # -- ask --------------------------------------------------------------------------------------------------------------

    def _ask(self, goal: ServerGoalHandle) -> Any:
        result = AskSpatial.Result(value=math.nan, std=math.nan)
        try:
            query = replace(parse_question(goal.request.question), view=goal.request.frame_id.strip())
        except QuestionError as error:
            empty = not goal.request.question.strip(" .?!\t\r\n")
            return self._fail(goal, result, "ERROR_EMPTY_QUESTION" if empty else "ERROR_NOT_UNDERSTOOD", str(error))
        trace = [f"question: {goal.request.question.strip()}", f"query: {query}"]
        goal.publish_feedback(AskSpatial.Feedback(state=AskSpatial.Feedback.STATE_WAITING_FOR_IMAGE, text=trace[-1]))
        fact, code, text = self._await(goal, query)
        if fact is not None:
            result.facts = [fact_to_msg(fact)]
            if fact.status.has_value:
                result.answer, result.value, result.std, result.unit = fact.text, fact.value, fact.std, fact.unit
            trace.append(f"fact: {fact.text} [{fact.status.name}, source {fact.source.name}, frame {fact.frame_id}]")
        result.trace = "\n".join(trace)
        return self._finish(goal, result, code, text)

    # -- both -------------------------------------------------------------------------------------------------------------

    def _await(self, goal: ServerGoalHandle, query: Query) -> tuple[SpatialFact | None, str, str]:
        """Fact of the next usable image with error constant and sentence; polls for cancel and deactivation."""
        request = Request(query)
        self._requests.submit(request)
        deadline = time.monotonic() + self._timeout_s
        try:
            while not request.done.wait(_POLL_S):
                if goal.is_cancel_requested:
                    return None, "ERROR_CANCELED", "canceled by the client"
                if not self._node.active:
                    return None, "ERROR_CANCELED", "the node was deactivated; activate it and ask again"
                if time.monotonic() > deadline:
                    why = self._requests.why_no_image()
                    return None, "ERROR_NO_IMAGE", f"no usable image within {self._timeout_s:.1f} s: {why}"
        finally:
            self._requests.withdraw(request)
        fact = request.fact
        if fact is None:
            return None, "ERROR_INTERNAL", "the image could not be measured; see the node's log"
        if fact.status.has_value:
            return fact, "ERROR_NONE", ""
        return fact, _STATUS_ERRORS.get(fact.status, "ERROR_INTERNAL"), fact.text

    def _finish(self, goal: ServerGoalHandle, result: Any, code: str, text: str) -> Any:
        if code != "ERROR_NONE":
            return self._fail(goal, result, code, text)
        goal.succeed()
        return result

    def _fail(self, goal: ServerGoalHandle, result: Any, code: str, text: str) -> Any:
        result.error_code, result.error_msg = getattr(type(result), code), text
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result
