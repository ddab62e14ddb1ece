"""Heat maps of the bits that each pixel and each position of z costs."""

import math

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.models.agave import AGAVE
from agave_tf.models.iaf_vae import VAEOutput
from agave_tf.pictures.picture_row import PictureRow, row_of_f_z
from agave_tf.randomness import Stream, stream

# Black, violet, red, orange, light yellow, at equal steps of the value.
_COLORS = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)]
)


def bits_map_rows(model: AGAVE, images: Images, seed: int) -> list[PictureRow]:
    """Rows of images, f(z), bits of p(x|z) per pixel, and of the KL per position of z.

    Each map goes from 0 (black) to its largest value (light), named in its caption.
    The KL is summed over channels and over levels of one resolution.

    Args:
      model: rows of parts that it lacks are left out.
      images: B images, with labels if the model needs them.
      seed: seed of z ~ q(z|x).

    Raises:
      InputError: a label is missing or out of range.
    """
    images.check_labels(model.num_classes)
    index = tf.range(len(images.image))
    output = model.sample_posterior(images.image, stream(seed, Stream.BITS_MAP), index)
    f_z = None if output is None else output.f_z
    rows = [PictureRow("image", images.image), *row_of_f_z(f_z)]
    if model.pixel_cnn is not None:
        log_prob = model.primary_log_prob(images.image, f_z, images.label)
        rows.append(_heat_map("p(x|z)", "pixel", -log_prob.numpy()))
    else:
        y = model.auxiliary_image(images.image)
        log_prob = tf.reduce_sum(model.vae.likelihood(f_z).log_prob(y), axis=-1)
        rows.append(_heat_map("p(y|z)", "pixel", -log_prob.numpy()))
    if output is not None:
        rows += _kl_rows(output)
    return rows


def _kl_rows(output: VAEOutput) -> list[PictureRow]:
    """The KL of every position, a map for each resolution of z."""
    kls: dict[tuple[int, int], np.ndarray] = {}
    for kl in output.kls:
        of_position = tf.reduce_sum(kl, axis=-1).numpy()
        size = of_position.shape[1:]
        kls[size] = kls.get(size, 0) + of_position
    return [
        _heat_map(f"KL, {height}x{width}", "position", kl)
        for (height, width), kl in kls.items()
    ]


def _heat_map(name: str, unit: str, nats: np.ndarray) -> PictureRow:
    """Colours maps of nats [B,h,w] as pictures uint8 [B,h,w,3]."""
    bits = np.maximum(nats, 0) / math.log(2)
    largest = bits.max()
    place = bits / max(largest, 1e-9) * (len(_COLORS) - 1)
    stops = np.arange(len(_COLORS))
    channels = [np.interp(place, stops, _COLORS[:, i]) for i in range(3)]
    colors = np.stack(channels, axis=-1).round().astype(np.uint8)
    return PictureRow(f"{name}, 0 to {largest:.1f} bits/{unit}", colors)
