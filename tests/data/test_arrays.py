"""Images from .npz and .npy files: names, types, hold-out, damage, memory."""

import pickle
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
from source_parts import part

from agave_tf.data.array_file import StoredArray
from agave_tf.data.arrays import open_arrays
from agave_tf.data.read_source import read_source
from agave_tf.data.version_0_1 import open_arrays_of_version_0_1
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

TRAIN = np.arange(6 * 8 * 8 * 3).reshape(6, 8, 8, 3).astype(np.uint8)
TEST = 255 - TRAIN[:4]
NOISE = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), np.uint8)


def saved(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def opened(path, version_0_1_seed=None, **settings):
    config = DataConfig(dataset=f"npz:{path}", **settings)
    if version_0_1_seed is not None:
        return open_arrays_of_version_0_1(config, version_0_1_seed)
    return open_arrays(config)


def same(source, name, image, label=None):
    found_image, found_label = part(source, name)
    np.testing.assert_array_equal(found_image, image)
    assert found_label == label


def refused(message, path, **settings):
    """Refused in one line, when the file is opened or when it is read."""
    with pytest.raises(InputError, match=message) as caught:
        for name in opened(path, **settings).parts:
            part(opened(path, **settings), name)
    assert "\n" not in str(caught.value)


def as_set(image):
    return {each.tobytes() for each in image}


def held_out(path, **settings):
    source = opened(path, **settings)
    train, test = as_set(part(source, "train")[0]), as_set(part(source, "test")[0])
    assert not train & test
    return test


@pytest.mark.parametrize(
    "train,train_labels",
    [
        ("train", "train_labels"),
        ("train_images", "train_labels"),
        ("x_train", "y_train"),
        ("X_train", "y_train"),
        ("train_x", "train_y"),
        ("Train", "Train_label"),
    ],
)
@pytest.mark.parametrize("test", ["test", "val", "valid", "validation"])
def test_parts_and_their_labels_are_found_by_name(tmp_path, train, train_labels, test):
    test_name = train.lower().replace("train", test)
    test_labels = train_labels.lower().replace("train", test)
    arrays = {train: TRAIN, test_name: TEST}
    labels = {train_labels: np.arange(6), test_labels: np.arange(4)}
    source = opened(saved(tmp_path, **arrays, **labels))
    same(source, "train", TRAIN, [0, 1, 2, 3, 4, 5])
    same(source, "test", TEST, [0, 1, 2, 3])
    assert source.held_out == f"its array {test_name}"
    assert source.notes.sentences() == []


def test_medmnist_keeps_its_test_images_and_says_that_val_is_left_out(tmp_path):
    arrays = {"train_images": TRAIN, "val_images": TRAIN[:3], "test_images": TEST}
    labels = {
        f"{name}_labels": np.full([count, 1], count, np.uint8)
        for name, count in (("train", 6), ("val", 3), ("test", 4))
    }
    source = opened(saved(tmp_path, **arrays, **labels))
    same(source, "train", TRAIN, [6] * 6)
    same(source, "test", TEST, [4] * 4)
    assert source.notes.sentences() == ["images of split val left out: 3"]


@pytest.mark.parametrize(
    "image,label",
    [
        ("images", "labels"),
        ("x", "y"),
        ("X", "y"),
        ("data", "labels"),
        ("arr_0", None),
        ("train", "train_labels"),
        ("x_train", "y_train"),
        ("pictures", "labels"),
        ("birds_images", "birds_labels"),
    ],
)
def test_a_tenth_of_images_without_parts_is_held_out(tmp_path, image, label):
    labels = {} if label is None else {label: np.arange(300)}
    source = opened(saved(tmp_path, **{image: NOISE}, **labels))
    (train, train_label), (test, test_label) = (
        part(source, "train"),
        part(source, "test"),
    )
    assert source.held_out == "a tenth, by content"
    # Binomial of 300 and 0.1 has a deviation of 5.2.
    assert len(train) + len(test) == 300 and 10 <= len(test) <= 50
    assert as_set(train) | as_set(test) == as_set(NOISE)
    assert not as_set(train) & as_set(test)
    if label is None:
        assert train_label is None and test_label is None
    else:
        np.testing.assert_array_equal(NOISE[train_label], train)
        np.testing.assert_array_equal(NOISE[test_label], test)


def test_the_hold_out_stays_when_images_are_added_or_reordered(tmp_path):
    before = held_out(saved(tmp_path, images=NOISE))
    more = np.random.default_rng(1).integers(0, 256, (40, 4, 4, 1), np.uint8)
    added = np.concatenate([more, NOISE])
    assert held_out(saved(tmp_path, images=added)) & as_set(NOISE) == before
    assert held_out(saved(tmp_path, images=NOISE[::-1])) == before
    assert held_out(saved(tmp_path, train=NOISE)) == before


def test_runs_of_version_0_1_keep_the_images_they_held_out(tmp_path):
    path = saved(tmp_path, images=NOISE[:40], labels=np.arange(40))
    by_seed = {}
    for seed in (0, 1):
        source = opened(path, version_0_1_seed=seed)
        by_seed[seed] = part(source, "test")[1]
        last = np.random.default_rng(seed).permutation(40)[-4:]
        assert by_seed[seed] == sorted(last.tolist())
        assert sorted(by_seed[seed] + part(source, "train")[1]) == list(range(40))
        assert f"by seed {seed}" in source.held_out
        assert source.fingerprint != opened(path).fingerprint
    assert by_seed[0] != by_seed[1]


def test_npy_is_images_without_labels(tmp_path):
    np.save(tmp_path / "x.npy", NOISE)
    image = [part(opened(tmp_path / "x.npy"), name) for name in ("train", "test")]
    assert as_set(image[0][0]) | as_set(image[1][0]) == as_set(NOISE)
    assert image[0][1] is None and image[1][1] is None


def test_the_bytes_of_a_file_tell_its_kind_not_its_suffix(tmp_path):
    np.save(tmp_path / "x.npy", NOISE)
    (tmp_path / "x.npy").rename(tmp_path / "array.npz")
    shutil.move(saved(tmp_path, train=TRAIN, test=TEST), tmp_path / "archive.npy")
    assert held_out(tmp_path / "array.npz") < as_set(NOISE)
    same(opened(tmp_path / "archive.npy"), "test", TEST)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_come_as_they_were_saved(tmp_path, save, order):
    noise = np.random.default_rng(0).integers(0, 256, (1300, 8, 4, 3), np.uint8)
    label = np.arange(1300, dtype=">i8")
    path = tmp_path / "data.npz"
    save(path, train=np.asarray(noise, order=order), train_labels=label, test=TEST)
    same(opened(path), "train", noise, list(range(1300)))


def test_gray_images_need_no_axis_of_channels(tmp_path):
    path = saved(tmp_path, train=TRAIN[..., 0], test=TEST[..., 0])
    same(opened(path), "train", TRAIN[..., :1])


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.int64, np.uint64, ">i4", np.float32, ">f8"]
)
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_labels_may_be_of_any_type_that_holds_them_exactly(tmp_path, dtype, shape):
    label = np.arange(6).reshape(shape).astype(dtype)
    path = saved(tmp_path, train=TRAIN, train_labels=label, test=TEST)
    source = opened(path)
    same(source, "train", TRAIN, [0, 1, 2, 3, 4, 5])
    same(source, "test", TEST)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bits_are_scaled_to_8(tmp_path, byte_order):
    deep = (TRAIN.astype(np.uint16) * 16).astype(f"{byte_order}u2")
    path = saved(tmp_path, train=deep, test=TEST.astype(np.uint16))
    source = opened(path, white_level=4095)
    expected = np.floor(TRAIN.astype(np.float64) * 16 * 255 / 4095 + 0.5)
    same(source, "train", expected.astype(np.uint8))
    assert source.notes.sentences() == [
        "images of 16 bits scaled to 8, 4095 to level 255 (--white_level): 6",
        f"largest value in the images of 16 bits: {deep.max()}",
    ]


