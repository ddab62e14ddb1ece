"""What an image drawn from a PixelCNN++ costs, in forward passes."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.benchmarks.networks import PIXEL_CNNS
from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
)
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.pixel_draws import PixelDraws
from agave_tf.sampling.plain import sample_plain

# Of an image that is drawn naively, so many pixels are timed: all cost the same.
_PLAIN_PIXELS = 2


class SamplingCost(NamedTuple):
    """Of one network at one batch and size; seconds are per image, medians."""

    network: str
    size: int
    batch: int
    forward_seconds: float  # one parallel pass
    plain_seconds: float  # naive, from `_PLAIN_PIXELS` of its pixels
    cached_seconds: float
    cached_first_seconds: float  # the first batch, with tracing and compilation
    cached_megabytes: float  # peak over what was resident before

    @property
    def forward_passes(self) -> float:
        """The cost of a cached image; the naive one's is its number of pixels."""
        return self.cached_seconds / self.forward_seconds

    @property
    def speed_up(self) -> float:
        """Of cached over naive."""
        return self.plain_seconds / self.cached_seconds


def sampling_costs(
    network: str, sizes: list[int], batches: list[int], repeats: int
) -> Iterator[SamplingCost]:
    """Measures a network with weights as first drawn at every size and batch."""
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
    first = {name: first_call_seconds(call) for name, call in functions.items()}
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
