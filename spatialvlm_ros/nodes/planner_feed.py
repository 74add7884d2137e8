"""What spatial_node publishes, as Worlds for the planner: asks for facts, keeps the newest, moves boxes into the planning frame.

Nothing else enters a World. Callbacks only store; Worlds are put together by whoever observes.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy

from spatialvlm_msgs.msg import Scene as SceneMsg
from spatialvlm_msgs.msg import SpatialFactArray
from spatialvlm_msgs.srv import SetQueries

from ..geometry.plane import Plane
from ..geometry.rigid import FloatArray, RigidTransform
from ..geometry.transform_buffer import TransformError
from ..language.instruction import Predicate
from ..planning.errors import ErrorCode, TaskError
from ..planning.predicates import goal_names, queries_for
from ..planning.world import GRIPPER, SeenBox, World, bind_names, point_of
from ..scene.facts import Query, SpatialFact, Status
from .conversions import stamp_to_ns, transform_from_pose
from .lifecycle import ManagedNode
from .scene_messages import fact_from_msg, query_to_msg
from .tf_listener import TransformListener

_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
# Facts in flight when the queries change are not worth a new request.
_ASK_PERIOD_S = 0.3
_JUMP_NS = 1_000_000_000


class PlannerFeed:
    """Owned by a ManagedNode; make it in setup()."""

    def __init__(self, node: ManagedNode, spatial_node: str, planning_frame: str) -> None:
        self._node, self._spatial_node, self._frame = node, spatial_node, planning_frame
        self._listener = TransformListener(node)
        self._lock = threading.Lock()
        self._scenes: deque[SceneMsg] = deque(maxlen=5)
        self._facts: dict[Query, SpatialFact] = {}
        self._labels: dict[int, str] = {}
        self._sessions: dict[int, tuple[Query, ...]] = {}
        self._asked: tuple[frozenset[Query], float] = (frozenset(), -math.inf)
        self._refusal = ""
        # One at a time, in the order of arrival: an older fact must not replace a newer one.
        order = MutuallyExclusiveCallbackGroup()
        node.own_subscription(SceneMsg, f"{spatial_node}/scene", self._receive_scene, _QOS, callback_group=order)
        node.own_subscription(SpatialFactArray, f"{spatial_node}/facts", self._receive_facts, _QOS, callback_group=order)
        self._client = node.own_client(SetQueries, f"{spatial_node}/set_queries", callback_group=ReentrantCallbackGroup())

    # -- what comes in --------------------------------------------------------------------------------------------------

    def _receive_scene(self, message: SceneMsg) -> None:
        with self._lock:
            if self._scenes and stamp_to_ns(message.header.stamp) < stamp_to_ns(self._scenes[-1].header.stamp) - _JUMP_NS:
                # Time jumped back, as when a bag loops: what was believed belongs to another run.
                self._scenes.clear()
                self._facts.clear()
                self._labels.clear()
                self._listener.clear(stamp_to_ns(message.header.stamp))
            self._scenes.append(message)
            present = {int(thing.id) for scene in self._scenes for thing in scene.objects}
            self._labels = {known: label for known, label in self._labels.items() if known in present}

    def _receive_facts(self, message: SpatialFactArray) -> None:
        try:
            facts = [fact_from_msg(fact) for fact in message.facts]
        except ValueError as error:
            self._node.get_logger().warning(f"ignored facts: {error}", throttle_duration_sec=5.0)
            return
        with self._lock:
            # spatial_node publishes the facts of all who ask; those of others are no part of a task.
            wanted = self._wanted()
            self._facts.update({fact.query: fact for fact in facts if fact.query in wanted})

    # -- what is asked for ----------------------------------------------------------------------------------------------

    def _wanted(self) -> frozenset[Query]:
        """What all tasks need; the lock is held."""
        return frozenset(query for asked in self._sessions.values() for query in asked)

    def ask(self, session: int, queries: Sequence[Query]) -> None:
        """Set what one task needs; tells spatial_node when the sum over all tasks changed. Does not wait."""
        with self._lock:
            if queries:
                self._sessions[session] = tuple(queries)
            else:
                self._sessions.pop(session, None)
            wanted = self._wanted()
            self._facts = {query: fact for query, fact in self._facts.items() if query in wanted}
            known, when_s = self._asked
            now_s = time.monotonic()
            # Sent again once in a while: spatial_node may have been restarted.
            due = now_s - when_s > (_ASK_PERIOD_S if wanted != known else 2.0)
            if (wanted and not due) or (not wanted and not known):
                return
            self._asked = (wanted, now_s)
            ordered = list(dict.fromkeys(query for asked in self._sessions.values() for query in asked))[:256]
        if self._client.service_is_ready():
            request = SetQueries.Request(owner="planner_node", queries=[query_to_msg(query) for query in ordered])
            self._client.call_async(request).add_done_callback(self._answered)
        else:
            with self._lock:
                self._asked = (frozenset(), now_s)

    def _answered(self, future: Any) -> None:
        response = None if future.cancelled() or future.exception() is not None else future.result()
        self._refusal = "" if response is not None and response.success else (response.error_msg if response is not None else "")

    def problem(self) -> str:
        """Why there is no scene yet, as a sentence."""
        if not self._client.service_is_ready():
            return f"'{self._spatial_node}' does not offer set_queries; start spatial_node or set parameter spatial_node"
        if self._refusal:
            return f"spatial_node refuses the queries: {self._refusal}"
        with self._lock:
            scene = self._scenes[-1] if self._scenes else None
        if scene is None:
            return f"'{self._spatial_node}' publishes no scene; check that it is active and gets images"
        try:
            self._planning_from(scene.header.frame_id, stamp_to_ns(scene.header.stamp))
        except LookupError as error:
            return f"the scene cannot be moved into planning_frame '{self._frame}': {error}"
        return "spatial_node does not publish the facts that were asked for; see its log"

    # -- what is believed -----------------------------------------------------------------------------------------------

    def _planning_from(self, frame_id: str, stamp_ns: int) -> RigidTransform:
        return self._listener.buffer.lookup(self._frame, frame_id, stamp_ns)

    def observe(self, names: Sequence[str]) -> World:
        """The newest World; without things while no scene can be moved into the planning frame."""
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            scenes, facts = list(self._scenes), dict(self._facts)
        for scene in reversed(scenes):
            try:
                stamp_ns = stamp_to_ns(scene.header.stamp)
                return self._world(scene, self._planning_from(scene.header.frame_id, stamp_ns), stamp_ns, facts, names, now_ns)
            except TransformError:
                continue  # tf for the newest image may still be under way
        return World(now_ns, 0, {}, facts)

    def _world(
        self,
        scene: SceneMsg,
        to_planning: RigidTransform,
        stamp_ns: int,
        facts: dict[Query, SpatialFact],
        names: Sequence[str],
        now_ns: int,
    ) -> World:
        boxes = [box for message in scene.objects if (box := self._box(message)) is not None]
        things = bind_names(names, boxes, facts, self._planning_from, to_planning)
        plane = np.asarray(scene.support_plane, dtype=np.float64)
        table_m = math.nan
        if np.isfinite(plane).all() and things:
            middle = np.mean([thing.centre for thing in things.values()], axis=0)
            table_m = _plane_height_m(plane, to_planning, middle)
        gripper = point_of(GRIPPER, facts, self._planning_from)
        return World(now_ns, stamp_ns, things, facts, _directions(scene, to_planning), table_m, gripper)

    def _box(self, message: Any) -> SeenBox | None:
        try:
            pose = transform_from_pose(message.pose)
        except ValueError:
            return None
        extents = np.array([message.extents.x, message.extents.y, message.extents.z])
        covariance = np.asarray(message.covariance, dtype=np.float64).reshape(3, 3)
        if not (np.isfinite(extents).all() and np.isfinite(covariance).all()):
            return None
        # A label that flickers would make another name of the same thing at every image.
        label = self._labels.setdefault(int(message.id), message.label) if message.label.strip().lower() != GRIPPER else GRIPPER
        std_m = math.sqrt(max(float(np.linalg.eigvalsh((covariance + covariance.T) / 2)[-1]), 0.0))
        return SeenBox(int(message.id), label, pose, extents, std_m)


def _plane_height_m(plane: FloatArray, to_planning: RigidTransform, at: FloatArray) -> float:
    """Height below a point of the planning frame of a plane (nx, ny, nz, d) of the scene's frame; NaN for a steep one."""
    there = Plane(plane[:3], float(plane[3])).moved(to_planning)
    if there.normal[2] < 0.5:
        return math.nan
    return float(-(there.normal[:2] @ at[:2] + there.offset_m) / there.normal[2])


