"""The batches that training and evaluation see of a set of images."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.randomness import crop_generator, epoch_generator, flip_generator


class ImageBatch(NamedTuple):
    """A training batch."""

    image: tf.Tensor  # uint8 [B,H,W,C]
    label: tf.Tensor  # int32 [B], -1 where the data set has none
    row: tf.Tensor  # int32 [B], the image's row in the global batch


class EvaluationBatch(NamedTuple):
    """A batch of evaluation of B images; a short one is filled up with its last."""

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
    crop: tuple[int, int] | None = None,
    flip: bool = False,
) -> tf.data.Dataset:
    """The batches of steps `first_step` to `first_step + num_steps - 1`.

    Every epoch has its own order; epochs follow each other without a gap, so no image
    is left out. The batch of a step depends only on `seed` and the step, so training
    that was stopped and resumed sees the batches it would have seen. Where an image is
    cut, and whether it is mirrored, is drawn for the whole global batch.

    Args:
      images: the training images.
      batch_size: images in the global batch, a multiple of the number of replicas.
      seed: of the run.
      first_step: the step of the first batch.
      num_steps: how many batches.
      context: tells which of how many processes this is. Each of its replicas in turn
        gets its rows of the global batch as an `ImageBatch`. None: one replica gets
        all rows.
      crop: (height, width) to cut out of each image at a random place; None: images are
        whole, and all of one size.
      flip: whether to mirror images left to right, each with probability 1/2.
    """
    context = context or tf.distribute.InputContext()
    num_replicas = context.num_replicas_in_sync
    num_here = num_replicas // context.num_input_pipelines
    first_here = context.input_pipeline_id * num_here
    rows_of_replicas = np.split(np.arange(batch_size, dtype=np.int32), num_replicas)
    rows_here = rows_of_replicas[first_here : first_here + num_here]
    labels = images.labels_or(-1)
    change = _Change(seed, batch_size, crop, flip)
    permutation = functools.lru_cache(maxsize=2)(
        lambda epoch: epoch_generator(seed, epoch).permutation(len(images.image))
    )

    def chosen(step: int, rows: np.ndarray) -> np.ndarray:
        # In 32 bits the product would run over within a long training.
        image_numbers = step * batch_size + rows.astype(np.int64)
        epochs, places = np.divmod(image_numbers, len(images.image))
        return np.array([permutation(e)[p] for e, p in zip(epochs, places)])

    def generate() -> Iterator[ImageBatch]:
        for step in range(first_step, first_step + num_steps):
            for rows in rows_here:
                index = chosen(step, rows)
                image = change.taken(images, index, step, rows)
                yield ImageBatch(image, labels[index], rows)

    shape = [batch_size // num_replicas]
    size = crop or images.shape[:2]
    dataset = tf.data.Dataset.from_generator(
        generate,
        output_signature=ImageBatch(
            tf.TensorSpec([*shape, *size, images.shape[2]], tf.uint8),
            tf.TensorSpec(shape, tf.int32),
            tf.TensorSpec(shape, tf.int32),
        ),
    )
    return dataset.prefetch(4 * num_here).with_options(without_autotuning())


class _Change(NamedTuple):
    """What becomes of training images; drawn at once for all rows of a global batch."""

    seed: int
    batch_size: int
    crop: tuple[int, int] | None
    flip: bool

    def taken(
        self, images: Images, index: np.ndarray, step: int, rows: np.ndarray
    ) -> np.ndarray:
        """The images at the places `index`, cut and mirrored, uint8 [b,h,w,C].

        Args:
          images: the training images.
          index: int [b], the places of the images.
          step: of training.
          rows: int [b], the images' rows in the global batch.
        """
        if self.crop:
            uniform = crop_generator(self.seed, step).random([self.batch_size, 2])
            image = images.random_crops(index, self.crop, uniform[rows])
        else:
            image = images.take(index).array
        if self.flip:
            draws = flip_generator(self.seed, step).random(self.batch_size)
            is_mirrored = draws[rows] < 0.5
            image[is_mirrored] = image[is_mirrored, :, ::-1]
        return image


class PaddedBatch(NamedTuple):
    """The rows of a batch; a short one is filled up with its last row."""

    rows: np.ndarray  # int [b], numbers of images
    num_valid: int  # rows that do not repeat one before
    place: slice  # of the valid rows among all images


def padded_batches(
    count: int, batch_size: int, shrinks: bool = True
) -> Iterator[PaddedBatch]:
    """Cuts images 0..count-1 into batches of one size, for which code is compiled.

    Args:
      count: number of images.
      batch_size: images in a batch.
      shrinks: whether batches are smaller where there are fewer images than one takes.
    """
    size = max(1, min(batch_size, count)) if shrinks else batch_size
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        num_valid = min(size, count - start)
        yield PaddedBatch(rows, num_valid, slice(start, start + num_valid))


def evaluation_batches(
    images: Images, batch_size: int, index: np.ndarray
) -> Iterator[EvaluationBatch]:
    """Batches of the images at the places `index`, in that order.

    Args:
      images: the whole data set.
      batch_size: B.
      index: int32 [N], from `Images.choose`.
    """
    labels = images.labels_or(-1)
    for rows, num_valid, _ in padded_batches(len(index), batch_size, shrinks=False):
        places = index[rows]
        yield EvaluationBatch(
            tf.constant(images.image[places]),
            tf.constant(labels[places]),
            tf.constant(places),
            num_valid,
        )


def without_autotuning() -> tf.data.Options:
    """Returns options of a pipeline that ends at once.

    The thread that tunes a pipeline sleeps for as long as the pipeline has run, at most
    a minute. TensorFlow 2.21 often fails to wake it when the iterator is deleted, and
    waits: a training of a minute then ends half a minute late.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
