"""The noise that encoder and decoder share, and the code of z."""

import concurrent.futures
import sys

import numpy as np
import pytest
from coding_models import SIZE, gray_codec, gray_model, noise, smooth

from agave_tf.arithmetic.normal_table import normal_table
from agave_tf.codec import candidates as candidates_module
from agave_tf.codec.candidates import NO_BLOCK, Candidates, candidate, shared_order
from agave_tf.codec.entropy_coder import OpenStack, Stack
from agave_tf.codec.latent_code import (
    MAX_BLOCKS,
    CountRange,
    code_bytes,
    pop_code,
    push_code,
    ranges_of,
)


def test_shared_numbers_are_the_same_everywhere():
    """Changing one of them would make every file unreadable."""
    assert normal_table()[[0, 1, 40000, 65535]].tolist() == [
        -4.3248901367187500,
        -4.0762329101562500,
        0.2802734375,
        4.32489013671875,
    ]
    assert candidate(2, 3, 1, 5).tolist() == [
        0.0616455078125,
        0.09674072265625,
        -0.12115478515625,
        -0.59722900390625,
        0.65594482421875,
    ]
    assert candidate(0, NO_BLOCK, 0, 3).tolist() == [
        0.39111328125,
        -1.29437255859375,
        0.337158203125,
    ]
    assert shared_order(1, 8).tolist() == [2, 1, 6, 7, 0, 4, 5, 3]


def test_shared_numbers_are_normal_and_a_permutation():
    numbers = np.concatenate([candidate(0, 1, i, 1000) for i in range(200)])
    # 200,000 of them: four standard errors of the mean, and of the variance.
    assert abs(numbers.mean()) < 4 / 447 and abs(numbers.var() - 1) < 4 * 1.41 / 447
    assert sorted(shared_order(3, 100)) == list(range(100))


def test_fewer_dimensions_are_the_first_of_more():
    for num_dims in (1, 3, 4, 5, 30):
        numbers = candidate(1, 2, 3, 30)[:num_dims]
        np.testing.assert_array_equal(candidate(1, 2, 3, num_dims), numbers)


def test_levels_blocks_and_numbers_have_their_own_noise():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, NO_BLOCK, 0), (0, 0, 2**16)]
    drawn = [tuple(candidate(*key, num_dims=8)) for key in keys]
    assert len(set(drawn)) == len(keys)


def test_a_candidate_is_the_row_of_the_table():
    """The decoder draws one of them; the encoder chose it among all."""
    tables = Candidates(64)
    for level, block, num_dims in [(0, 0, 7), (0, 0, 3), (0, 0, 9), (1, 2, 1)]:
        (table,) = tables.parts(level, block, num_dims)
        assert table.shape == (64, num_dims) and table.dtype == np.float32
        for number in (0, 1, 63):
            expected = candidate(level, block, number, num_dims)
            np.testing.assert_array_equal(table[number], expected)


def test_a_table_beyond_the_bound_comes_in_parts(monkeypatch):
    (whole,) = Candidates(100).parts(1, 2, 5)
    monkeypatch.setattr(candidates_module, "_MOST_AT_A_TIME", 7 * 4 * 5 + 3)
    tables = Candidates(100)
    parts = list(tables.parts(1, 2, 5))
    assert [len(part) for part in parts] == [7] * 14 + [2]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not tables._kept
    monkeypatch.setattr(candidates_module, "_MOST_AT_A_TIME", 1)
    assert [len(part) for part in Candidates(3).parts(1, 2, 5)] == [1, 1, 1]


def test_what_is_kept_is_bounded_and_the_last_that_was_used(monkeypatch):
    table = 10 * 4 * 8
    monkeypatch.setattr(candidates_module, "_MOST_KEPT", 3 * table)
    tables = Candidates(10)
    for block in (0, 1, 2, 0, 3):
        list(tables.parts(0, block, 8))
    assert list(tables._kept) == [(0, 2), (0, 0), (0, 3)]
    list(tables.parts(1, 0, 16))  # As much as two of them.
    assert list(tables._kept) == [(0, 3), (1, 0)]
    assert tables._num_bytes == 3 * table
    # One alone may be larger.
    list(tables.parts(1, 1, 80))
    assert list(tables._kept) == [(1, 1)]


def test_threads_may_share_the_tables(monkeypatch):
    """Two that threw out the same table met a KeyError, or a dictionary that grew."""
    monkeypatch.setattr(candidates_module, "_MOST_KEPT", 3 * 2 * 4 * 4)
    tables = Candidates(2)
    expected = [next(Candidates(2).parts(0, block, 4)) for block in range(20)]

    def draw(seed):
        for block in np.random.default_rng(seed).integers(20, size=4000).tolist():
            (table,) = tables.parts(0, block, 4)
            assert (table == expected[block]).all()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # Or threads would rarely meet.
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as executor:
            list(executor.map(draw, range(4)))
    finally:
        sys.setswitchinterval(before)
    assert len(tables._kept) == 3


def test_the_choice_is_the_same_whatever_is_drawn_at_a_time(monkeypatch):
    model, pictures = gray_model(), smooth()
    codec = gray_codec(model)
    data = codec.encode(pictures)
    assert codec.encode(pictures) == data
    monkeypatch.setattr(candidates_module, "_MOST_AT_A_TIME", 100)
    in_parts = gray_codec(model)
    assert in_parts.encode(pictures) == data
    assert not in_parts._candidates._kept
    # Something was chosen.
    mixed = np.concatenate([pictures[:3], noise(2)])
    codes = codec._sized(SIZE).encode(mixed, None).codes
    assert len({code_bytes(code) for code in codes}) > 1


@pytest.mark.parametrize("index_bits", [1, 6, 16])
def test_codes_come_back(index_bits):
    rng = np.random.default_rng(index_bits)
    # Two levels, of one region and of three; counts vary in the second.
    counts = [[[2], [0, 5, MAX_BLOCKS]], [[2], [3, 1, 1]]]
    codes = [
        [
            [rng.integers(1 << index_bits, size=count).tolist() for count in level]
            for level in image
        ]
        for image in counts
    ]
    ranges = ranges_of(codes)
    assert ranges == [CountRange(2, 2), CountRange(0, MAX_BLOCKS)]
    stack = Stack(9)
    for code in reversed(codes):
        push_code(stack, code, ranges, index_bits)
    opened = OpenStack(stack.stream(3), 3)
    found = [pop_code(opened, ranges, [1, 3], index_bits) for _ in codes]
    assert found == codes and opened.has_ended_with(9)
    assert len({code_bytes(code) for code in codes}) == 2


def test_codes_that_deal_blocks_otherwise_have_other_bytes():
    """[[1], [2]], [[1, 2], []] and [[], [1, 2]] of two regions."""
    codes = [[[[1], [2]]], [[[1, 2], []]], [[[], [1, 2]]], [[[1]], [[2]]], [[[], []]]]
    assert len({code_bytes(code) for code in codes[:3] + codes[4:]}) == 4
