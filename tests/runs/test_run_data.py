"""A run keeps its images: what it goes on with, starts from and is evaluated on."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import tiny_config, tiny_images

from agave_tf.data.hold_out import is_held_out
from agave_tf.data.load import load_data
from agave_tf.data.source import fingerprint_of
from agave_tf.errors import InputError
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data, on_images
from agave_tf.runs.score_files import scores_file, stored_scores
from agave_tf.runs.stages import STAGES
from agave_tf.settings.config import DataConfig
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.training.train_stage import train_stage

SETTINGS = {
    "num_layers_per_resolution": 1,
    "num_pixel_cnn_resolutions": 1,
    "evaluate_images": 0,
}


def write_folder(path, count, first=0):
    path.mkdir(exist_ok=True)
    for i, image in enumerate(tiny_images(count).image):
        name = path / f"{first + i:03d}.png"
        name.write_bytes(tf.io.encode_png(image).numpy())


def train(stage, path, dataset, steps, sources=None, **settings):
    settings = {**SETTINGS, "dataset": dataset, f"{stage}_steps": steps, **settings}
    return train_stage(STAGES[stage], tiny_config(**settings), str(path), sources)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of 60 images and a run on it of one step."""
    path = tmp_path_factory.mktemp("trained")
    write_folder(path / "images", 60)
    run = train("pretrain_vae", path / "vae", f"folder:{path}/images", 1)
    return path, run


@pytest.fixture
def folder_and_run(trained, tmp_path):
    """A copy of both, for a test to change."""
    path, run = trained
    shutil.copytree(path / "images", tmp_path / "images")
    shutil.copytree(run.path, tmp_path / "vae")
    config = tmp_path / "vae" / "config.json"
    config.write_text(config.read_text().replace(str(path), str(tmp_path)))
    return tmp_path / "images", open_run(str(tmp_path / "vae"))


