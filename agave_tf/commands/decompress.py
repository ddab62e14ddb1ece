"""Decodes a file of bin/compress.py: the same images, bit for bit.

bin/decompress.py --run_dir=runs/small/joint --input=pictures.agave --output_dir=out

--preview writes f(z) instead, from the first bytes of each stream, without the
PixelCNN++. --salvage writes what is intact of a damaged file.
"""

from absl import flags

from agave_tf.commands.devices import define_threads
from agave_tf.commands.flags import flag_group
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import check_optional_file, define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError
from agave_tf.runs.run_path import run_path
from agave_tf.whole_file import check_new_directory


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model the file was made with.", values)
    with flag_group("Files", values, main=True):
        define_path("input", None, "File to decode.", values, required=True)
        define_path(
            "output_dir",
            "",
            "Directory to write a PNG of every image to; it must not exist yet. Empty: "
            "none.",
            values,
        )
        define_path(
            "save_npz",
            "",
            "File ending in .npz to write the images to, with labels and names if the "
            "file has them; images of several sizes get an array each. Empty: none.",
            values,
        )
        flags.DEFINE_boolean(
            "preview",
            False,
            "Write f(z) instead of every image, decoded from its latents alone.",
            flag_values=values,
        )
        flags.DEFINE_boolean(
            "salvage",
            False,
            "Write what is intact of a damaged file, and name what is lost: pictures "
            "of a lane together.",
            flag_values=values,
        )
    define_threads(values)


def run(values: flags.FlagValues) -> None:
    """Writes --output_dir and --save_npz."""
    if not values.output_dir and not values.save_npz:
        raise InputError("`output_dir` or `save_npz` must be given; got neither.")
    if values.preview and values.salvage:
        raise InputError("`salvage` must not be given with --preview; got both.")
    if values.output_dir:
        check_new_directory("output_dir", values.output_dir)
    check_optional_file("save_npz", values.save_npz, ".npz")
    try:
        with open(values.input, "rb") as file:
            data = file.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            f"`input` must be a file; there is none at {values.input}."
        ) from error
    run_path(values.run_dir)
    run_work("decompress", values, data)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
