"""Every stream of random numbers, by name; all of them follow from one seed.

No draw depends on how images are grouped: an image gets the same noise whatever the
batch size, the number of replicas or the order of evaluation.

TensorFlow's streams, seeds of int32 [2]:

    training_step_seed(seed, s)        step s of training: noise of z, dropout masks
    stream(seed, Stream.EVALUATION)    and the other names of `Stream`

NumPy's streams, generators:

    epoch_generator(seed, e)           the order of the images in epoch e
    crop_generator(seed, s)            where the images of step s are cut out
    flip_generator(seed, s)            which images of step s are mirrored
    hold_out_generator(seed)           which images are held out
    dead_leaf_generator(seed, i)       picture i of the embedded data set
    choice_generator()                 which images stand for a whole set; one for all

Training steps, orders, hold-out and dead leaves have the seeds of version 0.1, so that
its runs go on with the same images and the same noise.
"""

import dataclasses
import enum
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Uniform whole numbers have this many bits, those of a float32 in [0,1).
BITS = 23
# TensorFlow's number for the generator Philox, and how many numbers of 32 bits one
# value of its counter gives.
_PHILOX, _BLOCK = 1, 4
# XLA takes a negative seed for another one than TensorFlow does.
_NOT_NEGATIVE = 0x7FFFFFFF
# The largest number that a seed can be folded with; training never makes that many
# steps, so streams numbered from here downwards are apart from every step's.
_LAST = 2**31 - 1
# Numbers of NumPy's streams that draw at every step; no epoch has such a number.
_CROP, _FLIP = _LAST - 1, _LAST - 2


class Stream(enum.IntEnum):
    """Uses of random numbers besides a training step; each draws from its own seed."""

    INITIALIZATION = _LAST  # noise and dropout of data-dependent initialisation
    EVALUATION = _LAST - 1  # noise of z in the bounds; folded with the sample's number
    PRIOR = _LAST - 2  # noise of z ~ p(z) in pictures
    POSTERIOR = _LAST - 3  # noise of z ~ q(z|x) in pictures
    PIXELS = _LAST - 4  # what the PixelCNN++ draws; folded with the sample's number
    PROBE_TRAIN = _LAST - 5  # noise of z of the linear probe's training images
    PROBE_TEST = _LAST - 6  # noise of z of the linear probe's test images
    BITS_MAP = _LAST - 7  # noise of z in the maps of bits


def seed_tensor(seed: int | tf.Tensor) -> tf.Tensor:
    """The seed of a run as TensorFlow's stateless operations take it, int32 [2]."""
    return tf.stack([tf.convert_to_tensor(seed, tf.int32), 0])


def training_step_seed(seed: int, step: int | tf.Tensor) -> tf.Tensor:
    """The seed [2] of training step number `step`, from 0."""
    return fold_in(seed_tensor(seed), step)


def stream(seed: int | tf.Tensor, name: Stream) -> tf.Tensor:
    """The seed [2] of a named stream."""
    return fold_in(seed_tensor(seed), int(name))


