"""Optimizer steps over all replicas, several to a call."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from agave_tf.data.batches import ImageBatch
from agave_tf.models.objective import Terms
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.training.gradient import Gradient, make_gradient
from agave_tf.training.strategy import num_processes
from agave_tf.training.train_state import TrainState

# Decay of the running mean of the logarithm of the gradient's norm.
_NORM_DECAY = 0.99


class StepReport(NamedTuple):
    """The report of a call of several steps; `terms` and norm are of its last step."""

    terms: Terms  # batch means, nats
    gradient_norm: tf.Tensor  # [] of the loss, nats per image
    stop_votes: tf.Tensor  # [] float32, replicas whose process wants to stop


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


def skip_graph_optimizer_on_cpu() -> None:
    """Switches TensorFlow's graph optimizer (Grappler) off if there is no GPU.

    On a CPU it rewrites some ten thousand nodes before the first step, for seconds to a
    minute, and leaves a training step as fast as it was (docs/speed.md, Training).
    It is a setting of the whole process.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
