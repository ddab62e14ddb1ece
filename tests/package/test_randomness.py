"""Streams of random numbers are apart from each other."""

import itertools

import numpy as np
import tensorflow as tf

from agave_tf.randomness import ImageDraws, Stream, fold_in, stream, training_step_seed


def seeds_of(seed):
    """Every seed that something is drawn from: by stream, sample and step."""
    found = {}
    for step in range(40):
        draws = ImageDraws(training_step_seed(seed, step), tf.range(2), num_rows=2)
        found["noise", step] = draws.noise_seed()
        found["dropout", step] = draws.dropout_seed().seed
    for name, sample in itertools.product((Stream.EVALUATION, Stream.PIXELS), range(9)):
        # The bounds draw the noise of z from a batch's draws, as training does.
        own = fold_in(stream(seed, name), sample)
        found[name, sample] = own
        found[name, sample, "noise"] = ImageDraws(own, tf.range(2)).noise_seed()
    for name in Stream:
        found[name] = stream(seed, name)
    return {key: tuple(value.numpy().tolist()) for key, value in found.items()}


def test_no_two_uses_of_random_numbers_share_a_seed():
    """Training step s and evaluation sample s shared one."""
    found = seeds_of(3)
    assert len(set(found.values())) == len(found)


def test_the_streams_of_other_seeds_are_other_streams():
    ours, others = seeds_of(3), seeds_of(4)
    assert not set(ours.values()) & set(others.values())


def test_training_has_the_seeds_of_version_0_1():
    seed = tf.random.experimental.stateless_fold_in([3, 0], 7, alg="philox")
    np.testing.assert_array_equal(training_step_seed(3, 7), seed & 0x7FFFFFFF)
