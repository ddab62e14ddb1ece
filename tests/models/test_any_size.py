"""Models take images of any size; padding is neither scored nor seen too early."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_pixel_cnn import attach
from tiny import tiny_images, tiny_model

from agave_tf.data.image_set import Images
from agave_tf.data.mixed_images import MixedImages
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import ImageScores
from agave_tf.models.padding import pad, pad_to, padded_size, real_cells
from agave_tf.weights.in_use import using_weights, weights_of

SIZES = [(1, 1), (1, 7), (5, 3), (6, 4), (9, 11)]


@pytest.fixture(autouse=True)
def the_same_weights_every_time():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def joint():
    """AGAVE with three resolutions of z, so that it pads to multiples of 8.

    It was initialised at 16x16: at 8x8 the top level has one position, whose kernels
    see no neighbour, and elsewhere they make numbers that overflow.
    """
    keras.utils.set_random_seed(0)
    model = tiny_model(
        images=tiny_images(size=16),
        num_resolutions=3,
        num_layers_per_resolution=1,
        auxiliary_downsampling=2,
        num_pixel_cnn_resolutions=3,
    )
    attach_condition(model)
    return model


def attach_condition(model) -> None:
    """Lets f(z) reach the pixels, as after some training."""
    f_z = tf.random.stateless_uniform([2, *model.f_z_shape], [1, 2], -1.0, 1.0)
    attach(model.pixel_cnn, f_z, model.config.auxiliary.auxiliary_downsampling)


def picture(size, channels=3, count=1, seed=0):
    """Random levels uint8 [count,H,W,C]."""
    return np.random.default_rng(seed).integers(
        0, 256, (count, *size, channels), np.uint8
    )


def draw(model, image, index=0):
    return model.sample_posterior(
        tf.constant(image), tf.constant([3, 4]), tf.constant([index])
    )


def test_padding_repeats_the_last_pixels_right_and_below():
    image = picture((3, 5))
    padded = pad(tf.constant(image), 4).numpy()
    assert padded.shape == (1, 4, 8, 3)
    np.testing.assert_array_equal(padded[:, :3, :5], image)
    np.testing.assert_array_equal(padded[:, :3, 5:], image[:, :, -1:].repeat(3, axis=2))
    np.testing.assert_array_equal(padded[:, 3], padded[:, 2])
    np.testing.assert_array_equal(pad_to(tf.constant(image), (4, 8)), padded)


def test_an_image_of_whole_multiples_is_not_touched():
    image = tf.constant(picture((4, 8)))
    assert pad(image, 4) is image
    assert real_cells((4, 8), 4, 2) is None
    np.testing.assert_array_equal(
        real_cells((3, 5), 4, 2)[0, ..., 0], [[1, 1, 1, 0], [1, 1, 1, 0]]
    )


@pytest.mark.parametrize("size", SIZES)
def test_no_pixel_depends_on_itself_or_on_a_later_one(joint, size):
    model = joint.of_size(size)
    f_z = draw(model, picture(size)).f_z
    image = tf.cast(picture(size, seed=1), tf.float32)
    count, multiple = size[0] * size[1], model.side_multiple

    @tf.function
    def row(place):
        with tf.GradientTape() as tape:
            tape.watch(image)
            padded = pad(image, multiple) / 127.5 - 1
            parameters = model.pixel_cnn(padded, model.condition(f_z))
            seen = tf.reduce_sum(tf.sin(parameters[:, : size[0], : size[1]]), -1)
            value = tf.reshape(seen, [-1])[place]
        return tf.reshape(tape.gradient(value, image), [count, 3])

    rows = np.stack([row(tf.constant(place)) for place in range(count)])
    assert np.isfinite(rows).all()
    depends = (rows != 0).any(axis=-1)
    np.testing.assert_array_equal(depends & ~np.tri(count, k=-1, dtype=bool), False)
    # Each sees the one before it in its row, and the one above.
    column = np.arange(count) % size[1]
    beside, above = np.flatnonzero(column), np.arange(size[1], count)
    assert depends[beside, beside - 1].all()
    assert depends[above, above - size[1]].all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1)])
def test_the_probabilities_of_all_images_sum_to_one(size):
    model = tiny_model(
        images=tiny_images(channels=1), auxiliary_color="gray", num_filters=8
    )
    attach_condition(model)
    model = model.of_size(size)
    f_z = draw(model, picture(size, 1)).f_z
    levels = np.arange(256, dtype=np.uint8)
    every = np.stack(np.meshgrid(*[levels] * (size[0] * size[1])), -1)
    every = every.reshape(-1, *size, 1)

    @tf.function
    def log_prob(image):
        return model.primary_reconstruction(image, tf.repeat(f_z, len(image), 0))

    parts = np.split(every, max(1, len(every) // 2**13))
    total = sum(
        np.exp(log_prob(part).numpy().astype(np.float64)).sum() for part in parts
    )
    np.testing.assert_allclose(total, 1, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_latents_of_padding_cost_nothing_and_follow_from_the_others(joint, size):
    model = joint.of_size(size)
    out = draw(model, picture(size))
    shapes = [z.shape[1:] for z in out.zs]
    assert shapes == model.latent_shapes
    prior = model.sample_prior(tf.constant([5, 6]), tf.constant([0]))
    for kl, z, z_prior, cell in zip(
        out.kls, out.zs, prior.zs, model.vae.cells, strict=True
    ):
        real = -(-size[0] // cell), -(-size[1] // cell)
        is_real = np.zeros(kl.shape, bool)
        is_real[:, : real[0], : real[1]] = True
        np.testing.assert_array_equal(kl.numpy()[~is_real], 0)
        assert (kl.numpy()[is_real] != 0).all()
        if cell == max(model.vae.cells):
            # At the top, where the prior is the same for every image.
            np.testing.assert_array_equal(
                z.numpy()[~is_real], z_prior.numpy()[~is_real]
            )
            assert (z.numpy()[is_real] != z_prior.numpy()[is_real]).all()
    np.testing.assert_allclose(model.vae.decode(out.zs), out.f_z, atol=1e-6)
    assert out.f_z.shape[1:] == model.f_z_shape


def test_another_size_is_the_model_made_at_that_size(joint):
    size = (24, 16)
    made = type(joint)(joint.config, (*size, 3))
    image, label = picture(size), None
    with using_weights(made, weights_of(joint)):
        expected = draw(made, image)
        nats = made.primary_reconstruction(image, expected.f_z, label)
    of_size = joint.of_size(size)
    found = draw(of_size, image)
    np.testing.assert_array_equal(found.f_z, expected.f_z)
    np.testing.assert_array_equal(
        of_size.primary_reconstruction(image, found.f_z, label), nats
    )
    assert of_size.weights[0] is joint.weights[0]
    assert joint.of_size((16, 16)) is joint


@pytest.mark.parametrize("stage", ["joint", "pretrain_vae", "pretrain_pixel_cnn"])
def test_the_bound_does_not_depend_on_what_an_image_is_scored_beside(stage):
    model = tiny_model(stage)
    sizes = [*SIZES, (8, 8), (5, 3), (12, 4)]
    pictures = [picture(size, seed=i)[0] for i, size in enumerate(sizes)]
    mixed = Images(MixedImages.of(pictures), None)
    together = Evaluator(model, 4).scores(mixed, 2)
    np.testing.assert_array_equal(together.size, sizes)
    for place, image in enumerate(pictures):
        alone = alone_at(place, image, Evaluator(model, 1))
        for name in ("bound", "kl", "primary_reconstruction"):
            np.testing.assert_allclose(
                getattr(together, name)[place],
                getattr(alone, name)[0],
                rtol=1e-5,
                atol=1e-3,
            )


def alone_at(place, image, evaluator):
    """The scores of an image at a place of a set, computed alone."""
    count = place + 1
    images = Images(np.repeat(image[None], count, 0), None)
    scores = evaluator.scores(images, 2)
    return ImageScores(*(values[place:] for values in scores))


@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_padded_sizes(multiple):
    assert padded_size((1, 9), multiple) == [multiple, -(-9 // multiple) * multiple]
    assert padded_size((None, None), multiple) == [None, None]
