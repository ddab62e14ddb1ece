"""Reads images of TensorFlow Datasets (TFDS), by name."""

import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from agave_tf.data.array_file import rows_at_once
from agave_tf.data.autotuning import without_autotuning
from agave_tf.data.download import download
from agave_tf.data.labels import class_numbers
from agave_tf.data.one_at_a_time import one_at_a_time
from agave_tf.data.prepare import prepare
from agave_tf.data.source import (
    Chunk,
    ImagePart,
    ImageSource,
    Notes,
    fingerprint_of,
    selected,
)
from agave_tf.data.tfds_content import learn_content
from agave_tf.data.tfds_features import find_image, find_label
from agave_tf.data.tfds_names import choose_splits, find_builder
from agave_tf.data.tfds_pictures import BoundedPicture, check_size
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig

_JPEG_MAGIC = b"\xff\xd8"
_LABELS_AT_ONCE = 2**12


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
    builder = _prepared(builder, config)
    splits = choose_splits(builder.info.splits, config, notes)
    counts = {name: builder.info.splits[name].num_examples for name in splits.values()}
    if other_label:
        notes.add(other_label, sum(counts.values()))
    facts = ["tfds", builder.info.full_name, dict(splits), counts, image]
    reader = _Reader(builder, config, image, label, notes)
    content = learn_content(reader, splits, counts, facts)
    if content.is_test is None:
        held_out = f"its split {splits['test']}"
        is_chosen = {
            part: np.ones(counts[split], bool) for part, split in splits.items()
        }
    else:
        held_out = "a tenth, by content"
        splits["test"] = splits["train"]
        is_chosen = {"train": ~content.is_test, "test": content.is_test}
    parts = {
        part: ImagePart(
            int(is_chosen[part].sum()),
            functools.partial(reader.read, split, is_chosen[part]),
        )
        for part, split in splits.items()
    }
    return ImageSource(
        config.dataset,
        fingerprint_of(*facts, *content.facts),
        parts,
        held_out,
        classes,
        notes,
        version_0_2=lambda: fingerprint_of(*facts),
        stored=content.files,
        label_range=lambda: (0, len(classes) - 1) if classes else None,
    )


def _prepared(
    builder: tfds.core.DatasetBuilder, config: DataConfig
) -> tfds.core.DatasetBuilder:
    """The builder of the data set, prepared: by one process, and the others wait.

    Where it is prepared nothing is written.
    """
    try:
        if os.path.exists(builder.data_dir):
            download(builder)
            return builder
        with _alone(builder):
            # If another process has prepared it in the meantime, its splits are there.
            builder = find_builder(config)
            download(builder)
            return builder
    except Exception as error:  # TFDS raises whatever its sources raise.
        raise InputError(
            f"`dataset` {config.dataset} must be prepared in `data_dir` or "
            f"downloadable; got data_dir={config.data_dir!r}; TFDS says: "
            f"{first_line(error)}"
        ) from error


