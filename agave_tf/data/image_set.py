"""Images with their labels, in host memory."""

from typing import NamedTuple

import numpy as np

from agave_tf.errors import InputError


class Images(NamedTuple):
    """A data set in host memory."""

    image: np.ndarray  # uint8 [N,H,W,C]
    label: np.ndarray | None  # int32 [N], None where the data set has none

    def first(self, count: int) -> "Images":
        """The first `count` of them."""
        return self.some(0, count)

    def some(self, first: int, count: int) -> "Images":
        """`count` of them from number `first` on, or as many as there are.

        Raises:
          InputError: there is none.
        """
        if first >= len(self.image):
            raise InputError(
                f"`first_image` must be below the number of images, {len(self.image)}; "
                f"got {first}."
            )
        chosen = slice(first, first + count)
        label = None if self.label is None else self.label[chosen]
        return Images(self.image[chosen], label)
