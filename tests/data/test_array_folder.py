"""Downsampled ImageNet as it is distributed: flat planes, labels from 1, many files."""

import numpy as np
import pytest
from source_parts import part
from test_arrays import opened, refused, same, saved

from agave_tf.data.dead_leaves import draw_dead_leaves
from agave_tf.data.load import load_data
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

SIDE = 8
IMAGE = draw_dead_leaves(33, SIDE, SIDE, 3, seed=0)
LABEL = np.arange(33) % 3 + 1


def planes(image):
    """[N,C*H*W], as the files have it."""
    return np.moveaxis(image, -1, 1).reshape(len(image), -1)


def imagenet(tmp_path, save=np.savez, num_files=11, label=LABEL):
    """Ten files for training of 3 images each, and one to hold out."""
    names = [f"train_data_batch_{i + 1}" for i in range(num_files - 1)] + ["val_data"]
    for i, name in enumerate(names):
        rows = slice(3 * i, 3 * i + 3)
        arrays = {"data": planes(IMAGE[rows]), "labels": label[rows]}
        save(tmp_path / f"{name}.npz", **arrays, mean=np.zeros(192))
    return tmp_path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_files_of_imagenet32_are_read_as_one(tmp_path, save):
    source = opened(imagenet(tmp_path, save))
    same(source, "train", IMAGE[:30], (LABEL[:30] - 1).tolist())
    same(source, "test", IMAGE[30:], (LABEL[30:] - 1).tolist())
    assert sorted(source.notes.sentences()) == [
        "arrays mean of files left out: 11",
        "files joined to `train_images`: 10",
        "files joined to `val_images`: 1",
        "images of [192] read as 3x8x8, the channels first: 33",
        "labels that count from 1, lowered by 1: 33",
    ]
    assert source.label_range() == (0, 2)


def test_a_single_file_of_imagenet32_holds_out_a_tenth(tmp_path):
    path = saved(tmp_path, data=planes(IMAGE), labels=LABEL)
    source = opened(path)
    train, test = part(source, "train"), part(source, "test")
    assert source.held_out == "a tenth, by content"
    of_image = {i.tobytes(): n - 1 for i, n in zip(IMAGE, LABEL)}
    for image, label in (train, test):
        assert [of_image[each.tobytes()] for each in image] == label
    # The same images are held out, however they are stored.
    for stored in (IMAGE, np.moveaxis(IMAGE, -1, 1)):
        again = part(opened(saved(tmp_path, images=stored)), "test")[0]
        np.testing.assert_array_equal(again, test[0])


def test_files_are_joined_in_the_order_of_their_numbers(tmp_path):
    source = opened(imagenet(tmp_path))
    again = opened(imagenet(tmp_path))
    assert source.fingerprint == again.fingerprint
    (tmp_path / "train_data_batch_2.npz").rename(tmp_path / "swap")
    (tmp_path / "train_data_batch_10.npz").rename(tmp_path / "train_data_batch_2.npz")
    (tmp_path / "swap").rename(tmp_path / "train_data_batch_10.npz")
    assert opened(tmp_path).fingerprint != source.fingerprint


def test_labels_that_have_a_zero_or_are_of_other_arrays_stay(tmp_path):
    """A run that was trained on such a file must find the same labels."""
    flat = saved(tmp_path, data=planes(IMAGE), labels=LABEL - 1)
    assert opened(flat).label_range() == (0, 2)
    whole = saved(tmp_path, images=IMAGE, labels=LABEL)
    assert opened(whole).label_range() == (1, 3)


def test_flat_gray_images_are_read(tmp_path):
    gray = IMAGE[..., 0]
    source = opened(saved(tmp_path, x_train=gray.reshape(33, -1), x_test=TEST_GRAY))
    same(source, "train", gray[..., None])
    same(source, "test", gray[:4, ..., None])
    assert "images of [64] read as 1x8x8: 37" in source.notes.sentences()


TEST_GRAY = IMAGE[:4, ..., 0].reshape(4, -1)


