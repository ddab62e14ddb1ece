"""Layers of which a network has many: less memory and smaller graphs, the same numbers.

The network calls them like any layer. How they run is theirs to know:

  - `recompute`: the backward pass computes a layer's inner features again, instead of
    keeping them (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
  - `num_alike`: in a graph, layers of one architecture that are called with one shape
    share one trace. The full model's graph is then made in a third of the time. With
    few alike there is little to save, and a step takes up to 4 % longer (docs/speed.md,
    Training), so sharing begins at five.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.initializing_pass import initializing_pass
from agave_tf.weights.in_use import arithmetic_in_use, using_weights, weights_of
from agave_tf.weights.skeletons import function_of_weights

_SHARED_FROM = 5

R = TypeVar("R")


class RepeatedLayer(BaseLayer):
    """A layer of which a network has many; `repeated` decorates its methods.

    Args:
      name: of the layer.
      recompute: whether the backward pass computes inner features again.
      num_alike: how many layers of this architecture the network has, roughly.
    """

    architecture: tuple[Hashable, ...]  # arguments of the class that make one alike

    def __init__(
        self, name: str | None = None, recompute: bool = False, num_alike: int = 1
    ):
        super().__init__(name)
        self.recompute, self.shares_trace = recompute, num_alike >= _SHARED_FROM


def repeated(method: Callable[..., R]) -> Callable[..., R]:
    """Decorates a method of a RepeatedLayer that computes features.

    The method takes and returns nests of tensors and None. It draws random numbers from
    its arguments alone, or recomputed features would have other draws.
    """
    traced_once = function_of_weights(has_gradient=True)(method)

    @functools.wraps(method)
    def run(layer: RepeatedLayer, *args: Any) -> R:
        is_shared = layer.shares_trace and tf.inside_function()
        function = traced_once if is_shared else method
        # The pass that initialises the layer sets its variables, once and for all.
        is_recomputed = arithmetic_in_use().has_gradient and initializing_pass() is None
        if layer.recompute and is_recomputed:
            return _recomputed(function, layer, args)
        return function(layer, *args)

    return run


def _recomputed(
    function: Callable[..., R], layer: RepeatedLayer, args: tuple[Any, ...]
) -> R:
    """Calls the function; the backward pass calls it again for its inner tensors.

    Only its arguments and results stay in memory between the passes.
    """
    arguments = tf.nest.flatten(args)
    # Seeds and rows have no gradient.
    places = [i for i, x in enumerate(arguments) if _has_gradient(x)]
    structure: list = []

    # `tf.recompute_grad` wraps functions from tensors to tensors only, so this one puts
    # None back among the arguments, and leaves it out of the results. It gives
    # gradients to arguments and variables only, so the weights, which may be tensors,
    # are arguments.
    def from_tensors(*tensors: tf.Tensor) -> list[tf.Tensor]:
        filled = list(arguments)
        for place, tensor in zip(places, tensors):
            filled[place] = tensor
        with using_weights(layer, tensors[len(places) :]):
            results = function(layer, *tf.nest.pack_sequence_as(args, filled))
        structure[:] = [results]
        return [x for x in tf.nest.flatten(results) if x is not None]

    tensors = [arguments[place] for place in places] + weights_of(layer)
    results = iter(tf.nest.flatten(tf.recompute_grad(from_tensors)(*tensors)))
    return tf.nest.map_structure(
        lambda x: None if x is None else next(results), structure[0]
    )


def _has_gradient(value: Any) -> bool:
    return tf.is_tensor(value) and value.dtype.is_floating
