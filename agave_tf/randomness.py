"""Random draws that follow from one seed and from the image they are for.

No draw depends on how images are grouped: the same image gets the same noise whatever
the batch size, the number of replicas or the order of evaluation.
"""

import dataclasses

import tensorflow as tf

# XLA takes a negative seed for another one than TensorFlow does.
_NOT_NEGATIVE = 0x7FFFFFFF


def seed_tensor(seed: int | tf.Tensor) -> tf.Tensor:
    """The seed of a run as TensorFlow's stateless ops take it, int32 [2]."""
    return tf.stack([tf.convert_to_tensor(seed, tf.int32), 0])


def fold_in(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """A new seed [2], independent of `seed`'s other descendants."""
    new = tf.random.experimental.stateless_fold_in(seed, data, alg="philox")
    return new & _NOT_NEGATIVE


def split(seed: tf.Tensor, num: int) -> list[tf.Tensor]:
    """`num` independent seeds [2]."""
    seeds = tf.random.experimental.stateless_split(seed, num, alg="philox")
    return tf.unstack(seeds & _NOT_NEGATIVE, num)


def uniform(shape: list[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Uniform draws in [0,1), multiples of 2**-23.

    From whole numbers, because XLA makes the floats of `stateless_uniform` of other
    bits: compiled and not, a run would see different draws.
    """
    bits = tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
    return tf.cast(bits & 0x7FFFFF, tf.float32) * 2.0**-23


def normal_for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Standard normal draws [B,size]: row i depends only on `seed` and `index[i]`."""
    # In the middle of their intervals, so that none is infinite.
    return tf.math.ndtri(_for_images(seed, index, size) + 2.0**-24)


def uniform_for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Uniform draws [B,size] in [1e-5, 1-1e-5], as openai/pixel-cnn samples with.

    Row i depends only on `seed` and `index[i]`.
    """
    return _for_images(seed, index, size) * (1 - 2e-5) + 1e-5


# As a graph even where nothing else is: one by one its operations take much longer.
@tf.function(autograph=False)
def _for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    return tf.map_fn(
        lambda i: uniform([size], fold_in(seed, i)),
        index,
        fn_output_signature=tf.TensorSpec([size], tf.float32),
    )


@dataclasses.dataclass(frozen=True)
class DropoutSeed:
    """What the dropout masks of a step are drawn from.

    Not a tuple, because Keras takes no tuple of tensors and numbers in a layer's call.

    seed: int32 [2].
    row: int32 [B], which rows of the global batch these images are; all of them come in
      order, 0, 1, ..., so that a single replica need not gather.
    num_rows: images in the global batch. Masks are drawn for all of it and the rows
      taken, so that any split over replicas sees the same masks.
    """

    seed: tf.Tensor
    row: tf.Tensor
    num_rows: int

    def split(self, num: int) -> list["DropoutSeed"]:
        """`num` independent dropout seeds for the same images."""
        return [dataclasses.replace(self, seed=seed) for seed in split(self.seed, num)]

    def uniform(self, shape: list[int | tf.Tensor]) -> tf.Tensor:
        """Uniform draws [B,*shape] in [0,1)."""
        draws = uniform([self.num_rows, *shape], self.seed)
        if self.row.shape[0] == self.num_rows:
            return draws
        return tf.gather(draws, self.row)
