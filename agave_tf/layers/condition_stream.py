"""The condition of the PixelCNN++: a stream of ordinary convolutions of f(z).

Lucas & Verbeek 2018, section 3.
"""

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.convolution import enlarge
from agave_tf.layers.weight_norm import WeightNormConv2D
from agave_tf.weights.in_use import arithmetic_in_use


class ConditionStream(BaseLayer):
    """Ordinary convolutions of f(z), one 3x3 residual layer per PixelCNN++ layer.

    It halves and doubles its size where the PixelCNN++ does; on the way back it adds
    its own features of that resolution from the way down. The paper gives no details;
    residual connections and elu are ours, because a plain chain of 6 * num_resnets + 2
    convolutions trains badly.

    f(z) at the image's size [B,H,W,c] -> features [B,h_i,w_i,F] of PixelCNN++ layer i.

    Args:
      layers_at: number of PixelCNN++ layers at each resolution, from the finest down to
        the coarsest and back.
      in_channels: c.
      filters: F.
      name: of the layer.
    """

    def __init__(self, layers_at: list[int], in_channels: int, filters: int, name: str):
        super().__init__(name)
        self.num_resolutions = len(layers_at) // 2
        self.first = WeightNormConv2D(in_channels, filters, (3, 3), name="first")
        self.shrink = [
            WeightNormConv2D(filters, filters, (3, 3), 2, name=f"shrink_{i}")
            for i in range(self.num_resolutions - 1)
        ]
        self.convolutions = [
            [
                WeightNormConv2D(
                    filters, filters, (3, 3), init_scale=0.1, name=f"conv_{stage}_{i}"
                )
                for i in range(num_layers)
            ]
            for stage, num_layers in enumerate(layers_at)
        ]
        self.built = True

    def call(self, f_z: tf.Tensor) -> list[tf.Tensor]:
        h, elu = self.first(f_z), arithmetic_in_use().elu
        features, at_resolution = [], []
        for stage, convolutions in enumerate(self.convolutions):
            if 0 < stage < self.num_resolutions:
                at_resolution.append(h)
                h = self.shrink[stage - 1](elu(h))
            elif stage > self.num_resolutions:
                h = enlarge(h, 2) + at_resolution.pop()
            for convolution in convolutions:
                h += convolution(elu(h))
                features.append(h)
        return features
