"""The models in pretrained/ are those whose scores stand beside them."""

import csv
import dataclasses
import pathlib

import numpy as np
import pytest
from absl import flags

import agave_tf
from agave_tf.commands import train
from agave_tf.commands.flags import config_from_flags
from agave_tf.evaluation.image_scores import bits_of_images
from agave_tf.runs.score_files import stored_image_scores
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.settings.flag_files import read_flag_file

PRETRAINED = pathlib.Path(__file__).resolve().parents[2] / "pretrained"
RUNS = sorted(path.parent for path in PRETRAINED.glob("*/config.json"))
SCORED = EvaluationSettings(num_importance_samples=16, evaluation_batch_size=100)


def test_there_is_one_and_all_are_small():
    assert PRETRAINED / "cifar10" in RUNS
    for path in RUNS:
        assert (path / "averaged_weights.npz").stat().st_size < 12e6
        # The scores of 10,000 images take 0.7 MB of it.
        assert sum(f.stat().st_size for f in path.rglob("*")) < 12.5e6
        assert not (path / "checkpoints").exists()


def test_the_preset_of_two_hours_trains_cifar10():
    values = flags.FlagValues()
    train.define_flags(values)
    stage = ("--stage=joint", "--run_dir=joint")
    values(["train", *stage, *read_flag_file("two_hours.flags")])
    preset = dataclasses.asdict(config_from_flags(values))
    run = agave_tf.open_run(str(PRETRAINED / "cifar10"))
    trained = dataclasses.asdict(run.config)
    assert run.step == preset["train"]["joint_steps"]
    for source in run.sources.values():
        assert source.step == preset["train"][f"{source.stage}_steps"]
    # A joint run makes no other stage's steps: these are of the preset before.
    for name in ("pretrain_vae", "pretrain_pixel_cnn", "ablation"):
        del preset["train"][f"{name}_steps"], trained["train"][f"{name}_steps"]
    assert trained == preset


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_its_scores_are_those_of_16_images(path, cifar_dir):
    run = agave_tf.open_run(str(path))
    stored = stored_image_scores(run, SCORED)
    assert len(stored["index"]) == 10_000
    data = dataclasses.replace(run.config.data, data_dir=cifar_dir)
    images = agave_tf.load_data(data, ["test"]).test
    model = run.load_model()
    scores = agave_tf.Evaluator(model, 16).scores(images, 16, max_images=16)
    place = np.searchsorted(stored["index"], scores.index)
    for name, bits in bits_of_images(scores, model, 16).items():
        # Other CPUs round differently; a KL is a difference of large sums.
        np.testing.assert_allclose(bits, stored[name][place], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_its_curve_falls_to_its_score(path):
    with open(path / "curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    bits = [float(row["bits_per_dim"]) for row in rows]
    run = agave_tf.open_run(str(path))
    assert int(rows[-1]["step"]) == run.step and bits[-1] < bits[0]
    stored = stored_image_scores(run, SCORED)["bits_per_dim"]
    # 256 images of 2,000: four standard errors of their mean.
    assert abs(bits[-1] - stored.mean()) < 4 * stored.std() / 16
