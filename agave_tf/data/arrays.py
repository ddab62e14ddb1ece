"""Reads images from the arrays of an .npz or .npy file."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from agave_tf.data.array_folder import find_arrays
from agave_tf.data.array_layout import Array, from_zero
from agave_tf.data.array_names import Arrays, PartArrays, find_part_arrays, note_uses
from agave_tf.data.hints import DIGEST_BYTES, open_hints, state_of
from agave_tf.data.hold_out import (
    choose_parts,
    content_keys,
    is_held_out,
    num_choice_bytes,
    pack_choice,
    unpack_choice,
)
from agave_tf.data.labels import data_set_labels, label_rows
from agave_tf.data.prepare import prepare
from agave_tf.data.source import (
    Chunk,
    ImagePart,
    ImageSource,
    Notes,
    StoredChunk,
    fingerprint_of,
    selected,
)
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.settings.data_kinds import named_data


class HoldOut(NamedTuple):
    """A rule that chooses which images of an array to hold out."""

    rule: str  # as messages say it
    # The choice, bool [N], among the images of an array, which has a name in its file.
    choose: Callable[[str, Array, DataConfig], np.ndarray]
    facts: Mapping[str, str] = {}  # count in the fingerprint


def _chosen_by_content(name: str, images: Array, config: DataConfig) -> np.ndarray:
    def choose() -> bytes:
        return pack_choice(is_held_out(list(content_keys(images.rows()))))

    count, path = images.shape[0], named_data(config.dataset).path
    what = f"npz:{os.path.abspath(path)} {name} held out"
    choice = _learned(images, what, num_choice_bytes(count), choose, config)
    return unpack_choice(choice, count)


_BY_CONTENT = HoldOut("a tenth, by content", _chosen_by_content)


def open_arrays(config: DataConfig, hold_out: HoldOut = _BY_CONTENT) -> ImageSource:
    """Finds the images in .npz and .npy files, which are read some rows at a time.

    Images are uint8 or uint16 [N,H,W,C], [N,C,H,W], [N,H,W], or flat as `array_layout`
    says; labels whole numbers [N] or [N,1]. Two parts have names such as `train` and
    `test`, `x_train` and `x_test`, `train_images` and `val_images`. One has `images`,
    `x`, `data`, or any name if no other array could be images; then a tenth of the
    images is held out by their content, for which all are read, unless the files have
    not changed since an earlier start.

    Args:
      config: names the file, or a folder of .npz files, and its parts.
      hold_out: chooses the images to hold out where one part is found.

    Raises:
      InputError: no such file, not such a file, or no images in it that can be used.
    """
    notes, path = Notes(), named_data(config.dataset).path
    arrays = find_arrays(path, notes)
    parts = find_part_arrays(arrays, config, path)
    arrays = _checked(arrays, parts, path)
    facts: dict[str, Any] = {
        part: _facts(arrays, named, config, path) for part, named in parts.items()
    }
    note_uses(arrays, parts, notes)
    has_test = "test" in parts
    chosen = choose_parts(
        parts,
        lambda named: arrays[named.image].shape[0],
        lambda named: hold_out.choose(named.image, arrays[named.image], config),
    )
    read = functools.partial(_read, config=config, name=f"npz:{path}", notes=notes)
    opened = {
        part: ImagePart(
            int(is_chosen.sum()), functools.partial(read, arrays, named, is_chosen)
        )
        for part, (named, is_chosen) in chosen.items()
    }
    return ImageSource(
        f"npz:{path}",
        fingerprint_of("arrays", facts if has_test else {**facts, **hold_out.facts}),
        opened,
        f"its array {parts['test'].image}" if has_test else hold_out.rule,
        notes=notes,
        label_range=functools.partial(_label_range, arrays, parts, path),
    )


def _learned(
    array: Array,
    what: str,
    num_bytes: int,
    compute: Callable[[], bytes],
    config: DataConfig,
) -> bytes:
    """Computes something of an array, unless its files have not changed since then."""
    hints = open_hints(config, what, num_bytes)
    paths = list(map(os.path.abspath, array.storage.paths))
    value = hints.get(state_of(paths, what, array.storage.facts), compute)
    hints.write()
    return value


def _read(
    arrays: Arrays,
    named: PartArrays,
    is_chosen: np.ndarray,
    config: DataConfig,
    name: str,
    notes: Notes,
) -> Iterator[Chunk]:
    """The chosen images, bool [N], of an array, prepared."""
    for image, label in selected(_stored(arrays, named, name), is_chosen):
        yield Chunk(prepare(image, config, name, notes), label)


def _stored(arrays: Arrays, named: PartArrays, path: str) -> Iterator[StoredChunk]:
    """All images of an array as they are stored, with their labels as int32 [n]."""
    label = _read_labels(arrays[named.label], path) if named.label else None
    start = 0
    for image in arrays[named.image].rows():
        end = start + len(image)
        yield StoredChunk(image, label_rows(label, slice(start, end)))
        start = end


def _read_labels(array: Array, path: str) -> np.ndarray:
    label = np.concatenate([rows.reshape(-1) for rows in array.rows()])
    return data_set_labels(label, repr(path))


def _label_range(
    arrays: Arrays, parts: Mapping[str, PartArrays], path: str
) -> tuple[int, int] | None:
    """The least and the largest label of all parts; None without labels."""
    labels = [
        _read_labels(arrays[named.label], path)
        for named in parts.values()
        if named.label
    ]
    if not labels:
        return None
    return int(min(map(np.min, labels))), int(max(map(np.max, labels)))


def _facts(arrays: Arrays, named: PartArrays, config: DataConfig, path: str) -> list:
    """The facts that tell these images and labels from others, in any place."""
    used = [(name, arrays[name]) for name in named.names]
    return [
        [name, array.dtype.str, array.shape, _digest(name, array, config, path)]
        for name, array in used
    ]


def _digest(name: str, array: Array, config: DataConfig, path: str) -> str:
    if array.storage.has_checksum:
        return array.digest()
    what = f"npz:{os.path.abspath(path)} {name} digest"

    def compute() -> bytes:
        return bytes.fromhex(array.digest())

    return _learned(array, what, DIGEST_BYTES, compute, config).hex()


def _checked(
    arrays: Arrays, parts: Mapping[str, PartArrays], path: str
) -> dict[str, Array]:
    """The arrays, whose images and labels can be used, with labels from 0."""
    for named in parts.values():
        _check_images(named.image, arrays[named.image], path)
        _check_labels(arrays, named, path)
    return from_zero(arrays, parts.values())


def _check_images(name: str, array: Array, path: str) -> None:
    """Checks type and shape of an array of images.

    Raises:
      InputError: it cannot be used.
    """
    dtype, shape = array.dtype, array.shape
    array.check_plain()
    has = f"{path!r} has {dtype} {list(shape)}"
    needs = f"`dataset` must have `{name}` as uint8 or uint16 [N,H,W,C] or [N,H,W]"
    if dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise InputError(f"{needs}, with levels from 0; {has}.")
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"{needs}; {has}.")
    if len(shape) == 3 and shape[-1] in (1, 3):
        raise InputError(f"{needs}; {has}, which looks like one image alone.")
    if len(shape) == 4 and shape[-1] not in (1, 3):
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {path!r} has {shape[-1]} "
            f"({list(shape)})."
        )


def _check_labels(arrays: Arrays, named: PartArrays, path: str) -> None:
    """Checks that the labels of a part, if it has any, are class numbers."""
    if not named.label:
        return
    label, count = arrays[named.label], arrays[named.image].shape[0]
    if label.shape not in ((count,), (count, 1)) or label.dtype.kind not in "biuf":
        raise InputError(
            f"`dataset` must have one integer label for each of {count} images; "
            f"{path!r} has {named.label} as {label.dtype} {list(label.shape)}."
        )
