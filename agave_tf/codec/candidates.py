"""Noise that encoder and decoder share: the candidates of blocks of z.

It comes from the whole numbers of NumPy's Philox generator, whose stream NumPy
guarantees, and from a table, so it is the same on every machine; `standard_normal`
could change with NumPy. Philox counts, so a candidate is drawn without those before it:
the decoder draws one of each block.
"""

import threading
from collections.abc import Iterator

import numpy as np

from agave_tf.arithmetic.normal_table import normal_table

# Takes the place of a block's number for the dimensions that are in no block.
NO_BLOCK = 1 << 32
_ORDER = 1 << 63  # and for the order of a level's dimensions
# Candidates that an encoder keeps, in bytes; and those that it draws at a time.
_MOST_KEPT, _MOST_AT_A_TIME = 2**28, 2**26


def candidate(level: int, block: int, number: int, num_dims: int) -> np.ndarray:
    """Standard normal noise float32 [D] of one candidate of a block.

    Fewer dimensions are the first of more.

    Args:
      level: number of the level, from the top.
      block: number of the block.
      number: of the candidate.
      num_dims: D.
    """
    return _drawn(level, block, range(number, number + 1), num_dims)[0]


def shared_order(level: int, num_dims: int) -> np.ndarray:
    """A random order of the dimensions 0..D-1 of a level, int64 [D]."""
    bits = np.random.Philox(key=[level, _ORDER])
    # The keys have 64 random bits; `permutation` could change with NumPy.
    return np.argsort(bits.random_raw(num_dims), kind="stable")


class Candidates:
    """All candidates of blocks, for an encoder, which chooses among them.

    What it keeps is bounded, and so is what it draws at a time. Threads may share it.

    Args:
      count: K, candidates of a block.
    """

    def __init__(self, count: int):
        self._count = count
        self._kept: dict[tuple[int, int], np.ndarray] = {}
        self._lock = threading.Lock()

    def parts(self, level: int, block: int, num_dims: int) -> Iterator[np.ndarray]:
        """Yields the candidates in their order, float32 [k,D], as `candidate` does."""
        row = 4 * num_dims
        if self._count * row > _MOST_AT_A_TIME:
            step = max(1, _MOST_AT_A_TIME // row)
            for first in range(0, self._count, step):
                numbers = range(first, min(first + step, self._count))
                yield _drawn(level, block, numbers, num_dims)
            return
        with self._lock:
            known = self._table(level, block, num_dims)
        yield known[:, :num_dims]

    def _table(self, level: int, block: int, num_dims: int) -> np.ndarray:
        """All candidates of a block, of at least D dimensions, which are kept."""
        known = self._kept.pop((level, block), None)
        if known is None or known.shape[1] < num_dims:
            known = _drawn(level, block, range(self._count), num_dims)
            while self._kept and known.nbytes + self._num_bytes > _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))  # That was used longest ago.
        self._kept[level, block] = known
        return known

    @property
    def _num_bytes(self) -> int:
        return sum(table.nbytes for table in self._kept.values())


def _drawn(level: int, block: int, numbers: range, num_dims: int) -> np.ndarray:
    """Noise float32 [k,D] of the candidates of these numbers."""
    bits = np.random.Philox(key=[level, block])
    state = bits.state
    words = np.empty([len(numbers), -(-num_dims // 4)], "<u8")
    for row, number in zip(words, numbers, strict=True):
        # Each candidate has values of its own of the counter's second word.
        state["state"]["counter"][1] = number
        bits.state = state
        row[:] = bits.random_raw(len(row))
    return normal_table()[words.view("<u2")[:, :num_dims]]
