"""The gradient of the loss over a replica's share of a batch."""

from collections.abc import Callable

import tensorflow as tf

from agave_tf.data.batches import ImageBatch
from agave_tf.layers.weights_as_argument import using_weights
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_draws import ImageDraws
from agave_tf.models.objective import AGAVETerms, objective
from agave_tf.randomness import training_step_seed
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.training.flat_weights import WeightLayout

Gradient = tuple[tf.Tensor, AGAVETerms]


def make_gradient(
    network: AGAVE, stage: Stage, config: Config
) -> Callable[[tf.Tensor, ImageBatch, tf.Tensor], Gradient]:
    """Makes (weights, batch, step) -> a replica's part of gradient and mean terms.

    The sum of the parts over the replicas is the gradient of the loss, the mean over
    the global batch, with respect to the vector of weights, and the terms' means over
    the global batch in nats. With `accumulate_steps` the replica's images are processed
    in that many micro-batches, one after another, to the same result.

    Args:
      network: the network or its skeleton; its own weights are not read.
      stage: gives the weights of the terms.
      config: the settings of the run.
    """
    batch_size, seed = config.train.batch_size, config.train.seed
    auxiliary_weight = stage.auxiliary_weight(config)
    num_micro_batches = config.compute.accumulate_steps
    layout = WeightLayout(network)

    def of_micro_batch(
        vector: tf.Tensor, batch: ImageBatch, step: tf.Tensor
    ) -> Gradient:
        step_seed = training_step_seed(seed, step)
        draws = ImageDraws(step_seed, batch.row, num_rows=batch_size)
        with tf.GradientTape() as tape:
            tape.watch(vector)
            with using_weights(network, layout.split(vector)):
                terms = network.terms(batch.image, draws, batch.label)
            gain = objective(terms, auxiliary_weight, stage.kl_weight(config, step))
            loss = -tf.reduce_sum(gain) / batch_size
        # Weights that the objective does not depend on (the topmost up_out; in the
        # ablation log_scale) have gradient zero and keep their values.
        gradient = tape.gradient(loss, vector)
        return gradient, AGAVETerms(*(tf.reduce_sum(t, 0) / batch_size for t in terms))

    def of_all_micro_batches(
        vector: tf.Tensor, batch: ImageBatch, step: tf.Tensor
    ) -> Gradient:
        micro_batches = tf.nest.map_structure(
            lambda x: tf.reshape(x, [num_micro_batches, -1, *x.shape[1:]]), batch
        )

        def add_micro_batch(
            i: tf.Tensor, total: Gradient
        ) -> tuple[tf.Tensor, Gradient]:
            micro_batch = tf.nest.map_structure(lambda x: x[i], micro_batches)
            part = of_micro_batch(vector, micro_batch, step)
            return i + 1, tf.nest.map_structure(tf.add, total, part)

        _, total = tf.while_loop(
            lambda i, _: i < num_micro_batches,
            add_micro_batch,
            (0, (tf.zeros([layout.size]), no_terms(network))),
            parallel_iterations=1,
        )
        return total

    function = of_micro_batch if num_micro_batches == 1 else of_all_micro_batches
    if not config.compute.jit_compile:
        return function
    return tf.function(function, autograph=False, jit_compile=True)


def no_terms(model: AGAVE) -> AGAVETerms:
    """Terms that are zero, the start of a sum of batch means."""
    zero = tf.zeros([])
    return AGAVETerms(zero, zero, zero, zero, tf.zeros([model.num_levels]))
