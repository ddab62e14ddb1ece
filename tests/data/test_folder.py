"""Folders of picture files: listing, parts, hold-out, classes and shapes."""

import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from agave_tf.data import folder
from agave_tf.data.folder import open_folder
from agave_tf.data.version_0_1 import (
    is_held_out_in_version_0_1,
    open_folder_of_version_0_1,
)
from agave_tf.errors import InputError
from agave_tf.settings.config import DataConfig


def write(root, names, shape=(8, 8, 3)):
    """Writes pictures; each has one level, which follows from its path in `root`."""
    for name in names.split() if isinstance(names, str) else names:
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full(shape, level_of(name), np.uint8)
        picture = Image.fromarray(image[..., 0] if shape[2] == 1 else image)
        picture.save(path, format="png")


def level_of(name):
    return sum(name.encode()) * 7 % 251


def numbered(directory, count, suffix="png"):
    return [f"{directory}{i:03d}.{suffix}" for i in range(count)]


def opened(root, seed=None, **settings):
    config = DataConfig(dataset=f"folder:{root}", **settings)
    if seed is not None:
        return open_folder_of_version_0_1(config, seed)
    return open_folder(config)


def read(source, part):
    """All images of a part, and their labels."""
    chunks = list(source.parts[part].chunks())
    labels = [chunk.label for chunk in chunks]
    image = np.concatenate([chunk.image for chunk in chunks])
    return image, None if labels[0] is None else np.concatenate(labels)


def levels(source, part):
    return read(source, part)[0][:, 0, 0, 0].tolist()


def all_levels(source):
    return sorted(levels(source, "train") + levels(source, "test"))


def expected_levels(names):
    names = names.split() if isinstance(names, str) else names
    return [level_of(name) for name in names]


def counts(source):
    return source.parts["train"].num_images, source.parts["test"].num_images


def refused(message, root, **settings):
    with pytest.raises(InputError, match=message) as info:
        opened(root, **settings)
    assert "\n" not in str(info.value)


def test_pictures_are_read_in_the_order_of_their_names(tmp_path):
    names = "train/b/1.png train/a.png train/b.png train/a-b.png test/1.png"
    write(tmp_path, names)
    source = opened(tmp_path)
    in_order = "train/a-b.png train/a.png train/b.png train/b/1.png"
    assert levels(source, "train") == expected_levels(in_order)
    assert source.name == f"folder:{tmp_path}"


def test_many_pictures_come_in_chunks_with_their_labels(tmp_path):
    names = numbered("train/a/", 150) + numbered("train/b/", 150)
    write(tmp_path, [*names, "test/b/1.png"], (4, 4, 1))
    (tmp_path / "train" / "a" / "broken.png").touch()
    source = opened(tmp_path, corrupt_images="skip")
    sizes = [len(chunk.image) for chunk in source.parts["train"].chunks()]
    assert sum(sizes) == 300 and len(sizes) == 2
    image, label = read(source, "train")
    assert image[:, 0, 0, 0].tolist() == expected_levels(names)
    assert label.tolist() == [0] * 150 + [1] * 150


@pytest.mark.parametrize(
    "suffix",
    [
        *("png", "PNG", "jpg", "JPG", "jpeg", "jfif", "JFIF", "webp", "bmp", "BMP"),
        *("gif", "tif", "TIFF", "ppm", "pgm"),
    ],
)
def test_files_of_every_suffix_are_used(tmp_path, suffix):
    """The content is PNG for all: it decides how a file is read."""
    names = [*numbered("train/", 3, suffix), f"test/a.{suffix}"]
    write(tmp_path, names)
    assert counts(opened(tmp_path)) == (3, 1)


def test_files_of_other_kinds_are_counted(tmp_path):
    write(tmp_path, numbered("", 3))
    for name in ("a.txt", "b.txt", "labels.csv", "README"):
        (tmp_path / name).write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    source = opened(tmp_path)
    assert sum(counts(source)) == 3
    assert source.notes.sentences() == [
        "files of other kinds left out (.txt, .csv, .png, no suffix): 5"
    ]
    for i in range(9):
        (tmp_path / f"a.x{i}").touch()
    (sentence,) = opened(tmp_path).notes.sentences()
    assert "(.txt, .csv, .png, .x0, .x1, ...): 14" in sentence


