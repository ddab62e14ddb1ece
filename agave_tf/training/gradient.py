"""The gradient of the loss over a replica's share of a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from agave_tf.data.batches import ImageBatch
from agave_tf.models.image_model import ImageModel
from agave_tf.randomness import ImageDraws, training_step_seed
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.weights.in_use import using_weights
from agave_tf.weights.weight_vector import WeightLayout


class Gradient(NamedTuple):
    """Sums over some images of a batch, divided by the number of all images in it."""

    vector: tf.Tensor  # [weights] of the loss, with respect to the vector of weights
    terms: Any  # of the objective, nats; the model's NamedTuple of scalars


class LossGradient:
    """Computes a replica's part of the gradient of the loss.

    The loss is minus the objective, averaged over the global batch; the parts of all
    replicas add up to its gradient. With `accumulate_steps` the replica's images are
    processed in that many micro-batches, one after another, to the same result.

    Args:
      network: the network or its skeleton; its own weights are not read.
      stage: gives the weights of the terms.
      config: the settings of the run.
    """

    def __init__(self, network: ImageModel, stage: Stage, config: Config):
        self._network, self._stage, self._config = network, stage, config
        self._layout = WeightLayout(network)

    def __call__(
        self, vector: tf.Tensor, batch: ImageBatch, step: tf.Tensor
    ) -> Gradient:
        """Computes the gradient of a replica's images at a step, from the weights."""
        num_micro_batches = self._config.compute.accumulate_steps
        if num_micro_batches == 1:
            return self._micro_batch(vector, batch, step)
        micro_batches = tf.nest.map_structure(
            lambda x: tf.reshape(x, [num_micro_batches, -1, *x.shape[1:]]), batch
        )

        def add(i: tf.Tensor, total: Gradient) -> tuple[tf.Tensor, Gradient]:
            micro_batch = tf.nest.map_structure(lambda x: x[i], micro_batches)
            part = self._micro_batch(vector, micro_batch, step)
            return i + 1, tf.nest.map_structure(tf.add, total, part)

        zero = Gradient(tf.zeros([self._layout.size]), self._network.zero_terms())
        _, total = tf.while_loop(
            lambda i, _: i < num_micro_batches, add, (0, zero), parallel_iterations=1
        )
        return total

    def _micro_batch(
        self, vector: tf.Tensor, batch: ImageBatch, step: tf.Tensor
    ) -> Gradient:
        train = self._config.train
        # Every draw follows from the seed, the step and the row in the global batch.
        step_seed = training_step_seed(train.seed, step)
        draws = ImageDraws(step_seed, batch.row, num_rows=train.batch_size)
        with tf.GradientTape() as tape:
            tape.watch(vector)
            with using_weights(self._network, self._layout.split(vector)):
                terms = self._network.terms(batch.image, draws, batch.label)
            gain = self._network.objective(
                terms,
                self._stage.auxiliary_weight(self._config),
                self._stage.kl_weight(self._config, step),
            )
            loss = -tf.reduce_sum(gain) / train.batch_size
        # Weights that the objective does not depend on (the topmost up_out; in the
        # ablation log_scale) have gradient zero and keep their values.
        means = (tf.reduce_sum(term, 0) / train.batch_size for term in terms)
        return Gradient(tape.gradient(loss, vector), type(terms)(*means))


def make_gradient(
    network: ImageModel, stage: Stage, config: Config
) -> Callable[[tf.Tensor, ImageBatch, tf.Tensor], Gradient]:
    """Makes the LossGradient, compiled by XLA if the settings ask for it."""
    gradient = LossGradient(network, stage, config)
    if not config.compute.jit_compile:
        return gradient
    return tf.function(gradient.__call__, autograph=False, jit_compile=True)
