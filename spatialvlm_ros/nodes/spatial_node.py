"""spatial_node: RGB-D topics in; scene, facts, markers, pictures out; answers on request.

One worker thread does all measuring, on the newest frame; callbacks only queue. Every output carries the stamp of its image.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import deque
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from spatialvlm_msgs.action import Measure
from spatialvlm_msgs.msg import Scene as SceneMsg
from spatialvlm_msgs.msg import SpatialFactArray
from spatialvlm_msgs.srv import SetQueries

from ..chat.endpoint import EndpointConfig
from ..engine import EngineConfig, SpatialEngine, warm_up
from ..geometry.rigid import RigidTransform
from ..language.answers import check_query, measure_with_error
from ..perception.focus import needs_all
from ..reasoning.answer import Answer, without_output
from ..reasoning.reasoner import MODES, OFF, Reasoner
from ..scene import assignment
from ..scene.drawing import draw_scene
from ..scene.facts import Query, SpatialFact
from ..scene.frame import RGBDFrame
from ..scene.noise import PRESETS
from ..scene.relation import Measurement
from ..scene.relations import RELATIONS
from ..scene.scene import Scene
from ..scene.sync import NewestSlot, Triple
from ..vlm.factory import ChosenVlm
from .conversions import array_to_image, frame_from_messages
from .image_facts import IMAGE_PARAMS, Output, facts_of, frame_of, output_of, why_unsought, without_frame
from .imu_input import IMU_PARAMS, ImuInput
from .lifecycle import ManagedNode, run_node
from .markers import clear_markers, scene_markers
from .parameters import Param
from .query_strings import parse_queries
from .rgbd_input import INPUT_PARAMS, RgbdInput
from .robot_state import ROBOT_PARAMS, RobotStateReader, output_frame
from .scene_messages import facts_to_msg, query_from_msg, scene_to_msg
from .spatial_actions import NUM_THREADS, QueryActions, Request
from .tf_listener import ImageTransforms, TransformListener
from .vlm_params import VLM_PARAMS, model_of, naming_of

_RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_PICTURES = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
# Longest wait at cleanup for the image in work.
_JOIN_S = 5.0


class SpatialNode(ManagedNode):
    """See the module."""

    PARAMS = (
        *INPUT_PARAMS,
        *ROBOT_PARAMS,
        *IMU_PARAMS,
        *IMAGE_PARAMS,
        Param(
            "depth_noise", "stereo", "Noise model of the depth camera; exact: a simulator without noise.", choices=tuple(PRESETS)
        ),
        Param(
            "queries",
            [""],
            "Facts to publish from the start: strings 'relation; subject; object; third; amount; view', of which the last may be "
            "left out, e.g. 'distance; gripper; red block' or 'reachable; cup; robot; ; 0.8'.",
        ),
        Param("request_timeout_s", 5.0, "Longest wait of ~/ask and ~/measure for a usable image.", 0.1, 600.0),
        Param(
            "llm_mode",
            OFF,
            "What a language model does with a question that the grammar does not know. off: nothing. tree: write an expression "
            "tree, which is then measured. friend: ask simple questions of its own, and conclude in its own words.",
            choices=MODES,
        ),
        Param("llm_url", "", "URL of its OpenAI-compatible server (vLLM, llama.cpp, Ollama), e.g. http://127.0.0.1:8000/v1."),
        Param("llm_model", "", "Name of the model on that server."),
        Param("llm_timeout_s", 20.0, "Longest wait for one answer of that server.", 0.1, 600.0),
        *VLM_PARAMS,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("spatial_node", **kwargs)
        self._lock = threading.Lock()
        self._queries: dict[str, list[Query]] = {}
        self._requests: list[Request] = []
        self._worker: threading.Thread | None = None
        self._closing: threading.Event | None = None
        self._reset_wanted = threading.Event()
        self._model, self._engine = ChosenVlm(OFF), SpatialEngine()
        self._reset_statistics()

    def _reset_statistics(self) -> None:
        self._frames = 0
        self._refused: dict[str, int] = {}
        self._last_problem = ""
        self._latencies_s: deque[float] = deque(maxlen=300)
        self._period_s = 0.1
        self._last_scene: Scene | None = None

    # -- lifecycle --------------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        self._reset_statistics()
        self._queries = {"parameters": parse_queries(self.param("queries"))}
        self._engine = self._make_engine()
        self._listener = TransformListener(self)
        self._transforms = ImageTransforms(self._listener, self.param("tf_timeout_s"))
        self._robot = RobotStateReader(self, self._transforms)
        self._imu = ImuInput(self, self._transforms)
        self._scene_publisher = self.own_publisher(SceneMsg, "~/scene", _RESULTS)
        self._facts_publisher = self.own_publisher(SpatialFactArray, "~/facts", _RESULTS)
        self._marker_publisher = self.own_publisher(MarkerArray, "~/markers", _RESULTS)
        self._picture_publisher = self.own_publisher(Image, "~/debug_image", _PICTURES)
        self._labels_publisher = self.own_publisher(Image, "~/segmentation", _PICTURES)
        self._input = RgbdInput(self, self._on_jump)
        self.own_service(SetQueries, "~/set_queries", self._set_queries)
        self.own_service(Trigger, "~/reset", self._reset)
        self._actions = QueryActions(self, self, self.param("request_timeout_s"), self._reasoner())
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._work, args=(self._closing, self._input.slot), name="measure", daemon=True)
        self._worker.start()

    def _make_engine(self) -> SpatialEngine:
        """With the model that the parameters name; without one where it cannot be had, which is said."""
        self._model, self._told_of_model = model_of(self.param), ""
        if self._model.problem:
            self.get_logger().warning(f"names are found by words alone: {self._model.problem}")
        elif self._model.vlm is not None:
            self.get_logger().info(f"names are found by {self._model.vlm.version}")
        noise, naming = PRESETS[self.param("depth_noise")], naming_of(self.param, self._model.vlm)
        assignment.warm_up()
        warm_up(config := EngineConfig(noise=noise, naming=naming, focus_s=self.param("focus_s")))
        return SpatialEngine(config, self._model.vlm)

    def _reasoner(self) -> Reasoner:
        Reasoner.prepare()
        mode = self.param("llm_mode")
        if mode == OFF:
            return Reasoner(measure=self.measure)
        config = EndpointConfig(self.param("llm_url"), self.param("llm_model"), timeout_s=self.param("llm_timeout_s"))
        return Reasoner(mode, config, self.measure)

    def measure(
        self, scene: Scene, query: Query, output: tuple[str, RigidTransform] | None = None
    ) -> tuple[SpatialFact, Measurement | None]:
        """One fact for an answer: depth's number, and the model's beside it where the parameters want that."""
        if self.param("vlm_answers"):
            return self._engine.measure(scene, query, output)
        return measure_with_error(scene, query, output)

    def start(self) -> None:
        self._input.begin()

    def stop(self) -> None:
        self._actions.running.wait_until_ended()

    def teardown(self) -> None:
        if self._closing is not None:
            self._closing.set()
        if self._worker is not None:
            self._input.slot.close()
            self._worker.join(timeout=_JOIN_S)
            if self._worker.is_alive():
                self.get_logger().warning(f"an image is still being measured after {_JOIN_S} s; its result will be dropped")
            self._worker = None
        self._engine.close()
        if self._model.vlm is not None:
            self._model.vlm.close()
        # Dropped, or the next configure loads a second set of weights beside the first.
        self._model, self._engine = ChosenVlm(OFF), SpatialEngine()
        gc.collect()

    def diagnostics(self) -> tuple[bytes, str, dict[str, str]]:
        if not self.active:
            return DiagnosticStatus.OK, "not active", {}
        # Copies: the worker changes all of these meanwhile.
        latencies_ms = 1e3 * np.array(list(self._latencies_s) or [np.nan])
        values = {
            "frames": str(self._frames),
            "rate_hz": f"{1.0 / self._period_s:.1f}",
            "dropped": str(self._input.slot.dropped),
            "unmatched": str(self._input.sync.unmatched),
            "latency_p50_ms": f"{np.median(latencies_ms):.1f}",
            "latency_p95_ms": f"{np.percentile(latencies_ms, 95):.1f}",
            "vlm": self._model.text,
            "vlm_problem": self._engine.problem or self._model.problem,
            **{f"refused: {cause}": str(count) for cause, count in dict(self._refused).items()},
        }
        silent = self._input.silence()
        if silent is not None:
            return DiagnosticStatus.WARN, silent, values
        problem = self._last_problem or self._robot.problem or self._imu.problem
        if problem:
            return DiagnosticStatus.WARN, problem, values
        if (scene := self._last_scene) is not None and (unsought := why_unsought(scene)):
            return DiagnosticStatus.WARN, unsought, values
        if self._engine.problem:
            lost = "names by words" if self._engine.names_problem else "answers by depth"
            return DiagnosticStatus.WARN, f"measuring, {lost} alone: {self._engine.problem}", values
        if self._model.problem:
            return DiagnosticStatus.OK, f"measuring, names by words alone: {self._model.problem}", values
        return DiagnosticStatus.OK, "measuring", values

    # -- services ---------------------------------------------------------------------------------------------------------

    def _set_queries(self, request: Any, response: Any) -> Any:
        queries = [query_from_msg(query) for query in request.queries]
        for query in queries:
            if (problem := check_query(query)) is not None:
                known = query.relation in RELATIONS
                response.error_code = Measure.Result.ERROR_WRONG_ARITY if known else Measure.Result.ERROR_UNKNOWN_RELATION
                response.error_msg = problem
                return response
        with self._lock:
            self._queries[request.owner.strip() or "default"] = queries
        response.success = True
        return response

    def _reset(self, request: Any, response: Any) -> Any:
        self._reset_wanted.set()
        response.success, response.message = True, "memory is cleared with the next image"
        return response

    def known_names(self) -> tuple[str, ...]:
        """Names of what is in sight, of the tool and of named frames."""
        labels = tuple(thing.label for thing in scene.objects) if (scene := self._last_scene) is not None else ()
        return (*self._engine.config.tool_names, *self._robot.names, *labels)

    def submit(self, request: Request) -> None:
        """Answer a request on the next image."""
        with self._lock:
            self._requests.append(request)

    def withdraw(self, request: Request) -> None:
        """Forget a request, answered or not."""
        with self._lock:
            request.withdrawn = True
            if request in self._requests:
                self._requests.remove(request)

    def why_no_image(self) -> str:
        """A sentence on what keeps images from being measured."""
        with self._lock:
            names = [name for request in self._requests for name in request.names]
            is_busy = any(request.taken for request in self._requests)
        if is_busy:
            return "the model has not answered yet; raise request_timeout_s"
        if pending := self._engine.pending(names):
            return f"the model has not looked for '{pending[0]}' yet; raise request_timeout_s"
        return self._input.silence() or self._last_problem or "images arrive but none was finished"

    # -- work -------------------------------------------------------------------------------------------------------------

    def _on_jump(self, stamp_ns: int) -> None:
        self._listener.clear(stamp_ns)
        self._imu.clear(stamp_ns)
        self._reset_wanted.set()
        self._marker_publisher.publish(clear_markers())

    def _work(self, closing: threading.Event, slot: NewestSlot[Triple]) -> None:
        """Body of the worker thread: the newest frame, one at a time, until cleanup.

        The event and the slot are its own: it may outlast the cleanup, and the node's are then those of another worker.
        """
        last = time.monotonic()
        while not closing.is_set():
            triple = slot.take(0.5)
            if triple is None or not self.active:
                continue
            problem: Exception | None = None
            try:
                self._process(triple, closing)
            except Exception as error:
                problem = error
            if closing.is_set():
                # What it used was destroyed meanwhile, and the counts are of the next worker.
                return
            if problem is None:
                self._last_problem = ""
            else:
                self._refuse(problem)
            now = time.monotonic()
            self._period_s += 0.1 * (min(now - last, 10.0) - self._period_s)
            last = now

    def _refuse(self, error: Exception) -> None:
        """A frame that cannot be used is dropped, counted by cause and said once in a while."""
        cause = type(error).__name__
        self._refused[cause] = self._refused.get(cause, 0) + 1
        self._last_problem = str(error)
        self.get_logger().warning(f"frame refused: {error}", throttle_duration_sec=5.0)
        if not isinstance(error, ValueError):
            self.get_logger().error(f"frame failed: {error!r}", throttle_duration_sec=5.0)

    def _process(self, triple: Triple, closing: threading.Event) -> None:
        frame = frame_from_messages(triple.color, triple.depth, triple.info, self._input.rectified)
        if self._reset_wanted.is_set():
            self._reset_wanted.clear()
            self._engine.reset()
        with self._lock:
            queries = list(dict.fromkeys(query for owned in self._queries.values() for query in owned))
            requests = list(self._requests)
        names = [*(name for query in queries for name in query.names), *(name for request in requests for name in request.names)]
        views = [*(query.view for query in queries), *(view for request in requests for view in request.views)]
        self._transforms.begin(frame.stamp_ns)
        robot = self._robot.read(frame.frame_id, dict.fromkeys(views))
        robot = self._imu.add_up(robot, frame.frame_id)
        scene = self._engine.observe(frame, names, robot, only_named=not requests and not needs_all(queries))
        if closing.is_set():
            return
        self._last_scene = scene
        output, problem = output_of(scene, output_frame(self), self._transforms)
        facts = facts_of(self._engine, scene, queries, output, problem)
        self._publish(frame, scene, facts)
        self._tell_of_model()
        for request in requests:
            if request.taken or self._engine.pending(request.names):
                continue
            request.taken = True
            answer = partial(self._answer, request, scene, output, problem)
            # A model with a pace of its own is asked on its own thread, so that images go on.
            if not (self.param("vlm_answers") and self._engine.on_model_thread(answer)):
                answer()

    def _tell_of_model(self) -> None:
        """Say once that the model fails, and once that it works again."""
        problem = self._engine.problem
        if problem == self._told_of_model:
            return
        self._told_of_model = problem
        if problem:
            self.get_logger().warning(f"the model fails, words find names and depth alone measures: {problem}")
        else:
            self.get_logger().info("the model works again")

    def _answer(self, request: Request, scene: Scene, output: Output, problem: str) -> None:
        """Done in any case: a request that fails is neither tried again nor costs the others their answer."""
        try:
            if request.withdrawn:  # a model that was busy comes to it late
                return
            result = request.measure(scene, output)
            request.result = _without_output(result, problem) if problem else result
        except Exception as error:
            self.get_logger().error(f"a request failed: {error!r}", throttle_duration_sec=1.0)
        finally:
            request.done.set()

    def _publish(self, frame: RGBDFrame, scene: Scene, facts: list[SpatialFact]) -> None:
        self._facts_publisher.publish(facts_to_msg(facts, scene.stamp_ns, frame_of(facts, scene)))
        self._scene_publisher.publish(scene_to_msg(scene))
        self._frames += 1
        self._latencies_s.append((self.get_clock().now().nanoseconds - scene.stamp_ns) * 1e-9)
        if self._marker_publisher.get_subscription_count():
            self._marker_publisher.publish(scene_markers(scene, facts, self._period_s))
        if self._picture_publisher.get_subscription_count():
            picture = draw_scene(frame, scene, facts)
            self._picture_publisher.publish(array_to_image(picture, "rgb8", scene.stamp_ns, scene.frame_id))
        if self._labels_publisher.get_subscription_count() and scene.labels is not None:
            labels = np.where(scene.labels < 0, 65535, scene.labels).astype(np.uint16)
            self._labels_publisher.publish(array_to_image(labels, "16UC1", scene.stamp_ns, scene.frame_id))


def _without_output(result: SpatialFact | Answer, problem: str) -> SpatialFact | Answer:
    """A request's result where tf lacks the output frame."""
    if isinstance(result, SpatialFact):
        return result if result.query.view else without_frame(result, problem)
    return without_output(result, problem)


def main(args: list[str] | None = None) -> None:
    sys.exit(run_node(SpatialNode, args, NUM_THREADS))


if __name__ == "__main__":
    main()
