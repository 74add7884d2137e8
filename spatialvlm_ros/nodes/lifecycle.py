"""The base of every node: lifecycle, parameters, diagnostics, and a main that ends cleanly.

A subclass lists its ``PARAMS`` and fills four hooks:

    setup()     inactive: open what is heavy, create publishers, servers and subscriptions. May raise: configure fails loudly.
    start()     active: begin to work. Quick.
    stop()      leave active: take no new goals, end running ones.
    teardown()  forget everything that setup() made. Must bear a setup() that failed half way.

Whatever is made through ``own(...)`` (publishers, timers, servers ...) is destroyed on cleanup in reverse order. Never changes:
an exception in a hook is logged with its text and fails the transition; it never kills the process. A node stops before its
context ends, so that no thread publishes into a context that is gone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from .end_signals import EndSignals
from .executor import PatientExecutor
from .parameters import AUTOSTART, Param, declare, near_misses
from .streams import Streams

T = TypeVar("T")
# From a signal to the end of the process at the latest: less than the 8 s after which bringup kills.
_END_LIMIT_S = 7.0
# Longest wait for callbacks and goals that are under way when a node stops.
_GOALS_LIMIT_S = 2.0
# The executor sends a goal's result after its callback has returned; so long it goes on for those that have just ended.
_ANSWERS_S = 0.2
# Longest wait of the executor before it looks whether it is to end; waking it does not end its wait.
_SPIN_S = 0.2


class ManagedNode(LifecycleNode):
    """Lifecycle node with hooks; see the module."""

    PARAMS: ClassVar[tuple[Param, ...]] = ()

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        declare(self, (*self.PARAMS, AUTOSTART))
        # rclpy drops what is not declared without a word.
        for name, meant in near_misses(getattr(self, "_parameter_overrides", {}), (*self.PARAMS, AUTOSTART)).items():
            self.get_logger().warning(f"parameter '{name}' is not known and has no effect; did you mean '{meant}'?")
        self._owned: list[Callable[[], object]] = []
        self._streams: Streams | None = None
        self._active = threading.Event()
        # Diagnostics must go on when ROS time stands still or jumps, so they run on the steady clock.
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._publish_diagnostics, clock=self.steady_clock)

    # -- for subclasses ---------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Open what is heavy and create the node's interfaces. Raise to refuse."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """End running work; called before ``active`` is needed no more, also on errors and shutdown."""

    def teardown(self) -> None:
        """Forget what setup() made, beyond what ``own`` destroys."""

    def diagnostics(self) -> tuple[bytes, str, dict[str, str]]:
        """Level (DiagnosticStatus.OK ...), a sentence, and values to publish once a second."""
        return DiagnosticStatus.OK, "active" if self.active else "not active", {}

    @property
    def active(self) -> bool:
        return self._active.is_set()

    def param(self, name: str) -> Any:
        return self.get_parameter(name).value

    def own(self, made: T, destroy: Callable[[], object]) -> T:
        """Keep ``made`` until cleanup, then call ``destroy``."""
        self._owned.append(destroy)
        return made

    def own_publisher(self, message_type: type, topic: str, qos: Any) -> Any:
        # Every event handler is one more entity in each wait set; a subscriber's side warns of QoS that does not fit.
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        publisher = self.create_publisher(message_type, topic, qos, event_callbacks=quiet)
        return self.own(publisher, lambda: self.destroy_publisher(publisher))

    def own_subscription(self, message_type: type, topic: str, callback: Callable[[Any], None], qos: Any, **kw: Any) -> Any:
        subscription = self.create_subscription(message_type, topic, callback, qos, **kw)
        return self.own(subscription, lambda: self.destroy_subscription(subscription))

    def own_stream(self, message_type: type, topic: str, callback: Callable[[Any], None], qos: Any) -> str:
        """Subscribe to a topic that fires often, on a thread of its own (see streams). Returns the resolved topic."""
        if self._streams is None:
            self._streams = self.own(Streams(self), self._close_streams)
        resolved = self.resolve_topic_name(topic)
        self._streams.subscribe(message_type, resolved, callback, qos)
        return resolved

    def _close_streams(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams.close()

    def own_service(self, service_type: type, name: str, callback: Callable[[Any, Any], Any], **kw: Any) -> Any:
        service = self.create_service(service_type, name, callback, **kw)
        return self.own(service, lambda: self.destroy_service(service))

    def own_client(self, service_type: type, name: str, **kw: Any) -> Any:
        client = self.create_client(service_type, name, **kw)
        return self.own(client, lambda: self.destroy_client(client))

    def own_timer(self, period_s: float, callback: Callable[[], None], *, steady: bool = False, **kw: Any) -> Any:
        """A timer on ROS time, or on the steady clock for watchdogs."""
        if steady:
            kw["clock"] = self.steady_clock
        timer = self.create_timer(period_s, callback, **kw)
        return self.own(timer, lambda: self.destroy_timer(timer))

    # -- lifecycle --------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._run_hook("configure", self.setup):
            return TransitionCallbackReturn.SUCCESS
        self._release()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        self._active.set()
        if self._run_hook("activate", self.start):
            self.get_logger().info("active")
            return TransitionCallbackReturn.SUCCESS
        self._active.clear()
        super().on_deactivate(state)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.halt()
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.halt()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.halt()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        """rclpy's own, which raises for a transition that the state does not have: the service would then never answer."""
        try:
            changed: TransitionCallbackReturn = super()._LifecycleNodeMixin__change_state(transition_id)
        except RuntimeError as error:
            self.get_logger().warning(f"transition {transition_id} refused: {str(error).splitlines()[0]}")
            return TransitionCallbackReturn.FAILURE
        return changed

    def autostart(self) -> bool:
        """Configure and activate. False, with the reason logged, when a transition fails."""
        return all(trigger() == TransitionCallbackReturn.SUCCESS for trigger in (self.trigger_configure, self.trigger_activate))

    def halt(self) -> None:
        """End running work, whatever the state; the lifecycle state stays as it is."""
        if self._active.is_set():
            self._active.clear()
            self._run_hook("deactivate", self.stop)

    def destroy_node(self) -> None:
        """End work and forget everything, whatever the state; then destroy the node."""
        self.halt()
        self._release()
        super().destroy_node()

    def _release(self) -> None:
        self._run_hook("cleanup", self.teardown)
        while self._owned:
            self._run_hook("cleanup", self._owned.pop())

    def _run_hook(self, transition: str, hook: Callable[[], object]) -> bool:
        try:
            hook()
        except Exception as error:
            self.get_logger().error(f"{transition} failed: {error}")
            # An error of ours says everything in its sentence; anything else is a defect and wants its traceback.
            if not isinstance(error, (ValueError, LookupError, ImportError, OSError)):
                self.get_logger().error(traceback.format_exc())
            return False
        return True

    def _publish_diagnostics(self) -> None:
        try:
            level, text, values = self.diagnostics()
            status = DiagnosticStatus(level=level, name=self.get_fully_qualified_name(), message=text, hardware_id="")
            status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
            array = DiagnosticArray(status=[status])
            array.header.stamp = self.get_clock().now().to_msg()
            self._diagnostics_publisher.publish(array)
        except Exception as error:  # the report must never end what it reports on
            self.get_logger().warning(f"diagnostics: {error}", throttle_duration_sec=10.0)


