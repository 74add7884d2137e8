"""Recipes: the embedded model from scratch, fine-tuning of other models, ablations."""
