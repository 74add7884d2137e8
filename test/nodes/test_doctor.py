"""spatialvlm doctor on real graphs with real faults: each is seen, and said with what to do."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from table_camera import BASE_FROM_CAMERA, FRAME, TableCamera, transform
from tf2_msgs.msg import TFMessage

from spatialvlm_ros.cli import main
from spatialvlm_ros.doctor import installed
from spatialvlm_ros.doctor.finding import Finding, Level
from spatialvlm_ros.doctor.judge import judge
from spatialvlm_ros.doctor.listen import LookOptions, listen
from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.nodes.conversions import array_to_image, ns_to_stamp
from spatialvlm_ros.nodes.rgbd_input import SENSOR_QOS

TOPICS = ("/color/image_raw", "/depth/image_raw", "/depth/camera_info")
Change = Callable[[Any, Any, Any], None]
ROBOT = """\
/**/spatial_node:
  ros__parameters:
    tool_frame: tool0
    gravity_frame: base_link
    tf_timeout_s: 0.05
"""


@pytest.fixture
def shooting(ros: Any) -> Iterator[Callable[..., TableCamera]]:
    """A camera that takes images at 10 Hz, stamped now, until the test ends."""
    closing = threading.Event()
    threads: list[threading.Thread] = []

    def start(change: Change | None = None, each: Callable[[TableCamera], None] | None = None, **kwargs: Any) -> TableCamera:
        camera = ros.node(TableCamera, **kwargs)

        def shoot() -> None:
            while not closing.wait(0.1):
                camera.stamp_ns = time.time_ns()
                if each is not None:
                    each(camera)
                camera.shoot(change, step_ns=0)

        threads.append(threading.Thread(target=shoot, daemon=True))
        threads[-1].start()
        return camera

    yield start
    closing.set()
    for thread in threads:
        thread.join(10)


def look(**options: Any) -> list[Finding]:
    return judge(listen(LookOptions(*options.pop("topics", TOPICS), seconds=options.pop("seconds", 2.5), **options)))


def bad(findings: list[Finding]) -> str:
    return "\n".join(str(finding) for finding in findings if finding.level is not Level.OK)


def robot(tmp_path: Path, text: str = ROBOT) -> Path:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    return path


def static_tf(camera: TableCamera) -> None:
    tool = transform("camera_optical", "tool0", 0, RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.5])))
    camera.tf_static.publish(TFMessage(transforms=[transform("base_link", FRAME, 0, BASE_FROM_CAMERA), tool]))


def test_a_camera_and_a_robot_that_are_well(shooting: Any, tmp_path: Path) -> None:
    shooting(each=static_tf)
    findings = look(robot=robot(tmp_path))
    assert bad(findings) == ""
    said = "\n".join(map(str, findings))
    for text in ("rgb8", "16UC1", "320 x 240, f = 305.0", "median", "after its stamp", "0.0 ms apart"):
        assert text in said, said
    assert "ok      tf tool0 (tool_frame): static" in said and "ok      tf base_link (gravity_frame): static" in said


def test_nobody_publishes_and_what_there_is_instead(shooting: Any) -> None:
    shooting()
    said = bad(look(topics=("/colour/image", *TOPICS[1:])))
    assert "error   /colour/image: nobody publishes it. Images are published on /color/image_raw" in said, said


def test_an_empty_graph() -> None:
    said = bad(look(seconds=1.0))
    assert said.count("nobody publishes it") == 3 and "Nobody publishes any image: is the driver running" in said


def test_a_topic_of_another_type(ros: Any, shooting: Any) -> None:
    shooting()
    said = bad(look(image_transport="compressed"))
    assert "/color/image_raw/compressed: nobody publishes it" in said, said
    node = ros.node(Node, "other")
    publisher = node.create_publisher(Image, "/color/image_raw/compressed", SENSOR_QOS)
    ros.wait_for(lambda: node.count_publishers(publisher.topic_name), what="the other topic")
    said = bad(look(image_transport="compressed"))
    assert "/color/image_raw/compressed: is sensor_msgs/msg/Image (by /other). sensor_msgs/msg/CompressedImage is" in said


def stale(color: Any, depth: Any, info: Any) -> None:
    for message in (color, depth):
        message.header.stamp = ns_to_stamp(time.time_ns() - 3_000_000_000)


def apart(color: Any, depth: Any, info: Any) -> None:
    depth.header.stamp = ns_to_stamp(time.time_ns() - 7_040_000_000)


def unstamped(color: Any, depth: Any, info: Any) -> None:
    color.header.stamp = ns_to_stamp(0)


def half_size(color: Any, depth: Any, info: Any) -> None:
    small = array_to_image(np.full((120, 160), 900, np.uint16), "16UC1", 0, FRAME)
    depth.height, depth.width, depth.step, depth.data = small.height, small.width, small.step, small.data


def tenth_of_millimetres(color: Any, depth: Any, info: Any) -> None:
    depth.data = array_to_image(np.full((240, 320), 30_000, np.uint16), "16UC1", 0, "").data


def millimetres_as_floats(color: Any, depth: Any, info: Any) -> None:
    wrong = array_to_image(np.full((240, 320), 700.0, np.float32), "32FC1", 0, "")
    depth.encoding, depth.step, depth.data = wrong.encoding, wrong.step, wrong.data


def blind(color: Any, depth: Any, info: Any) -> None:
    depth.data = bytes(len(depth.data))


def uncalibrated(color: Any, depth: Any, info: Any) -> None:
    info.k = np.zeros(9)


def planar_encoding(color: Any, depth: Any, info: Any) -> None:
    color.encoding = "nv21"


def rectified_in_secret(color: Any, depth: Any, info: Any) -> None:
    p = info.p.copy()
    p[0] = p[5] = 280.0
    info.p = p


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        (stale, "warning", "/color/image_raw arrives 3"),
        (apart, "error", "no two stamps within 0.02 s; the nearest are"),
        (unstamped, "error", "header stamps are zero"),
        (half_size, "error", "depth must be aligned to colour"),
        (tenth_of_millimetres, "error", "16UC1 must be millimetres, is it 0.1 mm?"),
        (millimetres_as_floats, "error", "32FC1 must be metres, is it millimetres?"),
        (blind, "error", "known at 0% of the pixels. Nothing can be found"),
        (uncalibrated, "error", "is the camera calibrated (K of camera_info)?"),
        (planar_encoding, "error", "image encoding 'nv21' is not understood"),
        (rectified_in_secret, "warning", "P (280.0) and K (305.0) differ without distortion"),
    ],
)
def test_a_fault_of_the_camera_is_named(shooting: Any, change: Change, level: str, text: str) -> None:
    shooting(change)
    said = bad(look())
    lines = [line for line in said.splitlines() if text in line]
    assert lines and lines[0].startswith(level), said


def test_images_that_are_lost(shooting: Any) -> None:
    count = iter(range(10**6))
    shooting(each=lambda camera: time.sleep(0.0 if next(count) % 3 else 0.4))
    assert "messages are lost on the way or not sent" in bad(look(seconds=4.0))


def test_two_cameras_on_one_topic(shooting: Any) -> None:
    shooting()
    shooting(namespace="", parameter_overrides=[])
    assert "2 nodes publish it" in bad(look())


def test_transforms_that_are_missing_misspelt_or_late(shooting: Any, tmp_path: Path) -> None:
    def late(camera: TableCamera) -> None:
        camera.tf_static.publish(TFMessage(transforms=[transform("base_link", FRAME, 0, BASE_FROM_CAMERA)]))
        old = transform("base_link", "tool0", time.time_ns() - 700_000_000, RigidTransform.identity())
        camera.tf.publish(TFMessage(transforms=[old]))

    shooting(each=late)
    said = bad(look(robot=robot(tmp_path, ROBOT.replace("base_link", "base_lnk"))))
    assert "error   tf base_lnk (gravity_frame): tf has no frame 'base_lnk'" in said and "Did you mean 'base_link'?" in said
    assert "error   tf tool0 (tool_frame): " in said and "newer than the newest" in said


def test_tf_whose_quality_of_service_does_not_fit(ros: Any, shooting: Any, tmp_path: Path) -> None:
    shooting()
    node = ros.node(Node, "bad_broadcaster")
    node.create_publisher(TFMessage, "/tf_static", QoSProfile(depth=1))
    node.create_publisher(TFMessage, "/tf", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    ros.wait_for(lambda: node.count_publishers("/tf") > 1, what="the broadcaster in the graph")
    said = bad(look(robot=robot(tmp_path)))
    assert "/tf_static: quality of service does not fit: bad_broadcaster" in said and "transient local for /tf_static" in said
    assert "/tf: quality of service does not fit: bad_broadcaster" in said


def test_the_clock(ros: Any, shooting: Any) -> None:
    camera = shooting()
    assert "use_sim_time is set, but nobody publishes /clock" in bad(look(use_sim_time=True))
    clock = camera.create_publisher(Clock, "/clock", 10)
    ros.wait_for(lambda: camera.count_publishers("/clock"), what="/clock")
    assert "but /clock stands still" in bad(look(use_sim_time=True))
    assert "somebody publishes /clock" in bad(look())
    camera.create_timer(0.05, lambda: clock.publish(Clock(clock=ns_to_stamp(time.time_ns()))))
    findings = look(use_sim_time=True)
    assert not any(finding.topic == "clock" and finding.level is not Level.OK for finding in findings), bad(findings)


def test_compressed_images(shooting: Any) -> None:
    shooting(compressed=True)
    findings = look(image_transport="compressed", depth_image_transport="compressedDepth")
    assert "error" not in bad(findings), bad(findings)
    assert any("jpeg compressed bgr8" in finding.seen for finding in findings)


def test_exit_codes_and_json(shooting: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shooting(each=static_tf)
    arguments = ["doctor", "--topics", *TOPICS, "--seconds", "2", "--robot", str(robot(tmp_path))]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"level", "what", "seen", "cure"} == set(rows[0]) and any(row["what"] == "colour and depth" for row in rows)
    assert main(["doctor", "--topics", "/a", "/b", "/c", "--seconds", "1"]) == 1
    assert "3 errors" in capsys.readouterr().out.splitlines()[-1]
    assert main(["doctor", "--camera", "webcam"]) == 2
    assert "known are realsense" in capsys.readouterr().err
    assert main(["doctor", "--topics", "/a b", "/b", "/c"]) == 2
    assert "'/a b' cannot be the name of a topic" in capsys.readouterr().err
    assert main(["doctor", "--robot", "x.yaml"]) == 2 and main(["doctor", "--seconds", str(math.nan)]) == 2


def test_what_is_missing_on_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not [f for f in installed.installed() if f.level is Level.ERROR]
    real = installed.util.find_spec
    gone = ("spatialvlm_msgs", "cv2", "py_trees")
    monkeypatch.setattr(installed.util, "find_spec", lambda name: None if name in gone else real(name))
    version = installed.metadata.version

    def without(name: str) -> str:
        if name.startswith(("opencv", "py_trees")):
            raise installed.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(installed.metadata, "version", without)
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(tmp_path / "no.xml"))
    monkeypatch.setenv("ROS_DISTRO", "humble")
    said = bad(installed.installed())
    assert "error   spatialvlm_msgs: not found. Build spatialvlm_msgs" in said
    assert "error   opencv-python-headless: not installed" in said and "warning py_trees: not installed. Only needed for" in said
    assert "no.xml is no file" in said and "warning ROS: humble" in said


def test_weights_that_are_not_those_that_were_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spatialvlm_ros.vlm import weights

    monkeypatch.setattr(weights, "_SHIPPED", tmp_path)
    assert "error   embedded model: " in bad(installed.installed())