@pytest.mark.parametrize(
    "hidden", ["._a.png", "__MACOSX/a.png", ".ipynb_checkpoints/a.png", "b/.x/y/a.png"]
)
def test_hidden_files_are_left_out_and_counted(tmp_path, hidden):
    write(tmp_path, [*numbered("b/", 4), hidden])
    (tmp_path / ".DS_Store").write_text("no picture")
    source = opened(tmp_path)
    assert all_levels(source) == sorted(expected_levels(numbered("b/", 4)))
    assert source.notes.sentences() == ["hidden files left out: 1"]


def test_a_folder_in_a_hidden_directory_is_used(tmp_path):
    write(tmp_path / ".cache" / "set", numbered("", 4))
    assert sum(counts(opened(tmp_path / ".cache" / "set"))) == 4


def test_links_to_files_and_directories_are_followed(tmp_path):
    write(tmp_path / "elsewhere", "birds/1.png birds/2.png one.png")
    write(tmp_path / "set", "cats/1.png cats/2.png")
    (tmp_path / "set" / "birds").symlink_to(tmp_path / "elsewhere" / "birds")
    (tmp_path / "set" / "cats" / "3.png").symlink_to(tmp_path / "elsewhere" / "one.png")
    source = opened(tmp_path / "set")
    names = "birds/1.png birds/2.png cats/1.png cats/2.png one.png"
    assert all_levels(source) == sorted(expected_levels(names))
    assert source.classes == ("birds", "cats")


def test_links_that_lead_in_circles_end(tmp_path):
    write(tmp_path, numbered("a/b/", 4))
    (tmp_path / "a" / "b" / "root").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "loop").symlink_to("loop")
    source = opened(tmp_path)
    assert sum(counts(source)) == 4
    assert "links to a folder around them, not followed: 2" in source.notes.sentences()


def test_a_dangling_link_is_refused_or_left_out(tmp_path):
    write(tmp_path, [*numbered("train/", 3), *numbered("test/", 2)])
    (tmp_path / "train" / "dangling.png").symlink_to("nowhere.png")
    with pytest.raises(InputError, match="dangling.png is not.*--corrupt_images=skip"):
        read(opened(tmp_path), "train")
    source = opened(tmp_path, corrupt_images="skip")
    assert levels(source, "train") == expected_levels(numbered("train/", 3))
    assert source.notes.sentences() == ["unreadable files left out: 1"]


def test_labels_stay_with_their_pictures_when_others_are_left_out(tmp_path):
    names = ["train/a/1.png", "train/b/2.png", "train/c/3.png", "test/a/4.png"]
    write(tmp_path, names)
    (tmp_path / "train" / "b" / "1.png").write_bytes(b"broken")
    image, label = read(opened(tmp_path, corrupt_images="skip"), "train")
    assert image[:, 0, 0, 0].tolist() == expected_levels(names[:3])
    assert label.tolist() == [0, 1, 2]


def test_a_part_without_readable_pictures_is_refused(tmp_path):
    write(tmp_path, numbered("train/", 3))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.png").write_bytes(b"broken")
    source = opened(tmp_path, corrupt_images="skip")
    with pytest.raises(InputError, match="all 1 of one part are unreadable"):
        read(source, "test")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every directory")
def test_a_directory_without_permission_is_refused_or_left_out(tmp_path):
    write(tmp_path, [*numbered("a/", 3), *numbered("b/", 2)])
    (tmp_path / "b").chmod(0)
    refused("b cannot: Permission denied. --corrupt_images=skip", tmp_path)
    source = opened(tmp_path, corrupt_images="skip")
    assert sum(counts(source)) == 3
    assert "unreadable directories left out: 1" in source.notes.sentences()
    (tmp_path / "b").chmod(0o700)


def test_no_directory_and_no_pictures_are_refused(tmp_path):
    refused("must be folder:PATH of a directory; there is no", tmp_path / "nowhere")
    (tmp_path / "a.npy").write_text("")
    refused(
        "must be a folder with picture files; .* has none .*left out .*npy.: 1",
        tmp_path,
    )


