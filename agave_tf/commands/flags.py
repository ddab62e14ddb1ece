"""Flags made from settings: a setting's name, default, help and choices become a flag.

No module outside agave_tf/commands defines or reads flags. Functions take the flags'
values, `absl.flags.FlagValues`: those of the process, or others in a test.
"""

import contextlib
import dataclasses
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from absl import flags

from agave_tf.commands.paths import define_path
from agave_tf.settings.config import PARTS, Config, config_from_settings
from agave_tf.settings.setting import (
    Settings,
    checked_value,
    choices_of,
    help_of,
    type_of,
)
from agave_tf.settings.user_path import expand_path

_Settings = TypeVar("_Settings", bound=Settings)

_DEFINE: dict[type, Callable] = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


class About(NamedTuple):
    """The parts of a flag's help, besides its name."""

    group: str  # the heading above it
    is_main: bool  # --help shows it, not only --helpfull
    help: str
    no_default: str  # stands for the default of a flag that has none


_ABOUT: weakref.WeakKeyDictionary[flags.Flag, About] = weakref.WeakKeyDictionary()


def about(flag: flags.Flag) -> About | None:
    """Returns the parts of a flag's help; None for one of absl's own flags."""
    return _ABOUT.get(flag)


def choices_of_flag(flag: flags.Flag) -> list[str]:
    """Returns the values that a flag may have; none for a flag without a choice."""
    parser = flag.parser
    return parser.enum_values if isinstance(parser, flags.EnumParser) else []


@contextlib.contextmanager
def flag_group(
    title: str,
    values: flags.FlagValues,
    *,
    main: bool = False,
    no_default: str = "required",
) -> Iterator[None]:
    """Puts the flags that are defined inside under a heading of the help.

    Flags of a group inside this one stay under the heading of that group.

    Args:
      title: the heading.
      values: has the flags that are defined inside.
      main: --help shows the flags; --helpfull shows all flags.
      no_default: stands for the default of flags that have none.
    """
    before = set(values)
    yield
    for name in values:
        if name not in before and values[name] not in _ABOUT:
            # absl puts the choices before the help.
            text = re.sub(r"^<[^>]*>: ", "", values[name].help)
            _ABOUT[values[name]] = About(title, main, text, no_default)


def define_settings(values: flags.FlagValues, *part_names: str) -> None:
    """Defines a flag for every setting of the named parts of Config (none: all)."""
    for name in part_names or PARTS:
        define_settings_of(PARTS[name], values)


def define_settings_of(settings: type[Settings], values: flags.FlagValues) -> None:
    """Defines a flag for every field of a class of settings."""
    for field in dataclasses.fields(settings):
        with flag_group(settings.title, values, main=field.metadata["main"]):
            _define(field, field.default, "", values)


def define_settings_of_run(part_name: str, values: flags.FlagValues) -> None:
    """Defines flags that replace settings of a run, by `with_flags`, if given."""
    part, note = PARTS[part_name], "as in the run"
    for field in dataclasses.fields(part):
        main = field.metadata["main"]
        with flag_group(part.title, values, main=main, no_default=note):
            _define(field, None, f" Default: {note}.", values)


def _define(
    field: dataclasses.Field, default: Any, note: str, values: flags.FlagValues
) -> None:
    """Defines the flag of a setting; `note` follows the help."""
    choices = choices_of(field)
    if field.type is str and choices:
        # absl shows the choices before the help.
        help_text = field.metadata["help"] + note
        flags.DEFINE_enum(field.name, default, choices, help_text, flag_values=values)
    elif field.metadata["expand"] is expand_path:
        define_path(field.name, default, help_of(field) + note, values)
    else:
        help_text = help_of(field) + note
        _DEFINE[type_of(field)](field.name, default, help_text, flag_values=values)


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


def check_settings_of_run(part_name: str, values: flags.FlagValues) -> None:
    """Checks the flags of `define_settings_of_run` one by one, without the run.

    Raises:
      InputError: a value is not allowed, whatever the run's own settings are.
    """
    for field in dataclasses.fields(PARTS[part_name]):
        if values[field.name].present:
            checked_value(field, values[field.name].value)


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
