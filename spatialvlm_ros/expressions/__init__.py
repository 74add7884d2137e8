"""Typed, unit-checked trees over the relations of a scene, and their values with uncertainty."""
