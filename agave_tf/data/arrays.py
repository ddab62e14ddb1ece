"""Reads images from the arrays of an .npz or .npy file."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from agave_tf.data.array_file import StoredArray, stored_arrays
from agave_tf.data.array_names import Arrays, PartArrays, find_parts, note_left_out
from agave_tf.data.hints import DIGEST_BYTES, open_hints, state_of
from agave_tf.data.hold_out import (
    content_keys,
    is_held_out,
    is_held_out_in_version_0_1,
    num_choice_bytes,
    pack_choice,
    unpack_choice,
)
from agave_tf.data.prepare import prepare
from agave_tf.data.source import Chunk, Notes, Part, Source, fingerprint_of, selected
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


def open_arrays(
    path: str, config: DataConfig, version_0_1_seed: int | None = None
) -> Source:
    """Finds the images in an .npz or .npy file, which are read some rows at a time.

    Images are uint8 or uint16 [N,H,W,C] or [N,H,W], labels integers [N] or [N,1]. Two
    parts have names such as `train` and `test`, `x_train` and `x_test`, `train_images`
    and `val_images`. One has `images`, `x`, `data`, or any name if no other array could
    be images; then a tenth of the images is held out by their content, for which all
    are read, unless the file has not changed since an earlier start.

    Args:
      path: of the file.
      config: the settings of the data.
      version_0_1_seed: the seed of a run of version 0.1 that goes on, so that `images`
        are held out as in that version; None: as in this version.

    Raises:
      InputError: no such file, not such a file, or no images in it that can be used.
    """
    arrays = stored_arrays(path)
    parts = find_parts(arrays, config, path)
    for named in parts.values():
        _check_images(named.image, arrays[named.image], path)
        _check_labels(arrays, named, path)
    facts: dict[str, Any] = {
        part: _facts(arrays, named, config) for part, named in parts.items()
    }
    notes = Notes()
    note_left_out(arrays, parts, notes)
    if "test" in parts:
        held_out = f"its array {parts['test'].image}"
        is_chosen = {
            part: np.ones(arrays[named.image].shape[0], bool)
            for part, named in parts.items()
        }
    else:
        parts["test"] = parts["train"]
        is_test, held_out = _hold_out(
            arrays, parts["train"].image, version_0_1_seed, config
        )
        is_chosen = {"train": ~is_test, "test": is_test}
        if version_0_1_seed is not None:
            facts["held out"] = held_out  # Other images than by content.
    read = functools.partial(_read, config=config, name=f"npz:{path}", notes=notes)
    opened = {
        part: Part(
            int(is_chosen[part].sum()),
            functools.partial(read, arrays, named, is_chosen[part]),
        )
        for part, named in parts.items()
    }
    fingerprint = fingerprint_of("arrays", facts)
    return Source(f"npz:{path}", fingerprint, opened, held_out, notes=notes)


def _hold_out(
    arrays: Arrays, name: str, version_0_1_seed: int | None, config: DataConfig
) -> tuple[np.ndarray, str]:
    """Tells which images are held out, bool [N], and how they were chosen."""
    images = arrays[name]
    if version_0_1_seed is not None:
        return (
            is_held_out_in_version_0_1(images.shape[0], version_0_1_seed),
            f"a tenth, by seed {version_0_1_seed}, as in version 0.1",
        )

    def choose() -> bytes:
        return pack_choice(is_held_out(list(content_keys(images.rows()))))

    count = images.shape[0]
    what = f"held out of {name}"
    choice = _learned(images, what, num_choice_bytes(count), choose, config)
    return unpack_choice(choice, count), "a tenth, by content"


def _learned(
    array: StoredArray,
    what: str,
    num_bytes: int,
    compute: Callable[[], bytes],
    config: DataConfig,
) -> bytes:
    """Computes something of an array, unless it is known and no file has changed.

    Args:
      array: the array.
      what: names the array, and what is computed of it.
      num_bytes: of the result.
      compute: computes it.
      config: says where it is kept.
    """
    files = [os.path.abspath(path) for path in array.files]
    hints = open_hints(config, f"npz:{files[0]} {what}", num_bytes)
    facts = repr((what, array.shape, array.dtype.str))
    value = hints.get(state_of(files, facts), compute)
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
    for image, label in selected(_stored(arrays, named), is_chosen):
        yield Chunk(prepare(image, config, name, notes), label)


def _stored(arrays: Arrays, named: PartArrays) -> Iterator[Chunk]:
    """All images of an array as they are stored, with their labels as int32 [n]."""
    label = None if named.label is None else _read_labels(arrays[named.label])
    start = 0
    for image in arrays[named.image].rows():
        end = start + len(image)
        yield Chunk(image, None if label is None else label[start:end])
        start = end


def _read_labels(array: StoredArray) -> np.ndarray:
    label = np.concatenate(list(array.rows())).reshape(-1)
    if label.min() < -(2**31) or label.max() >= 2**31:
        raise InputError(
            f"`dataset` must have labels of at most 32 bits; {array.path!r} has "
            f"{label.min()}..{label.max()}."
        )
    return label.astype(np.int32)


def _facts(arrays: Arrays, named: PartArrays, config: DataConfig) -> list:
    """What tells these images and labels from others, wherever the file lies."""
    used = [(name, arrays[name]) for name in named if name is not None]
    return [
        [name, array.dtype.str, array.shape, _digest(name, array, config)]
        for name, array in used
    ]


def _digest(name: str, array: StoredArray, config: DataConfig) -> str:
    if array.has_checksum:
        return array.digest()
    what = f"digest of {name}"
    return _learned(
        array, what, DIGEST_BYTES, lambda: bytes.fromhex(array.digest()), config
    ).hex()


def _check_images(name: str, array: StoredArray, path: str) -> None:
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
        if shape[1] in (1, 3):
            raise InputError(f"{needs}, with the channels last; {has}.")
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {path!r} has {shape[-1]} "
            f"({list(shape)})."
        )


def _check_labels(arrays: Arrays, named: PartArrays, path: str) -> None:
    """Checks that the labels of a part, if it has any, are class numbers."""
    if named.label is None:
        return
    label, count = arrays[named.label], arrays[named.image].shape[0]
    if label.shape not in ((count,), (count, 1)) or label.dtype.kind not in "iu":
        raise InputError(
            f"`dataset` must have one integer label for each of {count} images; "
            f"{path!r} has {named.label} as {label.dtype} {list(label.shape)}."
        )
