"""Checks of the arguments of a command, before absl parses them.

absl's errors name neither the line of a flag file nor the choices in our words, and it
takes the next flag for a value that was forgotten.
"""

from collections.abc import Iterator, Sequence

from absl import flags

from agave_tf.commands.flags import choices_of_flag
from agave_tf.errors import InputError, did_you_mean


def check_arguments(arguments: Sequence[str], values: flags.FlagValues) -> None:
    """Checks that every argument is a flag of the command, with a value that it takes.

    Args:
      arguments: without the name of the program; those from a flag file are
        `FlagLine`s.
      values: has the command's flags; it is not changed.

    Raises:
      InputError: an argument is no flag, or a flag has no value or one it cannot have.
    """
    ignored = _ignored(arguments)
    remaining = iter(arguments)
    for argument in remaining:
        try:
            _check(argument, remaining, values, ignored)
        except InputError as error:
            place = getattr(argument, "place", "")
            raise InputError(f"{place}: {error}" if place else str(error)) from error


def required_flag_error(error: flags.Error) -> InputError:
    """Returns our error for absl's error about a required flag that is missing."""
    message = str(error)
    name, equals, _ = message.removeprefix("flag --").partition("=None")
    if not equals:
        return InputError(message)
    return InputError(
        f"`--{name}` must be given; got nothing. --help shows an example."
    )


def _ignored(arguments: Sequence[str]) -> set[str]:
    """Returns the flags that need not exist, by absl's --undefok=NAME,NAME."""
    lists = [a.partition("=")[2] for a in arguments if a.startswith("--undefok=")]
    return {name for names in lists for name in names.split(",")}


def _check(
    argument: str,
    remaining: Iterator[str],
    values: flags.FlagValues,
    ignored: set[str],
) -> None:
    """Checks one argument, and takes its value from `remaining` if it is the next."""
    dashes = "--" if argument.startswith("--") else "-"
    name, equals, value = argument.removeprefix(dashes).partition("=")
    if not argument.startswith("-") or not name:
        raise InputError(
            f"Arguments must be --flags; got {argument!r}.{_as_flag(argument, values)}"
        )
    if name in ignored or (name == "undefok" and equals):
        return
    if name not in values:
        _check_negation(name, equals, argument, values)
        return
    if not equals:
        if values[name].boolean:
            return
        value = next(remaining, "--")
        if value.startswith("--"):
            got = "nothing" if value == "--" else f"the next flag, {value!r}"
            raise InputError(f"`{name}` must have a value, --{name}=...; got {got}.")
    _check_value(values[name], value)


def _check_negation(
    name: str, equals: str, argument: str, values: flags.FlagValues
) -> None:
    """Checks --noNAME of a flag that is true or false."""
    positive = name.removeprefix("no")
    if positive == name or positive not in values or not values[positive].boolean:
        names = [f"--{n}" for n in values]
        names += [f"--no{n}" for n in values if values[n].boolean]
        hint = did_you_mean(f"--{name}", names)
        raise InputError(f"There is no flag --{name}; got {argument!r}.{hint}")
    if equals:
        raise InputError(
            f"`{name}` must have no value; got {argument!r}. Did you mean "
            f"--{positive}=false?"
        )


def _check_value(flag: flags.Flag, text: str) -> None:
    """Checks that a flag accepts a value."""
    try:
        flag.parser.parse(text)
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        choices = choices_of_flag(flag)
        requirement = flag.parser.syntactic_help or str(error)
        hint = ""
        if flag.boolean:
            requirement = "true or false"
        elif choices:
            *others, last = [choice or "empty" for choice in choices]
            requirement = f"{', '.join(others)} or {last}"
            hint = did_you_mean(text, choices)
        raise InputError(
            f"`{flag.name}` must be {requirement}; got {text!r}.{hint}"
        ) from error


def _as_flag(argument: str, values: flags.FlagValues) -> str:
    """Returns a hint for an argument that looks like a flag without its dashes."""
    # Word processors make one long dash of two short ones.
    name, equals, value = argument.lstrip("-\N{EN DASH}\N{EM DASH}").partition("=")
    if name in values and (equals or values[name].boolean):
        return f" Did you mean --{name}{equals}{value}?"
    if argument.lower() in ("true", "false"):
        return " A flag that is true or false is written --flag, --noflag or --flag=..."
    return ""
