"""Measures the cost of coding an image with a PixelCNN++, in forward passes."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from agave_tf.benchmarks.networks import forward_pass
from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
)
from agave_tf.codec.candidates import Candidates
from agave_tf.codec.entropy_coder import OpenStack
from agave_tf.codec.lanes import stacks_of_lanes
from agave_tf.codec.one_size import SizedCodec
from agave_tf.data.dead_leaves import draw_dead_leaves
from agave_tf.data.image_set import Images
from agave_tf.layers.exact_weights import exact_weights
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.sampling.draw_images import draw_images
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.settings.benchmark import PIXEL_CNNS
from agave_tf.settings.coding import CodecSettings
from agave_tf.settings.config import Config, TrainConfig
from agave_tf.training.initialization import initialize


class CodingCost(NamedTuple):
    """The cost of one image, for one network, number of lanes and size; medians."""

    network: str
    size: int  # side of the square image
    lanes: int
    forward_seconds: float  # one forward pass, all pixels in parallel
    sample_seconds: float  # cached sampling
    encode_seconds: float
    decode_seconds: float
    first_seconds: float  # encoding the first file, with tracing and compilation
    decode_megabytes: float  # peak memory above the level before, for the file

    @property
    def encode_passes(self) -> float:
        """The cost of encoding, in forward passes."""
        return self.encode_seconds / self.forward_seconds

    @property
    def decode_passes(self) -> float:
        """The cost of decoding, in forward passes."""
        return self.decode_seconds / self.forward_seconds


def coding_costs(
    network: str, sizes: list[int], lanes: list[int], repeats: int
) -> Iterator[CodingCost]:
    """Measures a PixelCNN++ alone, as initialised, at every size and number of lanes.

    Args:
      network: a key of `PIXEL_CNNS`.
      sizes: sides of the square images.
      lanes: images at a time.
      repeats: measurements of each, taken in turns.
    """
    config = Config(
        pixel_cnn=PIXEL_CNNS[network], train=TrainConfig(num_initialization_images=16)
    )
    for size in sizes:
        images = draw_dead_leaves(max(16, *lanes), size, size, 3, seed=0)
        model = PixelCNNModel(config.model, (size, size, 3))
        initialize(model, Images(images, None), config, {})
        for count in lanes:
            yield _cost(network, model, Images(images[:count], None), repeats)


def _cost(
    network: str, model: PixelCNNModel, images: Images, repeats: int
) -> CodingCost:
    image = images.array
    size, count = image.shape[1], len(image)
    # Not a Codec, which stores images that a model does not know.
    settings = CodecSettings()
    candidates = Candidates(1 << settings.index_bits)
    codec = SizedCodec(model, exact_weights(model), [], candidates, settings)

    def encode() -> list[bytes]:
        coded = codec.encode(image, None)
        stacks = stacks_of_lanes(image, coded, count, settings.index_bits)
        return [stack.stream(key=0) for stack in stacks]

    def decode() -> None:
        stacks = [OpenStack(stream, key=0) for stream in streams]
        codec.decode(stacks, [[]] * count, None, salvages=False)

    start = time.perf_counter()
    streams = encode()
    first_seconds = time.perf_counter() - start
    sampling = SamplingSettings(batch_size=count)
    index = tf.range(count)
    functions = {
        "forward": forward_pass(model, image),
        "sample": lambda: draw_images(model, index, sampling),
        "decode": decode,
        "encode": encode,
    }
    first_call_seconds(functions)
    seconds = median_seconds(functions, repeats)
    return CodingCost(
        network,
        size,
        count,
        seconds["forward"] / count,
        seconds["sample"] / count,
        seconds["encode"] / count,
        seconds["decode"] / count,
        first_seconds,
        peak_extra_megabytes(functions["decode"]),
    )


CODING_COLUMNS = {
    "network": "{0.network}",
    "size": "{0.size}",
    "lanes": "{0.lanes}",
    "forward, s": "{0.forward_seconds:.4f}",
    "cached sampling, s": "{0.sample_seconds:.4f}",
    "encoding, s": "{0.encode_seconds:.4f}",
    "decoding, s": "{0.decode_seconds:.4f}",
    "encoding, in forward passes": "{0.encode_passes:.2f}",
    "decoding, in forward passes": "{0.decode_passes:.2f}",
    "first file, s": "{0.first_seconds:.0f}",
    "MB": "{0.decode_megabytes:.0f}",
}
