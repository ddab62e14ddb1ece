"""The weights of a network by stable names, as they are stored and exchanged."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import keras
import numpy as np

from agave_tf.checked_npz import ArrayForm, read_npz
from agave_tf.errors import InputError, cut
from agave_tf.weights.library_internals import child_layers


def named_weights(layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Every variable below `layer`, by the path of layer names that leads to it.

    For example "vae/level_0_1/flow/shift/g". Keras's own `Variable.path` lacks the
    enclosing layers of a variable made in a constructor, and its checkpoints name
    variables by position, which changes when a layer is inserted.
    """
    named = {
        f"{child.name}/{path}": variable
        for child in child_layers(layer)
        for path, variable in named_weights(child).items()
    }
    inner = {id(variable) for variable in named.values()}
    own = [variable for variable in layer.weights if id(variable) not in inner]
    named.update({variable.name: variable for variable in own})
    if len(named) != len(layer.weights):
        raise AssertionError(f"Two variables of {layer.name} share a name.")
    return named


def fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """Tells weights by name apart: equal for equal weights, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:16]


def read_weights(
    path: str, check: Callable[[Mapping[str, ArrayForm]], None] | None = None
) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file, by name.

    Args:
      path: the file.
      check: as `read_npz` takes it.

    Raises:
      InputError: the file is missing, damaged, or of another kind; a number is not
        finite; or `check` raises it.
    """
    try:
        weights = read_npz(path, check)
    except FileNotFoundError as error:
        raise InputError(f"Weights must exist; there is no file {path}.") from error
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise InputError(
                f"{path}: `{name}` must be finite numbers; it has NaN or infinity."
            )
    return weights


class HasForm(Protocol):
    """An array, a variable, or the shape and type of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""

    @property
    def dtype(self) -> Any:
        """The type of its numbers, as `np.dtype` takes it."""


def check_forms(
    weights: Mapping[str, HasForm],
    needed: Mapping[str, HasForm],
    source: str,
    may_miss: str | None = None,
) -> None:
    """Checks that weights are those of a network, by name, shape and type.

    Args:
      weights: those to set.
      needed: those of the network.
      source: the run or file that `weights` come from, for messages.
      may_miss: as `assign_weights` takes it.

    Raises:
      InputError: as `assign_weights`.
    """
    if unknown := sorted(set(weights) - set(needed)):
        raise InputError(
            f"{source} has `{cut(unknown[0])}`, which this model does not have."
        )
    for name, own in needed.items():
        if name not in weights:
            if may_miss is None or may_miss not in name.split("/"):
                raise InputError(f"{source} lacks `{name}`, which this model needs.")
            continue
        found = weights[name]
        if tuple(found.shape) != tuple(own.shape):
            raise InputError(
                f"`{name}` must have shape {tuple(own.shape)}; "
                f"{source} has {cut(str(found.shape))}."
            )
        if found.dtype != np.dtype(own.dtype):
            raise InputError(
                f"`{name}` must be of type {own.dtype}; {source} has {found.dtype}."
            )


def assign_weights(
    layer: keras.layers.Layer,
    weights: Mapping[str, np.ndarray],
    source: str,
    may_miss: str | None = None,
) -> None:
    """Sets every variable of `layer`; checks all arrays before it sets the first.

    Args:
      layer: the network to set.
      weights: arrays by the names of `named_weights`.
      source: the run or file they come from, for messages.
      may_miss: the name of a layer whose variables may be missing from `weights`; they
        then keep their values.

    Raises:
      InputError: a variable is missing, has another shape or type, or is unknown.
    """
    named = named_weights(layer)
    check_forms(weights, named, source, may_miss)
    for name, value in weights.items():
        named[name].assign(value)


def under(weights: Mapping[str, np.ndarray], layer_name: str) -> dict[str, np.ndarray]:
    """Selects the weights of one top-level layer, by their names below it."""
    prefix = f"{layer_name}/"
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
