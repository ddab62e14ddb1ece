"""The PixelCNN++ is autoregressive, and its condition reaches every pixel."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.config import PixelCNNConfig
from agave_tf.randomness import DropoutSeed, seed_tensor


def make(channels=3, f_z_channels=0, **settings):
    settings = {"num_resnets": 1, "num_filters": 4, "num_mixtures": 2} | settings
    model = ConditionalPixelCNN(
        PixelCNNConfig(**settings), channels, f_z_channels=f_z_channels
    )
    model.initialize(image_of(8, 8, channels, batch=8))
    return model


def image_of(height, width, channels, batch=1, seed=0):
    return tf.random.stateless_uniform(
        [batch, height, width, channels], [seed, 7], -1.0, 1.0
    )


def dependence(model, height, width, channels, **inputs):
    """[H*W, H*W] bool: output pixel i depends on input pixel j."""
    rows = jacobian_rows(
        lambda image: model(image, **inputs), image_of(height, width, channels)
    )
    size = height * width
    return (rows.reshape(size, size, channels) != 0).any(axis=-1)


def jacobian_rows(function, x):
    """[H*W, x's size]: gradients of each output pixel, all its channels together."""

    @tf.function
    def row(position):
        with tf.GradientTape() as tape:
            tape.watch(x)
            per_pixel = tf.reduce_sum(tf.sin(function(x)), axis=-1)
            value = tf.reshape(per_pixel, [-1])[position]
        return tape.gradient(value, x)

    num_pixels = int(np.prod(function(x).shape[:3]))
    rows = [row(tf.constant(i)).numpy().ravel() for i in range(num_pixels)]
    return np.stack(rows)


@pytest.mark.parametrize(
    "height,width,channels,nonlinearity",
    [
        (8, 8, 3, "concat_elu"),
        (8, 12, 1, "concat_elu"),
        (12, 4, 3, "elu"),
    ],
)
def test_each_pixel_depends_on_all_earlier_pixels_and_on_no_other(
    height, width, channels, nonlinearity
):
    # Three resolutions see further than these images are large, so that every earlier
    # pixel in raster order is within reach.
    model = make(channels, nonlinearity=nonlinearity)
    depends = dependence(model, height, width, channels)
    earlier = np.tril(np.ones((height * width, height * width), bool), k=-1)
    np.testing.assert_array_equal(depends & ~earlier, False)
    missing = earlier & ~depends
    # Within a row the reach to the left is that of the down-right stream; above it is
    # everything.
    row = np.arange(height * width) // width
    far_above = missing & (row[:, None] - row[None, :] > 1)
    assert missing.mean() < 0.02, np.argwhere(missing)[:10]
    assert not far_above.any(), np.argwhere(far_above)[:10]


def test_causality_holds_with_dropout_classes_and_condition():
    model = make(3, f_z_channels=3, num_classes=4, dropout_rate=0.5)
    f_z = image_of(8, 8, 3, seed=3)
    attach(model, f_z)
    depends = dependence(
        model,
        8,
        8,
        3,
        condition=model.condition(f_z, (8, 8)),
        label=tf.constant([2]),
        dropout_seed=DropoutSeed(seed_tensor(0), tf.range(1), 1),
    )
    assert not np.triu(depends).any()


def attach(model, f_z):
    """Sets a condition's gains as if it had been trained."""
    model.initialize_condition(f_z, f_z.shape[1:3])
    for stage in model.stages:
        for pair in stage:
            for block in (pair.down, pair.down_right):
                block.condition_projection.g.assign(
                    tf.ones(block.condition_projection.g.shape)
                )


def test_a_condition_that_is_newly_attached_changes_nothing():
    model = make(3, f_z_channels=3)
    image, f_z = image_of(8, 8, 3, batch=2), image_of(8, 8, 3, batch=2, seed=1)
    model.initialize_condition(f_z, (8, 8))
    with_condition = model(image, model.condition(f_z, (8, 8)))
    np.testing.assert_array_equal(with_condition, model(image))


def test_a_new_condition_learns_from_its_first_step():
    model = make(3, f_z_channels=3)
    image, f_z = image_of(8, 8, 3), image_of(8, 8, 3, seed=1)
    model.initialize_condition(f_z, (8, 8))
    gains = [
        block.condition_projection.g
        for stage in model.stages
        for pair in stage
        for block in (pair.down, pair.down_right)
    ]
    with tf.GradientTape() as tape:
        output = model(image, model.condition(f_z, (8, 8)))
        loss = tf.reduce_sum(model.likelihood(output).log_prob(image))
    for gradient in tape.gradient(loss, gains):
        assert np.abs(gradient.numpy()).max() > 0


@pytest.mark.parametrize("size", [(8, 8), (4, 4), (2, 2)])
def test_f_z_reaches_every_pixel(size):
    model = make(3, f_z_channels=1)
    f_z = image_of(*size, 1)
    attach(model, image_of(8, 8, 1))
    image = image_of(8, 8, 3)
    jacobian = jacobian_rows(
        lambda f_z: model(image, model.condition(f_z, (8, 8))), f_z
    )
    assert (np.abs(jacobian).max(axis=1) > 0).all()
    assert (np.abs(jacobian).max(axis=0) > 0).all()


def test_the_label_changes_the_output():
    model = make(3, num_classes=3)
    image = image_of(8, 8, 3, batch=2)
    outputs = [model(image, label=tf.constant([k, k])).numpy() for k in range(3)]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3
    assert np.abs(outputs[1] - outputs[2]).max() > 1e-3


@pytest.mark.parametrize("size", [(4, 4), (4, 20), (16, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_sides_that_are_multiples_of_4_work(size, channels):
    model = make(channels)
    image = image_of(*size, channels, batch=3)
    likelihood = model.likelihood(model(image))
    assert likelihood.log_prob(image).shape == (3, *size)
