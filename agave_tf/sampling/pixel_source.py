"""What the cached sampler asks for each pixel: a draw, or the next one of a file."""

from typing import Protocol

import tensorflow as tf

from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)


class PixelSource(Protocol):
    """What decides the pixels: noise, or a stream that they are decoded from."""

    @property
    def batch_size(self) -> int:
        """Images at a time, B."""

    def first_state(self) -> list[tf.Tensor]:
        """What it keeps from pixel to pixel, before the first one."""

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The pixel [B,C] in [-1,1] at a place in raster order, and the next state."""
