"""A run directory and a SavedModel of version 0.1.0 load, evaluate and resume.

Both are of flags/smoke.flags with --num_filters=2 --num_mixtures=1 --hidden_channels=4
--seed=3, stage joint, made by version 0.1.0: the run and its export at step 4, and the
averaged weights that 0.1.0 itself had after going on to step 8.
"""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.training.train_stage import train_stage

STORED = pathlib.Path(__file__).resolve().parent / "version_0_1_0"


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The files of version 0.1.0, to be changed at will."""
    path = tmp_path_factory.mktemp("old")
    for name in ("run", "saved_model"):
        shutil.unpack_archive(STORED / f"{name}.tar.xz", path)
    return path


def test_its_scores_are_what_they_were(old):
    run = open_run(str(old / "run"))
    assert (run.step, run.sources, run.versions) == (4, None, {})
    images = load_run_data(run, run.config.data, ["test"]).test
    scores = Evaluator(run.load_model(), 16).scores(images.first(16), 4)
    with np.load(old / "scores.npz") as stored:
        # The noise of z is another, so means over 4 samples differ a little.
        for name, rtol in (
            ("primary_reconstruction", 1e-3),
            ("bound", 5e-3),
            ("auxiliary_reconstruction", 0.05),
        ):
            np.testing.assert_allclose(getattr(scores, name), stored[name], rtol=rtol)


def test_it_goes_on_to_the_weights_that_version_0_1_0_went_on_to(old):
    run = open_run(str(old / "run"))
    longer = dataclasses.replace(run.config.train, joint_steps=8)
    config = dataclasses.replace(run.config, train=longer)
    strategy = tf.distribute.get_strategy()
    train_stage(run.stage, config, run.path, {}, strategy)
    resumed = open_run(run.path)
    assert resumed.step == 8
    weights = resumed.read_weights()
    flat = np.concatenate([weights[name].ravel() for name in sorted(weights)])
    with np.load(old / "weights_of_step_8.npz") as stored:
        apart = np.abs(flat - stored["weights"])
    start = np.concatenate([w.ravel() for w in _weights_of_step_4(old)])
    moved = np.abs(flat - start)
    print("largest differences", apart.max(), "median movement", np.median(moved))
    # Adamax divides by the gradient's size, so on another CPU rounding may show where
    # the gradient is near zero; other images or noise would show everywhere.
    assert np.mean(apart > 1e-5) < 0.01
    assert np.median(moved) > 3e-5


def _weights_of_step_4(old):
    shutil.unpack_archive(STORED / "run.tar.xz", old / "step_4")
    with np.load(old / "step_4" / "run" / "averaged_weights.npz") as weights:
        return [weights[name] for name in sorted(weights.files)]


def test_its_saved_model_gives_what_the_run_gives(old, tmp_path):
    shutil.unpack_archive(STORED / "run.tar.xz", tmp_path)
    model = open_run(str(tmp_path / "run")).load_model()
    exported = tf.saved_model.load(str(old / "exported")).signatures
    image = tf.constant(
        np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)), "uint8"
    )
    zs = model.mean_latents(image)
    encoded = exported["encode"](images=image)
    for level, z in enumerate(zs):
        np.testing.assert_allclose(encoded[f"z_{level:02d}"], z, atol=1e-5)
    f_z = exported["reconstruct"](images=image)["f_z"]
    np.testing.assert_allclose(f_z, model.vae.decode(zs), atol=1e-5)
    numbers = {"num_samples": tf.constant(2), "seed": tf.constant(0)}
    nats = exported["log_likelihood"](images=image, **numbers)["nats"]
    # The noise of z is another, as in the scores above.
    bound = Evaluator(model, 3).scores(Images(image.numpy(), None), 2).bound
    np.testing.assert_allclose(nats, bound, rtol=5e-3)
    drawn = exported["sample"](count=tf.constant(3), seed=tf.constant(0))["images"]
    assert drawn.shape == (3, 8, 8, 3)