def test_channels_that_come_first_are_told_by_the_shape_and_said(tmp_path):
    stored = {name: np.moveaxis(a, -1, 1) for name, a in (("t", TRAIN), ("e", TEST))}
    source = opened(saved(tmp_path, train=stored["t"], test=stored["e"]))
    same(source, "train", TRAIN)
    same(source, "test", TEST)
    assert source.notes.sentences() == [
        "images of [3, 8, 8] read as 3x8x8, the channels first: 10"
    ]
    gray = saved(tmp_path, train=TRAIN[:, None, :, :, 0], test=TEST)
    same(opened(gray), "train", TRAIN[..., :1])


def test_images_are_prepared_by_the_settings(tmp_path):
    path = saved(tmp_path, train=np.full([6, 8, 12, 1], 7, np.uint8), test=TEST)
    source = opened(path, image_size="4", image_channels=3)
    same(source, "train", np.full([6, 4, 4, 3], 7, np.uint8))


@pytest.mark.parametrize(
    "settings,train,test",
    [
        ({"train_split": "val"}, "val_images", "test_images"),
        ({"train_split": "val_images"}, "val_images", "test_images"),
        ({"test_split": "val"}, "train_images", "val_images"),
        ({"train_split": "extra", "test_split": "train"}, "extra", "train_images"),
    ],
)
def test_settings_name_the_parts(tmp_path, settings, train, test):
    arrays = {
        name: np.full([4, 8, 8, 1], value, np.uint8)
        for value, name in enumerate(
            ["train_images", "val_images", "test_images", "extra"]
        )
    }
    labels = {"train_labels": [9] * 4, "val_labels": [8] * 4, "test_labels": [7] * 4}
    source = opened(saved(tmp_path, **arrays, **labels), **settings)
    by_prefix = {"train": 9, "val": 8, "test": 7}
    for name, array in (("train", train), ("test", test)):
        label = by_prefix.get(array.removesuffix("_images"))
        same(source, name, arrays[array], None if label is None else [label] * 4)


