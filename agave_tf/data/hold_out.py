"""The hold-out: the test part of a data set that has none of its own."""

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.randomness import hold_out_generator

_HELD_OUT_SHARE = 0.1


def hold_out(images: Images, split: str, seed: int) -> Images:
    """Returns the train or test part of images that are not split; a tenth is test.

    Raises:
      InputError: there are fewer than 2 images.
    """
    count = len(images.image)
    held_out = max(1, round(_HELD_OUT_SHARE * count))
    if count < 2:
        raise InputError(
            f"`dataset` must have at least 2 images, to hold some out; got {count}."
        )
    order = hold_out_generator(seed).permutation(count)
    chosen = np.sort(order[-held_out:] if split == "test" else order[:-held_out])
    return images.take(chosen)
