"""The probe and the maps say what is there to be read."""

import logging
import tracemalloc

import numpy as np
import pytest
from tiny import tiny_config, tiny_images, tiny_model

from agave_tf import train_stage
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation import ridge_classifier
from agave_tf.evaluation.linear_probe import probe
from agave_tf.evaluation.ridge_classifier import classify, fit
from agave_tf.pictures.bits_map import bits_map_rows
from agave_tf.randomness import choice_generator
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.score_files import stored_image_scores, stored_scores
from agave_tf.settings.evaluation import EvaluationSettings

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


class ArrayFeatures:
    """Features in an array [N,D], in blocks of a few rows."""

    def __init__(self, values):
        self.values, self.asked = values, []

    @property
    def num_features(self):
        return self.values.shape[1]

    def blocks(self, places, num_bytes):
        self.asked.append(places)
        rows = max(1, num_bytes // (8 * self.num_features))
        for first in range(0, len(places), rows):
            yield self.values[places[first : first + rows]]


def by_least_squares(x, label, ridge):
    """Weights and offsets by another way: the ridge as D further rows."""
    center, num_features = x.mean(0), x.shape[1]
    targets = np.eye(label.max() + 1)[label]
    strength = ridge * len(x) * np.square(x - center).mean()
    rows = np.concatenate([x - center, np.sqrt(strength) * np.eye(num_features)])
    right = [targets - targets.mean(0), np.zeros([num_features, targets.shape[1]])]
    weights = np.linalg.lstsq(rows, np.concatenate(right))[0]
    return weights, targets.mean(0) - center @ weights


@pytest.mark.parametrize("num_features", [12, 69, 70, 71, 300])
def test_classifiers_are_those_of_least_squares_however_features_come(
    num_features, monkeypatch
):
    """Fewer features than images, as many, and more; in blocks of some 5 and 20."""
    monkeypatch.setattr(ridge_classifier, "_BLOCK_BYTES", 8 * num_features * 5)
    monkeypatch.setattr(ridge_classifier, "_KEPT_BYTES", 8 * num_features * 20)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 70)
    x = rng.normal(size=(80, num_features))
    x[:70, :3] += 1.5 * np.eye(3)[label]
    x += 5  # Features are not centred.
    order = choice_generator().permutation(70)
    choosing, fitting = order[:7], order[7:]

    def num_right(ridge):
        weights, offsets = by_least_squares(x[fitting], label[fitting], ridge)
        return ((x[choosing] @ weights + offsets).argmax(1) == label[choosing]).sum()

    best = max(ridge_classifier.RIDGES, key=num_right)
    weights, offsets = by_least_squares(x[:70], label, best)
    features = ArrayFeatures(x)
    found = fit(features, np.arange(70), label)
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)
    np.testing.assert_allclose(found.offsets, offsets, atol=1e-8)
    expected = (x[70:] @ weights + offsets).argmax(1)
    classes = classify(found, features, np.arange(70, 80))
    np.testing.assert_array_equal(classes, expected)


def test_more_features_than_memory_holds_are_classified(monkeypatch):
    """All features of all images were in memory, several times, as float32."""
    num_images, num_features = 120, 40_000
    monkeypatch.setattr(ridge_classifier, "_BLOCK_BYTES", 2 * 2**20)
    monkeypatch.setattr(ridge_classifier, "_KEPT_BYTES", 8 * 2**20)

    class Made(ArrayFeatures):
        def blocks(self, places, num_bytes):
            rows = num_bytes // (8 * num_features)
            for first in range(0, len(places), rows):
                block = np.empty([len(places[first : first + rows]), num_features])
                for row, place in zip(block, places[first:]):
                    np.random.default_rng(place).random(out=row)
                yield block

    # As if the features were in memory, of which this one takes none.
    made = Made(np.broadcast_to(0.0, [num_images, num_features]))
    label = np.arange(num_images) % 2
    tracemalloc.start()
    fit(made, np.arange(num_images), label)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All of them are 38 MB. The bound: one kept block and two others.
    assert peak < 14 * 2**20


def test_the_ridge_is_chosen_on_images_of_every_class():
    """The first tenth of a set that is sorted by class is of one class."""
    label = np.repeat(np.arange(4), 100)
    features = ArrayFeatures(np.random.default_rng(0).normal(size=(400, 3)))
    fit(features, np.arange(400), label)
    fitting, choosing = features.asked
    assert (len(fitting), len(choosing)) == (360, 40)
    assert not set(fitting) & set(choosing)
    # Of 40 at random, none of one class has a chance of 4e-5.
    assert set(label[choosing]) == {0, 1, 2, 3}


def test_features_that_are_all_the_same_give_the_commonest_class():
    label = np.array([0] * 12 + [1] * 18)
    for num_features in (5, 50):
        features = ArrayFeatures(np.zeros([30, num_features]))
        found = fit(features, np.arange(30), label)
        assert set(classify(found, features, np.arange(30))) == {1}


