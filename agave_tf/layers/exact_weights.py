"""The weights of exact arithmetic (arithmetic/exact_arithmetic.py).

Every step is correctly rounded, so all machines find the same ones: the sums of the
norms by `math.fsum`, square roots and divisions by IEEE, exp(g) by fixed_point.py.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from agave_tf.arithmetic import fixed_point
from agave_tf.arithmetic.exact_arithmetic import EXACT
from agave_tf.errors import InputError
from agave_tf.layers.weight_norm import WeightNormLayer
from agave_tf.weights.in_use import using_arithmetic, using_weights, value_of
from agave_tf.weights.library_internals import all_layers
from agave_tf.weights.named_weights import named_weights

# The largest sum of one product: 2**51 multiples of 2**-32. A layer adds up to four
# (convolution, skip, label, condition), which then stay below 2**53.
LARGEST_SUM = 2.0 ** (51 - 2 * fixed_point.GRID_BITS)
# A layer cuts its input to the largest power of two that keeps its sums below that.
# Those of pretrained/cifar10 are cut to 256 and more; its largest input, of 64 test
# images, is 80.
_LEAST_BOUND, _MOST_BOUND = 2.0**6, 2.0**16


def exact_weights(network: keras.layers.Layer) -> list[tf.Tensor]:
    """The weights for `using_weights` in exact arithmetic: float64, on the grid.

    They are in the order of the network's `weights`. In the place of every v stands the
    kernel, and in the place of g the bound to which the layer cuts its input.

    Raises:
      InputError: the sums of a layer may be too large to be exact even of inputs below
        64, or a weight is too large or not finite.
    """
    exact: dict[int, np.ndarray] = {}
    names = {id(weight): name for name, weight in named_weights(network).items()}
    for variable in network.weights:
        value = value_of(variable).numpy()
        if not np.abs(value).max(initial=0) <= LARGEST_SUM:
            raise InputError(
                f"`{names[id(variable)]}` must be at most {LARGEST_SUM:.0f} for exact "
                f"arithmetic; got {np.abs(value).max()}."
            )
        exact[id(variable)] = _on_grid(value.astype(np.float64))
    for layer in all_layers(network):
        if isinstance(layer, WeightNormLayer):
            kernel = _kernel(layer)
            bound = _bound(names[id(layer.v)], layer, kernel, exact[id(layer.b)])
            exact[id(layer.v)] = kernel
            exact[id(layer.g)] = np.full(layer.g.shape, bound)
    return [tf.constant(exact[id(variable)]) for variable in network.weights]


@contextlib.contextmanager
def computing_exactly(
    network: keras.layers.Layer, weights: Sequence[tf.Tensor]
) -> Iterator[None]:
    """Within this context the network computes in exact arithmetic, in this thread.

    Its parts that draw from q(z|x) cannot: they are the encoder's choice alone.

    Args:
      network: a network.
      weights: its `exact_weights`.
    """
    with using_weights(network, weights), using_arithmetic(EXACT):
        yield


def _kernel(layer: WeightNormLayer) -> np.ndarray:
    """gain * v / ||v|| on the grid, in v's shape."""
    v = value_of(layer.v).numpy().astype(np.float64)
    if layer.mask is not None:
        v = v * layer.mask
    gain = value_of(layer.g).numpy().astype(np.float64)
    if layer.gain == "exponential":
        gain = fixed_point.exp(tf.constant(_on_grid(gain))).numpy()
    # Squares of float32 are exact in float64, and `fsum` rounds their sum once.
    (kept,) = set(range(4)) - set(layer.norm_axes)
    rows = np.moveaxis(np.square(v), kept, 0).reshape(v.shape[kept], -1)
    square_norm = np.array([math.fsum(row) for row in rows.tolist()])
    # The same floor as in `normalized_kernel`.
    norm = np.sqrt(np.maximum(square_norm, 1e-12))
    return _on_grid(v / _along(kept, norm) * _along(layer.out_axis, gain))


def _along(axis: int, values: np.ndarray) -> np.ndarray:
    """values [n] in the shape of a kernel that is 1 but for n along an axis."""
    return values.reshape([-1 if i == axis else 1 for i in range(4)])


def _on_grid(x: np.ndarray) -> np.ndarray:
    """As `fixed_point.to_grid`."""
    return np.floor(x * 2.0**fixed_point.GRID_BITS + 0.5) * 2.0**-fixed_point.GRID_BITS


def _bound(
    name: str, layer: WeightNormLayer, kernel: np.ndarray, bias: np.ndarray
) -> float:
    """The power of two to which the layer cuts its input, so that its sums are exact.

    Raises:
      InputError: it would be below 64.
    """
    axes = tuple(axis for axis in range(4) if axis != layer.out_axis)
    # Exact in any order: a sum of multiples of 2**-16 that is far below 2**37.
    by_output = np.abs(kernel).sum(axes)
    for bound in 2.0 ** np.arange(np.log2(_MOST_BOUND), np.log2(_LEAST_BOUND) - 1, -1):
        if (by_output * bound + np.abs(bias)).max() <= LARGEST_SUM:
            return bound
    raise InputError(
        f"`{name}` must make kernels whose absolute values add up to at most "
        f"{LARGEST_SUM / _LEAST_BOUND:.0f} for exact arithmetic; got "
        f"{by_output.max():.4g}."
    )
