"""The hold-out: the test part of a data set that has none of its own.

An image is held out by a hash of its name or content. So the same images are held out
whatever the seed of a run and the order of the files, and an image stays where it is
when others are added.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from agave_tf.errors import InputError

HELD_OUT_SHARE = 0.1

Stored = TypeVar("Stored")


def is_held_out(keys: Sequence[bytes]) -> np.ndarray:
    """Tells which images are held out, about a tenth; at least one, and not all.

    Args:
      keys: of N images, what each is known by: its name, or `content_keys`. Images with
        equal keys are on the same side.

    Returns:
      bool [N].

    Raises:
      InputError: there are fewer than 2 different images.
    """
    check_count(len(set(keys)))
    hashes = np.array([_hash(key) for key in keys])
    held_out = hashes < HELD_OUT_SHARE
    if held_out.all() or not held_out.any():
        return hashes == hashes.min()
    return held_out


class Chosen(NamedTuple, Generic[Stored]):
    """The images of a part, and where they are stored."""

    stored: Stored
    is_chosen: np.ndarray  # bool [N], which of the images stored there


def choose_parts(
    stored: Mapping[str, Stored],
    count: Callable[[Stored], int],
    hold_out: Callable[[Stored], np.ndarray],
) -> dict[str, Chosen[Stored]]:
    """Chooses the images of "train" and "test": a part each, or one that is divided.

    Args:
      stored: where the images of "train" are stored, and those of "test" if the data
        set has such a part.
      count: returns the number of images that are stored in one place.
      hold_out: chooses those to hold out, bool [N]; called if there is no "test".
    """
    if "test" in stored:
        return {
            name: Chosen(place, np.ones(count(place), bool))
            for name, place in stored.items()
        }
    is_test = hold_out(stored["train"])
    return {
        "train": Chosen(stored["train"], ~is_test),
        "test": Chosen(stored["train"], is_test),
    }


def content_keys(images: Iterable[np.ndarray]) -> Iterator[bytes]:
    """A key for each image that follows from its pixels.

    Args:
      images: arrays [n,H,W] or [n,H,W,C], as they are stored, one after another.
    """
    for chunk in images:
        for image in chunk:
            shape = str((image.shape, image.dtype.str)).encode()
            pixels = np.ascontiguousarray(image).data
            yield hashlib.blake2b(pixels, digest_size=16, key=shape[:64]).digest()


def pack_choice(held_out: np.ndarray) -> bytes:
    """Packs a choice, bool [N], into `num_choice_bytes(N)` bytes."""
    return np.packbits(held_out).tobytes()


def unpack_choice(choice: bytes, count: int) -> np.ndarray:
    """The choice of `count` images, bool [N], that `pack_choice` packed."""
    return np.unpackbits(np.frombuffer(choice, np.uint8), count=count).astype(bool)


def num_choice_bytes(count: int) -> int:
    """The length of a packed choice of `count` images."""
    return -(-count // 8)


def _hash(key: bytes) -> float:
    """A number in [0,1) that follows from the key."""
    digest = hashlib.blake2b(key, digest_size=8, person=b"agave hold-out").digest()
    return int.from_bytes(digest, "big") / 2**64


def check_count(count: int) -> None:
    """Raises InputError unless there are images to train on and to hold out."""
    if count < 2:
        raise InputError(
            "`dataset` must have at least 2 different images, to hold some out; got "
            f"{count}."
        )
