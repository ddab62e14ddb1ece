"""The four stages of training, Lucas & Verbeek 2018, section 4."""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel
from agave_tf.settings.config import Config


class Stage(NamedTuple):
    """The model that a stage trains, its objective, and where it may start from."""

    name: str
    model_class: type[ImageModel]  # the model that the stage trains
    has_auxiliary_loss: bool  # whether ln p(y|z) is in the objective
    # True: --auxiliary_weight and --kl_weight count; False: both weights are 1.
    is_weighted: bool = False
    # Flags that may name the runs whose weights the stage starts from.
    sources: tuple[str, ...] = ()
    required_source: str | None = None  # one of `sources` that must be given

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

    def check_sources(self, given: dict[str, str]) -> None:
        """Raises InputError unless this stage can start from the runs given by flags.

        Args:
          given: directory by flag name; empty where the flag is not set.
        """
        named = sorted(flag for flag, directory in given.items() if directory)
        for flag in named:
            if flag not in self.sources:
                takes = ", ".join(f"--{source}" for source in self.sources) or "none"
                raise InputError(
                    f"`--{flag}` cannot go with --stage={self.name}, which takes "
                    f"{takes}; got --{flag}={given[flag]}."
                )
        if "init_from" in named and len(named) > 1:
            raise InputError(
                f"`--init_from` gives all weights and cannot go with --{named[-1]}; "
                f"got both."
            )
        if self.required_source and self.required_source not in named:
            raise InputError(
                f"`--{self.required_source}` must name a run directory of stage joint "
                f"for --stage={self.name}; got nothing."
            )


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "pretrain_vae",
            VAEModel,
            has_auxiliary_loss=True,
            sources=("init_vae_from", "init_from"),
        ),
        Stage(
            "pretrain_pixel_cnn",
            PixelCNNModel,
            has_auxiliary_loss=False,
            sources=("init_pixel_cnn_from", "init_from"),
        ),
        Stage(
            "joint",
            AGAVE,
            has_auxiliary_loss=True,
            is_weighted=True,
            sources=("init_vae_from", "init_pixel_cnn_from", "init_from"),
        ),
        Stage(
            "ablation",
            AGAVE,
            has_auxiliary_loss=False,
            sources=("init_from",),
            required_source="init_from",
        ),
    )
}

# The stages of --stage=all, in order.
TRAINING_STAGES = ("pretrain_vae", "pretrain_pixel_cnn", "joint")


def stage_named(name: str) -> Stage:
    """Returns the stage of that name.

    Raises:
      InputError: there is none.
    """
    if name not in STAGES:
        raise InputError(f"`stage` must be {', '.join(STAGES)}; got {name!r}.")
    return STAGES[name]
