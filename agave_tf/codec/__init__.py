"""Lossless coding of images with a model: files of the size of its bound."""
