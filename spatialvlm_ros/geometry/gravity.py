"""Which way is up, from an accelerometer.

At rest it measures the force that holds it against gravity, 9.81 m/s^2 upward (REP 145). In motion it measures the motion, too,
and nothing in one sample tells them apart. So an answer needs a short stretch of samples that look like rest, and states what a
bias and a steady acceleration too small to be noticed do to it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .rigid import FloatArray

STANDARD_GRAVITY_M_S2 = 9.80665
# A stamp so far before the newest is of a time that began anew.
_JUMP_NS = 500_000_000


@dataclass(frozen=True)
class GravityConfig:
    """When a camera is at rest, and how well an accelerometer is calibrated.

    Attributes:
        window_s: samples up to this long before and after the stamp count.
        min_samples: fewer are no measurement.
        max_age_s: the sample nearest to the stamp is at most this far from it.
        max_norm_error_m_s2: largest difference between the mean's length and 9.81.
        max_scatter_m_s2: largest root mean square of a sample's distance from the mean.
        max_rate_rad_s: faster turns throw the sensor outward, so the force is not gravity's alone.
        bias_m_s2: one standard deviation of an axis' zero error, mounting included.
        keep_s: how long samples are kept.
    """

    window_s: float = 0.15
    min_samples: int = 5
    max_age_s: float = 0.1
    max_norm_error_m_s2: float = 0.6
    max_scatter_m_s2: float = 0.6
    max_rate_rad_s: float = 0.7
    bias_m_s2: float = 0.08
    keep_s: float = 5.0


@dataclass(frozen=True)
class UpDirection:
    """``up`` (3,) unit vector in the sensor's frame; ``std_rad`` one standard deviation of its tilt about any level axis."""

    up: FloatArray
    std_rad: float


@dataclass(frozen=True, order=True)
class _Sample:
    stamp_ns: int
    force: FloatArray = field(compare=False)
    rate: FloatArray | None = field(compare=False)


class GravityEstimator:
    """Samples in, up at a stamp out. Not thread-safe."""

    def __init__(self, config: GravityConfig | None = None) -> None:
        self.config = config or GravityConfig()
        self._samples: list[_Sample] = []
        self.rejected = 0

    def clear(self, now_ns: int | None = None) -> None:
        """Forget all samples; with ``now_ns``, a stamp of the time after a backward jump, those of that time stay."""
        if now_ns is None or not self._samples or self._samples[-1].stamp_ns > now_ns + _JUMP_NS:
            self._samples.clear()

    def add(self, stamp_ns: int, specific_force_m_s2: npt.ArrayLike, rate_rad_s: npt.ArrayLike | None = None) -> bool:
        """Take a sample.

        A stamp more than half a second before the newest is a jump of time and clears the rest: the samples of one sensor come
        in order.

        Args:
            specific_force_m_s2: (3,) as the accelerometer gives it, upward at rest.
            rate_rad_s: (3,) angular velocity in the same axes, or None without a gyroscope.

        Returns:
            False for a sample that is not three finite numbers; it is counted in ``rejected`` and left out.
        """
        force = np.asarray(specific_force_m_s2, dtype=np.float64)
        rate = None if rate_rad_s is None else np.asarray(rate_rad_s, dtype=np.float64)
        given = [force] if rate is None else [force, rate]
        if not all(value.shape == (3,) and np.isfinite(value).all() for value in given):
            self.rejected += 1
            return False
        keep_ns = int(self.config.keep_s * 1e9)
        if self._samples and stamp_ns < self._samples[-1].stamp_ns - _JUMP_NS:
            self.clear()
        insort(self._samples, _Sample(int(stamp_ns), force, rate))
        old = bisect_left(self._samples, self._samples[-1].stamp_ns - keep_ns, key=lambda sample: sample.stamp_ns)
        del self._samples[:old]
        return True

    def up_at(self, stamp_ns: int) -> tuple[UpDirection | None, str]:
        """Up at a stamp, or None and the reason as part of a sentence.

        Samples around the stamp are turned to it by the gyroscope, where there is one, and averaged. The deviation holds the
        bias, the part of the length that is not gravity's, the scatter, and the drift between the first and the second half.
        """
        config = self.config
        if not self._samples:
            return None, "no samples of the accelerometer have come"
        window_ns = int(config.window_s * 1e9)
        first = bisect_left(self._samples, stamp_ns - window_ns, key=lambda sample: sample.stamp_ns)
        last = bisect_right(self._samples, stamp_ns + window_ns, key=lambda sample: sample.stamp_ns)
        near = self._samples[first:last]
        age_s = min((abs(sample.stamp_ns - stamp_ns) for sample in near), default=2 * window_ns) * 1e-9
        if age_s > config.max_age_s:
            newest_s = (stamp_ns - self._samples[-1].stamp_ns) * 1e-9
            return None, f"the accelerometer is stale: its newest sample is {newest_s:.2f} s older than the image"
        if len(near) < config.min_samples:
            return None, f"only {len(near)} samples of the accelerometer within {config.window_s} s of the image"
        return _from_samples(near, stamp_ns, config)


