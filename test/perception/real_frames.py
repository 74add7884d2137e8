"""The real recordings beside this repository (see their README for origin and licence); the tests need them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.scene.frame import RGBDFrame, depth_to_metres

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MOSD = ("learn0", "learn20", "learn35", "learn44", "test0")


def require(path: Path) -> Path:
    assert path.exists(), f"{path} is missing: the real recordings belong next to the repository, in {DATA}"
    return path


def image(path: Path) -> np.ndarray:
    import cv2

    loaded = cv2.imread(str(require(path)), cv2.IMREAD_UNCHANGED)
    assert loaded is not None, f"{path} cannot be read"
    return loaded if loaded.ndim == 2 else np.ascontiguousarray(loaded[..., 2::-1])


def mosd(name: str) -> tuple[RGBDFrame, np.ndarray]:
    """A Kinect frame of a table and its label per pixel: 0 no depth, 1-9 table, label // 10 >= 2 an object."""
    folder = DATA / "pcl_mosd"
    camera = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
    depth = depth_to_metres(image(folder / f"{name}-depth.png"))
    return RGBDFrame(0, image(folder / f"{name}-color.png"), depth, camera, name), image(folder / f"{name}-label.png")


def office(number: int) -> RGBDFrame:
    """A Kinect frame of a living room: chairs, a dining table, no tabletop close by."""
    folder = DATA / "slambook2_rgbd"
    depth = depth_to_metres(image(folder / f"depth-{number}.pgm").astype(np.uint16))
    color = image(folder / f"color-{number}.png")
    return RGBDFrame(0, color, depth, CameraModel(640, 480, 518.0, 519.0, 325.5, 253.5), "office")


def tote(view: int) -> tuple[RGBDFrame, np.ndarray]:
    """A RealSense frame into a tote, and up (3,) in its optical frame."""
    folder = DATA / "arc_bin"
    k = np.loadtxt(require(folder / f"camera-{view}.intrinsics.txt"))
    pose = np.loadtxt(require(folder / f"camera-{view}.pose.txt"))
    color = image(folder / f"input-{view}.color.png")
    depth = depth_to_metres(image(folder / f"input-{view}.depth.png"), 0.0001)
    camera = CameraModel(color.shape[1], color.shape[0], k[0, 0], k[1, 1], k[0, 2], k[1, 2])
    return RGBDFrame(0, color, depth, camera, "tote"), pose[2, :3]
