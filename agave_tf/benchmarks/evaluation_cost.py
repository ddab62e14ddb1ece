"""Measures the cost of the importance-weighted bound, in forward passes."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import keras

from agave_tf.benchmarks.networks import forward_pass, make_network, random_images
from agave_tf.benchmarks.timing import (
    first_call_seconds,
    median_seconds,
    peak_extra_megabytes,
)
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.settings.benchmark import MODELS


class EvaluationCost(NamedTuple):
    """The cost of one batch; medians over repeated measurements."""

    model: str
    compute: str  # name of the settings in COMPUTES
    batch: int
    num_samples: int  # samples of z for each image
    seconds: float  # time of the bound
    forward_seconds: float  # time of one forward pass with one sample
    megabytes: float  # peak memory above the level before

    @property
    def forward_passes_per_sample(self) -> float:
        """The cost of one sample of z; 1 if it costs as much as a forward pass."""
        return self.seconds / self.num_samples / self.forward_seconds


def evaluation_costs(
    models: list[str],
    size: int,
    computes: dict[str, dict],
    samples: list[int],
    repeats: int,
) -> Iterator[EvaluationCost]:
    """Measures every model with all settings and numbers of samples.

    Args:
      models: keys of `MODELS`.
      size: side of the square images.
      computes: settings of `ComputeConfig`, by name.
      samples: numbers of samples of z.
      repeats: measurements of each, taken in turns.
    """
    for name in models:
        for compute_name, compute in computes.items():
            yield from _costs(name, compute_name, size, compute, samples, repeats)


def _costs(
    name: str,
    compute_name: str,
    size: int,
    compute: dict,
    samples: list[int],
    repeats: int,
) -> Iterator[EvaluationCost]:
    keras.utils.set_random_seed(0)
    model, batch = MODELS[name], MODELS[name].batch
    network = make_network(model, model.config(**compute), size)
    evaluator = Evaluator(network, batch)
    images = random_images(batch, size)
    functions = {0: forward_pass(network, images.array)}
    for count in samples:
        functions[count] = functools.partial(evaluator.scores, images, count)
    first_call_seconds(functions)  # Traces and compiles.
    seconds = median_seconds(functions, repeats)
    for count in samples:
        megabytes = peak_extra_megabytes(functions[count])
        yield EvaluationCost(
            name, compute_name, batch, count, seconds[count], seconds[0], megabytes
        )


EVALUATION_COLUMNS = {
    "model": "{0.model}",
    "computed": "{0.compute}",
    "batch": "{0.batch}",
    "samples": "{0.num_samples}",
    "s": "{0.seconds:.3f}",
    "one forward pass, s": "{0.forward_seconds:.3f}",
    "forward passes per sample": "{0.forward_passes_per_sample:.3f}",
    "MB": "{0.megabytes:.0f}",
}
