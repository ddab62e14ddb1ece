"""The pictures that an encoder is given, with their labels and names: checked."""

from collections.abc import Sequence

import numpy as np

from agave_tf.codec.file_format import MOST_PICTURES, Kind
from agave_tf.codec.packing import check_names
from agave_tf.data.image_set import Images
from agave_tf.data.labels import class_numbers
from agave_tf.data.mixed_images import MixedImages
from agave_tf.errors import InputError
from agave_tf.settings.image_size import check_image_sides

# Pictures of any sizes: an array [N,H,W,C], or arrays [H,W,C].
Pictures = np.ndarray | MixedImages | Sequence[np.ndarray]


def kinds_of(images: Pictures, channels: int) -> list[Kind]:
    """Returns the kind of every picture.

    Args:
      images: N of them.
      channels: of the model's images.

    Raises:
      InputError: something is no picture, or N is 0 or too large.
    """
    if len(images) > MOST_PICTURES:
        raise InputError(
            f"`images` must be at most {MOST_PICTURES}; got {len(images)}."
        )
    if isinstance(images, np.ndarray) and images.ndim != 4 or not len(images):
        raise InputError(
            "`images` must be uint8 [N,H,W,C], or arrays [H,W,C], N at least 1; "
            f"got {_described(images)}."
        )
    return [_kind(images[place], channels) for place in range(len(images))]


def _kind(image: np.ndarray, channels: int) -> Kind:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise InputError(
            "`images` must be uint8 [H,W,C], C 1 or 3; got "
            f"{image.dtype} {list(image.shape)}."
        )
    height, width, own = image.shape
    check_image_sides(height, width, "images")
    return Kind((height, width), False, channels > own == 1, channels < own)


def checked_labels(
    labels: np.ndarray | None,
    names: Sequence[str] | None,
    num_pictures: int,
    num_classes: int,
) -> np.ndarray | None:
    """Returns the labels of pictures as whole numbers, and checks their names.

    Args:
      labels, names: as `Codec.encode` takes them.
      num_pictures: N.
      num_classes: of the model; 0 if it is not class-conditional.

    Raises:
      InputError: as `Codec.encode`.
    """
    for name, values in (("labels", labels), ("names", names)):
        if values is not None and len(values) != num_pictures:
            raise InputError(
                f"`{name}` must be one for each of {num_pictures} images; got "
                f"{len(values)}."
            )
    if names is not None:
        check_names(names, "`names` must be")
    if labels is not None:
        labels = class_numbers(np.asarray(labels), "`labels` must be", "got", -1)
    check_classes(labels, num_pictures, num_classes)
    return labels


def check_classes(
    labels: np.ndarray | None, num_pictures: int, num_classes: int
) -> None:
    """Raises InputError if a class-conditional model does not know the labels."""
    pictures = np.zeros([num_pictures, 1, 1, 1], np.uint8)
    Images(pictures, labels).check_labels(num_classes, "the file")


def _described(images: Pictures) -> str:
    if isinstance(images, np.ndarray):
        return f"{images.dtype} {list(images.shape)}"
    return f"{len(images)} pictures"
