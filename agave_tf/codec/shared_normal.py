"""Normal numbers that encoder and decoder share, the same on every machine.

They come from the whole numbers of NumPy's Philox generator, whose stream NumPy
guarantees, and from a table. Numbers made by `standard_normal` could change with NumPy.
"""

import functools
import statistics

import numpy as np

_TABLE_BITS = 16


@functools.cache
def normal_table() -> np.ndarray:
    """65,536 equally likely values of a standard normal number, float32, rising.

    They are rounded to multiples of 2**-14, so that they do not depend on the last bits
    of a machine's logarithm.
    """
    size = 1 << _TABLE_BITS
    inverse = statistics.NormalDist().inv_cdf
    upper = [inverse((i + 0.5) / size) for i in range(size // 2, size)]
    half = np.round(np.array(upper) * 2**14) / 2**14
    return np.concatenate([-half[::-1], half]).astype(np.float32)


def shared_normal(level: int, block: int, shape: tuple[int, int]) -> np.ndarray:
    """Standard normal numbers float32 [D,N] of one block of a level of latents.

    Fewer rows are the first of more.

    Args:
      level: number of the level, from the top.
      block: number of the block.
      shape: (D,N).
    """
    bits = np.random.Philox(key=[level, block])
    num = shape[0] * shape[1]
    words = bits.random_raw(-(-num // 4)).astype("<u8").view("<u2")[:num]
    return normal_table()[words].reshape(shape)


def shared_order(level: int, num_dims: int) -> np.ndarray:
    """A random order of the dimensions 0..D-1 of a level, int64 [D]."""
    bits = np.random.Philox(key=[level, 2**63])
    # Of 64 random bits each; `permutation` could change with NumPy.
    return np.argsort(bits.random_raw(num_dims), kind="stable")
