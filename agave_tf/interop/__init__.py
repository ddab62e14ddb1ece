"""Models go out as SavedModels; the checkpoints of openai/pixel-cnn and iaf come in."""
