"""Measures the cost of training, evaluation, input, sampling or coding, as a table.

bin/benchmark.py --what=train --models=small,full
bin/benchmark.py --what=evaluate --models=small_agave --samples=2,16
bin/benchmark.py --what=input
bin/benchmark.py --what=sample --network=full --batches=1,16,64
bin/benchmark.py --what=code --network=preset --batches=1,16,64

Times are medians. Run it on a machine that does nothing else.
"""

from collections.abc import Iterable
from typing import NamedTuple

from absl import flags

from agave_tf.commands.devices import give_cores_their_own_operations
from agave_tf.commands.flags import flag_group
from agave_tf.commands.loading import run_work
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError, did_you_mean
from agave_tf.settings.benchmark import COMPUTES, MODELS, PIXEL_CNNS


class Lists(NamedTuple):
    """The flags that are lists, read and checked; rows of the table go through them."""

    models: list[str]
    computed: list[str]
    samples: list[int]
    sizes: list[int]
    batches: list[int]


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Measurement", values, main=True):
        flags.DEFINE_enum(
            "what",
            "train",
            ["train", "evaluate", "input", "sample", "code"],
            "Task to measure. train: training steps; evaluate: the importance-weighted "
            "bound; input: reading batches; sample: drawing images, cached and not; "
            "code: encoding and decoding them.",
            flag_values=values,
        )
        flags.DEFINE_enum(
            "network",
            "small",
            [*PIXEL_CNNS],
            "Size of the PixelCNN++, for sample and code.",
            flag_values=values,
        )
        flags.DEFINE_integer(
            "repeats",
            3,
            "Measurements of each row, taken in turns.",
            lower_bound=1,
            flag_values=values,
        )
        for name, default, help_text in (
            ("models", ["small"], f"Models, for train and evaluate: {_words(MODELS)}."),
            (
                "computed",
                ["float32"],
                f"Ways of computing, for train and evaluate: {_words(COMPUTES)}.",
            ),
            ("samples", ["2", "16"], "Importance samples of z, for evaluate."),
            ("sizes", ["32"], "Sides of the square images."),
            (
                "batches",
                ["1", "16", "64"],
                "Images at a time, for sample, code, input.",
            ),
        ):
            help_text = f"{help_text} Several are separated by commas."
            flags.DEFINE_list(name, default, help_text, flag_values=values)


def run(values: flags.FlagValues) -> None:
    """Prints the table of --what."""
    sizes = _numbers("sizes", values)
    batches = _numbers("batches", values)
    samples = _numbers("samples", values)
    models = _choices("models", MODELS, values)
    computed = _choices("computed", COMPUTES, values)
    if values.what in ("train", "evaluate") and len(sizes) > 1:
        raise InputError(
            f"`sizes` must be one size for --what={values.what}; got {sizes}."
        )
    lists = Lists(models, computed, samples, sizes, batches)
    if values.what == "train":
        give_cores_their_own_operations()  # As bin/train.py does.
    run_work("benchmark", values, lists)


def _words(choices: Iterable[str]) -> str:
    return ", ".join(choices)


def _numbers(name: str, values: flags.FlagValues) -> list[int]:
    """Returns the numbers of a list flag; raises InputError for other words."""
    words: list[str] = getattr(values, name)
    for word in words:
        if not word.isdecimal() or int(word) < 1:
            raise InputError(
                f"`{name}` must be positive numbers, separated by commas; got {word}."
            )
    return [int(word) for word in words]


def _choices(name: str, choices: Iterable[str], values: flags.FlagValues) -> list[str]:
    """Returns the words of a list flag; raises InputError for one that is no choice."""
    words: list[str] = getattr(values, name)
    for word in words:
        if word not in choices:
            raise InputError(
                f"`{name}` must be of {_words(choices)}, separated by commas; "
                f"got {word}.{did_you_mean(word, choices)}"
            )
    return words


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
