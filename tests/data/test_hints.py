"""Hints: unchanged files are not read again, and changed ones are never missed."""

import os
import shutil

import numpy as np
import pytest
import test_tfds as tfds_sets
from PIL import Image
from test_cache import give_away

from agave_tf.data import file_digests, hints, tfds_reader
from agave_tf.data import folder as folder_module
from agave_tf.data.array_file import StoredArray
from agave_tf.data.load import load_data, open_source
from agave_tf.settings.data import DataConfig

NOISE = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)


@pytest.fixture
def settled(monkeypatch):
    """Files that the test has just written count as older than they are."""
    monkeypatch.setattr(hints, "_SETTLED_NS", -(10**18))


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The files that were read for their digest."""
    paths, digest = [], file_digests.file_digest
    monkeypatch.setattr(
        file_digests, "file_digest", lambda path: paths.append(path) or digest(path)
    )
    return paths


def write(folder, suffix, images=NOISE[:30]):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:02d}.{suffix}")


def fingerprint(dataset, tmp_path, **settings):
    config = DataConfig(dataset=dataset, cache_dir=str(tmp_path / "cache"), **settings)
    return open_source(config).fingerprint


@pytest.mark.parametrize("suffix", ["bmp", "tiff", "ppm"])
def test_a_file_that_has_not_changed_is_not_read_again(tmp_path, suffix, read, settled):
    folder = tmp_path / "images"
    write(folder, suffix)
    first = fingerprint(f"folder:{folder}", tmp_path)
    assert len(read) == 30
    read.clear()
    assert fingerprint(f"folder:{folder}", tmp_path) == first and read == []
    changed = folder / f"07.{suffix}"
    status = changed.stat()
    write(tmp_path / "other", suffix, 255 - NOISE[:30])
    # In place, of the same size, and with the time of before.
    changed.write_bytes((tmp_path / "other" / changed.name).read_bytes())
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert changed.stat().st_size == status.st_size
    assert fingerprint(f"folder:{folder}", tmp_path) != first
    assert read == [str(changed)]


def test_files_that_have_not_changed_are_not_looked_up_one_by_one(
    tmp_path, settled, monkeypatch
):
    """The digests of 200,000 files took more than a second."""
    folder = tmp_path / "images"
    write(folder, "bmp")
    first = fingerprint(f"folder:{folder}", tmp_path)
    with monkeypatch.context() as patch:
        patch.delattr(folder_module, "file_digests")
        assert fingerprint(f"folder:{folder}", tmp_path) == first


def swap(folder):
    (folder / "00.bmp").rename(folder / "x")
    (folder / "01.bmp").rename(folder / "00.bmp")
    (folder / "x").rename(folder / "01.bmp")


CHANGES = {
    "two files change their names": swap,
    "a file is renamed": lambda folder: (folder / "05.bmp").rename(folder / "5.bmp"),
    "a file is removed": lambda folder: (folder / "05.bmp").unlink(),
    "a file is added": lambda folder: write(folder, "gif", NOISE[:1]),
    "a file is missing": lambda folder: (folder / "x.bmp").symlink_to("nowhere"),
    "a directory of classes": lambda folder: (folder / "05.bmp").rename(
        (folder / "train").mkdir() or folder / "train" / "05.bmp"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_names_or_files_makes_another_set(
    tmp_path, change, read, settled
):
    folder = tmp_path / "images"
    write(folder, "bmp")
    first = fingerprint(f"folder:{folder}", tmp_path)
    assert fingerprint(f"folder:{folder}", tmp_path) == first
    CHANGES[change](folder)
    changed = fingerprint(f"folder:{folder}", tmp_path)
    assert changed != first
    shutil.rmtree(tmp_path / "cache")
    assert fingerprint(f"folder:{folder}", tmp_path) == changed


def test_a_file_that_could_not_be_read_is_read_at_the_next_start(
    tmp_path, settled, monkeypatch
):
    """It may come back without a change, such as a disk that is far away."""
    folder = tmp_path / "images"
    write(folder, "bmp")
    read = file_digests.file_digest
    with monkeypatch.context() as patch:
        patch.setattr(
            file_digests,
            "file_digest",
            lambda path: bytes(16) if path.endswith("07.bmp") else read(path),
        )
        without = fingerprint(f"folder:{folder}", tmp_path)
    whole = fingerprint(f"folder:{folder}", tmp_path)
    shutil.rmtree(tmp_path / "cache")
    assert without != whole == fingerprint(f"folder:{folder}", tmp_path)


def test_a_moved_or_copied_folder_is_the_same_set(tmp_path, settled):
    write(tmp_path / "images", "bmp")
    first = fingerprint(f"folder:{tmp_path}/images", tmp_path)
    shutil.copytree(tmp_path / "images", tmp_path / "copy")
    assert fingerprint(f"folder:{tmp_path}/copy", tmp_path) == first
    (tmp_path / "images").rename(tmp_path / "moved")
    assert fingerprint(f"folder:{tmp_path}/moved", tmp_path) == first


def test_a_file_written_just_now_is_read_again(tmp_path, read):
    """Within a step of the file system's clock it could change without a trace."""
    write(tmp_path / "images", "bmp")
    for _ in range(2):
        read.clear()
        fingerprint(f"folder:{tmp_path}/images", tmp_path)
        assert len(read) == 30
    assert not (tmp_path / "cache").exists()


