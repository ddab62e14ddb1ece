"""Flags made from settings: a setting's name, default, help and choices become a flag.

No module outside agave_tf/commands defines or reads flags. Functions take the flags'
values, `absl.flags.FlagValues`: those of the process, or others in a test.
"""

import dataclasses
from typing import TypeVar

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
        choices = choices_of(field)
        if field.type is str and choices:
            # absl shows the choices above the help.
            flags.DEFINE_enum(
                field.name,
                field.default,
                choices,
                field.metadata["help"],
                flag_values=values,
            )
        else:
            _DEFINE[field.type](
                field.name, field.default, help_of(field), flag_values=values
            )


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
