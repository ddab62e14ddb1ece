"""Skeletons, and compiled functions that all networks of an architecture share.

A skeleton is a network whose variables have a name and a shape but no value. It takes
no memory, and computes within `using_weights` alone.

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

from agave_tf.arithmetic.arithmetic import Arithmetic
from agave_tf.errors import InputError
from agave_tf.weights.in_use import (
    KernelParts,
    arithmetic_in_use,
    kernels_of,
    using_arithmetic,
    using_kernels,
    using_weights,
    weights_of,
)
from agave_tf.weights.library_internals import without_tracing_warning

R = TypeVar("R")

# Architectures whose graphs and skeletons are kept, the last that were used. A model of
# every size of its images is one of its own.
_MOST_ARCHITECTURES = 64


class HasArchitecture(Protocol):
    """A Keras layer that tells how to make another one of the same architecture."""

    weights: list[keras.Variable]

    @property
    def architecture(self) -> tuple[Hashable, ...]:
        """Arguments of the class that make a network of this architecture."""


N = TypeVar("N", bound=HasArchitecture)
Layer = TypeVar("Layer", bound=keras.layers.Layer)


def without_weights(make: Callable[[], Layer]) -> Layer:
    """Calls `make`, which makes a layer: a skeleton, whose variables get no values."""
    with keras.StatelessScope(initialize_variables=False):
        return make()


def skeleton_of(network: N) -> N:
    """The skeleton of the network's architecture, the same one at every call."""
    return _skeleton(type(network), network.architecture)


def function_of_weights(
    has_gradient: bool = False,
    **options: Any,
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorates a function whose first argument is a network.

    It is compiled once for each architecture and arithmetic (and for each shape of its
    other arguments). It reads the weights at every call: also those of `using_weights`,
    and the kernels of `using_kernels`.

    Args:
      has_gradient: whether the function may be differentiated with our gradients, if
        the arithmetic in use has some; else with TensorFlow's, which are slower.
      **options: as `tf.function` takes them, such as `jit_compile`.

    Returns:
      The decorator. What it returns raises InputError if eager execution is off, or
      TensorFlow is to check numbers in code that XLA compiles.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        # It holds graphs, and no weights.
        @functools.lru_cache(maxsize=_MOST_ARCHITECTURES)
        def compiled(
            kind: type, architecture: tuple[Hashable, ...], arithmetic: Arithmetic
        ) -> Callable:
            skeleton = _skeleton(kind, architecture)

            def call(
                weights: list[tf.Tensor],
                kernels: dict[int, KernelParts],
                *args: Any,
                **kwargs: Any,
            ) -> R:
                with (
                    using_weights(skeleton, weights),
                    using_kernels(skeleton, kernels),
                    using_arithmetic(arithmetic),
                ):
                    return function(skeleton, *args, **kwargs)

            return without_tracing_warning(
                tf.function(call, autograph=False, **options)
            )

        @functools.wraps(function)
        def run(network: HasArchitecture, *args: Any, **kwargs: Any) -> R:
            check_eager()
            arithmetic = arithmetic_in_use()
            if not has_gradient:
                arithmetic = arithmetic.without_gradient
            if options.get("jit_compile"):
                arithmetic = arithmetic.compiled
            compiled_here = compiled(type(network), network.architecture, arithmetic)
            try:
                return compiled_here(
                    weights_of(network), kernels_of(network), *args, **kwargs
                )
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


@functools.lru_cache(maxsize=_MOST_ARCHITECTURES)
def _skeleton(kind: type[N], architecture: tuple[Hashable, ...]) -> N:
    return without_weights(lambda: kind(*architecture))


def check_eager() -> None:
    """Checks that TensorFlow computes at once or in a `tf.function`.

    Raises:
      InputError: it makes a graph of TensorFlow 1, in which variables have no values.
    """
    if not tf.executing_eagerly() and not tf.inside_function():
        raise InputError(
            "`agave_tf.load_run` and its models must be used with eager execution, "
            "TensorFlow 2's default; got tf.compat.v1.disable_eager_execution() or a "
            "tf.Graph as the default graph."
        )
