"""The texts of --help and --helpfull: the flags of a command, by group.

--help shows the main flags, each in its first sentence; --helpfull shows all.
"""

import re
import shutil
import textwrap

from absl import flags

from agave_tf.commands.flags import About, about, choices_of_flag
from agave_tf.settings.flag_files import packaged_flag_files

_FOOTER = (
    "--flagfile=FILE reads flags from a file, one a line; these are in the package: "
    "{presets}. "
)
# A full stop within a sentence, as in "Eq. 7" and "et al. 2016", precedes a number. The
# explanation of a choice, "one: one GPU, or the CPU", begins without a capital.
_SENTENCE_END = re.compile(r"(?<=\.) +(?=[A-Z-]|[a-z_]+: )")


def short_help(description: str, values: flags.FlagValues) -> str:
    """Returns the help for somebody who meets the command for the first time.

    Args:
      description: the text above the flags, with an example.
      values: has the command's flags.
    """
    end = "--helpfull shows all flags, by group; [...] is a flag's default."
    return _help(description, values, end, is_short=True)


def full_help(description: str, values: flags.FlagValues) -> str:
    """Returns the help of every flag of the command.

    Args:
      description: the text above the flags, with an example.
      values: has the command's flags; absl's own are left out.
    """
    end = (
        "--help shows the main flags only, --version the version; [...] is a flag's "
        "default."
    )
    return _help(description, values, end, is_short=False)


def first_sentence(text: str) -> str:
    """Returns the first sentence of a help text."""
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _help(
    description: str, values: flags.FlagValues, end: str, *, is_short: bool
) -> str:
    columns = max(min(shutil.get_terminal_size((100, 24)).columns, 100), 60)
    groups: dict[str, list[tuple[flags.Flag, About]]] = {}
    for name in values:
        shown = about(values[name])
        if shown and (shown.is_main or not is_short):
            groups.setdefault(shown.group, []).append((values[name], shown))
    names = [f"  --{_name(flag)}" for group in groups.values() for flag, _ in group]
    width = max(map(len, names), default=0) + 2
    lines = [description.strip()]
    for title, group in groups.items():
        lines.append(f"\n{title}")
        lines += [_flag_help(*flag, width, columns, is_short) for flag in group]
    presets = ", ".join(name.removesuffix(".flags") for name in packaged_flag_files())
    footer = _FOOTER.format(presets=presets) + end
    lines.append("\n" + textwrap.fill(footer, columns, break_on_hyphens=False))
    return "\n".join(lines)


def _name(flag: flags.Flag) -> str:
    return f"[no]{flag.name}" if flag.boolean else flag.name


def _default(flag: flags.Flag, shown: About) -> str:
    """Returns the default as the command line has it; empty for an empty text."""
    if flag.default is None:
        return shown.no_default
    if isinstance(flag.default, list):
        return ",".join(flag.default)
    if isinstance(flag.default, float):
        return f"{flag.default:g}"
    return str(flag.default).lower() if flag.boolean else str(flag.default)


def _flag_help(
    flag: flags.Flag, shown: About, width: int, columns: int, is_short: bool
) -> str:
    """Returns a flag's name, with its help beside it."""
    text = first_sentence(shown.help) if is_short else shown.help
    choices = choices_of_flag(flag)
    if not all(choice in text for choice in choices):
        text += f" One of {', '.join(choice for choice in choices if choice)}."
    default = _default(flag, shown)
    # The full help of a setting of a run ends with its default.
    if default and not text.endswith(f" Default: {default}."):
        text += f" [{default}]"
    return textwrap.fill(
        text,
        columns,
        initial_indent=f"  --{_name(flag)}".ljust(width),
        subsequent_indent=" " * width,
        break_long_words=False,
        break_on_hyphens=False,
    )
