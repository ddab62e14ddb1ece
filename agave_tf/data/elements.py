"""An element of a Python program's images: an image, a pair, a dict, a batch."""

import functools
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from agave_tf.data.labels import class_numbers, from_one_hot
from agave_tf.data.picture_decoding import decoded, room_for
from agave_tf.data.picture_file import leaving_out
from agave_tf.data.source import PROGRAM, Notes, StoredChunk
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig

_IMAGE_KEYS = ("image", "images", "img")
_LABEL_KEYS = ("label", "labels")
_PICTURE = "a picture of the program"


def as_chunk(element: Any, config: DataConfig, notes: Notes) -> StoredChunk:
    """Returns an element as it came, with a first axis: one image is a batch of one.

    Pictures of Pillow become what they become in a folder.

    Args:
      element: an image, a batch of them, a pair (image, label) or a dict.
      config: the settings that convert pictures of Pillow.
      notes: what is converted or left out is counted there.

    Returns:
      uint8 or uint16 [n,H,W] or [n,H,W,C], and labels int32 [n] or None. There are no
      images of an unreadable picture if `corrupt_images` is skip.

    Raises:
      InputError: the element is of another kind, or its labels are no class numbers.
    """
    image, label = _image_and_label(element, notes)
    if isinstance(image, Image.Image):
        image = _pixels(image, config, notes)
        if image is None:
            return StoredChunk(np.zeros([0, 1, 1], np.uint8), None)
    elif _has_pictures(image):
        raise InputError(
            "An element must have one picture of Pillow; got a list of "
            f"{len(image)}. Give them one at a time."
        )
    image = _as_array(image, element)
    _check_image(image, element)
    is_one = image.ndim < 4
    image = image[None] if is_one else image
    if label is None:
        return StoredChunk(image, None)
    label = _as_array(label, label)
    label = label[None] if is_one else label
    return StoredChunk(image, _class_numbers(label, len(image), notes))


def _image_and_label(element: Any, notes: Notes) -> tuple[Any, Any]:
    """The image of an element, or a batch of them, and its label or None."""
    if isinstance(element, Mapping):
        found = [
            [name for name in names if element.get(name) is not None]
            for names in (_IMAGE_KEYS, _LABEL_KEYS)
        ]
        if len(found[0]) != 1 or len(found[1]) > 1:
            raise _no_image(element)
        used = [*found[0], *found[1]]
        others = sorted(str(name) for name in element if name not in used)
        if others:
            notes.add(f"elements without their entries {', '.join(others)}")
        return element[used[0]], element[used[1]] if len(used) > 1 else None
    if isinstance(element, tuple) or _is_list_of_parts(element):
        if len(element) not in (1, 2):
            raise _no_image(element)
        return element[0], element[1] if len(element) == 2 else None
    return element, None


def _is_list_of_parts(element: Any) -> bool:
    """Tells a list [image] or [image, label] from an image that is a nested list."""
    if not isinstance(element, list) or len(element) not in (1, 2):
        return False
    ranks = [_rank(part) for part in element]
    return ranks[0] >= 2 and (len(ranks) == 1 or ranks[1] < ranks[0])


def _rank(part: Any) -> int:
    if isinstance(part, Image.Image):
        return 3
    return len(np.shape(part)) if hasattr(part, "shape") else 0


def _has_pictures(image: Any) -> bool:
    return isinstance(image, Sequence) and any(
        isinstance(each, Image.Image) for each in image
    )


def _pixels(picture: Image.Image, config: DataConfig, notes: Notes) -> Any:
    """The pixels of a picture; None if it is unreadable and left out."""
    name = getattr(picture, "filename", "") or _PICTURE
    with leaving_out(name, config, notes, PROGRAM), room_for(picture):
        content = _content(picture)
        if content:
            # A copy is decoded, because the next pass over the images must see the
            # same, and a decoded picture has forgotten how it was stored.
            kinds = [picture.format] if picture.format else None
            with Image.open(io.BytesIO(content), formats=kinds) as copy:
                open_file = functools.partial(io.BytesIO, content)
                return decoded(copy, name, config, notes, PROGRAM, open_file)
        return decoded(picture, name, config, notes, PROGRAM, io.BytesIO)
    return None


