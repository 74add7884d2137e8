"""Scenes, data and schedules that the embedded model is trained with. Loads torch."""
