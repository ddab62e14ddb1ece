"""Windows cut out of images: which they are, and that all replicas see the same."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from agave_tf.data import read_source as reading
from agave_tf.data.batches import training_batches
from agave_tf.data.crops import CentreCrops
from agave_tf.data.image_set import Images
from agave_tf.data.load import load_data
from agave_tf.data.mixed_images import MixedImages
from agave_tf.data.prepare import prepare
from agave_tf.data.source import Notes
from agave_tf.errors import InputError
from agave_tf.randomness import crop_generator, flip_generator
from agave_tf.settings.data import DataConfig, for_evaluation, settings_to_compare

SIZE = (4, 6)
SIZES = [(4 + i % 4, 6 + i % 5) for i in range(20)]


def arrays(sizes=SIZES, channels=3, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (*s, channels), np.uint8) for s in sizes]


def centre(image, size=SIZE):
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return image[top : top + size[0], left : left + size[1]]


WHOLE = {
    "mixed": MixedImages.of(arrays()),
    "of one size": np.stack(arrays([(7, 9)] * 20)),
    "of the size of a crop": np.stack(arrays([SIZE] * 20)),
}
LABEL = np.arange(20, dtype=np.int32)


# Centre crops.


@pytest.mark.parametrize("kind", WHOLE)
def test_centre_crops_are_like_an_array_of_the_centres(kind):
    crops = CentreCrops(WHOLE[kind], SIZE)
    expected = np.stack([centre(image) for image in WHOLE[kind]])
    assert len(crops) == 20 and crops.shape == expected.shape == (20, 4, 6, 3)
    assert crops.dtype == np.uint8 and crops.nbytes == expected.nbytes
    np.testing.assert_array_equal(np.asarray(crops), expected)
    mask = LABEL % 3 == 0
    for index in (3, -1, np.int64(5), slice(2, 9, 2), slice(0, 0), [4, 4, 0], mask):
        np.testing.assert_array_equal(crops[index], expected[index])
    np.testing.assert_array_equal(np.stack(list(crops)), expected)
    with pytest.raises(IndexError):
        crops[20]
    images = Images(WHOLE[kind], LABEL).centre_crops(SIZE)
    assert images.shape == (4, 6, 3) and images.sizes.tolist() == [[4, 6]] * 20
    taken = images.take(np.array([7, 2]))
    assert isinstance(taken.image, np.ndarray)
    np.testing.assert_array_equal(taken.image, expected[[7, 2]])


# Preparation.


def prepared(image, notes=None, **settings):
    config = DataConfig(**settings)
    return prepare(np.asarray(image)[None], config, "the image", notes or Notes())[0]


def test_a_centre_is_cut_out_at_the_images_own_resolution():
    for image in arrays():
        cut = prepared(image, image_size="4x6", crop="centre")
        np.testing.assert_array_equal(cut, centre(image))


def test_images_to_be_cut_at_random_stay_whole():
    for image in arrays():
        whole = prepared(image, image_size="4x6", crop="random")
        np.testing.assert_array_equal(whole, image)


@pytest.mark.parametrize("shape,enlarged", [((2, 9), (4, 18)), ((7, 4), (10, 6))])
def test_smaller_images_are_just_large_enough_and_counted(shape, enlarged):
    (image,) = arrays([shape])
    notes = Notes()
    whole = prepared(image, notes, image_size="4x6", crop="random")
    assert whole.shape == (*enlarged, 3)
    cut = prepared(image, notes, image_size="4x6", crop="centre")
    np.testing.assert_array_equal(cut, centre(whole))
    assert notes.sentences() == ["images enlarged to the size that is cut out: 2"]
    # Linear between the centres of pixels, half a pixel from the edges.
    places = [
        np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        for old, new in zip(shape, enlarged)
    ]
    values = image.astype(np.float64)
    for axis, at in enumerate(places):
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, shape[axis] - 1)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
        values = (1 - share) * values.take(low, axis) + share * values.take(high, axis)
    # Rounding of float32 decides only where a value is close to a half.
    assert np.abs(whole - values).max() < 0.5 + 1e-4


def test_a_line_of_pixels_is_not_blown_up():
    """One row of 20,000 pixels would become 2,048 x 41 million."""
    image = np.zeros([1, 20_000, 1], np.uint8)
    for crop in ("centre", "random"):
        with pytest.raises(InputError, match="the image has one of 1x20000, which"):
            prepared(image, image_size="2048", crop=crop)


@pytest.mark.parametrize("crop", ["centre", "random"])
def test_a_crop_needs_a_size(crop):
    with pytest.raises(InputError, match=f"`image_size` must be set for --crop={crop}"):
        DataConfig(crop=crop)


# The batches of training.


def batches(images, first=0, count=8, context=None, batch_size=6, seed=3, **how):
    return [
        [array.numpy() for array in batch]
        for batch in training_batches(
            images, batch_size, seed, first, count, context, **how
        )
    ]


HOW = [{"crop": SIZE}, {"crop": SIZE, "flip": True}]


def number_of(images):
    """The batches' labels are the places of the images."""
    return Images(images, LABEL)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_batch_has_the_windows_that_its_draws_name(kind):
    for step, (image, label, row) in enumerate(
        batches(number_of(WHOLE[kind]), **HOW[1])
    ):
        uniform = crop_generator(3, step).random([6, 2])
        is_mirrored = flip_generator(3, step).random(6) < 0.5
        for i in range(6):
            whole = WHOLE[kind][int(label[i])]
            top = int(uniform[i, 0] * (whole.shape[0] - 3))
            left = int(uniform[i, 1] * (whole.shape[1] - 5))
            window = whole[top : top + 4, left : left + 6]
            expected = window[:, ::-1] if is_mirrored[i] else window
            np.testing.assert_array_equal(image[i], expected)
        assert row.tolist() == list(range(6))


