"""Heat maps of the bits that each pixel and each position of z costs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.padding import cells_of, cut
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.randomness import Stream, stream
from agave_tf.sampling.drawn import PictureRow

# The row of f(z), beside those of the maps.
_F_Z = "f(z)"
_KL = "KL "  # and the pixels along a position of z
# Black, violet, red, orange, light yellow, at equal steps of the value.
_COLORS = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)]
)


class SizedPictures(NamedTuple):
    """B pictures of one kind, each of its own size."""

    caption: str
    pictures: Sequence[np.ndarray]  # each uint8 [h,w,c]


def bits_map_rows(
    model: ImageModel, images: Images, seed: int, batch_size: int = 16
) -> list[PictureRow]:
    """The pictures of `bits_maps` as rows; smaller ones than the largest are on white.

    Arguments and errors are as there.
    """
    return [
        PictureRow(caption, _on_white(pictures))
        for caption, pictures in bits_maps(model, images, seed, batch_size)
    ]


def bits_maps(
    model: ImageModel, images: Images, seed: int, batch_size: int = 16
) -> list[SizedPictures]:
    """Images, f(z), bits of p(x|z) per pixel, and of the KL per position of z.

    Each map goes from 0 (black) to its largest value (light), named in its caption.
    The KL is summed over channels and over levels of one resolution.

    Args:
      model: rows of parts that it lacks are left out.
      images: B images, with labels if the model needs them.
      seed: seed of z ~ q(z|x).
      batch_size: images at a time, if they have one size.

    Raises:
      InputError: there are no images, or a label is missing or out of range.
    """
    count = len(images.image)
    if not count:
        raise InputError("`images` must be at least one to draw the bits of; got none.")
    images.check_labels(model.num_classes)
    one_size = images.shape[0] is not None
    step = batch_size if one_size else 1
    batches = [
        _maps_of(model, images, seed, rows)
        for rows in np.split(np.arange(count, dtype=np.int32), range(step, count, step))
    ]
    maps = {
        name: [image for batch in batches for image in batch[name]]
        for name in batches[0]
    }
    pictures = [images.image[place] for place in range(count)]
    kinds = [SizedPictures("image", pictures)]
    if _F_Z in maps:
        kinds.append(SizedPictures(_F_Z, maps.pop(_F_Z)))
    return kinds + [_heat_map(name, nats) for name, nats in maps.items()]


def _maps_of(
    model: ImageModel, images: Images, seed: int, index: np.ndarray
) -> dict[str, np.ndarray]:
    """Makes f(z) uint8 [b,h,w,c] and maps of nats float32 [b,h,w], by name of row.

    Args:
      model: of any size.
      images: all images.
      seed: of z ~ q(z|x).
      index: int32 [b], places of images of one size.
    """
    image = np.stack([images.image[place] for place in index])
    label = None if images.label is None else images.label[index]
    maps: dict[str, np.ndarray] = {}
    size = image.shape[1:3]
    model = model.of_size(size)
    z_seed = stream(seed, Stream.BITS_MAP)
    f_z, _, kls = model.sample_posterior(image, z_seed, tf.constant(index))
    if f_z.shape[-1]:
        maps[_F_Z] = cut(to_levels(f_z), model.auxiliary_shape[:2]).numpy()
    if isinstance(model, AutoregressiveModel):
        log_prob = model.primary_log_prob(image, f_z, label)
        maps["p(x|z)"] = -log_prob.numpy()
    elif isinstance(model, LatentVariableModel):
        log_prob = tf.reduce_sum(model.auxiliary_log_prob(image, f_z), axis=-1)
        maps["p(y|z)"] = -log_prob.numpy()
    # The KL of every position, a map for each resolution of z.
    if isinstance(model, LatentVariableModel):
        for kl, cell in zip(kls, model.vae.cells, strict=True):
            by_position = cut(tf.reduce_sum(kl, axis=-1), cells_of(size, cell)).numpy()
            name = f"{_KL}{cell}"
            maps[name] = maps.get(name, 0) + by_position
    return maps


def _heat_map(name: str, nats: Sequence[np.ndarray]) -> SizedPictures:
    """Colours B maps of nats [h,w] as pictures uint8 [h,w,3]."""
    largest = max(0, max(map(np.max, nats))) / math.log(2)
    stops = np.arange(len(_COLORS))
    pictures = []
    # One map at a time: the numbers of its colours are in float64.
    for image in nats:
        bits = np.maximum(image, 0) / math.log(2)
        level = bits / max(largest, 1e-9) * (len(_COLORS) - 1)
        channels = [np.interp(level, stops, _COLORS[:, i]) for i in range(3)]
        pictures.append(np.stack(channels, axis=-1).round().astype(np.uint8))
    unit = "pixel"
    if name.startswith(_KL):
        unit, cell = "position", name.removeprefix(_KL)
        sizes = {image.shape for image in nats}
        one = f"{nats[0].shape[0]}x{nats[0].shape[1]}"
        name = f"KL, {one}" if len(sizes) == 1 else f"KL, {cell}x{cell} pixels each"
    return SizedPictures(f"{name}, 0 to {largest:.1f} bits/{unit}", pictures)


def _on_white(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """B pictures uint8 [h,w,c] as [B,H,W,c], of the size of the largest sides."""
    sizes = np.array([picture.shape[:2] for picture in pictures])
    shape = (len(pictures), *sizes.max(axis=0), pictures[0].shape[-1])
    together = np.full(shape, 255, np.uint8)
    for place, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        together[place, :height, :width] = picture
    return together
