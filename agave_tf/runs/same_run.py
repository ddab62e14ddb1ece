"""Checks that a command may go on with a run: that their settings are the same."""

import dataclasses

from agave_tf.errors import InputError
from agave_tf.runs.checkpoints import checkpoint_steps
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_path import is_begun
from agave_tf.runs.run_record import Change
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import PARTS, Config


def check_same_run(path: str, stage: Stage, config: Config) -> RunDirectory | None:
    """Opens the run at `path`, after checking that the command may go on with it.

    Settings that the stage does not use may differ, and those that may change when a
    run is resumed; `changed_midway` gives those that must be recorded.

    Returns:
      None if there is no such directory, or nothing in it.

    Raises:
      InputError: the directory holds something else, or a run with other settings.
    """
    if not is_begun(path):
        return None
    old = open_run(path, weights=False)
    if old.stage != stage:
        raise InputError(
            f"`stage` must be {old.stage.name} to go on with the run in {path}; got "
            f"{stage.name}. Another --run_dir starts a new run."
        )
    if old.origin:
        raise InputError(
            f"`run_dir` must be another directory; {path} holds weights imported from "
            f"{old.origin}. Every stage can start from it, by --init_vae_from or "
            "--init_pixel_cnn_from."
        )
    steps_to_go = stage.num_steps(config) - old.step
    if old.step and steps_to_go > 0 and not checkpoint_steps(old.file("checkpoints")):
        raise InputError(
            f"`run_dir` must have checkpoints to go on from step {old.step}; {path} "
            "has the averaged weights alone. --init_from starts from these, in another "
            "--run_dir."
        )
    changes = changed_midway(stage, old.config, config)
    is_finished = old.step >= stage.num_steps(config)
    may_change = () if is_finished else [change.setting for change in changes]
    old_settings = fixed_settings(old.config, stage)
    for name, value in fixed_settings(config, stage).items():
        # The number of steps is fixed only where the learning rate falls.
        if old_settings.get(name, value) != value and name not in may_change:
            finished = ", which is finished" if is_finished and changes else ""
            raise InputError(
                f"`{name}` must be {old_settings[name]!r} to go on with the run in "
                f"{path}{finished}; got {value!r}. Another --run_dir starts a new run."
            )
    return old


def changed_midway(stage: Stage, old: Config, new: Config) -> tuple[Change, ...]:
    """Lists the settings that may change midway and do; no change has its step yet.

    The number of steps is one of these settings if the learning rate falls at the end.

    Args:
      stage: the stage of the run.
      old: the settings of a run, as they are stored.
      new: the settings it is to go on with.
    """
    names = [
        field.name
        for field in dataclasses.fields(old.train)
        if field.metadata["may_change_midway"]
    ]
    if old.train.cooldown_steps or new.train.cooldown_steps:
        names.append(stage.steps_setting)
    pairs = [
        (name, getattr(old.train, name), getattr(new.train, name)) for name in names
    ]
    return tuple(
        Change(name, before, after, step=None)
        for name, before, after in pairs
        if before != after
    )


def fixed_settings(config: Config, stage: Stage) -> dict[str, bool | int | float | str]:
    """The settings that affect what a training step of the stage computes, by name.

    Two runs of a stage with the same values are the same run.
    """
    return {
        field.name: getattr(getattr(config, part), field.name)
        for part, cls in PARTS.items()
        for field in dataclasses.fields(cls)
        if stage.uses(part, field.name)
        and (
            not field.metadata["may_change"]
            # The learning rate falls at the end of the steps.
            or (field.name == stage.steps_setting and config.train.cooldown_steps)
        )
    }
