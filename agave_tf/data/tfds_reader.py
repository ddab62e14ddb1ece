"""Reads the examples of a data set of TensorFlow Datasets (TFDS)."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from agave_tf.data.array_file import rows_at_once
from agave_tf.data.batches import without_autotuning
from agave_tf.data.labels import data_set_labels
from agave_tf.data.prepare import prepare
from agave_tf.data.source import (
    Chunk,
    Notes,
    StoredChunk,
    join_chunks,
    selected,
)
from agave_tf.data.tfds_pictures import BoundedPicture, check_size
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig

_JPEG_MAGIC = b"\xff\xd8"
_LABELS_AT_ONCE = 2**12
# Of images of any size.
_IMAGES_AT_ONCE, _BYTES_AT_ONCE = 512, 2**25


@dataclasses.dataclass(frozen=True)
class TFDSReader:
    """Reads the features `image` and, unless empty, `label` of a data set."""

    builder: tfds.core.DatasetBuilder
    config: DataConfig
    image: str
    label: str
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

        def content(stored: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
            if isinstance(stored, dict):  # Compressed numbers, and their shape.
                return tf.io.serialize_tensor(feature.decode_example(stored))
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
        if not self.label:
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

    def _batches(self, split: str) -> Iterator[StoredChunk]:
        """Images of one size, as they are stored, [n,H,W,C]."""
        feature = self.builder.info.features[self.image]
        size = rows_at_once(feature.shape, np.dtype(feature.np_dtype))
        with self._refusing_damage():
            examples = self._examples(split).batch(size).prefetch(1)
            for batch in tfds.as_numpy(examples):
                yield StoredChunk(batch[self.image], self._class_numbers(batch))

    def _one_by_one(self, split: str) -> Iterator[StoredChunk]:
        """Images of any size, as they are stored, [1,H,W,C]."""
        with self._refusing_damage():
            for example in tfds.as_numpy(self._examples(split)):
                yield StoredChunk(
                    example[self.image][None], self._class_numbers(example)
                )

    def _examples(self, split: str, stored_image: bool = False) -> tf.data.Dataset:
        """The features that are needed, in an order that is always the same.

        Args:
          split: a split or an expression of splits.
          stored_image: give the image alone, as it is stored.
        """
        names = [self.image]
        if self.label and not stored_image:
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
        if not self.label:
            return None
        label = np.atleast_1d(example[self.label])
        return data_set_labels(label, self.config.dataset)

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
    first, num_bytes = None, 0
    for chunk in chunks:
        first = first or chunk
        if chunk.image.shape[3] != first.image.shape[3]:
            raise InputError(
                "`dataset` must have images of one number of channels, or "
                f"--image_channels be set; {dataset} has images of "
                f"{first.image.shape[3]} and of {chunk.image.shape[3]}."
            )
        group.append(chunk)
        num_bytes += chunk.image.nbytes
        if len(group) == _IMAGES_AT_ONCE or num_bytes > _BYTES_AT_ONCE:
            yield join_chunks(group)
            group, num_bytes = [], 0
    if group:
        yield join_chunks(group)