def test_nothing_is_said_of_hints_that_are_not_there_yet(tmp_path, settled, caplog):
    """The first start said that it did not use them: No such file or directory."""
    caplog.set_level("INFO", logger="absl")
    write(tmp_path / "images", "bmp")
    fingerprint(f"folder:{tmp_path}/images", tmp_path)
    assert caplog.text == ""


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def claim_more(path):
    with open(path, "ab") as file:
        file.truncate(hints._MOST_BYTES * 100)  # Takes no room on the disk.


DAMAGES = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "another beginning": lambda path: flip(path, 0),
    "another checksum": lambda path: flip(path, 10),
    "another value": lambda path: flip(path, -1),
    "text": lambda path: path.write_text("hints"),
    "too long": claim_more,
    "others may write": lambda path: path.chmod(0o666),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_hints_are_ignored_and_made_again(tmp_path, kind, read, settled):
    write(tmp_path / "images", "bmp")
    first = fingerprint(f"folder:{tmp_path}/images", tmp_path)
    paths = list((tmp_path / "cache").iterdir())
    assert len(paths) == 2  # of the files, and of all together
    for path in paths:
        DAMAGES[kind](path)
    read.clear()
    assert fingerprint(f"folder:{tmp_path}/images", tmp_path) == first
    assert len(read) == 30
    read.clear()
    assert fingerprint(f"folder:{tmp_path}/images", tmp_path) == first
    assert len(read) == (30 if kind == "a directory" else 0)


def test_hints_of_another_user_are_ignored(tmp_path, read, settled, monkeypatch):
    write(tmp_path / "images", "bmp")
    fingerprint(f"folder:{tmp_path}/images", tmp_path)
    read.clear()
    give_away(tmp_path / "cache", monkeypatch)
    fingerprint(f"folder:{tmp_path}/images", tmp_path)
    assert len(read) == 30


def test_a_set_goes_without_hints_where_they_cannot_be_written(
    tmp_path, settled, caplog
):
    caplog.set_level("INFO", logger="absl")
    write(tmp_path / "images", "bmp")
    (tmp_path / "cache").write_text("a file")
    assert fingerprint(f"folder:{tmp_path}/images", tmp_path)
    assert caplog.text.count("cannot be kept in") == 1


def test_hints_hold_no_more_than_the_files_of_the_set(tmp_path, settled, monkeypatch):
    write(tmp_path / "images", "bmp")
    for _ in range(3):
        write(tmp_path / "images", "bmp")
        fingerprint(f"folder:{tmp_path}/images", tmp_path)
        paths = sorted((tmp_path / "cache").iterdir(), key=os.path.getsize)
        sizes = [path.stat().st_size for path in paths]
        assert sizes == [24 + 24, 24 + 30 * 32]
    write(tmp_path / "images", "bmp")
    monkeypatch.setattr(hints, "_MOST_BYTES", 10 * 32)
    fingerprint(f"folder:{tmp_path}/images", tmp_path)
    assert paths[1].stat().st_size == 24 + 10 * 32


def test_a_missing_file_is_no_error_before_it_is_read(tmp_path, settled):
    write(tmp_path / "images", "bmp")
    (tmp_path / "images" / "30.bmp").symlink_to(tmp_path / "nowhere.bmp")
    assert fingerprint(f"folder:{tmp_path}/images", tmp_path)


def save_npz(path, images):
    np.savez(path.with_suffix(".npz"), images=images)
    return path.with_suffix(".npz")


def save_npy(path, images):
    np.save(path.with_suffix(".npy"), images)
    return path.with_suffix(".npy")


def save_channels_first(path, images):
    return save_npy(path, np.moveaxis(images, -1, 1))


def save_flat(path, images):
    return save_npy(path, np.moveaxis(images, -1, 1).reshape(len(images), -1))


