"""The commands on images of other sizes than the run was trained on."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from command_process import refused, succeeds
from short_runs import train

from agave_tf.data.image_set import Images
from agave_tf.data.mixed_images import MixedImages
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.pictures.grid import write_png
from agave_tf.runs.open_run import load_run

SIZES = [(5, 7), (8, 8), (1, 1), (9, 4), (5, 7), (12, 3)]


def pictures():
    rng = np.random.default_rng(2)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run on 8x8 images, and a folder of pictures of several sizes."""
    home = tmp_path_factory.mktemp("home")
    train(home / "run", 1, stage="joint")
    (home / "pictures").mkdir()
    for place, picture in enumerate(pictures()):
        write_png(f"{home}/pictures/{place}.png", picture)
    return home


def evaluate(home, *arguments):
    data = (f"--dataset=folder:{home}/pictures", "--image_size=", "--split=all")
    run = (f"--run_dir={home}/run", "--num_importance_samples=2")
    return succeeds("evaluate", *run, *data, *arguments).stdout


def test_every_picture_is_scored_once_and_large_ones_count_more(home):
    npz = home / "scores.npz"
    shown = evaluate(home, f"--per_image={npz}", f"--bits_map={home}/map.png")
    assert "6 images, heights 1 to 12, widths 1 to 8; means by sub-pixels" in shown
    with np.load(npz) as file:
        scores = {name: file[name] for name in file.files}
    assert sorted(map(tuple, scores["size"])) == sorted(SIZES)
    dims = 3 * scores["size"].prod(axis=1)
    mean = -scores["log_likelihood"].sum() / dims.sum() / math.log(2)
    assert f"bits_per_dim {mean:24.4f}" in shown
    # As in Python, where the pictures stand in another order.
    mixed = Images(MixedImages.of(pictures()), None)
    alone = Evaluator(load_run(f"{home}/run"), 1).scores(mixed, 2)
    found = scores["primary_reconstruction"].sum()
    np.testing.assert_allclose(found, alone.primary_reconstruction.sum(), rtol=0.05)
    (file,) = (home / "run").glob("evaluation_all_on_*pictures*images.npz")
    with np.load(file) as stored:
        np.testing.assert_array_equal(np.sort(stored["sub_pixels"]), np.sort(dims))
    assert tf.io.decode_png((home / "map.png").read_bytes()).shape[-1] == 3


def test_scores_by_tiles_have_a_file_of_their_own(home):
    whole, tiles = evaluate(home), evaluate(home, "--tile_size=4x3")
    assert whole != tiles
    paths = (home / "run").glob("evaluation_all_on_*.json")
    sizes = {json.loads(path.read_text())["evaluation"]["tile_size"] for path in paths}
    assert sizes == {"", "4x3"}
    data = (f"--dataset=folder:{home}/pictures", "--split=all")
    refused(
        "`tile_size` must be SIDE or HEIGHTxWIDTH",
        *("evaluate", f"--run_dir={home}/run", *data, "--tile_size=4x"),
    )


def test_pictures_are_drawn_in_the_size_that_is_asked_for(home):
    drawn = ("sample", f"--run_dir={home}/run", f"--output={home}/drawn.png")
    npz = home / "drawn.npz"
    arguments = ("--num_images=2", f"--save_npz={npz}", "--image_size=5x6")
    for mode in ("prior", "reconstruct"):
        succeeds(*drawn, f"--mode={mode}", *arguments)
        with np.load(npz) as file:
            shapes = {file[name].shape for name in file.files}
        assert shapes == {(2, 5, 6, 3)}
    data = (f"--dataset=folder:{home}/pictures", "--image_size=", "--split=train")
    refused("Images must be of one size", *drawn, "--mode=reconstruct", *data)


def test_an_export_draws_in_the_size_that_is_asked_for(home):
    directory = home / "exported"
    succeeds(
        *("export", f"--run_dir={home}/run", f"--output_dir={directory}"),
        *("--image_size=6x5", "--sampling_batch_size=1"),
    )
    signatures = tf.saved_model.load(str(directory)).signatures
    drawn = signatures["sample"](count=tf.constant(1), seed=tf.constant(0))
    assert drawn["images"].shape == (1, 6, 5, 3)
    refused(
        "`image_size` must be empty with --format=run",
        *("export", f"--run_dir={home}/run", f"--output_dir={home}/other"),
        *("--image_size=6x5", "--format=run"),
    )