def _alone(builder: tfds.core.DatasetBuilder) -> contextlib.AbstractContextManager:
    """A context that one process is in at a time, for each data set and directory."""
    root, name = os.fspath(builder.data_dir_root), builder.info.full_name
    if "://" in root:
        return contextlib.nullcontext()  # An object store has no locks.
    lock = os.path.join(root, f".{name.replace('/', '-')}.lock")
    return one_at_a_time(lock, f"which prepares {name}")


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads the features `image` and, unless None, `label` of a data set."""

    builder: tfds.core.DatasetBuilder
    config: DataConfig
    image: str
    label: str | None
    notes: Notes

    def read(self, split: str, is_chosen: np.ndarray) -> Iterator[Chunk]:
        """The chosen images, bool [N], of a split, prepared."""
        one_size = None not in self.builder.info.features[self.image].shape
        stored = self._batches(split) if one_size else self._one_by_one(split)
        name = self.config.dataset
        chunks = (
            Chunk(prepare(image, self.config, name, self.notes), label)
            for image, label in selected(stored, is_chosen)
        )
        return chunks if one_size else _joined(chunks, name)

    def content_keys(self, split: str) -> Iterator[bytes]:
        """A key for each image of a split that follows from its content.

        That is its pixels, because another machine may have compressed them in another
        way; but the file of a JPEG, which another machine may decode to other pixels.
        """
        feature = self.builder.info.features[self.image]

        def content(stored: tf.Tensor) -> tf.Tensor:
            if stored.dtype != tf.string:
                return tf.io.serialize_tensor(stored)
            return tf.cond(
                tf.strings.substr(stored, 0, 2) == _JPEG_MAGIC,
                lambda: stored,
                lambda: tf.io.serialize_tensor(
                    feature.decode_example(check_size(stored))
                ),
            )

        with self._refusing_damage():
            contents = self._examples(split, stored_image=True).map(
                lambda example: content(example[self.image]),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            for stored in tfds.as_numpy(contents):
                yield hashlib.blake2b(stored, digest_size=16).digest()

    def labels(self, split: str) -> Iterator[np.ndarray]:
        """The labels of a split, int32 [n], some at a time; none if it has none."""
        if self.label is None:
            return
        with self._refusing_damage():
            examples = self.builder.as_dataset(
                split=split,
                decoders=tfds.decode.PartialDecoding({self.label: True}),
                read_config=_read_config(),
            )
            for batch in tfds.as_numpy(examples.batch(_LABELS_AT_ONCE).prefetch(1)):
                label = self._class_numbers(batch)
                if label is not None:
                    yield label

    def _batches(self, split: str) -> Iterator[Chunk]:
        """Images of one size, as they are stored, [n,H,W,C]."""
        feature = self.builder.info.features[self.image]
        size = rows_at_once(feature.shape, np.dtype(feature.np_dtype))
        with self._refusing_damage():
            examples = self._examples(split).batch(size).prefetch(1)
            for batch in tfds.as_numpy(examples):
                yield Chunk(batch[self.image], self._class_numbers(batch))

    def _one_by_one(self, split: str) -> Iterator[Chunk]:
        """Images of any size, as they are stored, [1,H,W,C]."""
        with self._refusing_damage():
            for example in tfds.as_numpy(self._examples(split)):
                yield Chunk(example[self.image][None], self._class_numbers(example))

    def _examples(self, split: str, stored_image: bool = False) -> tf.data.Dataset:
        """The features that are needed, in an order that is always the same.

        Args:
          split: a split or an expression of splits.
          stored_image: give the image alone, as it is stored.
        """
        names = [self.image]
        if self.label is not None and not stored_image:
            names.append(self.label)
        decoders = None
        if stored_image:
            decoders = {self.image: tfds.decode.SkipDecoding()}
        elif isinstance(self.builder.info.features[self.image], tfds.features.Image):
            decoders = {self.image: BoundedPicture()}
        return self.builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(names, True), decoders),
            read_config=_read_config(),
        )

    def _class_numbers(self, example: dict) -> np.ndarray | None:
        """The labels of a batch, or of one example, int32 [n]."""
        if self.label is None:
            return None
        label = np.atleast_1d(example[self.label])
        needs, got = "`dataset` must have labels that are", self.config.dataset
        return class_numbers(label, needs, f"{got} has")

    @contextlib.contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        """Turns errors of reading and decoding into an InputError."""
        try:
            yield
        except tf.errors.OpError as error:
            raise InputError(
                f"`dataset` {self.config.dataset} must be readable; TensorFlow says: "
                f"{first_line(error)}"
            ) from error


def _read_config() -> tfds.ReadConfig:
    # The cache would keep sets of up to 250 MB in memory.
    return tfds.ReadConfig(options=without_autotuning(), try_autocache=False)


def _joined(chunks: Iterator[Chunk], dataset: str) -> Iterator[Chunk]:
    """Joins chunks of one image each to larger ones.

    Raises:
      InputError: the images differ in their channels.
    """
    group: list[Chunk] = []
    for chunk in chunks:
        first = (group or [chunk])[0].image
        if chunk.image.shape != first.shape:
            raise InputError(
                "`dataset` must have images of one number of channels, or "
                f"--image_channels be set; {dataset} has images of "
                f"{first.shape[-1]} and of {chunk.image.shape[-1]}."
            )
        group.append(chunk)
        if len(group) == rows_at_once(first.shape, first.dtype):
            yield _join(group)
            group = []
    if group:
        yield _join(group)


def _join(group: list[Chunk]) -> Chunk:
    has_labels = group[0].label is not None
    return Chunk(
        np.concatenate([chunk.image for chunk in group]),
        np.concatenate([chunk.label for chunk in group]) if has_labels else None,
    )
