"""A setting: a field that carries its default, its help and its constraints.

    @dataclasses.dataclass(frozen=True)
    class Network(Settings):
        num_filters: int = setting(160, "Filters of every layer.", at_least(1))

    Network(num_filters=0)  # InputError: `num_filters` must be at least 1; got 0.

agave_tf/commands/flags.py makes the flag of the same name from the field.
"""

import dataclasses
import math
import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from agave_tf.errors import InputError, did_you_mean, quoted


class Constraint(NamedTuple):
    """A condition on the value of a setting.

    requirement: the words that follow "must", for errors and help: "be at least 1".
    is_met: returns whether a value, which has the field's type, meets the condition.
    choices: the values that are allowed, if they can be listed.
    """

    requirement: str
    is_met: Callable[[Any], bool]
    choices: tuple[Any, ...] = ()


def at_least(minimum: float) -> Constraint:
    """Returns the constraint `minimum <= value`."""
    return Constraint(f"be at least {minimum}", lambda value: value >= minimum)


def above(limit: float) -> Constraint:
    """Returns the constraint `limit < value`."""
    return Constraint(f"be above {limit}", lambda value: value > limit)


def below(limit: float) -> Constraint:
    """Returns the constraint `value < limit`."""
    return Constraint(f"be below {limit}", lambda value: value < limit)


def between(minimum: float, maximum: float) -> Constraint:
    """Returns the constraint `minimum <= value <= maximum`."""
    return Constraint(
        f"be from {minimum} to {maximum}", lambda value: minimum <= value <= maximum
    )


def one_of(*choices: Any) -> Constraint:
    """Returns the constraint that the value is one of `choices`."""
    *others, last = map(str, choices)
    words = f"{', '.join(others)} or {last}" if others else last
    return Constraint(f"be {words}", lambda value: value in choices, choices)


def divides(number: int) -> Constraint:
    """Returns the constraint that the value divides `number` without a remainder."""
    return Constraint(
        f"divide {number}", lambda value: value != 0 and number % value == 0
    )


def either(first: Constraint, second: Constraint) -> Constraint:
    """Returns the constraint that at least one of two is met."""
    return Constraint(
        f"{first.requirement} or {second.requirement.removeprefix('be ')}",
        lambda value: first.is_met(value) or second.is_met(value),
    )


POSITIVE = Constraint("be positive and finite", lambda value: 0 < value < math.inf)
# TensorFlow's stateless generators and NumPy's take these seeds.
SEED = Constraint("be at least 0 and below 2**31", lambda value: 0 <= value < 2**31)


def setting(
    default: Any,
    help_text: str,
    *constraints: Constraint,
    may_change: bool = False,
    may_change_midway: bool = False,
    may_differ: bool = False,
    main: bool = False,
    expand: Callable[[str, str], str] | None = None,
) -> Any:
    """Returns a field of a subclass of `Settings`.

    Args:
      default: the value if none is given.
      help_text: the help of the setting's flag; whole sentences, without the
        constraints, which `help_of` adds.
      *constraints: all must be met.
      may_change: a run may be resumed with another value, because the setting does
        not affect what a training step computes.
      may_change_midway: a run that is not finished may be resumed with another value,
        to recover from a training that fails; the run records the step of the change.
      may_differ: a stage may have another value than the run that it starts from,
        because weights of one value can be used with another.
      main: --help shows the setting to somebody who meets the command for the first
        time; --helpfull shows every setting.
      expand: a function of the given value and the setting's name that returns the
        value to keep, such as `expand_path` for a setting that is a path; it may raise
        InputError.
    """
    metadata = {
        "help": help_text,
        "constraints": constraints,
        "may_change": may_change,
        "may_change_midway": may_change_midway,
        "may_differ": may_differ,
        "main": main,
        "expand": expand,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of dataclasses whose fields are settings; every instance is valid.

    Raises:
      InputError: a value has the wrong type (an int is accepted for a float, which
        must be finite), does not meet a constraint, or does not go with another.

    A setting that is a path may be given as a `pathlib.Path`, and may begin with ~.
    """

    # The heading of these settings in --help.
    title: ClassVar[str] = "Settings"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = checked_value(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self.check_together()

    def check_together(self) -> None:
        """Raises InputError for values that are valid alone, but not together.

        A subclass overrides it; the fields have been checked one by one before.
        """


def require(is_met: bool, name: str, requirement: str, value: Any) -> None:
    """Raises InputError, "`name` must be `requirement`", unless `is_met`."""
    if not is_met:
        raise InputError(f"`{name}` must be {requirement}; got {quoted(value)}.")


def requirement_of(field: dataclasses.Field) -> str:
    """Returns the words for all constraints of a field; empty if it has none."""
    return " and ".join(c.requirement for c in field.metadata["constraints"])


def choices_of(field: dataclasses.Field) -> tuple[Any, ...]:
    """Returns the values that a field may have, if its constraints list them."""
    return next((c.choices for c in field.metadata["constraints"] if c.choices), ())


def help_of(field: dataclasses.Field) -> str:
    """Returns the help of a field, which ends with its constraints."""
    requirement = requirement_of(field)
    ending = f" Must {requirement}." if requirement else ""
    return field.metadata["help"] + ending


# The types of settings, and how an error names them.
_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
# The longest text of a setting: the longest path that Linux takes.
_MOST_CHARACTERS = 4096


def type_of(field: dataclasses.Field) -> type:
    """Returns the type of a field: a class, as annotations of settings are no text."""
    assert isinstance(field.type, type)
    return field.type


def checked_value(field: dataclasses.Field, value: Any) -> Any:
    """Returns the value that a field keeps of a given one.

    Raises:
      InputError: it has not the field's type, or is not allowed.
    """
    expand = field.metadata["expand"]
    if expand and isinstance(value, os.PathLike):
        value = os.fspath(value)
    _check(field, value)
    return expand(value, field.name) if expand else value


def _check(field: dataclasses.Field, value: Any) -> None:
    """Raises InputError unless the value has the field's type and is allowed."""
    is_bool = isinstance(value, bool)
    field_type = type_of(field)
    accepted = (int, float) if field_type is float else field_type
    # In Python a bool is an int.
    has_type = isinstance(value, accepted) and is_bool == (field_type is bool)
    require(has_type, field.name, _TYPE_NAMES[field_type], value)
    if field_type is float:
        # Not `math.isfinite`, which fails for an integer that no float can hold.
        is_finite = abs(value) <= sys.float_info.max
        require(is_finite, field.name, "a finite number", value)
    elif field_type is int:
        require(abs(value) < 2**31, field.name, "a whole number below 2**31", value)
    elif field_type is str:
        is_usual = len(value) <= _MOST_CHARACTERS and "\0" not in value
        words = f"text of at most {_MOST_CHARACTERS} characters without NUL"
        require(is_usual, field.name, words, value)
    if not all(c.is_met(value) for c in field.metadata["constraints"]):
        hint = did_you_mean(value, choices_of(field))
        raise InputError(
            f"`{field.name}` must {requirement_of(field)}; got {quoted(value)}.{hint}"
        )
