"""Optimizer steps over all replicas, several to a call."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from agave_tf.data.batches import ImageBatch
from agave_tf.models.image_model import ImageModel
from agave_tf.models.objective import Terms
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config, TrainConfig
from agave_tf.training.adamax import Adamax
from agave_tf.training.gradient import Gradient, make_gradient
from agave_tf.training.learning_rate import learning_rate
from agave_tf.training.moving_average import MovingAverage
from agave_tf.training.strategy import num_processes
from agave_tf.weights.in_use import using_weights
from agave_tf.weights.named_weights import named_weights
from agave_tf.weights.skeletons import skeleton_of
from agave_tf.weights.weight_vector import WeightLayout

# Decay of the running mean of the logarithm of the gradient's norm.
_NORM_DECAY = 0.99


class StepReport(NamedTuple):
    """The report of a call of several steps; `terms` and norm are of its last step."""

    terms: Terms  # batch means, nats
    gradient_norm: tf.Tensor  # [] of the loss, nats per image
    stop_votes: tf.Tensor  # [] float32, replicas whose process wants to stop


class TrainState(tf.Module):
    """The variables that a step changes and a checkpoint keeps.

    The weights are one vector; `network` is a skeleton, which computes with them or
    with their averages only where these are given to it. So nothing is exchanged within
    a network, and nothing of an evaluation can get into a checkpoint.

    Make it under the strategy's scope.

    Args:
      network: a network with the initial weights, or a skeleton: then they are zero,
        and a checkpoint must be restored.
      config: the settings of optimizer and averages.
      num_steps: steps of the stage, at whose end the learning rate's cool-down ends.
      stores_rate: whether checkpoints have a place for a constant learning rate, as
        they do for runs that were started without warm-up.
    """

    def __init__(
        self,
        network: ImageModel,
        config: Config,
        num_steps: int,
        stores_rate: bool = False,
    ):
        super().__init__(name="train_state")
        self.network = skeleton_of(network)
        self.layout = WeightLayout(network)
        initial = np.zeros(self.layout.size, np.float32)
        if network is not self.network:
            named = named_weights(network)
            initial = self.layout.vector({k: v.numpy() for k, v in named.items()})
        self.vector = keras.Variable(initial, dtype="float32", name="weights")
        rate = learning_rate(config.train, num_steps)
        # A schedule follows the steps. The optimizer would follow its updates, and with
        # skipped ones a cool-down would not reach its end.
        self._schedule = rate if callable(rate) else None
        constant = config.train.learning_rate if callable(rate) else rate
        self.optimizer = Adamax(self.vector.value, constant)
        self._stored_rate = _counter("stored_rate", tf.float32) if stores_rate else None
        self.average = MovingAverage(self.vector.value, config.train.average_decay)
        self.step = _counter("step")  # Also those whose update was skipped.
        self.skipped = _counter("skipped")
        self.skipped_in_a_row = _counter("skipped_in_a_row")
        self.mean_log_norm = _counter("mean_log_norm", tf.float32)

    def set_constant_rate(self, settings: TrainConfig) -> None:
        """Sets the learning rate, if it is constant, to that of the settings."""
        if settings.warmup_steps == settings.cooldown_steps == 0:
            self.optimizer.learning_rate.assign(settings.learning_rate)

    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._rate())

    def _rate(self) -> tf.Tensor:
        if self._schedule is None:
            return tf.convert_to_tensor(self.optimizer.learning_rate)
        return self._schedule(tf.convert_to_tensor(self.step))

    def checkpoint(self) -> tf.train.Checkpoint:
        """Everything that a resumed run needs."""
        # Their names in a checkpoint are their places in this list, as of version 0.1.
        rate = [] if self._stored_rate is None else [self._stored_rate]
        of_adamax = self.optimizer
        slots = [of_adamax.iterations, *rate, of_adamax.momentum, of_adamax.norm]
        return tf.train.Checkpoint(
            weights=self.vector.value,
            optimizer={f"{i}": slot for i, slot in enumerate(slots)},
            average=self.average.average,
            step=self.step,
            skipped=self.skipped,
            skipped_in_a_row=self.skipped_in_a_row,
            mean_log_norm=self.mean_log_norm,
        )

    def update(self, gradient: tf.Tensor) -> None:
        """Makes one update; call it in cross-replica context.

        Args:
          gradient: one vector, already summed over the replicas; a tensor, or one
            tensor for each replica of this process.
        """
        self.optimizer.update(gradient, self._rate())
        self.average.update(tf.convert_to_tensor(self.optimizer.iterations))

    def weights(self) -> dict[str, np.ndarray]:
        """The weights by name."""
        return self.layout.by_name(self.vector.numpy())

    def averaged_weights(self) -> dict[str, np.ndarray]:
        """The averages by the names of the weights."""
        return self.layout.by_name(self.average.average.numpy())

    def using_averages(self) -> AbstractContextManager:
        """A context in which `network` computes with the averages."""
        average = tf.constant(self.average.average.numpy())
        return using_weights(self.network, self.layout.split(average))


def _counter(name: str, dtype: tf.DType = tf.int64) -> tf.Variable:
    return tf.Variable(
        0,
        dtype=dtype,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        name=name,
    )


def make_train_steps(
    state: TrainState, stage: Stage, config: Config
) -> tf.types.experimental.PolymorphicFunction:
    """Makes (iterator of distributed batches, number of steps, votes) -> report.

    Gradients are of the mean over the global batch. Every random draw follows from the
    run's seed, the step and the image's row in the global batch, so the number of
    replicas changes nothing. An update is skipped and counted if its gradient or loss
    is not finite, or if its gradient is `explosion_factor` times as long as usual.
    After `max_skipped` skipped updates in a row no more steps are made.

    `votes`, float32, is 1 from each replica of a process that has been asked to stop.
    The sum reaches all processes at the same step, so that they can stop together.
    """
    strategy = tf.distribute.get_strategy()
    steps = _TrainSteps(state, stage, config, strategy)

    @tf.function(autograph=False)
    def train_steps(
        iterator: Iterator, num_steps: tf.Tensor, votes: tf.Tensor
    ) -> StepReport:
        terms, norm = steps.run(iterator, num_steps)
        votes = strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)
        return StepReport(terms, norm, votes)

    return train_steps


class _TrainSteps:
    """The steps of a stage, in the order in which they happen.

    Arguments as `make_train_steps` takes them, and the strategy of its scope.
    """

    def __init__(
        self,
        state: TrainState,
        stage: Stage,
        config: Config,
        strategy: tf.distribute.Strategy,
    ):
        self._state, self._train, self._strategy = state, config.train, strategy
        self._gradient = make_gradient(state.network, stage, config)

    def run(self, iterator: Iterator, num_steps: tf.Tensor) -> tuple[Terms, tf.Tensor]:
        """Makes steps; returns the terms and the gradient's norm of the last one."""
        state = self._state

        def goes_on(i: tf.Tensor, *_: Any) -> tf.Tensor:
            is_healthy = state.skipped_in_a_row < self._train.max_skipped
            return (i < num_steps) & is_healthy

        def one_more(i: tf.Tensor, *_: Any) -> tuple[tf.Tensor, Terms, tf.Tensor]:
            return i + 1, *self._step(next(iterator))

        first = (0, state.network.zero_terms(), tf.zeros([]))
        _, terms, norm = tf.while_loop(goes_on, one_more, first)
        return terms, norm

    def _step(self, batch: Any) -> tuple[Terms, tf.Tensor]:
        """One step: the gradient of all replicas, a judgement, perhaps an update."""
        state = self._state
        gradient, terms = self._strategy.run(self._summed_gradient, args=(batch,))
        # All replicas hold the same sums.
        terms = tf.nest.map_structure(self._first_replica, terms)
        norm = tf.norm(self._first_replica(gradient))
        is_good = _judge(state, norm, terms, self._train.explosion_factor)

        def update() -> bool:
            state.update(gradient)
            return True  # A branch of tf.cond must have a result.

        tf.cond(is_good, update, lambda: False)
        state.step.assign_add(1)
        return terms, norm

    def _summed_gradient(self, batch: ImageBatch) -> Gradient:
        """The gradient and the terms of the global batch, computed by a replica."""
        state, strategy = self._state, self._strategy
        # The batches of several processes come without a static shape.
        own_batch = self._train.batch_size // strategy.num_replicas_in_sync
        batch = ImageBatch(
            tf.ensure_shape(batch.image, [own_batch, *state.network.image_shape]),
            tf.ensure_shape(batch.label, [own_batch]),
            tf.ensure_shape(batch.row, [own_batch]),
        )
        vector = tf.convert_to_tensor(state.vector.value)
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, self._gradient(vector, batch, state.step)
        )

    def _first_replica(self, value: Any) -> tf.Tensor:
        return self._strategy.experimental_local_results(value)[0]


