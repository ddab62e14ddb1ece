"""The PixelCNN++ is autoregressive, and its condition reaches every pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_pixel_cnn import attach, image_of, small_pixel_cnn

from agave_tf.errors import InputError
from agave_tf.randomness import DropoutSeed, seed_tensor


@pytest.fixture(autouse=True)
def the_same_weights_every_time():
    keras.utils.set_random_seed(0)


def dependence(model, height, width, channels, batch=1, **inputs):
    """[H*W,H*W,C] bool: whether output pixel i depends on channel c of input pixel j.

    It counts if it does in any of `batch` images: a relu that is off in one image hides
    a path.
    """
    rows = jacobian_rows(
        lambda image: model(image, **inputs), image_of(height, width, channels, batch)
    )
    size = height * width
    return (rows.reshape(size, batch, size, channels) != 0).any(axis=1)


def jacobian_rows(function, x):
    """[H*W, size of x]: gradients by x of output pixels, their channels added up."""

    @tf.function
    def row(position):
        with tf.GradientTape() as tape:
            tape.watch(x)
            per_pixel = tf.reduce_sum(tf.sin(function(x)), axis=[0, -1])
            value = tf.reshape(per_pixel, [-1])[position]
        return tape.gradient(value, x)

    num_pixels = int(np.prod(function(x).shape[1:3]))
    rows = [row(tf.constant(i)).numpy().ravel() for i in range(num_pixels)]
    return np.stack(rows)


def earlier_within_reach(height, width, num_resnets):
    """[H*W,H*W] bool: whether pixel i must see pixel j.

    It must see every pixel before it in raster order, with one exception. An odd row
    and the row above it are one row at half the resolution. The features there see only
    the rows above both (the down-right stream also the left part of the upper one). So
    a pixel of an odd row sees the left of its own row, and the right of the row above,
    at full resolution only. There each convolution adds a column: 1 in the first layer,
    2 in each of `num_resnets` blocks on the way down and on the way up, and 1 in the
    block on the way up that takes the skip, between its two convolutions.
    """
    reach = 1 + 2 * num_resnets + 1 + 2 * num_resnets
    row, column = np.divmod(np.arange(height * width), width)
    rows_up = row[:, None] - row[None, :]
    columns_left = column[:, None] - column[None, :]
    is_odd = row[:, None] % 2 == 1
    is_far_left = is_odd & (rows_up == 0) & (columns_left > reach)
    is_far_right = is_odd & (rows_up == 1) & (-columns_left > reach)
    is_earlier = (rows_up > 0) | ((rows_up == 0) & (columns_left > 0))
    return is_earlier & ~is_far_left & ~is_far_right


@pytest.mark.parametrize(
    "height,width,channels,settings",
    [
        (8, 8, 3, {}),
        (8, 8, 1, {"nonlinearity": "relu", "num_filters": 12}),
        (8, 12, 1, {}),
        (4, 12, 3, {"num_resnets": 2}),
        (12, 4, 3, {"nonlinearity": "elu"}),
    ],
)
def test_each_pixel_depends_on_all_earlier_pixels_in_reach_and_on_no_other(
    height, width, channels, settings
):
    model = small_pixel_cnn(channels, **settings)
    depends = dependence(model, height, width, channels, batch=4)
    expected = earlier_within_reach(height, width, model.config.num_resnets)
    for channel in range(channels):
        np.testing.assert_array_equal(depends[..., channel], expected)


@pytest.mark.parametrize("num_resnets", [1, 2])
def test_at_one_resolution_a_pixel_depends_on_earlier_pixels_nearby_alone(num_resnets):
    # Two convolutions a block, on the way down and up; the first layer adds its own.
    per_pass = 4 * num_resnets
    height, width = per_pass + 6, 2 * per_pass + 8
    settings = {"num_resnets": num_resnets, "num_pixel_cnn_resolutions": 1}
    depends = dependence(small_pixel_cnn(1, **settings), height, width, 1, batch=2)[
        ..., 0
    ]
    row, column = np.divmod(np.arange(height * width), width)
    rows_up = row[:, None] - row[None, :]
    left = column[:, None] - column[None, :]
    is_above = (rows_up >= 1) & (rows_up <= per_pass + 3)
    is_above &= (-(per_pass + 1) <= left) & (left <= per_pass + 2)
    is_beside = (rows_up == 0) & (left >= 1) & (left <= per_pass + 1)
    np.testing.assert_array_equal(depends, is_above | is_beside)


def test_causality_holds_with_dropout_classes_and_condition():
    model = small_pixel_cnn(3, f_z_channels=3, num_classes=4, dropout_rate=0.5)
    f_z = image_of(8, 8, 3, seed=3)
    attach(model, f_z)
    depends = dependence(
        model,
        8,
        8,
        3,
        condition=model.condition(f_z),
        label=tf.constant([2]),
        dropout_seed=DropoutSeed(seed_tensor(0), tf.range(1), 1),
    )
    earlier = earlier_within_reach(8, 8, 1)
    np.testing.assert_array_equal(depends.any(axis=-1), earlier)


def test_a_condition_that_is_newly_attached_changes_nothing():
    model = small_pixel_cnn(3, f_z_channels=3)
    image, f_z = image_of(8, 8, 3, batch=2), image_of(8, 8, 3, batch=2, seed=1)
    model.initialize_condition(f_z)
    with_condition = model(image, model.condition(f_z))
    np.testing.assert_array_equal(with_condition, model(image))


def test_a_new_condition_learns_from_its_first_step():
    model = small_pixel_cnn(3, f_z_channels=3)
    image, f_z = image_of(8, 8, 3), image_of(8, 8, 3, seed=1)
    model.initialize_condition(f_z)
    gains = [
        block.condition_projection.g
        for stage in model.stages
        for pair in stage
        for block in (pair.down, pair.down_right)
    ]
    with tf.GradientTape() as tape:
        output = model(image, model.condition(f_z))
        loss = tf.reduce_sum(model.likelihood(output).log_prob(image))
    for gradient in tape.gradient(loss, gains):
        assert np.abs(gradient.numpy()).max() > 0


@pytest.mark.parametrize("size", [(8, 8), (4, 4), (2, 2)])
def test_f_z_reaches_every_pixel(size):
    model = small_pixel_cnn(3, f_z_channels=1)
    f_z = image_of(*size, 1)
    attach(model, image_of(8, 8, 1))
    image = image_of(8, 8, 3)
    jacobian = jacobian_rows(
        lambda f_z: model(image, model.condition(f_z, 8 // size[0])), f_z
    )
    assert (np.abs(jacobian).max(axis=1) > 0).all()
    assert (np.abs(jacobian).max(axis=0) > 0).all()


def test_the_label_changes_the_output():
    model = small_pixel_cnn(3, num_classes=3)
    image = image_of(8, 8, 3, batch=2)
    outputs = [model(image, label=tf.constant([k, k])).numpy() for k in range(3)]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3
    assert np.abs(outputs[1] - outputs[2]).max() > 1e-3


def test_a_class_conditional_network_without_a_label_is_refused():
    model, image = small_pixel_cnn(num_classes=3), image_of(8, 8, 3)
    message = "`label` must be given for a class-conditional PixelCNN.*3 classes"
    with pytest.raises(InputError, match=message):
        model(image)
    with pytest.raises(InputError, match=message):
        tf.function(model, autograph=False)(image)
    with pytest.raises(InputError, match=message):
        model.initialize(image)


def test_a_network_without_classes_ignores_the_label():
    model, image = small_pixel_cnn(), image_of(8, 8, 3)
    np.testing.assert_array_equal(model(image, label=tf.constant([1])), model(image))


@pytest.mark.parametrize("size", [(4, 4), (4, 20), (16, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_sides_that_are_multiples_of_4_work(size, channels):
    model = small_pixel_cnn(channels)
    image = image_of(*size, channels, batch=3)
    likelihood = model.likelihood(model(image))
    assert likelihood.log_prob(image).shape == (3, *size)


def test_dropout_of_an_image_does_not_depend_on_how_the_batch_is_split():
    model = small_pixel_cnn(3, dropout_rate=0.5)
    image = image_of(8, 8, 3, batch=4)

    def output_of(rows):
        dropout_seed = DropoutSeed(seed_tensor(2), tf.constant(rows), 4)
        return model(tf.gather(image, rows), dropout_seed=dropout_seed).numpy()

    whole = output_of([0, 1, 2, 3])
    parts = np.concatenate([output_of([0, 1]), output_of([2, 3])])
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert np.abs(whole - model(image)).max() > 1e-2


def test_every_block_drops_different_entries():
    seeds = DropoutSeed(seed_tensor(2), tf.range(2), 2).split(5)
    masks = {seed.is_kept([50], 0.5).numpy().tobytes() for seed in seeds}
    assert len(masks) == 5
