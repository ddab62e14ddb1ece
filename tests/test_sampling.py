"""Images drawn from a model, and the rows that show them."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_images, tiny_model

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.pictures.completion_mask import completion_mask
from agave_tf.pictures.draw_rows import draw_rows
from agave_tf.pictures.rows import Sampler, _labels_along
from agave_tf.sampling.draw_images import SamplingSettings, draw_images
from agave_tf.settings.pictures import PictureSettings

pytestmark = pytest.mark.xdist_group("sampling")


@pytest.fixture(scope="module")
def model():
    model = tiny_model()
    # As if the condition had been trained: new ones inject nothing.
    for variable in model.pixel_cnn.trainable_variables:
        if variable.name == "g":
            variable.assign(tf.where(variable == 0.0, 0.5, variable))
    return model


def rows_of(model, **settings):
    # Two at a time whatever is drawn, so that the sampler is compiled once.
    return Sampler(model, SamplingSettings(batch_size=2, **settings))


def captions(rows):
    return [row.caption for row in rows]


def test_an_image_is_the_same_in_any_batch(model):
    f_z = tf.random.stateless_uniform([5, 8, 8, 3], [0, 1], -1.0, 1.0)
    index = tf.range(5)
    drawn = {
        batch_size: draw_images(
            model, index, SamplingSettings(seed=3, batch_size=batch_size), f_z
        )
        for batch_size in (5, 2)
    }
    np.testing.assert_array_equal(drawn[5], drawn[2])
    assert (drawn[5][0] != drawn[5][1]).any()
    other = draw_images(model, index, SamplingSettings(seed=4, batch_size=5), f_z)
    assert (other != drawn[5]).any()


def test_prior_rows_are_f_z_and_samples_that_differ(model):
    rows = rows_of(model).prior(3, num_samples=2)
    assert captions(rows) == ["f(z)", "sample 1", "sample 2"]
    assert all(row.images.shape == (3, 8, 8, 3) for row in rows)
    assert (rows[1].images != rows[2].images).any()


def test_reconstructions_start_from_the_images(model):
    images = tiny_images(3)
    rows = rows_of(model).reconstruct(images)
    assert captions(rows) == ["image", "f(z)", "sample"]
    np.testing.assert_array_equal(rows[0].images, images.image)


def test_interpolation_ends_at_the_reconstructions_of_its_images(model):
    images = tiny_images(4)
    sampler = rows_of(model, z_temperature=0.0)
    rows = sampler.interpolate(images, num_steps=3)
    assert captions(rows) == ["image", "f(z)", "sample"] * 2
    ends = sampler.reconstruct(images)[1].images
    for pair in range(2):
        given, f_z = rows[3 * pair].images, rows[3 * pair + 1].images
        for step, end in ((0, 2 * pair), (2, 2 * pair + 1)):
            np.testing.assert_array_equal(given[step], images.image[end])
            np.testing.assert_array_equal(f_z[step], ends[end])
        assert (f_z[1] != f_z[0]).any() and (f_z[1] != f_z[2]).any()


@pytest.mark.parametrize("from_prior", [False, True])
def test_completions_keep_what_is_given_and_draw_the_rest(model, from_prior):
    images = tiny_images(2)
    is_given = completion_mask((8, 8), "", keep_top=0.5)
    rows = rows_of(model).complete(images, is_given, 2, from_prior)
    assert captions(rows) == ["image", "given", "f(z)", "sample 1", "sample 2"]
    for row in rows[3:]:
        np.testing.assert_array_equal(
            row.images[:, is_given], images.image[:, is_given]
        )
    assert (rows[3].images != rows[4].images).any()
    hidden = rows[1].images[:, ~is_given]
    mean = images.image[:, is_given].mean(axis=1, keepdims=True)
    assert np.abs(hidden - mean).max() <= 0.5


def test_what_is_hidden_does_not_reach_a_completion(model):
    is_given = completion_mask((8, 8), "", keep_top=0.5)
    images = tiny_images(2)
    hidden = np.where(is_given[None, :, :, None], images.image, 0)
    sampler = rows_of(model)
    first = sampler.complete(images, is_given)[-1].images
    second = sampler.complete(Images(hidden, None), is_given)[-1].images
    np.testing.assert_array_equal(first, second)


def test_temperature_zero_draws_without_chance(model):
    cold = dict(z_temperature=0.0, pixel_temperature=0.0)
    images = tiny_images(2)
    one = rows_of(model, seed=1, **cold).reconstruct(images)[-1].images
    two = rows_of(model, seed=2, **cold).reconstruct(images)[-1].images
    np.testing.assert_array_equal(one, two)


def test_a_part_alone_draws_what_it_can():
    vae, pixel_cnn = tiny_model("pretrain_vae"), tiny_model("pretrain_pixel_cnn")
    images = tiny_images(2)
    is_given = completion_mask((8, 8), "", keep_top=0.25)
    assert captions(rows_of(vae).prior(2)) == ["f(z)"]
    assert captions(rows_of(vae).interpolate(images)) == ["image", "f(z)"]
    sampler = rows_of(pixel_cnn)
    assert captions(sampler.prior(2)) == ["sample"]
    completed = sampler.complete(images, is_given)
    assert captions(completed) == ["image", "given", "sample"]
    with pytest.raises(InputError, match="without latent variables; got reconstruct"):
        sampler.reconstruct(images)
    with pytest.raises(InputError, match="with a PixelCNN"):
        rows_of(vae).complete(images, is_given)
    for part in (vae, pixel_cnn):
        with pytest.raises(InputError, match="with a VAE and a PixelCNN"):
            rows_of(part).condition(2)


def test_images_and_masks_that_do_not_fit_are_refused(model):
    sampler = rows_of(model)
    with pytest.raises(InputError, match=r"shape \(8, 8, 3\); got \(8, 8, 1\)"):
        sampler.reconstruct(tiny_images(2, channels=1))
    with pytest.raises(InputError, match=r"size \(8, 8\); got \(4, 8\)"):
        sampler.complete(tiny_images(2), np.ones((4, 8), bool))
    with pytest.raises(InputError, match="must be even.*got 3"):
        sampler.interpolate(tiny_images(3))


def test_a_mask_is_read_from_a_picture(tmp_path):
    expected = np.random.default_rng(0).random((4, 8)) < 0.5
    path = tmp_path / "mask.png"
    picture = np.where(expected, 255, 0).astype(np.uint8)[..., None]
    path.write_bytes(tf.io.encode_png(picture).numpy())
    mask = completion_mask((4, 8), str(path), keep_top=0.5)
    np.testing.assert_array_equal(mask, expected)
    with pytest.raises(InputError, match=r"width \(8, 8\).*\(4, 8\)"):
        completion_mask((8, 8), str(path), keep_top=0.5)
    with pytest.raises(InputError, match="no file"):
        completion_mask((8, 8), str(tmp_path / "none.png"), keep_top=0.5)
    path.write_text("not a picture")
    with pytest.raises(InputError, match="must be a PNG"):
        completion_mask((8, 8), str(path), keep_top=0.5)


@pytest.mark.parametrize(
    "name,value",
    [
        ("mode", "posterior"),
        ("num_images", 0),
        ("num_samples", -1),
        ("num_steps", 1),
        ("seed", -1),
        ("seed", 2**31),
        ("keep_top", 1.5),
        ("pixel_temperature", float("nan")),
        ("z_temperature", -0.1),
        ("sampling_batch_size", 0),
    ],
)
def test_picture_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=rf"`{name}` must be .*got"):
        PictureSettings(**{name: value})


def test_every_mode_draws_its_rows(model):
    images = tiny_images(2)
    expected = {"prior": 2, "condition": 11, "reconstruct": 3, "interpolate": 3}
    for mode, count in (expected | {"complete": 4}).items():
        config = PictureSettings(mode=mode, num_images=2, sampling_batch_size=2)
        assert len(draw_rows(model, config, images)) == count, mode


@pytest.fixture(scope="module")
def conditional_model():
    return tiny_model(images=tiny_images(labels=4), num_classes=4)


@pytest.mark.parametrize("mode", ["prior", "condition", "reconstruct", "interpolate"])
def test_every_mode_of_a_class_conditional_model_draws_for_the_labels(
    conditional_model, mode
):
    """Modes condition and interpolate drew without a class, in silence."""
    images = tiny_images(2, labels=2)
    settings = PictureSettings(
        mode=mode, num_images=2, num_samples=1, num_steps=2, sampling_batch_size=2
    )
    drawn = draw_rows(conditional_model, settings, images)[-1].images
    other = images._replace(label=images.label + 2)
    redrawn = draw_rows(conditional_model, settings, other)[-1].images
    assert (drawn != redrawn).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("label", [None, np.array([0, -1]), np.array([0, 4])])
@pytest.mark.parametrize("mode", ["prior", "condition", "reconstruct", "interpolate"])
def test_a_class_conditional_model_refuses_missing_and_unknown_labels(
    conditional_model, mode, label
):
    images = tiny_images(2)._replace(label=label)
    settings = PictureSettings(mode=mode, num_images=2, sampling_batch_size=2)
    with pytest.raises(InputError, match="`num_classes` must"):
        draw_rows(conditional_model, settings, images)
    with pytest.raises(InputError, match="`label` must be given"):
        rows_of(conditional_model).prior(2)


def test_interpolation_takes_the_label_of_the_nearer_image():
    label = np.array([1, 2, 3, 0], np.int32)
    np.testing.assert_array_equal(
        _labels_along(label, 5), [1, 1, 1, 2, 2, 3, 3, 3, 0, 0]
    )
