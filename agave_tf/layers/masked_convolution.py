"""Masked convolutions of the inverse autoregressive flow.

Kingma et al. 2016 (IAF), after openai/iaf `tf_utils/layers.py`. The order is the
reverse of the PixelCNN's: each position sees itself, what is right of it in its row,
and all rows below; within a position channels are ordered in blocks.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.weight_norm import WeightNormConv2D


def channel_mask(in_channels: int, out_channels: int, strict: bool) -> np.ndarray:
    """The mask of a kernel's centre, [in,out]: 1 where an output sees an input channel.

    Channels fall into min(in, out) equal blocks; a block sees the blocks up to its own,
    or with `strict` the blocks before it.

    Raises:
      ValueError: neither count is a multiple of the other.
    """
    blocks = min(in_channels, out_channels)
    if in_channels % blocks or out_channels % blocks:
        raise ValueError(
            "`in_channels` and `out_channels` must be multiples one of the other; "
            f"got {in_channels} and {out_channels}."
        )
    in_block = np.arange(in_channels)[:, None] // (in_channels // blocks)
    out_block = np.arange(out_channels)[None, :] // (out_channels // blocks)
    sees = in_block < out_block if strict else in_block <= out_block
    return sees.astype(np.float32)


def convolution_mask(
    kernel_size: tuple[int, int], in_channels: int, out_channels: int, strict: bool
) -> np.ndarray:
    """The mask of a whole kernel, [kh,kw,in,out]."""
    height, width = kernel_size
    row, column = (height - 1) // 2, (width - 1) // 2
    mask = np.ones((height, width, in_channels, out_channels), np.float32)
    mask[:row] = 0
    mask[row, :column] = 0
    mask[row, column] = channel_mask(in_channels, out_channels, strict)
    return mask


class MaskedConv2D(WeightNormConv2D):
    """Autoregressive 3x3 convolution with exponential gain, [B,h,w,in] -> [B,h,w,out].

    Args:
      in_channels, filters, name: as WeightNormConv2D takes them.
      strict: whether an output's own channel block is hidden from it, as `channel_mask`
        takes it.
    """

    def __init__(
        self, in_channels: int, filters: int, strict: bool, name: str | None = None
    ):
        super().__init__(
            in_channels,
            filters,
            (3, 3),
            gain="exponential",
            mask=convolution_mask((3, 3), in_channels, filters, strict),
            name=name,
        )


class AutoregressiveOutput(NamedTuple):
    """The parameters of each latent's step, from the latents before it in the order."""

    shift: tf.Tensor  # [B,h,w,z_channels]
    log_scale: tf.Tensor  # [B,h,w,z_channels]


class AutoregressiveNetwork(BaseLayer):
    """Two masked hidden layers and two strictly masked outputs (`ar_multiconv2d`).

    Args:
      z_channels: channels of z and of both outputs.
      hidden_channels: channels of the hidden layers and of the context.
      num_hidden: number of hidden layers; the context is added before the first
        nonlinearity.
      name: of the layer.
    """

    def __init__(
        self,
        z_channels: int,
        hidden_channels: int,
        num_hidden: int = 2,
        name: str | None = None,
    ):
        super().__init__(name)
        widths = [z_channels] + [hidden_channels] * num_hidden
        self.hidden = [
            MaskedConv2D(widths[i], widths[i + 1], strict=False, name=f"hidden_{i}")
            for i in range(num_hidden)
        ]
        self.shift = MaskedConv2D(hidden_channels, z_channels, True, name="shift")
        self.log_scale = MaskedConv2D(
            hidden_channels, z_channels, True, name="log_scale"
        )
        self.built = True

    def call(self, z: tf.Tensor, context: tf.Tensor) -> AutoregressiveOutput:
        """Takes z [B,h,w,z_channels] and context [B,h,w,hidden_channels]."""
        h = tf.nn.elu(self.hidden[0](z) + context)
        for layer in self.hidden[1:]:
            h = tf.nn.elu(layer(h))
        return AutoregressiveOutput(self.shift(h), self.log_scale(h))