def test_config_json_names_the_images(trained):
    path, run = trained
    data = load_data(DataConfig(dataset=f"folder:{path}/images"))
    with open(run.file("config.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert content["data"] == {
        "fingerprint": data.record.fingerprint,
        "num_train": len(data.train.image),
        "num_test": len(data.test.image),
        "held_out": "a tenth, by name",
        "version_0_2": data.record.version_0_2,
    }
    assert open_run(run.path).data == run.data == data.record
    assert len(data.train.image) + len(data.test.image) == 60


def test_a_run_goes_on_when_its_images_have_moved(folder_and_run):
    folder, run = folder_and_run
    moved = folder.rename(folder.parent / "moved")
    resumed = train("pretrain_vae", run.path, f"folder:{moved}", 2)
    assert resumed.step == 2
    assert open_run(run.path).config.data.dataset == f"folder:{moved}"


def as_of_version_0_2(run):
    """Writes what version 0.2 knew of a run's images: their names and sizes."""
    with open(run.file("config.json"), encoding="utf-8") as file:
        content = json.load(file)
    content["data"]["fingerprint"] = content["data"].pop("version_0_2")
    with open(run.file("config.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)
    return open_run(run.path)


def test_a_run_of_version_0_2_goes_on_with_its_images(folder_and_run):
    folder, run = folder_and_run
    now, run = run.data, as_of_version_0_2(run)
    facts = [
        [part, path.name, path.stat().st_size]
        for part in ("train", "test")
        for path in sorted(folder.glob("*.png"))
        if is_held_out_alone(path.name, folder) == (part == "test")
    ]
    assert run.data.fingerprint == fingerprint_of("folder", facts)
    moved = folder.rename(folder.parent / "moved")
    resumed = train("pretrain_vae", run.path, f"folder:{moved}", 2)
    assert resumed.step == 2 and resumed.data == now == open_run(run.path).data


def is_held_out_alone(name, folder):
    names = sorted(path.name.encode() for path in folder.glob("*.png"))
    return dict(zip(names, is_held_out(names)))[name.encode()]


def test_the_scores_of_a_run_of_version_0_2_stay_its_scores(folder_and_run, caplog):
    folder, run = folder_and_run
    run = as_of_version_0_2(run)
    settings = EvaluationSettings(num_importance_samples=1)
    data = load_run_data(run, run.config.data, ["test"])
    evaluated = on_images(run, run.config, data.record)
    assert evaluated.data == run.data
    assert scores_file(evaluated, settings) == scores_file(run, settings)
    train("joint", folder.parent / "joint", f"folder:{folder}", 0, of_vae(run))
    assert "other images" not in caplog.text


def of_vae(run):
    return {"init_vae_from": run.path}


def test_a_run_does_not_go_on_with_other_pictures_of_the_same_size(tmp_path):
    """The names and sizes of uncompressed files stay when they are drawn anew."""
    for suffix in ("bmp", "ppm"):
        folder = tmp_path / suffix
        folder.mkdir()
        for i, image in enumerate(tiny_images(30).image):
            Image.fromarray(image).save(folder / f"{i:02d}.{suffix}")
        cache = str(tmp_path / "cache")
        path, dataset = tmp_path / f"run_{suffix}", f"folder:{folder}"
        train("pretrain_vae", path, dataset, 1, cache_dir=cache)
        for each in folder.iterdir():
            pixels = 255 - np.asarray(Image.open(each))
            Image.fromarray(pixels).save(each)
        with pytest.raises(InputError, match="must have the images that the run"):
            train("pretrain_vae", path, dataset, 2, cache_dir=cache)
        data = load_data(DataConfig(dataset=dataset, cache_dir=cache))
        assert {i.tobytes() for part in data.parts.values() for i in part.image} == {
            (255 - i).tobytes() for i in tiny_images(30).image
        }


def test_a_run_does_not_go_on_with_an_added_image(folder_and_run):
    """It went on, and most held-out images had been trained on."""
    folder, run = folder_and_run
    (folder / "0.png").write_bytes((folder / "000.png").read_bytes())
    before = open_run(run.path).config
    with pytest.raises(InputError, match="the run .* 58 training and 2 .*; got 59"):
        train("pretrain_vae", run.path, f"folder:{folder}", 2)
    assert open_run(run.path).config == before


def test_a_run_does_not_go_on_when_other_files_cannot_be_read(folder_and_run):
    """Left out like those before, they would change every later batch in silence."""
    folder, run = folder_and_run
    damaged = folder / "007.png"
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    path, dataset = folder.parent / "skipping", f"folder:{folder}"
    run = train("pretrain_vae", path, dataset, 1, corrupt_images="skip")
    assert run.data.num_train + run.data.num_test == 59
    damaged = folder / "008.png"
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    with pytest.raises(InputError, match="must have the images that the run"):
        train("pretrain_vae", path, dataset, 2, corrupt_images="skip")


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_does_not_go_on_with_another_data_set(folder_and_run, steps):
    """Not even when it is finished: a later stage would train on the other one."""
    folder, run = folder_and_run
    write_folder(folder.parent / "other", 60, first=1)
    for other in (f"folder:{folder.parent}/other", "dead_leaves"):
        with pytest.raises(InputError, match="or the same images elsewhere, to go on"):
            train("pretrain_vae", run.path, other, steps)


def test_the_seed_of_a_run_changes_no_image(trained, tmp_path):
    path, run = trained
    other = train("pretrain_vae", tmp_path / "b", f"folder:{path}/images", 1, seed=1)
    assert other.data == run.data


def test_sources_of_other_images_are_said(trained, tmp_path, caplog):
    path, run = trained
    sources = {"init_vae_from": run.path}
    train("joint", tmp_path / "same", f"folder:{path}/images", 0, sources)
    assert "other images" not in caplog.text
    train("joint", tmp_path / "other", "dead_leaves", 0, sources, image_size="8")
    assert f"--init_vae_from={run.path} was trained on other images" in caplog.text
    assert "Images that are held out now may be among them" in caplog.text


def test_scores_say_their_images_and_those_on_others_stand_apart(
    folder_and_run, caplog
):
    folder, run = folder_and_run
    settings = EvaluationSettings(num_importance_samples=1)

    def evaluate(config):
        data = load_run_data(run, config.data, ["test"])
        evaluated = on_images(run, config, data.record)
        evaluate_run(evaluated, evaluated.load_model(), data.test, settings)
        return evaluated

    evaluated = evaluate(run.config)
    assert stored_scores(run, settings)["data"]["fingerprint"] == run.data.fingerprint
    # The same images elsewhere have the same file.
    moved = folder.rename(folder.parent / "moved")
    there = dataclasses.replace(run.config.data, dataset=f"folder:{moved}")
    again = evaluate(dataclasses.replace(run.config, data=there))
    assert scores_file(again, settings) == scores_file(evaluated, settings)
    assert "other images" not in caplog.text
    # The path of the run with other images has another one.
    before = stored_scores(again, settings)
    write_folder(folder, 50)
    other = evaluate(run.config)
    assert scores_file(other, settings) != scores_file(evaluated, settings)
    assert "was trained on other images" in caplog.text
    assert stored_scores(again, settings) == before


def test_a_run_of_version_0_1_keeps_its_images(folder_and_run):
    """It held out a tenth that its seed drew, and read no .webp files."""
    folder, run = folder_and_run
    content = json.loads((folder.parent / "vae" / "config.json").read_text())
    del content["data"]
    (folder.parent / "vae" / "config.json").write_text(json.dumps(content))
    (folder / "extra.webp").write_bytes(b"not read")
    run = open_run(run.path)
    data = load_run_data(run, run.config.data)
    files = sorted(folder.glob("*.png"))
    order = np.random.default_rng(run.config.train.seed).permutation(60)
    expected = [
        tf.io.decode_png(files[i].read_bytes()).numpy() for i in sorted(order[-6:])
    ]
    np.testing.assert_array_equal(data.test.image, expected)
    assert len(data.train.image) == 54
    resumed = train("pretrain_vae", run.path, f"folder:{folder}", 2)
    assert resumed.step == 2 and open_run(run.path).data is None
    with pytest.raises(InputError, match="or the same images elsewhere"):
        train("pretrain_vae", run.path, f"folder:{folder}/", 3)
