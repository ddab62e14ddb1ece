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


def picture_model(size=(3, 4), channels=3, kind=AGAVE, **settings):
    """A model whose weights are whole numbers of Philox, scaled: for ever the same."""
    model: AutoregressiveModel = exact_model(size, channels, kind, **settings)
    bits = np.random.Philox(key=7)
    for variable in named_weights(model).values():
        whole = bits.random_raw(int(np.prod(variable.shape))) >> np.uint64(52)
        drawn = (whole.astype(np.float32) / 2048 - 1).reshape(variable.shape)
        scale = {"v": 1 / 8, "g": 1 / 2}.get(variable.name, 1 / 4)
        shift = 1.0 if variable.name == "g" else 0.0
        variable.assign(shift + scale * drawn)
    return model


def drawn_exactly(model, count=5, batch_size=5, seed=0, **arguments) -> Drawn:
    """Samples of the prior."""
    settings = SamplingSettings(seed=seed, batch_size=batch_size, exact=True)
    return Sampler(model, settings).prior(count, **arguments)


def digest(*arrays) -> str:
    """A digest of arrays."""
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        threads = int(argument.removeprefix("--threads="))
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    drawn = drawn_exactly(picture_model())
    print(digest(drawn.f_z, drawn.images))
