"""The parts of a likelihood in bits/dim: one place that names them.

The terminal, TensorBoard, the score files and the exported models show these.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# Levels of z are numbered from the top: kl_level_0, kl_level_1, ...
LEVEL_PREFIX = "kl_level_"
WHOLE = "bits_per_dim"


def bits_per_dim(nats: Any, num_dims: Any) -> Any:
    """Converts a log-likelihood to bits per sub-pixel, -nats / (num_dims ln 2).

    Args:
      nats: a number, or an array of NumPy or TensorFlow.
      num_dims: number of sub-pixels, H*W*C; of each image, if there are many.
    """
    return -nats / (num_dims * math.log(2))


class Part(NamedTuple):
    """A part of the likelihood of images, or the whole."""

    name: str
    nats: tf.Tensor | np.ndarray  # log-likelihood; minus the KL
    num_dims: Any  # what its bits are divided by, a number or one for each image

    @property
    def bits_per_dim(self) -> tf.Tensor | np.ndarray:
        """-nats / (num_dims ln 2)."""
        return bits_per_dim(self.nats, self.num_dims)


def kl_parts(
    kl: tf.Tensor | np.ndarray, kl_per_level: tf.Tensor | np.ndarray, num_dims: Any
) -> list[Part]:
    """Lists the KL and that of every level; kl = kl_level_0 + kl_level_1 + ...

    Args:
      kl: [...] nats.
      kl_per_level: [...,L] nats, from the top.
      num_dims: what the bits are divided by.
    """
    levels = [
        Part(f"{LEVEL_PREFIX}{level}", -kl_per_level[..., level], num_dims)
        for level in range(kl_per_level.shape[-1])
    ]
    return [Part("kl", -kl, num_dims), *levels]