# Splits.


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN"])
@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Val", "TEST"])
def test_a_split_beside_train_is_held_out(tmp_path, train, test):
    """A folder with train/ and val/ was trained on as a whole."""
    write(tmp_path, numbered(f"{train}/", 10) + numbered(f"{test}/", 4))
    source = opened(tmp_path)
    assert levels(source, "train") == expected_levels(numbered(f"{train}/", 10))
    assert levels(source, "test") == expected_levels(numbered(f"{test}/", 4))
    assert source.held_out == f"the split {test}/"
    assert source.notes.sentences() == []


def test_further_splits_and_other_pictures_are_left_out_and_counted(tmp_path):
    write(
        tmp_path,
        [
            *numbered("train/", 4),
            *numbered("validation/", 3),
            *numbered("Test/", 2),
            "a.png",
            "other/b.png",
        ],
    )
    source = opened(tmp_path)
    assert counts(source) == (4, 2)
    assert source.held_out == "the split Test/"
    assert sorted(source.notes.sentences()) == [
        "pictures of split validation/ left out: 3",
        "pictures outside train/ and Test/ left out: 2",
    ]


def test_train_alone_holds_out_a_tenth_of_itself(tmp_path):
    names = numbered("", 30)
    write(tmp_path / "plain", names)
    write(tmp_path / "in_train" / "train", names)
    source = opened(tmp_path / "in_train")
    assert source.held_out == "a tenth, by name"
    assert sum(counts(source)) == 30
    # The key is the name below train/: the same pictures are held out.
    assert levels(source, "test") == levels(opened(tmp_path / "plain"), "test")


def test_train_beside_other_classes_is_a_class(tmp_path):
    write(tmp_path, numbered("bus/", 4) + numbered("train/", 4))
    source = opened(tmp_path)
    assert source.classes == ("bus", "train")
    assert sum(counts(source)) == 8


@pytest.mark.parametrize("split", ["test", "Val", "validation"])
@pytest.mark.parametrize("other", ["a.png", "more/a.png"])
def test_a_split_to_hold_out_without_train_is_refused(tmp_path, split, other):
    write(tmp_path, [*numbered(f"{split}/", 3), other])
    refused(f"`train_split` must.*{split} looks held out.*--train_split", tmp_path)


def test_pictures_in_test_alone_are_all_used(tmp_path):
    write(tmp_path, numbered("test/", 4))
    assert sum(counts(opened(tmp_path))) == 4


def test_chosen_splits_are_used(tmp_path):
    write(
        tmp_path,
        numbered("train2017/", 4) + numbered("val2017/", 3) + numbered("test/", 2),
    )
    source = opened(tmp_path, train_split="train2017", test_split="VAL2017/")
    assert counts(source) == (4, 3)
    assert source.held_out == "the split val2017/"
    assert source.notes.sentences() == ["pictures of split test/ left out: 2"]
    assert counts(opened(tmp_path, train_split="train2017")) == (4, 2)
    refused("`train_split` must be.*got nothing, and", tmp_path, test_split="val2017")


def test_a_chosen_split_alone_holds_out_a_tenth_of_itself(tmp_path):
    write(tmp_path, numbered("mine/", 20) + numbered("others/", 9))
    source = opened(tmp_path, train_split="mine")
    assert sum(counts(source)) == 20
    assert source.held_out == "a tenth, by name"
    assert source.notes.sentences() == ["pictures outside mine/ left out: 9"]


def test_splits_that_are_not_there_are_refused(tmp_path):
    write(tmp_path, numbered("train/", 4) + numbered("a/", 2) + numbered("A/", 2))
    refused(
        "`test_split` must be a sub.*has A, a, train; got b", tmp_path, test_split="b"
    )
    refused("`train_split` must be a sub.*; got b", tmp_path, train_split="b")
    refused("must be another subdirectory", tmp_path, test_split="train")
    assert counts(opened(tmp_path, test_split="a")) == (4, 2)
    write(tmp_path, numbered("Val/", 1) + numbered("VAL/", 1))
    refused("any of VAL, Val", tmp_path, test_split="val")


