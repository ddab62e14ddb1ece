"""Parses and checks the height and width of images."""

from agave_tf.errors import InputError, cut, quoted

# The longest side. The networks are for small images: at this size a single feature map
# of 32 filters takes half a gigabyte for each image.
MOST_PIXELS = 2048


def parse_image_size(text: str, name: str = "image_size") -> tuple[int, int] | None:
    """Returns (height, width): "32" is (32, 32), "24x32" is (24, 32), "" is None.

    Args:
      text: the value of a setting.
      name: of the setting, for the error.

    Raises:
      InputError: the text has another form, or a side is not from 1 to 2048.
    """
    if not text:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise InputError(
            f"`{name}` must be SIDE or HEIGHTxWIDTH, such as 32 or 24x32; "
            f"got {quoted(text)}."
        )
    height, width = int(sides[0]), int(sides[-1])
    check_image_sides(height, width, name)
    return height, width


def checked_image_size(text: str, name: str) -> str:
    """Returns the value of a setting that is a size; raises as `parse_image_size`."""
    parse_image_size(text, name)
    return text


def check_image_sides(height: int, width: int, name: str) -> None:
    """Checks that the networks take images of these sides: from 1 to 2048.

    Args:
      height: in pixels.
      width: in pixels.
      name: the setting that gives the size, for the error.

    Raises:
      InputError: a side is too short or too long.
    """
    hint = " `--image_size` crops and resizes." if name == "dataset" else ""
    if max(height, width) > MOST_PIXELS or min(height, width) < 1:
        raise InputError(
            f"`{name}` must have a height and width from 1 to {MOST_PIXELS}; got "
            f"{cut(f'{height}x{width}')}.{hint}"
        )
