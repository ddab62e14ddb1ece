"""Images that a Python program has, of any iterable."""

import dataclasses
import io
import itertools
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import tiny_config

import agave_tf
from agave_tf.data import python_iterables, python_passes
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
    assert data.record[1:] == expected.record[1:]
    has_labels = data.train.label is not None
    labelled = agave_tf.read_images(ITERABLES["pairs"]) if has_labels else expected
    assert data.record == labelled.record
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
    caplog.clear()
    halves = [{"image": half, "name": "?"} for half in (IMAGE[:15], IMAGE[15:])]
    for elements in (halves, iter(halves)):
        agave_tf.read_images(elements)
        assert "elements without their entries name: 2" in caplog.text
        caplog.clear()


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
        ({"image_size": 0}, "from 1 to 2048; got 0x0"),
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
    with pytest.raises(InputError, match="one number of channels, or `image_channels`"):
        agave_tf.read_images([*sizes, sizes[0][..., :1]])


class OfManySizes:
    """Gives images of many sizes in another order at every pass."""

    def __init__(self, images, label):
        self.images, self.label = images, label

    def __iter__(self):
        for row in np.random.default_rng().permutation(len(self.images)):
            yield self.images[row], self.label[row]


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("cache", ["", "cache"])
def test_images_of_many_sizes_stay_as_they_are(tmp_path, is_shuffled, cache):
    generator = np.random.default_rng(0)
    images = [
        generator.integers(0, 256, (3 + i % 5, 4 + i % 7, 3), np.uint8)
        for i in range(300)
    ]
    pairs = list(zip(images, range(300)))
    starts = [
        agave_tf.read_images(
            OfManySizes(images, range(300)) if is_shuffled else pairs,
            cache_dir=str(tmp_path / str(i)) if cache else "",
        )
        for i in range(2)
    ]
    for data in starts:
        assert data.train.shape == data.test.shape == (None, None, 3)
        labels = [*data.train.label, *data.test.label]
        assert sorted(labels) == list(range(300))
        for part in (data.train, data.test):
            if not is_shuffled:
                assert (np.diff(part.label) > 0).all()
            for number, label in enumerate(part.label):
                np.testing.assert_array_equal(part.image[number], images[label])
    np.testing.assert_array_equal(starts[0].train.label, starts[1].train.label)
    np.testing.assert_array_equal(
        starts[0].train.image.pixels, starts[1].train.image.pixels
    )


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
            r"from [\d.]+ to 1; where 1 is white, tf.cast\(tf.round\(255",
        ),
        (
            IMAGE / 127.5 - 1,
            r"from -[\d.]+ to 1; .* tf.cast\(tf.round\(127.5 \*",
        ),
        (IMAGE.astype(np.float32), r"; where 255 is white, tf.cast\(tf.round\(image"),
        (IMAGE.astype(np.int64), "got int64 with .* tf.cast"),
        (IMAGE * -1.0, r"from -255 to -?\d; tf.cast\(..., tf.uint8\) takes levels"),
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


class Loader:
    """Shuffles its images at every pass, as a loader of PyTorch does."""

    def __init__(self, size=1, drop_last=False):
        self.size, self.drop_last = size, drop_last

    def __iter__(self):
        order = np.random.default_rng().permutation(30)
        last = 30 - self.size + 1 if self.drop_last else 30
        for start in range(0, last, self.size):
            rows = order[start : start + self.size]
            yield IMAGE[rows], LABEL[rows]


def shuffled(**settings):
    return tf.data.Dataset.from_tensor_slices((IMAGE, LABEL)).shuffle(200, **settings)


SHUFFLED = {
    "a tf.data.Dataset": shuffled,
    "in batches": lambda: shuffled().batch(7),
    "a loader": Loader,
    "a loader of batches": lambda: Loader(8),
}