def _from_samples(samples: Sequence[_Sample], stamp_ns: int, config: GravityConfig) -> tuple[UpDirection | None, str]:
    fastest = max((float(np.linalg.norm(sample.rate)) for sample in samples if sample.rate is not None), default=0.0)
    if fastest > config.max_rate_rad_s:
        return None, f"the camera moves: it turns at {fastest:.1f} rad/s"
    forces = _turned_to(samples, stamp_ns)
    mean = forces.mean(axis=0)
    length = float(np.linalg.norm(mean))
    error = abs(length - STANDARD_GRAVITY_M_S2)
    if error > config.max_norm_error_m_s2:
        return None, f"the camera moves, or this is no accelerometer: it measures {length:.2f} m/s^2, at rest it is 9.81"
    scatter = float(np.sqrt(np.square(forces - mean).sum(axis=1).mean()))
    if scatter > config.max_scatter_m_s2:
        return None, f"the camera moves: its acceleration varies by {scatter:.2f} m/s^2"
    half = len(forces) // 2
    drift = float(np.linalg.norm(forces[:half].mean(axis=0) - forces[half:].mean(axis=0)))
    # Vibration is no white noise, so that many samples do not average it away: at most ten count.
    spread = scatter / math.sqrt(min(len(forces), 10))
    return UpDirection(mean / length, math.hypot(config.bias_m_s2, error, spread, drift / 2) / length), ""


def _turned_to(samples: Sequence[_Sample], stamp_ns: int) -> FloatArray:
    """Forces (N, 3) as the sensor would have measured them in the pose it has at the stamp.

    A direction fixed in the world moves by -rate x direction in the sensor's frame, so over dt it turns by -rate dt.
    """
    from scipy.spatial.transform import Rotation

    forces = np.stack([sample.force for sample in samples])
    if any(sample.rate is None for sample in samples):
        return forces
    rates = np.stack([sample.rate for sample in samples if sample.rate is not None])
    times = np.array([(sample.stamp_ns - stamp_ns) * 1e-9 for sample in samples])
    # Angle from each sample to the stamp, by trapezoids; turns within a window are small enough to add up.
    steps = np.diff(times)[:, None] * (rates[1:] + rates[:-1]) / 2
    angle = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
    at_stamp = np.array([np.interp(0.0, times, angle[:, axis]) for axis in range(3)])
    # Outside of the samples np.interp holds its last value; the nearest rate goes on.
    at_stamp += max(0.0, -times[-1]) * rates[-1] - max(0.0, times[0]) * rates[0]
    turned: FloatArray = Rotation.from_rotvec(-(at_stamp - angle)).apply(forces)
    return turned
