"""Task specs, dense potential-based reward, success, and the metrics that judge them. No ROS."""
