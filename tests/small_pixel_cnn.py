"""PixelCNN++s small enough to look at every pixel, and images for them."""

import numpy as np
import tensorflow as tf

from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.settings.config import PixelCNNConfig


def small_pixel_cnn(
    channels: int = 3, f_z_channels: int = 0, **settings
) -> ConditionalPixelCNN:
    """An initialised PixelCNN++ with one resnet per stage and four filters."""
    settings = {"num_resnets": 1, "num_filters": 4, "num_mixtures": 2} | settings
    config = PixelCNNConfig(**settings)
    model = ConditionalPixelCNN(config, channels, f_z_channels=f_z_channels)
    # A network without classes ignores the label.
    label = tf.range(8) % max(1, config.num_classes)
    model.initialize(image_of(8, 8, channels, batch=8), label)
    return model


def image_of(
    height: int, width: int, channels: int, batch: int = 1, seed: int = 0
) -> tf.Tensor:
    """Uniform noise [B,H,W,C] in [-1,1]."""
    return tf.random.stateless_uniform(
        [batch, height, width, channels], [seed, 7], -1.0, 1.0
    )


def attach(model: ConditionalPixelCNN, f_z: tf.Tensor, factor: int = 1) -> None:
    """Sets a condition's gains as if it had been trained."""
    model.initialize_condition(f_z, factor)
    for stage in model.stages:
        for pair in stage:
            for block in (pair.down, pair.down_right):
                block.condition_projection.g.assign(
                    tf.ones(block.condition_projection.g.shape)
                )


def golden_pixel_cnn(
    resnets: int, filters: int, mixtures: int, classes: int = 0, dropout_rate=0.0
) -> ConditionalPixelCNN:
    """The network of a golden file, with weights as first drawn."""
    config = PixelCNNConfig(
        num_resnets=resnets,
        num_filters=filters,
        num_mixtures=mixtures,
        num_classes=classes,
        dropout_rate=dropout_rate,
    )
    return ConditionalPixelCNN(config, image_channels=3)


def golden_label(golden: dict[str, np.ndarray]) -> np.ndarray | None:
    """The classes in a golden file, int32 [B]; None where it has none."""
    for key in ("h", "h_init"):
        if key in golden:
            return golden[key].argmax(axis=1).astype(np.int32)
    return None
