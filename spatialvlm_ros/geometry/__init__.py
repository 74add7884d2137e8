"""Cameras, rigid transforms over time, planes and boxes. Knows nothing of images' content, and nothing of ROS."""
