"""A folder of picture files as a source of images."""

import contextlib
import functools
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from agave_tf.data.file_digests import UNREADABLE, file_digests
from agave_tf.data.folder_parts import (
    PartFiles,
    find_part_files,
)
from agave_tf.data.folder_tree import PictureFiles
from agave_tf.data.hints import DIGEST_BYTES, joint_state, open_hints
from agave_tf.data.labels import label_rows
from agave_tf.data.mixed_images import MixedImages
from agave_tf.data.picture_file import read_pictures
from agave_tf.data.source import (
    Chunk,
    ImagePart,
    ImageSource,
    Notes,
    class_range,
    fingerprint_of,
)
from agave_tf.data.version_0_2 import fingerprint_of_pictures
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.settings.data_kinds import named_data

# Enough for speed; large pictures come in chunks of fewer files.
_FILES_AT_ONCE = 256
_BYTES_AT_ONCE = 2**26
_FINGERPRINT_BYTES = 8


def open_folder(config: DataConfig) -> ImageSource:
    """Lists the pictures of a folder; they are decoded later.

    Files that are new or have changed since an earlier start are read once, because
    their content counts in the fingerprint.

    A directory for each class gives labels: if every picture lies in a subdirectory
    of its part, and there are at least 2 of these, in order of their names.

    Args:
      config: names the folder and its splits, and has the settings of `read_picture`.

    Raises:
      InputError: no such directory, no pictures in it, or its splits are unclear. When
        the chunks of a part are read: a file cannot be used, or the channels differ.
    """
    notes = Notes()
    files_of, held_out = find_part_files(folder_path(config), config, notes)
    return picture_source(config, files_of, held_out, notes, _classes(files_of))


def folder_path(config: DataConfig) -> str:
    """Returns the path of the folder that the settings name.

    Raises:
      InputError: there is no such directory.
    """
    path = named_data(config.dataset).path
    if not os.path.isdir(path):
        raise InputError(
            f"`dataset` must be folder:PATH of a directory; there is no directory "
            f"{path!r}."
        )
    return path


def picture_source(
    config: DataConfig,
    files_of: PartFiles,
    held_out: str,
    notes: Notes,
    classes: tuple[str, ...] = (),
) -> ImageSource:
    """Returns the source of picture files whose parts are known.

    Args:
      config: names the folder, and has the settings of `read_picture`.
      files_of: the files of each part.
      held_out: says which images are held out.
      notes: what is left out is counted there.
      classes: the names of the classes, which are the first directories of the files;
        empty: the pictures have no labels.
    """
    parts = {
        part: ImagePart(
            len(files),
            functools.partial(_chunks, files, _labels(files, classes), config, notes),
        )
        for part, files in files_of.items()
    }
    return ImageSource(
        config.dataset,
        _fingerprint(named_data(config.dataset).path, files_of, config),
        parts,
        held_out,
        classes,
        notes,
        version_0_2=functools.partial(fingerprint_of_pictures, files_of),
        label_range=functools.partial(class_range, classes),
    )


def _fingerprint(root: str, files_of: PartFiles, config: DataConfig) -> str:
    """Digests the part, name and content of every file, wherever `root` lies."""
    paths, names, states, settled = [], [], [], []
    for part, files in files_of.items():
        paths += files.paths
        names += [f"{part}/{name}\0" for name in files.names]
        states += files.states
        settled += files.settled
    if not os.path.isabs(root):
        paths = list(map(os.path.abspath, paths))
    data_set = f"folder:{os.path.abspath(root)}"
    # If no file has changed, its digest is not looked up either.
    known = open_hints(config, f"{data_set} fingerprint", _FINGERPRINT_BYTES)
    whole = joint_state(paths, states, all(settled), "".join(names))
    fingerprint = known.find(whole)
    if fingerprint is None:
        state = map(joint_state, zip(paths), zip(states), settled)
        hints = open_hints(config, data_set, DIGEST_BYTES)
        digests = file_digests(paths, state, hints)
        fingerprint = bytes.fromhex(_fingerprint_by_content(names, digests))
        if hints.write() and UNREADABLE not in digests:
            known.add(whole, fingerprint)
            known.write()
    return fingerprint.hex()


def _fingerprint_by_content(names: Sequence[str], digests: Sequence[bytes]) -> str:
    whole = hashlib.sha256()
    for name, digest in zip(names, digests, strict=True):
        whole.update(os.fsencode(name) + digest)
    return fingerprint_of("folder by content", whole.hexdigest())


def _classes(files_of: PartFiles) -> tuple[str, ...]:
    """The names of the first directories of both parts, if these are classes."""
    names = set()
    for path in itertools.chain(*(files.names for files in files_of.values())):
        name, slash, _ = path.partition("/")
        if not slash:
            return ()
        names.add(name)
    return tuple(sorted(names)) if len(names) > 1 else ()


def _labels(files: PictureFiles, classes: tuple[str, ...]) -> np.ndarray | None:
    """int32 [N], or None if there are no classes."""
    if not classes:
        return None
    label = {name: i for i, name in enumerate(classes)}
    return np.array([label[name.partition("/")[0]] for name in files.names], np.int32)


def _chunks(
    files: PictureFiles,
    label: np.ndarray | None,
    config: DataConfig,
    notes: Notes,
) -> Iterator[Chunk]:
    """Reads the files of a part, which must have equal channels."""
    # Closed also after an error, so that no thread reads on.
    with contextlib.closing(read_pictures(files.paths, config, notes)) as pictures:
        yield from _stacked(pictures, files.paths, label)


def _stacked(
    pictures: Iterable[np.ndarray | None],
    paths: Sequence[str],
    label: np.ndarray | None,
) -> Iterator[Chunk]:
    """Collects the readable pictures of the files in chunks."""
    first = None  # the first file that is readable, and its channels
    images: list[np.ndarray] = []
    rows: list[int] = []
    num_bytes = 0
    for row, image in enumerate(pictures):
        if image is None:
            continue
        first = first or (paths[row], image.shape[2])
        _check_channels(*first, paths[row], image.shape[2])
        images.append(image)
        rows.append(row)
        num_bytes += image.nbytes
        if len(images) == _FILES_AT_ONCE or num_bytes + image.nbytes > _BYTES_AT_ONCE:
            yield Chunk(MixedImages.of(images).simplest(), label_rows(label, rows))
            images, rows, num_bytes = [], [], 0
    if images:
        yield Chunk(MixedImages.of(images).simplest(), label_rows(label, rows))
    if first is None:
        raise InputError(
            "`dataset` must have readable pictures for training and to hold out; all "
            f"{len(paths)} of one part are unreadable, such as {paths[0]}."
        )


def _check_channels(first_path: str, first: int, path: str, channels: int) -> None:
    if channels != first:
        raise InputError(
            f"`dataset` must have images of one number of channels; {first_path} has "
            f"{first}, {path} has {channels}. --image_channels converts to gray or RGB."
        )
