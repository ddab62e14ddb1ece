"""Codes images with a trained model: a file of the size of its bits/dim, losslessly.

bin/compress.py --run_dir=runs/small/joint --files=pictures --output=pictures.agave

bin/decompress.py gives the same images, bit for bit, with the same model and versions
on a machine of the same kind. It is for measuring and research, not for archives.
"""

import dataclasses

import numpy as np
import tqdm
from absl import flags, logging

from agave_tf.codec.codec import Codec, Progress
from agave_tf.commands.devices import use_threads
from agave_tf.commands.flags import (
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
    with_flags,
)
from agave_tf.commands.paths import (
    check_output_file,
    define_path,
    define_paths,
    define_run_dir,
)
from agave_tf.commands.running import run_command
from agave_tf.data.exact_pictures import NamedImages, read_exact_pictures
from agave_tf.data.image_set import Images, describe_sizes
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.models.image_model import ImageModel
from agave_tf.models.parts import bits_per_dim
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.coding import CodecSettings
from agave_tf.settings.data import DataConfig
from agave_tf.whole_file import writing

SUFFIX = ".agave"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to code with.", values)
    _define_image_flags(values)
    with flag_group("File to write", values, main=True):
        define_path(
            "output", None, f"File ending in {SUFFIX} to write.", values, required=True
        )
    define_settings_of(CodecSettings, values)
    with flag_group("Checks", values, main=True):
        flags.DEFINE_boolean(
            "verify",
            True,
            "Decode the file and compare all that comes out, before the command "
            "succeeds.",
            flag_values=values,
        )
        flags.DEFINE_boolean(
            "bound",
            True,
            "Also compute the model's bound, to show beside the size of the file.",
            flag_values=values,
        )
    with flag_group("Devices", values):
        flags.DEFINE_integer(
            "threads",
            1,
            "Threads of an operation. The decoder must use as many, so 1 suits every "
            "machine.",
            lower_bound=1,
            upper_bound=255,
            flag_values=values,
        )
    define_settings_of_run("data", values)


def _define_image_flags(values: flags.FlagValues) -> None:
    with flag_group("Images to code", values, main=True):
        define_paths(
            "files",
            "Picture files, and folders of them, separated by commas; they must have "
            "the model's size. Empty: the images of the run's data set.",
            values,
        )
        flags.DEFINE_enum(
            "split",
            "test",
            ["test", "train"],
            "Part of the data set, if there are no --files.",
            flag_values=values,
        )
        flags.DEFINE_integer(
            "max_images",
            0,
            "Images of the data set to code, a random choice as of bin/evaluate.py; 0: "
            "all.",
            lower_bound=0,
            flag_values=values,
        )


def run(values: flags.FlagValues) -> None:
    """Writes --output."""
    settings = settings_from_flags(CodecSettings, values)
    check_output_file("output", values.output, SUFFIX)
    _check_image_flags(values)
    use_threads(values.threads)
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    model = source.load_model()
    Codec(model, settings)  # Refuses a model that cannot code.
    if values.files and source.num_classes:
        raise InputError(
            "`files` must not be given for a class-conditional model, which codes with "
            "labels, because picture files have none; --dataset has images with labels."
        )
    images, names = _images(source, values)
    bound = _bound(model, images, settings) if values.bound else None
    note = f", bound {bound:.4f}" if bound else ""
    with _Bar("Encoding", images, model.num_dims, note) as bar:
        codec = Codec(model, settings, bar.show)
        data = codec.encode(images.array, images.label, names)
    if values.verify:
        with _Bar("Verifying", images, model.num_dims) as bar:
            decoded = Codec(model, settings, bar.show).decode(data)
        if not (
            np.array_equal(decoded.images, images.array)
            and np.array_equal(np.asarray(decoded.labels), np.asarray(images.label))
            and decoded.names == names
        ):
            raise AssertionError("The file decodes to something else; none is written.")
    with writing(values.output) as file:
        file.write(data)
    _print(values.output, data, images, model.num_dims, bound)


def _check_image_flags(values: flags.FlagValues) -> None:
    """Refuses flags about a data set beside --files, where they have no effect."""
    names = ["split", "max_images", *(f.name for f in dataclasses.fields(DataConfig))]
    given = [name for name in names if values[name].present]
    if values.files and given:
        raise InputError(
            f"`{given[0]}` must not be given with --files, which are coded as they "
            f"are; got both."
        )


def _images(
    source: RunDirectory, values: flags.FlagValues
) -> tuple[Images, list[str] | None]:
    """Returns the images to code, and the names of those that come from files."""
    if values.files:
        named: NamedImages = read_exact_pictures(values.files, source.image_shape)
        for sentence in named.notes:
            logging.warning("%s", sentence)
        return Images(named.image, None), named.names
    data = with_flags(source.config, "data", values).data
    loaded = load_run_data(source, data, [values.split])
    images = loaded.part(values.split)
    source.check_images(images)
    if images.shape != source.image_shape:
        raise InputError(
            f"`dataset` must have images of the run's size {source.image_shape[:2]} to "
            f"code; got {describe_sizes(images.sizes)}. --image_size crops and resizes."
        )
    loaded.check_labels(source.num_classes)
    images.check_labels(source.num_classes)
    return images.take(images.choose(values.max_images)), None


def _bound(model: ImageModel, images: Images, settings: CodecSettings) -> float:
    """Returns the mean bits/dim of the ELBO, with one draw of z."""
    batch_size = min(settings.lanes, len(images.image))
    scores = Evaluator(model, batch_size).scores(images, 1, progress="Bound")
    return float(np.mean(bits_per_dim(scores.log_likelihood, model.num_dims)))


class _Bar:
    """A progress bar with the bits/dim so far, and a note after them."""

    def __init__(self, caption: str, images: Images, num_dims: int, note: str = ""):
        self._num_dims, self._note = num_dims, note
        self._num_images, self._bits = 0, 0.0
        self._bar = tqdm.tqdm(
            total=len(images.image), desc=caption, unit="image", disable=None
        )

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Shows how far the work is."""
        self._num_images += progress.num_images
        self._bits += progress.bits
        self._bar.update(progress.num_images)
        if self._bits:
            bits_per_dim_so_far = self._bits / self._num_images / self._num_dims
            self._bar.set_postfix_str(f"{bits_per_dim_so_far:.4f} bits/dim{self._note}")


def _print(
    path: str, data: bytes, images: Images, num_dims: int, bound: float | None
) -> None:
    count = len(images.image)
    bits = 8 * len(data) / count
    print(f"{path}: {count} images, {len(data)} bytes")
    print(f"  file   {bits / num_dims:.4f} bits/dim, {bits:.1f} bits an image")
    if bound is not None:
        over = 100 * (bits / num_dims / bound - 1)
        print(f"  bound  {bound:.4f} bits/dim (ELBO); the file is {over:.2f} % larger")


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