def test_flat_images_with_the_channels_last_are_refused(tmp_path):
    """As planes they would be nine small pictures in wrong colours."""
    flat = IMAGE.reshape(33, -1)
    refused(r"3 planes of 8x8; .* look like \[8,8,3\]", saved(tmp_path, data=flat))
    noise = np.random.default_rng(0).integers(0, 256, (33, 192), np.uint8)
    assert len(part(opened(saved(tmp_path, data=noise)), "train")[0])


@pytest.mark.parametrize(
    "arrays,message",
    [
        ({"data": np.zeros((4, 100), np.float32)}, "uint8 or uint16.*float32"),
        ({"data": np.zeros((4, 191), np.uint8)}, r"\[N,H,W,C\].*\[4, 191\]"),
        ({"data": np.zeros((4, 9), np.uint8)}, r"\[N,H,W,C\].*\[4, 9\]"),
    ],
)
def test_other_flat_arrays_are_refused(tmp_path, arrays, message):
    refused(message, saved(tmp_path, **arrays))


def test_a_folder_without_parts_holds_out_a_tenth(tmp_path):
    for name, rows in (("a", slice(0, 20)), ("b", slice(20, 33))):
        np.savez(tmp_path / f"{name}.npz", images=IMAGE[rows], labels=LABEL[rows])
    source = opened(tmp_path)
    assert source.held_out == "a tenth, by content"
    images = np.concatenate([part(source, name)[0] for name in source.parts])
    assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in IMAGE)


def test_files_that_name_no_part_beside_others_are_said(tmp_path):
    imagenet(tmp_path)
    np.savez(tmp_path / "extra.npz", data=planes(IMAGE))
    (tmp_path / "README.txt").write_text("about")
    sentence = "files that name no part left out (extra.npz): 1"
    assert sentence in opened(tmp_path).notes.sentences()


def test_folders_that_do_not_go_together_are_refused(tmp_path):
    refused("there is no file in .*ends in .npz.*folder:PATH", tmp_path)
    (tmp_path / "train_data_batch_1").write_bytes(b"\x80\x03a pickle")
    refused("there is no file in .*ends in .npz", tmp_path)
    imagenet(tmp_path)
    np.savez(tmp_path / "train_data_batch_11.npz", data=planes(IMAGE))
    refused("train_data_batch_11.npz has 33 images and 0 labels", tmp_path)
    np.savez(tmp_path / "train_data_batch_11.npz", data=IMAGE, labels=LABEL)
    refused(r"batch_1.npz has uint8 \[3, 192\] and train_data_batch_11", tmp_path)
    np.savez(tmp_path / "train_data_batch_11.npz", names=LABEL)
    refused("batch_11.npz' has neither, but names", tmp_path)
    (tmp_path / "train_data_batch_11.npz").write_bytes(b"PK\x03\x04")
    refused("batch_11.npz' is not", tmp_path)


def test_the_labels_of_all_parts_are_checked_not_of_those_that_are_used(tmp_path):
    """Labels 1 to 3 were scored as 0 to 2, where those held out happened to fit."""
    path = saved(
        tmp_path,
        train=IMAGE[:30],
        train_labels=LABEL[:30],
        test=IMAGE[30:],
        test_labels=[1, 2, 1],
    )
    data = load_data(DataConfig(dataset=f"npz:{path}"), ["test"])
    assert data.label_range == (1, 3)
    data.test.check_labels(3)  # As before: they fit by chance.
    with pytest.raises(InputError, match=r"classes, 0..2; .* has 1..3. .*from 1"):
        data.check_labels(3)
    data.check_labels(4)
    data.check_labels(0)


def test_labels_of_a_folder_are_known_from_its_classes(tmp_path):
    from test_folder import write

    write(tmp_path, "train/a/1.png train/b/1.png train/c/1.png test/a/2.png")
    data = load_data(DataConfig(dataset=f"folder:{tmp_path}"), ["test"])
    with pytest.raises(InputError, match=r"2 classes, 0..1; .* has 0..2\.$"):
        data.check_labels(2)
