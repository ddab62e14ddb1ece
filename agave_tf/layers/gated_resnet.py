"""The gated residual block of PixelCNN++ (Salimans et al. 2017, section 2.3).

After `gated_resnet` of openai/pixel-cnn `nn.py`.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.causal_memory import CausalMemory
from agave_tf.layers.weight_norm import WeightNormConv2D
from agave_tf.randomness import DropoutSeed
from agave_tf.weights.in_use import arithmetic_in_use, value_of


def concat_elu(x: tf.Tensor) -> tf.Tensor:
    """elu([x, -x]): doubles the channels (Shang et al. 2016 with elu for relu)."""
    return arithmetic_in_use().concat_elu(x)


# name: (function, channels out per channel in)
NONLINEARITIES: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], int]] = {
    "concat_elu": (concat_elu, 2),
    "elu": (lambda x: arithmetic_in_use().elu(x), 1),
    "relu": (lambda x: arithmetic_in_use().relu(x), 1),
}


def dropout(x: tf.Tensor, rate: float, seed: DropoutSeed) -> tf.Tensor:
    """Sets each entry to zero with probability `rate`, scales others by 1/(1-rate)."""
    is_kept = seed.is_kept(x.shape[1:], rate)
    return tf.where(is_kept, x / (1 - rate), 0.0)


class GatedResnet(BaseLayer):
    """Gated residual block.

    With f the nonlinearity:

        c1 = conv_in(f(x)) + skip_projection(f(skip))
        c2 = conv_out(dropout(f(c1))) + class_weights[label] + condition_projection(c)
        a, b = split(c2)
        y = x + a * sigmoid(b)

    x, y: [B,H,W,F]. skip: [B,H,W,skip_channels], a shortcut from another layer. label:
    one-hot vectors [B,num_classes]. c, the condition: [B,H,W,condition_channels]; its
    projection is an unmasked 1x1 convolution (van den Oord et al. 2016, Conditional
    PixelCNN, Eq. 5) that starts at zero, so attaching a condition to a trained network
    changes nothing at first.

    Args:
      conv: DownShiftedConv2D or DownRightShiftedConv2D.
      filters: F.
      skip_channels: channels of `skip`; 0: the block takes no skip.
      condition_channels: channels of the condition; 0: the block takes no condition.
      num_classes: length of the label vectors; 0: the block takes no label.
      nonlinearity: a key of NONLINEARITIES.
      dropout_rate: probability of zeroing an entry.
      name: of the layer.
    """

    def __init__(
        self,
        conv: type[WeightNormConv2D],
        filters: int,
        skip_channels: int = 0,
        condition_channels: int = 0,
        num_classes: int = 0,
        nonlinearity: str = "concat_elu",
        dropout_rate: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(name)
        self.dropout_rate = dropout_rate
        self.nonlinearity, expansion = NONLINEARITIES[nonlinearity]
        self.conv_in = conv(expansion * filters, filters, name="conv_in")
        self.skip_projection = None
        if skip_channels:
            self.skip_projection = WeightNormConv2D(
                expansion * skip_channels, filters, name="skip_projection"
            )
        # 0.1: each block starts close to the identity (openai/pixel-cnn).
        self.conv_out = conv(
            expansion * filters, 2 * filters, init_scale=0.1, name="conv_out"
        )
        self.class_weights = None
        if num_classes:
            self.class_weights = self.add_weight(
                shape=(num_classes, 2 * filters),
                initializer=keras.initializers.RandomNormal(stddev=0.05),
                name="class_weights",
            )
        self.condition_projection = None
        if condition_channels:
            self.condition_projection = WeightNormConv2D(
                condition_channels, 2 * filters, init_scale=0.0, name="condition"
            )
            self.condition_projection.g.assign(tf.zeros([2 * filters]))
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        skip: tf.Tensor | None = None,
        one_hot_label: tf.Tensor | None = None,
        condition: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
        memory: CausalMemory | None = None,
    ) -> tf.Tensor:
        """Computes y of the whole image, or with a memory of its next part.

        That is a row for DownShiftedConv2D and a pixel for DownRightShiftedConv2D; all
        inputs are then of that part.
        """
        c1 = self.conv_in(self.nonlinearity(x), memory=memory)
        c1 = self.nonlinearity(self._add_skip(c1, skip))
        if dropout_seed is not None and self.dropout_rate > 0:
            c1 = dropout(c1, self.dropout_rate, dropout_seed)
        c2 = self.conv_out(c1, memory=memory)
        c2 = self._add_outside(c2, one_hot_label, condition)
        a, b = tf.split(c2, 2, axis=-1)
        arithmetic = arithmetic_in_use()
        return x + arithmetic.times(a, arithmetic.sigmoid(b))

    def begin_row(
        self,
        memory: CausalMemory,
        skip: tf.Tensor | None = None,
        one_hot_label: tf.Tensor | None = None,
        condition: tf.Tensor | None = None,
    ) -> None:
        """Prepares a row of a down-right block, before its first pixel is drawn.

        Adds up all that does not depend on the row's own pixels. `call` then takes the
        pixels without the arguments given here.

        Args:
          memory: to read and update.
          skip: [B,1,W,skip_channels], or None.
          one_hot_label: [B,num_classes], or None.
          condition: [B,1,W,condition_channels], or None.
        """
        c1, c2 = self.conv_in.from_above(memory), self.conv_out.from_above(memory)
        self.conv_in.begin_row(self._add_skip(c1, skip), memory)
        self.conv_out.begin_row(self._add_outside(c2, one_hot_label, condition), memory)

    def _add_skip(self, c1: tf.Tensor, skip: tf.Tensor | None) -> tf.Tensor:
        if skip is None:
            return c1
        if self.skip_projection is None:
            raise ValueError("`skip` must be None for a block without skip_channels.")
        return c1 + self.skip_projection(self.nonlinearity(skip))

    def _add_outside(
        self,
        c2: tf.Tensor,
        one_hot_label: tf.Tensor | None,
        condition: tf.Tensor | None,
    ) -> tf.Tensor:
        if one_hot_label is not None:
            by_class = arithmetic_in_use().matmul(
                one_hot_label, value_of(self.class_weights)
            )
            c2 += tf.cast(by_class[:, None, None], c2.dtype)
        if condition is not None:
            if self.condition_projection is None:
                raise ValueError(
                    "`condition` must be None for a block without condition_channels."
                )
            c2 += self.condition_projection(condition)
        return c2