DRAWN = [0.9464143736532553, 0.1466564216291203, 0.9059128226521391]
MIRRORED = [0.6419598467439781, 0.18852279559907825, 0.5769372886298076]


def test_the_draws_of_a_step_stay_what_they_are():
    """A run of another version must see the same windows."""
    drawn = [crop_generator(3, s).random() for s in (0, 7, 2**40)]
    mirrored = [flip_generator(3, s).random() for s in (0, 7, 2**40)]
    assert (drawn, mirrored) == (DRAWN, MIRRORED)


def test_all_places_occur_equally_often():
    """A chi-square test at 1e-6, of 12 places and 9,600 draws."""
    whole = np.arange(6 * 9).reshape(1, 6, 9, 1).astype(np.uint8)
    seen = collections.Counter(
        int(corner)
        for image, _, _ in batches(
            Images(whole, None), batch_size=96, count=100, crop=SIZE
        )
        for corner in image[:, 0, 0, 0]
    )
    assert set(seen) == {9 * top + left for top in range(3) for left in range(4)}
    expected = 9_600 / 12
    statistic = sum((count - expected) ** 2 / expected for count in seen.values())
    assert statistic < 48.8  # of 11 degrees of freedom


def test_half_of_the_images_are_mirrored_and_no_other_is_changed():
    """Of 9,600 draws; a share off by 0.025 has a probability of 1e-6."""
    images = Images(np.stack(arrays([(3, 4)] * 20)), LABEL)
    num_mirrored = 0
    for image, label, _ in batches(images, batch_size=96, count=100, flip=True):
        originals = images.image[label]
        is_same = (image == originals).all((1, 2, 3))
        is_mirrored = (image == originals[:, :, ::-1]).all((1, 2, 3))
        assert (is_same ^ is_mirrored).all()
        num_mirrored += is_mirrored.sum()
    assert abs(num_mirrored / 9_600 - 0.5) < 0.025


def test_without_flips_the_batches_are_as_before():
    images = Images(WHOLE["of one size"], LABEL)
    for step, (image, label, _) in enumerate(batches(images, count=3)):
        order = np.random.default_rng([3, 0]).permutation(20)[6 * step : 6 * step + 6]
        np.testing.assert_array_equal(label, order)
        np.testing.assert_array_equal(image, images.image[order])


@pytest.mark.parametrize("how", HOW)
def test_a_later_start_sees_the_same_batches(how):
    images = number_of(WHOLE["mixed"])
    for ours, theirs in zip(
        batches(images, 5, 3, **how), batches(images, **how)[5:], strict=True
    ):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    other = batches(images, seed=4, **how)
    assert not np.array_equal(other[0][0], batches(images, **how)[0][0])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("workers,replicas", [(1, 2), (2, 2), (1, 3)])
