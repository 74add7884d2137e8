"""Worlds to act in, with the dense reward on top: the simulated cell without ROS, and wrappers for learners."""
