"""One optimizer step over all replicas."""

from collections.abc import Callable

import keras
import tensorflow as tf

from agave_tf.agave import AGAVE, ImageDraws
from agave_tf.config import Config
from agave_tf.images import ImageBatch
from agave_tf.named_weights import named_weights
from agave_tf.objective import AGAVETerms, objective
from agave_tf.randomness import fold_in, seed_tensor
from agave_tf.training.moving_average import MovingAverage
from agave_tf.training.stages import Stage


def _learning_rate(
    config: Config,
) -> float | keras.optimizers.schedules.PolynomialDecay:
    """The learning rate, with its warm-up: a straight line, then constant."""
    rate, steps = config.train.learning_rate, config.train.warmup_steps
    if steps == 0:
        return rate
    return keras.optimizers.schedules.PolynomialDecay(rate / steps, steps, rate)


class TrainState(tf.Module):
    """What a step changes, and a checkpoint keeps. Make it under the strategy's scope.

    Args:
      model: initialised.
      config: for the optimizer and the averages.
    """

    def __init__(self, model: AGAVE, config: Config):
        super().__init__(name="train_state")
        self.model = model
        self.optimizer = keras.optimizers.Adamax(_learning_rate(config))
        self.optimizer.build(model.trainable_variables)
        self.average = MovingAverage(
            model.trainable_variables, config.train.average_decay
        )
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="step",
        )

    def checkpoint(self) -> tf.train.Checkpoint:
        """Everything a resumed run needs.

        Weights go in by name: tf.train.Checkpoint of a Keras 3 layer silently leaves
        out the layers it holds in lists.
        """
        weights = named_weights(self.model)
        slots = self.optimizer.variables
        return tf.train.Checkpoint(
            weights={name: weight.value for name, weight in weights.items()},
            optimizer={f"{i}": slot.value for i, slot in enumerate(slots)},
            averages=self.average.averages,
            step=self.step,
        )


def make_train_step(
    state: TrainState, stage: Stage, config: Config
) -> Callable[[ImageBatch], AGAVETerms]:
    """The compiled step: takes a distributed batch, returns the batch means in nats.

    Gradients are of the mean over the global batch; every random draw follows from the
    run's seed, the step and the image's row in the global batch, so the number of
    replicas changes nothing.
    """
    strategy = tf.distribute.get_strategy()
    model, batch_size = state.model, config.train.batch_size
    run_seed = config.train.seed

    def replica_step(batch: ImageBatch) -> AGAVETerms:
        seed = fold_in(seed_tensor(run_seed), state.step)
        draws = ImageDraws(seed, batch.row, num_rows=batch_size)
        with tf.GradientTape() as tape:
            terms = model.terms(batch.image, draws, batch.label)
            gain = objective(terms, stage.auxiliary_weight, stage.kl_weight(config))
            loss = -tf.reduce_sum(gain) / batch_size
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        # What the objective does not reach (nothing reads the topmost up_out; the
        # ablation has no use for log_scale) has gradient zero and stays as it is.
        state.optimizer.apply_gradients(
            (tf.zeros_like(variable) if gradient is None else gradient, variable)
            for gradient, variable in zip(gradients, variables, strict=True)
        )
        return AGAVETerms(*(tf.reduce_sum(term, axis=0) / batch_size for term in terms))

    @tf.function(autograph=False)
    def train_step(batch: ImageBatch) -> AGAVETerms:
        terms = strategy.run(replica_step, args=(batch,))
        state.step.assign_add(1)
        state.average.update(state.step)
        return AGAVETerms(
            *(strategy.reduce(tf.distribute.ReduceOp.SUM, t, axis=None) for t in terms)
        )

    return train_step
