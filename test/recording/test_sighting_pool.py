"""What other processes see on an image, beside what this one sees."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from spatialvlm_ros.engine import EngineConfig, RobotState
from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.self_filter import Capsule
from spatialvlm_ros.perception.sighting import Sighting, sight
from spatialvlm_ros.recording.sighting_pool import EACH, SightingPool, result_of
from spatialvlm_ros.scene.frame import RGBDFrame

sys.path.append(str(Path(__file__).resolve().parents[1] / "perception"))
from raycast import BLUE_BLOCK, FLOOR, RED_BLOCK, TABLE, look, render

CAMERA = CameraModel(320, 240, 305.0, 305.0, 159.5, 119.5)
CONFIG = EngineConfig()


def image(seed: int) -> RGBDFrame:
    return replace(render([TABLE, FLOOR, RED_BLOCK, BLUE_BLOCK], camera=CAMERA, seed=seed)[0], stamp_ns=seed)


def numbers(sighting: Sighting) -> str:
    """All of a sighting as text; arrays as their bytes, for NaN is to be NaN."""
    return repr(_plain(asdict(sighting)))


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_others_see_what_this_process_sees_and_take_no_more_than_they_can() -> None:
    capsule = Capsule(np.array([0.0, 0.0, 0.5]), np.array([0.05, 0.0, 0.6]), 0.05)
    up = look().rotation[2]
    robots = [RobotState(), RobotState(up=up), RobotState(up=up, capsules=[capsule])]
    shots = [(image(seed), robots[seed % 3]) for seed in range(2 * EACH + 2)]
    pool = SightingPool(1, (240, 320))
    try:
        for start in (0, EACH):
            asked = [pool.sight(*shot, CONFIG.segment, CONFIG.measure) for shot in shots[start : start + EACH]]
            too_much = pool.sight(*shots[-1], CONFIG.segment, CONFIG.measure)
            for future, shot in zip(asked, shots[start:], strict=False):
                found, own = result_of(future), sight(*shot, CONFIG.segment, CONFIG.measure)
                assert found is not None and numbers(found) == numbers(own)
                assert len(found.things) >= 2 or shot[1].up is None
            # Unless one was done already there was no place for it.
            assert too_much is None or result_of(too_much) is not None
    finally:
        pool.end()


def test_an_image_of_another_size_is_not_for_them() -> None:
    pool = SightingPool(1, (24, 32))
    try:
        assert pool.sight(image(0), RobotState(), CONFIG.segment, CONFIG.measure) is None
    finally:
        pool.end()
    assert result_of(None) is None
