"""Codes images with a model, without loss: a file is as large as the model's bound."""
