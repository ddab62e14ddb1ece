"""Measures the time and memory of training, evaluation, input and sampling."""