def test_a_split_to_train_on_is_not_held_out_as_well(tmp_path):
    path = saved(tmp_path, test=NOISE, extra=TRAIN[:, :4, :4, :1])
    assert opened(path, train_split="test").held_out == "a tenth, by content"
    refused("`test_split` must name other", path, train_split="test", test_split="test")


def test_arrays_that_are_not_used_are_said(tmp_path):
    path = saved(
        tmp_path,
        train=TRAIN,
        test=TEST,
        valid=TEST[:2],
        mean=np.zeros(3),
        names=np.array(["a", {}], dtype=object),
    )
    assert opened(path).notes.sentences() == [
        "images of split valid left out: 2",
        "arrays left out (mean, names): 2",
    ]


def images(dtype=np.uint8, shape=(4, 8, 8, 3)):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "arrays,message",
    [
        ({"images": images(np.float32)}, "`images` as uint8.*has float32 .4, 8, 8, 3"),
        ({"images": images(bool)}, "has bool"),
        ({"images": images(np.int64)}, "has int64"),
        ({"train": images(), "test": images(np.float64)}, "`test` as .*has float64"),
        ({"images": images(shape=(4, 8, 8, 4))}, "1 or 3 channels.*has 4"),
        ({"images": images(shape=(8, 8, 3))}, "one image alone"),
        ({"images": images(shape=(64,))}, r"\[N,H,W\]; .*has uint8 \[64\]"),
        ({"images": images(shape=(0, 8, 8, 3))}, r"has uint8 \[0, 8, 8, 3\]"),
        ({"images": images(shape=(4, 0, 8, 3))}, r"has uint8 \[4, 0, 8, 3\]"),
        ({"images": images(shape=(1, 8, 8, 3))}, "at least 2 different images"),
        ({"images": images()}, "at least 2 different images"),
        ({"names": np.arange(3)}, r"has neither, but names \[3\]"),
        ({}, "has neither, but no arrays"),
        ({"a": images(), "b": images()}, r"has neither, but a .*, b "),
        ({"images": images(), "data": images()}, "data and images. --train_split"),
        ({"train": images(), "x_train": images()}, "train and x_train"),
        ({"train": images(), "test": TEST, "x_test": TEST}, "test and x_test"),
        ({"test": images()}, "must have an array `train` beside `test`"),
        ({"val_images": images()}, "`train` beside `val_images`"),
        ({"images": TRAIN, "x_test": images()}, "`train` beside `x_test`"),
        (
            {"images": TRAIN, "labels": np.zeros(5, int)},
            "one integer label for each of 6",
        ),
        ({"images": TRAIN, "labels": np.full(6, 0.5)}, "are whole numbers.*has 0.5"),
        ({"images": TRAIN, "labels": np.full(6, np.nan)}, "whole numbers.*has nan"),
        ({"images": TRAIN, "labels": np.zeros(6, complex)}, "integer label .*complex"),
        ({"images": TRAIN, "labels": np.zeros([6, 10], int)}, r"has labels as .*6, 10"),
        ({"images": TRAIN, "labels": np.array(["a"] * 6)}, "one integer label"),
        (
            {"images": TRAIN, "labels": np.full(6, 2**31)},
            "at most 32 bits; .*2147483648",
        ),
        (
            {"images": TRAIN, "labels": np.full(6, 2**63 + 1, np.uint64)},
            "at most 32 bits; .*9223372036854775809",
        ),
        ({"images": TRAIN, "labels": [0] * 6, "y": [0] * 6}, "labels and y"),
        ({"train": TRAIN, "test": TEST, "test_labels": [1, 2]}, "for each of 4"),
        ({"images": np.array([{"a": 1}], dtype=object)}, "never pickled"),
        ({"images": TRAIN, "labels": np.array([{}] * 6)}, "one integer label.*object"),
    ],
)
def test_npz_that_cannot_be_used_is_refused(tmp_path, arrays, message):
    refused(message, saved(tmp_path, **arrays))


@pytest.mark.parametrize("setting", ["train_split", "test_split"])
def test_a_part_that_is_not_there_is_refused_by_name(tmp_path, setting):
    path = saved(tmp_path, train=TRAIN, test=TEST)
    refused(f"`{setting}` must be .*'dev', .*train .6, 8", path, **{setting: "dev"})


