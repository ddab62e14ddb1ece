"""What causal layers remember of an image while it is drawn pixel by pixel.

Ramachandran et al. 2017, "Fast Generation for Convolutional Autoregressive Models".
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

# Whose it is, and what it is.
Key = tuple[keras.layers.Layer, str]


class CausalMemory:
    """Tensors that layers keep from one pixel or row to the next, by layer.

    To a layer it is a place to write to; in the graph nothing is written: an entry is
    exchanged for a new tensor, and loops and branches hand the tensors on.

    Args:
      tensors: what is remembered before the first row.
      column: int32 scalar, the pixel's column at the resolution at work; None between
        rows.
    """

    def __init__(self, tensors: dict[Key, tf.Tensor], column: tf.Tensor | None = None):
        self._tensors, self.column = dict(tensors), column

    def __getitem__(self, key: Key) -> tf.Tensor:
        return self._tensors[key]

    def __setitem__(self, key: Key, value: tf.Tensor) -> None:
        if key not in self._tensors:
            raise KeyError(f"`{key[1]}` of {key[0].name} must be there from the start.")
        self._tensors[key] = value

    def values(self) -> list[tf.Tensor]:
        """All tensors, always in the same order: what a loop carries."""
        return list(self._tensors.values())

    def with_values(
        self, values: list[tf.Tensor], column: tf.Tensor | None = None
    ) -> "CausalMemory":
        """The same entries with other tensors, from `values`."""
        return CausalMemory(dict(zip(self._tensors, values, strict=True)), column)

    def update_if(self, condition: tf.Tensor, update: Callable[[], None]) -> None:
        """Calls `update`, which may change entries, and keeps that if `condition`."""
        before, changed = self._tensors, []

        # Traced first, so that the other branch knows what there is to leave alone.
        def yes() -> list[tf.Tensor]:
            self._tensors = dict(before)
            update()
            changed[:] = [k for k, v in self._tensors.items() if v is not before[k]]
            return [self._tensors[key] for key in changed]

        values = tf.cond(condition, yes, lambda: [before[key] for key in changed])
        self._tensors = before | dict(zip(changed, values, strict=True))


def column_of(row: tf.Tensor, column: tf.Tensor, width: int = 1) -> tf.Tensor:
    """`width` columns of [B,h,W,F] from `column` on, [B,h,width,F]."""
    batch, height, _, channels = row.shape
    return tf.slice(row, [0, 0, column, 0], [batch, height, width, channels])


def with_columns(row: tf.Tensor, columns: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """[B,h,W,F] with [B,h,w,F] written over it from `column` on; in compiled graphs.

    XLA's own operation, because it writes in place: what TensorFlow has copies the row.
    """
    return xla.dynamic_update_slice(row, columns, tf.stack([0, 0, column, 0]))
