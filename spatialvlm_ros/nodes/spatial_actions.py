"""The actions ``~/ask`` and ``~/measure`` of spatial_node: one question on the next usable image."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, Queue
from typing import Any, Protocol, TypeVar, cast

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup

from spatialvlm_msgs.action import AskSpatial, Measure

from ..language.answers import check_query
from ..language.questions import QuestionError
from ..reasoning.answer import Answer
from ..reasoning.reasoner import FRIEND, OFF, Plan, Reasoner
from ..reasoning.supposed import certain
from ..scene.facts import Query, Source, SpatialFact, Status
from ..scene.relation import Measurement
from ..scene.relations import RELATIONS
from ..scene.scene import Scene
from .image_facts import Output
from .lifecycle import ManagedNode, RunningGoals
from .scene_messages import fact_to_msg

_Result = TypeVar("_Result")
_POLL_S = 0.02
# Each goal that waits holds a thread of the executor; cancels and services must find one free.
MAX_GOALS = 8
NUM_THREADS = MAX_GOALS + 4


@dataclass
class Request:
    """Something to be measured on an image. ``result`` is set before ``done``; it stays None where ``measure`` failed.

    Attributes:
        names: what has to be looked for on the image.
        views: frames that relations are seen from.
        measure: gives the result.
        taken: somebody is at it.
        withdrawn: nobody waits for it any more.
    """

    names: tuple[str, ...]
    views: tuple[str, ...]
    measure: Callable[[Scene, Output], SpatialFact | Answer]
    done: threading.Event = field(default_factory=threading.Event)
    result: SpatialFact | Answer | None = None
    taken: bool = False
    withdrawn: bool = False


class Requests(Protocol):
    """Who answers requests: spatial_node's worker."""

    def known_names(self) -> tuple[str, ...]: ...

    def submit(self, request: Request) -> None: ...

    def withdraw(self, request: Request) -> None: ...

    def why_no_image(self) -> str: ...

    def measure(self, scene: Scene, query: Query, output: Output) -> tuple[SpatialFact, Measurement | None]: ...


_STATUS_ERRORS = {
    Status.NOT_FOUND: "ERROR_NOT_FOUND",
    Status.BAD_QUERY: "ERROR_NOT_FOUND",  # the query was checked before: a name that says nothing
    Status.AMBIGUOUS: "ERROR_AMBIGUOUS",
    Status.NO_DEPTH: "ERROR_NO_DEPTH",
    Status.NO_TRANSFORM: "ERROR_NO_TRANSFORM",
    Status.NOT_CANONICAL: "ERROR_NOT_CANONICAL",
}


class _CanceledError(Exception):
    """The goal was canceled, or the node deactivated."""


