"""Reads the images of a data set: small ones into memory, large ones into the cache."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tqdm
from absl import logging

from agave_tf.data.cache import (
    Cached,
    cache_path,
    open_cache,
    write_cache,
)
from agave_tf.data.cached_arrays import Unwritten
from agave_tf.data.image_set import Data, DataRecord, Images
from agave_tf.data.labels import joined_labels
from agave_tf.data.source import IMAGE_PARTS, Chunk, ImageSource
from agave_tf.data.version_0_2 import say_older_cache
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.settings.image_size import check_image_sides

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
    cached = open_cache(path)
    if cached is None:
        begun = _begin(source, IMAGE_PARTS if config.cache_dir else parts)
        num_bytes = sum(part.num_bytes for part in begun.values())
        if config.cache_dir or num_bytes > _MOST_IN_MEMORY:
            # The rest of the data set belongs into the cache too.
            missing = [name for name in IMAGE_PARTS if name not in begun]
            begun |= _begin(source, missing)
            _check(source.name, {name: part.shape for name, part in begun.items()})
            say_older_cache(source, config)
            cached = _fill_cache(source, path, begun)
    if cached is None:
        images = {name: _in_memory(part) for name, part in begun.items()}
        notes, where = source.notes.sentences(), "in memory"
    else:
        images, notes = cached.parts, cached.about["notes"]
        where = f"mapped from {path}"
    _check(source.name, {name: part.shape for name, part in images.items()})
    # A cache of images from Python may have them in another order than this pass.
    older = cached.about["version_0_2"] if cached else source.fingerprints()[1]
    record = _record(source, images, older)
    _say(source, images, record, [where, *notes])
    wanted = {name: images[name] for name in parts}
    return Data(config, wanted, record, source.label_range())


class _Begun(NamedTuple):
    """A part whose first images have been read, to learn their shape."""

    num_images: int  # fewer may come
    shape: tuple[int, ...]  # of an image
    chunks: Iterator[Chunk]  # all of them, with those read already
    order: Callable[[], np.ndarray]  # as in `ImagePart`

    @property
    def num_bytes(self) -> int:
        return self.num_images * math.prod(self.shape)


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
        shape = first.image.shape[1:]
        begun[name] = _Begun(part.num_images, shape, chunks, part.order)
    return begun


def _with_progress(chunks: Iterator[Chunk], name: str, count: int) -> Iterator[Chunk]:
    bar = tqdm.tqdm(
        desc=f"Reading {name} images",
        total=count,
        unit="image",
        disable=None,
        leave=False,
    )
    with bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk.image))


def _in_memory(part: _Begun) -> Images:
    image = np.empty([part.num_images, *part.shape], np.uint8)
    labels: list[np.ndarray | None] = []
    count = 0
    for chunk in part.chunks:
        image[count : count + len(chunk.image)] = chunk.image
        count += len(chunk.image)
        labels.append(chunk.label)
    images = Images(image[:count], joined_labels(labels))
    order = part.order()
    return images.take(order) if order.size else images


def _fill_cache(source: ImageSource, path: str, parts: dict[str, _Begun]) -> Cached:
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


def _check(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises InputError unless all parts have one shape that the networks take."""
    for height, width, _ in shapes.values():
        check_image_sides(height, width, name="dataset")
    if len(set(shapes.values())) > 1:
        raise InputError(
            "`dataset` must have images of one shape in both parts, or --image_size "
            f"and --image_channels be set; {name} has {shapes['train']} to train on, "
            f"{shapes['test']} held out."
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
    height, width, channels = next(iter(images.values())).shape
    logging.info(
        "Images of %s: %d to train on, %d held out (%s); %dx%dx%d, %s; %s",
        source.name,
        record.num_train,
        record.num_test,
        record.held_out,
        height,
        width,
        channels,
        _describe_labels(source, images),
        "; ".join(notes),
    )


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
