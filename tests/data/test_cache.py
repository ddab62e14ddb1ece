"""Sets that are larger than memory: decoded once, then mapped from files."""

import json
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.data import cache as cache_module
from agave_tf.data import cached_arrays
from agave_tf.data import read_source as reading
from agave_tf.data.batches import evaluation_batches, training_batches
from agave_tf.data.cache import cache_path, open_cache
from agave_tf.data.mixed_images import MixedImages
from agave_tf.data.read_source import read_source
from agave_tf.data.source import Chunk, ImagePart, ImageSource, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

IMAGE = np.random.default_rng(0).integers(0, 256, (50, 8, 4, 3), np.uint8)
LABEL = np.arange(50, dtype=np.int32) % 7


class Reads:
    """A source of IMAGE and LABEL, 40 to train on; counts how often it is read."""

    def __init__(self, test_shape=(8, 4, 3), skipped=0, has_labels=True, **facts):
        self.count, self.notes = 0, Notes()
        self.label = LABEL if has_labels else None
        test = np.resize(IMAGE[40:], (10, *test_shape))
        self.source = ImageSource(
            **{
                "name": "folder:/somewhere/birds",
                "fingerprint": "0123",
                "parts": {
                    "train": ImagePart(40 + skipped, lambda: self.read(IMAGE[:40], 0)),
                    "test": ImagePart(10, lambda: self.read(test, 40)),
                },
                "held_out": "the split test/",
                "classes": tuple("abcdefg"),
                "notes": self.notes,
                **facts,
            }
        )

    def read(self, image, first):
        self.count += 1
        self.notes.add("pictures turned", 2)
        for start in range(0, len(image), 16):
            rows = slice(start, start + 16)
            label = None
            if self.label is not None:
                label = self.label[first:][: len(image)][rows]
            yield Chunk(image[rows], label)


def config(path, **settings):
    return DataConfig(
        dataset="folder:/somewhere/birds", cache_dir=str(path), **settings
    )


def check(data):
    for part, rows in ((data.train, slice(40)), (data.test, slice(40, 50))):
        np.testing.assert_array_equal(part.image, IMAGE[rows])
        np.testing.assert_array_equal(part.label, LABEL[rows])
        assert part.label.dtype == np.int32 and part.image.dtype == np.uint8


def test_images_are_decoded_once_and_then_mapped_with_all_that_was_said(
    tmp_path, caplog
):
    reads = Reads()
    caplog.set_level("INFO", logger="absl")
    data = read_source(reads.source, config(tmp_path / "caches"))
    check(data)
    assert reads.count == 2
    assert "decoding 50 images, 0.00 GB, into" in caplog.text
    caplog.clear()
    moved = Reads(name="folder:/elsewhere/owls")
    again = read_source(moved.source, config(tmp_path / "caches"))
    check(again)
    assert moved.count == 0 and again.record == data.record
    for said in (
        "40 to train on, 10 held out (the split test/); 8x4x3, 7 classes (a, b, ",
        f"mapped from {tmp_path}/caches/",
        "pictures turned: 4",
    ):
        assert said in caplog.text


def test_the_files_of_a_cache_are_arrays_that_anyone_can_read(tmp_path):
    source, settings = Reads().source, config(tmp_path)
    read_source(source, settings)
    path = cache_path(source, settings)
    np.testing.assert_array_equal(np.load(f"{path}/train.npy"), IMAGE[:40])
    np.testing.assert_array_equal(np.load(f"{path}/test_labels.npy"), LABEL[40:])


def test_mapped_images_are_read_only_and_not_held_in_memory(tmp_path):
    image = read_source(Reads().source, config(tmp_path)).train.image
    assert not image.flags.writeable and not image.flags.owndata


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": "4"},
        {"image_size": "4", "crop": "centre"},
        {"image_size": "4", "crop": "random"},
        {"image_channels": 1},
        {"white_level": 4095},
        {"corrupt_images": "skip"},
        {"test_split": "val"},
    ],
)
def test_images_prepared_in_another_way_have_another_cache(tmp_path, change):
    source = Reads().source
    ours = cache_path(source, config(tmp_path))
    assert cache_path(source, config(tmp_path, **change)) != ours
    assert cache_path(Reads(fingerprint="4567").source, config(tmp_path)) != ours


