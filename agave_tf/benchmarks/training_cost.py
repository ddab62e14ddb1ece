"""Measures the speed of a training step and of a forward pass."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.benchmarks.networks import (
    MODELS,
    count_gigaflop,
    peak_gigaflops,
    random_images,
)
from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
)
from agave_tf.data.batches import training_batches
from agave_tf.models.agave import ImageDraws
from agave_tf.randomness import seed_tensor
from agave_tf.training.train_step import TrainState, make_train_steps

# More than a measurement makes, so that the batches do not run out.
_MANY_STEPS = 10**6


class TrainingCost(NamedTuple):
    """The speed of one model; medians over repeated measurements.

    The operations of a training step are taken to be those of three forward passes.
    """

    model: str
    compute: str  # name of the settings in COMPUTES
    batch: int
    step_images_per_second: float
    forward_images_per_second: float
    step_gigaflops: float
    forward_gigaflops: float
    forward_gigaflop: float  # operations for one image, in 1e9
    peak_gigaflops: float  # speed of a matrix product
    first_step_seconds: float  # the first step, with tracing and compilation
    step_megabytes: float  # peak memory above the level before


def training_costs(
    models: list[str], size: int, computes: dict[str, dict], repeats: int
) -> Iterator[TrainingCost]:
    """Measures every model with all settings.

    Args:
      models: keys of `MODELS`.
      size: side of the square images.
      computes: settings of `ComputeConfig`, by name.
      repeats: measurements of each, taken in turns.
    """
    for model in models:
        for name, compute in computes.items():
            yield _cost(model, name, size, compute, repeats)


def _cost(
    name: str, compute_name: str, size: int, compute: dict, repeats: int
) -> TrainingCost:
    keras.utils.set_random_seed(0)
    model, batch = MODELS[name], MODELS[name].batch
    config = model.config(**compute)
    network = model.make(config, size)
    state = TrainState(network, config)
    train_steps = make_train_steps(state, model.stage, config)
    images = random_images(4 * batch, size)
    batches = iter(training_batches(images, batch, 0, 0, _MANY_STEPS))
    image, index = tf.constant(images.image[:batch]), tf.range(batch)

    def forward(image: tf.Tensor) -> tf.Tensor:
        return network.terms(image, ImageDraws(seed_tensor(0), index))[0]

    compiled = tf.function(
        forward, autograph=False, jit_compile=config.compute.jit_compile or None
    )
    one_step = (batches, tf.constant(1), tf.constant(0))  # 0: nobody wants to stop.
    functions = {
        "step": lambda: train_steps(*one_step).gradient_norm.numpy(),
        "forward": lambda: compiled(image).numpy(),
    }
    first = first_call_seconds(functions)
    seconds = median_seconds(functions, repeats)
    gigaflop = count_gigaflop(forward, image)
    return TrainingCost(
        name,
        compute_name,
        batch,
        batch / seconds["step"],
        batch / seconds["forward"],
        3 * gigaflop / seconds["step"],
        gigaflop / seconds["forward"],
        gigaflop / batch,
        peak_gigaflops(config.compute.compute_dtype),
        first["step"],
        peak_extra_megabytes(functions["step"]),
    )


TRAINING_COLUMNS = {
    "model": "{0.model}",
    "computed": "{0.compute}",
    "batch": "{0.batch}",
    "step, images/s": "{0.step_images_per_second:.2f}",
    "forward, images/s": "{0.forward_images_per_second:.2f}",
    "step, GFLOP/s": "{0.step_gigaflops:.0f}",
    "forward, GFLOP/s": "{0.forward_gigaflops:.0f}",
    "forward, GFLOP/image": "{0.forward_gigaflop:.2f}",
    "matrix product, GFLOP/s": "{0.peak_gigaflops:.0f}",
    "first step, s": "{0.first_step_seconds:.0f}",
    "MB": "{0.step_megabytes:.0f}",
}
