"""The pass through a network that initialises its weight-normalised layers.

Salimans & Kingma 2016, "Weight Normalization", section 3.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from agave_tf.weights.in_use import (
    InitializingPass,
    initializing,
    pass_in_use,
    weights_are_given,
)


def initializing_pass() -> InitializingPass | None:
    """The pass in which a layer that is called now must initialise itself, or None.

    Raises:
      RuntimeError: there is a pass, and the layer is called where it cannot set its
        variables.
    """
    current = pass_in_use()
    if current is not None:
        _check_place()
    return current


@contextlib.contextmanager
def data_dependent_initialization(as_openai_iaf: bool = False) -> Iterator[None]:
    """Within this context every weight-normalised layer that is called sets g and b.

    The layer scales and shifts its output to mean 0 and standard deviation `init_scale`
    over the batch, stores that as its gain and bias, and returns the normalised output.
    So one pass through a network initialises all of it.

    Args:
      as_openai_iaf: follows openai/iaf `tf_utils/layers.py`: exponential gains are
        stored as log(scale)/3 although the pass itself scales by `scale`, and channels
        that are constant over the batch are normalised too.

    Raises:
      RuntimeError: used inside a tf.function, `strategy.run` or `using_weights`, or no
        layer was initialised, because the layers ran in such a place.
    """
    _check_place()
    current = InitializingPass(as_openai_iaf)
    with initializing(current):
        yield
    # A compiled function traced before runs no Python, and the threads of
    # `strategy.run` do not see the context: both would leave the weights as they were.
    if not current.num_layers:
        raise RuntimeError(f"{_REQUIREMENT} no weight-normalised layer was called so.")


_REQUIREMENT = (
    "Data-dependent initialisation must call the layers eagerly, outside tf.function, "
    "`using_weights` and `strategy.run` (`with strategy.scope():` is fine);"
)


def _check_place() -> None:
    """Raises RuntimeError in a tf.function, a replica, or `using_weights`."""
    if not tf.executing_eagerly():
        raise RuntimeError(f"{_REQUIREMENT} it was called inside a tf.function.")
    if tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context():
        raise RuntimeError(f"{_REQUIREMENT} it was called inside `strategy.run`.")
    if weights_are_given():
        raise RuntimeError(f"{_REQUIREMENT} it was called inside `using_weights`.")
