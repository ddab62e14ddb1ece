"""Makes the models that are measured, and counts their arithmetic operations."""

import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.models.image_model import ImageModel
from agave_tf.randomness import ImageDraws, seed_tensor
from agave_tf.runs.stages import STAGES
from agave_tf.settings.benchmark import MeasuredModel
from agave_tf.settings.config import Config
from agave_tf.weights.in_use import using_weights
from agave_tf.weights.skeletons import skeleton_of


def make_network(model: MeasuredModel, config: Config, size: int) -> ImageModel:
    """Makes a model, with random weights, for RGB images of `size` x `size`."""
    return STAGES[model.stage].model_class(config.model, (size, size, 3))


def random_images(count: int, size: int) -> Images:
    """Returns images of uniform noise, which cost as much as real ones."""
    shape = (count, size, size, 3)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Images(image, None)


def forward_pass(
    network: ImageModel, image: np.ndarray, jit_compile: bool = False
) -> Callable[[], object]:
    """Makes a forward pass to be timed: every term of the objective, with noise.

    Args:
      network: the model.
      image: uint8 [B,H,W,C].
      jit_compile: compiles it by XLA.
    """
    index = tf.range(len(image))

    # All terms, because TensorFlow computes nothing that nobody reads; and a seed that
    # is no constant, because it draws the noise of one when it compiles.
    @tf.function(autograph=False, jit_compile=jit_compile or None)
    def terms(image: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        return list(network.terms(image, ImageDraws(seed, index)))

    arguments = (tf.constant(image), seed_tensor(0))
    return lambda: [nats.numpy() for nats in terms(*arguments)]


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
