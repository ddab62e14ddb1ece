"""f(z) of the columns of pictures: from draws of z, or from points between two draws.

The noise of an image follows from the seed and the image's index, whatever is drawn
beside it.
"""

import numpy as np
import tensorflow as tf

from agave_tf.models.image_model import ImageModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.randomness import Stream, stream
from agave_tf.sampling.drawn import SamplingSettings


def prior_f_z(
    model: ImageModel, index: np.ndarray, settings: SamplingSettings
) -> tf.Tensor:
    """f(z) [B,h,w,c] of z ~ p(z), for every index int [B]."""
    seed = stream(settings.seed, Stream.PRIOR)
    index = tf.constant(index, tf.int32)
    return model.sample_prior(seed, index, settings.z_temperature).f_z


def posterior_f_z(
    model: ImageModel, image: np.ndarray, index: np.ndarray, settings: SamplingSettings
) -> tf.Tensor:
    """f(z) [B,h,w,c] of z ~ q(z|x), x uint8 [B,H,W,C], for every index int [B]."""
    seed = stream(settings.seed, Stream.POSTERIOR)
    index = tf.constant(index, tf.int32)
    temperature = settings.z_temperature
    return model.sample_posterior(tf.constant(image), seed, index, temperature).f_z


def f_z_between(
    model: LatentVariableModel,
    image: np.ndarray,
    num_steps: int,
    steps: np.ndarray,
    settings: SamplingSettings,
) -> tf.Tensor:
    """f(z) [B,h,w,c] of steps from one image of a pair to the other.

    Step s of pair p is number p * num_steps + s. The noise of both ends follows from p.

    Args:
      model: the model.
      image: uint8 [2P,H,W,C], pair p in places 2p and 2p+1.
      num_steps: steps of a pair, both ends included.
      steps: int [B], numbers of the steps.
      settings: seed and temperature.
    """
    # A pair is encoded once for all its steps that are computed here.
    pair, place = np.unique(steps // num_steps, return_inverse=True)
    seed = stream(settings.seed, Stream.POSTERIOR)
    index = tf.constant(pair, tf.int32)
    first, second = (
        model.sample_posterior(
            tf.constant(image[2 * pair + i]), seed, index, settings.z_temperature
        ).zs
        for i in (0, 1)
    )
    shares = np.linspace(0, 1, num_steps, dtype=np.float32)
    share = tf.constant(shares[steps % num_steps].reshape(-1, 1, 1, 1))
    zs = [
        tf.gather(a, place) * (1 - share) + tf.gather(b, place) * share
        for a, b in zip(first, second, strict=True)
    ]
    return model.vae.decode(zs)