def all_agree(is_good: tf.Tensor) -> tf.Tensor:
    """Returns whether all processes judge so; call it in cross-replica context.

    Machines may compute the norm of one gradient with different last bits. If one made
    an update that another skipped, their weights would be different ever after.
    """
    strategy = tf.distribute.get_strategy()
    if num_processes(strategy) == 1:
        return is_good
    votes = strategy.run(lambda good: tf.cast(good, tf.float32), args=(is_good,))
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)
    return total == strategy.num_replicas_in_sync


def _judge(
    state: TrainState, norm: tf.Tensor, terms: Terms, explosion_factor: float
) -> tf.Tensor:
    """Decides whether to make an update with a gradient of this norm; keeps count."""
    is_good = tf.math.is_finite(norm)
    for term in terms:
        is_good &= tf.reduce_all(tf.math.is_finite(term))
    log_norm = tf.math.log(tf.maximum(norm, 1e-30))
    # Before the first update any norm is usual.
    has_mean = tf.convert_to_tensor(state.optimizer.iterations) > 0
    if explosion_factor:
        limit = state.mean_log_norm + tf.math.log(explosion_factor)
        is_good &= (log_norm <= limit) | ~has_mean
    is_good = all_agree(is_good)
    rate = tf.where(has_mean, 1 - _NORM_DECAY, 1.0)
    change = tf.where(is_good, rate * (log_norm - state.mean_log_norm), 0.0)
    state.mean_log_norm.assign_add(change)
    is_skipped = tf.cast(~is_good, tf.int64)
    state.skipped.assign_add(is_skipped)
    state.skipped_in_a_row.assign((state.skipped_in_a_row + 1) * is_skipped)
    return is_good
