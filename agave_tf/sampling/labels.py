"""The classes that are drawn: one label for all images, or a list that repeats."""

from collections.abc import Sequence

import numpy as np

from agave_tf.errors import InputError

# What methods take for labels.
Label = int | Sequence[int] | np.ndarray


def labels_for(label: Label | None, count: int, num_classes: int) -> np.ndarray:
    """The label of each of `count` images, int32 [count].

    Args:
      label: one label for all, or a list that is repeated over the images in turn.
      count: number of images.
      num_classes: of the class-conditional model, whose labels are 0..num_classes-1.

    Raises:
      InputError: no label, one that the model does not know, or more than images.
    """
    if label is None:
        raise InputError(
            "`label` must be given for every image drawn by a class-conditional "
            f"run, 0..{num_classes - 1}; got none."
        )
    given = np.asarray(label)
    is_whole = np.issubdtype(given.dtype, np.integer)
    if given.ndim > 1 or not given.size or not is_whole:
        raise InputError(
            f"`label` must be a whole number or a list of them; got {label!r}."
        )
    unknown = given[(given < 0) | (given >= num_classes)]
    if unknown.size:
        raise InputError(
            f"`label` must be from 0 to {num_classes - 1}, the classes of the run; got "
            f"{unknown.flat[0]}."
        )
    if given.size > count:
        raise InputError(
            f"`label` must have no more entries than the {count} images to draw; got "
            f"{given.size}. --num_images draws more."
        )
    return np.resize(given, count).astype(np.int32)


def labels_along(label: np.ndarray | None, num_steps: int) -> np.ndarray | None:
    """The labels of an interpolation's steps: those of the nearer image of each pair.

    int32 [2P] -> [P*num_steps]; in the middle the first image's.
    """
    if label is None:
        return None
    is_second = np.arange(num_steps) > (num_steps - 1) / 2
    return np.where(is_second, label[1::2, None], label[::2, None]).reshape(-1)
