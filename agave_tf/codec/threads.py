"""The threads that coding computes with."""

import concurrent.futures
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import tensorflow as tf

A = TypeVar("A")
B = TypeVar("B")


def use_threads(count: int) -> None:
    """Computes on the CPU alone, with `count` threads; 0: as many as there are CPUs.

    Call it before TensorFlow computes.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(count)


def num_threads() -> int:
    """Threads that this process computes with."""
    count = tf.config.threading.get_intra_op_parallelism_threads()
    return count or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def thread_map() -> Iterator[Callable[[Callable[[A], B], Iterable[A]], Iterator[B]]]:
    """Gives `map` in as many threads as TensorFlow has for an operation.

    XLA's programs compute in one thread each. What they compute depends on no thread.
    After an error or an interrupt nothing more begins.
    """
    executor = concurrent.futures.ThreadPoolExecutor(num_threads())
    try:
        yield executor.map
    finally:
        executor.shutdown(cancel_futures=True)
