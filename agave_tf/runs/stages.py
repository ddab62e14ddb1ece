"""The four stages of training, Lucas & Verbeek 2018, section 4.

settings/stages.py says where each may start from.
"""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel
from agave_tf.settings.config import Config


class Stage(NamedTuple):
    """The model that a stage trains, and its objective."""

    name: str
    model_class: type[ImageModel]  # the model that the stage trains
    has_auxiliary_loss: bool  # whether ln p(y|z) is in the objective
    # True: --auxiliary_weight and --kl_weight count; False: both weights are 1.
    is_weighted: bool = False

    def has(self, network: str) -> bool:
        """Returns whether the stage's model has "vae" or "pixel_cnn"."""
        return network in self.model_class.settings

    def uses(self, part: str, setting: str) -> bool:
        """Returns whether a setting affects this stage.

        Args:
          part: field of Config, such as "vae".
          setting: field of that part.
        """
        if part in ("vae", "auxiliary", "pixel_cnn"):
            return part in self.model_class.settings
        if setting in ("kl_weight", "auxiliary_weight"):
            return self.is_weighted
        return self.has("vae") or setting != "kl_annealing_steps"

    def auxiliary_weight(self, config: Config) -> float:
        """The weight of ln p(y|z) in this stage's objective."""
        weight = config.train.auxiliary_weight if self.is_weighted else 1.0
        return weight * self.has_auxiliary_loss

    def kl_weight(self, config: Config, step: tf.Tensor) -> tf.Tensor:
        """The weight of the KL in this stage's objective at a step, int64 scalar."""
        weight = config.train.kl_weight if self.is_weighted else 1.0
        steps = config.train.kl_annealing_steps
        if steps == 0:
            return tf.constant(weight, tf.float32)
        return weight * tf.minimum(tf.cast(step, tf.float32) / steps, 1.0)

    @property
    def steps_setting(self) -> str:
        """The setting that gives the number of this stage's steps."""
        return f"{self.name}_steps"

    def num_steps(self, config: Config) -> int:
        """Optimizer steps of this stage."""
        return getattr(config.train, self.steps_setting)


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("pretrain_vae", VAEModel, has_auxiliary_loss=True),
        Stage("pretrain_pixel_cnn", PixelCNNModel, has_auxiliary_loss=False),
        Stage("joint", AGAVE, has_auxiliary_loss=True, is_weighted=True),
        Stage("ablation", AGAVE, has_auxiliary_loss=False),
    )
}


def stage_named(name: str) -> Stage:
    """Returns the stage of that name.

    Raises:
      InputError: there is none.
    """
    if name not in STAGES:
        raise InputError(f"`stage` must be {', '.join(STAGES)}; got {name!r}.")
    return STAGES[name]
