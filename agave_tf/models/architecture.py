"""One compiled function for all networks of an architecture, whatever their weights.

    @function_of_weights()
    def log_likelihood(network: AGAVE, image: tf.Tensor) -> tf.Tensor: ...

    log_likelihood(first, image)   # traces and compiles
    log_likelihood(second, image)  # compiled already, if the architecture is the same

The graph is that of a skeleton, and the weights are its arguments. So no network is
captured: one that is deleted leaves nothing behind.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

import keras
import tensorflow as tf

from agave_tf.errors import InputError
from agave_tf.layers.base_layer import check_eager
from agave_tf.layers.library_internals import without_tracing_warning
from agave_tf.layers.weights_as_argument import (
    using_weights,
    weights_of,
    without_weights,
)

# Layers of a kind from which on they share a trace.
_SHARED_FROM = 5

R = TypeVar("R")


class HasArchitecture(Protocol):
    """A Keras layer that tells how to make another one of the same architecture."""

    weights: list[keras.Variable]

    @property
    def architecture(self) -> tuple[Hashable, ...]:
        """Arguments of the class that make a network of this architecture."""


N = TypeVar("N", bound=HasArchitecture)


def skeleton_of(network: N) -> N:
    """The skeleton of the network's architecture, the same one at every call."""
    return _skeleton(type(network), network.architecture)


def function_of_weights(
    **options: Any,
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorates a function whose first argument is a network.

    It is compiled once for each architecture (and for each shape of its other
    arguments). It reads the weights at every call: also those of `using_weights`.

    Args:
      **options: as `tf.function` takes them, such as `jit_compile`.

    Returns:
      The decorator. What it returns raises InputError if eager execution is off, or
      TensorFlow is to check numbers in code that XLA compiles.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        # Lives as long as the module: it holds graphs, and no weights.
        @functools.cache
        def compiled(kind: type, architecture: tuple[Hashable, ...]) -> Callable:
            skeleton = _skeleton(kind, architecture)

            def call(weights: list[tf.Tensor], *args: Any, **kwargs: Any) -> R:
                with using_weights(skeleton, weights):
                    return function(skeleton, *args, **kwargs)

            return without_tracing_warning(
                tf.function(call, autograph=False, **options)
            )

        @functools.wraps(function)
        def run(network: HasArchitecture, *args: Any, **kwargs: Any) -> R:
            check_eager()
            compiled_here = compiled(type(network), network.architecture)
            try:
                return compiled_here(weights_of(network), *args, **kwargs)
            except tf.errors.InvalidArgumentError as error:
                if "DebugNumericSummary" not in str(error):
                    raise
                compiled.cache_clear()  # The check is in the graph.
                raise InputError(
                    "`tf.debugging.enable_check_numerics` must be off where images are "
                    "drawn or coded, because XLA compiles no checks; got it on. "
                    "tf.debugging.disable_check_numerics() switches it off."
                ) from error

        return run

    return decorate


def traced_once(function: Callable[..., R]) -> Callable[..., R]:
    """Decorates a function of a layer that has many others of its kind in a network.

    In a graph, layers of one architecture that are called with one shape share one
    trace: the graph of a deep network is made sooner. The function takes `num_alike`
    besides its own arguments, how many layers of the kind there are about. With few of
    them there is little to save, and a step takes up to 4 % longer (docs/speed.md,
    Training), so the function is then called as it is. So it is outside a graph.
    """
    compiled = function_of_weights()(function)

    @functools.wraps(function)
    def run(layer: HasArchitecture, *args: Any, num_alike: int) -> R:
        is_shared = num_alike >= _SHARED_FROM and tf.inside_function()
        return (compiled if is_shared else function)(layer, *args)

    return run


@functools.cache
def _skeleton(kind: type[N], architecture: tuple[Hashable, ...]) -> N:
    return without_weights(lambda: kind(*architecture))
