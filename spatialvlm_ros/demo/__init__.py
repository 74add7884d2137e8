"""The main job end to end: real nodes in their own processes, watched, recorded and judged."""