def test_replicas_see_the_rows_of_one_global_batch(how, workers, replicas):
    images = number_of(WHOLE["mixed"])
    shares = [
        batches(
            images,
            context=tf.distribute.InputContext(workers, worker, replicas),
            **how,
        )
        for worker in range(workers)
    ]
    per_worker = replicas // workers
    for step, whole in enumerate(batches(images, **how)):
        of_step = [
            share[step * per_worker + i] for share in shares for i in range(per_worker)
        ]
        for array, parts in zip(whole, zip(*of_step), strict=True):
            np.testing.assert_array_equal(array, np.concatenate(parts))


def test_an_image_is_cut_elsewhere_at_every_step():
    images = Images(np.stack(arrays([(40, 40)])), None)
    first = batches(images, batch_size=2, count=20, crop=SIZE)
    windows = {window.tobytes() for image, _, _ in first for window in image}
    assert len(windows) > 36  # of 40; two are equal with probability 1/1295


# Data sets.


@pytest.fixture
def folder(tmp_path):
    for part, seed in (("train", 1), ("test", 2)):
        (tmp_path / part).mkdir()
        for i, image in enumerate(arrays(seed=seed)):
            Image.fromarray(image).save(tmp_path / part / f"{i:02}.png")
    return tmp_path


@pytest.mark.parametrize("cache", ["", "cache", "because it is large"])
def test_a_folder_of_pictures_of_many_sizes(folder, tmp_path, cache, monkeypatch):
    if cache == "because it is large":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        # Known only after some have been read: the first chunk is smaller.
        monkeypatch.setattr(reading, "_MOST_IN_MEMORY", 3_000)
        monkeypatch.setattr(reading, "_begin", lowered(reading._begin))
    config = DataConfig(
        f"folder:{folder}",
        image_size="4x6",
        crop="random",
        cache_dir=str(tmp_path / cache) if cache == "cache" else "",
    )
    train, test = arrays(seed=1), arrays(seed=2)
    for _ in range(2):
        data = load_data(config)
        assert data.image_shape == data.test.shape == (4, 6, 3)
        for image, other in zip(data.train.image, train, strict=True):
            np.testing.assert_array_equal(image, other)
        centres = {
            "train": np.stack([centre(image) for image in train]),
            "test": np.stack([centre(image) for image in test]),
        }
        centres["all"] = np.concatenate([centres["train"], centres["test"]])
        np.testing.assert_array_equal(data.test.array, centres["test"])
        for part, expected in centres.items():
            np.testing.assert_array_equal(data.part(part).array, expected)
        scored = load_data(for_evaluation(config))
        np.testing.assert_array_equal(scored.train.image, centres["train"])
        assert scored.record == data.record
    if cache:
        pixels = data.train.image.pixels
        assert not pixels.flags.owndata and not pixels.flags.writeable


def lowered(begin):
    """Sizes that are estimated too small."""

    def begun(source, names):
        return {
            name: part._replace(num_bytes=1)
            for name, part in begin(source, names).items()
        }

    return begun


@pytest.mark.parametrize("crop", ["resize", "centre"])
def test_crops_of_one_size_are_an_array(folder, crop):
    data = load_data(DataConfig(f"folder:{folder}", image_size="4x6", crop=crop))
    assert isinstance(data.train.image, np.ndarray)
    assert data.image_shape == (4, 6, 3)
    if crop == "centre":
        expected = np.stack([centre(image) for image in arrays(seed=1)])
        np.testing.assert_array_equal(data.train.image, expected)


def test_images_for_evaluation_have_no_random_crops():
    random = DataConfig(crop="random", image_size="4x6")
    assert for_evaluation(random) == dataclasses.replace(random, crop="centre")
    for crop in ("resize", "centre"):
        config = DataConfig(crop=crop, image_size="4x6")
        assert for_evaluation(config) is config
    assert random.random_crop == (4, 6)
    assert for_evaluation(random).random_crop is None


def test_a_new_setting_tells_images_apart_only_where_it_is_set():
    assert "crop" not in settings_to_compare(DataConfig(image_size="8"))
    found = settings_to_compare(DataConfig(image_size="8", crop="centre"))
    assert found["crop"] == "centre" and found["image_size"] == "8"
