"""The cached sampler draws the plain one's images, and both draw from the model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_file import load, report, with_prefix
from small_pixel_cnn import (
    attach,
    golden_label,
    golden_pixel_cnn,
    image_of,
    small_pixel_cnn,
)

from agave_tf.interop.openai_names import assign_originals, pixel_cnn_variables
from agave_tf.layers.causal_memory import CausalMemory, column_of, with_columns
from agave_tf.layers.shifted_convolution import DownRightShiftedConv2D
from agave_tf.models.padding import padded_size
from agave_tf.pixel_scale import to_levels, to_unit_range
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.pixel_source import PixelDraws
from agave_tf.sampling.plain import sample_plain


@pytest.fixture(autouse=True)
def the_same_weights_every_time():
    keras.utils.set_random_seed(0)


def draws_of(batch, num_pixels, channels, num_mixtures=2, seed=0):
    def uniform(size, i):
        shape = [batch, num_pixels, size]
        return tf.random.stateless_uniform(shape, [seed, i], 1e-5, 1 - 1e-5)

    return PixelDraws(uniform(num_mixtures, 1), uniform(channels, 2))


@pytest.mark.parametrize("sample", [sample_plain, sample_cached])
@pytest.mark.parametrize(
    "stem,sizes",
    [("pixelcnn_sampling_a", (1, 8, 3)), ("pixelcnn_sampling_b_cond", (2, 6, 2, 4))],
)
def test_images_drawn_with_given_noise_equal_the_originals(stem, sizes, sample):
    golden = load(stem)
    model = golden_pixel_cnn(*sizes)
    assign_originals(pixel_cnn_variables(model), with_prefix(golden, "var:"))
    height, width, batch, _ = golden["noise_mix"].shape

    def per_image(noise):
        images_first = np.moveaxis(noise, 2, 0).reshape(batch, height * width, -1)
        return tf.constant(images_first)

    draws = PixelDraws(
        per_image(golden["noise_mix"]),
        per_image(golden["noise_logistic"]),
        snap_to_levels=False,
    )
    image = sample(model, (height, width), draws, label=golden_label(golden))
    deviation = np.abs(image - golden["image"]).max()
    report(f"{stem}, {sample.__name__}", "image", deviation, 1e-3)


@pytest.mark.parametrize(
    "size,channels,settings",
    [
        ((8, 12), 3, {"f_z_channels": 3, "num_resnets": 2}),
        ((12, 8), 1, {"nonlinearity": "elu"}),
        ((4, 16), 1, {"f_z_channels": 1}),
        ((16, 4), 3, {"num_classes": 3, "num_pixel_cnn_resolutions": 2}),
        ((8, 8), 3, {"f_z_channels": 3, "num_pixel_cnn_resolutions": 1}),
        # Padded, with f(z) of the padded size.
        ((5, 7), 3, {"f_z_channels": 3}),
        ((6, 9), 1, {}),
        ((1, 1), 3, {"num_pixel_cnn_resolutions": 2}),
    ],
)
def test_cached_and_plain_sampling_draw_the_same_pixels(size, channels, settings):
    batch = 3
    model = small_pixel_cnn(channels, **settings)
    condition = label = None
    if model.condition_stream is not None:
        padded = padded_size(size, model.side_multiple)
        f_z = image_of(*padded, channels, batch=batch, seed=5)
        attach(model, f_z)
        condition = model.condition(f_z)
    if model.config.num_classes:
        label = tf.constant([0, 2, 1])
    draws = draws_of(batch, size[0] * size[1], channels)
    plain = sample_plain(model, size, draws, condition, label)
    cached = sample_cached(model, size, draws, condition, label)
    assert_same_levels(cached, plain)
    assert plain.shape == (batch, *size, channels)
    assert len(np.unique(to_levels(plain))) > min(20, np.prod(plain.shape) // 2)


def assert_same_levels(a, b):
    """The pixels are equal except for values on the border of two levels.

    The two samplers add in different orders, so a value may differ by 1e-5 of the range
    before it is rounded to a level. About one in 1,000 then rounds to the other level.
    """
    a, b = (to_levels(x).numpy().astype(int) for x in (a, b))
    difference = np.abs(a - b)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_cached_and_plain_sampling_draw_the_same_values_before_rounding():
    size, model = (8, 12), small_pixel_cnn(3, f_z_channels=3)
    f_z = image_of(*size, 3, batch=2, seed=5)
    attach(model, f_z)
    condition = model.condition(f_z)
    draws = draws_of(2, 96, 3)._replace(snap_to_levels=False)
    plain = sample_plain(model, size, draws, condition)
    cached = sample_cached(model, size, draws, condition)
    np.testing.assert_allclose(cached, plain, atol=1e-4)


def test_cached_and_plain_sampling_keep_what_is_given_at_any_temperature():
    size, channels = (8, 8), 3
    model = small_pixel_cnn(channels)
    given = image_of(*size, channels, batch=2, seed=8)
    given = to_unit_range(to_levels(given))
    is_given = np.random.default_rng(0).random((2, 64, 1)) < 0.4
    draws = draws_of(2, 64, channels)._replace(
        given=tf.reshape(given, [2, 64, channels]),
        is_given=tf.constant(is_given),
        temperature=tf.constant(0.3),
    )
    plain = sample_plain(model, size, draws)
    cached = sample_cached(model, size, draws)
    assert_same_levels(cached, plain)
    kept = is_given.reshape(2, 8, 8)
    np.testing.assert_array_equal(cached.numpy()[kept], given.numpy()[kept])
    assert (cached.numpy()[~kept] != given.numpy()[~kept]).mean() > 0.9


LEVELS = to_unit_range(np.arange(256, dtype=np.uint8)).numpy()[:, None]
# Levels are counted in cells, because single ones would need far more samples.
CELLS = 4


def in_cells(probability, axes):
    """Sums a probability over 256 levels per axis into CELLS cells per axis."""
    for axis in axes:
        shape = list(probability.shape)
        shape[axis : axis + 1] = [CELLS, -1]
        probability = probability.reshape(shape).sum(axis=axis + 1)
    return probability


def assert_frequencies(counts, probability):
    """Each count is within 5 standard errors and 2 counts of its expected value."""
    n = counts.sum()
    error = np.sqrt(n * probability * (1 - probability))
    assert (np.abs(counts - n * probability) < 5 * error + 2).all()


def exact_probabilities(model, images, position):
    """[N,256]: the levels' probabilities at `position` of images [N,H,W,1]."""
    parameters = model(images)
    parameters = tf.reshape(parameters, [len(images), -1, parameters.shape[-1]])
    likelihood = model.likelihood(parameters[:, None, position])
    return np.exp(likelihood.log_prob(LEVELS[None]).numpy().astype(np.float64))


