"""Functions of a batch on all devices of a strategy, a share of the rows on each."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Replicas:
    """The devices of one process that evaluate together.

    Args:
      strategy: None: the present device alone, without any exchange.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None):
        self._strategy = strategy
        self.count = 1 if strategy is None else strategy.num_replicas_in_sync
        # Compiled once, because a strategy that runs eagerly is slow.
        self._compiled = functools.cache(self._compile)

    def split(self, rows: tf.Tensor) -> Any:
        """Gives each device its share of the rows [B,...]; B is a multiple."""
        if self._strategy is None or self.count == 1:
            return rows
        shares = tf.split(rows, self.count)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group]
        )

    def run(self, function: Callable, *arguments: Any) -> Any:
        """Calls a function on every device, with what `split` or `run` returned.

        Args:
          function: the same object at every call, or it is compiled again.
          *arguments: shares of the devices, or values that are the same for all.
        """
        if self.count == 1:
            return function(*arguments)
        return self._compiled(function)(*arguments)

    def join(self, shares: Any) -> tf.Tensor:
        """Puts the shares of a tensor together again, rows in their order."""
        if self._strategy is None or self.count == 1:
            return shares
        return tf.concat(self._strategy.experimental_local_results(shares), axis=0)

    def _compile(self, function: Callable) -> Callable:
        strategy = self._strategy
        assert strategy is not None  # `run` compiles only for several devices.
        return tf.function(
            lambda *arguments: strategy.run(function, args=arguments),
            autograph=False,
        )
