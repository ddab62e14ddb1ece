"""The decomposition of a likelihood into bits/dim: one place that names the parts.

The terminal, TensorBoard, the score files and the exported models show these.
"""

from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from agave_tf.evaluation.bound import bits_per_dim
from agave_tf.models.agave import AGAVE
from agave_tf.models.objective import BoundTerms, count_dims

# Levels of z are numbered from the top: kl_level_0, kl_level_1, ...
LEVEL_PREFIX = "kl_level_"
WHOLE = "bits_per_dim"


class LevelTerms(BoundTerms, Protocol):
    """Terms with the KL of every level, [...,L] nats, from the top."""

    @property
    def kl_per_level(self) -> tf.Tensor: ...


class Part(NamedTuple):
    """A part of the likelihood of images, or the whole."""

    name: str
    nats: tf.Tensor | np.ndarray  # log-likelihood; minus the KL
    num_dims: int  # what its bits are divided by

    @property
    def bits_per_dim(self) -> tf.Tensor | np.ndarray:
        """-nats / (num_dims ln 2)."""
        return bits_per_dim(self.nats, self.num_dims)


def parts_of(model: AGAVE, terms: LevelTerms) -> list[Part]:
    """Lists the whole, `bits_per_dim`, and the parts that the model has.

    With a PixelCNN++: bits_per_dim = primary_reconstruction + kl, per dimension of x.
    The auxiliary reconstruction, per dimension of y, is no part of that sum.
    The VAE alone: bits_per_dim = auxiliary_reconstruction + kl, per dimension of y.
    And kl = kl_level_0 + kl_level_1 + ...

    Args:
      model: the model that the terms are of.
      terms: per image, or their means.
    """
    dims = model.num_dims
    parts = [Part(WHOLE, model.bound(terms), dims)]
    if model.pixel_cnn is not None:
        primary = terms.primary_reconstruction
        parts.append(Part("primary_reconstruction", primary, dims))
    if model.vae is not None:
        auxiliary = terms.auxiliary_reconstruction
        auxiliary_dims = count_dims(model.auxiliary_shape)
        parts.append(Part("auxiliary_reconstruction", auxiliary, auxiliary_dims))
        parts.append(Part("kl", -terms.kl, dims))
        for level in range(terms.kl_per_level.shape[-1]):
            kl = terms.kl_per_level[..., level]
            parts.append(Part(f"{LEVEL_PREFIX}{level}", -kl, dims))
    return parts
