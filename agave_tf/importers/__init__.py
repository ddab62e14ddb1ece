"""Weights of the original TensorFlow 1 code."""
