"""Slots of the exact mixture: a complete code, as short as the likelihood says."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.arithmetic.exact_arithmetic import EXACT
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    num_parameters,
)
from agave_tf.distributions.logistic_mixture import NUM_SLOTS
from agave_tf.pixel_scale import to_unit_range
from agave_tf.weights.in_use import using_arithmetic

NUM_MIXTURES = 5


def parameters_of(batch, channels, scale=1.0, seed=0):
    """Random parameters on the grid, of narrow and of wide logistics."""
    drawn = np.random.default_rng(seed).normal(
        size=(batch, num_parameters(channels, NUM_MIXTURES))
    )
    drawn = scale * drawn
    # Log-scales lie around -3.
    count = (num_parameters(channels, 1) - 1) // channels
    fields = drawn[:, NUM_MIXTURES:].reshape(batch, channels, count, NUM_MIXTURES)
    fields[:, :, 1] -= 3
    return tf.constant(np.round(drawn * 2**16) / 2**16)


def levels_of(batch, channels):
    return tf.constant(
        np.random.default_rng(1).integers(0, 256, (batch, channels)), tf.int32
    )


def all_slots(parameters, level):
    """The slots below levels 0..256 of each channel, given `level` in those before."""
    channels = level.shape[-1]
    mixture = DiscretizedLogisticMixture(parameters, channels)
    every = tf.tile(tf.range(257)[None], [parameters.shape[0], 1])
    earlier, found = [], []
    for channel in range(channels):
        found.append(mixture.given_channels(earlier).slots_below(every))
        earlier.append(EXACT.from_levels(level[:, channel]))
    return tf.stack(found, axis=1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 300.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_level_has_slots_and_they_fill_the_whole(channels, scale):
    parameters, level = parameters_of(200, channels, scale), levels_of(200, channels)
    with using_arithmetic(EXACT):
        slots = all_slots(parameters, level).numpy()
        given = DiscretizedLogisticMixture(parameters, channels).slots(level)
    assert slots.dtype == np.int32
    assert (slots[..., 0] == 0).all() and (slots[..., 256] == NUM_SLOTS).all()
    assert np.diff(slots).min() >= 1
    start = np.take_along_axis(slots, level.numpy()[..., None], axis=-1)
    end = np.take_along_axis(slots, level.numpy()[..., None] + 1, axis=-1)
    np.testing.assert_array_equal(given.start, start[..., 0])
    np.testing.assert_array_equal(given.end, end[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_slots_are_the_same_in_tensorflow_and_xla_and_for_any_batch(channels):
    parameters, level = parameters_of(300, channels), levels_of(300, channels)

    def slots(parameters, level):
        with using_arithmetic(EXACT.compiled):
            return all_slots(parameters, level)

    with using_arithmetic(EXACT):
        eager = all_slots(parameters, level)
        alone = all_slots(parameters[7:8], level[7:8])
    compiled = tf.function(slots, jit_compile=True, autograph=False)(parameters, level)
    np.testing.assert_array_equal(compiled, eager)
    np.testing.assert_array_equal(alone, eager[7:8])


@pytest.mark.parametrize("scale", [0.3, 4.0, 300.0])
def test_a_quantile_is_the_level_whose_masses_enclose_it(scale):
    parameters = parameters_of(200, 1, scale)
    u = (np.random.default_rng(2).integers(0, 2**23, 200) + 0.5) / 2**23
    u[:2] = 2.0**-24, 1 - 2.0**-24
    with using_arithmetic(EXACT):
        mixture = DiscretizedLogisticMixture(parameters, 1).given_channels([])
        below = mixture.mass_below(tf.tile(tf.range(1, 256)[None], [200, 1])).numpy()
        level = mixture.quantile(tf.constant(u)).numpy()
    below = np.pad(below, [(0, 0), (1, 1)])
    below[:, -1] = 1.0
    assert level.dtype == np.int32
    assert (np.take_along_axis(below, level[:, None], 1)[:, 0] <= u).all()
    assert (np.take_along_axis(below, level[:, None] + 1, 1)[:, 0] > u).all()


def test_no_order_of_components_changes_a_slot():
    parameters, level = parameters_of(300, 3), levels_of(300, 3)
    order = np.random.default_rng(2).permutation(NUM_MIXTURES)
    by_component = parameters.numpy().reshape(300, -1, NUM_MIXTURES)
    shuffled = tf.constant(by_component[..., order].reshape(300, -1))
    with using_arithmetic(EXACT):
        np.testing.assert_array_equal(
            all_slots(shuffled, level), all_slots(parameters, level)
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_the_code_is_as_long_as_the_likelihood_says(channels):
    """Levels drawn from the mixture: the two free slots of each cost up to 0.0007."""
    parameters = parameters_of(20_000, channels)
    mixture = DiscretizedLogisticMixture(parameters, channels)
    x = mixture.sample(seed=[1, 2])
    level = tf.cast(tf.round(x * 127.5 + 127.5), tf.int32)
    nats = -mixture.log_prob(tf.cast(to_unit_range(level), tf.float64))
    with using_arithmetic(EXACT):
        slots = DiscretizedLogisticMixture(parameters, channels).slots(level)
    bits = -np.log2((slots.end - slots.start).numpy() / NUM_SLOTS).sum(-1)
    excess = (bits - nats.numpy() / np.log(2)) / channels
    assert 0 < excess.mean() < 0.001
    # A single level may cost more where nothing is likely, but not much.
    assert np.quantile(np.abs(excess), 0.99) < 0.01