def test_2000_images_have_the_exact_joint_probabilities_of_their_first_pixels():
    model = small_pixel_cnn(1)
    n = 2000
    drawn = to_levels(sample_cached(model, (4, 4), draws_of(n, 16, 1, seed=3)))
    first_two = drawn.numpy().reshape(n, 16)[:, :2] // (256 // CELLS)
    counts = np.zeros((CELLS, CELLS))
    np.add.at(counts, tuple(first_two.T), 1)

    every_first = np.zeros((256, 16, 1), np.float32)
    every_first[:, 0] = LEVELS
    every_first = tf.constant(every_first.reshape(256, 4, 4, 1))
    first = exact_probabilities(model, every_first[:1], 0)[0]
    second = exact_probabilities(model, every_first, 1)
    joint = in_cells(first[:, None] * second, axes=(0, 1))
    np.testing.assert_allclose(joint.sum(), 1, rtol=1e-4)
    # 16 cells, 5 standard errors: fails falsely once in 100,000 seeds.
    assert_frequencies(counts, joint)


def test_2000_draws_of_one_pixel_have_its_exact_probabilities_given_the_others():
    model = small_pixel_cnn(1)
    n, position = 2000, 11
    others = to_unit_range(to_levels(image_of(4, 4, 1, seed=2)))
    is_given = np.ones((n, 16, 1), bool)
    is_given[:, position] = False
    draws = draws_of(n, 16, 1, seed=4)._replace(
        given=tf.tile(tf.reshape(others, [1, 16, 1]), [n, 1, 1]),
        is_given=tf.constant(is_given),
    )
    drawn = to_levels(sample_cached(model, (4, 4), draws)).numpy().reshape(n, 16)
    cells = drawn[:, position] // (256 // CELLS)
    exact = in_cells(exact_probabilities(model, others, position)[0], axes=(0,))
    # 4 cells, 5 standard errors: fails falsely once in 400,000 seeds.
    assert_frequencies(np.bincount(cells, minlength=CELLS), exact)


def test_memory_keeps_a_change_only_where_its_condition_holds():
    layer = DownRightShiftedConv2D(3, 4)
    a, b = (layer, "row"), (layer, "known")

    @tf.function(autograph=False)
    def changed_if(condition):
        memory = CausalMemory({a: tf.constant(1.0), b: tf.constant(2.0)})

        def update():
            memory[a] = memory[a] + memory[b]

        memory.update_if(condition, update)
        return memory.values()

    assert [float(x) for x in changed_if(tf.constant(True))] == [3, 2]
    assert [float(x) for x in changed_if(tf.constant(False))] == [1, 2]
    with pytest.raises(KeyError, match="from the start"):
        CausalMemory({a: tf.constant(1.0)})[b] = tf.constant(1.0)


def test_columns_are_written_where_they_are_read():
    row = tf.zeros([2, 2, 5, 3])
    columns = image_of(2, 2, 3, batch=2)
    write = tf.function(with_columns, jit_compile=True)
    written = write(row, columns, tf.constant(2))
    np.testing.assert_array_equal(column_of(written, tf.constant(2), 2), columns)
    assert np.count_nonzero(written) == np.count_nonzero(columns)
