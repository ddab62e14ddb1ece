"""A copy of a run for others: small, without paths, and of use to every command."""

import csv
import dataclasses
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from command_process import Command
from short_runs import train

from agave_tf.errors import InputError
from agave_tf.interop.run_copy import copy_run
from agave_tf.runs.evaluate_run import compare_runs, evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.score_files import stored_image_scores
from agave_tf.settings.evaluation import EvaluationSettings

SCORED = EvaluationSettings(num_importance_samples=2, max_images=5)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A joint run on images in a folder of the user's, and a copy of it."""
    home = tmp_path_factory.mktemp("home")
    array = np.random.default_rng(0).integers(0, 256, [40, 8, 8, 3], dtype=np.uint8)
    np.savez(home / "mine.npz", images=array)
    settings = {"dataset": f"npz:{home}/mine.npz", "evaluate_images": 4}
    settings |= {"cache_dir": str(home), "evaluate_every": 1}
    vae = train(home / "vae", 1, stage="pretrain_vae", **settings)
    sources = {"init_vae_from": vae.path}
    run = train(home / "run", 2, sources, stage="joint", **settings)
    images = load_run_data(run, run.config.data, ["test"]).test
    evaluate_run(run, run.load_model(), images, SCORED)
    copy_run(run, run.load_model(), str(home / "copy"))
    return home, run, open_run(str(home / "copy"))


def test_a_copy_has_the_weights_and_the_scores_of_every_image(copied):
    _, run, copy = copied
    assert copy.fingerprint() == run.fingerprint() and copy.step == run.step == 2
    scores, of_images = (
        stored_image_scores(copy, SCORED),
        stored_image_scores(run, SCORED),
    )
    assert scores.keys() == of_images.keys() >= {"bits_per_dim_2_samples", "kl"}
    for name in scores:
        np.testing.assert_array_equal(scores[name], of_images[name])
    content = json.loads(pathlib.Path(copy.file("evaluation_test.json")).read_text())
    for name, mean in content["scores"].items():
        np.testing.assert_allclose(scores[name].mean(), mean, rtol=1e-12)


def test_scores_of_images_in_another_file_are_not_taken(copied, tmp_path):
    _, _, copy = copied
    shutil.copytree(copy.path, tmp_path / "copy")
    moved = open_run(str(tmp_path / "copy"))
    file = tmp_path / "copy" / "evaluation_test_images.npz"
    assert stored_image_scores(moved, SCORED) is not None
    np.savez(file, **{"index": np.arange(5)})
    assert stored_image_scores(moved, SCORED) is None
    file.unlink()
    assert stored_image_scores(moved, SCORED) is None


def test_runs_are_compared_without_what_the_other_cannot_be_probed_for(copied):
    """Neither has labels; both scores are stored, so nothing is computed."""
    _, run, copy = copied
    images = load_run_data(run, run.config.data, ["test"]).test
    probed = dataclasses.replace(SCORED, probe=True)
    assert compare_runs(run, copy, images, probed).mean == 0


def test_a_copy_names_no_path_of_the_machine(copied):
    home, _, copy = copied
    for path in (home / "copy").iterdir():
        assert str(home).encode() not in path.read_bytes(), path
    assert copy.config.data.dataset == "npz:mine.npz"
    assert copy.sources["init_vae_from"].path == "vae"


def test_a_copy_has_its_curves_and_those_of_its_sources(copied):
    _, run, copy = copied
    with open(copy.file("curve.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        parts = float(row["primary_reconstruction"]) + float(row["kl"])
        assert abs(parts - float(row["bits_per_dim"])) < 2e-5
    seconds = [float(row["seconds"]) for row in rows]
    assert 0 <= seconds[0] < seconds[1] < seconds[2]
    with open(copy.file("curve_pretrain_vae.csv")) as file:
        assert file.readline().startswith("step,")


def test_a_copy_takes_less_room_than_the_run(copied):
    """Also without the checkpoints: its files of arrays are compressed."""
    _, run, copy = copied
    names = [path.name for path in pathlib.Path(copy.path).glob("*.npz")]
    assert "averaged_weights.npz" in names
    for name in names:
        assert os.path.getsize(copy.file(name)) < os.path.getsize(run.file(name))


def test_a_copy_starts_another_run_and_does_not_go_on_itself(copied):
    home, run, copy = copied
    before = copy.fingerprint()
    settings = {"dataset": f"npz:{home}/mine.npz", "evaluate_every": 1}
    settings |= {"evaluate_images": 4}
    with pytest.raises(InputError, match="must have checkpoints to go on from step 2"):
        train(copy.path, 3, {"init_vae_from": run.path}, stage="joint", **settings)
    assert open_run(copy.path).fingerprint() == before
    after = train(home / "next", 1, {"init_from": copy.path}, "ablation", **settings)
    assert after.sources["init_from"].weights == before


def test_a_card_says_how_to_use_it_and_how_good_it_is(copied):
    _, _, copy = copied
    text = pathlib.Path(copy.file("README.md")).read_text()
    assert "bin/sample.py --run_dir=. --mode=prior" in text
    assert "importance-weighted over 2 samples of z) bits/dim, on all" in text
    assert "`npz:mine.npz`" in text and "config.json" in text


def test_the_command_writes_the_same_copy(copied):
    home, run, copy = copied
    other = home / "other"
    arguments = (f"--run_dir={run.path}", "--format=run", f"--output_dir={other}")
    result = Command("export", *arguments).result()
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in other.iterdir())
    assert names == sorted(path.name for path in (home / "copy").iterdir())
    for name in ("README.md", "config.json", "curve.csv"):
        assert (other / name).read_text() == pathlib.Path(copy.file(name)).read_text()


def test_a_place_that_is_taken_is_refused(copied):
    _, run, copy = copied
    with pytest.raises(InputError, match="`output_dir` must"):
        copy_run(run, run.load_model(), copy.path)
