"""Standard normal numbers that are the same on every machine, from a table."""

import functools
import statistics

import numpy as np

# The table has a value for each number of 16 bits.
TABLE_BITS = 16


@functools.cache
def normal_table() -> np.ndarray:
    """65,536 equally likely values of a standard normal number, float32, rising.

    They are rounded to multiples of 2**-14, so that they do not depend on the last bits
    of a machine's logarithm.
    """
    size = 1 << TABLE_BITS
    inverse = statistics.NormalDist().inv_cdf
    upper = [inverse((i + 0.5) / size) for i in range(size // 2, size)]
    half = np.round(np.array(upper) * 2**14) / 2**14
    return np.concatenate([-half[::-1], half]).astype(np.float32)