@pytest.mark.parametrize("train", ["training", "Training"])
@pytest.mark.parametrize("test", ["testing", "Testing", "test", "val"])
def test_training_beside_testing_are_parts(tmp_path, train, test):
    """They were taken for two classes, and the pictures of both trained on."""
    names = numbered(f"{train}/cat/", 6) + numbered(f"{train}/dog/", 6)
    write(tmp_path, [*names, f"{test}/cat/1.png", f"{test}/dog/1.png"])
    source = opened(tmp_path)
    assert counts(source) == (12, 2) and source.classes == ("cat", "dog")
    assert source.held_out == f"the split {test}/"


def test_training_alone_holds_out_a_tenth_of_itself(tmp_path):
    write(tmp_path, numbered("training/cat/", 9) + numbered("training/dog/", 9))
    source = opened(tmp_path)
    assert source.classes == ("cat", "dog") and sum(counts(source)) == 18


@pytest.mark.parametrize(
    "directories",
    [
        ("train2017", "val2017"),
        ("trainA", "trainB", "testA", "testB"),
        ("train_images", "test_images"),
        ("trainset", "dev"),
        ("TRAINING_SET", "EVAL"),
    ],
)
def test_directories_that_look_like_parts_are_asked_for(tmp_path, directories):
    for directory in directories:
        write(tmp_path, numbered(f"{directory}/", 4))
    refused(
        "`train_split` must name .*look like parts.*Set --train_split=.* --test_split=",
        tmp_path,
    )
    source = opened(tmp_path, train_split=directories[0], test_split=directories[-1])
    assert counts(source) == (4, 4)
    for directory in directories:
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / directory).rename(tmp_path / "train" / directory)
    assert opened(tmp_path).classes == tuple(sorted(directories))


@pytest.mark.parametrize(
    "directories",
    [
        ("trains", "valleys"),
        ("train_station", "test_tube", "cat"),
        ("tests", "trainer"),
    ],
)
def test_classes_that_begin_like_parts_are_classes(tmp_path, directories):
    for directory in directories:
        write(tmp_path, numbered(f"{directory}/", 4))
    assert opened(tmp_path).classes == tuple(sorted(directories))


@pytest.mark.parametrize("parts", [("train", "test"), ("training", "Val")])
def test_the_folder_around_that_of_the_parts_is_refused(tmp_path, parts):
    """As an archive is unpacked: its test pictures were trained on."""
    for directory in parts:
        write(tmp_path / "birds", numbered(f"{directory}/", 4))
    refused(f"{tmp_path}/birds has .*{tmp_path} has birds alone", tmp_path)
    assert counts(opened(tmp_path / "birds")) == (4, 4)


BACKSLASHES = {
    "all": ["{}\\cat\\{}.png", "{}\\dog\\{}.png"],
    "below the parts": ["{}/cat\\{}.png", "{}/dog\\{}.png"],
    "some": ["{}\\cat/{}.png", "{}/dog/{}.png"],
}


@pytest.mark.parametrize("where", BACKSLASHES)
def test_backslashes_of_an_archive_made_elsewhere_separate_directories(tmp_path, where):
    """Parts and classes were lost, and nothing was said."""
    for split, count in (("train", 5), ("test", 2)):
        for name in (
            f.format(split, i) for f in BACKSLASHES[where] for i in range(count)
        ):
            slashes = name.replace("\\", "/")
            write(tmp_path / "b", [slashes])
            (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "b" / slashes, tmp_path / "a" / name)
    (tmp_path / "a" / "train\\cat\\").touch()  # As some programs leave directories.
    source, expected = opened(tmp_path / "a"), opened(tmp_path / "b")
    assert counts(source) == (10, 4) and source.classes == ("cat", "dog")
    assert read(source, "train")[1].tolist() == [0] * 5 + [1] * 5
    assert source.held_out == "the split test/"
    assert source.fingerprint == expected.fingerprint
    said = [s for s in source.notes.sentences() if "separates directories" in s]
    assert said == (
        ["file names with \\, which separates directories: 14"]
        if where != "some"
        else []
    )


def test_hidden_files_with_backslashes_are_left_out(tmp_path):
    write(tmp_path, numbered("cat\\", 3) + numbered("dog\\", 3))
    write(tmp_path, ["__MACOSX\\cat\\1.png", "cat\\._1.png", "..\\x.png"])
    source = opened(tmp_path)
    assert source.classes == ("cat", "dog") and sum(counts(source)) == 6
    assert "hidden files left out: 3" in source.notes.sentences()