class RunningGoals:
    """Counts goals under way, so that stop() can wait until they have ended and their servers may go."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> RunningGoals:
        with self._changed:
            self._count += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_until_ended(self, timeout_s: float = _GOALS_LIMIT_S) -> bool:
        """True when none is under way (any more)."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout_s)


def default_ros_environment() -> None:
    """Let ament_index find packages that pip installed; does nothing on a ROS installation."""
    if "AMENT_PREFIX_PATH" not in os.environ and os.path.isdir(os.path.join(sys.prefix, "share", "ament_index")):
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix


class _Spinner:
    """Serves a node's callbacks in a thread, so that the main thread is free for signals."""

    def __init__(self, num_threads: int) -> None:
        self._executor = PatientExecutor(num_threads=num_threads)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="spin", daemon=True)
        self._node: ManagedNode | None = None

    def start(self, node: ManagedNode) -> None:
        self._node = node
        self._executor.add_node(node)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopping.is_set() and rclpy.ok():
            try:
                self._executor.spin_once(timeout_sec=_SPIN_S)
            except Exception:  # a defect in one callback ends that callback, not the node
                if self._node is not None and not self._stopping.is_set():
                    self._node.get_logger().error(f"callback failed: {traceback.format_exc()}")

    def stop(self) -> None:
        """Return when no callback runs any more, or after a bounded time."""
        if self._thread.is_alive():
            time.sleep(_ANSWERS_S)
        self._stopping.set()
        deadline = time.monotonic() + _GOALS_LIMIT_S
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._executor.shutdown(timeout_sec=0.0)
        # Jazzy's executor leaves its pool running; without this a callback could outlive the node.
        pool = getattr(self._executor, "_executor", None)
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def run_node(make: Callable[[], ManagedNode], args: list[str] | None = None, num_threads: int = 4) -> int:
    """Body of an executable: init, make the node, autostart, spin, end cleanly on SIGINT / SIGTERM. Returns the exit code.

    The order of the end: work stops while callbacks are still served, then callbacks, then the node, and the context last.
    """
    default_ros_environment()
    signals = EndSignals(_END_LIMIT_S)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rcl's own, for a parameter file or argument that cannot be read
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    node: ManagedNode | None = None
    spinner = _Spinner(num_threads)
    code = 0
    try:
        node = make()
        if node.param("autostart") and not node.autostart():
            node.get_logger().error("autostart failed; the node stays up, unconfigured or inactive")
        spinner.start(node)
        while not signals.received and rclpy.ok():
            time.sleep(0.1)
    except (ValueError, ParameterException) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = 2
    finally:
        if node is not None:
            node.halt()
        spinner.stop()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return code
