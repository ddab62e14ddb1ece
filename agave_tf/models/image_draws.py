"""The random draws for a batch of images: the noise of z and the dropout masks."""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.randomness import DropoutSeed, fold_in


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
