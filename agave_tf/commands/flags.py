"""Flags made from settings: a setting's name, default, help and choices become a flag.

No module outside agave_tf/commands defines or reads flags. Functions take the flags'
values, `absl.flags.FlagValues`: those of the process, or others in a test.
"""

import dataclasses
from typing import Any, TypeVar

from absl import flags

from agave_tf.settings.config import PARTS, Config, config_from_settings
from agave_tf.settings.setting import Settings, choices_of, help_of

_Settings = TypeVar("_Settings", bound=Settings)

_DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_settings(values: flags.FlagValues, *part_names: str) -> None:
    """Defines a flag for every setting of the named parts of Config (none: all)."""
    for name in part_names or PARTS:
        define_settings_of(PARTS[name], values)


def define_settings_of(settings: type[Settings], values: flags.FlagValues) -> None:
    """Defines a flag for every field of a class of settings."""
    for field in dataclasses.fields(settings):
        _define(field, field.default, "", values)


def define_settings_of_run(part_name: str, values: flags.FlagValues) -> None:
    """Defines flags that replace settings of a run, by `with_flags`, if given."""
    for field in dataclasses.fields(PARTS[part_name]):
        _define(field, None, " Default: as in the run.", values)


def _define(
    field: dataclasses.Field, default: Any, note: str, values: flags.FlagValues
) -> None:
    """Defines the flag of a setting; `note` follows the help."""
    choices = choices_of(field)
    if field.type is str and choices:
        # absl shows the choices before the help.
        help_text = field.metadata["help"] + note
        flags.DEFINE_enum(field.name, default, choices, help_text, flag_values=values)
    else:
        help_text = help_of(field) + note
        _DEFINE[field.type](field.name, default, help_text, flag_values=values)


def define_run_dir(help_text: str, values: flags.FlagValues) -> None:
    """Defines --run_dir, which must be given."""
    flags.DEFINE_string("run_dir", None, help_text, required=True, flag_values=values)


def settings_from_flags(
    settings: type[_Settings], values: flags.FlagValues
) -> _Settings:
    """Returns the settings that the flags of `define_settings_of` describe.

    Raises:
      InputError: a value is not allowed.
    """
    names = [field.name for field in dataclasses.fields(settings)]
    return settings(**{name: values[name].value for name in names})


def config_from_flags(values: flags.FlagValues) -> Config:
    """Returns the Config that the flags of `define_settings` describe.

    Raises:
      InputError: a value is not allowed.
    """
    names = [
        field.name for part in PARTS.values() for field in dataclasses.fields(part)
    ]
    return config_from_settings({name: values[name].value for name in names})


def with_flags(config: Config, part_name: str, values: flags.FlagValues) -> Config:
    """Returns `config` with the settings of one part that the command line gives.

    Args:
      config: of a run.
      part_name: field of Config, such as "data".
      values: of flags that `define_settings` or `define_settings_of_run` defined.

    Raises:
      InputError: a value is not allowed.
    """
    part = getattr(config, part_name)
    given = {
        field.name: values[field.name].value
        for field in dataclasses.fields(part)
        if values[field.name].present
    }
    return dataclasses.replace(
        config, **{part_name: dataclasses.replace(part, **given)}
    )


def define_num_logical_cpus(values: flags.FlagValues) -> None:
    """Defines --num_logical_cpus, which goes with --strategy."""
    flags.DEFINE_integer(
        "num_logical_cpus",
        0,
        "Split the CPU into this number of devices, to try --strategy=mirrored without "
        "GPUs; 0: do not split it.",
        flag_values=values,
    )