# Hold-out.


def test_the_hold_out_is_a_tenth_and_stays_when_a_file_is_added(tmp_path):
    """It was drawn by --seed, and one file more that sorts first moved all others."""
    for i in range(500):
        image = np.full((4, 4, 3), (i // 256, i % 256, 0), np.uint8)
        Image.fromarray(image).save(tmp_path / f"{chr(97 + i % 26)}{i}.png")

    def numbers():
        images = {part: read(opened(tmp_path), part)[0] for part in ("train", "test")}
        return {
            part: set(image[:, 0, 0].astype(int) @ [256, 1, 0])
            for part, image in images.items()
        }

    before = numbers()
    assert 30 <= len(before["test"]) <= 75
    assert before["train"] | before["test"] == set(range(500))
    assert not before["train"] & before["test"]
    Image.fromarray(np.full((4, 4, 3), (2, 0, 0), np.uint8)).save(tmp_path / "0.png")
    after = numbers()
    assert after["train"] | after["test"] == set(range(500)) | {512}
    for part in ("train", "test"):
        assert after[part] - {512} == before[part]


def test_a_few_pictures_always_leave_some_on_both_sides(tmp_path):
    for count in range(2, 12):
        write(tmp_path / str(count), numbered("", count))
        train, test = counts(opened(tmp_path / str(count)))
        assert train >= 1 and test >= 1 and train + test == count
    write(tmp_path / "one", numbered("", 1))
    refused("at least 2 different images", tmp_path / "one")


def test_the_same_folder_elsewhere_is_the_same_data(tmp_path):
    names = numbered("a/", 20) + numbered("b/", 20)
    write(tmp_path / "here", names)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = opened(tmp_path / "here"), opened(f"{tmp_path}/there/")
    assert here.fingerprint == there.fingerprint
    assert levels(here, "test") == levels(there, "test")


def test_other_data_have_another_fingerprint(tmp_path):
    write(tmp_path, numbered("train/", 4) + numbered("val/", 4) + numbered("test/", 4))
    fingerprints = [
        opened(tmp_path).fingerprint,
        opened(tmp_path, test_split="val").fingerprint,
    ]
    write(tmp_path, ["train/000.png"], (12, 12, 3))  # of another size
    fingerprints.append(opened(tmp_path).fingerprint)
    (tmp_path / "train" / "000.png").rename(tmp_path / "train" / "zzz.png")
    fingerprints.append(opened(tmp_path).fingerprint)
    (tmp_path / "train" / "zzz.png").unlink()
    fingerprints.append(opened(tmp_path).fingerprint)
    assert len(set(fingerprints)) == 5


# Classes.


def test_a_directory_for_each_class_gives_labels(tmp_path):
    write(tmp_path, "train/dog/1.png train/cat/x/2.png test/bee/1.png test/dog/2.png")
    source = opened(tmp_path)
    assert source.classes == ("bee", "cat", "dog")
    image, label = read(source, "train")
    assert label.dtype == np.int32 and label.tolist() == [1, 2]
    assert image[:, 0, 0, 0].tolist() == expected_levels(
        "train/cat/x/2.png train/dog/1.png"
    )
    assert read(source, "test")[1].tolist() == [0, 2]


def test_labels_without_splits(tmp_path):
    write(tmp_path, numbered("q/", 20) + numbered("a/", 20))
    source = opened(tmp_path)
    assert source.classes == ("a", "q")
    in_a = set(expected_levels(numbered("a/", 20)))
    for part in ("train", "test"):
        image, label = read(source, part)
        assert [level in in_a for level in image[:, 0, 0, 0]] == (label == 0).tolist()


@pytest.mark.parametrize(
    "names",
    [
        numbered("", 4),
        numbered("img_align_celeba/", 4),
        [*numbered("a/", 2), *numbered("b/", 2), "loose.png"],
        ["train/a/1.png", "train/b/1.png", "test/1.png"],
    ],
)
def test_other_folders_have_no_labels(tmp_path, names):
    write(tmp_path, names)
    source = opened(tmp_path)
    assert source.classes == ()
    assert read(source, "train")[1] is None


# Shapes.


def test_pictures_of_many_sizes_keep_them(tmp_path):
    """They were refused."""
    shapes = [(8, 8, 3), (1, 12, 3), (5, 7, 3)]
    names = ["train/a.png", "train/b.png", "train/c.png"]
    for name, shape in zip(names, shapes):
        write(tmp_path, [name, "test/a.png"], shape)
    (chunk,) = opened(tmp_path).parts["train"].chunks()
    assert [image.shape for image in chunk.image] == shapes
    levels = [image[0, 0, 0] for image in chunk.image]
    assert levels == expected_levels(names)
    assert all((image == image[0, 0, 0]).all() for image in chunk.image)
    assert read(opened(tmp_path, image_size="8"), "train")[0].shape == (3, 8, 8, 3)


def test_large_pictures_come_in_chunks_of_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_BYTES_AT_ONCE", 700)
    for number in range(9):
        write(tmp_path, [f"train/{number}.png", "test/a.png"], (8, 3 + number, 3))
    chunks = list(opened(tmp_path).parts["train"].chunks())
    assert [len(chunk.image) for chunk in chunks] == [5, 3, 1]
    widths = [image.shape[1] for chunk in chunks for image in chunk.image]
    assert widths == list(range(3, 12))


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_among_rgb_needs_image_channels(tmp_path, channels):
    """It was refused with a hint at --image_size, which was set."""
    write(tmp_path, [*numbered("train/", 12), "test/a.png"])
    write(tmp_path, ["train/gray.png"], (8, 8, 1))
    with pytest.raises(InputError, match="gray.png has 1. --image_channels"):
        read(opened(tmp_path, image_size="8"), "train")
    source = opened(tmp_path, image_size="8", image_channels=channels)
    image, _ = read(source, "train")
    assert image.shape == (13, 8, 8, channels)
    said = (
        ["RGB images converted to gray: 12"]
        if channels == 1
        else ["gray images converted to RGB: 1"]
    )
    assert source.notes.sentences() == said


def test_one_picture_with_alpha_among_many_is_used(tmp_path):
    write(tmp_path, [*numbered("train/", 5), "test/a.png"])
    rgba = np.full((8, 8, 4), (200, 100, 50, 51), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "train" / "alpha.png")
    source = opened(tmp_path)
    image, _ = read(source, "train")
    assert image.shape == (6, 8, 8, 3)
    assert image[-1, 0, 0].tolist() == [40, 20, 10]
    assert source.notes.sentences() == [
        "pictures with transparency, laid over black: 1"
    ]


# Runs of version 0.1.


def test_version_0_1_drew_its_hold_out_by_the_seed(tmp_path):
    root = tmp_path / "set"
    names = ["b.png", "B/1.JPG", ".hidden.png", "a.jpeg", *numbered("c/", 16)]
    write(root, [*names, "left_out.bmp", "left_out.webp"])
    write(tmp_path / "elsewhere", ["linked.png"])
    (root / "link").symlink_to(tmp_path / "elsewhere")
    in_order = sorted(names)
    for seed in (0, 3):
        source = opened(root, seed)
        held_out = is_held_out_in_version_0_1(20, seed)
        of_part = {
            part: [name for name, out in zip(in_order, held_out) if out == is_test]
            for part, is_test in (("train", False), ("test", True))
        }
        for part, part_names in of_part.items():
            assert levels(source, part) == expected_levels(part_names)
        assert source.classes == ()
        assert "version 0.1" in source.held_out


def test_version_0_1_knew_the_splits_train_and_test_alone(tmp_path):
    write(tmp_path / "a", numbered("train/", 4) + numbered("test/", 2))
    source = opened(tmp_path / "a", 0)
    assert counts(source) == (4, 2) and source.held_out == "the split test/"
    write(tmp_path / "b", numbered("train/", 10) + numbered("val/", 4))
    assert counts(opened(tmp_path / "b", 0)) == (13, 1)
    with pytest.raises(InputError, match="has none"):
        (tmp_path / "c" / "train").mkdir(parents=True)
        (tmp_path / "c" / "test").mkdir()
        opened(tmp_path / "c", 0)
