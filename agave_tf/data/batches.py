"""The batches that training and evaluation see of a set of images."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images


class ImageBatch(NamedTuple):
    """A training batch."""

    image: tf.Tensor  # uint8 [B,H,W,C]
    label: tf.Tensor  # int32 [B], -1 where the data set has none
    row: tf.Tensor  # int32 [B], the image's row in the global batch


class EvaluationBatch(NamedTuple):
    """A batch of evaluation, filled up with its last image; B is always the same."""

    image: tf.Tensor  # uint8 [B,H,W,C]
    label: tf.Tensor  # int32 [B], -1 where the data set has none
    index: tf.Tensor  # int32 [B], the image's place in the data set
    num_valid: int  # how many rows count


def training_batches(
    images: Images,
    batch_size: int,
    seed: int,
    first_step: int,
    num_steps: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """`num_steps` batches of `ImageBatch`, as from step `first_step` on.

    Every epoch is a new permutation; epochs follow each other without a gap, so no
    image is left out. The batch of a step depends on `seed` and the step alone:
    training that is stopped and goes on sees what it would have seen.

    Args:
      images: of training.
      batch_size: of the global batch, a multiple of the number of replicas.
      seed: of the permutations.
      first_step, num_steps: which steps.
      context: which of how many processes this is. Each of its replicas in turn gets
        its rows of the global batch as an `ImageBatch`. None: one replica gets all.
    """
    context = context or tf.distribute.InputContext()
    num_replicas = context.num_replicas_in_sync
    num_here = num_replicas // context.num_input_pipelines
    first_here = context.input_pipeline_id * num_here
    rows_of_replicas = np.split(np.arange(batch_size, dtype=np.int32), num_replicas)
    rows_here = rows_of_replicas[first_here : first_here + num_here]
    labels = _labels(images)
    permutation = functools.lru_cache(maxsize=2)(
        lambda epoch: np.random.default_rng([seed, epoch]).permutation(
            len(images.image)
        )
    )

    def chosen(step: int, rows: np.ndarray) -> np.ndarray:
        epochs, places = np.divmod(step * batch_size + rows, len(images.image))
        return np.array([permutation(e)[p] for e, p in zip(epochs, places)])

    def generate() -> Iterator[ImageBatch]:
        for step in range(first_step, first_step + num_steps):
            for rows in rows_here:
                index = chosen(step, rows)
                yield ImageBatch(images.image[index], labels[index], rows)

    shape = [batch_size // num_replicas]
    dataset = tf.data.Dataset.from_generator(
        generate,
        output_signature=ImageBatch(
            tf.TensorSpec([*shape, *images.image.shape[1:]], tf.uint8),
            tf.TensorSpec(shape, tf.int32),
            tf.TensorSpec(shape, tf.int32),
        ),
    )
    return dataset.prefetch(4 * num_here)


def evaluation_batches(
    images: Images, batch_size: int, max_images: int = 0
) -> Iterator[EvaluationBatch]:
    """The first `max_images` images (0: all) in order, each counted once."""
    total = min(max_images or len(images.image), len(images.image))
    labels = _labels(images)
    for start in range(0, total, batch_size):
        index = np.arange(start, start + batch_size, dtype=np.int32)
        index = np.minimum(index, total - 1)
        yield EvaluationBatch(
            tf.constant(images.image[index]),
            tf.constant(labels[index]),
            tf.constant(index),
            min(batch_size, total - start),
        )


def _labels(images: Images) -> np.ndarray:
    if images.label is None:
        return np.full(len(images.image), -1, np.int32)
    return images.label
