"""Saves memory by computing features a second time in the backward pass.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from agave_tf.layers.initializing_pass import initializing_pass
from agave_tf.layers.weights_as_argument import using_weights, weights_of


def recomputed(function: Callable, layer: keras.layers.Layer, is_on: bool) -> Callable:
    """Wraps `function`: the backward pass recomputes its intermediate tensors.

    Only its arguments and results stay in memory between the passes.

    Args:
      function: takes and returns any nest of tensors and None. Its random draws must
        follow from its arguments, or the second pass draws others.
      layer: the layer whose weights the function uses; it must use no others.
      is_on: False returns `function` itself.
    """
    # The pass that initialises the layer sets its variables, once and for all.
    if not is_on or initializing_pass() is not None:
        return function

    def run(*args: Any, **kwargs: Any) -> Any:
        arguments = tf.nest.flatten((args, kwargs))
        places = [i for i, argument in enumerate(arguments) if tf.is_tensor(argument)]
        structure: list = []
        weights = weights_of(layer)

        # `tf.recompute_grad` wraps functions from tensors to tensors only, so this one
        # puts None and other arguments back, and leaves None out of the results. It
        # gives gradients to arguments and variables only, so the weights, which may be
        # tensors, are arguments.
        def of_tensors(*tensors: tf.Tensor) -> list[tf.Tensor]:
            filled = list(arguments)
            for place, tensor in zip(places, tensors):
                filled[place] = tensor
            own_args, own_kwargs = tf.nest.pack_sequence_as((args, kwargs), filled)
            with using_weights(layer, tensors[len(places) :]):
                structure[:] = [function(*own_args, **own_kwargs)]
            return [x for x in tf.nest.flatten(structure[0]) if x is not None]

        tensors = [arguments[place] for place in places] + weights
        results = iter(tf.nest.flatten(tf.recompute_grad(of_tensors)(*tensors)))
        return tf.nest.map_structure(
            lambda x: None if x is None else next(results), structure[0]
        )

    return run
