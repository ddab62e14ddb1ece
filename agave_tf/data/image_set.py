"""Images with their labels, in memory or mapped from a file."""

from typing import NamedTuple

import numpy as np

from agave_tf.errors import InputError
from agave_tf.randomness import choice_generator


class Images(NamedTuple):
    """N images with their labels.

    `image` may be mapped from a file of the cache: an index reads what it takes.
    """

    image: np.ndarray  # uint8 [N,H,W,C]
    label: np.ndarray | None  # int32 [N], None where the data set has none

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H,W,C) of every image."""
        return tuple(self.image.shape[1:])

    def first(self, count: int) -> "Images":
        """The first `count` images, or all if there are fewer."""
        return self.some(0, count)

    def some(self, first: int, count: int) -> "Images":
        """`count` images from number `first` on, or as many as there are.

        Raises:
          InputError: there is none.
        """
        if first >= len(self.image):
            raise InputError(
                f"`first_image` must be below the number of images, {len(self.image)}; "
                f"got {first}."
            )
        return self.take(np.arange(first, min(first + count, len(self.image))))

    def take(self, index: np.ndarray) -> "Images":
        """The images at these places, int [M], in their order."""
        label = None if self.label is None else self.label[index]
        return Images(self.image[index], label)

    def choose(self, count: int) -> np.ndarray:
        """Places of `count` images that stand for the whole set, int32, increasing.

        The choice is random, because a set may be sorted by class, and the same at
        every call. A smaller choice is part of a larger one.

        Args:
          count: how many; 0, or more than there are: all.
        """
        total = len(self.image)
        if not 0 < count < total:
            return np.arange(total, dtype=np.int32)
        order = choice_generator().permutation(total)
        return np.sort(order[:count]).astype(np.int32)

    def check_labels(self, num_classes: int, name: str = "the data set") -> None:
        """Checks that every image has a label that a class-conditional model knows.

        Args:
          num_classes: of the model, whose labels are 0..num_classes-1; 0 for a model
            that takes no labels, which any images suit.
          name: what to call the images in errors.

        Raises:
          InputError: there are no labels, or one is out of range.
        """
        if not num_classes:
            return
        if self.label is None:
            raise InputError(
                f"`num_classes` must be 0 where {name} has no labels; "
                f"got {num_classes}."
            )
        if self.label.min() < 0 or self.label.max() >= num_classes:
            raise InputError(
                f"`num_classes` must exceed every label of {name}, "
                f"{self.label.min()}..{self.label.max()}, and no label be negative; "
                f"got {num_classes}."
            )
