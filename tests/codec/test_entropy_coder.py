"""The entropy coder alone: it gives back what it was given, at the ideal length."""

import numpy as np
import pytest

from agave_tf.codec.entropy_coder import (
    CHECKSUM_MASK,
    LEAST_STATE,
    PRECISION,
    TOTAL,
    OpenStack,
    Stack,
)
from agave_tf.errors import InputError

KEY = 0x2A5F_31C7


def random_intervals(rng, count, largest):
    """Intervals of sizes from 1 up to `largest`, as often in every power of two."""
    size = np.exp(rng.uniform(0, np.log(largest), count)).astype(np.int64)
    start = (rng.uniform(0, 1, count) * (TOTAL - size + 1)).astype(np.int64)
    return start, size


def pop_intervals(stack, start, size):
    """Pops intervals, as the decoder of pixels does; whether all were on top."""
    for a, n in zip(start.tolist(), size.tolist(), strict=True):
        slot = stack.state & (TOTAL - 1)
        if not a <= slot < a + n:
            return False
        stack.state = n * (stack.state >> PRECISION) + slot - a
        if stack.state < LEAST_STATE:
            stack.state = stack.state << 32 | int(stack.ahead(1)[0])
            stack.place += 1
    return True


@pytest.mark.parametrize("largest", [1, 2, 1000, TOTAL - 510, TOTAL - 1])
@pytest.mark.parametrize("count", [1, 30, 500])
def test_intervals_come_back_at_their_ideal_length(largest, count):
    """Of certain and of nearly impossible symbols."""
    rng = np.random.default_rng(count)
    start, size = random_intervals(rng, count, largest)
    checksum = int(rng.integers(LEAST_STATE))
    stack = Stack(checksum)
    stack.push_intervals(start, size)
    stream = stack.stream(KEY)
    ideal = (PRECISION - np.log2(size)).sum()
    # The state of at least 31 bits, rounded up to bytes; sizes above a half of TOTAL
    # cost less than the last digit of the state at times.
    assert abs(8 * len(stream) - ideal - 35) < 6 + 1e-3 * ideal
    opened = OpenStack(stream, KEY)
    assert pop_intervals(opened, start, size)
    assert opened.has_ended_with(checksum) and not opened.is_overdrawn
    assert not opened.has_ended_with(checksum ^ 1)


@pytest.mark.parametrize("start", [0, 127, 255])
def test_symbols_that_are_nearly_certain_cost_nearly_nothing(start):
    """No level has more than all slots but one of each of the 255 others."""
    size = np.full(20_000, TOTAL - 255)
    stack = Stack(0)
    stack.push_intervals(np.full(20_000, start), size)
    stream = stack.stream(KEY)
    # 0.00035 bits each, the bound of read_file.py.
    assert 20_000 * 0.00035 < 8 * len(stream) < 20_000 * 0.00036 + 40
    opened = OpenStack(stream, KEY)
    assert pop_intervals(opened, np.full(20_000, start), size)
    assert opened.has_ended_with(0)


