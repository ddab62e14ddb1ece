"""Settings that are changed while a run is under way, to recover from a failure."""

import dataclasses
from typing import NamedTuple

from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config


class Change(NamedTuple):
    """A setting that was changed while a run was under way."""

    setting: str
    before: int | float
    after: int | float
    step: int | None  # from which on it counts; None until the run has been restored

    def __str__(self) -> str:
        return f"{self.setting} {self.before} -> {self.after} from step {self.step}"


def changed_midway(stage: Stage, old: Config, new: Config) -> tuple[Change, ...]:
    """The changes of settings that may change midway, at a step not yet known.

    The number of steps is one of them where the learning rate falls at their end.

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
