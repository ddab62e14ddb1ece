"""The names of the stages, and the runs that each may start from."""

from collections.abc import Mapping
from typing import NamedTuple

from agave_tf.errors import InputError


class StageSources(NamedTuple):
    """The flags that may name runs whose weights a stage starts from."""

    flags: tuple[str, ...]
    required: str | None = None  # one of `flags` that must be given


# By stage; agave_tf/runs/stages.py says what each trains.
STAGE_SOURCES: dict[str, StageSources] = {
    "pretrain_vae": StageSources(("init_vae_from", "init_from")),
    "pretrain_pixel_cnn": StageSources(("init_pixel_cnn_from", "init_from")),
    "joint": StageSources(("init_vae_from", "init_pixel_cnn_from", "init_from")),
    "ablation": StageSources(("init_from",), required="init_from"),
}

# The stages of --stage=all, in order.
TRAINING_STAGES = ("pretrain_vae", "pretrain_pixel_cnn", "joint")

# The stage of the run that an imported checkpoint becomes, by its kind: pixel_cnn is of
# openai/pixel-cnn, iaf_vae of openai/iaf.
IMPORTED_STAGES = {"pixel_cnn": "pretrain_pixel_cnn", "iaf_vae": "pretrain_vae"}


def check_sources(stage: str, given: Mapping[str, str]) -> None:
    """Checks that a stage can start from the runs given by flags.

    Args:
      stage: its name.
      given: directory by flag name; empty where the flag is not set.

    Raises:
      InputError: it cannot.
    """
    sources = STAGE_SOURCES[stage]
    named = sorted(flag for flag, directory in given.items() if directory)
    for flag in named:
        if flag not in sources.flags:
            takes = ", ".join(f"--{source}" for source in sources.flags)
            raise InputError(
                f"`--{flag}` cannot go with --stage={stage}, which takes {takes}; got "
                f"--{flag}={given[flag]}."
            )
    if "init_from" in named and len(named) > 1:
        raise InputError(
            f"`--init_from` gives all weights and cannot go with --{named[-1]}; got "
            "both."
        )
    if sources.required and sources.required not in named:
        raise InputError(
            f"`--{sources.required}` must name a run directory of stage joint for "
            f"--stage={stage}; got nothing."
        )
