"""A training run on disk: its stage, settings, checkpoints, weights and scores."""
