"""Metric spatial sense for robots with an RGB-D camera.

Everything outside ``nodes``, ``recording``, ``demo`` and ``cli`` is free of ROS: those few are thin edges over one engine.
"""

__version__ = "0.1.0"
