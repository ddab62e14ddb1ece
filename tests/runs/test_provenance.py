"""What a result depends on stands beside it, and what does not match is not taken."""

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config, tiny_images

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.score_files import scores_file, stored_scores
from agave_tf.runs.stages import STAGES
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.training.train_stage import train_stage

pytestmark = pytest.mark.xdist_group("provenance")  # Its tests share runs.

SETTINGS = {
    "num_layers_per_resolution": 1,
    "num_pixel_cnn_resolutions": 1,
    "pretrain_vae_steps": 2,
    "joint_steps": 2,
    "evaluate_images": 0,
    "jit_compile": False,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of images with labels."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    images = tiny_images(40, labels=4)
    np.savez(path, images=images.image, labels=images.label)
    return f"npz:{path}"


def train(stage, path, data, sources=None, **settings):
    config = tiny_config(**{**SETTINGS, "dataset": data, **settings})
    strategy = tf.distribute.get_strategy()
    return train_stage(STAGES[stage], config, str(path), sources or {}, strategy)


@pytest.fixture(scope="module")
def vae(tmp_path_factory, data):
    return train("pretrain_vae", tmp_path_factory.mktemp("runs") / "vae", data)


@pytest.fixture(scope="module")
def joint(tmp_path_factory, data, vae):
    path = tmp_path_factory.mktemp("runs") / "joint"
    return train("joint", path, data, {"init_vae_from": vae.path})


def test_config_json_names_sources_and_versions(joint, vae):
    with open(joint.file("config.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert content["sources"] == {
        "init_vae_from": {
            "path": vae.path,
            "stage": "pretrain_vae",
            "step": 2,
            "weights": vae.fingerprint(),
        }
    }
    assert set(content["versions"]) > {"agave_tf", "tensorflow", "keras", "numpy"}
    assert open_run(joint.path).sources == joint.sources


def test_a_run_goes_on_only_with_the_sources_it_started_from(
    joint, vae, data, tmp_path
):
    def resumed(sources):
        return train("joint", joint.path, data, sources)

    other = train("pretrain_vae", tmp_path / "other", data, seed=1)
    for sources in ({}, {"init_vae_from": other.path}, {"init_from": joint.path}):
        with pytest.raises(InputError, match=r"`init\w*` must name .*to go on with"):
            resumed(sources)
    # The same weights at another path are the same source.
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "progress.json", "averaged_weights.npz"):
        with open(vae.file(name), "rb") as file:
            (copy / name).write_bytes(file.read())
    for path in (vae.path, str(copy)):
        assert resumed({"init_vae_from": path}).step == 2


def test_a_source_that_is_not_finished_is_said(vae, data, tmp_path, caplog):
    text = (open_run(vae.path).file("config.json"), tmp_path / "half")
    text[1].mkdir()
    for name in ("progress.json", "averaged_weights.npz"):
        with open(vae.file(name), "rb") as file:
            (text[1] / name).write_bytes(file.read())
    with open(text[0], encoding="utf-8") as file:
        content = json.load(file)
    content["settings"]["train"]["pretrain_vae_steps"] = 9
    (text[1] / "config.json").write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING, logger="absl"):
        train("joint", tmp_path / "joint", data, {"init_vae_from": str(text[1])})
    assert "is not finished: its weights are of step 2 of 9" in caplog.text


def test_a_run_that_was_trained_with_other_versions_says_so(data, tmp_path, caplog):
    run = train("pretrain_vae", tmp_path / "run", data)
    path = tmp_path / "run" / "config.json"
    content = json.loads(path.read_text())
    content["versions"]["keras"] = "3.0.0"
    path.write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING, logger="absl"):
        train("pretrain_vae", run.path, data)
    assert "was trained with keras 3.0.0, now" in caplog.text


@pytest.fixture
def scored(joint):
    """The run, its model and images, and settings of which scores are stored."""
    images = tiny_images(40, labels=4)
    settings = EvaluationSettings(num_importance_samples=2, max_images=6)
    evaluate_run(joint, joint.load_model(), images, settings)
    return joint, images, settings


def test_a_score_file_names_all_that_it_depends_on(scored):
    run, _, settings = scored
    stored = stored_scores(run, settings)
    assert stored["step"] == 2
    assert stored["weights"] == run.fingerprint()
    # In this order, which the names of files follow, and without directories.
    assert list(stored["data"]) == [
        "dataset",
        "train_split",
        "test_split",
        "image_size",
        "image_channels",
        "white_level",
        "corrupt_images",
        "fingerprint",
    ]
    assert stored["data"]["dataset"] == run.config.data.dataset
    assert (stored["num_images"], stored["num_images_in_split"]) == (6, 40)
    assert stored["evaluation"] == {
        "split": "test",
        "num_importance_samples": 2,
        "max_images": 6,
        "evaluation_batch_size": 50,
        "tile_size": "",
        "evaluation_seed": 0,
        "probe": False,
        "probe_images": 10_000,
    }
    assert "tensorflow" in stored["versions"]


@pytest.mark.parametrize(
    "change",
    [
        {"num_importance_samples": 3},
        {"max_images": 5},
        {"evaluation_batch_size": 4},
        {"evaluation_seed": 1},
        {"split": "train"},
        {"probe": True},
    ],
)
def test_scores_of_other_settings_are_not_taken(scored, change):
    run, _, settings = scored
    assert stored_scores(run, settings) is not None
    changed = EvaluationSettings(**{**vars(settings), **change})
    assert stored_scores(run, changed) is None


def test_scores_of_other_weights_are_not_taken(scored):
    run, images, settings = scored
    weights, step = run.read_weights(), run.step
    changed = {name: value + 1 for name, value in weights.items()}
    run.write_weights(changed, step)
    assert stored_scores(open_run(run.path), settings) is None
    run.write_weights(weights, step)
    assert stored_scores(open_run(run.path), settings) is not None


def test_scores_on_another_data_set_have_a_file_of_their_own(scored):
    """They overwrote evaluation_test.json, and bin/reproduce.py took them."""
    run, images, settings = scored
    before = stored_scores(run, settings)
    config = tiny_config(**{**SETTINGS, "dataset": "svhn_cropped"})
    elsewhere = run.with_config(config)
    assert stored_scores(elsewhere, settings) is None
    other = Images(255 - images.image, images.label)
    evaluate_run(elsewhere, run.load_model(), other, settings)
    assert scores_file(elsewhere, settings) != scores_file(run, settings)
    assert "svhn_cropped" in scores_file(elsewhere, settings)
    assert stored_scores(run, settings) == before
    theirs = stored_scores(elsewhere, settings)
    assert theirs["data"]["dataset"] == "svhn_cropped"
    assert theirs["scores"] != before["scores"]


def test_scores_of_version_0_1_which_name_nothing_are_not_taken(scored):
    run, _, settings = scored
    with open(scores_file(run, settings), "w", encoding="utf-8") as file:
        old = {"step": 2, "num_images": 6, "num_importance_samples": 2, "scores": {}}
        json.dump(old, file)
    assert stored_scores(run, settings) is None


def test_a_probe_on_its_own_training_images_is_refused():
    with pytest.raises(InputError, match="`probe`"):
        EvaluationSettings(split="train", probe=True)
