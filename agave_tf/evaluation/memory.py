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


def bytes_per_pixel(model: ImageModel) -> int:
    """Memory that the evaluation of an image takes for each pixel, to about a fifth."""
    config, num_floats = model.config, 0
    if isinstance(model, AutoregressiveModel):
        maps = _MAPS + _MAPS_PER_RESNET * config.pixel_cnn.num_resnets
        num_floats += maps * config.pixel_cnn.num_filters
    if isinstance(model, LatentVariableModel):
        num_floats += config.vae.hidden_channels * len(model.vae.ladder)
    return 4 * num_floats


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
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > present:
        raise InputError(
            f"`tile_size` must be set for images of {height}x{width}, which as a whole "
            f"take some {needed / 1e9:.0f} GB; this machine has {present / 1e9:.0f} GB."
        )
