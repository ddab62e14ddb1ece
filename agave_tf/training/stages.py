"""The four training stages of Lucas & Verbeek 2018, section 4."""

from typing import NamedTuple

from agave_tf.config import Config
from agave_tf.input_error import InputError


class Stage(NamedTuple):
    """What a stage trains, on which objective, from where.

    auxiliary_weight: of ln p(y|z) in the objective.
    uses_lambda: whether the KL is weighted by --kl_weight, rather than by 1.
    sources: flags that may name the runs whose weights it starts from.
    required_source: the one it cannot do without.
    """

    name: str
    has_vae: bool
    has_pixel_cnn: bool
    auxiliary_weight: float
    uses_lambda: bool = False
    sources: tuple[str, ...] = ()
    required_source: str | None = None

    def kl_weight(self, config: Config) -> float:
        """The weight of the KL in this stage's objective."""
        return config.train.kl_weight if self.uses_lambda else 1.0

    def num_steps(self, config: Config) -> int:
        """Optimizer steps of this stage."""
        return getattr(config.train, f"{self.name}_steps")

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
        Stage("pretrain_vae", True, False, auxiliary_weight=1.0),
        Stage("pretrain_pixel_cnn", False, True, auxiliary_weight=0.0),
        Stage(
            "joint",
            True,
            True,
            auxiliary_weight=1.0,
            uses_lambda=True,
            sources=("init_vae_from", "init_pixel_cnn_from", "init_from"),
        ),
        Stage(
            "ablation",
            True,
            True,
            auxiliary_weight=0.0,
            sources=("init_from",),
            required_source="init_from",
        ),
    )
}

# What --stage=all runs, in order.
TRAINING_STAGES = ("pretrain_vae", "pretrain_pixel_cnn", "joint")
