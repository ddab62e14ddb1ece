"""Images that a Python program has: a tf.data.Dataset, a list, an array, a generator.

A run can train on them:

    data = agave_tf.read_images(my_dataset, image_size="32")
    agave_tf.train_stage("pretrain_vae", agave_tf.Config(), "runs/vae", data=data)
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from agave_tf.data.autotuning import without_autotuning
from agave_tf.data.hold_out import content_keys, is_held_out
from agave_tf.data.prepare import prepare
from agave_tf.data.read_source import Data, read_source
from agave_tf.data.source import Chunk, Notes, Part, Source, fingerprint_of, selected
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

    An iterable is read twice or more, the first time to tell its images from others. A
    generator, which can be read only once, is first read into memory whole.

    Args:
      train: the images to train on.
      test: the images to hold out; None: a tenth of `train`, chosen by their content.
      **settings: those of the data, such as image_size="32" or cache_dir="/scratch".

    Raises:
      InputError: there are no images, or some that cannot be used.
    """
    config = DataConfig(dataset=IN_PYTHON, **settings)
    return read_source(_open(train, test, config), config)


def _open(
    train: Iterable[Any], test: Iterable[Any] | None, config: DataConfig
) -> Source:
    iterables = {"train": train} if test is None else {"train": train, "test": test}
    elements = {name: _repeatable(iterable) for name, iterable in iterables.items()}
    keys = {name: _keys(name, repeat) for name, repeat in elements.items()}
    facts = {name: [key.hex() for key in of_part] for name, of_part in keys.items()}
    notes = Notes()

    def part(source: str, is_selected: np.ndarray) -> Part:
        def chunks() -> Iterator[Chunk]:
            stored = _prepared(elements[source](), config, notes)
            return selected(stored, is_selected)

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


def _keys(name: str, elements: Callable[[], Iterator[Any]]) -> list[bytes]:
    keys = list(content_keys(_as_chunk(element).image for element in elements()))
    if not keys:
        raise InputError(f"`{name}` must have images; got none.")
    return keys


def _prepared(
    elements: Iterator[Any], config: DataConfig, notes: Notes
) -> Iterator[Chunk]:
    """The prepared images, some at a time, which all must get one shape."""
    gathered: list[Chunk] = []
    shape, count = None, 0
    for element in elements:
        stored = _as_chunk(element)
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
