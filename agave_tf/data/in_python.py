"""Images that a Python program has: a tf.data.Dataset, a list, an array, a generator.

A run can train on them:

    data = agave_tf.read_images(my_dataset, image_size="32")
    agave_tf.train_stage("pretrain_vae", agave_tf.Config(), "runs/vae", data=data)
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from agave_tf.data.autotuning import without_autotuning
from agave_tf.data.elements import as_chunk
from agave_tf.data.hold_out import content_keys, is_held_out
from agave_tf.data.origin import PROGRAM
from agave_tf.data.prepare import prepare
from agave_tf.data.read_source import Data, read_source
from agave_tf.data.source import Chunk, Notes, Part, Source, fingerprint_of, selected
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.settings.suggestion import did_you_mean

# The name of the data set in a run's config.json. Its later commands must be told where
# the images are, since they cannot find them by this name.
IN_PYTHON = "in_python:"
_IMAGES_AT_ONCE = 256
# Settings of images that have a name, and mean nothing for others.
_OF_NAMED_DATA = {"dataset", "data_dir", "train_split", "test_split"}


def read_images(
    train: Iterable[Any], test: Iterable[Any] | None = None, **settings: Any
) -> Data:
    """Reads images from any iterable, for `train_stage` and `Evaluator`.

    An element is an image, a pair (image, label), or a dict with `image` or `img` and
    perhaps `label`. An image is a picture of Pillow, which becomes what it becomes in a
    folder, uint8 or uint16 [H,W] or [H,W,C] with 1 or 3 channels, or a batch [B,H,W,C]
    with labels [B] or [B,1]; a label is a whole number, or one-hot.

    An iterable is read twice or more, the first time to tell its images from others. A
    generator, which can be read only once, is first read into memory whole.

    Args:
      train: the images to train on.
      test: the images to hold out; None: a tenth of `train`, chosen by their content.
      **settings: those of the data that say what becomes of an image: image_size="32",
        image_channels, white_level, corrupt_images; and cache_dir="/scratch".

    Raises:
      InputError: there are no images, or some that cannot be used.
    """
    _check_settings(settings)
    config = DataConfig(dataset=IN_PYTHON, **settings)
    return read_source(_open(train, test, config), config)


def _open(
    train: Iterable[Any], test: Iterable[Any] | None, config: DataConfig
) -> Source:
    iterables = {"train": train} if test is None else {"train": train, "test": test}
    elements = {name: _repeatable(iterable) for name, iterable in iterables.items()}
    notes = Notes()
    keys = {name: _keys(name, each, config, notes) for name, each in elements.items()}
    facts = {name: [key.hex() for key in of_part] for name, of_part in keys.items()}

    def part(source: str, is_selected: np.ndarray) -> Part:
        def chunks() -> Iterator[Chunk]:
            # The first pass has noted what becomes of the elements.
            stored = _stored(elements[source](), config, Notes())
            return _prepared(selected(stored, is_selected), config, notes)

        return Part(int(is_selected.sum()), chunks)

    if test is None:
        held_out = is_held_out(keys["train"])
        parts = {"train": part("train", ~held_out), "test": part("train", held_out)}
    else:
        parts = {name: part(name, np.ones(len(keys[name]), bool)) for name in keys}
    return Source(
        name="the Python program",
        fingerprint=fingerprint_of("in_python", facts),
        parts=parts,
        held_out="a tenth, by content" if test is None else "given by the program",
        notes=notes,
    )


def _repeatable(iterable: Iterable[Any]) -> Callable[[], Iterator[Any]]:
    """Returns a function that gives the elements from the first on, at every call."""
    if isinstance(iterable, tf.data.Dataset):
        # Its other options stay; only how fast it is read could differ.
        return iterable.with_options(without_autotuning()).as_numpy_iterator
    if iter(iterable) is iterable:
        iterable = list(iterable)
    return lambda: iter(iterable)


def _keys(
    name: str,
    elements: Callable[[], Iterator[Any]],
    config: DataConfig,
    notes: Notes,
) -> list[bytes]:
    stored = _stored(elements(), config, notes)
    keys = list(content_keys(chunk.image for chunk in stored))
    if not keys:
        raise InputError(f"`{name}` must have images; got none.")
    return keys


def _stored(
    elements: Iterator[Any], config: DataConfig, notes: Notes
) -> Iterator[Chunk]:
    return (as_chunk(element, config, notes) for element in elements)


def _prepared(
    stored: Iterator[Chunk], config: DataConfig, notes: Notes
) -> Iterator[Chunk]:
    """The prepared images, some at a time, which all must get one shape."""
    gathered: list[Chunk] = []
    first, count = None, 0
    for chunk in stored:
        image = prepare(chunk.image, config, "the Python program", notes, PROGRAM)
        prepared = Chunk(image, chunk.label)
        first = first or prepared
        _check_alike(first, prepared)
        gathered.append(prepared)
        count += len(image)
        if count >= _IMAGES_AT_ONCE:
            yield _joined(gathered)
            gathered, count = [], 0
    if gathered:
        yield _joined(gathered)


def _check_alike(first: Chunk, other: Chunk) -> None:
    if first.image.shape[1:] != other.image.shape[1:]:
        raise InputError(
            "`train` and `test` must have images of one shape, or `image_size` be set; "
            f"got {first.image.shape[1:]} and {other.image.shape[1:]}."
        )
    if (first.label is None) != (other.label is None):
        raise InputError(
            "`train` and `test` must each have a label for every image or for none; "
            "got images with and without one."
        )


def _check_settings(settings: Collection[str]) -> None:
    """Checks the names of settings.

    Raises:
      InputError: there is no such setting, or it says where images are.
    """
    names = {field.name for field in dataclasses.fields(DataConfig)}
    for name in settings:
        if name not in names:
            hint = did_you_mean(name, names - _OF_NAMED_DATA)
            raise InputError(
                f"No such setting of images: `{name}`.{hint} There are "
                f"{', '.join(sorted(names - _OF_NAMED_DATA))}."
            )
        if name in _OF_NAMED_DATA:
            raise InputError(
                f"`{name}` must not be given for images of a Python program, which are "
                "`train` and `test`."
            )


def _joined(chunks: list[Chunk]) -> Chunk:
    image, labels = zip(*chunks)
    has_labels = all(label is not None for label in labels)
    return Chunk(np.concatenate(image), np.concatenate(labels) if has_labels else None)
