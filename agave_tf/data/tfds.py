"""Images of TensorFlow Datasets (TFDS), by the name of the data set."""

import functools
import hashlib
import itertools
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agave_tf.data.file_digests import file_digest
from agave_tf.data.hints import DIGEST_BYTES, open_hints, state_of
from agave_tf.data.hold_out import (
    choose_parts,
    is_held_out,
    num_choice_bytes,
    pack_choice,
    unpack_choice,
)
from agave_tf.data.source import (
    ImagePart,
    ImageSource,
    Notes,
    class_range,
    fingerprint_of,
)
from agave_tf.data.tfds_builder import (
    choose_splits,
    find_builder,
    find_image,
    find_label,
)
from agave_tf.data.tfds_preparation import prepared_builder
from agave_tf.data.tfds_reader import TFDSReader
from agave_tf.settings.data import DataConfig


def open_tfds(config: DataConfig) -> ImageSource:
    """Finds a TFDS data set, prepared in `data_dir` or downloaded there.

    Images are its feature `image`, or its only one of type Image; labels its feature
    `label`, or its only class label. A set without a held-out split holds out a tenth
    of the training images by their content. For this, and for the labels, which count
    in the fingerprint, all are read, unless their files have not changed since an
    earlier start.

    Raises:
      InputError: no such data set, version, configuration or split, no images in it
        that can be used, or it can be neither read nor downloaded.
    """
    builder = find_builder(config)
    image = find_image(builder.info.features, config)
    notes = Notes()
    label, classes, other_label = find_label(builder.info.features)
    builder = prepared_builder(builder, config)
    splits = choose_splits(builder.info.splits, config, notes)
    counts = {name: builder.info.splits[name].num_examples for name in splits.values()}
    if other_label:
        notes.add(other_label, sum(counts.values()))
    facts = ["tfds", builder.info.full_name, dict(splits), counts, image]
    reader = TFDSReader(builder, config, image, label, notes)
    content = _learn_content(reader, splits, counts, facts)
    chosen = choose_parts(splits, counts.__getitem__, lambda _: content.is_test)
    parts = {
        part: ImagePart(
            int(is_chosen.sum()), functools.partial(reader.read, split, is_chosen)
        )
        for part, (split, is_chosen) in chosen.items()
    }
    return ImageSource(
        config.dataset,
        fingerprint_of(*facts, *content.facts),
        parts,
        f"its split {splits['test']}" if "test" in splits else "a tenth, by content",
        classes,
        notes,
        version_0_2=lambda: fingerprint_of(*facts),
        stored=content.files,
        label_range=functools.partial(class_range, classes),
    )


class _Content(NamedTuple):
    """Facts about the examples of a data set, beside its name and version."""

    files: str  # a digest of the files that they are stored in
    facts: list[str]  # digests of the labels, and of the images if all are read anyway
    is_test: np.ndarray  # bool [N]; empty if a split is held out


def _learn_content(
    reader: TFDSReader,
    splits: Mapping[str, str],
    counts: Mapping[str, int],
    facts: list,
) -> _Content:
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
        learned = hints.get(state_of(files, repr((facts, reader.label or None))), learn)
        hints.write()
    else:  # They are on a remote file system.
        learned = learn()
    starts = range(0, 4 * DIGEST_BYTES, DIGEST_BYTES)
    stored, *others = [learned[a:b].hex() for a, b in itertools.pairwise(starts)]
    return _Content(stored, others, unpack_choice(learned[starts[-1] :], count))


def _learn(reader: TFDSReader, splits: Mapping[str, str], files: list[str]) -> bytes:
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
