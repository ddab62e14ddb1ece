"""The gradient of a replica's share of a batch."""

from collections.abc import Callable

import tensorflow as tf

from agave_tf.data.batches import ImageBatch
from agave_tf.models.agave import AGAVE, ImageDraws
from agave_tf.models.objective import AGAVETerms, objective
from agave_tf.randomness import fold_in, seed_tensor
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.training.flat_weights import FlatWeights

Gradient = tuple[tf.Tensor, AGAVETerms]


def make_gradient(
    model: AGAVE, stage: Stage, config: Config
) -> Callable[[ImageBatch, tf.Tensor], Gradient]:
    """(batch, step) -> its part of the gradient and terms of the global batch.

    The sum over the replicas is the gradient of the loss, the mean over the global
    batch, by all trainable variables as one vector, and the mean terms in nats. With
    `accumulate_steps` the images are taken in so many portions, one after another, to
    the same result.
    """
    batch_size, seed = config.train.batch_size, config.train.seed
    auxiliary_weight = stage.auxiliary_weight(config)
    num_portions = config.compute.accumulate_steps
    variables = [variable.value for variable in model.trainable_variables]

    def of_portion(batch: ImageBatch, step: tf.Tensor) -> Gradient:
        step_seed = fold_in(seed_tensor(seed), step)
        draws = ImageDraws(step_seed, batch.row, num_rows=batch_size)
        with tf.GradientTape() as tape:
            terms = model.terms(batch.image, draws, batch.label)
            gain = objective(terms, auxiliary_weight, stage.kl_weight(config, step))
            loss = -tf.reduce_sum(gain) / batch_size
        # What the objective does not reach (nothing reads the topmost up_out; the
        # ablation has no use for log_scale) has gradient zero and stays as it is.
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        gradient = FlatWeights.flatten(gradients)
        return gradient, AGAVETerms(*(tf.reduce_sum(t, 0) / batch_size for t in terms))

    def of_all_portions(batch: ImageBatch, step: tf.Tensor) -> Gradient:
        portions = tf.nest.map_structure(
            lambda x: tf.reshape(x, [num_portions, -1, *x.shape[1:]]), batch
        )

        def add_portion(i: tf.Tensor, total: Gradient) -> tuple[tf.Tensor, Gradient]:
            portion = tf.nest.map_structure(lambda x: x[i], portions)
            part = of_portion(portion, step)
            return i + 1, tf.nest.map_structure(tf.add, total, part)

        size = sum(variable.shape.num_elements() for variable in variables)
        _, total = tf.while_loop(
            lambda i, _: i < num_portions,
            add_portion,
            (0, (tf.zeros([size]), no_terms(model))),
            parallel_iterations=1,
        )
        return total

    function = of_portion if num_portions == 1 else of_all_portions
    if not config.compute.jit_compile:
        return function
    return tf.function(function, autograph=False, jit_compile=True)


def no_terms(model: AGAVE) -> AGAVETerms:
    """Batch means of nothing, to begin a sum with."""
    num_levels = 0 if model.vae is None else len(model.vae.ladder)
    return AGAVETerms(*[tf.zeros([])] * 4, tf.zeros([num_levels]))
