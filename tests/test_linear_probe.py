"""The probe and the maps say what is there to be read."""

import numpy as np
import pytest
from tiny import tiny_images, tiny_model

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation import linear_probe
from agave_tf.evaluation.linear_probe import _fit, probe
from agave_tf.pictures.bits_map import bits_map_rows

NUM = 60


def labelled(seed):
    """Bright images of class 1 and dark ones of class 0."""
    images = tiny_images(NUM).image // 2
    label = np.random.default_rng(seed).integers(0, 2, NUM).astype(np.int32)
    return Images(images + (label * 120).astype(np.uint8)[:, None, None, None], label)


def accuracies(model, train, held_out):
    scores = probe(model, train, held_out, seed=1, batch_size=20)
    return {score.features: score.accuracy for score in scores}


def test_what_the_latents_carry_is_found():
    model = tiny_model("pretrain_vae")
    found = accuracies(model, labelled(0), labelled(1))
    assert list(found) == ["pixels", "z, mean", "z, drawn", "f(z)"]
    assert found["pixels"] > 0.9 and found["z, mean"] > 0.8


def test_labels_that_have_nothing_to_do_with_the_images_are_not_found():
    model = tiny_model("pretrain_vae")
    train, held_out = labelled(0), labelled(1)
    unrelated = np.random.default_rng(3).integers(0, 2, NUM)
    found = accuracies(model, train, Images(held_out.image, unrelated))
    for accuracy in found.values():
        assert 0.25 < accuracy < 0.75


def test_latents_of_a_collapsed_posterior_tell_nothing_when_drawn():
    model = tiny_model("pretrain_vae")
    for level in model.vae.ladder:
        # What q knows of the image: its mean and deviation.
        level.up_in.g.assign(level.up_in.g - 30)
        level.up_in.b.assign(0 * level.up_in.b)
    found = accuracies(model, labelled(0), labelled(1))
    assert found["z, drawn"] < 0.75 and found["f(z)"] < 0.75
    assert found["pixels"] > 0.9


def test_more_features_than_images_give_the_same_classifier():
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(30, 20)), rng.integers(0, 3, 30)
    few = _fit(x, label, 0.1)
    # Twenty columns of zeros change nothing but which system is solved.
    many = _fit(np.hstack([x, np.zeros((30, 20))]), label, 0.2)
    np.testing.assert_allclose(many.weights[:20], few.weights, atol=1e-10)


def test_the_ridge_is_chosen_on_images_of_every_class(monkeypatch):
    """The first tenth of a set that is sorted by class is of one class."""
    seen = []

    def is_right(classifier, features, label):
        seen.append(set(label))
        return np.ones(len(label), bool)

    monkeypatch.setattr(linear_probe, "_is_right", is_right)
    label = np.repeat(np.arange(4), 100)
    features = np.random.default_rng(0).normal(size=(400, 3))
    linear_probe._fit_and_judge(features, label, features, label)
    # Of 40 at random, none of one class has a chance of 4e-5.
    assert all(classes == {0, 1, 2, 3} for classes in seen)


def test_what_cannot_be_probed_is_refused():
    images = tiny_images(8)
    with pytest.raises(InputError, match="images with labels"):
        probe(tiny_model("pretrain_vae"), images, images, 0)
    images = tiny_images(8, labels=2)
    with pytest.raises(InputError, match="a run with a VAE"):
        probe(tiny_model("pretrain_pixel_cnn"), images, images, 0)


@pytest.mark.parametrize(
    "stage,names",
    [
        ("joint", ["image", "f(z)", "p(x|z)", "KL, 4x4"]),
        ("pretrain_vae", ["image", "f(z)", "p(y|z)", "KL, 4x4"]),
        ("pretrain_pixel_cnn", ["image", "p(x|z)"]),
    ],
)
def test_maps_of_bits(stage, names):
    model = tiny_model(stage)
    rows = bits_map_rows(model, tiny_images(3), seed=0)
    assert [row.caption.partition(", 0 to")[0] for row in rows] == names
    assert {len(row.images) for row in rows} == {3}
    # Somewhere the largest value has the last colour.
    assert (rows[-1].images == (252, 255, 164)).all(axis=-1).any()


def test_the_bits_of_pixels_sum_to_the_reconstruction():
    model, images = tiny_model(), tiny_images(3)
    f_z = model.vae.decode(model.mean_latents(images.image))
    log_prob = model.primary_log_prob(images.image, f_z)
    assert log_prob.shape == (3, 8, 8)
    whole = model.primary_reconstruction(images.image, f_z)
    np.testing.assert_allclose(log_prob.numpy().sum((1, 2)), whole, rtol=1e-5)
