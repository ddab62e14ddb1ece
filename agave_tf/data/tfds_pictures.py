"""Encoded pictures of TFDS, whose sizes are known before they are decoded."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from agave_tf.data.picture_decoding import MOST_PIXELS

# The first byte of a kind of file, and the places of the bytes of its width and of its
# height, the lowest first.
_PNG = (0x89, (19, 18, 17, 16), (23, 22, 21, 20))
_GIF = (ord("G"), (6, 7), (8, 9))
_BMP = (ord("B"), (18, 19, 20, 21), (22, 23, 24, 25))
_KINDS = (_PNG, _GIF, _BMP)
_JPEG = 0xFF
_HEADER_BYTES = 26
# The densest files are PNGs of 1 bit, of which DEFLATE makes a byte of at most 1032:
# 68 million pixels in this size. To look into each small picture would take a third
# of the time of reading CIFAR-10.
_SMALL_FILE = 2**13


class BoundedPicture(tfds.decode.Decoder):
    """Decodes a picture as TFDS does, unless it has more than MOST_PIXELS pixels."""

    def decode_example(self, example: tf.Tensor) -> tf.Tensor:
        """The pixels [H,W,C] of a file, a scalar string."""
        return self.feature.decode_example(check_size(example))


def check_size(content: tf.Tensor) -> tf.Tensor:
    """Returns the content of a picture file, if its pixels are not too many.

    Args:
      content: a scalar string: the file, as PNG, JPEG, GIF or BMP. Another kind is left
        to the decoder, which knows these alone.

    Raises:
      tf.errors.InvalidArgumentError: too many pixels, or a broken header of a JPEG.
    """
    return tf.cond(
        tf.strings.length(content) <= _SMALL_FILE,
        lambda: content,
        lambda: _checked(content),
    )


def _checked(content: tf.Tensor) -> tf.Tensor:
    head = tf.io.decode_raw(content, tf.uint8, fixed_length=_HEADER_BYTES)
    sides_by_kind = tf.linalg.matvec(_byte_values(), tf.cast(head, tf.float64))
    is_kind = head[0] == tf.constant([kind[0] for kind in _KINDS], tf.uint8)
    sides = tf.reduce_sum(tf.where(is_kind[:, None], sides_by_kind, 0), axis=0)
    # A BMP that begins with its first row has a negative height.
    sides = tf.minimum(sides, 2.0**32 - sides)
    sides = tf.cond(
        head[0] == _JPEG,
        lambda: tf.cast(tf.image.extract_jpeg_shape(content)[:2], tf.float64),
        lambda: sides,
    )
    check = tf.debugging.assert_less_equal(
        tf.reduce_prod(sides),
        tf.constant(MOST_PIXELS, tf.float64),
        f"a picture of more than {MOST_PIXELS / 1e6:.0f} million pixels",
    )
    with tf.control_dependencies([check]):
        return tf.identity(content)


def _byte_values() -> np.ndarray:
    """The factor of each header byte in each side of each kind: [kinds,2,bytes]."""
    values = np.zeros([len(_KINDS), 2, _HEADER_BYTES])
    for kind, (_, *sides) in enumerate(_KINDS):
        for side, places in enumerate(sides):
            values[kind, side, list(places)] = 256.0 ** np.arange(len(places))
    return values
