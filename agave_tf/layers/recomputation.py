"""Saves memory by computing features a second time in the backward pass.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def recomputed(function: Callable, is_on: bool) -> Callable:
    """Wraps `function`: the backward pass recomputes its intermediate tensors.

    Only its arguments and results stay in memory between the passes.

    Args:
      function: takes and returns any nest of tensors and None; may read variables. Its
        random draws must follow from its arguments, or the second pass draws others.
      is_on: False returns `function` itself.
    """
    if not is_on:
        return function

    def run(*args: Any, **kwargs: Any) -> Any:
        arguments = tf.nest.flatten((args, kwargs))
        places = [i for i, argument in enumerate(arguments) if tf.is_tensor(argument)]
        structure: list = []

        # `tf.recompute_grad` wraps functions from tensors to tensors only, so this one
        # puts None and other arguments back, and leaves None out of the results.
        def of_tensors(*tensors: tf.Tensor) -> list[tf.Tensor]:
            filled = list(arguments)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            own_args, own_kwargs = tf.nest.pack_sequence_as((args, kwargs), filled)
            structure[:] = [function(*own_args, **own_kwargs)]
            return [x for x in tf.nest.flatten(structure[0]) if x is not None]

        results = iter(
            tf.nest.flatten(
                tf.recompute_grad(of_tensors)(*[arguments[place] for place in places])
            )
        )
        return tf.nest.map_structure(
            lambda x: None if x is None else next(results), structure[0]
        )

    return run
