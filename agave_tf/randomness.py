"""Random draws that follow from one seed and from the image they are for.

No draw depends on how images are grouped: the same image gets the same noise whatever
the batch size, the number of replicas or the order of evaluation.
"""

import dataclasses

import tensorflow as tf


def seed_tensor(seed: int) -> tf.Tensor:
    """The seed of a run as TensorFlow's stateless ops take it, int32 [2]."""
    return tf.constant([seed, 0], tf.int32)


def fold_in(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """A new seed [2], independent of `seed`'s other descendants."""
    return tf.random.experimental.stateless_fold_in(seed, data)


def split(seed: tf.Tensor, num: int) -> list[tf.Tensor]:
    """`num` independent seeds [2]."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, num), num)


def normal_for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Standard normal draws [B,size]: row i depends only on `seed` and `index[i]`."""
    return tf.map_fn(
        lambda i: tf.random.stateless_normal([size], fold_in(seed, i)),
        index,
        fn_output_signature=tf.TensorSpec([size], tf.float32),
    )


def uniform_for_images(seed: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Uniform draws [B,size] in [1e-5, 1-1e-5], as openai/pixel-cnn samples with.

    Row i depends only on `seed` and `index[i]`.
    """
    return tf.map_fn(
        lambda i: tf.random.stateless_uniform([size], fold_in(seed, i), 1e-5, 1 - 1e-5),
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
        draws = tf.random.stateless_uniform([self.num_rows, *shape], self.seed)
        if self.row.shape[0] == self.num_rows:
            return draws
        return tf.gather(draws, self.row)
