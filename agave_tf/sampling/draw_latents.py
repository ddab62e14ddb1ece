"""f(z) of some columns of a picture: of draws of z, or of points between two draws."""

import numpy as np
import tensorflow as tf

from agave_tf.models.agave import AGAVE
from agave_tf.models.iaf_vae import VAEOutput
from agave_tf.randomness import Stream, stream


class Latents:
    """Draws z, and computes f(z) from it.

    The noise of an image follows from the seed and the image's index, whatever is drawn
    beside it.

    Args:
      model: the model; without a VAE every f(z) is None.
      seed: the seed of the pictures.
      temperature: factor of the noise; 1 is the model.
    """

    def __init__(self, model: AGAVE, seed: int, temperature: float):
        self._model, self._seed, self._temperature = model, seed, temperature

    def prior_f_z(self, index: np.ndarray) -> tf.Tensor | None:
        """f(z) [B,h,w,c] of z ~ p(z), for every index int [B]."""
        seed = stream(self._seed, Stream.PRIOR)
        of_index = tf.constant(index, tf.int32)
        output = self._model.sample_prior(seed, of_index, self._temperature)
        return None if output is None else output.f_z

    def posterior_f_z(self, image: np.ndarray, index: np.ndarray) -> tf.Tensor | None:
        """f(z) [B,h,w,c] of z ~ q(z|x), x uint8 [B,H,W,C], for every index int [B]."""
        output = self._posterior(image, index)
        return None if output is None else output.f_z

    def f_z_between(
        self, image: np.ndarray, num_steps: int, steps: np.ndarray
    ) -> tf.Tensor:
        """f(z) [B,h,w,c] of steps from one image of a pair to the other.

        Step s of pair p is number p * num_steps + s. The noise of both ends follows
        from p.

        Args:
          image: uint8 [2P,H,W,C], pair p in places 2p and 2p+1.
          num_steps: steps of a pair, both ends included.
          steps: int [B], numbers of the steps.
        """
        # A pair is encoded once for all its steps that are computed here.
        pair, place = np.unique(steps // num_steps, return_inverse=True)
        first, second = (self._zs(image[2 * pair + i], pair) for i in (0, 1))
        shares = np.linspace(0, 1, num_steps, dtype=np.float32)
        share = tf.constant(shares[steps % num_steps].reshape(-1, 1, 1, 1))
        zs = [
            tf.gather(a, place) * (1 - share) + tf.gather(b, place) * share
            for a, b in zip(first, second, strict=True)
        ]
        return self._model.required_vae().decode(zs)

    def _zs(self, image: np.ndarray, index: np.ndarray) -> list[tf.Tensor]:
        output = self._posterior(image, index)
        assert output is not None  # Only a model with a VAE interpolates.
        return output.zs

    def _posterior(self, image: np.ndarray, index: np.ndarray) -> VAEOutput | None:
        seed = stream(self._seed, Stream.POSTERIOR)
        of_index = tf.constant(index, tf.int32)
        return self._model.sample_posterior(
            tf.constant(image), seed, of_index, self._temperature
        )