@pytest.mark.parametrize("kind", SHUFFLED)
@pytest.mark.parametrize("cache", ["", "cache"])
def test_a_source_that_shuffles_gives_the_same_images_at_every_start(
    tmp_path, kind, cache
):
    """13 to 16 of 17 held-out images were trained on, and as many in neither part."""
    expected = agave_tf.read_images(ITERABLES["pairs"])
    starts = [
        agave_tf.read_images(
            SHUFFLED[kind](), cache_dir=str(tmp_path / str(i)) if cache else ""
        )
        for i in range(2)
    ]
    for data in starts:
        assert data.record.fingerprint == expected.record.fingerprint
        for name in ("train", "test"):
            assert rows(data.parts[name]) == rows(expected.parts[name])
            assert len(data.parts[name].image) == len(expected.parts[name].image)
            of_image = {image.tobytes(): label for image, label in zip(IMAGE, LABEL)}
            found = [of_image[image.tobytes()] for image in data.parts[name].image]
            np.testing.assert_array_equal(data.parts[name].label, found)
    # And in one order, so that a run goes on with the same batches.
    np.testing.assert_array_equal(starts[0].train.image, starts[1].train.image)
    assert starts[0].record == starts[1].record


def test_both_parts_of_a_program_may_be_shuffled():
    data = agave_tf.read_images(shuffled().map(lambda i, n: i), Loader())
    assert rows(data.train) == rows(data.test) == {i.tobytes() for i in IMAGE}


