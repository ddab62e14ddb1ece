"""Passes of a tiny AGAVE in exact arithmetic; as a script, digests of what they give.

    python tests/exact_passes.py [--threads=N]

The same digests must come from every machine and setting; that of floats need not.
"""

import hashlib
import sys
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.arithmetic import fixed_point
from agave_tf.arithmetic.exact_arithmetic import EXACT
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from agave_tf.layers.causal_memory import with_columns
from agave_tf.layers.causal_streams import SideInputs, Streams
from agave_tf.layers.exact_weights import computing_exactly, exact_weights
from agave_tf.models.agave import AGAVE
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.sampling.cached import pixels_in_order
from agave_tf.settings.config import config_from_settings
from agave_tf.weights.in_use import arithmetic_in_use, using_arithmetic
from agave_tf.weights.named_weights import named_weights
from agave_tf.weights.skeletons import function_of_weights

SETTINGS = {
    "hidden_channels": 6,
    "z_channels": 2,
    "num_resolutions": 2,
    "num_layers_per_resolution": 1,
    "num_resnets": 1,
    "num_pixel_cnn_resolutions": 2,
    "num_filters": 4,
    "num_mixtures": 3,
}


def exact_model(size=(5, 7), channels=3, kind=AGAVE, **settings) -> AutoregressiveModel:
    """A model whose weights are drawn by NumPy, as no initialisation is exact."""
    config = config_from_settings({**SETTINGS, **settings})
    model = kind(config.model, (*size, channels))
    rng = np.random.default_rng(0)
    for name, variable in named_weights(model).items():
        drawn = rng.normal(size=variable.shape)
        linear = 1 + drawn / 4 if name.startswith("pixel_cnn") else drawn / 4
        values = {"v": drawn / 20, "g": linear}.get(variable.name, drawn / 8)
        variable.assign(values.astype(np.float32))
    return model


class Inputs(NamedTuple):
    """The inputs of all passes, of B images."""

    level: np.ndarray  # int32 [B,H,W,C]
    noise: list[np.ndarray]  # of every level of z, on the grid
    label: np.ndarray | None  # int32 [B]


def inputs_of(model: AutoregressiveModel, batch: int) -> Inputs:
    """Random inputs, of which the first rows are the same for every batch."""

    def draw(i: int, image: int) -> np.random.Generator:
        return np.random.default_rng([i, image])

    def stacked(draw_one):
        return np.stack([draw_one(image) for image in range(batch)])

    level = stacked(lambda i: draw(0, i).integers(0, 256, model.image_shape))
    noise = [
        stacked(lambda i, n=n, s=shape: draw(n + 1, i).normal(size=s).round(3))
        for n, shape in enumerate(model.latent_shapes)
    ]
    label = np.arange(batch, dtype=np.int32) % (model.num_classes or 1)
    return Inputs(level.astype(np.int32), noise, label if model.num_classes else None)


def f_z_of(model: AutoregressiveModel, noise: list[tf.Tensor]) -> tf.Tensor:
    """f(z) of z ~ p(z); zeros for a model without z."""
    if not noise:
        return arithmetic_in_use().zeros([1, *model.f_z_shape])
    real = model.real_cells(model.image_shape[:2])
    return model.vae.sample_prior(list(map(tf.convert_to_tensor, noise)), real).f_z


def parallel(
    model: AutoregressiveModel, inputs: Inputs
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """f(z), the mixtures' parameters [B,H,W,P], and the slots of the levels."""
    f_z = f_z_of(model, inputs.noise)
    x = arithmetic_in_use().from_levels(model.pad(inputs.level))
    parameters = model.pixel_cnn(x, model.condition(f_z), inputs.label)
    height, width, _ = model.image_shape
    parameters = parameters[:, :height, :width]
    slots = model.pixel_cnn.likelihood(parameters).slots(inputs.level)
    return f_z, parameters, slots.start, slots.end


class _GivenPixels:
    """Gives `pixels_in_order` an image, and keeps what the network makes of it."""

    def __init__(self, x: tf.Tensor, num_parameters: int):
        self._x, self._num_parameters = x, num_parameters

    @property
    def batch_size(self) -> int:
        return self._x.shape[0]

    def first_state(self) -> list[tf.Tensor]:
        shape = [self.batch_size, 1, self._x.shape[1], self._num_parameters]
        return [arithmetic_in_use().zeros(shape)]

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        own = likelihood.parameters["parameters"][:, None, None]
        return self._x[:, position], [with_columns(state[0], own, position)]


def sequential(
    model: AutoregressiveModel, inputs: Inputs
) -> tuple[tf.Tensor, tf.Tensor]:
    """f(z), and the parameters [B,H,W,P] of the cached sampler; in compiled code."""
    f_z = f_z_of(model, inputs.noise)
    height, width, channels = model.image_shape
    x = arithmetic_in_use().from_levels(inputs.level)
    x = tf.reshape(x, [-1, height * width, channels])
    pixel_cnn = model.pixel_cnn
    source = _GivenPixels(x, pixel_cnn.head.b.shape[0])
    condition = model.condition(f_z)
    _, (table,) = pixels_in_order(
        pixel_cnn, (height, width), source, condition, inputs.label
    )
    return f_z, tf.reshape(table, [-1, height, width, table.shape[-1]])


in_tensorflow = function_of_weights()(parallel)
in_xla = function_of_weights(jit_compile=True)(parallel)
in_order = function_of_weights(jit_compile=True)(sequential)


def digest(*values) -> str:
    """A digest of arrays."""
    content = b"".join(np.ascontiguousarray(value).tobytes() for value in values)
    return hashlib.sha256(content).hexdigest()[:16]


def digests() -> dict[str, str]:
    """What a whole network gives in TensorFlow, and one layer in XLA, by name.

    XLA compiles whole networks for too long; test_exact.py does so in one process.
    """
    model = exact_model((3, 4))
    inputs = inputs_of(model, batch=2)
    in_floats = inputs._replace(noise=[x.astype(np.float32) for x in inputs.noise])
    weights = exact_weights(model)
    found = {"weights": digest(*weights), "float": digest(*parallel(model, in_floats))}
    layer = model.pixel_cnn.stages[0][0]

    @tf.function(jit_compile=True, autograph=False)
    def in_xla(x: tf.Tensor) -> Streams:
        with computing_exactly(model, weights), using_arithmetic(EXACT.compiled):
            return layer(Streams(x, x), side=SideInputs(conditions=[x]))

    with computing_exactly(model, weights):
        found["exact"] = digest(*parallel(model, inputs))
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(2, 5, 7, model.pixel_cnn.config.num_filters)), 3)
    found["layer"] = digest(*in_xla(fixed_point.to_grid(tf.constant(x))))
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        count = int(argument.removeprefix("--threads="))
        tf.config.threading.set_intra_op_parallelism_threads(count)
    print(digests())