def test_small_sets_stay_in_memory_and_large_ones_go_to_the_users_cache(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check(read_source(Reads().source, config("")))
    assert not os.listdir(tmp_path)
    monkeypatch.setattr(reading, "_MOST_IN_MEMORY", IMAGE.nbytes - 1)
    check(read_source(Reads().source, config("")))
    (name,) = os.listdir(tmp_path / "agave_tf")
    assert name.startswith("folder_somewhere_birds-")


def test_one_part_of_a_small_set_is_read_alone(tmp_path):
    reads = Reads()
    data = read_source(reads.source, config(""), ["test"])
    assert reads.count == 1 and list(data.parts) == ["test"]
    np.testing.assert_array_equal(data.parts["test"].image, IMAGE[40:])
    assert (data.record.num_train, data.record.num_test) == (40, 10)


@pytest.mark.parametrize("path", ["", "caches"])
def test_skipped_images_and_missing_labels_are_counted(tmp_path, path):
    settings = config(tmp_path / path if path else "")
    data = read_source(Reads(skipped=3, has_labels=False).source, settings)
    assert (data.record.num_train, data.train.label, data.test.label) == (
        40,
        None,
        None,
    )
    np.testing.assert_array_equal(data.train.image, IMAGE[:40])


def test_a_failure_leaves_nothing_and_hides_no_error(tmp_path):
    reads = Reads()

    def read():
        yield Chunk(IMAGE[:16], LABEL[:16])
        raise InputError("`dataset` must have readable files")

    reads.source.parts["train"] = ImagePart(40, read)
    with pytest.raises(InputError, match="readable files"):
        read_source(reads.source, config(tmp_path))
    assert os.listdir(tmp_path) == []


def test_parts_of_other_channels_are_refused_before_anything_is_written(tmp_path):
    for path in ("", tmp_path):
        with pytest.raises(InputError, match="channels in both.*has 3 to.*, 1 held"):
            read_source(Reads(test_shape=(8, 4, 1)).source, config(path))
    assert os.listdir(tmp_path) == []


def test_a_part_without_images_is_refused(tmp_path):
    reads = Reads()
    reads.source.parts["test"] = ImagePart(3, lambda: iter(()))
    with pytest.raises(InputError, match="has no test images"):
        read_source(reads.source, config(tmp_path))


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 100))
    reads = Reads()
    with pytest.raises(InputError, match="`cache_dir` must have 0.0 GB free.*has 0.0"):
        read_source(reads.source, config(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_cache_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="`cache_dir` must be a directory to write to"):
        read_source(Reads().source, config(tmp_path / "file"))


def test_a_damaged_cache_is_refused_with_the_remedy(tmp_path):
    source, settings = Reads().source, config(tmp_path)
    read_source(source, settings)
    path = cache_path(source, settings)
    with open(f"{path}/train.npy", "r+b") as file:
        file.truncate(600)
    with pytest.raises(InputError, match="is damaged.*can be removed"):
        read_source(Reads().source, settings)
    shutil.rmtree(path)
    check(read_source(Reads().source, settings))


ARRAYS = ["train.npy", "train_labels.npy", "test.npy", "test_labels.npy"]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("keeps_time", [False, True])
def test_an_array_that_was_changed_is_found(tmp_path, name, keeps_time):
    source, settings = Reads().source, config(tmp_path)
    read_source(source, settings)
    path = f"{cache_path(source, settings)}/{name}"
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read()[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    if keeps_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=f"is damaged .{name} has another checksum"):
        read_source(Reads().source, settings)


@pytest.mark.parametrize("name", ["train_labels.npy", "test.npy", "about.json"])
def test_a_cache_with_a_file_too_few_or_too_many_is_refused(tmp_path, name):
    source, settings = Reads().source, config(tmp_path)
    read_source(source, settings)
    path = cache_path(source, settings)
    shutil.copy(f"{path}/train.npy", f"{path}/more.npy")
    with pytest.raises(InputError, match="is damaged .*other files than there are"):
        read_source(Reads().source, settings)
    os.remove(f"{path}/more.npy")
    os.remove(f"{path}/{name}")
    with pytest.raises(InputError, match="is damaged"):
        read_source(Reads().source, settings)


def test_a_copied_cache_is_checked_once_and_used(tmp_path, monkeypatch):
    checked = []
    checksum = cached_arrays._checksum
    monkeypatch.setattr(
        cached_arrays,
        "_checksum",
        lambda *path: checked.append(path) or checksum(*path),
    )
    read_source(Reads().source, config(tmp_path / "a"))
    checked.clear()
    read_source(Reads().source, config(tmp_path / "a"))
    assert checked == []  # A later start costs nothing.
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for count in (4, 0):
        reads = Reads()
        check(read_source(reads.source, config(tmp_path / "b")))
        assert reads.count == 0 and len(checked) == count
        checked.clear()


# Images of many sizes.

MANY = [
    np.random.default_rng(i).integers(0, 256, (3 + i % 4, 5 + i % 3, 3), np.uint8)
    for i in range(50)
]


def many(order=None, first=16, **facts):
    """A source of MANY; `order` is of the training images."""
    reads = Reads(**facts)

    def read(rows):
        for start in range(*rows.indices(50)[:2], first):
            part = slice(start, min(start + first, rows.stop))
            yield Chunk(MixedImages.of(MANY[part]).simplest(), LABEL[part])

    orders = () if order is None else (lambda: order,)
    reads.source.parts["train"] = ImagePart(40, lambda: read(slice(40)), *orders)
    reads.source.parts["test"] = ImagePart(10, lambda: read(slice(40, 50)))
    return reads.source


def check_many(data, order=None):
    order = np.arange(40) if order is None else order
    for part, rows in ((data.train, order), (data.test, range(40, 50))):
        assert part.shape == (None, None, 3)
        for image, row in zip(part.image, rows, strict=True):
            np.testing.assert_array_equal(image, MANY[row])
        np.testing.assert_array_equal(part.label, LABEL[list(rows)])


@pytest.mark.parametrize("is_ordered", [False, True])
@pytest.mark.parametrize("num_at_once", [1, 16, 50])
@pytest.mark.parametrize("num_bytes", [10, 2**25])
def test_images_of_many_sizes_come_back(
    tmp_path, monkeypatch, is_ordered, num_at_once, num_bytes
):
    monkeypatch.setattr(cached_arrays, "_BYTES_AT_ONCE", num_bytes)
    order = np.random.default_rng(1).permutation(40) if is_ordered else None
    check_many(read_source(many(order, num_at_once), config("")), order)
    for _ in range(2):
        data = read_source(many(order, num_at_once), config(tmp_path))
        check_many(data, order)
        pixels = data.train.image.pixels
        assert not pixels.flags.writeable and not pixels.flags.owndata
    (path,) = tmp_path.iterdir()
    stored = np.load(path / "test.npy"), np.load(path / "test_sizes.npy")
    expected = np.concatenate([image.reshape(-1) for image in MANY[40:]])
    np.testing.assert_array_equal(stored[0], expected)
    assert stored[1].dtype == np.int32
    assert stored[1].tolist() == [list(image.shape[:2]) for image in MANY[40:]]


def test_a_part_that_turns_out_too_large_for_memory_goes_to_the_cache(
    tmp_path, monkeypatch
):
    """The first images are the smallest: no estimate tells."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    order = np.argsort(LABEL[:40], kind="stable")
    num_bytes = sum(image.nbytes for image in MANY)
    for most, is_cached in ((num_bytes, False), (num_bytes - 1, True), (100, True)):
        monkeypatch.setattr(reading, "_MOST_IN_MEMORY", most)
        monkeypatch.setattr(reading, "_begin", estimating_nothing(reading._begin))
        check_many(read_source(many(order), config("")), order)
        assert (tmp_path / "agave_tf").exists() == is_cached
        shutil.rmtree(tmp_path / "agave_tf", ignore_errors=True)


def estimating_nothing(begin):
    def begun(source, names):
        parts = begin(source, names)
        return {name: part._replace(num_bytes=0) for name, part in parts.items()}

    return begun


def test_a_part_of_one_size_beside_one_of_many(tmp_path):
    source = many()
    image = np.stack([MANY[0]] * 10)
    source.parts["test"] = ImagePart(
        10, lambda: iter([Chunk(image[:3], None), Chunk(image[3:], None)])
    )
    for _ in range(2):
        data = read_source(source, config(tmp_path))
        np.testing.assert_array_equal(data.test.image, image)
        assert data.train.shape == (None, None, 3) and data.test.label is None
    (path,) = tmp_path.iterdir()
    assert not (path / "test_sizes.npy").exists()


def replace(path, array):
    """Replaces an array of a cache and its checksum, as an attacker could."""
    np.save(path, array)
    about = json.loads((path.parent / "about.json").read_text())
    for name, file in cached_arrays.describe_arrays(str(path.parent)).items():
        about["arrays"][name] = file._asdict()
    (path.parent / "about.json").write_text(json.dumps(about))


SIZES = np.array([image.shape[:2] for image in MANY[:40]], np.int32)


@pytest.mark.parametrize(
    "sizes,message",
    [
        (SIZES[::-1].copy(), None),  # Other images, of as many pixels.
        (SIZES + 1, "has not the sizes of the images in train.npy"),
        (SIZES * np.int32(2**15), "has not the sizes"),
        (np.full([40, 2], 2**31 - 1, np.int32), "has not the sizes"),
        (-SIZES, "has not the sizes"),
        (np.zeros([40, 2], np.int32), "has not the sizes"),
        (SIZES[:39], r"int32 \[39, 2\] rather than int32 \[40, 2\]"),
        (SIZES.astype(np.int64), r"int64 \[40, 2\] rather than"),
        (SIZES.reshape(-1), r"int32 \[80\] rather than"),
    ],
)
def test_sizes_that_are_not_those_of_the_images_are_refused(tmp_path, sizes, message):
    read_source(many(), config(tmp_path))
    (cache,) = tmp_path.iterdir()
    about = (cache / "about.json").read_text()
    np.save(cache / "train_sizes.npy", sizes)
    with pytest.raises(InputError, match="train_sizes.npy has another checksum"):
        read_source(many(), config(tmp_path))
    (cache / "about.json").write_text(about)
    replace(cache / "train_sizes.npy", sizes)
    if message is None:
        assert len(read_source(many(), config(tmp_path)).train.image) == 40
        return
    with pytest.raises(InputError, match=f"is damaged.*{message}"):
        read_source(many(), config(tmp_path))


def test_a_cache_without_its_sizes_is_refused(tmp_path):
    read_source(many(), config(tmp_path))
    (cache,) = tmp_path.iterdir()
    (cache / "test_sizes.npy").unlink()
    with pytest.raises(InputError, match="is damaged"):
        read_source(many(), config(tmp_path))
    replace(cache / "train.npy", np.load(cache / "train.npy"))
    about = json.loads((cache / "about.json").read_text())
    del about["arrays"]["test_sizes.npy"]
    (cache / "about.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"test.npy has uint8 \[\d+\] rather than"):
        read_source(many(), config(tmp_path))


@pytest.mark.parametrize(
    "settings,digest",
    [
        ({}, "17da50934171d625"),
        (
            {
                "dataset": "folder:/somewhere/birds",
                "image_size": "24x32",
                "image_channels": 1,
            },
            "2c1931361bdbf4c0",
        ),
        (
            {
                "dataset": "cifar10",
                "test_split": "train[:10%]",
                "white_level": 4095,
                "corrupt_images": "skip",
            },
            "a161970f6130cd43",
        ),
    ],
)
def test_caches_made_before_there_were_crops_keep_their_names(settings, digest):
    """Computed by the version before, which had no setting `crop`."""
    old = DataConfig(**settings)
    assert cache_module.cache_digest(2, ("0123", ""), old) == digest
    new = DataConfig(**settings | {"image_size": "8", "crop": "centre"})
    assert cache_module.cache_digest(2, ("0123", ""), new) != digest


def give_away(path, monkeypatch):
    """Makes a directory and its files another user's."""
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        return
    for each in [path, *path.iterdir()] if path.is_dir() else [path]:
        os.chown(each, 4242, 4242)


def test_the_cache_of_another_user_is_not_used(tmp_path, monkeypatch, caplog):
    """Anyone who could write to the directory could give images to train on."""
    planted = Reads()
    planted.source.parts["train"] = ImagePart(
        40, lambda: iter([Chunk(np.zeros_like(IMAGE[:40]), LABEL[:40])])
    )
    read_source(planted.source, config(tmp_path))
    (theirs,) = tmp_path.iterdir()
    give_away(theirs, monkeypatch)
    for count in (2, 0) if os.geteuid() == 0 else (2,):
        reads = Reads()
        check(read_source(reads.source, config(tmp_path)))
        assert reads.count == count
    assert f"{theirs} is not used, because it is of another user" in caplog.text


@pytest.mark.parametrize("name", ["", "train.npy", "about.json"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_cache_that_others_may_write_to_is_refused(tmp_path, name, mode):
    read_source(Reads().source, config(tmp_path))
    (cache,) = tmp_path.iterdir()
    (cache / name).chmod((cache / name).stat().st_mode | mode)
    with pytest.raises(InputError, match=f"others may write to {cache}"):
        read_source(Reads().source, config(tmp_path))


def test_a_file_of_another_user_in_a_cache_is_refused(tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("Only root can give a file away.")
    read_source(Reads().source, config(tmp_path))
    (cache,) = tmp_path.iterdir()
    give_away(cache / "test.npy", monkeypatch)
    with pytest.raises(InputError, match="has files of another"):
        read_source(Reads().source, config(tmp_path))


def test_a_cache_is_its_owners_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        read_source(Reads().source, config(tmp_path / "made"))
    finally:
        os.umask(before)
    reads = Reads()
    check(read_source(reads.source, config(tmp_path / "made")))
    assert reads.count == 0


def test_a_file_system_without_permissions_is_refused_before_decoding(
    tmp_path, monkeypatch
):
    """Its caches could not be trusted, and each start would make another one."""
    monkeypatch.setattr(cache_module, "keep_from_others", lambda path: None)
    monkeypatch.setattr(cache_module, "others_may_write", lambda path: True)
    reads = Reads()
    with pytest.raises(InputError, match="otherwise set another --cache_dir"):
        read_source(reads.source, config(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_cache_of_version_0_2_is_not_used_and_said(tmp_path, caplog):
    """It may be of files that were rewritten since, at the same size."""
    caplog.set_level("INFO", logger="absl")
    source, settings = Reads().source, config(tmp_path)
    older = cache_module.cache_digest(1, ("0123",), settings)
    assert older == "d0e892175f0b7198"
    (tmp_path / f"birds-{older}").mkdir()
    check(read_source(source, settings))
    assert f"birds-{older}, of version 0.2, is not used and can be" in caplog.text


def test_what_a_killed_process_left_is_removed(tmp_path):
    remains = tmp_path / ".birds-0.0123abcd.locked.partial"
    remains.mkdir()
    (remains / ".lock").touch()  # Which no process holds.
    read_source(Reads().source, config(tmp_path))
    assert not remains.exists()


def test_a_cache_that_another_process_makes_at_the_same_time_is_used(tmp_path):
    reads, settings = Reads(), config(tmp_path)
    path = cache_path(reads.source, settings)

    def read():
        if open_cache(path) is None:  # Makes it while the first is at work.
            read_source(Reads().source, settings)
        return Reads().read(IMAGE[:40], 0)

    reads.source.parts["train"] = ImagePart(40, read)
    check(read_source(reads.source, settings))
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def steps_of(images, context=None):
    return [
        [array.numpy() for array in batch]
        for batch in training_batches(images, 8, 3, 5, 4, context)
    ]


def test_mapped_images_give_the_batches_of_images_in_memory(tmp_path):
    in_memory = read_source(Reads().source, config("")).train
    mapped = read_source(Reads().source, config(tmp_path)).train
    for ours, theirs in zip(steps_of(mapped), steps_of(in_memory), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    index = mapped.choose(10)
    for ours, theirs in zip(
        evaluation_batches(mapped, 4, index), evaluation_batches(in_memory, 4, index)
    ):
        np.testing.assert_array_equal(ours.image, theirs.image)


@pytest.mark.parametrize("workers,replicas", [(2, 2), (1, 2), (2, 4)])
def test_workers_and_replicas_read_one_global_batch_from_the_cache(
    tmp_path, workers, replicas
):
    whole = steps_of(read_source(Reads().source, config(tmp_path)).train)
    shares = [
        steps_of(
            # As in another process: found in the cache.
            read_source(Reads().source, config(tmp_path)).train,
            tf.distribute.InputContext(workers, worker, replicas),
        )
        for worker in range(workers)
    ]
    per_worker = replicas // workers
    for step, (image, label, row) in enumerate(whole):
        of_step = [
            share[step * per_worker + i] for share in shares for i in range(per_worker)
        ]
        for ours, theirs in zip((image, label, row), zip(*of_step)):
            np.testing.assert_array_equal(ours, np.concatenate(theirs))


def test_about_json_names_what_the_cache_was_made_from(tmp_path):
    source, settings = Reads().source, config(tmp_path)
    read_source(source, settings)
    with open(f"{cache_path(source, settings)}/about.json") as file:
        about = json.load(file)
    assert about.pop("arrays").keys() == {
        *("train.npy", "train_labels.npy", "test.npy", "test_labels.npy")
    }
    assert about == {
        "counts": {"train": 40, "test": 10},
        "fingerprint": "0123",
        "version_0_2": "0123",
        "held_out": "the split test/",
        "classes": list("abcdefg"),
        "notes": ["pictures turned: 4"],
    }
