"""The VAE: its flow is autoregressive, its KL is right, f(z) has y's shape."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from agave_tf.errors import InputError
from agave_tf.layers.iaf_ladder_layer import BottomUp, IAFLadderLayer, LadderLayer
from agave_tf.layers.masked_convolution import AutoregressiveNetwork
from agave_tf.models.auxiliary_image import loc_of
from agave_tf.models.iaf_vae import IAFVAE
from agave_tf.models.objective import free_bits
from agave_tf.randomness import seed_tensor
from agave_tf.settings.config import IAFVAEConfig


@pytest.fixture(autouse=True)
def the_same_weights_every_time():
    keras.utils.set_random_seed(0)


def make(image_shape=(8, 8, 3), auxiliary_shape=None, **settings):
    """A VAE, initialised on images of this shape."""
    settings = {
        "hidden_channels": 8,
        "z_channels": 2,
        "num_layers_per_resolution": 2,
    } | settings
    auxiliary_shape = auxiliary_shape or image_shape
    factor = image_shape[0] // auxiliary_shape[0]
    config = IAFVAEConfig(**settings)
    vae = IAFVAE(config, image_shape[-1], auxiliary_shape[-1], factor)
    image = image_of(image_shape, 8)
    y = tf.random.stateless_uniform([8, *auxiliary_shape], [1, 1], 0, 255)
    noise = vae.draw_noise(seed_tensor(0), tf.range(8), image_shape[:2])
    vae.initialize(image, y, noise)
    return vae


def image_of(shape, batch, seed=0):
    return tf.random.stateless_uniform([batch, *shape], [seed, 5], -1.0, 1.0)


def within_reach_of_the_flow(height, width):
    """[H*W,H*W] bool: whether position i must see another position j.

    Each of three 3x3 convolutions sees its own position, one to the right, and the
    three below. Together they see `d` rows down, from `d` columns left to 3 right.
    """
    row, column = np.divmod(np.arange(height * width), width)
    down = row[None, :] - row[:, None]
    right = column[None, :] - column[:, None]
    is_in_reach = (down >= 0) & (down <= 3) & (right >= -down) & (right <= 3)
    return is_in_reach & ((down > 0) | (right > 0))


@pytest.mark.parametrize("channels,hidden", [(4, 8), (4, 4), (1, 6)])
def test_the_flow_depends_on_exactly_what_comes_before_in_its_order(channels, hidden):
    height, width = 5, 6
    network = AutoregressiveNetwork(channels, hidden)
    z = tf.random.stateless_normal([1, height, width, channels], [0, 1])
    context = tf.random.stateless_normal([1, height, width, hidden], [0, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        output = network(z, context)
    size = height * width
    # A position sees all channels of positions in reach, and at itself those before.
    everything = np.ones((channels, channels), bool)
    expected = np.kron(within_reach_of_the_flow(height, width), everything)
    expected |= np.kron(np.eye(size, dtype=bool), np.tril(everything, -1))
    # The order of the flow: the last position first; within a position, by channel.
    order = np.arange(size * channels).reshape(size, channels)[::-1].ravel()
    assert not np.triu(expected[np.ix_(order, order)]).any()
    for value in output:
        jacobian = tape.jacobian(value, z).numpy().reshape(2 * [size * channels])
        np.testing.assert_array_equal(jacobian != 0, expected)


def test_with_more_latent_than_hidden_channels_the_flow_is_ordered_by_blocks():
    z = tf.random.stateless_normal([1, 1, 1, 6], [0, 1])
    network = AutoregressiveNetwork(6, 3)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        output = network(z, tf.ones([1, 1, 1, 3]))
    block = np.arange(6) // 2
    for value in output:
        jacobian = tape.jacobian(value, z).numpy().reshape(6, 6)
        np.testing.assert_array_equal(jacobian != 0, block[:, None] > block[None, :])


def test_log_q_changes_by_the_log_determinant_of_the_flow():
    level = IAFLadderLayer(8, 2, downsample=False)
    for layer in (level.flow.shift, level.flow.log_scale):
        layer.g.assign(layer.g + 2.0)
    x = tf.random.stateless_normal([1, 3, 4, 8], [0, 1])
    noise = tf.Variable(tf.random.stateless_normal([1, 3, 4, 2], [0, 2]))
    zeros = tf.zeros([1, 3, 4, 2])
    bottom_up = BottomUp(zeros, zeros, tf.zeros([1, 3, 4, 8]))
    with tf.GradientTape() as tape:
        sample = level.sample_posterior(x, bottom_up, noise)
    jacobian = tape.jacobian(sample.z, noise).numpy().reshape(24, 24)
    _, log_determinant = np.linalg.slogdet(jacobian.astype(np.float64))
    # ln q(z) = ln N(noise) - ln |dz/dnoise|; the prior is read off the level itself.
    log_q = stats.norm.logpdf(noise.numpy()).sum() - log_determinant
    prior_mean = level.sample_prior(x, tf.zeros_like(noise)).z
    prior_scale = level.sample_prior(x, tf.ones_like(noise)).z - prior_mean
    log_p = stats.norm.logpdf(sample.z, prior_mean, prior_scale).sum()
    np.testing.assert_allclose(
        tf.reduce_sum(sample.kl), log_q - log_p, rtol=1e-4, atol=1e-4
    )


def test_kl_is_zero_where_the_posterior_is_the_prior():
    level = LadderLayer(8, 2, downsample=False)
    v = level.down_in.v.numpy()
    v[..., 4:8] = v[..., 0:4]  # posterior mean and log scale = the prior's
    level.down_in.v.assign(v)
    x = tf.random.stateless_normal([2, 4, 4, 8], [0, 1])
    zeros = tf.zeros([2, 4, 4, 2])
    noise = tf.random.stateless_normal([2, 4, 4, 2], [0, 2])
    sample = level.sample_posterior(
        x, BottomUp(zeros, zeros, tf.zeros([2, 4, 4, 0])), noise
    )
    np.testing.assert_allclose(sample.kl, 0, atol=1e-5)


def test_kl_of_a_gaussian_level_averages_to_its_closed_form():
    level = LadderLayer(8, 1, downsample=False)
    mean, log_scale = 0.7, -0.4
    # At x = 0 the top-down parameters are the biases: prior N(0,1), posterior given.
    x, shape = tf.zeros([20_000, 1, 1, 8]), [20_000, 1, 1, 1]
    nothing = tf.zeros([*shape[:3], 0])
    bottom_up = BottomUp(tf.fill(shape, mean), tf.fill(shape, log_scale), nothing)
    noise = tf.random.stateless_normal(shape, [0, 3])
    kl = level.sample_posterior(x, bottom_up, noise).kl.numpy()
    expected = 0.5 * (np.exp(2 * log_scale) + mean**2 - 1) - log_scale
    # n = 20,000, 5 standard errors: fails falsely with probability 6e-7.
    assert abs(kl.mean() - expected) < 5 * kl.std() / np.sqrt(kl.size)


def test_noise_belongs_to_the_image_and_not_to_its_batch():
    vae = make()
    seed = seed_tensor(4)
    whole = vae.draw_noise(seed, tf.range(5), (8, 8))
    part = vae.draw_noise(seed, tf.constant([3, 1]), (8, 8))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a.numpy()[[3, 1]], b)
        assert np.abs(a[0] - a[1]).max() > 0
    assert np.abs(whole[0] - whole[1]).max() > 0
    other = vae.draw_noise(seed_tensor(5), tf.range(5), (8, 8))
    assert np.abs(whole[0] - other[0]).max() > 0


def test_decoding_the_latents_gives_the_f_z_they_came_with():
    vae = make(num_resolutions=2)
    noise = vae.draw_noise(seed_tensor(1), tf.range(3), (8, 8))
    for output in (
        vae.sample_posterior(vae.encode(image_of((8, 8, 3), 3)), noise),
        vae.sample_prior(noise),
    ):
        np.testing.assert_allclose(vae.decode(output.zs), output.f_z, atol=1e-6)


@pytest.mark.parametrize("auxiliary_shape", [(8, 12, 3), (4, 6, 3), (2, 3, 1)])
@pytest.mark.parametrize("num_resolutions", [1, 2])
@pytest.mark.parametrize("channels", [3, 1])
def test_f_z_has_the_shape_of_the_auxiliary_image(
    auxiliary_shape, num_resolutions, channels
):
    shape = (8, 12, channels)
    vae = make(shape, auxiliary_shape, num_resolutions=num_resolutions)
    noise = vae.draw_noise(seed_tensor(1), tf.range(2), (8, 12))
    output = vae.sample_posterior(vae.encode(image_of(shape, 2)), noise)
    assert output.f_z.shape == (2, *auxiliary_shape)
    assert np.abs(output.f_z).max() <= 1
    assert [z.shape[1:] for z in output.zs] == vae.latent_shapes((8, 12))
    assert vae.likelihood(output.f_z).batch_shape == (2, *auxiliary_shape)


def test_loc_of_a_pixel_is_the_centre_of_its_level():
    x = (tf.range(256, dtype=tf.float32) - 127.5) / 127.5
    np.testing.assert_allclose(loc_of(x), np.arange(256) + 0.5, atol=1e-4)


@pytest.mark.parametrize("use_iaf", [True, False])
def test_the_pass_after_initialisation_is_the_pass_of_initialisation(use_iaf):
    config = IAFVAEConfig(8, 2, 2, 2, use_iaf=use_iaf)
    vae = IAFVAE(config, 3, 3)
    image = image_of((8, 8, 3), 16)
    noise = vae.draw_noise(seed_tensor(0), tf.range(16), (8, 8))
    first = vae.initialize(image, image * 127.5 + 127.5, noise)
    again = vae.sample_posterior(vae.encode(image), noise)
    np.testing.assert_allclose(again.f_z, first.f_z, atol=1e-5)
    for a, b in zip(again.zs, first.zs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_initialisation_leaves_the_constant_top_with_a_moderate_gain():
    # The top's input is h_top = 0 everywhere, for which openai/iaf makes a gain of 1e4.
    vae = make()
    np.testing.assert_allclose(np.exp(vae.ladder[-1].down_in.g), 0.1, rtol=1e-5)


def test_initialisation_fits_the_scale_of_the_likelihood_to_the_data():
    vae = IAFVAE(IAFVAEConfig(8, 2, 1, 1), 3, 3)
    image = image_of((8, 8, 3), 64)
    y = image * 127.5 + 127.5
    vae.initialize(image, y, vae.draw_noise(seed_tensor(0), tf.range(64), (8, 8)))
    # y is uniform on 0..255, standard deviation 74; s = 74 * sqrt(3) / pi = 41.
    np.testing.assert_allclose(np.exp(vae.log_scale), 41, rtol=0.2)


def test_without_the_flow_the_level_has_none():
    vae = make(use_iaf=False)
    assert not any("flow" in variable.path for variable in vae.variables)
    assert len(vae.variables) < len(make().variables)


def test_free_bits_floor_each_channel_at_kl_min_over_the_batch_mean():
    kl = tf.constant([[0.1, 5.0, 0.3], [0.2, 7.0, 0.9]])
    with tf.GradientTape() as tape:
        tape.watch(kl)
        result = free_bits(kl, 0.5)
    # Means .15, 6, .6: the first channel is under the floor.
    np.testing.assert_allclose(result, [0.5 + 5.0 + 0.3, 0.5 + 7.0 + 0.9], rtol=1e-6)
    np.testing.assert_allclose(tf.reduce_mean(result), 0.5 + 6 + 0.6, rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(result, kl), [[0, 1, 1]] * 2)
    np.testing.assert_allclose(free_bits(kl, 0.0), [5.4, 8.1], rtol=1e-6)


def test_widths_must_allow_the_flows_blocks():
    with pytest.raises(InputError, match="`hidden_channels` and `z_channels`.*8 and 3"):
        make(z_channels=3)
