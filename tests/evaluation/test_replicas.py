"""Evaluation over several devices has the scores of one."""

import keras
import numpy as np
import pytest
from command_process import SMOKE, refused, succeeds
from tiny import tiny_images, tiny_model, two_replicas

from agave_tf.evaluation.evaluator import Evaluator

pytestmark = pytest.mark.xdist_group("replicas")


@pytest.mark.parametrize(
    "stage,settings",
    [("joint", {"num_pixel_cnn_resolutions": 1}), ("pretrain_pixel_cnn", {})],
)
def test_two_devices_give_the_scores_of_one(stage, settings):
    images = tiny_images(7)
    keras.utils.set_random_seed(0)
    one = Evaluator(tiny_model(stage, **settings), 3).scores(images, 2)
    strategy = two_replicas()
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = tiny_model(stage, **settings)
    two = Evaluator(model, 3, strategy).scores(images, 2)
    np.testing.assert_array_equal(two.index, one.index)
    for name in one._fields[1:]:
        a, b = getattr(two, name), getattr(one, name)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3, err_msg=name)


def test_the_command_evaluates_on_all_devices_of_a_strategy(tmp_path):
    run = f"--run_dir={tmp_path}/run"
    settings = ("--pretrain_vae_steps=1", "--evaluate_images=0")
    succeeds("train", SMOKE, "--stage=pretrain_vae", run, *settings)
    evaluate = ("evaluate", run, "--max_images=6", "--num_importance_samples=2")
    one = succeeds(*evaluate).stdout
    devices = ("--strategy=mirrored", "--num_logical_cpus=2")
    assert succeeds(*evaluate, *devices).stdout == one
    refused("`num_logical_cpus` must be positive", *evaluate, "--num_logical_cpus=2")
