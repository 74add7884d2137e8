"""The ROS edge: conversions, lifecycle, wiring. Nothing is computed here that a bag would need too."""
