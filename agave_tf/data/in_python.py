"""Images that a Python program has: a tf.data.Dataset, a list, an array, a generator.

A run can train on them:

    data = agave_tf.read_images(my_dataset, image_size="32")
    agave_tf.train_stage("pretrain_vae", agave_tf.Config(), "runs/vae", data=data)
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from agave_tf.data.elements import as_chunk
from agave_tf.data.hold_out import choose_parts, is_held_out
from agave_tf.data.image_set import Data
from agave_tf.data.picture_file import ignore_warnings_of_pillow
from agave_tf.data.prepare import prepare
from agave_tf.data.python_iterables import passes_over
from agave_tf.data.python_passes import PartOfPasses, Passes
from agave_tf.data.read_source import read_source
from agave_tf.data.source import (
    IMAGE_PARTS,
    PROGRAM,
    Chunk,
    ImagePart,
    ImageSource,
    Notes,
    StoredChunk,
    fingerprint_of,
    join_chunks,
)
from agave_tf.data.version_0_2 import fingerprint_of_passes
from agave_tf.errors import InputError, did_you_mean
from agave_tf.settings.data import DataConfig

# The name of the data set in a run's config.json (settings/data_kinds.py).
_IN_PYTHON = "in_python:"
_IMAGES_AT_ONCE, _BYTES_AT_ONCE = 256, 2**26
# Settings that find images by name, and mean nothing for those of a program.
_FIND_IMAGES = {"dataset", "data_dir", "train_split", "test_split"}


def read_images(
    train: Iterable[Any], test: Iterable[Any] | None = None, **settings: Any
) -> Data:
    """Reads images from any iterable, for `train_stage` and `Evaluator`.

    An element is an image, a pair (image, label), or a dict with `image` or `img` and
    perhaps `label`. An image is a picture of Pillow, which becomes what it becomes in a
    folder, uint8 or uint16 [H,W] or [H,W,C] with 1 or 3 channels, or a batch [B,H,W,C]
    with labels [B] or [B,1]; a label is a whole number, or one-hot.

    An iterable is read twice or more, the first time to tell its images from others. It
    may shuffle them at every pass: they are known by their content, which must stay the
    same. A generator, which can be read only once, is first read into memory whole.

    Args:
      train: the images to train on.
      test: the images to hold out; None: a tenth of `train`, chosen by their content.
      **settings: those of the data that say what becomes of an image: image_size="32",
        crop, image_channels, white_level, corrupt_images; and cache_dir="/scratch".

    Raises:
      InputError: there are no images, no end of them, others at each pass, or some that
        cannot be used.
    """
    _check_settings(settings)
    config = DataConfig(dataset=_IN_PYTHON, **settings)
    return read_source(_open(train, test, config), config)


def refuse_to_open(config: DataConfig) -> ImageSource:
    """Asks for a name: later commands cannot find the images of a program by it."""
    raise InputError(
        "`dataset` must name the images of this run, which came from a Python "
        "program, such as npz:PATH or folder:PATH; got nothing."
    )


def _open(
    train: Iterable[Any], test: Iterable[Any] | None, config: DataConfig
) -> ImageSource:
    ignore_warnings_of_pillow()
    iterables = {"train": train} if test is None else {"train": train, "test": test}
    read = functools.partial(as_chunk, config=config)
    passes = {
        name: passes_over(name, iterable, read) for name, iterable in iterables.items()
    }
    notes = Notes()
    for each in passes.values():
        each.first(notes)
    chosen = choose_parts(
        passes, lambda each: len(each.keys), lambda each: is_held_out(each.keys)
    )
    # By content, because later passes may have another order.
    wanted = {
        name: set(itertools.compress(each.keys, is_chosen))
        for name, (each, is_chosen) in chosen.items()
    }
    if test is not None:
        num_both = sum(key in wanted["train"] for key in passes["test"].keys)
        notes.add("held-out images that are trained on as well", num_both)
    prepared = functools.partial(_prepared, config=config, notes=notes)
    return ImageSource(
        name="the Python program",
        fingerprint=_fingerprint(passes),
        parts={
            name: _part(chosen[name].stored, wanted[name], prepared)
            for name in IMAGE_PARTS
        },
        held_out="a tenth, by content" if test is None else "given by the program",
        notes=notes,
        version_0_2=functools.partial(fingerprint_of_passes, passes),
    )


def _part(
    passes: Passes,
    wanted: set[bytes],
    prepared: Callable[[Iterator[StoredChunk]], Iterator[Chunk]],
) -> ImagePart:
    part = PartOfPasses(passes, wanted, prepared)
    count = sum(key in wanted for key in passes.keys)
    return ImagePart(count, part.chunks, part.order)


def _fingerprint(passes: Mapping[str, Passes]) -> str:
    """Tells images and labels apart, whatever their order."""
    facts = {
        name: hashlib.sha256(b"".join(sorted(each.entries))).hexdigest()
        for name, each in passes.items()
    }
    return fingerprint_of("in_python by content", facts)


def _prepared(
    stored: Iterator[StoredChunk], config: DataConfig, notes: Notes
) -> Iterator[Chunk]:
    """The prepared images, some at a time, which all must have equal channels."""
    gathered: list[Chunk] = []
    first, count, num_bytes = None, 0, 0
    for chunk in stored:
        image = prepare(chunk.image, config, "the Python program", notes, PROGRAM)
        prepared = Chunk(image, chunk.label)
        first = first or prepared
        _check_alike(first, prepared)
        gathered.append(prepared)
        count += len(image)
        num_bytes += image.nbytes
        if count >= _IMAGES_AT_ONCE or num_bytes > _BYTES_AT_ONCE:
            yield join_chunks(gathered)
            gathered, count, num_bytes = [], 0, 0
    if gathered:
        yield join_chunks(gathered)


def _check_alike(first: Chunk, other: Chunk) -> None:
    channels = first.image.shape[3], other.image.shape[3]
    if channels[0] != channels[1]:
        raise InputError(
            "`train` and `test` must have images of one number of channels, or "
            f"`image_channels` be set; got {channels[0]} and {channels[1]}."
        )


def _check_settings(settings: Collection[str]) -> None:
    """Checks the names of settings.

    Raises:
      InputError: there is no such setting, or it says where images are.
    """
    names = {field.name for field in dataclasses.fields(DataConfig)}
    for name in settings:
        if name not in names:
            hint = did_you_mean(name, names - _FIND_IMAGES)
            raise InputError(
                f"No such setting of images: `{name}`.{hint} There are "
                f"{', '.join(sorted(names - _FIND_IMAGES))}."
            )
        if name in _FIND_IMAGES:
            raise InputError(
                f"`{name}` must not be given for images of a Python program, which are "
                "`train` and `test`."
            )
