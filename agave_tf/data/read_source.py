"""Reads the images of a data set: small ones into memory, large ones into the cache."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from agave_tf.data.cache import (
    Cached,
    cache_path,
    open_cache,
    write_cache,
)
from agave_tf.data.cached_arrays import Unwritten
from agave_tf.data.image_set import Data, DataRecord, Images, describe_sizes
from agave_tf.data.labels import joined_labels
from agave_tf.data.mixed_images import ImageBuffer
from agave_tf.data.source import IMAGE_PARTS, Chunk, ImageSource
from agave_tf.data.version_0_2 import say_older_cache
from agave_tf.errors import InputError
from agave_tf.progress_bar import progress_bar
from agave_tf.settings.data import DataConfig

# Larger sets go to the cache by themselves.
_MOST_IN_MEMORY = 2**30
_MOST_NAMES = 10  # of classes, on the screen


def read_source(
    source: ImageSource, config: DataConfig, parts: Sequence[str] = IMAGE_PARTS
) -> Data:
    """Reads the images of a source, or finds them in the cache; says what was loaded.

    Args:
      source: the data set.
      config: the settings that its images are prepared by.
      parts: "train", "test" or both.

    Raises:
      InputError: there are images that cannot be used.
    """
    path = cache_path(source, config)
    cached, in_memory = open_cache(path), None
    if cached is None:
        begun = _begin(source, IMAGE_PARTS if config.cache_dir else parts)
        in_memory = None if config.cache_dir else _in_memory(begun)
        if in_memory is None:
            cached = _fill_cache(source, config, path, begun)
    if cached is None:
        notes, where = source.notes.sentences(), "in memory"
    else:
        notes, where = cached.about["notes"], f"mapped from {path}"
    images = cached.parts if cached else in_memory or {}
    _check(source.name, {name: part.shape[2] for name, part in images.items()})
    # A cache of images from Python may have them in another order than this pass.
    older = cached.about["version_0_2"] if cached else source.fingerprints()[1]
    record = _record(source, images, older)
    _say(source, images, record, [where, *notes])
    wanted = {name: images[name] for name in parts}
    if "test" in wanted:
        wanted["test"] = wanted["test"].centre_crops(config.random_crop)
    return Data(config, wanted, record, source.label_range())


class _Begun(NamedTuple):
    """A part whose first images have been read, to learn how large they are."""

    num_images: int  # fewer may come
    num_bytes: int  # of all; an estimate if they are of several sizes
    channels: int
    chunks: Iterator[Chunk]  # all of them, with those read already
    order: Callable[[], np.ndarray]  # as in `ImagePart`


def _begin(source: ImageSource, names: Sequence[str]) -> dict[str, _Begun]:
    begun = {}
    for name in names:
        part = source.parts[name]
        chunks = part.chunks()
        first = next(chunks, None)
        if first is None:
            raise InputError(
                "`dataset` must have images to train on and images to hold out; "
                f"{source.name} has no {name} images."
            )
        chunks = _with_progress(itertools.chain([first], chunks), name, part.num_images)
        num_bytes = part.num_images * first.image.nbytes // len(first.image)
        channels = first.image.shape[3]
        begun[name] = _Begun(part.num_images, num_bytes, channels, chunks, part.order)
    return begun


def _with_progress(chunks: Iterator[Chunk], name: str, count: int) -> Iterator[Chunk]:
    with progress_bar(f"Reading {name} images", count, leave=False) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk.image))


def _in_memory(begun: dict[str, _Begun]) -> dict[str, Images] | None:
    """Reads all parts; None if they take more memory than they may.

    Then the chunks in `begun` are again those of all images.
    """
    if sum(part.num_bytes for part in begun.values()) > _MOST_IN_MEMORY:
        return None
    images, num_bytes = {}, 0
    for name, part in list(begun.items()):
        buffer, labels = ImageBuffer(part.num_bytes), []
        for chunk in part.chunks:
            buffer.add(chunk.image)
            labels.append(chunk.label)
            num_bytes += chunk.image.nbytes
            if num_bytes > _MOST_IN_MEMORY:
                break
        image, label = buffer.images(), joined_labels(labels)
        came = itertools.chain([Chunk(image, label)], part.chunks)
        begun[name] = part._replace(chunks=came)
        if num_bytes > _MOST_IN_MEMORY:
            return None
        order = part.order()
        read = Images(image, label)
        images[name] = read.take(order) if order.size else read
    return images


def _fill_cache(
    source: ImageSource, config: DataConfig, path: str, begun: dict[str, _Begun]
) -> Cached:
    """Writes all parts to the cache, also those that have not begun."""
    missing = [name for name in IMAGE_PARTS if name not in begun]
    parts = begun | _begin(source, missing)
    _check(source.name, {name: part.channels for name, part in parts.items()})
    say_older_cache(source, config)
    num_bytes = sum(part.num_bytes for part in parts.values())
    logging.info(
        "%s: decoding %d images, %.2f GB, into %s",
        source.name,
        sum(part.num_images for part in parts.values()),
        num_bytes / 1e9,
        path,
    )
    return write_cache(
        path,
        {name: Unwritten(part.chunks, part.order) for name, part in parts.items()},
        num_bytes,
        lambda: {
            "fingerprint": source.fingerprint,
            "version_0_2": source.fingerprints()[1],
            "held_out": source.held_out,
            "classes": source.classes,
            "notes": source.notes.sentences(),
        },
    )


def _check(name: str, channels: dict[str, int]) -> None:
    """Raises InputError unless all parts have one number of channels."""
    if len(set(channels.values())) > 1:
        raise InputError(
            "`dataset` must have images of one number of channels in both parts, or "
            f"--image_channels be set; {name} has {channels['train']} to train on, "
            f"{channels['test']} held out."
        )


def _record(
    source: ImageSource, images: dict[str, Images], version_0_2: str
) -> DataRecord:
    num_train, num_test = (
        len(images[name].image) if name in images else source.parts[name].num_images
        for name in IMAGE_PARTS
    )
    return DataRecord(
        source.fingerprint, num_train, num_test, source.held_out, version_0_2
    )


def _say(
    source: ImageSource, images: dict[str, Images], record: DataRecord, notes: list[str]
) -> None:
    """Logs what was loaded, in one line, and what was left out or converted."""
    logging.info(
        "Images of %s: %d to train on, %d held out (%s); %s, %s; %s",
        source.name,
        record.num_train,
        record.num_test,
        record.held_out,
        _describe_shape(images),
        _describe_labels(source, images),
        "; ".join(notes),
    )


def _describe_shape(images: dict[str, Images]) -> str:
    sizes = np.concatenate([part.sizes for part in images.values()])
    channels = next(iter(images.values())).shape[2]
    if (sizes == sizes[0]).all():
        return f"{describe_sizes(sizes)}x{channels}"
    return f"{describe_sizes(sizes)}, {channels} channel{'s' if channels > 1 else ''}"


def _describe_labels(source: ImageSource, images: dict[str, Images]) -> str:
    labelled = {name: part for name, part in images.items() if part.label is not None}
    if not labelled:
        return "no labels"
    if source.classes:
        names = ", ".join(source.classes[:_MOST_NAMES])
        more = ", ..." if len(source.classes) > _MOST_NAMES else ""
        return f"{len(source.classes)} classes ({names}{more})"
    labels = np.concatenate([part.label for part in labelled.values()])
    only = (
        "" if len(labelled) == len(images) else f" in the part {next(iter(labelled))}"
    )
    return f"labels {labels.min()} to {labels.max()}{only}"