def save_folder(path, images):
    """Files that NumPy opens as .npy, so that no archive has their checksums."""
    path.mkdir(exist_ok=True)
    for i in range(2):
        flat = np.moveaxis(images[30 * i : 30 * i + 30], -1, 1).reshape(30, -1)
        with open(path / f"{i}.npz", "wb") as file:
            np.save(file, flat)
    return path


SAVES = [save_npz, save_npy, save_channels_first, save_flat, save_folder]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("cached", [True, False])
def test_the_images_to_hold_out_are_chosen_once(
    tmp_path, save, cached, settled, monkeypatch
):
    path = save(tmp_path / "x", NOISE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cache = str(tmp_path / "cache") if cached else ""
    config = DataConfig(dataset=f"npz:{path}", cache_dir=cache)
    first = load_data(config)
    reads = []
    for name in ("rows", "digest"):
        method = getattr(StoredArray, name)

        def noted(self, name=name, method=method):
            if name == "rows" or self.crc is None:
                reads.append(name)
            return method(self)

        monkeypatch.setattr(StoredArray, name, noted)
    again = load_data(config)
    # Without a cache the images themselves, of each part.
    num_files = 2 if save is save_folder else 1
    assert reads == ([] if cached else ["rows", "rows"] * num_files)
    assert again.record == first.record
    np.testing.assert_array_equal(again.test.image, first.test.image)
    save(tmp_path / "x", 255 - NOISE)
    other = load_data(config)
    assert {i.tobytes() for part in other.parts.values() for i in part.image} == {
        i.tobytes() for i in 255 - NOISE
    }
    assert other.record.fingerprint != first.record.fingerprint


def test_a_changed_file_of_a_folder_of_arrays_makes_another_set(tmp_path, settled):
    folder = save_folder(tmp_path / "x", NOISE)
    first = fingerprint(f"npz:{folder}", tmp_path)
    assert fingerprint(f"npz:{folder}", tmp_path) == first
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(f"npz:{tmp_path}/copy", tmp_path) == first
    changed = folder / "1.npz"
    status = changed.stat()
    flip(changed, -1)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(f"npz:{folder}", tmp_path) != first


@pytest.mark.parametrize("splits", [["train"], ["train", "test"]])
def test_a_set_of_tfds_is_read_once_and_known_by_its_labels_and_files(
    tmp_path, splits, settled, monkeypatch
):
    def prepared(change_image=0, change_label=0):
        shutil.rmtree(tmp_path / "tfds", ignore_errors=True)
        examples = [
            {"image": image + np.uint8(change_image), "label": (i + change_label) % 3}
            for i, image in enumerate(NOISE)
        ]
        features = {"image": tfds_sets.RGB, "label": tfds_sets.CLASS}
        of_split = {name: examples for name in splits}
        tfds_sets.write(tmp_path / "tfds", features, of_split)

    settings = {"data_dir": str(tmp_path / "tfds"), "cache_dir": str(tmp_path / "c")}
    config = DataConfig(dataset="tiny", **settings)
    prepared()
    first = load_data(config)
    reads = []
    for name in ("content_keys", "labels", "read"):
        method = getattr(tfds_reader.TFDSReader, name)
        monkeypatch.setattr(
            tfds_reader.TFDSReader,
            name,
            lambda *a, name=name, method=method: reads.append(name) or method(*a),
        )
    again = load_data(config)
    assert reads == [] and again.record == first.record
    prepared(change_label=1)
    labelled = load_data(config)
    assert labelled.record.fingerprint != first.record.fingerprint
    assert labelled.record.version_0_2 == first.record.version_0_2
    of_image = {image.tobytes(): (i + 1) % 3 for i, image in enumerate(NOISE)}
    for part in labelled.parts.values():
        found = [of_image[image.tobytes()] for image in part.image]
        np.testing.assert_array_equal(part.label, found)
    prepared(change_image=1)
    drawn = load_data(config)
    assert {i.tobytes() for part in drawn.parts.values() for i in part.image} == {
        (i + np.uint8(1)).tobytes() for i in NOISE
    }


def test_a_relative_path_is_known_by_the_directory_it_starts_from(
    tmp_path, read, settled, monkeypatch
):
    for name, images in (("a", NOISE[:30]), ("b", 255 - NOISE[:30])):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "images", "bmp", images)
    found = []
    for name in ("a", "b", "a", "b"):
        monkeypatch.chdir(tmp_path / name)
        found.append(fingerprint("folder:images", tmp_path))
    assert found[0] != found[1] and found[:2] == found[2:]
    assert len(read) == 60
