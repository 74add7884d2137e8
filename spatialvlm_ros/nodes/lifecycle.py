"""The base of every node: lifecycle, parameters, diagnostics, and a main that ends cleanly.

A subclass lists its ``PARAMS`` and fills four hooks:

    setup()     inactive: open what is heavy, create publishers, servers and subscriptions. May raise: configure fails loudly.
    start()     active: begin to work. Quick.
    stop()      leave active: take no new goals, end running ones.
    teardown()  forget everything that setup() made. Must bear a setup() that failed half way.

Whatever is made through ``own(...)`` (publishers, timers, servers ...) is destroyed on cleanup in reverse order. Never changes:
an exception in a hook is logged with its text and fails the transition; it never kills the process.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from .parameters import Param, declare

T = TypeVar("T")
_AUTOSTART = Param("autostart", True, "Configure and activate at start, without a lifecycle manager.")


class ManagedNode(LifecycleNode):
    """Lifecycle node with hooks; see the module."""

    PARAMS: ClassVar[tuple[Param, ...]] = ()

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        declare(self, (*self.PARAMS, _AUTOSTART))
        self._owned: list[Callable[[], object]] = []
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
        publisher = self.create_publisher(message_type, topic, qos)
        return self.own(publisher, lambda: self.destroy_publisher(publisher))

    def own_subscription(self, message_type: type, topic: str, callback: Callable[[Any], None], qos: Any, **kw: Any) -> Any:
        subscription = self.create_subscription(message_type, topic, callback, qos, **kw)
        return self.own(subscription, lambda: self.destroy_subscription(subscription))

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
        self._halt()
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def autostart(self) -> bool:
        """Configure and activate. False, with the reason logged, when a transition fails."""
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                return False
        return True

    def close(self) -> None:
        """End work and forget everything, whatever the state; then destroy the node."""
        self._halt()
        self._release()
        self.destroy_node()

    def _halt(self) -> None:
        if self._active.is_set():
            self._active.clear()
            self._run_hook("deactivate", self.stop)

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


def default_ros_environment() -> None:
    """Let ament_index find packages that pip installed; does nothing on a ROS installation."""
    import sys

    if "AMENT_PREFIX_PATH" not in os.environ and os.path.isdir(os.path.join(sys.prefix, "share", "ament_index")):
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix


def run_node(make: Callable[[], ManagedNode], args: list[str] | None = None, num_threads: int = 4) -> int:
    """Body of an executable: init, make the node, autostart, spin, end cleanly on SIGINT / SIGTERM. Returns the exit code."""
    default_ros_environment()
    rclpy.init(args=args)
    node: ManagedNode | None = None
    executor = MultiThreadedExecutor(num_threads=num_threads)
    code = 0
    try:
        node = make()
        executor.add_node(node)
        if node.param("autostart") and not node.autostart():
            node.get_logger().error("autostart failed; the node stays up, unconfigured or inactive")
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except ValueError as error:
        print(f"error: {error}", flush=True)
        code = 2
    finally:
        executor.shutdown(timeout_sec=2.0)
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    return code
