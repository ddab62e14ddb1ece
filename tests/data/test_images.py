"""Data sets, bad data, and the order of batches."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_images, tiny_model

from agave_tf.data.batches import evaluation_batches, training_batches
from agave_tf.data.image_set import Images
from agave_tf.data.load import load_data
from agave_tf.errors import InputError
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.pixel_scale import to_levels, to_unit_range
from agave_tf.settings.config import DataConfig


def numbered(count, shape=(4, 4, 1)):
    """Image i is filled with i."""
    image = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Images(np.broadcast_to(image, (count, *shape)).copy(), None)


def write_png(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(image.astype(np.uint8)).numpy())


def load(dataset, split="train", **settings):
    return load_data(DataConfig(dataset=dataset, **settings), [split]).parts[split]


def rejected(message, dataset, **settings):
    with pytest.raises(InputError, match=message):
        load(dataset, **settings)


def steps_of(images, batch_size, seed, first_step, num_steps):
    return [
        batch.image.numpy()[:, 0, 0, 0].tolist()
        for batch in training_batches(images, batch_size, seed, first_step, num_steps)
    ]


@pytest.mark.parametrize("first", [2**31 // 4 - 1, 2**40])
def test_steps_beyond_32_bits_have_their_images(first):
    """Step x batch of 2**31 was an OverflowError, and just below it a wrapped sum."""
    places = [divmod(first * 4 + row, 10) for row in range(8)]
    orders = {e: np.random.default_rng([3, e]).permutation(10) for e, _ in places}
    expected = [int(orders[epoch][place]) for epoch, place in places]
    assert steps_of(numbered(10), 4, 3, first, 2) == [expected[:4], expected[4:]]


def test_every_epoch_shows_every_image_once_in_a_new_order():
    images = numbered(10)
    flat = sum(steps_of(images, 4, 0, 0, 10), [])
    epochs = [flat[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_batch_of_a_step_does_not_depend_on_where_training_began():
    images = numbered(7)
    whole = steps_of(images, 3, 5, 0, 12)
    assert steps_of(images, 3, 5, 8, 4) == whole[8:]
    assert steps_of(images, 3, 6, 0, 12) != whole


def test_a_batch_may_be_larger_than_the_data_set():
    (batch,) = steps_of(numbered(3), 8, 0, 0, 1)
    assert sorted(set(batch)) == [0, 1, 2]
    assert len(batch) == 8


@pytest.mark.parametrize("max_images", [0, 5])
def test_evaluation_counts_every_image_once_in_order(max_images):
    images = numbered(11)
    chosen = images.choose(max_images)
    seen = [
        (batch.index.numpy()[i], batch.image.numpy()[i, 0, 0, 0])
        for batch in evaluation_batches(images, 4, chosen)
        for i in range(batch.num_valid)
    ]
    assert seen == [(i, i) for i in chosen]
    assert len(set(seen)) == len(seen) == (max_images or 11)


def test_a_choice_of_images_is_repeatable_nested_and_of_every_class():
    """The first images of a set that is sorted by class are of one class."""
    label = np.repeat(np.arange(10, dtype=np.int32), 100)
    images = Images(np.zeros((1000, 4, 4, 1), np.uint8), label)
    few, many = images.choose(100), images.choose(300)
    np.testing.assert_array_equal(few, images.choose(100))
    assert (np.diff(many) > 0).all() and set(few) <= set(many)
    # 10 expected of each class; one missing has a chance of 2e-4 over all choices.
    assert set(images.take(few).label) == set(range(10))
    assert len(images.choose(0)) == len(images.choose(2000)) == 1000


def test_levels_survive_the_unit_range():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_levels(to_unit_range(levels)), levels)
    np.testing.assert_array_equal(to_levels(tf.constant([-3.0, 3.0])), [0, 255])


def test_dead_leaves_are_repeatable_and_splits_differ():
    first, again = (
        load("dead_leaves", image_size="8"),
        load("dead_leaves", image_size="8"),
    )
    test = load("dead_leaves", "test", image_size="8")
    assert first.image.shape == (2000, 8, 8, 3)
    np.testing.assert_array_equal(first.image, again.image)
    stacked = np.concatenate([first.image, test.image]).reshape(2500, -1)
    assert len(np.unique(stacked, axis=0)) == 2500


@pytest.mark.parametrize("height,width", [(8, 12), (1, 1), (7, 5)])
def test_gray_dead_leaves_of_any_sides(height, width):
    size = f"{height}x{width}"
    images = load("dead_leaves", "test", image_size=size, image_channels=1)
    assert images.image.shape == (500, height, width, 1)
    assert len(np.unique(images.image)) > 100


def test_cifar10_is_complete_and_in_order(cifar_dir):
    images = load("cifar10", "test", data_dir=cifar_dir)
    assert images.image.shape == (10_000, 32, 32, 3)
    assert np.bincount(images.label).tolist() == [1000] * 10
    again = load("cifar10", "test", data_dir=cifar_dir)
    np.testing.assert_array_equal(images.image[:100], again.image[:100])


def test_folder_is_read_in_order_and_split_without_overlap(tmp_path):
    for i in range(20):
        write_png(tmp_path / f"{i:02d}.png", np.full((8, 8, 3), i))
    train, test = load(f"folder:{tmp_path}"), load(f"folder:{tmp_path}", "test")
    assert len(test.image) >= 1 and len(train.image) + len(test.image) == 20
    seen = sorted(train.image[:, 0, 0, 0].tolist() + test.image[:, 0, 0, 0].tolist())
    assert seen == list(range(20))


def test_folder_with_train_and_test_keeps_them(tmp_path):
    for split, value in (("train", 1), ("test", 2)):
        for i in range(3):
            write_png(tmp_path / split / f"{i}.png", np.full((8, 8, 1), value))
    assert set(load(f"folder:{tmp_path}").image.ravel()) == {1}
    assert set(load(f"folder:{tmp_path}", "test").image.ravel()) == {2}


def test_images_of_any_size_are_cropped_and_resized(tmp_path):
    halves = np.zeros((20, 40, 3))
    halves[:, 20:] = 200
    for i in range(2):
        write_png(tmp_path / f"{i}.png", halves)
    image = load(f"folder:{tmp_path}", image_size="8").image[0]
    assert image.shape == (8, 8, 3)
    assert (image[:, :4] == 0).all()
    assert (image[:, 4:] == 200).all()


def test_rgb_becomes_gray_by_luma(tmp_path):
    for i in range(2):
        write_png(tmp_path / f"{i}.png", np.full((8, 8, 3), (100, 150, 200)))
    image = load(f"folder:{tmp_path}", image_channels=1).image
    expected = round(0.299 * 100 + 0.587 * 150 + 0.114 * 200)
    assert set(image.ravel()) == {expected}


def test_corrupt_file_is_named_and_refused_or_skipped(tmp_path):
    for i in range(3):
        write_png(tmp_path / f"{i}.png", np.zeros((8, 8, 3)))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG but not really")
    rejected("broken.png is not.*--corrupt_images=skip", f"folder:{tmp_path}")
    kept = load(f"folder:{tmp_path}", corrupt_images="skip")
    assert len(kept.image) == 2  # and one held out


def test_npz_with_its_own_splits_and_labels(tmp_path):
    path = tmp_path / "data.npz"
    arrays = {"train": numbered(6).image, "test": numbered(3).image}
    np.savez(path, **arrays, train_labels=np.arange(6), test_labels=np.arange(3))
    for split, count in (("train", 6), ("test", 3)):
        images = load(f"npz:{path}", split)
        np.testing.assert_array_equal(images.image, arrays[split])
        assert images.label.tolist() == list(range(count))


@pytest.mark.parametrize(
    "arrays,message",
    [
        ({"images": np.zeros((4, 8, 8, 3), np.float32)}, "uint8.*has float32"),
        ({"images": np.zeros((4, 8), np.uint8)}, r"\[N,H,W,C\].*\[4, 8\]"),
        ({"pictures": np.zeros((4, 8), np.uint8)}, "`images`, or `train`.*pictures"),
        ({"images": np.zeros((4, 8, 8, 4), np.uint8)}, "1 or 3 channels.*has 4"),
        ({"images": np.array([{"a": 1}], dtype=object)}, "never pickled"),
        (
            {"images": np.zeros((4, 8, 8, 3), np.uint8), "labels": np.zeros(3, int)},
            "one integer label for each of 4",
        ),
    ],
)
def test_npz_that_cannot_be_used_is_refused(tmp_path, arrays, message):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    rejected(message, f"npz:{path}")


def test_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('unpickled')",))

    path = tmp_path / "data.npz"
    np.savez(path, images=np.array([Bomb()], dtype=object))
    rejected("never pickled", f"npz:{path}")


def test_what_is_not_there_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    rejected("Did you mean cifar10?", "cifar1")
    rejected("must be npz:PATH of a file; there is no", "npz:nowhere.npz")
    rejected("never pickled", f"npz:{tmp_path}/text.npz")
    rejected("there is no directory", "folder:nowhere")
    rejected("has none", f"folder:{tmp_path}")


def test_sides_need_be_no_multiples(tmp_path):
    """Of 4, as they had to be."""
    image = np.random.default_rng(0).integers(0, 256, (6, 1, 7, 3), np.uint8)
    np.savez(tmp_path / "data.npz", train=image[:4], test=image[4:])
    data = load_data(DataConfig(dataset=f"npz:{tmp_path}/data.npz"))
    np.testing.assert_array_equal(data.train.image, image[:4])
    assert data.image_shape == (1, 7, 3)


def test_sizes_that_differ_are_refused_where_training_begins(tmp_path):
    for split in ("train", "test"):
        write_png(tmp_path / split / "a.png", np.zeros((8, 8, 3)))
    write_png(tmp_path / "train" / "b.png", np.zeros((5, 12, 3)))
    wanted = "one size to train on; got heights 5 to 8, widths 8 to 12. --image_size"
    for _ in range(2):
        data = load_data(DataConfig(dataset=f"folder:{tmp_path}"))
        assert data.train.sizes.max() == 12
        with pytest.raises(InputError, match=wanted):
            assert data.image_shape
        # Two parts of one size each.
        (tmp_path / "train" / "a.png").unlink(missing_ok=True)
    for settings in ({}, {"crop": "random"}, {"crop": "centre"}):
        config = DataConfig(f"folder:{tmp_path}", image_size="5x3", **settings)
        assert load_data(config).image_shape == (5, 3, 3)


def test_images_that_no_network_takes_are_refused_where_training_begins(tmp_path):
    """They may be stored: smaller ones can be cut out of them."""
    image = np.zeros((4, 2049, 5, 1), np.uint8)
    np.savez(tmp_path / "data.npz", train=image, test=image)
    data = load_data(DataConfig(dataset=f"npz:{tmp_path}/data.npz"))
    with pytest.raises(InputError, match="width from 1 to 2048; got 2049x5"):
        assert data.image_shape
    config = DataConfig(f"npz:{tmp_path}/data.npz", image_size="8x4", crop="random")
    assert load_data(config).image_shape == (8, 4, 1)


def test_gray_becomes_rgb_when_asked(tmp_path):
    """It was refused, though --image_channels=3 can only mean that."""
    for i in range(2):
        write_png(tmp_path / f"{i}.png", np.full((8, 8, 1), 90))
    image = load(f"folder:{tmp_path}", image_channels=3).image
    assert image.shape == (1, 8, 8, 3) and set(image.ravel()) == {90}


def test_initialisation_sees_every_class_of_a_set_that_is_sorted_by_class(monkeypatch):
    """It saw the first images, of one class."""
    images = tiny_images(40)._replace(label=np.repeat(np.arange(4, dtype=np.int32), 10))
    seen = []

    def initialize(self, image, label, dropout_seed):
        seen.append(label.numpy())

    monkeypatch.setattr(ConditionalPixelCNN, "initialize", initialize)
    tiny_model("pretrain_pixel_cnn", images, num_initialization_images=20)
    assert len(seen[0]) == 20
    assert set(seen[0]) == {0, 1, 2, 3}
