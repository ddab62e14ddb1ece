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
    "pairs in lists": [[IMAGE[:20], LABEL[:20]], [IMAGE[20:], list(LABEL[20:])]],
    "one-hot": [(IMAGE[:9], np.eye(3)[LABEL[:9]]), *zip(IMAGE[9:], np.eye(3)[LABEL])],
    "labels of [B,1]": [(IMAGE, LABEL[:, None])],
    "labels in floats": [(IMAGE, LABEL.astype(np.float32))],
    "dicts with img": [{"img": i, "labels": n} for i, n in zip(IMAGE, LABEL)],
    "images in tuples": [(image,) for image in IMAGE],
    "images in lists": [[IMAGE[:20]], [IMAGE[20:]]],
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
    without = ("an array", "a list of images", "one of dicts", "a generator")
    assert (data.train.label is None) == (
        kind in without or kind.startswith("images in")
    )


def test_what_is_converted_is_counted_once_for_each_image(caplog):
    """All images were converted for both parts, and counted twice."""
    caplog.set_level("INFO", logger="absl")
    agave_tf.read_images([(i, np.eye(3)[n]) for i, n in zip(IMAGE, LABEL)])
    assert "one-hot labels converted to class numbers; classes: 3" in caplog.text
    agave_tf.read_images(
        [{"image": image, "name": "?"} for image in IMAGE], image_channels=1
    )
    assert "RGB images converted to gray: 30" in caplog.text
    assert "elements without their entries name: 30" in caplog.text


@pytest.mark.parametrize("size", [4, "4", (4, 4), [4, 4]])
def test_a_size_may_be_a_number(size):
    data = agave_tf.read_images(IMAGE, image_size=size)
    assert data.train.shape == (4, 4, 3)
    expected = agave_tf.read_images(IMAGE, image_size="4")
    np.testing.assert_array_equal(data.train.image, expected.train.image)


@pytest.mark.parametrize(
    "setting,message",
    [
        ({"image_sise": 8}, "`image_sise`. Did you mean image_size?"),
        ({"batch_size": 8}, "No such setting of images: `batch_size`"),
        ({"dataset": "cifar10"}, "`dataset` must not be given"),
        ({"test_split": "test"}, "`test_split` must not be given"),
        ({"image_size": 6}, "multiples of 4; got 6x6"),
        ({"image_size": (4, 4, 3)}, r"must be text; got \(4, 4, 3\)"),
        ({"image_size": True}, "must be text; got True"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        agave_tf.read_images(IMAGE, **setting)


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
        ([3], "got int"),
        (["a.png", "b.png"], "got str"),
        ([IMAGE[0], [[1, 2], [3]]], "got list, which is none"),
        ([(IMAGE[0], 0.5)], "must be whole numbers of at most 32 bits; got 0.5"),
        ([(IMAGE[:3], LABEL[:2])], r"got int64 \[2\] for 3 images"),
        ([(IMAGE[:3], LABEL[:3] + 2**32)], "at most 32 bits; got 4294967296"),
        ([(IMAGE[0], 2**70)], "at most 32 bits; got values of type object"),
        ([(IMAGE[0], float("nan"))], "whole numbers of at most 32 bits; got nan"),
        ([(IMAGE[0], "cat")], "whole numbers of at most 32 bits; got values of type"),
        ([(IMAGE[:3], [[0, 1], [1, 1], [1, 0]])], r"or one-hot; got int64 \[3, 2\]"),
        ([(IMAGE[0], 1), *IMAGE[1:]], "a label for every image or for none"),
        ([{"img": IMAGE[0], "image": IMAGE[1]}], "a dict with img, image"),
        (np.moveaxis(IMAGE, -1, 1), r"got \[3, 8, 8\], which np.moveaxis\(image, -3"),
        ([IMAGE[..., 0]], r"got \[30, 8, 8\]; .* gray images .*image\[..., None\]"),
        (
            IMAGE / 255,
            r"from 0.* to \S+; where 1 is white, tf.cast\(tf.round\(255 \* i",
        ),
        (
            IMAGE / 127.5 - 1,
            r"from -0.* to \S+; where -1 is .* tf.cast\(tf.round\(127.5 \* \(image",
        ),
        (IMAGE.astype(np.float32), r"; where 255 is white, tf.cast\(tf.round\(image"),
        (IMAGE.astype(np.int64), "got int64 with .* tf.cast"),
        (IMAGE * -1.0, r"from -\d+ to -\d+; tf.cast\(..., tf.uint8\) takes levels"),
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