def noisy(image, label):
    noise = tf.random.uniform(image.shape, 0, 2, tf.int32)
    return tf.cast(tf.cast(image, tf.int32) // 2 + noise, tf.uint8), label


@pytest.mark.parametrize(
    "changing",
    [
        lambda: shuffled().map(noisy),
        lambda: shuffled().take(20),
        lambda: shuffled().batch(7, drop_remainder=True),
        lambda: Loader(7, drop_last=True),
        lambda: shuffled().map(
            lambda i, n: (i, tf.random.uniform([], 0, 99, tf.int32))
        ),
    ],
)
def test_images_or_labels_that_change_from_pass_to_pass_are_refused(changing, tmp_path):
    for test in (None, IMAGE[:3]):
        with pytest.raises(InputError, match="same images and labels at every pass"):
            agave_tf.read_images(changing(), test, cache_dir=str(tmp_path))
    assert [name for name in os.listdir(tmp_path) if "hints" not in name] == []


def endless():
    while True:
        yield from IMAGE


def reshuffled():
    while True:
        yield from np.random.default_rng().permutation(IMAGE)


class Endless:
    """It can be read from its start, and has no end."""

    def __init__(self, images):
        self.images = images

    def __iter__(self):
        return self.images()


class Sequence(Endless):
    def __len__(self):
        return 30


SIGNATURE = tf.TensorSpec([8, 8, 3], tf.uint8)


@pytest.mark.parametrize(
    "iterable,message",
    [
        (lambda: shuffled().repeat(), "tf.data.Dataset that repeats for ever"),
        (lambda: shuffled().repeat().batch(8), "tf.data.Dataset that repeats for ever"),
        (
            lambda: tf.data.Dataset.from_generator(endless, output_signature=SIGNATURE),
            "images, of which 30 are different",
        ),
        (lambda: itertools.cycle(IMAGE), "images, of which 30 are different"),
        (reshuffled, "images, of which 30 are different"),
        (lambda: Endless(endless), "images, of which 30 are different"),
        (lambda: Sequence(endless), "more elements than the 30 that it says"),
    ],
)
def test_images_without_end_are_refused(iterable, message):
    """They were read until the memory was full."""
    for test in (None, IMAGE[:3]):
        with pytest.raises(InputError, match=f"`train` must end.*{message}"):
            agave_tf.read_images(iterable(), test)
    with pytest.raises(InputError, match=f"`test` must end.*{message}"):
        agave_tf.read_images(IMAGE, iterable())


def always_new():
    generator = np.random.default_rng(3)
    while True:
        yield generator.integers(0, 256, (100, 8, 8, 3), np.uint8)


def test_images_that_are_always_new_are_refused_too(monkeypatch):
    monkeypatch.setattr(python_passes, "_MOST_IMAGES", 20_000)
    with pytest.raises(InputError, match="must end, or say its length; .* than 20000"):
        agave_tf.read_images(Endless(always_new))
    monkeypatch.setattr(python_iterables, "_half_of_memory", lambda: 10**6)
    with pytest.raises(InputError, match="fit into half of the memory; .*0.0 GB"):
        agave_tf.read_images(always_new())


def unreadable():
    """A picture whose file is cut short."""
    file = io.BytesIO()
    Image.fromarray(IMAGE[0]).save(file, "png")
    return Image.open(io.BytesIO(file.getvalue()[:-40]))


def endless_unreadable(first=()):
    yield from first
    while True:
        yield unreadable()


def none_in_batches():
    while True:
        yield IMAGE[:0]


@pytest.mark.parametrize(
    "iterable,count",
    [
        (endless_unreadable, 0),
        (lambda: Endless(endless_unreadable), 0),
        (lambda: endless_unreadable(IMAGE[:2]), 2),
        (lambda: Endless(none_in_batches), 0),
    ],
)
def test_unreadable_pictures_without_end_are_refused(iterable, count, monkeypatch):
    """There were no images whose repetition could be seen, and it never ended."""
    monkeypatch.setattr(python_passes, "_ENOUGH_IMAGES", 300)
    message = f"`train` must end, or .* 301 elements .* {count} different images"
    with pytest.raises(InputError, match=message):
        agave_tf.read_images(iterable(), corrupt_images="skip")


def test_many_unreadable_pictures_are_left_out(monkeypatch):
    monkeypatch.setattr(python_passes, "_ENOUGH_IMAGES", 50)
    pictures = [unreadable() for _ in range(60)]
    for images in (iter([*IMAGE, *pictures]), [*pictures, *IMAGE]):
        data = agave_tf.read_images(images, corrupt_images="skip")
        assert rows(data.train) | rows(data.test) == {i.tobytes() for i in IMAGE}


def test_a_finite_repetition_is_used():
    data = agave_tf.read_images(tf.data.Dataset.from_tensor_slices(IMAGE).repeat(3))
    assert len(data.train.image) + len(data.test.image) == 90
    assert not rows(data.train) & rows(data.test)


def test_a_generator_may_fill_one_array_again_and_again():
    buffer = np.empty_like(IMAGE[0])

    def filled():
        for image in IMAGE:
            buffer[:] = image
            yield buffer

    data = agave_tf.read_images(filled())
    assert rows(data.train) | rows(data.test) == {image.tobytes() for image in IMAGE}


def test_images_in_both_parts_are_said(caplog):
    caplog.set_level("INFO", logger="absl")
    agave_tf.read_images(IMAGE, IMAGE[:4])
    assert "held-out images that are trained on as well: 4" in caplog.text


def test_corrected_labels_are_trained_on(tmp_path):
    """The cache gave the old ones, and it was said to be the same run."""
    corrected = (LABEL + 1) % 3
    before = agave_tf.read_images(list(zip(IMAGE, LABEL)), cache_dir=str(tmp_path))
    for labels in (corrected, np.append(LABEL[:-1], 0)):
        after = agave_tf.read_images(list(zip(IMAGE, labels)), cache_dir=str(tmp_path))
        assert before.record.fingerprint != after.record.fingerprint
        of_image = {image.tobytes(): label for image, label in zip(IMAGE, labels)}
        found = [of_image[image.tobytes()] for image in after.train.image]
        np.testing.assert_array_equal(after.train.label, found)


SETTINGS = {"num_layers_per_resolution": 1, "evaluate_images": 0}


def train(path, steps, images):
    config = tiny_config(**SETTINGS, pretrain_vae_steps=steps)
    data = agave_tf.read_images(images)
    return agave_tf.train_stage("pretrain_vae", config, str(path), data=data)


def test_a_run_goes_on_with_a_source_that_shuffles(tmp_path, caplog):
    train(tmp_path, 1, shuffled())
    assert train(tmp_path, 2, shuffled()).step == 2
    assert "another order" not in caplog.text
    # In the order of the list, which the shuffled source has not.
    assert train(tmp_path, 3, ITERABLES["pairs"]).step == 3
    assert "come in another order than when it was started" in caplog.text


def test_a_run_of_version_0_2_goes_on_and_then_knows_its_labels(tmp_path):
    run = train(tmp_path, 1, ITERABLES["pairs"])
    config = json.loads((tmp_path / "config.json").read_text())
    # As version 0.2 wrote it.
    config["data"]["fingerprint"] = config["data"].pop("version_0_2")
    assert config["data"]["fingerprint"] == "2bc6a8eb39ea863b"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert agave_tf.open_run(run.path).data.version_0_2 == ""
    with pytest.raises(InputError, match="must have the images that the run"):
        train(tmp_path, 2, list(zip(IMAGE[::-1], LABEL[::-1])))
    assert train(tmp_path, 2, ITERABLES["pairs"]).data == run.data
    with pytest.raises(InputError, match="must have the images that the run"):
        train(tmp_path, 3, list(zip(IMAGE, (LABEL + 1) % 3)))
