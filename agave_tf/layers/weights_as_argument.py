"""Networks as functions of their weights, by Keras's `StatelessScope`.

A network computes with the values of its variables. Within `using_weights` it computes
with tensors instead: averages, a part of a vector, arguments of a compiled function. A
skeleton is a network that has variables in name and shape only; it takes no memory, and
it computes only within `using_weights`.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import keras
import tensorflow as tf

from agave_tf.layers.library_internals import has_value

Network = TypeVar("Network", bound=keras.layers.Layer)

# The variables that have other values within `using_weights`, by identity.
_given: contextvars.ContextVar[frozenset[int]] = contextvars.ContextVar(
    "using_weights", default=frozenset()
)


def weights_of(network: keras.layers.Layer) -> list[tf.Tensor]:
    """The values of the network's weights, in the order of its `weights`.

    Within `using_weights` these are the tensors given there.

    Raises:
      RuntimeError: the network is a skeleton, and no weights are given. Keras would
        return random numbers.
    """
    if any(id(w) not in _given.get() and not has_value(w) for w in network.weights):
        raise RuntimeError(
            f"The skeleton of {network.name} must be used within `using_weights`; it "
            "has no weights of its own."
        )
    return [tf.convert_to_tensor(weight) for weight in network.weights]


@contextlib.contextmanager
def using_weights(
    network: keras.layers.Layer, weights: Sequence[tf.Tensor]
) -> Iterator[None]:
    """Makes the network compute with other weights than its own within this context.

    The context is that of one thread: a replica of a strategy must enter it itself.

    Args:
      network: a network or skeleton.
      weights: tensors in the order of its `weights`.
    """
    # A scope that may initialize variables would give every skeleton values at its end.
    scope = keras.StatelessScope(
        state_mapping=list(zip(network.weights, weights, strict=True)),
        initialize_variables=False,
    )
    token = _given.set(frozenset(map(id, network.weights)))
    try:
        with scope:
            yield
    finally:
        _given.reset(token)


def weights_are_given() -> bool:
    """Returns whether some network computes with other weights here.

    Variables that are assigned to within `using_weights` do not change.
    """
    return bool(_given.get())


def without_weights(make: Callable[[], Network]) -> Network:
    """Calls `make`, which makes a network; its variables get no values."""
    with keras.StatelessScope(initialize_variables=False):
        return make()
