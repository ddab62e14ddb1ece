"""Measures how many images per second the input pipeline delivers."""

import functools
import tempfile
from typing import NamedTuple

from agave_tf.benchmarks.networks import random_images
from agave_tf.benchmarks.timing import median_seconds
from agave_tf.data.batches import training_batches
from agave_tf.data.image_set import Images
from agave_tf.data.in_python import read_images

_NUM_IMAGES, _NUM_STEPS = 10_000, 200


class InputCost(NamedTuple):
    """The speed of the input pipeline for one batch size."""

    source: str  # "memory" or "cache"
    size: int  # side of the square images
    batch: int
    images_per_second: float


def input_costs(size: int, batches: list[int], repeats: int) -> list[InputCost]:
    """Measures the training batches alone, without a model, at every batch size.

    Args:
      size: side of the square images.
      batches: batch sizes.
      repeats: measurements of each, taken in turns.
    """
    in_memory = random_images(_NUM_IMAGES, size)

    def read(images: Images, batch: int) -> None:
        for _ in training_batches(images, batch, 0, 0, _NUM_STEPS):
            pass

    with tempfile.TemporaryDirectory() as directory:
        cached = read_images(in_memory.image, cache_dir=directory).train
        reads = {
            (source, batch): functools.partial(read, images, batch)
            for source, images in (("memory", in_memory), ("cache", cached))
            for batch in batches
        }
        seconds = median_seconds(reads, repeats)
    return [
        InputCost(source, size, batch, batch * _NUM_STEPS / seconds[source, batch])
        for source, batch in reads
    ]


INPUT_COLUMNS = {
    "images in": "{0.source}",
    "size": "{0.size}",
    "batch": "{0.batch}",
    "images/s": "{0.images_per_second:.0f}",
}
