"""One case for every layer: how to make it, and the shapes it takes and gives.

A new layer gets a case here, and with it every check of tests/layers/test_layers.py.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.layers.causal_streams import ResizePair, ResnetPair, Streams
from agave_tf.layers.condition_stream import ConditionStream
from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.iaf_ladder_layer import IAFLadderLayer, LadderLayer
from agave_tf.layers.image_input import ImageInput
from agave_tf.layers.masked_convolution import AutoregressiveNetwork, MaskedConv2D
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownRightShiftedConv2DTranspose,
    DownShiftedConv2D,
    DownShiftedConv2DTranspose,
)
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose


class Case(NamedTuple):
    """A layer, and the shapes of its inputs and outputs."""

    make: Callable[[], keras.layers.Layer]
    input_shapes: list[tuple[int, ...]]
    output_shapes: list[tuple[int, ...]]


def _resnet_pair(has_skip: bool) -> keras.layers.Layer:
    pair = ResnetPair(3, has_skip, name="pair")
    if not has_skip:
        return OnTensors(lambda a, b: pair(Streams(a, b)), pair)
    return OnTensors(lambda a, b, c, d: pair(Streams(a, b), Streams(c, d)), pair)


def _conditioned_resnet() -> keras.layers.Layer:
    block = GatedResnet(DownRightShiftedConv2D, 3, condition_channels=4, name="block")
    # As if trained: the gain of a new condition is zero and lets nothing pass.
    block.condition_projection.g.assign(tf.ones([6]))
    return OnTensors(lambda x, condition: block(x, condition=condition), block)


def _ladder(downsample: bool, use_iaf: bool) -> keras.layers.Layer:
    kind = IAFLadderLayer if use_iaf else LadderLayer
    level = kind(6, 3, downsample, name="level")

    def both_ways(x_up, x_down, noise):
        bottom_up, h = level.bottom_up(x_up)
        sample = level.sample_posterior(x_down, bottom_up, noise)
        return h, sample.z, sample.kl, sample.features

    return OnTensors(both_ways, level)


def _resize_pair(enlarge: bool) -> keras.layers.Layer:
    pair = ResizePair(3, enlarge, name="pair")
    return OnTensors(lambda a, b: pair(Streams(a, b)), pair)


class OnTensors(keras.layers.Layer):
    """Wraps a layer that takes streams or named inputs, to be called with tensors."""

    def __init__(self, function, layer):
        super().__init__()
        self.function, self.layer = function, layer
        self.built = True

    def call(self, *inputs):
        return self.function(*inputs)


IMAGE = (2, 6, 8, 3)
HALF, DOUBLE = (2, 3, 4, 3), (2, 12, 16, 3)
HIDDEN, HALF_HIDDEN = (2, 6, 8, 6), (2, 3, 4, 6)

LAYER_CASES = {
    "conv": Case(lambda: WeightNormConv2D(3, 5, (3, 3)), [IMAGE], [(2, 6, 8, 5)]),
    "conv_exponential": Case(
        lambda: WeightNormConv2D(3, 5, (5, 5), 2, gain="exponential"),
        [IMAGE],
        [(2, 3, 4, 5)],
    ),
    "conv_1x1": Case(lambda: WeightNormConv2D(3, 5), [IMAGE], [(2, 6, 8, 5)]),
    "transpose": Case(
        lambda: WeightNormConv2DTranspose(3, 5, (3, 3), gain="exponential"),
        [IMAGE],
        [(2, 12, 16, 5)],
    ),
    "down": Case(lambda: DownShiftedConv2D(3, 4), [IMAGE], [(2, 6, 8, 4)]),
    "down_strided": Case(lambda: DownShiftedConv2D(3, 3, strides=2), [IMAGE], [HALF]),
    "down_right": Case(lambda: DownRightShiftedConv2D(3, 4), [IMAGE], [(2, 6, 8, 4)]),
    "down_transpose": Case(lambda: DownShiftedConv2DTranspose(3, 3), [IMAGE], [DOUBLE]),
    "down_right_transpose": Case(
        lambda: DownRightShiftedConv2DTranspose(3, 3), [IMAGE], [DOUBLE]
    ),
    "masked": Case(lambda: MaskedConv2D(3, 6, strict=False), [IMAGE], [(2, 6, 8, 6)]),
    "autoregressive": Case(
        lambda: AutoregressiveNetwork(3, 6), [IMAGE, (2, 6, 8, 6)], [IMAGE, IMAGE]
    ),
    "gated_resnet": Case(
        lambda: GatedResnet(DownShiftedConv2D, 3, skip_channels=4, num_classes=5),
        [IMAGE, (2, 6, 8, 4), (2, 5)],
        [IMAGE],
    ),
    "conditioned_resnet": Case(_conditioned_resnet, [IMAGE, (2, 6, 8, 4)], [IMAGE]),
    "image_input": Case(lambda: ImageInput(3, 4, "input"), [IMAGE], [(2, 6, 8, 4)] * 2),
    "resnet_pair": Case(lambda: _resnet_pair(False), [IMAGE] * 2, [IMAGE] * 2),
    "resnet_pair_skip": Case(lambda: _resnet_pair(True), [IMAGE] * 4, [IMAGE] * 2),
    "shrink": Case(lambda: _resize_pair(False), [IMAGE] * 2, [HALF] * 2),
    "enlarge": Case(lambda: _resize_pair(True), [IMAGE] * 2, [DOUBLE] * 2),
    "ladder": Case(
        lambda: _ladder(downsample=False, use_iaf=True),
        [HIDDEN, HIDDEN, IMAGE],
        [HIDDEN, IMAGE, IMAGE, HIDDEN],
    ),
    "ladder_without_flow": Case(
        lambda: _ladder(downsample=False, use_iaf=False),
        [HIDDEN, HIDDEN, IMAGE],
        [HIDDEN, IMAGE, IMAGE, HIDDEN],
    ),
    "ladder_downsampling": Case(
        lambda: _ladder(downsample=True, use_iaf=True),
        [HIDDEN, HALF_HIDDEN, HALF],
        [HALF_HIDDEN, HALF, HALF, HIDDEN],
    ),
    "condition_stream": Case(
        lambda: ConditionStream([1, 1, 1, 1, 2, 2], 3, 4, "condition"),
        [(2, 8, 12, 3)],
        [
            (2, 8, 12, 4),
            (2, 4, 6, 4),
            (2, 2, 3, 4),
            (2, 2, 3, 4),
            (2, 4, 6, 4),
            (2, 4, 6, 4),
            (2, 8, 12, 4),
            (2, 8, 12, 4),
        ],
    ),
}


def inputs_of(case: Case, seed: int = 0, batch: int | None = None) -> list[tf.Tensor]:
    """Draws standard normal inputs for a case."""
    return [
        tf.random.stateless_normal([batch or shape[0], *shape[1:]], [seed, i])
        for i, shape in enumerate(case.input_shapes)
    ]
