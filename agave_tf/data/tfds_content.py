"""What the examples of a TFDS set say: their labels, and the images to hold out."""

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow_datasets as tfds

from agave_tf.data.file_digests import file_digest
from agave_tf.data.hints import DIGEST_BYTES, open_hints, state_of
from agave_tf.data.hold_out import (
    is_held_out,
    num_choice_bytes,
    pack_choice,
    unpack_choice,
)
from agave_tf.settings.data import DataConfig


class Reader(Protocol):
    """Reads the examples of a data set."""

    @property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The data set."""

    @property
    def config(self) -> DataConfig:
        """The settings of the images."""

    @property
    def label(self) -> str | None:
        """The feature that holds labels."""

    def labels(self, split: str) -> Iterator[np.ndarray]:
        """The labels of a split, int32 [n], some at a time; none if it has none."""

    def content_keys(self, split: str) -> Iterator[bytes]:
        """A key for each image of a split."""


class Content(NamedTuple):
    """What the examples of a data set say beside its name and version."""

    files: str  # a digest of the files that they are stored in
    facts: list[str]  # digests of the labels, and of the images if all are read anyway
    is_test: np.ndarray | None  # bool [N]; None: a split is held out


def learn_content(
    reader: Reader, splits: Mapping[str, str], counts: Mapping[str, int], facts: list
) -> Content:
    """Reads all labels, and all images if there is no split to hold out.

    An earlier start may have done so, if the files have not changed since.
    """
    directory = os.path.abspath(reader.builder.data_dir)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    paths = [os.path.join(directory, name) for name in names]
    files = [path for path in paths if os.path.isfile(path)]
    count = 0 if "test" in splits else counts[splits["train"]]
    learn = functools.partial(_learn, reader, splits, files)
    if files:
        num_bytes = 3 * DIGEST_BYTES + num_choice_bytes(count)
        hints = open_hints(reader.config, f"tfds:{directory}", num_bytes)
        learned = hints.get(state_of(files, repr((facts, reader.label))), learn)
        hints.write()
    else:  # They are on a remote file system.
        learned = learn()
    starts = range(0, 4 * DIGEST_BYTES, DIGEST_BYTES)
    stored, *others = [learned[a:b].hex() for a, b in itertools.pairwise(starts)]
    is_test = unpack_choice(learned[starts[-1] :], count) if count else None
    return Content(stored, others, is_test)


def _learn(reader: Reader, splits: Mapping[str, str], files: list[str]) -> bytes:
    """Digests of the files, of the labels and of the images, and the choice."""
    stored, label, image = (hashlib.blake2b(digest_size=DIGEST_BYTES) for _ in range(3))
    for path in files:
        stored.update(file_digest(path))
    for part, split in splits.items():
        label.update(part.encode())
        for chunk in reader.labels(split):
            label.update(chunk.astype("<i4").tobytes())
    choice = b""
    if "test" not in splits:
        keys = list(reader.content_keys(splits["train"]))
        image.update(b"".join(keys))
        choice = pack_choice(is_held_out(keys))
    return stored.digest() + label.digest() + image.digest() + choice
