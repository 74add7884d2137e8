"""
Environment and fixtures for all tests.

The environment is set here, before any test module is imported, because rclpy and the message classes read it once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from rclpy.context import Context
    from rclpy.node import Node

    from spatialvlm_ros.nodes.executor import PatientExecutor

NodeT = TypeVar("NodeT", bound="Node")

ROOT = Path(__file__).resolve().parents[1]
# Beyond domain 101 the ports of DDS reach into the range that Linux hands out to clients.
NUM_DOMAINS = 101
JOIN_TIMEOUT_S = 10.0


def _test_domain() -> int:
    """Return a domain in [1, 101]: own for a test run and, below it, for each xdist worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker.startswith("gw"):
        return 1 + os.getpid() % NUM_DOMAINS
    return 1 + (os.getppid() + 1 + int(worker[2:])) % NUM_DOMAINS


# Not a default: a test must never join the domain of a robot that the developer's shell is set to.
os.environ["ROS_DOMAIN_ID"] = str(_test_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
# Without it Jazzy publishes garbage for a value of the wrong type, e.g. 0.0 for an int in a float field.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ.setdefault("MUJOCO_GL", "egl")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores among themselves already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for _variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
    os.environ.setdefault(_variable, str(ROOT / "config" / "fastdds.xml"))

# A machine that is busy elsewhere is no failure, and the same tests run for everybody.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as live what waits for messages in real time; scripts/test.sh runs it apart from the rest."""
    for item in items:
        folder = item.path.parent.name
        if folder in ("nodes", "demo") or "ros" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)


class RosHarness:
    """Runs nodes of one test in a context and an executor of its own."""

    def __init__(self, context: Context, executor: PatientExecutor) -> None:
        """Take a context that is initialised and an executor that is about to spin."""
        self.context = context
        self.executor = executor
        self._nodes: list[Node] = []

    def node(self, make: Callable[..., NodeT], *args: Any, **kwargs: Any) -> NodeT:
        """Return `make(*args, context=..., **kwargs)` as a node that the executor serves until the test ends."""
        node = make(*args, context=self.context, **kwargs)
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 10.0, what: str = "the condition") -> None:
        """Return as soon as `condition()` is true; fail the test when it is not after `timeout_s` of wall time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s} s in vain for {what}")
            time.sleep(0.005)

    def halt_nodes(self) -> None:
        """End the work of nodes that have some, while their callbacks are still served: goals end with an answer."""
        for node in self._nodes:
            if hasattr(node, "halt"):
                node.halt()

    @staticmethod
    def destroy(node: Node) -> None:
        """Destroy a node that no executor serves any more, with its actions: destroy_node() leaves those in the graph."""
        from rclpy.action import ActionClient, ActionServer

        node.destroy_node()
        for waitable in list(node.waitables):
            if isinstance(waitable, ActionClient | ActionServer):
                waitable.destroy()

    def destroy_nodes(self) -> None:
        """Destroy all nodes, the newest first."""
        while self._nodes:
            self.destroy(self._nodes.pop())


@pytest.fixture
def ros() -> Iterator[RosHarness]:
    """
    Run nodes in a thread, and prove at the end that they stopped.

    Order matters: the executor lets go of the nodes before they are destroyed, and the context ends last because
    destroying a node needs it.
    """
    import rclpy
    from rclpy.context import Context

    from spatialvlm_ros.nodes.executor import PatientExecutor

    context = Context()
    rclpy.init(context=context)
    executor = PatientExecutor(num_threads=4, context=context)
    harness = RosHarness(context, executor)
    errors: list[BaseException] = []
    stopping = threading.Event()

    def spin() -> None:
        try:
            while not stopping.is_set():
                executor.spin_once(timeout_sec=0.05)
        except BaseException as error:  # an exception of a callback; raised again where pytest sees it
            errors.append(error)

    thread = threading.Thread(target=spin, name="test-executor", daemon=True)
    thread.start()
    try:
        yield harness
    finally:
        harness.halt_nodes()
        stopping.set()
        # Not shutdown() first: it takes away what a thread that still waits is about to use.
        thread.join(JOIN_TIMEOUT_S)
        executor.shutdown(timeout_sec=0.0)
        harness.destroy_nodes()
        context.try_shutdown()
    assert not thread.is_alive(), "the executor did not stop: a callback blocks"
    if errors:
        raise errors[0]
