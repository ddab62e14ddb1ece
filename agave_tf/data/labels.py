"""Labels as people have them, as class numbers of 32 bits; None: no labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agave_tf.errors import InputError

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1


def class_numbers(
    label: np.ndarray, needs: str, got: str, least: int = _LOWEST
) -> np.ndarray:
    """Returns labels as int32 [N], without changing any number.

    Floating-point numbers are taken if all of them are whole. -1 stands for an image
    without a label, as in TFDS.

    Args:
      label: numbers [N] or [N,1], of any type.
      needs: the words of errors before "whole numbers", such as "`labels` must be".
      got: the words before what came, such as "got".
      least: the least label that is allowed.

    Raises:
      InputError: another shape, or a label that is no such number.
    """
    limits = "of at most 32 bits" if least == _LOWEST else f"from {least} to {_HIGHEST}"
    needed = f"{needs} whole numbers {limits}"
    if label.ndim != 1 and label.shape[1:] != (1,):
        raise InputError(
            f"{needed}, one for each image; {got} {label.dtype} {list(label.shape)}."
        )
    label = label.reshape(-1)
    if label.dtype.kind not in "biuf":
        raise InputError(f"{needed}; {got} values of type {label.dtype}.")
    if label.dtype.kind == "f":
        label = label.astype(np.float64)  # Floats of 16 bits cannot be compared.
    is_good = (label >= least) & (label <= _HIGHEST)
    if label.dtype.kind == "f":
        is_good &= label == np.floor(label)
    if not is_good.all():
        raise InputError(f"{needed}; {got} {label[~is_good][0]}.")
    return label.astype(np.int32)


def from_one_hot(label: np.ndarray) -> np.ndarray | None:
    """Returns the class numbers int32 [N] of one-hot labels; None if they are others.

    Args:
      label: [N,K], K at least 2.
    """
    if label.ndim != 2 or label.shape[1] < 2 or label.dtype.kind not in "biuf":
        return None
    is_one_hot = ((label == 0) | (label == 1)).all() and (label.sum(1) == 1).all()
    return label.argmax(1).astype(np.int32) if is_one_hot else None


def data_set_labels(label: np.ndarray, name: str) -> np.ndarray:
    """Returns the labels of a data set as int32 [N].

    Args:
      label: numbers [N] or [N,1], of any type.
      name: what errors call the data set.

    Raises:
      InputError: as `class_numbers`.
    """
    return class_numbers(label, "`dataset` must have labels that are", f"{name} has")


def label_rows(label: np.ndarray | None, rows: Any) -> np.ndarray | None:
    """Returns some of the labels; None if there are none.

    Args:
      label: [N].
      rows: an index of NumPy.
    """
    return None if label is None else label[rows]


def joined_labels(labels: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Returns labels one after the other; None unless all images have one."""
    known = [label for label in labels if label is not None]
    is_complete = known and len(known) == len(labels)
    return np.concatenate(known) if is_complete else None
