"""The weights of a network by stable names, as they are stored and exchanged."""

import hashlib
import zipfile
from collections.abc import Mapping

import keras
import numpy as np

from agave_tf.errors import InputError, first_line
from agave_tf.layers.library_internals import child_layers


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


def read_weights(path: str) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file, by name.

    Raises:
      InputError: the file is missing, truncated, or of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"Weights must exist; there is no file {path}.") from error
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        reason = first_line(error)
        raise InputError(
            f"Weights must be a whole .npz file; {path} cannot be read ({reason})."
        ) from error


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
      InputError: a variable is missing, has another shape, or is unknown.
    """
    named = named_weights(layer)
    if unknown := sorted(set(weights) - set(named)):
        raise InputError(
            f"{source} has `{unknown[0]}`, which this model does not have."
        )
    for name, variable in named.items():
        if name not in weights:
            if may_miss is None or may_miss not in name.split("/"):
                raise InputError(f"{source} lacks `{name}`, which this model needs.")
        elif weights[name].shape != tuple(variable.shape):
            raise InputError(
                f"`{name}` must have shape {tuple(variable.shape)}; "
                f"{source} has {weights[name].shape}."
            )
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
