"""Where the bits of an image go, as heat maps."""

import math

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.data.pixel_scale import to_levels
from agave_tf.models.agave import AGAVE
from agave_tf.pictures.rows import PictureRow
from agave_tf.randomness import seed_tensor

# Black, violet, red, orange, light yellow, at equal steps of the value.
_COLORS = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)]
)


def bits_map_rows(model: AGAVE, images: Images, seed: int) -> list[PictureRow]:
    """Images, f(z), bits of p(x|z) per pixel, and of the KL per position of z.

    Each map goes from 0 (black) to its largest value (light), named in its caption.
    The KL is summed over channels and over levels of one resolution.

    Args:
      model: rows of parts that it has not are left out.
      images: B of them.
      seed: of z ~ q(z|x).
    """
    rows = [PictureRow("image", images.image)]
    f_z = None
    kls: dict[tuple[int, int], np.ndarray] = {}
    if model.vae is not None:
        index = tf.range(len(images.image))
        noise = model.vae.draw_noise(seed_tensor(seed), index)
        output = model.vae.sample_posterior(model.encode(images.image), noise)
        f_z = output.f_z
        rows.append(PictureRow("f(z)", to_levels(f_z).numpy()))
        for kl in output.kls:
            of_position = tf.reduce_sum(kl, axis=-1).numpy()
            size = of_position.shape[1:]
            kls[size] = kls.get(size, 0) + of_position
    if model.pixel_cnn is not None:
        log_prob = model.primary_log_prob(images.image, f_z, images.label)
        rows.append(_heat_map("p(x|z)", "pixel", -log_prob.numpy()))
    elif model.vae is not None:
        y = model.auxiliary_image(images.image)
        log_prob = tf.reduce_sum(model.vae.likelihood(f_z).log_prob(y), axis=-1)
        rows.append(_heat_map("p(y|z)", "pixel", -log_prob.numpy()))
    for (height, width), kl in kls.items():
        rows.append(_heat_map(f"KL, {height}x{width}", "position", kl))
    return rows


def _heat_map(name: str, unit: str, nats: np.ndarray) -> PictureRow:
    """Maps [B,h,w], nats, as pictures uint8 [B,h,w,3]."""
    bits = np.maximum(nats, 0) / math.log(2)
    largest = bits.max()
    place = bits / max(largest, 1e-9) * (len(_COLORS) - 1)
    stops = np.arange(len(_COLORS))
    channels = [np.interp(place, stops, _COLORS[:, i]) for i in range(3)]
    colors = np.stack(channels, axis=-1).round().astype(np.uint8)
    return PictureRow(f"{name}, 0 to {largest:.1f} bits/{unit}", colors)
