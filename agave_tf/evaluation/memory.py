"""How much memory it takes to score a large image, and whether the machine has it."""

import os

import tensorflow as tf

from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel

# Feature maps of the PixelCNN++ that are in memory at a time, and how many more for
# each resnet of a stage: measured with 2 and 5 of them, 32 and 64 filters.
_MAPS, _MAPS_PER_RESNET = 20, 12


def bytes_per_pixel(model: ImageModel, bytes_each: int = 4) -> int:
    """Memory that the evaluation of an image takes for each pixel, to about a fifth.

    Args:
      model: the model.
      bytes_each: of a number; 8 in exact arithmetic.
    """
    config, num_floats = model.config, 0
    if isinstance(model, AutoregressiveModel):
        maps = _MAPS + _MAPS_PER_RESNET * config.pixel_cnn.num_resnets
        num_floats += maps * config.pixel_cnn.num_filters
    if isinstance(model, LatentVariableModel):
        num_floats += config.vae.hidden_channels * len(model.vae.ladder)
    return bytes_each * num_floats


def check_memory_to_code(model: ImageModel, size: tuple[int, int]) -> None:
    """As `check_memory`, for an image that is coded, in exact arithmetic."""
    height, width = size
    needed, present = height * width * bytes_per_pixel(model, 8), _present_memory()
    if needed > present:
        raise InputError(
            f"`images` must be small enough to be coded as a whole; {height}x{width} "
            f"takes some {needed / 1e9:.0f} GB, and this machine has "
            f"{present / 1e9:.0f} GB."
        )


def check_memory(model: ImageModel, size: tuple[int, int]) -> None:
    """Refuses an image that the memory of this machine is too small for.

    Args:
      model: of any size.
      size: (height, width).

    Raises:
      InputError: it surely is.
    """
    if tf.config.list_logical_devices("GPU"):
        return  # How much memory is left there is not known.
    height, width = size
    needed = height * width * bytes_per_pixel(model)
    present = _present_memory()
    if needed > present:
        raise InputError(
            f"`tile_size` must be set for images of {height}x{width}, which as a whole "
            f"take some {needed / 1e9:.0f} GB; this machine has {present / 1e9:.0f} GB."
        )


def _present_memory() -> int:
    """The memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