def _directions(scene: SceneMsg, to_planning: RigidTransform) -> dict[str, FloatArray]:
    """The viewer's horizontal directions in the planning frame; empty when up is not known."""
    if not scene.is_canonical:
        return {}
    try:
        axes = (to_planning @ transform_from_pose(scene.canonical_pose)).rotation
    except ValueError:
        return {}
    forward, left = (axes[:2, index] / max(float(np.linalg.norm(axes[:2, index])), 1e-9) for index in (0, 1))
    return {"left_of": left, "right_of": -left, "in_front_of": -forward, "behind": forward}


class FactsSession:
    """The facts of one task, from its start to ``close``."""

    def __init__(self, feed: PlannerFeed, goals: tuple[Predicate, ...]) -> None:
        self._feed, self._goals = feed, goals
        self._names = goal_names(goals)
        self._last: tuple[float, World] | None = None
        feed.ask(id(self), queries_for(goals))

    def close(self) -> None:
        self._feed.ask(id(self), ())

    def observe(self) -> World:
        """The newest World, put together at most 100 times a second; keeps the queries in step with what is seen."""
        now_s = time.monotonic()
        if self._last is None or now_s - self._last[0] > 0.01:
            world = self._feed.observe(self._names)
            self._feed.ask(id(self), queries_for(self._goals, world.things.values()))
            self._last = (now_s, world)
        return self._last[1]

    def ready(self, max_age_s: float) -> bool:
        """Whether every fact that the task needs is there, and fresh."""
        world = self.observe()
        wanted = queries_for(self._goals, world.things.values())
        named = all(name in world.things for name in self._names)
        return named and all(
            (fact := world.facts.get(query)) is not None and world.age_s(fact.stamp_ns) <= max_age_s for query in wanted
        )

    def missing(self, max_age_s: float) -> TaskError | None:
        """The first name that spatial_node does not find now, or finds twice."""
        world = self.observe()
        for name in self._names:
            fact = world.fact("elevation", name)
            if fact is None or world.age_s(fact.stamp_ns) > max_age_s:
                continue
            if fact.status is Status.NOT_FOUND:
                reason = fact.text or "nothing on the image looks like it"
                return TaskError(ErrorCode.OBJECT_NOT_FOUND, f"the {name} is not found: {reason}; put it into the camera's view")
            if fact.status is Status.AMBIGUOUS:
                reason = fact.text or "several things look like it"
                return TaskError(ErrorCode.OBJECT_AMBIGUOUS, f"'{name}' is ambiguous: {reason}; say more about the one you mean")
        return None

    def why_not_ready(self, max_age_s: float) -> TaskError:
        """Why ``ready`` stays false."""
        world = self.observe()
        newest_s = world.fact_age_s()
        if world.facts and newest_s > max_age_s:
            return TaskError(
                ErrorCode.STALE_FACTS,
                f"the newest fact is {newest_s:.2f} s old, more than max_fact_age_s = {max_age_s}; "
                "check that spatial_node gets images",
            )
        return TaskError(ErrorCode.NO_SCENE, self._feed.problem())
