"""Measures the cost of drawing an image from a PixelCNN++, in forward passes."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
)
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.pixel_source import PixelDraws
from agave_tf.sampling.plain import sample_plain
from agave_tf.settings.benchmark import PIXEL_CNNS

# Pixels timed of an image that is drawn naively; all pixels cost the same.
_PLAIN_PIXELS = 2


class SamplingCost(NamedTuple):
    """The cost of one image, for one network, batch and size; medians."""

    network: str
    size: int  # side of the square image
    batch: int
    forward_seconds: float  # one forward pass, all pixels in parallel
    plain_seconds: float  # naive sampling, extrapolated from `_PLAIN_PIXELS` pixels
    cached_seconds: float  # cached sampling
    cached_first_seconds: float  # the first batch, with tracing and compilation
    cached_megabytes: float  # peak memory above the level before, for the batch

    @property
    def forward_passes(self) -> float:
        """The cost of cached sampling, in forward passes.

        Naive sampling costs as many as there are pixels.
        """
        return self.cached_seconds / self.forward_seconds

    @property
    def speed_up(self) -> float:
        """The time of naive sampling divided by that of cached sampling."""
        return self.plain_seconds / self.cached_seconds


def sampling_costs(
    network: str, sizes: list[int], batches: list[int], repeats: int
) -> Iterator[SamplingCost]:
    """Measures a network with random weights at every size and batch.

    Args:
      network: a key of `PIXEL_CNNS`.
      sizes: sides of the square images.
      batches: batch sizes.
      repeats: measurements of each, taken in turns.
    """
    keras.utils.set_random_seed(0)
    pixel_cnn = ConditionalPixelCNN(PIXEL_CNNS[network], image_channels=3)
    for size in sizes:
        for batch in batches:
            yield _cost(network, pixel_cnn, size, batch, repeats)


def _cost(
    network: str, pixel_cnn: ConditionalPixelCNN, size: int, batch: int, repeats: int
) -> SamplingCost:
    num_pixels = size * size
    shape = [batch, num_pixels]
    draws = PixelDraws(
        tf.random.uniform([*shape, pixel_cnn.config.num_mixtures], 1e-5, 1 - 1e-5),
        tf.random.uniform([*shape, 3], 1e-5, 1 - 1e-5),
    )
    image = tf.random.uniform([batch, size, size, 3], -1.0, 1.0)
    forward = tf.function(pixel_cnn, autograph=False)
    plain_pixels = tf.constant(_PLAIN_PIXELS)
    functions = {
        "forward": lambda: forward(image).numpy(),
        "plain": lambda: sample_plain(
            pixel_cnn, (size, size), draws, num_pixels=plain_pixels
        ).numpy(),
        "cached": lambda: sample_cached(pixel_cnn, (size, size), draws).numpy(),
    }
    first = first_call_seconds(functions)
    seconds = median_seconds(functions, repeats)
    return SamplingCost(
        network,
        size,
        batch,
        seconds["forward"] / batch,
        seconds["plain"] / batch / _PLAIN_PIXELS * num_pixels,
        seconds["cached"] / batch,
        first["cached"],
        peak_extra_megabytes(functions["cached"]),
    )


SAMPLING_COLUMNS = {
    "network": "{0.network}",
    "size": "{0.size}",
    "batch": "{0.batch}",
    "forward, s": "{0.forward_seconds:.4f}",
    "naive, s": "{0.plain_seconds:.1f}",
    "cached, s": "{0.cached_seconds:.4f}",
    "cached, in forward passes": "{0.forward_passes:.2f}",
    "cached over naive": "{0.speed_up:.0f}",
    "first batch, s": "{0.cached_first_seconds:.0f}",
    "MB": "{0.cached_megabytes:.0f}",
}
