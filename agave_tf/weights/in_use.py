"""The weights and the mode with which a layer computes: the only ambient state here.

`layer(x)` computes with the layer's own variables, in floats. Four contexts change
that, the first two for the layers of one network, and all for the code within them in
the same thread:

  - `using_weights`: tensors stand in for the variables. They are averages, parts of a
    vector, or arguments of a compiled function. A skeleton (skeletons.py) has no
    values of its own and computes only so.
  - `using_kernels`: the kernels of weight-normalised layers and their parts are given,
    not computed from v and g at every call.
  - `initializing`: a layer sets its weights from what it is given.
  - `using_arithmetic`: layers and likelihoods compute exactly
    (arithmetic/exact_arithmetic.py), with the weights that `using_weights` gives them.

A replica of a strategy runs in a thread of its own, and must enter the context itself.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import keras
import tensorflow as tf

from agave_tf.arithmetic.arithmetic import FLOAT, Arithmetic
from agave_tf.weights.library_internals import has_value

# A layer's kernel, `whole`, and the parts of it that the layer names.
KernelParts = Mapping[str, tf.Tensor]


@dataclasses.dataclass
class InitializingPass:
    """A pass through a network in which every layer that is called initialises itself.

    as_openai_iaf: as `data_dependent_initialization` takes it.
    num_layers: layers initialised so far; each adds itself.
    """

    as_openai_iaf: bool
    num_layers: int = 0


@dataclasses.dataclass(frozen=True)
class _InUse:
    """The state within the contexts above; the mappings are by `id`."""

    weights: Mapping[int, tf.Tensor] = dataclasses.field(default_factory=dict)
    kernels: Mapping[int, KernelParts] = dataclasses.field(default_factory=dict)
    initializing: InitializingPass | None = None
    arithmetic: Arithmetic = FLOAT


_in_use: contextvars.ContextVar[_InUse] = contextvars.ContextVar(
    "in_use",
    default=_InUse(),  # noqa: B039, it is frozen and never changed
)


@contextlib.contextmanager
def _using(state: _InUse) -> Iterator[None]:
    token = _in_use.set(state)
    try:
        yield
    finally:
        _in_use.reset(token)


def value_of(variable: keras.Variable) -> tf.Tensor:
    """The value of a weight: the tensor that stands in for it here, or its own.

    Raises:
      RuntimeError: the variable is a skeleton's, and no weights are given. Keras would
        return random numbers.
    """
    given = _in_use.get().weights.get(id(variable))
    if given is not None:
        return given
    if not has_value(variable):
        raise RuntimeError(
            f"A skeleton must be used within `using_weights`; its {variable.name} has "
            "no value."
        )
    return tf.convert_to_tensor(variable)


def weights_of(network: keras.layers.Layer) -> list[tf.Tensor]:
    """The values of the network's weights, in the order of its `weights`.

    Raises:
      RuntimeError: as `value_of`.
    """
    return [value_of(weight) for weight in network.weights]


@contextlib.contextmanager
def using_weights(
    network: keras.layers.Layer, weights: Sequence[tf.Tensor]
) -> Iterator[None]:
    """Within this context the network computes with `weights`, not with its own.

    Args:
      network: a network or skeleton.
      weights: tensors in the order of its `weights`.
    """
    before = _in_use.get()
    own = dict(zip(map(id, network.weights), weights, strict=True))
    # Kernels of other weights would be wrong here.
    kernels = {key: parts for key, parts in before.kernels.items() if key not in own}
    state = dataclasses.replace(
        before, weights={**before.weights, **own}, kernels=kernels
    )
    with _using(state):
        yield


def weights_are_given() -> bool:
    """Returns whether some network computes with other weights than its own here."""
    return bool(_in_use.get().weights)


@contextlib.contextmanager
def using_kernels(
    network: keras.layers.Layer, kernels: Mapping[int, KernelParts]
) -> Iterator[None]:
    """Within this context the network's layers convolve with these kernels.

    `using_weights` ends that for the weights it gives.

    Args:
      network: a network or skeleton.
      kernels: by the place of their v among the network's `weights`.
    """
    before, weights = _in_use.get(), network.weights
    own = {id(weights[place]): parts for place, parts in kernels.items()}
    with _using(dataclasses.replace(before, kernels={**before.kernels, **own})):
        yield


def kernels_of(network: keras.layers.Layer) -> dict[int, KernelParts]:
    """The kernels in use of a network, as `using_kernels` takes them."""
    kernels = _in_use.get().kernels
    return {
        place: kernels[id(weight)]
        for place, weight in enumerate(network.weights)
        if id(weight) in kernels
    }


def kernel_in_use(v: keras.Variable) -> KernelParts | None:
    """The kernel made of v and its parts that `using_kernels` gives, or None."""
    return _in_use.get().kernels.get(id(v))


@contextlib.contextmanager
def initializing(current: InitializingPass) -> Iterator[None]:
    """Within this context every layer that is called initialises itself."""
    with _using(dataclasses.replace(_in_use.get(), initializing=current)):
        yield


def pass_in_use() -> InitializingPass | None:
    """The pass that `initializing` began, or None."""
    return _in_use.get().initializing


@contextlib.contextmanager
def using_arithmetic(arithmetic: Arithmetic) -> Iterator[None]:
    """Within this context layers and likelihoods compute in this arithmetic."""
    with _using(dataclasses.replace(_in_use.get(), arithmetic=arithmetic)):
        yield


def arithmetic_in_use() -> Arithmetic:
    """The arithmetic of `using_arithmetic`; floats without it."""
    return _in_use.get().arithmetic
