"""A run is read once: no result is of other weights or settings than it names."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from tiny import tiny_config, tiny_images, tiny_trainer

from agave_tf.data.image_set import Data, DataRecord
from agave_tf.errors import InputError
from agave_tf.interop.provenance import about_run
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.score_files import scores_file, stored_scores
from agave_tf.settings.data import DataConfig
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.training import train_stage as module
from agave_tf.training.train_stage import train_stage
from agave_tf.weights.named_weights import named_weights, read_weights

STAGE = "pretrain_pixel_cnn"
SETTINGS = EvaluationSettings(num_importance_samples=1)


@pytest.fixture
def run(tmp_path):
    """A run with weights of step 0."""
    trainer = tiny_trainer(tmp_path / "run", STAGE)
    trainer.save()
    return open_run(str(tmp_path / "run"))


def other_weights(run):
    return {name: value + 0.1 for name, value in run.read_weights().items()}


def test_scores_name_the_weights_they_are_of_though_training_saves_others(run):
    """They named the new step and fingerprint, and were taken for the new weights'.

    A file said step 60, 8.0208 bits/dim; the true score of step 60 was 7.4122.
    """
    model = run.load_model()
    run.write_weights(other_weights(run), step=60)
    evaluate_run(run, model, tiny_images(4), SETTINGS)
    later = open_run(run.path)
    assert (run.step, later.step) == (0, 60)
    assert stored_scores(later, SETTINGS) is None
    with open(scores_file(run, SETTINGS), encoding="utf-8") as file:
        stored = json.load(file)
    assert (stored["step"], stored["weights"]) == (0, run.fingerprint())


def test_an_export_names_the_weights_it_holds_though_training_saves_others(run):
    run.write_weights(other_weights(run), step=60)
    about = about_run(run)
    assert (about["step"], about["weights"]) == (0, run.fingerprint())
    for name, variable in named_weights(run.load_model()).items():
        np.testing.assert_array_equal(variable.numpy(), run.read_weights()[name])


def test_a_save_that_was_cut_short_names_its_own_step(run):
    """Weights and progress.json are two files: a kill can come between them."""
    with open(run.file("progress.json"), encoding="utf-8") as file:
        before = file.read()
    run.write_weights(other_weights(run), step=60)
    with open(run.file("progress.json"), "w", encoding="utf-8") as file:
        file.write(before)
    assert open_run(run.path).step == 60
    assert open_run(run.path, weights=False).step == 60


def test_weights_of_version_0_2_have_the_step_of_progress_json(run):
    run.write_weights(other_weights(run), step=60)
    with zipfile.ZipFile(run.file("averaged_weights.npz"), "a") as archive:
        archive.comment = b""
    assert open_run(run.path).step == 60


def test_settings_weights_and_step_are_of_one_save(run, monkeypatch):
    read, changed = read_weights, other_weights(run)
    saved = []

    def read_while_training_saves(*arguments):
        weights = read(*arguments)
        if not saved:
            saved.append(run.write_weights(changed, step=60))
        return weights

    monkeypatch.setattr(
        "agave_tf.runs.open_run.read_weights", read_while_training_saves
    )
    opened = open_run(run.path)
    assert opened.step == 60
    for name, value in changed.items():
        np.testing.assert_array_equal(opened.read_weights()[name], value)


def test_a_stage_looks_again_when_it_has_the_lock(tmp_path, monkeypatch):
    """B read its images while A ran and ended, then went on under its own seed.

    config.json then said that all had been trained so.
    """
    images = tiny_images(8)
    record = DataRecord("0" * 16, 8, 8, "made up", "1" * 16)
    path = str(tmp_path / "run")

    def train(seed, data):
        config = tiny_config(
            pretrain_pixel_cnn_steps=1 + seed, seed=seed, evaluate_images=0
        )
        return train_stage(STAGE, config, path, data=data)

    parts = {"train": images, "test": images}
    data = Data(DataConfig(), parts, record)
    skip = module.skip_graph_optimizer_on_cpu

    def meanwhile():
        skip()
        monkeypatch.setattr(module, "skip_graph_optimizer_on_cpu", skip)
        train(0, data)

    monkeypatch.setattr(module, "skip_graph_optimizer_on_cpu", meanwhile)
    with pytest.raises(InputError, match="`seed` must be 0"):
        train(1, data)
    assert open_run(path).config.train.seed == 0
    assert open_run(path).step == 1


def test_a_run_killed_before_its_first_checkpoint_names_what_it_starts_from(tmp_path):
    """It started from what its source had become, and named what that had been."""
    images = tiny_images(8)
    data = Data(
        DataConfig(),
        {"train": images, "test": images},
        DataRecord("0" * 16, 8, 8, "made up", "1" * 16),
    )
    trainer = tiny_trainer(tmp_path / "source", STAGE)
    trainer.save()
    source = open_run(str(tmp_path / "source"))
    config = tiny_config(pretrain_pixel_cnn_steps=0, evaluate_images=0)

    def train():
        sources = {"init_from": source.path}
        return train_stage(STAGE, config, str(tmp_path / "run"), sources, data=data)

    first = train()
    assert first.sources["init_from"].weights == source.fingerprint()
    shutil.rmtree(first.file("checkpoints"))
    for name in ("averaged_weights.npz", "progress.json"):
        os.remove(first.file(name))
    changed = other_weights(source)
    source.write_weights(changed, step=5)
    config = tiny_config(pretrain_pixel_cnn_steps=1, evaluate_images=0)
    again = train()
    assert again.sources["init_from"].step == 5
    assert again.sources["init_from"].weights == open_run(source.path).fingerprint()


SMALLER = [
    {"max_images": 2},
    {"num_importance_samples": 1},
    {"evaluation_seed": 1},
]


@pytest.mark.parametrize("change", SMALLER)
def test_scores_of_fewer_images_or_samples_do_not_replace_others(run, change):
    """400 images with 4 samples took the place of 10,000 with 16 of the model card."""
    images, model = tiny_images(6), run.load_model()
    full = EvaluationSettings(num_importance_samples=2, max_images=4)
    smaller = EvaluationSettings(**{**vars(full), **change})
    evaluate_run(run, model, images, full)
    before = stored_scores(run, full)
    evaluate_run(run, model, images, smaller)
    assert stored_scores(run, full) == before
    assert stored_scores(run, smaller)["evaluation"] == vars(smaller)
    assert scores_file(run, full) == scores_file(run, smaller)


def test_more_thorough_scores_and_those_of_new_weights_replace_others(run):
    images, model = tiny_images(6), run.load_model()
    small = EvaluationSettings(num_importance_samples=1, max_images=4)
    evaluate_run(run, model, images, small)
    evaluate_run(run, model, images, SETTINGS)
    assert stored_scores(run, SETTINGS)["num_images"] == 6
    run.write_weights(other_weights(run), step=60)
    later = open_run(run.path)
    evaluate_run(later, later.load_model(), images, small)
    with open(scores_file(run, small), encoding="utf-8") as file:
        assert json.load(file)["step"] == 60


def test_scores_that_cannot_be_stored_are_returned_and_said(run, monkeypatch, caplog):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("agave_tf.runs.score_files.write_npz", read_only)
    scores = evaluate_run(run, run.load_model(), tiny_images(4), SETTINGS)
    assert scores.summary[0].mean > 0
    assert "are not stored in" in caplog.text
    assert "Read-only file system" in caplog.text
