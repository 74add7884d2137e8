"""Frames, regions, objects, facts, and the one registry of relations."""
