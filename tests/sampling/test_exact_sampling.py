"""Exact draws: the same pictures whatever computes them, and draws of the model."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from exact_pictures import LABEL, digest, exact_sampler, picture_model
from tiny import tiny_images

from agave_tf.arithmetic.arithmetic import FLOAT
from agave_tf.arithmetic.exact_arithmetic import EXACT
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel
from agave_tf.pixel_scale import to_unit_range
from agave_tf.randomness import Stream, stream
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.pictures import PictureSettings

pytestmark = pytest.mark.xdist_group("exact_sampling")

# Another one means that the pictures of everybody's seeds have changed.
DIGEST = "d509dcc69438448e"


@pytest.fixture(scope="module")
def model():
    return picture_model()


@pytest.fixture(scope="module")
def five(model):
    return exact_sampler(model).prior(5, label=LABEL)


def test_no_version_changes_the_pictures(five):
    assert digest(five) == DIGEST
    assert np.ptp(five.f_z, axis=0).min() > 9
    assert np.ptp(five.images[0], axis=0).min() > 9


@pytest.mark.parametrize("batch_size", [1, 3])
def test_no_batch_changes_a_bit(model, five, batch_size):
    drawn = exact_sampler(model, batch_size).prior(5, label=LABEL)
    np.testing.assert_array_equal(drawn.f_z, five.f_z)
    np.testing.assert_array_equal(drawn.images, five.images)


@pytest.mark.parametrize(
    "threads,environment",
    [
        (1, {"ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"}),
        (2, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ],
)
def test_no_instructions_library_or_threads_change_a_bit(threads, environment):
    """That these variables do change floats is checked by models/test_exact.py."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ".:tests", **environment}
    output = subprocess.check_output(
        [sys.executable, "tests/exact_pictures.py", f"--threads={threads}"],
        env={**os.environ, **environment},
        cwd=pathlib.Path(__file__).resolve().parents[2],
        text=True,
    )
    assert output.strip() == DIGEST


def test_draws_have_the_frequencies_of_the_likelihood():
    """By the probability integral transform, with the masses of float32.

    For a draw x of a distribution with masses p and cumulative masses F(x) = p(0) + ...
    + p(x - 1), and v uniform, F(x) + v p(x) is uniform. Each sub-pixel is given those
    before it, so all 6 of an image are uniform and independent.

    16,384 images. A sampler of the model fails once in 1,000 seeds; this seed is fixed.
    """
    model = picture_model((1, 2), kind=PixelCNNModel, num_classes=0)
    image = exact_sampler(model, 4096).prior(16_384).images[0]
    x = to_unit_range(image)
    likelihood = model.pixel_cnn.likelihood(model.pixel_cnn(model.pad(x))[:, :1, :2])
    places = []
    for channel in range(3):
        earlier = [x[..., i] for i in range(channel)]
        mixture = likelihood.given_channels(earlier)
        level = image[..., channel].astype(np.int32)
        inner = np.clip([level, level + 1], 1, 255)
        below = [mixture.mass_below(level[..., None])[..., 0] for level in inner]
        first = np.where(level == 0, 0.0, below[0])
        last = np.where(level == 255, 1.0, below[1])
        v = np.random.default_rng(channel).random(level.shape)
        places.append(first + v * (last - first))
    uniform = np.stack(places, axis=-1).reshape(-1, 6)
    # Each in 64 bins.
    bins = np.minimum(uniform * 64, 63).astype(int)
    for own in bins.T:
        assert scipy.stats.chisquare(np.bincount(own, minlength=64)).pvalue > 1e-3 / 21
    # Each two in 8 x 8 bins.
    for i, j in zip(*np.triu_indices(6, 1)):
        both = bins[:, i] // 8 * 8 + bins[:, j] // 8
        counts = np.bincount(both, minlength=64)
        assert scipy.stats.chisquare(counts).pvalue > 1e-3 / 21


def test_the_noise_of_z_is_that_of_floats_rounded():
    seed, index = stream(0, Stream.PRIOR), tf.range(3)
    exact, floats = (
        arithmetic.normal_for_images(seed, index, 10_000).numpy()
        for arithmetic in (EXACT, FLOAT)
    )
    assert exact.dtype == np.float64
    np.testing.assert_array_equal(exact * 2**14, np.round(exact * 2**14))
    is_inner = np.abs(floats) < 3
    # 65,536 values: half of the step between two near 3, and the rounding.
    assert np.abs(exact - floats)[is_inner].max() < 2**-17 / 0.0044 + 2**-15
    assert np.abs(exact - floats).max() < 0.3


def test_completions_keep_what_is_given_and_draw_the_rest_as_samples(model, five):
    image = np.random.default_rng(0).integers(0, 256, five.images[0].shape, np.uint8)
    images = Images(image, np.array(LABEL, np.int32))
    is_kept = np.zeros((3, 5), bool)
    sampler = exact_sampler(model)
    drawn = sampler.complete(images, is_kept, from_prior=True)
    np.testing.assert_array_equal(drawn.f_z, five.f_z)
    np.testing.assert_array_equal(drawn.images, five.images)
    is_kept[:, 2] = True
    drawn = sampler.complete(images, is_kept, from_prior=True).images[0]
    np.testing.assert_array_equal(drawn[:, is_kept], image[:, is_kept])
    # The first two pixels are drawn before any that is kept, and later ones after.
    np.testing.assert_array_equal(drawn[:, 0, :2], five.images[0][:, 0, :2])
    assert (drawn != five.images[0])[:, ~is_kept].mean() > 0.2


def test_a_vae_alone_draws_f_z_exactly(model, five):
    vae = VAEModel(model.config, model.image_shape)
    for own, value in zip(vae.vae.weights, model.vae.weights, strict=True):
        own.assign(value)
    drawn = exact_sampler(vae).prior(5)
    np.testing.assert_array_equal(drawn.f_z, five.f_z)
    assert not len(drawn.images)


def test_a_model_without_z_completes_images_exactly():
    model = picture_model((1, 2), channels=1, kind=PixelCNNModel, num_classes=0)
    images = Images(np.full((2, 1, 2, 1), 7, np.uint8), None)
    drawn = exact_sampler(model).complete(images, np.ones((1, 2), bool))
    np.testing.assert_array_equal(drawn.images[0], images.image)


@pytest.mark.parametrize(
    "settings,message",
    [
        (dict(mode="reconstruct"), "`mode` must be prior, condition or complete"),
        (dict(mode="interpolate"), "`mode` must be prior, condition or complete"),
        (dict(z_temperature=0.5), "`z_temperature` must be 1 with --exact; got 0.5"),
        (dict(pixel_temperature=0.0), "`pixel_temperature` must be 1 with --exact"),
    ],
)
def test_settings_that_do_not_go_with_exact_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        PictureSettings(exact=True, **settings)


def test_a_sampler_refuses_what_it_cannot_draw_exactly(model):
    images = tiny_images(2, labels=2)
    sampler = exact_sampler(model)
    for draw in (
        sampler.reconstruct,
        sampler.interpolate,
        lambda images: sampler.complete(images, np.ones((8, 8), bool)),
    ):
        with pytest.raises(InputError, match="`mode` must draw z from the prior"):
            draw(images)
    for name in ("z_temperature", "pixel_temperature"):
        with pytest.raises(InputError, match=f"`{name}` must be 1 with .* got 0.9"):
            Sampler(model, SamplingSettings(exact=True, **{name: 0.9}))