class QueryActions:
    """Owned by a ManagedNode; make it in setup(). Goals run beside each other: they only wait for the worker."""

    def __init__(self, node: ManagedNode, requests: Requests, timeout_s: float, reasoner: Reasoner) -> None:
        self._node, self._requests, self._timeout_s, self._reasoner = node, requests, timeout_s, reasoner
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
                    return self._fail(goal, _nothing_known(action_type), "ERROR_INTERNAL", f"{error!r}; see the node's log")
                finally:
                    with self._lock:
                        self._accepted -= 1

        return run

    # -- measure ----------------------------------------------------------------------------------------------------------

    def _measure(self, goal: ServerGoalHandle) -> Any:
        asked = goal.request
        names = (asked.subject.strip(), asked.object.strip(), asked.third.strip())
        query = Query(asked.relation.strip(), *names, asked.amount, asked.frame_id.strip())
        result = _nothing_known(Measure, query)
        if (problem := check_query(query)) is not None:
            code = "ERROR_WRONG_ARITY" if query.relation in RELATIONS else "ERROR_UNKNOWN_RELATION"
            return self._fail(goal, result, code, problem)
        goal.publish_feedback(Measure.Feedback(state=Measure.Feedback.STATE_WAITING_FOR_IMAGE))
        views = (query.view,) if query.view else ()
        # Programs act on what they measure: nothing is supposed here, as it is where people ask.
        measure = certain(self._requests.measure)
        request = Request(query.names, views, lambda scene, output: measure(scene, query, output)[0])
        fact, code, text = self._await(goal, request)
        if isinstance(fact, SpatialFact):
            result.fact = fact_to_msg(fact)
        return self._finish(goal, result, code, text)

    # -- ask --------------------------------------------------------------------------------------------------------------

    def _ask(self, goal: ServerGoalHandle) -> Any:
        question, view = goal.request.question, goal.request.frame_id.strip()
        result = _nothing_known(AskSpatial)
        known = self._requests.known_names()
        by_grammar = self._reasoner.mode == OFF or self._reasoner.reads(question, known)
        plan: Plan | None = None
        answer: Answer | None
        try:
            if by_grammar:
                plan = self._reasoner.plan(question, known, view)
            elif self._reasoner.mode == FRIEND:
                ask = partial(self._reply, goal)
                answer = self._patiently(goal, lambda: self._reasoner.converse(question, ask, known, view))
                code, text = "ERROR_NONE", ""
            else:
                plan = self._patiently(goal, lambda: self._reasoner.plan(question, known, view))
            if plan is not None:
                self._tell(goal, AskSpatial.Feedback.STATE_WAITING_FOR_IMAGE, plan.notes)
                answer, code, text = self._await_plan(goal, plan)
        except QuestionError as error:
            empty = not question.strip(" .?!\t\r\n")
            return self._fail(goal, result, "ERROR_EMPTY_QUESTION" if empty else "ERROR_NOT_UNDERSTOOD", str(error))
        except _CanceledError as error:
            return self._fail(goal, result, "ERROR_CANCELED", str(error))
        if answer is not None:
            self._tell(goal, AskSpatial.Feedback.STATE_MEASURING, answer.trace)
            _fill(result, answer)
        return self._finish(goal, result, code, text)

    def _reply(self, goal: ServerGoalHandle, plan: Plan) -> Answer:
        """The answer to a question of a model, on the next image; a sentence says why where there is none.

        The model talks on a thread of its own, which hears only here that nobody waits for it anymore.
        """
        if not goal.is_active:
            raise _CanceledError("the goal has ended")
        answer, code, text = self._await_plan(goal, plan)
        if code == "ERROR_CANCELED":
            raise _CanceledError(text)
        return answer if answer is not None else Answer(plan.question, text, Status.UNKNOWN)

    def _patiently(self, goal: ServerGoalHandle, work: Callable[[], _Result]) -> _Result:
        """What ``work`` returns or raises. It talks to a server on a thread of its own: a cancel does not wait for it."""
        done: Queue[tuple[_Result | None, Exception | None]] = Queue()

        def run() -> None:
            try:
                done.put((work(), None))
            except Exception as error:
                done.put((None, error))

        threading.Thread(target=run, name="language model", daemon=True).start()
        while True:
            try:
                result, error = done.get(timeout=_POLL_S)
            except Empty:
                if goal.is_cancel_requested:
                    raise _CanceledError("canceled by the client") from None
                if not self._node.active:
                    raise _CanceledError("the node was deactivated; activate it and ask again") from None
                continue
            if error is not None:
                raise error
            return cast(_Result, result)

    def _await_plan(self, goal: ServerGoalHandle, plan: Plan) -> tuple[Answer | None, str, str]:
        request = Request(plan.names, plan.views, lambda scene, output: self._reasoner.answer(plan, scene, output))
        answer, code, text = self._await(goal, request)
        return (answer if isinstance(answer, Answer) else None), code, text

    def _tell(self, goal: ServerGoalHandle, state: int, lines: tuple[str, ...]) -> None:
        goal.publish_feedback(AskSpatial.Feedback(state=state, text="\n".join(lines)))

    # -- both -------------------------------------------------------------------------------------------------------------

    def _await(self, goal: ServerGoalHandle, request: Request) -> tuple[SpatialFact | Answer | None, str, str]:
        """Result on the next usable image with error constant and sentence; polls for cancel and deactivation."""
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
        found = request.result
        if found is None:
            return None, "ERROR_INTERNAL", "the image could not be measured; see the node's log"
        if found.status.has_value:
            return found, "ERROR_NONE", ""
        return found, _STATUS_ERRORS.get(found.status, "ERROR_INTERNAL"), found.text

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


def _nothing_known(action_type: Any, query: Query | None = None) -> Any:
    """A result without a measurement: NaN, for the 0 of an empty message reads like one."""
    if action_type is AskSpatial:
        return AskSpatial.Result(value=math.nan, std=math.nan)
    fact = SpatialFact(query or Query("", ""), Status.UNKNOWN, Source.UNKNOWN, 0, "", unit="")
    return Measure.Result(fact=fact_to_msg(fact))


def _fill(result: Any, answer: Answer) -> None:
    result.facts = [fact_to_msg(fact) for fact in answer.facts]
    result.trace = "\n".join(answer.trace)
    if not answer.answered:
        return
    result.answer, result.value, result.std, result.unit = answer.text, float(answer.value), float(answer.std), answer.unit
    result.things, result.decided = list(answer.things), bool(answer.decided)
    if answer.kind == "truth":
        sure = AskSpatial.Result.VERDICT_YES if answer.verdict else AskSpatial.Result.VERDICT_NO
        result.verdict = AskSpatial.Result.VERDICT_UNSURE if answer.verdict is None else sure
