"""Images drawn pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from golden_file import load, report, with_prefix
from test_parity_pixel_cnn import label_of, make
from tiny import tiny_images, tiny_model

from agave_tf.images import to_unit_range
from agave_tf.importers.openai_names import assign_originals, pixel_cnn_variables
from agave_tf.sampling import (
    draw_images,
    prior_pictures,
    reconstruction_pictures,
    sample_given_noise,
)


@pytest.mark.parametrize(
    "stem,sizes",
    [("pixelcnn_sampling_a", (1, 8, 3)), ("pixelcnn_sampling_b_cond", (2, 6, 2, 4))],
)
def test_images_drawn_with_given_noise_equal_the_originals(stem, sizes):
    golden = load(stem)
    model = make(*sizes)
    assign_originals(pixel_cnn_variables(model), with_prefix(golden, "var:"))
    height, width, batch, _ = golden["noise_mix"].shape

    def per_image(noise):
        return np.moveaxis(noise, 2, 0).reshape(batch, height * width, -1)

    image = sample_given_noise(
        model,
        (height, width),
        tf.constant(per_image(golden["noise_mix"])),
        tf.constant(per_image(golden["noise_logistic"])),
        label=label_of(golden),
        snap_to_levels=False,
    )
    report(stem, "image", np.abs(image - golden["image"]).max(), 1e-3)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_an_image_is_the_same_in_any_batch(model):
    many, few = prior_pictures(model, 5, seed=3), prior_pictures(model, 2, seed=3)
    for a, b in zip(many.rows(), few.rows(), strict=True):
        np.testing.assert_array_equal(a[:2], b)
    assert (prior_pictures(model, 2, seed=4).finished != few.finished).any()
    assert (many.finished[0] != many.finished[1]).any()


def test_reconstructions_start_from_the_images(model):
    images = tiny_images(3).image
    pictures = reconstruction_pictures(model, images, seed=0)
    np.testing.assert_array_equal(pictures.image, images)
    assert pictures.f_z.shape == pictures.finished.shape == images.shape


def test_a_part_alone_draws_what_it_can():
    assert len(prior_pictures(tiny_model("pretrain_vae"), 2, 0).rows()) == 1
    assert len(prior_pictures(tiny_model("pretrain_pixel_cnn"), 2, 0).rows()) == 1


def test_samples_follow_the_likelihood_of_the_first_pixel():
    # The first pixel depends on nothing: its likelihood is one distribution.
    images = tiny_images(channels=1)
    model = tiny_model("pretrain_pixel_cnn", images)
    n = 2000
    drawn = draw_images(model, tf.range(n), seed=1).numpy()[:, 0, 0, 0]
    blank = tf.zeros([1, 8, 8, 1])
    likelihood = model.pixel_cnn.likelihood(model.pixel_cnn(blank)[0, 0, 0])
    levels = to_unit_range(np.arange(256, dtype=np.uint8))[:, None]
    p = np.exp(likelihood.log_prob(levels).numpy().astype(np.float64))
    # 8 cells of 32 levels, 5 standard errors: fails falsely once in 200,000 seeds.
    cells = p.reshape(8, 32).sum(axis=1)
    counts = np.bincount(drawn // 32, minlength=8)
    assert (np.abs(counts - n * cells) < 5 * np.sqrt(n * cells * (1 - cells)) + 2).all()
