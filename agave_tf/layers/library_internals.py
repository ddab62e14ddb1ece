"""The private functions of Keras and TensorFlow that we call, and why.

No other module calls a private function of another package. setup.cfg pins the versions
of both packages, so an upgrade is tried against our tests first.
"""

import keras
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla


def child_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that `layer` holds as attributes or in lists, not their own children.

    Private because only `keras.Model` lists its layers; a `keras.layers.Layer` lists
    its variables alone, without the layers they belong to.
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """`layer` and every layer below it; private for the reason of `child_layers`."""
    return list(layer._flatten_layers())


def dynamic_update_slice(
    x: tf.Tensor, update: tf.Tensor, start: tf.Tensor
) -> tf.Tensor:
    """`x` with `update` written over it from the indices `start`, in compiled code.

    Private because of TensorFlow's public operations none becomes XLA's
    DynamicUpdateSlice for indices known at run time. Only that one writes in place;
    `tf.tensor_scatter_nd_update` and the like copy all of `x` for every pixel drawn.

    Args:
      x: of any shape.
      update: of the same rank, no larger than `x`.
      start: int32 [rank], the first index to write in each dimension.
    """
    return xla.dynamic_update_slice(x, update, start)


def has_value(variable: keras.Variable) -> bool:
    """Returns whether a variable has a value, and not only a name and a shape.

    `Variable.value` gives random numbers for a variable without a value, and nothing
    public tells the two apart.
    """
    return variable._value is not None
