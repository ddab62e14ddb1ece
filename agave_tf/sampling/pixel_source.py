"""The protocol of what gives the cached sampler its pixels, and the noise that draws.

The other source of pixels is a coded file (codec/pixels.py).
"""

from typing import NamedTuple, Protocol

import tensorflow as tf

from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from agave_tf.weights.in_use import arithmetic_in_use


class PixelSource(Protocol):
    """Decides the pixels, from noise or from a stream that they are decoded from."""

    @property
    def batch_size(self) -> int:
        """Images at a time, B."""

    def first_state(self) -> list[tf.Tensor]:
        """The tensors kept from pixel to pixel, before the first one."""

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The pixel [B,C] in [-1,1] at a place in raster order, and the next state."""


class PixelDraws(NamedTuple):
    """The noise of a batch of images, and their pixels that are kept; for floats."""

    u_mixture: tf.Tensor  # uniform [B,H*W,K], for the choice of a mixture component
    u_logistic: tf.Tensor  # uniform [B,H*W,C]
    given: tf.Tensor | None = None  # [B,H*W,C] in [-1,1]
    is_given: tf.Tensor | None = None  # bool [B,H*W,1], pixels to take from `given`
    # Factor of the logistics' scales and divisor of the mixture logits; 1 is the model.
    temperature: float | tf.Tensor = 1.0
    snap_to_levels: bool = True  # False: sub-pixels stay continuous, as originally

    @property
    def batch_size(self) -> int:
        """Images at a time, B, which compiled code must know."""
        return self.u_logistic.shape[0]

    def first_state(self) -> list[tf.Tensor]:
        """Nothing: the noise of a pixel follows from its place."""
        return []

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The result of `pixel`, for `pixels_in_order`."""
        return self.pixel(likelihood, position), state

    def pixel(
        self, likelihood: DiscretizedLogisticMixture, position: tf.Tensor
    ) -> tf.Tensor:
        """Draws the pixel [B,C] at `position` in raster order from its likelihood.

        Args:
          likelihood: of the pixel, with batch shape [B].
          position: int32 scalar, row * W + column.
        """
        drawn = likelihood.sample_given_noise(
            self.u_mixture[:, position],
            self.u_logistic[:, position],
            self.snap_to_levels,
            self.temperature,
        )
        return _unless_given(drawn, self.given, self.is_given, position)


class QuantileDraws(NamedTuple):
    """As PixelDraws, for exact arithmetic.

    A channel is the level up to which its likelihood has the mass `u`, given the
    channels before it. So it takes neither a logarithm nor an argmax of sums of them.
    """

    u: tf.Tensor  # uniform float64 [B,H*W,C] in (0,1), odd multiples of 2**-24
    given: tf.Tensor | None = None  # float64 [B,H*W,C], as `from_levels` gives them
    is_given: tf.Tensor | None = None  # bool [B,H*W,1], pixels to take from `given`

    @property
    def batch_size(self) -> int:
        """Images at a time, B, which compiled code must know."""
        return self.u.shape[0]

    def first_state(self) -> list[tf.Tensor]:
        """Nothing: the draws of a pixel follow from its place."""
        return []

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The pixel [B,C] that is drawn or kept, for `pixels_in_order`."""
        pixel: list[tf.Tensor] = []
        for u in tf.unstack(self.u[:, position], axis=-1):
            level = likelihood.given_channels(pixel).quantile(u)
            pixel.append(arithmetic_in_use().from_levels(level))
        drawn = tf.stack(pixel, axis=-1)
        return _unless_given(drawn, self.given, self.is_given, position), state


def _unless_given(
    drawn: tf.Tensor,
    given: tf.Tensor | None,
    is_given: tf.Tensor | None,
    position: tf.Tensor,
) -> tf.Tensor:
    """The pixel [B,C] at `position`: that of `given` if it is kept, or `drawn`."""
    if given is None or is_given is None:
        return drawn
    return tf.where(is_given[:, position], given[:, position], drawn)