def test_parts_of_two_sizes_are_read_and_not_trained_on(tmp_path):
    path = saved(tmp_path, train=TRAIN, test=images(shape=(4, 12, 12, 3)))
    config = DataConfig(dataset=f"npz:{path}")
    data = read_source(opened(path), config)
    assert (data.train.shape, data.test.shape) == ((8, 8, 3), (12, 12, 3))
    with pytest.raises(InputError, match="one size to train on; got heights 8 to 12"):
        assert data.image_shape
    resized = opened(path, image_size="8")
    assert part(resized, "test")[0].shape == (4, 8, 8, 3)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def test_pickles_are_never_loaded(tmp_path):
    bomb = np.array([Bomb()], dtype=object)
    refused("never pickled", saved(tmp_path, images=bomb))
    np.save(tmp_path / "bomb.npy", bomb)
    refused("never pickled", tmp_path / "bomb.npy")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    refused("never pickled", tmp_path / "pickle.npz")


def test_what_is_not_there_is_refused(tmp_path):
    refused("must be npz:PATH of a file; there is no", tmp_path / "nowhere.npz")
    refused("no file in .* ends in .npz. folder:PATH reads pictures", tmp_path)
    for content in (b"", b"no archive", b"PK\x03\x04", b"\x93NUMPY\x01\x00\xff"):
        (tmp_path / "text.npz").write_bytes(content)
        refused(
            "of plain arrays .never pickled.; .*text.npz' is not", tmp_path / "text.npz"
        )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("arrays", [{"images": NOISE}, {"train": NOISE, "test": NOISE}])
def test_damaged_archives_are_refused_in_one_line(tmp_path, save, arrays):
    path = tmp_path / "data.npz"
    save(path, **arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("is not .*zip", path)
    for place in (len(whole) // 3, len(whole) // 2):
        bent = bytearray(whole)
        bent[place] ^= 0xFF
        path.write_bytes(bent)
        refused("data.npz' is not .", path)


@pytest.mark.parametrize("change", [-1, -2000, 1])
def test_npy_of_a_wrong_length_is_refused(tmp_path, change):
    path = tmp_path / "x.npy"
    np.save(path, NOISE)
    whole = path.read_bytes() + b"."
    path.write_bytes(whole[: len(whole) - 1 + change])
    refused(f"needs 4800 bytes of data and has {4800 + change}", path)


def test_other_members_of_an_archive_are_ignored(tmp_path):
    path = saved(tmp_path, train=TRAIN, test=TEST)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "about these images")
    same(opened(path), "train", TRAIN)


def test_fingerprint_is_that_of_the_data_not_of_the_path(tmp_path):
    label = np.arange(6)
    other_image, other_label = TRAIN.copy(), label.copy()
    other_image[5, 7, 7, 2] += 1
    other_label[3] += 1

    def fingerprint(image, label, save=np.savez, name="data.npz"):
        save(tmp_path / name, train=image, train_labels=label, test=TEST)
        return opened(tmp_path / name).fingerprint

    original = fingerprint(TRAIN, label)
    assert fingerprint(TRAIN, label, np.savez_compressed, "moved.npz") == original
    assert fingerprint(other_image, label) != original
    assert fingerprint(TRAIN, other_label) != original
    assert fingerprint(TRAIN.reshape(6, 4, 16, 3), label) != original


def test_fingerprint_of_npy_is_that_of_its_content(tmp_path):
    def fingerprint(name, image):
        np.save(tmp_path / name, image)
        return opened(tmp_path / name).fingerprint

    other = NOISE.copy()
    other[299, 3, 3] += 1
    assert fingerprint("a.npy", NOISE) == fingerprint("b.npy", NOISE)
    assert fingerprint("a.npy", other) != fingerprint("b.npy", NOISE)


def test_an_archive_with_both_parts_is_opened_without_reading_images(
    tmp_path, monkeypatch
):
    path = saved(tmp_path, train=TRAIN, test=TEST, train_labels=np.arange(6))

    def rows(self):
        raise AssertionError(f"{self.member} is read")

    monkeypatch.setattr(StoredArray, "rows", rows)
    assert opened(path).parts["train"].num_images == 6


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, np.save])
def test_arrays_are_never_in_memory_as_a_whole(tmp_path, save):
    image = np.zeros([6000, 64, 64, 3], np.uint8)
    image[:, 0, 0, 0] = np.arange(6000) % 251
    path = tmp_path / "data"
    with open(path, "wb") as file:
        save(file, **({"arr": image} if save is np.save else {"images": image}))
    del image
    tracemalloc.start()
    try:
        source = opened(path)
        counts = [len(c.image) for p in source.parts.values() for c in p.chunks()]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(counts) == 6000
    # The array has 74 MB, 512 rows 6.3 MB; a few copies of those are alive at a time.
    assert peak < 30e6
