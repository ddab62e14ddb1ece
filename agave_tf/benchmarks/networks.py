"""The models that are measured, and counts of their arithmetic operations."""

import math
import statistics
import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.models.image_model import ImageModel
from agave_tf.randomness import ImageDraws, seed_tensor
from agave_tf.runs.stages import STAGES, Stage
from agave_tf.settings.config import (
    ComputeConfig,
    Config,
    IAFVAEConfig,
    PixelCNNConfig,
    TrainConfig,
)
from agave_tf.weights.in_use import using_weights
from agave_tf.weights.skeletons import skeleton_of

# Networks of the paper's size, of a size between, and as in flags/small.flags.
FULL = PixelCNNConfig()
SMALL = PixelCNNConfig(num_resnets=2, num_filters=64)
PRESET = PixelCNNConfig(num_resnets=1, num_filters=32, num_mixtures=5, dropout_rate=0)

PIXEL_CNNS = {"preset": PRESET, "small": SMALL, "full": FULL}


class Model(NamedTuple):
    """A model to measure.

    stage: the stage that trains it.
    pixel_cnn: settings of the PixelCNN++.
    batch: batch size that suits two CPU cores.
    vae: settings of the VAE, in stages that have one.
    """

    stage: Stage
    pixel_cnn: PixelCNNConfig
    batch: int
    vae: IAFVAEConfig = IAFVAEConfig()

    def config(self, **compute: Any) -> Config:
        """Returns the whole configuration.

        Args:
          **compute: settings of `ComputeConfig`.
        """
        return Config(
            vae=self.vae,
            pixel_cnn=self.pixel_cnn,
            train=TrainConfig(batch_size=self.batch, warmup_steps=0),
            compute=ComputeConfig(**compute),
        )

    def make(self, config: Config, size: int) -> ImageModel:
        """Makes the model, with random weights, for RGB images of `size` x `size`."""
        return self.stage.model_class(config.model, (size, size, 3))


_ALONE, _JOINT = STAGES["pretrain_pixel_cnn"], STAGES["joint"]

MODELS = {
    "preset": Model(_JOINT, PRESET, batch=32, vae=IAFVAEConfig(32, 8, 1, 4)),
    "small": Model(_ALONE, SMALL, batch=16),
    "full": Model(_ALONE, FULL, batch=4),
    "small_agave": Model(_JOINT, SMALL, batch=16, vae=IAFVAEConfig(64, 16, 1, 6)),
    "full_agave": Model(_JOINT, FULL, batch=4),
}

# Settings of `ComputeConfig` to compare, by name.
COMPUTES: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32_jit": {"jit_compile": True},
    "float32_recompute": {"recompute": True},
    "float32_accumulate": {"accumulate_steps": 4},
    "bfloat16": {"compute_dtype": "bfloat16"},
    "bfloat16_jit": {"compute_dtype": "bfloat16", "jit_compile": True},
}


def random_images(count: int, size: int) -> Images:
    """Returns images of uniform noise, which cost as much as real ones."""
    shape = (count, size, size, 3)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Images(image, None)


def count_gigaflop(network: ImageModel, batch: int) -> float:
    """Counts the operations of a forward pass, in 1e9.

    Only convolutions and matrix products count.
    """
    # Not within a tf.function: there layers of one kind share one function, whose
    # operations TensorFlow's profiler does not see.
    skeleton = skeleton_of(network)
    with tf.Graph().as_default() as graph:
        placeholder = tf.compat.v1.placeholder
        weights = [placeholder(tf.float32, w.shape) for w in skeleton.weights]
        image = placeholder(tf.uint8, [batch, *network.image_shape])
        with using_weights(skeleton, weights):
            skeleton.terms(image, ImageDraws(seed_tensor(0), tf.range(batch)))
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return profiler.profile(graph, options=options).total_float_ops / 1e9


def count_nodes(graph: tf.Graph) -> int:
    """Counts the nodes of a graph and of the functions that it calls, each once."""
    definition = graph.as_graph_def()
    functions = definition.library.function
    return len(definition.node) + sum(len(function.node_def) for function in functions)


def peak_gigaflops(dtype: str, size: int = 2048, repeats: int = 5) -> float:
    """Measures the speed of a product of square matrices on this machine.

    Args:
      dtype: the type of the matrices, such as float32.
      size: rows and columns of the matrices.
      repeats: products to take the median of.

    Returns:
      Floating-point operations in 1e9 per second.
    """
    matrix = tf.cast(tf.random.uniform([size, size]), dtype)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * math.pow(size, 3) / statistics.median(seconds) / 1e9
