"""What each kind of picture needs of a model."""

from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel


def check_mode(
    model: ImageModel, mode: str, exact: bool = False, from_prior: bool = False
) -> None:
    """Checks that a model can draw a kind of picture; looks at no image.

    Args:
      model: the model to draw from.
      mode: a key of `agave_tf.settings.pictures.MODES`.
      exact: whether pictures are drawn in exact arithmetic.
      from_prior: whether completions draw z from p(z).

    Raises:
      InputError: the model lacks a part, or its encoder is needed, which cannot compute
        exactly.
    """
    if mode == "condition" and not isinstance(model, AGAVE):
        raise InputError(
            "`mode` condition must have a run with a VAE and a PixelCNN++; got one "
            "with one of them."
        )
    if mode == "complete" and not isinstance(model, AutoregressiveModel):
        raise InputError(
            "`mode` complete must have a run with a PixelCNN++; got one without."
        )
    has_latents = isinstance(model, LatentVariableModel)
    encodes = mode in ("reconstruct", "interpolate")
    if encodes and not has_latents:
        raise InputError(
            "`mode` must be prior or complete for a run without latent variables; "
            f"got {mode}."
        )
    encodes |= mode == "complete" and has_latents and not from_prior
    if exact and encodes:
        raise InputError(
            "`mode` must draw z from the prior with `exact`: prior, condition, or "
            f"complete with `z_from` prior; got {mode}."
        )