def _content(picture: Image.Image) -> bytes:
    """The bytes of the file of a picture that is not decoded yet; otherwise none."""
    if not isinstance(picture, ImageFile) or picture.fp is None or picture.tell():
        return b""
    place = picture.fp.tell()
    picture.fp.seek(0)
    content = picture.fp.read()
    picture.fp.seek(place)
    return content


def _as_array(part: Any, element: Any) -> np.ndarray:
    try:
        return np.asarray(part)
    except Exception as error:  # Each library has errors of its own.
        raise InputError(
            "An element must be of arrays; got "
            f"{_describe(element)}, which is none ({first_line(error)})."
        ) from error


def _check_image(image: np.ndarray, element: Any) -> None:
    """Checks the type and the shape of an image, or of a batch with the channels last.

    Raises:
      InputError: it cannot be used; the message says how to convert it.
    """
    if image.ndim not in (2, 3, 4):
        raise _no_image(element)
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            "`train` and `test` must have images of 8 or 16 bits, uint8 or uint16; got "
            f"{image.dtype}{_conversion(image)}."
        )
    shape = list(image.shape)
    if image.ndim > 2 and shape[-1] not in (1, 3):
        hint = ""
        if shape[-3] in (1, 3):
            hint = ", which np.moveaxis(image, -3, -1) brings there"
        elif image.ndim == 3:
            hint = "; a batch of gray images needs an axis for them, image[..., None]"
        raise InputError(
            "`train` and `test` must have images of 1 or 3 channels, [H,W,C], the "
            f"channels last; got {shape}{hint}."
        )


def _conversion(image: np.ndarray) -> str:
    """Says in which range the values lie, and how such images become uint8."""
    if image.dtype.kind not in "iuf" or not image.size:
        return ""
    low, high = image.min(), image.max()
    found = f" with values from {low:.4g} to {high:.4g}"
    if image.dtype.kind == "f" and 0 <= low <= high <= 1:
        return f"{found}; where 1 is white, tf.cast(tf.round(255 * image), tf.uint8)"
    if image.dtype.kind == "f" and -1 <= low <= high <= 1:
        return (
            f"{found}; where -1 is black and 1 white, "
            "tf.cast(tf.round(127.5 * (image + 1)), tf.uint8)"
        )
    if 0 <= low <= high <= 255:
        return f"{found}; where 255 is white, tf.cast(tf.round(image), tf.uint8)"
    return f"{found}; tf.cast(..., tf.uint8) takes levels from 0 to 255"


def _class_numbers(label: np.ndarray, count: int, notes: Notes) -> np.ndarray:
    """int32 [count] of labels [count], [count,1] or one-hot [count,K]."""
    if label.shape in ((count,), (count, 1)):
        return class_numbers(label, "Labels must be", "got")
    numbers = from_one_hot(label) if len(label) == count else None
    if numbers is None:
        raise InputError(
            "A label must be a whole number for each image, or one-hot; got "
            f"{label.dtype} {list(label.shape)} for {count} images."
        )
    notes.see("one-hot labels converted to class numbers; classes", label.shape[1])
    return numbers


def _no_image(element: Any) -> InputError:
    return InputError(
        "An element must be an image [H,W] or [H,W,C], a pair (image, label) or a "
        f"dict with `image`; got {_describe(element)}."
    )


def _describe(element: Any) -> str:
    if isinstance(element, Mapping):
        return f"a dict with {', '.join(map(str, element)) or 'nothing'}"
    if isinstance(element, tuple):
        return f"a tuple of {len(element)}"
    shape = f" {list(element.shape)}" if hasattr(element, "shape") else ""
    return f"{type(element).__name__}{shape}"
