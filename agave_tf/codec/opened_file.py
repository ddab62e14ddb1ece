"""A file of coded images whose latents have been read, and its pictures."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import OpenStack
from agave_tf.codec.file_format import CodedFile, Kind
from agave_tf.codec.latent_code import LatentCode
from agave_tf.codec.packing import DAMAGED
from agave_tf.errors import InputError


class Decoded(NamedTuple):
    """The pictures of a file."""

    # uint8 [N,H,W,C]; a list of [H,W,C] if they differ in size or channels.
    images: np.ndarray | list[np.ndarray]
    labels: np.ndarray | None  # int32 [N]
    names: Sequence[str] | None
    numbers: np.ndarray  # int64 [N], their places in the file, rising
    lost: np.ndarray  # int64, places of pictures that are damaged


class OpenGroup(NamedTuple):
    """A group of a file that is being read."""

    kind: Kind
    places: Sequence[int]
    pixels: bytes | None  # that are stored; None: there are none, or damaged ones
    stacks: list[OpenStack]  # its lanes, without latents; none if it is stored or lost
    codes: list[LatentCode]  # the latents of its images


class OpenedFile(NamedTuple):
    """A file whose latents have been read."""

    file: CodedFile
    groups: list[OpenGroup]


def in_order(
    opened: OpenedFile, parts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Decoded:
    """Puts the pictures of all groups in their places.

    Args:
      opened: the file.
      parts: of every group its pictures [n,...], and whether they are intact [n].

    Raises:
      InputError: none is intact.
    """
    header = opened.file.header
    is_right = np.zeros(header.num_pictures, bool)
    for group, (_, each) in zip(opened.groups, parts, strict=True):
        is_right[np.asarray(group.places)] = each
    numbers, lost = np.flatnonzero(is_right), np.flatnonzero(~is_right)
    if not len(numbers):
        raise InputError(f"{DAMAGED}: none of its {len(lost)} pictures is intact.")
    images: dict[int, np.ndarray] = {}
    for group, (pictures, _) in zip(opened.groups, parts, strict=True):
        images |= zip(group.places, pictures, strict=True)
    found = [images[number] for number in numbers.tolist()]
    alike = len({image.shape for image in found}) == 1
    names = header.names and [header.names[number] for number in numbers.tolist()]
    labels = None if header.labels is None else header.labels[numbers]
    stacked = np.stack(found) if alike else found
    return Decoded(stacked, labels, names, numbers, lost)
