"""A TensorBoard profile of a range of a run's steps."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


class Profiler:
    """Records the training steps from `first` to `last`, both included.

    Args:
      directory: where the profile goes, with the run's summaries; None: nowhere, for
        processes that make their steps with another one that records them.
      steps: (first, last), from 1; (0, 0) for no profile.
    """

    def __init__(self, directory: str | None, steps: tuple[int, int]):
        self._directory = directory
        self._before, self._last = steps[0] - 1, steps[1]
        self._is_on = False

    def steps_until_change(self, step: int) -> list[int]:
        """Steps that are left before recording begins, and before it ends."""
        return [at - step for at in (self._before, self._last) if at > step]

    @contextlib.contextmanager
    def around(self, step: int, count: int) -> Iterator[None]:
        """A context for a call that makes the `count` steps after `step`."""
        is_due = self._before <= step < self._last and not self._is_on
        if is_due and self._directory is not None:
            tf.profiler.experimental.start(self._directory)
            self._is_on = True
        yield
        if self._is_on and step + count >= self._last:
            tf.profiler.experimental.stop()
            self._is_on = False
