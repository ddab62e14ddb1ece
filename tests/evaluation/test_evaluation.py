"""Every image counts once, whatever the batches; shown parts add up."""

import keras
import numpy as np
import pytest
from tiny import KL_ROUNDING_BITS, tiny_images, tiny_model

from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import summarize
from agave_tf.pictures.bits_map import bits_map_rows
from agave_tf.training.summaries import training_scalars


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_scores_do_not_depend_on_the_batch_size(model):
    images = tiny_images(7)
    by_batch = [
        Evaluator(model, batch_size).scores(images, num_importance_samples=3)
        for batch_size in (1, 3, 7, 10)
    ]
    for scores in by_batch[1:]:
        for a, b in zip(scores, by_batch[0], strict=True):
            assert len(a) == 7
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3)


def test_an_image_has_the_same_score_alone_and_among_others(model):
    images = tiny_images(5)
    whole = Evaluator(model, 2).scores(images, 2)
    some = Evaluator(model, 2).scores(images, 2, max_images=3)
    assert len(some.index) == 3
    np.testing.assert_allclose(some.bound, whole.bound[some.index], rtol=1e-6)


def test_with_one_sample_the_bound_is_the_elbo(model):
    scores = Evaluator(model, 4).scores(tiny_images(6), 1)
    np.testing.assert_allclose(scores.bound, scores.log_likelihood, rtol=1e-6)


def test_the_bound_lies_above_the_elbo_and_grows_with_samples(model):
    images = tiny_images(12)
    evaluator = Evaluator(model, 12)
    few, many = evaluator.scores(images, 2), evaluator.scores(images, 16)
    # For any sample the bound is at least the mean of its log weights (Jensen).
    assert (many.bound >= many.log_likelihood).all()
    assert many.bound.mean() > few.bound.mean() > few.log_likelihood.mean()


def test_seeds_give_different_samples(model):
    images = tiny_images(3)
    evaluator = Evaluator(model, 3)
    a, b = evaluator.scores(images, 1, seed=0), evaluator.scores(images, 1, seed=1)
    assert (a.kl != b.kl).all()
    # Two samples of one image differ as well.
    two = evaluator.scores(images, 2, seed=0)
    assert (two.kl != a.kl).all()


@pytest.mark.parametrize("stage", ["joint", "pretrain_vae", "pretrain_pixel_cnn"])
def test_shown_parts_add_up_to_the_whole(stage):
    model = tiny_model(stage)
    scores = Evaluator(model, 4).scores(tiny_images(6), 3)
    shown = {score.name: score.mean for score in summarize(scores, model, 3)}
    parts = {
        "joint": shown.get("primary_reconstruction", 0) + shown.get("kl", 0),
        "pretrain_vae": shown.get("auxiliary_reconstruction", 0) + shown.get("kl", 0),
        "pretrain_pixel_cnn": shown.get("primary_reconstruction"),
    }
    np.testing.assert_allclose(shown["bits_per_dim"], parts[stage], rtol=1e-5)
    levels = [value for name, value in shown.items() if name.startswith("kl_level")]
    np.testing.assert_allclose(
        sum(levels), shown.get("kl", 0), rtol=1e-5, atol=KL_ROUNDING_BITS
    )


def test_pixel_cnn_alone_has_an_exact_likelihood():
    model = tiny_model("pretrain_pixel_cnn")
    scores = Evaluator(model, 4).scores(tiny_images(6), 50)
    np.testing.assert_array_equal(scores.bound, scores.log_likelihood)
    assert (scores.kl == 0).all()


def test_labels_reach_the_likelihood():
    keras.utils.set_random_seed(0)  # Some weights give two labels one likelihood.
    images = tiny_images(6, labels=3)
    model = tiny_model("pretrain_pixel_cnn", images, num_classes=3)
    right = Evaluator(model, 3).scores(images, 1)
    other = images._replace(label=(images.label + 1) % 3)
    assert (Evaluator(model, 3).scores(other, 1).bound != right.bound).all()


@pytest.mark.parametrize("label", [None, -1, 3])
def test_labels_that_are_missing_or_out_of_range_are_refused(label):
    """They were scored as "no class"."""
    images = tiny_images(6, labels=3)
    model = tiny_model("pretrain_pixel_cnn", images, num_classes=3)
    labels = None if label is None else np.full(6, label, np.int32)
    with pytest.raises(InputError, match="`num_classes` must"):
        Evaluator(model, 3).scores(images._replace(label=labels), 1)
    with pytest.raises(InputError, match="`num_classes` must"):
        bits_map_rows(model, images._replace(label=labels), seed=0)


@pytest.mark.parametrize("stage", ["joint", "pretrain_vae", "pretrain_pixel_cnn"])
def test_every_place_that_shows_the_parts_names_them_alike(stage):
    model, images = tiny_model(stage), tiny_images(6)
    scores = summarize(Evaluator(model, 4).scores(images, 1), model, 1)
    shown = list(training_scalars(model, model.zero_terms()))
    assert [score.name for score in scores] == [n for n in shown if n != "kl_objective"]
