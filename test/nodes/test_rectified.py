"""Images that are free of distortion already: told by their topic, measured by P."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.nodes.conversions import camera_from_info, camera_to_info, is_rectified

CAMERA = CameraModel(4, 3, 5.0, 5.0, 1.5, 1.0)


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/rgb/image_rect_color", True), ("/camera/rgb/image_rect/compressed", True), ("/camera/depth/image_rect_raw", True),
        ("/camera/color/image_raw", False), ("/image_rectifier/color/image_raw", False), ("/rect/image", False),
        ("/zed/zed_node/rgb/color/rect/image", True), ("/zed/zed_node/rgb/color/rect/image/compressed", True),
        ("/zed/zed_node/rgb/color/raw/image", False),
    ],
)  # fmt: skip
def test_rectified_images_are_told_by_their_topic(topic: str, rectified: bool) -> None:
    assert is_rectified(topic) is rectified


def test_a_rectified_image_has_the_camera_of_p_and_no_distortion() -> None:
    raw = camera_to_info(CAMERA, 123, "camera")
    raw.d = [0.1, -0.2, 0.0, 0.0, 0.0]
    raw.p = np.array([7.0, 0, 3.0, 0, 0, 8.0, 2.0, 0, 0, 0, 1, 0])
    found = camera_from_info(raw, rectified=True)
    assert (found.fx, found.fy, found.cx, found.cy, found.distortion) == (7.0, 8.0, 3.0, 2.0, ())
    assert camera_from_info(raw).is_distorted
    raw.p = np.zeros(12)
    assert camera_from_info(raw, rectified=True) == CAMERA
