"""Images in host memory, and the batches that training and evaluation see."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.auxiliary_image import luma
from agave_tf.config import DataConfig
from agave_tf.dead_leaves import draw_dead_leaves
from agave_tf.image_files import crop_and_resize, load_folder, load_npz
from agave_tf.image_size import check_image_sides, parse_image_size
from agave_tf.input_error import InputError
from agave_tf.tfds_images import load_tfds

# Enough for quickstart to learn from, drawn in seconds.
NUM_DEAD_LEAVES = {"train": 2_000, "test": 500}
_RESIZED_AT_ONCE = 512


class Images(NamedTuple):
    """A data set in host memory."""

    image: np.ndarray  # uint8 [N,H,W,C]
    label: np.ndarray | None  # int32 [N], None where the data set has none

    def first(self, count: int) -> "Images":
        """The first `count` of them."""
        return self.some(0, count)

    def some(self, first: int, count: int) -> "Images":
        """`count` of them from number `first` on, or as many as there are.

        Raises:
          InputError: there is none.
        """
        if first >= len(self.image):
            raise InputError(
                f"`first_image` must be below the number of images, {len(self.image)}; "
                f"got {first}."
            )
        chosen = slice(first, first + count)
        label = None if self.label is None else self.label[chosen]
        return Images(self.image[chosen], label)


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


def to_unit_range(image: tf.Tensor) -> tf.Tensor:
    """Levels 0..255 to [-1,1], float32."""
    return (tf.cast(image, tf.float32) - 127.5) / 127.5


def to_levels(x: tf.Tensor) -> tf.Tensor:
    """[-1,1] to levels 0..255, uint8, rounded."""
    return tf.cast(tf.round(tf.clip_by_value(x, -1.0, 1.0) * 127.5 + 127.5), tf.uint8)


def load_images(config: DataConfig, split: str, seed: int = 0) -> Images:
    """The images that `config` names, all of them.

    Args:
      config: of the data.
      split: "train" or "test".
      seed: of dead_leaves, and of what is held out where there is no test part.

    Raises:
      InputError: no such data set, or images that cannot be used.
    """
    size = parse_image_size(config.image_size)
    kind, _, path = config.dataset.partition(":")
    if kind == "folder":
        raw = load_folder(path, config, split, seed)
    elif kind == "npz":
        raw = load_npz(path, split, seed)
    elif config.dataset == "dead_leaves":
        return _load_dead_leaves(config, split, seed)
    else:
        raw = load_tfds(config, split)
    if size is not None and raw.image.shape[1:3] != size:
        # Some at a time: as floats all of them might not fit.
        starts = range(0, len(raw.image), _RESIZED_AT_ONCE)
        parts = [raw.image[start : start + _RESIZED_AT_ONCE] for start in starts]
        resized = [crop_and_resize(part, size) for part in parts]
        raw = raw._replace(image=np.concatenate(resized))
    image = _with_channels(raw.image, config)
    check_image_sides(*image.shape[1:3], of="dataset")
    return Images(np.ascontiguousarray(image), raw.label)


def _load_dead_leaves(config: DataConfig, split: str, seed: int) -> Images:
    height, width = parse_image_size(config.image_size) or (32, 32)
    # The two splits are different stretches of one endless sequence.
    first = 0 if split == "train" else NUM_DEAD_LEAVES["train"]
    image = draw_dead_leaves(
        NUM_DEAD_LEAVES[split],
        height,
        width,
        config.image_channels or 3,
        seed,
        first,
    )
    return Images(image, None)


def _with_channels(image: np.ndarray, config: DataConfig) -> np.ndarray:
    """uint8 [N,H,W,C] with the number of channels that is asked for."""
    channels, wanted = image.shape[-1], config.image_channels
    if channels not in (1, 3):
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {config.dataset} has "
            f"{channels}."
        )
    if wanted == 3 and channels == 1:
        raise InputError(
            f"`image_channels` must be 0 or 1 for gray images; got 3 with "
            f"{config.dataset}."
        )
    if wanted == 1 and channels == 3:
        return tf.cast(luma(image), tf.uint8).numpy()
    return image


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
