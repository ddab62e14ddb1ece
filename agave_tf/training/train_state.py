"""The variables that a training step changes and a checkpoint keeps."""

from contextlib import AbstractContextManager

import keras
import numpy as np
import tensorflow as tf

from agave_tf.models.image_model import ImageModel
from agave_tf.settings.config import Config, TrainConfig
from agave_tf.training.adamax import Adamax
from agave_tf.training.learning_rate import learning_rate
from agave_tf.training.moving_average import MovingAverage
from agave_tf.training.muon import Muon
from agave_tf.training.vector_optimizer import VectorOptimizer
from agave_tf.weights.in_use import using_weights
from agave_tf.weights.named_weights import named_weights
from agave_tf.weights.skeletons import skeleton_of
from agave_tf.weights.weight_vector import WeightLayout


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
        self.optimizer = self._make_optimizer(config.train, constant)
        self._stored_rate = _counter("stored_rate", tf.float32) if stores_rate else None
        self.average = MovingAverage(self.vector.value, config.train.average_decay)
        self.step = _counter("step")  # Also those whose update was skipped.
        self.skipped = _counter("skipped")
        self.skipped_in_a_row = _counter("skipped_in_a_row")
        self.mean_log_norm = _counter("mean_log_norm", tf.float32)

    def _make_optimizer(self, settings: TrainConfig, rate: float) -> VectorOptimizer:
        if settings.optimizer == "muon":
            return Muon(self.vector.value, rate, self.layout)
        return Adamax(self.vector.value, rate)

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
        optimizer = self.optimizer
        slots = [optimizer.iterations, *rate, optimizer.momentum, optimizer.norm]
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