def without_label(images, places):
    """The same images with label -1 at these places, as TFDS gives test splits."""
    label = images.label.copy()
    label[places] = -1
    return Images(images.image, label)


def test_images_without_a_label_are_left_out_and_counted(caplog):
    """-1 was taken for the last class: an accuracy of 0.99 became 0.30."""
    model = tiny_model("pretrain_vae")
    train, held_out = labelled(0), labelled(1)
    # At the end, so that the others keep their noise.
    expected = accuracies(
        model, train.first(NUM - 20), held_out.take(np.arange(NUM - 9))
    )
    places = np.arange(NUM - 20, NUM)
    with caplog.at_level(logging.WARNING, logger="absl"):
        scores = probe(
            model,
            without_label(train, places),
            without_label(held_out, places[-9:]),
            seed=1,
            batch_size=20,
        )
    assert {score.features: score.accuracy for score in scores} == expected
    assert "leaves out 20 of 60 training images, which have no label" in caplog.text
    assert "leaves out 9 of 60 held-out images, which have no label" in caplog.text
    for score in scores:
        # One for each image that was given, as the other scores have it.
        assert score.is_right.shape == (NUM,)
        np.testing.assert_array_equal(
            np.isnan(score.is_right), np.arange(NUM) >= NUM - 9
        )


def test_classes_that_no_training_image_has_are_said_and_count_as_wrong(caplog):
    model = tiny_model("pretrain_vae")
    train, held_out = labelled(0), labelled(1)
    before = {s.features: s for s in probe(model, train, held_out, 1, 20)}
    label = held_out.label.copy()
    label[:6], label[6] = 10**9, 7  # No array of so many classes is made.
    with caplog.at_level(logging.WARNING, logger="absl"):
        scores = probe(model, train, Images(held_out.image, label), 1, 20)
    assert (
        "7 of 60 held-out images of the probe have labels that no training image has, "
        "and count as wrong: 7, 1000000000." in caplog.text
    )
    for score in scores:
        assert not score.is_right[:7].any()
        same = before[score.features].is_right[7:]
        np.testing.assert_array_equal(score.is_right[7:], same)


def test_classes_may_have_any_numbers():
    model = tiny_model("pretrain_vae")
    numbers = np.array([5, 2**31 - 1], np.int32)
    sides = labelled(0), labelled(1)
    renamed = [Images(side.image, numbers[side.label]) for side in sides]
    assert accuracies(model, *renamed) == accuracies(model, *sides)


def test_scores_of_every_image_keep_their_places_where_labels_are_missing(tmp_path):
    images = without_label(labelled(0), [3, 4, 50])
    path = str(tmp_path / "images.npz")
    image, label = images
    np.savez(path, train=image, train_labels=label, test=image, test_labels=label)
    config = tiny_config(dataset=f"npz:{path}", pretrain_vae_steps=1, evaluate_images=0)
    run = train_stage("pretrain_vae", config, str(tmp_path / "pretrain_vae"))
    settings = EvaluationSettings(num_importance_samples=1, probe=True)
    scores = evaluate_run(run, run.load_model(), images, settings)
    stored = stored_image_scores(run, settings)
    assert len(stored["bits_per_dim"]) == NUM
    for score in scores.probe:
        is_right = stored[f"probe of {score.features}"]
        assert list(np.flatnonzero(np.isnan(is_right))) == [3, 4, 50]
        assert stored_scores(run, settings)["probe"][score.features] == score.accuracy
        assert np.nanmean(is_right) == pytest.approx(score.accuracy)
    # The tables of the paper's models are of the images with labels.
    scale = SCALES["toy"]._replace(evaluation=settings)
    shown = TrainedRuns(str(tmp_path), scale).scores("pretrain_vae").probe
    for score in scores.probe:
        assert shown[score.features].shape == (1, NUM - 3)
        assert shown[score.features].mean() == pytest.approx(score.accuracy)


def test_what_cannot_be_probed_is_refused():
    images = tiny_images(8)
    model = tiny_model("pretrain_vae")
    with pytest.raises(InputError, match="images with labels"):
        probe(model, images, images, 0)
    images = tiny_images(8, labels=2)
    with pytest.raises(InputError, match="a run with a VAE"):
        probe(tiny_model("pretrain_pixel_cnn"), images, images, 0)
    none = without_label(images, np.arange(8))
    with pytest.raises(InputError, match="1 held-out ones; got 0, and 8 with a nega"):
        probe(model, images, none, 0)
    one = without_label(images, np.arange(7))
    with pytest.raises(InputError, match="2 training ones; got 1, and 7 with a nega"):
        probe(model, one, images, 0)


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
