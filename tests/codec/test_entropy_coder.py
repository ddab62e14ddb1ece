"""The entropy coder alone: it gives back what it was given, at the ideal length."""

import numpy as np
import pytest

from agave_tf.codec.entropy_coder import (
    PRECISION,
    TOTAL,
    Interval,
    OpenStacks,
    Stacks,
    equal_interval,
    symbol_at,
)
from agave_tf.codec.latent_code import normal_table, shared_normal, shared_order
from agave_tf.errors import InputError


def random_intervals(rng, count, lanes, largest):
    """Intervals of sizes from 1 up to `largest`, as often in every power of two."""
    size = np.exp(rng.uniform(0, np.log(largest), [count, lanes])).astype(np.int64)
    start = (rng.uniform(0, 1, size.shape) * (TOTAL - size)).astype(np.int64)
    return Interval(start, size)


@pytest.mark.parametrize("largest", [1, 2, 1000, TOTAL - 1])
@pytest.mark.parametrize("lanes", [1, 7])
def test_symbols_come_back_at_their_ideal_length(largest, lanes):
    """Of certain and of nearly impossible symbols; lanes have different numbers."""
    rng = np.random.default_rng(lanes)
    start, size = random_intervals(rng, 500, lanes, largest)
    is_on = rng.uniform(size=start.shape) < np.linspace(0.1, 1, lanes)
    checksums = rng.integers(0, 1 << 31, lanes)
    stacks = Stacks(checksums)
    for symbol in range(500):
        stacks.push(Interval(start[symbol], size[symbol]), is_on[symbol])
    streams = stacks.streams()
    ideal = np.where(is_on, PRECISION - np.log2(size), 0).sum(axis=0)
    bits = np.array([8 * len(stream) for stream in streams])
    # The state of at least 31 bits, rounded up to bytes; sizes above a half of TOTAL
    # cost less than the last digit of the state at times.
    assert (np.abs(bits - ideal - 35) < 6 + 1e-3 * ideal).all()
    opened = OpenStacks(streams, room=1)
    for symbol in reversed(range(500)):
        on = is_on[symbol]
        inside = opened.slot - start[symbol]
        assert ((inside >= 0) & (inside < size[symbol]))[on].all()
        opened.pop(Interval(start[symbol], size[symbol]), on)
    assert opened.is_at_end().all()
    np.testing.assert_array_equal(opened.checksums, checksums)


def test_an_empty_stream_holds_its_checksum():
    checksums = np.array([0, 1, (1 << 31) - 1])
    opened = OpenStacks(Stacks(checksums).streams(), room=1)
    np.testing.assert_array_equal(opened.checksums, checksums)


@pytest.mark.parametrize("stream", [b"", b"\x01", b"\x7f\xff\xff\xff"])
def test_bytes_that_hold_no_state_are_refused(stream):
    with pytest.raises(InputError, match="ends where it begins"):
        OpenStacks([stream], room=1)


@pytest.mark.parametrize("count", [2, 3, 7, 1000, 1024])
def test_equally_likely_symbols_share_all_slots(count):
    symbols = np.arange(count)
    start, size = equal_interval(symbols, count)
    assert start[0] == 0 and start[-1] + size[-1] == TOTAL
    np.testing.assert_array_equal(start[1:], (start + size)[:-1])
    assert size.max() - size.min() <= 1
    for slot in (start, start + size - 1):
        np.testing.assert_array_equal(symbol_at(slot, count), symbols)


def test_shared_numbers_are_the_same_everywhere():
    """Changing one of them would make every file unreadable."""
    assert normal_table()[[0, 1, 40000, 65535]].tolist() == [
        -4.3248901367187500,
        -4.0762329101562500,
        0.2802734375,
        4.32489013671875,
    ]
    assert shared_normal(2, 3, (2, 2)).tolist() == [
        [-0.16021728515625, 0.22674560546875],
        [-0.6168212890625, 0.70977783203125],
    ]
    assert shared_order(1, 8).tolist() == [2, 1, 6, 7, 0, 4, 5, 3]


def test_shared_numbers_are_normal_and_more_rows_begin_with_fewer():
    numbers = shared_normal(0, 1, (200, 1000))
    # 200,000 of them: four standard errors of the mean, and of the variance.
    assert abs(numbers.mean()) < 4 / 447 and abs(numbers.var() - 1) < 4 * 1.41 / 447
    np.testing.assert_array_equal(shared_normal(0, 1, (50, 1000)), numbers[:50])
    assert not (shared_normal(0, 2, (50, 1000)) == numbers[:50]).all()
    assert sorted(shared_order(3, 100)) == list(range(100))
