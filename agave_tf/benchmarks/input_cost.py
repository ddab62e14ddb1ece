"""Measures how many images per second the input pipeline delivers."""

from typing import NamedTuple

from agave_tf.benchmarks.networks import random_images
from agave_tf.benchmarks.timing import median_seconds
from agave_tf.data.batches import training_batches

_NUM_IMAGES, _NUM_STEPS = 10_000, 200


class InputCost(NamedTuple):
    """The speed of the input pipeline for one batch size."""

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
    images = random_images(_NUM_IMAGES, size)

    def read(batch: int) -> None:
        for _ in training_batches(images, batch, 0, 0, _NUM_STEPS):
            pass

    seconds = median_seconds(
        {batch: lambda batch=batch: read(batch) for batch in batches}, repeats
    )
    return [
        InputCost(size, batch, batch * _NUM_STEPS / seconds[batch]) for batch in batches
    ]


INPUT_COLUMNS = {
    "size": "{0.size}",
    "batch": "{0.batch}",
    "images/s": "{0.images_per_second:.0f}",
}
