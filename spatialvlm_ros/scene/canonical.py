"""The canonical frame: x forward, y left, z up, origin on the support plane below the camera (REP 103).

The text of SpatialVLM's appendix, not its listing, which yields x backward.
"""

from __future__ import annotations

import numpy as np

from ..geometry.rigid import FloatArray, RigidTransform
from .scene import Canonical


def canonical_from_up(up: FloatArray, plane: FloatArray | None, tilt_std_rad: float, source: str) -> Canonical | None:
    """Canonical frame of an up direction.

    Args:
        up: (3,) unit vector in the optical frame (x right, y down, z forward).
        plane: (4,) n, d of the support plane in the optical frame, metres; None puts the origin at the camera.
        tilt_std_rad: standard deviation of the up direction: of the plane's normal, the extrinsics, or the accelerometer.
        source: "plane", "tf" or "imu".

    Returns:
        None when the camera looks along up within 1 degree and its image has no sideways direction either (never in practice).
    """
    z_axis = up / np.linalg.norm(up)
    # Forward is the optical axis on the ground; a camera that looks straight down has its image's top ahead.
    forward = np.array([0.0, 0.0, 1.0])
    if abs(float(z_axis @ forward)) > np.cos(np.deg2rad(1.0)):
        forward = np.array([0.0, -1.0, 0.0])
    x_axis = forward - (forward @ z_axis) * z_axis
    length = float(np.linalg.norm(x_axis))
    if length < 1e-6:
        return None
    x_axis /= length
    rotation = np.column_stack([x_axis, np.cross(z_axis, x_axis), z_axis])
    origin = np.zeros(3)
    if plane is not None:
        # The camera's centre moved along up until it meets the plane.
        slope = float(plane[:3] @ z_axis)
        if slope > 1e-3:
            origin = -float(plane[3]) / slope * z_axis
    # An error e of up about x makes up lean by -e y. What is level of the sight then has its part along up times e along y, too.
    turn = float(forward @ z_axis) / length
    return Canonical(RigidTransform(rotation, origin), tilt_std_rad, source, turn)
