"""Measures the time and memory of training, evaluation, input, sampling and coding."""
