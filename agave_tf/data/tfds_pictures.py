"""Encoded pictures of TFDS, whose sizes are known before they are decoded."""

import tensorflow as tf
import tensorflow_datasets as tfds

from agave_tf.data.picture_decoding import MOST_PIXELS


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
      tf.errors.InvalidArgumentError: too many pixels, or a broken header.
    """

    def begins(magic: bytes) -> tf.Tensor:
        return tf.strings.substr(content, 0, len(magic)) == magic

    def sides(place: int, dtype: tf.DType, little_endian: bool = True) -> tf.Tensor:
        two = tf.strings.substr(content, place, 2 * dtype.size)
        numbers = tf.io.decode_raw(two, dtype, little_endian)
        # A BMP that begins with its first row has a negative height.
        return tf.abs(tf.cast(numbers, tf.int64))

    size = tf.case(
        [
            (begins(b"\x89PNG"), lambda: sides(16, tf.int32, little_endian=False)),
            (begins(b"\xff\xd8"), lambda: _jpeg_sides(content)),
            (begins(b"GIF8"), lambda: sides(6, tf.uint16)),
            (begins(b"BM"), lambda: sides(18, tf.int32)),
        ],
        default=lambda: tf.zeros([2], tf.int64),
    )
    message = f"a picture of more than {MOST_PIXELS / 1e6:.0f} million pixels"
    check = tf.debugging.assert_less_equal(
        # As floating-point numbers, whose product does not wrap.
        tf.reduce_prod(tf.cast(size, tf.float64)),
        tf.constant(MOST_PIXELS, tf.float64),
        message,
    )
    with tf.control_dependencies([check]):
        return tf.identity(content)


def _jpeg_sides(content: tf.Tensor) -> tf.Tensor:
    return tf.image.extract_jpeg_shape(content, tf.int64)[:2]
