"""Pictures drawn exactly from a tiny AGAVE; as a script, digests of them.

    python tests/exact_pictures.py [--threads=N]

The same digests must come from every machine and setting.
"""

import hashlib
import sys

import numpy as np
import tensorflow as tf
from exact_passes import exact_model

from agave_tf.models.agave import AGAVE
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.sampling.drawn import Drawn, SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.weights.named_weights import named_weights

# XLA takes twice as long for a network of two resolutions; exact_passes has one.
SETTINGS = {"num_pixel_cnn_resolutions": 1, "num_classes": 3}
LABEL = [2, 0, 1, 1, 0]


def picture_model(size=(3, 5), channels=3, kind=AGAVE, **settings):
    """A model whose weights are whole numbers of Philox, scaled: for ever the same."""
    model: AutoregressiveModel = exact_model(
        size, channels, kind, **{**SETTINGS, **settings}
    )
    bits = np.random.Philox(key=7)
    for variable in named_weights(model).values():
        whole = bits.random_raw(int(np.prod(variable.shape))) >> np.uint64(52)
        drawn = (whole.astype(np.float32) / 2048 - 1).reshape(variable.shape)
        scale = {"v": 1 / 8, "g": 1 / 2}.get(variable.name, 1 / 4)
        shift = 1.0 if variable.name == "g" else 0.0
        variable.assign(shift + scale * drawn)
    return model


def exact_sampler(model, batch_size=5) -> Sampler:
    """A sampler of exact pictures."""
    return Sampler(model, SamplingSettings(batch_size=batch_size, exact=True))


def digest(drawn: Drawn) -> str:
    """A digest of f(z) and of the finished images."""
    content = drawn.f_z.tobytes() + drawn.images.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        threads = int(argument.removeprefix("--threads="))
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    print(digest(exact_sampler(picture_model()).prior(5, label=LABEL)))
