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
    size: np.ndarray  # int32 [N,2], height and width of the image

    def of_images(self, places: np.ndarray, sizes: np.ndarray) -> "ImageScores":
        """The sums over the pieces of each image.

        Args:
          places: int [N], the images' places in the data set, increasing.
          sizes: int [N,2], their heights and widths.
        """
        row = np.searchsorted(places, self.index)
        if len(row) == len(places):
            order = np.argsort(row)
            sums = [nats[order] for nats in self[1:-1]]
        else:
            sums = [_sums(nats, row, len(places)) for nats in self[1:-1]]
        return ImageScores(*[places, *sums, np.asarray(sizes, np.int32)])


class Score(NamedTuple):
    """A mean over images, in bits/dim."""

    name: str
    mean: float
    standard_error: float  # NaN for one image, of which it cannot be estimated


def summarize(
    scores: ImageScores, model: ImageModel, num_importance_samples: int
) -> list[Score]:
    """Averages the scores that `bits_of_images` gives over the images.

    Images of different sizes count by their sub-pixels.
    """
    bits = bits_of_images(scores, model, num_importance_samples)
    weight = weights_of_images(scores.size)
    found = []
    for name, values in bits.items():
        mean = float((values * weight).mean())
        # Of a ratio of two means, both estimated.
        spread = values if (weight == 1).all() else (values - mean) * weight
        found.append(Score(name, mean, standard_error(spread)))
    return found


def weights_of_images(size: np.ndarray) -> np.ndarray:
    """How much images count in a mean, float64 [N]: by sub-pixels, 1 on average.

    Args:
      size: int [N,2], their heights and widths.
    """
    area = size.astype(np.float64).prod(axis=1)
    return area / area.mean()


def _sums(values: np.ndarray, row: np.ndarray, count: int) -> np.ndarray:
    """Sums values [M,...] to [count,...], value i to row[i]."""
    sums = np.zeros([count, *values.shape[1:]], np.float64)
    np.add.at(sums, row, values)
    return sums.astype(values.dtype)


def bits_of_images(
    scores: ImageScores, model: ImageModel, num_importance_samples: int
) -> dict[str, np.ndarray]:
    """Every score of every image, float64 [N] bits/dim, named as the model's parts.

    With several samples of z, bits_per_dim_S_samples is the importance-weighted bound.
    """
    size = tuple(scores.size.T.astype(np.int64))
    whole, *parts = model.parts(scores, size)
    # The ELBO as the evaluation averaged it over samples; the sum of the averaged parts
    # is the same but for its last bits.
    shown = [whole._replace(nats=scores.log_likelihood)]
    if model.latent_shapes and num_importance_samples > 1:
        name = f"{WHOLE}_{num_importance_samples}_samples"
        shown.append(Part(name, scores.bound, whole.num_dims))
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