def fold_in(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """A new seed [2], independent of `seed`'s other descendants."""
    new = tf.random.experimental.stateless_fold_in(seed, data, alg="philox")
    return new & _NOT_NEGATIVE


def split(seed: tf.Tensor, num: int) -> list[tf.Tensor]:
    """`num` independent seeds [2]."""
    seeds = tf.random.experimental.stateless_split(seed, num, alg="philox")
    return tf.unstack(seeds & _NOT_NEGATIVE, num)


def _uniform_23_bits(shape: list[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Uniform whole numbers below 2**23, int32."""
    bits = tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
    return bits & 0x7FFFFF


def _rows_of_23_bits(first: tf.Tensor, shape: list[int], seed: tf.Tensor) -> tf.Tensor:
    """The rows from `first` on of what `_uniform_23_bits` draws of more rows.

    Philox, the generator, counts: each value of its counter stands for a block of four
    numbers. So a row is drawn without those before it.

    Args:
      first: int32 [], the first row, from 0.
      shape: the shape of the rows that are drawn, their number first.
      seed: int32 [2].

    Returns:
      int32 [*shape].
    """
    num_rows, row_size = shape[0], math.prod(shape[1:])
    # A large batch may have more than 2**31 numbers.
    start = tf.cast(first, tf.int64) * row_size
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    # The lower half comes first; it is 0, so the sum carries nothing into the upper.
    skipped = tf.cast(tf.stack([start // _BLOCK, 0]), tf.uint64)
    # Rows of whole blocks begin where a block does; others may begin within one.
    spare = 0 if row_size % _BLOCK == 0 else _BLOCK - 1
    bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[num_rows * row_size + spare],
        key=key,
        counter=counter + skipped,
        alg=_PHILOX,
        dtype=tf.int32,
    )
    if spare:
        bits = tf.slice(bits, [start % _BLOCK], [num_rows * row_size])
    return tf.reshape(bits, shape) & 0x7FFFFF


def normal_for_images(
    seed: tf.Tensor, index: tf.Tensor, size: int | tf.Tensor
) -> tf.Tensor:
    """Standard normal draws [B,size]: row i depends only on `seed` and `index[i]`."""
    # In the middle of their intervals, so that none is infinite.
    return tf.math.ndtri(_uniform_for_images(seed, index, size) + 2.0**-24)


def uniform_for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Uniform draws [B,size] in [1e-5, 1-1e-5], as openai/pixel-cnn samples with.

    Row i depends only on `seed` and `index[i]`.
    """
    return _uniform_for_images(seed, index, size) * (1 - 2e-5) + 1e-5


def _uniform_for_images(
    seed: tf.Tensor, index: tf.Tensor, size: int | tf.Tensor
) -> tf.Tensor:
    """Uniform draws in [0,1), multiples of 2**-23.

    They are made from whole numbers, because XLA makes the floats of
    `stateless_uniform` of other bits: a run would see other draws when compiled.
    """
    return tf.cast(bits_for_images(seed, index, size), tf.float32) * 2.0**-BITS


def bits_for_images(
    seed: tf.Tensor, index: tf.Tensor, size: int | tf.Tensor
) -> tf.Tensor:
    """Uniform whole numbers [B,size] below 2**23, int32; the same on every machine.

    Row i depends only on `seed` and `index[i]`. The other draws for images are made of
    these numbers.
    """
    # Numbers of 64 bits would fold in alike: of what is drawn, 31 bits are kept.
    index = tf.cast(index, tf.int32)
    if tf.is_tensor(size):
        return _rows_of_bits(None)(seed, index, size)
    return tf.ensure_shape(_rows_of_bits(size)(seed, index, size), [*index.shape, size])


# Of as many sizes as a program is likely to use again.
@functools.lru_cache(maxsize=32)
def _rows_of_bits(size: int | None) -> tf.types.experimental.PolymorphicFunction:
    """Makes (seed, index [B], size) -> whole numbers [B,size], for every B.

    It is compiled for one size, or for all of them (None); XLA needs to know it.
    """
    shapes = [tf.TensorSpec([2], tf.int32), tf.TensorSpec([None], tf.int32)]
    shapes.append(tf.TensorSpec([], tf.int32))

    # A graph even when called eagerly: one by one its operations take much longer.
    @tf.function(autograph=False, input_signature=shapes)
    def rows(seed: tf.Tensor, index: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
        shape = [given if size is None else size]
        return tf.map_fn(
            lambda i: _uniform_23_bits(shape, fold_in(seed, i)),
            index,
            fn_output_signature=tf.TensorSpec([size], tf.int32),
        )

    return rows


@dataclasses.dataclass(frozen=True)
class DropoutSeed:
    """The source of the dropout masks of a step.

    Not a tuple, because Keras takes no tuple of tensors and numbers in a layer's call.
    TensorFlow takes it for a nest of two tensors.

    seed: int32 [2].
    row: int32 [B], the rows of the global batch that these images are: row[0] and those
      that follow it, one after another. A batch is split into such shares, and every
      split over replicas sees the masks of the whole.
    num_rows: images in the global batch. Where B is less, the masks of B rows alone are
      drawn.
    """

    seed: tf.Tensor
    row: tf.Tensor
    num_rows: int

    def __tf_flatten__(self) -> tuple[tuple[int], tuple[tf.Tensor, tf.Tensor]]:
        return (self.num_rows,), (self.seed, self.row)

    @classmethod
    def __tf_unflatten__(
        cls, metadata: tuple[int], leaves: tuple[tf.Tensor, tf.Tensor]
    ) -> "DropoutSeed":
        return cls(*leaves, *metadata)

    def split(self, num: int) -> list["DropoutSeed"]:
        """`num` independent dropout seeds for the same images."""
        return [dataclasses.replace(self, seed=seed) for seed in split(self.seed, num)]

    def is_kept(self, shape: Sequence[int], rate: float) -> tf.Tensor:
        """Masks bool [B,*shape]: `uniform` draws that are at least `rate`."""
        # The same comparison of whole numbers, which need not become floats.
        least = math.ceil(float(np.float32(rate)) * 2**23)
        drawn = [self.row.shape[0], *shape]
        if self.row.shape[0] == self.num_rows:
            return _uniform_23_bits(drawn, self.seed) >= least
        return _rows_of_23_bits(self.row[0], drawn, self.seed) >= least


class ImageDraws(NamedTuple):
    """The source of the random draws for a batch of B images."""

    seed: tf.Tensor  # int32 [2]
    index: tf.Tensor  # int32 [B]; images of the same index get the same noise
    # Images in the global batch, of which `index` then holds rows, one after another;
    # None: no dropout.
    num_rows: int | None = None

    def noise_seed(self) -> tf.Tensor:
        """The seed of the latents' noise."""
        return fold_in(self.seed, 0)

    def dropout_seed(self) -> DropoutSeed | None:
        """The seed of the dropout masks, or None."""
        if self.num_rows is None:
            return None
        return DropoutSeed(fold_in(self.seed, 1), self.index, self.num_rows)


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Draws the order of the training images in an epoch."""
    return np.random.default_rng([seed, epoch])


def crop_generator(seed: int, step: int) -> np.random.Generator:
    """Draws the places at which the images of a training step are cut out."""
    return np.random.default_rng([seed, _CROP, step])


def flip_generator(seed: int, step: int) -> np.random.Generator:
    """Draws which images of a training step are mirrored."""
    return np.random.default_rng([seed, _FLIP, step])


def hold_out_generator(seed: int) -> np.random.Generator:
    """Draws which images are held out where a data set has no test part."""
    return np.random.default_rng(seed)


def dead_leaf_generator(seed: int, picture: int) -> np.random.Generator:
    """Draws one picture of the embedded data set."""
    return np.random.default_rng([seed, picture])


def choice_generator() -> np.random.Generator:
    """Draws which images stand for a whole set: the same for every model and seed."""
    return np.random.default_rng([_LAST, _LAST])
