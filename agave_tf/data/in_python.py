"""Images that a Python program has: a tf.data.Dataset, a list, an array, a generator.

A run can train on them:

    data = agave_tf.read_images(my_dataset, image_size="32")
    agave_tf.train_stage("pretrain_vae", agave_tf.Config(), "runs/vae", data=data)
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from agave_tf.data.hold_out import is_held_out
from agave_tf.data.prepare import prepare
from agave_tf.data.python_iterables import passes_over
from agave_tf.data.python_passes import PartOfPasses, Passes
from agave_tf.data.read_source import Data, read_source
from agave_tf.data.source import PARTS, Chunk, Notes, Part, Source, fingerprint_of
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

# The name of the data set in a run's config.json. Its later commands must be told where
# the images are, since they cannot find them by this name.
IN_PYTHON = "in_python:"
_IMAGES_AT_ONCE = 256


def read_images(
    train: Iterable[Any], test: Iterable[Any] | None = None, **settings: Any
) -> Data:
    """Reads images from any iterable, for `train_stage` and `Evaluator`.

    An element is an image, a pair (image, label), or a dict with `image` and perhaps
    `label`. An image is uint8 or uint16 [H,W] or [H,W,C] with 1 or 3 channels, or a
    batch [B,H,W,C] with labels [B]; a label is a whole number.

    An iterable is read twice or more, the first time to tell its images from others. It
    may shuffle them at every pass: they are known by their content, which must stay the
    same. A generator, which can be read only once, is first read into memory whole.

    Args:
      train: the images to train on.
      test: the images to hold out; None: a tenth of `train`, chosen by their content.
      **settings: those of the data, such as image_size="32" or cache_dir="/scratch".

    Raises:
      InputError: there are no images, no end of them, others at each pass, or some that
        cannot be used.
    """
    config = DataConfig(dataset=IN_PYTHON, **settings)
    return read_source(_open(train, test, config), config)


def _open(
    train: Iterable[Any], test: Iterable[Any] | None, config: DataConfig
) -> Source:
    iterables = {"train": train} if test is None else {"train": train, "test": test}
    passes = {
        name: passes_over(name, iterable, _as_chunk)
        for name, iterable in iterables.items()
    }
    for each in passes.values():
        each.first()
    notes = Notes()
    if test is None:
        keys = passes["train"].keys
        is_test = is_held_out(keys)
        held_out = {key for key, chosen in zip(keys, is_test) if chosen}
        wanted = {"train": set(keys) - held_out, "test": held_out}
        of_part = {name: passes["train"] for name in PARTS}
    else:
        wanted, of_part = {name: set(passes[name].keys) for name in PARTS}, passes
        num_both = sum(key in wanted["train"] for key in passes["test"].keys)
        notes.add("held-out images that are trained on as well", num_both)
    prepared = functools.partial(_prepared, config=config, notes=notes)
    return Source(
        name="the Python program",
        fingerprint=_fingerprint(passes),
        parts={name: _part(of_part[name], wanted[name], prepared) for name in PARTS},
        held_out="a tenth, by content" if test is None else "given by the program",
        notes=notes,
        version_0_2=functools.partial(_fingerprint_of_version_0_2, passes),
    )


def _part(
    passes: Passes,
    wanted: set[bytes],
    prepared: Callable[[Iterator[Chunk]], Iterator[Chunk]],
) -> Part:
    part = PartOfPasses(passes, wanted, prepared)
    count = sum(key in wanted for key in passes.keys)
    return Part(count, part.chunks, part.order)


def _fingerprint(passes: Mapping[str, Passes]) -> str:
    """Tells images and labels apart, whatever their order."""
    facts = {
        name: hashlib.sha256(b"".join(sorted(each.entries))).hexdigest()
        for name, each in passes.items()
    }
    return fingerprint_of("in_python by content", facts)


def _fingerprint_of_version_0_2(passes: Mapping[str, Passes]) -> str:
    """Tells images in this order from others, and takes no account of labels."""
    facts = {}
    for name, each in passes.items():
        keys = each.keys
        if each.is_shuffled:
            keys = [key for _, key in sorted(zip(each.entries, keys, strict=True))]
        facts[name] = [key.hex() for key in keys]
    return fingerprint_of("in_python", facts)


def _prepared(
    chunks: Iterator[Chunk], config: DataConfig, notes: Notes
) -> Iterator[Chunk]:
    """The prepared images, some at a time, which all must get one shape."""
    gathered: list[Chunk] = []
    shape, count = None, 0
    for stored in chunks:
        image = prepare(stored.image, config, "the Python program", notes)
        shape = shape or image.shape[1:]
        if image.shape[1:] != shape:
            raise InputError(
                "`train` and `test` must have images of one shape, or `image_size` be "
                f"set; got {shape} and {image.shape[1:]}."
            )
        gathered.append(Chunk(image, stored.label))
        count += len(image)
        if count >= _IMAGES_AT_ONCE:
            yield _joined(gathered)
            gathered, count = [], 0
    if gathered:
        yield _joined(gathered)


def _joined(chunks: list[Chunk]) -> Chunk:
    image, labels = zip(*chunks)
    has_labels = all(label is not None for label in labels)
    return Chunk(np.concatenate(image), np.concatenate(labels) if has_labels else None)


def _as_chunk(element: Any) -> Chunk:
    """An element as it came, with a first axis: one image is a batch of one."""
    image, label = element, None
    if isinstance(element, dict):
        image, label = element.get("image"), element.get("label")
    elif isinstance(element, tuple):
        image, label = element if len(element) == 2 else (None, None)
    image = np.asarray(image)
    if image.ndim not in (2, 3, 4):
        raise InputError(
            "An element must be an image [H,W] or [H,W,C], a pair (image, label) or a "
            f"dict with `image`; got {_describe(element)}."
        )
    if image.ndim < 4:
        image = image[None]
        label = None if label is None else np.asarray(label)[None]
    if label is None:
        return Chunk(image, None)
    label = np.asarray(label)
    if label.shape != image.shape[:1] or not np.issubdtype(label.dtype, np.integer):
        raise InputError(
            f"A label must be a whole number for each image; got {label.dtype} "
            f"{list(label.shape)} for {len(image)} images."
        )
    return Chunk(image, label.astype(np.int32))


def _describe(element: Any) -> str:
    if isinstance(element, dict):
        return f"a dict with {', '.join(map(str, element)) or 'nothing'}"
    if isinstance(element, tuple):
        return f"a tuple of {len(element)}"
    return f"{type(element).__name__} {list(np.shape(element))}"
