"""What decides a pixel besides the network: chance, and what is given."""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)


class PixelDraws(NamedTuple):
    """The noise of a batch of images, and their pixels that are not drawn.

    temperature: multiplies the scales of the logistics and divides the logits of the
      components; 1 is the model.
    snap_to_levels: False leaves sub-pixels continuous, as the original does.
    """

    u_mixture: tf.Tensor  # uniform [B,H*W,K], for the choice of a mixture component
    u_logistic: tf.Tensor  # uniform [B,H*W,C]
    given: tf.Tensor | None = None  # [B,H*W,C] in [-1,1]
    is_given: tf.Tensor | None = None  # bool [B,H*W,1], what to take from `given`
    temperature: float | tf.Tensor = 1.0
    snap_to_levels: bool = True

    def pixel(
        self, likelihood: DiscretizedLogisticMixture, position: tf.Tensor
    ) -> tf.Tensor:
        """The pixel [B,C] at `position` in raster order, of `likelihood`, batch [B]."""
        drawn = likelihood.sample_given_noise(
            self.u_mixture[:, position],
            self.u_logistic[:, position],
            self.snap_to_levels,
            self.temperature,
        )
        if self.given is None:
            return drawn
        return tf.where(self.is_given[:, position], self.given[:, position], drawn)
