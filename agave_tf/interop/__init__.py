"""Exports models as SavedModels; imports checkpoints of openai/pixel-cnn and iaf."""
