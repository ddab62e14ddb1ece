"""Heat maps of the bits that each pixel and each position of z costs."""

import math

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.randomness import Stream, stream
from agave_tf.sampling.drawn import PictureRow

# The row of f(z), beside those of the maps.
_F_Z = "f(z)"
# Black, violet, red, orange, light yellow, at equal steps of the value.
_COLORS = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)]
)


def bits_map_rows(
    model: ImageModel, images: Images, seed: int, batch_size: int = 16
) -> list[PictureRow]:
    """Rows of images, f(z), bits of p(x|z) per pixel, and of the KL per position of z.

    Each map goes from 0 (black) to its largest value (light), named in its caption.
    The KL is summed over channels and over levels of one resolution.

    Args:
      model: rows of parts that it lacks are left out.
      images: B images, with labels if the model needs them.
      seed: seed of z ~ q(z|x).
      batch_size: images at a time.

    Raises:
      InputError: there are no images, or a label is missing or out of range.
    """
    if not len(images.image):
        raise InputError("`images` must be at least one to draw the bits of; got none.")
    images.check_labels(model.num_classes)
    batches = [
        _maps_of(model, images.take(rows), seed, rows)
        for rows in np.split(
            np.arange(len(images.image), dtype=np.int32),
            range(batch_size, len(images.image), batch_size),
        )
    ]
    maps = {
        name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
    }
    rows = [PictureRow("image", images.image)]
    if _F_Z in maps:
        rows.append(PictureRow(_F_Z, maps.pop(_F_Z)))
    return rows + [
        _heat_map(name, "position" if name.startswith("KL") else "pixel", nats)
        for name, nats in maps.items()
    ]


def _maps_of(
    model: ImageModel, images: Images, seed: int, index: np.ndarray
) -> dict[str, np.ndarray]:
    """Makes f(z) uint8 [b,h,w,c] and maps of nats float32 [b,h,w], by name of row."""
    image, maps = images.image, {}
    z_seed = stream(seed, Stream.BITS_MAP)
    f_z, _, kls = model.sample_posterior(image, z_seed, tf.constant(index))
    if f_z.shape[-1]:
        maps[_F_Z] = to_levels(f_z).numpy()
    if isinstance(model, AutoregressiveModel):
        log_prob = model.primary_log_prob(image, f_z, images.label)
        maps["p(x|z)"] = -log_prob.numpy()
    elif isinstance(model, LatentVariableModel):
        log_prob = tf.reduce_sum(model.auxiliary_log_prob(image, f_z), axis=-1)
        maps["p(y|z)"] = -log_prob.numpy()
    # The KL of every position, a map for each resolution of z.
    for kl in kls:
        by_position = tf.reduce_sum(kl, axis=-1).numpy()
        height, width = by_position.shape[1:]
        name = f"KL, {height}x{width}"
        maps[name] = maps.get(name, 0) + by_position
    return maps


def _heat_map(name: str, unit: str, nats: np.ndarray) -> PictureRow:
    """Colours maps of nats [B,h,w] as pictures uint8 [B,h,w,3]."""
    largest = np.maximum(nats.max(), 0) / math.log(2)
    stops = np.arange(len(_COLORS))
    colors = np.empty((*nats.shape, 3), np.uint8)
    # One map at a time: the numbers of its colours are in float64.
    for place, image in enumerate(nats):
        bits = np.maximum(image, 0) / math.log(2)
        level = bits / max(largest, 1e-9) * (len(_COLORS) - 1)
        channels = [np.interp(level, stops, _COLORS[:, i]) for i in range(3)]
        colors[place] = np.stack(channels, axis=-1).round()
    return PictureRow(f"{name}, 0 to {largest:.1f} bits/{unit}", colors)
