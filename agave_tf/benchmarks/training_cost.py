"""Measures the speed of a training step, a forward pass and the input pipeline."""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.benchmarks.networks import (
    count_gigaflop,
    count_nodes,
    forward_pass,
    make_network,
    peak_gigaflops,
    random_images,
)
from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
    seconds_since_process_start,
)
from agave_tf.data.batches import training_batches
from agave_tf.data.image_set import Images
from agave_tf.data.in_python import read_images
from agave_tf.models.image_model import ImageModel
from agave_tf.runs.stages import STAGES
from agave_tf.settings.benchmark import MODELS, MeasuredModel
from agave_tf.settings.config import Config
from agave_tf.training.train_state import TrainState
from agave_tf.training.train_step import make_train_steps, skip_graph_optimizer_on_cpu

# More steps than a measurement makes, so that the batches do not run out.
_MANY_STEPS = 10**6
# The size of a measurement of the input pipeline alone.
_INPUT_IMAGES, _INPUT_STEPS = 10_000, 200


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
    import_seconds: float  # from the start of the process to the first measurement
    layers_seconds: float  # making layers, weights and optimizer
    tracing_seconds: float  # from Python to a graph
    num_nodes: int  # of that graph, with its functions
    first_step_seconds: float  # the first step after tracing
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
    import_seconds = seconds_since_process_start()
    skip_graph_optimizer_on_cpu()
    for model in models:
        for name, compute in computes.items():
            yield _cost(model, name, size, compute, repeats, import_seconds)


def _cost(
    name: str,
    compute_name: str,
    size: int,
    compute: dict,
    repeats: int,
    import_seconds: float,
) -> TrainingCost:
    model, batch = MODELS[name], MODELS[name].batch
    config = model.config(**compute)
    started = time.perf_counter()
    network, functions, trace = _prepare(model, config, size)
    layers_seconds = time.perf_counter() - started
    started = time.perf_counter()
    num_nodes = count_nodes(trace())
    tracing_seconds = time.perf_counter() - started
    first = first_call_seconds(functions)
    seconds = median_seconds(functions, repeats)
    gigaflop = count_gigaflop(network, batch)
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
        import_seconds,
        layers_seconds,
        tracing_seconds,
        num_nodes,
        first["step"],
        peak_extra_megabytes(functions["step"]),
    )


def _prepare(
    model: MeasuredModel, config: Config, size: int
) -> tuple[ImageModel, dict[str, Callable], Callable[[], tf.Graph]]:
    """Makes the network, the functions to time, and one that traces a training step."""
    keras.utils.set_random_seed(0)
    network = make_network(model, config, size)
    state = TrainState(network, config, num_steps=0)
    train_steps = make_train_steps(state, STAGES[model.stage], config)
    images = random_images(4 * model.batch, size)
    batches = iter(training_batches(images, model.batch, 0, 0, _MANY_STEPS))
    image = images.array[: model.batch]
    one_step = (batches, tf.constant(1), tf.constant(0.0))  # 0: no request to stop.
    functions = {
        "step": lambda: train_steps(*one_step).gradient_norm.numpy(),
        "forward": forward_pass(network, image, config.compute.jit_compile),
    }
    return (
        network,
        functions,
        lambda: train_steps.get_concrete_function(*one_step).graph,
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
    "import, s": "{0.import_seconds:.1f}",
    "layers, s": "{0.layers_seconds:.1f}",
    "tracing, s": "{0.tracing_seconds:.1f}",
    "nodes": "{0.num_nodes}",
    "first step, s": "{0.first_step_seconds:.1f}",
    "MB": "{0.step_megabytes:.0f}",
}


class InputCost(NamedTuple):
    """The speed of the input pipeline for one batch size."""

    source: str  # "memory" or "cache"
    size: int  # side of the square images
    batch: int
    images_per_second: float


def input_costs(size: int, batches: list[int], repeats: int) -> list[InputCost]:
    """Measures the training batches alone, without a model, at every batch size.

    Args:
      size: side of the square images.
      batches: batch sizes.
      repeats: measurements of each, taken in turns.
    """
    in_memory = random_images(_INPUT_IMAGES, size)

    def read(images: Images, batch: int) -> None:
        for _ in training_batches(images, batch, 0, 0, _INPUT_STEPS):
            pass

    with tempfile.TemporaryDirectory() as directory:
        cached = read_images(in_memory.array, cache_dir=directory).train
        reads = {
            (source, batch): functools.partial(read, images, batch)
            for source, images in (("memory", in_memory), ("cache", cached))
            for batch in batches
        }
        seconds = median_seconds(reads, repeats)
    return [
        InputCost(source, size, batch, batch * _INPUT_STEPS / seconds[source, batch])
        for source, batch in reads
    ]


INPUT_COLUMNS = {
    "images in": "{0.source}",
    "size": "{0.size}",
    "batch": "{0.batch}",
    "images/s": "{0.images_per_second:.0f}",
}
