"""The memory of causal layers while an image is drawn pixel by pixel.

Ramachandran et al. 2017, "Fast Generation for Convolutional Autoregressive Models".
"""

from collections.abc import Callable, Iterable, Sequence

import keras
import tensorflow as tf

from agave_tf.weights.library_internals import (
    dynamic_update_slice,
    without_constant_arguments,
)

# The layer that owns a tensor, and the tensor's name.
Key = tuple[keras.layers.Layer, str]


class CausalMemory:
    """Tensors that layers keep from one pixel or row to the next.

        memory[layer, "rows"] = tf.concat([memory[layer, "rows"][:, 1:], row], axis=1)

    A layer writes to it as to a dictionary. In the graph no tensor changes: the entry
    is replaced by the new tensor, and loops and branches pass all tensors on.

    Args:
      tensors: every entry, with its value before the first row.
      column: int32 scalar, the pixel's column at the current resolution; None between
        rows.
    """

    def __init__(self, tensors: dict[Key, tf.Tensor], column: tf.Tensor | None = None):
        self._tensors, self._column = dict(tensors), column
        self._is_in_update = False

    @property
    def column(self) -> tf.Tensor:
        """The pixel's column; only there while a row is drawn pixel by pixel."""
        assert self._column is not None  # Between rows no layer asks.
        return self._column

    @column.setter
    def column(self, column: tf.Tensor) -> None:
        self._column = column

    def __getitem__(self, key: Key) -> tf.Tensor:
        return self._tensors[key]

    def __setitem__(self, key: Key, value: tf.Tensor) -> None:
        if key not in self._tensors:
            raise KeyError(f"`{key[1]}` of {key[0].name} must be there from the start.")
        self._tensors[key] = value

    def values(self) -> list[tf.Tensor]:
        """All tensors in a fixed order, as a loop carries them."""
        return list(self._tensors.values())

    def with_values(
        self, values: Sequence[tf.Tensor], column: tf.Tensor | None = None
    ) -> "CausalMemory":
        """A memory with the same keys and the tensors `values`, in the same order."""
        return CausalMemory(dict(zip(self._tensors, values, strict=True)), column)

    def update_if(self, condition: tf.Tensor, update: Callable[[], None]) -> None:
        """Calls `update`, and keeps the entries it changes only if `condition` holds.

        Args:
          condition: bool scalar, known when the graph runs.
          update: writes to this memory.
        """
        # XLA changes what a loop carries in its place, and copies what comes out of a
        # branch, which took a third of the sampler's time. But TensorFlow prepares
        # loops within loops twice each, so the small tensors of inner resolutions come
        # out of branches.
        if self._is_in_update:
            self._update_in_branch(condition, update)
        else:
            self._is_in_update = True
            self._update_in_loop(condition, update)
            self._is_in_update = False

    def _update_in_loop(self, condition: tf.Tensor, update: Callable[[], None]) -> None:
        """Calls `update` in a loop of one round, or of none."""
        keys = list(self._tensors)

        def once(_: tf.Tensor, *values: tf.Tensor) -> list[tf.Tensor]:
            self._tensors = dict(zip(keys, values, strict=True))
            update()
            return [tf.constant(False), *self.values()]

        _, *values = without_constant_arguments(
            tf.while_loop(
                lambda goes_on, *_: goes_on, once, [condition, *self.values()]
            )
        )
        self._tensors = dict(zip(keys, values, strict=True))

    def _update_in_branch(
        self, condition: tf.Tensor, update: Callable[[], None]
    ) -> None:
        before = self._tensors
        changed: list[Key] = []

        # This branch is traced first, so the other one knows which entries it must
        # return unchanged.
        def yes() -> list[tf.Tensor]:
            self._tensors = dict(before)
            update()
            changed[:] = [k for k, v in self._tensors.items() if v is not before[k]]
            return [self._tensors[key] for key in changed]

        values = without_constant_arguments(
            tf.cond(condition, yes, lambda: [before[key] for key in changed])
        )
        self._tensors = before | dict(zip(changed, values, strict=True))


def column_of(row: tf.Tensor, column: tf.Tensor, width: int = 1) -> tf.Tensor:
    """Reads `width` columns of [B,h,W,F] from `column` on, [B,h,width,F]."""
    batch, height, _, channels = row.shape
    return tf.slice(row, [0, 0, column, 0], [batch, height, width, channels])


def with_columns(row: tf.Tensor, columns: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Writes [B,h,w,F] over [B,h,W,F] from `column` on; in compiled graphs only."""
    return dynamic_update_slice(row, columns, tf.stack([0, 0, column, 0]))


def merged(memories: Iterable[dict[Key, tf.Tensor]]) -> dict[Key, tf.Tensor]:
    """Joins the first memories of several layers."""
    return {key: tensor for memory in memories for key, tensor in memory.items()}
