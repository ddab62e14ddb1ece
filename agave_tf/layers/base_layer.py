"""The base of all our layers, which the user's settings of Keras do not change."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from agave_tf.weights.in_use import weights_of
from agave_tf.weights.skeletons import check_eager


class BaseLayer(keras.layers.Layer):
    """A Keras layer that computes the same in every program, and can be copied.

    Its variables are float32, and its features keep the dtype of the input. The dtype
    policy and the float type of Keras (`keras.mixed_precision`, `keras.config`) are for
    the user's own layers: here they would choose other weights and other scores.

    `pickle`, `copy.copy` and `copy.deepcopy` make the layer anew with the arguments it
    was made with, and give it the same weights. Attributes that were set later are not
    copied.

    Args:
      name: of the layer.

    Raises:
      InputError: eager execution is off.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "BaseLayer":
        layer = super().__new__(cls, *args, **kwargs)
        # Past Keras, which would put lists and dictionaries of its own in their place.
        object.__setattr__(layer, "_arguments", (args, kwargs))
        return layer

    def __init__(self, name: str | None = None):
        check_eager()
        super().__init__(name=name, dtype=keras.DTypePolicy("float32"), autocast=False)

    def __reduce__(self) -> tuple:
        weights = [weight.numpy() for weight in weights_of(self)]
        is_trainable = [weight.trainable for weight in self.weights]
        return _remade, (type(self), *self._arguments, weights, is_trainable)


def _remade(
    kind: type[BaseLayer],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    is_trainable: Sequence[bool],
) -> BaseLayer:
    """A layer with the arguments and the weights of another one."""
    layer = kind(*args, **kwargs)
    for variable, value, flag in zip(layer.weights, weights, is_trainable, strict=True):
        variable.assign(value)
        variable.trainable = flag
    return layer
