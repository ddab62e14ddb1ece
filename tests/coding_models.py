"""Models to code small pictures with, which every process and machine makes alike."""

import dataclasses

import numpy as np
from exact_passes import exact_model

from agave_tf.codec.codec import Codec
from agave_tf.codec.one_size import no_progress
from agave_tf.models.agave import AGAVE
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.settings.coding import CodecSettings
from agave_tf.weights.named_weights import named_weights

SIZE = (4, 4)
# Batches of three images, or of one; the decoder has two lanes at a time, or one.
COUNT, LANES = 5, 3
SETTINGS = CodecSettings(lanes=LANES, index_bits=6, block_bits=6)
_NETWORK = {"num_pixel_cnn_resolutions": 1, "num_mixtures": 2}


def gray_model(
    size=SIZE, channels=3, kind=AGAVE, kl_shift=1.5, **settings
) -> AutoregressiveModel:
    """A model that expects levels of 127 and 128, and whose z costs some bits.

    A picture that `smooth` draws takes about half as many bytes as it has levels.
    """
    model = exact_model(size, channels=channels, kind=kind, **{**_NETWORK, **settings})
    weights = named_weights(model)
    mixtures = model.config.pixel_cnn.num_mixtures
    head = weights["pixel_cnn/head/b"].numpy() * 0
    head[mixtures:].reshape(channels, -1, mixtures)[:, 1] = -6  # Log-scales.
    weights["pixel_cnn/head/b"].assign(head)
    weights["pixel_cnn/head/g"].assign(weights["pixel_cnn/head/g"] * 0.01)
    for name, weight in weights.items():
        if name.endswith("up_in/b"):
            means = weight.numpy()
            means[:2] += kl_shift  # Of q(z|x).
            weight.assign(means)
        elif name.endswith("up_in/g"):
            weight.assign(weight + 2.0)  # So that q(z|x) depends on x.
    return model


def gray_codec(
    model: AutoregressiveModel | None = None, progress=no_progress, **settings
) -> Codec:
    """A codec of `gray_model`, with changes of SETTINGS."""
    changed = dataclasses.replace(SETTINGS, **settings)
    return Codec(model or gray_model(), changed, progress)


def smooth(count=COUNT, size=SIZE, channels=3, seed=0) -> np.ndarray:
    """Pictures uint8 [N,H,W,C] of about the gray that the models expect."""
    rng = np.random.default_rng(seed)
    return rng.integers(126, 130, (count, *size, channels), np.uint8)


def noise(count=1, size=SIZE, channels=3) -> np.ndarray:
    """Pictures uint8 [N,H,W,C] that the models would make larger than their pixels."""
    rng = np.random.default_rng(9)
    return rng.integers(0, 256, (count, *size, channels), np.uint8)
