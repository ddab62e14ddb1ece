"""The names of our variables in openai/pixel-cnn and openai/iaf."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import keras
import numpy as np

from agave_tf.errors import InputError
from agave_tf.layers.causal_streams import ResnetPair
from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.iaf_ladder_layer import IAFLadderLayer
from agave_tf.layers.weight_norm import WeightNormConv2DTranspose
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.models.iaf_vae import IAFVAE

# ln of the length of our axis of levels, 0..256; the axis of openai/iaf has length 1.
_LOG_LEVELS = math.log(256)


def pixel_cnn_variables(model: ConditionalPixelCNN) -> dict[str, keras.Variable]:
    """Our variables by their names in openai/pixel-cnn.

    The original numbers the layers of each type in the order of their calls.
    """
    counts: Counter = Counter()
    named = {}
    for kind, layer in _in_order_of_calls(model):
        scope = f"model/{kind}_{counts[kind]}"
        counts[kind] += 1
        if kind == "conditional_weights":
            named[f"{scope}/hw"] = layer.class_weights
        else:
            named.update(_weight_norm(scope, layer))
    return named


def _in_order_of_calls(
    model: ConditionalPixelCNN,
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields (type of layer in the original, layer)."""
    first = model.image_input
    for layer in (first.above, first.row_above, first.left):
        yield "conv2d", layer
    resizes = iter(model.resizes)
    for stage, pairs in enumerate(model.stages):
        if stage not in (0, model.num_resolutions):
            resize = next(resizes)
            for layer in (resize.down, resize.down_right):
                is_transposed = isinstance(layer, WeightNormConv2DTranspose)
                yield "deconv2d" if is_transposed else "conv2d", layer
        for pair in pairs:
            yield from _layers_of_pair(pair)
    yield "dense", model.head


def _layers_of_pair(pair: ResnetPair) -> Iterator[tuple[str, keras.layers.Layer]]:
    block: GatedResnet
    for block in (pair.down, pair.down_right):
        yield "conv2d", block.conv_in
        if block.skip_projection is not None:
            yield "dense", block.skip_projection
        yield "conv2d", block.conv_out
        if block.class_weights is not None:
            yield "conditional_weights", block


def iaf_vae_variables(vae: IAFVAE) -> dict[str, keras.Variable]:
    """Our variables by their names in openai/iaf.

    Raises:
      InputError: the network has no flow, but every level of the original has one.
    """
    if not vae.config.use_iaf:
        raise InputError("`use_iaf` must be true to use weights of openai/iaf.")
    named = _weight_norm("model/x_enc", vae.encoder_in)
    per_resolution = vae.config.num_layers_per_resolution
    for i, level in enumerate(vae.ladder):
        scope = f"model/IAF_{i // per_resolution}_{i % per_resolution}"
        named.update(_ladder_variables(scope, level))
    named["model/h_top"] = vae.h_top
    named["model/dec_log_stdv"] = vae.log_scale
    named.update(_weight_norm("model/x_dec", vae.decoder_out))
    return named


def _ladder_variables(scope: str, level: IAFLadderLayer) -> dict[str, keras.Variable]:
    layers = {
        "up_conv1": level.up_in,
        "up_conv3": level.up_out,
        "down_conv1": level.down_in,
        "down_deconv2" if level.downsample else "down_conv2": level.down_out,
    }
    for i, hidden in enumerate(level.flow.hidden):
        layers[f"ar_multiconv2d/layer_{i}"] = hidden
    layers["ar_multiconv2d/layer_out_0"] = level.flow.shift
    layers["ar_multiconv2d/layer_out_1"] = level.flow.log_scale
    return {
        name: variable
        for path, layer in layers.items()
        for name, variable in _weight_norm(f"{scope}/{path}", layer).items()
    }


def _weight_norm(scope: str, layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    return {f"{scope}/V": layer.v, f"{scope}/g": layer.g, f"{scope}/b": layer.b}


def to_ours(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Brings an array of the original, a variable or its gradient, into our layout.

    A dense layer of the original is a 1x1 convolution of ours. Its single scale of
    p(y|z) becomes one per channel; `assign_originals` also moves it from an axis of
    length 1 to ours of length 256, which would be wrong for a gradient.

    Args:
      name: the original's name of the variable.
      value: the original's array.
      shape: our variable's.
    """
    if name.endswith("/dec_log_stdv"):
        return np.full(shape, value)
    if value.ndim == 2 and len(shape) == 4:
        return value[None, None]
    return value


def assign_originals(
    named: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray]
) -> None:
    """Sets variables to the original's arrays, after checking all of them.

    Args:
      named: from `pixel_cnn_variables` or `iaf_vae_variables`.
      arrays: the original's arrays, by the same names.

    Raises:
      InputError: a variable is missing, unknown or of another shape; the message names
        the first.
    """
    if missing := sorted(set(named) - set(arrays)):
        raise InputError(f"The checkpoint lacks `{missing[0]}`, which the model needs.")
    if extra := sorted(set(arrays) - set(named)):
        raise InputError(
            f"The checkpoint has `{extra[0]}`, which the model does not have."
        )
    values = {}
    for name, variable in named.items():
        value, shape = np.asarray(arrays[name]), tuple(variable.shape)
        is_log_scale = name.endswith("/dec_log_stdv")
        if is_log_scale and value.ndim:
            raise InputError(
                f"`{name}` must be one number; the checkpoint has shape {value.shape}."
            )
        value = to_ours(name, value, shape)
        if value.shape != shape:
            raise InputError(
                f"`{name}` must have shape {shape}; the checkpoint has "
                f"{np.shape(arrays[name])}."
            )
        values[name] = value + _LOG_LEVELS if is_log_scale else value
    for name, value in values.items():
        named[name].assign(value)
