"""Images that a Python program has, of any iterable."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

import agave_tf
from agave_tf.errors import InputError
from agave_tf.runs.run_data import load_run_data

IMAGE = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 3), np.uint8)
LABEL = np.arange(30, dtype=np.int64) % 3

ITERABLES = {
    "an array": IMAGE,
    "a list of images": list(IMAGE),
    "pairs": list(zip(IMAGE, LABEL)),
    "dicts": [{"image": i, "label": n, "name": "?"} for i, n in zip(IMAGE, LABEL)],
    "batches": [(IMAGE[:20], LABEL[:20]), (IMAGE[20:], LABEL[20:])],
    "a tf.data.Dataset": tf.data.Dataset.from_tensor_slices((IMAGE, LABEL)),
    "a batched one": tf.data.Dataset.from_tensor_slices((IMAGE, LABEL)).batch(7),
    "one of dicts": tf.data.Dataset.from_tensor_slices({"image": IMAGE}),
    "a generator": None,  # Made by the test, because it can be read once.
}


def rows(images):
    return {image.tobytes() for image in images.image}


@pytest.mark.parametrize("kind", ITERABLES)
def test_images_of_any_iterable_are_held_out_by_their_content(kind):
    iterable = (image for image in IMAGE) if kind == "a generator" else ITERABLES[kind]
    data = agave_tf.read_images(iterable)
    expected = agave_tf.read_images(IMAGE)
    np.testing.assert_array_equal(data.train.image, expected.train.image)
    np.testing.assert_array_equal(data.test.image, expected.test.image)
    assert data.record == expected.record
    assert data.record.held_out == "a tenth, by content"
    assert rows(data.train) | rows(data.test) == {image.tobytes() for image in IMAGE}
    assert not rows(data.train) & rows(data.test)
    if data.train.label is not None:
        of_image = {image.tobytes(): label for image, label in zip(IMAGE, LABEL)}
        for part in (data.train, data.test):
            found = [of_image[image.tobytes()] for image in part.image]
            np.testing.assert_array_equal(part.label, found)
    has_labels = kind not in ("an array", "a list of images", "one of dicts")
    assert (data.train.label is not None) == (has_labels and kind != "a generator")


def test_the_programs_own_test_part_and_settings_are_used(tmp_path):
    data = agave_tf.read_images(
        IMAGE[:20], IMAGE[20:], image_size="4", cache_dir=str(tmp_path)
    )
    assert data.train.image.shape == (20, 4, 4, 3)
    assert data.test.image.shape == (10, 4, 4, 3)
    assert data.record.held_out == "given by the program"
    assert len(list(tmp_path.iterdir())) == 1


def test_images_of_many_sizes_come_to_one():
    sizes = [np.full((8 + i % 3, 8, 3), i % 251, np.uint8) for i in range(300)]
    data = agave_tf.read_images(sizes, image_size="8")
    assert len(data.train.image) + len(data.test.image) == 300
    with pytest.raises(InputError, match="one shape, or `image_size` be set"):
        agave_tf.read_images(sizes)


@pytest.mark.parametrize(
    "elements,message",
    [
        ([], "`train` must have images; got none"),
        (IMAGE[:3].astype(np.float32), "8 or 16 bits"),
        ([{"picture": IMAGE[0]}], "a dict with `image`; got a dict with picture"),
        ([(IMAGE[0], 1, 2)], "got a tuple of 3"),
        ([3], r"got int \[\]"),
        ([(IMAGE[0], 0.5)], "whole number for each image; got float64"),
        ([(IMAGE[:3], LABEL[:2])], r"got int64 \[2\] for 3 images"),
    ],
)
def test_what_is_not_an_image_is_refused(elements, message):
    with pytest.raises(InputError, match=message):
        agave_tf.read_images(elements)


def test_a_run_trains_on_them_goes_on_with_them_and_refuses_others(tmp_path):
    settings = {"num_layers_per_resolution": 1, "evaluate_images": 0}
    config = tiny_config(**settings, pretrain_vae_steps=1)
    stage = agave_tf.STAGES["pretrain_vae"]
    data = agave_tf.read_images(IMAGE)
    run = agave_tf.train_stage(stage, config, str(tmp_path / "run"), data=data)
    assert run.data == data.record
    longer = tiny_config(**settings, pretrain_vae_steps=2)
    other = agave_tf.read_images(255 - IMAGE)
    with pytest.raises(InputError, match="must have the images that the run"):
        agave_tf.train_stage(stage, longer, run.path, data=other)
    assert agave_tf.train_stage(stage, longer, run.path, data=data).step == 2
    run = agave_tf.open_run(run.path)
    with pytest.raises(InputError, match="`dataset` must name the images of this run"):
        load_run_data(run, run.config.data)


def test_no_pipeline_of_reading_and_training_is_tuned(tmp_path, iterated):
    """The tuning thread held up the end of a training for up to a minute."""
    data = agave_tf.read_images(ITERABLES["a batched one"])
    num_read = len(iterated)
    config = tiny_config(num_layers_per_resolution=1, pretrain_vae_steps=1)
    stage = agave_tf.STAGES["pretrain_vae"]
    agave_tf.train_stage(stage, config, str(tmp_path / "run"), data=data)
    assert 0 < num_read < len(iterated)
    assert all(each.options().autotune.enabled is False for each in iterated)


def test_a_run_of_a_program_can_be_evaluated_on_a_file(tmp_path):
    np.savez(tmp_path / "images.npz", train=IMAGE[:20], test=IMAGE[20:])
    data = agave_tf.read_images(IMAGE[:20], IMAGE[20:])
    named = dataclasses.replace(data.config, dataset=f"npz:{tmp_path}/images.npz")
    np.testing.assert_array_equal(
        load_run_data(None, named).test.image, data.test.image
    )