@pytest.mark.parametrize("num_symbols", [2, 3, 7, 255, 256, 4096, 65_536, TOTAL])
def test_equally_likely_symbols_come_back(num_symbols):
    rng = np.random.default_rng(num_symbols)
    drawn = rng.integers(num_symbols, size=100).tolist()
    symbols = [0, num_symbols - 1, num_symbols // 2, *drawn]
    stack = Stack(77)
    for symbol in reversed(symbols):
        stack.push_equal(symbol, num_symbols)
    stream = stack.stream(KEY)
    assert abs(8 * len(stream) - 103 * np.log2(num_symbols) - 35) < 8
    opened = OpenStack(stream, KEY)
    assert [opened.pop_equal(num_symbols) for _ in symbols] == symbols
    assert opened.has_ended_with(77)
    with pytest.raises(InputError, match="ends in its latents"):
        for _ in range(40):
            opened.pop_equal(num_symbols)


def test_latents_and_pixels_share_a_stream():
    start, size = random_intervals(np.random.default_rng(0), 50, TOTAL - 1)
    stack = Stack(5)
    stack.push_intervals(start, size)
    for symbol in (3, 2, 1):
        stack.push_equal(symbol, 1000)
    opened = OpenStack(stack.stream(0), 0)
    assert [opened.pop_equal(1000) for _ in range(3)] == [1, 2, 3]
    assert not opened.has_ended_with(5)
    assert pop_intervals(opened, start, size) and opened.has_ended_with(5)


def test_a_stream_begins_with_a_state_of_four_to_eight_bytes():
    """Its leading zeros are left out, and found again with every key."""
    lengths = set()
    for num_symbols in range(9):
        for checksum in (0, 1, CHECKSUM_MASK):
            stack = Stack(checksum)
            # 4 bits each.
            start = np.full(num_symbols, 7 << 16)
            stack.push_intervals(start, np.full(num_symbols, 1 << 16))
            for key in (0, 1, KEY, CHECKSUM_MASK):
                stream = stack.stream(key)
                lengths.add(len(stream))
                opened = OpenStack(stream, key)
                assert pop_intervals(opened, start, np.full(num_symbols, 1 << 16))
                assert opened.has_ended_with(checksum)
    assert lengths == {4, 5, 6, 7, 8}


def test_a_stream_has_one_length_whatever_the_key():
    """Its length is in the header, of which the key is made."""
    rng = np.random.default_rng(1)
    for count in range(60):
        stack = Stack(int(rng.integers(LEAST_STATE)))
        stack.push_intervals(*random_intervals(rng, count, 3000))
        keys = [0, CHECKSUM_MASK, *rng.integers(LEAST_STATE, size=5).tolist()]
        assert len({len(stack.stream(key)) for key in keys}) == 1


def test_another_key_or_bit_gives_another_end():
    rng = np.random.default_rng(2)
    start, size = random_intervals(rng, 40, 5000)
    stack = Stack(1234)
    stack.push_intervals(start, size)
    stream = stack.stream(KEY)

    def is_right(stream, key):
        opened = OpenStack(stream, key)
        return pop_intervals(opened, start, size) and opened.has_ended_with(1234)

    assert is_right(stream, KEY)
    assert not any(is_right(stream, KEY ^ 1 << bit) for bit in range(31))
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_right(bytes(flipped), KEY)
    for other in (stream[:-4], stream + bytes(4), stream[4:]):
        assert not is_right(other, KEY)


@pytest.mark.parametrize("stream", [b"", b"\x01", b"\xff\xff\xff"])
def test_bytes_that_hold_no_state_are_refused(stream):
    with pytest.raises(InputError, match="ends where it begins"):
        OpenStack(stream, KEY)


@pytest.mark.parametrize("length", range(4, 13))
def test_any_other_bytes_are_a_stream_that_ends(length):
    """They come from damaged files; their states fit in 64 bits with a sign."""
    for stream in (bytes(length), b"\xff" * length, b"\x7f" + b"\xff" * (length - 1)):
        for key in (0, CHECKSUM_MASK):
            opened = OpenStack(stream, key)
            assert 0 <= opened.state < 2**63
            assert len(opened.ahead(3)) == 3
            with pytest.raises(InputError, match="ends in its latents"):
                for _ in range(100):
                    opened.pop_equal(2)
            assert not opened.has_ended_with(0)


def test_words_behind_the_end_are_zeros():
    opened = OpenStack(b"\x80\0\0\0" + bytes(range(1, 9)), 0)
    assert opened.ahead(4).tolist() == [0x01020304, 0x05060708, 0, 0]
    opened.place = 3
    assert opened.ahead(2).tolist() == [0, 0] and not opened.is_overdrawn
    opened.place = 4
    assert opened.is_overdrawn and not opened.has_ended_with(0)
