"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Bad input from a person: shown as one line, without a traceback, exit code 2.

    The message names the setting in backticks, says what is required, and quotes what
    came: `` `num_color_levels` must divide 256; got 48. ``
    """
