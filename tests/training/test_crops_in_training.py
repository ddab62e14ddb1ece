"""Training on windows that are cut out of pictures of many sizes."""

import json
import re

import numpy as np
import pytest
import short_runs
from command_process import SMOKE, refused, succeeds
from PIL import Image
from tiny import tiny_config

from agave_tf.data.load import load_data
from agave_tf.errors import InputError
from agave_tf.runs.open_run import open_run
from agave_tf.runs.score_files import scores_file
from agave_tf.settings.config import DataConfig
from agave_tf.settings.evaluation import EvaluationSettings

pytestmark = pytest.mark.xdist_group("crops_in_training")  # Its tests share pictures.


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of smooth pictures of many sizes; some are smaller than 8x12."""
    path = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(30):
        height, width = generator.integers(6, 40, 2)
        coarse = generator.integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((int(width), int(height)))
        picture.save(path / f"{number}.png")
    return f"folder:{path}"


def train(path, steps, pictures, **settings):
    how = {"image_size": "8x12", "crop": "random", "flip": True, **settings}
    return short_runs.train(path, steps, dataset=pictures, **how)


def assert_same_weights(run, other):
    ours, theirs = run.read_weights(), other.read_weights()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_a_command_trains_on_pictures_of_many_sizes(tmp_path, pictures):
    flags = ["train", SMOKE, "--stage=joint", f"--dataset={pictures}"]
    flags += ["--image_size=8x12", "--crop=random", "--flip", "--joint_steps=2"]
    result = succeeds(*flags, f"--run_dir={tmp_path}/run")
    assert re.search(r"heights 8 to \d+, widths 12 to \d+, 3 channels", result.stderr)
    assert "images enlarged to the size that is cut out: " in result.stderr
    run = open_run(str(tmp_path / "run"))
    assert run.image_shape == (8, 12, 3) and run.step == 2
    assert (run.config.data.crop, run.config.train.flip) == ("random", True)


def test_a_command_refuses_sizes_that_differ_in_one_line(tmp_path, pictures):
    refused(
        "`dataset` must have images of one size to train on; got heights 6 to 39, "
        "widths 6 to 39. --image_size resizes them, or cuts them with --crop=random.",
        *["train", SMOKE, "--stage=joint", f"--dataset={pictures}", "--image_size="],
        f"--run_dir={tmp_path}/run",
    )
    assert not (tmp_path / "run").exists()
    refused(
        "`image_size` must be set for --crop=random; got ''.",
        *["train", SMOKE, "--stage=joint", f"--dataset={pictures}", "--image_size="],
        *["--crop=random", f"--run_dir={tmp_path}/run"],
    )


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, pictures):
    whole = train(tmp_path / "whole", 5, pictures)
    train(tmp_path / "parts", 2, pictures)
    resumed = train(tmp_path / "parts", 5, pictures)
    assert resumed.step == 5
    assert_same_weights(resumed, whole)


def test_crops_and_flips_are_fixed_and_change_what_is_learnt(tmp_path, pictures):
    weights = {}
    for settings in ({}, {"flip": False}, {"crop": "centre"}):
        run = train(tmp_path / str(len(weights)), 2, pictures, **settings)
        flat = [value.ravel() for value in run.read_weights().values()]
        weights[len(weights)] = np.concatenate(flat)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (weights[a] != weights[b]).any()
    with pytest.raises(InputError, match="`flip` must be True to go on"):
        train(tmp_path / "0", 4, pictures, flip=False)
    with pytest.raises(InputError, match="`crop` must be 'random' to go on"):
        train(tmp_path / "0", 4, pictures, crop="centre")


def test_a_run_from_before_there_were_crops_goes_on(tmp_path):
    whole = short_runs.train(tmp_path / "whole", 4)
    run = short_runs.train(tmp_path / "old", 2)
    path = tmp_path / "old" / "config.json"
    content = json.loads(path.read_text())
    assert content["settings"]["data"].pop("crop") == "resize"
    assert content["settings"]["train"].pop("flip") is False
    path.write_text(json.dumps(content))
    old = open_run(run.path)
    assert old.config == run.config
    assert scores_file(old, EvaluationSettings()) == f"{run.path}/evaluation_test.json"
    resumed = short_runs.train(tmp_path / "old", 4)
    assert resumed.step == 4
    assert_same_weights(resumed, whole)


def test_scores_with_centre_crops_are_those_of_a_run_with_random_ones(
    tmp_path, pictures
):
    run = train(tmp_path / "run", 0, pictures)
    settings = EvaluationSettings()
    how = {"dataset": pictures, "image_size": "8x12"}
    centre = run.with_config(tiny_config(**how, crop="centre"))
    resized = run.with_config(tiny_config(**how))
    assert scores_file(centre, settings) == scores_file(run, settings)
    assert scores_file(resized, settings) != scores_file(run, settings)
    random, centres = (
        load_data(DataConfig(**how, crop=crop)) for crop in ("random", "centre")
    )
    np.testing.assert_array_equal(random.test.array, centres.test.array)
    np.testing.assert_array_equal(random.part("train").array, centres.train.array)
