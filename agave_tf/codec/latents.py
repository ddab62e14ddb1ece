"""z and f(z) from the code of z, in exact arithmetic.

Both sides of a file compute f(z) with this module; how the encoder finds a code is in
latent_choice.py.

The dimensions of a level are dealt into blocks in a shared random order. A level of an
image that is larger than the model's own falls into regions of that level's own size,
each of which has blocks of its own, with the same candidates.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from agave_tf.codec.candidates import NO_BLOCK, candidate, shared_order
from agave_tf.codec.latent_code import LatentCode
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.weights.skeletons import function_of_weights


class Latents:
    """The latents of images of one size.

    Args:
      model: the model, of the size of the images.
      region_shapes: (h,w,z_channels) of the regions of every level, from the top.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        region_shapes: Sequence[tuple[int, int, int]],
    ):
        self.model = model
        self.shapes = model.latent_shapes
        self.real = model.real_cells(model.image_shape[:2])
        # By level, of every region: its dimensions in their order, int64 [D].
        self.orders = [
            list(_orders(number, *level))
            for number, level in enumerate(
                zip(self.shapes, region_shapes, self.real, strict=True)
            )
        ]

    @property
    def num_regions(self) -> list[int]:
        """The number of regions of every level."""
        return [len(orders) for orders in self.orders]

    def level_noise(self, number: int, regions: list[list[int]]) -> np.ndarray:
        """The standard normal noise [h,w,z_channels] of z that a code stands for.

        A dimension without a block is a draw from the prior that all images share; one
        of padding is the mean of the prior.

        Args:
          number: the level's, from the top.
          regions: the level's part of a code.
        """
        noise = np.zeros(np.prod(self.shapes[number]), np.float32)
        for order, blocks in zip(self.orders[number], regions, strict=True):
            if not blocks:
                noise[order] = candidate(number, NO_BLOCK, 0, len(order))
            for block, index in enumerate(blocks):
                dims = order[block :: len(blocks)]
                noise[dims] = candidate(number, block, index, len(dims))
        return noise.reshape(self.shapes[number])

    def f_z(self, codes: Sequence[LatentCode]) -> tf.Tensor:
        """f(z) [B,h,w,c] of codes, with the padding; in exact arithmetic."""
        noise = [
            np.stack([self.level_noise(number, code[number]) for code in codes])
            for number in range(len(self.shapes))
        ]
        return _f_z(self.model, [tf.constant(level, tf.float64) for level in noise])


def _orders(
    number: int,
    shape: tuple[int, int, int],
    region_shape: tuple[int, int, int],
    real: tf.Tensor | None,
) -> Iterator[np.ndarray]:
    """A random order of the dimensions of every region, without those of padding.

    Args:
      number: the level's, from the top.
      shape: (h,w,z_channels) of the level.
      region_shape: the same of a region; those at the right and lower edges may be cut.
      real: bool [1,h,w,1], positions that are not of padding; None: all.

    Yields:
      Numbers of dimensions in the level, int64 [D] of each region.
    """
    place = np.arange(np.prod(shape)).reshape(shape)
    if real is not None:
        place = np.where(real.numpy()[0], place, -1)
    order = shared_order(number, int(np.prod(region_shape)))
    height, width, _ = region_shape
    corners = range(0, shape[0], height), range(0, shape[1], width)
    for top, left in itertools.product(*corners):
        region = np.full(region_shape, -1)
        part = place[top : top + height, left : left + width]
        region[: part.shape[0], : part.shape[1]] = part
        dims = region.reshape(-1)[order]
        yield dims[dims >= 0]


@function_of_weights()
def _f_z(model: LatentVariableModel, noise: list[tf.Tensor]) -> tf.Tensor:
    real = model.real_cells(model.image_shape[:2])
    return model.vae.sample_prior(noise, real).f_z
