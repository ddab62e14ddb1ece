"""The scores of images: the importance-weighted bound, their means, bits/dim.

Burda et al. 2016, "Importance Weighted Autoencoders", Eq. 8.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.evaluation.estimate import standard_error
from agave_tf.models.image_model import ImageModel
from agave_tf.models.parts import WHOLE, Part


class ImageScores(NamedTuple):
    """The scores of N images, in nats; means over the S samples of z except `bound`.

    `log_likelihood` and `bound` are of x; for the VAE alone, of y. The file of
    --per_image has these arrays for every model, zero where it has no such part.
    """

    # int32 [N] the image's place in the data set. It hides tuple.index, unused here.
    index: np.ndarray  # type: ignore[assignment]
    log_likelihood: np.ndarray  # [N] the ELBO; exact for the PixelCNN++ alone
    bound: np.ndarray  # [N] importance-weighted over the S samples
    primary_reconstruction: np.ndarray  # [N]
    auxiliary_reconstruction: np.ndarray  # [N]
    kl: np.ndarray  # [N]
    kl_per_level: np.ndarray  # [N,L], from the top


class Score(NamedTuple):
    """A mean over images, in bits/dim."""

    name: str
    mean: float
    standard_error: float  # NaN for one image, of which it cannot be estimated


def summarize(
    scores: ImageScores, model: ImageModel, num_importance_samples: int
) -> list[Score]:
    """Averages the scores that `bits_of_images` gives over the images."""
    bits = bits_of_images(scores, model, num_importance_samples)
    return [
        Score(name, float(values.mean()), standard_error(values))
        for name, values in bits.items()
    ]


def bits_of_images(
    scores: ImageScores, model: ImageModel, num_importance_samples: int
) -> dict[str, np.ndarray]:
    """Every score of every image, float64 [N] bits/dim, named as the model's parts.

    With several samples of z, bits_per_dim_S_samples is the importance-weighted bound.
    """
    whole, *parts = model.parts(scores)
    # The ELBO as the evaluation averaged it over samples; the sum of the averaged parts
    # is the same but for its last bits.
    shown = [whole._replace(nats=scores.log_likelihood)]
    if model.latent_shapes and num_importance_samples > 1:
        name = f"{WHOLE}_{num_importance_samples}_samples"
        shown.append(Part(name, scores.bound, model.num_dims))
    return {
        part.name: part._replace(nats=part.nats.astype(np.float64)).bits_per_dim
        for part in [*shown, *parts]
    }


def importance_weighted_bound(log_weights: tf.Tensor) -> tf.Tensor:
    """Computes a lower bound on ln p(x), [B] nats: ln of the mean importance weight.

    With S = 1 it is the ELBO's sample; its expectation grows with S.

    Args:
      log_weights: [B,S] nats, ln p(x|z_s) + ln p(z_s) - ln q(z_s|x).
    """
    log_weights = tf.convert_to_tensor(log_weights)
    num_samples = tf.cast(tf.shape(log_weights)[-1], log_weights.dtype)
    return tf.reduce_logsumexp(log_weights, axis=-1) - tf.math.log(num_samples)
